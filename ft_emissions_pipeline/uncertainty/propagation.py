"""How the spread of uncertain inputs travels through equations.

Put here: the scatter of outputs by the advanced mean value method. Keep out: sums of quantities
that err together (`sums.py`), and which steps rest on an input (`steps.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike

from ft_emissions_pipeline.uncertainty.intervals import Z_95, Floats, interval, log_ratio
from ft_emissions_pipeline.uncertainty.steps import Step, Values, Worked

_STEP = float(np.sqrt(3.0))
"""Outer points of three-point Gauss-Hermite quadrature, in standard deviations."""

_FOLD_MEAN = float(np.sqrt(2 / np.pi))
"""Mean of the absolute value of a standard normal variable."""

_FOLD_BEND = (Z_95 - _FOLD_MEAN) / (Z_95**2 - 1)
"""Bend that has, with this mean, an absolute value's own 5th and 95th percentile."""


@dataclass(frozen=True)
class Spread:
    """How far an output scatters: each input's signed share in it, and where its middle lies.

    `shift` is the logarithm of the output's median over its value at the inputs' medians: a sum of
    skewed parts has a larger median than the sum of their medians. `bend` is how far the output's
    logarithm leaves a straight line, per squared standard deviation.
    """

    contributions: Mapping[str, Floats]
    shift: Floats
    bend: Floats

    @cached_property
    def log_sd(self) -> Floats:
        """Standard deviation of the output's logarithm: the inputs are independent."""
        squares = (part**2 for part in self.contributions.values())
        return np.sqrt(sum(squares, np.zeros_like(self.shift)))

    def interval(self, value: ArrayLike) -> tuple[Floats, Floats]:
        """Return the 5th and 95th percentile of an output; its value is never left outside."""
        median = np.asarray(value, dtype=float)
        low, high = interval(median * np.exp(self.shift + Z_95**2 * self.bend), self.log_sd)
        return np.minimum(low, median), np.maximum(high, median)


BLOCK = 8192
"""Rows whose spreads are worked out at a time: their arrays stay within a processor's cache."""


def propagate_steps(
    steps: Mapping[str, Step],
    outputs: Collection[str],
    inputs: Values,
    log_sds: Mapping[str, Floats],
    skews: Mapping[str, Floats],
) -> tuple[dict[str, Floats], dict[str, Spread]]:
    """Return what steps come to, and of some what `propagate` does, working out only what moves.

    Parameters
    ----------
    steps : mapping of str to callable
        As `steps.Worked` takes them, element by element.
    outputs : collection of str
        Steps whose spread is asked for.
    inputs, log_sds, skews : mapping
        As for `propagate`, an array per name; each uncertain input has a skew.

    Returns
    -------
    values : dict of str to array
        By step.
    spreads : dict of str to Spread
        By output.
    """
    rows = max(map(len, log_sds.values()), default=0)
    spreads = {
        name: Spread({each: np.zeros(rows) for each in log_sds}, *np.zeros((2, rows)))
        for name in outputs
    }
    found = []
    for start in range(0, max(rows, 1), BLOCK):
        block = slice(start, start + BLOCK)
        given, *widths = (
            {name: each[block] for name, each in of.items()} for of in (inputs, log_sds, skews)
        )
        worked = Worked(steps, given)
        found.append(worked.values)
        middle = {name: worked.values[name] for name in outputs}
        for name, spread in _spreads(middle, worked.again, given, *widths).items():
            spreads[name].shift[block], spreads[name].bend[block] = spread.shift, spread.bend
            for each, part in spread.contributions.items():
                spreads[name].contributions[each][block] = part
    return {name: np.concatenate([each[name] for each in found]) for name in steps}, spreads


def propagate(
    function: Callable[[Mapping[str, Floats]], Mapping[str, Floats]],
    inputs: Mapping[str, Floats],
    log_sds: Mapping[str, Floats],
    skews: Mapping[str, Floats] | None = None,
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
    skews : mapping, optional
        How much wider each is above its median than below; 0 where it is not named.

    Returns
    -------
    spreads : dict of str to Spread
        By output, each with a contribution of every input that is uncertain at all.

    Notes
    -----
    With :math:`g = \ln f` and :math:`g_i^\pm = g(x_i e^{\pm\sqrt3\sigma_i})`, the three points of
    Gauss-Hermite quadrature, which are exact up to fifth powers of each input's logarithm:

    .. math:: c_i = \frac{g_i^+ - g_i^-}{2\sqrt3}, \quad s = \sum_i \frac{g_i^+ + g_i^- - 2 g}{6}

    For products and powers both are exact. An input shared by several terms of a sum counts once,
    with its full weight. An output that is 0 has no spread.

    Along the steepest way up, and the steepest way down, in which the percentiles lie, all inputs
    are moved together, to the same outer points; slope and bend :math:`b` are those found there,
    and the contributions are scaled to that slope. The percentile at :math:`z` standard deviations
    is

    .. math:: \ln q = g + z |c| + z^2 b + (s - b)

    This is the advanced mean value method (Wu, Millwater, Cruse, "Advanced probabilistic structural
    analysis method for implicit performance functions", AIAA Journal 28, 1990) with what bends
    across that direction.

    The logarithm of a skewed input is folded at its median: it moves by
    :math:`\sigma_i (z_i + \rho_i |z_i|)`, to other outer points above than below. The fold
    :math:`k_i = c_i \rho_i` is no bend, so it is taken out of the bends that were found,
    :math:`k_i / \sqrt3` of each input and :math:`\sum_i k_i |t_i| / \sqrt3` along the way
    :math:`t`; what is left bends more on the side on which the inputs are wider, which moves the
    slope. A fold counts by its own mean :math:`m = \sqrt{2/\pi}` and, in the tail, as a bend of

    .. math:: \frac{Z - m}{Z^2 - 1} \sum_i k_i t_i^2

    With :math:`Z = 1.645` a product of one skewed input has exactly the input's own percentiles; of
    many, the third cumulant weighs folds as this sum does (Cornish, Fisher, "Moments and cumulants
    in the specification of distributions", Revue de l'Institut International de Statistique 5,
    1937).
    """

    def again(moved: Values, outputs: Collection[str]) -> Values:
        sides = [
            function({**inputs, **{name: ends[side] for name, ends in moved.items()}})
            for side in range(len(_SIDES))
        ]
        return {name: np.array([each[name] for each in sides]) for name in outputs}

    return _spreads(
        function(inputs),
        again,
        inputs,
        log_sds,
        {name: np.zeros_like(log_sd) for name, log_sd in log_sds.items()} | dict(skews or {}),
    )


_SIDES = np.array([[1.0], [-1.0]])
"""Above and below the median."""

_MOST = 1 - 1e-9
"""Leaves a trace of inputs that move to the other side only."""


def _spreads(
    middle: Values,
    again: Callable[[Values, Collection[str]], Values],
    inputs: Values,
    log_sds: Mapping[str, Floats],
    skews: Mapping[str, Floats],
) -> dict[str, Spread]:
    """Return the spread of outputs from their values in the middle, and `again` with inputs moved.

    What has moved has two rows, one above and one below. What `again` leaves out has not moved.
    """
    spreads = {name: Spread({}, *np.zeros((2, *np.shape(of)))) for name, of in middle.items()}
    far = {name: _STEP * log_sd for name, log_sd in log_sds.items() if np.any(log_sd > 0)}
    moves: dict[str, dict[str, Floats]] = {output: {} for output in middle}
    for name, each in far.items():
        outer = inputs[name] * np.exp(each * (_SIDES + skews[name]))
        for output, ends in again({name: outer}, middle).items():
            moves[output][name] = log_ratio(ends, middle[output])
    for output, moved in moves.items():
        if not moved:
            continue
        slope, bend = _slope_and_bend(np.array(list(moved.values())).swapaxes(0, 1))
        wide, lean = (np.array([of[name] for name in moved]) for of in (far, skews))
        ways = _steepest(slope, bend)
        steps = lean * np.abs(ways)
        steps[0] += ways[0]
        steps[1] -= ways[1]
        np.exp(np.multiply(steps, wide, out=steps), out=steps)
        together = {name: inputs[name] * steps[:, each] for each, name in enumerate(moved)}
        along = _slope_and_bend(log_ratio(again(together, [output])[output], middle[output]))
        parts, *shape = _scatter(slope, bend, along, ways, lean)
        spreads[output] = Spread(dict(zip(moved, parts, strict=True)), *shape)
    return spreads


def _steepest(slope: Floats, bend: Floats) -> Floats:
    """Return each input's move, of one standard deviation in all, as the output rises or falls."""
    more = np.sign(slope)
    more *= bend
    more *= _STEP * _MOST
    ways = np.array([slope + more, slope - more])
    norm = np.sqrt(_sum(ways * ways))[:, None]
    ways *= _quotient(1.0, norm, 0.0)
    return ways


def _scatter(
    slope: Floats, bend: Floats, along: tuple[Floats, Floats], ways: Floats, lean: Floats
) -> tuple[Floats, Floats, Floats]:
    """Return contributions, shift and bend, from those of each input and `along` the steepest."""
    steepest, bent = along
    parts = slope * _quotient(steepest, np.sqrt(_sum(slope * slope)), 1.0)
    folds, way = parts * lean, ways.mean(axis=0)
    length = np.abs(way)
    folded = folds * length
    fold, tail = _sum(folded), _FOLD_BEND * _sum(np.multiply(folded, length, out=folded))
    bent = bent - fold / _STEP
    curves = bend - np.divide(folds, _STEP, out=length)
    shift = _sum(curves) + _FOLD_MEAN * _sum(folds) - tail - bent
    curves *= _of_sides(lean)
    curves *= np.sign(way, out=way)
    apart = _sum(curves)
    apart = apart - bent * _of_sides(_quotient(fold, steepest, 0.0))
    parts *= _quotient(steepest + apart / Z_95, steepest, 1.0)
    return parts, shift, bent + tail


def _sum(rows: Floats) -> Floats:
    """Add rows in their order; a single column NumPy would add in pairs, to another last digit."""
    if rows.shape[-1] == 1:
        return np.asarray(np.add.accumulate(rows, axis=-2)[..., -1, :])
    return np.asarray(rows.sum(axis=-2))


def _of_sides(skew: Floats) -> Floats:
    """Return half of what a bend is more above than below at such widths, over the bend."""
    square = skew * skew
    square += 1
    return np.divide(2 * skew, square, out=square)


def _quotient(part: Floats | float, whole: Floats, otherwise: float) -> Floats:
    if (whole > 0).all():
        return np.asarray(part / whole)
    return np.divide(part, whole, out=np.full_like(whole, otherwise), where=whole > 0)


def _slope_and_bend(moved: Floats) -> tuple[Floats, Floats]:
    """Return slope and bend of an output's logarithm from its moves to the outer points."""
    rise, fall = moved
    slope, bend = rise - fall, rise + fall
    slope /= 2 * _STEP
    bend /= 2 * _STEP**2
    return slope, bend
