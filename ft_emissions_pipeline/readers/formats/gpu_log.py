"""Read what people's own scripts write of GPUs: power and utilisation by time, as CSV.

Two layouts: a line per GPU and moment with a column that says which GPU, or a line per moment with
columns per GPU (`GPU0,GPU1`, `gpu_0_power_w`). The unit stands in the column's name (W, mW, kW) or
in each cell (`300.00 W`, `90 %`); without any, power is in watts. Where nothing says which GPU a
line is of, the lines of one moment are one GPU each, so that their sum is known.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from ft_emissions_pipeline.readers.documents import Sheet, header_of, sheet_of
from ft_emissions_pipeline.readers.reading import (
    Reading,
    RefusalError,
    Refused,
    Settings,
    numbers,
    refused_rows,
)
from ft_emissions_pipeline.readers.shared.gpu_columns import (
    WATTS,
    Measured,
    by_place,
    index_in,
    indices,
    measured_in,
    model_in,
    names_a_gpu,
    serial_in,
    time_in,
)
from ft_emissions_pipeline.readers.shared.samples import (
    hashed_hosts,
    host_in,
    telemetry_reading,
    times,
)
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
    time, columns = time_in(sheet.header), measured_in(sheet.header)
    if time is None or not columns:
        msg = "lacks a column of times, or of power or utilisation; name the unit in the header"
        raise RefusalError(msg, "missing_columns")
    at, bad_time = times(sheet.frame[time], settings.timezone)
    if at.notna().any() and at.median() < _EARLIEST:
        msg = f"{time} counts from the start of the log; write the instant, or Unix seconds"
        raise RefusalError(msg, "bad_timestamp")
    cells = {column.column: _cells(sheet, column) for column in columns}
    refused = _refused(sheet, time, bad_time, cells)
    kept = ~sheet.frame.index.astype("str").isin([record for record, *_ in refused])
    devices = _devices(sheet, at[kept])
    pieces = [
        _samples(sheet, at, uri, devices if device is None else device, found)[kept]
        for device, found in _by_device(cells).items()
    ]
    samples = pd.concat(pieces, ignore_index=True)
    told = samples.dropna(subset=["watts", "utilization"], how="all")
    refused += _misfits(sheet)
    blank = int(kept.sum()) - told["record"].nunique()
    return telemetry_reading(told, len(told) + blank, refused)


@dataclass(frozen=True)
class _Values:
    field: str
    device: str | None
    values: pd.Series
    bad: np.ndarray


def _cells(sheet: Sheet, column: Measured) -> _Values:
    """Return watts or a share of each cell; the unit in a cell goes before that of the header."""
    text = sheet.frame[column.column].astype("str").str.strip()
    if sheet.delimiter == ";":
        text = text.str.replace(",", ".", regex=False)
    text = text.mask(text.str.fullmatch(r"\[.*\]|n/?a|nan|none|null|-", case=False, na=False))
    parts = text.str.extract(r"^(\S+?)\s*([A-Za-z%]*)$")
    units = parts[1].str.casefold().fillna("")
    values, bad = numbers(parts[0])
    bad |= (text.notna() & parts[0].isna() & text.ne("")).to_numpy()
    field = column.field or _field(units, values)
    if field == "utilization":
        wrong = ~units.isin(["", "%", "pct", "percent"])
        share = values.max() <= 1 and not units.eq("%").any() and (values % 1 > 0).any()
        values = values if share else values / 100
        return _Values(field, column.device, values, bad | (wrong & text.notna()).to_numpy())
    scale = units.map(WATTS).astype("float64")
    wrong = scale.isna() & units.ne("") & text.notna()
    scale = scale.fillna(column.watts if column.watts is not None else _scale(values))
    return _Values(field, column.device, values * scale, bad | wrong.to_numpy())


def _field(units: pd.Series, values: pd.Series) -> str:
    """Return what a column like `GPU0` holds: its cells say so, or reach what no share does."""
    if units.eq("%").any():
        return "utilization"
    if units.isin(list(WATTS)).any() or values.max() > 100:
        return "watts"
    msg = (
        "the columns of the GPUs state no unit and stay below 100: watts or percent; "
        "write the unit into the header, like gpu0_w or gpu0_util_pct"
    )
    raise RefusalError(msg, "missing_columns")


def _scale(values: pd.Series) -> float:
    return 1e-3 if values.median() > _MOST_W else 1.0


def _refused(
    sheet: Sheet, time: str, bad_time: np.ndarray, cells: dict[str, _Values]
) -> list[Refused]:
    frame = sheet.frame
    lines = frame.index.to_numpy()
    checks: list[rows.Check] = [
        ((frame[time].str.strip() == time).to_numpy(dtype=bool), "junk_row",
         lambda _: "the header again: the script was started once more; remove the line"),
        (bad_time, "bad_timestamp",
         lambda i: f"{time} is {frame[time].iloc[i]!r}; write it as 2026-03-01T12:00:00Z"),
    ]  # fmt: skip
    for name, found in cells.items():
        outside = (found.values < 0) | ((found.field == "utilization") & (found.values > 1))
        checks += [
            (found.bad, "not_a_number",
             _says(frame[name], ", no number with a unit of power or %; correct it")),
            (outside.to_numpy(), "out_of_range",
             _says(frame[name], ": below 0 or above 100 %; remove the line")),
        ]  # fmt: skip
    every = pd.DataFrame({name: found.values for name, found in cells.items()})
    checks.append(
        (every.isna().all(axis=1).to_numpy(), "missing_value",
         lambda _: "neither power nor utilisation: the GPU does not report them")
    )  # fmt: skip
    return refused_rows(
        len(frame), checks, lambda i: str(lines[i]), lambda i: sheet.lines[int(lines[i]) - 1]
    )


def _says(cells: pd.Series, what: str) -> Callable[[int], str]:
    return lambda i: f"{cells.name} is {cells.iloc[i]!r}{what}"


def _misfits(sheet: Sheet) -> list[Refused]:
    reason = f"has another number of cells than the header's {len(sheet.header)}; remove the line"
    return [(str(misfit.line), "shifted_row", reason, misfit.text) for misfit in sheet.misfits]


def _by_device(cells: dict[str, _Values]) -> dict[str | None, dict[str, pd.Series]]:
    """Return device -> field -> values; of several columns of one field the first counts."""
    found: dict[str | None, dict[str, pd.Series]] = {}
    for each in cells.values():
        found.setdefault(each.device, {}).setdefault(each.field, each.values)
    return found


def _devices(sheet: Sheet, at: pd.Series) -> pd.Series:
    """Return which GPU each line is of, in the layout of a line per GPU."""
    index, serial = index_in(sheet.header), serial_in(sheet.header)
    if index is not None:
        found = indices(sheet.frame[index])
        if found is not None:
            return found.fillna("0")
    if serial is not None:
        return hashed_hosts(sheet.frame[serial]).fillna("0")
    return by_place(at, sheet.frame.index)


def _samples(
    sheet: Sheet, at: pd.Series, uri: str, device: pd.Series | str, found: dict[str, pd.Series]
) -> pd.DataFrame:
    lines = sheet.frame.index
    model = model_in(sheet.header)
    blank = pd.Series(np.nan, index=lines)
    return pd.DataFrame(
        {
            "at": at,
            "record": pd.Series(lines, index=lines).astype("str"),
            "device": device,
            "gpu_model": None if model is None else sheet.frame[model].str.strip(),
            "host": host_in(uri),
            "watts": found.get("watts", blank),
            "utilization": found.get("utilization", blank),
        },
        index=lines,
    )
