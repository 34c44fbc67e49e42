"""Where the fields of runs come from, held once per kind of run.

Put here: what one rule gave to one field, and table `field_provenance` as a view of all of them.
Keep out: how fields are filled (`filling.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from ft_emissions_pipeline.tables import FIELD_PROVENANCE, conform, empty

AS_LOGGED = "as_logged"
"""Stands for a rule where the log gave the value."""


@dataclass(frozen=True)
class Piece:
    """What one rule, or the logs, gave to one field: some answers, and the runs that took each.

    `rows` are the runs, in order, `of` the answer of each: runs of one kind share one. Value,
    spread, interval, factor and words stand once per answer; a basis for all is one word.
    """

    field: str
    rule: str
    basis: str | np.ndarray
    rows: np.ndarray
    of: np.ndarray
    value: Any
    log_sd: np.ndarray | float
    skew: np.ndarray | float
    p05: np.ndarray | float
    p95: np.ndarray | float
    factor_id: np.ndarray | str | None = None
    source: np.ndarray | str | None = None


@dataclass(frozen=True)
class Provenance:
    """Where every field of some runs comes from, once per kind of run and not once per run.

    `kind` is the kind of each run, `first` the first run of each kind.
    """

    runs: pd.DataFrame
    pieces: list[Piece]
    kind: np.ndarray
    first: np.ndarray

    @classmethod
    def of_table(
        cls, table: pd.DataFrame, normalized: pd.DataFrame, fields: Collection[str]
    ) -> Provenance:
        """Return what table `field_provenance` says of some fields of normalized runs."""
        position = pd.Index(normalized["run_id"])
        wanted = table[table["field"].isin(fields) & table["run_id"].isin(position)]
        pieces = []
        for (name, rule), rows in wanted.groupby(["field", "rule"], sort=False):
            at = position.get_indexer(rows["run_id"])
            rows, at = rows.iloc[np.argsort(at)], np.sort(at)
            pieces.append(
                Piece(
                    name, rule, rows["basis"].to_numpy(dtype="object"), at, np.arange(len(at)),
                    normalized[name].array[at], 0.0, 0.0, rows["p05"].to_numpy(),
                    rows["p95"].to_numpy(), rows["factor_id"].to_numpy(dtype="object"),
                )
            )  # fmt: skip
        each = np.arange(len(normalized))
        return cls(normalized[["date", "run_id"]], pieces, each, each)

    def of(self, name: str, part: Callable[[Piece], Any], otherwise: Any = None) -> np.ndarray:
        """Return a part of a field's provenance by run, and `otherwise` where it is empty."""
        found = np.full(len(self.runs), otherwise)
        for piece in self._of_field.get(name, ()):
            told = np.asarray(part(piece), dtype=found.dtype)
            told = told[piece.of] if told.size > 1 else told
            if told.shape == found.shape:
                return told
            found[piece.rows if len(piece.rows) < len(found) else slice(None)] = told
        return found

    @cached_property
    def _of_field(self) -> dict[str, list[Piece]]:
        by_field: dict[str, list[Piece]] = {}
        for piece in self.pieces:
            by_field.setdefault(piece.field, []).append(piece)
        return by_field

    def table(self) -> pd.DataFrame:
        """Return table `field_provenance`, a row per run and field."""
        return _table(self.pieces, self.runs)

    def endless(self) -> pd.DataFrame:
        """Return the rows of table `field_provenance` whose interval has no end."""
        pieces = []
        for piece in self.pieces:
            bad = np.isinf(piece.p05) | np.isinf(piece.p95)
            if bad.any():
                taken = np.broadcast_to(bad, len(piece.value))[piece.of]
                pieces.append(replace(piece, rows=piece.rows[taken], of=piece.of[taken]))
        return _table(pieces, self.runs)


def _table(pieces: list[Piece], runs: pd.DataFrame) -> pd.DataFrame:
    """Return pieces as table `field_provenance`, made by column: there are a hundred of them."""
    if not pieces:
        return empty(FIELD_PROVENANCE)
    of_runs = runs.take(np.concatenate([piece.rows for piece in pieces]))

    def told(part: Callable[[Piece], Any], kind: str = "object") -> np.ndarray:
        parts = [
            np.broadcast_to(np.asarray(part(piece), dtype=kind), len(piece.value))[piece.of]
            for piece in pieces
        ]
        return np.concatenate(parts)

    columns = {
        "date": of_runs["date"].array,
        "run_id": of_runs["run_id"].array,
        "field": told(lambda piece: piece.field),
        "value": told(lambda piece: _as_text(pd.Series(piece.value))),
        "basis": told(lambda piece: piece.basis),
        "rule": told(lambda piece: piece.rule),
        "p05": told(lambda piece: piece.p05, "float64"),
        "p95": told(lambda piece: piece.p95, "float64"),
        "factor_id": told(lambda piece: piece.factor_id),
        "source": told(lambda piece: piece.source),
    }
    return conform(pd.DataFrame(columns, copy=False), FIELD_PROVENANCE)


def _as_text(values: pd.Series) -> pd.Series:
    if pd.api.types.is_datetime64_any_dtype(values):
        return values.map(lambda instant: instant.isoformat()).astype("str")
    if pd.api.types.is_float_dtype(values):
        return values.map("{:.12g}".format).astype("str")
    return values.astype("str")
