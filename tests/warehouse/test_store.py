"""Delta tables on disk: ranges of days, repeated writes, old versions, concurrent writers."""

import datetime as dt
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import deltalake
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable, write_deltalake

from ft_emissions_pipeline import tables
from ft_emissions_pipeline.tables import (
    FIELD_PROVENANCE,
    PIPELINE_FOOTPRINT,
    QUARANTINE,
    USAGE,
)
from ft_emissions_pipeline.warehouse import lock, selection, store

D = dt.date
JANUARY = (D(2026, 1, 1), D(2026, 1, 31))


def usage(day, *models, inferences=1.0):
    return tables.conform(
        pd.DataFrame(
            {
                "date": day,
                "model_name": list(models),
                "inferences": inferences,
                "source_format": "csv",
                "source_uri": "usage.csv",
                "source_record": "1",
            }
        ),
        USAGE,
    )


def provenance(first, days, rows_per_day):
    day = np.repeat(pd.date_range(first, periods=days), rows_per_day)
    return pd.DataFrame(
        {
            "date": day,
            "run_id": [f"run {i // 30}" for i in range(len(day))],
            "field": [f"field {i % 30}" for i in range(len(day))],
            "value": "1",
            "basis": "measured",
            "rule": "as_logged",
        }
    )


def footprint(*runs):
    return pd.DataFrame(
        {
            "pipeline_run_id": list(runs),
            "started_at": pd.Timestamp("2026-01-01", tz="UTC"),
            "duration_s": 1.0,
            "energy_kwh": 0.1,
            "carbon_kgco2e": 0.05,
            "country_iso3": "USA",
        }
    )


def files(folder):
    return {path: path.stat().st_mtime_ns for path in Path(folder).rglob("*") if path.is_file()}


def test_files_of_a_day_are_small_and_list_texts_but_no_numbers(tmp_path):
    """Parquet's dictionaries of numbers that seldom repeat cost a year of days a gigabyte.

    Without a word about it files are not compressed, and five times as large.
    """
    days = pd.DatetimeIndex(["2026-01-01"])
    changes = (
        lambda: store.write(tmp_path, USAGE, usage("2026-01-01", "bot"), JANUARY),
        lambda: store.append(tmp_path, USAGE, usage("2026-01-01", "other")),
        lambda: store.replace(
            tmp_path, USAGE, usage("2026-01-01", "bot", inferences=2.0), days, "model_name", {"bot"}
        ),
    )
    for change in changes:
        change()
        for uri in DeltaTable(tmp_path / USAGE.name).file_uris():
            written = pq.read_metadata(uri.removeprefix("file://")).row_group(0).to_dict()
            listed = {c["path_in_schema"]: c["has_dictionary_page"] for c in written["columns"]}
            assert listed["model_name"]
            assert not listed["inferences"]
            assert {column["compression"] for column in written["columns"]} == {"ZSTD"}


def test_texts_held_as_categories_are_stored_as_the_texts_they_are(tmp_path):
    plain = provenance("2026-01-01", days=1, rows_per_day=60)[::-1].assign(source="a file")
    plain.loc[7, "source"] = None
    texts = ["run_id", "field", "basis", "source"]
    coded = plain.astype(dict.fromkeys(texts, "str")).astype(dict.fromkeys(texts, "category"))
    coded["run_id"] = coded["run_id"].cat.reorder_categories(["run 1", "run 0"])
    assert store.write(tmp_path, FIELD_PROVENANCE, coded, JANUARY).changed
    assert not store.write(tmp_path, FIELD_PROVENANCE, plain, JANUARY).changed
    assert not store.write(tmp_path, FIELD_PROVENANCE, coded, JANUARY).changed
    expected = tables.from_arrow(tables.to_arrow(plain, FIELD_PROVENANCE), FIELD_PROVENANCE)
    pd.testing.assert_frame_equal(store.read(tmp_path, FIELD_PROVENANCE), expected)

    days = pd.DatetimeIndex(["2026-01-01"])
    restated = coded[coded["run_id"] == "run 1"].assign(value="2")
    assert store.lay_over(tmp_path, FIELD_PROVENANCE, restated, days, "run_id", {"run 1"}).changed
    assert not store.lay_over(
        tmp_path, FIELD_PROVENANCE, restated, days, "run_id", {"run 1"}
    ).changed
    read = store.read(tmp_path, FIELD_PROVENANCE, JANUARY)
    expected.loc[expected["run_id"] == "run 1", "value"] = "2"
    pd.testing.assert_frame_equal(read, expected)


def test_a_table_never_written_reads_as_empty(tmp_path):
    pd.testing.assert_frame_equal(store.read(tmp_path, USAGE), tables.empty(USAGE))
    assert store.version(tmp_path, USAGE) is None
    assert store.history(tmp_path, USAGE).empty
    assert list(tmp_path.iterdir()) == []


def test_what_was_written_is_read_back_sorted_and_typed(tmp_path):
    frame = usage(D(2026, 1, 2), "b", "a")
    frame.loc[0, "model_version"] = "7"
    store.write(tmp_path, USAGE, frame, JANUARY)
    expected = tables.from_arrow(tables.to_arrow(frame, USAGE), USAGE)
    pd.testing.assert_frame_equal(store.read(tmp_path, USAGE), expected)
    assert expected["model_name"].tolist() == ["a", "b"]


def test_days_are_delta_partitions_of_type_date(tmp_path):
    store.write(tmp_path, USAGE, usage(D(2026, 1, 2), "a"))
    delta = DeltaTable(tmp_path / "usage")
    assert delta.metadata().partition_columns == ["date"]
    assert pa.table(delta.scan()).schema.field("date").type == pa.date32()


ODD_NAMES = ["bot", "o'bot", 'the "bot"', "bot\\n", "bot; --", "BOT", "böt"]


@pytest.mark.parametrize("name", ODD_NAMES)
def test_rows_are_chosen_by_value_whatever_is_in_it(tmp_path, name):
    store.write(tmp_path, USAGE, usage("2026-01-05", *ODD_NAMES))
    assert store.read(tmp_path, USAGE, where=("model_name", {name}))["model_name"].tolist() == [
        name
    ]


def test_by_no_value_no_row_is_chosen_and_none_replaced(tmp_path):
    store.write(tmp_path, USAGE, usage("2026-01-05", "bot"))
    assert store.read(tmp_path, USAGE, where=("model_name", set())).empty
    days = pd.DatetimeIndex(["2026-01-05"])
    store.replace(tmp_path, USAGE, usage("2026-01-05", "new"), days, "model_name", set())
    assert store.read(tmp_path, USAGE)["model_name"].tolist() == ["bot", "new"]


def test_rows_are_replaced_by_value_on_their_days_alone(tmp_path):
    days = ("2026-01-05", "2026-01-06", "2026-01-07")
    store.write(tmp_path, USAGE, pd.concat(usage(day, *ODD_NAMES) for day in days))
    new = usage(days[1], "o'bot", inferences=7.0)
    some = pd.DatetimeIndex(days[1:])
    assert store.replace(tmp_path, USAGE, new, some, "model_name", {"o'bot"}).changed
    assert not store.replace(tmp_path, USAGE, new, some, "model_name", {"o'bot"}).changed
    held = store.read(tmp_path, USAGE)
    assert held.query("inferences == 7")[["date", "model_name"]].to_numpy().tolist() == [
        [pd.Timestamp(days[1]), "o'bot"]
    ]
    gone = held[held["model_name"] == "o'bot"]
    assert gone["date"].tolist() == [pd.Timestamp(day) for day in days[:2]]
    assert len(held) == 3 * len(ODD_NAMES) - 1


def test_rows_that_were_read_are_replaced_unless_another_came_between(tmp_path):
    days = pd.DatetimeIndex(["2026-01-05"])
    store.write(tmp_path, USAGE, usage("2026-01-05", "bot", "other", inferences=1.0))
    held = store.held(tmp_path, USAGE, days)
    chosen = store.read(tmp_path, USAGE, where=("model_name", {"bot"}))
    pd.testing.assert_frame_equal(held.rows_of("model_name", {"bot"}), chosen)
    first, second = (usage("2026-01-05", "bot", inferences=n) for n in (7.0, 8.0))
    late = store.held(tmp_path, USAGE, days)
    store.replace(tmp_path, USAGE, first, days, "model_name", {"bot"}, held)
    with pytest.raises(lock.StoreBusy):
        store.replace(tmp_path, USAGE, second, days, "model_name", {"bot"}, late)
    assert store.read(tmp_path, USAGE)["inferences"].tolist() == [7.0, 1.0]


def test_a_table_without_days_has_rows_replaced_by_value(tmp_path):
    store.write(tmp_path, PIPELINE_FOOTPRINT, footprint("a", "b", "c"))
    new = footprint("d")
    assert store.replace(tmp_path, PIPELINE_FOOTPRINT, new, None, "pipeline_run_id", {"b"}).changed
    assert not store.replace(
        tmp_path, PIPELINE_FOOTPRINT, new, None, "pipeline_run_id", {"b", "d"}
    ).changed
    held = store.read(tmp_path, PIPELINE_FOOTPRINT)["pipeline_run_id"].tolist()
    assert held == ["a", "c", "d"]


def test_empty_cells_stay_when_rows_are_replaced_by_value(tmp_path):
    rows = usage("2026-01-05", "bot", "other").assign(model_version=["v1", None])
    store.write(tmp_path, USAGE, rows)
    days = pd.DatetimeIndex(["2026-01-05"])
    store.replace(tmp_path, USAGE, rows.head(0), days, "model_version", {"v1"})
    assert store.read(tmp_path, USAGE)["model_name"].tolist() == ["other"]


def test_only_the_given_days_are_replaced(tmp_path):
    days = [D(2026, 1, n) for n in (1, 2, 3, 4)]
    store.write(tmp_path, USAGE, pd.concat([usage(day, "old") for day in days]), JANUARY)
    store.write(tmp_path, USAGE, usage(days[1], "new"), (days[1], days[2]))
    held = store.read(tmp_path, USAGE)
    assert list(zip(held["date"].dt.day, held["model_name"], strict=True)) == [
        (1, "old"),
        (2, "new"),
        (4, "old"),
    ]


def test_days_are_read_inclusively(tmp_path):
    days = [D(2026, 1, n) for n in (1, 2, 3, 4)]
    store.write(tmp_path, USAGE, pd.concat([usage(day, "m") for day in days]))
    held = store.read(tmp_path, USAGE, (days[1], days[2]))
    assert held["date"].dt.day.tolist() == [2, 3]


def test_the_days_of_a_table_are_told_by_its_log(tmp_path, monkeypatch):
    assert store.days(tmp_path, USAGE).empty
    held = [D(2026, 1, n) for n in (4, 1, 2)]
    store.write(tmp_path, USAGE, pd.concat([usage(day, "m", "n") for day in held]))
    store.write(tmp_path, USAGE, tables.empty(USAGE), (held[2], held[2]))
    monkeypatch.delattr(selection, "QueryBuilder")
    found = store.days(tmp_path, USAGE)
    assert found.day.tolist() == [1, 4]
    assert found.dtype == tables.empty(USAGE)["date"].dtype


def test_columns_are_read_in_the_order_asked(tmp_path):
    store.write(tmp_path, USAGE, usage(D(2026, 1, 1), "m"))
    held = store.read(tmp_path, USAGE, columns=["inferences", "date"])
    assert list(held.columns) == ["inferences", "date"]
    assert list(store.read(tmp_path / "no", USAGE, columns=["date"]).columns) == ["date"]
    with pytest.raises(ValueError, match="usage has no column colour; it has date"):
        store.read(tmp_path, USAGE, columns=["colour"])


@pytest.mark.parametrize("days", [JANUARY, None], ids=["range", "whole table"])
def test_the_same_content_changes_no_byte(tmp_path, days):
    frame = pd.concat([usage(D(2026, 1, n), "a", "b") for n in (1, 2)])
    first = store.write(tmp_path, USAGE, frame, days)
    before = files(tmp_path)
    again = store.write(tmp_path, USAGE, frame.sample(frac=1, random_state=1), days)
    assert files(tmp_path) == before
    assert again == store.Written(first.version, False, 4)
    assert first.changed


def test_rows_that_share_a_key_have_one_order_too(tmp_path):
    frame = usage(D(2026, 1, 1), "m", "m", inferences=[1.0, 2.0])
    first = store.write(tmp_path, USAGE, frame)
    assert store.write(tmp_path, USAGE, frame[::-1]) == store.Written(first.version, False, 2)


def test_a_changed_value_is_a_new_version_and_the_old_one_stays_readable(tmp_path):
    old = store.write(tmp_path, USAGE, usage(D(2026, 1, 1), "m", inferences=1.0), JANUARY)
    new = store.write(tmp_path, USAGE, usage(D(2026, 1, 1), "m", inferences=2.0), JANUARY)
    assert new.version == old.version + 1 == store.version(tmp_path, USAGE)
    assert store.read(tmp_path, USAGE, version=old.version)["inferences"].tolist() == [1.0]
    assert store.read(tmp_path, USAGE)["inferences"].tolist() == [2.0]
    with pytest.raises(ValueError, match=r"usage in .* has versions 0 to 2, not 9"):
        store.read(tmp_path, USAGE, version=9)
    with pytest.raises(ValueError, match="never written, so it has no version 0"):
        store.read(tmp_path, QUARANTINE, version=0)


def test_history_has_one_instant_for_each_version(tmp_path):
    for count in (1.0, 2.0):
        store.write(tmp_path, USAGE, usage(D(2026, 1, 1), "m", inferences=count))
    history = store.history(tmp_path, USAGE)
    assert history["version"].tolist() == list(range(store.version(tmp_path, USAGE) + 1))
    assert history["timestamp"].is_monotonic_increasing
    assert str(history["timestamp"].dt.tz) == "UTC"


def test_delta_is_told_to_keep_its_history(tmp_path):
    store.write(tmp_path, USAGE, usage(D(2026, 1, 1), "m"))
    kept = DeltaTable(tmp_path / "usage").metadata().configuration
    assert kept["delta.enableExpiredLogCleanup"] == "false"
    assert kept["delta.logRetentionDuration"] == "interval 36500 days"


def test_versions_stay_readable_beyond_a_checkpoint(tmp_path):
    # Delta sums its log up after 100 commits and may drop what lies before.
    for count in range(105):
        store.write(tmp_path, USAGE, usage(D(2026, 1, 1), "m", inferences=float(count)))
    assert store.read(tmp_path, USAGE, version=3)["inferences"].tolist() == [2.0]
    assert len(store.history(tmp_path, USAGE)) == 106


def test_an_empty_frame_creates_the_table(tmp_path):
    written = store.write(tmp_path, USAGE, tables.empty(USAGE), JANUARY)
    assert written == store.Written(0, True, 0)
    assert store.version(tmp_path, USAGE) == 0
    assert store.read(tmp_path, USAGE).empty


def test_no_rows_empty_the_days(tmp_path):
    days = [D(2026, 1, n) for n in (1, 2)]
    store.write(tmp_path, USAGE, pd.concat([usage(day, "m") for day in days]))
    emptied = store.write(tmp_path, USAGE, tables.empty(USAGE), (days[1], days[1]))
    assert emptied.changed
    assert store.read(tmp_path, USAGE)["date"].dt.day.tolist() == [1]
    again = store.write(tmp_path, USAGE, tables.empty(USAGE), (days[1], days[1]))
    assert again == store.Written(emptied.version, False, 0)


def test_rows_outside_the_days_are_refused(tmp_path):
    with pytest.raises(ValueError, match="rows from 2026-02-01 to 2026-02-01 do not fit"):
        store.write(tmp_path, USAGE, usage(D(2026, 2, 1), "m"), JANUARY)
    assert store.version(tmp_path, USAGE) is None


def test_impossible_days_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"ends \(2026-01-01\) before it starts \(2026-01-31\)"):
        store.read(tmp_path, USAGE, JANUARY[::-1])
    with pytest.raises(ValueError, match="quarantine has no partition column"):
        store.read(tmp_path, QUARANTINE, JANUARY)


def test_append_adds_each_key_once(tmp_path):
    first = store.append(tmp_path, PIPELINE_FOOTPRINT, footprint("a", "b"))
    assert (first.changed, first.rows) == (True, 2)
    before = files(tmp_path)
    assert store.append(tmp_path, PIPELINE_FOOTPRINT, footprint("b", "a")).changed is False
    assert files(tmp_path) == before
    assert store.append(tmp_path, PIPELINE_FOOTPRINT, footprint("c", "a", "c")).rows == 1
    held = store.read(tmp_path, PIPELINE_FOOTPRINT)
    assert held["pipeline_run_id"].tolist() == ["a", "b", "c"]


def test_append_knows_keys_with_empty_cells(tmp_path):
    store.append(tmp_path, USAGE, usage(D(2026, 1, 1), "m", inferences=1.0))
    again = store.append(tmp_path, USAGE, usage(D(2026, 1, 1), "m", inferences=2.0))
    assert again.rows == 0
    assert store.append(tmp_path, USAGE, usage(D(2026, 1, 2), "m")).rows == 1


def test_concurrent_appends_lose_nothing_and_repeat_nothing(tmp_path):
    with ThreadPoolExecutor(4) as pool:
        list(
            pool.map(
                lambda n: store.append(tmp_path, PIPELINE_FOOTPRINT, footprint(f"run {n}", "same")),
                range(4),
            )
        )
    held = store.read(tmp_path, PIPELINE_FOOTPRINT)["pipeline_run_id"].tolist()
    assert held == ["run 0", "run 1", "run 2", "run 3", "same"]


def test_a_table_that_another_process_makes_meanwhile_is_taken(tmp_path, monkeypatch):
    create = DeltaTable.create

    def twice(*args, **kwargs):
        create(*args, **kwargs)
        create(*args, **kwargs)

    monkeypatch.setattr(DeltaTable, "create", twice)
    assert store.write(tmp_path, USAGE, usage(D(2026, 1, 1), "m")).version == 1


def replaced(warehouse, frame, days):
    held = None if days is None else pd.date_range(*days)
    return store.replace(warehouse, USAGE, frame, held, "model_name", {"m"})


def written(warehouse, frame, days):
    return store.write(warehouse, USAGE, frame, days)


@pytest.mark.parametrize("change", [written, replaced])
def test_writers_of_different_days_do_not_disturb_each_other(tmp_path, change):
    days = [D(2026, 1, n) for n in range(1, 5)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda day: change(tmp_path, usage(day, "m"), (day, day)), days))
    assert store.read(tmp_path, USAGE)["date"].dt.day.tolist() == [1, 2, 3, 4]


@pytest.mark.parametrize("change", [written, replaced])
@pytest.mark.parametrize("days", [JANUARY, None], ids=["range", "whole table"])
def test_a_writer_that_comes_between_is_reported(tmp_path, monkeypatch, days, change):
    store.write(tmp_path, USAGE, usage(D(2026, 1, 1), "m", inferences=1.0))

    def interrupted(*args, **kwargs):
        monkeypatch.setattr(deltalake, "write_deltalake", write_deltalake)
        store.write(tmp_path, USAGE, usage(D(2026, 1, 1), "m", inferences=2.0), JANUARY)
        write_deltalake(*args, **kwargs)

    monkeypatch.setattr(deltalake, "write_deltalake", interrupted)
    with pytest.raises(lock.StoreBusy, match=r"usage in .* is being changed by another process"):
        change(tmp_path, usage(D(2026, 1, 1), "m", inferences=3.0), days)
    assert store.read(tmp_path, USAGE)["inferences"].tolist() == [2.0]


def without_a_column(table, name):
    kept = tuple(column for column in table.columns if column.name != name)
    return tables.Table(table.name, table.row, kept, table.key, table.partition)


@pytest.mark.parametrize("change", [written, replaced])
def test_a_table_of_an_older_package_is_read_and_extended(tmp_path, change):
    older = without_a_column(USAGE, "model_version")
    older = tables.Table(older.name, older.row, older.columns, ("date", "model_name"), "date")
    for day in (1, 2):
        frame = usage(D(2026, 1, day), "m").drop(columns="model_version")
        store.write(tmp_path, older, frame, (D(2026, 1, day), D(2026, 1, day)))
    assert store.read(tmp_path, USAGE)["model_version"].isna().all()
    frame = usage(D(2026, 1, 2), "m").assign(model_version="7")
    change(tmp_path, frame, (D(2026, 1, 2), D(2026, 1, 2)))
    held = store.read(tmp_path, USAGE)["model_version"].tolist()
    assert pd.isna(held[0])
    assert held[1] == "7"


def test_a_table_with_another_type_is_refused_with_what_to_do(tmp_path):
    columns = [
        tables.Column(column.name, "string", column.description)
        if column.name == "inferences"
        else column
        for column in USAGE.columns
    ]
    other = tables.Table("usage", USAGE.row, tuple(columns), USAGE.key, "date")
    store.write(tmp_path, other, usage(D(2026, 1, 1), "m").assign(inferences="many"))
    for act in (
        lambda: store.read(tmp_path, USAGE),
        lambda: store.write(tmp_path, USAGE, usage(D(2026, 1, 1), "m"), JANUARY),
    ):
        with pytest.raises(
            selection.StoreOutdated, match=r"usage in .* start with an empty warehouse"
        ):
            act()


WRITER = """
import sys, datetime as dt
sys.path[:0] = {path!r}
from test_store import usage, store, USAGE, JANUARY
print("ready", flush=True)
count = 0.0
while True:
    count += 1
    models = [f"m{{i}}" for i in range(2000)]
    store.write({warehouse!r}, USAGE, usage(dt.date(2026, 1, 1), *models, inferences=count), \
JANUARY)
"""


def test_what_had_no_rows_needs_none_to_lie_over_it_and_what_had_is_gone(tmp_path):
    stood = provenance("2026-01-01", days=1, rows_per_day=60)
    store.write(tmp_path, FIELD_PROVENANCE, stood, JANUARY)
    days = pd.DatetimeIndex(["2026-01-01"])
    restated = stood[stood["run_id"] == "run 1"].assign(value="2")
    files = DeltaTable(tmp_path / FIELD_PROVENANCE.name).file_uris()

    gone = {"run 1", "run without rows"}
    assert store.lay_over(tmp_path, FIELD_PROVENANCE, restated, days, "run_id", gone).changed
    assert DeltaTable(tmp_path / FIELD_PROVENANCE.name).file_uris() == files
    nothing = restated.head(0), days, "run_id", {"run without rows"}
    assert not store.lay_over(tmp_path, FIELD_PROVENANCE, *nothing).changed
    values = store.read(tmp_path, FIELD_PROVENANCE).groupby("run_id")["value"].unique()
    assert list(values["run 1"]) == ["2"]
    assert "run 0" in values

    lost = {"run 0", "run 1"}
    assert store.lay_over(tmp_path, FIELD_PROVENANCE, restated, days, "run_id", lost).changed
    assert set(store.read(tmp_path, FIELD_PROVENANCE)["run_id"]) == {"run 1"}


@pytest.mark.parametrize("after_s", [0.05, 0.12])
def test_a_writer_killed_at_any_moment_leaves_a_readable_table(tmp_path, after_s):
    code = WRITER.format(path=[str(Path(__file__).parent)], warehouse=str(tmp_path))
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as writer:
        assert writer.stdout.readline() == b"ready\n"
        time.sleep(after_s)
        os.kill(writer.pid, signal.SIGKILL)
    held = store.read(tmp_path, USAGE)
    assert len(held) in {0, 2000}
    assert held["inferences"].nunique() <= 1
    assert store.write(tmp_path, USAGE, usage(D(2026, 1, 1), "m", inferences=0.0)).changed
    assert len(store.read(tmp_path, USAGE)) == 1


def test_a_year_of_days_is_one_commit(tmp_path):
    year = (D(2026, 1, 1), D(2026, 12, 31))
    frame = provenance("2026-01-01", 365, 30)
    assert store.write(tmp_path, FIELD_PROVENANCE, frame, year).version == 1
    assert len(store.read(tmp_path, FIELD_PROVENANCE)) == len(frame)
