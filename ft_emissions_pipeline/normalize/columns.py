"""Columns of runs as rules see them: some rows of each, taken when a rule looks at it.

Put here: how columns are held while rules fill them. Keep out: the rules.

A data frame of a hundred columns and one row costs more to cut and to take apart than most rules
cost to answer, and a rule looks at few columns. So columns are arrays, of which a rule sees a
series.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias, TypeVar

import numpy as np
import pandas as pd

from ft_emissions_pipeline.tables.frames import cells_of


class Columns:
    """Some rows of columns, by name; the index tells which of all rows they are."""

    def __init__(
        self, columns: Mapping[str, Any], index: pd.Index, rows: np.ndarray | None = None
    ) -> None:
        """Hold columns as arrays; without `rows`, whole."""
        self.index = index if rows is None else index.take(rows)
        self._whole, self._index, self._rows = columns, index, rows
        self._seen: dict[str, pd.Series] = {}

    @classmethod
    def of(cls, frame: pd.DataFrame) -> Columns:
        """Hold the columns of a frame, numbered anew."""
        return cls(
            {name: cells_of(each) for name, each in frame.items()}, pd.RangeIndex(len(frame))
        )

    def __len__(self) -> int:
        """Return how many rows there are."""
        return len(self.index)

    def __contains__(self, name: object) -> bool:
        """Say whether there is a column of a name."""
        return name in self._whole or name in self._seen

    def __iter__(self) -> Iterator[str]:
        """Return the columns' names."""
        return iter(dict.fromkeys((*self._whole, *self._seen)))

    def __getitem__(self, name: Any) -> Any:
        """Return a column, or several as a data frame."""
        if isinstance(name, list):
            return self._framed(name)
        if name not in self._seen:
            self._seen[name] = pd.Series(self.cells(name), self.index, name=name, copy=False)
        return self._seen[name]

    def cells(self, name: str) -> Any:
        """Return a column as an array."""
        if name in self._seen:
            return cells_of(self._seen[name])
        cells = self._whole[name]
        return cells if self._rows is None else cells.take(self._rows)

    def get(self, name: str, otherwise: pd.Series | None = None) -> Any:
        """Return a column, or something else where there is none of the name."""
        if name not in self:
            return otherwise
        return self[name]

    def rows(self, rows: np.ndarray) -> Columns:
        """Return some of all rows, by their places."""
        return Columns(self._whole, self._index, rows)

    def assign(self, **columns: Any) -> Columns:
        """Return the rows with some columns more, or others; a number stands in every row."""
        other = Columns(self._whole, self._index, self._rows)
        more = {name: pd.Series(cells, self.index, name=name) for name, cells in columns.items()}
        other._seen = {**self._seen, **more}
        return other

    def frame(self) -> pd.DataFrame:
        """Return all columns as a data frame."""
        return self._framed(list(self))

    def _framed(self, names: list[str]) -> pd.DataFrame:
        return pd.DataFrame({name: self.cells(name) for name in names}, self.index, copy=False)


Frame: TypeAlias = pd.DataFrame | Columns
"""Runs as rules see them."""

AnyFrame = TypeVar("AnyFrame", pd.DataFrame, Columns)
