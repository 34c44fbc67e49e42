"""Days that are due: touched by a log or by a version, and not refreshed by a run since.

Put here: noting and settling such days. Keep out: which days an event touches (`landing.py`,
`restatement/differences.py`) and the jobs themselves (`assets/schedules.py`).

A run first writes its index over the logs. Were it to end there, killed or refused by a check, the
next run would find nothing new in the landing folder; what is due is therefore noted before, and
settled by the last step of a run.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from ft_emissions_pipeline.tables import ALLOCATION, EVERYTHING, INTAKE, PENDING_DAYS, conform
from ft_emissions_pipeline.warehouse import store

SETTLES = {
    INTAKE: (INTAKE,),
    EVERYTHING: (EVERYTHING, ALLOCATION, INTAKE),
    ALLOCATION: (ALLOCATION,),
}
"""Which jobs' days a job settles; runs of hand-picked assets settle none."""


def days(warehouse: str | Path, job: str) -> pd.DatetimeIndex:
    """Return the days that are due for a job."""
    due = store.read(warehouse, PENDING_DAYS)
    return pd.DatetimeIndex(due.loc[due["job"] == job, "date"])


def note(warehouse: str | Path, job: str, touched: pd.DatetimeIndex) -> None:
    """Add days that are due for a job."""
    if touched.empty:
        return
    due = pd.concat(
        [store.read(warehouse, PENDING_DAYS), pd.DataFrame({"date": touched, "job": job})]
    )
    store.write(warehouse, PENDING_DAYS, conform(due.drop_duplicates(), PENDING_DAYS))


def settle(warehouse: str | Path, job: str, first: pd.Timestamp, last: pd.Timestamp) -> None:
    """Take away the days from `first` to `last`, now that a job has refreshed them."""
    due = store.read(warehouse, PENDING_DAYS)
    # What is about no day is done by any run of its job.
    done = due["date"].between(first, last) | (due["job"] == INTAKE)
    settled = done & due["job"].isin(SETTLES.get(job, ()))
    if settled.any():
        store.write(warehouse, PENDING_DAYS, due[~settled])
