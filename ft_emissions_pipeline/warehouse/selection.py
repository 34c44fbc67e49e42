"""Rows of a Delta table: which columns and days are read, in which types and order.

Put here: the question that a table is asked. Keep out: where a table lies, its versions and its
writing (`store.py`).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import date
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from deltalake import ColumnProperties, DeltaTable, QueryBuilder, WriterProperties

from ft_emissions_pipeline import tables
from ft_emissions_pipeline.calendar_days import ranges
from ft_emissions_pipeline.tables import Table

Days = tuple[date, date]
"""First and last day of a range, both inside it."""


class StoreOutdated(ValueError):
    """A stored table has columns that this version of the package cannot extend."""


def schema(table: Table) -> pa.Schema:
    """Return the stored types of a table: Arrow's, without descriptions."""
    return pa.schema([field.remove_metadata() for field in tables.arrow_schema(table)])


def encoding(table: Table) -> WriterProperties:
    """Return how a table is written: compressed, as it would not be unless told.

    One of many days has no list of each file's numbers. Numbers seldom repeat in a day; the lists
    of a year of days, made side by side, took most of a restatement's memory.
    """
    fields = schema(table) if table.partition else ()
    plain = ColumnProperties(dictionary_enabled=False)
    floats = (field.name for field in fields if pa.types.is_floating(field.type))
    return WriterProperties(
        compression="ZSTD",
        compression_level=1,
        column_properties=dict.fromkeys(floats, plain),
    )


def stored_names(delta: DeltaTable) -> set[str]:
    """Return the columns that a version of a table holds."""
    return {field.name for field in delta.schema().fields}


def query(
    delta: DeltaTable,
    names: set[str],
    predicate: str | None,
    where: tuple[str, Collection[str]] | None = None,
) -> pa.Table:
    """Read columns of the rows whose cell is among the given values."""
    query = f"SELECT {', '.join(map(_name, sorted(names)))} FROM stored"
    if where is not None:
        column, values = where
        # A join looks each cell up once, where a list of thousands of values would be gone through.
        wanted = ", ".join(f"({_text(value)})" for value in sorted(values)) or "(NULL)"
        query += (
            f" LEFT SEMI JOIN (VALUES {wanted}) AS wanted(value) ON stored.{_name(column)} = "
            "wanted.value"
        )
    if predicate is not None:
        query += f" WHERE {predicate}"
    return pa.table(QueryBuilder().register("stored", delta).execute(query))


def counts(
    delta: DeltaTable, over: DeltaTable | None, table: Table, columns: Sequence[str]
) -> pa.Table:
    """Return columns with the count `rows` of each combination, where another table lies over."""
    names = ", ".join(map(_name, columns))
    reader, rows = QueryBuilder().register("stored", delta), "stored"
    if over is not None:
        reader, by = reader.register("restated", over), _name(table.key[0])
        rows = (
            f"(SELECT {names} FROM stored LEFT ANTI JOIN restated ON stored.{by} = restated.{by} "
            f"UNION ALL SELECT {names} FROM restated)"
        )
    query = f"SELECT {names}, count(*) AS rows FROM {rows} GROUP BY {names}"
    return pa.table(reader.execute(query))


def _name(column: str) -> str:
    return f'"{column}"'


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def scan(
    delta: DeltaTable,
    table: Table,
    names: set[str],
    predicate: str | None,
    where: tuple[str, Collection[str]] | None = None,
    days: Days | None = None,
) -> pa.Table:
    """Read columns in the declared types; a column that an older version lacks is left out.

    Where `days` are those of the predicate, the log tells without a question that none has a file.
    """
    stored = stored_names(delta)
    fields = [f for f in schema(table) if f.name in names and f.name in stored]
    # A stored column may allow nulls where today's declaration no longer does.
    loose = pa.schema([field.with_nullable(True) for field in fields])
    if days is not None and not _hold_files(delta, table, days):
        return loose.empty_table()
    rows = query(delta, set(loose.names), predicate, where)
    try:
        return rows.select(loose.names).cast(loose)
    except pa.ArrowInvalid as error:
        raise StoreOutdated(outdated(delta.table_uri, table, error)) from error


def _hold_files(delta: DeltaTable, table: Table, days: Days) -> bool:
    first, last = (f"{day:%Y-%m-%d}" for day in days)
    return any(first <= each[str(table.partition)] <= last for each in delta.partitions())


def scan_sorted(
    delta: DeltaTable, table: Table, predicate: str | None, days: Days | None = None
) -> pa.Table:
    """Read all columns in the order in which a table is written; `days` are as for `scan`."""
    rows = canonical(scan(delta, table, set(table.names), predicate, days=days), table)
    return rows.select(table.names)


def canonical(rows: pa.Table, table: Table) -> pa.Table:
    """Sort by the key, empty cells first, then by the other columns: one order for one content."""
    rows = rows.cast(pa.schema([field.with_nullable(True) for field in rows.schema]))
    if rows.num_rows < 2:
        return rows.combine_chunks()
    keys = [name for name in table.key if name in rows.column_names]
    if keys:
        # The other columns decide only where a key comes twice.
        if _ascends(rows, keys):
            return rows
        ordered = _sorted(rows, keys)
        if _ascends(ordered, keys):
            return ordered
    return _sorted(rows, [*keys, *(name for name in rows.column_names if name not in keys)])


def in_words(rows: pa.Table) -> pa.Table:
    """Return rows whose texts are texts, none a place in a dictionary."""
    for at, field in enumerate(rows.schema):
        if pa.types.is_dictionary(field.type):
            plain = field.with_type(field.type.value_type)
            rows = rows.set_column(at, plain, rows[at].cast(plain.type))
    return rows


def _sorted(rows: pa.Table, names: list[str]) -> pa.Table:
    # The sort's own option for empty cells changed between Arrow releases; a column for them did
    # not.
    rows = in_words(rows)
    keyed, order = rows, list[tuple[str, str]]()
    for name in names:
        if rows[name].null_count:
            keyed = keyed.append_column(f"{name} is there", pc.is_valid(rows[name]))
            order.append((f"{name} is there", "ascending"))
        order.append((name, "ascending"))
    return rows.take(pc.sort_indices(keyed, sort_keys=order)).combine_chunks()


def _ascends(rows: pa.Table, keys: list[str]) -> bool:
    """Return whether each row's key is greater than the one before it; with empty cells, False."""
    rows = in_words(rows.select(keys))
    above, below = rows.slice(0, max(len(rows) - 1, 0)), rows.slice(1)
    greater: pa.ChunkedArray = pa.scalar(False)
    for name in reversed(keys):
        if rows[name].null_count:
            return False
        further = pc.and_(pc.equal(above[name], below[name]), greater)
        greater = pc.or_(pc.less(above[name], below[name]), further)
    return bool(pc.all(greater, min_count=0).as_py())


def on_range(table: Table, days: Days | None) -> str | None:
    """Return the condition for a range of days, None for all rows.

    Raises
    ------
    ValueError
        If the table has no days, or the range ends before it starts.
    """
    if days is None:
        return None
    if table.partition is None:
        msg = f"table {table.name} has no partition column, so no range of days can be taken of it"
        raise ValueError(msg)
    first, last = days
    if first > last:
        msg = f"table {table.name}: the range of days ends ({last}) before it starts ({first})"
        raise ValueError(msg)
    return f"{table.partition} >= '{first:%Y-%m-%d}' AND {table.partition} <= '{last:%Y-%m-%d}'"


def refuse_rows_outside(rows: pa.Table, table: Table, days: Days) -> None:
    """Refuse rows whose day is not among those that are being written.

    Raises
    ------
    ValueError
        If there is one.
    """
    if not rows.num_rows:
        return
    held = pc.min_max(rows[table.partition]).as_py()
    if held["min"] < days[0] or held["max"] > days[1]:
        msg = (
            f"table {table.name}: rows from {held['min']} to {held['max']} do not fit into the "
            f"days {days[0]} to {days[1]} that are being written; write them with their own days"
        )
        raise ValueError(msg)


def on_days(table: Table, days: pd.DatetimeIndex) -> str:
    """Return the condition for just these days, at least one, in as few ranges as there are."""
    if days.empty:
        msg = "no days; a condition on none would let all rows pass"
        raise ValueError(msg)
    spans = ((first.date(), last.date()) for first, last in ranges(days.unique(), gap=1))
    return " OR ".join(f"({on_range(table, span)})" for span in spans)


def outdated(place: str | Path, table: Table, error: Exception) -> str:
    """Return what is said where stored columns have other types than declared ones."""
    return (
        f"table {table.name} in {place} was written with columns of other types ({error}); "
        "export what is still needed and start with an empty warehouse"
    )
