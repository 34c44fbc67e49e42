"""Frames held to their declarations: types, order, required cells; Arrow and pandas both ways.

Put here: conversion by declaration, and texts by their places. Keep out: declarations, and the
storage of tables (`warehouse/`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pandas.api.types import union_categoricals

from ft_emissions_pipeline.tables.schema import Column, Table

ARROW_TYPES: dict[str, pa.DataType] = {
    "string": pa.string(),
    "float": pa.float64(),
    "integer": pa.int64(),
    "boolean": pa.bool_(),
    "timestamp": pa.timestamp("us", tz="UTC"),
    "date": pa.date32(),
}


@cache
def arrow_schema(table: Table) -> pa.Schema:
    """Return a table's Arrow schema: types, nullability and, as metadata, unit and description."""
    return pa.schema(
        [
            pa.field(
                column.name,
                ARROW_TYPES[column.kind],
                nullable=not column.required,
                metadata={"unit": column.unit, "description": column.description},
            )
            for column in table.columns
        ]
    )


def conform(
    frame: pd.DataFrame,
    table: Table,
    columns: Collection[str] | None = None,
    *,
    coded: bool = False,
) -> pd.DataFrame:
    """Return the frame with exactly the table's columns, in order and in their pandas types.

    Missing columns become empty ones; columns that the table does not declare are an error.
    With `columns`, only these are returned. Of a frame without rows only the names count.
    Texts held as categories stay so where `coded` are wanted: of millions of rows few differ.

    Raises
    ------
    ValueError
        If the frame has an undeclared column, or a column cannot be read as its declared type.
    """
    types = (TEXT if coded and is_coded(dtype) else dtype for dtype in frame.dtypes)
    found = dict(zip(frame.columns, types, strict=True))
    if columns is None and list(found.items()) == _declared(table):
        return frame.reset_index(drop=True)
    declared = set(table.names)
    extra = [name for name in found if name not in declared]
    if extra:
        msg = f"table {table.name} does not declare {', '.join(extra)}; declare it in tables/"
        raise ValueError(msg)
    wanted = [column for column in table.columns if columns is None or column.name in columns]
    if not len(frame):
        return empty(table)[[column.name for column in wanted]]
    frame = frame if coded else in_words(frame)
    cells = {each.name: cells_of(frame[each.name]) for each in wanted if each.name in found}
    return _framed(cells, table, wanted, len(frame))


def framed(cells: Mapping[str, Any], table: Table) -> pd.DataFrame:
    """Return columns, held as arrays, as `conform` returns a frame; what else there is, is left."""
    return _framed(cells, table, table.columns, len(next(iter(cells.values()))))


def _framed(
    cells: Mapping[str, Any], table: Table, wanted: Collection[Column], rows: int
) -> pd.DataFrame:
    told = {
        column.name: _typed(cells[column.name], table, column)
        if column.name in cells
        else _missing(column.kind, rows)
        for column in wanted
    }
    return pd.DataFrame(told, pd.RangeIndex(rows))


def cells_of(column: pd.Series) -> Any:
    """Return a column's cells as an array, that of NumPy where pandas has no type of its own."""
    return column.to_numpy() if isinstance(column.dtype, np.dtype) else column.array


TEXT = pd.StringDtype(na_value=np.nan)
"""Type "str" of pandas, which would look that name up anew at each column."""

PANDAS_TYPES: dict[str, Any] = {
    "string": TEXT,
    "float": np.dtype("float64"),
    "boolean": pd.BooleanDtype(),
    "timestamp": pd.DatetimeTZDtype("us", "UTC"),
    "date": np.dtype("datetime64[us]"),
}


@cache
def _declared(table: Table) -> list[tuple[str, Any]]:
    """Return names and types; a whole number's depends on its cells."""
    return [(column.name, PANDAS_TYPES.get(column.kind)) for column in table.columns]


def _missing(kind: str, rows: int) -> Any:
    """Return a column of which nothing is told."""
    if kind == "float":
        return np.full(rows, np.nan)
    if kind == "string":
        return text_array(pa.nulls(rows, pa.large_string()))
    return _nothing(kind).repeat(rows)


@cache
def _nothing(kind: str) -> Any:
    """Return a single empty cell."""
    return cells_of(pd.Series(dtype=PANDAS_TYPES.get(kind, "int64")).reindex([0]))


def categories(codes: np.ndarray, known: Sequence[str] | np.ndarray) -> pd.Categorical:
    """Return a column of texts held as categories: the place of each among distinct ones."""
    return pd.Categorical.from_codes(codes, pd.array(known, dtype=TEXT))


def is_coded(dtype: Any) -> bool:
    """Say whether a column holds texts as categories."""
    return isinstance(dtype, pd.CategoricalDtype) and dtype.categories.dtype == TEXT


def in_words(frame: pd.DataFrame) -> pd.DataFrame:
    """Return a frame whose texts are held as texts, none as categories."""
    coded = {
        name: words(frame[name].cat.categories, frame[name].cat.codes.to_numpy())
        for name, dtype in frame.dtypes.items()
        if is_coded(dtype)
    }
    return frame.assign(**coded) if coded else frame


def joined(frames: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Return the rows of frames one after the other; texts that all hold as categories stay so."""
    coded = [name for name in frames[0] if all(is_coded(frame[name].dtype) for frame in frames)]
    rest = pd.concat([frame.drop(columns=coded) for frame in frames], ignore_index=True)
    for name in coded:
        rest[name] = union_categoricals([frame[name] for frame in frames])
    return rest[list(frames[0].columns)]


def parted(rows: pd.DataFrame, owner: NDArray[np.int64]) -> Iterator[tuple[int, pd.DataFrame]]:
    """Yield the rows of each owner as a frame, by the owner of each row; these must be in order."""
    owners, starts = np.unique(owner, return_index=True)
    for each, start, end in zip(owners.tolist(), starts, [*starts[1:], len(owner)], strict=True):
        own = rows.iloc[start:end]
        own.index = pd.RangeIndex(end - start)
        yield each, own


def text_array(values: pa.Array) -> pd.arrays.ArrowStringArray:
    """Return Arrow text in the pandas type of text columns, without a copy."""
    return pd.arrays.ArrowStringArray(pa.chunked_array([values]), dtype=TEXT)


def words(known: Sequence[str], codes: np.ndarray) -> Any:
    """Return a column of text by the place of each cell's word among some, -1 for none."""
    return pd.array(known, dtype=TEXT).take(codes, allow_fill=True)


def places(held: pd.Series | pd.Index, wanted: pd.Series | pd.Index) -> NDArray[np.int64]:
    """Return where each wanted text stands among distinct ones, -1 for one that does not.

    Arrow's hash tables take a quarter of the time and memory of an index of Python's strings.
    """
    texts, among = (pa.array(pd.Series(each, dtype="str")) for each in (wanted, held))
    if 4 * len(texts) < len(among):
        # To pick out of many the few that are wanted is quicker than to make a table of them all.
        picked = pc.is_in(among, value_set=texts, skip_nulls=True)
        at = np.append(np.flatnonzero(picked.to_numpy(zero_copy_only=False)), -1)
        return np.asarray(at[_index_in(texts, among.filter(picked))])
    return _index_in(texts, among)


def among(texts: pd.Series, others: pd.Series | list[str]) -> NDArray[np.bool_]:
    """Say which texts are among others; pandas' `isin` makes an object of each of these."""
    return places(pd.Series(others, dtype="str"), texts) >= 0


def _index_in(texts: pa.Array, among: pa.Array) -> NDArray[np.int64]:
    found = pc.index_in(texts, value_set=among, skip_nulls=True)
    return np.asarray(found.fill_null(-1).to_numpy(zero_copy_only=False), dtype="int64")


def _typed(cells: Any, table: Table, column: Column) -> Any:
    if cells.dtype == PANDAS_TYPES.get(column.kind) or (
        column.kind == "string" and is_coded(cells.dtype)
    ):
        return cells
    values = pd.Series(cells, copy=False)
    try:
        if column.kind == "integer":
            return cells_of(values.astype("float64" if values.isna().any() else "int64"))
        if column.kind == "timestamp":
            instants = pd.to_datetime(values, utc=True)
            return cells_of(instants.astype(PANDAS_TYPES["timestamp"]))
        return cells_of(values.astype(PANDAS_TYPES[column.kind]))
    except (TypeError, ValueError) as error:
        msg = f"{table.name}.{column.name} cannot be read as {column.kind}: {error}"
        raise ValueError(msg) from error


def to_arrow(frame: pd.DataFrame, table: Table, *, ordered: bool = True) -> pa.Table:
    """Return the frame as an Arrow table with the declared schema, sorted by the key if asked to.

    Texts held as categories are so in Arrow, too, unless sorted.

    Raises
    ------
    ValueError
        If a column is missing its declaration, its type or, where required, a value.
    """
    rows = conform(frame, table, coded=True)
    if rows.empty:
        return arrow_schema(table).empty_table()
    if ordered:
        rows = in_words(rows).sort_values(list(table.key), kind="stable", na_position="first")
    unfilled = [c.name for c in table.columns if c.required and rows[c.name].isna().any()]
    if unfilled:
        msg = f"table {table.name}: required column(s) {', '.join(unfilled)} have empty cells"
        raise ValueError(msg)
    schema = arrow_schema(table)
    for at, field in enumerate(schema):
        if is_coded(rows[field.name].dtype):
            schema = schema.set(at, field.with_type(pa.dictionary(pa.int32(), field.type)))
    arrow = pa.Table.from_pandas(rows, schema=schema, preserve_index=False, safe=True)
    return arrow.replace_schema_metadata(None)


def from_arrow(
    arrow: pa.Table,
    table: Table,
    columns: Collection[str] | None = None,
) -> pd.DataFrame:
    """Return an Arrow table, or some columns of it, as a DataFrame."""
    if not arrow.num_rows:
        return conform(pd.DataFrame(columns=arrow.column_names), table, columns)
    return conform(arrow.to_pandas(date_as_object=False), table, columns)


def empty(table: Table) -> pd.DataFrame:
    """Return a table without rows."""
    return _empty(table).copy()


@cache
def _empty(table: Table) -> pd.DataFrame:
    types = {column.name: PANDAS_TYPES.get(column.kind, "int64") for column in table.columns}
    return pd.DataFrame(columns=table.names).astype(types)
