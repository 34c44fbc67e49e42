"""Which days of versions' lives must be shared again.

Put here: open, moved and unshared days. Keep out: the sharing itself (`per_inference.py`).
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from ft_emissions_pipeline.ledger.days import instants
from ft_emissions_pipeline.tables.words import Life


def open_days(versions: pd.DataFrame, last: pd.Timestamp) -> pd.DatetimeIndex:
    """Return the days up to `last` on which a version serves whose use life is still open."""
    return life_days(versions[versions["status"] == Life.OPEN], last)


def life_days(versions: pd.DataFrame, last: pd.Timestamp) -> pd.DatetimeIndex:
    """Return the days up to `last` on which some versions (rows of `model_versions`) serve."""
    opens, closes = (instants(versions[edge]) for edge in ("use_life_start", "use_life_end"))
    first, final = (edge.astype("datetime64[D]") for edge in (opens, closes))
    final = np.minimum(final, np.datetime64(last, "D"))
    lived = first <= final
    if not lived.any():
        return pd.DatetimeIndex([], dtype="datetime64[us]")
    day = first.min()
    begins, ends = ((edge[lived] - day).astype("int64") for edge in (first, final + 1))
    alive = np.cumsum(np.bincount(begins, minlength=ends.max() + 1) - np.bincount(ends)) > 0
    return pd.DatetimeIndex(day + np.flatnonzero(alive)).as_unit("us")


def unshared_days(
    before: pd.DataFrame,
    moved: tuple[pd.DataFrame, pd.DataFrame],
    reported: pd.DatetimeIndex,
    as_of: pd.Timestamp,
) -> pd.DatetimeIndex:
    """Return the days up to `as_of` over which versions must be shared out (again).

    Parameters
    ----------
    before : DataFrame
        Table `model_versions` before.
    moved : (DataFrame, DataFrame)
        Its rows that are no longer the same, and the new ones.
    reported : DatetimeIndex
        Days that `inference_impacts` holds; a version serves on days without any log, too.
    as_of : Timestamp
        Last UTC day of which anything is known.
    """
    lives = life_days(before, as_of).difference(reported)
    return life_days(pd.concat(moved), as_of).union(lives)


def serving(versions: pd.DataFrame, first: pd.Timestamp, last: pd.Timestamp) -> pd.DataFrame:
    """Return the versions whose life touches the days; only they can carry anything on them."""
    begins, ends = first.tz_localize("UTC"), last.tz_localize("UTC") + pd.Timedelta(days=1)
    return versions[(versions["use_life_start"] < ends) & (versions["use_life_end"] >= begins)]
