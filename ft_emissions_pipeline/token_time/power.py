"""The power that an accelerator draws while it fine-tunes, as a share of its rated one.

Put here: share of TDP by how busy a step keeps the accelerator. Keep out: time (`throughput.py`),
and the power of the rest of the server (`normalize/energy.py`).

Utilisation by NVML counts the time in which any kernel runs; it says little of power. What a step
computes over what it waits does.
"""

from __future__ import annotations

import numpy as np

from ft_emissions_pipeline.token_time.fit import student_weight
from ft_emissions_pipeline.uncertainty import Z_95, Floats

PRIOR = np.array([np.log(0.85), np.log(0.5)])
"""Log share of TDP of an accelerator that computes all the time, and log exponent of its busy
share."""

PRIOR_SD = np.array([0.08, 0.5])
SPREAD = 0.12
"""Scale of residuals on the log of power: parts of one kind, cooling, and kernels differ by about
that."""


def share_of_tdp(theta: Floats, busy: Floats, idle_share: Floats) -> Floats:
    r"""Return mean power over TDP.

    Parameters
    ----------
    theta : array
        Log of the share s when computing all the time, log of the exponent h.
    busy : array
        Share of the time in which it computes. [0..1]
    idle_share : array
        Power at rest over TDP.

    Notes
    -----
    .. math:: i + (s - i) b^h
    """
    full, exponent = np.exp(theta)
    return np.asarray(idle_share + np.maximum(full - idle_share, 0.0) * busy**exponent)


def coefficients(share: Floats, busy: Floats, idle_share: Floats, weights: Floats) -> Floats:
    """Return the most probable coefficients for measured shares of TDP.

    Parameters
    ----------
    share, busy, idle_share : array
        As in `share_of_tdp`.
    weights : array
        Of the rows.
    """
    theta, step = PRIOR.copy(), 1e-4
    precision = np.diag(1.0 / PRIOR_SD**2)
    for _ in range(40):
        found = np.log(share_of_tdp(theta, busy, idle_share))
        moved = [
            np.log(share_of_tdp(theta + step * unit, busy, idle_share))
            for unit in np.eye(len(theta))
        ]
        slope = (np.stack(moved, axis=1) - found[:, None]) / step
        residual = np.log(share) - found
        weight = weights * student_weight(residual, SPREAD) / SPREAD**2
        curvature = slope.T @ (slope * weight[:, None]) + precision
        pull = slope.T @ (weight * residual) - precision @ (theta - PRIOR)
        change = np.clip(np.linalg.solve(curvature, pull), -0.2, 0.2)
        theta = theta + change
        if np.abs(change).max() < step:
            break
    return theta


def interval_width(residual: Floats) -> float:
    """Return the half-width of the 90 % interval on the log: the residuals', at least `SPREAD`'s.

    The rows come from a single laboratory, so their own scatter says little of other accelerators.
    """
    return float(Z_95 * max(SPREAD, np.sqrt(np.mean(residual**2))))
