"""Read counts of requests from Azure's and Google Cloud's monitoring: JSON as their APIs answer.

- Azure Monitor (`az monitor metrics list`): `AzureOpenAIRequests` or `ModelRequests`, split by
  `ModelDeploymentName`, where also by `StatusCode` (its reference of metrics of
  Microsoft.CognitiveServices/accounts); failed ones are left out.
- Cloud Monitoring (`projects.timeSeries.list`):
  `aiplatform.googleapis.com/prediction/online/prediction_count` of an endpoint (label
  `deployed_model_id`, resource label `endpoint_id`), or
  `publisher/online_serving/model_invocation_count` (`model_user_id`, where also by
  `response_code`, as above).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from itertools import pairwise

import pandas as pd

from ft_emissions_pipeline.readers.cells import instant, number
from ft_emissions_pipeline.readers.documents import json_items
from ft_emissions_pipeline.readers.reading import Reading, RefusalError, Refused, Settings
from ft_emissions_pipeline.readers.shared.parts import objects, part
from ft_emissions_pipeline.readers.shared.usage_days import (
    FAILED,
    buckets_of,
    reading_of_buckets,
    series_of,
)
from ft_emissions_pipeline.tables.words import Basis, Content

FORMAT = "cloud_metrics"
LOG = (
    "Azure Monitor's requests of Azure OpenAI, Cloud Monitoring's predictions of Vertex AI "
    "endpoints, as JSON"
)
TELLS = "counted requests per deployment or model, and day"
LACKS = "everything about the fine-tuning"
CONTENT: Content = "usage"
PROGRESS = None
BASIS = {"*": Basis.MEASURED}

_AZURE = ("AzureOpenAIRequests", "ModelRequests")
_GOOGLE = ("prediction/online/prediction_count", "online_serving/model_invocation_count")
_GRAIN = re.compile(r"P(?:(\d{1,4})D)?(?:T(?:(\d{1,4})H)?(?:(\d{1,4})M)?)?")
_MODELS = ("modeldeploymentname", "modelname")
_NAMES = ("model_user_id", "deployed_model_id", "endpoint_id")

Bucket = dict[str, object]


def recognises(name: str, head: bytes) -> bool:
    """Say whether one of these metrics stands in the answer of a monitoring API."""
    if not name.endswith((".json", ".jsonl", ".ndjson")):
        return False
    azure = b'"timeseries"' in head and any(metric.encode() in head for metric in _AZURE)
    return azure or (b'"points"' in head and any(metric.encode() in head for metric in _GOOGLE))


def read(data: bytes, uri: str, settings: Settings) -> Reading:  # noqa: ARG001 (times are UTC)
    """Read every count of a file."""
    items, _ = json_items(data)
    buckets: list[Bucket] = []
    refused: list[Refused] = []
    for item in items:
        if item.problem:
            refused.append((item.record, item.code, item.problem, ""))
            continue
        for place, series, grain in _series(item.value, item.record):
            try:
                found = _azure(series, grain) if "data" in series else _google(series)
                buckets += [
                    {**bucket, "source_record": f"{place}.{n}"} for n, bucket in enumerate(found, 1)
                ]
            except RefusalError as error:
                refused.append((place, error.code, str(error), ""))
    if not buckets and not refused:
        msg = f"holds none of {', '.join((*_AZURE, *_GOOGLE))}; save the API's answer as it came"
        raise RefusalError(msg, "wrong_shape")
    return reading_of_buckets(buckets_of(buckets), refused, lambda i: str(buckets[i]["model_name"]))


def _series(document: object, record: str) -> Iterator[tuple[str, Mapping[str, object], object]]:
    """Yield place and content of each series of a metric that counts, and the grain it names."""
    answer = document if isinstance(document, dict) else {}
    for n, metric in enumerate(objects(answer, "value"), 1):
        if _named(metric.get("name")) in _AZURE:
            for m, series in enumerate(objects(metric, "timeseries"), 1):
                yield f"{record}.{n}.{m}", {"data": [], **series}, answer.get("interval")
    # `gcloud monitoring time-series list --format=json` gives a list of the series alone.
    listed = [answer] if "points" in answer else objects(answer, "timeSeries")
    for n, series in enumerate(listed, 1):
        if str(part(series, "metric").get("type", "")).endswith(_GOOGLE):
            yield f"{record}.{n}", series, None


def _named(value: object) -> str:
    return str(value.get("value", "")) if isinstance(value, dict) else str(value or "")


def _azure(series: Mapping[str, object], grain: object) -> list[Bucket]:
    labels = {
        _named(each.get("name")).casefold(): _named(each.get("value"))
        for each in objects(series, "metadatavalues")
    }
    model = next((labels[name] for name in _MODELS if labels.get(name)), None)
    if model is None:
        msg = "names no deployment; split the metric by ModelDeploymentName"
        raise RefusalError(msg, "missing_value")
    grains = _GRAIN.fullmatch(str(grain or ""))
    days, hours, minutes = (int(each or 0) for each in grains.groups()) if grains else (0, 0, 0)
    length = pd.Timedelta(minutes=(days * 24 + hours) * 60 + minutes)
    served = labels.get("statuscode", "200").startswith("2")
    points = objects(series, "data")
    starts = [instant(point.get("timeStamp"), "UTC", "timeStamp") for point in points]
    known = sorted(start for start in starts if start is not None)
    if not length and len(known) > 1:
        length = min(b - a for a, b in pairwise(known))
    length = length or pd.Timedelta(minutes=1)
    return [
        {
            "model_name": model, "start": start, "end": None if start is None else start + length,
            "inferences": count if served else 0.0,
            "series": series_of({k: v for k, v in labels.items() if k not in _MODELS}),
            "repairs": "" if served or not count else FAILED,
        }
        for start, point in zip(starts, points, strict=True)
        # Of an interval without requests Azure gives no total.
        if (count := number(point.get("total", point.get("count")), "total")) is not None
    ]  # fmt: skip


def _google(series: Mapping[str, object]) -> list[Bucket]:
    labels = {**part(series, "resource", "labels"), **part(series, "metric", "labels")}
    model = next((str(labels[name]) for name in _NAMES if labels.get(name)), None)
    others = {
        k: v for k, v in labels.items() if k not in {*_NAMES, "project_id", "resource_container"}
    }
    served = str(labels.get("response_code", "200")).startswith("2")
    buckets = []
    for point in objects(series, "points"):
        times, counted = part(point, "interval"), part(point, "value")
        start, end = (instant(times.get(name), "UTC", name) for name in ("startTime", "endTime"))
        count = number(counted.get("int64Value", counted.get("doubleValue")), "value")
        buckets.append(
            {
                "model_name": model, "start": start, "end": end,
                "inferences": count if served else 0.0,
                "series": series_of(others), "repairs": "" if served or not count else FAILED,
            }
        )  # fmt: skip
    return buckets
