"""Columns of runs as rules see them: some rows of each, taken when a rule looks at it.

Put here: how columns are held while rules fill them. Keep out: the rules.

A data frame of a hundred columns and one row costs more to cut and to take apart than most rules
cost to answer, and a rule looks at few columns.
"""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias, TypeVar, cast

import numpy as np
import pandas as pd


class Columns:
    """Some rows of columns, by name; the index tells which of all rows they are."""

    def __init__(self, columns: Mapping[str, pd.Series], rows: np.ndarray | None = None) -> None:
        """Hold columns; without `rows`, whole."""
        self._whole, self._rows = columns, rows
        self._taken: dict[str, pd.Series] = {}

    @property
    def index(self) -> pd.Index:
        """Numbers of the rows."""
        return self["date"].index

    def __len__(self) -> int:
        """Return how many rows there are."""
        return len(self["date"])

    def __contains__(self, name: object) -> bool:
        """Say whether there is a column of a name."""
        return name in self._whole

    def __iter__(self) -> Iterator[str]:
        """Return the columns' names."""
        return iter(self._whole)

    def __getitem__(self, name: Any) -> Any:
        """Return a column, or several as a data frame."""
        if isinstance(name, list):
            return Columns({each: self[each] for each in name}).frame()
        if name not in self._taken:
            column = self._whole[name]
            self._taken[name] = column if self._rows is None else column.take(self._rows)
        return self._taken[name]

    def get(self, name: str, otherwise: pd.Series | None = None) -> Any:
        """Return a column, or something else where there is none of the name."""
        return self[name] if name in self._whole else otherwise

    def rows(self, rows: np.ndarray) -> Columns:
        """Return some rows, by their places."""
        return Columns(cast("dict[str, pd.Series]", self), rows)

    def assign(self, **columns: Any) -> Columns:
        """Return the rows with some columns more, or others; a number stands in every row."""
        more = {name: pd.Series(values, self.index, name=name) for name, values in columns.items()}
        return Columns(ChainMap(more, cast("dict[str, pd.Series]", self)))

    def frame(self) -> pd.DataFrame:
        """Return all columns as a data frame."""
        return pd.DataFrame({name: self[name] for name in self}, copy=False)


Frame: TypeAlias = pd.DataFrame | Columns
"""Runs as rules see them."""

AnyFrame = TypeVar("AnyFrame", pd.DataFrame, Columns)
