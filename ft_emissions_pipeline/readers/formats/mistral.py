"""Read Mistral's fine-tuning job: one job, a list, a page, or one job a line.

The service names no hardware and no region. Times come from the events where the job has them; its
tokens are whole steps, padding or packing included, over all epochs.
"""

from __future__ import annotations

import re

import pandas as pd

from ft_emissions_pipeline.readers import repairs
from ft_emissions_pipeline.readers.reading import Reading, RefusalError, Settings
from ft_emissions_pipeline.readers.shared.parts import objects, part, text
from ft_emissions_pipeline.readers.shared.service_jobs import (
    QUEUEING,
    Job,
    chosen,
    count,
    is_json,
    moment,
    reading_of_jobs,
    refuse_unfinished,
    span,
)
from ft_emissions_pipeline.tables.words import Basis, Content

FORMAT = "mistral"
LOG = "Mistral fine-tuning job, one or a list"
TELLS = "trained tokens by whole steps, base model; start and end by its events"
LACKS = "hardware and place, which the service keeps; usage"
CONTENT: Content = "runs"
PROGRESS = None
BASIS = {
    "*": Basis.DISCLOSED,
    "started_at": Basis.MEASURED,
    "ended_at": Basis.MEASURED,
    # Without events an upper bound, waiting included.
    "reserved_s": Basis.PREDICTED,
}

_OBJECT = re.compile(rb'"object"\s*:\s*"job"')
_MARKS = (b'"trained_tokens"', b'"train_tokens"', b'"job_type"', b'"training_steps"')
_FAILED = ("FAILED", "FAILED_VALIDATION", "CANCELLED")


def recognises(name: str, head: bytes) -> bool:
    """Say whether the file holds fine-tuning jobs of Mistral."""
    if not is_json(name) or b'"training_files"' not in head:
        return False
    return _OBJECT.search(head) is not None and any(mark in head for mark in _MARKS)


def read(data: bytes, uri: str, settings: Settings) -> Reading:  # noqa: ARG001 (Unix times)
    """Read the jobs of a file; a job that made no model is refused."""
    return reading_of_jobs(data, uri, ("data",), _run)


def _run(job: Job) -> dict[str, object]:
    if text(job, "object") != "job":
        msg = f"object is {text(job, 'object') or 'missing'}, not job; remove the record"
        raise RefusalError(msg, "wrong_shape")
    refuse_unfinished(text(job, "status"), ("SUCCESS",), _FAILED)
    settings = part(job, "hyperparameters")
    times, notes = _times(job)
    return {
        "run_id": text(job, "id"),
        "model_name": text(job, "fine_tuned_model") or None,
        "base_model": text(job, "model") or None,
        **times,
        "managed_service": "Mistral AI",
        "tokens_padded": _tokens(job, settings),
        "epochs": chosen(settings, "epochs"),
        "sequence_length": count(settings, "seq_len"),
        "repairs": repairs.joined(notes),
    }


def _tokens(job: Job, settings: Job) -> float | None:
    """Return the tokens of all steps: as counted, as planned, or as so many steps make."""
    plan = part(job, "metadata")
    counted = count(job, "trained_tokens") or count(plan, "train_tokens")
    if counted is not None:
        return counted
    each, steps = count(plan, "train_tokens_per_step"), count(settings, "training_steps")
    return each * steps if each and steps else None


def _times(job: Job) -> tuple[dict[str, object], list[str]]:
    began, done = _became(job, "RUNNING"), _became(job, "SUCCESS")
    if began is not None and done is not None and done > began:
        return span(began, done), []
    times = span(moment(job, "created_at"), done or moment(job, "modified_at"))
    late = [] if done is not None else ["end_from_last_update"]
    return times, [QUEUEING, *late] if "reserved_s" in times else []


def _became(job: Job, status: str) -> pd.Timestamp | None:
    """Return when an event first gave the job a status."""
    found = [
        moment(event, "created_at")
        for event in objects(job, "events")
        if text(part(event, "data"), "status") == status
    ]
    return min((when for when in found if when is not None), default=None)
