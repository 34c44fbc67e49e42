"""Which days of versions' lives must be shared again.

Put here: open, moved and unshared days. Keep out: the sharing itself (`per_inference.py`).
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from ft_emissions_pipeline.ledger.versions import changed
from ft_emissions_pipeline.tables.words import Life


def open_days(versions: pd.DataFrame, last: pd.Timestamp) -> pd.DatetimeIndex:
    """Return the days up to `last` on which a version serves whose use life is still open."""
    return life_days(versions[versions["status"] == Life.OPEN], last)


def moved_days(old: pd.DataFrame, new: pd.DataFrame, last: pd.Timestamp) -> pd.DatetimeIndex:
    """Return the days up to `last` of all versions that came, changed or went.

    Parameters
    ----------
    old, new : DataFrame
        Table `model_versions` before and now.
    last : Timestamp
        Last UTC day to consider.
    """
    sides = old.merge(new, how="outer", indicator="side")
    return life_days(sides[sides["side"] != "both"], last)


def life_days(versions: pd.DataFrame, last: pd.Timestamp) -> pd.DatetimeIndex:
    """Return the days up to `last` on which some versions (rows of `model_versions`) serve."""
    first = versions["use_life_start"].dt.floor("D").dt.tz_localize(None)
    final = versions["use_life_end"].dt.floor("D").dt.tz_localize(None).clip(upper=last)
    lives = [pd.date_range(*pair) for pair in sorted(set(zip(first, final, strict=True)))]
    return (
        pd.DatetimeIndex(np.unique(np.concatenate([life.to_numpy() for life in lives])))
        if lives
        else pd.DatetimeIndex([])
    )


def unshared_days(
    old: pd.DataFrame, new: pd.DataFrame, reported: pd.DatetimeIndex, as_of: pd.Timestamp
) -> pd.DatetimeIndex:
    """Return the days up to `as_of` over which versions must be shared out (again).

    Parameters
    ----------
    old, new : DataFrame
        Table `model_versions` before and now.
    reported : DatetimeIndex
        Days that `inference_impacts` holds; a version serves on days without any log, too.
    as_of : Timestamp
        Last UTC day of which anything is known.
    """
    lives = moved_days(old.iloc[:0], new, as_of)
    moved = moved_days(*changed(old, new), as_of)
    return moved.union(lives.difference(reported))
