"""Read finished requests of vLLM, SGLang and TGI: snapshots of `/metrics`, or a range query.

`vllm:request_success_total{model_name, finished_reason, ...}` only grows, until the server starts
anew; requests of a span are the difference of two samples, per replica and reason. A value below
the one before is a restart, after which all of it is new (`counter_restarted`); a replica that
appears after the first sample counts from 0 (`counter_start_assumed`). What was served before the
first sample is not known. Requests that ended in `abort` or `error` are left out.

SGLang counts `sglang:num_requests_total{model_name}` (its `metrics/collector.py`), aborted ones
included; TGI `tgi_request_success` (its `router/src/infer`), of which no label is the model: that
is the label by which Prometheus knows the deployment.

In text, samples carry Prometheus timestamps, or a comment line with an instant goes before each
snapshot. A single snapshot says how much was served, but not when, and is refused.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping

import numpy as np
import pandas as pd

from ft_emissions_pipeline.readers import repairs
from ft_emissions_pipeline.readers.cells import instant, number
from ft_emissions_pipeline.readers.documents import json_items, text_of
from ft_emissions_pipeline.readers.reading import Reading, RefusalError, Refused, Settings
from ft_emissions_pipeline.readers.shared.usage_days import (
    BUCKET_COLUMNS,
    FAILED,
    buckets_of,
    reading_of_buckets,
    series_of,
)
from ft_emissions_pipeline.tables.words import Basis, Content

FORMAT = "vllm"
LOG = (
    "vLLM's `vllm:request_success_total`, SGLang's `sglang:num_requests_total`, TGI's "
    "`tgi_request_success`: snapshots of `/metrics` with times, or a Prometheus range query"
)
TELLS = "counted requests per model and day, replicas added up"
LACKS = "everything about the fine-tuning; what was served before the first sample"
CONTENT: Content = "usage"
PROGRESS = None
BASIS = {"*": Basis.MEASURED}

RESTARTED = "counter_restarted"
ASSUMED = "counter_start_assumed"
_METRIC = re.compile(
    r"^(?:(?:[a-z]+_)?vllm[:_]request_success_total|sglang[:_]num_requests_total"
    r"|tgi_request_success(?:_total)?)$"
)
_COUNTERS = ("request_success", "num_requests_total")
_PAGE = re.compile(
    rb"^(?:# (?:HELP|TYPE) )?(?:(?:[a-z]+_)?vllm[:_]|sglang[:_]|tgi_)\w+", re.MULTILINE
)
_MODELS = ("model_name", "served_model_name", "model", "model_id", "deployment", "endpoint_name")
"""Labels that name the model, the server's own before those by which Prometheus finds it."""
_FAILED = ("abort", "error")
_LINE = re.compile(r"^([A-Za-z_:][\w:]*)(?:\{(.{0,8000})\})?\s+(\S+)(?:\s+(\S+))?\s*$")
_LABEL = re.compile(r'([A-Za-z_]\w*)="((?:[^"\\]|\\.)*)"')
_COMMENT_TIME = re.compile(r"\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}[\d:.]*(?:Z|[+-]\d{2}:?\d{2})?")
_SAMPLE = ("record", "at", "value", "model_name", "reason", "series")


def recognises(name: str, head: bytes) -> bool:
    """Say whether the file holds the counter, as text or as the answer to a range query."""
    if name.endswith((".json", ".jsonl", ".ndjson")):
        return b'"resultType"' in head and any(counter.encode() in head for counter in _COUNTERS)
    return bool(_PAGE.search(head))


def read(data: bytes, uri: str, settings: Settings) -> Reading:  # noqa: ARG001 (rows name themselves)
    """Read the differences of the counter."""
    refused: list[Refused] = []
    found = _matrix if data.lstrip()[:1] == b"{" else _exposition
    samples = _frame(found(data, settings, refused))
    if not len(samples) and not refused:
        msg = "holds no sample of vllm:request_success_total; save the page /metrics as it is"
        raise RefusalError(msg, "wrong_shape")
    if len(samples) and samples["at"].nunique() < 2:
        msg = (
            "holds the counter at one time only: how much was served, but not when; "
            "put snapshots of several days into one file, each with its time"
        )
        raise RefusalError(msg, "wrong_shape")
    buckets, others = _differences(samples)
    return reading_of_buckets(
        buckets, refused, lambda i: json.dumps(buckets.iloc[i].to_dict(), default=str), others
    )


def differences(samples: list[tuple[object, ...]]) -> tuple[pd.DataFrame, int]:
    """Return what counters counted between samples (record, time, value, model, reason, series)."""
    return _differences(_frame(samples))


def _frame(samples: Iterable[tuple[object, ...]]) -> pd.DataFrame:
    frame = pd.DataFrame(list(samples), columns=list(_SAMPLE))
    frame["at"] = pd.to_datetime(frame["at"], utc=True).astype("datetime64[us, UTC]")
    texts = dict.fromkeys(("record", "model_name", "reason", "series"), "str")
    return frame.astype({"value": "float64", **texts})


def _differences(samples: pd.DataFrame) -> tuple[pd.DataFrame, int]:
    """Return what was served between a counter's samples, and how many samples repeat others."""
    if samples.empty:
        return buckets_of([]), 0
    own = ["model_name", "series", "reason"]
    ordered = samples.sort_values([*own, "at"], kind="stable")
    distinct = ordered.drop_duplicates([*own, "at"], keep="last").reset_index(drop=True)
    before = distinct.groupby(own, sort=False, dropna=False)[["at", "value"]].shift()
    at = distinct["at"].dt.tz_localize(None).to_numpy()
    times = np.unique(at)
    appeared = before["at"].isna() & (at > times[0])
    # A counter that appears began after the sample before its first.
    previous = pd.Series(times[np.maximum(np.searchsorted(times, at) - 1, 0)]).dt.tz_localize("UTC")
    start = before["at"].where(~appeared, previous)
    base = before["value"].mask(appeared, 0.0)
    restarted = distinct["value"] < base
    failed = distinct["reason"].isin(_FAILED)
    grown = distinct["value"] - base.mask(restarted, 0.0)
    notes = {RESTARTED: restarted, ASSUMED: appeared, FAILED: failed & (grown > 0)}
    buckets = pd.DataFrame(
        {
            "model_name": distinct["model_name"],
            "start": start,
            "end": distinct["at"],
            "inferences": grown.mask(failed & (grown >= 0), 0.0),
            "series": distinct["series"] + distinct["reason"].fillna(""),
            "repairs": repairs.column(notes, distinct.index),
            "source_record": distinct["record"],
        }
    )[list(BUCKET_COLUMNS)]
    # A first sample tells where its counter stood, and so belongs to the next.
    known = buckets["start"].notna()
    return buckets[known].reset_index(drop=True), len(samples) - int(known.sum())


def _exposition(
    data: bytes, settings: Settings, refused: list[Refused]
) -> Iterator[tuple[object, ...]]:
    at: pd.Timestamp | None = None
    for n, line in enumerate(text_of(data).split("\n"), 1):
        if line.startswith("#"):
            told = _COMMENT_TIME.search(line)
            if told and not line.startswith(("# HELP", "# TYPE")):
                at = _time(told.group(), settings.timezone)
            continue
        if not any(counter in line for counter in _COUNTERS):
            continue
        matched = _LINE.match(line)
        if not matched:
            reason = "no sample of Prometheus; save the page /metrics as it came"
            refused.append((str(n), "wrong_shape", reason, line))
            continue
        name, labels, value, stamp = matched.groups()
        if not _METRIC.match(name):
            continue
        try:
            moment = at if stamp is None else _stamp(stamp)
            if moment is None:
                msg = (
                    "names no time: write a comment line like # 2026-03-02T00:00:00Z before each "
                    "snapshot"
                )
                raise RefusalError(msg, "bad_timestamp")
            yield _sample(str(n), dict(_LABEL.findall(labels or "")), moment, value)
        except RefusalError as error:
            refused.append((str(n), error.code, str(error), f"{name} {value} {stamp or ''}"))


def _time(text: str, timezone: str) -> pd.Timestamp | None:
    try:
        return instant(text, timezone)
    except RefusalError:
        return None


def _stamp(text: str) -> pd.Timestamp | None:
    """Return the time of a sample: Prometheus writes milliseconds, OpenMetrics seconds."""
    found = number(text, "timestamp")
    return None if found is None else instant(found / 1000 if found > 1e11 else found, "UTC")


def _matrix(
    data: bytes,
    settings: Settings,  # noqa: ARG001 (times are Unix time)
    refused: list[Refused],
) -> Iterator[tuple[object, ...]]:
    items, _ = json_items(data)
    for item in items:
        if item.problem:
            refused.append((item.record, item.code, item.problem, item.raw))
            continue
        answer = item.value.get("data", item.value) if isinstance(item.value, dict) else None
        found = answer if isinstance(answer, dict) else {}
        results = found.get("result")
        if not isinstance(results, list) or found.get("resultType") != "matrix":
            msg = "no answer to a range query (resultType matrix); ask /api/v1/query_range"
            refused.append((item.record, "wrong_shape", msg, ""))
            continue
        for n, result in enumerate(results, 1):
            yield from _range(f"{item.record}.{n}", result, refused)


def _range(place: str, result: object, refused: list[Refused]) -> Iterator[tuple[object, ...]]:
    labels = result.get("metric") if isinstance(result, dict) else None
    values = result.get("values") if isinstance(result, dict) else None
    if not isinstance(labels, dict) or not isinstance(values, list):
        refused.append(
            (place, "wrong_shape", "no metric with values; save the answer as it came", "")
        )
        return
    if not _METRIC.match(str(labels.get("__name__", ""))):
        msg = (
            "names no counter: a sum or rate of counters hides restarts; "
            "ask for vllm:request_success_total (or SGLang's, TGI's counter) itself"
        )
        refused.append((place, "wrong_shape", msg, str(labels.get("model_name", ""))))
        return
    for m, pair in enumerate(values, 1):
        record = f"{place}.{m}"
        try:
            if not isinstance(pair, list) or len(pair) != 2:
                msg = "no pair of time and value; save the answer as it came"
                raise RefusalError(msg, "wrong_shape")
            moment = instant(pair[0], "UTC", "time")
            if moment is None:
                msg = "a value without its time; save the answer as it came"
                raise RefusalError(msg, "bad_timestamp")
            yield _sample(record, labels, moment, pair[1])
        except RefusalError as error:
            refused.append((record, error.code, str(error), str(pair)))


def _sample(
    record: str, labels: Mapping[str, object], at: pd.Timestamp, value: object
) -> tuple[object, ...]:
    found = number(value, "vllm:request_success_total")
    if found is None or found < 0:
        msg = f"the counter is {value!r}, must be at least 0"
        raise RefusalError(msg, "out_of_range")
    others = {
        name: text
        for name, text in labels.items()
        if name not in {*_MODELS, "finished_reason", "__name__"}
    }
    model = next((str(labels[name]) for name in _MODELS if labels.get(name)), None)
    reason = str(labels.get("finished_reason") or "") or None
    return record, at, found, model, reason, series_of(others)
