"""Model versions, their days and inferences, sums over periods, and what nothing could use.

Put here: the stage from run impacts to the per-inference table, its roll-ups and the quarantine.
Keep out: how versions share (`ft_emissions_pipeline/ledger/`), and restating the past
(`restatement.py`).
"""

from collections.abc import Iterator
from typing import Any

import dagster as dg
import pandas as pd

from ft_emissions_pipeline import ledger, restatement
from ft_emissions_pipeline.landing import index
from ft_emissions_pipeline.landing.days import refused_of
from ft_emissions_pipeline.ledger import life_days, stored_rollups, stored_versions
from ft_emissions_pipeline.quarantine import doubtful_runs, quarantined
from ft_emissions_pipeline.restatement import differences
from ft_emissions_pipeline.tables import (
    ALLOCATION,
    AMORTISATION_SCHEDULE,
    FACTOR_ROWS,
    FACTORS_USED,
    INFERENCE_IMPACTS,
    LANDING_INDEX,
    MODEL_EVENTS,
    MODEL_VERSIONS,
    QUARANTINE,
    RESTATEMENTS,
    ROLLUPS,
    RUN_FACTORS,
    RUN_IMPACTS,
    RUN_SPREADS,
    RUNS,
    USAGE,
    VALIDATED_RUNS,
)
from ft_emissions_pipeline.warehouse import pending, store, unmoved

from .checks import ADDS_UP, CHECK_NAME, check_result, check_spec, stands, sums_check
from .partitions import ALL_DAYS, DAILY, LAST_DAY_TAGS, ONE_RUN, days, every_day, tagged_days
from .reference import key
from .resources import Pipeline
from .table_asset import checked, out, table_asset

GROUP = "ledger"


@table_asset(
    MODEL_VERSIONS,
    group=GROUP,
    made_from=lambda pipeline, _: stored_versions.rests_on(pipeline.warehouse),
    ins={"run_impacts": ALL_DAYS, "usage": ALL_DAYS},
)
def model_versions(
    context: dg.AssetExecutionContext,
    pipeline: Pipeline,
    run_impacts: pd.DataFrame,
    usage: pd.DataFrame,
    landing_index: pd.DataFrame,
    model_events: pd.DataFrame,
) -> pd.DataFrame | None:
    """Find out which version serves when, and over how many inferences.

    A version serves until the next fine-tuning of its model; while there is none, until its
    expected end. What `models.yaml` tells goes before.
    """
    reported = store.days(pipeline.warehouse, INFERENCE_IMPACTS)
    as_of = _as_of(context, landing_index, reported)
    warehouse = pipeline.warehouse
    before = store.read(warehouse, MODEL_VERSIONS)
    moved = stored_versions.moved(warehouse, before, run_impacts, usage, as_of, model_events)
    unshared = life_days.unshared_days(before, moved, reported, as_of)
    pending.note(warehouse, ALLOCATION, unshared)
    if (
        moved[0].empty
        and moved[1].empty
        and unmoved.stands(warehouse, MODEL_VERSIONS, stored_versions.rests_on(warehouse))
    ):
        return None
    return pd.concat([before.drop(moved[0].index), moved[1]])


def _as_of(
    context: dg.AssetExecutionContext, landing_index: pd.DataFrame, reported: pd.DatetimeIndex
) -> pd.Timestamp:
    """Return the last day of which anything is known."""
    tags = context.run.tags
    asked = [pd.Timestamp(tags[tag]) for tag in LAST_DAY_TAGS if tag in tags]
    known = index.last_day(landing_index, reported.max(), *asked)
    return known or pd.Timestamp.now("UTC").tz_localize(None).floor("D")


@table_asset(AMORTISATION_SCHEDULE, group=GROUP, ins={"usage": ALL_DAYS})
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
    reported = store.days(pipeline.warehouse, INFERENCE_IMPACTS)
    as_of = _as_of(context, landing_index, reported)
    return ledger.monthly_schedule(model_versions, usage, as_of, model_events)


@dg.multi_asset(
    name="ledger",
    partitions_def=DAILY,
    backfill_policy=ONE_RUN,
    # Factors moved a value only where they changed for its run.
    deps=[key("defaults"), RUN_FACTORS.name, FACTORS_USED.name, FACTOR_ROWS.name],
    outs={
        RESTATEMENTS.name: dg.AssetOut(
            group_name="restatement",
            **out(RESTATEMENTS, "Written before the rows that move, so that no move is lost."),
        ),
        INFERENCE_IMPACTS.name: dg.AssetOut(
            group_name=GROUP,
            **out(INFERENCE_IMPACTS, "The table to report: every gram and litre lands on one day."),
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
    new = ledger.inference_impacts(
        model_versions,
        usage,
        first,
        last,
        expected_log_sd=stored_rollups.expected_log_sd(pipeline.reference()),
        events=model_events,
        schedule=amortisation_schedule,
    )
    span = (first.date(), last.date())
    old = store.read(pipeline.warehouse, INFERENCE_IMPACTS, span)
    moved = differences.restatements(
        old,
        new,
        store.version(pipeline.warehouse, INFERENCE_IMPACTS),
        restatement.causes_by_factors(pipeline.warehouse, old, new),
    )
    yield from checked(((RESTATEMENTS, moved), (INFERENCE_IMPACTS, new)))


@dg.asset(
    name=ROLLUPS.name,
    group_name=GROUP,
    deps=[
        INFERENCE_IMPACTS.name,
        MODEL_VERSIONS.name,
        RUN_SPREADS.name,
        RUN_FACTORS.name,
        key("defaults"),
    ],
    check_specs=[check_spec(ROLLUPS), ADDS_UP],
    **out(
        ROLLUPS, "Only periods that the run's days touch, or that no longer add up, are made anew."
    ),
)
def rollups(context: dg.AssetExecutionContext, pipeline: Pipeline) -> Iterator[Any]:
    """Sum the per-inference table by month, quarter and year; by model, team, tag and fleet."""
    inputs = pipeline.made_from(INFERENCE_IMPACTS, MODEL_VERSIONS, RUN_SPREADS)
    before = unmoved.made_from(pipeline.warehouse, ROLLUPS)
    if before == inputs:
        yield dg.Output(None)
        yield stands(ROLLUPS, CHECK_NAME)
        yield stands(ROLLUPS, ADDS_UP.name)
        return
    frame, left = stored_rollups.refreshed(
        pipeline.warehouse,
        tagged_days(context.run.tags),
        expected_log_sd=stored_rollups.expected_log_sd(pipeline.reference()),
        since=unmoved.since(before, inputs, INFERENCE_IMPACTS),
    )
    yield dg.Output(frame)
    checks = check_result(frame, ROLLUPS), sums_check(left)
    if all(each.passed for each in checks):
        unmoved.note(pipeline.warehouse, ROLLUPS, inputs)
    yield from checks


QUARANTINE_RESTS_ON = (
    LANDING_INDEX, RUNS, USAGE, VALIDATED_RUNS, RUN_IMPACTS, MODEL_VERSIONS, MODEL_EVENTS,
)  # fmt: skip


@table_asset(
    QUARANTINE,
    group=GROUP,
    made_from=lambda pipeline, _: pipeline.made_from(*QUARANTINE_RESTS_ON),
    deps=[
        dg.AssetDep(each.name, partition_mapping=every_day(each)) for each in QUARANTINE_RESTS_ON
    ],
)
def quarantine(pipeline: Pipeline) -> pd.DataFrame | None:
    """Collect the records on which no figure rests.

    They could not be read, break a rule, say too little, lead to no figure, or fit no version.
    """
    warehouse = pipeline.warehouse
    if unmoved.stands(warehouse, QUARANTINE, pipeline.made_from(*QUARANTINE_RESTS_ON)):
        return None
    landed, previous, usage, versions, events = (
        store.read(warehouse, table)
        for table in (LANDING_INDEX, QUARANTINE, USAGE, MODEL_VERSIONS, MODEL_EVENTS)
    )
    unread = refused_of(pipeline.landing_folder, landed, previous, pipeline.settings())
    runs = doubtful_runs(warehouse, versions)
    return quarantined(warehouse, unread, runs, usage, versions, events, pipeline.choices())
