"""Read the CSV of OpenAI's usage page: a row per bucket of time, project, user, key and model.

The columns are those of the usage API's results (`start_time`, `end_time` in Unix seconds,
`num_model_requests`, `model`). Projects, users and keys tell counts that add up apart, and are not
kept.
"""

from __future__ import annotations

from ft_emissions_pipeline.readers.documents import header_of
from ft_emissions_pipeline.readers.reading import (
    Reading,
    RefusalError,
    Settings,
    instant,
    number,
)
from ft_emissions_pipeline.readers.shared.requests import rows_of, text_of_cell
from ft_emissions_pipeline.readers.shared.usage_days import (
    buckets_of,
    reading_of_buckets,
    series_of,
)
from ft_emissions_pipeline.tables.words import Basis, Content

FORMAT = "openai_usage_csv"
LOG = "OpenAI usage page, exported as CSV"
TELLS = "counted requests per model and day"
LACKS = "everything about the fine-tuning"
CONTENT: Content = "usage"
PROGRESS = None
BASIS = {"*": Basis.MEASURED}

_NEEDED = {"start_time", "end_time", "num_model_requests", "model"}
_GROUPS = ("project_id", "user_id", "api_key_id", "batch", "service_tier", "source", "size")


def recognises(name: str, head: bytes) -> bool:
    """Say whether the columns are those of OpenAI's usage."""
    return name.endswith((".csv", ".tsv")) and set(header_of(head)[0]) >= _NEEDED


def read(data: bytes, uri: str, settings: Settings) -> Reading:  # noqa: ARG001 (Unix times)
    """Read the buckets of a file."""
    rows, refused = rows_of(data)
    buckets: list[dict[str, object]] = []
    for place, row in rows:
        try:
            start, end = (
                instant(number(row.get(name), name), "UTC", name)
                for name in ("start_time", "end_time")
            )
            count = number(row.get("num_model_requests"), "num_model_requests")
            if not text_of_cell(row, "model"):
                msg = "model is empty: the export adds up all models; export it grouped by model"
                raise RefusalError(msg, "missing_value")
        except RefusalError as error:
            refused.append((place, error.code, str(error), ""))
            continue
        buckets.append(
            {
                "model_name": text_of_cell(row, "model"), "start": start, "end": end,
                "inferences": count,
                "series": series_of(
                    {name: row.get(name) for name in _GROUPS if row.get(name) == row.get(name)}),
                "source_record": place,
            }
        )  # fmt: skip
    return reading_of_buckets(buckets_of(buckets), refused, lambda i: str(buckets[i]["model_name"]))
