"""What a restatement would touch, and what would move: the dry run.

Put here: the plan that is shown, with the totals and the days to expect. Keep out: how the affected
runs are found (`affected.py`), and printing (`cli/restate.py`).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from ft_emissions_pipeline.ledger import life_days
from ft_emissions_pipeline.restatement import recompute
from ft_emissions_pipeline.restatement.affected import ALL_PARTS, PARTS, Affected, affected
from ft_emissions_pipeline.stages import Choices
from ft_emissions_pipeline.tables import MODEL_VERSIONS, RUN_IMPACTS, VALIDATED_RUNS
from ft_emissions_pipeline.warehouse import store


@dataclass(frozen=True)
class Plan:
    """What a restatement would touch.

    Attributes
    ----------
    rows : DataFrame
        Changed cells of factor rows: `factor_id`, `change`, `column`, `old`, `new`.
    runs : DataFrame
        Rows of `run_factors` of the affected runs.
    days : DatetimeIndex
        Days of these runs, and those on which their versions serve.
    versions : DataFrame
        By affected run its totals as stored and as expected: `run_id`, `model_name`,
        `total_kgco2e`, `total_kgco2e_expected`, `total_water_l`, `total_water_l_expected`.
    """

    rows: pd.DataFrame
    runs: pd.DataFrame
    days: pd.DatetimeIndex
    versions: pd.DataFrame

    @property
    def by_model(self) -> pd.DataFrame:
        """Totals per model, stored and expected; per inference they move by the same ratio."""
        numbers = [column for column in self.versions if column.startswith("total_")]
        grouped = self.versions.groupby("model_name")
        return grouped[numbers].sum().assign(runs=grouped.size()).reset_index()


def plan(warehouse: str | Path, choices: Choices) -> Plan:
    """Return what a restatement would touch now; nothing is written.

    Parameters
    ----------
    warehouse : str or Path
        Folder or URL of the tables.
    choices : Choices
        With what the past would be computed.
    """
    found = affected(warehouse, choices)
    return Plan(
        found.rows, found.runs, _days(warehouse, found, choices), _expected(warehouse, found)
    )


def _expected(warehouse: str | Path, found: Affected) -> pd.DataFrame:
    """Scale each part of the runs' totals as it moves for the one run of their kind."""
    stored = store.read(
        warehouse,
        RUN_IMPACTS,
        pd.DatetimeIndex(found.runs["date"].unique()),
        ["run_id", "model_name", *ALL_PARTS, *PARTS],
        where=("run_id", set(found.runs["run_id"])),
    )
    ratios = found.moved.set_axis(found.runs["run_id"]).reindex(stored["run_id"])
    for total, of_total in PARTS.items():
        expected = [stored[part].to_numpy() * ratios[part].to_numpy() for part in of_total]
        stored[f"{total}_expected"] = np.sum(expected, axis=0)
    return stored.drop(columns=ALL_PARTS)


def _days(warehouse: str | Path, found: Affected, choices: Choices) -> pd.DatetimeIndex:
    """Return the days of the runs, and those on which their versions serve, before or after."""
    of_runs = pd.DatetimeIndex(found.runs["date"].unique())
    if of_runs.empty:
        return of_runs
    as_of, ids = recompute.as_of(warehouse), set(found.runs["run_id"])
    life = ["model_version", "use_life_start", "use_life_end"]
    lives = store.read(warehouse, MODEL_VERSIONS, columns=life, where=("model_version", ids))
    retimed = found.moved["retimed"].to_numpy(dtype=bool)
    if retimed.any():
        # Where a run ends elsewhere, or its model lasts for longer, other versions' days move, too.
        late = found.runs[retimed]
        validated = recompute.rows_of_runs(warehouse, VALIDATED_RUNS, late)
        _, made = recompute.computed(warehouse, validated, choices)
        models = recompute.related(warehouse, set(late["model_name"]))
        new, old, _, _ = recompute.versions(warehouse, models, as_of, made.impacts)
        lives = pd.concat([lives, recompute.moved_versions(old, new, set())])
    return life_days.life_days(lives, as_of).union(of_runs)
