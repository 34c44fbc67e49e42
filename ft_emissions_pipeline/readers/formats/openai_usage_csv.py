"""Read the CSV of OpenAI's usage page: a row per bucket of time, project, user, key and model.

The columns are those of the usage API's results (`start_time`, `end_time` in Unix seconds,
`num_model_requests`, `model`). Projects, users and keys tell counts that add up apart, and are not
kept.
"""

from __future__ import annotations

from ft_emissions_pipeline.readers.cells import instant, number
from ft_emissions_pipeline.readers.formats.openai_usage import GROUPS
from ft_emissions_pipeline.readers.reading import Reading, RefusalError, Settings, read_each
from ft_emissions_pipeline.readers.shared.requests import Row, rows_of, text_of_cell
from ft_emissions_pipeline.readers.shared.usage_days import (
    buckets_of,
    reading_of_buckets,
    series_of,
)
from ft_emissions_pipeline.readers.sheets import header_of
from ft_emissions_pipeline.tables.words import Basis, Content

FORMAT = "openai_usage_csv"
LOG = "OpenAI usage page, exported as CSV"
TELLS = "counted requests per model and day"
LACKS = "everything about the fine-tuning"
CONTENT: Content = "usage"
PROGRESS = None
BASIS = {"*": Basis.MEASURED}

_NEEDED = {"start_time", "end_time", "num_model_requests", "model"}


def recognises(name: str, head: bytes) -> bool:
    """Say whether the columns are those of OpenAI's usage."""
    return name.endswith((".csv", ".tsv")) and set(header_of(head)[0]) >= _NEEDED


def read(data: bytes, uri: str, settings: Settings) -> Reading:  # noqa: ARG001 (Unix times)
    """Read the buckets of a file."""
    rows, refused = rows_of(data)
    told, bad = read_each(rows, _bucket)
    buckets = [{**bucket, "source_record": place} for place, bucket in told]
    every = [*refused, *bad]
    return reading_of_buckets(buckets_of(buckets), every, lambda i: str(buckets[i]["model_name"]))


def _bucket(row: Row) -> dict[str, object]:
    start, end = (
        instant(number(row.get(name), name), "UTC", name) for name in ("start_time", "end_time")
    )
    count = number(row.get("num_model_requests"), "num_model_requests")
    model = text_of_cell(row, "model")
    if not model:
        msg = "model is empty: the export adds up all models; export it grouped by model"
        raise RefusalError(msg, "missing_value")
    # A missing cell is not equal to itself.
    groups = {name: row.get(name) for name in GROUPS if row.get(name) == row.get(name)}
    return {
        "model_name": model, "start": start, "end": end, "inferences": count,
        "series": series_of(groups),
    }  # fmt: skip
