"""Turn samples of power, energy counters and utilisation into intervals of table `telemetry`.

Put here: integrating, differences of counters, gaps, and the binning to minutes that every format
of telemetry shares. Keep out: the formats (a module each), and which run an interval belongs to
(`ft_emissions_pipeline/landing/telemetry.py`).

Power is integrated by the trapezoid between neighbouring samples of a device. Where these lie too
far apart for that, nothing is assumed: the time counts as not covered, and the next interval says
`gap_before`. Too far is ten usual steps of the device, so that a tool that skips now and then
tears no hole; at least a minute, the length of an interval; at most an hour, as a training may end
and another begin within it. A counter's difference is the energy however long it took. Where it
falls (a reboot, a reloaded driver, a wrap) it tells nothing of that interval, and the next one says
`counter_reset_before`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa

from ft_emissions_pipeline.equations import JOULES_PER_KWH
from ft_emissions_pipeline.readers import repairs
from ft_emissions_pipeline.readers.cells import (
    arrow_text,
    instants,
    localized,
    numbers,
    text_series,
)
from ft_emissions_pipeline.readers.reading import (
    RUN_COLUMNS,
    TELEMETRY_COLUMNS,
    Reading,
    Refused,
    no_rows,
    quarantine_rows,
    typed,
)
from ft_emissions_pipeline.readers.scrubbing import hashed_host
from ft_emissions_pipeline.readers.shared.gpu_columns import zone_in
from ft_emissions_pipeline.readers.sheets import Sheet
from ft_emissions_pipeline.tables import RUNS
from ft_emissions_pipeline.tables.words import EnergyFrom, Instrument

SPACINGS = 10.0
"""Samples further apart than this many usual spacings of their device are not joined by a line."""
SHORTEST_GAP_S, LONGEST_GAP_S = 60.0, 3600.0
"""Up to the one they always are, beyond the other never."""

DEVICE = ("kind", "host", "run_id", "device")
"""What tells the devices of a file apart."""
VALUES = ("watts", "counter_kwh", "utilization")
_US = 1_000_000
_MINUTE_US = 60 * _US
_REASON = (
    "no other sample of {} lies near enough to tell an energy; sample at least every hour, "
    "and keep the samples of a device in one file"
)


class Samples(NamedTuple):
    """Samples of a file or of a piece of it, how many records they were, and the refused ones."""

    frame: pd.DataFrame
    records: int
    refused: list[Refused]
    one_value: bool = False
    """Whether each holds one value; those of a moment are a sample, and the earliest counts."""


def telemetry_reading(
    samples: pd.DataFrame,
    records: int,
    refused: Sequence[Refused],
    one_value: bool = False,
    *,
    of_one_run: bool = False,
) -> Reading:
    """Return the reading of a file of samples.

    Parameters
    ----------
    samples : DataFrame
        `at` (instant), `record`, `device`, and where known `kind` (`gpu` by default), `host`,
        `run_id`, `gpu_model`, `watts`, `counter_kwh` (cumulative), `utilization` (0..1).
    records : int
        Records of the file from which the samples come; at least as many as the samples.
    refused : sequence of Refused
        Further records that could not be used.
    one_value : bool
        As of `Samples`.
    of_one_run : bool
        Whether the file belongs to one run, of which it then tells start and end.
    """
    intervals, lone = intervals_of(samples, one_value=one_value)
    runs = _one_run(samples, intervals) if of_one_run and len(intervals) else None
    return reading_of(intervals, lone, records, refused, runs)


def reading_of(
    intervals: pd.DataFrame,
    lone: pd.DataFrame,
    records: int,
    refused: Sequence[Refused],
    runs: pd.DataFrame | None = None,
) -> Reading:
    """Return the reading of intervals, and of the samples that make none."""
    runs = no_rows("runs") if runs is None else runs
    bad = [
        *refused,
        *(
            (record, "lone_sample", _REASON.format(device), f"device {device}")
            for record, device in zip(lone["record"], lone["device"], strict=True)
        ),
    ]
    return Reading(
        "telemetry",
        runs,
        quarantine=quarantine_rows(bad),
        records=records + len(refused),
        merged=records - len(intervals) - len(lone) - len(runs),
        telemetry=intervals,
    )


def intervals_of(
    samples: pd.DataFrame, *, one_value: bool = False
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the intervals between samples, binned to minutes; and the samples that make none."""
    frame = samples.reset_index(drop=True)
    code, devices = devices_of(frame)
    devices["gpu_model"] = models_of(frame, code, len(devices))
    series = series_of(frame, code, frame.index.to_numpy())
    powered = np.zeros(len(devices), dtype=bool)
    powered[series.stream[series.powered]] = True
    series = ordered(series, powered, one_value=one_value)
    pieces, _ = pieces_of(series, _limits(series, len(devices)))
    told = np.isin(series.stream, pieces.stream)
    texts = arrow_text(frame["record"].astype("str"))
    records = text_series(texts.take(pa.array(pieces.row)), pd.RangeIndex(len(pieces.row)))
    lone = pd.DataFrame(
        {
            "record": frame["record"].astype("str").iloc[series.row[~told]].to_numpy(),
            "device": devices["device"].iloc[series.stream[~told]].to_numpy(),
        }
    )
    return framed(dict(vars(pieces)), devices, records), lone


def devices_of(
    samples: pd.DataFrame, names: Sequence[str] = DEVICE
) -> tuple[np.ndarray, pd.DataFrame]:
    """Return the number of each sample's device, in order of appearance, and what they are."""
    code = np.zeros(len(samples), dtype="int64")
    for name in names:
        if name in samples:
            texts = samples[name].astype("category").array
            # Of one text for all, the codes tell nothing.
            if len(texts.categories) > 1 or (texts.codes < 0).any():
                code = code * (len(texts.categories) + 1) + texts.codes
    code, found = pd.factorize(code)
    first, place = np.empty(len(found), dtype="int64"), np.arange(len(code))
    # Of several values for one item the last stays.
    first[code[::-1]] = place[::-1]
    columns = {
        name: samples[name].iloc[first].astype("str").to_numpy() if name in samples else np.nan
        for name in names
    }
    devices = pd.DataFrame(columns, index=range(len(found)), dtype="str")
    return code, devices.fillna({"kind": Instrument.GPU})


def models_of(samples: pd.DataFrame, code: np.ndarray, devices: int) -> pd.Series:
    """Return the first accelerator that is named of each device, missing where none is."""
    found = pd.Series(np.nan, index=range(devices), dtype="str")
    if "gpu_model" in samples:
        told = pd.DataFrame({"code": code, "model": samples["gpu_model"].to_numpy()}).dropna()
        first = told.drop_duplicates("code").set_index("code")["model"].astype("str")
        found = first.reindex(range(devices))
    return found.astype("str")


@dataclass(frozen=True)
class Series:
    """Samples as arrays: number of the device, microseconds since 1970, values, place."""

    stream: np.ndarray
    at: np.ndarray
    watts: np.ndarray
    counter_kwh: np.ndarray
    utilization: np.ndarray
    row: np.ndarray

    @property
    def powered(self) -> np.ndarray:
        """Say which samples tell of energy."""
        return np.asarray(~(np.isnan(self.watts) & np.isnan(self.counter_kwh)))

    def __getitem__(self, which: np.ndarray | slice) -> Series:
        """Return some of the samples."""
        return Series(*(part[which] for part in vars(self).values()))


def series_of(samples: pd.DataFrame, code: np.ndarray, row: np.ndarray) -> Series:
    """Return samples as arrays."""
    blank = np.full(len(samples), np.nan)
    watts, counter_kwh, utilization = (
        samples[name].to_numpy(dtype="float64") if name in samples else blank for name in VALUES
    )
    at = samples["at"]
    if at.dtype != "int64":
        at = at.astype("datetime64[us, UTC]").dt.tz_localize(None).astype("int64")
    return Series(code, at.to_numpy(), watts, counter_kwh, utilization, row)


def ordered(series: Series, powered: np.ndarray, *, one_value: bool = False) -> Series:
    """Return samples by device and time, those of one device and moment as one.

    Of samples of one moment the last that tells a value counts; the first, if each has `one_value`.
    """
    if one_value:
        return _powered(_by_moment(series[::-1]), powered)
    return _by_moment(_powered(series, powered))


def _powered(series: Series, powered: np.ndarray) -> Series:
    """Leave out a sample without power amid others with it.

    It would tear a hole; the line between these is better.
    """
    told = series.powered
    return series if told.all() else series[told | ~powered[series.stream]]


def _by_moment(series: Series) -> Series:
    stream, at = series.stream, series.at
    rising = (stream[1:] > stream[:-1]) | ((stream[1:] == stream[:-1]) & (at[1:] >= at[:-1]))
    if not rising.all():
        series = series[np.lexsort((at, stream))]
        stream, at = series.stream, series.at
    last = np.ones(len(at), dtype=bool)
    last[:-1] = (stream[1:] != stream[:-1]) | (at[1:] != at[:-1])
    if last.all():
        return series
    first = np.flatnonzero(np.roll(last, 1))
    place = np.arange(len(at))

    def told(values: np.ndarray) -> np.ndarray:
        known = np.maximum.reduceat(np.where(np.isnan(values), -1, place), first)
        return np.where(known < 0, np.nan, values[known])

    watts, counter_kwh, utilization = (told(getattr(series, name)) for name in VALUES)
    return Series(stream[last], at[last], watts, counter_kwh, utilization, series.row[last])


def _limits(series: Series, devices: int) -> np.ndarray:
    """Return the seconds of each device from which on two samples are not joined by a line."""
    same = series.stream[1:] == series.stream[:-1]
    seconds = pd.Series(np.diff(series.at)[same] / _US)
    usual = seconds.groupby(series.stream[1:][same]).median()
    return limit_of(usual.reindex(range(devices)).to_numpy())


def limit_of(usual_s: np.ndarray) -> np.ndarray:
    """Return the longest step that a line may join, from the usual step in seconds."""
    return np.clip(SPACINGS * usual_s, SHORTEST_GAP_S, LONGEST_GAP_S)


@dataclass(frozen=True)
class Pieces:
    """Intervals as arrays; `row` is the place of their first sample."""

    stream: np.ndarray
    row: np.ndarray
    started: np.ndarray
    ended: np.ndarray
    energy_kwh: np.ndarray
    utilization: np.ndarray
    from_power: np.ndarray
    gap_before: np.ndarray
    counter_reset_before: np.ndarray
    gap_bridged_by_counter: np.ndarray


_FLAGS = ("gap_before", "counter_reset_before", "gap_bridged_by_counter")
Before = tuple[bool, bool]
"""Whether a gap, and a reset of the counter, lies right before the first sample."""


def pieces_of(
    series: Series, limits: np.ndarray, before: Before = (False, False)
) -> tuple[Pieces, Before]:
    """Return what lies between samples, binned to minutes, and what lies behind the last one.

    Parameters
    ----------
    series : Series
        Of `ordered`.
    limits : ndarray
        Seconds of each device, of `limit_of`.
    before : tuple of bool
        What this function said of the samples before.
    """
    now, later = series[:-1], series[1:]
    same = now.stream == later.stream
    seconds = (later.at - now.at) / _US
    apart = seconds > limits[now.stream]
    counted = later.counter_kwh - now.counter_kwh
    drawn = (now.watts + later.watts) / 2 * seconds / JOULES_PER_KWH
    by_counter = counted >= 0
    energy = np.where(by_counter, counted, np.where(apart, np.nan, drawn))
    share = np.where(apart, np.nan, (now.utilization + later.utilization) / 2)
    empty = np.isnan(energy)
    gap, reset = same & apart & empty, same & (counted < 0) & empty
    flags = [np.concatenate([[was], what]) for was, what in zip(before, (gap, reset), strict=True)]
    told = same & ~(empty & np.isnan(share))
    part = np.flatnonzero(told)
    known = ~empty[part] + 2 * ~np.isnan(share[part])
    stream, at, ended = now.stream[part], now.at[part], later.at[part]
    fresh = np.ones(len(part), dtype=bool)
    fresh[1:] = (
        (stream[1:] != stream[:-1])
        | (at[1:] // _MINUTE_US != at[:-1] // _MINUTE_US)
        | (at[1:] != ended[:-1])
        | (known[1:] != known[:-1])
    )
    first = np.flatnonzero(fresh)
    seconds = seconds[part]

    def summed(values: np.ndarray) -> np.ndarray:
        return np.asarray(np.add.reduceat(values, first))

    def any_of(values: np.ndarray) -> np.ndarray:
        return np.asarray(np.logical_or.reduceat(values[part], first))

    pieces = Pieces(
        stream[first].astype("int32"),
        now.row[part][first],
        at[first],
        ended[np.append(fresh, True)[1:]],
        summed(energy[part]),
        np.clip(summed(share[part] * seconds) / summed(seconds), 0.0, 1.0),
        any_of(~empty & ~by_counter),
        any_of(flags[0][:-1]),
        any_of(flags[1][:-1]),
        any_of(apart & ~empty),
    )
    return pieces, (bool(flags[0][-1]), bool(flags[1][-1]))


def framed(
    pieces: dict[str, np.ndarray], devices: pd.DataFrame, records: pd.Series
) -> pd.DataFrame:
    """Return intervals as rows of table `telemetry`, their few texts as categories.

    The arrays of `Pieces` are taken out of the mapping, so that memory holds them once.
    """
    noted = repairs.column({flag: pieces.pop(flag) for flag in _FLAGS}, records.index)
    energy_kwh, stream = pieces.pop("energy_kwh"), pieces.pop("stream")
    told = np.where(np.isnan(energy_kwh), np.int8(-1), pieces.pop("from_power"))
    words = pd.Index([EnergyFrom.COUNTER.value, EnergyFrom.POWER.value], dtype="str")
    few = {name: pd.factorize(devices[name]) for name in devices}
    frame = pd.DataFrame(
        {
            **{
                name: pd.Categorical.from_codes(code[stream], texts)
                for name, (code, texts) in few.items()
            },
            "started_at": pd.to_datetime(pieces.pop("started"), unit="us", utc=True).as_unit("us"),
            "ended_at": pd.to_datetime(pieces.pop("ended"), unit="us", utc=True).as_unit("us"),
            "energy_kwh": energy_kwh,
            "energy_from": pd.Categorical.from_codes(told, words),
            "utilization": pieces.pop("utilization"),
            "repairs": noted,
            "source_record": records,
        },
        copy=False,
    )
    return frame[list(TELEMETRY_COLUMNS)]


def _one_run(samples: pd.DataFrame, intervals: pd.DataFrame) -> pd.DataFrame:
    started, ended = intervals["started_at"].min(), intervals["ended_at"].max()
    names = [name for name in ("run_id", "host", "gpu_model") if name in samples]
    told = {name: samples[name].dropna().astype("str") for name in names}
    row = {
        "run_id": next(iter(samples.get("run_id", pd.Series(dtype="str"))), None),
        "host": " ".join(sorted(told["host"].unique())) or None if "host" in told else None,
        "started_at": started,
        "ended_at": ended,
        "reserved_s": (ended - started).total_seconds(),
        "gpu_model": next(iter(told.get("gpu_model", ())), None),
        "repairs": "",
        "source_record": str(samples["record"].iloc[0]),
    }
    return typed(pd.DataFrame([row]), RUNS, RUN_COLUMNS)


def again(bad: np.ndarray, cells: pd.Series, name: str) -> np.ndarray:
    """Say which of the bad cells repeat the header."""
    found = np.zeros(len(cells), dtype=bool)
    if bad.any():
        found[bad] = cells[bad].astype("str").str.strip() == name
    return found


def rows_without(lines: np.ndarray | pd.Index, refused: Sequence[Refused]) -> np.ndarray:
    """Say which lines are not among the refused ones."""
    return ~np.isin(lines, [int(record) for record, *_ in refused])


MISFIT = "has another number of cells than the header's {columns}; remove the line"


def host_in(uri: str) -> str | None:
    """Return the hash of the machine that a folder or file name tells as `host=<name>`."""
    named = re.search(r"(?:^|/)host=([^/]+)", uri)
    if named is None:
        return None
    return hashed_host(re.sub(r"\.(?:csv|tsv|txt|prom|json|jsonl|ndjson)$", "", named.group(1)))


def hashed_hosts(names: pd.Series) -> pd.Series:
    """Return the hash of each name of a column, missing where there is none."""
    text = names.astype("str").str.strip()
    return text.where(text != "").map(hashed_host, na_action="ignore").astype("str")


def with_units(cells: pd.Series, unit: str) -> tuple[pd.Series, np.ndarray]:
    """Return numbers that carry their unit, `77.07 W`; `[N/A]` and its like are missing ones."""
    if pd.api.types.is_numeric_dtype(cells):
        return numbers(cells)
    text = cells.astype("str").str.strip()
    bare = text.str.removesuffix(unit).str.rstrip()
    values, bad = numbers(bare)
    if not bad.any():
        return values, bad
    none = text.str.fullmatch(r"\[.*\]|n/?a|nan|none|null", case=False, na=False)
    return numbers(bare.mask(none))


def times(cells: pd.Series, timezone: str) -> tuple[pd.Series, np.ndarray]:
    """Return instants of ISO 8601, `2026/03/01 12:00:00.123`, Unix seconds or milliseconds."""
    if pd.api.types.is_datetime64_any_dtype(cells):
        found = localized(cells, timezone) if cells.dt.tz is None else cells.dt.tz_convert("UTC")
        return found.dt.as_unit("us"), found.isna().to_numpy()
    seconds, no_number = numbers(cells)
    numeric = seconds.notna().to_numpy()
    if numeric.any():
        # Up to the year 5138 seconds stay below 1e11; today's milliseconds lie above 1e12.
        unix = seconds.where(seconds < 1e11, seconds / 1e3)
        good = (unix >= 0) & (unix < 1e10)
        micros = (unix.where(good) * 1e6).round()
        found = pd.to_datetime(micros, unit="us", utc=True).astype("datetime64[us, UTC]")
        return found, (no_number | found.isna().to_numpy())
    found, _ = instants(_iso_days(cells.astype("str").str.strip()), timezone)
    return found, found.isna().to_numpy()


def times_of(sheet: Sheet, column: str, timezone: str) -> tuple[pd.Series, np.ndarray]:
    """Return the instants of a sheet's column of times, its day in a column of its own or not."""
    cells = sheet.frame[column]
    day = next((name for name in sheet.header if name.strip().casefold() in _DAYS), None)
    if day is not None and _are_clocks(cells):
        cells = sheet.frame[day].astype("str").str.strip() + " " + cells.str.strip()
    return times(cells, zone_in(column, timezone))


def _are_clocks(cells: pd.Series) -> bool:
    """Say whether times are without their day."""
    return cells.dtype == "str" and bool(cells.str.match(r"\s*\d{1,2}:\d{2}", na=False).any())


_DAYS = ("date", "day", "datum")
_SLASHED = re.compile(r"(\d{1,2})([/.])(\d{1,2})\2(\d{4})\b(.*)")


def _iso_days(text: pd.Series) -> pd.Series:
    """Write days with slashes or dots as ISO 8601, where the order of their parts is sure.

    With dots the day comes first. With slashes what is above 12 anywhere in the column is the day.
    """
    dashed = text.str.replace(r"^(\d{4})/(\d{2})/(\d{2})", r"\1-\2-\3", regex=True)
    parts = dashed.str.extract(f"^{_SLASHED.pattern}$").set_axis(
        ["first", "mark", "second", "year", "rest"], axis=1
    )
    odd = parts["mark"].notna()
    if not odd.any():
        return dashed
    first, second = (parts[name].astype("float64") for name in ("first", "second"))
    slashes = parts["mark"] == "/"
    day_first = ~slashes | bool((first[slashes] > 12).any())
    sure = ~slashes | (first > 12).any() | (second > 12).any() | (first == second)
    day = parts["first"].where(day_first, parts["second"]).str.zfill(2)
    month = parts["second"].where(day_first, parts["first"]).str.zfill(2)
    written = parts["year"] + "-" + month + "-" + day + _of_24_hours(parts["rest"])
    return dashed.mask(odd & sure, written)


def _of_24_hours(times: pd.Series) -> pd.Series:
    """Write times with AM or PM as those of a day of 24 hours."""
    halves = times.str.contains(r"[AP]M$", case=False, na=False)
    if not halves.any():
        return times
    read = pd.to_datetime(times[halves].str.strip(), format="mixed", errors="coerce")
    return times.mask(halves, " " + read.dt.strftime("%H:%M:%S"))
