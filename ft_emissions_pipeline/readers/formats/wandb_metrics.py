"""Read system metrics of Weights & Biases: CSV or JSON lines, a column per GPU and metric.

Columns are `gpu.{i}.powerWatts`, `gpu.{i}.energyJoules` (since the driver was loaded: differences
count) and `gpu.{i}.gpu` (percent), with or without `system.` before them; `/l:<label>` behind them
tells the nodes of a run apart. `gpu.process.*` repeats what its GPU draws, and is not read.

The web page puts the run's name before them, `support-bot - system/gpu.0.powerWatts`, with the
extremes of each point behind (`__MIN`, `__MAX`), which are not read. Its time is mostly relative to
the start of the run, which no column names: such a file is refused with what to export instead.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import PurePosixPath

import numpy as np
import pandas as pd

from ft_emissions_pipeline.equations import JOULES_PER_KWH
from ft_emissions_pipeline.readers.cells import numbers
from ft_emissions_pipeline.readers.documents import json_items, objects_of
from ft_emissions_pipeline.readers.reading import (
    Reading,
    RefusalError,
    Refused,
    Settings,
    refused_rows,
)
from ft_emissions_pipeline.readers.scrubbing import hashed_host, shown
from ft_emissions_pipeline.readers.shared.samples import host_in, telemetry_reading, times
from ft_emissions_pipeline.readers.sheets import header_of, sheet_of
from ft_emissions_pipeline.tables import rows as row_rules
from ft_emissions_pipeline.tables.words import Basis, Content

FORMAT = "wandb_metrics"
LOG = 'Weights & Biases system metrics, `run.history(stream="events")` as CSV or JSON lines'
TELLS = "measured energy, power and utilisation of each GPU of a run; its start and end"
LACKS = "place, tokens, usage"
CONTENT: Content = "telemetry"
PROGRESS = None
BASIS = {
    "*": Basis.MEASURED,
    # The metrics are sampled while the run goes on, not while the machine was reserved.
    "reserved_s": Basis.PREDICTED,
}

COLUMN = re.compile(
    r"^(?:(.+) - )?(?:system[./])?gpu\.(\d{1,4})\.(powerWatts|energyJoules|gpu)(?:/l:(.+))?$"
    r"(?<!__MIN)(?<!__MAX)"
)
"""A metric of a GPU: run, device, metric and label of the node."""
_FIELDS = {"powerWatts": "watts", "energyJoules": "counter_kwh", "gpu": "utilization"}
_SCALES = {"powerWatts": 1.0, "energyJoules": 1 / JOULES_PER_KWH, "gpu": 0.01}
_RUN = re.compile(r"(?:^|/)(?:offline-)?run-\d{8}_\d{6}-([A-Za-z0-9]+)/")
_TIME = "_timestamp"
_TIMES = (_TIME, "Wall Time", "Relative Time (Wall)", "Relative Time (Process)", "Step")
"""What the web page may put before the values."""


def recognises(name: str, head: bytes) -> bool:
    """Say whether columns or keys are those of system metrics of GPUs."""
    if name.endswith((".json", ".jsonl", ".ndjson")):
        return b'"_timestamp"' in head and bool(
            re.search(rb'"(?:system[./])?gpu\.\d{1,4}\.(?:powerWatts|energyJoules|gpu)', head)
        )
    header = header_of(head)[0]
    return bool({*_TIMES} & {*header}) and any(COLUMN.match(column) for column in header)


def read(data: bytes, uri: str, settings: Settings) -> Reading:
    """Read the samples of one run; each GPU's cell in a line is a record."""
    frame, refused = _cells(data)
    return reading_of_cells(frame, refused, uri, settings)


def reading_of_cells(
    frame: pd.DataFrame, refused: list[Refused], uri: str, settings: Settings
) -> Reading:
    """Return the reading of a table with `_timestamp` and a column for each GPU and metric."""
    columns = {name: found for name in frame if (found := COLUMN.match(str(name)))}
    if columns and _TIME not in frame and {*_TIMES} & {*frame}:
        msg = (
            "its times count from the start of the run, and no column says when that was; "
            'export run.history(stream="events"), which has _timestamp'
        )
        raise RefusalError(msg, "missing_columns")
    if not columns or _TIME not in frame:
        msg = "lacks _timestamp, or powerWatts, energyJoules and gpu of any GPU; export them"
        raise RefusalError(msg, "missing_columns")
    at, bad_time = times(frame[_TIME], settings.timezone)
    records = frame.index.astype("str")
    values: dict[tuple[str, str | None, str], dict[str, pd.Series]] = {}
    checks: list[row_rules.Check] = [
        (bad_time, "bad_timestamp",
         lambda i: f"_timestamp is {shown(frame[_TIME].iloc[i])}, must be Unix seconds"),
    ]  # fmt: skip
    for name, found in columns.items():
        run, device, metric, label = found.groups()
        cells = frame[name]
        # pandas and JavaScript write a missing number so.
        if pd.api.types.is_string_dtype(cells):
            cells = cells.mask(cells.str.strip().isin(["NaN", "nan", "null"]))
        read_values, bad = numbers(cells)
        read_values = read_values * _SCALES[metric]
        outside = (read_values < 0) | ((metric == "gpu") & (read_values > 1))
        checks += [
            (bad, "not_a_number", _says(frame[name], "no finite number")),
            (outside.to_numpy(), "out_of_range", _says(frame[name], "below 0 or above 100 %")),
        ]
        values.setdefault((run or run_of(uri), label, device), {})[_FIELDS[metric]] = read_values
    bad_rows = refused_rows(
        len(frame), checks, lambda i: records[i], lambda i: str(frame.iloc[i].dropna().to_dict())
    )
    good = ~np.isin(records, [record for record, *_ in bad_rows])
    samples = pd.concat(
        [
            pd.DataFrame(
                {
                    "at": at,
                    "record": pd.Series(records, index=frame.index),
                    "device": device,
                    "host": host_in(uri) if label is None else hashed_host(label),
                    "run_id": run,
                    **metrics,
                }
            )[good].dropna(subset=list(metrics), how="all")
            for (run, label, device), metrics in values.items()
        ],
        ignore_index=True,
    )
    empty = int(good.sum()) - samples["record"].nunique()
    alone = len({run for run, *_ in values}) == 1
    return telemetry_reading(samples, len(samples) + empty, [*refused, *bad_rows], of_one_run=alone)


def _says(cells: pd.Series, what: str) -> Callable[[int], str]:
    return lambda i: f"{cells.name} is {shown(cells.iloc[i])}: {what}; remove it"


def run_of(uri: str) -> str:
    """Return the run's id: in the name of its folder, else the name of the file."""
    folder = _RUN.search(uri)
    return folder.group(1) if folder else PurePosixPath(uri).name.split(".", maxsplit=1)[0] or uri


def _cells(data: bytes) -> tuple[pd.DataFrame, list[Refused]]:
    if data.lstrip()[:1] not in {b"{", b"["}:
        sheet = sheet_of(data)
        return sheet.frame, sheet.refused_misfits(
            "has another number of cells than the header's {columns}; remove it"
        )
    items, _ = json_items(data)
    rows, refused = objects_of(items, "not an object of metrics; write it as one")
    index = pd.Index([place for place, _ in rows], dtype="str")
    cells = {
        key: pd.Series([row.get(key) for _, row in rows], index=index, dtype="object")
        for key in dict.fromkeys(key for _, row in rows for key in row)
        if key == _TIME or COLUMN.match(key)
    }
    return pd.DataFrame(cells, index=index), refused
