"""Restating the past out of the DAG: by hand, or whenever a reference table has a new data version.

Put here: the job, and the sensor that launches it. Keep out: which runs a change touches, and their
computation (`ft_emissions_pipeline/restatement`).

The job is one step: a changed factor touches runs, not whole days, and each table changes in one
commit. It reports the days of each table that it wrote, so that the lineage shows them as
refreshed.
"""

import json
import os
import warnings
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pandas as pd

from ft_emissions_pipeline import report, restatement
from ft_emissions_pipeline.readers.harmless import no_markup
from ft_emissions_pipeline.reference import TABLES
from ft_emissions_pipeline.tables import (
    AMORTISATION_SCHEDULE,
    FIELD_PROVENANCE,
    INFERENCE_IMPACTS,
    MODEL_VERSIONS,
    NORMALIZED_RUNS,
    RESTATEMENTS,
    ROLLUPS,
    RUN_FACTORS,
    RUN_IMPACTS,
    RUN_SPREADS,
)
from ft_emissions_pipeline.warehouse import store

from .partitions import DAILY
from .reference import key
from .resources import Pipeline

# Dagster passes this parameter to itself when it gives a sensor its resources.
warnings.filterwarnings("ignore", category=dg.BetaWarning, message=".*`owners`.*SensorDefinition.*")

SETTING = "FT_EMISSIONS_RESTATE_ON_CHANGE"
"""Environment variable that, set to 1, lets the sensor run as soon as Dagster does."""

BY_DAY = (NORMALIZED_RUNS, FIELD_PROVENANCE, RUN_FACTORS, RUN_SPREADS, RUN_IMPACTS, RESTATEMENTS,
          INFERENCE_IMPACTS)  # fmt: skip


@dg.op
def restate(context: dg.OpExecutionContext, pipeline: Pipeline) -> None:
    """Compute anew what rests on changed factors, and note every reported value that moved."""
    done = restatement.apply(pipeline.warehouse, pipeline.choices(), context.log.info)
    context.log.info("%d run(s) restated on %d day(s)", done.runs, len(done.days))
    if not done.runs:
        return
    report.write(pipeline.warehouse)
    for event in refreshed(pipeline.warehouse, done):
        context.log_event(event)


def refreshed(warehouse: str | Path, done: restatement.Done) -> Iterator[dg.AssetMaterialization]:
    """Return what the lineage is told of a restatement: each table and day with its causes."""
    known = set(DAILY.get_partition_keys())
    for table in (*BY_DAY, MODEL_VERSIONS, AMORTISATION_SCHEDULE, ROLLUPS):
        metadata = {
            "delta_version": store.version(warehouse, table),
            "restated_runs": done.runs,
            "restated_values": len(done.restatements),
            "causes": dg.MetadataValue.md(causes(done.restatements)),
        }
        days = [f"{day:%Y-%m-%d}" for day in done.days] if table in BY_DAY else [None]
        for day in days:
            if day is None or day in known:
                yield dg.AssetMaterialization(table.name, partition=day, metadata=metadata)


def causes(moved: pd.DataFrame) -> str:
    """Return in Markdown what moved values, and how many: a factor's row with its old and new."""
    rows = [
        f"| {no_markup(str(cause))} | {no_markup(str(detail))} | {len(values)} |"
        for (cause, detail), values in moved.groupby(["cause", "cause_detail"])
    ]
    return "\n".join(["| cause | what changed | values |", "|---|---|---|", *rows])


@dg.job(
    name="restatement",
    description="Restate the past: exactly the runs and days that rest on changed factors, "
    "a changed token-time model or another profile. Nothing happens where none does.",
    executor_def=dg.in_process_executor,
)
def job() -> None:
    """Restate the past."""
    restate()


def changed_factors(context: dg.SensorEvaluationContext) -> dg.RunRequest | dg.SkipReason:
    """Launch the job once for each state of the reference tables that touches a run."""
    pipeline: Pipeline = context.resources.pipeline
    versions = data_versions(context.instance)
    state = json.dumps(versions, sort_keys=True)
    if not versions or state == context.cursor:
        return dg.SkipReason("no reference table has a new data version")
    found = restatement.plan(pipeline.warehouse, pipeline.choices())
    context.update_cursor(state)
    if found.runs.empty:
        return dg.SkipReason("no run rests on what changed in the reference tables")
    return dg.RunRequest(run_key=state)


def sensor() -> dg.SensorDefinition:
    """Return the sensor, switched on where the installation's setting says so."""
    wanted = os.environ.get(SETTING, "") == "1"
    return dg.SensorDefinition(
        name="changed_factors",
        evaluation_fn=changed_factors,
        job=job,
        minimum_interval_seconds=60,
        required_resource_keys={"pipeline"},
        default_status=dg.DefaultSensorStatus.RUNNING if wanted else dg.DefaultSensorStatus.STOPPED,
        description=f"Off unless {SETTING}=1, or switched on here: "
        "a new data version of a reference table restates what rests on it.",
    )


def data_versions(instance: dg.DagsterInstance) -> dict[str, str]:
    """Return the data version of each reference table that was materialised, by table."""
    found = {}
    for name in TABLES:
        event = instance.get_latest_materialization_event(key(name))
        if event is not None and event.asset_materialization is not None:
            tags = event.asset_materialization.tags or {}
            found[name] = tags["dagster/data_version"]
    return found
