"""Geometric standard deviations and their propagation through the equations.

Put here: intervals of log-normal quantities and how they travel through a function. Keep out: how
uncertain an input is, which the factor rows and the rules of `normalize` say.

Every uncertain quantity is taken as log-normal around its value (its median), so that p05 and p95
lie a common factor below and above it. A value of 0 has no spread.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

Z_95 = 1.6448536269514722
"""95th percentile of the standard normal distribution."""


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


def interval(value: ArrayLike, log_sd: ArrayLike) -> tuple[Floats, Floats]:
    """Return the 5th and 95th percentile of log-normal quantities with the given medians.

    Parameters
    ----------
    value : array_like
        Medians.
    log_sd : array_like
        Standard deviations of the logarithm.
    """
    median = np.asarray(value, dtype=float)
    factor = np.exp(Z_95 * np.asarray(log_sd, dtype=float))
    return median / factor, median * factor


def propagate(
    function: Callable[[Mapping[str, Floats]], Mapping[str, Floats]],
    inputs: Mapping[str, Floats],
    log_sds: Mapping[str, Floats],
) -> dict[str, dict[str, Floats]]:
    r"""Return what each uncertain input contributes to the spread of each output.

    Parameters
    ----------
    function : callable
        From named inputs to named outputs, element by element.
    inputs : mapping
        Values of the inputs.
    log_sds : mapping
        Standard deviations of the logarithm of the uncertain inputs, taken as independent.

    Returns
    -------
    contributions : dict
        Output name -> input name -> contribution to the output's log standard deviation, signed.
        The output's own is the root of the sum of their squares (`combine`).

    Notes
    -----
    .. math:: c_i = \tfrac12 \left[\ln f(x_i e^{\sigma_i}) - \ln f(x_i e^{-\sigma_i})\right]

    For products and powers this is exact; for sums it is the first-order term, and an input shared
    by several terms of a sum counts once, with its full weight.
    """
    contributions: dict[str, dict[str, Floats]] = {}
    for name, log_sd in log_sds.items():
        if not np.any(log_sd > 0):
            continue
        factor = np.exp(log_sd)
        high = function({**inputs, name: inputs[name] * factor})
        low = function({**inputs, name: inputs[name] / factor})
        for output in high:
            positive = (high[output] > 0) & (low[output] > 0)
            ratio = np.divide(high[output], low[output], out=np.ones_like(factor), where=positive)
            contributions.setdefault(output, {})[name] = 0.5 * np.log(ratio)
    return contributions


def combine(contributions: Mapping[str, Floats], shape: tuple[int, ...]) -> Floats:
    """Return the log standard deviation that independent contributions add up to."""
    return np.sqrt(sum((part**2 for part in contributions.values()), np.zeros(shape)))
