"""What to disclose next: what is advised is what disclosing does, and nothing does more."""

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import ft_emissions_pipeline as fte
from ft_emissions_pipeline import methodology, stages
from ft_emissions_pipeline.analysis import advice
from ft_emissions_pipeline.impacts import footprint
from ft_emissions_pipeline.ledger import rollups
from ft_emissions_pipeline.reference import default, load
from ft_emissions_pipeline.tables import BASES

FACTORS = load()
NUMBERS = {"reserved_s", "active_s", "gpu_count", "server_count", "pue", "wue_l_per_kwh",
           "grid_kgco2e_per_kwh", "electricity_water_l_per_kwh", "gpu_utilization",
           "cpu_utilization",
           "it_energy_kwh", "model_parameters", "tokens_padded", "train_flop"}  # fmt: skip

LOGGED = {
    "run_id": "logged", "reserved_s": 36_000, "gpu_model": "A100-SXM4-80GB", "gpu_count": 8,
    "server_model": "dgx-a100-640", "server_count": 1, "it_energy_kwh": 2_000,
    "location": "Germany",
}  # fmt: skip
BARE = {"run_id": "bare", "reserved_s": 3600}
TOKENS = {"run_id": "tokens", "tokens_unpadded": 5e7, "base_model": "Llama 2"}
SERVICE = {
    "run_id": "service", "managed_service": "AWS Bedrock", "cloud_region": "us-west-2",
    "base_model": "Llama 2 7B", "reserved_s": 5000,
}  # fmt: skip
CASES = (LOGGED, BARE, TOKENS, SERVICE)


def advised(run, **options):
    return fte.advise(run, reference=FACTORS, **options)


def widths(runs, total="total_kgco2e"):
    """Return the width of each run's interval, all estimated in one go."""
    numbered = [{**run, "run_id": f"{number:03d}"} for number, run in enumerate(runs)]
    found = fte.estimate(numbered, reference=FACTORS).runs.sort_values("run_id")
    return (found[f"{total}_p95"] - found[f"{total}_p05"]).to_numpy(), found["total_kgco2e"]


def test_how_a_footprint_is_shared_out_is_not_tried_for_it_moves_no_total():
    use = {"expected_inferences_per_day": 10, "expected_use_life_days": 30}
    (now, then), carbon = widths([BARE, {**BARE, **use}])
    assert now == then
    assert carbon.nunique() == 1
    assert not set(advice.try_fields(BARE, reference=FACTORS).tried["field"]) & set(use)


def with_disclosed(run, row):
    """Return the run with the advised field stated as it stands in for now."""
    names, values = row["field"].split(), row["value"]
    values = values.split() if len(names) > 1 else [values]
    stated = {
        name: float(value) if name in NUMBERS else value
        for name, value in zip(names, values, strict=True)
    }
    return {**run, **stated}


def test_a_disclosed_pue_takes_its_own_spread_out_and_leaves_the_rest():
    """By hand: embodied carbon aside, ln C = ln E + ln PUE + ln G, so the variances add up.

    With E = 1e6 kWh the making of the hardware is nothing beside the electricity.
    """
    run = {**LOGGED, "it_energy_kwh": 1e6}
    origins = fte.estimate(run, reference=FACTORS).provenance.set_index("field")

    def log_sd(field):
        return np.log(origins.loc[field, "p95"] / origins.loc[field, "p05"]) / (2 * 1.6448536)

    disclosed = np.log(default(FACTORS, "gsd_disclosed").value)
    others = log_sd("it_energy_kwh") ** 2 + log_sd("grid_kgco2e_per_kwh") ** 2
    now, then = np.sqrt(others + log_sd("pue") ** 2), np.sqrt(others + disclosed**2)
    by_hand = 1 - np.sinh(1.6448536 * then) / np.sinh(1.6448536 * now)
    row = advised(run).set_index("field").loc["pue"]
    assert row["tier"] == "D"
    assert row["carbon_narrowed"] == pytest.approx(by_hand, abs=2e-4)
    assert by_hand > 0.005


@pytest.mark.parametrize("run", CASES, ids=lambda run: run["run_id"])
def test_disclosing_each_field_does_what_is_said_of_it(run):
    rows = advised(run)
    stated = [with_disclosed(run, row) for row in rows.to_dict("records")]
    for total, column in zip(advice.METRICS, ("carbon_narrowed", "water_narrowed"), strict=True):
        (before, *then), carbon = widths([run, *stated], total)
        narrowed = 1 - np.array(then) / before
        assert narrowed.tolist() == pytest.approx(rows[column].tolist(), abs=1e-6)
        assert carbon.tolist() == pytest.approx([carbon.iloc[0]] * len(carbon), rel=1e-9)
    assert rows["carbon_narrowed"].is_monotonic_decreasing


@pytest.mark.parametrize("run", CASES, ids=lambda run: run["run_id"])
def test_no_other_single_field_narrows_the_interval_more(run):
    """Every missing field of the run, not only those that the answer lists."""
    best = advised(run).iloc[0]
    estimate = fte.estimate(run, reference=FACTORS)
    missing = estimate.provenance[estimate.provenance["basis"].isin(("predicted", "default"))]
    values = missing.set_index("field")["value"]
    fields = sorted(NUMBERS.intersection(values.index) - {"reserved_s", "active_s"})
    (before, *then), _ = widths([run, *({**run, name: float(values[name])} for name in fields)])
    assert (1 - np.array(then) / before).max() <= best["carbon_narrowed"] + 1e-6


@settings(max_examples=8)
@given(
    hours=st.floats(0.5, 200),
    known=st.sets(
        st.sampled_from(["gpu_count", "location", "pue", "gpu_model", "gpu_utilization"])
    ),
)
def test_the_first_row_is_the_best_of_any_run(hours, known):
    values = {"gpu_count": 4, "location": "France", "pue": 1.2, "gpu_model": "V100-SXM2-32GB",
              "gpu_utilization": 0.8}  # fmt: skip
    run = {"run_id": "any", "reserved_s": hours * 3600, **{name: values[name] for name in known}}
    rows = advised(run)
    assert not known & set(rows["field"])
    best = rows.iloc[0]
    (before, then), _ = widths([run, with_disclosed(run, best)])
    assert 1 - then / before == pytest.approx(best["carbon_narrowed"], abs=1e-6)
    assert best["carbon_narrowed"] == rows["carbon_narrowed"].max()


def test_an_accelerator_takes_all_that_follows_from_it_along():
    row = advised(TOKENS).set_index("field").loc["gpu_model"]
    assert {"gpu_max_w", "gpu_idle_w", "gpu_embodied_kgco2e", "active_s", "reserved_s"} <= set(
        row["decides"].split()
    )
    assert "server_embodied_kgco2e" not in row["decides"].split()


def test_a_name_of_several_variants_counts_as_missing():
    rows = advised({**LOGGED, "gpu_model": "A100"}).set_index("field")
    assert rows.loc["gpu_model", "value"].startswith("A100-")
    assert rows.loc["gpu_model", "tier"] == "B"
    assert "gpu_model" not in advised(LOGGED)["field"].tolist()


def test_a_run_of_which_all_is_disclosed_has_nothing_to_disclose():
    everything = {**LOGGED, "pue": 1.1, "wue_l_per_kwh": 0.3, "server_model": "dgx-a100-640"}
    rows = advised(everything)
    assert rows["field"].isna().tolist() == [True]
    assert rows["quality_tier"].tolist() == ["B"]


def test_no_runs_give_no_advice():
    assert advised([]).empty


def rolled_up(runs):
    """Return the runs' sum as a roll-up has it."""
    estimate = fte.estimate(runs, reference=FACTORS)
    _, shares = footprint.impacts_and_spreads(
        estimate.normalized, estimate.provenance, FACTORS, methodology.profile("default")
    )
    spreads = shares.table()
    ledger = estimate.runs[["date", "run_id", "model_name"]].assign(
        inferences=1.0, inferences_basis="actual", status="final",
        allocated_kgco2e=estimate.runs["total_kgco2e"],
        allocated_water_l=estimate.runs["total_water_l"], allocated_market_kgco2e=np.nan,
    )  # fmt: skip
    ledger = ledger.rename(columns={"run_id": "model_version"})
    return rollups.roll_up(ledger, spreads, ["model"], expected_log_sd=0.0).iloc[0]


def test_a_models_bounds_are_those_of_its_roll_up_now_and_once_a_field_is_disclosed():
    """One of three runs tells its PUE already: it stays as it is in the sum."""
    runs = [
        {**BARE, "run_id": name, "model_name": "m", "reserved_s": s, **more}
        for name, s, more in (("a", 3600, {}), ("b", 7200, {}), ("c", 5000, {"pue": 1.3}))
    ]
    by_model = advised(runs, by="model_name").set_index("field")
    assert by_model.loc[["pue", "gpu_model"], "runs"].tolist() == [2, 3]
    by_run = advised(runs).set_index(["run_id", "field"])
    now = rolled_up(runs)
    for field in ("pue", "gpu_model", "it_energy_kwh"):
        row = by_model.loc[field]
        stated = [
            with_disclosed(run,
                           {"field": field, "value": by_run.loc[(run["run_id"], field), "value"]})
            if (run["run_id"], field) in by_run.index else run
            for run in runs
        ]  # fmt: skip
        then = rolled_up(stated)
        for name in advice.BOUNDS:
            column = name.replace("total_", "allocated_")
            assert row[name] == pytest.approx(now[column], rel=1e-9)
            assert row[f"then_{name}"] == pytest.approx(then[column], rel=1e-6)


def test_many_runs_of_a_kind_get_what_each_gets_alone():
    """Energies and hours differ, so shares of electricity and making do; rules are asked once."""
    runs = [
        {**LOGGED, "run_id": f"{number}", "it_energy_kwh": 5.0 * 3**number,
         "reserved_s": 3600.0 * (7 - number)}
        for number in range(2)
    ]  # fmt: skip
    runs += [{**run, "run_id": f"tokens {run['run_id']}", "tokens_padded": 1e7 * 9**number}
             for number, run in enumerate(runs)]  # fmt: skip
    runs += [{**TOKENS, "run_id": f"untimed {number}", "tokens_unpadded": 1e6 * 40**number}
             for number in range(2)]  # fmt: skip
    together = advised(runs)
    alone = pd.concat([advised(run) for run in runs])
    alone["model_name"] = alone["run_id"]
    pd.testing.assert_frame_equal(
        together.assign(model_name=together["run_id"]),
        alone.sort_values("run_id", kind="stable").reset_index(drop=True),
        rtol=1e-6,
    )


def test_the_rules_are_asked_once_for_each_kind_of_run(monkeypatch):
    asked = []

    filled = stages.filled

    def counted(runs, choices):
        asked.append(len(runs))
        return filled(runs, choices)

    monkeypatch.setattr(stages, "filled", counted)
    nights = [{**LOGGED, "run_id": f"{n}", "it_energy_kwh": 100.0 + n} for n in range(50)]
    rows = advised([*nights, BARE])
    assert rows["run_id"].nunique() == 51
    advised([nights[0], BARE])
    # Each time first the runs themselves, then the copies with one field disclosed.
    assert (asked[0], asked[2]) == (51, 2)
    assert len(asked) == 4
    assert asked[1] == asked[3]


def test_one_run_or_one_model_can_be_asked_for():
    runs = [{**BARE, "run_id": name, "model_name": f"of {name}"} for name in ("a", "b")]
    assert set(advised(runs, only="a")["run_id"]) == {"a"}
    assert set(advised(runs, only="of b")["run_id"]) == {"b"}
    with pytest.raises(stages.UnknownRun, match="no run or model 'of c' among 2 runs; nearest: of"):
        advised(runs, only="of c")


def test_every_basis_has_a_tier():
    assert list(advice.TIER_OF_BASIS) == list(BASES)
    assert sorted(advice.TIER_OF_BASIS.values()) == ["A", "B", "B", "C", "D"]


def test_a_quarter_of_the_carbon_of_logged_energy_rests_on_a_guessed_pue():
    """E x multiplier x PUE x G with E, G and the multiplier disclosed: one factor of four."""
    run = {**LOGGED, "it_energy_kwh": 1e9, "grid_kgco2e_per_kwh": 0.4, "development_multiplier": 1}
    both = [run, {**run, "run_id": "stated", "pue": 1.2}]
    estimate = fte.estimate(both, reference=FACTORS)
    share = advice.share_of_total_imputed(
        estimate.normalized, estimate.provenance, FACTORS, methodology.profile("default")
    )
    by_run = dict(zip(estimate.normalized["run_id"], share, strict=True))
    assert by_run == pytest.approx({"logged": 1 / 4, "stated": 0}, abs=1e-4)


def test_runs_joined_of_several_records_keep_what_they_rest_on(tmp_path):
    """A run of two files has its origins by field; the tried field joins them as disclosed."""
    for name, fields in (("a", {"reserved_s": 3600}), ("b", {"gpu_count": 2})):
        text = json.dumps([{"run_id": "joined", "location": "France", **fields}])
        (tmp_path / f"{name}.json").write_text(text)
    runs, _ = fte.read_runs(tmp_path)
    assert runs["origins"].notna().all()
    rows = advised(runs)
    assert not {"reserved_s", "gpu_count", "country_iso3"} & set(rows["field"])
    stated = {"reserved_s": 3600, "gpu_count": 2, "location": "France"}
    assert rows["carbon_narrowed"].tolist() == pytest.approx(
        advised(stated)["carbon_narrowed"].tolist()
    )
