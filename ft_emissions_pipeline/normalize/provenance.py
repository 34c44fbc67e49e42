"""Where the fields of runs come from, held once per kind of run.

Put here: what one rule gave to one field, and table `field_provenance` as a view of all of them.
Keep out: how fields are filled (`filling.py`), and how this is stored (`stored_provenance.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from enum import Enum, auto
from functools import cached_property, partial
from typing import Any

import numpy as np
import pandas as pd

from ft_emissions_pipeline.readers import origins
from ft_emissions_pipeline.tables import FIELD_PROVENANCE, conform, empty
from ft_emissions_pipeline.tables.frames import TEXT, categories, in_words, places

WORDS = ("field", "basis", "rule", "factor_id", "source")
"""Texts of a row of provenance."""

OF_RUNS = ("date", "run_id", "source_uri", "source_record")
"""Columns of `normalized_runs` from which each row of provenance has its day, run and record."""

AS_LOGGED = "as_logged"
"""Stands for a rule where the log gave the value."""


class Told(Enum):
    """What of an answer the runs of a kind have in common.

    By `KIND` all of it, by `WIDTH` all but the value, whose interval follows from its spread; by
    `RUN` nothing.
    """

    KIND = auto()
    WIDTH = auto()
    RUN = auto()


@dataclass(frozen=True)
class Piece:
    """What one rule, or the logs, gave to one field: some answers, and the runs that took each.

    `rows` are the runs, in order, `of` the answer of each: runs of one kind share one. Value,
    spread, interval, factor and words stand once per answer; what is one for all may stand once.
    The source of a logged value is the run's own record, unless the value is told by run.
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
    told: Told = Told.KIND


@dataclass(frozen=True)
class Provenance:
    """Where every field of some runs comes from, once per kind of run and not once per run.

    `runs` has the columns `OF_RUNS`, `kind` is the kind of each run, `first` the first run of each
    kind.
    """

    runs: pd.DataFrame
    pieces: list[Piece]
    kind: np.ndarray
    first: np.ndarray

    @classmethod
    def of_table(
        cls, table: pd.DataFrame, normalized: pd.DataFrame, fields: Collection[str]
    ) -> Provenance:
        """Return what table `field_provenance` says of some fields of runs.

        `normalized` are rows of `normalized_runs`, or of another table with these fields.
        """
        words = {name: _coded(table[name]) for name in WORDS}
        (field, fields_of), (rule, rules) = words["field"], words["rule"]
        given = field * len(rules) + rule
        run, ids = pd.factorize(table["run_id"])
        at = places(normalized["run_id"], pd.Series(ids, dtype=TEXT))[run]
        wanted = np.flatnonzero(np.isin(fields_of, list(fields))[field] & (at >= 0))
        order = wanted[np.argsort(given[wanted] * len(normalized) + at[wanted])]
        p05, p95 = (table[name].to_numpy()[order] for name in ("p05", "p95"))
        basis, factor_id, source = (
            words[name][1][words[name][0][order]] for name in ("basis", "factor_id", "source")
        )
        at, given = at[order], given[order]
        pieces = []
        begins = np.flatnonzero(np.diff(given, prepend=-1))
        for first, end in zip(begins, np.append(begins[1:], len(given)), strict=False):
            name, rows = fields_of[given[first] // len(rules)], slice(first, end)
            pieces.append(
                Piece(
                    name, rules[given[first] % len(rules)], basis[rows], at[rows],
                    np.arange(end - first), normalized[name].array[at[rows]], 0.0, 0.0,
                    p05[rows], p95[rows], factor_id[rows], source[rows], Told.RUN,
                )
            )  # fmt: skip
        each = np.arange(len(normalized))
        # Each source is told, so that the runs' own records are not asked for.
        known = [name for name in OF_RUNS if name in normalized]
        return cls(normalized[known], pieces, each, each)

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

    def table(self, columns: Collection[str] | None = None) -> pd.DataFrame:
        """Return table `field_provenance`, or some of its columns, a row per run and field."""
        return in_words(table_of(self.pieces, self.runs, columns))

    def endless(self) -> pd.DataFrame:
        """Return the rows of table `field_provenance` whose interval has no end."""
        pieces = []
        for piece in self.pieces:
            bad = np.isinf(piece.p05) | np.isinf(piece.p95)
            if bad.any():
                taken = np.broadcast_to(bad, len(piece.value))[piece.of]
                pieces.append(replace(piece, rows=piece.rows[taken], of=piece.of[taken]))
        return in_words(table_of(pieces, self.runs))


def table_of(
    pieces: list[Piece], runs: pd.DataFrame, columns: Collection[str] | None = None
) -> pd.DataFrame:
    """Return pieces as table `field_provenance`, ordered by run and field, texts as categories.

    It is made by column, and of texts each answer's once: a fleet has millions of rows.
    """
    wanted = FIELD_PROVENANCE.names if columns is None else columns
    if not pieces:
        return empty(FIELD_PROVENANCE)[list(wanted)]
    at, of = (np.concatenate([getattr(piece, part) for piece in pieces]) for part in ("rows", "of"))
    number = np.repeat(np.arange(len(pieces)), [len(piece.rows) for piece in pieces])
    ids, rank = np.unique(runs["run_id"], return_inverse=True)
    of_field = np.unique([piece.field for piece in pieces], return_inverse=True)[1]
    order = np.argsort(rank[at] * len(pieces) + of_field[number], kind="stable")
    at, of, number = at[order], of[order], number[order]

    def told(part: Callable[[Piece], Any], kind: str = "float64") -> tuple[np.ndarray, np.ndarray]:
        """Return the cells of all pieces, of some one for all answers, and each row's place."""
        cells = [np.array(part(piece), dtype=kind, ndmin=1) for piece in pieces]
        sizes = np.array([len(each) for each in cells])
        starts = np.cumsum(sizes) - sizes
        return np.concatenate(cells), starts[number] + np.where(sizes[number] > 1, of, 0)

    def numbers(part: Callable[[Piece], Any]) -> np.ndarray:
        cells, place = told(part)
        return np.asarray(cells[place])

    def texts(part: Callable[[Piece], Any]) -> pd.Categorical:
        cells, place = told(part, "object")
        codes, words = pd.factorize(cells)
        return categories(codes[place], words)

    records = records_of(runs)
    cells: dict[str, Callable[[], Any]] = {
        "date": lambda: runs["date"].array.take(at),
        "run_id": lambda: categories(rank[at], ids),
        "field": lambda: texts(lambda piece: piece.field),
        "value": lambda: texts(lambda piece: as_text(piece.value)),
        "p05": lambda: numbers(lambda piece: piece.p05),
        "p95": lambda: numbers(lambda piece: piece.p95),
        "basis": lambda: texts(lambda piece: piece.basis),
        "rule": lambda: texts(lambda piece: piece.rule),
        "factor_id": lambda: texts(lambda piece: piece.factor_id),
        "source": lambda: texts(partial(source_of, records)),
    }
    made = pd.DataFrame({name: cells[name]() for name in wanted}, copy=False)
    return conform(made, FIELD_PROVENANCE, wanted, coded=True)


def records_of(runs: pd.DataFrame) -> pd.Series:
    """Return how the record of each run is named."""
    return origins.place(runs["source_uri"], runs["source_record"])


def source_of(records: pd.Series, piece: Piece) -> Any:
    """Return the source of each answer; that of a logged value is the run's record, unless told."""
    if piece.rule != AS_LOGGED or piece.told is Told.RUN:
        return piece.source
    return records.array.take(piece.rows)


def among(piece: Piece, wanted: np.ndarray) -> Piece:
    """Return what was given to some of the runs of a piece, each an answer of its own."""
    parts = ("value", "basis", "log_sd", "skew", "p05", "p95", "factor_id", "source")
    cells = {name: getattr(piece, name) for name in parts}
    kept = {name: part[piece.of[wanted]] if np.ndim(part) else part for name, part in cells.items()}
    return replace(piece, rows=piece.rows[wanted], of=np.arange(wanted.sum()), **kept)


def _coded(texts: pd.Series) -> tuple[np.ndarray, np.ndarray]:
    """Return the place of each text among the distinct ones, and these, with None after them."""
    code, distinct = pd.factorize(texts)
    return code, np.array([*distinct, None], dtype="object")


def as_text(values: Any) -> np.ndarray:
    """Return each cell as text."""
    if isinstance(values.dtype, pd.DatetimeTZDtype):
        return _in_iso(np.asarray(values.tz_localize(None)))
    write = "{:.12g}".format if values.dtype == "float64" else str
    return np.array(list(map(write, values.tolist())), dtype="object")


def _in_iso(instants: np.ndarray) -> np.ndarray:
    """Return instants of UTC as Python's `isoformat` does, in as few digits as each needs."""
    texts = np.full(len(instants), None)
    left = np.arange(len(instants))
    for unit in ("s", "us", "ns"):
        rounded = instants[left].astype(f"datetime64[{unit}]")
        fits = rounded == instants[left]
        texts[left[fits]] = np.char.add(np.datetime_as_string(rounded[fits]), "+00:00")
        left = left[~fits]
    return texts
