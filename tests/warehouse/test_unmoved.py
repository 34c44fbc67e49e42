"""A table stands only as it was made and checked; in doubt all is done anew."""

import shutil
from pathlib import Path

import pandas as pd
import pytest

from ft_emissions_pipeline.tables import PENDING_DAYS, RUN_FACTORS, conform
from ft_emissions_pipeline.warehouse import kept, store, unmoved

INPUTS = {"runs": "id-of-runs 3", "reference": "a1b2"}


def due(*days: str) -> pd.DataFrame:
    return conform(pd.DataFrame({"date": list(days), "job": "everything"}), PENDING_DAYS)


@pytest.fixture
def warehouse(tmp_path: Path) -> Path:
    store.write(tmp_path, PENDING_DAYS, due("2026-01-05"))
    unmoved.note(tmp_path, PENDING_DAYS, INPUTS)
    return tmp_path


def test_a_table_stands_while_neither_it_nor_what_it_is_made_from_moved(warehouse):
    assert unmoved.stands(warehouse, PENDING_DAYS, INPUTS)
    assert not unmoved.stands(warehouse, PENDING_DAYS, INPUTS | {"runs": "id-of-runs 4"})
    assert not unmoved.stands(warehouse, PENDING_DAYS, {"runs": "id-of-runs 3"})
    assert not unmoved.stands(warehouse, RUN_FACTORS, INPUTS)
    store.write(warehouse, PENDING_DAYS, due("2026-01-06"))
    assert not unmoved.stands(warehouse, PENDING_DAYS, INPUTS)
    assert unmoved.made_from(warehouse, PENDING_DAYS) is None


def test_a_table_that_was_deleted_and_written_anew_is_another_one(warehouse):
    taken = kept.of_tables(warehouse, PENDING_DAYS)
    assert unmoved.since(taken, kept.of_tables(warehouse, PENDING_DAYS), PENDING_DAYS) == 1
    shutil.rmtree(warehouse / PENDING_DAYS.name)
    assert unmoved.since(taken, kept.of_tables(warehouse, PENDING_DAYS), PENDING_DAYS) is None
    store.write(warehouse, PENDING_DAYS, due("2026-01-06"))
    now = kept.of_tables(warehouse, PENDING_DAYS)
    assert taken.keys() == now.keys()
    assert store.version(warehouse, PENDING_DAYS) == 1
    assert not unmoved.stands(warehouse, PENDING_DAYS, INPUTS)
    assert unmoved.since(taken, now, PENDING_DAYS) is None
    assert unmoved.since(None, now, PENDING_DAYS) is None
    assert unmoved.since({}, now, PENDING_DAYS) is None


def test_notes_of_one_table_leave_those_of_others_and_broken_ones_count_for_none(warehouse):
    unmoved.note(warehouse, RUN_FACTORS, {})
    assert unmoved.stands(warehouse, PENDING_DAYS, INPUTS)
    assert unmoved.stands(warehouse, RUN_FACTORS, {})
    path = warehouse / unmoved.NOTES
    path.write_text(path.read_text()[:40])
    assert not unmoved.stands(warehouse, RUN_FACTORS, {})
    unmoved.note(warehouse, PENDING_DAYS, INPUTS)
    assert unmoved.stands(warehouse, PENDING_DAYS, INPUTS)


def test_an_object_store_keeps_no_notes(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    unmoved.note("s3://bucket/warehouse", PENDING_DAYS, INPUTS)
    assert list(tmp_path.iterdir()) == []
    assert unmoved.made_from("s3://bucket/warehouse", PENDING_DAYS) is None


def test_the_days_that_moved_since_a_version_are_read_off_the_log(tmp_path):
    def stamped(**kinds: str) -> pd.DataFrame:
        rows = [{"date": f"2026-01-{name[1:]}", "run_id": name, "factors_key": kind}
                for name, kind in kinds.items()]  # fmt: skip
        chosen = {"model_name": "m", "methodology": "default", "reference_version": "x"}
        return conform(pd.DataFrame(rows).assign(**chosen), RUN_FACTORS)

    first, middle, last = (day.date() for day in pd.date_range("2026-01-05", "2026-01-07"))
    made = store.write(tmp_path, RUN_FACTORS, stamped(r05="a", r06="a", r07="a"), (first, last))
    assert store.moved_days(tmp_path, RUN_FACTORS, made.version).empty
    store.write(tmp_path, RUN_FACTORS, stamped(r06="b"), (middle, middle))
    store.write(tmp_path, RUN_FACTORS, stamped(r07="a").head(0), (last, last))
    moved = store.moved_days(tmp_path, RUN_FACTORS, made.version)
    assert list(moved) == [pd.Timestamp(middle), pd.Timestamp(last)]
    assert store.moved_days(tmp_path, RUN_FACTORS, made.version + 99) is None
