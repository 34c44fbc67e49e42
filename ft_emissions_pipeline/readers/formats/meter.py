"""Read the export of a physical meter: watts by time, or a counter of kilowatt-hours.

The unit stands in the column's name: `W`, `power_w`, `Power (kW)`, `energy_kwh`, `Total Wh`; or
behind the numbers of a column `power` or `energy`: `300 W`. Energy is taken for the meter's
reading, which only grows. Which machine hangs on the meter is said by a column `host`, by a folder
or file name `host=<name>`, or by a `runs.yaml`.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterable, Mapping, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
import pandas as pd

from ft_emissions_pipeline.readers.cells import numbers, of_each, one_text
from ft_emissions_pipeline.readers.reading import Reading, RefusalError, Settings
from ft_emissions_pipeline.readers.shared.gpu_columns import names_a_gpu, rows_under, time_in
from ft_emissions_pipeline.readers.shared.samples import (
    MISFIT,
    Samples,
    hashed_hosts,
    host_in,
    rows_without,
    telemetry_reading,
    times_of,
)
from ft_emissions_pipeline.readers.sheets import Sheet, Types, header_of, sheet_of, sheets_of
from ft_emissions_pipeline.tables import rows
from ft_emissions_pipeline.tables.words import Basis, Content, Instrument

FORMAT = "meter"
LOG = "physical meter as CSV: a column of times and one in W, kW, Wh or kWh (the meter's reading)"
TELLS = "measured energy at the server's plug, by time"
LACKS = "the machine, unless a column `host` or a folder `host=<name>` tells; the run"
CONTENT: Content = "telemetry"
PROGRESS = None
BASIS = {"*": Basis.MEASURED}

_HOSTS = ("host", "hostname", "node", "server", "machine")
_UNITS = {
    "w": ("watts", 1.0), "watt": ("watts", 1.0), "watts": ("watts", 1.0),
    "wattage": ("watts", 1.0), "kw": ("watts", 1e3),
    "kwh": ("counter_kwh", 1.0), "wh": ("counter_kwh", 1e-3), "mwh": ("counter_kwh", 1e3),
    # As Shelly's plugs name them (Shelly API, component Switch, generation 2).
    "apower": ("watts", 1.0), "aenergy": ("counter_kwh", 1e-3),
}  # fmt: skip
_WITHOUT_UNIT = {"power", "energy"}
_UNIT_BEHIND = re.compile(r"\d\s*([a-z]{1,5})$", re.IGNORECASE)
_FALLS = 0.05
"""Share of falling readings from which on they are no counter's: a counter falls at a reset
only."""


def recognises(name: str, head: bytes) -> bool:
    """Say whether the columns are a time, one in a unit of power or energy, and hardly any else.

    A file that names a GPU is none of a meter: what a GPU draws is no part of what is read at a
    plug.
    """
    if not name.endswith((".csv", ".tsv", ".txt")):
        return False
    header, delimiter = header_of(head)
    columns = zip(header, zip(*rows_under(header, head, delimiter), strict=True), strict=False)
    return (
        len(header) <= 8
        and time_in(header) is not None
        and bool(_measured(header, _first(columns)))
        and not names_a_gpu(name, header, head, delimiter)
    )


def read(data: bytes, uri: str, settings: Settings) -> Reading:
    """Read the samples of a file."""
    sheet = sheet_of(data)
    told = convention([facts(sheet, settings)])
    return telemetry_reading(*samples_of(sheet, uri, settings, told))


def types(header: list[str]) -> Types:
    """Return which columns hold instants and numbers."""
    time, found = time_in(header), _measured(header, {})
    return Types(
        frozenset({time} if time else ()), frozenset(column for column, _ in found.values())
    )


sheets = partial(sheets_of, types=types)


class Readings(NamedTuple):
    """What of a counter's readings all pieces of a file must agree on."""

    first: dict[str, tuple[pd.Timestamp, float]]
    """Machine -> instant and kWh of its earliest reading."""
    last: dict[str, tuple[pd.Timestamp, float]]
    steps: int
    falls: int


def facts(sheet: Sheet, settings: Settings) -> Readings:
    """Return what of a piece all pieces of the file must agree on."""
    time, found = time_in(sheet.header), _measured(sheet.header, _first(sheet.frame.items()))
    if time is None or not found:
        msg = "lacks a column of times or one in W or kWh; name the unit in the header"
        raise RefusalError(msg, "missing_columns")
    if "counter_kwh" not in found:
        return Readings({}, {}, 0, 0)
    samples = samples_of(sheet, "", settings, told=True).frame
    ordered = samples.assign(host=samples["host"].astype("str").fillna("")).sort_values(
        "at", kind="stable"
    )
    steps = ordered.groupby("host")["counter_kwh"].diff().dropna()
    ends = (ordered.drop_duplicates("host", keep=keep) for keep in ("first", "last"))
    first, last = (
        dict(zip(end["host"], zip(end["at"], end["counter_kwh"], strict=True), strict=True))
        for end in ends
    )
    return Readings(first, last, len(steps), int((steps < 0).sum()))


def convention(found: Sequence[Readings]) -> bool:
    """Say whether the readings of each piece lie behind those of the pieces before it.

    Raises
    ------
    RefusalError
        If they are no counter's.
    """
    steps, falls = sum(each.steps for each in found), sum(each.falls for each in found)
    last: dict[str, tuple[pd.Timestamp, float]] = {}
    for each in found:
        for host in each.first.keys() & last.keys():
            (begun, first_kwh), (ended, last_kwh) = each.first[host], last[host]
            if begun < ended:
                return False
            steps += not np.isnan(first_kwh - last_kwh)
            falls += first_kwh < last_kwh
        last |= each.last
    if falls > max(1.0, _FALLS * steps):
        msg = (
            "the energy falls again and again, so it is energy per interval, not the meter's "
            "reading; add it up, so that each line holds the total so far"
        )
        raise RefusalError(msg, "wrong_shape")
    return True


def in_blocks(told: bool) -> bool:
    """Say whether a piece of the file can be read without the others."""
    return told


def samples_of(sheet: Sheet, uri: str, settings: Settings, told: bool) -> Samples:  # noqa: ARG001
    """Return the samples; the energy counts where both power and energy stand there.

    `told` is what every format in blocks takes; of a meter each piece tells all by itself.
    """
    first = _first(sheet.frame.items())
    time, found = str(time_in(sheet.header)), _measured(sheet.header, first)
    at, bad_time = times_of(sheet, time, settings.timezone)
    values, wrong = {}, {}
    for name, (column, scale) in found.items():
        cells = sheet.frame[column]
        if not pd.api.types.is_numeric_dtype(cells):
            if sheet.delimiter == ";":
                cells = cells.str.replace(",", ".", regex=False)
            # Home automation writes these while the meter does not answer.
            cells = cells.mask(cells.str.strip().isin(["unavailable", "unknown"]))
            if behind := _UNIT_BEHIND.search(str(first[column]).strip()):
                cells = cells.str.strip().str.removesuffix(behind[1])
        read_values, wrong[column] = numbers(cells)
        values[name] = read_values * scale
    measured = pd.DataFrame(values, index=sheet.frame.index)
    lines = sheet.frame.index.to_numpy()
    checks: list[rows.Check] = [
        (bad_time, "bad_timestamp",
         lambda i: f"{time} is {sheet.frame[time].iloc[i]!r}; write it as 2026-03-01T12:00:00Z"),
        *(
            (bad, "not_a_number",
             lambda i, column=column: f"{column} is {sheet.frame[column].iloc[i]!r}, no finite "
                                      "number; correct it or remove the line")
            for column, bad in wrong.items()
        ),
        (measured.isna().all(axis=1).to_numpy(), "missing_value",
         lambda _: "the meter read nothing; remove the line"),
        ((measured < 0).any(axis=1).to_numpy(), "out_of_range",
         lambda _: "a reading below 0: power fed in, or a wrong sign; correct it"),
    ]  # fmt: skip
    refused = sheet.refused(checks)
    kept = rows_without(lines, refused)
    refused += sheet.refused_misfits(MISFIT)
    host = _named(sheet.header, _HOSTS)
    samples = pd.DataFrame(
        {
            "at": at,
            "record": lines,
            "kind": one_text(Instrument.METER, lines),
            "device": one_text("meter", lines),
            "host": one_text(host_in(uri), lines)
            if host is None
            else of_each(sheet.frame[host], hashed_hosts),
            **{name: measured[name] for name in measured},
        }
    )[kept]
    return Samples(samples, len(samples), refused)


def _first(columns: Iterable[tuple[Hashable, Iterable[object]]]) -> dict[str, object]:
    """Return the first cell of each column in which a number stands."""
    return {
        str(column): next((cell for cell in cells if re.search(r"\d", str(cell))), "")
        for column, cells in columns
    }


def _measured(header: list[str], first: Mapping[str, object]) -> dict[str, tuple[str, float]]:
    """Return watts or counter_kwh -> the first column of which its name, or cell, says so."""
    found: dict[str, tuple[str, float]] = {}
    for column in header:
        # "GPU0 power W" is a log of devices, not of a plug.
        words = re.split(r"[^a-z]+", column.casefold())
        behind = _UNIT_BEHIND.search(str(first.get(column, "")).strip().casefold())
        if behind and _WITHOUT_UNIT & set(words):
            words.append(behind[1])
        units = [_UNITS[word] for word in words if word in _UNITS]
        if len(units) == 1 and not re.search(
            r"gpu|cpu|ram|limit|max|min|avg|package|pkg|rapl", column.casefold()
        ):
            found.setdefault(units[0][0], (column, units[0][1]))
    return found


def _named(header: list[str], names: tuple[str, ...]) -> str | None:
    return next((column for column in header if column.strip().casefold() in names), None)
