"""Geometric standard deviations and their propagation through the equations.

Put here: intervals of log-normal quantities and how they travel through a function. Keep out: how
uncertain an input is, which the factor rows and the rules of `normalize` say.

Every uncertain quantity is taken as log-normal around its value (its median), so that p05 and p95
lie a common factor below and above it. A value of 0 has no spread.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

Z_95 = 1.6448536269514722
"""95th percentile of the standard normal distribution."""

_STEP = float(np.sqrt(3.0))
"""Outer points of three-point Gauss-Hermite quadrature, in standard deviations."""


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


@dataclass(frozen=True)
class Spread:
    """How far an output scatters: each input's signed share in it, and where its middle lies.

    `shift` is the logarithm of the output's median over its value at the inputs' medians: a sum of
    skewed parts has a larger median than the sum of their medians.
    """

    contributions: Mapping[str, Floats]
    shift: Floats

    @property
    def log_sd(self) -> Floats:
        """Standard deviation of the output's logarithm: the inputs are independent."""
        squares = (part**2 for part in self.contributions.values())
        return np.sqrt(sum(squares, np.zeros_like(self.shift)))

    def interval(self, value: ArrayLike) -> tuple[Floats, Floats]:
        """Return the 5th and 95th percentile of an output; its value is never left outside."""
        median = np.asarray(value, dtype=float)
        low, high = interval(median * np.exp(self.shift), self.log_sd)
        return np.minimum(low, median), np.maximum(high, median)


def propagate(
    function: Callable[[Mapping[str, Floats]], Mapping[str, Floats]],
    inputs: Mapping[str, Floats],
    log_sds: Mapping[str, Floats],
) -> dict[str, Spread]:
    r"""Return how the spread of uncertain inputs makes each output scatter.

    Parameters
    ----------
    function : callable
        From named inputs to named outputs, element by element.
    inputs : mapping
        Values of the inputs: their medians.
    log_sds : mapping
        Standard deviations of the logarithm of the uncertain inputs, taken as independent.

    Returns
    -------
    spreads : dict of str to Spread
        By output, each with a contribution of every input that is uncertain at all.

    Notes
    -----
    With :math:`g = \ln f` and :math:`h_i^\pm = g(x_i e^{\pm\sqrt3\sigma_i})`, the three points of
    Gauss-Hermite quadrature, which are exact up to fifth powers of each input's logarithm:

    .. math:: c_i = \frac{h_i^+ - h_i^-}{2\sqrt3}, \quad s = \sum_i \frac{h_i^+ + h_i^- - 2 g}{6}

    For products and powers both are exact. An input shared by several terms of a sum counts once,
    with its full weight. An output that is 0 has no spread.
    """
    middle = function(inputs)
    parts: dict[str, dict[str, Floats]] = {output: {} for output in middle}
    shifts = {output: np.zeros_like(value, dtype=float) for output, value in middle.items()}
    for name, log_sd in log_sds.items():
        if not np.any(log_sd > 0):
            continue
        factor = np.exp(_STEP * log_sd)
        high = function({**inputs, name: inputs[name] * factor})
        low = function({**inputs, name: inputs[name] / factor})
        for output, value in middle.items():
            up, down = _log_ratio(high[output], value), _log_ratio(value, low[output])
            parts[output][name] = (up + down) / (2 * _STEP)
            shifts[output] = shifts[output] + (up - down) / (2 * _STEP**2)
    return {output: Spread(parts[output], shifts[output]) for output in middle}


def _log_ratio(high: ArrayLike, low: ArrayLike) -> Floats:
    """Return the logarithm of a ratio, 0 where one of the two is 0."""
    over, under = np.broadcast_arrays(np.asarray(high, dtype=float), np.asarray(low, dtype=float))
    ratio = np.divide(over, under, out=np.ones(over.shape), where=(over > 0) & (under > 0))
    return np.asarray(np.log(ratio))
