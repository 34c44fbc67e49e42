"""Geometric standard deviations and their propagation through the equations.

Put here: intervals of log-normal quantities and how they travel through a function. Keep out: how
uncertain an input is, which the factor rows and the rules of `normalize` say.

Every uncertain input is taken as two-piece log-normal around its value (its median): p05 lies one
factor below it, p95 the same or another above. `log_sd` is the mean of the logarithm's standard
deviations on the two sides, `skew` what sets them apart: they are `log_sd` (1 - skew) below and
`log_sd` (1 + skew) above. A value of 0 has no spread.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

Z_95 = 1.6448536269514722
"""95th percentile of the standard normal distribution."""

MOST_LEANING = 0.5
"""Skew up to which slope and bend describe a quantity. Where a value stands at an end of its own
interval, half of its draws would be the value itself; there the total leans less than the input,
whose own percentiles stay as they are in provenance."""

_STEP = float(np.sqrt(3.0))
"""Outer points of three-point Gauss-Hermite quadrature, in standard deviations."""

_FOLD_MEAN = float(np.sqrt(2 / np.pi))
"""Mean of the absolute value of a standard normal variable."""

_FOLD_BEND = (Z_95 - _FOLD_MEAN) / (Z_95**2 - 1)
"""Bend that has, with this mean, an absolute value's own 5th and 95th percentile."""


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
    above, below = _log_ratio(high, middle), _log_ratio(middle, low)
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

    @property
    def log_sd(self) -> Floats:
        """Standard deviation of the output's logarithm: the inputs are independent."""
        return np.sqrt(_squares(self.contributions, self.shift))

    def interval(self, value: ArrayLike) -> tuple[Floats, Floats]:
        """Return the 5th and 95th percentile of an output; its value is never left outside."""
        median = np.asarray(value, dtype=float)
        low, high = interval(median * np.exp(self.shift + Z_95**2 * self.bend), self.log_sd)
        return np.minimum(low, median), np.maximum(high, median)


def joined(spreads: Sequence[Spread], names: Iterable[str]) -> Spread:
    """Return the spreads of several blocks as one; an input that moves no block moves nothing."""
    return Spread(
        {
            name: np.concatenate(
                [each.contributions.get(name, np.zeros_like(each.shift)) for each in spreads]
            )
            for name in names
        },
        *(np.concatenate([getattr(each, part) for each in spreads]) for part in ("shift", "bend")),
    )


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
    middle = function(inputs)
    lean = {name: np.zeros_like(log_sd) for name, log_sd in log_sds.items()} | dict(skews or {})
    bends: dict[str, _Bends] = {output: {} for output in middle}
    for name in (name for name, log_sd in log_sds.items() if np.any(log_sd > 0)):
        steps = ({name: log_sds[name] * (side + lean[name])} for side in _SIDES)
        for output, found in _on_three_points(function, inputs, middle, *steps).items():
            bends[output][name] = found
    spreads = {}
    for output, of in bends.items():
        ways = [_steepest(of, side, np.zeros_like(middle[output], dtype=float)) for side in _SIDES]
        steps = (
            {
                name: log_sds[name] * (side * to + lean[name] * np.abs(to))
                for name, to in way.items()
            }
            for way, side in zip(ways, _SIDES, strict=True)
        )
        along = _on_three_points(function, inputs, middle, *steps)[output]
        share = {name: (ways[0][name] + ways[1][name]) / 2 for name in of}
        spreads[output] = _spread(of, along, share, lean)
    return spreads


_SIDES = (1.0, -1.0)

_MOST = 1 - 1e-9
"""Leaves a trace of inputs that move to the other side only."""

_Bends: TypeAlias = dict[str, tuple[Floats, Floats]]
"""Slope and bend of an output's logarithm, by input."""


def _steepest(bends: _Bends, side: float, none: Floats) -> dict[str, Floats]:
    """Return each input's move, of one standard deviation in all, as the output rises or falls."""
    slopes = {
        name: slope + side * np.sign(slope) * _STEP * bend * _MOST
        for name, (slope, bend) in bends.items()
    }
    length = np.sqrt(_squares(slopes, none))
    return {name: _quotient(slope, length, 0.0) for name, slope in slopes.items()}


def _spread(
    bends: _Bends,
    along: tuple[Floats, Floats],
    way: Mapping[str, Floats],
    lean: Mapping[str, Floats],
) -> Spread:
    """Return an output's spread: bends of each input, those `along` the steepest way, and folds."""
    slope, bend = along
    none = np.zeros_like(slope)
    length = np.sqrt(_squares({name: each for name, (each, _) in bends.items()}, none))
    parts = {name: each * _quotient(slope, length, 1.0) for name, (each, _) in bends.items()}
    folds = {name: part * lean[name] for name, part in parts.items()}
    folded = sum((fold * np.abs(way[name]) for name, fold in folds.items()), none)
    bend = bend - folded / _STEP
    shift, tail = -bend, none
    apart = -bend * _of_sides(_quotient(folded, slope, 0.0))
    for name, (_, own) in bends.items():
        fold, share = folds[name], way[name] ** 2
        curve = own - fold / _STEP
        shift = shift + curve + fold * (_FOLD_MEAN - _FOLD_BEND * share)
        tail = tail + fold * _FOLD_BEND * share
        apart = apart + curve * _of_sides(lean[name] * np.sign(way[name]))
    wider = _quotient(slope + apart / Z_95, slope, 1.0)
    return Spread({name: part * wider for name, part in parts.items()}, shift, bend + tail)


def _of_sides(skew: Floats) -> Floats:
    """Return half of what a bend is more above than below at such widths, over the bend."""
    return np.asarray(2 * skew / (1 + skew**2))


def _quotient(part: Floats, whole: Floats, otherwise: float) -> Floats:
    return np.divide(part, whole, out=np.full_like(whole, otherwise), where=whole > 0)


def _squares(contributions: Mapping[str, Floats], like: Floats) -> Floats:
    return sum((part**2 for part in contributions.values()), np.zeros_like(like))


def _on_three_points(
    function: Callable[[Mapping[str, Floats]], Mapping[str, Floats]],
    inputs: Mapping[str, Floats],
    middle: Mapping[str, Floats],
    up: Mapping[str, Floats],
    down: Mapping[str, Floats],
) -> dict[str, tuple[Floats, Floats]]:
    """Return slope and bend of each output's logarithm as inputs move together, up then down."""
    high, low = (
        function({**inputs, **{name: inputs[name] * np.exp(_STEP * by) for name, by in to.items()}})
        for to in (up, down)
    )
    found = {}
    for output, value in middle.items():
        rise, fall = _log_ratio(high[output], value), _log_ratio(value, low[output])
        found[output] = (rise + fall) / (2 * _STEP), (rise - fall) / (2 * _STEP**2)
    return found


@dataclass(frozen=True)
class Members:
    """Log-normal quantities that are summed: how far each scatters, and by which variables.

    `shared` has one element per (member, variable) in `member`, `variable`: the contribution of a
    variable that several members have in common. `own` is what each member has for itself, all
    of it in one number.
    """

    member: NDArray[np.intp]
    variable: NDArray[np.intp]
    shared: Floats
    own: Floats
    shift: Floats
    bend: Floats


def members(spread: Spread, variables: Mapping[str, NDArray[np.intp]]) -> Members:
    """Return the rows of an output as members of sums.

    Parameters
    ----------
    spread : Spread
        How the output scatters.
    variables : mapping of str to array of int
        By input, the variable behind the error of each row; -1 where the row errs for itself.
    """
    rows, names = len(spread.shift), list(spread.contributions)
    moves, codes = np.zeros((rows, len(names))), np.full((rows, len(names)), -1)
    for column, name in enumerate(names):
        moves[:, column], codes[:, column] = spread.contributions[name], variables[name]
    joint = (codes >= 0) & (moves != 0)
    own = np.sqrt(np.where(codes < 0, moves**2, 0.0).sum(axis=1))
    return Members(np.nonzero(joint)[0], codes[joint], moves[joint], own, spread.shift, spread.bend)


@dataclass(frozen=True)
class Moves:
    """How far sums' logarithms move with a standard deviation of variables: one per element."""

    group: NDArray[np.intp]
    variable: NDArray[np.intp]
    by: Floats


@dataclass(frozen=True)
class Parts:
    """Parts of sums: whose each is, to which sum it belongs, and what the parts of a sum share.

    Each of `link` is an element of `Members.shared`, of the part in `part`; links of one variable
    and sum have one number in `slots`, whose sum stands in `of_slot`.
    """

    member: NDArray[np.intp]
    group: NDArray[np.intp]
    part: NDArray[np.intp]
    link: NDArray[np.intp]
    slots: NDArray[np.intp]
    of_slot: NDArray[np.intp]


def parts_of_sums(member: NDArray[np.intp], group: NDArray[np.intp], members: Members) -> Parts:
    """Return the parts with what they share; it is the same for amounts that members share alike.

    Parameters
    ----------
    member, group : array of int
        Whose part each is, and to which sum it belongs, numbered from 0; at most one part of a
        member in a group.
    members : Members
        How the members scatter; only `member` and `variable` count here.
    """
    part, link = _expanded(member, members.member)
    keys = group[part].astype(np.int64) * (int(members.variable.max(initial=0)) + 1)
    slots, _ = pd.factorize(keys + members.variable[link])
    of_slot = np.zeros(int(slots.max(initial=-1)) + 1, dtype=np.intp)
    of_slot[slots] = group[part]
    return Parts(member, group, part, link, slots, of_slot)


def moves_of_sums(value: Floats, parts: Parts, members: Members) -> Moves:
    """Return how sums move with the variables that their parts share, each weighed by its share.

    Parameters
    ----------
    value, parts, members
        As for `interval_of_sums`.
    """
    total = np.bincount(parts.group, value).astype(float)
    share = _over(value, total[parts.group])
    moved = np.bincount(
        parts.slots, share[parts.part] * members.shared[parts.link], len(parts.of_slot)
    )
    variable = np.zeros(len(parts.of_slot), dtype=np.intp)
    variable[parts.slots] = members.variable[parts.link]
    return Moves(parts.of_slot, variable, moved.astype(float))


def interval_of_sums(value: Floats, parts: Parts, members: Members) -> tuple[Floats, Floats]:
    r"""Return the 5th and 95th percentile of sums of log-normal quantities that err together.

    Parameters
    ----------
    value : array
        Amount of each part.
    parts : Parts
        What `parts_of_sums` returns.
    members : Members
        How the members scatter.

    Returns
    -------
    low, high : array
        By group; the sum of the values is never left outside.

    Notes
    -----
    With shares :math:`w_i = x_i / \sum x` the sum's logarithm moves with variable :math:`f` by
    :math:`a_f = \sum_i w_i c_{if}`: what parts share adds up before it is squared, so it does not
    average out, and :math:`\sum_f a_f^2` is the variance. In the direction :math:`a / |a|` part
    :math:`i` moves by :math:`p_i = c_i \cdot a / |a|`, which is :math:`r_i = p_i / |c_i|` of its
    own steepest way. The percentile is what the parts are expected to be :math:`z` standard
    deviations that way:

    .. math::
        q = \sum_i x_i \exp\left(z p_i + z^2 r_i^2 b_i + s_i + (1 - r_i^2) b_i
        + \frac{|c_i|^2 - p_i^2}{2} \left(1 + \frac{2 z r_i b_i}{|c_i|}\right)^2\right)

    with shift :math:`s` and bend :math:`b` of `propagate`; in the tail a part that bends is that
    much steeper, hence wider. For one part, and for parts that err as one, this is exact: the sum
    of their percentiles. For many independent ones it closes around the sum of their means.

    In the lower tail narrow parts come to lead, which move across that direction. With :math:`m(z)`
    the expected sum and :math:`V(z)` its variance across, to first order in the variables,

    .. math::
        \ln q = \ln m + \frac{d}{1 - d}, \quad
        d = \min\left(\frac{1}{2m}\left(\frac{z V - V'}{m'} + \frac{V m''}{m'^2}\right), 0\right)

    This is the second-order correction of a quantile for what is left apart from a leading factor
    (Gourieroux, Laurent, Scaillet, "Sensitivity analysis of values at risk", Journal of Empirical
    Finance 7, 2000), as credit portfolios use it (Martin, Wilde, "Unsystematic credit risk", Risk
    15, 2002); the fraction keeps it within bounds where parts are so wide that :math:`V` is not
    small. In the upper tail the second direction already looks where the sum grows.
    """
    member, group, part, slots, of_slot = (
        parts.member, parts.group, parts.part, parts.slots, parts.of_slot,
    )  # fmt: skip
    groups = int(group.max()) + 1 if len(group) else 0
    total = np.bincount(group, value, groups)
    square = members.own**2 + np.bincount(
        members.member, members.shared**2, minlength=len(members.own)
    )
    shared, own = members.shared[parts.link], members.own[member]
    shift, bend, square = members.shift[member], members.bend[member], square[member]

    def summed(of_parts: Floats) -> Floats:
        return np.asarray(np.bincount(group, of_parts, groups), dtype=float)

    def over_variables(joint: NDArray[Any], single: Floats) -> Floats:
        return np.asarray(np.bincount(of_slot, joint, groups), dtype=float) + summed(single)

    ends = []
    # In the upper tail wide parts outgrow narrow ones, so the direction is found anew from there.
    for z, directions in ((-Z_95, 1), (Z_95, 2)):
        expected = value
        for _ in range(directions):
            share = _over(expected, summed(expected)[group])
            moved = np.bincount(slots, share[part] * shared, len(of_slot))
            alone = share * own
            length = np.sqrt(over_variables(moved**2, alone**2))
            along = np.bincount(part, shared * moved[slots], len(value)) + alone * own
            along = _over(along, length[group])
            turned = _over(along**2, square)
            steeper = np.maximum(1 + 2 * z * bend * _over(np.sqrt(turned), np.sqrt(square)), 0.0)
            across = shift + (1 - turned) * bend + (square - along**2) * steeper**2 / 2
            expected = value * np.exp(z * along + z**2 * turned * bend + across)
        ends.append(summed(expected))
        if z < 0:
            slope = along + 2 * z * turned * bend
            moves, change = (
                (np.bincount(slots, each[part] * shared, len(of_slot)), each * own)
                for each in (expected, expected * slope)
            )
            ahead, gains = (
                _over(over_variables(joint * moved, single * alone), length)
                for joint, single in (moves, change)
            )
            spread = over_variables(moves[0] ** 2, moves[1] ** 2) - ahead**2
            growth = 2 * (
                over_variables(moves[0] * change[0], moves[1] * change[1]) - ahead * gains
            )
            first, second = summed(expected * slope), summed(expected * slope**2)
            apart = _over(z * spread - growth, first) + _over(spread * second, first**2)
            lower = np.minimum(_over(apart / 2, ends[0]), 0.0)
            ends[0] = ends[0] * np.exp(lower / (1 - lower))
    return np.minimum(ends[0], total), np.maximum(ends[1], total)


def _expanded(
    member: NDArray[np.intp], of: NDArray[np.intp]
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Pair each part with the elements of its member; `of` names their members, in order."""
    first, last = np.searchsorted(of, member), np.searchsorted(of, member, side="right")
    count = last - first
    part = np.repeat(np.arange(len(member)), count)
    return part, np.arange(len(part)) - np.repeat(np.cumsum(count) - count - first, count)


def _over(numerator: Floats, denominator: Floats) -> Floats:
    return np.divide(numerator, denominator, out=np.zeros(len(numerator)), where=denominator > 0)


def _log_ratio(high: ArrayLike, low: ArrayLike) -> Floats:
    """Return the logarithm of a ratio, 0 where one of the two is 0."""
    over, under = np.broadcast_arrays(np.asarray(high, dtype=float), np.asarray(low, dtype=float))
    ratio = np.divide(over, under, out=np.ones(over.shape), where=(over > 0) & (under > 0))
    return np.asarray(np.log(ratio))
