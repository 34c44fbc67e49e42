"""What a run has to do: what landed since the last one, and the days that are due for it.

Put here: the look at logs and notes after which one knows whether there is anything to do. Keep
out: the reading of logs (`index.py`), the notes (`warehouse/pending.py`), and the doing
(`assets/in_process.py`).
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from ft_emissions_pipeline.landing import index
from ft_emissions_pipeline.landing.engines import Engine, local, opened
from ft_emissions_pipeline.readers import Settings, files_in
from ft_emissions_pipeline.reference import Reference, in_force, newest
from ft_emissions_pipeline.tables import EVERYTHING, INTAKE, LANDING_INDEX, TABLES
from ft_emissions_pipeline.warehouse import overlay, pending, store
from ft_emissions_pipeline.warehouse.lock import locked

WAIT_S = 60.0
"""Seconds that a run waits for another one, or for a restatement, to end."""


def check(landing: index.Folder, warehouse: str | Path, reference_data: str | Path | None) -> None:
    """Refuse what cannot be read, or is empty as a folder that is not mounted.

    Raises
    ------
    ValueError
        If the landing folder holds no file.
    ft_emissions_pipeline.reference.ReferenceRefused
        If the tables in `reference_data` are refused.
    """
    if reference_data is not None:
        newest(warehouse, reference_data, keep=False)
    if not files_in([landing]):
        msg = f"{landing} holds no logs; put some there, or name their folder. Nothing was changed"
        raise ValueError(msg)


def take_in(
    landing: index.Folder,
    warehouse: str | Path,
    settings: Settings,
    reference: Reference,
    engine: Engine = local,
) -> pd.DataFrame:
    """Index what landed since the last run, and note before what is due for it.

    Parameters
    ----------
    landing, reference, settings, engine
        As for `index.scan`.
    warehouse : str or Path
        Folder or URL of the tables.

    Returns
    -------
    DataFrame
        Table `landing_index` as it is now stored, in any order.
    """
    held = store.read(warehouse, LANDING_INDEX)
    found = index.scan(landing, reference, settings, held, engine)
    if found is held:
        return held
    touched = index.touched_days(held, found)
    pending.note(warehouse, EVERYTHING, touched)
    if touched.empty and _files(held) != _files(found):
        # Files without a day: broken ones, whose records quarantine must show all the same, and
        # models.yaml, after which versions may serve on other days.
        pending.note(warehouse, INTAKE, pd.DatetimeIndex([_today()]))
    store.write(warehouse, LANDING_INDEX, found)
    return found


def anything(
    landing: index.Folder,
    warehouse: str | Path,
    timezone: str,
    reference_data: str | Path | None,
    scheduler: str = "",
) -> bool:
    """Take in what landed, and say whether anything is due; if not, settle restated rows.

    Parameters
    ----------
    landing, warehouse, timezone, reference_data, scheduler
        As for `assets.in_process.materialize`.

    Raises
    ------
    ft_emissions_pipeline.warehouse.lock.StoreBusy
        If another run or restatement holds the warehouse for longer than a while.
    """
    check(landing, warehouse, reference_data)
    with locked(warehouse, "a run", wait_s=WAIT_S), opened(scheduler) as engine:
        factors = in_force(warehouse, reference_data)
        take_in(landing, warehouse, Settings(timezone=timezone), factors, engine)
        if any(len(days(warehouse, job)) for job in pending.SETTLES):
            return True
        # What a run does as it ends, where there is none.
        for table in TABLES.values():
            overlay.settle(warehouse, table)
        return False


def days(warehouse: str | Path, job: str) -> pd.DatetimeIndex:
    """Return the days up to this one that are due for a job."""
    noted = pending.days(warehouse, job)
    return noted[noted <= _today()]


def _files(rows: pd.DataFrame) -> set[tuple[str, str]]:
    return set(zip(rows["source_uri"], rows["content_hash"], strict=True))


def _today() -> pd.Timestamp:
    return pd.Timestamp.now("UTC").tz_localize(None).floor("D")
