"""Read jobs of OpenAI's first fine-tuning API: `fine-tune` objects, before `gpt-3.5-turbo`.

`GET /fine-tunes`, which OpenAI ended in January 2024: `hyperparams`, Unix times, and `events` of
which the messages tell when the training itself began and ended ("Fine-tune started", "Fine-tune
succeeded"). It told no tokens.
"""

from __future__ import annotations

import re

import pandas as pd

from ft_emissions_pipeline.readers import repairs
from ft_emissions_pipeline.readers.reading import Reading, Settings
from ft_emissions_pipeline.readers.scrubbing import scrubbed
from ft_emissions_pipeline.readers.shared.parts import objects, part, text
from ft_emissions_pipeline.readers.shared.service_jobs import (
    QUEUEING,
    Job,
    chosen,
    is_json,
    moment,
    reading_of_jobs,
    refuse_unfinished,
    span,
)
from ft_emissions_pipeline.tables.words import Basis, Content

FORMAT = "openai_fine_tunes"
LOG = "OpenAI `fine-tune` objects of the first fine-tuning API"
TELLS = "base model, epochs, time of training by its events"
LACKS = "tokens, hardware, place, usage"
CONTENT: Content = "runs"
PROGRESS = None
BASIS = {"*": Basis.DISCLOSED}

_OBJECT = re.compile(rb'"object"\s*:\s*"fine-tune"')


def recognises(name: str, head: bytes) -> bool:
    """Say whether the file holds jobs of the first fine-tuning API."""
    return is_json(name) and _OBJECT.search(head) is not None


def read(data: bytes, uri: str, settings: Settings) -> Reading:  # noqa: ARG001 (Unix times)
    """Read the jobs of a file; a job that made no model is refused."""
    return reading_of_jobs(data, uri, ("data",), _run)


def _run(job: Job) -> dict[str, object]:
    refuse_unfinished(text(job, "status"), ("succeeded",), ("failed", "cancelled"))
    started, ended = _event(job, r"\bstarted\b"), _event(job, r"\bsucceeded\b")
    times = span(started or moment(job, "created_at"), ended or moment(job, "updated_at"))
    settings = part(job, "hyperparams")
    model = scrubbed(text(job, "model"))
    return {
        "run_id": text(job, "id"),
        "model_name": text(job, "fine_tuned_model") or None,
        "base_model": model.partition(":")[0] or None,
        **times,
        "managed_service": "OpenAI",
        "epochs": chosen(settings, "n_epochs"),
        "repairs": repairs.joined(
            [
                QUEUEING if started is None and "reserved_s" in times else "",
                "end_from_last_update" if ended is None else "",
            ]
        ),
    }


def _event(job: Job, message: str) -> pd.Timestamp | None:
    found = [
        event for event in objects(job, "events") if re.search(message, text(event, "message"))
    ]
    return moment(found[-1], "created_at") if found else None
