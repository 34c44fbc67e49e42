"""Delta tables: the only place where tables are read from disk or written to it.

Put here: where a table lies, how a range of days is replaced, how old versions are read.
Keep out: what a table contains (`tables/`), checks of its content (`tables/expectations.py`), and
anything that knows of Dagster (`assets/io_manager.py`).

A warehouse is a local folder or the URL of an object store; each table is one Delta table in it.
Credentials of an object store come from the environment (`AWS_...`, `AZURE_...`, `GOOGLE_...`).
Three rules hold for every table:

- A range of days, or a whole table, is replaced in one atomic commit: readers see all of it or
  none.
- Content that is already there is not written again, so a repeated run changes no byte.
- Old versions stay readable for good, because what was once reported must be shown again.

A restatement changes few rows of many days. `lay_over` keeps such rows in a small table of their
own beside the days' files, and every read shows them in place of the older ones. Whatever changes
the table next, at the latest the nightly upkeep, first writes them into the days (`settle`).
"""

from __future__ import annotations

import logging
import re
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from deltalake import CommitProperties, DeltaTable, write_deltalake
from deltalake.exceptions import CommitFailedError, DeltaError, SchemaMismatchError

from ft_emissions_pipeline import tables
from ft_emissions_pipeline.tables import Table
from ft_emissions_pipeline.warehouse import gathered, selection
from ft_emissions_pipeline.warehouse.faults import MachineFault, explained
from ft_emissions_pipeline.warehouse.lock import StoreBusy, holds, not_replaced
from ft_emissions_pipeline.warehouse.selection import Days, StoreOutdated

SchemaMode = Literal["merge", "overwrite"] | None

APPEND_ATTEMPTS = 10

_LOG = logging.getLogger(__name__)

# Delta forgets log entries after 30 days by default, and with them the versions that they describe.
_KEEP_HISTORY = {
    "delta.enableExpiredLogCleanup": "false",
    "delta.logRetentionDuration": "interval 36500 days",
    "delta.deletedFileRetentionDuration": "interval 36500 days",
}

_ONCE = CommitProperties(max_commit_retries=0)

RESTATED = "_restated"
"""Folder in a table's own, which Delta passes over: the table of the rows that lie over it."""

_OVER = "ft_emissions.restated"
"""Property of a table: which version of `RESTATED` lies over it. Its commit is what counts."""

_NOTHING = "none"


class StoreDamaged(MachineFault):
    """A table whose log or data files are missing or broken; nothing was changed."""

    def __init__(self, warehouse: str | Path, table: Table, what: str) -> None:
        self.what = what
        super().__init__(
            f"table {table.name} in {warehouse} is damaged ({what}); nothing was changed: "
            f"`ft-emissions doctor --warehouse {warehouse}` says what can be repaired"
        )


class HistoryGone(ValueError):
    """An old version of a table whose files or log entries somebody removed."""


@dataclass(frozen=True)
class Written:
    """Outcome of a write: the table's version after it, whether it changed, and its rows."""

    version: int
    changed: bool
    rows: int


def read(
    warehouse: str | Path,
    table: Table,
    days: Days | pd.DatetimeIndex | None = None,
    columns: Sequence[str] | None = None,
    version: int | None = None,
    where: tuple[str, Collection[str]] | None = None,
) -> pd.DataFrame:
    """Read a table, or a range of its days.

    Parameters
    ----------
    warehouse : str or Path
        Local folder, or URL of an object store.
    table : Table
        Which table.
    days : (date, date) or DatetimeIndex, optional
        First and last day, both included, or the days themselves; only for tables with a partition
        column.
    columns : sequence of str, optional
        Columns to read, in this order; all by default.
    version : int, optional
        Version of the table; the newest by default.
    where : (str, collection of str), optional
        A column, and which of its values the rows must have.

    Returns
    -------
    DataFrame
        Rows sorted by the table's key, in the types of `tables.from_arrow`. A table that was never
        written has no rows.

    Raises
    ------
    ValueError
        If a column is not declared, the days are impossible, or there is no such version.
    HistoryGone
        If there was such a version, but its files or log entries were removed.
    """
    names = list(columns) if columns is not None else table.names
    unknown = [name for name in names if name not in table.names]
    if unknown:
        msg = (
            f"table {table.name} has no column {', '.join(unknown)}; "
            f"it has {', '.join(table.names)}"
        )
        raise ValueError(msg)
    if isinstance(days, pd.DatetimeIndex):
        if days.empty:
            return tables.empty(table)[names]
        predicate: str | None = selection.on_days(table, days)
    else:
        predicate = selection.on_range(table, days)
    with _of_history(warehouse, table, version), clear_errors(warehouse, table):
        delta = _open(warehouse, table, version)
        if delta is None:
            if version is not None:
                msg = (
                    f"table {table.name} in {warehouse} was never written, "
                    f"so it has no version {version}"
                )
                raise ValueError(msg)
            return tables.empty(table)[names]
        needed = {*names, *table.key}
        if predicate is None and where is None and table.partition:
            rows = _whole(warehouse, delta, table, needed)
        else:
            rows = selection.scan(delta, table, needed, predicate, where)
        over = lying_over(warehouse, delta, table)
        if over is not None:
            rows = selection.laid_over(rows, over, table, predicate, where)
        rows = selection.canonical(rows, table)
    return tables.from_arrow(rows, table, set(names))[names]


def write(
    warehouse: str | Path, table: Table, frame: pd.DataFrame, days: Days | None = None
) -> Written:
    """Replace a range of days, or a whole table, in one commit.

    Parameters
    ----------
    warehouse : str or Path
        Local folder, or URL of an object store.
    table : Table
        Which table.
    frame : DataFrame
        All rows of the range; none of them empties it.
    days : (date, date), optional
        First and last day to replace, both included; the whole table by default.

    Returns
    -------
    Written
        `changed` is False, and no version is added, where the range already held these rows.

    Raises
    ------
    ValueError
        If the frame does not fit the declaration, or has rows outside `days`.
    StoreBusy
        If another process changed the same range at the same time.
    StoreOutdated
        If the stored table cannot take the declared columns.
    """
    predicate = selection.on_range(table, days)
    rows = selection.canonical(tables.to_arrow(frame, table), table)
    if days is not None:
        _refuse_rows_outside(rows, table, days)
    with clear_errors(warehouse, table):
        delta, created = _open_or_create(warehouse, table)
        complete = set(table.names) == selection.stored_names(delta)
        if complete and selection.scan_sorted(delta, table, predicate).equals(rows):
            return Written(delta.version(), created, rows.num_rows)
        # A range can only add a column to the table; the whole table can lose one, too.
        mode: SchemaMode = None if complete else "merge" if predicate else "overwrite"
        write_deltalake(
            delta,
            rows,
            mode="overwrite",
            predicate=predicate,
            schema_mode=mode,
            # Ranges that do not touch may be written side by side. A whole table may not: rows that
            # another process appends meanwhile would outlive the replacement.
            commit_properties=None if predicate else _ONCE,
        )
    return _told(table, Written(delta.version(), True, rows.num_rows))


def _told(table: Table, written: Written) -> Written:
    _LOG.info("wrote %s: %d row(s), version %d", table.name, written.rows, written.version)
    return written


def replace(
    warehouse: str | Path,
    table: Table,
    frame: pd.DataFrame,
    days: pd.DatetimeIndex | None,
    column: str,
    gone: Collection[str],
) -> Written:
    """Replace some rows of some days in one commit, and leave the others of these days as they are.

    Parameters
    ----------
    warehouse : str or Path
        Local folder, or URL of an object store.
    table : Table
        Which table.
    frame : DataFrame
        The rows that stand from now on in place of the others; all on these days.
    days : DatetimeIndex or None
        Days to look on, no other day's file is touched; None for a table without days.
    column : str
        Column that names what is replaced, `run_id` for instance.
    gone : collection of str
        Rows with one of these values in the column are taken away.

    Returns
    -------
    Written
        `changed` is False, and no version is added, where the rows were already these.

    Raises
    ------
    StoreBusy
        If another process changed the same days at the same time.
    StoreOutdated
        If the stored table cannot take the declared columns.
    """
    new = selection.canonical(tables.to_arrow(frame, table), table)
    with clear_errors(warehouse, table):
        delta, created = _open_or_create(warehouse, table)
        if days is not None and days.empty:
            return Written(delta.version(), created, 0)
        predicate = None if days is None else selection.on_days(table, days)
        complete = set(table.names) == selection.stored_names(delta)
        if complete and selection.scan_sorted(delta, table, predicate, (column, gone)).equals(new):
            return Written(delta.version(), created, new.num_rows)
        # As it came, for a cast would copy it.
        others = selection.query(
            delta, selection.stored_names(delta), predicate, (column, gone), "ANTI"
        )
        types = {field.name: field.type for field in others.schema}
        schema = pa.schema(
            [field.with_type(types.get(field.name, field.type)) for field in new.schema]
        )
        rows = pa.concat_tables([others, new.cast(schema)], promote_options="default")
        write_deltalake(
            delta,
            rows.select(table.names),
            mode="overwrite",
            predicate=predicate,
            schema_mode=None if complete else "merge",
            commit_properties=None if predicate else _ONCE,
        )
    return _told(table, Written(delta.version(), True, new.num_rows))


def lay_over(
    warehouse: str | Path,
    table: Table,
    frame: pd.DataFrame,
    days: pd.DatetimeIndex,
    column: str,
    gone: Collection[str],
) -> Written:
    """Replace rows as `replace` does, without writing the files of their days.

    Parameters
    ----------
    warehouse, table, frame, days, gone
        As for `replace`.
    column : str
        The first column of the table's key.

    Returns
    -------
    Written
        `changed` is False where just these rows lie over the table already.

    Raises
    ------
    StoreBusy
        If another process changed the table at the same time.
    StoreOutdated
        If the stored table cannot take the declared columns.
    """
    new = selection.canonical(tables.to_arrow(frame, table), table)
    with clear_errors(warehouse, table):
        not_replaced(warehouse)
        delta = _open(warehouse, table)
        # A row that is gone for good has nothing that could lie over it.
        if (
            delta is None
            or not gone
            or set(table.names) != selection.stored_names(delta)
            or set(pc.unique(new[column]).to_pylist()) != set(gone)
        ):
            return replace(warehouse, table, frame, days, column, gone)
        over = lying_over(warehouse, delta, table)
        rows = new
        if over is not None:
            held = selection.scan_sorted(over, table, None)
            again = pc.is_in(held[column], pc.unique(new[column]))
            if held.filter(again).equals(new):
                return Written(delta.version(), False, new.num_rows)
            rows = pa.concat_tables([held.filter(pc.invert(again)), new])
        place = beside(delta)
        write_deltalake(
            place, rows, mode="overwrite", schema_mode="overwrite", configuration=_KEEP_HISTORY
        )
        _point(delta, str(DeltaTable(place).version()))
    return _told(table, Written(delta.version(), True, new.num_rows))


def settle(warehouse: str | Path, table: Table) -> DeltaTable | None:
    """Write the rows that lie over a table into its days, and return it; None if never written.

    Killed in between, they lie over rows that are just these.

    Raises
    ------
    StoreBusy
        If another process changed the same days at the same time.
    """
    with clear_errors(warehouse, table):
        delta = _open(warehouse, table)
        return None if delta is None else _settled(warehouse, delta, table)


def forget_restated(warehouse: str | Path, table: Table) -> None:
    """Let nothing lie over a table, as what did is lost."""
    with clear_errors(warehouse, table):
        delta = _open(warehouse, table)
        if delta is not None:
            _point(delta, _NOTHING)


def append(warehouse: str | Path, table: Table, frame: pd.DataFrame) -> Written:
    """Add the rows whose key is not in the table yet.

    A row whose key is already there is left as it is, so appending twice adds nothing.

    Returns
    -------
    Written
        `rows` counts the rows that were added.

    Raises
    ------
    StoreBusy
        If other processes kept changing the table.
    StoreOutdated
        If the stored table cannot take the declared columns.
    """
    fresh = tables.from_arrow(tables.to_arrow(frame, table), table)
    days = _span(fresh, table)
    for _ in range(APPEND_ATTEMPTS):
        try:
            with clear_errors(warehouse, table):
                delta, created = _open_or_create(warehouse, table)
                held = selection.scan(delta, table, set(table.key), selection.on_range(table, days))
                new = tables.to_arrow(_without(fresh, held, table), table)
                if not new.num_rows:
                    return Written(delta.version(), created, 0)
                # Delta lets two appends pass side by side, even of the same key. Without its own
                # retries the second one fails, reads what the first one added, and adds the rest.
                mode: SchemaMode = (
                    None if set(table.names) == selection.stored_names(delta) else "merge"
                )
                write_deltalake(
                    delta, new, mode="append", schema_mode=mode, commit_properties=_ONCE
                )
        except StoreBusy:
            continue
        return _told(table, Written(delta.version(), True, new.num_rows))
    raise StoreBusy(_busy(warehouse, table))


def opened(warehouse: str | Path, table: Table) -> DeltaTable | None:
    """Return the newest version of a table as Delta has it; None if it was never written."""
    with clear_errors(warehouse, table):
        return _open(warehouse, table)


def version(warehouse: str | Path, table: Table) -> int | None:
    """Return the number of the newest version of a table; None if it was never written."""
    delta = opened(warehouse, table)
    return None if delta is None else delta.version()


def holds_tables(warehouse: str | Path) -> bool:
    """Return whether any of the tables was ever written there."""
    return any(version(warehouse, table) is not None for table in tables.TABLES.values())


def days(warehouse: str | Path, table: Table) -> pd.DatetimeIndex:
    """Return the days of which a table holds rows, from its log alone."""
    delta = opened(warehouse, table)
    held = [] if delta is None else [each[str(table.partition)] for each in delta.partitions()]
    return pd.DatetimeIndex(held).as_unit("us").sort_values()


def moved_days(warehouse: str | Path, table: Table, since: int) -> pd.DatetimeIndex | None:
    """Return the days whose files are no longer those of an older version, from the log alone.

    None where that version can no longer be opened. Files that were only joined count as moved.
    """
    try:
        with clear_errors(warehouse, table):
            old, new = (_open(warehouse, table, at) for at in (since, None))
            files = [set() if each is None else set(each.file_uris()) for each in (old, new)]
    except (StoreDamaged, ValueError):
        return None
    found = [re.search(rf"/{table.partition}=([\d-]+)/", each) for each in files[0] ^ files[1]]
    return pd.DatetimeIndex(sorted({each[1] for each in found if each})).as_unit("us")


def history(warehouse: str | Path, table: Table) -> pd.DataFrame:
    """Return each version of a table with the instant of its commit, oldest first.

    A clock that was set back lets no version seem older than the one before it, as in Delta's own
    time travel (`DeltaHistoryManager.monotonizeCommitTimestamps`).
    """
    with clear_errors(warehouse, table):
        delta = _open(warehouse, table)
        commits = [] if delta is None else delta.history()
    found = (
        pd.DataFrame(
            {
                "version": pd.Series([commit["version"] for commit in commits], dtype="int64"),
                "timestamp": pd.to_datetime(
                    pd.Series([commit["timestamp"] for commit in commits], dtype="int64"),
                    unit="ms",
                    utc=True,
                ),
            }
        )
        .sort_values("version")
        .reset_index(drop=True)
    )
    return found.assign(timestamp=found["timestamp"].cummax())


def uri(warehouse: str | Path, table: Table) -> str:
    """Return where a table lies, as a URL."""
    if "://" in str(warehouse):
        return f"{str(warehouse).rstrip('/')}/{table.name}"
    folder = Path(warehouse).absolute()
    # deltalake 1.6 reads a local path as if it were a URL: it decodes percent signs once too often,
    # and loses the history behind the other two.
    if any(mark in str(folder) for mark in "%#?"):
        msg = (
            f"the warehouse {folder} has %, # or ? in its path, which Delta cannot keep; rename it"
        )
        raise ValueError(msg)
    return (folder / table.name).as_uri()


def _open(warehouse: str | Path, table: Table, at_version: int | None = None) -> DeltaTable | None:
    place = uri(warehouse, table)
    if not DeltaTable.is_deltatable(place):
        if "://" not in str(warehouse) and _holds_data(Path(warehouse) / table.name):
            raise StoreDamaged(warehouse, table, "its log is gone")
        return None
    if at_version is None:
        delta = DeltaTable(place)
        _refuse_empty_commit(warehouse, table, "", delta.version())
        return delta
    newest = DeltaTable(place).version()
    if not 0 <= at_version <= newest:
        msg = f"table {table.name} in {warehouse} has versions 0 to {newest}, not {at_version}"
        raise ValueError(msg)
    return DeltaTable(place, version=at_version)


def _holds_data(folder: Path) -> bool:
    return folder.is_dir() and next(folder.rglob("*.parquet"), None) is not None


def _refuse_empty_commit(warehouse: str | Path, table: Table, within: str, version: int) -> None:
    """Refuse a newest commit without content, which Delta takes for one that changes nothing.

    A machine that loses power leaves such a file, and the rows of that commit would be gone unsaid.
    """
    commit = Path(warehouse) / table.name / within / "_delta_log" / f"{version:020d}.json"
    if commit.is_file() and not commit.stat().st_size:
        raise StoreDamaged(warehouse, table, f"its commit {version} is empty")


def beside(delta: DeltaTable) -> str:
    """Return where the rows lie that lie over a table, or once did."""
    return f"{delta.table_uri.rstrip('/')}/{RESTATED}"


def lying_over(warehouse: str | Path, delta: DeltaTable, table: Table) -> DeltaTable | None:
    """Return what lies over a version of a table; None for nothing."""
    version = delta.metadata().configuration.get(_OVER, _NOTHING)
    if version == _NOTHING:
        return None
    _refuse_empty_commit(warehouse, table, RESTATED, int(version))
    return DeltaTable(beside(delta), version=int(version))


def _point(delta: DeltaTable, over: str) -> None:
    delta.alter.set_table_properties({_OVER: over}, raise_if_not_exists=False)


def _settled(warehouse: str | Path, delta: DeltaTable, table: Table) -> DeltaTable:
    """Return a table over which nothing lies."""
    over = lying_over(warehouse, delta, table)
    if over is None:
        return delta
    held = selection.scan(over, table, {str(table.partition)}, None)[0]
    predicate = selection.on_days(table, pd.DatetimeIndex(pc.unique(held).to_pandas()))
    rows = selection.scan(delta, table, set(table.names), predicate)
    rows = selection.laid_over(rows, over, table, predicate)
    write_deltalake(delta, rows, mode="overwrite", predicate=predicate)
    _point(delta, _NOTHING)
    return delta


def _open_or_create(warehouse: str | Path, table: Table) -> tuple[DeltaTable, bool]:
    not_replaced(warehouse)
    delta = _open(warehouse, table)
    if delta is not None:
        return _settled(warehouse, delta, table), False
    place = uri(warehouse, table)
    try:
        DeltaTable.create(
            place,
            schema=selection.schema(table),
            mode="error",
            partition_by=[table.partition] if table.partition else None,
            description=f"One row is {table.row}.",
            configuration=_KEEP_HISTORY,
            # With retries the second of two creations would lay itself over the first.
            commit_properties=_ONCE,
        )
    except DeltaError:
        # Another process was quicker; what it made is what this one was about to make.
        delta = _open(warehouse, table)
        if delta is None:
            raise
        return delta, False
    return DeltaTable(place), True


def _whole(warehouse: str | Path, delta: DeltaTable, table: Table, names: set[str]) -> pa.Table:
    """Read columns of all days; of what was gathered only the days that moved since."""
    if not gathered.pays(delta):
        return selection.scan(delta, table, names, None)
    files = {"/".join(each.rsplit("/", 2)[1:]) for each in delta.file_uris()}
    writes = holds(warehouse) and delta.version() == version(warehouse, table)
    stored = selection.stored_names(delta)
    every = [name for name in table.names if name in stored]
    try:
        held, moved = gathered.standing(warehouse, table, files)
        if held.column_names != every:
            raise LookupError
    except LookupError:
        if not writes:
            return selection.scan(delta, table, names, None)
        rows = selection.scan(delta, table, set(every), None)
    else:
        if not moved:
            return held.select([name for name in every if name in names])
        fresh = selection.scan(
            delta, table, set(every), selection.on_days(table, pd.DatetimeIndex(sorted(moved)))
        )
        rows = pa.concat_tables([held, fresh.cast(held.schema)])
    if writes:
        gathered.keep(warehouse, table, files, rows)
    return rows.select([name for name in every if name in names])


def _refuse_rows_outside(rows: pa.Table, table: Table, days: Days) -> None:
    if not rows.num_rows:
        return
    held = pc.min_max(rows[table.partition]).as_py()
    if held["min"] < days[0] or held["max"] > days[1]:
        msg = (
            f"table {table.name}: rows from {held['min']} to {held['max']} do not fit into the "
            f"days {days[0]} to {days[1]} that are being written; write them with their own days"
        )
        raise ValueError(msg)


def _span(frame: pd.DataFrame, table: Table) -> Days | None:
    """Return the days in which keys of the frame can be found; None for all of them."""
    if table.partition is None or table.partition not in table.key or frame.empty:
        return None
    return frame[table.partition].min().date(), frame[table.partition].max().date()


def _without(frame: pd.DataFrame, held: pa.Table, table: Table) -> pd.DataFrame:
    key = list(table.key)
    before = tables.from_arrow(held, table, key)
    repeated = pd.concat([before, frame[key]], ignore_index=True).duplicated()
    return frame[~repeated.iloc[len(before) :].to_numpy()]


def _busy(warehouse: str | Path, table: Table) -> str:
    return (
        f"table {table.name} in {warehouse} is being changed by another process; "
        "nothing was written: run it again when the other one has ended"
    )


@contextmanager
def _of_history(warehouse: str | Path, table: Table, at_version: int | None) -> Iterator[None]:
    """Say of a failure to read an old version what it is."""
    try:
        yield
    except StoreDamaged as error:
        if at_version in {None, version(warehouse, table)}:
            raise
        msg = f"version {at_version} of table {table.name} in {warehouse} was removed: {error}"
        raise HistoryGone(msg) from error


@contextmanager
def clear_errors(warehouse: str | Path, table: Table) -> Iterator[None]:
    """Say of an error of Delta, Arrow or the disk what it means for the table."""
    try:
        yield
    except CommitFailedError as error:
        raise StoreBusy(_busy(warehouse, table)) from error
    except SchemaMismatchError as error:
        raise StoreOutdated(selection.outdated(warehouse, table, error)) from error
    except (DeltaError, pa.ArrowException, OSError, MemoryError) as error:
        found = explained(error, f"table {table.name} in {warehouse}")
        if found is not None:
            raise found from error
        # Delta's kernel adds a stack trace to what it says, the object store colours.
        told = re.sub(r"\x1b\[\d*m|↳", "", str(error).split("\n   0:")[0])
        raise StoreDamaged(warehouse, table, " ".join(told.split())) from error
