"""How long Dagster's own history of runs is kept.

Put here: forgetting old runs with their events, which no setting of `dagster.yaml` does. Keep out:
how long tables keep replaced files (`ft_emissions_pipeline/warehouse/upkeep.py`).
"""

import dagster as dg
import pandas as pd

from ft_emissions_pipeline.warehouse.upkeep import days_set

KEEP_RUNS_DAYS = "FT_EMISSIONS_KEEP_RUNS_DAYS"
"""Environment variable: days that Dagster keeps a run, its events and what the lineage tells of
it."""

STANDARD_DAYS = 400.0
"""A year and a month, so that the lineage shows each day of the last year as made."""

AT_ONCE = 20
"""Runs forgotten in one run, so that none takes long; a night makes two or three."""

ENDED = [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED]


def forget_old_runs(instance: dg.DagsterInstance) -> int:
    """Delete the oldest runs that ended longer ago than they are kept; return how many."""
    days = days_set(KEEP_RUNS_DAYS, STANDARD_DAYS)
    before = pd.Timestamp.now("UTC") - pd.Timedelta(days=days)
    old = instance.get_runs(
        dg.RunsFilter(statuses=ENDED, created_before=before.to_pydatetime()),
        limit=AT_ONCE,
        ascending=True,
    )
    for run in old:
        instance.delete_run(run.run_id)
    return len(old)
