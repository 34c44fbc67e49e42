"""Restating the past after a factor, the token-time model or the methodology changed.

Put here: which runs rest on what changed, what would move, and the computation of exactly these runs
and of what follows from them. Keep out: the comparison of reported values and the words for causes
(`restate.py`, `factors_used.py`), and printing (`cli_restate.py`).

How the affected runs are found, without the logs and without computing the past anew:

1. Runs are stamped with a kind, the hash of all that their look-ups depend on (`factors_used.py`).
2. One run of each kind is computed with the tables now in force. Whatever differs from what is stored
   of it, be it through a row that changed, came or went, touches all runs of its kind.
3. A kind that rests on a row whose values changed is taken even if its one run did not move.

So the set is never too small. It is larger than need be only through step 3, where a changed value is
one that these runs do not read.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from ft_emissions_pipeline import (
    amortize,
    factors_used,
    landing,
    normalize,
    quality,
    restate,
    rollup,
    store,
    telemetry,
    token_time,
)
from ft_emissions_pipeline import impacts as impact
from ft_emissions_pipeline import reference as ref
from ft_emissions_pipeline.factors_used import KIND
from ft_emissions_pipeline.methodology import Profile
from ft_emissions_pipeline.normalize import place
from ft_emissions_pipeline.normalize.engine import Context
from ft_emissions_pipeline.reference.declaration import TABLES as REFERENCE_TABLES
from ft_emissions_pipeline.tables import (
    AMORTISATION_SCHEDULE,
    FACTOR_ROWS,
    FACTORS_USED,
    FIELD_PROVENANCE,
    INFERENCE_IMPACTS,
    LANDING_INDEX,
    MODEL_EVENTS,
    MODEL_VERSIONS,
    NORMALIZED_RUNS,
    PENDING_RESTATEMENT,
    RESTATEMENTS,
    ROLLUPS,
    RUN_FACTORS,
    RUN_IMPACTS,
    RUN_SPREADS,
    TOKEN_TIME_MODEL,
    USAGE,
    VALIDATED_RUNS,
    Table,
    conform,
    empty,
)
from ft_emissions_pipeline.token_time.daily import CANDIDATE, IN_FORCE

STAMPS = ["methodology", "reference_version"]
TOTALS = ("total_kgco2e", "total_water_l")
PARTS = {
    "total_kgco2e": ("operational_kgco2e", "embodied_kgco2e"),
    "total_water_l": ("onsite_water_l", "electricity_water_l", "embodied_water_l"),
}
"""What each total is the sum of."""

Progress = Callable[[str], None]
CHANGES = ["factor_id", "change", "column", "old", "new"]


class CheckFailed(ValueError):
    """Restated rows break a table's declaration; nothing was written."""


@dataclass(frozen=True)
class Choices:
    """With what the past is computed: reference tables, profile, and whether meters calibrate."""

    reference: ref.Reference
    profile: Profile
    calibrate: bool = False


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
        By affected run its totals as stored and as expected: `run_id`, `model_name`, `total_kgco2e`,
        `total_kgco2e_expected`, `total_water_l`, `total_water_l_expected`.
    """

    rows: pd.DataFrame
    runs: pd.DataFrame
    days: pd.DatetimeIndex
    versions: pd.DataFrame

    @property
    def by_model(self) -> pd.DataFrame:
        """Totals per model, as stored and as expected; per inference they move by the same ratio."""
        numbers = [column for column in self.versions if column.startswith("total_")]
        grouped = self.versions.groupby("model_name")
        return grouped[numbers].sum().assign(runs=grouped.size()).reset_index()


NOTHING = Plan(
    pd.DataFrame(columns=CHANGES),
    empty(RUN_FACTORS),
    pd.DatetimeIndex([]),
    pd.DataFrame(
        columns=["run_id", "model_name", *(t + of for t in TOTALS for of in ("", "_expected"))]
    ),
)
"""The plan where every run rests on what is in force."""


@dataclass(frozen=True)
class Done:
    """What a restatement did: runs and days computed anew, and the rows of `restatements`."""

    runs: int
    days: pd.DatetimeIndex
    restatements: pd.DataFrame


def plan(warehouse: str | Path, choices: Choices) -> Plan:
    """Return what a restatement would touch now; nothing is written.

    Parameters
    ----------
    warehouse : str or Path
        Folder or URL of the tables.
    choices : Choices
        With what the past would be computed.
    """
    of_runs = store.read(warehouse, RUN_FACTORS)
    due = store.read(warehouse, PENDING_RESTATEMENT)["run_id"]
    current = (of_runs["reference_version"] == choices.reference.version) & (
        of_runs["methodology"] == choices.profile.name
    )
    begun = of_runs["run_id"].isin(due)
    outdated = of_runs[~current | begun]
    if outdated.empty:
        return NOTHING
    used = store.read(warehouse, FACTORS_USED)
    kinds = _apart_by_hours(warehouse, _kinds(outdated, choices.reference), used, choices)
    cells, touched = _changed_rows(warehouse, kinds, used, choices.reference)
    moved, models = _moved_kinds(warehouse, kinds, choices)
    affected = kinds["kind"].isin(moved.index[moved["moved"]])
    affected |= _among(kinds, touched) & ~kinds["alone"]
    chosen = outdated[outdated["run_id"].isin(due) | affected]
    if chosen.empty:
        return NOTHING
    named = chosen[KIND].drop_duplicates()
    versions = _expected(warehouse, chosen, kinds.loc[chosen.index, "kind"], moved)
    retimed = moved["retimed"].reindex(kinds.loc[chosen.index, "kind"])
    days = _days(warehouse, chosen, retimed, choices)
    rows = pd.concat([_rows_of(cells, named), models], ignore_index=True)
    return Plan(rows, chosen.reset_index(drop=True), days, versions)


def _kinds(of_runs: pd.DataFrame, reference: ref.Reference) -> pd.DataFrame:
    """Return each run with the number of its kind; a validity that begins midyear parts a kind."""
    dates = [
        pd.DatetimeIndex(pd.concat([t["valid_from"], t["valid_to"] + pd.Timedelta(days=1)]).dropna())
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
        runs = _of_runs(warehouse, VALIDATED_RUNS, first)
        context = Context(choices.reference, choices.profile, empty(TOKEN_TIME_MODEL))
        there = set(runs.loc[place.has_own_hours(runs, context), "run_id"])
        alone |= kinds["kind"].isin(first.loc[first["run_id"].isin(there), "kind"])
    number = kinds["kind"].max() + 1 + pd.Series(np.arange(len(kinds)), index=kinds.index)
    return kinds.assign(alone=alone, kind=kinds["kind"].mask(alone, number))


def _first_runs(kinds: pd.DataFrame) -> pd.DataFrame:
    return kinds.sort_values(["date", "run_id"], kind="stable").drop_duplicates("kind")


def _changed_rows(
    warehouse: str | Path, kinds: pd.DataFrame, used: pd.DataFrame, reference: ref.Reference
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the changed cells of used rows, and the kinds that rest on a row with a changed value."""
    present = kinds[KIND].drop_duplicates()
    every = present.assign(factors_key=factors_used.EVERY_RUN).drop_duplicates()
    used = used.merge(pd.concat([present, every]), on=KIND)
    # A day's token-time model is no reference row; whether it moved, a run of the kind tells.
    used = used[~used["factor_id"].map(factors_used.is_of_token_time).astype(bool)]
    now = used["factor_id"].map(factors_used.row_hashes(reference))
    stale = used[used["row_hash"].ne(now)]
    old = stale[["factor_id", "row_hash"]].drop_duplicates()
    before = store.read(warehouse, FACTOR_ROWS).merge(old, on=["factor_id", "row_hash"])
    after = factors_used.rows_in_force(set(old["factor_id"]), reference)
    cells = factors_used.row_changes(old, after[["factor_id", "row_hash"]], before, after)
    # A better source for the same value is worth a line, but moves nothing.
    values = {f.name for table in REFERENCE_TABLES.values() for f in table.own}
    counts = cells[cells["column"].isna() | cells["column"].isin(values | {"valid_from", "valid_to"})]  # fmt: skip
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
        of the totals its ratio of new to old. And the token-time models that others took the place of,
        as rows of `Plan.rows`.
    """
    parts = [part for each in PARTS.values() for part in each]
    first = _first_runs(kinds)
    kind = first.set_index("run_id")["kind"]
    stored = {
        table: _of_runs(warehouse, table, first)
        for table in (VALIDATED_RUNS, FIELD_PROVENANCE, RUN_IMPACTS)
    }
    _, _, provenance, impacts, _ = _computed(warehouse, stored[VALIDATED_RUNS], choices)
    changed = set(kind.index) - set(stored[RUN_IMPACTS]["run_id"])
    for table, new in ((FIELD_PROVENANCE, provenance), (RUN_IMPACTS, impacts)):
        changed |= set(restate.differing(stored[table], new, table, STAMPS)["run_id"])
    old, new = (
        frame.set_index("run_id")[parts].reindex(kind.index)
        for frame in (stored[RUN_IMPACTS], impacts)
    )
    times = ["ended_at", "expected_use_life_days", "expected_use_life_basis"]
    before, after = (
        frame.set_index("run_id")[times].reindex(kind.index)
        for frame in (stored[RUN_IMPACTS], impacts)
    )
    ratio = (
        (new / old.where(old > 0))
        .fillna(1.0)
        .assign(moved=kind.index.isin(changed), retimed=before.ne(after).any(axis=1))
    )
    models = _changed_models(stored[FIELD_PROVENANCE], provenance)
    return ratio.set_axis(pd.Index(kind.to_numpy())), models


def _changed_models(old: pd.DataFrame, new: pd.DataFrame) -> pd.DataFrame:
    key = list(FIELD_PROVENANCE.key)
    both = old[[*key, "factor_id"]].merge(new[[*key, "factor_id"]], on=key, suffixes=("_old", "_new"))  # fmt: skip
    was, now = (both[f"factor_id_{of}"].str.split(" ").str[0].fillna("") for of in ("old", "new"))
    models = (was + now).map(factors_used.is_of_token_time).astype(bool)
    changed = pd.DataFrame(
        {"factor_id": was, "change": "changed", "column": "version", "old": was, "new": now}
    )
    return changed.loc[models & was.ne(now), CHANGES].drop_duplicates(ignore_index=True)


def _of_runs(warehouse: str | Path, table: Table, runs: pd.DataFrame) -> pd.DataFrame:
    """Read the rows of some runs (`date`, `run_id`) from their days."""
    days = pd.DatetimeIndex(runs["date"].unique())
    return store.read(warehouse, table, days, where=("run_id", set(runs["run_id"])))


def _computed(
    warehouse: str | Path, runs: pd.DataFrame, choices: Choices
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Return token-time models, normalized runs, provenance, impacts and spreads, as they must be from now on."""
    days = pd.DatetimeIndex(runs["date"].unique()).as_unit("us")
    model = _models(warehouse, days, choices)
    calibration = (
        telemetry.calibration(store.read(warehouse, VALIDATED_RUNS)) if choices.calibrate else None
    )
    normalized, provenance = normalize.normalize(
        runs,
        choices.reference,
        choices.profile,
        model,
        calibration,
    )
    impacts, spreads = impact.impacts_and_spreads(
        normalized, provenance, choices.profile, choices.reference
    )
    return model, normalized, provenance, impacts, spreads


def _models(warehouse: str | Path, days: pd.DatetimeIndex, choices: Choices) -> pd.DataFrame:
    """Return the token-time model in force on each day.

    What own runs taught it by then stands in the table; where that rests on another prior than the one
    in force, or nothing is stored, it is fitted anew, as the pipeline does for a day.
    """
    spans = restate.ranges(days, 1)
    pieces = [
        store.read(warehouse, TOKEN_TIME_MODEL, (first.date(), last.date()))
        for first, last in spans
    ]
    stored = pd.concat(pieces, ignore_index=True) if pieces else empty(TOKEN_TIME_MODEL)
    kept = token_time.days_resting_on(token_time.prior_of(choices.reference), stored)
    stored, others = stored[stored["date"].isin(kept.intersection(days))], days.difference(kept)
    if others.empty:
        return stored
    validated = store.read(warehouse, VALIDATED_RUNS)
    own = normalize.timed_work(validated, choices.reference, choices.profile)
    fitted = token_time.parameters(choices.reference, others, own)
    return conform(pd.concat([stored, fitted]), TOKEN_TIME_MODEL)


def _expected(
    warehouse: str | Path, runs: pd.DataFrame, kind: pd.Series, moved: pd.DataFrame
) -> pd.DataFrame:
    """Scale each part of the runs' totals as it moves for the one run of their kind."""
    parts = [part for each in PARTS.values() for part in each]
    columns = ["date", "run_id", "model_name", *parts, *TOTALS]
    stored = store.read(
        warehouse,
        RUN_IMPACTS,
        pd.DatetimeIndex(runs["date"].unique()),
        columns,
        where=("run_id", set(runs["run_id"])),
    )
    stored = stored.merge(
        pd.DataFrame({"run_id": runs["run_id"].to_numpy(), "kind": kind.to_numpy()}), on="run_id"
    )
    ratios = moved.reindex(stored["kind"])
    for total in TOTALS:
        expected = [stored[part].to_numpy() * ratios[part].to_numpy() for part in PARTS[total]]
        stored[f"{total}_expected"] = np.sum(expected, axis=0)
    return stored.drop(columns=["date", "kind", *parts])


def _days(
    warehouse: str | Path, runs: pd.DataFrame, retimed: pd.Series, choices: Choices
) -> pd.DatetimeIndex:
    """Return the days of the runs, and those on which their versions serve, before or after."""
    of_runs = pd.DatetimeIndex(runs["date"].unique())
    as_of, previous = _as_of(warehouse), store.read(warehouse, MODEL_VERSIONS)
    lives = previous[previous["model_version"].isin(runs["run_id"])]
    if retimed.any():
        # Where a run ends elsewhere, or its model lasts for longer, other versions' days move, too.
        late = runs[retimed.to_numpy()]
        validated = _of_runs(warehouse, VALIDATED_RUNS, late)
        _, _, _, impacts, _ = _computed(warehouse, validated, choices)
        models = _with_other_names(warehouse, set(late["model_name"]))
        versions, old = _versions(warehouse, models, as_of, impacts)
        lives = pd.concat([lives, _moved_versions(old, versions, set())])
    return restate.life_days(lives, as_of).union(of_runs)


def _versions(
    warehouse: str | Path,
    models: set[str],
    as_of: pd.Timestamp,
    changed: pd.DataFrame | None = None,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the versions of some models as they must be, and as they are stored."""
    impacts, usage, stored, events = (
        store.read(warehouse, table, where=("model_name", models))
        for table in (RUN_IMPACTS, USAGE, MODEL_VERSIONS, MODEL_EVENTS)
    )
    if changed is not None:
        impacts = pd.concat([impacts[~impacts["run_id"].isin(changed["run_id"])], changed])
        impacts = impacts[impacts["model_name"].isin(models)]
    return amortize.model_versions(impacts, usage, as_of, events), stored


def _with_other_names(warehouse: str | Path, models: set[str]) -> set[str]:
    """Return names of models with those that they had before or after a renaming."""
    events = store.read(warehouse, MODEL_EVENTS)
    pairs = events.loc[events["event"] == "renamed", ["model_name", "new_name"]].to_numpy()
    names, size = set(models), -1
    while len(names) > size:
        size = len(names)
        names |= {name for pair in pairs if names & set(pair) for name in pair}
    return names


def _moved_versions(old: pd.DataFrame, new: pd.DataFrame, ids: set[str]) -> pd.DataFrame:
    """Return both states of the versions that came, changed or went, and of some others."""
    moved = ids | set(restate.differing(old, new, MODEL_VERSIONS, STAMPS)["model_version"])
    both = pd.concat([old, new])
    return both[both["model_version"].isin(moved)]


def _as_of(warehouse: str | Path) -> pd.Timestamp:
    """Return the last UTC day of which the tables know anything; there is one where a run is."""
    index = store.read(warehouse, LANDING_INDEX, columns=["date"])
    known = [
        landing.last_day(index),
        store.last_day(warehouse, INFERENCE_IMPACTS),
        store.last_day(warehouse, RUN_FACTORS),
    ]
    return max(day for day in known if day is not None)


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
        If rows would break a table's declaration; the tables then stay as they were.
    """
    with store.locked(warehouse, "a restatement"):
        progress("affected runs")
        found = plan(warehouse, choices)
        runs = found.runs[["date", "run_id", "model_name"]]
        if runs.empty:
            return Done(0, pd.DatetimeIndex([]), empty(RESTATEMENTS))
        store.write(warehouse, PENDING_RESTATEMENT, runs[["date", "run_id"]])
        _restate_runs(warehouse, runs, choices, progress)
        progress("inference_impacts")
        days, moved = _restate_days(warehouse, runs, choices)
        progress("rollups")
        _restate_rollups(warehouse, days, choices)
        store.write(warehouse, PENDING_RESTATEMENT, empty(PENDING_RESTATEMENT))
        return Done(len(runs), days, moved)


def _restate_runs(
    warehouse: str | Path, runs: pd.DataFrame, choices: Choices, progress: Progress
) -> None:
    days, ids = pd.DatetimeIndex(runs["date"].unique()), set(runs["run_id"])
    validated = _of_runs(warehouse, VALIDATED_RUNS, runs)
    model, normalized, provenance, impacts, spreads = _computed(warehouse, validated, choices)
    of_runs, used, rows = factors_used.stamps(validated, normalized, provenance, choices.reference)
    made = (
        (NORMALIZED_RUNS, normalized), (FIELD_PROVENANCE, provenance),
        (RUN_FACTORS, of_runs), (RUN_SPREADS, spreads), (RUN_IMPACTS, impacts),
    )  # fmt: skip
    progress("checks")
    for table, frame in ((TOKEN_TIME_MODEL, model), *made):
        _check(frame, table)
    # What a run rests on is written before it, so that no figure stands without its factors.
    store.append(warehouse, FACTOR_ROWS, rows)
    store.append(warehouse, FACTORS_USED, used)
    store.replace(
        warehouse,
        TOKEN_TIME_MODEL,
        model,
        days,
        "status",
        {IN_FORCE, CANDIDATE},
    )
    for table, frame in made:
        progress(table.name)
        store.replace(warehouse, table, frame, days, "run_id", ids)


def _restate_days(
    warehouse: str | Path, runs: pd.DataFrame, choices: Choices
) -> tuple[pd.DatetimeIndex, pd.DataFrame]:
    """Share the runs' models over their days again, and note what moved."""
    as_of, ids = _as_of(warehouse), set(runs["run_id"])
    models = _with_other_names(warehouse, set(runs["model_name"]))
    versions, stored = _versions(warehouse, models, as_of)
    _check(versions, MODEL_VERSIONS)
    days = restate.life_days(_moved_versions(stored, versions, ids), as_of)
    moved = empty(RESTATEMENTS)
    if len(days):
        moved = _reallocate(warehouse, versions, models, days, as_of, choices)
    # Last of all: until here, what is stored tells the next restatement which lives moved.
    others = store.read(warehouse, MODEL_VERSIONS)
    others = others[~others["model_name"].isin(models)]
    store.write(warehouse, MODEL_VERSIONS, conform(pd.concat([others, versions]), MODEL_VERSIONS))
    return days, moved


def _reallocate(
    warehouse: str | Path,
    versions: pd.DataFrame,
    models: set[str],
    days: pd.DatetimeIndex,
    as_of: pd.Timestamp,
    choices: Choices,
) -> pd.DataFrame:
    of_models = ("model_name", models)
    usage, events = (
        store.read(warehouse, table, where=of_models) for table in (USAGE, MODEL_EVENTS)
    )
    schedule = amortize.monthly_schedule(versions, usage, as_of, events)
    _restate_schedule(warehouse, schedule, models)
    new = amortize.inference_impacts(
        versions,
        usage[usage["date"].between(days.min(), days.max())],
        days.min(),
        days.max(),
        events=events,
        schedule=schedule,
        expected_log_sd=rollup.expected_log_sd(choices.reference),
    )
    old = store.read(warehouse, INFERENCE_IMPACTS, days, where=of_models)
    new = new[new["date"].isin(days)]
    version = store.version(warehouse, INFERENCE_IMPACTS)
    moved = restate.restatements(old, new, version, causes_by_factors(warehouse, old, new))
    for table, frame in ((RESTATEMENTS, moved), (INFERENCE_IMPACTS, new)):
        _check(frame, table)
    _forget_unfinished(warehouse, version)
    store.append(warehouse, RESTATEMENTS, moved)
    store.replace(warehouse, INFERENCE_IMPACTS, new, days, "model_name", models)
    return moved


def _restate_schedule(warehouse: str | Path, schedule: pd.DataFrame, models: set[str]) -> None:
    stored = store.read(warehouse, AMORTISATION_SCHEDULE)
    others = stored[~stored["model_name"].isin(models)]
    if len(schedule) or len(others) < len(stored):
        _check(schedule, AMORTISATION_SCHEDULE)
        both = conform(pd.concat([others, schedule]), AMORTISATION_SCHEDULE)
        store.write(warehouse, AMORTISATION_SCHEDULE, both)


def _restate_rollups(warehouse: str | Path, days: pd.DatetimeIndex, choices: Choices) -> None:
    if len(days):
        spread = rollup.expected_log_sd(choices.reference)
        sums, _ = rollup.refreshed(warehouse, (days.min(), days.max()), expected_log_sd=spread)
        _check(sums, ROLLUPS)
        store.write(warehouse, ROLLUPS, sums)


def causes_by_factors(warehouse: str | Path, old: pd.DataFrame, new: pd.DataFrame) -> pd.DataFrame:
    """Return why versions moved, as far as factors are why.

    Parameters
    ----------
    warehouse : str or Path
        Folder or URL of the tables.
    old, new : DataFrame
        Rows of `inference_impacts` as stored and as computed now.

    Returns
    -------
    DataFrame
        As `factors_used.causes`.
    """
    columns = ["model_version", "methodology", "reference_version"]
    pairs = old[columns].merge(
        new[columns].drop_duplicates(), on=columns[:2], suffixes=("_old", "_new")
    )
    pairs = pairs[pairs["reference_version_old"] != pairs["reference_version_new"]]
    if pairs.empty:
        return factors_used.no_causes()
    return factors_used.causes(
        pairs.drop_duplicates(),
        store.read(
            warehouse,
            RUN_FACTORS,
            columns=["run_id", "factors_key"],
            where=("run_id", set(pairs["model_version"])),
        ),
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
    found = quality.validate(frame, table)
    if not found.passed:
        first = found.failed[0]
        msg = (
            f"restated rows of {table.name} break {len(found.failed)} of {found.evaluated} rules, "
            f"first {first['column']}: {first['bad_rows']} row(s), expected {first['expected']}; "
            "nothing of this table was written: look at the changed factors"
        )
        raise CheckFailed(msg)
