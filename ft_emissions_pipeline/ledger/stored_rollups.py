"""Roll-ups in the warehouse: which sums are stale, and their refresh.

Put here: reading what sums need, and the periods to make anew. Keep out: the sums (`rollups.py`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from ft_emissions_pipeline.ledger import families
from ft_emissions_pipeline.ledger.rollups import (
    CHECKED,
    NEEDED,
    OF_VERSIONS,
    differences,
    period_start,
    roll_up,
    rollups,
)
from ft_emissions_pipeline.ledger.scatter import OF_SPREADS, Scatter, as_frame, of_frame, scatter
from ft_emissions_pipeline.reference import Reference, default, in_force
from ft_emissions_pipeline.tables import (
    INFERENCE_IMPACTS,
    MODEL_VERSIONS,
    NORMALIZED_RUNS,
    PERIODS,
    ROLLUPS,
    RUN_FACTORS,
    RUN_IMPACTS,
    RUN_SPREADS,
    conform,
)
from ft_emissions_pipeline.warehouse import kept, selection, store


def refreshed(
    warehouse: str | Path,
    days: tuple[pd.Timestamp, pd.Timestamp] | None,
    *,
    expected_log_sd: float,
    since: int | None = None,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return table `rollups` with the periods made anew that some days touch.

    Parameters
    ----------
    warehouse : str or Path
        Local folder, or URL of an object store.
    days : (Timestamp, Timestamp) or None
        First and last day whose rows may have changed; None for all days.
    expected_log_sd : float
        As for `roll_up`.
    since : int, optional
        Version of `inference_impacts` of which all roll-ups are known to be the sums.

    Returns
    -------
    rollups, left : DataFrame
        The table, and what `differences` still finds in it; looked for in the years that moved
        since then.

    Notes
    -----
    A period that no longer adds up, because a run ended before its roll-ups were written, is made
    anew whatever the days are.
    """
    stored = store.read(warehouse, ROLLUPS)
    # Rows that an older release wrote lack what is declared since.
    held = stored.dropna(subset=[column.name for column in ROLLUPS.columns if column.required])
    years = _years_moved(warehouse, days, since) if len(held) == len(stored) else None
    ledger = store.read(warehouse, INFERENCE_IMPACTS, years, columns=CHECKED)
    every = ledger["date"] if days is None else _each(days)
    stale = differences(_within(held, years), ledger)
    due = {
        period: pd.concat(
            [period_start(every, period), stale.loc[stale["period"] == period, "date"]]
        ).drop_duplicates()
        for period in PERIODS
    }
    made = _anew(warehouse, held, due, expected_log_sd, lambda _: stored_scatter(warehouse))
    return made, differences(_within(made, years), ledger)


def _years_moved(
    warehouse: str | Path, days: tuple[pd.Timestamp, pd.Timestamp] | None, since: int | None
) -> selection.Days | None:
    """Return first and last day of the years of some days and of those that moved; None for all."""
    moved = None if since is None else store.moved_days(warehouse, INFERENCE_IMPACTS, since)
    if moved is None or days is None:
        return None
    every = moved.union(pd.DatetimeIndex(days))
    return every.min().replace(month=1, day=1).date(), every.max().replace(month=12, day=31).date()


def _within(sums: pd.DataFrame, years: selection.Days | None) -> pd.DataFrame:
    """Return the sums over periods in some years; no period reaches over the end of one."""
    return sums if years is None else sums[sums["date"].between(*map(pd.Timestamp, years))]


def of_days(
    warehouse: str | Path, days: tuple[pd.Timestamp, pd.Timestamp], *, expected_log_sd: float
) -> pd.DataFrame:
    """Return table `rollups` with just the periods made anew that some days touch.

    Parameters
    ----------
    warehouse, days, expected_log_sd
        As for `refreshed`, which also looks for other periods that no longer add up.
    """
    due = {period: period_start(_each(days), period).drop_duplicates() for period in PERIODS}

    def of_these(versions: pd.Series) -> Scatter:
        # Of the touched days alone: a restatement is no reason to read all years.
        return scatter(of_versions(warehouse, versions)[0])

    return _anew(warehouse, store.read(warehouse, ROLLUPS), due, expected_log_sd, of_these)


def _each(days: tuple[pd.Timestamp, pd.Timestamp]) -> pd.Series:
    return pd.Series(pd.date_range(*days, unit="us"))


def _anew(
    warehouse: str | Path,
    held: pd.DataFrame,
    due: Mapping[str, pd.Series],
    expected_log_sd: float,
    scatter_of: Callable[[pd.Series], Scatter],
) -> pd.DataFrame:
    """Replace the roll-ups of the periods that begin on the given days.

    `scatter_of` tells how at least the runs of some versions scatter.
    """
    ends = [start.to_period(p[0].upper()).end_time for p, starts in due.items() for start in starts]
    if not ends:
        return held
    span = min(start for starts in due.values() for start in starts).date(), max(ends).date()
    rows = store.read(warehouse, INFERENCE_IMPACTS, span, columns=NEEDED)
    touched = pd.Series(False, rows.index)
    for period, starts in due.items():
        touched |= period_start(rows["date"], period).isin(starts)
        held = held[(held["period"] != period) | ~held["date"].isin(starts)]
    rows = rows[touched]
    if len(rows):
        spreads, versions = scatter_of(rows["model_version"]), _versions(warehouse)
        made = rollups(rows, spreads, versions, expected_log_sd=expected_log_sd, due=due)
        held = pd.concat([held, made])
    return conform(held.sort_values(list(ROLLUPS.key)), ROLLUPS)


def stored_scatter(
    warehouse: str | Path, versions: Mapping[str, int | None] | None = None
) -> Scatter:
    """Return how all runs of a warehouse scatter, which is worked out once while none moves.

    Parameters
    ----------
    warehouse : str or Path
        Local folder, or URL of an object store.
    versions : mapping, optional
        Name of a table -> its version; the newest by default.
    """
    version = (versions or {}).get(RUN_SPREADS.name)
    return of_frame(
        kept.frame(
            warehouse,
            "scatter",
            kept.of_tables(warehouse, RUN_SPREADS, versions=versions),
            lambda: as_frame(
                scatter(
                    store.read(warehouse, RUN_SPREADS, None, OF_SPREADS, version, ordered=False)
                )
            ),
        )
    )


def of_versions(warehouse: str | Path, versions: pd.Series) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return `run_spreads` of at least the runs of some versions, and what all consist of."""
    runs = store.read(warehouse, RUN_FACTORS, columns=["date", "run_id"], ordered=False)
    made = pc.is_in(pa.array(runs["run_id"]), pa.array(versions.unique()))
    days = pd.DatetimeIndex(runs.loc[made.to_numpy(zero_copy_only=False), "date"].unique())
    spreads = store.read(warehouse, RUN_SPREADS, days, OF_SPREADS, ordered=False)
    return spreads, _versions(warehouse)


def _versions(warehouse: str | Path) -> pd.DataFrame:
    known = store.read(
        warehouse, MODEL_VERSIONS, columns=["model_version", *OF_VERSIONS], ordered=False
    )
    return known.set_index("model_version")


def of_warehouse(
    warehouse: str | Path,
    by: Sequence[str],
    days: tuple[pd.Timestamp, pd.Timestamp] | None = None,
    year_begins: int = 1,
) -> pd.DataFrame:
    """Return `roll_up` of a warehouse's days, of all or from a first to a last.

    Rows by base model or family also say what `families.told` says of it.
    """
    span = None if days is None else (days[0].date(), days[1].date())
    rows = store.read(warehouse, INFERENCE_IMPACTS, span, columns=NEEDED)
    spreads, versions = of_versions(warehouse, rows["model_version"])
    reference = in_force(warehouse, keep=False)
    keys = [key for key in families.KEYS if key in by]
    if keys:
        rooted = families.rooted(
            store.read(warehouse, MODEL_VERSIONS, columns=families.OF_VERSIONS),
            store.read(warehouse, RUN_IMPACTS, columns=families.OF_RUNS),
            store.read(warehouse, NORMALIZED_RUNS, columns=("run_id", "model_id")),
            reference.tables["models"],
        )
        versions = versions.join(rooted.set_index("model_version")[list(families.KEYS)])
    found = roll_up(
        rows,
        spreads,
        by,
        expected_log_sd=expected_log_sd(reference),
        versions=versions,
        year_begins=year_begins,
    )
    # Of a base model within its family, the base model is told.
    return found.merge(families.told(rooted, keys[0]), "left", keys[0]) if keys else found


def expected_log_sd(reference: Reference) -> float:
    """Return the standard deviation of the logarithm of inferences that somebody expects."""
    return math.log(default(reference, "gsd_expectation").value)
