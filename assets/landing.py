"""Landed logs: which file holds which day, the records of a day, the runs that the rules let pass.

Put here: the index over the landing folder, and the tables before anything is filled in. Keep out:
imputation (`normalize.py`) and what was not used (`ledger.py`).
"""

import dagster as dg
import pandas as pd

from ft_emissions_pipeline import normalize
from ft_emissions_pipeline.landing import due
from ft_emissions_pipeline.landing import telemetry as measurements
from ft_emissions_pipeline.landing.days import (
    cloud_reports_of,
    events_of,
    runs_of,
    telemetry_of,
    usage_of,
    windows,
)
from ft_emissions_pipeline.readers.harmless import no_markup
from ft_emissions_pipeline.tables import (
    CLOUD_REPORTS,
    LANDING_INDEX,
    MODEL_EVENTS,
    RUNS,
    TELEMETRY,
    USAGE,
    VALIDATED_RUNS,
    empty,
)
from ft_emissions_pipeline.warehouse import store, unmoved

from .io_manager import markdown
from .partitions import DAYS_OF_A_RUN, days
from .reference import key
from .resources import Pipeline, Workers
from .table_asset import table_asset

GROUP = "landing"

DATED_BY = [key(name) for name in ("models", "aliases", "defaults")]
"""Factor tables on which the day of a run rests that tells none."""

SHOWN = 100
"""Rows of the report on telemetry that the materialisation's metadata hold."""


@table_asset(LANDING_INDEX, group=GROUP, made_from=lambda *_: {}, deps=DATED_BY)
def landing_index(pipeline: Pipeline, workers: Workers) -> pd.DataFrame | None:
    """Look through the landing folder; files that did not change are not read again."""
    index = due.take_in(
        pipeline.landing_folder,
        pipeline.warehouse,
        pipeline.settings(),
        pipeline.reference(),
        workers.engine,
    )
    return None if unmoved.stands(pipeline.warehouse, LANDING_INDEX, {}) else index


@table_asset(RUNS, group=GROUP, deps=DATED_BY)
def runs(
    context: dg.AssetExecutionContext,
    pipeline: Pipeline,
    workers: Workers,
    landing_index: pd.DataFrame,
) -> pd.DataFrame:
    """Read just the files that hold the day, and join the records of one run.

    Of several records of one field the measured one goes before the disclosed one.
    """
    first, last = days(context)
    return runs_of(
        pipeline.landing_folder,
        landing_index,
        first,
        last,
        pipeline.reference(),
        pipeline.settings(),
        workers.engine,
    )


@table_asset(USAGE, group=GROUP)
def usage(
    context: dg.AssetExecutionContext,
    pipeline: Pipeline,
    workers: Workers,
    landing_index: pd.DataFrame,
) -> pd.DataFrame:
    """Read the day's counts; hours add up, and for one hour the last file by name stands."""
    first, last = days(context)
    folder, settings = pipeline.landing_folder, pipeline.settings()
    return usage_of(folder, landing_index, first, last, settings, workers.engine)


@table_asset(MODEL_EVENTS, group=GROUP)
def model_events(pipeline: Pipeline, landing_index: pd.DataFrame) -> pd.DataFrame:
    """Read what `models.yaml` says: roll-backs, retirements, new names, and choices for a model."""
    return events_of(pipeline.landing_folder, landing_index, pipeline.settings())


@table_asset(CLOUD_REPORTS, group=GROUP)
def cloud_reports(pipeline: Pipeline, landing_index: pd.DataFrame) -> pd.DataFrame:
    """Read what cloud providers report of their own; no figure rests on it, see `reconcile`."""
    return cloud_reports_of(pipeline.landing_folder, landing_index, pipeline.settings())


@table_asset(TELEMETRY, group=GROUP)
def telemetry(
    context: dg.AssetExecutionContext,
    pipeline: Pipeline,
    workers: Workers,
    landing_index: pd.DataFrame,
) -> pd.DataFrame:
    """Read what GPUs and meters drew on the day, a row a minute and device at most."""
    first, last = days(context)
    folder, settings = pipeline.landing_folder, pipeline.settings()
    return telemetry_of(folder, landing_index, first, last, settings, workers.engine)


@table_asset(
    VALIDATED_RUNS, group=GROUP, deps=[dg.AssetDep(TELEMETRY.name, partition_mapping=DAYS_OF_A_RUN)]
)
def validated_runs(
    context: dg.AssetExecutionContext,
    pipeline: Pipeline,
    runs: pd.DataFrame,
    landing_index: pd.DataFrame,
) -> pd.DataFrame:
    """Add measured energies, then leave out what breaks a rule, or holds neither time nor tokens.

    `quarantine` says what was left out, and why. The energy of a run over midnight is in the
    telemetry of both days.
    """
    if runs.empty:
        return empty(VALIDATED_RUNS)
    telemetry, report = _telemetry_of(runs, pipeline), empty(TELEMETRY)
    if len(telemetry):
        owners = landing_index.loc[landing_index["run_id"].notna(), ["source_uri", "run_id"]]
        runs, report = measurements.measured(runs, telemetry, windows(landing_index), owners)
    accepted, _ = normalize.accepted(runs)
    if len(report):
        shown = {"telemetry": dg.MetadataValue.md(_shown(report))}
        context.add_output_metadata(shown, output_name="result")
    return accepted


def _telemetry_of(runs: pd.DataFrame, pipeline: Pipeline) -> pd.DataFrame:
    """Return the telemetry of just the days over which the runs lasted."""
    length = pd.to_timedelta(runs["reserved_s"].fillna(0.0), unit="s")
    started = runs["started_at"].fillna(runs["ended_at"] - length)
    if started.isna().all():
        return empty(TELEMETRY)
    first = min(started.min().tz_localize(None), runs["date"].min())
    return store.read(pipeline.warehouse, TELEMETRY, (first.date(), runs["date"].max().date()))


def _shown(report: pd.DataFrame) -> str:
    head = report.head(SHOWN).astype("object").where(report.notna(), "").astype("str")
    return markdown([list(report.columns), *head.map(no_markup).to_numpy().tolist()])
