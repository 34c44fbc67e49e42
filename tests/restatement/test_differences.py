"""What moved is named once, with its cause; what did not move is not."""

from __future__ import annotations

import itertools

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ft_emissions_pipeline import calendar_days, ledger
from ft_emissions_pipeline.ledger import life_days
from ft_emissions_pipeline.restatement import differences
from ft_emissions_pipeline.tables import INFERENCE_IMPACTS, MODEL_VERSIONS, conform, empty

DAY = pd.Timestamp("2026-01-01")


def reported(**changed: object) -> pd.DataFrame:
    row = {
        "date": DAY, "model_name": "m", "model_version": "run-0", "inferences": 1000.0,
        "inferences_basis": "actual", "gco2e_per_inference": 12.8, "gco2e_per_inference_p05": 6.4,
        "gco2e_per_inference_p95": 25.6, "operational_gco2e_per_inference": 10.0,
        "embodied_gco2e_per_inference": 2.8, "water_ml_per_inference": 18.3,
        "water_ml_per_inference_p05": 9.0, "water_ml_per_inference_p95": 37.0,
        "operational_water_ml_per_inference": 18.0, "embodied_water_ml_per_inference": 0.3,
        "allocated_kgco2e": 12.8, "allocated_water_l": 18.3, "status": "final",
        "market_gco2e_per_inference": 3.8, "allocated_market_kgco2e": 3.8,
        "methodology": "default", "reference_version": "aaaa",
    }  # fmt: skip
    return conform(pd.DataFrame([{**row, **changed}]), INFERENCE_IMPACTS)


@pytest.mark.parametrize(
    ("changed", "cause"),
    [
        ({"allocated_kgco2e": 13.0, "reference_version": "bbbb"}, "factor changed"),
        ({"allocated_kgco2e": 13.0, "methodology": "scope3-2024"}, "methodology changed"),
        ({"allocated_kgco2e": 13.0, "status": "provisional"}, "use life closed"),
        ({"inferences": 900.0}, "usage true-up"),
        ({"allocated_kgco2e": 13.0}, "late log"),
    ],
)
def test_a_moved_value_names_its_cause(changed: dict[str, object], cause: str) -> None:
    moved = differences.restatements(reported(), reported(**changed), 7)
    assert moved["cause"].unique().tolist() == [cause]
    assert moved["old_table_version"].tolist() == [7]
    assert moved["new_table_version"].tolist() == [8]


def test_a_cause_that_factors_name_goes_before_a_late_log() -> None:
    """What was computed anew from the same rows as before moved for another reason."""
    names = ["factor changed", "token-time model changed", None]
    named = pd.DataFrame({"cause": names, "cause_detail": names}, index=list("abc"), dtype="str")
    old, new = (
        pd.concat([reported(model_version=version, **changed) for version in "abc"])
        for changed in ({}, {"allocated_kgco2e": 13.0, "reference_version": "bbbb"})
    )
    moved = differences.restatements(old, new, 1, named).set_index("model_version")
    assert moved["cause"].to_dict() == dict(zip("abc", [*names[:2], "late log"], strict=True))
    assert moved["cause_detail"][["a", "b"]].tolist() == names[:2]


def test_only_the_columns_that_moved_are_restated() -> None:
    moved = differences.restatements(reported(), reported(gco2e_per_inference=13.0), 1)
    assert moved[["column", "old", "new"]].to_numpy().tolist() == [
        ["gco2e_per_inference", 12.8, 13.0]
    ]


def test_a_new_row_is_a_first_report_and_no_restatement() -> None:
    other = reported(model_version="run-1")
    assert differences.restatements(reported(), pd.concat([reported(), other]), 1).empty


def test_a_withdrawn_row_is_restated_to_nothing() -> None:
    moved = differences.restatements(reported(), empty(INFERENCE_IMPACTS), 1)
    assert len(moved) == len(differences.REPORTED)
    assert moved["new"].isna().all()
    assert moved["cause_detail"].unique().tolist() == ["the version no longer serves on this day"]


def test_nothing_stored_means_nothing_restated() -> None:
    assert differences.restatements(empty(INFERENCE_IMPACTS), reported(), None).empty


def test_a_value_that_was_unknown_and_stays_so_has_not_moved() -> None:
    unknown = reported(gco2e_per_inference=None)
    assert differences.restatements(unknown, unknown, 3).empty


def test_rows_differ_where_they_came_went_or_moved_by_more_than_noise() -> None:
    """Empty cells on both sides are the same; what a row was computed with may be ignored."""
    kept = {"model_version": "kept", "market_gco2e_per_inference": None, "status": None}
    old = [kept, {"model_version": "moved"}, {"model_version": "filled", "status": None},
           {"model_version": "named"}, {"model_version": "gone"}]  # fmt: skip
    new = [kept | {"allocated_kgco2e": 12.8 * (1 + 1e-13), "reference_version": "bbbb"},
           {"model_version": "moved", "allocated_kgco2e": 12.8 * (1 + 1e-11)},
           {"model_version": "filled"}, {"model_version": "named", "inferences_basis": "expected"},
           {"model_version": "come"}]  # fmt: skip
    sides = [pd.concat([reported(**row) for row in rows]) for rows in (old, new)]
    found = differences.differing(*sides, INFERENCE_IMPACTS, ["reference_version"])
    assert set(found["model_version"]) == {"moved", "filled", "named", "gone", "come"}
    assert list(found) == differences.KEY


def version(name: str, start: str, end: str, status: str = "closed") -> dict[str, object]:
    return {
        "model_name": "m",
        "model_version": name,
        "use_life_start": pd.Timestamp(start, tz="UTC"),
        "use_life_end": pd.Timestamp(end, tz="UTC"),
        "status": status,
    }


def versions(*rows: dict[str, object]) -> pd.DataFrame:
    return conform(pd.DataFrame(list(rows)), MODEL_VERSIONS)


def moved_days(old: pd.DataFrame, new: pd.DataFrame) -> pd.DatetimeIndex:
    return life_days.life_days(pd.concat(ledger.changed(old, new)), pd.Timestamp("2026-01-15"))


def test_moved_days_are_the_life_of_the_changed_versions_alone() -> None:
    same = version("a", "2026-01-01T06:00", "2026-01-03T06:00")
    old = versions(same, version("b", "2026-01-10", "2026-01-20", "open"))
    new = versions(same, version("b", "2026-01-10", "2026-01-12"))
    days = moved_days(old, new)
    assert [f"{day:%m-%d}" for day in days] == [f"01-{n}" for n in range(10, 16)]
    assert moved_days(old, old).empty


def test_open_days_end_with_the_last_day_asked_for() -> None:
    held = versions(
        version("a", "2026-01-01", "2026-01-03"), version("b", "2026-01-03", "2026-02-03", "open")
    )
    days = life_days.open_days(held, pd.Timestamp("2026-01-05"))
    assert [f"{day:%m-%d}" for day in days] == ["01-03", "01-04", "01-05"]


@given(
    numbers=st.lists(st.integers(0, 300), unique=True, max_size=40),
    gap=st.integers(1, 60),
)
def test_ranges_cover_all_days_and_join_only_near_ones(numbers: list[int], gap: int) -> None:
    days = pd.DatetimeIndex([DAY + pd.Timedelta(days=n) for n in numbers])
    found = calendar_days.ranges(days, gap)
    for day in days:
        assert sum(first <= day <= last for first, last in found) == 1
    for (_, last), (first, _) in itertools.pairwise(found):
        assert (first - last).days > gap
    assert all(first in days and last in days for first, last in found)
