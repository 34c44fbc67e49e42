"""Read the joule counters of Kepler and Zeus in Prometheus: text with times, or a query's answer.

Kepler counts per node (`kepler_node_gpu_joules_total`, its `docs/user/metrics.md`) and per
container or process; the node's counter goes before theirs. Earlier versions part each by `mode`
(idle, dynamic), which add up. Zeus counts per window and GPU (`energy_monitor_gpu_energy_joules`,
its `metric.py`); windows may lie within each other, so that of most energy counts.
"""

from __future__ import annotations

import re

import numpy as np
import pandas as pd

from ft_emissions_pipeline.equations import JOULES_PER_KWH
from ft_emissions_pipeline.readers.cells import numbers
from ft_emissions_pipeline.readers.reading import Reading, RefusalError, Settings, refused_rows
from ft_emissions_pipeline.readers.scrubbing import shown
from ft_emissions_pipeline.readers.shared.prometheus import samples_of
from ft_emissions_pipeline.readers.shared.samples import (
    hashed_hosts,
    host_in,
    telemetry_reading,
    times,
)
from ft_emissions_pipeline.tables import rows as row_rules
from ft_emissions_pipeline.tables.words import Basis, Content

FORMAT = "joule_counters"
LOG = (
    "Kepler's and Zeus' counters of GPU joules: Prometheus text with times, "
    "or JSON of a range query"
)
TELLS = "measured energy of each GPU, by time; machine"
LACKS = "the run, place, everything but the GPUs"
CONTENT: Content = "telemetry"
PROGRESS = None
BASIS = {"*": Basis.MEASURED}

_METRIC = re.compile(
    r"kepler_(?:node|container|pod|vm|process)_gpu_joules_total"
    r"|energy_monitor_gpu_energy_joules(?:_total|_sum)"
)
_HEAD = re.compile(rb"kepler_\w+_gpu_joules_total|energy_monitor_gpu_energy_joules")
_ORDER = (
    "kepler_node",
    "kepler_vm",
    "kepler_pod",
    "kepler_container",
    "kepler_process",
    "energy_monitor",
)
"""Whole machines before their parts; the first that is there counts."""
_HOSTS = ("node_name", "node", "instance", "exported_instance", "host", "hostname")
_DEVICES = ("gpu", "index", "gpu_id", "gpu_uuid")


def recognises(name: str, head: bytes) -> bool:
    """Say whether one of these counters stands in the file."""
    return (
        not name.endswith((".md", ".yaml", ".yml", ".py", ".go")) and _HEAD.search(head) is not None
    )


def read(data: bytes, uri: str, settings: Settings) -> Reading:
    """Read the samples of a file."""
    cells, refused = samples_of(data, _METRIC)
    if cells.empty:
        msg = "holds no sample of a counter of GPU joules; export kepler_node_gpu_joules_total"
        raise RefusalError(msg, refused[0][1] if refused else "missing_columns")
    if cells["timestamp"].isna().all():
        msg = (
            "no value has a time; take the metrics from what collected them, not from the exporter"
        )
        raise RefusalError(msg, "bad_timestamp")
    at, bad_time = times(cells["timestamp"].astype("str"), settings.timezone)
    values, no_number = numbers(cells["value"].astype("str"))
    checks: list[row_rules.Check] = [
        (bad_time | at.isna().to_numpy(), "bad_timestamp",
         lambda i: f"time is {shown(cells['timestamp'].iloc[i])}, "
                   "must be Unix seconds or milliseconds"),
        (no_number | values.isna().to_numpy(), "not_a_number",
         lambda i: f"value is {shown(cells['value'].iloc[i])}, no finite number; remove it"),
        ((values < 0).to_numpy(), "out_of_range", lambda _: "a counter below 0; remove it"),
    ]  # fmt: skip
    bad = refused_rows(
        len(cells), checks, lambda i: cells["record"].iloc[i], lambda i: str(cells["value"].iloc[i])
    )
    kept = ~cells["record"].isin([record for record, *_ in bad]).to_numpy()
    family = next(name for name in _ORDER if cells["name"].str.startswith(name).any())
    kept &= cells["name"].str.startswith(family).to_numpy()
    labels = cells["labels"]
    host = hashed_hosts(
        labels.map(lambda each: _first(each, _HOSTS) or "")
        .astype("str")
        .str.replace(r":\d+$", "", regex=True)
    )
    frame = pd.DataFrame(
        {
            "at": at,
            "record": cells["record"],
            "host": host.fillna(host_in(uri) or np.nan),
            "device": labels.map(lambda each: _first(each, _DEVICES) or "0").astype("str"),
            "gpu_model": labels.map(lambda each: each.get("gpu_name")).astype("str"),
            "series": labels.map(lambda each: repr(sorted(each.items()))).astype("str"),
            "counter_kwh": values / JOULES_PER_KWH,
        }
    )[kept]
    samples = _largest(frame) if family == "energy_monitor" else _summed(frame)
    return telemetry_reading(samples, len(cells) - len(bad), [*refused, *bad])


def _first(labels: dict[str, str], names: tuple[str, ...]) -> str | None:
    return next((labels[name] for name in names if labels.get(name)), None)


def _summed(frame: pd.DataFrame) -> pd.DataFrame:
    """Add up the series of a device at each time at which all of them were sampled."""
    key = ["host", "device", "at"]
    whole = frame.groupby(["host", "device"], dropna=False)["series"].transform("nunique")
    groups = frame.groupby(key, dropna=False, sort=False)
    there = groups["series"].transform("nunique") == whole
    distinct = frame[there].drop_duplicates([*key, "series"])
    return (
        distinct.groupby(key, dropna=False, sort=False)
        .agg(
            record=("record", "first"),
            gpu_model=("gpu_model", "first"),
            counter_kwh=("counter_kwh", "sum"),
        )
        .reset_index()
    )


def _largest(frame: pd.DataFrame) -> pd.DataFrame:
    """Keep of the windows of a device that which counted most."""
    most = frame.groupby(["host", "device", "series"], dropna=False)["counter_kwh"].transform("max")
    order = frame.assign(most=most).sort_values("most", ascending=False, kind="stable")
    first = order.groupby(["host", "device"], dropna=False)["series"].transform("first")
    return order[order["series"] == first].drop(columns=["most", "series"]).sort_index()
