"""Read AWS SageMaker's DescribeTrainingJob: one job, a list of jobs, or one job a line.

The job names its instances, region and training time by the service's clock. The billable time is
not read: for spot instances it is reduced by the discount. Summaries of ListTrainingJobs name no
instances and are refused. Account ids in ARNs are never taken over.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import pandas as pd

from ft_emissions_pipeline.readers import repairs
from ft_emissions_pipeline.readers.cells import instant, number
from ft_emissions_pipeline.readers.documents import json_of
from ft_emissions_pipeline.readers.reading import Reading, RefusalError, Settings
from ft_emissions_pipeline.readers.scrubbing import scrubbed
from ft_emissions_pipeline.readers.shared.parts import objects, part, text
from ft_emissions_pipeline.readers.shared.service_jobs import (
    Job,
    count,
    is_json,
    last_part,
    reading_of_jobs,
    refuse_unfinished,
    region_of,
    span,
)
from ft_emissions_pipeline.reference import load, take
from ft_emissions_pipeline.tables.words import Basis, Content

FORMAT = "sagemaker"
LOG = "AWS SageMaker `DescribeTrainingJob`"
TELLS = (
    "instance type and number, region, training time by the service's clock; "
    "base model and tokens of serverless jobs"
)
LACKS = "energy; tokens of other jobs; usage"
CONTENT: Content = "runs"
PROGRESS = None
BASIS = {
    "*": Basis.DISCLOSED,
    "started_at": Basis.MEASURED,
    "ended_at": Basis.MEASURED,
    "reserved_s": Basis.MEASURED,
}

_MODEL_KEYS = ("model_id", "model_name_or_path", "model_name", "base_model", "HF_MODEL_ID")
_EPOCH_KEYS = ("num_train_epochs", "epochs", "epoch", "num_epochs")


def recognises(name: str, head: bytes) -> bool:
    """Say whether the file holds training jobs."""
    return is_json(name) and b'"TrainingJobArn"' in head and b"training-job/" in head


def read(data: bytes, uri: str, settings: Settings) -> Reading:
    """Read the jobs of a file; a job that made no model is refused, and so are summaries."""
    pages = ("TrainingJobs", "TrainingJobSummaries")
    return reading_of_jobs(data, uri, pages, lambda job: _run(job, settings.timezone))


def _run(job: Job, timezone: str) -> dict[str, object]:
    if "ResourceConfig" not in job and "ServerlessJobConfig" not in job:
        msg = (
            "names no ResourceConfig: a summary of ListTrainingJobs; "
            "fetch it with DescribeTrainingJob"
        )
        raise RefusalError(msg, "wrong_shape")
    refuse_unfinished(text(job, "TrainingJobStatus"), ("Completed", "Stopped"), ("Failed",))
    serverless = part(job, "ServerlessJobConfig")
    if text(serverless, "JobType") == "Evaluation":
        msg = "JobType is Evaluation: nothing was trained"
        raise RefusalError(msg, "no_training")
    given = {**part(job, "Environment"), **_decoded(part(job, "HyperParameters"))}
    hardware, hardware_note = _hardware(part(job, "ResourceConfig"))
    times, time_note = _times(job, timezone)
    return {
        "run_id": text(job, "TrainingJobName"),
        "model_name": _model_name(job),
        "base_model": _base_model(serverless, given),
        "method": _method(serverless),
        **times,
        **(hardware or {"managed_service": "AWS SageMaker"}),
        "cloud_provider": "aws",
        "cloud_region": region_of(text(job, "TrainingJobArn")),
        "tokens_unpadded": count(job, "BillableTokenCount"),
        "epochs": _first_number(given, _EPOCH_KEYS),
        "micro_batch_size": _first_number(given, ("per_device_train_batch_size",)),
        "gradient_accumulation": _first_number(given, ("gradient_accumulation_steps",)),
        "sequence_length": number(serverless.get("SequenceLength"), "SequenceLength"),
        "repairs": repairs.joined((hardware_note, time_note, _warm_pool(job))),
    }


def _hardware(resources: Job) -> tuple[dict[str, object], str]:
    """Return the instance type, what several make up, and a repair if they cannot be counted."""
    groups = objects(resources, "InstanceGroups")
    types = {text(group, "InstanceType") for group in groups} - {""}
    if len(types) > 1:
        return {"instance_type": None}, "mixed_instances_not_counted"
    kind = text(resources, "SelectedInstanceType") or text(resources, "InstanceType")
    name = (kind or next(iter(types), "")).removeprefix("ml.")
    if not name:
        return {}, ""
    counts = [number(group.get("InstanceCount"), "InstanceCount") or 0.0 for group in groups]
    several = number(resources.get("SelectedInstanceCount"), "SelectedInstanceCount")
    several = several or number(resources.get("InstanceCount"), "InstanceCount") or sum(counts)
    if several <= 1:
        return {"instance_type": name}, ""
    # Of one instance the rules know accelerators and servers; of several the log counts them.
    row = take(load(), "instances", pd.Series([f"aws:{name}"]), ["gpu_count", "server_share"]).loc[
        0
    ]
    if pd.isna(row["factor_id"]):
        return {"instance_type": name}, "one_of_several_instances_counted"
    whole = {"gpu_count": several * row["gpu_count"], "server_count": several * row["server_share"]}
    return {"instance_type": name, **whole}, ""


def _times(job: Job, timezone: str) -> tuple[dict[str, object], str]:
    started, ended = (
        instant(job.get(key), timezone, key) for key in ("TrainingStartTime", "TrainingEndTime")
    )
    times = span(started, ended)
    seconds = number(job.get("TrainingTimeInSeconds"), "TrainingTimeInSeconds")
    if seconds is None:
        return times, ""
    elapsed = times.get("reserved_s")
    paused = isinstance(elapsed, float) and elapsed > seconds * 1.01 + 60
    spot = job.get("EnableManagedSpotTraining") is True
    note = "spot_interruptions_left_out" if paused and spot else ""
    return {**times, "reserved_s": seconds}, note


def _warm_pool(job: Job) -> str:
    kept = part(job, "WarmPoolStatus").get("ResourceRetainedBillableTimeInSeconds")
    return "warm_pool_left_out" if number(kept, "ResourceRetainedBillableTimeInSeconds") else ""


def _decoded(given: Job) -> dict[str, object]:
    """Return hyperparameters as the SDK was given them: it sends each as JSON within a string."""
    return {key: _plain(value) for key, value in given.items()}


def _plain(value: object) -> object:
    if isinstance(value, str) and re.fullmatch(r'".*"', value):
        try:
            return json_of(value)
        except ValueError:
            return value
    return value


def _base_model(serverless: Job, given: Mapping[str, object]) -> str | None:
    hub = re.search(r"hub-content/[^/]+/Model/([^/]+)", scrubbed(text(serverless, "BaseModelArn")))
    if hub:
        return hub.group(1)
    named = (value for key in _MODEL_KEYS if isinstance(value := given.get(key), str))
    # A path within the container says nothing about the model.
    return next((name for name in named if name and not name.startswith(("/", "s3:"))), None)


def _method(serverless: Job) -> str | None:
    if text(serverless, "CustomizationTechnique") == "DPO":
        return "dpo"
    return "lora" if text(serverless, "Peft") == "LORA" else None


def _model_name(job: Job) -> str | None:
    return last_part(text(part(job, "ModelPackageConfig"), "ModelPackageGroupArn"))


def _first_number(given: Mapping[str, object], keys: tuple[str, ...]) -> float | None:
    """Return a setting's number; a user's own words for it are nothing that could be wrong here."""
    texts = [str(given[key]) for key in keys if key in given]
    found = pd.to_numeric(pd.Series(texts, dtype="str"), errors="coerce").astype("float64")
    return next((value for value in found if 0 < value < float("inf")), None)
