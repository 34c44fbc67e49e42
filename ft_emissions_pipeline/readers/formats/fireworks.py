"""Read Fireworks' supervisedFineTuningJob: one job, a list, a page, or one job a line.

The only service that tells nodes and region. Keys may be those of the API (camelCase) or of the
Python SDK (snake_case). The account in names and the signed addresses of logs are never taken over.
"""

from __future__ import annotations

import re

from ft_emissions_pipeline.readers.reading import Reading, RefusalError, Settings
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

FORMAT = "fireworks"
LOG = "Fireworks `supervisedFineTuningJob`, one or a list"
TELLS = "nodes, region, base model, processed tokens; start and end with the time in the queue"
LACKS = "accelerators of the nodes, which the service keeps; time without waiting; usage"
CONTENT: Content = "runs"
PROGRESS = None
BASIS = {
    "*": Basis.DISCLOSED,
    "started_at": Basis.MEASURED,
    "ended_at": Basis.MEASURED,
    # An upper bound: the job may have waited.
    "reserved_s": Basis.PREDICTED,
    # The progress of the job tells it; whether of all epochs is not said.
    "tokens_unpadded": Basis.PREDICTED,
}

_FINISHED = ("JOB_STATE_COMPLETED", "JOB_STATE_EARLY_STOPPED")
_FAILED = ("JOB_STATE_FAILED", "JOB_STATE_CANCELLED", "JOB_STATE_EXPIRED")
_COUNTRIES = {
    "LONDON": "GBR", "TOKYO": "JPN", "FRANKFURT": "DEU", "PARIS": "FRA", "HELSINKI": "FIN",
    "ICELAND": "ISL", "BRITISHCOLUMBIA": "CAN",
}  # fmt: skip
_STATES = {
    "IOWA": "IA", "VIRGINIA": "VA", "ILLINOIS": "IL", "ARIZONA": "AZ", "TEXAS": "TX",
    "NEVADA": "NV", "WASHINGTON": "WA", "CALIFORNIA": "CA", "MISSOURI": "MO", "UTAH": "UT",
    "GEORGIA": "GA", "OHIO": "OH", "NEWYORK": "NY",
}  # fmt: skip
"""By abbreviation, because Georgia is a country too."""


def recognises(name: str, head: bytes) -> bool:
    """Say whether the file holds supervised fine-tuning jobs of Fireworks."""
    return is_json(name) and b"/supervisedFineTuningJobs/" in head


def read(data: bytes, uri: str, settings: Settings) -> Reading:  # noqa: ARG001 (times name their zone)
    """Read the jobs of a file; a job that made no model is refused."""
    pages = ("supervisedFineTuningJobs", "supervised_fine_tuning_jobs")
    return reading_of_jobs(data, uri, pages, _run)


def _run(logged: Job) -> dict[str, object]:
    job = camel_keys(logged)
    assert isinstance(job, dict)
    name = text(job, "name")
    if "/supervisedFineTuningJobs/" not in name:
        msg = "name is not of a supervisedFineTuningJob; remove the record"
        raise RefusalError(msg, "wrong_shape")
    refuse_unfinished(text(job, "state"), _FINISHED, _FAILED)
    times = span(moment(job, "createTime"), moment(job, "completedTime"))
    rank = count(job, "loraRank")
    return {
        "run_id": last_part(name),
        "model_name": last_part(text(job, "outputModel")) or last_part(name),
        "parent_version": last_part(text(job, "warmStartFrom")),
        "base_model": text(job, "baseModel") or None,
        "method": "lora" if rank else None,
        **times,
        "server_count": count(job, "nodes"),
        "managed_service": "Fireworks AI",
        **_place(text(job, "region")),
        "tokens_unpadded": count(part(job, "jobProgress"), "inputTokens"),
        "epochs": chosen(job, "epochs") or None,
        "sequence_length": count(job, "maxContextLength"),
        "gradient_accumulation": count(job, "gradientAccumulationSteps"),
        "lora_rank": rank,
        "repairs": QUEUEING if "reserved_s" in times else "",
    }


def _place(region: str) -> dict[str, object]:
    """Return where a region like US_GEORGIA_2 or EU_FRANKFURT_1 lies; its name if it is new."""
    found = re.match(r"[A-Z]+_([A-Z]+)", region)
    town = found.group(1) if found else ""
    if town in _STATES:
        return {"location": f"US-{_STATES[town]}", "country_iso3": "USA"}
    if town in _COUNTRIES:
        return {"location": region, "country_iso3": _COUNTRIES[town]}
    return {"location": None if region == "REGION_UNSPECIFIED" else region or None}
