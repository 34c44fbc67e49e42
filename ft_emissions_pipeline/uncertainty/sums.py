"""Intervals of sums of quantities that err together.

Put here: what parts of sums share, and the percentiles of the sums. Keep out: which runs share a
factor, which their stamps say, and which sums are asked for (`ledger/rollups.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ft_emissions_pipeline.uncertainty.intervals import Z_95, Floats
from ft_emissions_pipeline.uncertainty.propagation import Spread


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

    def take(self, at: NDArray[np.intp]) -> Members:
        """Return some of the members, in this order."""
        kind, held = pd.factorize(self.kind[at])
        shared, own, shift, bend = (
            each.take(at, axis=-1) for each in (self.shared, self.own, self.shift, self.bend)
        )
        return Members(shared, self.variable.take(held, axis=-1), kind, own, shift, bend)


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
    moving = members.shared.any(axis=1)
    parts = replace(parts, slots=parts.slots[moving])
    shared, own, square, shift, bend = (
        each.take(parts.member, axis=-1)
        for each in (
            members.shared[moving], members.own, members.square, members.shift, members.bend,
        )
    )  # fmt: skip

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
