"""The coefficients that fit rows best: the prior from published rows, and what own runs change.

Put here: robust fits, weights, and the quantiles of held-out residuals. Keep out: the physical
model (`throughput.py`), what is stored (`model.py`), and how well it does (`evaluate.py`).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ft_emissions_pipeline.token_time.throughput import (
    NAMES,
    PRIOR,
    PRIOR_SD,
    rate,
    slopes_of_share,
)
from ft_emissions_pipeline.token_time.workload import Workload
from ft_emissions_pipeline.uncertainty import Floats

RESIDUAL_SD = 0.25
"""Scale of residuals on the log of time; several sources agree with their own fit to about that."""

DEGREES_OF_FREEDOM = 4.0
"""Of Student's t: a residual of four scales counts a fifth of a small one."""

ROWS_OF_A_LABORATORY = 15.0
"""A laboratory counts as so many independent rows, however many it has."""

PRETRAINING_WEIGHT = 0.5
"""Rows of pre-training tell of the same hardware, but of other recipes."""

COVERAGE = 0.9

SLOPES_MOVE = 0.01
"""Change of a coefficient, on the log, from which on the slopes of the model are taken anew."""


def laboratory_weights(laboratories: pd.Series, pretraining: NDArray[np.bool_]) -> Floats:
    """Return weights by which each laboratory counts about equally, and pre-training half."""
    count = laboratories.groupby(laboratories).transform("count").to_numpy(dtype=float)
    weight = np.minimum(ROWS_OF_A_LABORATORY / count, 1.0)
    return np.asarray(np.where(pretraining, PRETRAINING_WEIGHT, 1.0) * weight)


def student_weight(residual: Floats, scale: float = RESIDUAL_SD) -> Floats:
    """Return how much a residual still counts under Student's t."""
    nu = DEGREES_OF_FREEDOM
    return (nu + 1.0) / (nu + (residual / scale) ** 2)


def coefficients(
    work: Workload,
    log_s: Floats,
    weights: Floats,
    shares: dict[str, float],
    without: tuple[str, ...] = (),
) -> tuple[Floats, Floats]:
    """Return the most probable coefficients and their standard deviations.

    Parameters
    ----------
    work : Workload
        What each row's steps have to do.
    log_s : array
        Logarithm of measured seconds per token of one accelerator.
    weights : array
        Of `laboratory_weights`.
    shares : dict
        As in `throughput.rate`.
    without : tuple of str
        Beginnings of the coefficients that stay at 0.

    Notes
    -----
    Gauss-Newton on Gaussian priors and Student's t, reweighted in every step; the model is nearly
    linear in its coefficients, so it converges in some ten steps.
    """
    left_out = np.array([name.startswith(without) for name in NAMES])
    theta, step = np.where(left_out, 0.0, PRIOR), 1e-4
    start, precision = theta.copy(), np.diag(1.0 / PRIOR_SD**2)
    change = np.array([np.inf])
    for _ in range(40):
        found = rate(theta, work, shares).log_s
        if np.abs(change).max() > SLOPES_MOVE:  # below that the slopes hardly move
            slope = np.where(left_out, 0.0, _slopes(theta, work, shares, found, step))
        residual = log_s - found
        weight = weights * student_weight(residual) / RESIDUAL_SD**2
        curvature = slope.T @ (slope * weight[:, None]) + precision
        pull = slope.T @ (weight * residual) - precision @ (theta - start)
        change = np.clip(np.linalg.solve(curvature, pull), -0.5, 0.5)
        theta = theta + change
        if np.abs(change).max() < step:
            break
    return theta, np.sqrt(np.diag(np.linalg.inv(curvature)))


def _slopes(
    theta: Floats, work: Workload, shares: dict[str, float], found: Floats, step: float
) -> Floats:
    """Return how the log of time moves with each coefficient: rows by coefficients."""
    told = slopes_of_share(found, work).keys() - {"share_of_peak"}
    tried = [name for name in NAMES if name not in told]
    moved = theta + step * (np.array(NAMES) == np.array(tried)[:, None])
    slopes = dict(zip(tried, (rate(moved, work, shares).log_s - found) / step, strict=True))
    slopes |= slopes_of_share(slopes["share_of_peak"], work)
    return np.column_stack([slopes[name] for name in NAMES])


def quantile_of(
    scores: Floats, weights: Floats, *, next_weight: float = 0.0, coverage: float = COVERAGE
) -> float:
    """Return the weighted conformal quantile.

    Parameters
    ----------
    scores, weights : array
        Of held-out rows.
    next_weight : float
        Weight of the row to come, which is taken as infinitely far.
    coverage : float
        Share that is to lie inside.

    Returns
    -------
    float
        Where the row to come would be chosen itself, the farthest row's score.
    """
    order = np.argsort(scores)
    total = weights.sum() + next_weight
    place = np.searchsorted(np.cumsum(weights[order]), coverage * total)
    return float(scores[order][min(place, len(scores) - 1)])


def offsets(
    residual: Floats, groups: dict[str, pd.Series], group_sd: float = 0.3
) -> dict[str, dict[str, float]]:
    """Return what own runs add to the log of time: over all, and by each group's members.

    Parameters
    ----------
    residual : array
        Logarithm of measured over predicted time.
    groups : dict of str to Series
        Members by group: GPU model, family of the base model.
    group_sd : float
        Standard deviation of offsets between members, and of the overall one, around 0.

    Notes
    -----
    Ridge with crossed random effects, solved member by member in turns (backfitting) with Student's
    t: few runs leave an offset near 0, outliers barely move it. A run without a member has no
    offset of that group.
    """
    codes = {"all": (np.zeros(len(residual), dtype=int), pd.Index(["all"]))}
    codes |= {name: pd.factorize(members) for name, members in groups.items()}
    # The code of a missing member is -1, the place of a last effect that stays 0.
    effects = {name: np.zeros(len(labels) + 1) for name, (_, labels) in codes.items()}
    ratio = (RESIDUAL_SD / group_sd) ** 2
    for _ in range(50):
        before = np.concatenate(list(effects.values()))
        for name, (code, labels) in codes.items():
            fitted = sum(effects[other][codes[other][0]] for other in codes)
            weight = np.where(code >= 0, student_weight(residual - fitted), 0.0)
            partial = weight * (residual - fitted + effects[name][code])
            size = len(labels)
            place = np.where(code >= 0, code, size)
            effects[name] = np.bincount(place, partial, size + 1) / (
                np.bincount(place, weight, size + 1) + ratio
            )
        if np.abs(np.concatenate(list(effects.values())) - before).max() < 1e-9:
            break
    return {
        name: dict(zip(labels.astype(str), effects[name][:-1].tolist(), strict=True))
        for name, (_, labels) in codes.items()
    }


def added(taught: Mapping[str, Mapping[str, float]], groups: Mapping[str, pd.Series]) -> Floats:
    """Return the sum of each run's offsets; a member that no run taught adds 0."""
    total = taught["all"]["all"]
    for name, members in groups.items():
        codes, labels = pd.factorize(members, use_na_sentinel=False)
        by_member = taught.get(name, {})  # stored rows leave out a group without a member
        total = total + np.array([by_member.get(label, 0.0) for label in labels])[codes]
    return np.asarray(total, dtype=float)
