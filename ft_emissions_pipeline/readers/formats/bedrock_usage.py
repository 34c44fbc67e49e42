"""Read invocations of AWS Bedrock and SageMaker from CloudWatch: API answers or a metric stream.

- GetMetricData: `MetricDataResults` with Label, Timestamps, Values. The answer names no period; it
  is the shortest step between the times.
- GetMetricStatistics: Label and `Datapoints`. The answer names neither model nor period: save the
  Dimensions and Period of the question beside them.
- metric stream: one JSON object a line, a minute each. Lines of other metrics are no records.
- CSV, as the console downloads a graph and scripts write one; AWS documents no layout. Rows of
  labels (full label, statistic, period) go before a row per time, with a column per series.

The metric counts successful requests. Of a model's ARN only the model stays. Counts with further
dimensions besides ModelId repeat those without and are no records. An endpoint of SageMaker counts
per variant (dimensions EndpointName, VariantName), which add up; the endpoint stands for its model.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pandas as pd

from ft_emissions_pipeline.readers.cells import instant, number
from ft_emissions_pipeline.readers.documents import Item, json_items, text_of
from ft_emissions_pipeline.readers.reading import Reading, RefusalError, Refused, Settings
from ft_emissions_pipeline.readers.scrubbing import scrubbed, shown
from ft_emissions_pipeline.readers.shared.service_jobs import last_part
from ft_emissions_pipeline.readers.shared.usage_days import (
    buckets_of,
    reading_of_buckets,
    series_of,
)
from ft_emissions_pipeline.tables.words import Basis, Content

FORMAT = "bedrock_usage"
LOG = (
    "AWS Bedrock's and SageMaker endpoints' `Invocations` from CloudWatch: GetMetricData, "
    "GetMetricStatistics, metric stream, CSV of the console"
)
TELLS = "counted requests per model and day"
LACKS = "everything about the fine-tuning; the model's own name, where an id stands for it"
CONTENT: Content = "usage"
PROGRESS = None
BASIS = {"*": Basis.MEASURED}

_METRIC = "Invocations"
_WORDS = {
    "AWS/Bedrock", "AWS/SageMaker", _METRIC, "ModelId", "EndpointName", "VariantName", "AllTraffic",
    "Sum", "SampleCount",
}  # fmt: skip
"""What CloudWatch itself puts into a label, besides the model."""
_OTHERS = re.compile(r"\S*(?:Latency|Errors?|Throttles|Count|Utilization|PerInstance|Token)")
"""What ends the names of both services' other metrics."""
_NAMES = ("ModelId", "EndpointName")
_DIMENSIONS = {"AWS/Bedrock": {"ModelId"}, "AWS/SageMaker": {"EndpointName", "VariantName"}}
"""Namespace -> dimensions of the counts that add up to all of its requests."""
_STREAM_PERIOD = 60.0
_INSTANT = re.compile(r"\s*\d{4}[-/]\d{2}[-/]\d{2}[T ]\d{2}:\d{2}")
_LABELS = 20
"""Rows of labels at most."""
_NO_LABELS = {"id", "unit", "statistic", "period", "region", "color", "y axis", "account id"}
_COUNTS = {"Sum", "Sample count", "SampleCount", "sum", "n"}


def recognises(name: str, head: bytes) -> bool:
    """Say whether the file holds a metric of Bedrock as CloudWatch writes it."""
    if name.endswith(".csv"):
        labels, points = _table(head)
        return bool(points) and any(_METRIC in _words(cell) for row in labels for cell in row)
    if not name.endswith((".json", ".jsonl", ".ndjson")):
        return False
    if b'"metric_stream_name"' in head or b'"metric_name"' in head:
        return b"AWS/Bedrock" in head or b"AWS/SageMaker" in head
    answer = b'"MetricDataResults"' in head or b'"Datapoints"' in head
    return answer and (_METRIC.encode() in head or b"edrock" in head)


def read(data: bytes, uri: str, settings: Settings) -> Reading:  # noqa: ARG001 (rows name themselves)
    """Read every count of invocations in a file."""
    items = json_items(data)[0] if data.lstrip()[:1] in {b"{", b"["} else list(_columns(data))
    rows: list[dict[str, object]] = []
    texts: list[str] = []
    refused: list[Refused] = []
    for item in items:
        if item.problem:
            refused.append((item.record, item.code, item.problem, item.raw))
            continue
        for record, series in _series(item):
            try:
                found = _rows(series, record, settings.timezone)
            except RefusalError as error:
                refused.append((record, error.code, str(error), _text(series)))
            else:
                rows += found
                texts += [json.dumps(row, default=str, ensure_ascii=False) for row in found]
    if not rows and not refused:
        msg = f"holds no {_METRIC} of a model; export that metric with its dimension ModelId"
        raise RefusalError(msg, "wrong_shape")
    return reading_of_buckets(buckets_of(rows), refused, lambda i: texts[i])


def _table(data: bytes) -> tuple[list[list[str]], list[list[str]]]:
    """Return the rows of labels before the first time, and those from there on."""
    try:
        rows = [row for row in csv.reader(text_of(data).split("\n")) if any(row)]
    except csv.Error as error:
        msg = f"no CSV: {error}; download the graph again"
        raise RefusalError(msg, "wrong_shape") from error
    begin = next((n for n, row in enumerate(rows) if _INSTANT.match(row[0])), len(rows))
    return (rows[:begin], rows[begin:]) if begin < _LABELS else ([], [])


def _words(label: str) -> list[str]:
    return [word.strip(":;=,\"'()") for word in re.split(r"[\s,]+", label)]


def _columns(data: bytes) -> Iterator[Item]:
    """Yield each column that counts invocations, as an answer of GetMetricData has it."""
    labels, points = _table(data)
    for n in range(1, max(map(len, labels), default=0)):
        # Scrubbed whole: of a word alone one could not tell any more what is secret.
        told = {
            row[0].strip().casefold(): scrubbed(row[n].strip()) for row in labels if len(row) > n
        }
        words = list(dict.fromkeys(
            word for name, cell in told.items() if name not in _NO_LABELS for word in _words(cell)
        ))  # fmt: skip
        statistic = told.get("statistic", "Sum")
        if _METRIC not in words:
            continue
        if statistic not in _COUNTS:
            msg = f"its statistic is {shown(statistic)}, no count; export Sum"
            yield Item(f"column {n + 1}", None, msg, code="wrong_shape")
            continue
        cells = [(row[0], row[n].strip()) for row in points if len(row) > n and row[n].strip()]
        yield Item(
            f"column {n + 1}",
            {
                "Label": " ".join(words), "Period": told.get("period") or None,
                "Timestamps": [time for time, _ in cells], "Values": [cell for _, cell in cells],
            },
        )  # fmt: skip


def _series(item: Item) -> Iterator[tuple[str, object]]:
    document = item.value
    results = document.get("MetricDataResults") if isinstance(document, dict) else None
    if isinstance(results, list):
        yield from ((f"{item.record}.{n}", result) for n, result in enumerate(results, 1))
    else:
        yield item.record, document


def _rows(series: object, record: str, timezone: str) -> list[dict[str, object]]:
    if not isinstance(series, dict):
        msg = "not an answer of CloudWatch; save it as it came, as JSON"
        raise RefusalError(msg, "wrong_shape")
    if "metric_name" in series:
        return _streamed(series, record)
    metric = series.get("MetricName")
    if (isinstance(metric, str) and metric != _METRIC) or _of_other(series.get("Label")):
        return []
    times, values = _points(series)
    starts = [instant(time, timezone, "Timestamp") for time in times]
    period = number(series.get("Period"), "Period") or _step(starts)
    model, others = _model(series)
    return [
        _row(model, others, start, period, number(value, _METRIC), f"{record}.{n}")
        for n, (start, value) in enumerate(zip(starts, values, strict=True), 1)
    ]


def _of_other(label: object) -> bool:
    """Say whether a label names another metric of the same answer."""
    words = str(label or "").split()
    return _METRIC not in words and any(map(_OTHERS.fullmatch, words))


def _streamed(line: Mapping[str, object], record: str) -> list[dict[str, object]]:
    wanted = _DIMENSIONS.get(str(line.get("namespace")))
    dimensions = line.get("dimensions")
    if (
        line["metric_name"] != _METRIC
        or not isinstance(dimensions, dict)
        or set(dimensions) != wanted
    ):
        return []
    milliseconds = number(line.get("timestamp"), "timestamp")
    start = None if milliseconds is None else instant(milliseconds / 1000, "UTC", "timestamp")
    value = line.get("value")
    count = value.get("sum", value.get("count")) if isinstance(value, dict) else value
    # A stream of several accounts and regions counts each on its own.
    others = {name: line.get(name) for name in ("account_id", "region")}
    others |= {"variant": dimensions.get("VariantName")}
    model = _name(next(dimensions[name] for name in _NAMES if name in dimensions))
    return [_row(model, others, start, _STREAM_PERIOD, number(count, _METRIC), record)]


def _row(
    model: str | None,
    others: Mapping[str, object],
    start: pd.Timestamp | None,
    period: float,
    count: float | None,
    record: str,
) -> dict[str, object]:
    if not 1 <= period <= 1e7:
        msg = f"Period is {period:g} s, must be 1 to 1e7"
        raise RefusalError(msg, "out_of_range")
    return {
        "model_name": model,
        "start": start,
        "end": None if start is None else start + pd.Timedelta(seconds=period),
        "inferences": count,
        "series": series_of(others),
        "source_record": record,
    }


def _points(series: Mapping[str, object]) -> tuple[list[object], list[object]]:
    points = series.get("Datapoints")
    if isinstance(points, list) and all(isinstance(point, dict) for point in points):
        if any("Sum" not in point and "SampleCount" not in point for point in points):
            msg = "datapoints hold no Sum; ask for the statistic Sum"
            raise RefusalError(msg, "wrong_shape")
        return (
            [point.get("Timestamp") for point in points],
            [point.get("Sum", point.get("SampleCount")) for point in points],
        )
    times, values = series.get("Timestamps"), series.get("Values")
    if isinstance(times, list) and isinstance(values, list) and len(times) == len(values):
        return times, values
    msg = "holds neither Datapoints nor as many Timestamps as Values; save the answer as it came"
    raise RefusalError(msg, "wrong_shape")


def _step(starts: Sequence[pd.Timestamp | None]) -> float:
    """Return the seconds between two counts; a minute for a lone one, which lies in its day."""
    seconds = np.unique([start.timestamp() for start in starts if start is not None])
    return float(np.diff(seconds).min()) if len(seconds) > 1 else 60.0


def _model(series: Mapping[str, object]) -> tuple[str | None, dict[str, object]]:
    """Return the model of a series, from its dimensions or its label, and the other dimensions."""
    given = series.get("Dimensions")
    named = given if isinstance(given, dict) else {}
    if isinstance(given, list):
        named = {
            str(entry.get("Name")): entry.get("Value") for entry in given if isinstance(entry, dict)
        }
    for name in _NAMES:
        if name in named:
            return _name(named[name]), {k: v for k, v in named.items() if k != name}
    label = scrubbed(str(series.get("Label") or ""))
    words = [word for word in label.split() if word not in _WORDS]
    if not words:
        msg = (
            "names no model: add the Dimensions of the question, "
            "or ask for the Label ${PROP('Dim.ModelId')}"
        )
        raise RefusalError(msg, "wrong_shape")
    return _name(" ".join(words)), {}


def _name(model: object) -> str | None:
    """Return the model in an ARN; anything else is its name."""
    if not isinstance(model, str):
        return None
    return (last_part(model) if model.startswith("arn:") else model.strip()) or None


def _text(series: object) -> str:
    return json.dumps(series, default=str, ensure_ascii=False)
