"""Dagster's events of many days, written at once and through one connection.

Put here: how a run over a range of days writes its events. Keep out: where they are kept
(`home.py`), and how long (`retention.py`).

A run over a year tells of each day of each asset that it is planned, and that it is made: some
twenty thousand events. Dagster 1.13 hands them over in batches where DAGSTER_EVENT_BATCH_SIZE asks
for it, but its SQLite stores then write them one by one all the same; and for each day of a planned
check they put the event, which names all days, into words anew. For each statement they open a
connection of its own, and closing the only one of a file makes SQLite tidy up the file.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from typing import Any

import dagster as dg
import sqlalchemy as db
from dagster._core.events import ASSET_EVENTS
from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecordStatus
from dagster._core.storage.event_log import SqliteEventLogStorage
from dagster._core.storage.event_log.in_memory import InMemoryEventLogStorage
from dagster._core.storage.event_log.schema import (
    AssetCheckExecutionsTable,
    SqlEventLogStorageTable,
)
from dagster._core.storage.runs import SqliteRunStorage
from dagster._core.storage.sqlite import SQLITE_BUSY_TIMEOUT_SECONDS
from dagster._serdes import serialize_value

BATCH_SIZE = "DAGSTER_EVENT_BATCH_SIZE"
"""Environment variable of Dagster's: events that are handed over at once."""

EVENTS = 1000
"""Events of a batch."""

Stores = InMemoryEventLogStorage | SqliteEventLogStorage


def in_batches(instance: dg.DagsterInstance) -> None:
    """Let an instance write its events in batches, unless it keeps them in a store of its own."""
    storage = instance.event_log_storage
    if isinstance(storage, Stores):
        os.environ.setdefault(BATCH_SIZE, str(EVENTS))
        storage.store_event_batch = partial(_store, storage)  # type: ignore[method-assign]
        storage._store_asset_check_evaluation_planned = partial(  # type: ignore[method-assign]
            _store_planned_check, storage
        )


@contextmanager
def kept_open(instance: dg.DagsterInstance) -> Iterator[None]:
    """Let an instance that keeps its runs in files of SQLite connect to each of them only once."""
    events, runs = instance.event_log_storage, instance.run_storage
    engines: dict[str, db.Engine] = {}
    if isinstance(events, SqliteEventLogStorage):
        events._connect = partial(_connected, events, engines)  # type: ignore[method-assign]
    if isinstance(runs, SqliteRunStorage):
        runs.connect = partial(_begun, engines, runs._conn_string)  # type: ignore[method-assign]
    try:
        yield
    finally:
        for engine in engines.values():
            engine.dispose()


@contextmanager
def _connected(
    storage: SqliteEventLogStorage, engines: dict[str, db.Engine], shard: str
) -> Iterator[db.Connection]:
    where = storage.conn_string_for_shard(shard)
    with storage._db_lock:
        if shard not in storage._initialized_dbs:
            storage._initdb(_engine(where, poolclass=db.NullPool))
            storage._initialized_dbs.add(shard)
        with _begun(engines, where) as connection:
            yield connection


def _begun(engines: dict[str, db.Engine], where: str) -> AbstractContextManager[db.Connection]:
    """Begin a transaction with a file, over the connection that it has already."""
    if where not in engines:
        engines[where] = _engine(where)
    return engines[where].begin()


def _engine(where: str, **options: Any) -> db.Engine:
    return db.create_engine(where, connect_args={"timeout": SQLITE_BUSY_TIMEOUT_SECONDS}, **options)


def _store(storage: Stores, events: Sequence[dg.EventLogEntry]) -> None:
    """Write events as `store_event` would one by one; of an asset, the last stands in its row."""
    of_assets = []
    for event in events:
        if event.dagster_event_type in ASSET_EVENTS:
            of_assets.append(event)
        else:
            storage.store_event(event)
    if not of_assets:
        return
    rows = [storage._event_to_row(event) for event in of_assets]
    connections = [storage.run_connection(of_assets[0].run_id)]
    if isinstance(storage, SqliteEventLogStorage):
        # What spans runs is read from another file.
        connections.append(storage.index_connection())
    for connection in connections:
        with connection as conn:
            conn.execute(SqlEventLogStorageTable.insert(), rows)
            last = conn.execute(db.select(db.func.max(SqlEventLogStorageTable.c.id))).scalar_one()
    ids = range(last - len(rows) + 1, last + 1)
    storage.store_asset_event_tags(of_assets, ids)
    newest = {
        event.get_dagster_event().asset_key: (event, id_)
        for id_, event in zip(ids, of_assets, strict=True)
    }
    for event, id_ in newest.values():
        storage.store_asset_event(event, id_)


def _store_planned_check(storage: Stores, event: dg.EventLogEntry, event_id: int | None) -> None:
    """Write a row for each day of a planned check, the event in words only once."""
    planned = event.get_dagster_event().asset_check_planned_data
    row = {
        "asset_key": planned.asset_key.to_string(),
        "check_name": planned.check_name,
        "run_id": event.run_id,
        "execution_status": AssetCheckExecutionRecordStatus.PLANNED.value,
        "evaluation_event": serialize_value(event),
        "evaluation_event_timestamp": storage._event_insert_timestamp(event),
        "evaluation_event_storage_id": event_id,
    }
    days = planned.partitions_subset.get_partition_keys() if planned.partitions_subset else [None]
    with storage.index_connection() as conn:
        conn.execute(
            AssetCheckExecutionsTable.insert(), [{**row, "partition": day} for day in days]
        )
