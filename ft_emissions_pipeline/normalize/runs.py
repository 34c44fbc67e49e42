"""Runs with every needed field filled: the rules in their order.

Put here: the order of the rules and what is passed on between them. Keep out: the rules (one module
per subject beside this one), and which runs can be computed (`accepted.py`).
"""

from __future__ import annotations

import pandas as pd

from ft_emissions_pipeline.methodology import Profile
from ft_emissions_pipeline.normalize import duration, energy, grid, hardware, place, tokens
from ft_emissions_pipeline.normalize.columns import Columns
from ft_emissions_pipeline.normalize.filling import Context, Rule, apply
from ft_emissions_pipeline.normalize.identities import guessed_identities
from ft_emissions_pipeline.normalize.provenance import Provenance
from ft_emissions_pipeline.normalize.unknown import with_unknown_names
from ft_emissions_pipeline.reference import Reference, default, take
from ft_emissions_pipeline.tables import NORMALIZED_RUNS, TOKEN_TIME_MODEL, empty
from ft_emissions_pipeline.tables.frames import framed

RULES: tuple[Rule, ...] = (
    *duration.MODEL,
    *place.LOCATION,
    *hardware.IDENTITY,
    *duration.WORK,
    *duration.DURATION,
    *duration.UTILIZATION,
    *duration.TIME,
    *hardware.FACTORS,
    *place.FACTORS,
    *grid.RULES,
    *energy.RULES,
)


def filled(
    runs: pd.DataFrame,
    reference: Reference,
    profile: Profile,
    token_time: pd.DataFrame | None,
    calibration: pd.DataFrame | None = None,
) -> tuple[pd.DataFrame, Provenance]:
    """Fill every needed field of the runs, and write down where each value comes from.

    Parameters
    ----------
    runs : DataFrame
        Rows of table `runs` that `accepted` lets pass.
    reference : Reference
        Reference tables.
    profile : Profile
        Choices of the methodology.
    token_time : DataFrame or None
        Rows of table `token_time_model`; None for the packaged model.
    calibration : DataFrame, optional
        Coefficients of `telemetry.calibration`, to be applied to runs without a meter.

    Returns
    -------
    normalized, provenance
        Table `normalized_runs`; and what `normalize` returns as table `field_provenance`.
    """
    context = Context(reference, profile, token_time)
    if calibration is not None:
        runs = energy.calibrated(runs, calibration)
    told = Columns.of(runs)
    stepped = energy.counters_set_aside(_meter_first(told), energy.route(told, profile), profile)
    stepped = hardware.counts_set_aside(stepped, reference)
    columns, provenance = apply(stepped, RULES, context, guessed_identities)
    provenance = with_unknown_names(columns, context, provenance)
    made = columns.assign(methodology=profile.name, reference_version=reference.version)
    return framed({name: made.cells(name) for name in made}, NORMALIZED_RUNS), provenance


def normalize(
    runs: pd.DataFrame,
    reference: Reference,
    profile: Profile,
    token_time: pd.DataFrame | None,
    calibration: pd.DataFrame | None = None,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return tables `normalized_runs` and `field_provenance`; parameters are those of `filled`."""
    normalized, provenance = filled(runs, reference, profile, token_time, calibration)
    return normalized, provenance.table()


def timed_work(runs: pd.DataFrame, reference: Reference, profile: Profile) -> pd.DataFrame:
    """Return runs that teach how long tokens take: they tell tokens, time, model and hardware.

    Parameters
    ----------
    runs : DataFrame
        Rows of table `runs` that `accepted` lets pass.
    reference : Reference
        Reference tables.
    profile : Profile
        Choices of the methodology.

    Returns
    -------
    DataFrame
        date, run_id, model_name, family, tokens, active_s, and the columns of
        `token_time.workload`. Of a run that logs its reservation alone, the usual start-up is
        taken off; where that would leave less than half of it, the run teaches nothing.
    """
    context = Context(reference, profile, empty(TOKEN_TIME_MODEL))
    runs = hardware.counts_set_aside(runs, reference)
    columns, _ = apply(runs, (*duration.MODEL, *hardware.IDENTITY, *tokens.TOKENS), context)
    frame = columns.frame()
    dated = (frame["ended_at"] - frame["started_at"]).dt.total_seconds()
    startup = default(reference, "startup_s", frame["date"]).value
    computing = frame["reserved_s"].fillna(dated) - startup
    active = frame["active_s"].where(frame["active_s"] > 0, computing.where(computing > startup))
    known = (
        ~context.imputed("gpu_id", frame.index)
        & ~context.imputed("gpu_count", frame.index)
        & ~context.imputed("model_parameters", frame.index)
        & (context.rule("tokens_padded", frame.index) != tokens.USUAL_LENGTH).to_numpy()
    )
    tells = known & (frame["gpu_count"] > 0) & active.notna() & (frame["tokens_padded"] > 0)
    family = take(reference, "models", frame["model_id"], ["family"], on=frame["date"])["family"]
    timed = duration.steps_of(frame, context).assign(
        family=family, tokens=frame["tokens_padded"], active_s=active
    )
    return timed[tells & frame["model_parameters"].notna()].reset_index(drop=True)


def _meter_first(runs: Columns) -> Columns:
    """Let a physical meter stand before a logged total, which then stays visible as components."""
    return runs.assign(it_energy_kwh=runs["it_energy_kwh"].where(runs["meter_energy_kwh"].isna()))
