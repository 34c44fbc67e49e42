"""Which columns of a CSV file tell of GPUs: whose they are, and what they hold.

Put here: how people's own scripts name GPUs, and whether a file names one at all. Keep out: the
tools with names of their own (`nvidia_smi.py`, `wandb_metrics.py`), and integrating samples
(`samples.py`).
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

import numpy as np
import pandas as pd

from ft_emissions_pipeline.readers.documents import text_of

TIMES = (
    "timestamp", "time", "datetime", "date time", "ts", "last changed", "time stamp", "unix time",
)  # fmt: skip
"""Names of a column of instants, as `words_of` writes them without a zone."""
_ALSO_TIMES = ("recorded at", "measured at", "created at", "zeitstempel", "zeit", "uhrzeit")
"""Names that mean it where no column has a surer one."""
_ZONES = {"utc", "gmt"}
WATTS = {
    "w": 1.0, "watt": 1.0, "watts": 1.0, "mw": 1e-3, "milliwatt": 1e-3, "milliwatts": 1e-3,
    "kw": 1e3, "kilowatt": 1e3, "kilowatts": 1e3,
}  # fmt: skip
"""Unit of power -> watts."""

_GPU = {"gpu", "gpus", "cuda", "nvidia", "nvml", "nvsmi", "accelerator", "graphics"}
_METERS = {"meter", "plug", "outlet", "socket", "pdu", "wall", "mains", "shelly", "tasmota",
           "wattmeter"}  # fmt: skip
_MACHINES = {"host", "hostname", "node", "server", "machine", "rack", "instance", "entity"}
INDICES = {
    "gpu", "gpus", "gpu index", "gpu id", "gpu idx", "gpu no", "gpu num", "gpu number", "gpu rank",
    "index", "idx", "device", "dev", "device id", "device index", "device idx", "dev id", "card",
    "card id", "cuda device", "accelerator", "accelerator id", "local rank",
}  # fmt: skip
SERIALS = {"uuid", "gpu uuid", "pci bus id", "gpu bus id", "bus id", "serial", "gpu serial"}
MODELS = {"name", "gpu name", "gpu model", "model", "device name", "product name"}
"""Names of columns that tell which GPU a line is of: its number, its serial name, its model."""
_POWER = {"power", "draw", "pwr", "consumption", *WATTS}
_BUSY = {"util", "utilization", "utilisation", "load", "usage", "busy", "sm"}
_OTHERS = {
    "limit", "max", "min", "cap", "enforced", "default", "mem", "memory", "vram", "temp",
    "temperature", "clock", "mhz", "fan", "cpu", "ram", "dram", "package", "pid", "process",
    "encoder", "decoder", "energy", "wh", "kwh", "mwh", "joules", "j", "kj", "mj", "cost", "pstate",
    "pcie",
}  # fmt: skip
"""Words of columns that hold neither power nor utilisation of a GPU."""
_MODEL_NAME = re.compile(
    r"nvidia|geforce|quadro|\btesla [a-z]\d|\b(?:rtx|gtx)[ -]?\w*\d{3,4}|radeon|instinct|\bcuda:\d"
    r"|\bgpu[ -]?\d|\bGPU-[0-9a-f]{8}|\b[ahvp]\d{2,3}[- ](?:sxm|pcie)",
    re.IGNORECASE,
)
_INDEX = re.compile(r"(?:gpu|cuda|device|dev|card|nvidia)?[\s:_-]*(\d{1,3})(?:\.0)?", re.IGNORECASE)
_LINES = 200
"""Lines of a file's start that are looked at for names of GPUs."""


@dataclass(frozen=True)
class Measured:
    """A column of power or utilisation: the GPU that it names, and its unit."""

    column: str
    field: str
    """watts, utilization, or "" where the name of the column does not say which."""
    device: str | None
    watts: float | None
    """Watts of a unit of power, None where the name states none."""


def words_of(name: str) -> list[str]:
    """Return the words and numbers of a column's name: `gpu0PowerW` is gpu, 0, power, w."""
    whole = re.sub(r"(?<![A-Za-z])[mk]Wh?(?![A-Za-z])", lambda unit: unit[0].casefold(), name)
    parted = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", whole.replace("%", " pct "))
    return re.findall(r"[a-z]+|\d+", parted.casefold())


def time_in(header: Iterable[str]) -> str | None:
    """Return the first column of instants."""
    bare = {name: " ".join(w for w in words_of(name) if w not in _ZONES) for name in header}
    return next(
        (name for names in (TIMES, _ALSO_TIMES) for name in bare if bare[name] in names), None
    )


def zone_in(column: str, timezone: str) -> str:
    """Return the zone that the name of a column of instants states, else the given one."""
    return "UTC" if _ZONES & set(words_of(column)) else timezone


def measured_in(header: Sequence[str]) -> list[Measured]:
    """Return the columns that hold a GPU's power or utilisation by their names."""
    found = [each for name in header if (each := _measured(name)) is not None]
    # Beside columns of single GPUs, one without a number is their sum or mean.
    numbered = {each.field for each in found if each.device is not None}
    return [each for each in found if each.device is not None or each.field not in numbered]


def _measured(name: str) -> Measured | None:
    words = words_of(name)
    told = set(words)
    whose = [word for word in words if word.isdigit()]
    device = whose[0] if len(whose) == 1 and told & {*_GPU, "device", "dev", "card"} else None
    # `Average Graphics Package Power (W)` of rocm-smi is that of the card.
    if told & _OTHERS - ({"package"} if "graphics" in told else set()):
        return None
    units = [WATTS[word] for word in words if word in WATTS]
    if told & _POWER:
        return Measured(name, "watts", device, units[-1] if units else None)
    if told & _BUSY:
        return Measured(name, "utilization", device, None)
    bare = device is not None and len(words) == 2
    return Measured(name, "", device, None) if bare else None


def column_of(header: Iterable[str], names: set[str]) -> str | None:
    """Return the first column whose name is one of some, for instance of `INDICES`."""
    return next((name for name in header if " ".join(words_of(name)) in names), None)


def indices(cells: pd.Series) -> pd.Series:
    """Return the numbers of GPUs in cells like `0`, `GPU 0` or `cuda:0`, missing in others."""
    text = cells.astype("str").str.strip()
    return text.str.extract(f"^{_INDEX.pattern}$", flags=re.IGNORECASE)[0]


def names_a_gpu(name: str, header: Sequence[str], head: bytes, delimiter: str) -> bool:
    """Say whether a CSV file is about GPUs: by its columns, its cells, or its own name.

    Parameters
    ----------
    name : str
        Name of the file.
    header : sequence of str
        Its columns.
    head : bytes
        Its first bytes, header included.
    delimiter : str
        Of its cells.
    """
    if any(set(words_of(column)) & _GPU for column in header):
        return True
    rows = rows_under(header, head, delimiter)
    # A machine may be called gpu-7, and a meter hang on it.
    telling = [n for n, column in enumerate(header) if not set(words_of(column)) & _MACHINES]
    if any(_MODEL_NAME.search(row[n]) for row in rows for n in telling):
        return True
    index = column_of(header, INDICES)
    if index is not None:
        place = list(header).index(index)
        whose = [_INDEX.fullmatch(row[place].strip()) for row in rows]
        numbers = {found.group(1) for found in whose if found}
        # A number of the line counts all of them; of GPUs there are few, each with many lines.
        if whose and all(whose) and (len(numbers) < len(whose) or len(whose) == 1):
            return True
    stem = set(words_of(PurePosixPath(name).stem))
    return bool(stem & _GPU) and not stem & {*_METERS, *_MACHINES}


def rows_under(header: Sequence[str], head: bytes, delimiter: str) -> list[list[str]]:
    """Return the first rows of a CSV file, those that fit its header."""
    lines = text_of(head).split("\n")[1 : _LINES + 1]
    try:
        rows = list(csv.reader(lines, delimiter=delimiter))
    except csv.Error:
        return []
    return [row for row in rows if len(row) == len(header)]


def by_place(at: pd.Series, lines: pd.Index) -> pd.Series:
    """Return which of several GPUs each line is of, where lines of one moment follow each other.

    A tool that asks all GPUs at once writes as many lines each time, then waits. Which GPU stands
    where is not said, but what they draw together is. Lines of one GPU that is sampled fast lie
    evenly apart, or in lots of any size.

    Parameters
    ----------
    at : Series
        Instant of each line, by line number; lines without one may be missing.
    lines : Index
        Line numbers for which a place is wanted.
    """
    one = pd.Series("0", index=lines)
    order = at.dropna().sort_index()
    steps = order.diff().dt.total_seconds().to_numpy()[1:]
    if len(steps) < 2 or (steps < 0).any():
        return one
    # Times are written to a millisecond at best.
    ordered = np.sort(np.maximum(steps, 1e-3))
    ratios = ordered[1:] / ordered[:-1]
    # Of n GPUs a share of (n - 1) / n steps is short and 1 / n long; the longest may be pauses.
    short = np.arange(1, len(ordered))
    enough = (short >= 0.45 * len(ordered)) & (len(ordered) - short >= len(ordered) / (_MOST + 1))
    candidates = np.flatnonzero(enough)
    if not len(candidates):
        return one
    cut = candidates[np.argmax(ratios[candidates])]
    if ratios[cut] < _APART:
        return one
    fresh = np.concatenate([[True], np.maximum(steps, 1e-3) > ordered[cut] * np.sqrt(ratios[cut])])
    tick = np.cumsum(fresh)
    sizes = np.bincount(tick)[1:]
    usual = int(np.bincount(sizes).argmax())
    if usual < 2 or usual > _MOST or len(sizes) < 2 or (sizes == usual).mean() < _REGULAR:
        return one
    first = np.flatnonzero(fresh)
    place = np.arange(len(order)) - first[tick - 1]
    return (
        pd.Series(place.astype("str"), index=order.index).reindex(lines).fillna("0").astype("str")
    )


_APART = 5.0
"""Ratio of the step between moments to the longest within one, from which on they are told
apart."""
_MOST = 32
"""GPUs of a machine at most."""
_REGULAR = 0.9
"""Share of moments that must have as many lines as is usual; a cut-off file may lack some."""
