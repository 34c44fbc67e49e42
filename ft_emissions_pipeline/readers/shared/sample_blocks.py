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
from functools import partial
from typing import IO, Any, Protocol

import numpy as np
import pandas as pd
import pyarrow as pa

from ft_emissions_pipeline.readers.documents import Sheet
from ft_emissions_pipeline.readers.reading import Reading, RefusalError, Refused, Settings, as_text
from ft_emissions_pipeline.readers.shared.samples import (
    DEVICE,
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
_AT_ONCE = 1 << 20
"""Samples of a device that are kept between the two walks over them."""


class Format(Protocol):
    """What a module of a format has besides, if its files can be read in blocks."""

    def facts(self, sheet: Sheet, settings: Settings) -> Any:
        """Return what of a piece all pieces of the file must agree on."""

    def convention(self, found: list[Any]) -> Any:
        """Return what the columns of a file hold, as all its pieces show together."""

    def in_blocks(self, told: Any) -> bool:
        """Say whether a piece of the file can be read without the others."""

    def samples_of(self, sheet: Sheet, uri: str, settings: Settings, told: Any) -> Samples:
        """Return the samples of a piece."""


def read_in_blocks(
    log: Format, sheets: Callable[[], Iterator[Sheet]], uri: str, settings: Settings
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


@dataclass
class _Spill:
    """Samples on disk, parted by device and day."""

    file: IO[bytes]
    number: dict[tuple[Hashable, ...], int] = field(default_factory=dict)
    devices: list[pd.DataFrame] = field(default_factory=list)
    models: dict[int, str] = field(default_factory=dict)
    powered: set[int] = field(default_factory=set)
    parts: dict[int, dict[int, list[tuple[int, int]]]] = field(
        default_factory=lambda: defaultdict(lambda: defaultdict(list))
    )
    """Device -> day -> places and lengths in the file."""
    row: np.dtype | None = None
    """A sample in the file: its instant, place, and the values that the format has."""
    records: int = 0
    refused: list[Refused] = field(default_factory=list)

    def add(self, samples: Samples) -> None:
        """Take the samples of a block."""
        self.records += samples.records
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
        if self.row is None:
            values = ((name, "f8") for name in VALUES if name in frame)
            self.row = np.dtype([("at", "i8"), ("row", "i8"), *values])
        rows = np.empty(len(order), dtype=self.row)
        for name in rows.dtype.names or ():
            rows[name] = getattr(series, name)[order]
        place = self.file.tell() // self.row.itemsize
        self.file.write(rows.data)
        for begin, end in zip(begins, np.append(begins[1:], len(part)), strict=True):
            stream, since = divmod(int(part[begin]), int(days))
            held = self.parts[stream][int(first) + since]
            held.append((place + int(begin), int(end - begin)))

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
        found = {name: [part] for name, part in vars(pieces_of(nothing, np.empty(0))[0]).items()}
        lone: list[pd.DataFrame] = []
        devices = pd.concat(self.devices, ignore_index=True) if self.devices else _none()
        for stream in sorted(self.parts):
            total = sum(n for parts in self.parts[stream].values() for _, n in parts)
            kept = list(self._days(stream)) if total <= _AT_ONCE else None
            walk = partial(self._days, stream) if kept is None else partial(iter, kept)
            limits = limit_of(np.full(stream + 1, _usual_s(walk())))
            of_device = list(_walked(walk(), limits))
            if not sum(len(each.row) for each in of_device):
                rows = np.concatenate([day.row for day in walk()]).astype("str")
                lone.append(
                    pd.DataFrame({"record": rows, "device": devices["device"].iloc[stream]})
                )
            for name, parts in found.items():
                parts += [getattr(each, name) for each in of_device]
        # Emptied on the way, so that memory holds the intervals once.
        pieces = Pieces(**{name: np.concatenate(found.pop(name)) for name in list(found)})
        devices["gpu_model"] = pd.Series(self.models, index=devices.index, dtype="str")
        records = as_text(pd.Index(pieces.row)).reset_index(drop=True)
        nobody = pd.concat(lone) if lone else pd.DataFrame({"record": [], "device": []})
        return reading_of(framed(pieces, devices, records), nobody, self.records, self.refused)

    def _days(self, stream: int) -> Iterator[Series]:
        """Yield the samples of a device, day by day and in order."""
        powered = np.zeros(stream + 1, dtype=bool)
        powered[stream] = stream in self.powered
        row = np.dtype(self.row)
        for _, parts in sorted(self.parts[stream].items()):
            read = (
                os.pread(self.file.fileno(), n * row.itemsize, place * row.itemsize)
                for place, n in parts
            )
            frame = pd.DataFrame(np.frombuffer(b"".join(read), dtype=row))
            code = np.full(len(frame), stream)
            day = ordered(series_of(frame, code, frame["row"].to_numpy()), powered)
            if len(day.at):
                yield day


def _none() -> pd.DataFrame:
    return pd.DataFrame({name: pd.Series(dtype="str") for name in DEVICE})


def _usual_s(days: Iterator[Series]) -> float:
    """Return the median step between the samples of a device; 0 if it is a short one."""
    short, longest, long = 0, 0, []
    last = np.empty(0, dtype="int64")
    for day in days:
        steps = np.diff(np.concatenate([last, day.at]))
        last = day.at[-1:]
        few = steps[steps < _STEP_US]
        short += len(few)
        longest = max(longest, few.max(initial=0))
        long.append(steps[steps >= _STEP_US])
    ordered_ = np.sort(np.concatenate(long)) if long else np.empty(0)
    total = short + len(ordered_)
    if not total:
        return np.nan
    middle = [
        longest if place < short else ordered_[place - short]
        for place in ((total - 1) // 2, total // 2)
    ]
    return float(np.mean(middle)) / 1e6


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
