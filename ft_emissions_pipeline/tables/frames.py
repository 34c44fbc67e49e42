"""Frames held to their declarations: types, order, required cells; Arrow and pandas both ways.

Put here: conversion by declaration. Keep out: declarations, and the storage of tables
(`warehouse/`).
"""

from __future__ import annotations

from collections.abc import Collection
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from ft_emissions_pipeline.tables.schema import Column, Table

ARROW_TYPES: dict[str, pa.DataType] = {
    "string": pa.string(),
    "float": pa.float64(),
    "integer": pa.int64(),
    "boolean": pa.bool_(),
    "timestamp": pa.timestamp("us", tz="UTC"),
    "date": pa.date32(),
}


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
    frame: pd.DataFrame, table: Table, columns: Collection[str] | None = None
) -> pd.DataFrame:
    """Return the frame with exactly the table's columns, in order and in their pandas types.

    Missing columns become empty ones; columns that the table does not declare are an error.
    With `columns`, only these are returned.

    Raises
    ------
    ValueError
        If the frame has an undeclared column, or a column cannot be read as its declared type.
    """
    declared = set(table.names)
    extra = [name for name in frame.columns if name not in declared]
    if extra:
        msg = f"table {table.name} does not declare {', '.join(extra)}; declare it in tables/"
        raise ValueError(msg)
    wanted = [column for column in table.columns if columns is None or column.name in columns]
    found = dict(zip(frame.columns, frame.dtypes, strict=True))
    # NumPy takes None for a float.
    absent = [column.name for column in wanted if column.name not in found]
    if not absent and all(found[each.name] == _PANDAS_TYPES.get(each.kind, "") for each in wanted):
        return frame[[column.name for column in wanted]].reset_index(drop=True)
    nothing = _empty(table)[absent].reindex(frame.index)
    return pd.DataFrame(
        {
            column.name: _typed(frame[column.name], table, column)
            if column.name in found
            else nothing[column.name]
            for column in wanted
        },
        index=frame.index,
        copy=False,
    ).reset_index(drop=True)


TEXT = pd.StringDtype(na_value=np.nan)
"""Type "str" of pandas, which would look that name up anew at each column."""

_PANDAS_TYPES: dict[str, Any] = {
    "string": TEXT,
    "float": np.dtype("float64"),
    "boolean": pd.BooleanDtype(),
    "timestamp": pd.DatetimeTZDtype("us", "UTC"),
    "date": np.dtype("datetime64[us]"),
}


def _typed(values: pd.Series, table: Table, column: Column) -> pd.Series:
    if values.dtype == _PANDAS_TYPES.get(column.kind):
        return values
    try:
        if column.kind == "integer":
            return values.astype("float64" if values.isna().any() else "int64")
        if column.kind == "timestamp":
            return pd.to_datetime(values, utc=True).astype(_PANDAS_TYPES["timestamp"])
        return values.astype(_PANDAS_TYPES[column.kind])
    except (TypeError, ValueError) as error:
        msg = f"{table.name}.{column.name} cannot be read as {column.kind}: {error}"
        raise ValueError(msg) from error


def to_arrow(frame: pd.DataFrame, table: Table) -> pa.Table:
    """Return the frame as an Arrow table with the declared schema, sorted by the key.

    Raises
    ------
    ValueError
        If a column is missing its declaration, its type or, where required, a value.
    """
    conformed = conform(frame, table)
    ordered = conformed.sort_values(list(table.key), kind="stable", na_position="first")
    unfilled = [c.name for c in table.columns if c.required and ordered[c.name].isna().any()]
    if unfilled:
        msg = f"table {table.name}: required column(s) {', '.join(unfilled)} have empty cells"
        raise ValueError(msg)
    arrow = pa.Table.from_pandas(
        ordered, schema=arrow_schema(table), preserve_index=False, safe=True
    )
    return arrow.replace_schema_metadata(None)


def from_arrow(
    arrow: pa.Table, table: Table, columns: Collection[str] | None = None
) -> pd.DataFrame:
    """Return an Arrow table, or some columns of it, as a DataFrame in the declared types."""
    return conform(arrow.to_pandas(date_as_object=False), table, columns)


def empty(table: Table) -> pd.DataFrame:
    """Return a table without rows."""
    return _empty(table).copy()


@cache
def _empty(table: Table) -> pd.DataFrame:
    types = {column.name: _PANDAS_TYPES.get(column.kind, "int64") for column in table.columns}
    return pd.DataFrame(columns=table.names).astype(types)
