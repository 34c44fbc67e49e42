"""What an unused version hands on, to whom, and that nothing counts twice."""

from __future__ import annotations

import pandas as pd
import pytest
from ledger_rows import FIRST, TUNED_TWICE, at, counts, impacts, shared_out, told

from ft_emissions_pipeline import ledger


def test_an_unused_version_hands_its_footprint_on_where_that_was_chosen() -> None:
    usage = counts(("2026-01-01", 0.0), ("2026-01-02", 0.0), ("2026-01-03", 1000.0))
    events = told({"event": "declared", "hand_on": "unused"}, {"event": "retired", "at": at(3)})
    versions = ledger.model_versions(
        impacts(*TUNED_TWICE), usage, pd.Timestamp("2026-01-04"), events
    )
    assert versions["inherited_kgco2e"].tolist() == [0.0, 12.8]
    days = shared_out(versions, usage, "2026-01-05").set_index("model_version")
    assert days["inferences_basis"].to_dict() == {"run-0": "handed_on", "run-1": "actual"}
    assert days["allocated_kgco2e"].to_dict() == {"run-0": 0.0, "run-1": 25.6}
    # By hand: half of 25.6 g is its own, half its predecessor's.
    assert days["inherited_gco2e_per_inference"]["run-1"] == pytest.approx(12.8, rel=1e-12)
    assert days["gco2e_per_inference"]["run-1"] == pytest.approx(25.6, rel=1e-12)


def test_a_remainder_passes_from_heir_to_heir_and_never_counts_twice() -> None:
    """Each was to serve 10 days of 100 inferences, and was superseded after serving 200."""
    life = {"expected_use_life_days": 10.0, "expected_use_life_basis": "disclosed",
            "expected_inferences_per_day": 100.0}  # fmt: skip
    runs = impacts(*({**life, "ended_at": FIRST + pd.Timedelta(days=2 * n)} for n in range(3)))
    usage = counts(*((f"2026-01-{n:02d}", 100.0) for n in range(1, 15)))
    events = told({"event": "declared", "hand_on": "remainder"})
    versions = ledger.model_versions(runs, usage, pd.Timestamp("2026-01-20"), events)
    # By hand: 80 % of 12.8 is 10.24; 80 % of 12.8 + 10.24 is 18.432.
    assert versions["inherited_kgco2e"].tolist() == pytest.approx([0.0, 10.24, 18.432], rel=1e-12)
    days = (
        shared_out(versions, usage, "2026-01-20").groupby("model_version")["allocated_kgco2e"].sum()
    )
    assert days.tolist() == pytest.approx([2.56, 4.608, 31.232], rel=1e-12)
    assert days.sum() == pytest.approx(3 * 12.8, rel=1e-12)


def step_that_never_serves(*more: dict[str, object], hand_on: str = "unused") -> pd.DataFrame:
    """Return versions of a step m that is retired as it is made, and of what was tuned from it."""
    runs = impacts(
        {}, {"model_name": "a", "parent_version": "run-0"},
        {"model_name": "b", "parent_version": "run-0 run-0"}, *more,
    )  # fmt: skip
    events = told(
        {"event": "declared", "at": None, "hand_on": hand_on}, {"event": "retired", "at": at(0)}
    )
    usage = counts(*((f"2026-01-{day:02d}", 5.0) for day in range(1, 12)))
    usage = pd.concat([usage.assign(model_name=name) for name in "ab"], ignore_index=True)
    versions = ledger.model_versions(runs, usage, pd.Timestamp("2026-01-11"), events)
    return versions.set_index("model_version")


def test_a_step_that_never_serves_is_carried_by_the_models_that_were_tuned_from_it() -> None:
    """By hand: 12.8 kg in equal parts to both branches, named twice or not: 6.4 each."""
    versions = step_that_never_serves()
    assert versions["handed_on_share"].to_dict() == {"run-1": 0.0, "run-2": 0.0, "run-0": 1.0}
    assert versions["inherited_kgco2e"].to_dict() == {"run-1": 6.4, "run-2": 6.4, "run-0": 0.0}
    kept = step_that_never_serves(hand_on="nothing")
    assert not kept[["handed_on_share", "inherited_kgco2e"]].any(axis=None)


def test_a_merge_inherits_from_the_unused_one_of_its_parents() -> None:
    """By hand: three were tuned from run-0, one of them from run-1, too: 12.8 / 3 each."""
    versions = step_that_never_serves({"model_name": "c", "parent_version": "run-0, run-1"})
    assert versions["inherited_kgco2e"].to_dict() == pytest.approx(
        {"run-1": 12.8 / 3, "run-2": 12.8 / 3, "run-3": 12.8 / 3, "run-0": 0.0}
    )


def test_a_successor_on_the_same_model_goes_before_those_tuned_from_an_unused_version() -> None:
    versions = step_that_never_serves({"ended_at": FIRST, "run_id": "run-0a"})
    assert versions["inherited_kgco2e"].to_dict() == {
        "run-1": 0.0, "run-2": 0.0, "run-0": 0.0, "run-0a": 12.8
    }  # fmt: skip


def test_the_disclosed_share_of_pre_training_stands_beside_the_fine_tuning() -> None:
    events = told(
        {"event": "declared", "base_model_kgco2e": 539_000.0, "base_model_inferences": 1e9}
    )
    usage = counts(("2026-01-01", 1000.0))
    versions = ledger.model_versions(impacts({}), usage, pd.Timestamp("2026-01-01"), events)
    days = shared_out(versions, usage, "2026-01-01")
    # By hand: 539 t over a thousand million inferences; it is no part of what the run emitted.
    assert days["base_gco2e_per_inference"][0] == pytest.approx(0.539, rel=1e-12)
    assert days["allocated_kgco2e"].sum() <= 12.8


def test_market_based_carbon_is_shared_and_handed_on_like_the_location_based() -> None:
    """By hand, of 10 kg by the grid and 1 kg by contract, 2.8 kg embodied: 3.8 kg each, 7.6 kg."""
    usage = counts(("2026-01-01", 0.0), ("2026-01-02", 0.0), ("2026-01-03", 1000.0))
    events = told({"event": "declared", "hand_on": "unused"}, {"event": "retired", "at": at(3)})
    last = pd.Timestamp("2026-01-04")
    contracts = [{**run, "operational_market_kgco2e": 1.0} for run in TUNED_TWICE]
    versions = ledger.model_versions(impacts(*contracts), usage, last, events)
    days = shared_out(versions, usage, "2026-01-05").set_index("model_version")
    assert days["allocated_market_kgco2e"].to_dict() == {"run-0": 0.0, "run-1": 7.6}
    assert days["market_gco2e_per_inference"]["run-1"] == pytest.approx(7.6, rel=1e-12)
    assert days["gco2e_per_inference"]["run-1"] == pytest.approx(25.6, rel=1e-12)
    # A predecessor without a contract's factor: what its heir carries by contract is unknown.
    versions = ledger.model_versions(impacts(TUNED_TWICE[0], contracts[1]), usage, last, events)
    days = shared_out(versions, usage, "2026-01-05").set_index("model_version")
    assert days["allocated_market_kgco2e"].isna().all()
    assert days["allocated_kgco2e"]["run-1"] == 25.6
