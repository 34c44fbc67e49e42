"""How a table is declared: columns with type, unit and bounds, row rules, tables.

Put here: the words of a declaration, of result tables and of factor tables alike, the short forms
that declarations are written in, and a column's limits in words. Keep out: any table, and what
holds a frame to its table (`frames.py`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import pandas as pd

Kind = Literal["string", "float", "integer", "boolean", "timestamp", "date"]


@dataclass(frozen=True)
class Column:
    """One column: its type, unit, bounds and meaning.

    `smallest` is the least value but 0, where a smaller one is no measurement; `refers` names the
    table whose ids the column holds; `of_names` tells that it holds names as logs write them, of
    models, chips and places.
    """

    name: str
    kind: Kind
    description: str
    unit: str = ""
    required: bool = False
    minimum: float | None = None
    maximum: float | None = None
    above_zero: bool = False
    smallest: float | None = None
    allowed: tuple[str, ...] | None = None
    refers: str | None = None
    of_names: bool = False


def limits(column: Column) -> list[str]:
    """Return in words what a column's declaration allows: limits are worded here alone."""
    found = []
    if column.smallest is not None:
        found.append(f"{'' if column.above_zero else '0 or '}at least {column.smallest:g}")
    elif column.above_zero:
        found.append("above 0")
    elif column.minimum is not None:
        found.append(f"at least {column.minimum:g}")
    if column.maximum is not None:
        found.append(f"at most {column.maximum:g}")
    if column.allowed is not None:
        found.append(f"one of {', '.join(column.allowed)}")
    if column.refers is not None:
        found.append(f"an id of {column.refers}")
    return found


def must_be(column: Column) -> str:
    """Return what is said of a value beyond a column's limits."""
    return f"must be {' and '.join(limits(column))} {column.unit}".rstrip()


@dataclass(frozen=True)
class RowRule:
    """A condition over several columns of a row; `holds` is True for each row that keeps it."""

    code: str
    description: str
    holds: Callable[[pd.DataFrame], pd.Series]


@dataclass(frozen=True)
class Table:
    """A table: what one row is, its columns, its key and, if it has days, the partition column."""

    name: str
    row: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    partition: str | None = None
    row_rules: tuple[RowRule, ...] = ()

    @property
    def names(self) -> list[str]:
        """Column names in order."""
        return [column.name for column in self.columns]

    def column(self, name: str) -> Column:
        """Return the declaration of one column."""
        return self._by_name[name]

    @cached_property
    def _by_name(self) -> dict[str, Column]:
        return {column.name: column for column in self.columns}


def text(name: str, description: str, **options: object) -> Column:
    """Return a column of text."""
    return Column(name, "string", description, **options)  # type: ignore[arg-type]


def number(name: str, unit: str, description: str, **options: object) -> Column:
    """Return a column of numbers, not negative unless `minimum` says so."""
    limited = {"minimum": 0.0, **options}
    return Column(name, "float", description, unit=unit, **limited)  # type: ignore[arg-type]


def instant(name: str, description: str, **options: object) -> Column:
    """Return a column of instants in UTC."""
    return Column(name, "timestamp", description, unit="UTC", **options)  # type: ignore[arg-type]


def day(description: str) -> Column:
    """Return the column `date`, a UTC day."""
    return Column("date", "date", description, unit="UTC day", required=True)


def share(name: str, description: str, **options: object) -> Column:
    """Return a column of fractions from 0 to 1."""
    return number(name, "fraction", description, maximum=1.0, **options)


def total(name: str, unit: str, description: str) -> tuple[Column, Column, Column]:
    """Return a figure with the columns of its 5th and 95th percentile."""
    return (
        number(name, unit, description, required=True),
        number(f"{name}_p05", unit, f"5th percentile of {name}.", required=True),
        number(f"{name}_p95", unit, f"95th percentile of {name}.", required=True),
    )


def ordered(first: str, second: str) -> Callable[[pd.DataFrame], pd.Series]:
    """Return the condition that the first column does not exceed the second."""
    return lambda frame: ~(frame[first] > frame[second])


def within_interval(name: str) -> Callable[[pd.DataFrame], pd.Series]:
    """Return the condition that a figure lies between its percentiles."""
    return lambda frame: (
        frame[name].isna() | frame[name].between(frame[f"{name}_p05"], frame[f"{name}_p95"])
    )


def adds_up(parts: tuple[str, ...], whole: str) -> Callable[[pd.DataFrame], pd.Series]:
    """Return the condition that columns make up another, to a relative 1e-9, where all are told."""

    def holds(frame: pd.DataFrame) -> pd.Series:
        made = frame[list(parts)].sum(axis=1, skipna=False)
        return made.isna() | ((made - frame[whole]).abs() <= 1e-9 * frame[whole])

    return holds
