"""What stood in the per-inference table on a past day, and what was restated of it since.

Put here: which version of the table was in force when. Keep out: reading versions (`store.py`), the
restatements' making (`restatement/differences.py`), and printing (`cli/restate.py`).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from ft_emissions_pipeline.tables import INFERENCE_IMPACTS, RESTATEMENTS
from ft_emissions_pipeline.warehouse import store

Range = tuple[pd.Timestamp, pd.Timestamp]


class NothingReported(ValueError):
    """Nothing stood in the table on that day, or its history was removed."""


@dataclass(frozen=True)
class AsReported:
    """Rows of `inference_impacts` as they stood, their commit, and what moved since."""

    rows: pd.DataFrame
    restated: pd.DataFrame
    table_version: int
    committed_at: pd.Timestamp


def as_reported(warehouse: str | Path, at: pd.Timestamp, days: Range | None = None) -> AsReported:
    """Return what stood in `inference_impacts` as a day ended, or at an instant.

    Parameters
    ----------
    warehouse : str or Path
        Folder or URL of the tables.
    at : Timestamp
        UTC day without a zone, or an instant with one; the last commit up to its end counts.
    days : (Timestamp, Timestamp), optional
        First and last day reported on; all by default.

    Raises
    ------
    NothingReported
        If nothing was committed by then, or what was has been removed from the table's history.
    """
    history = store.history(warehouse, INFERENCE_IMPACTS)
    if history.empty:
        msg = (
            f"{warehouse} holds no table {INFERENCE_IMPACTS.name}; make it with `ft-emissions run`"
        )
        raise NothingReported(msg)
    oldest = history.iloc[0]
    ended = at.tz_localize("UTC") + pd.Timedelta(days=1, microseconds=-1) if at.tz is None else at
    by_then = history[history["timestamp"] <= ended]
    if by_then.empty and oldest["version"] > 0:
        msg = (
            f"what stood on {told(at)} cannot be shown: the history of {INFERENCE_IMPACTS.name} "
            f"before {oldest['timestamp']:%Y-%m-%d %H:%M} UTC was removed"
        )
        raise NothingReported(msg)
    if by_then.empty:
        msg = (
            f"nothing stood in {INFERENCE_IMPACTS.name} on {told(at)} yet; "
            f"its first commit is of {oldest['timestamp']:%Y-%m-%d %H:%M} UTC"
        )
        raise NothingReported(msg)
    version = int(by_then["version"].iloc[-1])
    span = None if days is None else (days[0].date(), days[1].date())
    try:
        rows = store.read(warehouse, INFERENCE_IMPACTS, span, version=version)
    except store.HistoryGone as error:
        msg = (
            f"what stood on {told(at)} cannot be shown: version {version} of "
            f"{INFERENCE_IMPACTS.name} was vacuumed, its files are gone; a backup may hold them"
        )
        raise NothingReported(msg) from error
    restated = store.read(warehouse, RESTATEMENTS, span)
    since = restated["new_table_version"] > version
    return AsReported(
        rows, restated[since].reset_index(drop=True), version, by_then["timestamp"].iloc[-1]
    )


def told(at: pd.Timestamp) -> str:
    """Return a day, or an instant, as a reader writes it."""
    return f"{at:%Y-%m-%d}" if at.tz is None else f"{at:%Y-%m-%d %H:%M:%S} UTC"
