"""Kinds of runs: what look-ups may ask of a run, and which runs ask alike.

Put here: the fields that make a kind, and the code of each run's. Keep out: the answers, which the
rules give once per kind (`filling.py`), and the stamps that name a kind's factors
(`factors_used.py`).

A fleet has few kinds. Runs of one kind have the same names, the same fields logged on the same
bases, and days within one year and one period of every factor; they differ in amounts and instants.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from ft_emissions_pipeline.normalize.columns import Frame
from ft_emissions_pipeline.normalize.memory import Memory
from ft_emissions_pipeline.readers.origins import Origins
from ft_emissions_pipeline.reference import Reference, period_starts
from ft_emissions_pipeline.tables import RUN_FIELDS, RUNS

PER_RUN = frozenset({"run_id", "job_id", "host", "model_name", "parent_version"})
"""Texts by which nothing is looked up; whether they are there may matter all the same."""

INSTANCES, SLICES = "instances", "slices"
"""Columns with logged counts that are none of whole servers and none of whole accelerators."""

ASKED_BY_SIZE = ("gpu_count", "gpu_max_w", "server_count", "world_size", "model_parameters")
"""Numbers that decide which row answers."""

LENGTHS = "token_lengths"
"""A text that is an amount: nothing is looked up by it, but tokens are computed from it."""

_NAMES = tuple(
    column.name
    for column in RUNS.columns
    if column.kind in ("string", "boolean")
    and column.name in RUN_FIELDS
    and column.name not in {*PER_RUN, LENGTHS}
)

ROUTE = "energy_route"
"""Column with what a run's energy rests on."""

TIMED = "timed"
"""Column with what `is_timed` says of the runs as logged."""

SHARED = ("date", *_NAMES, *ASKED_BY_SIZE, INSTANCES, SLICES, "source_format", ROUTE, TIMED)
"""Columns that the runs of a kind have in common; of the day, its year and periods."""


def is_timed(frame: Frame) -> pd.Series:
    """Say which runs log how long they took, so that nothing need be predicted from tokens."""
    started, ended = (frame[name].to_numpy("datetime64[us]") for name in ("started_at", "ended_at"))
    reserved, active = (frame[name].to_numpy("float64") for name in ("reserved_s", "active_s"))
    return pd.Series(~np.isnan(reserved) | (active > 0) | (ended > started), frame.index)


def codes_of(*parts: Any) -> np.ndarray:
    """Return a code by row, numbered by first appearance: equal where all parts are."""
    found = np.zeros(len(parts[0]), dtype="int64")
    for part in parts if len(found) > 1 else ():
        codes, values = pd.factorize(part)
        if len(values) > codes.min() + 1:  # else all rows have the same, or nothing
            found, _ = pd.factorize(found * (len(values) + 1) + codes + 1)
    return found


def first_of(codes: np.ndarray) -> np.ndarray:
    """Return the first row of each code."""
    first = np.empty(codes.max(initial=-1) + 1, dtype="int64")
    first[codes[::-1]] = np.arange(len(codes))[::-1]  # the last write wins
    return first


def _spans(days: np.ndarray, reference: Reference) -> np.ndarray:
    """Return a number by day: equal within a year, where no row of a table begins or ends."""
    of, known = pd.factorize(days)
    starts = period_starts(reference)
    period = np.searchsorted(starts, known.astype("datetime64[D]"), side="right")
    year = known.astype("datetime64[Y]").astype("int64")
    return np.asarray((year * (len(starts) + 1) + period)[of])


def _bases(known: Mapping[int, Origins], rows: int) -> np.ndarray:
    """Return on which bases the fields of each run stand that has origins of its own."""
    bases = np.full(rows, None)
    for at, each in known.items():
        bases[at] = (*each, *(origin.basis for origin in each.values()))
    return bases


def _cells(part: Any, missing: np.ndarray | None, rows: np.ndarray) -> list[object]:
    """Return some cells; all that is missing is one and the same."""
    if missing is not None and missing[rows].all():
        return [None] * len(rows)
    cells = np.array(part.take(rows), dtype="object")
    cells[pd.isna(cells)] = None
    return list(cells)


@dataclass(frozen=True)
class Kinds:
    """Kinds of some runs: the code of each run's, the first run of each, and its number.

    By its number a kind is known again when other runs are of it (`memory.py`).
    """

    code: np.ndarray
    first: np.ndarray
    numbers: tuple[int, ...]
    memory: Memory

    @classmethod
    def of(
        cls,
        columns: Mapping[str, Any],
        missing: Mapping[str, np.ndarray],
        known: Mapping[int, Origins],
        memory: Memory,
    ) -> Kinds:
        """Return the kinds of runs, by their columns and where these are missing.

        `known` are the origins of runs that have their own, by row.
        """
        rows = len(columns["date"])
        parts = {name: columns[name] for name in SHARED[1:] if name in columns}
        parts["span"] = _spans(columns["date"], memory.reference)
        parts["bases"] = _bases(known, rows)
        gaps = np.array([missing[name] for name in RUN_FIELDS])
        mixed = gaps[gaps.any(axis=1) & ~gaps.all(axis=1)]
        empty = {name for name, gap in missing.items() if gap.all()}
        told = (part for name, part in parts.items() if name not in empty)
        code = codes_of(*told, *mixed)
        first = first_of(code)
        cells = [_cells(part, missing.get(name), first) for name, part in parts.items()]
        bits = np.packbits(gaps[:, first], axis=0).T
        each = zip(map(bytes, bits), *cells, strict=True)
        return cls(code, first, tuple(memory.number((*parts, *kind)) for kind in each), memory)

    def numbered(self, at: np.ndarray) -> tuple[int, ...]:
        """Return the numbers of some of the kinds."""
        if len(at) == len(self.numbers):
            return self.numbers
        return tuple(self.numbers[kind] for kind in at.tolist())

    def parted(self, rule: int, rows: np.ndarray, factor_id: np.ndarray | str | None) -> Kinds:
        """Part the runs that a rule answered from the others of their kind, by factor."""
        ids = np.array(factor_id, dtype="object", ndmin=1)
        codes, factors = pd.factorize(ids, use_na_sentinel=False)
        marks = np.zeros(len(self.code), dtype="int64")
        marks[rows] = codes + 1
        code, first = self.code, self.first
        if marks.min() < marks.max():
            code = codes_of(code, marks)
            first = first_of(code)
        numbers = tuple(
            self.memory.number((self.numbers[old], rule, factors[mark - 1]))
            if mark
            else self.numbers[old]
            for old, mark in zip(self.code[first].tolist(), marks[first].tolist(), strict=True)
        )
        return Kinds(code, first, numbers, self.memory)
