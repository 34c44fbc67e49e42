"""Read Together's fine-tuning job: one job, a list, a page, or one job a line.

The job's own `started_at` is the start of its latest stage, and it has no end: both are taken from
the events. `token_count` is what was processed, over all epochs, with the padding that the service
made.
"""

from __future__ import annotations

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
    last_part,
    moment,
    reading_of_jobs,
    refuse_unfinished,
    span,
)
from ft_emissions_pipeline.tables.words import Basis, Content

FORMAT = "together"
LOG = "Together fine-tuning job, one or a list"
TELLS = (
    "processed tokens over all epochs, time of job and training by its events, method, "
    "base model and its size"
)
LACKS = "hardware and place, which the service keeps; usage"
CONTENT: Content = "runs"
PROGRESS = None
BASIS = {
    "*": Basis.DISCLOSED,
    "started_at": Basis.MEASURED,
    "ended_at": Basis.MEASURED,
    "active_s": Basis.MEASURED,
}

_MARKS = (
    b'"n_checkpoints"', b'"token_count"', b'"training_type"', b'"training_method"',
    b'"train_on_inputs"', b'"epochs_completed"', b'"model_output_name"', b'"x_model_output_name"',
    b'"n_evals"', b'"param_count"',
)  # fmt: skip
_FAILED = ("error", "user_error", "cancelled")


def recognises(name: str, head: bytes) -> bool:
    """Say whether the file holds fine-tuning jobs of Together."""
    if not is_json(name) or b'"id"' not in head or b'"status"' not in head:
        return False
    return b'"training_file"' in head and sum(mark in head for mark in _MARKS) >= 2


def read(data: bytes, uri: str, settings: Settings) -> Reading:  # noqa: ARG001 (times name their zone)
    """Read the jobs of a file; a job that made no model is refused."""
    return reading_of_jobs(data, uri, ("data",), _run)


def _run(job: Job) -> dict[str, object]:
    if not text(job, "id") or "status" not in job:
        msg = "names no id or status: no fine-tuning job; remove the record"
        raise RefusalError(msg, "wrong_shape")
    refuse_unfinished(text(job, "status"), ("completed",), _FAILED)
    times, notes = _times(job)
    method, rank = _method(job)
    tokens = count(job, "token_count")
    validated = tokens and chosen(job, "n_evals") and text(job, "validation_file")
    return {
        "run_id": text(job, "id"),
        "model_name": last_part(_output(job)),
        "parent_version": text(job, "from_checkpoint") or None,
        "base_model": text(job, "model") or text(job, "from_hf_model") or None,
        "method": method,
        **times,
        "managed_service": "Together AI",
        "tokens_padded": tokens,
        "epochs": count(job, "epochs_completed") or chosen(job, "n_epochs"),
        "samples": count(job, "trainingfile_numlines"),
        "sequence_length": count(job, "max_seq_length"),
        "lora_rank": rank,
        "model_parameters": count(job, "param_count"),
        "repairs": repairs.joined([*notes, "validation_tokens_included" if validated else ""]),
    }


def _output(job: Job) -> str:
    """Return the new model's name; before the last slash stands who made it."""
    names = ("model_output_name", "x_model_output_name", "output_name")
    return next((text(job, name) for name in names if text(job, name)), "")


def _method(job: Job) -> tuple[str | None, float | None]:
    kind = part(job, "training_type")
    rank = count(kind, "lora_r")
    if text(part(job, "training_method"), "method") == "dpo":
        return "dpo", rank
    return {"Full": "full", "Lora": "lora"}.get(text(kind, "type")), rank


def _times(job: Job) -> tuple[dict[str, object], list[str]]:
    events = objects(job, "events")
    began, done = _event(events, "job_start", last=False), _event(events, "job_complete", last=True)
    notes = ["restarts_included"] if any(text(e, "type") == "job_restarted" for e in events) else []
    started = began
    if started is None:
        started = moment(job, "created_at")
        notes.append(QUEUEING)
    if done is None:
        done = moment(job, "updated_at")
        notes.append("end_from_last_update")
    times = span(started, done)
    if "reserved_s" not in times:
        return times, []
    trained = span(
        _event(events, "training_start", last=True), _event(events, "training_complete", last=True)
    ).get("reserved_s")
    active = trained if isinstance(trained, float) and trained > 0 else None
    return {**times, "active_s": active}, notes


def _event(events: list[Job], kind: str, *, last: bool) -> pd.Timestamp | None:
    moments = [moment(event, "created_at") for event in events if text(event, "type") == kind]
    known = sorted(found for found in moments if found is not None)
    return known[-1 if last else 0] if known else None
