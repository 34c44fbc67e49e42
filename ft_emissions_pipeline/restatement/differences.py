"""What moved between two reports of the same days, and why.

Put here: the comparison of stored with newly computed rows, and which days an event touches. Keep
out: the computation of the rows (`ledger/`) and their storage (`store.py`).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from ft_emissions_pipeline.tables import INFERENCE_IMPACTS, RESTATEMENTS, Table, conform, empty
from ft_emissions_pipeline.tables.words import Cause

REPORTED = (
    "inferences", "gco2e_per_inference", "water_ml_per_inference", "market_gco2e_per_inference",
    "allocated_kgco2e", "allocated_water_l", "allocated_market_kgco2e",
)  # fmt: skip
"""Columns of `inference_impacts` whose movement is a restatement."""

KEY = list(INFERENCE_IMPACTS.key)

SAME = 1e-12
"""Relative difference below which a value has not moved: the noise of adding in another order."""


def restatements(
    old: pd.DataFrame,
    new: pd.DataFrame,
    old_table_version: int | None,
    by_factors: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Return a row for every reported value that moved.

    Parameters
    ----------
    old, new : DataFrame
        Rows of `inference_impacts` for the same days, as stored and as computed now.
    old_table_version : int or None
        Delta version that holds the old rows; None where nothing was stored yet.
    by_factors : DataFrame, optional
        Which factor rows moved a version, from `factors_used.causes`. Of a version that is not in
        it, another version of the reference tables is taken for a changed factor.

    Returns
    -------
    DataFrame
        Table `restatements`. Rows that are new are first reports, not restatements.
    """
    if old_table_version is None or old.empty:
        return empty(RESTATEMENTS)
    both = old.merge(new, on=KEY, how="left", suffixes=("_old", "_new"), indicator="_side")
    withdrawn = both["_side"] == "left_only"
    recounted, recount = _recounted(both, old, new)
    cause, detail = _cause(both, withdrawn, recounted, recount, by_factors)
    pieces = []
    for column in REPORTED:
        before, after = both[f"{column}_old"], both[f"{column}_new"]
        same = np.isclose(before, after, rtol=SAME, atol=0.0, equal_nan=True)
        moved = both.loc[~same, KEY].assign(
            column=column,
            old=before[~same],
            new=after[~same],
            cause=cause[~same],
            cause_detail=detail[~same],
        )
        pieces.append(moved)
    frame = pd.concat(pieces, ignore_index=True).assign(
        old_table_version=old_table_version, new_table_version=old_table_version + 1
    )
    return conform(frame, RESTATEMENTS) if len(frame) else empty(RESTATEMENTS)


def differing(
    old: pd.DataFrame, new: pd.DataFrame, table: Table, ignoring: Sequence[str] = ()
) -> pd.DataFrame:
    """Return the keys of the rows that came, went or differ by more than noise.

    Parameters
    ----------
    old, new : DataFrame
        Rows of a table before and now.
    table : Table
        Its declaration.
    ignoring : sequence of str
        Columns that may differ.
    """
    both = old.merge(new, on=list(table.key), how="outer", suffixes=("_old", "_new"),
                     indicator="_side")  # fmt: skip
    moved = np.array(both["_side"] != "both")
    for column in table.columns:
        if column.name in table.key or column.name in ignoring:
            continue
        before, after = both[f"{column.name}_old"], both[f"{column.name}_new"]
        if column.kind == "float":
            same = np.isclose(before, after, rtol=SAME, atol=0.0, equal_nan=True)
        else:
            same = (before.eq(after) | (before.isna() & after.isna())).to_numpy(dtype=bool)
        moved |= ~same
    return both.loc[moved, list(table.key)]


def _recounted(
    both: pd.DataFrame, old: pd.DataFrame, new: pd.DataFrame
) -> tuple[pd.Series, pd.Series]:
    """Say of which versions a day's count was corrected, and how much of it.

    A day that is only shared differently between versions keeps its sum over them: that is the work
    of a run that came late, and no correction of the count.
    """
    day = ["date", "model_name"]
    keys = pd.MultiIndex.from_frame(both[day])
    before, after = (
        frame.groupby(day)["inferences"].sum().reindex(keys).to_numpy(dtype=float)
        for frame in (old, new)
    )
    moved = pd.Series(~np.isclose(before, after, rtol=SAME, equal_nan=True), index=both.index)
    text = pd.Series(
        [f"{was:.12g} -> {now:.12g} inferences on {date:%Y-%m-%d}" if changed else None
         for was, now, date, changed in zip(before, after, both["date"], moved, strict=True)],
        index=both.index, dtype="str",
    )  # fmt: skip
    version = [both["model_name"], both["model_version"]]
    return moved.groupby(version).transform("any"), text.groupby(version).transform("first")


def _cause(
    both: pd.DataFrame,
    withdrawn: pd.Series,
    recounted: pd.Series,
    recount: pd.Series,
    by_factors: pd.DataFrame | None,
) -> tuple[pd.Series, pd.Series]:
    """Name the first cause that the two rows show; what none of them explains is a late log."""

    def differs(column: str) -> pd.Series:
        return both[f"{column}_old"].ne(both[f"{column}_new"]) & ~withdrawn

    def words(column: str) -> pd.Series:
        return column + " " + both[f"{column}_old"] + " -> " + both[f"{column}_new"].astype("str")

    version = differs("reference_version")
    known = pd.Series(False, index=both.index)
    named = pd.DataFrame(index=both.index, columns=["cause", "cause_detail"], dtype="str")
    if by_factors is not None:
        known = both["model_version"].isin(by_factors.index)
        named = by_factors.reindex(both["model_version"]).set_axis(both.index)
    rules = (
        (Cause.METHODOLOGY_CHANGED, differs("methodology"), words("methodology")),
        *(
            (each, version & (named["cause"] == each), named["cause_detail"])
            for each in (Cause.FACTOR_CHANGED, Cause.TOKEN_TIME_CHANGED)
        ),
        (Cause.FACTOR_CHANGED, version & ~known, words("reference_version")),
        (Cause.USE_LIFE_CLOSED, differs("status"), words("status")),
        (Cause.USAGE_TRUE_UP, recounted & ~withdrawn, recount),
    )
    cause = pd.Series(Cause.LATE_LOG, index=both.index, dtype="str")
    detail = pd.Series("a run or a count of another day changed", index=both.index, dtype="str")
    detail = detail.where(~withdrawn, "the version no longer serves on this day")
    for name, applies, text in reversed(rules):
        cause, detail = cause.where(~applies, name), detail.where(~applies, text)
    return cause, detail
