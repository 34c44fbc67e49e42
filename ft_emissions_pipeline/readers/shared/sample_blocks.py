"""Turn a file of samples into intervals block by block, so that memory stays bounded.

Put here: the samples of a file parted by device and day on disk, and the walk over each device's
days. Keep out: what lies between samples (`samples.py`, the same for a file read whole), and the
formats.

Neither order within the file nor its blocks tell anything: a day of a device is put in order before
it is looked at. What one device says in one day must fit into memory; a file need not.
"""

from __future__ import annotations

import os
import tempfile
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass, field
from typing import IO, Any, BinaryIO, NamedTuple, Protocol

import numpy as np
import pandas as pd
import pyarrow as pa

from ft_emissions_pipeline.readers.cells import as_text
from ft_emissions_pipeline.readers.reading import Reading, RefusalError, Refused, Settings
from ft_emissions_pipeline.readers.shared.samples import (
    DEVICE,
    SHORTEST_GAP_S,
    VALUES,
    Pieces,
    Samples,
    Series,
    devices_of,
    framed,
    limit_of,
    models_of,
    ordered,
    pieces_of,
    reading_of,
    series_of,
)

_DAY_US = 86_400_000_000
_STEP_US = 6_000_000
"""Shorter steps all lead to the shortest gap (`limit_of`), so they are only counted."""
_CELL = 8
"""Bytes of a value on disk."""


class Format(Protocol):
    """What a module of a format has besides, if its files can be read in blocks.

    Its pieces are sheets of a table, or whatever its lines are parsed to.
    """

    def sheets(self, stream: BinaryIO, *, block: int) -> Iterator[Any]:
        """Yield the pieces of a file, of about `block` bytes."""

    def facts(self, sheet: Any, settings: Settings) -> Any:
        """Return what of a piece all pieces of the file must agree on."""

    def convention(self, found: list[Any]) -> Any:
        """Return what the columns of a file hold, as all its pieces show together."""

    def in_blocks(self, told: Any) -> bool:
        """Say whether a piece of the file can be read without the others."""

    def samples_of(self, sheet: Any, uri: str, settings: Settings, told: Any) -> Samples:
        """Return the samples of a piece."""


def read_in_blocks(
    log: Format, sheets: Callable[[], Iterator[Any]], uri: str, settings: Settings
) -> Reading | None:
    """Return the reading of a file of samples; None if it can only be read whole.

    Parameters
    ----------
    log : module
        Of the format.
    sheets : callable
        Yields the pieces of the file from its beginning, each time it is called.
    uri, settings
        As for every reader.
    """
    told = None
    while True:
        # What the first piece shows holds for nearly every file; else all is read again.
        found: list[Any] = []
        with tempfile.TemporaryFile() as file:
            spill = _Spill(file)
            for sheet in sheets():
                found.append(log.facts(sheet, settings))
                if told is None and len(found) == 1:
                    told = _convention(log, found)
                if told is not None and log.in_blocks(told):
                    spill.add(log.samples_of(sheet, uri, settings, told))
            whole = log.convention(found)
            if not log.in_blocks(whole):
                return None
            if whole == told:
                return spill.reading()
        told = whole


def _convention(log: Format, found: list[Any]) -> Any:
    try:
        return log.convention(found)
    except RefusalError:
        return None


class _Part(NamedTuple):
    """Samples of a device and day in a block: their first column's place, bytes to the next."""

    place: int
    column: int
    samples: int


@dataclass
class _Spill:
    """Samples on disk, parted by device and day."""

    file: IO[bytes]
    number: dict[tuple[Hashable, ...], int] = field(default_factory=dict)
    devices: list[pd.DataFrame] = field(default_factory=list)
    models: dict[int, str] = field(default_factory=dict)
    powered: set[int] = field(default_factory=set)
    parts: dict[int, dict[int, list[_Part]]] = field(
        default_factory=lambda: defaultdict(lambda: defaultdict(list))
    )
    """Device -> day -> where in the file."""
    columns: tuple[str, ...] = ()
    """Of a block in the file: instants, places, and the values that the format has."""
    records: int = 0
    one_value: bool = False
    refused: list[Refused] = field(default_factory=list)

    def add(self, samples: Samples) -> None:
        """Take the samples of a block."""
        self.records += samples.records
        self.one_value = samples.one_value
        self.refused += samples.refused
        frame = samples.frame
        if frame.empty:
            return
        code, devices = devices_of(frame)
        series = series_of(frame, self._numbered(devices)[code], frame["record"].to_numpy())
        self._know(frame, series)
        day = series.at // _DAY_US
        first, days = day.min(), day.max() - day.min() + 1
        part = series.stream * days + (day - first)
        fits = len(self.number) * days < 1 << 16
        order = np.argsort(part.astype("uint16") if fits else part, kind="stable")
        part = part[order]
        begins = np.flatnonzero(np.append(True, part[1:] != part[:-1]))
        self.columns = self.columns or ("at", "row", *(name for name in VALUES if name in frame))
        place = self.file.tell()
        for name in self.columns:
            self.file.write(getattr(series, name)[order].data)
        for begin, end in zip(begins, np.append(begins[1:], len(part)), strict=True):
            stream, since = divmod(int(part[begin]), int(days))
            held = self.parts[stream][int(first) + since]
            held.append(_Part(place + _CELL * int(begin), _CELL * len(part), int(end - begin)))

    def _numbered(self, devices: pd.DataFrame) -> np.ndarray:
        """Return the number of each device in the file, in order of appearance."""
        keys = list(devices.fillna("").itertuples(index=False, name=None))
        new = [key not in self.number for key in keys]
        self.devices.append(devices[new])
        return np.array([self.number.setdefault(key, len(self.number)) for key in keys])

    def _know(self, frame: pd.DataFrame, series: Series) -> None:
        told = np.bincount(series.stream[series.powered], minlength=len(self.number))
        self.powered.update(np.flatnonzero(told).tolist())
        if "gpu_model" in frame:
            lacking = ~np.isin(series.stream, list(self.models))
            found = models_of(frame[lacking], series.stream[lacking], len(self.number)).dropna()
            self.models.update(found.to_dict())

    def reading(self) -> Reading:
        """Return the reading of all that was taken."""
        self.file.flush()
        # What the blocks took is kept by Arrow for more of them, and there are none.
        pa.default_memory_pool().release_unused()
        nothing = series_of(pd.DataFrame({"at": []}), np.empty(0, "int64"), np.empty(0, "int64"))
        kinds = {
            name: part.dtype for name, part in vars(pieces_of(nothing, np.empty(0))[0]).items()
        }
        # Bytes grow in place, where a list of arrays leaves holes in memory.
        found = {name: bytearray() for name in kinds}
        lone: list[pd.DataFrame] = []
        devices = pd.concat(self.devices, ignore_index=True) if self.devices else _none()
        limit_s = SHORTEST_GAP_S
        for stream in sorted(self.parts):
            intervals, limit_s = self._intervals(stream, limit_s)
            for each in intervals:
                for name, held in found.items():
                    held += getattr(each, name).data
            if not any(len(each.row) for each in intervals):
                rows = np.concatenate([day.row for day in self._days(stream)]).astype("str")
                lone.append(
                    pd.DataFrame({"record": rows, "device": devices["device"].iloc[stream]})
                )
        pieces = {name: np.frombuffer(found.pop(name), kind) for name, kind in kinds.items()}
        devices["gpu_model"] = pd.Series(self.models, index=devices.index, dtype="str")
        records = as_text(pd.Index(pieces.pop("row"))).reset_index(drop=True)
        nobody = pd.concat(lone) if lone else pd.DataFrame({"record": [], "device": []})
        return reading_of(framed(pieces, devices, records), nobody, self.records, self.refused)

    def _intervals(self, stream: int, limit_s: float) -> tuple[list[Pieces], float]:
        """Return the intervals of a device, and the seconds of its shortest gap.

        Devices of a file mostly have that of the one before; one that has not is walked again.
        """
        steps = _Steps()
        pieces = list(_walked(steps.of(self._days(stream)), np.full(stream + 1, limit_s)))
        own_s = float(limit_of(np.array(steps.usual_s)))
        return (pieces, own_s) if own_s == limit_s else self._intervals(stream, own_s)

    def _days(self, stream: int) -> Iterator[Series]:
        """Yield the samples of a device, day by day and in order."""
        powered = np.zeros(stream + 1, dtype=bool)
        powered[stream] = stream in self.powered
        for _, parts in sorted(self.parts[stream].items()):
            number = sum(part.samples for part in parts)
            values = dict.fromkeys(VALUES, np.broadcast_to(np.nan, number))
            cells = {**values, **{name: self._cells(name, parts) for name in self.columns}}
            series = Series(stream=np.full(number, stream), **cells)
            day = ordered(series, powered, one_value=self.one_value)
            if len(day.at):
                yield day

    def _cells(self, name: str, parts: list[_Part]) -> np.ndarray:
        column = self.columns.index(name)
        read = (
            os.pread(self.file.fileno(), n * _CELL, place + column * length)
            for place, length, n in parts
        )
        return np.frombuffer(b"".join(read), dtype="f8" if name in VALUES else "i8")


def _none() -> pd.DataFrame:
    return pd.DataFrame({name: pd.Series(dtype="str") for name in DEVICE})


class _Steps:
    """Microseconds between the samples of a device; of short ones how many, and the longest."""

    def __init__(self) -> None:
        self.short, self.longest = 0, 0
        self.long = [np.empty(0, dtype="int64")]

    def of(self, days: Iterator[Series]) -> Iterator[Series]:
        """Yield the days, and take their steps."""
        last = np.empty(0, dtype="int64")
        for day in days:
            steps = np.diff(day.at, prepend=last)
            last = day.at[-1:]
            few = steps < _STEP_US
            self.short += int(np.count_nonzero(few))
            self.longest = max(self.longest, int(steps.max(initial=0, where=few)))
            self.long.append(steps[~few])
            yield day

    @property
    def usual_s(self) -> float:
        """Median; the longest of the short ones where it is one of these, 0 of none."""
        long = np.sort(np.concatenate(self.long))
        total = self.short + len(long)
        middle = ((total - 1) // 2, total // 2) if total else ()
        steps = [self.longest if n < self.short else int(long[n - self.short]) for n in middle]
        return sum(steps) / 2e6


def _walked(days: Iterator[Series], limits: np.ndarray) -> Iterator[Pieces]:
    """Yield the intervals of a device: each day's together with the first sample after it."""
    before = (False, False)
    day = next(days, None)
    while day is not None:
        later = next(days, None)
        joined = day if later is None else _appended(day, later[:1])
        pieces, before = pieces_of(joined, limits, before)
        yield pieces
        day = later


def _appended(day: Series, later: Series) -> Series:
    both = zip(vars(day).values(), vars(later).values(), strict=True)
    return Series(*(np.concatenate(parts) for parts in both))
