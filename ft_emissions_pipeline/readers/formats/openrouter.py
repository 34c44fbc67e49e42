"""Read OpenRouter's activity: a row per generation (CSV of its page), or per day and model (API).

Columns of the page: `generation_id`, `created_at` (UTC), `model_permaslug`, `cancelled`,
`finish_reason_normalized`. The API's `GET /activity` answers with `date`, `model_permaslug` and
`requests` in `data`. A cancelled generation counts, for the model ran; one that ended in an error
does not. Users, keys and applications are not read.
"""

from __future__ import annotations

import pandas as pd

from ft_emissions_pipeline.readers.cells import instant, number
from ft_emissions_pipeline.readers.reading import Reading, Refused, Settings, read_each
from ft_emissions_pipeline.readers.shared.requests import (
    Row,
    keys_of,
    reading_of_requests,
    rows_of,
    text_of_cell,
)
from ft_emissions_pipeline.readers.shared.usage_days import FAILED, buckets_of, reading_of_buckets
from ft_emissions_pipeline.tables.words import Basis, Content

FORMAT = "openrouter"
LOG = "OpenRouter activity as CSV, or its API's answer"
TELLS = "counted requests per model and day"
LACKS = "everything about the fine-tuning"
CONTENT: Content = "usage"
PROGRESS = None
BASIS = {"*": Basis.MEASURED}


def recognises(name: str, head: bytes) -> bool:
    """Say whether columns or keys are those of OpenRouter's activity."""
    keys = keys_of(name, head)
    single = {"generation_id", "model_permaslug", "created_at"} <= keys
    return single or ({"model_permaslug", "requests", "date"} <= keys)


def read(data: bytes, uri: str, settings: Settings) -> Reading:  # noqa: ARG001 (times are UTC)
    """Read the requests or days of a file."""
    rows, refused = rows_of(data, ("data",))
    if any("requests" in row for _, row in rows):
        return _days(rows, refused)
    return reading_of_requests(rows, refused, _request)


def _request(row: Row) -> tuple[str, object, str]:
    failed = text_of_cell(row, "finish_reason_normalized").casefold() == "error"
    return (
        text_of_cell(row, "model_permaslug", "model"),
        row.get("created_at"),
        FAILED if failed else "",
    )


def _days(rows: list[tuple[str, Row]], refused: list[Refused]) -> Reading:
    told, bad = read_each(rows, _day)
    buckets = [{**bucket, "source_record": place} for place, bucket in told]
    every = [*refused, *bad]
    return reading_of_buckets(buckets_of(buckets), every, lambda i: str(buckets[i]["model_name"]))


def _day(row: Row) -> dict[str, object]:
    day = instant(row.get("date"), "UTC", "date")
    return {
        "model_name": text_of_cell(row, "model_permaslug", "model") or None,
        "start": day,
        "end": None if day is None else day + pd.Timedelta(days=1),
        "inferences": number(row.get("requests"), "requests"),
        # One model is served at several endpoints, which add up.
        "series": text_of_cell(row, "endpoint_id", "provider_name"),
    }
