"""Dagster's events of many days, written at once and through one connection.

Put here: how a run over a range of days writes its events. Keep out: where they are kept
(`home.py`), and how long (`retention.py`).

A run over a year tells of each day of each asset that it is planned, and that it is made: some
twenty thousand events. Dagster 1.13 hands them over in batches where DAGSTER_EVENT_BATCH_SIZE asks
for it, but its SQLite stores then write them one by one all the same; and for each day of a planned
check they put the event, which names all days, into words anew. For each statement they open a
connection of its own, and closing the only one of a file makes SQLite tidy up the file. With each
event they ask again which tables and columns they have; and for each step and check they read the
newest event of every asset that it rests on out of its words, though this process wrote it.
"""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import cache, partial
from typing import Any

import dagster as dg
import sqlalchemy as db
from dagster._core.event_api import EventLogRecord
from dagster._core.events import ASSET_EVENTS, DagsterEventType
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

PLANNED_ASSET = DagsterEventType.ASSET_MATERIALIZATION_PLANNED
PLANNED_CHECK = DagsterEventType.ASSET_CHECK_EVALUATION_PLANNED

AT_ONCE = {*ASSET_EVENTS, PLANNED_CHECK}
"""Events of which a batch is written at once."""

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
    """Let an instance connect to each of its stores of SQLite only once, and ask nothing twice."""
    events, runs = instance.event_log_storage, instance.run_storage
    engines: dict[str, db.Engine] = {}
    if isinstance(events, SqliteEventLogStorage):
        events._connect = partial(_connected, events, engines)  # type: ignore[method-assign]
    if isinstance(events, InMemoryEventLogStorage):
        memory = _engine(events._engine.url, poolclass=db.SingletonThreadPool)
        engines["memory"] = memory
        events._connect = partial(_in_memory, events, memory)  # type: ignore[method-assign]
    if isinstance(runs, SqliteRunStorage):
        runs.connect = partial(_begun, engines, runs._conn_string)  # type: ignore[method-assign]
    if isinstance(events, Stores):
        _remember(events)
    try:
        yield
    finally:
        for engine in engines.values():
            engine.dispose()


def _remember(storage: Stores) -> None:
    """Let a store keep in mind its tables and columns, and the events that it wrote."""
    on_connection = storage._has_asset_key_col_on_connection
    storage._has_asset_key_col_on_connection = partial(  # type: ignore[method-assign]
        _has_column, on_connection, {}
    )
    for name in ("has_asset_key_col", "has_table", "has_secondary_index"):
        setattr(storage, name, cache(getattr(storage, name)))
    written: dict[str, EventLogRecord] = {}
    storage._get_asset_entry_values = partial(  # type: ignore[method-assign]
        _entry, storage._get_asset_entry_values, written
    )
    storage._get_latest_materialization_records = partial(  # type: ignore[method-assign]
        _newest, storage._get_latest_materialization_records, written
    )


def _has_column(
    ask: Callable[[db.Connection, str], bool],
    answers: dict[str, bool],
    connection: db.Connection,
    name: str,
) -> bool:
    if name not in answers:
        answers[name] = ask(connection, name)
    return answers[name]


def _entry(
    entry: Callable[..., dict[str, Any]],
    written: dict[str, EventLogRecord],
    event: dg.EventLogEntry,
    event_id: int,
    *asked: bool,
) -> dict[str, Any]:
    """Return what is written of an asset, and keep in mind of which event its words are."""
    values = entry(event, event_id, *asked)
    if "last_materialization" in values:
        written[values["last_materialization"]] = EventLogRecord(event_id, event)
    return values


def _newest(
    read: Callable[..., Mapping[dg.AssetKey, EventLogRecord | None]],
    written: dict[str, EventLogRecord],
    rows: Iterable[Mapping[str, Any]],
) -> dict[dg.AssetKey, EventLogRecord | None]:
    """Return the newest event of each asset; what this process wrote is not read out of words.

    Details of an asset may tell that its history was wiped, so then Dagster looks.
    """
    mine, others = list[Mapping[str, Any]](), list[Mapping[str, Any]]()
    for row in rows:
        own = row["last_materialization"] in written and not row["asset_details"]
        (mine if own else others).append(row)
    found = {
        dg.AssetKey.from_db_string(row["asset_key"]): written[row["last_materialization"]]
        for row in mine
    }
    return {**found, **(read(others) if others else {})}


@contextmanager
def _in_memory(storage: InMemoryEventLogStorage, engine: db.Engine) -> Iterator[db.Connection]:
    with storage._db_lock, engine.begin() as connection:
        yield connection


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


def _engine(where: str | db.URL, **options: Any) -> db.Engine:
    return db.create_engine(where, connect_args={"timeout": SQLITE_BUSY_TIMEOUT_SECONDS}, **options)


def _store(storage: Stores, events: Sequence[dg.EventLogEntry]) -> None:
    """Write events as `store_event` would one by one; of an asset, the last stands in its row."""
    at_once = []
    for event in events:
        if event.dagster_event_type in AT_ONCE:
            at_once.append(event)
        else:
            storage.store_event(event)
    if not at_once:
        return
    rows = _rows(storage, at_once)
    connections = [storage.run_connection(at_once[0].run_id)]
    if isinstance(storage, SqliteEventLogStorage):
        # What spans runs is read from another file.
        connections.append(storage.index_connection())
    for connection in connections:
        with connection as conn:
            conn.execute(SqlEventLogStorageTable.insert(), rows)
            last = conn.execute(db.select(db.func.max(SqlEventLogStorageTable.c.id))).scalar_one()
    with_ids = list(zip(range(last - len(rows) + 1, last + 1), at_once, strict=True))
    of_assets = [each for each in with_ids if each[1].dagster_event_type in ASSET_EVENTS]
    tagged = [each for each in of_assets if each[1].dagster_event_type != PLANNED_ASSET]
    newest = {event.get_dagster_event().asset_key: (event, id_) for id_, event in of_assets}
    planned = [
        row
        for id_, event in with_ids
        if event.dagster_event_type == PLANNED_CHECK
        for row in _planned_check(storage, event, id_)
    ]
    with storage.index_transaction() as conn:
        storage._store_asset_event_tags(
            conn, [event for _, event in tagged], [id_ for id_, _ in tagged]
        )
        for event, id_ in newest.values():
            storage._store_asset_event(conn, event, id_)
        if planned:
            conn.execute(AssetCheckExecutionsTable.insert(), planned)


def _rows(storage: Stores, events: Sequence[dg.EventLogEntry]) -> list[dict[str, Any]]:
    """Return the rows of events; what is planned for many days is put into words for the first."""
    rows: list[dict[str, Any]] = []
    model, row = None, dict[str, Any]()
    for event in events:
        words = None if model is None else _words(model, row["event"], event)
        if words is None:
            model, row = event, storage._event_to_row(event)
            rows.append(row)
        else:
            day, at = event.get_dagster_event().partition, storage._event_insert_timestamp(event)
            rows.append({**row, "event": words, "partition": day, "timestamp": at})
    return rows


def _words(model: dg.EventLogEntry, words: str, event: dg.EventLogEntry) -> str | None:
    """Return a planned event in words, where it differs from another in its day and time alone."""
    if (
        event.dagster_event_type != PLANNED_ASSET
        or model.dagster_event_type != PLANNED_ASSET
        or not _differ(model, event) <= {"timestamp", "dagster_event"}
    ):
        return None
    one, other = model.get_dagster_event(), event.get_dagster_event()
    planned, also = one.event_specific_data, other.event_specific_data
    if _differ(one, other) != {"event_specific_data"} or _differ(planned, also) != {"partition"}:
        return None
    for old, new in (
        (f'"partition": "{planned.partition}"', f'"partition": "{also.partition}"'),
        (f'"timestamp": {model.timestamp!r}', f'"timestamp": {event.timestamp!r}'),
    ):
        if words.count(old) != 1:
            return None
        words = words.replace(old, new)
    return words


def _differ(one: Any, other: Any) -> set[str]:
    return {
        name
        for name, mine, its in zip(one._fields, one, other, strict=True)
        if mine is not its and mine != its
    }


def _planned_check(
    storage: Stores, event: dg.EventLogEntry, event_id: int | None
) -> list[dict[str, Any]]:
    """Return a row for each day of a planned check, the event in words only once."""
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
    return [{**row, "partition": day} for day in days]


def _store_planned_check(storage: Stores, event: dg.EventLogEntry, event_id: int | None) -> None:
    """Write the rows of a planned check."""
    with storage.index_connection() as conn:
        conn.execute(AssetCheckExecutionsTable.insert(), _planned_check(storage, event, event_id))
