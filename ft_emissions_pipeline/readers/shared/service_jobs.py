"""What the readers of managed services' jobs share: pages, statuses, times and names.

Put here: how a service's API hands out jobs, one or a page at a time, and what every service says
in nearly the same words. Keep out: the fields of one service (its own module). This module reads no
format itself and is not registered.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping

import pandas as pd

from ft_emissions_pipeline.readers.cells import instant, number
from ft_emissions_pipeline.readers.documents import Item, json_items
from ft_emissions_pipeline.readers.reading import Reading, RefusalError, read_each, reading_of_runs
from ft_emissions_pipeline.readers.scrubbing import scrubbed
from ft_emissions_pipeline.readers.shared.odd_fields import without_odd_fields

Job = Mapping[str, object]

QUEUEING = "queueing_included"
"""Repair of a time that runs from the creation of a job: an upper bound, waiting included."""

_NEVER = {0, -1, "0001-01-01T00:00:00Z", "1970-01-01T00:00:00Z"}
"""How services write an instant that has not come."""


def is_json(name: str) -> bool:
    """Say whether a file's name is that of JSON or JSON lines."""
    return name.endswith((".json", ".jsonl", ".ndjson"))


def reading_of_jobs(
    data: bytes, uri: str, pages: Collection[str], run: Callable[[Job], dict[str, object]]
) -> Reading:
    """Read the jobs of a file: one, a list, one per line, or pages of the API or its SDK.

    Parameters
    ----------
    data : bytes
        The file.
    uri : str
        What to call it; names runs that have no id.
    pages : collection of str
        Keys under which a page holds its jobs.
    run : callable
        Returns the fields of one job's run, or raises `RefusalError`.
    """
    otherwise = "a {}, not a job; write each job as a JSON object"
    runs, refused = read_each(
        ((item.record, item) for item in _jobs(data, pages)),
        lambda item: without_odd_fields(run, item.mapping(otherwise)),
        Item.text,
    )
    rows = [
        {**fields, "run_id": fields["run_id"] or f"{uri}#{place}", "source_record": place}
        for place, fields in runs
    ]
    return reading_of_runs(rows, refused)


def _jobs(data: bytes, pages: Collection[str]) -> Iterator[Item]:
    items, single = json_items(data)
    for item in items:
        listed = _listed(item.value, pages)
        if listed is None:
            yield item
        else:
            place = "" if single else f"{item.record}."
            yield from (Item(f"{place}{n}", job) for n, job in enumerate(listed, 1))


def _listed(value: object, pages: Collection[str]) -> list[object] | None:
    """Return the jobs of a page; None if the record is a job itself."""
    if not isinstance(value, dict):
        return None
    lists = [value[key] for key in pages if isinstance(value.get(key), list)]
    return lists[0] if lists else None


def refuse_unfinished(status: str, finished: Collection[str], failed: Collection[str]) -> None:
    """Refuse a job that made no model, or has not made one yet.

    Raises
    ------
    RefusalError
        With code `failed_job` or `not_finished`.
    """
    if status in failed:
        msg = f"status is {status}: no model came of it; disclose its energy by hand if it counts"
        raise RefusalError(msg, "failed_job")
    if status not in finished:
        wanted = " or ".join(sorted(finished))
        msg = f"status is {status or 'missing'}; fetch the job again when it is {wanted}"
        raise RefusalError(msg, "not_finished")


def moment(job: Job, key: str) -> pd.Timestamp | None:
    """Return a time that the service writes: Unix seconds, or ISO 8601, in UTC without a zone."""
    value = job.get(key)
    never = isinstance(value, (int, float, str)) and value in _NEVER
    return None if never else instant(value, "UTC", key)


def span(started: pd.Timestamp | None, ended: pd.Timestamp | None) -> dict[str, object]:
    """Return start, end and, if both are known, the time between them as the reservation."""
    times: dict[str, object] = {"started_at": started, "ended_at": ended}
    if started is not None and ended is not None:
        times["reserved_s"] = (ended - started).total_seconds()
    return times


def chosen(settings: Job, key: str) -> float | None:
    """Return a hyperparameter's number; None where the service was left to choose."""
    return number(settings.get(key), key)


def count(job: Job, key: str) -> float | None:
    """Return a count; None where it is 0, by which services say that they did not count."""
    return number(job.get(key), key) or None


def region_of(arn: str) -> str | None:
    """Return the region in an ARN."""
    parts = arn.split(":")
    return (parts[3] or None) if len(parts) > 5 else None


def last_part(name: str) -> str | None:
    """Return the last part of a resource name; what comes before it names accounts.

    Scrubbed whole: of a part of it one could not tell any more what is secret.
    """
    return scrubbed(name).rsplit("/", 1)[-1] or None


def camel_keys(value: object) -> object:
    """Return a document with keys as in the API's JSON; Python SDKs write them in snake_case."""
    if isinstance(value, dict):
        return {_camel(str(key)): camel_keys(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [camel_keys(inner) for inner in value]
    return value


def _camel(key: str) -> str:
    return re.sub(r"(?<=[a-z0-9])_([a-z0-9])", lambda found: found.group(1).upper(), key)
