"""What if: worked by hand, against draws, and zero where nothing changes."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import ft_emissions_pipeline as fte
from ft_emissions_pipeline import methodology, normalize, stages, tables, token_time
from ft_emissions_pipeline.analysis import advice, scenarios
from ft_emissions_pipeline.impacts import footprint
from ft_emissions_pipeline.impacts.monte_carlo import simulate
from ft_emissions_pipeline.ledger import rollups
from ft_emissions_pipeline.reference import add_grid, load
from ft_emissions_pipeline.warehouse import store

FACTORS = load()
LOGGED = {
    "run_id": "logged", "gpu_model": "A100-SXM4-80GB", "gpu_count": 8,
    "server_model": "dgx-a100-640", "server_count": 1, "reserved_s": 36_000, "active_s": 36_000,
    "it_energy_kwh": 40, "cloud_provider": "aws", "cloud_region": "us-west-2", "method": "full",
    "base_model": "Llama 2 7B", "tokens_padded": 1e8, "expected_inferences_per_day": 1000,
    "expected_use_life_days": 1, "ended_at": "2024-07-06T05:00:00Z",
}  # fmt: skip
TOKENS = {"run_id": "tokens", "tokens_padded": 1e9, "base_model": "Llama 2 7B"}
SERVICE = {
    "run_id": "service", "managed_service": "AWS Bedrock", "cloud_region": "us-west-2",
    "base_model": "Llama 2 7B", "reserved_s": 5000, "tokens_unpadded": 48_123,
}  # fmt: skip
ALL = [LOGGED, TOKENS, SERVICE]


def asked(runs, **changes):
    return fte.what_if(runs, reference=FACTORS, **changes)


def of(answers, run="logged"):
    return answers[answers["run_id"] == run].set_index("quantity")


def provenance(run):
    return fte.estimate(run, reference=FACTORS).provenance.set_index("field")


@pytest.fixture(scope="module")
def to_stockholm():
    return asked(LOGGED, region="aws eu-north-1")


def test_another_region_changes_the_operational_part_by_its_factors(to_stockholm):
    """Energy stays; carbon goes by grid x PUE of both places, the making of hardware not at all."""
    rows = of(to_stockholm)
    here = provenance(LOGGED)
    there = provenance({**LOGGED, "cloud_region": "eu-north-1"})
    grid, pue = (
        float(there.loc[field, "value"]) / float(here.loc[field, "value"])
        for field in ("grid_kgco2e_per_kwh", "pue")
    )
    assert rows.loc["it_energy_kwh", ["now", "then"]].tolist() == [40, 40]
    operational, embodied = rows.loc["operational_kgco2e"], rows.loc["embodied_kgco2e"]
    assert operational["then"] / operational["now"] == pytest.approx(grid * pue, rel=1e-9)
    assert embodied[["difference", "difference_p05", "difference_p95"]].tolist() == [0, 0, 0]
    assert rows.loc["total_kgco2e", "difference"] == pytest.approx(
        operational["now"] * (grid * pue - 1), rel=1e-9
    )


def test_a_logged_grid_intensity_is_not_compared_with_a_place_in_silence():
    own = {**LOGGED, "grid_kgco2e_per_kwh": 0.2}
    (note,) = set(asked(own, region="aws eu-north-1")["note"])
    assert "names no basis; the other place's is on the life cycle" in note
    assert set(asked(own, method="lora")["note"]) == {""}
    assert set(asked(LOGGED, region="aws eu-north-1")["note"]) == {""}


def test_what_is_common_makes_the_difference_more_certain_than_if_both_erred_apart(to_stockholm):
    draws = np.random.default_rng(5)
    for quantity in ("total_kgco2e", "total_water_l", "operational_kgco2e"):
        row = of(to_stockholm).loc[quantity]
        apart = [
            np.sqrt(low * high) * (high / low) ** (draws.standard_normal(200_000) / 2 / 1.6448536)
            for low, high in (row[["now_p05", "now_p95"]], row[["then_p05", "then_p95"]])
        ]
        low, high = np.quantile(apart[1] - apart[0], (0.05, 0.95))
        assert 0 < row["difference_p95"] - row["difference_p05"] < 0.999 * (high - low)


def test_both_sides_are_what_an_estimate_of_each_says(to_stockholm):
    for side, run in (("now", LOGGED), ("then", {**LOGGED, "cloud_region": "eu-north-1"})):
        found = fte.estimate(run, reference=FACTORS).runs.iloc[0]
        for quantity in ("total_kgco2e", "total_water_l"):
            row = of(to_stockholm).loc[quantity]
            assert row[side] == pytest.approx(found[quantity], rel=1e-9)
            for bound in ("_p05", "_p95"):
                tolerance = 1e-9 if side == "now" else 5e-3
                assert row[side + bound] == pytest.approx(found[quantity + bound], rel=tolerance)


def test_the_interval_of_the_difference_is_that_of_draws(to_stockholm):
    """E x (P'G' - PG): one E for both, each factor with its own error."""
    draws = np.random.default_rng(6)

    def drawn(origins, field):
        row = origins.loc[field]
        value, scores = float(row["value"]), draws.standard_normal(1_000_000)
        below, above = np.log(value / row["p05"]), np.log(row["p95"] / value)
        return value * np.exp(np.where(scores < 0, below, above) / 1.6448536 * scores)

    here, there = provenance(LOGGED), provenance({**LOGGED, "cloud_region": "eu-north-1"})
    factors = [drawn(each, "pue") * drawn(each, "grid_kgco2e_per_kwh") for each in (there, here)]
    found = np.quantile(drawn(here, "it_energy_kwh") * (factors[0] - factors[1]), (0.05, 0.95))
    row = of(to_stockholm).loc["operational_kgco2e"]
    assert [row["difference_p05"], row["difference_p95"]] == pytest.approx(found, rel=0.02)


@pytest.mark.parametrize(
    "changes",
    [
        {"region": "aws us-west-2"},
        {"region": "USA"},
        {"gpu": "A100-SXM4-80GB"},
        {"method": "full"},
        {"model": "Llama 2 7B"},
        {"every_days": 1},
        {"start_hour": 19},
        {"region": "us-west-2", "gpu": "A100-SXM4-80GB", "method": "full", "every_days": 1},
    ],
    ids=str,
)
def test_a_scenario_that_changes_nothing_makes_no_difference(changes):
    answers = asked(LOGGED, **changes)
    columns = ["difference", "difference_p05", "difference_p95"]
    assert (answers[columns] == 0).all(axis=None)
    for bound in ("", "_p05", "_p95"):
        assert answers[f"then{bound}"].tolist() == answers[f"now{bound}"].tolist()


WITHOUT_ENERGY = {name: value for name, value in LOGGED.items() if name != "it_energy_kwh"}
UNTIMED = {
    name: value for name, value in WITHOUT_ENERGY.items() if name not in {"reserved_s", "active_s"}
}


def predicted_s(**changes):
    """Return what the token-time model says of the run's active time."""
    return float(provenance({**UNTIMED, **changes}).loc["active_s", "value"])


H100 = "H100-SXM5-80GB"


def on_h100s():
    server = FACTORS.tables["gpus"].set_index("gpu_id").loc[H100, "usual_server_id"]
    return {"gpu_model": H100, "server_model": server}


def energy_kwh(run):
    return fte.estimate(run, reference=FACTORS).runs["it_energy_kwh"].iloc[0]


def test_on_another_accelerator_time_and_energy_go_by_the_models_scaled_to_the_log():
    """36,000 s and 40 kWh were logged: t' = t x model' / model, E' = E x P't' / (P t)."""
    there = {**WITHOUT_ENERGY, **on_h100s()}
    there["reserved_s"] = there["active_s"] = 36_000 * predicted_s(**on_h100s()) / predicted_s()
    energy = [energy_kwh(run) for run in (WITHOUT_ENERGY, there)]
    row = of(asked(LOGGED, gpu=H100)).loc["it_energy_kwh"]
    assert row["then"] == pytest.approx(40 * energy[1] / energy[0], rel=1e-6)
    without = of(asked(WITHOUT_ENERGY, gpu=H100)).loc["it_energy_kwh"]
    assert without["then"] == pytest.approx(energy[1], rel=1e-6)


def test_a_limit_of_power_stays_with_the_accelerator_for_which_it_was_set():
    limited = {**WITHOUT_ENERGY, "gpu_max_w": 250}
    rows = [of(asked(run, gpu=H100)).loc["it_energy_kwh"] for run in (limited, WITHOUT_ENERGY)]
    assert rows[0]["then"] == pytest.approx(rows[1]["then"], rel=1e-6)
    assert rows[0]["now"] < rows[1]["now"]


def test_logged_utilisation_stays():
    run = {**WITHOUT_ENERGY, "gpu_utilization": 0.7}
    there = {**run, **on_h100s()}
    there["reserved_s"] = there["active_s"] = 36_000 * predicted_s(**on_h100s()) / predicted_s()
    row = of(asked(run, gpu=H100)).loc["it_energy_kwh"]
    assert row["then"] == pytest.approx(energy_kwh(there), rel=1e-6)


def test_a_low_rank_adapter_takes_less_of_all_that_was_logged():
    ratio = predicted_s(method="lora") / predicted_s()
    assert 0.6 < ratio < 0.9
    row = of(asked(LOGGED, method="lora")).loc["embodied_kgco2e"]
    assert row["then"] / row["now"] == pytest.approx(ratio, rel=1e-6)
    there = {**WITHOUT_ENERGY, "method": "lora", "reserved_s": 36_000 * ratio,
             "active_s": 36_000 * ratio}  # fmt: skip
    energy = of(asked(LOGGED, method="lora")).loc["it_energy_kwh"]
    by_hand = 40 * energy_kwh(there) / energy_kwh(WITHOUT_ENERGY)
    assert energy["then"] == pytest.approx(by_hand, rel=1e-6)


def test_logged_operations_are_scaled_to_the_other_method():
    """The run logs its operations too: a predicted time goes by its tokens as if it had not."""
    logged = {**UNTIMED, "run_id": "logged", "train_flop": 4e18}
    row = of(asked(logged, method="lora")).loc["it_energy_kwh"]
    bare = of(asked(UNTIMED, method="lora")).loc["it_energy_kwh"]
    assert row["then"] / row["now"] == pytest.approx(bare["then"] / bare["now"], rel=1e-6)


def test_idle_time_stays_idle():
    """12 h reserved of which 10 computed: the 10 change with the model, 2 stay idle."""
    run = {**WITHOUT_ENERGY, "reserved_s": 12 * 3600, "active_s": 10 * 3600}
    row = of(asked(run, model="Llama 2 13B")).loc["embodied_kgco2e"]
    ratio = predicted_s(base_model="Llama 2 13B") / predicted_s()
    assert ratio > 1.3
    assert row["then"] / row["now"] == pytest.approx((10 * ratio + 2) / 12, rel=1e-6)


def test_a_predicted_time_is_predicted_again():
    """For a run of tokens alone the other side is what an estimate of it says."""
    row = of(asked(TOKENS, method="lora"), "tokens").loc["total_kgco2e"]
    found = fte.estimate({**TOKENS, "method": "lora"}, reference=FACTORS).runs.iloc[0]
    assert row["then"] == pytest.approx(found["total_kgco2e"], rel=1e-9)
    assert row["then_p95"] == pytest.approx(found["total_kgco2e_p95"], rel=0.01)


def test_retuned_every_week_a_year_has_fifty_two_of_them():
    rows = of(asked(LOGGED, every_days=7))
    total = rows.loc["total_kgco2e"]
    assert total["difference"] == 0
    year, one = rows.loc["kgco2e_per_year"], rows.loc["gco2e_per_inference"]
    assert year["now"] == pytest.approx(total["now"] * 365)
    assert year["then"] == pytest.approx(total["now"] * 365 / 7)
    assert one["now"] == pytest.approx(total["now"])  # kg over 1000 inferences are g over 1
    assert one["then"] == pytest.approx(total["now"] / 7)
    assert year["difference_p05"] == pytest.approx(-total["now_p95"] * 365 * 6 / 7, rel=0.02)
    assert rows["note"].eq("now every 1 days (disclosed)").all()


def test_a_model_that_was_tuned_before_tells_its_own_cadence():
    runs = [
        {**SERVICE, "run_id": f"{day}", "model_name": "m",
         "ended_at": f"2024-07-{day:02d}T05:00:00Z"}
        for day in (1, 4, 7)
    ]  # fmt: skip
    rows = of(asked(runs, every_days=1, only="7"), "7")
    assert rows.loc["kgco2e_per_year", "then"] / rows.loc[
        "kgco2e_per_year", "now"
    ] == pytest.approx(3)
    assert rows["note"].eq("now every 3 days (the usual interval of the model)").all()


def test_without_grid_intensity_by_the_hour_a_start_hour_has_no_answer_rather_than_zero():
    answers = asked(ALL, start_hour=3)
    assert answers[["then", "difference", "difference_p95"]].isna().all(axis=None)
    assert answers["now"].notna().all()
    assert answers["note"].str.contains("no grid intensity by the hour is given").all()
    both = asked(ALL, start_hour=3, method="lora")
    assert both["then"].notna().all()
    assert both["note"].str.contains("no grid intensity by the hour is given").all()


def test_a_start_hour_takes_the_hours_of_your_own_series(tmp_path):
    """300 g by day, 100 g from 0 to 6 o'clock, Germany: ten hours from 19:00, or from 00:00."""
    hours = pd.date_range("2024-07-05", "2024-07-08", freq="h", inclusive="left")
    text = "starts_at,gco2e_per_kwh\n" + "".join(
        f"{hour:%Y-%m-%dT%H:%M}Z,{100 if hour.hour < 6 else 300}\n" for hour in hours
    )
    (tmp_path / "grid.csv").write_text(text)
    add_grid(tmp_path / "grid.csv", tmp_path / "own", zone="Germany", source="ours", licence="ours")
    own = load(own=Path(tmp_path) / "own")
    run = {**LOGGED, "location": "Germany", "started_at": "2024-07-05T19:00:00Z"}
    for name in ("cloud_provider", "cloud_region"):
        del run[name]
    rows = of(fte.what_if(run, start_hour=0, reference=own))
    row = rows.loc["operational_kgco2e"]
    # From 19:00 five hours at 300, five at 100 make 200; from 00:00 six at 100, four at 300: 180.
    assert row["then"] / row["now"] == pytest.approx(180 / 200, rel=1e-9)
    assert row["difference_p95"] < 0  # the series errs on both sides at once
    assert rows["note"].eq("").all()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({}, "nothing is changed; give region"),
        ({"region": "eu-nort-1"},
         "no region, country or US state 'eu-nort-1'; nearest: .*eu-north-1"),
        ({"gpu": "A1000"}, "gpu 'A1000' is not known .*nearest: A100"),
        ({"model": "Lama 2 7B"}, "model 'Lama 2 7B' is not known .*nearest: llama-2-7b"),
        ({"method": "loar"}, r"no method 'loar'; .*did you mean 'lora'\?"),
        ({"start_hour": 24}, "start_hour is 24, must be a whole hour from 0 to 23"),
        ({"every_days": 0}, "every_days is 0, must be above 0"),
        ({"every_days": float("nan")}, "every_days is nan"),
    ],
)  # fmt: skip
def test_what_is_not_known_is_refused_with_what_is(changes, message):
    with pytest.raises(ValueError, match=message):
        asked(LOGGED, **changes)


def test_an_unknown_run_is_refused_with_the_nearest():
    with pytest.raises(
        stages.UnknownRun, match="no run or model 'loged' among 3 runs; nearest: logged"
    ):
        asked(ALL, only="loged", method="lora")


def summed(runs, **changes):
    return scenarios.totals(scenarios.compare(runs, changes, reference=FACTORS)).set_index(
        "quantity"
    )


def test_sums_over_runs_leave_out_what_does_not_add_up():
    runs = [LOGGED, {**LOGGED, "run_id": "again"}]
    sums = summed(runs, method="lora")
    one = of(asked(runs, method="lora")).loc["it_energy_kwh", "difference"]
    assert sums.loc["it_energy_kwh", "difference"] == pytest.approx(2 * one)
    assert sums["runs"].eq(2).all()
    assert not set(sums.index) & set(scenarios.PER_INFERENCE)


def test_a_sum_of_one_run_is_that_run():
    one, alone = summed(LOGGED, region="Norway"), of(asked(LOGGED, region="Norway"))
    columns = [side + bound for side in scenarios.SIDES for bound in ("", "_p05", "_p95")]
    pd.testing.assert_frame_equal(one[columns], alone.loc[one.index, columns], rtol=1e-12)


PLACES = ("aws us-west-2", "aws eu-central-1", "Poland", "aws eu-north-1", "aws eu-north-1")
MANY = [
    {**LOGGED, "run_id": f"{number}", "location": place, "it_energy_kwh": 10 * 1.5**number,
     **dict.fromkeys(("cloud_provider", "cloud_region"))}
    for number, place in enumerate(PLACES)
]  # fmt: skip
"""Five runs of which two are where the others go."""


def rolled_up(runs):
    """Return the runs' sum as a roll-up has it."""
    estimate = fte.estimate(runs, reference=FACTORS)
    _, shares = footprint.impacts_and_spreads(
        estimate.normalized, estimate.provenance, FACTORS, methodology.profile("default")
    )
    spreads = shares.table()
    ledger = estimate.runs[["date", "run_id"]].rename(columns={"run_id": "model_version"})
    ledger = ledger.assign(
        model_name="m", inferences=1.0, inferences_basis="actual", status="final",
        allocated_kgco2e=estimate.runs["total_kgco2e"],
        allocated_water_l=estimate.runs["total_water_l"], allocated_market_kgco2e=np.nan,
    )  # fmt: skip
    return rollups.roll_up(ledger, spreads, ["model"], expected_log_sd=0.0).iloc[0], estimate


def test_a_sum_has_the_interval_of_the_roll_up_on_both_sides():
    """The two runs that are in eu-north-1 already err with the three that come."""
    sums = summed(MANY, region="aws eu-north-1")
    moved = [{**run, "location": "aws eu-north-1"} for run in MANY]
    for side, runs, tolerance in (("now", MANY, 1e-9), ("then", moved, 5e-3)):
        found, _ = rolled_up(runs)
        for total in ("kgco2e", "water_l"):
            for bound in ("", "_p05", "_p95"):
                assert sums.loc[f"total_{total}", side + bound] == pytest.approx(
                    found[f"allocated_{total}{bound}"], rel=tolerance
                )


@pytest.mark.parametrize("quantity", ["operational_kgco2e", "total_kgco2e", "total_water_l"])
def test_the_interval_of_a_sums_difference_is_that_of_draws(quantity):
    """A draw of a factor is one for all runs on both sides: eu-north-1 errs for the five alike."""
    moved = [{**run, "location": "aws eu-north-1"} for run in MANY]
    drawn = []
    for runs in (MANY, moved):
        _, estimate = rolled_up(runs)
        found = simulate(
            estimate.normalized, estimate.provenance, FACTORS, methodology.profile("default"),
            draws=20_000, seed=3,
        )  # fmt: skip
        drawn.append(found[quantity].sum(axis=0))
    row = summed(MANY, region="aws eu-north-1").loc[quantity]
    found = np.quantile(drawn[1] - drawn[0], (0.05, 0.95))
    width = found[1] - found[0]
    assert [row["difference_p05"], row["difference_p95"]] == pytest.approx(found, abs=0.04 * width)
    each = asked(MANY, region="aws eu-north-1").query("quantity == @quantity")
    assert width < 0.98 * (each["difference_p95"] - each["difference_p05"]).sum()


@pytest.fixture(scope="module")
def taught(tmp_path_factory):
    """A warehouse whose own runs took three times as long as the packaged model says."""
    days = pd.date_range("2024-07-01", periods=24)
    timed = {name: LOGGED[name]
             for name in ("gpu_model", "gpu_count", "base_model", "method", "location")
             if name in LOGGED}  # fmt: skip
    usual_s = predicted_s()
    told = [
        {**timed, "run_id": f"own-{n}", "model_name": f"m{n % 6}", "tokens_padded": 1e8 + 1e6 * n,
         "active_s": 3 * (1 + n / 100) * usual_s, "ended_at": f"{day:%Y-%m-%d}T05:00:00Z"}
        for n, day in enumerate(days)
    ]  # fmt: skip
    untold = {**timed, "run_id": "untold", "tokens_padded": 2e8,
              "ended_at": f"{days[-1]:%Y-%m-%d}T09:00:00Z"}  # fmt: skip
    valid, _, choices = stages.prepared([*told, untold], reference=FACTORS)
    valid["run_id"] = [*(run["run_id"] for run in told), "untold"]
    profile = methodology.profile("default")
    own = normalize.timed_work(valid, FACTORS, profile)
    models = token_time.parameters(FACTORS, pd.DatetimeIndex(valid["date"].unique()), own)
    made = stages.footprints(valid, replace(choices, token_time=models))
    warehouse = tmp_path_factory.mktemp("taught")
    every = (tables.NORMALIZED_RUNS, tables.FIELD_PROVENANCE, tables.RUN_IMPACTS)
    for table, frame in zip(every, (made.normalized, made.provenance, made.impacts), strict=True):
        store.write(warehouse, table, frame)
    store.write(warehouse, tables.VALIDATED_RUNS, valid)
    store.write(warehouse, tables.TOKEN_TIME_MODEL, models)
    return warehouse


def test_what_was_is_what_a_warehouse_holds_where_own_runs_shifted_the_model(taught):
    runs, options = stages.stored_runs(taught)
    stored = store.read(taught, tables.RUN_IMPACTS).set_index("run_id")
    packaged = fte.estimate(runs, reference=FACTORS).runs.set_index("run_id")
    ratio = stored.loc["untold", "embodied_kgco2e"] / packaged.loc["untold", "embodied_kgco2e"]
    assert ratio > 2
    answers = fte.what_if(runs, region="Norway", **options)
    for quantity in ("total_kgco2e", "total_water_l", "embodied_kgco2e"):
        rows = answers[answers["quantity"] == quantity].set_index("run_id")
        for bound in ("", "_p05", "_p95") if quantity.startswith("total") else ("",):
            pd.testing.assert_series_equal(
                rows[f"now{bound}"], stored.loc[rows.index, quantity + bound],
                check_names=False, rtol=1e-9,
            )  # fmt: skip
    advised = fte.advise(runs, only="untold", **options).iloc[0]
    for name in advice.BOUNDS:
        assert advised[name] == pytest.approx(stored.loc["untold", name], rel=1e-9)


def test_runs_joined_of_several_records_can_be_moved_too(tmp_path):
    for name, fields in (
        ("a", {"reserved_s": 3600, "location": "Germany"}),
        ("b", {"gpu_count": 2}),
    ):
        (tmp_path / f"{name}.json").write_text(
            json.dumps([{"run_id": "joined", "gpu_model": "A100-SXM4-80GB", **fields}])
        )
    runs, _ = fte.read_runs(tmp_path)
    assert runs["origins"].notna().all()
    joined = asked(runs, region="Norway", gpu="H100-SXM5-80GB", model="Llama 2 7B", method="lora")
    assert joined["then"].notna().all()


@settings(max_examples=12)
@given(
    st.fixed_dictionaries(
        {},
        optional={
            "region": st.sampled_from(["aws eu-north-1", "Poland", "US-CA", "gcp us-central1"]),
            "gpu": st.sampled_from(["H100-SXM5-80GB", "V100-SXM2-32GB", "A100"]),
            "method": st.sampled_from(["lora", "qlora", "full"]),
            "model": st.sampled_from(["Llama 2 13B", "Llama 2", "Mistral 7B"]),
            "every_days": st.floats(0.5, 60),
        },
    ).filter(bool)
)
def test_any_scenario_gives_ordered_finite_answers(changes):
    answers = asked(ALL, **changes)
    assert set(answers["run_id"]) == {"logged", "tokens", "service"}
    figures = answers[
        [f"{side}{bound}" for side in scenarios.SIDES for bound in ("_p05", "", "_p95")]
    ]
    assert np.isfinite(figures).all(axis=None)
    for side in scenarios.SIDES:
        assert (figures[f"{side}_p05"] <= figures[side]).all()
        assert (figures[side] <= figures[f"{side}_p95"]).all()
    assert (figures[["now_p05", "then_p05"]] >= 0).all(axis=None)
    pd.testing.assert_series_equal(
        answers["difference"], answers["then"] - answers["now"], check_names=False
    )
