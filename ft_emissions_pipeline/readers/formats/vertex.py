"""Read Google's tuningJob (Vertex AI): one job, a list, a page, or one job a line.

Keys may be those of the API (camelCase) or of the Python SDK (snake_case); 64-bit integers arrive
as strings. The project in the job's name is never taken over.
"""

from __future__ import annotations

import re

from ft_emissions_pipeline.readers import repairs
from ft_emissions_pipeline.readers.reading import Reading, RefusalError, Settings
from ft_emissions_pipeline.readers.scrubbing import scrubbed, shown
from ft_emissions_pipeline.readers.shared.parts import part, text
from ft_emissions_pipeline.readers.shared.service_jobs import (
    QUEUEING,
    Job,
    camel_keys,
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

FORMAT = "vertex"
LOG = "Google Vertex AI `tuningJob`, one or a list"
TELLS = "time while running, region, base model, examples; billed tokens, perhaps of one epoch"
LACKS = "hardware, which the service keeps; whether the tokens are of all epochs; usage"
CONTENT: Content = "runs"
PROGRESS = None
BASIS = {
    "*": Basis.DISCLOSED,
    "started_at": Basis.MEASURED,
    "ended_at": Basis.MEASURED,
    "reserved_s": Basis.MEASURED,
    # Documented as those "in the tuning dataset": whether epochs are in it is not said.
    "tokens_unpadded": Basis.PREDICTED,
}

_FINISHED = ("JOB_STATE_SUCCEEDED", "JOB_STATE_PARTIALLY_SUCCEEDED")
_FAILED = ("JOB_STATE_FAILED", "JOB_STATE_CANCELLED", "JOB_STATE_EXPIRED")
_SPECS = (
    "supervisedTuningSpec", "preferenceOptimizationSpec", "distillationSpec", "fullFineTuningSpec",
    "reinforcementTuningSpec", "partnerModelTuningSpec",
)  # fmt: skip
_METHODS = {
    "preferenceOptimizationSpec": "dpo",
    "distillationSpec": "distillation",
    "fullFineTuningSpec": "full",
}
_MODES = {"TUNING_MODE_FULL": "full", "TUNING_MODE_PEFT_ADAPTER": "adapter"}
_STATS = (
    "supervisedTuningDataStats", "preferenceOptimizationDataStats", "reinforcementTuningDataStats",
)  # fmt: skip


def recognises(name: str, head: bytes) -> bool:
    """Say whether the file holds tuning jobs of Vertex AI."""
    return (
        is_json(name) and re.search(rb'"name"\s*:\s*"projects/[^"]+/tuningJobs/', head) is not None
    )


def read(data: bytes, uri: str, settings: Settings) -> Reading:  # noqa: ARG001 (times name their zone)
    """Read the jobs of a file; a job that made no model is refused."""
    return reading_of_jobs(data, uri, ("tuningJobs", "tuning_jobs"), _run)


def _run(logged: Job) -> dict[str, object]:
    job = camel_keys(logged)
    assert isinstance(job, dict)
    name = re.search(r"locations/([^/]+)/tuningJobs/([^/]+)", scrubbed(text(job, "name")))
    if name is None:
        said = text(job, "name")
        named = shown(said) if said else "missing"
        msg = f"name is {named}, not of a tuning job; remove the record"
        raise RefusalError(msg, "wrong_shape")
    refuse_unfinished(text(job, "state"), _FINISHED, _FAILED)
    kind = next((spec for spec in _SPECS if isinstance(job.get(spec), dict)), "")
    settings = part(job, kind, "hyperParameters")
    stats = _stats(part(job, "tuningDataStats"))
    tokens = count(stats, "totalBillableTokenCount")
    epochs = chosen(settings, "epochCount")
    times, waited = _times(job)
    previous = part(job, "preTunedModel")
    return {
        "run_id": name.group(2),
        "model_name": text(job, "tunedModelDisplayName")
        or last_part(text(part(job, "tunedModel"), "model")),
        "parent_version": last_part(text(previous, "tunedModelName")),
        "base_model": text(job, "baseModel") or text(previous, "baseModel") or None,
        "method": _method(kind, part(job, kind), settings),
        **times,
        "managed_service": "Google Vertex AI",
        "cloud_provider": "gcp",
        "cloud_region": name.group(1),
        "tokens_unpadded": tokens,
        "epochs": epochs,
        "samples": count(stats, "tuningDatasetExampleCount"),
        "repairs": repairs.joined(
            (waited, "epochs_may_be_missing" if tokens and epochs != 1 else "")
        ),
    }


def _stats(stats: Job) -> Job:
    found = [part(stats, key) for key in _STATS]
    found.append(part(stats, "distillationDataStats", "trainingDatasetStats"))
    return next((each for each in found if each), {})


def _method(kind: str, spec: Job, settings: Job) -> str | None:
    if kind in _METHODS:
        return _METHODS[kind]
    mode = _MODES.get(text(spec, "tuningMode"))
    # What the service calls an adapter it does not describe further.
    return mode or ("adapter" if text(settings, "adapterSize") else None)


def _times(job: Job) -> tuple[dict[str, object], str]:
    """Return the time since the job first ran; since its creation where that is not said."""
    started, ended = moment(job, "startTime"), moment(job, "endTime")
    if started is not None:
        return span(started, ended), ""
    times = span(moment(job, "createTime"), ended)
    return times, QUEUEING if "reserved_s" in times else ""
