"""Intervals of two-piece log-normal quantities.

Put here: widths and skews from percentiles, and percentiles from these. Keep out: how they travel
through a function (`propagation.py`).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

Z_95 = 1.6448536269514722
"""95th percentile of the standard normal distribution."""

MOST_LEANING = 0.5
"""Skew up to which slope and bend describe a quantity. Where a value stands at an end of its own
interval, half of its draws would be the value itself; there the total leans less than the input,
whose own percentiles stay as they are in provenance."""


def log_sd_of_interval(p05: ArrayLike, p95: ArrayLike) -> Floats:
    """Return the standard deviation of the logarithm whose 5th and 95th percentile are given.

    Parameters
    ----------
    p05, p95 : array_like
        Percentiles, above 0. Where one is missing or 0, the spread is 0.
    """
    low, high = np.asarray(p05, dtype=float), np.asarray(p95, dtype=float)
    known = (low > 0) & (high > 0)
    with np.errstate(invalid="ignore", divide="ignore"):
        spread = (np.log(high) - np.log(low)) / (2 * Z_95)
    return np.where(known, np.abs(spread), 0.0)


def skew_of_interval(value: ArrayLike, p05: ArrayLike, p95: ArrayLike) -> Floats:
    """Return by how much wider the logarithm is above its median than below, from -1 to 1.

    Parameters
    ----------
    value, p05, p95 : array_like
        Medians and percentiles, above 0. Where one is missing or 0, or there is no spread, it is 0.
    """
    middle, low, high = (np.asarray(each, dtype=float) for each in (value, p05, p95))
    above, below = log_ratio(high, middle), log_ratio(middle, low)
    whole = above + below
    known = (low > 0) & (middle > 0) & (high > 0) & (whole > 0)
    found = np.divide(above - below, whole, out=np.zeros(whole.shape), where=known)
    return np.clip(found, -1.0, 1.0)


def interval(value: ArrayLike, log_sd: ArrayLike, skew: ArrayLike = 0.0) -> tuple[Floats, Floats]:
    """Return the 5th and 95th percentile of two-piece log-normal quantities with the given medians.

    Parameters
    ----------
    value : array_like
        Medians.
    log_sd : array_like
        Standard deviations of the logarithm, the mean of both sides.
    skew : array_like
        From -1, all below, to 1, all above.
    """
    median = np.asarray(value, dtype=float)
    width, lean = Z_95 * np.asarray(log_sd, dtype=float), np.asarray(skew, dtype=float)
    return median / np.exp(width * (1 - lean)), median * np.exp(width * (1 + lean))


def widened(
    value: ArrayLike, p05: ArrayLike, p95: ArrayLike, log_sd: ArrayLike
) -> tuple[Floats, Floats]:
    """Return p05 and p95 over the value, once it is divided by something that is uncertain as well.

    Parameters
    ----------
    value, p05, p95 : array_like
        Values, at least 0, with their percentiles, which need not lie as far below as above.
    log_sd : array_like
        Standard deviation of the logarithm of what they are divided by.
    """
    middle, low, high = (np.asarray(each, dtype=float) for each in (value, p05, p95))
    below, above = (
        np.log(np.divide(end, middle, out=np.ones_like(middle), where=(middle > 0) & (end > 0)))
        for end in (low, high)
    )
    centre, half = (above + below) / 2, (above - below) / 2
    wide = np.hypot(half, Z_95 * np.asarray(log_sd, dtype=float))
    return np.minimum(np.exp(centre - wide), 1.0), np.maximum(np.exp(centre + wide), 1.0)


def log_ratio(high: ArrayLike, low: ArrayLike) -> Floats:
    """Return the logarithm of a ratio, 0 where one of the two is 0."""
    over, under = np.asarray(high, dtype=float), np.asarray(low, dtype=float)
    both = (over > 0) & (under > 0)
    # All of an array are divided several times faster than some of it.
    ratio = np.divide(over, under, out=np.ones(both.shape), where=bool(both.all()) or both)
    return np.asarray(np.log(ratio, out=ratio))
