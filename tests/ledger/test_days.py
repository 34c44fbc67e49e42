"""Every gram of a closed version lands on exactly one of its days."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from ledger_rows import FIRST, counts, impacts, shared_out

from ft_emissions_pipeline import ledger


def test_the_published_example_of_daily_tuning_comes_out() -> None:
    """12.8 kgCO2e and 18.3 L, 1000 inferences a day: 12.8 g and 18.3 mL (fine-tuning page)."""
    runs = impacts(*({"expected_inferences_per_day": 1000.0} for _ in range(3)))
    versions = ledger.model_versions(runs, counts(), pd.Timestamp("2026-01-03"))
    days = shared_out(versions, counts(), "2026-01-03")
    assert days["gco2e_per_inference"].tolist() == pytest.approx([12.8] * 3, rel=1e-12)
    assert days["water_ml_per_inference"].tolist() == pytest.approx([18.3] * 3, rel=1e-12)
    assert days["status"].tolist() == ["final", "final", "provisional"]


def test_actual_counts_go_before_expected_ones() -> None:
    runs = impacts(
        {"expected_inferences_per_day": 1000.0}, {"ended_at": FIRST + pd.Timedelta(days=2)}
    )
    usage = counts(("2026-01-01", 3000.0))
    versions = ledger.model_versions(runs, usage, pd.Timestamp("2026-01-03"))
    days = shared_out(versions, usage, "2026-01-02")
    assert days["inferences_basis"].tolist() == ["actual", "expected"]
    assert days["inferences"].tolist() == [3000.0, 1000.0]
    # By hand: 12.8 kg over 3000 + 1000 inferences are 3.2 g each.
    assert days["gco2e_per_inference"].tolist() == pytest.approx([3.2, 3.2], rel=1e-12)
    assert versions["inferences_basis"][0] == "actual_and_expected"


def test_a_day_of_two_versions_is_shared_by_time_in_service() -> None:
    runs = impacts({"ended_at": FIRST}, {"ended_at": FIRST + pd.Timedelta(hours=6)})
    usage = counts(("2026-01-01", 800.0))
    versions = ledger.model_versions(runs, usage, pd.Timestamp("2026-01-01"))
    days = shared_out(versions, usage, "2026-01-01").set_index("model_version")
    assert days["inferences"].to_dict() == {"run-0": 200.0, "run-1": 600.0}


def test_counts_of_a_named_version_are_that_versions() -> None:
    runs = impacts({"ended_at": FIRST}, {"ended_at": FIRST + pd.Timedelta(hours=6)})
    usage = counts(("2026-01-01", 70.0, "run-0"), ("2026-01-01", 30.0, "run-1"))
    versions = ledger.model_versions(runs, usage, pd.Timestamp("2026-01-01"))
    days = shared_out(versions, usage, "2026-01-01").set_index("model_version")
    assert days["inferences"].to_dict() == {"run-0": 70.0, "run-1": 30.0}


@pytest.mark.parametrize("hours", [0, 24])
def test_a_closed_version_without_traffic_is_one_unallocated_row(hours: int) -> None:
    runs = impacts({"ended_at": FIRST}, {"ended_at": FIRST + pd.Timedelta(hours=hours)})
    usage = counts(("2026-01-01", 0.0, "run-0"))
    versions = ledger.model_versions(runs, usage, pd.Timestamp("2026-01-02"))
    days = shared_out(versions, usage, "2026-01-02")
    idle = days[days["model_version"] == "run-0"]
    assert idle["inferences_basis"].tolist() == ["unallocated"]
    assert idle["allocated_kgco2e"].tolist() == [12.8]
    assert idle["gco2e_per_inference"].isna().all()


def test_without_any_count_the_days_share_by_time() -> None:
    runs = impacts({"ended_at": FIRST}, {"ended_at": FIRST + pd.Timedelta(hours=36)})
    versions = ledger.model_versions(runs, counts(), pd.Timestamp("2026-01-02"))
    days = shared_out(versions, counts(), "2026-01-02")
    first = days[days["model_version"] == "run-0"]
    # By hand: 24 and 12 of 36 hours.
    assert first["allocated_kgco2e"].tolist() == pytest.approx([12.8 * 2 / 3, 12.8 / 3], rel=1e-12)
    assert first["gco2e_per_inference"].isna().all()


def test_an_open_version_spreads_over_what_is_expected_of_it() -> None:
    run = {"expected_inferences_per_day": 100.0, "expected_use_life_days": 10.0}
    versions = ledger.model_versions(
        impacts({**run, "expected_use_life_basis": "disclosed"}),
        counts(),
        pd.Timestamp("2026-01-02"),
    )
    days = shared_out(versions, counts(), "2026-01-02")
    # By hand: 12.8 kg over 100 x 10 inferences are 12.8 g each; two of ten days have passed.
    assert days["gco2e_per_inference"].tolist() == pytest.approx([12.8, 12.8], rel=1e-12)
    assert days["allocated_kgco2e"].sum() == pytest.approx(2.56, rel=1e-12)
    assert set(days["status"]) == {"provisional"}


def test_an_interval_widens_where_inferences_are_expected() -> None:
    run = {"expected_inferences_per_day": 100.0}
    usage = counts(("2026-01-01", 100.0))
    versions = ledger.model_versions(impacts(run), usage, pd.Timestamp("2026-01-02"))
    days = shared_out(versions, usage, "2026-01-02")
    width = days["gco2e_per_inference_p95"] / days["gco2e_per_inference_p05"]
    assert width[1] > width[0]


instants = st.integers(min_value=0, max_value=20 * 24).map(lambda h: FIRST + pd.Timedelta(hours=h))


@st.composite
def histories(draw: st.DrawFn) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Some tunings of one model, and counts on some days: of the model, of versions, or of none."""
    ends = draw(st.lists(instants, min_size=1, max_size=6))
    runs = impacts(
        *(
            {
                "ended_at": end,
                "total_kgco2e": draw(st.floats(0.001, 1e6)),
                "total_water_l": draw(st.floats(0.001, 1e6)),
                "expected_inferences_per_day": draw(st.sampled_from([np.nan, 0.0, 10.0, 1e6])),
                "expected_use_life_days": draw(st.floats(0.01, 40.0)),
                "expected_use_life_basis": draw(st.sampled_from(["default", "disclosed"])),
            }
            for end in ends
        )
    )
    days = draw(st.lists(st.integers(0, 25), unique=True, max_size=12))
    names = [f"run-{n}" for n in range(len(ends))]
    rows = []
    for day in days:
        named = draw(st.sampled_from([None, *names]))
        count = float(draw(st.integers(0, 10**6)))
        date = f"{FIRST + pd.Timedelta(days=day):%Y-%m-%d}"
        rows.append((date, count) if named is None else (date, count, named))
    return runs, counts(*rows)


@given(history=histories(), as_of=st.integers(0, 60))
def test_every_gram_and_litre_of_a_closed_version_lands_once(
    history: tuple[pd.DataFrame, pd.DataFrame], as_of: int
) -> None:
    """Invariant 1; for open versions never more than the total lands."""
    runs, usage = history
    today = FIRST + pd.Timedelta(days=as_of)
    versions = ledger.model_versions(runs, usage, today).set_index("model_version", drop=False)
    everything = ledger.inference_impacts(
        versions, usage, FIRST, FIRST + pd.Timedelta(days=200), expected_log_sd=0.1
    )
    for column, total in (
        ("allocated_kgco2e", "total_kgco2e"),
        ("allocated_water_l", "total_water_l"),
    ):
        landed = (
            everything.groupby("model_version")[column].sum().reindex(versions.index).fillna(0.0)
        )
        closed = versions["status"] == "closed"
        assert landed[closed].to_numpy() == pytest.approx(
            versions.loc[closed, total].to_numpy(), rel=1e-9
        )
        assert (landed <= versions[total] * (1 + 1e-9)).all()
    assert (everything[["allocated_kgco2e", "allocated_water_l"]] >= 0).all(axis=None)


@given(history=histories(), split=st.integers(0, 30))
def test_days_run_apart_are_the_days_run_together(
    history: tuple[pd.DataFrame, pd.DataFrame], split: int
) -> None:
    runs, usage = history
    versions = ledger.model_versions(runs, usage, FIRST + pd.Timedelta(days=30))
    middle, end = FIRST + pd.Timedelta(days=split), FIRST + pd.Timedelta(days=60)
    together = ledger.inference_impacts(versions, usage, FIRST, end, expected_log_sd=0.1)
    apart = [
        ledger.inference_impacts(versions, usage, first, last, expected_log_sd=0.1)
        for first, last in ((FIRST, middle), (middle + pd.Timedelta(days=1), end))
    ]
    pd.testing.assert_frame_equal(
        pd.concat(apart, ignore_index=True), together, check_exact=False, rtol=1e-12
    )


@given(history=histories(), seed=st.randoms(use_true_random=False))
def test_the_order_of_runs_and_counts_does_not_matter(
    history: tuple[pd.DataFrame, pd.DataFrame], seed: object
) -> None:
    """Invariant 7, at this stage."""
    runs, usage = history
    order = list(range(len(runs)))
    seed.shuffle(order)  # type: ignore[attr-defined]
    today = FIRST + pd.Timedelta(days=30)
    straight = ledger.model_versions(runs, usage, today)
    shuffled = ledger.model_versions(runs.iloc[order], usage.iloc[::-1], today)
    pd.testing.assert_frame_equal(straight, shuffled)


def test_a_day_is_split_at_the_hour_where_hours_are_counted() -> None:
    runs = impacts({"ended_at": FIRST}, {"ended_at": FIRST + pd.Timedelta(hours=6, minutes=30)})
    by_hour = " ".join(["10"] * 6 + ["40"] + ["0"] * 16 + ["300"])
    usage = counts(("2026-01-01", 400.0)).assign(hours=by_hour)
    versions = ledger.model_versions(runs, usage, pd.Timestamp("2026-01-01"))
    days = shared_out(versions, usage, "2026-01-01").set_index("model_version")
    # By hand: 6 hours of 10 and half of the seventh's 40; by time it would have been 108.3.
    assert days["inferences"].to_dict() == {"run-0": 80.0, "run-1": 320.0}


def test_hours_counted_while_none_served_fall_on_those_of_the_day() -> None:
    runs = impacts({"ended_at": FIRST + pd.Timedelta(hours=12)})
    usage = counts(("2026-01-01", 48.0)).assign(hours=" ".join(["2"] * 24))
    versions = ledger.model_versions(runs, usage, pd.Timestamp("2026-01-01"))
    assert shared_out(versions, usage, "2026-01-01")["inferences"].tolist() == [48.0]
