"""Roll-ups: sums that add up, intensities of sums, and errors that runs share or do not."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from deltalake import DeltaTable, write_deltalake
from hypothesis import given, settings
from hypothesis import strategies as st
from ledger_rows import FIRST, counts, impacts, told

from ft_emissions_pipeline import ledger as ledger_of
from ft_emissions_pipeline import uncertainty
from ft_emissions_pipeline.ledger import rollups, stored_rollups
from ft_emissions_pipeline.ledger.scatter import scatter
from ft_emissions_pipeline.tables import (
    GROUPS,
    INFERENCE_IMPACTS,
    PERIODS,
    ROLLUPS,
    RUN_FACTORS,
    RUN_SPREADS,
    conform,
    empty,
)
from ft_emissions_pipeline.warehouse import store

PARTS = {
    "total_kgco2e": 8.0, "operational_kgco2e": 6.0, "operational_direct_kgco2e": 5.0,
    "embodied_kgco2e": 2.0, "facility_energy_kwh": 20.0, "total_water_l": 240.0,
    "onsite_water_l": 60.0, "electricity_water_l": 150.0, "embodied_water_l": 30.0,
}  # fmt: skip
LOG_SDS = ("total_kgco2e_log_sd", "total_water_l_log_sd")
AMOUNTS = [f"allocated_{each}" for each in ("kgco2e", "kgco2e_p05", "kgco2e_p95",
           "water_l", "water_l_p05", "water_l_p95")]  # fmt: skip
GRID = ("grid_kgco2e_per_kwh", "grid_intensity/country/FRA")


def ledger(*rows):
    """Return rows of the per-inference table from (date, model, version, inferences, kgCO2e)."""
    frame = pd.DataFrame(
        rows, columns=["date", "model_name", "model_version", "inferences", "allocated_kgco2e"]
    )
    return frame.assign(
        date=pd.to_datetime(frame["date"]).astype("datetime64[us]"),
        inferences=frame["inferences"].astype("float64"),
        inferences_basis=np.where(frame["inferences"].isna(), "none", "actual"),
        status="final",
        allocated_water_l=frame["allocated_kgco2e"] * 30.0,
        allocated_market_kgco2e=np.nan,
    )


def spreads(*rows, runs=()):
    """Return rows of `run_spreads` from (run, input, factor or None, log_sd), for water too."""
    named = [(run, name, factor, sd, sd) for run, name, factor, sd in rows]
    middles = [
        (run, name, None, 0.0, 0.0)
        for run in {*runs, *(row[0] for row in rows)}
        for name in ("shift", "bend")
    ]
    return pd.DataFrame(
        [*named, *middles], columns=["run_id", "input", "factor_id", *LOG_SDS]
    ).assign(date=pd.Timestamp("2026-01-01"))


def labels(teams, tags=None):
    """Return runs of 8 kg and 240 L from run -> team and run -> tag; most tests name no tag."""
    named = pd.DataFrame({"team": pd.Series(teams), "tag": pd.Series(tags or {})}, dtype="str")
    return named.assign(**{**dict.fromkeys(rollups.OF_VERSIONS[2:], 0.0), **PARTS})


def of(frame, scatter, by=(), expected_log_sd=0.0, **options):
    return rollups.roll_up(frame, scatter, by, expected_log_sd=expected_log_sd, **options)


TWO = ledger(("2026-01-01", "a", "r1", 10, 6.0), ("2026-01-01", "b", "r2", 10, 2.0))


def test_an_error_of_the_grid_does_not_average_out():
    """By hand: 8 kg, and both runs on a grid of standard deviation 0.2, so 8 e^(-+1.645 x 0.2)."""
    both = spreads(("r1", *GRID, 0.2), ("r2", *GRID, 0.2))
    found = of(TWO, both).iloc[0]
    assert found["allocated_kgco2e"] == 8.0
    assert found["allocated_kgco2e_p05"] == pytest.approx(8 * np.exp(-1.6449 * 0.2), rel=1e-4)
    assert found["allocated_kgco2e_p95"] == pytest.approx(8 * np.exp(1.6449 * 0.2), rel=1e-4)


def test_errors_of_their_own_average_out():
    """By hand: (0.75 x 0.2)^2 + (0.25 x 0.2)^2 = 0.158^2: narrower than each run alone."""
    alone = spreads(("r1", "it_energy_kwh", None, 0.2), ("r2", "it_energy_kwh", None, 0.2))
    found = of(TWO, alone).iloc[0]
    width = np.log(found["allocated_kgco2e_p95"] / found["allocated_kgco2e_p05"])
    assert width / (2 * uncertainty.Z_95) == pytest.approx(np.hypot(0.15, 0.05), rel=0.02)


def test_shared_and_own_errors_stand_side_by_side():
    """The variance of the sum: (0.75 x 0.1 + 0.25 x 0.1)^2 + (0.75 x 0.05)^2 + (0.25 x 0.05)^2."""
    mixed = spreads(
        ("r1", *GRID, 0.1), ("r2", *GRID, 0.1),
        ("r1", "it_energy_kwh", None, 0.05), ("r2", "it_energy_kwh", None, 0.05),
    )  # fmt: skip
    found = of(TWO, mixed).iloc[0]
    width = np.log(found["allocated_kgco2e_p95"] / found["allocated_kgco2e_p05"])
    by_hand = np.sqrt(0.1**2 + 0.0375**2 + 0.0125**2)
    assert width / (2 * uncertainty.Z_95) == pytest.approx(by_hand, rel=0.005)


def test_no_digit_of_an_interval_rests_on_the_order_of_the_spreads():
    """Sums of several variables, which another order of adding up would move in the last digit."""
    random = np.random.default_rng(1)
    names = [f"input-{number}" for number in range(9)]
    scatter = spreads(
        *((run, name, f"{name}/x", sd) for run in ("r1", "r2")
          for name, sd in zip(names, random.uniform(0, 0.3, len(names)), strict=True))
    )  # fmt: skip
    expected = of(TWO, scatter)
    for seed in range(20):
        mixed = scatter.sample(frac=1.0, random_state=seed)
        pd.testing.assert_frame_equal(of(TWO, mixed), expected, check_exact=True)


def test_runs_taken_out_of_many_scatter_as_they_do_alone():
    random = np.random.default_rng(2)
    many = spreads(
        *((f"r{run}", name, sizes and f"{name}/{run % sizes}", random.uniform(0.1, 0.3))
          for run in range(6)
          for name, sizes in (("pue", 3), ("memory_w", 2), ("it_energy_kwh", None)))
    )  # fmt: skip
    few = ["r5", "r2", "r3"]
    alone = scatter(pd.concat([many[many["run_id"] == run] for run in few])).members
    for members, expected in zip(scatter(many).of(pd.Index(few)), alone, strict=True):
        np.testing.assert_array_equal(interval_of_one_sum(members), interval_of_one_sum(expected))


def interval_of_one_sum(members):
    runs = np.arange(len(members.own))
    parts = uncertainty.parts_of_sums(runs, np.zeros_like(runs), members)
    return uncertainty.interval_of_sums(np.ones(len(runs)), parts, members)


def test_one_column_of_a_row_is_one_variable_and_two_columns_are_two():
    power = ("servers/x", 0.3)
    same = spreads(("r1", "host_idle_w", *power), ("r2", "host_idle_w", *power))
    other = spreads(("r1", "host_idle_w", *power), ("r2", "memory_w", *power))
    width = [np.log(of(TWO, each)["allocated_kgco2e_p95"][0]) for each in (same, other)]
    assert width[0] > width[1]


def test_days_of_one_run_err_as_one():
    days = ledger(("2026-01-01", "a", "r1", 10, 6.0), ("2026-01-02", "a", "r1", 10, 2.0))
    found = of(days, spreads(("r1", "it_energy_kwh", None, 0.2))).iloc[0]
    assert found["allocated_kgco2e_p95"] == pytest.approx(8 * np.exp(1.6449 * 0.2), rel=1e-4)


def test_many_independent_runs_close_around_the_sum_of_their_means():
    rows = [("2026-01-01", "a", f"r{n}", 1, 1.0) for n in range(4000)]
    scatter = spreads(*((f"r{n}", "it_energy_kwh", None, 0.5) for n in range(4000)))
    found = of(ledger(*rows), scatter).iloc[0]
    assert found["allocated_kgco2e_p95"] == pytest.approx(4000 * np.exp(0.5**2 / 2), rel=0.02)
    assert found["allocated_kgco2e_p05"] == 4000.0  # the value, which never stands outside


def test_amounts_that_may_still_move_or_that_nobody_counted_stand_beside_the_sum():
    frame = ledger(
        ("2026-01-01", "a", "r1", 10, 4.0),
        ("2026-01-02", "a", "r1", 10, 2.0),
        ("2026-01-03", "a", "r1", None, 1.0),
    ).assign(status=["final", "provisional", "final"])
    found = of(frame, spreads(runs=["r1"])).iloc[0]
    told = [found[f"{of_what}_kgco2e"] for of_what in ("allocated", "provisional", "uncounted")]
    assert told == [7.0, 2.0, 1.0]


def test_the_parts_of_a_run_of_grams_are_told_too():
    small = labels({"r1": "x"})
    small[[*PARTS]] *= 1e-3
    found = of(TWO[:1], spreads(runs=["r1"]), versions=small).iloc[0]
    assert found["operational_kgco2e"] == pytest.approx(6.0 * 6 / 8)


def test_intensities_are_those_of_the_sums_and_leave_out_what_nobody_counted():
    """By hand: 100 + 300 inferences and 4 + 2 kg: 15 g each; not the mean of 40 and 6.67."""
    frame = ledger(
        ("2026-01-01", "a", "r1", 100, 4.0),
        ("2026-01-02", "a", "r1", 300, 2.0),
        ("2026-01-03", "a", "r1", None, 5.0),
    )
    found = of(frame, spreads(runs=["r1"])).iloc[0]
    assert found["gco2e_per_inference"] == pytest.approx(15.0, rel=1e-12)
    assert found["water_ml_per_inference"] == pytest.approx(450.0, rel=1e-12)
    assert (found["allocated_kgco2e"], found["uncounted_kgco2e"]) == (11.0, 5.0)


def test_expected_inferences_widen_the_intensity_but_not_the_amount():
    frame = ledger(("2026-01-01", "a", "r1", 100, 4.0)).assign(inferences_basis="expected")
    found = of(frame, spreads(runs=["r1"]), expected_log_sd=0.1).iloc[0]
    assert found["allocated_kgco2e_p95"] == 4.0
    assert found["gco2e_per_inference_p95"] == pytest.approx(40 * np.exp(1.6449 * 0.1), rel=1e-4)


def test_an_amount_that_nobody_used_has_no_intensity():
    found = of(ledger(("2026-01-01", "a", "r1", 0, 4.0)), spreads(runs=["r1"])).iloc[0]
    assert np.isnan(found["gco2e_per_inference"])
    assert found["allocated_kgco2e"] == 4.0


def test_by_team_and_quarter():
    frame = ledger(
        ("2026-03-31", "a", "r1", 1, 1.0), ("2026-04-01", "a", "r1", 1, 2.0),
        ("2026-04-02", "b", "r2", 1, 4.0), ("2026-06-30", "c", "r3", 1, 8.0),
    )  # fmt: skip
    named = labels({"r1": "search", "r2": "search", "r3": None})
    found = of(frame, spreads(runs=["r1", "r2", "r3"]), ["quarter", "team"], versions=named)
    rows = list(
        zip(found["team"].fillna(""), found["date"], found["allocated_kgco2e"], strict=True)
    )
    january, april = pd.Timestamp("2026-01-01"), pd.Timestamp("2026-04-01")
    assert rows == [("search", january, 1.0), ("search", april, 6.0), ("", april, 8.0)]


def test_the_parts_of_a_sum_are_those_of_its_versions():
    """By hand: 2 of the 8 kg of r1, by which 20 kWh, 6 kg operational and 60 L on site hang."""
    frame = ledger(("2026-01-01", "a", "r1", 10, 2.0)).assign(allocated_market_kgco2e=0.5)
    other = ledger(("2026-01-02", "a", "r2", 10, 1.0))
    versions = labels({"r1": "x", "r2": "x"})
    # What r2 inherited: 2 kg, all of it embodied, so that 8 of its 10 kg are its own.
    versions.loc["r2", ["inherited_kgco2e", "inherited_embodied_kgco2e"]] = 2.0
    both = pd.concat([frame, other])
    found = of(both, spreads(runs=["r1", "r2"]), versions=versions).iloc[0]
    assert found["facility_energy_kwh"] == pytest.approx(20 * 2 / 8 + 20 / 10)
    assert found["operational_kgco2e"] == pytest.approx(6 * 2 / 8 + 6 / 10)
    assert found["embodied_kgco2e"] == pytest.approx(2 * 2 / 8 + 4 / 10)
    assert found["onsite_water_l"] == pytest.approx(60 * 60 / 240 + 60 * 30 / 240)
    assert (found["allocated_market_kgco2e"], found["uncontracted_kgco2e"]) == (0.5, 1.0)
    alone = of(other, spreads(runs=["r2"]), versions=versions).iloc[0]
    assert np.isnan(alone["allocated_market_kgco2e"])


def test_a_fiscal_year_and_its_quarters_begin_with_the_month_chosen():
    frame = ledger(
        ("2026-03-31", "a", "r1", 1, 1.0), ("2026-04-01", "a", "r1", 1, 2.0),
        ("2027-01-15", "a", "r1", 1, 4.0), ("2027-02-15", "a", "r1", 1, 8.0),
    )  # fmt: skip
    for by, begins, sums in (
        ("year", 4, {"2025-04-01": 1.0, "2026-04-01": 14.0}),
        ("quarter", 2, {"2026-02-01": 3.0, "2026-11-01": 4.0, "2027-02-01": 8.0}),
    ):
        found = of(frame, spreads(runs=["r1"]), [by], year_begins=begins)
        days = found["date"].dt.strftime("%Y-%m-%d")
        assert dict(zip(days, found["allocated_kgco2e"], strict=True)) == sums


def test_by_tag_and_team_no_gram_counts_twice():
    """By hand: chat 1 + 2 kg of two teams, code 4 kg, and 8 kg without a tag: 15 kg in all."""
    frame = ledger(
        *(("2026-01-01", run, run, 1, kg) for run, kg in zip("abcd", (1, 2, 4, 8), strict=True))
    )
    named = labels({"a": "search", "b": "ads", "c": "ads"}, {"a": "chat", "b": "chat", "c": "code"})
    by_tag = of(frame, spreads(runs=list("abcd")), ["tag"], versions=named)
    sums = dict(zip(by_tag["tag"].fillna(""), by_tag["allocated_kgco2e"], strict=True))
    assert sums == {"chat": 3.0, "code": 4.0, "": 8.0}
    both = of(frame, spreads(runs=list("abcd")), ["team", "tag"], versions=named)
    assert both["allocated_kgco2e"].tolist() == [2.0, 4.0, 1.0, 8.0]


@pytest.mark.parametrize("label", ["team", "tag"])
def test_a_roll_up_by_a_label_needs_the_labels(label):
    with pytest.raises(ValueError, match=f"name the {label} of each run"):
        of(TWO, spreads(runs=["r1", "r2"]), [label])


@pytest.mark.parametrize("by", [["week"], ["month", "year"], ["model", "model"]])
def test_a_roll_up_by_something_else_is_refused(by):
    with pytest.raises(ValueError, match="at most one of month, quarter, year"):
        of(TWO, spreads(runs=["r1", "r2"]), by)


def test_a_run_without_spreads_is_named():
    with pytest.raises(ValueError, match="r2; run their days again"):
        of(TWO, spreads(runs=["r1"]))


@st.composite
def histories(draw):
    """Draw days of versions of models over a year and a half, with all that may be missing."""
    rows = draw(
        st.lists(
            st.tuples(
                st.integers(0, 540), st.sampled_from("abc"), st.integers(0, 3),
                st.one_of(st.none(), st.integers(0, 10**6)),
                st.one_of(st.just(0.0), st.floats(1e-9, 1e6)),
            ),
            min_size=1, max_size=12, unique_by=lambda row: row[:3],
        )
    )  # fmt: skip
    start = pd.Timestamp("2025-11-15")
    frame = ledger(
        *((start + pd.Timedelta(days=d), m, f"{m}{v}", n, kg) for d, m, v, n, kg in rows)
    )
    sd = st.floats(0.0, 1.0)
    scatter = [
        (run, name, factor, draw(sd))
        for run in frame["model_version"].unique()
        for name, factor in (GRID, ("it_energy_kwh", None))
    ]
    return frame.assign(allocated_market_kgco2e=frame["allocated_kgco2e"] / 2), spreads(*scatter)


@settings(max_examples=25)
@given(histories())
def test_every_roll_up_is_the_sum_of_the_ledger_and_lies_in_its_interval(history):
    frame, scatter = history
    runs = frame["model_version"].unique()
    named = labels({run: run[0] for run in runs if run[0] != "c"}, {run: run[1] for run in runs})
    found = rollups.rollups(frame, scatter, named, expected_log_sd=0.1)
    assert rollups.differences(found, frame).empty
    for column in rollups.ADDITIVE:
        whole = found.groupby(["period", "grouped_by"])[column].sum()
        assert whole.to_numpy() == pytest.approx(whole.iloc[0], rel=1e-9)
    for rule in ROLLUPS.row_rules:
        assert rule.holds(found).all(), rule.code
    assert not found.filter(like="allocated").isna().any(axis=None)


@settings(max_examples=25)
@given(histories(), st.sampled_from(GROUPS), st.sampled_from(PERIODS))
def test_periods_made_of_months_are_what_each_run_s_whole_period_gives(history, group, period):
    frame, scatter = history
    runs = frame["model_version"].unique()
    named = labels({run: run[0] for run in runs if run[0] != "c"}, {run: run[1] for run in runs})
    starts = rollups.period_start(frame["date"], period)
    due = {each: starts if each == period else starts[:0] for each in PERIODS}
    table = rollups.rollups(frame, scatter, named, expected_log_sd=0.1, due=due)
    label = rollups.GROUP_KEYS.get(group)
    by = [period] if label is None else [group, period]
    run = ["model_name", "model_version", "inferences_basis", "status"]
    summed = frame.assign(date=starts, inferences_basis="actual", inferences=1.0)
    summed = summed.groupby([*run, "date"], as_index=False).sum().iloc[::-1]
    whole = of(summed, scatter.iloc[::-1], by, versions=named)
    whole = whole.rename(columns={label: "name"}).reindex(columns=["name", "date", *AMOUNTS])
    held, whole = (
        each.sort_values(["name", "date"], ignore_index=True)[["date", *AMOUNTS]]
        for each in (table[table["grouped_by"] == group], whole)
    )
    pd.testing.assert_frame_equal(held, whole, rtol=1e-12, atol=0.0)


@pytest.mark.parametrize("others_day", ["2026-03-31", "2026-04-01"])
def test_a_quarter_and_a_year_of_one_month_have_its_sums_under_their_own_day(others_day):
    frame = ledger(
        ("2026-03-01", "a", "r1", 10, 6.0), ("2026-03-02", "a", "r1", 5, 1.0),
        (others_day, "b", "r2", None, 2.0),
    )  # fmt: skip
    scatter = spreads(("r1", *GRID, 0.3), ("r2", *GRID, 0.1), runs=["r1", "r2"])
    named = labels({"r1": "search"})
    found = rollups.rollups(frame, scatter, named, expected_log_sd=0.1)
    for period in PERIODS:
        rows = found[(found["period"] == period) & (found["grouped_by"] == "model")]
        alone = of(frame, scatter, ["model", period], 0.1, versions=named)
        alone = alone.rename(columns={"model_name": "name"})[["date", *ROLLUPS.names[3:]]]
        alone = alone.sort_values(["date", "name"], ignore_index=True)
        rows = rows[list(alone)].reset_index(drop=True)
        pd.testing.assert_frame_equal(rows, alone, check_dtype=False, rtol=1e-12)


def test_without_any_team_the_sums_of_no_team_are_the_fleets():
    frame = ledger(("2026-01-01", "a", "r1", 10, 6.0), ("2026-02-01", "b", "r2", 10, 2.0))
    named = labels({}, {"r1": "chat"})
    found = rollups.rollups(frame, spreads(runs=["r1", "r2"]), named, expected_log_sd=0.1)
    fleet, team, tag = (found[found["grouped_by"] == each] for each in ("fleet", "team", "tag"))
    assert team["name"].isna().all()
    both = [rows.drop(columns="grouped_by").reset_index(drop=True) for rows in (team, fleet)]
    pd.testing.assert_frame_equal(*both, check_exact=True)
    assert tag["name"].fillna("").tolist() == ["chat", "", "chat", "", "chat", ""]


@settings(max_examples=25)
@given(histories())
def test_a_sum_is_no_wider_than_its_parts_erring_as_one(history):
    """What runs share adds up in full, and no more: the widest case bounds every sum."""
    frame, scatter = history
    parts = of(frame.assign(model_name=frame["model_version"]), scatter, ["model"])
    whole = of(frame, scatter).iloc[0]
    assert whole["allocated_kgco2e_p95"] <= parts["allocated_kgco2e_p95"].sum() * (1 + 1e-9)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda frame: frame.assign(allocated_kgco2e=frame["allocated_kgco2e"] * 1.001),
         "allocated_kgco2e"),
        (lambda frame: frame[frame["grouped_by"] != "team"], "allocated_water_l"),
        (lambda frame: frame[frame["name"] != "chat"], "allocated_kgco2e"),
        (lambda frame: frame[frame["name"] != "a"], "inferences"),
    ],
    ids=["another sum", "a group is missing", "a tag is missing", "a model is missing"],
)  # fmt: skip
def test_what_does_not_add_up_is_found(change, words):
    named = labels({"r1": "search", "r2": "ads"}, {"r1": "chat", "r2": "code"})
    found = rollups.rollups(TWO, spreads(runs=["r1", "r2"]), named, expected_log_sd=0.1)
    assert rollups.differences(found, TWO).empty
    assert words in set(rollups.differences(change(found), TWO)["column"])


def write(warehouse, frame, scatter, days=None):
    """Write what roll-ups are made of as the stages before them do."""
    rows = frame.assign(methodology="default", reference_version="x")
    store.write(warehouse, INFERENCE_IMPACTS, conform(rows, INFERENCE_IMPACTS), days)
    store.write(warehouse, RUN_SPREADS, conform(scatter, RUN_SPREADS))
    runs = pd.DataFrame({"run_id": scatter["run_id"].unique()})
    filled = {
        column.name: {"string": "x", "timestamp": pd.Timestamp("2026-01-01", tz="UTC")}.get(
            column.kind, 1.0
        )
        for column in RUN_FACTORS.columns
        if column.required and column.name not in {"run_id", "date"}
    }
    runs = runs.assign(date=pd.Timestamp("2026-01-01"), **filled)
    store.write(warehouse, RUN_FACTORS, conform(runs, RUN_FACTORS))


def test_only_touched_periods_are_made_anew_and_those_that_no_longer_add_up(tmp_path, monkeypatch):
    frame = ledger(
        ("2025-06-01", "a", "r1", 1, 1.0), ("2026-01-05", "a", "r1", 1, 2.0),
        ("2026-02-05", "a", "r1", 1, 4.0),
    )  # fmt: skip
    write(tmp_path, frame, spreads(runs=["r1"]))
    whole, _ = stored_rollups.refreshed(tmp_path, None, expected_log_sd=0.1)
    store.write(tmp_path, ROLLUPS, whole)
    made = []
    original = rollups.rollups

    def counting(rows, *args, **options):
        found = original(rows, *args, **options)
        made.extend(
            sorted(set(zip(found["period"], found["date"].dt.strftime("%Y-%m"), strict=True)))
        )
        return found

    monkeypatch.setattr(stored_rollups, "rollups", counting)
    days = (pd.Timestamp("2026-02-05"), pd.Timestamp("2026-02-05"))
    again, left = stored_rollups.refreshed(tmp_path, days, expected_log_sd=0.1)
    assert made == [("month", "2026-02"), ("quarter", "2026-01"), ("year", "2026-01")]
    pd.testing.assert_frame_equal(again, whole)
    assert left.empty

    made.clear()
    pd.testing.assert_frame_equal(
        stored_rollups.of_days(tmp_path, days, expected_log_sd=0.1), whole
    )
    assert made == [("month", "2026-02"), ("quarter", "2026-01"), ("year", "2026-01")]

    made.clear()
    moved = ledger(("2025-06-01", "a", "r1", 1, 9.0), ("2026-02-05", "a", "r1", 1, 4.0))
    write(tmp_path, moved, spreads(runs=["r1"]))
    healed, left = stored_rollups.refreshed(tmp_path, days, expected_log_sd=0.1)
    assert ("month", "2025-06") in made
    assert left.empty
    assert "2026-01" not in set(
        healed.loc[healed["period"] == "month", "date"].dt.strftime("%Y-%m")
    )


def test_of_sums_that_stood_just_the_years_that_moved_are_looked_at(tmp_path, monkeypatch):
    old, new = ("2024-06-01", "a", "r1", 1, 1.0), ("2026-02-05", "a", "r1", 1, 4.0)
    write(tmp_path, ledger(old, new), spreads(runs=["r1"]))
    whole, _ = stored_rollups.refreshed(tmp_path, None, expected_log_sd=0.1)
    store.write(tmp_path, ROLLUPS, whole)
    since = store.version(tmp_path, INFERENCE_IMPACTS)
    late, day = ("2025-03-04", "a", "r1", 1, 9.0), pd.Timestamp("2025-03-04").date()
    write(tmp_path, ledger(late), spreads(runs=["r1"]), days=(day, day))
    days = (pd.Timestamp("2026-02-05"), pd.Timestamp("2026-02-05"))
    looked_at, differences = [], stored_rollups.differences

    def watched(sums, rows):
        looked_at.extend(rows["date"].dt.year)
        return differences(sums, rows)

    monkeypatch.setattr(stored_rollups, "differences", watched)
    found, left = stored_rollups.refreshed(tmp_path, days, expected_log_sd=0.1, since=since)
    assert set(looked_at) == {2025, 2026}
    assert left.empty
    again, _ = stored_rollups.refreshed(tmp_path, None, expected_log_sd=0.1)
    pd.testing.assert_frame_equal(found, again)


def test_roll_ups_of_an_older_release_which_lack_a_column_are_made_anew(tmp_path):
    rows = [(f"{year}-06-01", "a", "r1", 1, 1.0) for year in (2024, 2025, 2026)]
    write(tmp_path, ledger(*rows), spreads(runs=["r1"]))
    whole, _ = stored_rollups.refreshed(tmp_path, None, expected_log_sd=0.1)
    store.write(tmp_path, ROLLUPS, whole)
    place = tmp_path / ROLLUPS.name
    old = DeltaTable(place).to_pyarrow_table().drop_columns(["uncontracted_kgco2e"])
    write_deltalake(place, old, mode="overwrite", schema_mode="overwrite")
    day = pd.Timestamp("2026-06-01")
    since = store.version(tmp_path, INFERENCE_IMPACTS)
    found, left = stored_rollups.refreshed(tmp_path, (day, day), expected_log_sd=0.1, since=since)
    pd.testing.assert_frame_equal(found, whole)
    assert left.empty


def test_periods_whose_days_are_gone_have_no_roll_ups(tmp_path):
    write(tmp_path, ledger(("2025-06-01", "a", "r1", 1, 1.0)), spreads(runs=["r1"]))
    whole, _ = stored_rollups.refreshed(tmp_path, None, expected_log_sd=0.1)
    store.write(tmp_path, ROLLUPS, whole)
    write(tmp_path, ledger(("2024-06-01", "a", "r1", 1, 1.0)), spreads(runs=["r1"]))
    days = (pd.Timestamp("2025-06-01"), pd.Timestamp("2025-06-01"))
    assert stored_rollups.of_days(tmp_path, days, expected_log_sd=0.1).empty


def test_an_empty_warehouse_has_no_roll_ups(tmp_path):
    found, left = stored_rollups.refreshed(tmp_path, None, expected_log_sd=0.1)
    assert found.empty
    assert left.empty
    assert stored_rollups.of_warehouse(tmp_path, ["model", "month"]).empty
    assert stored_rollups.of_warehouse(tmp_path, ["family", "base_model"]).empty
    assert found.columns.tolist() == empty(ROLLUPS).columns.tolist()


def test_the_example_of_the_documentation():
    """docs/uncertainty.md, "With a pocket calculator": every number of it."""
    page = (Path(__file__).parents[2] / "docs" / "uncertainty.md").read_text("utf-8")
    example = page.split("## With a pocket calculator")[1].split("\n## ")[0]
    grid, meter = 0.10, 0.05
    own = (("r1", "it_energy_kwh", None, meter), ("r2", "it_energy_kwh", None, meter))
    found = of(TWO, spreads(("r1", *GRID, grid), ("r2", *GRID, grid), *own)).iloc[0]
    sigma = np.sqrt((0.75 * grid + 0.25 * grid) ** 2 + (0.75 * meter) ** 2 + (0.25 * meter) ** 2)
    low, high = 8 * np.exp(-1.645 * sigma), 8 * np.exp(1.645 * sigma)
    assert f"√(0.10² + 0.0375² + 0.0125²) = {sigma:.4f}" in example
    assert f"{low:.2f} and {high:.2f} kg" in example
    ends = found[["allocated_kgco2e_p05", "allocated_kgco2e_p95"]].tolist()
    assert ends == pytest.approx([low, high], rel=0.001)
    apart = np.sqrt(0.075**2 + 0.025**2 + 0.0375**2 + 0.0125**2)
    assert f"would be {apart:.4f}" in example
    assert f"still have {np.hypot(grid, meter / 10):.4f}" in example


def test_a_run_s_own_team_and_tag_stand_where_its_model_declares_none():
    runs = impacts({"team": "search", "tag": "chat"}, {"tag": "mail"})
    declared = told({"event": "declared", "team": "support"})
    alone, of_model = (
        ledger_of.model_versions(runs, counts(), FIRST, events)[["team", "tag"]]
        for events in (None, declared)
    )
    assert alone.fillna("").to_numpy().tolist() == [["search", "chat"], ["", "mail"]]
    assert of_model.to_numpy().tolist() == [["support", "chat"], ["support", "mail"]]
