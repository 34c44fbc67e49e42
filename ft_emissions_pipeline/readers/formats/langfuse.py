"""Read Langfuse's observations: JSON, JSON lines or CSV; the generations are inferences.

Keys as in Langfuse's API (`ObservationsView`: `type`, `model`, `startTime`, `level`) or in its
exports to storage (`start_time`, `provided_model_name`). Spans, events, tools and agents are none;
embeddings are. One of level ERROR failed. What was asked and answered, users and sessions are not
read.
"""

from __future__ import annotations

from ft_emissions_pipeline.readers.reading import Reading, Settings
from ft_emissions_pipeline.readers.shared.requests import (
    Row,
    keys_of,
    reading_of_requests,
    rows_of,
    text_of_cell,
)
from ft_emissions_pipeline.readers.shared.usage_days import FAILED
from ft_emissions_pipeline.tables.words import Basis, Content

FORMAT = "langfuse"
LOG = "Langfuse observations as JSON, JSON lines or CSV"
TELLS = "counted generations per model and day, without failed ones"
LACKS = "everything about the fine-tuning"
CONTENT: Content = "usage"
PROGRESS = None
BASIS = {"*": Basis.MEASURED}

_INFERENCES = {"GENERATION", "EMBEDDING", ""}


def recognises(name: str, head: bytes) -> bool:
    """Say whether columns or keys are those of observations."""
    keys = keys_of(name, head)
    traced = {"traceId", "trace_id"} & keys and {"startTime", "start_time"} & keys
    return bool(traced) and bool(
        {
            "parentObservationId",
            "parent_observation_id",
            "completionStartTime",
            "completion_start_time",
            "timeToFirstToken",
        }
        & keys
    )


def read(data: bytes, uri: str, settings: Settings) -> Reading:  # noqa: ARG001 (times are UTC)
    """Read the observations of a file."""
    rows, refused = rows_of(data, ("data",))
    return reading_of_requests(rows, refused, _request)


def _request(row: Row) -> tuple[str, object, str] | None:
    if text_of_cell(row, "type").upper() not in _INFERENCES:
        return None
    failed = text_of_cell(row, "level").upper() == "ERROR"
    model = text_of_cell(row, "model", "provided_model_name", "providedModelName")
    if failed and not model:
        return None
    return model, row.get("startTime") or row.get("start_time"), FAILED if failed else ""
