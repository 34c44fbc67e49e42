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
"""

from __future__ import annotations

import logging
import re
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import deltalake
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from deltalake import CommitProperties, DeltaTable
from deltalake.exceptions import DeltaError

from ft_emissions_pipeline import tables
from ft_emissions_pipeline.tables import Table
from ft_emissions_pipeline.warehouse import gathered, opening, overlay, selection
from ft_emissions_pipeline.warehouse.faults import StoreDamaged
from ft_emissions_pipeline.warehouse.lock import StoreBusy, holds, not_replaced
from ft_emissions_pipeline.warehouse.selection import Days

SchemaMode = Literal["merge", "overwrite"] | None

APPEND_ATTEMPTS = 10

WRITTEN_AT_A_TIME = 65_536
"""Rows that are handed to Delta at a time; of all at once it would make three copies."""

_LOG = logging.getLogger(__name__)

_ONCE = CommitProperties(max_commit_retries=0)


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
    *,
    ordered: bool = True,
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
    ordered : bool
        Whether to sort, which of millions of rows costs most; else they come as they were found,
        in another order each time.

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
    with _of_history(warehouse, table, version), opening.clear_errors(warehouse, table):
        delta = opening.to_read(warehouse, table, version)
        if delta is None:
            if version is not None:
                msg = (
                    f"table {table.name} in {warehouse} was never written, "
                    f"so it has no version {version}"
                )
                raise ValueError(msg)
            return tables.empty(table)[names]
        needed = {*names, *(table.key if ordered else table.key[:1])}
        if predicate is None and table.partition:
            keeps = version is None and holds(warehouse)
            rows = gathered.whole(warehouse, delta, table, needed, where, writes=keeps)
        else:
            span = days if isinstance(days, tuple) else None
            rows = selection.scan(delta, table, needed, predicate, where, span)
        over = overlay.lying_over(warehouse, delta, table)
        if over is not None:
            rows = overlay.laid_over(rows, over, table, predicate, where)
        if ordered:
            rows = selection.canonical(rows, table)
    return tables.from_arrow(rows, table, set(names))[names]


def counts(
    warehouse: str | Path, table: Table, columns: Sequence[str], version: int | None = None
) -> pd.DataFrame:
    """Return how many rows of a table have each combination of cells in some columns.

    Parameters
    ----------
    warehouse, table, version
        As for `read`.
    columns : sequence of str
        Columns of text.

    Returns
    -------
    DataFrame
        These columns and `rows`, ordered by them; the rows themselves are never held.
    """
    with _of_history(warehouse, table, version), opening.clear_errors(warehouse, table):
        delta = opening.to_read(warehouse, table, version)
        if delta is None:
            return tables.empty(table)[list(columns)].assign(rows=0)
        over = overlay.lying_over(warehouse, delta, table)
        found = selection.counts(delta, over, table, columns)
    told = tables.from_arrow(found.select(columns), table, columns).assign(rows=found["rows"])
    return told.sort_values(list(columns), ignore_index=True)


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
    rows = _rows(frame, table)
    if days is not None:
        selection.refuse_rows_outside(rows, table, days)
    with opening.clear_errors(warehouse, table):
        delta, created = _open_to_compare(warehouse, table)
        complete = set(table.names) == selection.stored_names(delta)
        if complete and _same(selection.scan_sorted(delta, table, predicate, days), rows):
            return Written(delta.version(), created, rows.num_rows)
        delta, _ = _open_or_create(warehouse, table)
        # A range can only add a column to the table; the whole table can lose one, too.
        mode: SchemaMode = None if complete else "merge" if predicate else "overwrite"
        deltalake.write_deltalake(
            delta,
            rows.to_reader(WRITTEN_AT_A_TIME),
            mode="overwrite",
            predicate=predicate,
            schema_mode=mode,
            writer_properties=selection.encoding(table),
            # Ranges that do not touch may be written side by side. A whole table may not: rows that
            # another process appends meanwhile would outlive the replacement.
            commit_properties=None if predicate else _ONCE,
        )
    return _told(table, Written(delta.version(), True, rows.num_rows))


def _open_to_compare(warehouse: str | Path, table: Table) -> tuple[DeltaTable, bool]:
    """Return a table as its readers have it open, unless it is new or rows lie over it."""
    not_replaced(warehouse)
    delta = opening.to_read(warehouse, table)
    if delta is None or overlay.version_over(delta) is not None:
        return _open_or_create(warehouse, table)
    return delta, False


def _rows(frame: pd.DataFrame, table: Table) -> pa.Table:
    """Return rows in the types and the order in which they are stored."""
    return selection.canonical(tables.to_arrow(frame, table, ordered=False), table)


def _same(stored: pa.Table, rows: pa.Table) -> bool:
    return len(stored) == len(rows) and stored.equals(selection.in_words(rows))


def _told(table: Table, written: Written) -> Written:
    _LOG.info("wrote %s: %d row(s), version %d", table.name, written.rows, written.version)
    return written


@dataclass(frozen=True)
class Held:
    """Rows of some days as they stand in the newest version of a table, to replace some of them.

    It is good for one `replace`.
    """

    table: Table
    delta: DeltaTable
    rows: pa.Table
    created: bool

    @property
    def version(self) -> int:
        """The table's version."""
        return int(self.delta.version())

    def of(self, column: str, values: Collection[str]) -> pa.Array:
        """Say which rows have one of these values in a column."""
        return pc.is_in(self.rows[column], pa.array(sorted(values), pa.string()))

    def rows_of(self, column: str, values: Collection[str]) -> pd.DataFrame:
        """Return these rows as `read` does."""
        found = selection.canonical(self.rows.filter(self.of(column, values)), self.table)
        return tables.from_arrow(found, self.table)


def held(warehouse: str | Path, table: Table, days: pd.DatetimeIndex | None) -> Held:
    """Read rows of some days, or a whole table, once for `Held.rows_of` and `replace`."""
    with opening.clear_errors(warehouse, table):
        delta, created = _open_or_create(warehouse, table)
        predicate = None if days is None else selection.on_days(table, days)
        # In one read: opening a year of days costs more than their rows.
        return Held(
            table, delta, selection.scan(delta, table, set(table.names), predicate), created
        )


def replace(
    warehouse: str | Path,
    table: Table,
    frame: pd.DataFrame,
    days: pd.DatetimeIndex | None,
    column: str,
    gone: Collection[str],
    before: Held | None = None,
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
    before : Held, optional
        What `held` returned for these days, where it was asked already.

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
    new = selection.in_words(_rows(frame, table))
    with opening.clear_errors(warehouse, table):
        if days is not None and days.empty:
            delta, created = _open_or_create(warehouse, table)
            return Written(delta.version(), created, 0)
        before = before or held(warehouse, table, days)
        delta, goes = before.delta, before.of(column, gone)
        complete = set(table.names) == selection.stored_names(delta)
        if complete and _same(selection.canonical(before.rows.filter(goes), table), new):
            return Written(delta.version(), before.created, new.num_rows)
        rows = [before.rows.filter(pc.invert(goes)), new]
        predicate = None if days is None else selection.on_days(table, days)
        deltalake.write_deltalake(
            delta,
            pa.concat_tables(rows, promote_options="default").select(table.names),
            mode="overwrite",
            predicate=predicate,
            schema_mode=None if complete else "merge",
            writer_properties=selection.encoding(table),
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
    new = selection.in_words(_rows(frame, table))
    with opening.clear_errors(warehouse, table):
        not_replaced(warehouse)
        delta = opening.at(warehouse, table)
        come = set(pc.unique(new[column]).to_pylist())
        if (
            delta is None
            or not gone
            or set(table.names) != selection.stored_names(delta)
            or not come.issubset(gone)
            or _has_rows(warehouse, table, days, column, set(gone) - come)
        ):
            return replace(warehouse, table, frame, days, column, gone)
        changed = bool(come) and overlay.lay(warehouse, delta, table, new)
    written = Written(delta.version(), changed, new.num_rows)
    return _told(table, written) if changed else written


def _has_rows(
    warehouse: str | Path,
    table: Table,
    days: pd.DatetimeIndex,
    column: str,
    lost: Collection[str],
) -> bool:
    """Say whether rows are lost for good: nothing could lie over these."""
    if not lost:
        return False
    return len(read(warehouse, table, days, [column], where=(column, lost), ordered=False)) > 0


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
    if fresh.empty and (before := version(warehouse, table)) is not None:
        return Written(before, False, 0)
    days = _span(fresh, table)
    for _ in range(APPEND_ATTEMPTS):
        try:
            with opening.clear_errors(warehouse, table):
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
                deltalake.write_deltalake(
                    delta,
                    new,
                    mode="append",
                    schema_mode=mode,
                    writer_properties=selection.encoding(table),
                    commit_properties=_ONCE,
                )
        except StoreBusy:
            continue
        return _told(table, Written(delta.version(), True, new.num_rows))
    raise StoreBusy(opening.busy(warehouse, table))


def opened(warehouse: str | Path, table: Table) -> DeltaTable | None:
    """Return the newest version of a table as Delta has it; None if it was never written."""
    with opening.clear_errors(warehouse, table):
        return opening.at(warehouse, table)


def version(warehouse: str | Path, table: Table) -> int | None:
    """Return the number of the newest version of a table; None if it was never written."""
    with opening.clear_errors(warehouse, table):
        delta = opening.to_read(warehouse, table)
    return None if delta is None else delta.version()


def holds_tables(warehouse: str | Path) -> bool:
    """Return whether any of the tables was ever written there."""
    return any(version(warehouse, table) is not None for table in tables.TABLES.values())


def days(warehouse: str | Path, table: Table) -> pd.DatetimeIndex:
    """Return the days of which a table holds rows, from its log alone."""
    with opening.clear_errors(warehouse, table):
        delta = opening.to_read(warehouse, table)
    held = [] if delta is None else [each[str(table.partition)] for each in delta.partitions()]
    return pd.DatetimeIndex(held).as_unit("us").sort_values()


def moved_days(warehouse: str | Path, table: Table, since: int) -> pd.DatetimeIndex | None:
    """Return the days whose files are no longer those of an older version, from the log alone.

    None where that version can no longer be opened, and where rows lie over the table that did not
    lie over it. Files that were only joined count as moved.
    """
    try:
        with opening.clear_errors(warehouse, table):
            old, new = (opening.to_read(warehouse, table, at) for at in (since, None))
            if overlay.version_over(new) not in {None, overlay.version_over(old)}:
                return None
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
    with opening.clear_errors(warehouse, table):
        delta = opening.to_read(warehouse, table)
        commits = [] if delta is None else delta.history()
    found = pd.DataFrame(commits, columns=["version", "timestamp"]).astype("int64")
    found = found.sort_values("version", ignore_index=True)
    committed = pd.to_datetime(found["timestamp"], unit="ms", utc=True)
    return found.assign(timestamp=committed.cummax())


def _open_or_create(warehouse: str | Path, table: Table) -> tuple[DeltaTable, bool]:
    not_replaced(warehouse)
    delta = opening.at(warehouse, table)
    if delta is not None:
        return overlay.settled(warehouse, delta, table), False
    place = opening.uri(warehouse, table)
    try:
        DeltaTable.create(
            place,
            schema=selection.schema(table),
            mode="error",
            partition_by=[table.partition] if table.partition else None,
            description=f"One row is {table.row}.",
            configuration=opening.KEEP_HISTORY,
            # With retries the second of two creations would lay itself over the first.
            commit_properties=_ONCE,
        )
    except DeltaError:
        # Another process was quicker; what it made is what this one was about to make.
        delta = opening.at(warehouse, table)
        if delta is None:
            raise
        return delta, False
    return DeltaTable(place), True


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
