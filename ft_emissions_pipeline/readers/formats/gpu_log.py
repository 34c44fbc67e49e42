"""Read what people's own scripts write of GPUs: power and utilisation by time, as CSV.

Two layouts: a line per GPU and moment with a column that says which GPU, or a line per moment with
columns per GPU (`GPU0,GPU1`, `gpu_0_power_w`). The unit stands in the column's name (W, mW, kW) or
in each cell (`300.00 W`, `90 %`); without any, power is in watts. Where nothing says which GPU a
line is of, the lines of one moment are one GPU each, so that their sum is known.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial, reduce
from itertools import starmap
from operator import or_

import numpy as np
import pandas as pd

from ft_emissions_pipeline.readers.cells import numbers, of_each, one_text
from ft_emissions_pipeline.readers.reading import Reading, RefusalError, Refused, Settings
from ft_emissions_pipeline.readers.shared.gpu_columns import (
    INDICES,
    MODELS,
    SERIALS,
    WATTS,
    Measured,
    by_place,
    column_of,
    indices,
    measured_in,
    names_a_gpu,
    time_in,
)
from ft_emissions_pipeline.readers.shared.samples import (
    MISFIT,
    Samples,
    again,
    hashed_hosts,
    host_in,
    rows_without,
    telemetry_reading,
    times_of,
)
from ft_emissions_pipeline.readers.sheets import Sheet, Types, header_of, sheet_of, sheets_of
from ft_emissions_pipeline.tables import rows
from ft_emissions_pipeline.tables.words import Basis, Content

FORMAT = "gpu_log"
LOG = "CSV of one's own script: times, and power or utilisation of each GPU"
TELLS = "measured power and utilisation of each GPU, by time"
LACKS = "the machine (name a folder `host=<name>`), the run, everything but the GPUs"
CONTENT: Content = "telemetry"
PROGRESS = None
BASIS = {"*": Basis.MEASURED}

_EARLIEST = pd.Timestamp("2010-01-01", tz="UTC")
"""A time before is none of Unix, but counts from the start of the log."""
_MOST_W = 5000.0
"""Watts that no accelerator reaches; the library of the driver tells milliwatts."""


def recognises(name: str, head: bytes) -> bool:
    """Say whether the columns are a time and power or utilisation, and the file names a GPU."""
    if not name.endswith((".csv", ".tsv", ".txt", ".log")):
        return False
    header, delimiter = header_of(head)
    return (
        time_in(header) is not None
        and bool(measured_in(header))
        and names_a_gpu(name, header, head, delimiter)
    )


def read(data: bytes, uri: str, settings: Settings) -> Reading:
    """Read the samples of a file; each GPU's cells in a line are a record."""
    sheet = sheet_of(data)
    return telemetry_reading(
        *samples_of(sheet, uri, settings, convention([facts(sheet, settings)]))
    )


def types(header: list[str]) -> Types:
    """Return which columns hold instants and numbers."""
    time = time_in(header)
    return Types(
        frozenset({time} if time else ()), frozenset(m.column for m in measured_in(header))
    )


sheets = partial(sheets_of, types=types)


@dataclass(frozen=True)
class Cells:
    """What the cells of a column of a piece look like, so far as all pieces must agree on it."""

    filled: int
    many_watts: int
    """Cells above what an accelerator draws."""
    most: float
    fractions: bool
    """Whether, where none is above 1, some are no whole numbers."""
    percent: bool
    watts: bool

    def __or__(self, other: Cells) -> Cells:
        """Return what the cells of two pieces look like."""
        return Cells(
            self.filled + other.filled,
            self.many_watts + other.many_watts,
            max(self.most, other.most),
            self.fractions or other.fractions,
            self.percent or other.percent,
            self.watts or other.watts,
        )


@dataclass(frozen=True)
class Facts:
    """What of a piece all pieces of a file must agree on."""

    columns: tuple[Measured, ...]
    cells: tuple[Cells, ...]
    timed: int
    early: int
    index: str | None
    named: int
    indices: int
    serial: str | None


@dataclass(frozen=True)
class Convention:
    """What the columns of a file hold."""

    device: str
    """By what GPUs are told apart: `index`, `serial`, `place` or `columns`."""
    column: str
    """That of the index or the serial names."""
    scales: tuple[tuple[Measured, float], ...]


def facts(sheet: Sheet, settings: Settings) -> Facts:
    """Return what of a piece all pieces of the file must agree on."""
    time, columns = time_in(sheet.header), measured_in(sheet.header)
    if time is None or not columns:
        msg = "lacks a column of times, or of power or utilisation; name the unit in the header"
        raise RefusalError(msg, "missing_columns")
    at, _ = times_of(sheet, time, settings.timezone)
    index = column_of(sheet.header, INDICES)
    names = pd.Series(dtype="int64") if index is None else sheet.frame[index].value_counts()
    texts = pd.Series(names.index.astype("str"), index=names.index)
    return Facts(
        tuple(columns),
        tuple(_look(sheet, column) for column in columns),
        int(at.notna().sum()),
        int((at < _EARLIEST).sum()),
        index,
        int(names[texts.str.strip() != ""].sum()),
        int(names[indices(texts).notna()].sum()),
        column_of(sheet.header, SERIALS),
    )


def convention(found: Sequence[Facts]) -> Convention:
    """Return what the columns of a file hold, as all its pieces show together."""
    first = found[0]
    timed, early = sum(each.timed for each in found), sum(each.early for each in found)
    if 2 * early > timed:
        msg = "the times count from the start of the log; write the instant, or Unix seconds"
        raise RefusalError(msg, "bad_timestamp")
    cells = [reduce(or_, pieces) for pieces in zip(*(each.cells for each in found), strict=True)]
    scales = tuple(starmap(_scaled, zip(first.columns, cells, strict=True)))
    numbered = 2 * sum(each.indices for each in found) > sum(each.named for each in found)
    if all(column.device is not None for column in first.columns):
        return Convention("columns", "", scales)
    if first.index is not None and numbered:
        return Convention("index", first.index, scales)
    if first.serial is not None:
        return Convention("serial", first.serial, scales)
    return Convention("place", "", scales)


def in_blocks(told: Convention) -> bool:
    """Say whether a piece of the file can be read without the others."""
    return told.device != "place"


def samples_of(sheet: Sheet, uri: str, settings: Settings, told: Convention) -> Samples:
    """Return the samples of a file or of a piece of it."""
    time = str(time_in(sheet.header))
    at, bad_time = times_of(sheet, time, settings.timezone)
    cells = {column.column: _values(sheet, column, scale) for column, scale in told.scales}
    refused = _refused(sheet, time, bad_time, cells)
    lines = sheet.frame.index
    kept = rows_without(lines.to_numpy(), refused)
    devices = _devices(sheet, at[kept], told)
    pieces = [
        _samples(sheet, at, uri, devices if device is None else device, found)
        for device, found in _by_device(cells).items()
    ]
    samples = pieces[0] if len(pieces) == 1 else pd.concat(pieces, ignore_index=True)
    blank = samples["watts"].isna() & samples["utilization"].isna()
    good = np.tile(kept, len(pieces)) & ~blank.to_numpy()
    samples = samples if good.all() else samples[good]
    refused += sheet.refused_misfits(MISFIT)
    silent = int(kept.sum()) - (len(samples) if len(pieces) == 1 else samples["record"].nunique())
    return Samples(samples, len(samples) + silent, refused)


@dataclass(frozen=True)
class _Values:
    field: str
    device: str | None
    values: pd.Series
    bad: np.ndarray


def _written(sheet: Sheet, column: Measured) -> tuple[pd.Series, pd.Series | None, np.ndarray]:
    """Return the numbers of a column, their units where cells may have any, and what is neither."""
    cells = sheet.frame[column.column]
    if pd.api.types.is_numeric_dtype(cells):
        values, bad = numbers(cells)
        return values, None, bad
    text = cells.astype("str").str.strip()
    if sheet.delimiter == ";":
        text = text.str.replace(",", ".", regex=False)
    text = text.mask(text.str.fullmatch(r"\[.*\]|n/?a|nan|none|null|-", case=False, na=False))
    parts = text.str.extract(r"^(\S+?)\s*([A-Za-z%]*)$")
    values, bad = numbers(parts[0])
    bad |= (text.notna() & parts[0].isna() & text.ne("")).to_numpy()
    return values, parts[1].str.casefold().where(text.notna()).fillna(""), bad


def _look(sheet: Sheet, column: Measured) -> Cells:
    values, units, _ = _written(sheet, column)
    most = float(values.max()) if values.notna().any() else -np.inf
    return Cells(
        int(values.notna().sum()),
        int((values > _MOST_W).sum()),
        most,
        most <= 1 and bool((values % 1 > 0).any()),
        units is not None and bool(units.eq("%").any()),
        units is not None and bool(units.isin(list(WATTS)).any()),
    )


def _scaled(column: Measured, cells: Cells) -> tuple[Measured, float]:
    """Return a column with what it holds, and by what its numbers are divided."""
    told = replace(column, field=column.field or _field(cells))
    if told.field == "utilization":
        share = cells.most <= 1 and not cells.percent and cells.fractions
        return told, 1.0 if share else 100.0
    if told.watts is not None:
        return told, 1.0 / told.watts
    # The library of the driver tells milliwatts.
    return told, 1e3 if 2 * cells.many_watts > cells.filled else 1.0


def _field(cells: Cells) -> str:
    """Return what a column like `GPU0` holds: its cells say so, or reach what no share does."""
    if cells.percent:
        return "utilization"
    if cells.watts or cells.most > 100:
        return "watts"
    msg = (
        "the columns of the GPUs state no unit and stay below 100: watts or percent; "
        "write the unit into the header, like gpu0_w or gpu0_util_pct"
    )
    raise RefusalError(msg, "missing_columns")


def _values(sheet: Sheet, column: Measured, scale: float) -> _Values:
    """Return watts or a share of each cell; the unit in a cell goes before that of the header."""
    values, units, bad = _written(sheet, column)
    if units is None:
        return _Values(column.field, column.device, values / scale, bad)
    if column.field == "utilization":
        bad |= ~units.isin(["", "%", "pct", "percent"]).to_numpy()
        return _Values(column.field, column.device, values / scale, bad)
    watts = units.map(WATTS).astype("float64")
    bad |= (watts.isna() & units.ne("")).to_numpy()
    drawn = (values * watts).where(watts.notna(), values / scale)
    return _Values(column.field, column.device, drawn, bad)


def _refused(
    sheet: Sheet, time: str, bad_time: np.ndarray, cells: dict[str, _Values]
) -> list[Refused]:
    frame = sheet.frame
    checks: list[rows.Check] = [
        (again(bad_time, frame[time], time), "junk_row",
         lambda _: "the header again: the script was started once more; remove the line"),
        (bad_time, "bad_timestamp",
         lambda i: f"{time} is {frame[time].iloc[i]!r}; write it as 2026-03-01T12:00:00Z"),
    ]  # fmt: skip
    for name, found in cells.items():
        most = 1.0 if found.field == "utilization" else np.inf
        outside = (found.values < 0) | (found.values > most)
        checks += [
            (found.bad, "not_a_number",
             _says(frame[name], ", no number with a unit of power or %; correct it")),
            (outside.to_numpy(), "out_of_range",
             _says(frame[name], ": below 0 or above 100 %; remove the line")),
        ]  # fmt: skip
    missing = np.logical_and.reduce([found.values.isna() for found in cells.values()])
    checks.append(
        (missing, "missing_value",
         lambda _: "neither power nor utilisation: the GPU does not report them")
    )  # fmt: skip
    return sheet.refused(checks)


def _says(cells: pd.Series, what: str) -> Callable[[int], str]:
    return lambda i: f"{cells.name} is {cells.iloc[i]!r}{what}"


def _by_device(cells: dict[str, _Values]) -> dict[str | None, dict[str, pd.Series]]:
    """Return device -> field -> values; of several columns of one field the first counts."""
    found: dict[str | None, dict[str, pd.Series]] = {}
    for each in cells.values():
        found.setdefault(each.device, {}).setdefault(each.field, each.values)
    return found


def _devices(sheet: Sheet, at: pd.Series, told: Convention) -> pd.Series:
    """Return which GPU each line is of, in the layout of a line per GPU."""
    if told.device == "index":
        return of_each(sheet.frame[told.column], lambda cells: indices(cells).fillna("0"))
    if told.device == "serial":
        return of_each(sheet.frame[told.column], lambda cells: hashed_hosts(cells).fillna("0"))
    return by_place(at, sheet.frame.index)


def _samples(
    sheet: Sheet, at: pd.Series, uri: str, device: pd.Series | str, found: dict[str, pd.Series]
) -> pd.DataFrame:
    lines = sheet.frame.index
    model = column_of(sheet.header, MODELS)
    blank = pd.Series(np.nan, index=lines)
    named = {} if model is None else {"gpu_model": of_each(sheet.frame[model], _stripped)}
    return pd.DataFrame(
        {
            "at": at,
            "record": lines,
            "device": one_text(device, lines) if isinstance(device, str) else device,
            "host": one_text(host_in(uri), lines),
            "watts": found.get("watts", blank),
            "utilization": found.get("utilization", blank),
            **named,
        },
        index=lines,
        copy=False,
    )


def _stripped(cells: pd.Series) -> pd.Series:
    return cells.str.strip()
