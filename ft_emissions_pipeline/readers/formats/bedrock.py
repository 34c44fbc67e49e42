"""Read AWS Bedrock's GetModelCustomizationJob: one job, a list, a page, or one job a line.

The service names no hardware and no tokens. Its training phase has a wall-clock time; where that is
missing, as in older pages of ListModelCustomizationJobs, creation and end of the job give an upper
bound that includes waiting. Account ids in ARNs are never taken over.
"""

from __future__ import annotations

import re

from ft_emissions_pipeline.readers.cells import instant, number
from ft_emissions_pipeline.readers.reading import Reading, RefusalError, Settings
from ft_emissions_pipeline.readers.scrubbing import scrubbed
from ft_emissions_pipeline.readers.shared.parts import part, text
from ft_emissions_pipeline.readers.shared.service_jobs import (
    QUEUEING,
    Job,
    is_json,
    reading_of_jobs,
    refuse_unfinished,
    region_of,
    span,
)
from ft_emissions_pipeline.tables.words import Basis, Content

FORMAT = "bedrock"
LOG = "AWS Bedrock `GetModelCustomizationJob`, `ListModelCustomizationJobs`"
TELLS = "times of the phases by the service's clock; region, base model"
LACKS = "hardware and tokens, which the service keeps; usage"
CONTENT: Content = "runs"
PROGRESS = None
BASIS = {
    "*": Basis.DISCLOSED,
    "started_at": Basis.MEASURED,
    "ended_at": Basis.MEASURED,
    "reserved_s": Basis.MEASURED,
}

_METHODS = {"CONTINUED_PRE_TRAINING": "continued_pretraining", "DISTILLATION": "distillation"}
"""FINE_TUNING stays open: the service does not say how it changes the weights."""


def recognises(name: str, head: bytes) -> bool:
    """Say whether the file holds customization jobs."""
    return is_json(name) and (
        b'"jobArn"' in head and (b"model-customization-job" in head or b'"baseModelArn"' in head)
    )


def read(data: bytes, uri: str, settings: Settings) -> Reading:
    """Read the jobs of a file; a job that did not end with a model is refused."""
    pages = ("modelCustomizationJobSummaries",)
    return reading_of_jobs(data, uri, pages, lambda job: _run(job, settings.timezone))


def _run(job: Job, timezone: str) -> dict[str, object]:
    _refuse_useless(job)
    # Scrubbed whole: of a part of it one could not tell any more what is secret.
    arn = scrubbed(text(job, "jobArn"))
    base = scrubbed(text(job, "baseModelArn"))
    given = part(job, "hyperParameters")
    return {
        "run_id": arn.rsplit("/", 1)[-1] or text(job, "jobName"),
        "model_name": text(job, "outputModelName") or text(job, "customModelName") or None,
        "base_model": _base_model(base),
        "method": _METHODS.get(text(job, "customizationType")),
        **_times(job, timezone),
        "managed_service": "AWS Bedrock",
        "cloud_provider": "aws",
        "cloud_region": region_of(arn) or region_of(base),
        "epochs": number(given.get("epochCount"), "epochCount"),
        "micro_batch_size": number(given.get("batchSize"), "batchSize"),
    }


def _refuse_useless(job: Job) -> None:
    if text(job, "customizationType") == "IMPORTED":
        msg = "customizationType is IMPORTED: the model was brought in, nothing was trained here"
        raise RefusalError(msg, "not_a_fine_tuning")
    refuse_unfinished(text(job, "status"), ("Completed", "Stopped"), ("Failed",))


def _times(job: Job, timezone: str) -> dict[str, object]:
    phase = part(job, "statusDetails", "trainingDetails")
    started = instant(phase.get("creationTime"), timezone, "trainingDetails.creationTime")
    ended = instant(phase.get("lastModifiedTime"), timezone, "trainingDetails.lastModifiedTime")
    if started is not None and ended is not None and ended > started:
        return span(started, ended)
    started = instant(job.get("creationTime"), timezone, "creationTime")
    ended = instant(job.get("endTime"), timezone, "endTime")
    times = span(started, ended)
    return {**times, "repairs": QUEUEING} if "reserved_s" in times else times


def _base_model(arn: str) -> str | None:
    """Return the model in an ARN, without version and context suffixes; a custom model's base."""
    named = re.search(r"(?:foundation-model|custom-model)/([^/:]+)", arn)
    return (named.group(1) if named else arn.rsplit("/", 1)[-1].split(":")[0]) or None
