"""Read AWS Bedrock's GetModelCustomizationJob: one job, a list of jobs, or one job a line.

The service names no hardware and no tokens. Its training phase has a wall-clock time; where that is
missing, creation and end of the job give an upper bound that includes waiting. Account ids in ARNs
are never taken over.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import pandas as pd

from ft_emissions_pipeline.readers.documents import Item, json_items
from ft_emissions_pipeline.readers.reading import (
    Content,
    Reading,
    RefusalError,
    Refused,
    Settings,
    instant,
    number,
    reading_of_runs,
)
from ft_emissions_pipeline.readers.scrubbing import scrubbed

FORMAT = "bedrock"
LOG = "AWS Bedrock `GetModelCustomizationJob`"
TELLS = "times of the phases by the service's clock; region, base model"
LACKS = "hardware and tokens, which the service keeps; usage"
CONTENT: Content = "runs"
PROGRESS = None
BASIS = {
    "*": "disclosed",
    "started_at": "measured",
    "ended_at": "measured",
    "reserved_s": "measured",
}

_METHODS = {"CONTINUED_PRE_TRAINING": "continued_pretraining", "DISTILLATION": "distillation"}
"""FINE_TUNING stays open: the service does not say how it changes the weights."""


def recognises(name: str, head: bytes) -> bool:
    """Say whether the file holds customization jobs."""
    return name.endswith((".json", ".jsonl", ".ndjson")) and (
        b'"jobArn"' in head and (b"model-customization-job" in head or b'"baseModelArn"' in head)
    )


def read(data: bytes, uri: str, settings: Settings) -> Reading:
    """Read the jobs of a file; a job that did not end with a model is refused."""
    items, single = json_items(data)
    if single and isinstance(items[0].value, dict):
        listed = items[0].value.get("modelCustomizationJobSummaries")
        if isinstance(listed, list):
            items = [Item(str(n), job) for n, job in enumerate(listed, 1)]
    rows: list[dict[str, object]] = []
    refused: list[Refused] = []
    for item in items:
        try:
            rows.append({**_run(item, uri, settings), "source_record": item.record})
        except RefusalError as error:
            refused.append((item.record, error.code, str(error), item.raw or repr(item.value)))
    return reading_of_runs(rows, refused)


def _run(item: Item, uri: str, settings: Settings) -> dict[str, object]:
    job = item.value
    if item.problem:
        raise RefusalError(item.problem, item.code)
    if not isinstance(job, dict):
        msg = f"a {type(job).__name__}, not a customization job; write the job as a JSON object"
        raise RefusalError(msg, "wrong_shape")
    _refuse_unfinished(job)
    # Scrubbed whole: of a part of it one could not tell any more what is secret.
    arn = scrubbed(_text(job.get("jobArn")))
    settings_given = job.get("hyperParameters")
    chosen = settings_given if isinstance(settings_given, dict) else {}
    return {
        "run_id": arn.rsplit("/", 1)[-1] or _text(job.get("jobName")) or f"{uri}#{item.record}",
        "model_name": _text(job.get("outputModelName") or job.get("customModelName")) or None,
        "base_model": _base_model(_text(job.get("baseModelArn"))),
        "method": _METHODS.get(_text(job.get("customizationType"))),
        **_times(job, settings.timezone),
        "managed_service": "AWS Bedrock",
        "cloud_provider": "aws",
        "cloud_region": _region(arn) or _region(_text(job.get("baseModelArn"))),
        "epochs": number(chosen.get("epochCount"), "epochCount"),
        "micro_batch_size": number(chosen.get("batchSize"), "batchSize"),
    }


def _refuse_unfinished(job: Mapping[str, object]) -> None:
    status = _text(job.get("status"))
    if _text(job.get("customizationType")) == "IMPORTED":
        msg = "customizationType is IMPORTED: the model was brought in, nothing was trained here"
        raise RefusalError(msg, "not_a_fine_tuning")
    if status == "Failed":
        msg = "status is Failed: no model came of it; disclose its energy by hand if it counts"
        raise RefusalError(msg, "failed_job")
    if status not in {"Completed", "Stopped"}:
        msg = (
            f"status is {status or 'missing'}; fetch the job again when it is Completed or Stopped"
        )
        raise RefusalError(msg, "not_finished")


def _times(job: Mapping[str, object], timezone: str) -> dict[str, object]:
    details = job.get("statusDetails")
    training = details.get("trainingDetails") if isinstance(details, dict) else None
    phase = training if isinstance(training, dict) else {}
    started = instant(phase.get("creationTime"), timezone, "trainingDetails.creationTime")
    ended = instant(phase.get("lastModifiedTime"), timezone, "trainingDetails.lastModifiedTime")
    if started is not None and ended is not None and ended > started:
        return _span(started, ended)
    started = instant(job.get("creationTime"), timezone, "creationTime")
    ended = instant(job.get("endTime"), timezone, "endTime")
    if started is None or ended is None:
        return {"started_at": started, "ended_at": ended}
    return {**_span(started, ended), "repairs": "queueing_included"}


def _span(started: pd.Timestamp, ended: pd.Timestamp) -> dict[str, object]:
    seconds = (ended - started).total_seconds()
    return {"started_at": started, "ended_at": ended, "reserved_s": seconds}


def _base_model(arn: str) -> str | None:
    """Return the model in an ARN, without version and context suffixes; a custom model's base."""
    named = re.search(r"(?:foundation-model|custom-model)/([^/:]+)", arn)
    return (named.group(1) if named else arn.rsplit("/", 1)[-1].split(":")[0]) or None


def _region(arn: str) -> str | None:
    parts = arn.split(":")
    return (parts[3] or None) if len(parts) > 5 else None


def _text(value: object) -> str:
    return value.strip() if isinstance(value, str) else ""
