"""Rows gathered into one file are those of the table, whatever came between."""

from __future__ import annotations

import shutil
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ft_emissions_pipeline.tables import RUN_FACTORS, conform
from ft_emissions_pipeline.warehouse import gathered, store
from ft_emissions_pipeline.warehouse.lock import locked

DAYS = pd.date_range("2026-01-01", periods=gathered.MANY)


def factors(days: pd.DatetimeIndex, key: str) -> pd.DataFrame:
    frame = pd.DataFrame({"date": days, "run_id": [f"{day:%Y-%m-%d}" for day in days]})
    chosen = {"model_name": "m", "methodology": "default", "reference_version": "x"}
    return conform(frame.assign(factors_key=key, **chosen), RUN_FACTORS)


def write(warehouse: Path, day: pd.Timestamp, *keys: str) -> None:
    at = pd.DatetimeIndex([day] * len(keys))
    rows = [factors(at[:1], key) for key in keys] or [factors(at, "a")]
    store.write(warehouse, RUN_FACTORS, pd.concat(rows), (day.date(), day.date()))


def plain(warehouse: Path, **options: object) -> pd.DataFrame:
    """Read a copy in which nothing is gathered."""
    copy = warehouse.with_name("plain")
    shutil.copytree(warehouse / RUN_FACTORS.name, copy / RUN_FACTORS.name)
    try:
        return store.read(copy, RUN_FACTORS, **options)
    finally:
        shutil.rmtree(copy)


def file_of(warehouse: Path) -> Path:
    return warehouse / gathered.FOLDER / f"{RUN_FACTORS.name}.arrow"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    warehouse = tmp_path_factory.mktemp("gathered") / "warehouse"
    span = (DAYS[0].date(), DAYS[-1].date())
    store.write(warehouse, RUN_FACTORS, factors(DAYS, "a"), span)
    return warehouse


@settings(max_examples=8, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, len(DAYS) + 1), st.sampled_from(["", "a", "b"]), st.booleans()),
        max_size=4,
    )
)
def test_what_is_gathered_is_what_the_table_holds(made, steps):
    """Days change, empty, fill and come anew, with and without a look in between."""
    warehouse = made.with_name("tried")
    shutil.rmtree(warehouse, ignore_errors=True)
    shutil.copytree(made, warehouse)
    with locked(warehouse, "a test"):
        store.read(warehouse, RUN_FACTORS)
        for number, key, look in [*steps, (0, "c", True)]:
            write(warehouse, DAYS[0] + pd.Timedelta(days=number), *([key] if key else []))
            if look:
                found = store.read(warehouse, RUN_FACTORS)
                pd.testing.assert_frame_equal(found, plain(warehouse))
        some = store.read(warehouse, RUN_FACTORS, columns=["factors_key"])
    assert "c" in set(some["factors_key"])
    old = store.read(warehouse, RUN_FACTORS, version=1)
    pd.testing.assert_frame_equal(old, plain(warehouse, version=1))


def test_only_who_holds_the_warehouse_gathers_and_a_broken_file_counts_for_none(made, tmp_path):
    warehouse = shutil.copytree(made, tmp_path / "warehouse")
    whole = store.read(warehouse, RUN_FACTORS)
    assert not file_of(warehouse).exists()
    with locked(warehouse, "a test"):
        store.read(warehouse, RUN_FACTORS)
        content = file_of(warehouse).read_bytes()
        for broken in (content[: len(content) // 2], b""):
            file_of(warehouse).write_bytes(broken)
            pd.testing.assert_frame_equal(store.read(warehouse, RUN_FACTORS), whole)
        assert file_of(warehouse).read_bytes() == content


def test_a_gathered_table_is_read_from_its_own_files_where_they_moved_alone(made, tmp_path):
    warehouse = shutil.copytree(made, tmp_path / "warehouse")
    with locked(warehouse, "a test"):
        store.read(warehouse, RUN_FACTORS)
    write(warehouse, DAYS[3], "b")
    for day in DAYS.delete(3):
        for file in (warehouse / RUN_FACTORS.name / f"date={day:%Y-%m-%d}").iterdir():
            file.write_bytes(b"not opened")
    keys = store.read(warehouse, RUN_FACTORS)["factors_key"]
    assert sorted(keys) == ["a"] * (len(DAYS) - 1) + ["b"]
    by_day = {f"{day:%Y-%m-%d}" for day in DAYS[3:5]}
    some = store.read(warehouse, RUN_FACTORS, columns=["factors_key"], where=("run_id", by_day))
    assert sorted(some["factors_key"]) == ["a", "b"]
    assert store.read(warehouse, RUN_FACTORS, where=("run_id", set())).empty
