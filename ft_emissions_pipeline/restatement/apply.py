"""Doing it: the affected runs, their versions, days and roll-ups computed anew and written.

Put here: the order of the writes, by which the next restatement completes one that was killed, and
the checks before them. Keep out: which runs (`affected.py`) and their figures (`recompute.py`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from ft_emissions_pipeline import ledger
from ft_emissions_pipeline.ledger import life_days, stored_rollups
from ft_emissions_pipeline.normalize import factors_used
from ft_emissions_pipeline.restatement import causes, differences, recompute
from ft_emissions_pipeline.restatement.affected import affected
from ft_emissions_pipeline.stages import Choices
from ft_emissions_pipeline.tables import (
    AMORTISATION_SCHEDULE,
    FACTOR_ROWS,
    FACTORS_USED,
    FIELD_PROVENANCE,
    INFERENCE_IMPACTS,
    KIND_PROVENANCE,
    MODEL_VERSIONS,
    NORMALIZED_RUNS,
    PENDING_RESTATEMENT,
    RESTATEMENTS,
    ROLLUPS,
    RUN_FACTORS,
    RUN_IMPACTS,
    RUN_SPREADS,
    TOKEN_TIME_MODEL,
    VALIDATED_RUNS,
    Table,
    empty,
    expectations,
)
from ft_emissions_pipeline.token_time.daily import CANDIDATE, IN_FORCE
from ft_emissions_pipeline.warehouse import store
from ft_emissions_pipeline.warehouse.lock import locked

Progress = Callable[[str], None]


class CheckFailed(ValueError):
    """Restated rows break a table's declaration; nothing of this table was written."""


@dataclass(frozen=True)
class Done:
    """What a restatement did: runs and days computed anew, and the rows of `restatements`."""

    runs: int
    days: pd.DatetimeIndex
    restatements: pd.DataFrame


def apply(warehouse: str | Path, choices: Choices, progress: Progress = lambda _: None) -> Done:
    """Restate what a changed factor, model or methodology touches, and nothing else.

    Each table changes in one commit. Which runs are due is noted first and settled last, so that a
    restatement that was killed is completed by the next one.

    Parameters
    ----------
    warehouse : str or Path
        Folder or URL of the tables.
    choices : Choices
        With what the past is computed.
    progress : callable
        Called with the name of each step as it begins.

    Raises
    ------
    StoreBusy
        If another process writes to the warehouse.
    CheckFailed
        If rows would break a table's declaration; that table then stays as it was, and the next
        restatement goes on from there.
    """
    with locked(warehouse, "a restatement"):
        progress("affected runs")
        runs = affected(warehouse, choices).runs[["date", "run_id", "model_name"]]
        if runs.empty:
            return Done(0, pd.DatetimeIndex([]), empty(RESTATEMENTS))
        store.write(warehouse, PENDING_RESTATEMENT, runs[["date", "run_id"]])
        made = _restate_runs(warehouse, runs, choices, progress)
        progress("inference_impacts")
        days, moved = _restate_days(warehouse, runs, *made, choices)
        progress("rollups")
        _restate_rollups(warehouse, days, choices)
        store.write(warehouse, PENDING_RESTATEMENT, empty(PENDING_RESTATEMENT))
        return Done(len(runs), days, moved)


def _restate_runs(
    warehouse: str | Path, runs: pd.DataFrame, choices: Choices, progress: Progress
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Compute runs anew and write them; return their rows of `run_factors` and `run_impacts`."""
    days, ids = pd.DatetimeIndex(runs["date"].unique()), set(runs["run_id"])
    validated = recompute.rows_of_runs(warehouse, VALIDATED_RUNS, runs)
    fitted, made = recompute.computed(warehouse, validated, choices)
    normalized, kinds, own = made.stored
    of_runs, used, rows = factors_used.stamps(validated, normalized, kinds, own, choices.reference)
    of_days = (
        (NORMALIZED_RUNS, normalized), (FIELD_PROVENANCE, own),
        (RUN_FACTORS, of_runs), (RUN_SPREADS, made.spreads), (RUN_IMPACTS, made.impacts),
    )  # fmt: skip
    progress("checks")
    for table, frame in ((TOKEN_TIME_MODEL, fitted), (KIND_PROVENANCE, kinds), *of_days):
        _check(frame, table)
    # What a run rests on is written before it, so that no figure stands without its factors.
    store.append(warehouse, FACTOR_ROWS, rows)
    store.append(warehouse, FACTORS_USED, used)
    store.append(warehouse, KIND_PROVENANCE, kinds)
    of_models = pd.DatetimeIndex(fitted["date"].unique())
    store.replace(warehouse, TOKEN_TIME_MODEL, fitted, of_models, "status", {IN_FORCE, CANDIDATE})
    progress("runs")
    for table, frame in of_days:
        store.lay_over(warehouse, table, frame, days, "run_id", ids)
    return of_runs, made.impacts


def _restate_days(
    warehouse: str | Path,
    runs: pd.DataFrame,
    of_runs: pd.DataFrame,
    impacts: pd.DataFrame,
    choices: Choices,
) -> tuple[pd.DatetimeIndex, pd.DataFrame]:
    """Share the runs' models over their days again, and note what moved."""
    as_of, ids = recompute.as_of(warehouse), set(runs["run_id"])
    models = recompute.related(warehouse, set(runs["model_name"]))
    versions, stored, usage, events = recompute.versions(warehouse, models, as_of, impacts)
    schedule = ledger.monthly_schedule(versions, usage, as_of, events)
    days = life_days.life_days(recompute.moved_versions(stored, versions, ids), as_of)
    moved = empty(RESTATEMENTS)
    for table, frame in ((MODEL_VERSIONS, versions), (AMORTISATION_SCHEDULE, schedule)):
        _check(frame, table)
    store.replace(warehouse, AMORTISATION_SCHEDULE, schedule, None, "model_name", models)
    if len(days):
        first, last = days.min(), days.max()
        shared = ledger.inference_impacts(
            versions,
            usage[usage["date"].between(first, last)],
            first,
            last,
            events=events,
            schedule=schedule,
            expected_log_sd=stored_rollups.expected_log_sd(choices.reference),
        )
        moved = _reallocate(warehouse, shared[shared["date"].isin(days)], models, days, of_runs)
    # Last of all: until here, what is stored tells the next restatement which lives moved.
    store.replace(warehouse, MODEL_VERSIONS, versions, None, "model_name", models)
    return days, moved


def _reallocate(
    warehouse: str | Path,
    new: pd.DataFrame,
    models: set[str],
    days: pd.DatetimeIndex,
    of_runs: pd.DataFrame,
) -> pd.DataFrame:
    held = store.held(warehouse, INFERENCE_IMPACTS, days)
    old, version = held.rows_of("model_name", models), held.version
    moved = differences.restatements(
        old, new, version, causes_by_factors(warehouse, old, new, of_runs)
    )
    for table, frame in ((RESTATEMENTS, moved), (INFERENCE_IMPACTS, new)):
        _check(frame, table)
    _forget_unfinished(warehouse, version)
    store.append(warehouse, RESTATEMENTS, moved)
    store.replace(warehouse, INFERENCE_IMPACTS, new, days, "model_name", models, held)
    return moved


def _restate_rollups(warehouse: str | Path, days: pd.DatetimeIndex, choices: Choices) -> None:
    if len(days):
        spread = stored_rollups.expected_log_sd(choices.reference)
        sums = stored_rollups.of_days(warehouse, (days.min(), days.max()), expected_log_sd=spread)
        _check(sums, ROLLUPS)
        store.write(warehouse, ROLLUPS, sums)


def causes_by_factors(
    warehouse: str | Path, old: pd.DataFrame, new: pd.DataFrame, of_runs: pd.DataFrame | None = None
) -> pd.DataFrame:
    """Return why versions moved, as far as factors are why.

    Parameters
    ----------
    warehouse : str or Path
        Folder or URL of the tables.
    old, new : DataFrame
        Rows of `inference_impacts` as stored and as computed now.
    of_runs : DataFrame, optional
        Rows of `run_factors`, where they are known; of any other version they are read.

    Returns
    -------
    DataFrame
        As `factors_used.causes`.
    """
    if old.empty or new.empty:
        return causes.no_causes()
    columns = ["model_version", "methodology", "reference_version"]
    pairs = old[columns].merge(
        new[columns].drop_duplicates(), on=columns[:2], suffixes=("_old", "_new")
    )
    pairs = pairs[pairs["reference_version_old"] != pairs["reference_version_new"]]
    if pairs.empty:
        return causes.no_causes()
    ids = set(pairs["model_version"])
    if of_runs is None or not ids.issubset(of_runs["run_id"]):
        of_runs = store.read(
            warehouse, RUN_FACTORS, columns=["run_id", "factors_key"], where=("run_id", ids)
        )
    return causes.causes(
        pairs.drop_duplicates(),
        of_runs,
        store.read(warehouse, FACTORS_USED),
        store.read(warehouse, FACTOR_ROWS),
    )


def _forget_unfinished(warehouse: str | Path, version: int | None) -> None:
    """Take back what was noted of a move that a killed process then did not make."""
    noted = store.read(warehouse, RESTATEMENTS)
    unfinished = noted["old_table_version"] == version
    if unfinished.any():
        store.write(warehouse, RESTATEMENTS, noted[~unfinished])


def _check(frame: pd.DataFrame, table: Table) -> None:
    found = expectations.validate(frame, table)
    if not found.passed:
        first = found.failed[0]
        msg = (
            f"restated rows of {table.name} break {len(found.failed)} of {found.evaluated} rules, "
            f"first {first['column']}: {first['bad_rows']} row(s), expected {first['expected']}; "
            "nothing of this table was written: look at the changed factors"
        )
        raise CheckFailed(msg)
