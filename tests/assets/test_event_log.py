"""Events that are written at once are those that Dagster writes one by one."""

from collections import Counter

import dagster as dg
import pandas as pd
import pytest
import sqlalchemy as db
from dagster._core.definitions.asset_checks.asset_check_evaluation import (
    AssetCheckEvaluationPlanned,
)
from dagster._core.events import DagsterEventType
from dagster._core.storage.event_log.schema import (
    AssetCheckExecutionsTable,
    SqlEventLogStorageTable,
)
from dagster._serdes import deserialize_value

from assets import event_log
from assets.partitions import DAILY, ONE_RUN, range_tags

DAYS = pd.Timestamp("2026-05-01"), pd.Timestamp("2026-05-04")


@dg.asset(partitions_def=DAILY, backfill_policy=ONE_RUN)
def daily(context: dg.AssetExecutionContext) -> None:
    context.add_output_metadata({"rows": 3})


@dg.asset(deps=[daily])
def whole() -> None:
    pass


def told(instance):
    """Return what Dagster's page reads of a run: events, newest of each asset, days made."""
    job = dg.Definitions(
        [daily, whole], jobs=[dg.define_asset_job("both", [daily, whole])]
    ).resolve_job_def("both")
    run = job.execute_in_process(instance=instance, tags=range_tags(*DAYS))
    assert run.success
    events = Counter(
        (each.dagster_event.event_type_value, str(each.dagster_event.asset_key),
         each.dagster_event.partition)
        for each in instance.all_logs(run.run_id)
    )  # fmt: skip
    newest = {
        key: instance.get_latest_materialization_event(dg.AssetKey(key)).dagster_event.partition
        for key in ("daily", "whole")
    }
    versions = instance.get_latest_materialization_event(dg.AssetKey("daily"))
    tags = versions.dagster_event.step_materialization_data.materialization.tags.keys()
    made = instance.get_materialized_partitions(dg.AssetKey("daily"))
    return events, newest, set(tags), made


def in_files(folder):
    folder.mkdir()
    # Dagster leaves an identity in the user's home where its telemetry is on.
    quiet = {"telemetry": {"enabled": False}}
    return dg.DagsterInstance.local_temp(str(folder), overrides=quiet)


@pytest.mark.parametrize("kept", [False, True], ids=["forgotten", "kept in files"])
def test_batches_hold_what_single_events_hold(kept, tmp_path, monkeypatch):
    def instance(name):
        return in_files(tmp_path / name) if kept else dg.DagsterInstance.ephemeral()

    monkeypatch.delenv(event_log.BATCH_SIZE, raising=False)
    with instance("singly") as singly:
        expected = told(singly)
    monkeypatch.setattr(event_log, "EVENTS", 3)
    monkeypatch.setenv(event_log.BATCH_SIZE, "3")
    with instance("batched") as batched, event_log.kept_open(batched):
        event_log.in_batches(batched)
        written = []
        store = batched.event_log_storage.store_event_batch
        batched.event_log_storage.store_event_batch = lambda events: (
            written.append(len(events)),
            store(events),
        )
        assert told(batched) == expected
    assert max(written) == 3
    assert expected[3] == {"2026-05-01", "2026-05-02", "2026-05-03", "2026-05-04"}


def test_events_stand_in_the_words_and_cells_that_dagster_gives_them():
    with dg.DagsterInstance.ephemeral() as instance, event_log.kept_open(instance):
        event_log.in_batches(instance)
        told(instance)
        store = instance.event_log_storage
        with store.index_connection() as connection:
            rows = connection.execute(db.select(SqlEventLogStorageTable)).mappings().all()
        for row in rows:
            written = store._event_to_row(deserialize_value(row["event"], dg.EventLogEntry))
            assert {name: row[name] for name in written} == written
    planned = [row for row in rows if row["dagster_event_type"] == "ASSET_MATERIALIZATION_PLANNED"]
    assert len(planned) == 5


def test_a_run_connects_to_each_file_of_its_history_once(tmp_path):
    reached = Counter()

    def count(_, record):
        reached[record.dbapi_connection.execute("PRAGMA database_list").fetchone()[2]] += 1

    with in_files(tmp_path / "history") as instance, event_log.kept_open(instance):
        db.event.listen(db.pool.QueuePool, "connect", count)
        told(instance)
        db.event.remove(db.pool.QueuePool, "connect", count)
        assert sorted(reached.values()) == [1, 1, 1]
        assert list(tmp_path.rglob("*-wal"))
    # Whoever reads the history afterwards finds it all in its files.
    assert not list(tmp_path.rglob("*-wal"))


def test_what_a_store_keeps_in_mind_is_what_stands_in_its_files(tmp_path):
    whole = dg.AssetKey("whole")

    def read_by(*instances):
        return [
            (each.get_latest_materialization_event(whole), each.has_asset_key(whole))
            for each in instances
        ]

    with (
        in_files(tmp_path / "history") as kept,
        event_log.kept_open(kept),
        dg.DagsterInstance.from_ref(kept.get_ref()) as other,
    ):
        told(kept)
        mine, theirs = read_by(kept, other)
        assert mine == theirs
        assert mine[0].dagster_event.step_key == "whole"
        other.report_runless_asset_event(dg.AssetMaterialization("whole", "told by another"))
        mine, theirs = read_by(kept, other)
        assert mine == theirs
        assert mine[0].asset_materialization.description == "told by another"
        other.wipe_assets([whole])
        assert read_by(kept, other) == [(None, False)] * 2
        told(kept)
        mine, theirs = read_by(kept, other)
        assert mine == theirs
        assert mine[0].dagster_event.step_key == "whole"
        other.wipe_assets([whole])
        other.report_runless_asset_event(dg.AssetObservation("whole"))
        assert read_by(kept, other) == [(None, True)] * 2


def test_a_planned_check_has_the_rows_that_dagster_writes():
    days = ["2026-05-01", "2026-05-02", "2026-05-03"]
    planned = AssetCheckEvaluationPlanned(
        asset_key=dg.AssetKey("daily"),
        check_name="kept",
        partitions_subset=DAILY.subset_with_partition_keys(days).to_serializable_subset(),
    )
    event = dg.DagsterEvent(
        DagsterEventType.ASSET_CHECK_EVALUATION_PLANNED.value,
        job_name="both",
        step_key="daily",
        event_specific_data=planned,
    )
    written = []
    for prepared in (lambda _: None, event_log.in_batches):
        with dg.DagsterInstance.ephemeral() as instance:
            prepared(instance)
            instance.report_dagster_event(event, "a run")
            with instance.event_log_storage.index_connection() as connection:
                rows = connection.execute(db.select(AssetCheckExecutionsTable))
                written.append([row._mapping for row in rows])
    times = {"evaluation_event", "evaluation_event_timestamp", "create_timestamp"}
    singly, at_once = (
        [{name: cell for name, cell in row.items() if name not in times} for row in rows]
        for rows in written
    )
    assert at_once == singly
    assert [row["partition"] for row in at_once] == days
    assert "kept" in written[1][0]["evaluation_event"]
