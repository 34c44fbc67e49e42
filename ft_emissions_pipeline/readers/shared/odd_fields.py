"""Keep a run of which one field makes no sense: the field is left out, and the run says so.

Put here: what machines write in place of a value, and how a record is read without its odd fields.
Keep out: values that people wrote (`labels.py`), which are refused so that they can be corrected.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import pandas as pd

from ft_emissions_pipeline.readers import repairs
from ft_emissions_pipeline.readers.reading import RefusalError
from ft_emissions_pipeline.tables import EARLIEST, RUNS

ODD = "odd_value_left_out"
"""Repair, before the field that was left out."""
_EVIDENCE = (
    "reserved_s", "active_s", "tokens_padded", "tokens_unpadded", "it_energy_kwh", "gpu_energy_kwh",
)  # fmt: skip
"""Fields without all of which a run tells nothing; then what was wrong is worth a refusal."""


def without_odd_fields(
    run: Callable[[Mapping[str, object]], dict[str, object]], log: Mapping[str, object]
) -> dict[str, object]:
    """Return the fields of a run without those that make no sense or break their column's bounds.

    Parameters
    ----------
    run : callable
        Returns the fields of a logged record, or raises `RefusalError`.
    log : mapping
        The record.

    Raises
    ------
    RefusalError
        If the record is none of a run, or nothing that tells of one is left.
    """
    first: RefusalError | None = None
    odd: list[str] = []
    while True:
        try:
            fields = run(log)
            break
        except RefusalError as error:
            first = first or error
            fitting = None if error.field is None else _without(log, error.field.split("."))
            if not isinstance(fitting, dict) or fitting == log:
                raise
            log = fitting
            odd.append(str(error.field))
    outside = [name for name, value in fields.items() if not _fits(name, value)]
    kept = {name: value for name, value in fields.items() if name not in outside}
    if (odd or outside) and not any(kept.get(name) is not None for name in _EVIDENCE):
        if first is not None:
            raise first
        return fields
    fields = kept
    words = [str(fields.get("repairs") or ""), *(f"{ODD}:{name}" for name in (*odd, *outside))]
    return {**fields, "repairs": repairs.joined(words)}


def _without(value: object, path: Sequence[str]) -> object:
    """Return a document without a key, wherever it is; a path names keys from outside in."""
    if isinstance(value, list):
        return [_without(inner, path) for inner in value]
    if not isinstance(value, dict):
        return value
    kept: dict[object, object] = {}
    for name, inner in value.items():
        here = _bare(str(name)) == _bare(path[0])
        if not here:
            kept[name] = _without(inner, path)
        elif len(path) > 1:
            kept[name] = _without(inner, path[1:])
    return kept


def _bare(key: str) -> str:
    """Return a key as it compares: readers take camelCase and snake_case alike."""
    return key.replace("_", "").casefold()


def _fits(name: str, value: object) -> bool:
    if isinstance(value, pd.Timestamp):
        return bool(value >= EARLIEST)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or name not in RUNS.names:
        return True
    column = RUNS.column(name)
    low = -math.inf if column.minimum is None else column.minimum
    high = math.inf if column.maximum is None else column.maximum
    tiny = 0 < value < (column.smallest or 0.0)
    return low <= value <= high and not tiny and not (column.above_zero and value <= 0)
