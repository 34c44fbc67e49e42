"""Every gram of a closed version lands on exactly one of its days; use lives end as documented."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from ledger_rows import FIRST, at, branched_merged_and_rolled_back, counts, impacts, told

from ft_emissions_pipeline import ledger as amortize
from ft_emissions_pipeline.ledger.schedule import months


def ledger(versions: pd.DataFrame, usage: pd.DataFrame, last: str) -> pd.DataFrame:
    return amortize.inference_impacts(
        versions, usage, FIRST, pd.Timestamp(last), expected_log_sd=0.1
    )


def test_the_published_example_of_daily_tuning_comes_out() -> None:
    """12.8 kgCO2e and 18.3 L, 1000 inferences a day: 12.8 g and 18.3 mL (fine-tuning page)."""
    runs = impacts(*({"expected_inferences_per_day": 1000.0} for _ in range(3)))
    versions = amortize.model_versions(runs, counts(), pd.Timestamp("2026-01-03"))
    days = ledger(versions, counts(), "2026-01-03")
    assert days["gco2e_per_inference"].tolist() == pytest.approx([12.8] * 3, rel=1e-12)
    assert days["water_ml_per_inference"].tolist() == pytest.approx([18.3] * 3, rel=1e-12)
    assert days["status"].tolist() == ["final", "final", "provisional"]


def test_a_version_ends_when_the_next_is_tuned() -> None:
    runs = impacts({}, {"ended_at": FIRST + pd.Timedelta(days=5, hours=3)})
    versions = amortize.model_versions(runs, counts(), pd.Timestamp("2026-01-06"))
    assert versions["use_life_rule"].tolist() == ["superseded", "usual_interval"]
    assert versions["status"].tolist() == ["closed", "open"]
    assert versions["use_life_end"][0] == versions["use_life_start"][1]


def test_the_open_version_is_expected_to_last_the_usual_interval() -> None:
    runs = impacts(*({"ended_at": FIRST + pd.Timedelta(days=2 * n)} for n in range(4)))
    versions = amortize.model_versions(runs, counts(), pd.Timestamp("2026-01-07"))
    life = versions["use_life_end"][3] - versions["use_life_start"][3]
    assert life == pd.Timedelta(days=2)


def test_a_disclosed_use_life_closes_a_version_without_a_successor() -> None:
    run = {"expected_use_life_days": 2.0, "expected_use_life_basis": "disclosed"}
    before = amortize.model_versions(impacts(run), counts(), pd.Timestamp("2026-01-01"))
    after = amortize.model_versions(impacts(run), counts(), pd.Timestamp("2026-01-02"))
    assert before["status"].tolist() == ["open"]
    assert after["status"].tolist() == ["closed"]
    assert after["use_life_rule"].tolist() == ["disclosed"]


def test_a_model_in_use_outlives_the_default_use_life() -> None:
    run = {"expected_use_life_days": 2.0}
    usage = counts(("2026-01-01", 5.0), ("2026-01-09", 5.0))
    versions = amortize.model_versions(impacts(run), usage, pd.Timestamp("2026-01-09"))
    assert versions["use_life_end"][0] == pd.Timestamp("2026-01-10", tz="UTC")
    days = ledger(versions, usage, "2026-01-09")
    assert days["allocated_kgco2e"].sum() == pytest.approx(12.8, rel=1e-12)


def test_actual_counts_go_before_expected_ones() -> None:
    runs = impacts(
        {"expected_inferences_per_day": 1000.0}, {"ended_at": FIRST + pd.Timedelta(days=2)}
    )
    usage = counts(("2026-01-01", 3000.0))
    versions = amortize.model_versions(runs, usage, pd.Timestamp("2026-01-03"))
    days = ledger(versions, usage, "2026-01-02")
    assert days["inferences_basis"].tolist() == ["actual", "expected"]
    assert days["inferences"].tolist() == [3000.0, 1000.0]
    # By hand: 12.8 kg over 3000 + 1000 inferences are 3.2 g each.
    assert days["gco2e_per_inference"].tolist() == pytest.approx([3.2, 3.2], rel=1e-12)
    assert versions["inferences_basis"][0] == "actual_and_expected"


def test_a_day_of_two_versions_is_shared_by_time_in_service() -> None:
    runs = impacts({"ended_at": FIRST}, {"ended_at": FIRST + pd.Timedelta(hours=6)})
    usage = counts(("2026-01-01", 800.0))
    versions = amortize.model_versions(runs, usage, pd.Timestamp("2026-01-01"))
    days = ledger(versions, usage, "2026-01-01").set_index("model_version")
    assert days["inferences"].to_dict() == {"run-0": 200.0, "run-1": 600.0}


def test_counts_of_a_named_version_are_that_versions() -> None:
    runs = impacts({"ended_at": FIRST}, {"ended_at": FIRST + pd.Timedelta(hours=6)})
    usage = counts(("2026-01-01", 70.0, "run-0"), ("2026-01-01", 30.0, "run-1"))
    versions = amortize.model_versions(runs, usage, pd.Timestamp("2026-01-01"))
    days = ledger(versions, usage, "2026-01-01").set_index("model_version")
    assert days["inferences"].to_dict() == {"run-0": 70.0, "run-1": 30.0}


@pytest.mark.parametrize("hours", [0, 24])
def test_a_closed_version_without_traffic_is_one_unallocated_row(hours: int) -> None:
    runs = impacts({"ended_at": FIRST}, {"ended_at": FIRST + pd.Timedelta(hours=hours)})
    usage = counts(("2026-01-01", 0.0, "run-0"))
    versions = amortize.model_versions(runs, usage, pd.Timestamp("2026-01-02"))
    days = ledger(versions, usage, "2026-01-02")
    idle = days[days["model_version"] == "run-0"]
    assert idle["inferences_basis"].tolist() == ["unallocated"]
    assert idle["allocated_kgco2e"].tolist() == [12.8]
    assert idle["gco2e_per_inference"].isna().all()


def test_without_any_count_the_days_share_by_time() -> None:
    runs = impacts({"ended_at": FIRST}, {"ended_at": FIRST + pd.Timedelta(hours=36)})
    versions = amortize.model_versions(runs, counts(), pd.Timestamp("2026-01-02"))
    days = ledger(versions, counts(), "2026-01-02")
    first = days[days["model_version"] == "run-0"]
    # By hand: 24 and 12 of 36 hours.
    assert first["allocated_kgco2e"].tolist() == pytest.approx([12.8 * 2 / 3, 12.8 / 3], rel=1e-12)
    assert first["gco2e_per_inference"].isna().all()


def test_an_open_version_spreads_over_what_is_expected_of_it() -> None:
    run = {"expected_inferences_per_day": 100.0, "expected_use_life_days": 10.0}
    versions = amortize.model_versions(
        impacts({**run, "expected_use_life_basis": "disclosed"}),
        counts(),
        pd.Timestamp("2026-01-02"),
    )
    days = ledger(versions, counts(), "2026-01-02")
    # By hand: 12.8 kg over 100 x 10 inferences are 12.8 g each; two of ten days have passed.
    assert days["gco2e_per_inference"].tolist() == pytest.approx([12.8, 12.8], rel=1e-12)
    assert days["allocated_kgco2e"].sum() == pytest.approx(2.56, rel=1e-12)
    assert set(days["status"]) == {"provisional"}


def test_an_interval_widens_where_inferences_are_expected() -> None:
    run = {"expected_inferences_per_day": 100.0}
    usage = counts(("2026-01-01", 100.0))
    versions = amortize.model_versions(impacts(run), usage, pd.Timestamp("2026-01-02"))
    days = ledger(versions, usage, "2026-01-02")
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
    versions = amortize.model_versions(runs, usage, today).set_index("model_version", drop=False)
    everything = amortize.inference_impacts(
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
    versions = amortize.model_versions(runs, usage, FIRST + pd.Timedelta(days=30))
    middle, end = FIRST + pd.Timedelta(days=split), FIRST + pd.Timedelta(days=60)
    together = amortize.inference_impacts(versions, usage, FIRST, end, expected_log_sd=0.1)
    apart = [
        amortize.inference_impacts(versions, usage, first, last, expected_log_sd=0.1)
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
    straight = amortize.model_versions(runs, usage, today)
    shuffled = amortize.model_versions(runs.iloc[order], usage.iloc[::-1], today)
    pd.testing.assert_frame_equal(straight, shuffled)


# What happens to models besides tuning


ROLLED_BACK = {"event": "rolled_back", "at": at(4), "model_version": "run-0"}
TUNED_TWICE = ({"ended_at": FIRST}, {"ended_at": FIRST + pd.Timedelta(days=2)})


def test_a_version_that_was_rolled_back_to_serves_in_two_stretches() -> None:
    usage = counts(*((f"2026-01-0{n}", 100.0) for n in range(1, 7)))
    events = told(ROLLED_BACK, {"event": "retired", "at": at(6)})
    versions = amortize.model_versions(
        impacts(*TUNED_TWICE), usage, pd.Timestamp("2026-01-07"), events
    )
    assert versions["use_life_rule"].tolist() == ["retired", "rolled_back"]
    assert versions["pauses"][0] == "2026-01-03T00:00:00Z/2026-01-05T00:00:00Z"
    days = amortize.inference_impacts(
        versions, usage, FIRST, at(8).tz_localize(None), expected_log_sd=0.1, events=events
    )
    served = days.groupby("model_version")["date"].agg(lambda dates: [d.day for d in dates])
    assert served.to_dict() == {"run-0": [1, 2, 5, 6], "run-1": [3, 4]}
    # By hand: 12.8 kg over 4 x 100 and over 2 x 100 inferences.
    per_inference = days.groupby("model_version")["gco2e_per_inference"].first()
    assert per_inference.to_dict() == pytest.approx({"run-0": 32.0, "run-1": 64.0}, rel=1e-12)


def test_counts_that_name_an_old_version_say_that_it_serves_again() -> None:
    usage = counts(
        ("2026-01-01", 100.0), ("2026-01-04", 60.0, "run-0"), ("2026-01-04", 40.0, "run-1")
    )
    versions = amortize.model_versions(impacts(*TUNED_TWICE), usage, pd.Timestamp("2026-01-04"))
    assert versions["inferences"][0] == 160.0
    assert versions["use_life_end"][0] == at(4)
    days = ledger(versions, usage, "2026-01-05").set_index(["model_version", "date"])
    split = days["inferences"].xs(pd.Timestamp("2026-01-04"), level="date")
    assert split.to_dict() == {"run-0": 60.0, "run-1": 40.0}


LABELLED = {"event": "labelled", "at": None, "new_name": "v1", "model_version": "run-0"}


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
        versions = amortize.model_versions(runs, records, pd.Timestamp("2026-01-07"), events)
        assert amortize.unused(versions, records, events).empty
        tables.append(versions)
    pd.testing.assert_frame_equal(*tables)
    assert tables[0]["inferences"][0] == 67.0
    assert tables[0]["use_life_rule"][1] == "rolled_back"


def test_a_label_of_no_run_and_a_count_by_it_are_told() -> None:
    events = told({**LABELLED, "model_version": "run-9"})
    usage = counts(("2026-01-02", 5.0, "v1"), ("2026-01-02", 5.0, "v2"))
    versions = amortize.model_versions(impacts({}), usage, pd.Timestamp("2026-01-09"), events)
    found = amortize.unused(versions, usage, events)
    assert found["reason_code"].tolist() == ["unknown_version"] * 3
    assert found["source_uri"].tolist() == ["usage.csv", "usage.csv", "models.yaml"]
    assert found["reason"].str.contains("'run-9'").tolist() == [True, False, True]


def test_a_version_that_the_days_counts_do_not_name_served_none() -> None:
    usage = counts(("2026-01-01", 5.0), ("2026-01-03", 7.0, "run-0"))
    versions = amortize.model_versions(impacts(*TUNED_TWICE), usage, pd.Timestamp("2026-01-04"))
    days = ledger(versions, usage, "2026-01-03")
    idle = days[(days["model_version"] == "run-1") & (days["date"] == "2026-01-03")]
    assert idle[["inferences", "inferences_basis"]].to_numpy().tolist() == [[0.0, "actual"]]


def test_a_renamed_model_keeps_its_first_name_and_its_versions() -> None:
    runs = impacts({}, {"model_name": "assistant", "ended_at": FIRST + pd.Timedelta(days=3)})
    usage = counts(("2026-01-02", 10.0), ("2026-01-03", 30.0)).assign(model_name=["m", "assistant"])
    events = told({"event": "renamed", "at": at(2), "new_name": "assistant"})
    versions = amortize.model_versions(runs, usage, pd.Timestamp("2026-01-04"), events)
    assert versions["model_name"].tolist() == ["m", "m"]
    assert versions["present_name"].tolist() == ["assistant"] * 2
    assert versions["inferences"][0] == 40.0
    assert amortize.unused(versions, usage, events).empty


def test_ancestors_of_branches_and_merges_are_shown() -> None:
    runs = impacts(
        {}, {"model_name": "left", "parent_version": "run-0"},
        {"model_name": "right", "parent_version": "m"},
        {"model_name": "left", "parent_version": "run-1, run-2"},
    )  # fmt: skip
    versions = amortize.model_versions(runs, counts(), pd.Timestamp("2026-01-04"))
    assert versions.set_index("model_version")["generation"].to_dict() == {
        "run-0": 1, "run-1": 2, "run-2": 2, "run-3": 3,
    }  # fmt: skip
    assert amortize.ancestors(versions, "run-3") == ["run-1", "run-2", "run-0"]
    assert amortize.ancestors(versions, "run-0") == []


@given(
    st.lists(st.tuples(st.sampled_from("mn"), st.integers(0, 3), st.sets(st.integers(0, 11), max_size=3)), max_size=12)
)  # fmt: skip
def test_a_generation_is_the_longest_way_from_a_base_model(
    tuned: list[tuple[str, int, set[int]]],
) -> None:
    runs = [
        {"run_id": f"r{n:02d}", "model_name": model, "ended_at": FIRST + pd.Timedelta(days=day),
         "parent_version": " ".join(f"r{parent:02d}" for parent in sorted(parents)) or None}
        for n, (model, day, parents) in enumerate(tuned)
    ]  # fmt: skip
    versions = amortize.model_versions(impacts(*runs), counts(), pd.Timestamp("2026-01-09"))
    older = dict(
        zip(versions["model_version"], amortize.family(versions, versions["model_version"].tolist())["parents"], strict=True)
    )  # fmt: skip

    def depth(version: str) -> int:
        return 1 + max(map(depth, older[version]), default=0)

    assert versions["generation"].tolist() == [depth(each) for each in versions["model_version"]]


def test_a_family_has_parents_children_and_what_was_handed_on() -> None:
    _, versions = branched_merged_and_rolled_back()
    found = amortize.family(versions, ["run-3", "run-0"])
    assert found["parents"].tolist() == [["run-1", "run-2"], []]
    assert found["children"].tolist() == [[], ["run-1", "run-2"]]
    assert found["handed_on_kgco2e"].tolist() == pytest.approx([0.0, 10.24])


def test_the_newest_version_of_a_parent_model_does_not_hang_on_the_order_of_the_table() -> None:
    runs = impacts(
        {"run_id": "z-first"}, {"run_id": "a-second"}, {"model_name": "right", "parent_version": "m"}
    )  # fmt: skip
    versions = amortize.model_versions(runs, counts(), pd.Timestamp("2026-01-04"))
    stored = versions.sort_values(["model_name", "model_version"], ignore_index=True)
    assert stored["model_version"].tolist() == ["a-second", "z-first", "run-2"]
    assert amortize.ancestors(stored, "run-2") == ["a-second"]


def test_a_day_is_split_at_the_hour_where_hours_are_counted() -> None:
    runs = impacts({"ended_at": FIRST}, {"ended_at": FIRST + pd.Timedelta(hours=6, minutes=30)})
    by_hour = " ".join(["10"] * 6 + ["40"] + ["0"] * 16 + ["300"])
    usage = counts(("2026-01-01", 400.0)).assign(hours=by_hour)
    versions = amortize.model_versions(runs, usage, pd.Timestamp("2026-01-01"))
    days = ledger(versions, usage, "2026-01-01").set_index("model_version")
    # By hand: 6 hours of 10 and half of the seventh's 40; by time it would have been 108.3.
    assert days["inferences"].to_dict() == {"run-0": 80.0, "run-1": 320.0}


def test_hours_counted_while_none_served_fall_on_those_of_the_day() -> None:
    runs = impacts({"ended_at": FIRST + pd.Timedelta(hours=12)})
    usage = counts(("2026-01-01", 48.0)).assign(hours=" ".join(["2"] * 24))
    versions = amortize.model_versions(runs, usage, pd.Timestamp("2026-01-01"))
    assert ledger(versions, usage, "2026-01-01")["inferences"].tolist() == [48.0]


def test_an_unused_version_hands_its_footprint_on_where_that_was_chosen() -> None:
    usage = counts(("2026-01-01", 0.0), ("2026-01-02", 0.0), ("2026-01-03", 1000.0))
    events = told({"event": "declared", "hand_on": "unused"}, {"event": "retired", "at": at(3)})
    versions = amortize.model_versions(
        impacts(*TUNED_TWICE), usage, pd.Timestamp("2026-01-04"), events
    )
    assert versions["inherited_kgco2e"].tolist() == [0.0, 12.8]
    days = ledger(versions, usage, "2026-01-05").set_index("model_version")
    assert days["inferences_basis"].to_dict() == {"run-0": "handed_on", "run-1": "actual"}
    assert days["allocated_kgco2e"].to_dict() == {"run-0": 0.0, "run-1": 25.6}
    # By hand: half of 25.6 g is its own, half its predecessor's.
    assert days["inherited_gco2e_per_inference"]["run-1"] == pytest.approx(12.8, rel=1e-12)
    assert days["gco2e_per_inference"]["run-1"] == pytest.approx(25.6, rel=1e-12)


def test_a_remainder_passes_from_heir_to_heir_and_never_counts_twice() -> None:
    """Each was to serve 10 days of 100 inferences, and was superseded after serving 200."""
    life = {"expected_use_life_days": 10.0, "expected_use_life_basis": "disclosed", "expected_inferences_per_day": 100.0}  # fmt: skip
    runs = impacts(*({**life, "ended_at": FIRST + pd.Timedelta(days=2 * n)} for n in range(3)))
    usage = counts(*((f"2026-01-{n:02d}", 100.0) for n in range(1, 15)))
    events = told({"event": "declared", "hand_on": "remainder"})
    versions = amortize.model_versions(runs, usage, pd.Timestamp("2026-01-20"), events)
    # By hand: 80 % of 12.8 is 10.24; 80 % of 12.8 + 10.24 is 18.432.
    assert versions["inherited_kgco2e"].tolist() == pytest.approx([0.0, 10.24, 18.432], rel=1e-12)
    days = ledger(versions, usage, "2026-01-20").groupby("model_version")["allocated_kgco2e"].sum()
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
    versions = amortize.model_versions(runs, usage, pd.Timestamp("2026-01-11"), events)
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
    versions = amortize.model_versions(impacts({}), usage, pd.Timestamp("2026-01-01"), events)
    days = ledger(versions, usage, "2026-01-01")
    # By hand: 539 t over a thousand million inferences; it is no part of what the run emitted.
    assert days["base_gco2e_per_inference"][0] == pytest.approx(0.539, rel=1e-12)
    assert days["allocated_kgco2e"].sum() <= 12.8


# The monthly schedule


def test_the_published_monthly_schedule_comes_out() -> None:
    """46 t over 14 months of 7 T; the first serves 11 T: 5 t, then 41 t over 143 T at 0.28 g a million."""
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
    "total_kgco2e": 46_000.0, "expected_use_life_days": 426.0, "expected_use_life_basis": "disclosed",
    "expected_inferences_per_day": 98e12 / 426,
}  # fmt: skip


def by_month(days: int, *, retired: float | None = None) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return schedule and days of the published model, used the same every day of its first 31."""
    usage = counts(
        *((f"{FIRST + pd.Timedelta(days=n):%Y-%m-%d}", 11e12 / 31) for n in range(min(days, 31))),
        *((f"{FIRST + pd.Timedelta(days=n):%Y-%m-%d}", 0.0) for n in range(31, days)),
    )
    events = [{"event": "declared", "method": "monthly"}]
    events += [] if retired is None else [{"event": "retired", "at": at(retired)}]
    today = FIRST + pd.Timedelta(days=days - 1)
    runs = impacts({**MONTHLY, "ended_at": FIRST})
    versions = amortize.model_versions(runs, usage, today, told(*events))
    schedule = amortize.monthly_schedule(versions, usage, today)
    return schedule, amortize.inference_impacts(
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


# What cannot be used, and says so


def refused(
    runs: pd.DataFrame, usage: pd.DataFrame, events: pd.DataFrame | None = None
) -> list[tuple[str, str]]:
    versions = amortize.model_versions(runs, usage, pd.Timestamp("2026-01-09"), events)
    as_logged = runs[["run_id"]].assign(source_uri="log.csv", source_record=runs["run_id"])
    found = amortize.unused(versions, usage, events, as_logged)
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
    versions = amortize.model_versions(runs, counts(), pd.Timestamp("2026-01-03"))
    assert versions["generation"].tolist() == [1, 2, 1]


def test_two_versions_that_claim_one_instant_are_told_and_the_first_stands() -> None:
    events = told(ROLLED_BACK, {**ROLLED_BACK, "model_version": "run-1"}, ROLLED_BACK)
    assert refused(impacts(*TUNED_TWICE), counts(), events) == [("1", "contradicting_event")]


def test_two_runs_that_end_at_one_instant_are_two_versions_of_which_one_served() -> None:
    runs = impacts({"ended_at": FIRST}, {"ended_at": FIRST})
    usage = counts(("2026-01-01", 5.0))
    versions = amortize.model_versions(runs, usage, pd.Timestamp("2026-01-01"))
    days = ledger(versions, usage, "2026-01-01").set_index("model_version")
    assert days["inferences_basis"].to_dict() == {"run-0": "unallocated", "run-1": "actual"}


def test_an_event_of_an_unknown_model_or_version_is_told() -> None:
    events = told({**ROLLED_BACK, "model_name": "x"}, {**ROLLED_BACK, "model_version": "v9"})
    assert refused(impacts({}), counts(), events) == [
        ("0", "unknown_model"), ("1", "unknown_version"),
    ]  # fmt: skip
