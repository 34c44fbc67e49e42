"""Runs and versions as they must be from now on, out of what the warehouse holds.

Put here: what to compute the past with, and the library's stages called on stored rows. Keep out:
which rows need it (`affected.py`) and writing (`apply.py`).
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pandas as pd

from ft_emissions_pipeline import ledger, stages, token_time
from ft_emissions_pipeline.landing import index as landing
from ft_emissions_pipeline.ledger import lineage
from ft_emissions_pipeline.restatement import differences
from ft_emissions_pipeline.stages import Choices, Footprints
from ft_emissions_pipeline.tables import (
    INFERENCE_IMPACTS,
    LANDING_INDEX,
    MODEL_EVENTS,
    MODEL_VERSIONS,
    RUN_FACTORS,
    RUN_IMPACTS,
    TOKEN_TIME_MODEL,
    USAGE,
    Table,
    conform,
    empty,
)
from ft_emissions_pipeline.tables.words import Event
from ft_emissions_pipeline.warehouse import store

STAMPS = ["methodology", "reference_version"]
"""Columns that say with what a row was computed last."""


def rows_of_runs(warehouse: str | Path, table: Table, runs: pd.DataFrame) -> pd.DataFrame:
    """Read the rows of some runs (`date`, `run_id`) from their days."""
    days = pd.DatetimeIndex(runs["date"].unique())
    return store.read(warehouse, table, days, where=("run_id", set(runs["run_id"])))


def computed(
    warehouse: str | Path, runs: pd.DataFrame, choices: Choices
) -> tuple[pd.DataFrame, Footprints]:
    """Return the token-time models of days that need another, and the footprints of runs."""
    days = pd.DatetimeIndex(runs["date"].unique()).as_unit("us")
    stored, fitted = _models(warehouse, days, choices)
    model = conform(pd.concat([stored, fitted]), TOKEN_TIME_MODEL)
    return fitted, stages.footprints(runs, replace(choices, token_time=model))


def _models(
    warehouse: str | Path, days: pd.DatetimeIndex, choices: Choices
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the token-time models in force on some days: those that stand, and fitted ones.

    What own runs taught it by then stands in the table; where that rests on another prior than the
    one in force, or nothing is stored, it is fitted anew, as the pipeline does for a day.
    """
    stored = store.read(warehouse, TOKEN_TIME_MODEL, days)
    kept = token_time.days_resting_on(token_time.prior_of(choices.reference), stored)
    stored, others = stored[stored["date"].isin(kept)], days.difference(kept)
    if others.empty:
        return stored, empty(TOKEN_TIME_MODEL)
    own = stages.stored_timed_work(warehouse, choices.reference, choices.profile)
    return stored, token_time.parameters(choices.reference, others, own)


def versions(
    warehouse: str | Path, models: set[str], as_of: pd.Timestamp, changed: pd.DataFrame
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Return some models' versions as they must be and as stored, their usage and events.

    `changed` are rows of `run_impacts` of these models that are known already.
    """
    of_models = ("model_name", models)
    usage, stored, events = (
        store.read(warehouse, table, where=of_models)
        for table in (USAGE, MODEL_VERSIONS, MODEL_EVENTS)
    )
    runs = store.read(
        warehouse, RUN_FACTORS, columns=["date", "run_id"], where=of_models, ordered=False
    )
    runs = runs[~runs["run_id"].isin(changed["run_id"])]
    days = pd.DatetimeIndex(runs["date"].unique())
    others = store.read(warehouse, RUN_IMPACTS, days, where=of_models)
    impacts = pd.concat([others[others["run_id"].isin(runs["run_id"])], changed])
    return ledger.model_versions(impacts, usage, as_of, events), stored, usage, events


def related(warehouse: str | Path, models: set[str]) -> set[str]:
    """Return models with all to which a renaming or a fine-tuning of one from another ties them.

    What a version inherits, and its generation, rest on its ancestors, on whatever model.
    """
    events = store.read(warehouse, MODEL_EVENTS)
    renamed = events.loc[events["event"] == Event.RENAMED, ["model_name", "new_name"]].to_numpy()
    names = ["model_name", "model_version", "parent_version", "use_life_start"]
    versions = store.read(warehouse, MODEL_VERSIONS, columns=names)
    child, parent, _, _ = lineage.parents(versions)
    of = versions["model_name"].to_numpy()
    elsewhere = of[child] != of[parent]
    pairs = {*map(tuple, renamed), *zip(of[child][elsewhere], of[parent][elsewhere], strict=True)}
    found, size = set(models), -1
    while len(found) > size:
        size = len(found)
        found |= {name for pair in pairs if found & set(pair) for name in pair}
    return found


def moved_versions(old: pd.DataFrame, new: pd.DataFrame, ids: set[str]) -> pd.DataFrame:
    """Return both states of the versions that came, changed or went, and of some others."""
    moved = ids | set(differences.differing(old, new, MODEL_VERSIONS, STAMPS)["model_version"])
    both = pd.concat([old, new])
    return both[both["model_version"].isin(moved)]


def as_of(warehouse: str | Path) -> pd.Timestamp:
    """Return the last UTC day of which the tables know anything; there is one where a run is."""
    index = store.read(warehouse, LANDING_INDEX, columns=["date"])
    known = landing.last_day(
        index, *(store.days(warehouse, table).max() for table in (INFERENCE_IMPACTS, RUN_FACTORS))
    )
    assert known is not None
    return known
