"""Keeping a warehouse small over years of nights: few files, a short log, no unread versions.

Put here: when a table is due, the joining of its small files, and what may be deleted. Keep out:
writing of rows (`store.py`).

Only `inference_impacts` is ever asked for its past (`as-reported`), so its files and its log stay
for good unless somebody sets how long. Of all other tables, files that no newer version needs go
after a while in which readers of an older version may still be at work.
"""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from pathlib import Path

from deltalake import DeltaTable

from ft_emissions_pipeline.calendar_days import HOURS_PER_DAY
from ft_emissions_pipeline.tables import INFERENCE_IMPACTS, TABLES, Table
from ft_emissions_pipeline.warehouse import opening, overlay

DUE_AFTER = 30
"""Commits of a table between two times that it is kept up: a month of nights."""

KEEP_DAYS = "FT_EMISSIONS_KEEP_DAYS"
KEEP_REPORTED_DAYS = "FT_EMISSIONS_KEEP_REPORTED_DAYS"
"""Environment variables: days that replaced files stay, of most tables and of what was reported;
what was reported stays for good where nothing is set."""

STANDARD_DAYS = 7.0
"""Days that a replaced file stays where nothing is set; as Delta's own default for `vacuum`."""

_LAST_STEP = "VACUUM END"
"""Commit in a table's log by which it is known when it was kept up last."""


@dataclass(frozen=True)
class Upkeep:
    """What was done to a table: files joined to fewer, and files deleted that nothing needed."""

    table: Table
    joined: int
    deleted: int


def upkeep(warehouse: str | Path) -> list[Upkeep]:
    """Write restated rows into their days, and keep up the tables that saw `DUE_AFTER` commits.

    Raises
    ------
    ValueError
        If a setting is no number of days.
    """
    reported = days_set(KEEP_REPORTED_DAYS)
    others = days_set(KEEP_DAYS, STANDARD_DAYS)
    found = []
    for table in TABLES.values():
        days = reported if table is INFERENCE_IMPACTS else others
        with opening.clear_errors(warehouse, table):
            delta = opening.to_read(warehouse, table)
        due = days is not None and delta is not None and _commits_since(delta) >= DUE_AFTER
        if due or overlay.version_over(delta) is not None:
            delta = overlay.settle(warehouse, table)
        if due and days is not None and delta is not None:
            with opening.clear_errors(warehouse, table):
                found.append(_kept_up(delta, table, round(days * HOURS_PER_DAY)))
    return found


def days_set(name: str, standard: float | None = None) -> float | None:
    """Return the days that an environment variable holds, or the standard where it is not set.

    Raises
    ------
    ValueError
        If it is no number of days.
    """
    given = os.environ.get(name)
    if not given:
        return standard
    try:
        days = float(given)
    except ValueError:
        days = math.nan
    if not 0 <= days < math.inf:
        msg = f"{name} is {given!r}; set it to a number of days, as 400, or leave it out"
        raise ValueError(msg)
    return days


def _commits_since(delta: DeltaTable) -> int:
    """Return how many commits a table saw since it was kept up, or since it was made."""
    latest = delta.history(DUE_AFTER)
    kept_up = (n for n, commit in enumerate(latest) if commit["operation"] == _LAST_STEP)
    return next(kept_up, len(latest))


def _kept_up(delta: DeltaTable, table: Table, hours: int) -> Upkeep:
    keep = {
        "delta.enableExpiredLogCleanup": "true",
        "delta.logRetentionDuration": f"interval {hours} hours",
        "delta.deletedFileRetentionDuration": f"interval {hours} hours",
    }
    if not keep.items() <= delta.metadata().configuration.items():
        delta.alter.set_table_properties(keep)
    joined = delta.optimize.compact()["numFilesRemoved"]
    places = [delta.table_uri, overlay.beside(delta)]
    deleted = [
        file
        for place in filter(DeltaTable.is_deltatable, places)
        for file in DeltaTable(place).vacuum(hours, dry_run=False, enforce_retention_duration=False)
    ]
    # What the log tells of older commits is summed up here, and may go.
    delta.create_checkpoint()
    delta.cleanup_metadata()
    return Upkeep(table, joined, len(deleted))
