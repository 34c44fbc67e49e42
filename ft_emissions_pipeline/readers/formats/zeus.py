"""Read the CSV log of a ZeusMonitor: a row per measurement window, each GPU's energy in joules.

Header `start_time,window_name,elapsed_time,gpu0_energy,…` (`ZeusMonitor` in Zeus'
`monitor/energy.py`). Windows may lie within each other (a step within an epoch within a training);
the outermost count, and their inner ones repeat them.
"""

from __future__ import annotations

import re
from pathlib import PurePosixPath

import numpy as np
import pandas as pd

from ft_emissions_pipeline.equations import JOULES_PER_KWH
from ft_emissions_pipeline.readers.cells import numbers
from ft_emissions_pipeline.readers.reading import (
    RUN_COLUMNS,
    Reading,
    RefusalError,
    Settings,
    reading_of_frame,
)
from ft_emissions_pipeline.readers.shared.samples import MISFIT, rows_without
from ft_emissions_pipeline.readers.sheets import header_of, sheet_of
from ft_emissions_pipeline.tables import rows as row_rules
from ft_emissions_pipeline.tables.words import Basis, Content

FORMAT = "zeus"
LOG = "Zeus: CSV log of a ZeusMonitor"
TELLS = "measured energy of the accelerators and their number; start, end, time"
LACKS = "GPU model, base model, tokens, place, usage; the rest of the server"
CONTENT: Content = "runs"
PROGRESS = None
BASIS = {"*": Basis.MEASURED, "reserved_s": Basis.PREDICTED}

_MARKS = ("start_time", "window_name", "elapsed_time")
_GPU = re.compile(r"gpu\d+_energy")


def recognises(name: str, head: bytes) -> bool:
    """Say whether the header is that of a monitor's log."""
    return not name.endswith(".json") and set(header_of(head)[0]) >= set(_MARKS)


def read(data: bytes, uri: str, settings: Settings) -> Reading:  # noqa: ARG001 (Unix times)
    """Read the windows of one run."""
    sheet = sheet_of(data)
    gpus = [name for name in sheet.header if _GPU.fullmatch(name)]
    if not gpus or not set(_MARKS) <= set(sheet.header):
        msg = "names no gpu<n>_energy; monitor at least one GPU"
        raise RefusalError(msg, "missing_columns")
    read_columns = {
        name: numbers(sheet.frame[name]) for name in ("start_time", "elapsed_time", *gpus)
    }
    values = pd.DataFrame({name: column for name, (column, _) in read_columns.items()})
    wrong = (
        np.any([bad for _, bad in read_columns.values()], axis=0)
        | values.isna().any(axis=1).to_numpy()
    )
    start = values["start_time"]
    checks: list[row_rules.Check] = [
        (wrong, "not_a_number",
         lambda _: "start, time or an energy is no finite number; remove the window"),
        (~start.between(1e9, 1e10).to_numpy() & ~wrong, "bad_timestamp",
         lambda i: f"start_time is {start.iloc[i]!r}, must be Unix seconds"),
        (((values[["elapsed_time", *gpus]] < 0).any(axis=1)
          | (values["elapsed_time"] > 3.2e8)).to_numpy(), "out_of_range",
         lambda _: "a time or energy lies below 0 or beyond ten years; remove the window"),
    ]  # fmt: skip
    refused = sheet.refused(checks)
    good = values[rows_without(sheet.frame.index, refused)]
    refused += sheet.refused_misfits(MISFIT)
    rows = [_run(good, gpus, uri)] if len(good) and good["elapsed_time"].sum() > 0 else []
    runs = pd.DataFrame(rows, columns=list(RUN_COLUMNS))
    return reading_of_frame(
        runs, refused, records=len(good) + len(refused), merged=len(good) - len(runs)
    )


def _run(windows: pd.DataFrame, gpus: list[str], uri: str) -> dict[str, object]:
    ordered = windows.assign(end=windows["start_time"] + windows["elapsed_time"])
    ordered = ordered.sort_values(["start_time", "end"], ascending=[True, False], kind="stable")
    before = ordered["end"].cummax().shift(fill_value=-np.inf)
    # A microsecond of slack: an inner window ends with its outer one.
    outer = ordered[ordered["end"] > before + 1e-6]
    seconds = float(outer["elapsed_time"].sum())
    return {
        "run_id": str(PurePosixPath(uri).with_suffix("")),
        "started_at": pd.Timestamp(round(outer["start_time"].min() * 1e6), unit="us", tz="UTC"),
        "ended_at": pd.Timestamp(round(outer["end"].max() * 1e6), unit="us", tz="UTC"),
        "active_s": seconds,
        "reserved_s": seconds,
        "gpu_count": float(len(gpus)),
        "gpu_energy_kwh": float(outer[gpus].to_numpy().sum()) / JOULES_PER_KWH,
        "repairs": "windows_summed" if len(outer) > 1 else "",
        "source_record": str(outer.index[0]),
    }
