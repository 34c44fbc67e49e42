"""What came since a day moves the same versions as a look at everything."""

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ledger_rows import FIRST, at, counts, impacts, told

from ft_emissions_pipeline import ledger
from ft_emissions_pipeline.ledger import versions_since

DAYS = 8
KEY = ["model_name", "model_version"]
NEW, KNOWN, GONE = range(3)
"""When a record of the day in question or a later one is there: from now on, always, no longer."""

models, names = st.sampled_from("mno"), st.integers(0, 8).map("run-{}".format)
hours, days = st.integers(0, DAYS * 24 - 1), st.integers(0, DAYS - 1)
arrivals = st.sampled_from([NEW, NEW, KNOWN, GONE])
runs = st.fixed_dictionaries(
    {
        "model_name": models,
        "ended_at": hours.map(lambda hour: FIRST + pd.Timedelta(hours=hour)),
        "parent_version": st.none() | st.lists(names | models, max_size=2).map(" ".join),
        "expected_use_life_days": st.sampled_from([0.5, 3.0, 30.0]),
        "expected_use_life_basis": st.sampled_from(["default", "disclosed"]),
        "expected_inferences_per_day": st.sampled_from([None, 100.0]),
    }
)
events = st.fixed_dictionaries(
    {
        "event": st.sampled_from(["rolled_back", "retired", "renamed", "labelled", "declared"]),
        "model_name": models,
        "at": hours.map(lambda hour: at(hour / 24)),
        "model_version": names,
        "new_name": models,
        "hand_on": st.sampled_from(["nothing", "nothing", "nothing", "unused", "remainder"]),
    }
)


def of_usage(records: dict[tuple[str, int, str | None], float]) -> pd.DataFrame:
    """Return usage by model, day and the version that is named, if any."""
    rows = [
        (f"{FIRST + pd.Timedelta(days=day):%Y-%m-%d}", inferences, *([name] if name else []))
        for (_, day, name), inferences in records.items()
    ]
    return counts(*rows).assign(model_name=[model for model, _, _ in records] or None)


@settings(max_examples=150, deadline=None)
@given(
    made=st.dictionaries(names, st.tuples(runs, arrivals), min_size=1),
    used=st.dictionaries(
        st.tuples(models, days, st.none() | st.none() | names),
        st.tuples(st.floats(0, 1e6), arrivals),
    ),
    happened=st.lists(events, max_size=2),
    day=days,
    known_until=st.tuples(days, days),
    by_name=st.booleans(),
)
def test_what_came_since_a_day_moves_the_versions_that_the_whole_moves(
    made, used, happened, day, known_until, by_name
) -> None:
    since = FIRST + pd.Timedelta(days=day)
    states = []
    for absent, last in zip((NEW, GONE), known_until, strict=True):
        found = [
            {"run_id": name, **run}
            for name, (run, when) in made.items()
            if when != absent or run["ended_at"] < since
        ]
        counted = {
            key: amount for key, (amount, when) in used.items() if when != absent or key[1] < day
        }
        if not found:
            return
        as_of = FIRST + pd.Timedelta(days=last)
        states.append((impacts(*found), of_usage(counted), as_of))
    told_of = told(*happened)
    before, whole = (ledger.model_versions(*state, told_of) for state in states)
    if by_name:
        before = before.sort_values(KEY, ignore_index=True)
    old, new = ledger.moved_versions(before, *states[1], since, told_of)
    now = pd.concat([before.drop(old.index), new]).sort_values(KEY, ignore_index=True)
    whole = whole.sort_values(KEY, ignore_index=True)
    pd.testing.assert_frame_equal(now, whole, check_exact=False, rtol=1e-12)


def nightly(model: str, day: int) -> dict[str, object]:
    """Return a tuning at noon, from the version of the day before."""
    return {
        "run_id": f"{model}-{day}",
        "model_name": model,
        "ended_at": FIRST + pd.Timedelta(days=day, hours=12),
        "parent_version": f"{model}-{day - 1}" if day else None,
    }


def test_a_further_day_looks_at_no_version_that_closed_before(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made = [nightly(model, day) for model in "mno" for day in range(3)]
    usage = {(model, day, None): 100.0 for model in "mno" for day in range(3)}
    before = ledger.model_versions(impacts(*made), of_usage(usage), FIRST + pd.Timedelta(days=2))
    fourth = FIRST + pd.Timedelta(days=3)
    monkeypatch.delattr(versions_since, "model_versions")
    old, new = ledger.moved_versions(
        before,
        impacts(*made, nightly("m", 3)),
        of_usage({**usage, ("n", 3, None): 40.0}),
        fourth,
        fourth,
    )
    assert sorted(old["model_version"]) == ["m-2", "n-2", "o-2"]
    assert sorted(new["model_version"]) == ["m-2", "m-3", "n-2", "o-2"]
    found = new.set_index("model_version")
    # Half of the third day's counts are those of the version that served until noon.
    assert found.loc["n-2", "inferences"] == pytest.approx(50.0 + 40.0)
    assert found.loc["m-3", "generation"] == 4


def test_a_model_that_slept_is_awake_where_the_last_known_day_is_earlier() -> None:
    runs, none = impacts(nightly("m", 0), nightly("m", 1)), of_usage({})
    later, earlier = (FIRST + pd.Timedelta(days=day) for day in (9, 3))
    before = ledger.model_versions(runs, none, later)
    _, new = ledger.moved_versions(before, runs, none, earlier, later)
    assert list(new["model_version"]) == ["m-1"]
    assert list(new["status"]) == ["open"]


def test_where_nothing_is_counted_no_version_beside_is_made_anew(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    hours = (6, 12, 18)
    made = [
        {
            **nightly(model, 0),
            "run_id": f"{model}-{hour}",
            "ended_at": FIRST + pd.Timedelta(hours=hour),
        }
        for model in "mn"
        for hour in hours
    ]
    usage = of_usage({("m", 0, None): 100.0})
    before = ledger.model_versions(impacts(*made), usage, FIRST)
    looked_at = []

    def use_lives(versions: pd.DataFrame, *rest: object) -> pd.DataFrame:
        looked_at.extend(versions["model_version"])
        return ledger.versions.use_lives(versions, *rest)

    monkeypatch.setattr(versions_since, "use_lives", use_lives)
    second = FIRST + pd.Timedelta(days=1)
    ledger.moved_versions(before, impacts(*made), usage, second, second)
    assert sorted(looked_at) == ["m-12", "m-18", "m-6", "n-18"]
