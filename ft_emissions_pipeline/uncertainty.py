"""Geometric standard deviations and their propagation through the equations.

Put here: intervals of log-normal quantities and how they travel through a function. Keep out: how
uncertain an input is, which the factor rows and the rules of `normalize` say.

Every uncertain input is taken as two-piece log-normal around its value (its median): p05 lies one
factor below it, p95 the same or another above. `log_sd` is the mean of the logarithm's standard
deviations on the two sides, `skew` what sets them apart: they are `log_sd` (1 - skew) below and
`log_sd` (1 + skew) above. A value of 0 has no spread.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from ft_emissions_pipeline.steps import Step, Values, Worked

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
    found, spreads = [], []
    for start in range(0, max(*map(len, log_sds.values()), 1), BLOCK):
        given, *widths = (
            {name: each[start : start + BLOCK] for name, each in of.items()}
            for of in (inputs, log_sds, skews)
        )
        worked = Worked(steps, given)
        found.append(worked.values)
        middle = {name: worked.values[name] for name in outputs}
        spreads.append(_spreads(middle, worked.again, given, *widths))
    return (
        {name: np.concatenate([each[name] for each in found]) for name in steps},
        {name: _joined([each[name] for each in spreads], log_sds) for name in outputs},
    )


def _joined(spreads: Sequence[Spread], names: Iterable[str]) -> Spread:
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
    return _spreads(
        function(inputs),
        lambda moved, _: function({**inputs, **moved}),
        inputs,
        log_sds,
        {name: np.zeros_like(log_sd) for name, log_sd in log_sds.items()} | dict(skews or {}),
    )


_SIDES = (1.0, -1.0)

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

    Arrays have a row per input that is uncertain at all. What `again` leaves out has not moved.
    """
    names = [name for name, log_sd in log_sds.items() if np.any(log_sd > 0)]
    rows = next(iter(middle.values()))
    if not names:
        return {output: Spread({}, np.zeros_like(rows), np.zeros_like(rows)) for output in middle}
    width, lean = (np.array([of[name] for name in names]) for of in (log_sds, skews))
    bends = {output: np.zeros((2, *width.shape)) for output in middle}
    outer = [np.exp(_STEP * width * (side + lean)) for side in _SIDES]
    for number, name in enumerate(names):
        high, low = (again({name: inputs[name] * far[number]}, middle) for far in outer)
        for output, end in high.items():
            bends[output][:, number] = _slope_and_bend(end, middle[output], low[output])
    spreads = {}
    for output, (slope, bend) in bends.items():
        ways = [_steepest(slope, bend, side) for side in _SIDES]
        ends = []
        for way, side in zip(ways, _SIDES, strict=True):
            steps = zip(names, _STEP * width * (side * way + lean * np.abs(way)), strict=True)
            moved = {name: inputs[name] * np.exp(step) for name, step in steps if step.any()}
            ends.append(again(moved, [output]).get(output, middle[output]))
        along = _slope_and_bend(ends[0], middle[output], ends[1])
        parts, *shape = _scatter(slope, bend, along, (ways[0] + ways[1]) / 2, lean)
        spreads[output] = Spread(dict(zip(names, parts, strict=True)), *shape)
    return spreads


def _steepest(slope: Floats, bend: Floats, side: float) -> Floats:
    """Return each input's move, of one standard deviation in all, as the output rises or falls."""
    slopes = slope + side * np.sign(slope) * _STEP * bend * _MOST
    return _quotient(slopes, np.sqrt(_sum(slopes**2)), 0.0)


def _scatter(
    slope: Floats, bend: Floats, along: tuple[Floats, Floats], way: Floats, lean: Floats
) -> tuple[Floats, Floats, Floats]:
    """Return contributions, shift and bend, from those of each input and `along` the steepest."""
    steepest, bent = along
    parts = slope * _quotient(steepest, np.sqrt(_sum(slope**2)), 1.0)
    folds = parts * lean
    folded = _sum(folds * np.abs(way))
    bent = bent - folded / _STEP
    curves, tails = bend - folds / _STEP, _FOLD_BEND * folds * way**2
    shift = _sum(curves + _FOLD_MEAN * folds - tails) - bent
    apart = _sum(curves * _of_sides(lean) * np.sign(way))
    apart = apart - bent * _of_sides(_quotient(folded, steepest, 0.0))
    wider = _quotient(steepest + apart / Z_95, steepest, 1.0)
    return parts * wider, shift, bent + _sum(tails)


def _sum(rows: Floats) -> Floats:
    """Add rows in their order; a single column NumPy would add in pairs, to another last digit."""
    return np.asarray(np.add.accumulate(rows)[-1] if rows.shape[1] == 1 else rows.sum(axis=0))


def _of_sides(skew: Floats) -> Floats:
    """Return half of what a bend is more above than below at such widths, over the bend."""
    return np.asarray(2 * skew / (1 + skew**2))


def _quotient(part: Floats, whole: Floats, otherwise: float) -> Floats:
    return np.divide(part, whole, out=np.full_like(part, otherwise), where=whole > 0)


def _squares(contributions: Mapping[str, Floats], like: Floats) -> Floats:
    return sum((part**2 for part in contributions.values()), np.zeros_like(like))


def _slope_and_bend(high: Floats, value: Floats, low: Floats) -> tuple[Floats, Floats]:
    """Return slope and bend of an output's logarithm from its values at the outer points."""
    rise, fall = _log_ratio(high, value), _log_ratio(value, low)
    return (rise + fall) / (2 * _STEP), (rise - fall) / (2 * _STEP**2)


@dataclass(frozen=True)
class Members:
    """Log-normal quantities that are summed: how far each scatters, and by which variables.

    `shared` has a row per input and a column per member: how far the member moves with what it has
    in common with others. Which variable that is, `variable` says by input and `kind`, -1 for none;
    members of a kind rest on the same ones. `own` is what each member has for itself, all of it in
    one number.
    """

    shared: Floats
    variable: NDArray[np.intp]
    kind: NDArray[np.intp]
    own: Floats
    shift: Floats
    bend: Floats

    @cached_property
    def square(self) -> Floats:
        """Variance of each member's logarithm."""
        return np.asarray(self.own**2 + (self.shared**2).sum(axis=0))


def members(spread: Spread, variables: Mapping[str, NDArray[np.intp]]) -> Members:
    """Return the rows of an output as members of sums.

    Parameters
    ----------
    spread : Spread
        How the output scatters.
    variables : mapping of str to array of int
        By input, the variable behind the error of each row; -1 where the row errs for itself.
    """
    names = list(spread.contributions)
    shape = len(names), len(spread.shift)
    moves = np.array([spread.contributions[name] for name in names]).reshape(shape)
    codes = np.array([variables[name] for name in names], dtype=np.intp).reshape(shape)
    shared = np.where(codes < 0, 0.0, moves)
    own = np.sqrt((np.where(codes < 0, moves, 0.0) ** 2).sum(axis=0))
    return Members(shared, *kinds(codes), own, spread.shift, spread.bend)


def kinds(variable: NDArray[np.intp]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the distinct columns of an array by input and member, and which each member has."""
    kind = np.zeros(variable.shape[1], dtype=np.int64)
    for codes in variable:
        kind, _ = pd.factorize(kind * (int(codes.max(initial=0)) + 2) + codes + 1)
    _, first = np.unique(kind, return_index=True)
    return variable[:, first], kind


@dataclass(frozen=True)
class Moves:
    """How far sums' logarithms move with a standard deviation of variables: one per element."""

    group: NDArray[np.intp]
    variable: NDArray[np.intp]
    by: Floats


@dataclass(frozen=True)
class Parts:
    """Parts of sums: whose each is, to which sum it belongs, and what the parts of a sum share.

    Neighbours of one sum and kind are a stretch, which `begins` at its first part, has its sum in
    `group`, and its length in `length`. A variable has one number in a sum: `slots` names it by
    input and stretch, `of_slot` the sum behind it and `variable` the variable, -1 for none.
    """

    member: NDArray[np.intp]
    begins: NDArray[np.intp]
    length: NDArray[np.intp]
    group: NDArray[np.intp]
    slots: NDArray[np.intp]
    of_slot: NDArray[np.intp]
    variable: NDArray[np.intp]

    def summed(self, of_parts: Floats) -> Floats:
        """Return the sum over the parts of each group."""
        return _sums(self.group, np.add.reduceat(of_parts, self.begins))

    def by_slot(self, of_parts: Floats, shared: Floats) -> Floats:
        """Return the sum of what parts, weighed by something, share in each slot."""
        sums, weighed = np.empty(self.slots.shape), np.empty_like(of_parts)
        for row, found in zip(shared, sums, strict=True):
            np.add.reduceat(np.multiply(of_parts, row, out=weighed), self.begins, out=found)
        return _sums(self.slots.ravel(), sums.ravel(), len(self.of_slot))

    def over_slots(self, of_slots: Floats) -> Floats:
        """Return the sum over the slots of each group."""
        return _sums(self.of_slot, of_slots, int(self.group.max(initial=-1)) + 1)

    def of_groups(self, values: Floats) -> Floats:
        """Return for each part what its group has."""
        return np.repeat(values[self.group], self.length)

    def of_slots(self, values: Floats, shared: Floats) -> Floats:
        """Return for each part the sum over its slots of a value times what it shares there."""
        found = np.zeros(len(self.member))
        for row, slot in zip(shared, self.slots, strict=True):
            each = np.repeat(values[slot], self.length)
            found += np.multiply(each, row, out=each)
        return found


def _sums(code: NDArray[np.intp], values: Floats, count: int = 0) -> Floats:
    return np.asarray(np.bincount(code, values, count), dtype=float)


def parts_of_sums(member: NDArray[np.intp], group: NDArray[np.intp], members: Members) -> Parts:
    """Return the parts with what they share; it is the same for amounts that members share alike.

    Parameters
    ----------
    member, group : array of int
        Whose part each is, and to which sum it belongs, numbered from 0; at most one part of a
        member in a group. It is quickest where parts of one sum and kind stand together.
    members : Members
        How the members scatter; only `kind` and `variable` count here.
    """
    kind = members.kind[member]
    begins = np.ones(len(member), dtype=bool)
    begins[1:] = (group[1:] != group[:-1]) | (kind[1:] != kind[:-1])
    at = np.flatnonzero(begins)
    variable = members.variable[:, kind[at]]
    slots, held = pd.factorize(
        (group[at] * (int(variable.max(initial=0)) + 2) + variable + 1).ravel()
    )
    of_slot, variable_of = np.divmod(held, int(variable.max(initial=0)) + 2)
    return Parts(
        member, at, np.diff(at, append=len(member)), group[at],
        slots.reshape(variable.shape), of_slot, variable_of - 1,
    )  # fmt: skip


def moves_of_sums(value: Floats, parts: Parts, members: Members) -> Moves:
    """Return how sums move with the variables that their parts share, each weighed by its share.

    Parameters
    ----------
    value, parts, members
        As for `interval_of_sums`.
    """
    share = _over(value, parts.of_groups(parts.summed(value)))
    moved = parts.by_slot(share, members.shared[:, parts.member])
    named = parts.variable >= 0
    return Moves(parts.of_slot[named], parts.variable[named], moved[named])


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

    In the lower tail narrow parts come to lead, in the upper one wide parts, which move across that
    direction; so in the upper tail the direction is found anew from there. With :math:`m(z)` the
    expected sum and :math:`V(z)` its variance across, to first order in the variables,

    .. math::
        \ln q = \ln m + \frac{d}{1 - d + d^2}, \quad
        d = \min\left(\frac{1}{2m}\left(\frac{z V - V'}{m'} + \frac{V m''}{m'^2}\right), 0\right)

    This is the second-order correction of a quantile for what is left apart from a leading factor
    (Gourieroux, Laurent, Scaillet, "Sensitivity analysis of values at risk", Journal of Empirical
    Finance 7, 2000), as credit portfolios use it (Martin, Wilde, "Unsystematic credit risk", Risk
    15, 2002); the fraction follows it where :math:`V` is small, and leaves it out where parts are
    so wide that the expansion says nothing.
    """
    if not len(value):
        return np.zeros(0), np.zeros(0)
    total = parts.summed(value)
    shared, own, square, shift, bend = (
        each.take(parts.member, axis=-1)
        for each in (members.shared, members.own, members.square, members.shift, members.bend)
    )

    middle, curve = shift + bend, _over(bend, square)

    def direction(expected: Floats) -> tuple[Floats, Floats, Floats, Floats]:
        """Return by slot, part and group how sums move, and how each part moves that way."""
        share = _over(expected, parts.of_groups(parts.summed(expected)))
        moved, alone = parts.by_slot(share, shared), share * own
        length = np.sqrt(parts.over_slots(moved**2) + parts.summed(alone**2))
        along = parts.of_slots(moved, shared) + alone * own
        return moved, alone, length, _over(along, parts.of_groups(length))

    def tail(z: float, along: Floats) -> tuple[Floats, Floats]:
        """Return what each part is expected to be that far out, and how it bends on the way."""
        turned = along**2
        bent, across = curve * turned, square - turned
        steeper = np.maximum(1 + 2 * z * curve * np.abs(along), 0.0)
        exponent = z * along + (z**2 - 1) * bent + middle + across * steeper**2 / 2
        return value * np.exp(exponent), bent

    def corrected(z: float, way: tuple[Floats, Floats, Floats, Floats]) -> Floats:
        """Return the expected sum that far out, less what its variance across the way takes off."""
        moved, alone, length, along = way
        expected, bent = tail(z, along)
        slope = along + 2 * z * bent
        (moves, singly), (change, changing) = (
            (parts.by_slot(each, shared), each * own) for each in (expected, expected * slope)
        )
        ahead, gains = (
            _over(parts.over_slots(joint * moved) + parts.summed(single * alone), length)
            for joint, single in ((moves, singly), (change, changing))
        )
        spread = parts.over_slots(moves**2) + parts.summed(singly**2) - ahead**2
        growth = parts.over_slots(moves * change) + parts.summed(singly * changing) - ahead * gains
        first, second = parts.summed(expected * slope), parts.summed(expected * slope**2)
        apart = _over(z * spread - 2 * growth, first) + _over(spread * second, first**2)
        whole = parts.summed(expected)
        less = np.minimum(_over(apart / 2, whole), 0.0)
        return np.asarray(whole * np.exp(less / (1 - less + less**2)))

    way = direction(value)
    low = corrected(-Z_95, way)
    # In the upper tail wide parts outgrow narrow ones, so the direction is found anew from there.
    above, _ = tail(Z_95, way[-1])
    high = corrected(Z_95, direction(above))
    return np.minimum(low, total), np.maximum(high, total)


def _over(numerator: Floats, denominator: Floats) -> Floats:
    return np.divide(numerator, denominator, out=np.zeros(len(numerator)), where=denominator > 0)


def _log_ratio(high: ArrayLike, low: ArrayLike) -> Floats:
    """Return the logarithm of a ratio, 0 where one of the two is 0."""
    over, under = np.asarray(high, dtype=float), np.asarray(low, dtype=float)
    both = (over > 0) & (under > 0)
    if both.all():
        return np.asarray(np.log(over / under))
    return np.asarray(np.log(np.divide(over, under, out=np.ones(both.shape), where=both)))
