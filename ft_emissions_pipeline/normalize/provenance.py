"""Where the fields of runs come from, held once per kind of run.

Put here: what one rule gave to one field, and table `field_provenance` as a view of all of them.
Keep out: how fields are filled (`filling.py`).
"""

from __future__ import annotations

from dataclasses import dataclass

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
    factor_id: pd.Series | None = None
    source: pd.Series | None = None


@dataclass(frozen=True)
class Provenance:
    """Where every field of some runs comes from, once per kind of run and not once per run.

    `kind` is the kind of each run, `first` the first run of each kind.
    """

    runs: pd.DataFrame
    pieces: list[Piece]
    kind: np.ndarray
    first: np.ndarray

    def of(self, name: str, part: str) -> np.ndarray:
        """Return one part of a field's provenance by run; missing where there is no such field."""
        numbers = part in ("p05", "p95")
        found = np.full(len(self.runs), np.nan, dtype="float64" if numbers else "object")
        for piece in self.pieces:
            if piece.field == name and getattr(piece, part) is not None:
                found[piece.rows] = np.broadcast_to(getattr(piece, part), len(piece.value))[
                    piece.of
                ]
        return found

    def table(self) -> pd.DataFrame:
        """Return table `field_provenance`, a row per run and field."""
        frames = [_rows(piece, self.runs) for piece in self.pieces]
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
