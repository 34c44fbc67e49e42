"""Read OpenTelemetry's spans and metrics of generative AI (`gen_ai.*`), as JSON of OTLP or its SDK.

By the semantic conventions: a span of a call of a model has `gen_ai.operation.name` (chat,
text_completion, generate_content, embeddings) and `gen_ai.request.model` or
`gen_ai.response.model`; spans of agents and tools are none. The histogram
`gen_ai.client.operation.duration` counts the same calls, as deltas or as totals since a start;
`gen_ai.server.request.duration` is the server's view of them, and counts where no client's does;
where neither is there, `gen_ai.client.token.usage` counts the calls of which tokens are known, once
for each `gen_ai.token.type`, of which `input` is taken. Python's SDK prints a span as an object
with `context`, `start_time` and `attributes` (`ReadableSpan.to_json`, its console exporter).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

import pandas as pd

from ft_emissions_pipeline.readers.cells import instant, number
from ft_emissions_pipeline.readers.documents import json_items
from ft_emissions_pipeline.readers.formats.vllm import differences
from ft_emissions_pipeline.readers.reading import Reading, RefusalError, Refused, Settings
from ft_emissions_pipeline.readers.shared.requests import reading_of_requests
from ft_emissions_pipeline.readers.shared.usage_days import (
    FAILED,
    buckets_of,
    reading_of_buckets,
    series_of,
)
from ft_emissions_pipeline.tables.words import Basis, Content

FORMAT = "open_telemetry"
LOG = "OpenTelemetry `gen_ai.*` spans or metrics as OTLP JSON, spans as the SDK prints them"
TELLS = "counted calls of models per model and day"
LACKS = "everything about the fine-tuning; calls that were sampled away"
CONTENT: Content = "usage"
PROGRESS = None
BASIS = {"*": Basis.MEASURED}

_CALLS = {"chat", "text_completion", "generate_content", "embeddings", "completion"}
_METRICS = (
    "gen_ai.client.operation.duration", "gen_ai.server.request.duration",
    "gen_ai.client.token.usage",
)  # fmt: skip
"""The first of them that is there counts."""
_TOKENS = "gen_ai.token.type"
_MODELS = ("gen_ai.response.model", "gen_ai.request.model")
_DELTA = (1, "1", "AGGREGATION_TEMPORALITY_DELTA")
Labels = dict[str, str]


def recognises(name: str, head: bytes) -> bool:
    """Say whether spans or metrics of generative AI stand in a document of OTLP."""
    if not name.endswith((".json", ".jsonl", ".ndjson")):
        return False
    otlp = b'"resourceSpans"' in head or b'"resourceMetrics"' in head
    return b'"gen_ai.' in head and (otlp or (b'"context"' in head and b'"trace_id"' in head))


def read(data: bytes, uri: str, settings: Settings) -> Reading:  # noqa: ARG001 (times are Unix time)
    """Read the calls of a file: of its metrics if it has any, else of its spans."""
    items, _ = json_items(data)
    refused: list[Refused] = [
        (item.record, item.code, item.problem, "") for item in items if item.problem
    ]
    documents = [(item.record, item.value) for item in items if isinstance(item.value, dict)]
    refused += [
        (item.record, "wrong_shape", "no document of OTLP; export it again", "")
        for item in items
        if not item.problem and not isinstance(item.value, dict)
    ]
    points = [point for record, document in documents for point in _points(record, document)]
    if points:
        return _of_metrics(points, refused)
    spans = [span for record, document in documents for span in _spans(record, document)]
    return reading_of_requests(spans, refused, _call)


def _dicts(value: object, *path: str) -> Iterator[dict[str, object]]:
    """Yield the objects at the end of a path of lists."""
    listed = value if isinstance(value, list) else []
    for each in listed:
        if isinstance(each, dict):
            if path:
                yield from _dicts(each.get(path[0]), *path[1:])
            else:
                yield each


def _labels(value: object) -> Labels:
    if isinstance(value, dict):
        return {str(name): str(inner) for name, inner in value.items()}
    found: Labels = {}
    for pair in _dicts(value):
        inner = pair.get("value")
        if isinstance(inner, dict) and inner:
            found[str(pair.get("key"))] = str(next(iter(inner.values())))
    return found


def _spans(record: str, document: Mapping[str, object]) -> Iterator[tuple[str, dict[str, object]]]:
    if "context" in document:
        yield record, dict(document)
    spans = _dicts(document.get("resourceSpans"), "scopeSpans", "spans")
    yield from ((f"{record}.{n}", span) for n, span in enumerate(spans, 1))


def _call(span: Mapping[str, object]) -> tuple[str, object, str] | None:
    labels = _labels(span.get("attributes"))
    if labels.get("gen_ai.operation.name") not in _CALLS:
        return None
    status = span.get("status")
    failed = "error.type" in labels or (
        isinstance(status, dict)
        and status.get("code", status.get("status_code")) in (2, "STATUS_CODE_ERROR", "ERROR")
    )
    nanoseconds = number(span.get("startTimeUnixNano"), "startTimeUnixNano")
    at = span.get("start_time") if nanoseconds is None else nanoseconds / 1e9
    return _model(labels), at, FAILED if failed else ""


def _model(labels: Labels) -> str:
    return next((labels[name] for name in _MODELS if labels.get(name)), "")


Point = tuple[str, str, bool, dict[str, object]]


def _points(record: str, document: Mapping[str, object]) -> Iterator[Point]:
    """Yield place, metric, whether it is a delta, and content of each point of the histograms."""
    place = 0
    for metric in _dicts(document.get("resourceMetrics"), "scopeMetrics", "metrics"):
        histogram = metric.get("histogram") or metric.get("exponentialHistogram")
        if metric.get("name") not in _METRICS or not isinstance(histogram, dict):
            continue
        for point in _dicts(histogram.get("dataPoints")):
            place += 1
            yield (
                f"{record}.{place}",
                str(metric["name"]),
                histogram.get("aggregationTemporality") in _DELTA,
                point,
            )


def _of_metrics(points: list[Point], refused: list[Refused]) -> Reading:
    first = min((point[1] for point in points), key=_METRICS.index)
    kept = [point for point in points if point[1] == first]
    deltas: list[dict[str, object]] = []
    totals: list[tuple[object, ...]] = []
    others = len(points) - len(kept)
    for place, _, delta, point in kept:
        labels = _labels(point.get("attributes"))
        wanted = labels.get(_TOKENS, "input") == "input"
        if labels.get("gen_ai.operation.name", "chat") not in _CALLS or not wanted:
            others += 1
            continue
        try:
            count = number(point.get("count"), "count")
            start, end = (_time(point, name) for name in ("startTimeUnixNano", "timeUnixNano"))
            if not _model(labels) or count is None or end is None or start is None:
                msg = (
                    "a point without model, count or time; export the metric with "
                    "gen_ai.request.model"
                )
                raise RefusalError(msg, "missing_value")
        except RefusalError as error:
            refused.append((place, error.code, str(error), ""))
            continue
        failed = "error.type" in labels
        series = series_of(
            {k: v for k, v in labels.items() if k not in _MODELS}
            | {"since": "" if delta else start}
        )
        if delta:
            deltas.append(
                {
                    "model_name": _model(labels), "start": start, "end": end,
                    "inferences": 0.0 if failed else count, "series": series,
                    "repairs": FAILED if failed and count else "", "source_record": place,
                }
            )  # fmt: skip
        else:
            # The count began at nothing at the start that the point names.
            totals.append((place, end, count, _model(labels), "error" if failed else None, series))
            totals.append((place, start, 0.0, _model(labels), "error" if failed else None, series))
    grown, repeats = differences(totals)
    buckets = pd.concat([buckets_of(deltas), grown], ignore_index=True)
    # Two samples stand for each point of a total, and one of them for no record.
    twice = others + max(repeats - len(totals) // 2, 0)
    return reading_of_buckets(
        buckets, refused, lambda i: json.dumps(buckets.iloc[i].to_dict(), default=str), twice
    )


def _time(point: Mapping[str, object], name: str) -> pd.Timestamp | None:
    nanoseconds = number(point.get(name), name)
    return None if not nanoseconds else instant(nanoseconds / 1e9, "UTC", name)
