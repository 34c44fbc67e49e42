"""Whatever is missing is filled by a rule that says so, and whatever is disclosed stays."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from missing_fields import CASES, HOUR, case_estimate

import ft_emissions_pipeline as fte
from ft_emissions_pipeline import methodology, normalize, tables, token_time
from ft_emissions_pipeline.normalize.filling import IMPUTED
from ft_emissions_pipeline.reference import add_grid, describe, load

FIELD_CASES = Path(__file__).parents[1] / "data" / "field_cases"


@pytest.fixture(scope="module")
def with_own_grid(tmp_path_factory):
    """Your tables over the package's: hours and a contract for Germany, a factor for Oregon."""
    folder = tmp_path_factory.mktemp("own")
    hours, periods = folder / "hours.csv", folder / "periods.csv"
    hours.write_text("starts_at,gco2e_per_kwh\n2024-03-01T10:00Z,100\n")
    periods.write_text(
        "zone,valid_from,valid_to,gco2e_per_kwh,accounting\n"
        "DEU,2024-01-01,2024-12-31,12,market-based\n"
        "US-OR,2024-01-01,2024-12-31,150,location-based\n"
    )
    for file, zone in ((hours, "DEU"), (periods, None)):
        add_grid(file, folder / "own", zone=zone, source="me", licence="ours")
    return load(own=folder / "own")


def test_no_rule_is_dead(default, with_country_pue, with_own_grid):
    estimates = (
        fte.estimate(
            [{**CASES["dates"], "location": place} for place in ("Germany", "Oregon, USA")]
            + [{**CASES["dates"], "location": place} for place in ("Québec, Canada", "Stockholm")]
            + [{**CASES["dates"], "country_iso3": "ZZZ", "grid_kgco2e_per_kwh": 0.3}],
            reference=with_own_grid,
        ),
        default,
        case_estimate("scope3-2024"),
        fte.estimate({**HOUR, "location": "Germany"}, reference=with_country_pue),
        fte.estimate(
            [
                {**HOUR, "host": "node1", "it_energy_kwh": 7, "meter_energy_kwh": 8},
                {**HOUR, "host": "node1", "it_energy_kwh": 7},
            ],
            calibrate=True,
        ),
        fte.estimate(fte.read_runs(FIELD_CASES / "cc_task")[0]),
    )
    hit = {
        (row.field, row.rule)
        for estimate in estimates
        for row in estimate.provenance.itertuples(index=False)
    }
    never = {(rule.field, rule.name) for rule in normalize.RULES} - hit
    assert not never


def test_rules_are_described_and_named_once():
    names = [(rule.field, rule.name) for rule in normalize.RULES]
    assert len(set(names)) == len(names)
    assert all(len(rule.description.split()) > 1 for rule in normalize.RULES)
    assert {rule.basis for rule in normalize.RULES} <= set(tables.BASES)


def test_every_factor_can_be_looked_up(default):
    ids = {i for text in default.provenance["factor_id"].dropna() for i in str(text).split()}
    rules = {rule.name for rule in normalize.RULES}
    assert len(ids) > 60
    for factor_id in ids:
        table, rest = factor_id.split("/", 1)
        assert (
            (table == "methodology" and rest in rules)
            or factor_id == f"token_time/{token_time.packaged().version}"
            or describe(default.reference, factor_id)
        )


# The fine-tuning page's table of missing data points, row by row: case, field, value, rule.
MISSING_DATA_POINTS = (
    ("2022", "gpu_id", "A100-SXM4-80GB", "gpu_common_in_year"),  # the page's own example
    ("2024", "gpu_id", "H100-SXM5-80GB", "gpu_common_in_year"),  # common_hardware.csv
    ("power alone", "gpu_id", "A100-SXM4-80GB", "gpu_of_power"),  # 400 W on its data sheet
    ("2022", "server_id", "hpe-apollo-6500-gen10-plus", "server_of_gpu"),
    ("2024", "server_id", "dgx-h100", "server_of_gpu"),
    ("no gpu, 2022", "server_id", "hpe-apollo-6500-gen10-plus", "server_common_in_year"),
    ("least", "server_count", "1", "one_server"),
    ("gpu by name", "server_count", "1", "one_server"),
    ("least", "country_iso3", "USA", "country_default"),
    ("provider", "pue", "1.15", "pue_of_provider"),  # datacenter.csv: aws 2024
    ("no gpu", "pue", "1.56", "pue_of_world"),  # Uptime survey 2024
    ("no gpu", "wue_l_per_kwh", "0.38", "wue_of_world"),
    ("least", "wue_l_per_kwh", "0.38", "wue_of_country"),  # LBNL 2024, the USA in 2023
    ("unknown model", "reserved_s", None, "time_from_tokens"),
    ("2022", "started_at", "2022-06-29T23:00:00+00:00", "start_from_publication"),
    ("least", "gpu_utilization", "0.6", "utilization_default"),
    ("time and tokens", "gpu_utilization", None, "utilization_from_model"),
    ("least", "cpu_utilization", "0.12", "cpu_utilization_default"),
)


@pytest.mark.parametrize(("case", "field", "value", "rule"), MISSING_DATA_POINTS)
def test_missing_data_point_is_filled_as_the_page_says(origins, case, field, value, rule):
    row = origins.loc[(case, field)]
    assert row["rule"] == rule
    assert row["basis"] in IMPUTED
    if value is None:
        assert float(row["value"]) > 0
    else:
        assert row["value"] == value


@pytest.mark.parametrize(
    ("field", "cell", "per_cell"),
    [
        ("grid_direct_kgco2e_per_kwh", "gco2e_per_kwh", 1000),
        ("electricity_water_l_per_kwh", "l_per_kwh", 1),
        ("pue", "value", 1),
        ("gpu_max_w", "tdp_w", 1),
        ("gpu_embodied_water_l", "embodied_water_l", 1),
        ("server_embodied_kgco2e", "embodied_kgco2e", 1),
    ],
)
def test_a_factor_is_the_cell_of_its_row_in_the_unit_of_the_column(
    default, origins, filled, field, cell, per_cell
):
    cases = ("grid of the year", "instance", "google")
    if field == "grid_direct_kgco2e_per_kwh":  # a direct row as it is; the others are worked out
        cases = ("google",)
    for case in cases:
        row = describe(default.reference, origins.loc[(case, field), "factor_id"])
        assert filled.loc[case, field] == pytest.approx(row[cell] / per_cell, rel=1e-12)


@pytest.mark.parametrize(
    ("day", "watts"), [("2024-12-31", "70"), ("2025-01-01", "75"), ("2026-07-01", "75")]
)
def test_rules_take_the_row_in_force_on_the_runs_day(day, watts):
    package = load()
    cards = package.tables["gpus"]
    card = cards[cards["gpu_id"] == "T4"]
    old = card.assign(valid_to=pd.Timestamp("2024-12-31"), factor_id="gpus/T4/")
    new = card.assign(valid_from=pd.Timestamp("2025-01-01"), valid_to=pd.Timestamp("2025-12-31"),
                      tdp_w=75.0, factor_id="gpus/T4/2025-01-01")  # fmt: skip
    both = pd.concat([cards.drop(card.index), old, new], ignore_index=True)
    dated = replace(package, tables={**package.tables, "gpus": both})
    run = {**HOUR, "gpu_model": "T4", "ended_at": f"{day}T12:00:00Z"}
    row = fte.estimate(run, reference=dated).provenance.set_index("field").loc["gpu_max_w"]
    assert row["value"] == watts
    assert (
        row["source"] == "nearest earlier period, to 2025-12-31"
        if day > "2026"
        else pd.isna(row["source"])
    )


FULL = {
    "model_name": "support-bot", "parent_version": "7", "base_model": "Llama 2 7B",
    "method": "lora", "started_at": "2024-07-06T17:00:00Z", "ended_at": "2024-07-07T05:00:00Z",
    "reserved_s": 43200.0, "active_s": 40000.0, "development_multiplier": 1.5,
    "gpu_model": "A100 80GB", "gpu_count": 4.0, "server_model": "HPE Apollo 6500 Gen10 Plus",
    "server_count": 1.0, "cloud_provider": "aws", "cloud_region": "us-west-2",
    "country_iso3": "USA", "pue": 1.2, "wue_l_per_kwh": 0.5, "grid_kgco2e_per_kwh": 0.3,
    "electricity_water_l_per_kwh": 3.0, "gpu_utilization": 0.47, "cpu_utilization": 0.12,
    "tokens_padded": 2e9, "tokens_unpadded": 1.5e9, "epochs": 3.0, "samples": 1e5,
    "sequence_length": 2048.0, "precision": "bf16", "model_parameters": 6.74e9,
    "train_flop": 8e19, "it_energy_kwh": 25.0, "expected_use_life_days": 7.0,
    "expected_inferences_per_day": 1000.0,
}  # fmt: skip


TIMES = ("reserved_s", "active_s", "tokens_padded", "tokens_unpadded", "train_flop")


@st.composite
def subsets(draw):
    """A full disclosure without some of its fields; one that tells the time always stays."""
    lost = draw(st.sets(st.sampled_from(sorted(FULL)), max_size=len(FULL)))
    kept = draw(st.sampled_from(TIMES))
    return {name: value for name, value in FULL.items() if name not in lost - {kept}}


def text_of(value):
    return f"{value:.12g}" if isinstance(value, float) else str(value)


@settings(max_examples=6)
@given(st.lists(subsets(), min_size=25, max_size=25))
def test_whatever_is_missing_is_filled_and_whatever_is_disclosed_stays(disclosures):
    runs = [{**fields, "run_id": f"run-{n:02}"} for n, fields in enumerate(disclosures)]
    estimate = fte.estimate(runs)
    rows = estimate.provenance.set_index(["run_id", "field"])
    normalized = estimate.normalized.set_index("run_id")

    for run in runs:  # invariant 5, first half
        for name, value in run.items():
            if name == "run_id":
                continue
            row = rows.loc[(run["run_id"], name)]
            assert (row["basis"], row["rule"]) == ("disclosed", "as_logged")
            if name in ("started_at", "ended_at"):
                assert normalized.loc[run["run_id"], name] == pd.Timestamp(value)
            else:
                assert row["value"] == text_of(value)
                assert normalized.loc[run["run_id"], name] == value

    defaults = rows[rows["basis"] == "default"]  # invariant 5, second half
    assert defaults[["rule", "factor_id"]].notna().all(axis=None)
    needed = [*tables.NEEDED, *(c.name for c in tables.NORMALIZED_RUNS.columns if c.required)]
    assert normalized.reset_index()[needed].notna().all(axis=None)

    impacts = estimate.runs  # invariant 2
    for total, parts in (
        ("total_kgco2e", ["operational_kgco2e", "embodied_kgco2e"]),
        ("total_water_l", ["onsite_water_l", "electricity_water_l", "embodied_water_l"]),
    ):
        assert (impacts[parts] >= 0).all(axis=None)
        assert impacts[total].to_numpy() == pytest.approx(impacts[parts].sum(axis=1), rel=1e-12)
        assert impacts[total].between(impacts[f"{total}_p05"], impacts[f"{total}_p95"]).all()
    numbers = rows.dropna(subset=["p05"])
    of_value = numbers["value"].astype(float)
    rounding = 1e-9 * of_value.abs()  # provenance holds values as text of 12 digits
    assert of_value.between(numbers["p05"] - rounding, numbers["p95"] + rounding).all()


@pytest.mark.parametrize("seed", range(2))
def test_the_order_of_runs_does_not_matter(default, seed):
    """Invariant 7, for runs; what joins files to runs has its own tests."""
    names = np.random.default_rng(seed).permutation(list(CASES))
    shuffled = fte.estimate([{**CASES[name], "run_id": name} for name in names])
    pd.testing.assert_frame_equal(shuffled.runs, default.runs, check_exact=True)
    keys, place = ["run_id", "field"], ["source"]  # as logged: the number of the disclosure
    pd.testing.assert_frame_equal(
        shuffled.provenance.sort_values(keys, ignore_index=True).drop(columns=place),
        default.provenance.sort_values(keys, ignore_index=True).drop(columns=place),
        check_exact=True,
    )


def test_a_run_alone_comes_out_as_among_others(default):
    """No rule looks at other runs."""
    alone = fte.estimate({**CASES["service"], "run_id": "service"})
    among = default.runs[default.runs["run_id"] == "service"].reset_index(drop=True)
    pd.testing.assert_frame_equal(alone.runs, among, check_exact=True)


def test_runs_of_one_kind_come_out_as_alone_where_their_hours_tell_them_apart(with_own_grid):
    """Same names, fields and year; but one began in a year without your hourly factors."""
    spans = {
        "inside": ("2024-03-01T10:00:00Z", "2024-03-01T12:00:00Z"),
        "across": ("2023-12-31T22:00:00Z", "2024-01-01T02:00:00Z"),
    }
    runs = [
        {"started_at": start, "ended_at": end, "location": "Germany", "run_id": name}
        for name, (start, end) in spans.items()
    ]
    together = fte.estimate(runs, reference=with_own_grid)
    grid = together.provenance[together.provenance["field"] == "grid_kgco2e_per_kwh"]
    assert grid.set_index("run_id")["rule"].to_dict() == {
        "inside": "grid_of_own_hours",
        "across": "grid_of_country",
    }
    for run in runs:
        alone = fte.estimate(run, reference=with_own_grid)
        for table in ("runs", "provenance"):
            among = getattr(together, table).query(f"run_id == '{run['run_id']}'")
            pd.testing.assert_frame_equal(
                getattr(alone, table).drop(columns="source", errors="ignore"),
                among.drop(columns="source", errors="ignore").reset_index(drop=True),
                check_exact=True,
            )


def test_no_runs_give_empty_tables():
    runs = tables.empty(tables.RUNS)
    model = token_time.parameters(load(), pd.DatetimeIndex([]))
    normalized, provenance = normalize.normalize(
        runs, load(), methodology.profile("default"), model
    )
    assert normalized.empty
    assert provenance.empty
