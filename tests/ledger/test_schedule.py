"""The monthly schedule of a version."""

from __future__ import annotations

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from ledger_rows import FIRST, at, counts, impacts, told

from ft_emissions_pipeline import ledger
from ft_emissions_pipeline.ledger.schedule import months

# The monthly schedule


def test_the_published_monthly_schedule_comes_out() -> None:
    """46 t over 14 months of 7 T; the first serves 11 T: 5 t, then 41 t over 143 T: 0.28 g a 1M."""
    first, second = list(months([11e12, 11e12], 98e12, 14, bear_the_rest=False))
    tonnes = 46.0
    assert tonnes * 1e6 / first.projected * 1e6 == pytest.approx(0.47, abs=0.005)
    assert tonnes * first.billed == pytest.approx(5.0, abs=0.2)
    assert tonnes * second.remaining == pytest.approx(41.0, abs=0.2)
    assert second.projected == 143e12
    assert tonnes * second.remaining * 1e6 / second.projected * 1e6 == pytest.approx(
        0.28, abs=0.006
    )


MONTHLY = {
    "total_kgco2e": 46_000.0,
    "expected_use_life_days": 426.0,
    "expected_use_life_basis": "disclosed",
    "expected_inferences_per_day": 98e12 / 426,
}


def by_month(
    days: int, *, retired: float | None = None, later: float = 0.0
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return schedule and days of the published model, used the same every day of its first 31."""
    usage = counts(
        *((f"{FIRST + pd.Timedelta(days=n):%Y-%m-%d}", 11e12 / 31) for n in range(min(days, 31))),
        *((f"{FIRST + pd.Timedelta(days=n):%Y-%m-%d}", later) for n in range(31, days)),
    )
    events = [{"event": "declared", "method": "monthly"}]
    events += [] if retired is None else [{"event": "retired", "at": at(retired)}]
    today = FIRST + pd.Timedelta(days=days - 1)
    runs = impacts({**MONTHLY, "ended_at": FIRST})
    versions = ledger.model_versions(runs, usage, today, told(*events))
    schedule = ledger.monthly_schedule(versions, usage, today)
    return schedule, ledger.inference_impacts(
        versions, usage, FIRST, today, expected_log_sd=0.1, schedule=schedule
    )


def test_a_month_that_is_over_is_final_while_the_version_serves_on() -> None:
    schedule, days = by_month(31)
    assert schedule["month"].tolist() == list(range(1, 15))
    assert schedule["billed_kgco2e"][0] == pytest.approx(46_000 * 11 / 98, rel=1e-9)
    assert schedule["projected_inferences"][1] == pytest.approx(143e12, rel=1e-9)
    assert schedule["status"].tolist() == ["final"] + ["provisional"] * 13
    assert set(days["status"]) == {"final"}
    assert days["allocated_kgco2e"].sum() == pytest.approx(46_000 * 11 / 98, rel=1e-9)
    # What a later month brings moves nothing of it.
    _, later = by_month(50)
    assert later["allocated_kgco2e"][:31].tolist() == pytest.approx(
        days["allocated_kgco2e"].tolist(), rel=1e-9
    )


def test_what_a_retired_version_has_left_is_never_lost() -> None:
    _, days = by_month(40, retired=40)
    left = days[days["inferences_basis"] == "unallocated"]
    assert left["date"].tolist() == [FIRST + pd.Timedelta(days=39)]
    assert left["allocated_kgco2e"].tolist() == pytest.approx([46_000 * (1 - 11 / 98)], rel=1e-9)
    assert days["allocated_kgco2e"].sum() == pytest.approx(46_000, rel=1e-9)


def test_a_single_inference_carries_what_a_retired_version_has_left() -> None:
    _, days = by_month(32, retired=32, later=1.0)
    assert set(days["inferences_basis"]) == {"actual"}
    assert days["allocated_kgco2e"].iloc[-1] == pytest.approx(46_000 * (1 - 11 / 98), rel=1e-9)
    assert days["allocated_kgco2e"].sum() == pytest.approx(46_000, rel=1e-9)


@given(
    served=st.lists(st.integers(0, 10**12), min_size=1, max_size=24),
    projected=st.just(float("nan")) | st.floats(0, 1e15),
)
def test_the_months_of_a_use_life_bear_all_of_it_and_no_more(
    served: list[int], projected: float
) -> None:
    shared = [month.billed for month in months(served, projected, len(served), bear_the_rest=True)]
    assert sum(shared) == pytest.approx(1.0, rel=1e-9)
    assert min(shared) >= 0
