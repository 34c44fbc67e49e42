"""Why a reported value moved, in words.

Put here: the sentence for changed factor rows, choices and logs. Keep out: which values moved
(`differences.py`) and which rows differ (`reference/difference.py`).
"""

from __future__ import annotations

import pandas as pd

from ft_emissions_pipeline.normalize.factors_used import KIND, is_of_token_time
from ft_emissions_pipeline.reference.difference import row_changes
from ft_emissions_pipeline.tables.words import Cause

SHOWN = 5
"""Changed rows that a cause names one by one."""


def in_words(changes: pd.DataFrame) -> str:
    """Return changes of factor rows as one line."""
    lines = []
    for factor_id, rows in changes.groupby("factor_id", sort=False):
        cells = [
            f"{row.column} {_shown(row.old)} -> {_shown(row.new)}"
            for row in rows.itertuples(index=False)
            if not pd.isna(row.column)
        ]
        what = {"added": "now used", "removed": "no longer used"}.get(rows["change"].iloc[0])
        lines.append(f"{factor_id}: {what or ', '.join(cells) or 'changed'}")
    more = f"; and {len(lines) - SHOWN} more rows" if len(lines) > SHOWN else ""
    return "; ".join(lines[:SHOWN]) + more


def _shown(cell: object) -> str:
    if pd.isna(cell):
        return "nothing"
    return f"{cell:.12g}" if isinstance(cell, float) else str(cell)


def no_causes() -> pd.DataFrame:
    """Return what `causes` does where factors explain nothing."""
    return pd.DataFrame(columns=["cause", "cause_detail"], dtype="str")


def causes(
    pairs: pd.DataFrame, run_factors: pd.DataFrame, used: pd.DataFrame, rows: pd.DataFrame
) -> pd.DataFrame:
    """Return why versions were computed anew, as far as factors are why.

    Parameters
    ----------
    pairs : DataFrame
        `model_version`, `reference_version_old` and `reference_version_new`; `methodology`.
    run_factors, used, rows : DataFrame
        Tables `run_factors`, `factors_used` and `factor_rows`.

    Returns
    -------
    DataFrame
        By `model_version`: `cause` and `cause_detail`, both missing where the run rests on the same
        rows as before. Versions of whose former rows nothing is known are left out.
    """
    keys = run_factors.set_index("run_id")["factors_key"]
    kinds = pairs.assign(factors_key=pairs["model_version"].map(keys)).dropna()
    columns = ["factors_key", "methodology", "reference_version_old", "reference_version_new"]
    sets = dict(iter(used.groupby(KIND)[["factor_id", "row_hash"]]))
    pieces = []
    for kind, versions in kinds.groupby(columns, sort=False):
        key, methodology, before, after = kind
        old, new = (sets.get((key, methodology, version)) for version in (before, after))
        if old is None or new is None:
            continue
        moved = row_changes(old, new, rows, rows)
        ids = moved["factor_id"]
        cause = Cause.FACTOR_CHANGED if len(ids) else None
        if len(ids) and ids.map(is_of_token_time).all():
            cause = Cause.TOKEN_TIME_CHANGED
        pieces.append(
            versions[["model_version"]].assign(cause=cause, cause_detail=in_words(moved) or None)
        )
    if not pieces:
        return no_causes()
    return pd.concat(pieces).set_index("model_version").astype("str")
