"""Where the fields of runs come from, held once per kind of run.

Put here: what one rule gave to one field, and table `field_provenance` as a view of all of them.
Keep out: how fields are filled (`filling.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from ft_emissions_pipeline.tables import FIELD_PROVENANCE, conform, empty

AS_LOGGED = "as_logged"
"""Stands for a rule where the log gave the value."""


@dataclass(frozen=True)
class Piece:
    """What one rule, or the logs, gave to one field: some answers, and the runs that took each.

    `rows` are the runs, `of` the answer of each: runs of one kind share one. Value, spread,
    interval, factor and words stand once per answer; a basis for all is one word.
    """

    field: str
    rule: str
    basis: str | np.ndarray
    rows: np.ndarray
    of: np.ndarray
    value: pd.Series
    log_sd: np.ndarray | float
    skew: np.ndarray | float
    p05: np.ndarray | float
    p95: np.ndarray | float
    factor_id: pd.Series | np.ndarray | None = None
    source: pd.Series | np.ndarray | None = None


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
            pieces.append(
                Piece(
                    name, rule, rows["basis"].to_numpy(dtype="object"), at, np.arange(len(at)),
                    normalized[name].iloc[at], 0.0, 0.0, rows["p05"].to_numpy(),
                    rows["p95"].to_numpy(), rows["factor_id"].to_numpy(dtype="object"),
                )
            )  # fmt: skip
        each = np.arange(len(normalized))
        return cls(normalized[["date", "run_id"]], pieces, each, each)

    def of(self, name: str, part: Callable[[Piece], Any], otherwise: Any = None) -> np.ndarray:
        """Return a part of a field's provenance by run, and `otherwise` where it is empty."""
        found = np.full(len(self.runs), otherwise)
        for piece in self.pieces:
            if piece.field == name:
                found[piece.rows] = np.broadcast_to(part(piece), len(piece.value))[piece.of]
        return found

    def table(self) -> pd.DataFrame:
        """Return table `field_provenance`, a row per run and field."""
        return _table([_rows(piece, self.runs) for piece in self.pieces])

    def endless(self) -> pd.DataFrame:
        """Return the rows of table `field_provenance` whose interval has no end."""
        frames = []
        for piece in self.pieces:
            bad = np.broadcast_to(np.isinf(piece.p05) | np.isinf(piece.p95), len(piece.value))
            if bad.any():
                frames.append(_rows(piece, self.runs)[bad[piece.of]])
        return _table(frames)


def _table(frames: list[pd.DataFrame]) -> pd.DataFrame:
    return conform(pd.concat(frames) if frames else empty(FIELD_PROVENANCE), FIELD_PROVENANCE)


def _rows(piece: Piece, runs: pd.DataFrame) -> pd.DataFrame:
    """Return a piece as rows of `field_provenance`."""
    parts = {
        "value": _as_text(piece.value),
        **{name: getattr(piece, name) for name in ("p05", "p95", "basis", "factor_id", "source")},
    }
    answers = pd.DataFrame(parts, index=piece.value.index).take(piece.of)
    of_runs = {name: runs[name].array.take(piece.rows) for name in ("date", "run_id")}
    return answers.assign(**of_runs, field=piece.field, rule=piece.rule)


def _as_text(values: pd.Series) -> pd.Series:
    if pd.api.types.is_datetime64_any_dtype(values):
        return values.map(lambda instant: instant.isoformat()).astype("str")
    if pd.api.types.is_float_dtype(values):
        return values.map("{:.12g}".format).astype("str")
    return values.astype("str")
