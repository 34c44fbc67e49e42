"""Read nvidia-smi's power and utilisation of each GPU, by time.

Its queries (`--query-gpu=... --format=csv -l`) and its monitor (`dmon -o DT`) name no machine: it
comes from a folder or file name `host=<name>`, or a `runs.yaml` gives the file to its run. Without
index and uuid, the lines of one moment are one GPU each.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import BinaryIO

import numpy as np
import pandas as pd

from ft_emissions_pipeline.readers.cells import of_each, one_text
from ft_emissions_pipeline.readers.documents import text_of
from ft_emissions_pipeline.readers.reading import Reading, RefusalError, Settings
from ft_emissions_pipeline.readers.shared.gpu_columns import by_place
from ft_emissions_pipeline.readers.shared.samples import (
    MISFIT,
    Samples,
    again,
    hashed_hosts,
    host_in,
    rows_without,
    telemetry_reading,
    times,
    with_units,
)
from ft_emissions_pipeline.readers.sheets import (
    Sheet,
    Types,
    blocks_of,
    header_of,
    sheet_of,
    sheets_in,
)
from ft_emissions_pipeline.tables import rows
from ft_emissions_pipeline.tables.words import Basis, Content

FORMAT = "nvidia_smi"
LOG = (
    "`nvidia-smi --query-gpu=timestamp,index,power.draw,... --format=csv`, `nvidia-smi dmon -o DT`"
)
TELLS = "measured power and utilisation of each GPU, by time"
LACKS = "the machine (name a folder `host=<name>`), the run, everything but the GPUs"
CONTENT: Content = "telemetry"
PROGRESS = None
BASIS = {"*": Basis.MEASURED}

_NAMES = {
    "timestamp": ("timestamp",),
    "watts": ("power.draw", "power.draw.average", "power.draw.instant"),
    "utilization": ("utilization.gpu",),
    "index": ("index",),
    "uuid": ("uuid", "gpu_uuid", "pci.bus_id", "gpu_bus_id"),
    "gpu_model": ("name", "gpu_name"),
}
_OF_MONITOR = {"gpu": "index", "pwr": "power.draw", "sm": "utilization.gpu"}
"""Column of `dmon` -> that of a query."""
_MONITOR = re.compile(rb"^\s*#\s*(?:Date\s+)?(?:Time\s+)?gpu[\s,].*\b(?:pwr|sm)\b")
_STAMP = re.compile(rb"^\s*\d{4}/\d{2}/\d{2} \d{2}:\d{2}:\d{2}\.\d{3}\s*,")


def recognises(name: str, head: bytes) -> bool:
    """Say whether the header names queries of nvidia-smi, or the lines begin as it begins them."""
    if name.endswith((".json", ".jsonl", ".ndjson", ".yaml", ".yml", ".md")):
        return False
    if _MONITOR.match(head):
        return True
    columns = _columns(header_of(head)[0])
    return ("timestamp" in columns and bool({"watts", "utilization"} & set(columns))) or bool(
        _STAMP.match(head)
    )


def read(data: bytes, uri: str, settings: Settings) -> Reading:
    """Read the samples of a file."""
    monitor = _MONITOR.match(data)
    sheet = sheet_of(b"".join(_as_query([text_of(data).encode()])) if monitor else data)
    return telemetry_reading(
        *samples_of(sheet, uri, settings, convention([facts(sheet, settings)]))
    )


def sheets(stream: BinaryIO, *, block: int) -> Iterator[Sheet]:
    """Yield the pieces of a file."""
    pieces = blocks_of(stream, block)
    first = next(pieces)
    every = itertools.chain([first], pieces)
    return sheets_in(_as_query(every) if _MONITOR.match(first) else every, types=types)


def types(header: list[str]) -> Types:
    """Return which columns hold instants and numbers."""
    found = _columns(header)
    measured = (found[name] for name in ("watts", "utilization") if name in found)
    return Types(frozenset(filter(None, [found.get("timestamp")])), frozenset(measured))


def facts(sheet: Sheet, settings: Settings) -> str:  # noqa: ARG001 - as of every such format
    """Return what tells the GPUs apart: `index`, `uuid`, or `place`."""
    columns = _columns(sheet.header)
    if not {"watts", "utilization"} & set(columns) or "timestamp" not in columns:
        msg = (
            "no header names timestamp and power.draw or utilization.gpu; "
            "query them, and leave noheader out of --format"
        )
        raise RefusalError(msg, "missing_columns")
    return next((name for name in ("index", "uuid") if name in columns), "place")


def convention(found: Sequence[str]) -> str:
    """Return what tells the GPUs of the file apart; the header says it."""
    return found[0]


def in_blocks(told: str) -> bool:
    """Say whether a piece of the file can be read without the others."""
    return told in {"index", "uuid"}


def samples_of(sheet: Sheet, uri: str, settings: Settings, told: str) -> Samples:
    """Return the samples of a file or of a piece of it."""
    cells = pd.DataFrame(
        {name: sheet.frame[column] for name, column in _columns(sheet.header).items()}
    )
    at, bad_time = times(cells["timestamp"], settings.timezone)
    watts, no_watts = with_units(_of(cells, "watts"), "W")
    percent, no_percent = with_units(_of(cells, "utilization"), "%")
    lines = cells.index.to_numpy()
    checks: list[rows.Check] = [
        (again(bad_time, cells["timestamp"], "timestamp"), "junk_row",
         lambda _: "the header again: the tool was started once more; remove the line"),
        (bad_time, "bad_timestamp",
         lambda i: f"timestamp is {cells['timestamp'].iloc[i]!r}, "
                   "must be like 2026/03/01 12:00:00.123"),
        (no_watts, "not_a_number",
         lambda i: f"power.draw is {cells['watts'].iloc[i]!r}; must be like 77.07 W"),
        (no_percent, "not_a_number",
         lambda i: f"utilization.gpu is {cells['utilization'].iloc[i]!r}; must be like 87 %"),
        ((watts.isna() & percent.isna()).to_numpy(), "missing_value",
         lambda _: "neither power nor utilisation: the GPU does not report them"),
        ((watts < 0).to_numpy() | ((percent < 0) | (percent > 100)).to_numpy(), "out_of_range",
         lambda i: f"{watts.iloc[i]} W at {percent.iloc[i]} %: below 0 or above 100 %; "
                   "remove the line"),
    ]  # fmt: skip
    refused = sheet.refused(checks)
    kept = rows_without(lines, refused)
    refused += sheet.refused_misfits(MISFIT)
    samples = pd.DataFrame(
        {
            "at": at,
            "record": lines,
            "device": _devices(cells, at[kept], told),
            "gpu_model": of_each(_of(cells, "gpu_model"), lambda text: text.str.strip()),
            "host": one_text(host_in(uri), lines),
            "watts": watts,
            "utilization": percent / 100,
        }
    )[kept]
    return Samples(samples, len(samples), refused)


def _as_query(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Yield what `dmon` wrote as a query would, line by line; a heading comes back at times."""
    columns: list[str] = []
    for piece in pieces:
        lines = []
        for line in piece.decode().split("\n"):
            cells = re.split(r"[\s,]+", line.replace("#", " ").strip())
            if "gpu" in cells:
                if not {"Date", "Time"} <= set(cells):
                    msg = "tells no date and time of its lines; run nvidia-smi dmon with -o DT"
                    raise RefusalError(msg, "missing_columns")
                first, columns = not columns, cells
                lines.append(",".join(["timestamp", *_OF_MONITOR.values()]) if first else "")
            elif line.lstrip().startswith("#") or len(cells) != len(columns):
                lines.append("" if line.lstrip().startswith("#") else line)
            else:
                row = dict(zip(columns, cells, strict=True))
                day = re.sub(r"^(\d{4})(\d\d)(\d\d)$", r"\1-\2-\3", row["Date"])
                told = ("[N/A]" if row.get(name, "-") == "-" else row[name] for name in _OF_MONITOR)
                lines.append(",".join([f"{day} {row['Time']}", *told]))
        yield "\n".join(lines).encode()


def _columns(header: list[str]) -> dict[str, str]:
    """Return our name -> the column, whose own name may carry its unit, `power.draw [W]`."""
    bare = {re.sub(r"\s*\[.*\]$", "", name).strip().casefold(): name for name in reversed(header)}
    found = {
        name: next((bare[query] for query in queries if query in bare), None)
        for name, queries in _NAMES.items()
    }
    return {name: column for name, column in found.items() if column is not None}


def _of(cells: pd.DataFrame, name: str) -> pd.Series:
    return cells[name] if name in cells else pd.Series(np.nan, index=cells.index, dtype="str")


def _devices(cells: pd.DataFrame, at: pd.Series, told: str) -> pd.Series:
    if told == "index":
        return of_each(cells["index"], lambda text: text.str.strip())
    if told == "uuid":
        return of_each(cells["uuid"], hashed_hosts)
    return by_place(at, cells.index)
