"""What cannot be used, and says so."""

from __future__ import annotations

import pandas as pd
from ledger_rows import FIRST, ROLLED_BACK, TUNED_TWICE, at, counts, impacts, shared_out, told

from ft_emissions_pipeline import ledger

# What cannot be used, and says so


def refused(
    runs: pd.DataFrame, usage: pd.DataFrame, events: pd.DataFrame | None = None
) -> list[tuple[str, str]]:
    versions = ledger.model_versions(runs, usage, pd.Timestamp("2026-01-09"), events)
    as_logged = runs[["run_id"]].assign(source_uri="log.csv", source_record=runs["run_id"])
    found = ledger.unused(versions, usage, events, as_logged)
    assert found["reason"].str.contains("; ").all()
    return list(zip(found["source_record"], found["reason_code"], strict=True))


def test_a_count_of_an_unknown_model_is_told() -> None:
    assert refused(impacts({}), counts(("2026-01-02", 5.0)).assign(model_name="x")) == [
        ("0", "unknown_model")
    ]


def test_a_count_of_an_unknown_version_is_told() -> None:
    assert refused(impacts({}), counts(("2026-01-02", 5.0, "v9"))) == [("0", "unknown_version")]


def test_a_count_before_the_first_fine_tuning_is_told() -> None:
    usage = counts(("2025-12-31", 5.0), ("2025-12-31", 5.0, "run-0"), ("2026-01-01", 5.0))
    assert refused(impacts({}), usage) == [
        ("0", "before_first_version"), ("1", "before_first_version"),
    ]  # fmt: skip


def test_a_count_after_the_last_day_of_service_is_told() -> None:
    events = told({"event": "retired", "at": at(1)})
    usage = counts(("2026-01-01", 5.0), ("2026-01-02", 5.0))
    assert refused(impacts({}), usage, events) == [("1", "not_in_service")]


def test_a_cycle_of_parents_is_cut_and_told() -> None:
    runs = impacts(
        {"parent_version": "run-1"}, {"parent_version": "run-0"}, {"parent_version": "run-2"}
    )
    assert refused(runs, counts()) == [
        ("run-0", "impossible_parent"),
        ("run-2", "impossible_parent"),
    ]
    versions = ledger.model_versions(runs, counts(), pd.Timestamp("2026-01-03"))
    assert versions["generation"].tolist() == [1, 2, 1]


def test_two_versions_that_claim_one_instant_are_told_and_the_first_stands() -> None:
    events = told(ROLLED_BACK, {**ROLLED_BACK, "model_version": "run-1"}, ROLLED_BACK)
    assert refused(impacts(*TUNED_TWICE), counts(), events) == [("1", "contradicting_event")]


def test_two_runs_that_end_at_one_instant_are_two_versions_of_which_one_served() -> None:
    runs = impacts({"ended_at": FIRST}, {"ended_at": FIRST})
    usage = counts(("2026-01-01", 5.0))
    versions = ledger.model_versions(runs, usage, pd.Timestamp("2026-01-01"))
    days = shared_out(versions, usage, "2026-01-01").set_index("model_version")
    assert days["inferences_basis"].to_dict() == {"run-0": "unallocated", "run-1": "actual"}


def test_an_event_of_an_unknown_model_or_version_is_told() -> None:
    events = told({**ROLLED_BACK, "model_name": "x"}, {**ROLLED_BACK, "model_version": "v9"})
    assert refused(impacts({}), counts(), events) == [
        ("0", "unknown_model"), ("1", "unknown_version"),
    ]  # fmt: skip
