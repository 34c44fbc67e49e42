"""Read samples of NVIDIA's DCGM exporter: Prometheus' text with times, or JSON of the same metrics.

JSON is what Prometheus' and VictoriaMetrics' interfaces give out, whole or one series a line:
`{"metric": {...}, "values": [[time, "value"], ...]}`, or `values` and `timestamps` apart, or
`{"name": ..., "labels": {...}, "value": ..., "timestamp": ...}`. The exporter itself writes no
times; only what collected it knows them. A slice of a GPU (MIG) repeats the power of the whole GPU,
which counts once. What could not be read DCGM writes as a large number (`DCGM_BLANK_VALUES` of its
dcgm_structs.h): no value.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import BinaryIO, NamedTuple

import numpy as np
import pandas as pd

from ft_emissions_pipeline.equations import JOULES_PER_KWH
from ft_emissions_pipeline.readers.cells import numbers, of_each
from ft_emissions_pipeline.readers.documents import Item, text_of
from ft_emissions_pipeline.readers.reading import (
    Reading,
    RefusalError,
    Refused,
    Settings,
    read_each,
    refused_rows,
)
from ft_emissions_pipeline.readers.scrubbing import shown
from ft_emissions_pipeline.readers.shared.prometheus import series_in
from ft_emissions_pipeline.readers.shared.samples import (
    Samples,
    hashed_hosts,
    host_in,
    telemetry_reading,
    times,
)
from ft_emissions_pipeline.readers.sheets import blocks_of
from ft_emissions_pipeline.tables import rows as row_rules
from ft_emissions_pipeline.tables.words import Basis, Content

FORMAT = "dcgm"
LOG = (
    "DCGM exporter: Prometheus text with times, or JSON from Prometheus' or VictoriaMetrics' "
    "interface"
)
TELLS = "measured energy, power and utilisation of each GPU, by time; machine, GPU model"
LACKS = "the run, place, everything but the GPUs"
CONTENT: Content = "telemetry"
PROGRESS = None
BASIS = {"*": Basis.MEASURED}

_METRICS = {
    "DCGM_FI_DEV_POWER_USAGE": ("watts", 1.0),
    "DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION": ("counter_kwh", 1e-3 / JOULES_PER_KWH),
    "DCGM_FI_DEV_GPU_UTIL": ("utilization", 0.01),
}
_BLANK = {
    "DCGM_FI_DEV_POWER_USAGE": 2.0**47,
    "DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION": float(0x7FFFFFFFFFFFFFF0),
    "DCGM_FI_DEV_GPU_UTIL": float(0x7FFFFFF0),
}
"""Metric -> number from which on a value says blank, not found, not supported or not permitted; of
its type in DCGM, and for utilisation of the narrowest one."""
_LINE = r"^\s*(DCGM_\w+)\s*\{(.*)\}\s+(\S+)(?:\s+(\S+))?\s*$"
_LABELS = {
    "device": "gpu",
    "uuid": "UUID",
    "host": "Hostname",
    "gpu_model": "modelName",
}
_ANSWER = re.compile(rb'"resultType"\s*:\s*"(?:matrix|vector)"')
_NAMELESS = (
    "the series lacks the name of its metric, which sums and functions drop; "
    "keep __name__ in the query, like DCGM_FI_DEV_POWER_USAGE or sum by (__name__, gpu, Hostname) "
    "(DCGM_FI_DEV_POWER_USAGE)"
)
_PARTS = ("metric", "value", "timestamp", *_LABELS)


def recognises(name: str, head: bytes) -> bool:
    """Say whether metrics of DCGM stand in the file, as no format but an exporter's has them.

    So do answers of Prometheus that name no metric: whose they are must be asked for.
    """
    if name.endswith((".md", ".markdown", ".yaml", ".yml", ".csv")):
        return False
    nameless = _ANSWER.search(head) is not None and b'"__name__"' not in head
    return b"DCGM_FI_" in head or nameless


def read(data: bytes, uri: str, settings: Settings) -> Reading:
    """Read the samples of a file; each value of a metric is a record."""
    document = data.lstrip()[:1] in {b"{", b"["}
    cells = _of_json(data) if document else _of_text(text_of(data), 1)
    told = convention([facts(cells, settings)])
    return telemetry_reading(*samples_of(cells, uri, settings, told))


class Cells(NamedTuple):
    """The values of a file or of a piece of it, each with its labels, and what is none."""

    frame: pd.DataFrame
    refused: list[Refused]


def sheets(stream: BinaryIO, *, block: int) -> Iterator[Cells]:
    """Yield the pieces of a text."""
    start = 1
    for piece in blocks_of(stream, block):
        yield _of_text(piece.decode(), start)
        start += piece.count(b"\n")


class Facts(NamedTuple):
    """What of a piece all pieces of the file must agree on."""

    values: int
    known: int
    timed: int
    codes: list[str]
    """Why what is no value was refused."""


def facts(cells: Cells, settings: Settings) -> Facts:  # noqa: ARG001 - as of every such format
    """Return what of a piece all pieces of the file must agree on."""
    known = cells.frame["metric"].isin(_METRICS)
    timed = cells.frame["timestamp"].notna() & known
    codes = [code for _, code, *_ in cells.refused]
    return Facts(len(known), int(known.sum()), int(timed.sum()), codes)


def convention(found: Sequence[Facts]) -> bool:
    """Return True, as each value says all of itself; refuse a file that holds none of use."""
    values, known = sum(each.values for each in found), sum(each.known for each in found)
    codes = [code for each in found for code in each.codes]
    if not values and codes and set(codes) == {"metric_not_named"}:
        raise RefusalError(_NAMELESS, "metric_not_named")
    if not known:
        msg = f"holds none of {', '.join(_METRICS)}, or none of them readable; export one of them"
        raise RefusalError(msg, "missing_columns" if values or not codes else codes[0])
    if not sum(each.timed for each in found):
        msg = (
            "no value has a time; take the metrics from what collected them, not from the exporter"
        )
        raise RefusalError(msg, "bad_timestamp")
    return True


def in_blocks(told: bool) -> bool:
    """Say whether a piece of the file can be read without the others."""
    return told


def samples_of(found: Cells, uri: str, settings: Settings, told: bool) -> Samples:  # noqa: ARG001
    """Return the samples of a file or of a piece of it, of one value each."""
    cells = found.frame
    known = cells["metric"].isin(_METRICS)
    at, bad_time = times(cells["timestamp"], settings.timezone)
    values, no_number = numbers(cells["value"].mask(cells["value"].isin(["NaN", "Nan"])))
    values = values.mask(values >= cells["metric"].map(_BLANK))
    values = values * cells["metric"].map({name: scale for name, (_, scale) in _METRICS.items()})
    share = (cells["metric"] == "DCGM_FI_DEV_GPU_UTIL") & (values > 1)
    other = ~known.to_numpy()
    checks: list[row_rules.Check] = [
        (bad_time & ~other, "bad_timestamp",
         lambda i: f"time is {shown(cells['timestamp'].iloc[i])}, "
                   "must be Unix seconds or milliseconds"),
        (no_number & ~other, "not_a_number",
         lambda i: f"{cells['metric'].iloc[i]} is {shown(cells['value'].iloc[i])}, "
                   "no finite number; remove it"),
        (((values < 0) | share).to_numpy() & ~other, "out_of_range",
         lambda i: f"{cells['metric'].iloc[i]} is {cells['value'].iloc[i]}: "
                   "below 0 or above 100 %; remove it"),
    ]  # fmt: skip
    records = cells["record"].to_numpy()
    bad = refused_rows(
        len(cells), checks, lambda i: str(records[i]),
        lambda i: " ".join(cells.loc[i, ["metric", "value"]].dropna().astype("str"))
    )  # fmt: skip
    usable = known & values.notna() & ~cells["record"].astype("str").isin([each[0] for each in bad])
    uuid, host = (of_each(cells[name], hashed_hosts).astype("str") for name in ("uuid", "host"))
    field = cells["metric"].map({name: field for name, (field, _) in _METRICS.items()})
    samples = pd.DataFrame(
        {
            "at": at,
            "record": cells["record"],
            "host": host.fillna(host_in(uri) or np.nan),
            "device": cells["device"].where(cells["device"].notna(), uuid).fillna("0"),
            "gpu_model": cells["gpu_model"],
            **{name: values.where(field == name) for name, _ in _METRICS.values()},
        }
    )[usable]
    return Samples(samples, len(cells) - len(bad), [*found.refused, *bad], one_value=True)


def _of_text(text: str, start: int) -> Cells:
    lines = pd.Series(text.split("\n"), dtype="str")
    lines.index = pd.RangeIndex(start, start + len(lines))
    lines = lines[~lines.str.match(r"^\s*(?:#|$)")]
    parts = lines.str.extract(_LINE)
    good = parts[0].notna()
    reason = "not of the form `metric{labels} value time`; remove the line"
    refused: list[Refused] = [
        (str(n), "junk_row", reason, str(lines[n])[:40]) for n in lines.index[~good]
    ]
    parts = parts[good]
    labels = parts[1].drop_duplicates()
    texts = {
        name: parts[1].map(
            labels.str.extract(rf'(?:^|,)\s*{label}="((?:[^"\\]|\\.)*)"')[0].set_axis(labels)
        )
        for name, label in _LABELS.items()
    }
    frame = pd.DataFrame(
        {"metric": parts[0], "value": parts[2], "timestamp": parts[3], **texts}, dtype="str"
    )
    return Cells(frame.assign(record=frame.index).reset_index(drop=True), refused)


def _of_json(data: bytes) -> Cells:
    series, refused = read_each(series_in(data), _series)
    rows = [row for _, told in series for row in told]
    frame = pd.DataFrame(rows, columns=[*_PARTS, "record"], dtype="object")
    texts = {name: frame[name].astype("str") for name in ("metric", *_LABELS, "record")}
    return Cells(frame.assign(**texts), refused)


def _series(item: Item) -> Iterator[tuple[object, ...]]:
    series = item.mapping("not a series of a metric; write it as an object with metric and values")
    metric = series.get("metric")
    labels = metric if isinstance(metric, Mapping) else series.get("labels")
    labels = labels if isinstance(labels, Mapping) else series
    name = (
        labels.get("__name__")
        or series.get("name")
        or (metric if isinstance(metric, str) else None)
    )
    if not isinstance(name, str):
        raise RefusalError(_NAMELESS, "metric_not_named")
    known = {part: labels.get(label) for part, label in _LABELS.items()}
    texts = [str(value) if isinstance(value, (str, int)) else None for value in known.values()]
    pairs = list(_pairs(series))
    if not pairs:
        msg = "the series has no values with times; export values and timestamps"
        raise RefusalError(msg, "wrong_shape")
    return (
        (name, value, time, *texts, f"{item.record}/{n}" if len(pairs) > 1 else item.record)
        for n, (time, value) in enumerate(pairs, 1)
    )


def _pairs(series: Mapping[str, object]) -> Iterator[tuple[object, object]]:
    values, stamps = series.get("values"), series.get("timestamps")
    if isinstance(values, list) and isinstance(stamps, list) and len(values) == len(stamps):
        yield from zip(stamps, values, strict=True)
    elif isinstance(values, list):
        yield from (
            (pair[0], pair[1]) if isinstance(pair, list) and len(pair) == 2 else (None, None)
            for pair in values
        )
    else:
        value = series.get("value")
        if isinstance(value, list) and len(value) == 2:
            yield value[0], value[1]
        elif value is not None:
            yield series.get("timestamp"), value
