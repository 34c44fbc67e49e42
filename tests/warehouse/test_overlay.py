"""Restated rows that lie over a table are its rows, until they stand in their days' files."""

from __future__ import annotations

import shutil
from pathlib import Path

import pandas as pd
import pytest
from deltalake import DeltaTable
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ft_emissions_pipeline.tables import EVERYTHING, RUN_FACTORS, conform
from ft_emissions_pipeline.warehouse import faults, health, overlay, pending, store, upkeep

DAYS = pd.date_range("2026-01-01", periods=3).as_unit("us")
RUNS = pd.DataFrame(
    {"run_id": list("abcdef"), "date": DAYS.repeat(2), "model_name": ["m", "n"] * 3}
)


def factors(key: str, ids: set[str]) -> pd.DataFrame:
    rows = RUNS[RUNS["run_id"].isin(ids)]
    chosen = {"methodology": "default", "reference_version": "x"}
    return conform(rows.assign(factors_key=key, **chosen), RUN_FACTORS)


def lay_over(warehouse: Path, key: str, ids: set[str]) -> store.Written:
    rows = factors(key, ids)
    return store.lay_over(
        warehouse, RUN_FACTORS, rows, pd.DatetimeIndex(rows["date"].unique()), "run_id", ids
    )


def keys(warehouse: Path, **options: object) -> dict[str, str]:
    rows = store.read(warehouse, RUN_FACTORS, **options)
    assert rows["run_id"].is_unique
    return dict(zip(rows["run_id"], rows["factors_key"], strict=True))


def keys_for_others(warehouse: Path) -> dict[str, str]:
    """Read as a tool does that knows Delta alone."""
    rows = DeltaTable(warehouse / RUN_FACTORS.name).to_pyarrow_table().to_pandas()
    return dict(zip(rows["run_id"], rows["factors_key"], strict=True))


def fail(*_: object) -> None:
    raise KeyboardInterrupt


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    warehouse = tmp_path_factory.mktemp("overlay") / "made"
    store.write(warehouse, RUN_FACTORS, factors("old", set("abcdef")))
    return warehouse


@pytest.fixture
def warehouse(made: Path, tmp_path: Path) -> Path:
    return shutil.copytree(made, tmp_path / "warehouse")


@pytest.mark.parametrize("days", [None, (DAYS[0].date(), DAYS[1].date())])
def test_rows_in_no_order_are_the_same_rows(warehouse, days):
    lay_over(warehouse, "new", {"b", "f"})
    ordered = store.read(warehouse, RUN_FACTORS, days, ["factors_key", "date"])
    any_order = store.read(warehouse, RUN_FACTORS, days, ["factors_key", "date"], ordered=False)
    assert sorted(any_order.to_records(index=False).tolist()) == sorted(
        ordered.to_records(index=False).tolist()
    )
    assert list(any_order["factors_key"]).count("new") == (2 if days is None else 1)


def test_rows_that_came_to_lie_over_a_table_may_have_moved_any_day(warehouse):
    before = store.version(warehouse, RUN_FACTORS)
    laid = lay_over(warehouse, "new", {"b"})
    assert store.moved_days(warehouse, RUN_FACTORS, before) is None
    assert store.moved_days(warehouse, RUN_FACTORS, laid.version).empty


IDS = st.sets(st.sampled_from("abcdef"))
STEPS = st.one_of(
    st.tuples(st.just("restate"), IDS),
    st.tuples(st.just("restate to nothing"), IDS),
    st.tuples(st.just("write a day"), st.integers(0, 2)),
    st.tuples(st.just("keep up"), st.none()),
)


@settings(max_examples=10, deadline=None)
@given(st.lists(STEPS, min_size=1, max_size=5))
@example([("restate", set()), ("keep up", None)])
@example([("restate", {"a"}), ("write a day", 0)])
@example([("restate", set()), ("restate", {"a", "b"}), ("restate", {"b", "c"}), ("keep up", None)])
def test_rows_are_what_was_said_of_each_last(made, steps):
    """Stacked restatements, days written over them, rows that went: all ways of reading agree."""
    warehouse = made.with_name("tried")
    shutil.rmtree(warehouse, ignore_errors=True)
    shutil.copytree(made, warehouse)
    expected, seen = dict.fromkeys("abcdef", "old"), []
    for number, (step, of) in enumerate(steps):
        if step == "restate":
            lay_over(warehouse, str(number), of)
            expected |= dict.fromkeys(of, str(number))
        elif step == "restate to nothing":
            days = pd.DatetimeIndex(RUNS.loc[RUNS["run_id"].isin(of), "date"].unique())
            store.lay_over(warehouse, RUN_FACTORS, factors("", set()), days, "run_id", of)
            expected = {run: key for run, key in expected.items() if run not in of}
        elif step == "write a day":
            ids = set(RUNS.loc[RUNS["date"] == DAYS[of], "run_id"])
            day = DAYS[of].date()
            store.write(warehouse, RUN_FACTORS, factors(str(number), ids), (day, day))
            expected |= dict.fromkeys(ids, str(number))
        else:
            upkeep.upkeep(warehouse)
            assert keys_for_others(warehouse) == expected
        assert keys(warehouse) == expected
        seen.append((store.version(warehouse, RUN_FACTORS), dict(expected)))
    first_days = (DAYS[0].date(), DAYS[1].date())
    assert keys(warehouse, days=first_days) == {r: k for r, k in expected.items() if r in "abcd"}
    some = keys(warehouse, where=("model_name", {"n"}))
    assert some == {r: k for r, k in expected.items() if r in "bdf"}
    some = keys(warehouse, where=("factors_key", {"old"}))
    assert some == {r: k for r, k in expected.items() if k == "old"}
    for version, then in seen:
        assert keys(warehouse, version=version) == then


def test_day_files_stay_until_the_nightly_upkeep_and_other_tools_see_the_rows_then(warehouse):
    files = set(store.opened(warehouse, RUN_FACTORS).file_uris())
    before = store.version(warehouse, RUN_FACTORS)
    assert lay_over(warehouse, "new", {"a", "c"}).changed
    assert not lay_over(warehouse, "new", {"a", "c"}).changed
    assert store.version(warehouse, RUN_FACTORS) > before
    assert set(store.opened(warehouse, RUN_FACTORS).file_uris()) == files
    assert set(keys_for_others(warehouse).values()) == {"old"}
    upkeep.upkeep(warehouse)
    assert keys_for_others(warehouse) == dict.fromkeys("abcdef", "old") | {"a": "new", "c": "new"}
    settled = set(store.opened(warehouse, RUN_FACTORS).file_uris())
    assert {f"{DAYS[2]:%F}" in each for each in files & settled} == {True}
    assert health.damages(warehouse) == []


def test_cut_off_between_two_commits_rows_are_old_or_new_and_done_again_all_new(
    warehouse, monkeypatch
):
    old = keys(warehouse)
    for work, then in (
        (lambda: lay_over(warehouse, "new", {"a", "c"}), old),
        (lambda: overlay.settle(warehouse, RUN_FACTORS), old | {"a": "new", "c": "new"}),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(overlay, "_point", fail)
            with pytest.raises(KeyboardInterrupt):
                work()
        assert keys(warehouse) == then
        work()
        assert keys(warehouse) == old | {"a": "new", "c": "new"}


BROKEN = {
    "lost": shutil.rmtree,
    "its commit is empty": lambda over: (over / "_delta_log" / f"{1:020d}.json").write_bytes(b""),
    "its rows are cut": lambda over: [path.write_bytes(b"PAR1") for path in over.glob("*.parquet")],
}


@pytest.mark.parametrize("how", BROKEN)
def test_what_lies_over_and_is_broken_is_never_taken_for_nothing(warehouse, how):
    lay_over(warehouse, "new", {"a"})
    lay_over(warehouse, "new", {"c"})
    BROKEN[how](warehouse / RUN_FACTORS.name / overlay.RESTATED)
    with pytest.raises(faults.StoreDamaged):
        store.read(warehouse, RUN_FACTORS)
    (found,) = health.damages(warehouse)
    assert overlay.RESTATED in found.what
    health.repair(warehouse, found)
    assert health.damages(warehouse) == []
    assert set(keys(warehouse).values()) == {"old"}
    assert pending.days(warehouse, EVERYTHING).tolist() == DAYS.tolist()
