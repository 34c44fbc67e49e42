"""Use lives end as documented, whatever happens to a model besides tuning."""

from __future__ import annotations

import pandas as pd
import pytest
from ledger_rows import (
    FIRST,
    LABELLED,
    ROLLED_BACK,
    TUNED_TWICE,
    at,
    counts,
    impacts,
    shared_out,
    told,
)

from ft_emissions_pipeline import ledger


def test_a_version_ends_when_the_next_is_tuned() -> None:
    runs = impacts({}, {"ended_at": FIRST + pd.Timedelta(days=5, hours=3)})
    versions = ledger.model_versions(runs, counts(), pd.Timestamp("2026-01-06"))
    assert versions["use_life_rule"].tolist() == ["superseded", "usual_interval"]
    assert versions["status"].tolist() == ["closed", "open"]
    assert versions["use_life_end"][0] == versions["use_life_start"][1]


def test_the_open_version_is_expected_to_last_the_usual_interval() -> None:
    runs = impacts(*({"ended_at": FIRST + pd.Timedelta(days=2 * n)} for n in range(4)))
    versions = ledger.model_versions(runs, counts(), pd.Timestamp("2026-01-07"))
    life = versions["use_life_end"][3] - versions["use_life_start"][3]
    assert life == pd.Timedelta(days=2)


def test_the_usual_interval_is_of_a_model_s_own_tunings() -> None:
    """Both were last tuned on 16 January: one is every 2 days, the other every 5."""
    runs = impacts(
        *({"model_name": f"every-{days}", "ended_at": FIRST + pd.Timedelta(days=15 - days * n)}
          for days in (2, 5) for n in range(4))
    )  # fmt: skip
    versions = ledger.model_versions(runs, counts(), pd.Timestamp("2026-01-16"))
    ends = versions[versions["status"] == "open"].set_index("model_name")["use_life_end"]
    assert ends.to_dict() == {
        "every-2": pd.Timestamp("2026-01-18", tz="UTC"),
        "every-5": pd.Timestamp("2026-01-21", tz="UTC"),
    }


def test_a_disclosed_use_life_closes_a_version_without_a_successor() -> None:
    run = {"expected_use_life_days": 2.0, "expected_use_life_basis": "disclosed"}
    before = ledger.model_versions(impacts(run), counts(), pd.Timestamp("2026-01-01"))
    after = ledger.model_versions(impacts(run), counts(), pd.Timestamp("2026-01-02"))
    assert before["status"].tolist() == ["open"]
    assert after["status"].tolist() == ["closed"]
    assert after["use_life_rule"].tolist() == ["disclosed"]


def test_a_model_in_use_outlives_the_default_use_life() -> None:
    run = {"expected_use_life_days": 2.0}
    usage = counts(("2026-01-01", 5.0), ("2026-01-09", 5.0))
    versions = ledger.model_versions(impacts(run), usage, pd.Timestamp("2026-01-09"))
    assert versions["use_life_end"][0] == pd.Timestamp("2026-01-10", tz="UTC")
    days = shared_out(versions, usage, "2026-01-09")
    assert days["allocated_kgco2e"].sum() == pytest.approx(12.8, rel=1e-12)


NIGHTLY = [{"ended_at": FIRST + pd.Timedelta(days=n)} for n in range(4)]
"""Four nights from 1 January on: the usual interval is a day."""


def test_a_model_that_is_neither_used_nor_tuned_closes_at_its_last_sign_of_life() -> None:
    usage = counts(*((f"2026-01-0{n}", 100.0) for n in range(1, 7)))
    awake = ledger.model_versions(impacts(*NIGHTLY), usage, pd.Timestamp("2026-01-11"))
    assert (awake["status"].iloc[-1], awake["use_life_rule"].iloc[-1]) == ("open", "usual_interval")
    left = ledger.model_versions(impacts(*NIGHTLY), usage, pd.Timestamp("2026-10-01"))
    assert (left["status"].iloc[-1], left["use_life_rule"].iloc[-1]) == ("closed", "asleep")
    assert left["use_life_end"].iloc[-1] == pd.Timestamp("2026-01-07", tz="UTC")
    days = shared_out(left, usage, "2026-10-01")
    assert days["date"].max() == pd.Timestamp("2026-01-06")
    assert set(days["inferences_basis"]) == {"actual"}
    assert days["allocated_kgco2e"].sum() == pytest.approx(4 * 12.8, rel=1e-12)


def test_a_sleeping_model_that_is_used_again_is_open_again() -> None:
    usage = counts(*((f"2026-01-0{n}", 100.0) for n in range(1, 7)), ("2026-10-01", 7.0))
    versions = ledger.model_versions(impacts(*NIGHTLY), usage, pd.Timestamp("2026-10-01"))
    assert versions["status"].iloc[-1] == "open"
    assert versions["use_life_end"].iloc[-1] == pd.Timestamp("2026-10-02", tz="UTC")


def test_a_model_that_nobody_ever_used_sleeps_since_its_last_tuning() -> None:
    versions = ledger.model_versions(impacts(*NIGHTLY), counts(), pd.Timestamp("2026-10-01"))
    assert versions["use_life_end"].iloc[-1] == versions["use_life_start"].iloc[-1]
    days = shared_out(versions, counts(), "2026-10-01")
    assert days["allocated_kgco2e"].sum() == pytest.approx(4 * 12.8, rel=1e-12)


def test_a_version_that_was_rolled_back_to_serves_in_two_stretches() -> None:
    usage = counts(*((f"2026-01-0{n}", 100.0) for n in range(1, 7)))
    events = told(ROLLED_BACK, {"event": "retired", "at": at(6)})
    versions = ledger.model_versions(
        impacts(*TUNED_TWICE), usage, pd.Timestamp("2026-01-07"), events
    )
    assert versions["use_life_rule"].tolist() == ["retired", "rolled_back"]
    assert versions["pauses"][0] == "2026-01-03T00:00:00Z/2026-01-05T00:00:00Z"
    days = ledger.inference_impacts(
        versions, usage, FIRST, at(8).tz_localize(None), expected_log_sd=0.1, events=events
    )
    served = days.groupby("model_version")["date"].agg(lambda dates: [d.day for d in dates])
    assert served.to_dict() == {"run-0": [1, 2, 5, 6], "run-1": [3, 4]}
    # By hand: 12.8 kg over 4 x 100 and over 2 x 100 inferences.
    per_inference = days.groupby("model_version")["gco2e_per_inference"].first()
    assert per_inference.to_dict() == pytest.approx({"run-0": 32.0, "run-1": 64.0}, rel=1e-12)


@pytest.mark.parametrize(
    "event",
    [
        {"event": "retired", "model_version": "run-9"},
        {"event": "rolled_back", "model_version": "run-9"},
        {"event": "rolled_back", "model_version": None},
    ],
)
def test_an_event_that_names_no_version_of_a_run_ends_no_use_life(event) -> None:
    """`unused` tells of it."""
    runs, today = impacts(*TUNED_TWICE), pd.Timestamp("2026-01-04")
    versions = ledger.model_versions(runs, counts(), today, told({**event, "at": at(1)}))
    expected = ledger.model_versions(runs, counts(), today)
    pd.testing.assert_frame_equal(versions, expected)


def test_counts_that_name_an_old_version_say_that_it_serves_again() -> None:
    usage = counts(
        ("2026-01-01", 100.0), ("2026-01-04", 60.0, "run-0"), ("2026-01-04", 40.0, "run-1")
    )
    versions = ledger.model_versions(impacts(*TUNED_TWICE), usage, pd.Timestamp("2026-01-04"))
    assert versions["inferences"][0] == 160.0
    assert versions["use_life_end"][0] == at(4)
    days = shared_out(versions, usage, "2026-01-05").set_index(["model_version", "date"])
    split = days["inferences"].xs(pd.Timestamp("2026-01-04"), level="date")
    assert split.to_dict() == {"run-0": 60.0, "run-1": 40.0}


def test_a_label_of_a_version_is_as_good_as_its_id() -> None:
    """Also beside the id on one day, under the model's new name, and in an event."""
    runs = impacts(*TUNED_TWICE)
    usage = counts(("2026-01-04", 60.0, "run-0"), ("2026-01-06", 7.0, "run-0"))
    by_label = counts(
        ("2026-01-04", 50.0, "v1"), ("2026-01-04", 10.0, "run-0"), ("2026-01-06", 7.0, "v1")
    )
    by_label.loc[2, "model_name"] = "renamed"
    renamed = {"event": "renamed", "at": at(5), "new_name": "renamed"}
    tables = []
    for records, back in ((usage, "run-0"), (by_label, "v1")):
        served_again = {**ROLLED_BACK, "model_version": back}
        events = told(LABELLED, renamed, served_again, {"event": "retired", "at": at(6)})
        versions = ledger.model_versions(runs, records, pd.Timestamp("2026-01-07"), events)
        assert ledger.unused(versions, records, events).empty
        tables.append(versions)
    pd.testing.assert_frame_equal(*tables)
    assert tables[0]["inferences"][0] == 67.0
    assert tables[0]["use_life_rule"][1] == "rolled_back"


def test_a_label_of_no_run_and_a_count_by_it_are_told() -> None:
    events = told({**LABELLED, "model_version": "run-9"})
    usage = counts(("2026-01-02", 5.0, "v1"), ("2026-01-02", 5.0, "v2"))
    versions = ledger.model_versions(impacts({}), usage, pd.Timestamp("2026-01-09"), events)
    found = ledger.unused(versions, usage, events)
    assert found["reason_code"].tolist() == ["unknown_version"] * 3
    assert found["source_uri"].tolist() == ["usage.csv", "usage.csv", "models.yaml"]
    assert found["reason"].str.contains("'run-9'").tolist() == [True, False, True]


def test_a_version_that_the_days_counts_do_not_name_served_none() -> None:
    usage = counts(("2026-01-01", 5.0), ("2026-01-03", 7.0, "run-0"))
    versions = ledger.model_versions(impacts(*TUNED_TWICE), usage, pd.Timestamp("2026-01-04"))
    days = shared_out(versions, usage, "2026-01-03")
    idle = days[(days["model_version"] == "run-1") & (days["date"] == "2026-01-03")]
    assert idle[["inferences", "inferences_basis"]].to_numpy().tolist() == [[0.0, "actual"]]


def test_a_renamed_model_keeps_its_first_name_and_its_versions() -> None:
    runs = impacts({}, {"model_name": "assistant", "ended_at": FIRST + pd.Timedelta(days=3)})
    usage = counts(("2026-01-02", 10.0), ("2026-01-03", 30.0)).assign(model_name=["m", "assistant"])
    events = told({"event": "renamed", "at": at(2), "new_name": "assistant"})
    versions = ledger.model_versions(runs, usage, pd.Timestamp("2026-01-04"), events)
    assert versions["model_name"].tolist() == ["m", "m"]
    assert versions["present_name"].tolist() == ["assistant"] * 2
    assert versions["inferences"][0] == 40.0
    assert ledger.unused(versions, usage, events).empty
