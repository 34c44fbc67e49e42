"""What moved between two reports, by cause, model and month.

Put here: the sums over what the table of restatements and two states of the ledger tell. Keep out:
which state stood when (`as_reported.py`), and why a value moved (`differences.py`).

Every kilogram and litre that the later report holds more or less has one cause: those of table
`restatements`, and first reports, of a run that was not there or of a day that was not.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from ft_emissions_pipeline.restatement.as_reported import AsReported, Range, as_reported
from ft_emissions_pipeline.restatement.differences import KEY, SAME

NEW_RUN = "new run"
NEW_DAY = "new day"
UNEXPLAINED = "no restatement recorded"
_DETAILS = {
    NEW_RUN: "the version was not in the earlier report",
    NEW_DAY: "the day of a known version was not in the earlier report",
    UNEXPLAINED: "the values differ, and table restatements does not tell of it",
}
AMOUNTS = ("allocated_kgco2e", "allocated_market_kgco2e", "allocated_water_l")
BY = ["model_name", "month"]


class Compared(NamedTuple):
    """Two states of the ledger, and what moved between them.

    Attributes
    ----------
    earlier, later : AsReported
        What stood.
    moved : DataFrame
        model_name, month (its first day), cause, cause_detail, rows (days of versions), and by how
        much each of `AMOUNTS` moved.
    stood : DataFrame
        model_name, month, and each of `AMOUNTS` with `_earlier` and `_later`.
    """

    earlier: AsReported
    later: AsReported
    moved: pd.DataFrame
    stood: pd.DataFrame


def compare(
    warehouse: str | Path, first: pd.Timestamp, second: pd.Timestamp, days: Range | None = None
) -> Compared:
    """Compare what stood in `inference_impacts` at two instants.

    Parameters
    ----------
    warehouse : str or Path
        Folder or URL of the tables.
    first, second : Timestamp
        Days or instants, as `as_reported` takes them, in any order.
    days : (Timestamp, Timestamp), optional
        First and last day reported on; all by default.

    Raises
    ------
    NothingReported
        As `as_reported` does.
    """
    found = (as_reported(warehouse, at, days) for at in (first, second))
    earlier, later = sorted(found, key=lambda each: each.table_version)
    sides = earlier.rows.merge(later.rows, on=KEY, how="outer", suffixes=("_earlier", "_later"))
    sides = sides.set_index(KEY)
    moves = earlier.restated[earlier.restated["new_table_version"] <= later.table_version]
    by_move = _by_move(moves[moves["column"].isin(AMOUNTS)])
    first_reports = _unmoved(sides, by_move, set(earlier.rows["model_version"]))
    moved = pd.concat([by_move, first_reports])
    moved = moved[moved[list(AMOUNTS)].any(axis=1)]
    return Compared(earlier, later, _summed(moved, [*BY, "cause", "cause_detail"]), _stood(sides))


def _by_move(moves: pd.DataFrame) -> pd.DataFrame:
    """Return a row per restated key and cause, with what each amount moved by."""
    change = moves["new"].fillna(0.0) - moves["old"].fillna(0.0)
    keys = [*KEY, "cause", "cause_detail"]
    wide = moves.assign(change=change).pivot_table(
        index=keys, columns="column", values="change", aggfunc="sum"
    )
    wide = wide.reindex(columns=list(AMOUNTS)).fillna(0.0).reset_index()
    # A row that was withdrawn and came back is reported for the first time again.
    gone = moves.loc[moves["new"].isna() & (moves["column"] == "allocated_kgco2e"), KEY]
    back = pd.MultiIndex.from_frame(wide[KEY]).isin(pd.MultiIndex.from_frame(gone))
    return wide.assign(withdrawn=back)


def _unmoved(sides: pd.DataFrame, by_move: pd.DataFrame, known: set[str]) -> pd.DataFrame:
    """Return what restatements leave of the difference: first reports, and what none explains."""
    told = by_move.groupby(KEY)[list(AMOUNTS)].sum()
    rest = pd.DataFrame(index=sides.index)
    for name in AMOUNTS:
        before, after = (sides[f"{name}_{side}"].fillna(0.0) for side in ("earlier", "later"))
        moved = told[name].reindex(sides.index).fillna(0.0)
        left = after - before - moved
        noise = SAME * 10 * np.maximum.reduce([before, after, moved.abs()])
        rest[name] = left.where(left.abs() > noise, 0.0)
    version = rest.index.get_level_values("model_version")
    again = rest.index.isin(by_move.loc[by_move["withdrawn"], KEY].set_index(KEY).index)
    is_new = sides["allocated_kgco2e_earlier"].isna().to_numpy() | again
    cause = np.select([is_new & ~version.isin(known), is_new], [NEW_RUN, NEW_DAY], UNEXPLAINED)
    return rest.assign(
        cause=cause, cause_detail=pd.Series(cause, rest.index).map(_DETAILS)
    ).reset_index()


def _summed(moved: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    months = moved.assign(month=moved["date"].to_numpy("datetime64[M]").astype("datetime64[us]"))
    sums = months.groupby(keys, as_index=False)[list(AMOUNTS)].sum()
    return sums.assign(rows=months.groupby(keys).size().to_numpy())[[*keys, "rows", *AMOUNTS]]


def _stood(sides: pd.DataFrame) -> pd.DataFrame:
    rows = sides.reset_index()
    names = [f"{name}_{side}" for name in AMOUNTS for side in ("earlier", "later")]
    month = rows["date"].to_numpy("datetime64[M]").astype("datetime64[us]")
    return rows.assign(month=month).groupby(BY, as_index=False)[names].sum()
