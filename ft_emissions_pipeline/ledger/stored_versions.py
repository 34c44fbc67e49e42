"""Model versions in the warehouse: from what they were made, and refreshing them.

Put here: reading what may have moved since they were made. Keep out: the rows (`versions.py`).
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd

import ft_emissions_pipeline as fte
from ft_emissions_pipeline.ledger.versions import changed, model_versions
from ft_emissions_pipeline.ledger.versions_since import moved_versions
from ft_emissions_pipeline.tables import MODEL_EVENTS, MODEL_VERSIONS, RUN_IMPACTS, USAGE
from ft_emissions_pipeline.warehouse import kept, store, unmoved

_BY_DAY = (RUN_IMPACTS, USAGE)


def rests_on(warehouse: str | Path) -> unmoved.Inputs:
    """Return what the versions are made from, to be noted once they are checked."""
    return {**kept.of_tables(warehouse, *_BY_DAY, MODEL_EVENTS), "release": fte.__version__}


def moved(
    warehouse: str | Path,
    before: pd.DataFrame,
    run_impacts: pd.DataFrame,
    usage: pd.DataFrame,
    as_of: pd.Timestamp,
    events: pd.DataFrame,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the stored versions that are no longer the same, and what they are now.

    Parameters
    ----------
    warehouse : str or Path
        Local folder, or URL of an object store.
    before : DataFrame
        Table `model_versions` as it is stored.
    run_impacts, usage, as_of, events
        As for `model_versions`.
    """
    since = _moved_since(warehouse, as_of)
    if since is None:
        return changed(before, model_versions(run_impacts, usage, as_of, events))
    return moved_versions(before, run_impacts, usage, as_of, since, events)


def _moved_since(warehouse: str | Path, as_of: pd.Timestamp) -> pd.Timestamp | None:
    """Return the first day whose runs or counts moved since; None where anything may have."""
    now, made_from = rests_on(warehouse), unmoved.made_from(warehouse, MODEL_VERSIONS)
    if made_from is None or any(
        made_from.get(name) != now.get(name) for name in (MODEL_EVENTS.name, "release")
    ):
        return None
    days = pd.DatetimeIndex([as_of + pd.Timedelta(days=1)])
    for table in _BY_DAY:
        version = unmoved.since(made_from, now, table)
        moved = None if version is None else store.moved_days(warehouse, table, version)
        if moved is None:
            return None
        days = days.union(moved)
    return days.min()
