"""Read fine_tuning.job of OpenAI and Azure OpenAI: one job, a list, a page, or one job a line.

The services name no hardware and no region. Their clock runs from the creation of the job to its
end, waiting included, so that the time is an upper bound; the tokens are those billed, over all
epochs.
"""

from __future__ import annotations

import re

from ft_emissions_pipeline.readers.reading import Reading, RefusalError, Settings
from ft_emissions_pipeline.readers.scrubbing import scrubbed
from ft_emissions_pipeline.readers.shared.parts import part, text
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

FORMAT = "openai"
LOG = "OpenAI and Azure OpenAI `fine_tuning.job`, one or a list"
TELLS = "billed tokens over all epochs, base model; start and end with the time in the queue"
LACKS = "hardware and place, which the service keeps; time without waiting; usage"
CONTENT: Content = "runs"
PROGRESS = None
BASIS = {
    "*": Basis.DISCLOSED,
    "started_at": Basis.MEASURED,
    "ended_at": Basis.MEASURED,
    # An upper bound: the job may have waited.
    "reserved_s": Basis.PREDICTED,
}

_OBJECT = re.compile(rb'"object"\s*:\s*"fine_tuning\.job"')
_FAILED = ("failed", "cancelled", "canceled", "deleted")
_AZURE_MODEL = re.compile(r"\.ft-|^gpt-35-")
"""Azure names results `gpt-4o-mini-2024-07-18.ft-<id>`, and GPT-3.5 without the point."""


def recognises(name: str, head: bytes) -> bool:
    """Say whether the file holds fine-tuning jobs of the OpenAI API."""
    return is_json(name) and _OBJECT.search(head) is not None


def read(data: bytes, uri: str, settings: Settings) -> Reading:  # noqa: ARG001 (Unix times)
    """Read the jobs of a file; a job that made no model is refused."""
    return reading_of_jobs(data, uri, ("data",), _run)


def _run(job: Job) -> dict[str, object]:
    if text(job, "object") != "fine_tuning.job":
        msg = (
            f"object is {text(job, 'object') or 'missing'}, not fine_tuning.job; remove the record"
        )
        raise RefusalError(msg, "wrong_shape")
    refuse_unfinished(text(job, "status"), ("succeeded",), _FAILED)
    base, previous = _base_model(scrubbed(text(job, "model")))
    settings = _hyperparameters(job)
    times = span(moment(job, "created_at"), moment(job, "finished_at"))
    return {
        "run_id": text(job, "id"),
        "model_name": text(job, "fine_tuned_model") or None,
        "parent_version": previous,
        "base_model": base,
        "method": "dpo" if text(part(job, "method"), "type") == "dpo" else None,
        **times,
        **_service(job),
        "tokens_unpadded": count(job, "trained_tokens"),
        "epochs": chosen(settings, "n_epochs"),
        "repairs": QUEUEING if "reserved_s" in times else "",
    }


def _base_model(model: str) -> tuple[str | None, str | None]:
    """Return the base of a model and, where the job went on from a fine-tuned one, that one."""
    own = re.match(r"ft:([^:]+):", model) or re.match(r"(.+?)\.ft-", model)
    return (own.group(1), model) if own else (model or None, None)


def _service(job: Job) -> dict[str, object]:
    names = (text(job, "model"), text(job, "fine_tuned_model"))
    if any(_AZURE_MODEL.search(name) for name in names):
        return {"managed_service": "Azure OpenAI", "cloud_provider": "azure"}
    return {"managed_service": "OpenAI"}


def _hyperparameters(job: Job) -> Job:
    """Return the hyperparameters, which newer versions of the API move into the method."""
    method = part(job, "method")
    inner = part(method, text(method, "type"), "hyperparameters")
    given = {key: value for key, value in part(job, "hyperparameters").items() if value is not None}
    return {**inner, **given}
