"""Check rows against their table's declaration and say what is wrong with those that break it.

Put here: the vectorised check of bounds, allowed values, required cells and row rules, for any
table. Keep out: the declarations themselves (`tables/`), and what happens to a refused row
(quarantine).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from functools import cache

import numpy as np
import pandas as pd

from ft_emissions_pipeline.tables import EARLIEST, TABLES, Column, Table
from ft_emissions_pipeline.tables.schema import must_be

CODES: dict[str, str] = {
    "missing_value": "a required cell is empty",
    "not_a_number": "a cell that should hold a number holds text, nan or an infinity",
    "out_of_range": "a value lies outside the range that `tables/` declares for its column",
    "not_allowed": "a value is none of those that `tables/` allows for its column",
    **{rule.code: rule.description for table in TABLES.values() for rule in table.row_rules},
}
"""Reason code -> explanation, for every problem that `split` can find."""

_FEW = 100
"""Cells up to which plain Python is faster than pandas."""

Check = tuple[np.ndarray, str, Callable[[int], str]]
"""Rows that break it, reason code, and the reason for one of those rows by its position."""


def split(
    frame: pd.DataFrame, table: Table, ignore: Collection[str] = ()
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Part the rows that keep a table's declaration from those that break it.

    Parameters
    ----------
    frame : pandas.DataFrame
        Rows, columns in the pandas types of `tables.conform`. Columns may be missing; a row rule
        over a missing column counts as kept.
    table : Table
        Declaration to check against.
    ignore : collection of str
        Columns and row-rule codes that are not checked, for instance columns filled in later.

    Returns
    -------
    accepted : pandas.DataFrame
        The rows that keep it, unchanged.
    refused : pandas.DataFrame
        source_record, reason_code, reason: one row per refused row, its first reason, with the
        refused row's index label. Without a source_record column the table's key stands in.

    Raises
    ------
    ValueError
        If a required column is missing and not ignored.
    """
    absent = [
        column.name
        for column in table.columns
        if column.required and column.name not in frame and column.name not in ignore
    ]
    if absent:
        msg = f"table {table.name} needs column(s) {', '.join(absent)}; give them or ignore them"
        raise ValueError(msg)
    found = first_refusals(len(frame), _checks(frame, table, ignore))
    if found.empty:
        return frame, _no_refusals().copy(deep=False)
    positions = found.index.to_numpy()
    refused = frame.iloc[positions]
    found.index = refused.index
    found["source_record"] = _places(refused, table)
    return frame.drop(index=refused.index), found[_COLUMNS]


_COLUMNS = ["source_record", "reason_code", "reason"]


def first_refusals(rows: int, checks: Iterable[Check]) -> pd.DataFrame:
    """Return code and reason of each row that breaks a check, by position; the first one wins."""
    taken = np.zeros(rows, dtype=bool)
    positions: list[int] = []
    codes: list[str] = []
    reasons: list[str] = []
    for breaks, code, reason in checks:
        if not breaks.any():
            continue
        fresh = np.flatnonzero(breaks & ~taken)
        taken[fresh] = True
        positions += fresh.tolist()
        codes += [code] * len(fresh)
        reasons += [reason(position) for position in fresh.tolist()]
    if not positions:
        return _no_refusals().copy(deep=False)
    found = pd.DataFrame({"reason_code": codes, "reason": reasons}, index=positions, dtype="str")
    return found.sort_index()


@cache
def _no_refusals() -> pd.DataFrame:
    """Return refusals without rows, made once: most files have none."""
    return pd.DataFrame(columns=_COLUMNS, index=pd.Index([], dtype="int64"), dtype="str")


def _checks(frame: pd.DataFrame, table: Table, ignore: Collection[str]) -> Iterator[Check]:
    present = [c for c in table.columns if c.name in frame and c.name not in ignore]
    fitting = _fitting_numbers(frame, present)
    for column in present:
        # Of a text that may be anything nothing is asked.
        asked = column.required or column.allowed or column.kind not in {"string", "boolean"}
        if asked and column.name not in fitting:
            yield from _column_checks(frame[column.name], column)
    for rule in table.row_rules:
        if rule.code not in ignore:
            holds = _held(frame, table, rule.holds)
            reason = f"{rule.description}; correct the log, or state the right values in runs.yaml"
            yield ~holds, rule.code, _constant(reason)


def _fitting_numbers(frame: pd.DataFrame, columns: Collection[Column]) -> set[str]:
    """Return the columns of numbers that keep their bounds in every row, seen all at once."""
    numeric = [column for column in columns if column.kind in {"float", "integer"}]
    if not numeric or frame.empty:
        return set()
    values = frame[[column.name for column in numeric]].to_numpy(dtype="float64")
    least, most = np.fmin.reduce(values, initial=np.inf), np.fmax.reduce(values, initial=-np.inf)
    whole = ~np.isnan(values).any(axis=0)
    return {
        column.name
        for column, low, high, full, each in zip(numeric, least, most, whole, values.T, strict=True)
        if (full or not column.required)
        and low > (0.0 if column.above_zero else -np.inf)
        and low >= (-np.inf if column.minimum is None else column.minimum)
        and high <= (np.finfo(float).max if column.maximum is None else column.maximum)
        # The least above 0 can be as small as a column allows, but 0 itself stands beside it.
        and (
            low >= (column.smallest or -np.inf)
            or each[each > 0].min(initial=np.inf) >= column.smallest
        )
    }


def unsound(frame: pd.DataFrame, table: Table) -> pd.Series:
    """Return what no figure may be, in words and by row, for the rows of which that holds.

    A number must be finite where it is needed or given, and lie within its interval. Whether it
    lies within the bounds of its declaration is another question: a stage that computes otherwise
    is at fault itself.

    Parameters
    ----------
    frame : DataFrame
        Rows that a stage made.
    table : Table
        Their table.
    """
    found = first_refusals(len(frame), _impossible(frame, table))["reason"]
    return found.set_axis(frame.index[found.index])


def _impossible(frame: pd.DataFrame, table: Table) -> Iterator[Check]:
    numbers = {column.name: column for column in table.columns if column.kind == "float"}
    cells = frame[list(numbers)].to_numpy(dtype="float64", na_value=np.nan)
    figures = dict(zip(numbers, cells.T, strict=True))
    whole = np.isfinite(cells).all(axis=0)
    for (name, values), finite in zip(figures.items(), whole, strict=True):
        if not finite:
            missing = np.isnan(values) if numbers[name].required else False
            yield np.isinf(values) | missing, "", _constant(f"{name} is not finite")
        low, high = (figures.get(f"{name}_{end}") for end in ("p05", "p95"))
        if low is not None and high is not None:
            outside = (values < low) | (values > high)
            yield outside, "", _constant(f"{name} lies outside its interval")


def out_of_range(frame: pd.DataFrame, table: Table) -> pd.Series:
    """Return in words, by row, the first bound of its declaration that a row does not keep."""
    bounded = [column for column in table.columns if column.kind not in {"string", "boolean"}]
    fitting = _fitting_numbers(frame, bounded)
    checks = (
        check
        for column in bounded
        if column.name not in fitting
        for check in _column_checks(frame[column.name], column)
    )
    if not any(code == "out_of_range" and breaks.any() for breaks, code, _ in checks):
        return _no_refusals()["reason"]
    _, refused = split(frame, table)
    if refused.empty:
        return refused["reason"]
    beyond = refused.loc[refused["reason_code"] == "out_of_range", "reason"]
    return beyond.str.split(";").str[0]


def _constant(reason: str) -> Callable[[int], str]:
    return lambda _: reason


def _held(
    frame: pd.DataFrame, table: Table, holds: Callable[[pd.DataFrame], pd.Series]
) -> np.ndarray:
    try:
        return np.asarray(holds(frame).fillna(True), dtype=bool)
    except KeyError as missing:
        if missing.args[0] not in table.names:
            raise
        return np.ones(len(frame), dtype=bool)


def _column_checks(values: pd.Series, column: Column) -> Iterator[Check]:
    given = ~np.asarray(values.array.isna())
    if column.required:
        yield (
            ~given,
            "missing_value",
            lambda _: f"{column.name} is empty; every row needs it: add it to the log",
        )
    if not given.any():
        return
    if column.kind in {"float", "integer"}:
        yield from _number_checks(values, given, column)
    elif column.kind in {"timestamp", "date"}:
        earliest = EARLIEST if column.kind == "timestamp" else EARLIEST.tz_localize(None)
        yield (
            (values < earliest).to_numpy(),
            "out_of_range",
            lambda i: (
                f"{column.name} is {values.iloc[i]}, before {EARLIEST.date()}: "
                "a wrong clock or a wrong unit; correct it"
            ),
        )
    elif column.allowed:
        # Of few cells a set is made ten times faster than pandas looks into them.
        few = len(values) < _FEW and set(values.array[given]) <= set(column.allowed)
        yield (
            np.zeros(len(values), dtype=bool)
            if few
            else given & ~values.isin(column.allowed).to_numpy(),
            "not_allowed",
            lambda i: f"{column.name} is {values.iloc[i]!r}, {must_be(column)}; correct it",
        )


def _number_checks(values: pd.Series, given: np.ndarray, column: Column) -> Iterator[Check]:
    numbers = values.to_numpy(dtype="float64", na_value=np.nan)
    yield (
        np.isinf(numbers),
        "not_a_number",
        lambda i: f"{column.name} is {numbers[i]}; write a finite number or leave it empty",
    )
    low = -np.inf if column.minimum is None else column.minimum
    high = np.inf if column.maximum is None else column.maximum
    outside = (numbers < low) | (numbers > high)
    if column.above_zero:
        outside |= numbers <= 0
    if column.smallest is not None:
        outside |= (numbers > 0) & (numbers < column.smallest)
    yield (
        given & outside,
        "out_of_range",
        lambda i: (
            f"{column.name} is {numbers[i]:g}, {must_be(column)}; "
            "correct the unit or the value, or leave it empty"
        ),
    )


def _places(refused: pd.DataFrame, table: Table) -> pd.Series:
    if "source_record" in refused:
        return refused["source_record"]
    keys = [name for name in table.key if name in refused]
    return refused[keys].astype("str").agg("/".join, axis=1) if keys else refused.index.astype(str)
