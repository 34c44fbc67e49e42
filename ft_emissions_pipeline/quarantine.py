"""Runs and records of which no figure is kept, and why: table `quarantine`.

Put here: which runs were refused after reading, and what in their logs did it. Keep out: what
reading refuses (`readers/`), and the stages that find an impossible figure (`stages.py`).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from ft_emissions_pipeline import ledger, normalize
from ft_emissions_pipeline.stages import Choices, impossible_figures
from ft_emissions_pipeline.tables import (
    QUARANTINE,
    RUN_IMPACTS,
    RUNS,
    VALIDATED_RUNS,
    Table,
    conform,
    empty,
)
from ft_emissions_pipeline.tables.frames import among
from ft_emissions_pipeline.warehouse import store


def impossible(runs: pd.DataFrame, impacts: pd.DataFrame, choices: Choices) -> pd.DataFrame:
    """Return table `quarantine` of accepted runs that no figure was kept of, and what did it.

    Parameters
    ----------
    runs : DataFrame
        Accepted runs.
    impacts : DataFrame
        Table `run_impacts` of them; at least `run_id`.
    choices : Choices
        With what they were computed.
    """
    lost = ~runs["run_id"].isin(impacts["run_id"])
    if not lost.any():
        return empty(QUARANTINE)
    missing = runs[lost].reset_index(drop=True)
    faults = impossible_figures(missing, choices)
    missing = missing[missing["run_id"].isin(faults.index)]
    inputs: dict[str, str] = {}
    for start in range(0, len(missing), _TRIED_AT_ONCE):
        inputs |= _what_did_it(missing.iloc[start : start + _TRIED_AT_ONCE], choices)
    reasons = [
        f"run {run}: {faults[run]}; computed from {inputs[run]}: "
        "correct the log, or state the right values in runs.yaml"
        for run in missing["run_id"]
    ]
    return conform(
        missing[["source_uri", "source_record"]].assign(
            reason_code="impossible_figure", reason=reasons
        ),
        QUARANTINE,
    )


_TRIED_AT_ONCE = 500
"""Runs of which each number is left out in turn: some twenty thousand rows."""


def _what_did_it(runs: pd.DataFrame, choices: Choices) -> dict[str, str]:
    """Return by run its numbers any one of which spoils its figures; else all of them."""
    numbers = [column.name for column in RUNS.columns if column.kind == "float"]
    without = [
        runs[runs[name].notna()].assign(
            **{name: np.nan}, run_id=lambda rows, name=name: f"{name} of " + rows["run_id"]
        )
        for name in numbers
    ]
    tried, _ = normalize.accepted(pd.concat(without))
    cured = set(tried["run_id"])
    if cured:
        cured -= set(impossible_figures(tried, choices).index)
    found = {}
    for row in runs.to_dict("records"):
        given = [name for name in numbers if pd.notna(row[name])]
        named = [name for name in given if f"{name} of {row['run_id']}" in cured] or given
        found[row["run_id"]] = ", ".join(f"{name} {row[name]:g}" for name in named)
    return found


def stored_impossible(warehouse: str | Path, choices: Choices) -> pd.DataFrame:
    """Return what `impossible` does of the runs of a warehouse."""
    lost = _runs_without(warehouse, VALIDATED_RUNS, RUN_IMPACTS)
    if not lost:
        return empty(QUARANTINE)
    runs = store.read(warehouse, VALIDATED_RUNS, where=("run_id", lost))
    return impossible(runs, empty(RUN_IMPACTS), choices)


def _runs_without(warehouse: str | Path, table: Table, other: Table) -> set[str]:
    """Return the ids of runs that stand in one table and not in another."""
    ids, others = (
        store.read(warehouse, each, columns=["run_id"], ordered=False)["run_id"]
        for each in (table, other)
    )
    return set(ids[~among(ids, others)])


def doubtful_runs(warehouse: str | Path, versions: pd.DataFrame) -> pd.DataFrame:
    """Return rows of table `runs`: of runs that were refused, or that name an impossible parent.

    Parameters
    ----------
    warehouse : str or Path
        Folder or URL of the tables.
    versions : DataFrame
        Table `model_versions`.
    """
    _, _, child, _ = ledger.lineage.parents(versions)
    doubtful = _runs_without(warehouse, RUNS, VALIDATED_RUNS)
    doubtful |= set(versions["model_version"].array[child])
    return store.read(warehouse, RUNS, where=("run_id", doubtful)) if doubtful else empty(RUNS)


def quarantined(
    warehouse: str | Path,
    unread: pd.DataFrame,
    runs: pd.DataFrame,
    usage: pd.DataFrame,
    versions: pd.DataFrame,
    events: pd.DataFrame,
    choices: Choices,
) -> pd.DataFrame:
    """Return table `quarantine`: what was refused in reading, after joining, of figures or use.

    Parameters
    ----------
    warehouse : str or Path
        Folder or URL of the tables.
    unread : DataFrame
        Rows of `quarantine` for records that could not be read.
    runs : DataFrame
        Rows of table `runs`, at least the doubtful ones (`doubtful_runs`).
    usage, versions, events : DataFrame
        Tables `usage`, `model_versions` and `model_events`, all days.
    choices : Choices
        With what the runs are computed.
    """
    _, refused = normalize.accepted(runs)
    left = ledger.unused(versions, usage, events, runs)
    frames = (unread, refused, stored_impossible(warehouse, choices), left)
    return conform(pd.concat([empty(QUARANTINE), *filter(len, frames)]), QUARANTINE)
