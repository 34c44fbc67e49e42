"""Which runs rest on what changed.

Put here: how affected runs are found, without the logs and without computing the past anew:

1. Runs are stamped with a kind, the hash of all that their look-ups depend on (`factors_used.py`).
2. One run of each kind is computed with the tables now in force. Whatever differs from what is
   stored of it, be it through a row that changed, came or went, touches all runs of its kind.
3. A kind that rests on a row whose values changed is taken even if its one run did not move.

So the set is never too small. It is larger than need be only through step 3, where a changed value
is one that these runs do not read. Keep out: what then moves (`plan.py`).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from ft_emissions_pipeline.normalize import factors_used, grid, stored_provenance
from ft_emissions_pipeline.normalize.factors_used import KIND, is_of_token_time
from ft_emissions_pipeline.normalize.filling import Context
from ft_emissions_pipeline.reference import Reference, ReferenceRefused
from ft_emissions_pipeline.reference.declaration import TABLES as REFERENCE_TABLES
from ft_emissions_pipeline.reference.difference import row_changes
from ft_emissions_pipeline.restatement import differences, recompute
from ft_emissions_pipeline.restatement.recompute import STAMPS
from ft_emissions_pipeline.stages import Choices
from ft_emissions_pipeline.tables import (
    FACTOR_ROWS,
    FACTORS_USED,
    FIELD_PROVENANCE,
    PENDING_RESTATEMENT,
    RUN_FACTORS,
    RUN_IMPACTS,
    TOKEN_TIME_MODEL,
    VALIDATED_RUNS,
    empty,
)
from ft_emissions_pipeline.warehouse import store

CHANGES = ["factor_id", "change", "column", "old", "new"]
PARTS = {
    "total_kgco2e": ("operational_kgco2e", "embodied_kgco2e"),
    "total_water_l": ("onsite_water_l", "electricity_water_l", "embodied_water_l"),
}
"""What each total is the sum of."""

ALL_PARTS = [part for parts in PARTS.values() for part in parts]

TIMES = ["ended_at", "expected_use_life_days", "expected_use_life_basis"]
"""Columns of `run_impacts` that decide on which days a version serves."""


@dataclass(frozen=True)
class Affected:
    """Runs that rest on what changed.

    Attributes
    ----------
    runs : DataFrame
        Their rows of `run_factors`.
    rows : DataFrame
        Changed cells of factor rows, in columns `CHANGES`.
    moved : DataFrame
        A row per run: `retimed`, where the end of its kind or the use life of its model moved; and
        for each part of the totals the ratio of new to old of its kind.
    """

    runs: pd.DataFrame
    rows: pd.DataFrame
    moved: pd.DataFrame


def affected(warehouse: str | Path, choices: Choices) -> Affected:
    """Return the runs that would be computed otherwise now, or whose restatement was cut off.

    Parameters
    ----------
    warehouse : str or Path
        Folder or URL of the tables.
    choices : Choices
        With what the past would be computed.

    Raises
    ------
    ReferenceRefused
        If newer factor tables were refused: what they would move cannot be told.
    """
    if choices.reference.refused:
        msg = f"{choices.reference.refused}\n  nothing was restated: mend the tables first"
        raise ReferenceRefused(msg)
    of_runs = store.read(warehouse, RUN_FACTORS)
    due = store.read(warehouse, PENDING_RESTATEMENT)["run_id"]
    current = (of_runs["reference_version"] == choices.reference.version) & (
        of_runs["methodology"] == choices.profile.name
    )
    begun = of_runs["run_id"].isin(due)
    outdated = of_runs[~current | begun]
    if outdated.empty:
        none = pd.DataFrame(columns=["retimed", *ALL_PARTS], dtype="float64")
        return Affected(outdated, pd.DataFrame(columns=CHANGES), none)
    used = store.read(warehouse, FACTORS_USED)
    kinds = _apart_by_hours(warehouse, _kinds(outdated, choices.reference), used, choices)
    cells, touched = _changed_rows(warehouse, kinds, used, choices.reference)
    moved, models = _moved_kinds(warehouse, kinds, choices)
    chosen = begun[outdated.index] | kinds["kind"].isin(moved.index[moved["moved"]])
    chosen |= _among(kinds, touched) & ~kinds["alone"]
    runs = outdated[chosen]
    cells = _rows_of(cells, runs[KIND].drop_duplicates())
    return Affected(
        runs.reset_index(drop=True),
        pd.concat([cells, models], ignore_index=True),
        moved.reindex(kinds.loc[chosen, "kind"]).reset_index(drop=True),
    )


def _kinds(of_runs: pd.DataFrame, reference: Reference) -> pd.DataFrame:
    """Return each run with the number of its kind; a validity that begins midyear parts a kind."""
    dates = [
        pd.DatetimeIndex(
            pd.concat([t["valid_from"], t["valid_to"] + pd.Timedelta(days=1)]).dropna())
        for t in reference.tables.values()
    ]  # fmt: skip
    starts = np.unique(np.concatenate([each.to_numpy().astype("datetime64[D]") for each in dates]))
    period = np.searchsorted(
        starts, of_runs["date"].to_numpy().astype("datetime64[D]"), side="right"
    )
    kinds = of_runs[["date", "run_id", *KIND]].assign(period=period)
    return kinds.assign(kind=kinds.groupby([*KIND, "period"], sort=False).ngroup())


def _apart_by_hours(
    warehouse: str | Path, kinds: pd.DataFrame, used: pd.DataFrame, choices: Choices
) -> pd.DataFrame:
    """Make a kind of its own of each run whose grid was, or now is, known by the hour."""
    by_hour = used[used["factor_id"].str.startswith("own_grid_hours/")]
    alone = _among(kinds, by_hour[KIND].drop_duplicates())
    if choices.reference.hours:
        first = _first_runs(kinds)
        runs = recompute.rows_of_runs(warehouse, VALIDATED_RUNS, first)
        context = Context(choices.reference, choices.profile, empty(TOKEN_TIME_MODEL))
        there = set(runs.loc[grid.has_own_hours(runs, context), "run_id"])
        alone |= kinds["kind"].isin(first.loc[first["run_id"].isin(there), "kind"])
    number = kinds["kind"].max() + 1 + pd.Series(np.arange(len(kinds)), index=kinds.index)
    return kinds.assign(alone=alone, kind=kinds["kind"].mask(alone, number))


def _first_runs(kinds: pd.DataFrame) -> pd.DataFrame:
    """Return the first run of each kind by date and id; as read they are ordered by id."""
    return kinds.sort_values("date", kind="stable").drop_duplicates("kind")


def _changed_rows(
    warehouse: str | Path, kinds: pd.DataFrame, used: pd.DataFrame, reference: Reference
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the changed cells of used rows, and the kinds that rest on a changed value."""
    present = kinds[KIND].drop_duplicates()
    every = present.assign(factors_key=factors_used.EVERY_RUN).drop_duplicates()
    used = used.merge(pd.concat([present, every]), on=KIND)
    # A day's token-time model is no reference row; whether it moved, a run of the kind tells.
    used = used[~used["factor_id"].map(is_of_token_time).astype(bool)]
    now = used["factor_id"].map(factors_used.row_hashes(reference))
    stale = used[used["row_hash"].ne(now)]
    old = stale[["factor_id", "row_hash"]].drop_duplicates()
    before = store.read(warehouse, FACTOR_ROWS).merge(old, on=["factor_id", "row_hash"])
    after = factors_used.rows_in_force(set(old["factor_id"]), reference)
    cells = row_changes(old, after[["factor_id", "row_hash"]], before, after)
    # A better source for the same value is worth a line, but moves nothing.
    values = {c.name for table in REFERENCE_TABLES.values() for c in table.own}
    counts = cells[cells["column"].isna()
                   | cells["column"].isin(values | {"valid_from", "valid_to"})]  # fmt: skip
    touched = stale.merge(counts[["factor_id", "row_hash"]].drop_duplicates())
    touched = touched[touched["factors_key"] != factors_used.EVERY_RUN]
    shown = stale[[*KIND, "factor_id", "row_hash"]].merge(cells, on=["factor_id", "row_hash"])
    return shown, touched[KIND].drop_duplicates()


def _among(rows: pd.DataFrame, kinds: pd.DataFrame) -> pd.Series:
    """Say which rows are of one of the kinds."""
    index = pd.MultiIndex.from_frame(rows[kinds.columns])
    return pd.Series(index.isin(pd.MultiIndex.from_frame(kinds)), index=rows.index)


def _rows_of(cells: pd.DataFrame, kinds: pd.DataFrame) -> pd.DataFrame:
    """Return the changed cells on which the affected kinds may rest."""
    of_kind = _among(cells, kinds)
    of_any = (cells["factors_key"] == factors_used.EVERY_RUN) & _among(cells, kinds[STAMPS])
    return cells.loc[of_kind | of_any, CHANGES].drop_duplicates(ignore_index=True)


def _moved_kinds(
    warehouse: str | Path, kinds: pd.DataFrame, choices: Choices
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Compute one run of each kind anew, and compare it with what is stored of it.

    Returns
    -------
    moved, models : DataFrame
        By kind: `moved`; `retimed`, where its end or its model's use life moved; and for each part
        of the totals its ratio of new to old. And the token-time models that others took the place
        of, as rows of `Plan.rows`.
    """
    first = _first_runs(kinds)
    kind = first.set_index("run_id")["kind"]
    stored = {
        table: recompute.rows_of_runs(warehouse, table, first)
        for table in (VALIDATED_RUNS, RUN_IMPACTS)
    }
    days = pd.DatetimeIndex(first["date"].unique())
    origins = stored_provenance.stored(warehouse, days, runs=set(first["run_id"]))
    stored[FIELD_PROVENANCE] = origins.table()
    _, made = recompute.computed(warehouse, stored[VALIDATED_RUNS], choices)
    changed = set(kind.index) - set(stored[RUN_IMPACTS]["run_id"])
    for table, new in ((FIELD_PROVENANCE, made.provenance), (RUN_IMPACTS, made.impacts)):
        changed |= set(differences.differing(stored[table], new, table, STAMPS)["run_id"])
    before, after = (
        frame.set_index("run_id")[[*ALL_PARTS, *TIMES]].reindex(kind.index)
        for frame in (stored[RUN_IMPACTS], made.impacts)
    )
    same = (before.eq(after) | (before.isna() & after.isna()))[TIMES]
    old = before[ALL_PARTS]
    ratio = (after[ALL_PARTS] / old.where(old > 0)).fillna(1.0)
    ratio = ratio.assign(moved=kind.index.isin(changed), retimed=~same.all(axis=1))
    models = _changed_models(stored[FIELD_PROVENANCE], made.provenance)
    return ratio.set_axis(pd.Index(kind.to_numpy())), models


def _changed_models(old: pd.DataFrame, new: pd.DataFrame) -> pd.DataFrame:
    key = list(FIELD_PROVENANCE.key)
    both = old[[*key, "factor_id"]].merge(new[[*key, "factor_id"]], on=key,
                                          suffixes=("_old", "_new"))  # fmt: skip
    was, now = (both[f"factor_id_{of}"].str.split(" ").str[0].fillna("") for of in ("old", "new"))
    models = (was + now).map(is_of_token_time).astype(bool)
    changed = pd.DataFrame(
        {"factor_id": was, "change": "changed", "column": "version", "old": was, "new": now}
    )
    return changed.loc[models & was.ne(now), CHANGES].drop_duplicates(ignore_index=True)
