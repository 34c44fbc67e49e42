"""When the pipeline runs by itself.

Put here: jobs and schedules. Keep out: which days an event touches (`ft_emissions_pipeline`).
"""

import dagster as dg
import pandas as pd

from ft_emissions_pipeline.landing import index
from ft_emissions_pipeline.ledger import life_days
from ft_emissions_pipeline.tables import (
    ALLOCATION,
    EVERYTHING,
    INTAKE,
    LANDING_INDEX,
    MODEL_VERSIONS,
)
from ft_emissions_pipeline.warehouse import pending, store

from .partitions import range_tags
from .resources import Pipeline

everything = dg.define_asset_job(
    EVERYTHING,
    selection=dg.AssetSelection.all(),
    description="All stages for a day or a range of days, in one run.",
)

intake = dg.define_asset_job(
    INTAKE,
    selection=dg.AssetSelection.assets(
        "landing_index",
        "model_events",
        "cloud_reports",
        "model_versions",
        "amortisation_schedule",
        "quarantine",
    ),
    description="Index the landed files, take in what models.yaml and cloud providers say, "
    "and collect what could not be used, without any day.",
)

allocation = dg.define_asset_job(
    ALLOCATION,
    selection=dg.AssetSelection.assets(
        "restatements", "inference_impacts", "rollups", "daily_report", "pipeline_footprint"
    ),
    description="Share versions over days again, where their use life or their counts moved.",
)


@dg.schedule(
    job=everything,
    cron_schedule="15 1 * * *",
    execution_timezone="UTC",
    description="Each night: the day that ended, days of logs that landed late, and the days of "
    "versions that are still open.",
)
def daily(context: dg.ScheduleEvaluationContext, pipeline: Pipeline) -> dg.RunRequest:
    """Request one run over the days that the last day touches."""
    now = pd.Timestamp(context.scheduled_execution_time).tz_convert("UTC").tz_localize(None)
    yesterday = now.floor("D") - pd.Timedelta(days=1)
    first = window_start(pipeline, yesterday)
    return dg.RunRequest(run_key=f"daily-{yesterday:%Y-%m-%d}", tags=range_tags(first, yesterday))


def window_start(pipeline: Pipeline, last: pd.Timestamp) -> pd.Timestamp:
    """Return the first day that a run up to `last` must refresh."""
    old = store.read(pipeline.warehouse, LANDING_INDEX)
    new = index.scan(pipeline.landing_folder, pipeline.reference(), pipeline.settings(), old)
    touched = index.touched_days(old, new)
    open_days = life_days.open_days(store.read(pipeline.warehouse, MODEL_VERSIONS), last)
    due = [pending.days(pipeline.warehouse, job) for job in (EVERYTHING, ALLOCATION)]
    earlier = touched.union(open_days).union(due[0]).union(due[1])
    earlier = earlier[earlier <= last]
    return min(last, earlier.min()) if len(earlier) else last
