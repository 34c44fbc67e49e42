"""Read OpenAI's usage API: pages of buckets, each with the requests per model between two instants.

`GET /organization/usage/completions?group_by=model`, saved as it came: one page a file, a list of
pages, or a page a line. The other endpoints of the same shape (embeddings, images, ...) count too.
Projects, users and keys tell counts that add up from counts of the same thing, but are not kept.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

from ft_emissions_pipeline.readers.cells import instant, number
from ft_emissions_pipeline.readers.documents import Item, json_items
from ft_emissions_pipeline.readers.reading import Reading, RefusalError, Refused, Settings
from ft_emissions_pipeline.readers.shared.usage_days import (
    buckets_of,
    reading_of_buckets,
    series_of,
)
from ft_emissions_pipeline.tables.words import Basis, Content

FORMAT = "openai_usage"
LOG = "OpenAI usage API, pages of `organization/usage/completions` grouped by model"
TELLS = "counted requests per model and day; hours are added up"
LACKS = "everything about the fine-tuning; pages that did not land (`has_more`)"
CONTENT: Content = "usage"
PROGRESS = None
BASIS = {"*": Basis.MEASURED}

GROUPS = ("project_id", "user_id", "api_key_id", "batch", "service_tier", "source", "size")
"""What results of one bucket and model may be told apart by."""


def recognises(name: str, head: bytes) -> bool:
    """Say whether the file holds buckets of the usage API."""
    if not name.endswith((".json", ".jsonl", ".ndjson")):
        return False
    return b'"bucket"' in head and (b'"num_model_requests"' in head or b"organization." in head)


def read(data: bytes, uri: str, settings: Settings) -> Reading:  # noqa: ARG001 (times are Unix time)
    """Read the buckets of all pages of a file."""
    items, _ = json_items(data)
    rows: list[dict[str, object]] = []
    texts: list[object] = []
    refused: list[Refused] = []
    for item in items:
        if item.problem:
            refused.append((item.record, item.code, item.problem, item.raw))
            continue
        for record, bucket, result in _results(item):
            try:
                rows.append({**_row(bucket, result), "source_record": record})
                texts.append(result)
            except RefusalError as error:
                refused.append((record, error.code, str(error), _text(result)))
    return reading_of_buckets(buckets_of(rows), refused, lambda i: _text(texts[i]))


def _results(item: Item) -> Iterator[tuple[str, Mapping[str, object], object]]:
    """Yield place, bucket and result; what is no page or bucket is a result that cannot be read."""
    page = item.value
    data = page.get("data") if isinstance(page, dict) else None
    buckets = data if isinstance(data, list) else [page]
    for n, bucket in enumerate(buckets, 1):
        place = item.record if buckets == [page] else f"{item.record}.{n}"
        results = bucket.get("results") if isinstance(bucket, dict) else None
        if not isinstance(bucket, dict) or not isinstance(results, list):
            yield place, {}, bucket
            continue
        for m, result in enumerate(results, 1):
            yield f"{place}.{m}", bucket, result


def _row(bucket: Mapping[str, object], result: object) -> dict[str, object]:
    if not isinstance(result, dict) or "num_model_requests" not in result:
        msg = (
            "no result with num_model_requests in a bucket; "
            "save the answer of the usage API as it came"
        )
        raise RefusalError(msg, "wrong_shape")
    model = result.get("model")
    if not isinstance(model, str):
        msg = "model is empty: the export adds up all models; ask for it with group_by=model"
        raise RefusalError(msg, "missing_value")
    return {
        "model_name": model,
        "start": instant(bucket.get("start_time"), "UTC", "start_time"),
        "end": instant(bucket.get("end_time"), "UTC", "end_time"),
        "inferences": number(result["num_model_requests"], "num_model_requests"),
        "series": series_of({name: result.get(name) for name in GROUPS}),
    }


def _text(result: object) -> str:
    """Return a result as quarantine shows it: without the ids of project, user and key."""
    kept = result
    if isinstance(result, dict):
        kept = {name: value for name, value in result.items() if not name.endswith("_id")}
    return json.dumps(kept, default=str, ensure_ascii=False)
