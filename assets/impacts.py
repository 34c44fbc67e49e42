"""Footprints of runs, and their sharing over versions, days and inferences.

Put here: the stages from normalized runs to the per-inference table. Keep out: how anything is
computed (`ft_emissions_pipeline/impacts.py`, `amortize.py`, `restate.py`).
"""

from collections.abc import Iterator
from typing import Any

import dagster as dg
import numpy as np
import pandas as pd

from assets.partitions import ALL_DAYS, DAILY, LAST_DAY_TAGS, ONE_RUN, days
from assets.quality_checks import check_result, check_spec
from assets.reference import key
from assets.resources import Pipeline
from assets.stored import out, table_asset
from ft_emissions_pipeline import amortize, landing, pending, restate, store
from ft_emissions_pipeline import impacts as impact
from ft_emissions_pipeline import reference as ref
from ft_emissions_pipeline.tables import (
    ALLOCATION,
    AMORTISATION_SCHEDULE,
    INFERENCE_IMPACTS,
    MODEL_VERSIONS,
    RESTATEMENTS,
    RUN_IMPACTS,
)

GROUP = "impacts"


@table_asset(
    RUN_IMPACTS,
    group=GROUP,
    deps=[key("defaults")],
)
def run_impacts(
    pipeline: Pipeline, normalized_runs: pd.DataFrame, field_provenance: pd.DataFrame
) -> pd.DataFrame:
    """Energy, carbon and water of each run, with the interval that its inputs make."""
    return impact.run_impacts(
        normalized_runs, field_provenance, pipeline.chosen_profile, pipeline.reference()
    )


@table_asset(
    MODEL_VERSIONS,
    group=GROUP,
    ins={"run_impacts": ALL_DAYS, "usage": ALL_DAYS},
)
def model_versions(
    context: dg.AssetExecutionContext,
    pipeline: Pipeline,
    run_impacts: pd.DataFrame,
    usage: pd.DataFrame,
    landing_index: pd.DataFrame,
    model_events: pd.DataFrame,
) -> pd.DataFrame:
    """Find out which version serves when, and over how many inferences.

    A version serves until the next fine-tuning of its model; while there is none, until its
    expected end. What `models.yaml` tells goes before.
    """
    reported = store.read(pipeline.warehouse, INFERENCE_IMPACTS, columns=["date"])["date"]
    as_of = _as_of(context, landing_index, reported)
    versions = amortize.model_versions(run_impacts, usage, as_of, model_events)
    previous = store.read(pipeline.warehouse, MODEL_VERSIONS)
    unshared = pending.unshared_days(previous, versions, reported, as_of)
    pending.note(pipeline.warehouse, ALLOCATION, unshared)
    return versions


def _as_of(
    context: dg.AssetExecutionContext, landing_index: pd.DataFrame, reported: pd.Series
) -> pd.Timestamp:
    """Return the last day of which anything is known."""
    known = [landing.last_day(landing_index), reported.max() if len(reported) else None]
    tags = context.run.tags
    known += [pd.Timestamp(tags[tag]) for tag in LAST_DAY_TAGS if tag in tags]
    days_known = [day for day in known if day is not None]
    return max(days_known) if days_known else pd.Timestamp.now("UTC").tz_localize(None).floor("D")


@table_asset(
    AMORTISATION_SCHEDULE,
    group=GROUP,
    ins={"usage": ALL_DAYS},
)
def amortisation_schedule(
    context: dg.AssetExecutionContext,
    pipeline: Pipeline,
    model_versions: pd.DataFrame,
    usage: pd.DataFrame,
    landing_index: pd.DataFrame,
    model_events: pd.DataFrame,
) -> pd.DataFrame:
    """Share long-lived versions by month: remaining cost over remaining projected inferences.

    Only for models for which `models.yaml` chooses the method.
    """
    reported = store.read(pipeline.warehouse, INFERENCE_IMPACTS, columns=["date"])["date"]
    as_of = _as_of(context, landing_index, reported)
    return amortize.monthly_schedule(model_versions, usage, as_of, model_events)


@dg.multi_asset(
    name="allocate",
    group_name=GROUP,
    partitions_def=DAILY,
    backfill_policy=ONE_RUN,
    ins={
        name: dg.AssetIn()
        for name in ("model_versions", "amortisation_schedule", "usage", "model_events")
    },
    deps=[key("defaults")],
    outs={
        RESTATEMENTS.name: dg.AssetOut(
            **out(RESTATEMENTS, "Written before the rows that move, so that no move is lost.")
        ),
        INFERENCE_IMPACTS.name: dg.AssetOut(
            **out(INFERENCE_IMPACTS, "The table to report: every gram and litre lands on one day.")
        ),
    },
    check_specs=[check_spec(RESTATEMENTS), check_spec(INFERENCE_IMPACTS)],
)
def inference_impacts(
    context: dg.AssetExecutionContext,
    pipeline: Pipeline,
    model_versions: pd.DataFrame,
    amortisation_schedule: pd.DataFrame,
    usage: pd.DataFrame,
    model_events: pd.DataFrame,
) -> Iterator[Any]:
    """Share each version's footprint over the day's inferences, and note what moved."""
    first, last = days(context)
    spread = np.log(ref.default(pipeline.reference(), "gsd_disclosed").value)
    new = amortize.inference_impacts(
        model_versions,
        usage,
        first,
        last,
        expected_log_sd=float(spread),
        events=model_events,
        schedule=amortisation_schedule,
    )
    span = (first.date(), last.date())
    old = store.read(pipeline.warehouse, INFERENCE_IMPACTS, span)
    moved = restate.restatements(old, new, store.version(pipeline.warehouse, INFERENCE_IMPACTS))
    for table, frame in ((RESTATEMENTS, moved), (INFERENCE_IMPACTS, new)):
        yield dg.Output(frame, output_name=table.name)
        yield check_result(frame, table)
