"""Gaps filled: every needed field of a run, and where each value comes from.

Put here: the token-time model in force and the normalized runs. Keep out: the rules
(`ft_emissions_pipeline/normalize/`).
"""

import json
from collections.abc import Iterator
from typing import Any

import dagster as dg
import pandas as pd

from ft_emissions_pipeline import methodology, stages, token_time
from ft_emissions_pipeline.landing.engines import over_chunks
from ft_emissions_pipeline.normalize import factors_used, stored_provenance
from ft_emissions_pipeline.reference import TABLES
from ft_emissions_pipeline.tables import (
    FACTOR_ROWS,
    FACTORS_USED,
    FIELD_PROVENANCE,
    KIND_PROVENANCE,
    NORMALIZED_RUNS,
    RUN_FACTORS,
    TOKEN_TIME_MODEL,
    VALIDATED_RUNS,
    empty,
)
from ft_emissions_pipeline.token_time import diagnostics
from ft_emissions_pipeline.warehouse import store, unmoved

from .checks import check_spec
from .partitions import DAILY, ONE_RUN, days
from .reference import key
from .resources import Pipeline, Workers
from .table_asset import checked, outs, table_asset, without_rows

GROUP = "normalize"

MADE = {
    KIND_PROVENANCE: "Basis, rule, factor, source and spread of each field, by kind of run.",
    NORMALIZED_RUNS: "Every gap is filled by the first rule that has an answer.",
    FIELD_PROVENANCE: "Value, interval, basis, rule, factor and source of what is a run's own.",
    RUN_FACTORS: "From a run to its kind, and from there to its factor rows.",
    FACTORS_USED: "Ids and hashes; what a changed row touches is read off here.",
    FACTOR_ROWS: "Kept when a row changes, so that one can say from what to what.",
}
"""Tables of the stage that fills gaps, and what is said of them."""


def _made_from(pipeline: Pipeline, models: pd.DataFrame) -> unmoved.Inputs:
    return {**pipeline.made_from(VALIDATED_RUNS), "day": f"{models['date'].max():%Y-%m-%d}"}


def _of_the_day_before(pipeline: Pipeline, first: pd.Timestamp) -> pd.DataFrame:
    """Return the models of the last day made, where no run since could teach others."""
    made = unmoved.made_from(pipeline.warehouse, TOKEN_TIME_MODEL) or {}
    held = empty(TOKEN_TIME_MODEL)
    if "day" in made:
        day = pd.Timestamp(str(made["day"]))
        learnt = store.days(pipeline.warehouse, VALIDATED_RUNS).max()
        if day < first and not learnt > day:
            held = store.read(pipeline.warehouse, TOKEN_TIME_MODEL, (day.date(), day.date()))
    return held if len(held) and _made_from(pipeline, held) == made else held.head(0)


@table_asset(
    TOKEN_TIME_MODEL,
    group=GROUP,
    made_from=_made_from,
    deps=[key("calibration"), key("defaults"), VALIDATED_RUNS.name],
)
def token_time_model(context: dg.AssetExecutionContext, pipeline: Pipeline) -> pd.DataFrame:
    """Put the model in force that turns tokens into time and power.

    A physical model fitted on published rows; from 20 own runs with tokens and time on they shift
    it, by GPU model and family of the base model, if that does no worse on held-out ones.
    """
    first, last = days(context)
    held = _of_the_day_before(pipeline, first)
    if len(held):
        context.add_output_metadata({"as_on": f"{held['date'][0]:%Y-%m-%d}"}, output_name="result")
        every = pd.date_range(first, last, unit="us")
        return pd.concat([held.assign(date=day) for day in every], ignore_index=True)
    factors = pipeline.reference()
    profile = methodology.profile(pipeline.profile)
    own = stages.stored_timed_work(pipeline.warehouse, factors, profile)
    fitted = token_time.fits(factors, own[own["date"] <= last])
    metadata = {
        "artefacts": dg.MetadataValue.json([json.loads(token_time.to_json(m)) for _, m in fitted]),
        "diagnostics": dg.MetadataValue.md(diagnostics.markdown(fitted[0][1])),
    }
    context.add_output_metadata(metadata, output_name="result")
    return token_time.parameters(factors, pd.date_range(first, last), own)


@dg.multi_asset(
    name="normalize",
    group_name=GROUP,
    partitions_def=DAILY,
    backfill_policy=ONE_RUN,
    deps=[key(name) for name in TABLES],
    outs=outs(MADE),
    check_specs=[check_spec(table) for table in MADE],
)
def normalized_runs(
    pipeline: Pipeline,
    workers: Workers,
    validated_runs: pd.DataFrame,
    token_time_model: pd.DataFrame,
) -> Iterator[Any]:
    """Fill the gaps of the day's runs, and write down where each value comes from."""
    if validated_runs.empty:
        yield from without_rows(MADE)
        return
    choices = pipeline.choices(token_time_model)
    normalized, kinds, own = over_chunks(stages.normalized, workers.engine, choices, validated_runs)
    kinds = stored_provenance.without_repeats(kinds)
    stamps = factors_used.stamps(validated_runs, normalized, kinds, own, choices.reference)
    yield from checked(zip(MADE, (kinds, normalized, own, *stamps), strict=True))
