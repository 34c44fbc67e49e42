"""Read Helicone's requests: CSV, JSON or JSON lines of its export tool and API.

Keys as in Helicone's `HeliconeRequest` (`request_created_at`, `request_model`, `response_model`,
`model_override`, `response_status`). A status that is no 200 failed; an answer out of Helicone's
cache was no inference (`cache_reference_id` of another request). Bodies, users and properties are
not read.
"""

from __future__ import annotations

from ft_emissions_pipeline.readers.reading import Reading, Settings
from ft_emissions_pipeline.readers.shared.requests import (
    CACHED,
    Row,
    keys_of,
    reading_of_requests,
    rows_of,
    text_of_cell,
)
from ft_emissions_pipeline.readers.shared.usage_days import FAILED
from ft_emissions_pipeline.tables.words import Basis, Content

FORMAT = "helicone"
LOG = "Helicone requests as CSV, JSON or JSON lines"
TELLS = "counted requests per model and day, without failed and cached ones"
LACKS = "everything about the fine-tuning"
CONTENT: Content = "usage"
PROGRESS = None
BASIS = {"*": Basis.MEASURED}

_NONE = {"", "00000000-0000-0000-0000-000000000000", "null"}


def recognises(name: str, head: bytes) -> bool:
    """Say whether columns or keys are those of Helicone's requests."""
    keys = keys_of(name, head)
    return {"request_created_at", "response_status"} <= keys and bool(
        {"request_model", "response_model"} & keys
    )


def read(data: bytes, uri: str, settings: Settings) -> Reading:  # noqa: ARG001 (times are UTC)
    """Read the requests of a file."""
    rows, refused = rows_of(data, ("data",))
    return reading_of_requests(rows, refused, _request)


def _request(row: Row) -> tuple[str, object, str] | None:
    status = text_of_cell(row, "response_status")
    model = text_of_cell(row, "model_override", "response_model", "request_model")
    failed = not status.startswith("2")
    if failed and not model:
        return None
    cached = text_of_cell(row, "cache_reference_id") not in _NONE
    return model, row.get("request_created_at"), CACHED if cached else (FAILED if failed else "")
