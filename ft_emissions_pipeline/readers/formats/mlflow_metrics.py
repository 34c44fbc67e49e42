"""Read MLflow's system metrics of GPUs: files in `mlruns`, or an export of key, value, timestamp.

A file `mlruns/<experiment>/<run>/metrics/system/gpu_0_power_usage_watts` holds lines `timestamp
value step`. The run's id stands in the path, or in a column `run_id` of the export. On several
machines a folder `node_<n>` stands between (`set_system_metrics_node_id` of mlflow's
`system_metrics/`).
"""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pandas as pd

from ft_emissions_pipeline.readers.cells import numbers
from ft_emissions_pipeline.readers.documents import json_items, text_of
from ft_emissions_pipeline.readers.reading import (
    Reading,
    RefusalError,
    Refused,
    Settings,
    of_no_use,
    refused_rows,
)
from ft_emissions_pipeline.readers.scrubbing import shown
from ft_emissions_pipeline.readers.shared.samples import (
    hashed_hosts,
    host_in,
    telemetry_reading,
    times,
)
from ft_emissions_pipeline.readers.sheets import header_of, sheet_of
from ft_emissions_pipeline.tables import rows as row_rules
from ft_emissions_pipeline.tables.words import Basis, Content

FORMAT = "mlflow_metrics"
LOG = (
    "MLflow system metrics: files of `mlruns/<experiment>/<run>/metrics/system`, "
    "or CSV or JSON of `key,value,timestamp`"
)
TELLS = "measured power and utilisation of each GPU of a run; its start and end"
LACKS = "hardware, place, tokens, usage"
CONTENT: Content = "telemetry"
PROGRESS = None
BASIS = {
    "*": Basis.MEASURED,
    # The metrics are sampled while the run goes on, not while the machine was reserved.
    "reserved_s": Basis.PREDICTED,
}

_FILE = re.compile(r"(?:^|/)(?:([0-9a-z_-]+)/)?metrics/system/((?:[\w-]+/)?[a-z0-9_]+)$")
_METRIC = r"^(?:system/)?(?:([\w-]+)/)?gpu_(\d{1,4})_(power_usage_watts|utilization_percentage)$"
_COLUMNS = {"key", "value", "timestamp"}
_SYSTEM = b"system/gpu_"


def recognises(name: str, head: bytes) -> bool:
    """Say whether the path is that of a system metric, or the content an export of some."""
    if _FILE.search(name):
        return True
    if name.endswith((".json", ".jsonl", ".ndjson")):
        return _SYSTEM in head and all(f'"{column}"'.encode() in head for column in _COLUMNS)
    return (
        name.endswith((".csv", ".tsv")) and set(header_of(head)[0]) >= _COLUMNS and _SYSTEM in head
    )


def read(data: bytes, uri: str, settings: Settings) -> Reading:
    """Read the samples of one run."""
    cells, refused = _cells(data, uri)
    return reading_of_cells(cells, refused, uri, settings)


def reading_of_cells(
    cells: pd.DataFrame, refused: list[Refused], uri: str, settings: Settings
) -> Reading:
    """Return the reading of a table with `key`, `value`, `timestamp` and `run_id`."""
    named = cells["key"].astype("str").str.extract(_METRIC)
    wanted = named[1].notna()
    if not wanted.any() and _FILE.search(uri.casefold()):
        # MLflow writes a file for each metric, those of CPU, memory, disk and network among them.
        return of_no_use()
    if not wanted.any():
        msg = "tells neither power nor utilisation of a GPU; nothing is lost by leaving it out"
        raise RefusalError(msg, "no_energy")
    at, bad_time = times(cells["timestamp"], settings.timezone)
    values, no_number = numbers(cells["value"])
    power = (named[2] == "power_usage_watts").to_numpy(dtype=bool)
    checks: list[row_rules.Check] = [
        (bad_time & wanted.to_numpy(), "bad_timestamp",
         lambda i: f"timestamp is {shown(cells['timestamp'].iloc[i])}, must be Unix milliseconds"),
        ((no_number | values.isna().to_numpy()) & wanted.to_numpy(), "not_a_number",
         lambda i: f"value is {shown(cells['value'].iloc[i])}, no finite number; remove the line"),
        (((values < 0) | (~power & (values > 100))).to_numpy() & wanted.to_numpy(), "out_of_range",
         lambda i: f"value is {values.iloc[i]:g}: below 0 or above 100 %; remove the line"),
    ]  # fmt: skip
    records = cells.index.astype("str")
    found = refused_rows(
        len(cells), checks, lambda i: records[i], lambda i: str(cells.iloc[i].to_dict())
    )
    good = wanted.to_numpy() & ~np.isin(records, [record for record, *_ in found])
    run_ids = cells["run_id"].astype("str")
    if run_ids[good].nunique() > 1:
        msg = "holds metrics of several runs; export a file for each"
        raise RefusalError(msg, "wrong_shape")
    samples = pd.DataFrame(
        {
            "at": at,
            "record": pd.Series(records, index=cells.index),
            "device": named[1],
            "run_id": run_ids,
            "host": _hosts(named[0], run_ids, uri),
            "watts": values.where(power),
            "utilization": values.where(~power) / 100,
        }
    )[good]
    # Power and utilisation of one moment are two lines, and one sample.
    key = ["host", "device", "at"]
    both = samples.groupby(key, sort=False, as_index=False, dropna=False).first()
    reading = telemetry_reading(both, len(cells) - len(found), [*refused, *found], of_one_run=True)
    # A node's number stands for a machine of this run, and is none by which other logs know it.
    unnamed = reading.runs.assign(host=pd.Series(np.nan, index=reading.runs.index, dtype="str"))
    return replace(reading, runs=unnamed) if named[0].notna().any() else reading


def _hosts(nodes: pd.Series, run_ids: pd.Series, uri: str) -> pd.Series:
    """Return the machine of each sample: `system/node_1/` tells machines apart but names none."""
    named = (run_ids + "/" + nodes.astype("str")).where(nodes.notna())
    return hashed_hosts(named).fillna(host_in(uri) or np.nan)


def _cells(data: bytes, uri: str) -> tuple[pd.DataFrame, list[Refused]]:
    """Return key, value, timestamp and run_id of each line; other metrics may be among them."""
    path = _FILE.search(uri.casefold())
    if path is not None:
        return _lines(data, path.group(2), path.group(1) or uri)
    if data.lstrip()[:1] in {b"{", b"["}:
        items, _ = json_items(data)
        good = [item for item in items if isinstance(item.value, dict)]
        refused: list[Refused] = [
            (item.record, item.code, item.problem, item.raw)
            if item.problem
            else (item.record, "wrong_shape",
                  "not an object with key, value and timestamp; write it as one", repr(item.value))
            for item in items
            if not isinstance(item.value, dict)
        ]  # fmt: skip
        rows = [item.value for item in good if isinstance(item.value, dict)]
        index = pd.Index([item.record for item in good], dtype="str")
        names = ("key", "value", "timestamp", "run_id")
        frame = pd.DataFrame(
            {name: pd.Series([row.get(name) for row in rows], index=index, dtype="object")
             for name in names}
        )  # fmt: skip
        frame["key"] = frame["key"].where(frame["key"].map(lambda key: isinstance(key, str)))
    else:
        sheet = sheet_of(data)
        if not set(sheet.header) >= _COLUMNS:
            msg = "lacks key, value or timestamp; export these columns"
            raise RefusalError(msg, "missing_columns")
        frame = sheet.frame
        refused = sheet.refused_misfits(
            "has another number of cells than the header's {columns}; remove it"
        )
    run_id = frame["run_id"] if "run_id" in frame else pd.Series(np.nan, index=frame.index)
    return frame.assign(run_id=run_id.astype("str").fillna(uri)), refused


def _lines(data: bytes, key: str, run_id: str) -> tuple[pd.DataFrame, list[Refused]]:
    lines = text_of(data).split("\n")
    parts = [(n, line.split()) for n, line in enumerate(lines, 1) if line.strip()]
    good = [(n, cells) for n, cells in parts if len(cells) in {2, 3}]
    frame = pd.DataFrame(
        {
            "timestamp": [cells[0] for _, cells in good],
            "value": [cells[1] for _, cells in good],
        },
        index=pd.Index([n for n, _ in good], dtype="int64"),
        dtype="str",
    ).assign(key=key, run_id=run_id)
    refused: list[Refused] = [
        (str(n), "junk_row", "not of the form `timestamp value step`; remove the line",
         " ".join(cells))
        for n, cells in parts
        if len(cells) not in {2, 3}
    ]  # fmt: skip
    return frame, refused
