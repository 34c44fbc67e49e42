"""Both sides of a scenario: what they err by in common, and the interval of the difference.

Put here: by which variables runs scatter on both sides, and intervals of either side and of the
difference, for one run and for sums of runs. Keep out: which fields a scenario changes
(`changes.py`) and the arithmetic of sums (`uncertainty/`).

Both sides of a scenario share most of what is uncertain: the same logged energy, the same use life
of hardware. What they share errs on both sides at once and cancels in the difference, within a run
and between runs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from statistics import NormalDist
from typing import Any

import numpy as np
import pandas as pd

from ft_emissions_pipeline import uncertainty
from ft_emissions_pipeline.analysis.scenarios.changes import Retimed, Side
from ft_emissions_pipeline.impacts.footprint import footprint, together
from ft_emissions_pipeline.impacts.inputs import UncertainInputs, uncertain_inputs
from ft_emissions_pipeline.methodology import Profile
from ft_emissions_pipeline.normalize.energy import flat_gpu_power_w, modelled_it_energy
from ft_emissions_pipeline.normalize.kinds import is_timed
from ft_emissions_pipeline.reference import Reference
from ft_emissions_pipeline.tables.words import EnergyRoute
from ft_emissions_pipeline.token_time import MODEL_ID
from ft_emissions_pipeline.uncertainty import Floats, Members

SIDES = ("now", "then", "difference")

OF_THE_RUN = (
    "active_s", "reserved_s", "pace", "it_energy_kwh", "gpu_count", "server_count", "scale",
    "hosts", "development_multiplier", "gpu_utilization", "cpu_utilization", "power_model",
)  # fmt: skip
"""Inputs that both sides take from one log and one model: what is uncertain about them is
common."""

POINTS = 8192
"""By so many the 5th and 95th percentile are met to 0.3 % where a grid is open by a factor of
four."""

OF_PLACE: dict[str, tuple[str, ...]] = {
    "it_energy_kwh": (),
    "operational_kgco2e": ("pue", "grid_kgco2e_per_kwh"),
    "embodied_kgco2e": (),
    "onsite_water_l": ("wue_l_per_kwh",),
    "electricity_water_l": ("pue", "electricity_water_l_per_kwh"),
    "embodied_water_l": (),
}
"""Part of a footprint -> the factors of the place that are in it."""

PARTS = {
    "it_energy_kwh": ("it_energy_kwh",),
    "operational_kgco2e": ("operational_kgco2e",),
    "embodied_kgco2e": ("embodied_kgco2e",),
    "total_kgco2e": ("operational_kgco2e", "embodied_kgco2e"),
    "total_water_l": ("onsite_water_l", "electricity_water_l", "embodied_water_l"),
}
"""Result -> what it is the sum of."""

RESULTS = tuple(PARTS)


@dataclass(frozen=True)
class Scattered:
    """A quantity of some runs, and how it scatters."""

    value: Floats
    by: Members

    def interval(self, rows: np.ndarray, group: np.ndarray) -> tuple[Floats, Floats]:
        """Return the 5th and 95th percentile of sums of runs."""
        parts = uncertainty.parts_of_sums(rows, group, self.by)
        return uncertainty.interval_of_sums(self.value[rows], parts, self.by)

    def moves(self, rows: np.ndarray, group: np.ndarray) -> uncertainty.Moves:
        """Return how sums of runs move with what makes them uncertain."""
        parts = uncertainty.parts_of_sums(rows, group, self.by)
        return uncertainty.moves_of_sums(self.value[rows], parts, self.by)

    def scaled(self, factor: Floats) -> Scattered:
        """Return the quantity times a certain factor for each run."""
        return Scattered(self.value * factor, self.by)


@dataclass(frozen=True)
class Result:
    """One result of some runs on both sides.

    `now` has the variables of table `run_spreads`, so that sums of what was agree with the
    roll-ups. `leaving` and `coming` are what of either side the other does not have, and their
    variables are the same ones.
    """

    now: Scattered
    then: Scattered
    leaving: Scattered
    coming: Scattered

    def scaled(self, now: Floats, then: Floats) -> Result:
        """Return the result times a certain factor for each run and side."""
        return Result(
            self.now.scaled(now),
            self.then.scaled(then),
            self.leaving.scaled(now),
            self.coming.scaled(then),
        )

    def of(self, rows: np.ndarray, group: np.ndarray) -> pd.DataFrame:
        """Return both sides and the difference of sums of runs, with intervals.

        Parameters
        ----------
        rows : array of int
            Runs that are counted.
        group : array of int
            To which sum each of them belongs, numbered from 0.

        Returns
        -------
        DataFrame
            By group: each of `SIDES`, with `_p05` and `_p95`.
        """
        count = int(group.max(initial=-1)) + 1
        now, then = (
            np.bincount(group, each.value[rows], count).astype(float)
            for each in (self.now, self.then)
        )
        difference = _interval_of_difference(
            then - now,
            (self.leaving.interval(rows, group), self.coming.interval(rows, group)),
            (self.leaving.moves(rows, group), self.coming.moves(rows, group)),
        )
        sides = (now, then, then - now)
        bounds = (self.now.interval(rows, group), self.then.interval(rows, group), difference)
        columns: dict[str, Floats] = {}
        for side, value, (low, high) in zip(SIDES, sides, bounds, strict=True):
            columns |= {side: value, f"{side}_p05": low, f"{side}_p95": high}
        return pd.DataFrame(columns)


@dataclass(frozen=True)
class _Errors:
    """By variable, how runs err on both sides; by input, what stays the same to the last factor."""

    log_sd: dict[str, np.ndarray]
    skew: dict[str, np.ndarray]
    variables: dict[str, np.ndarray]
    whole: dict[str, np.ndarray]
    undivided: dict[str, np.ndarray]
    leaning: dict[str, np.ndarray]
    stays: dict[str, np.ndarray]


def _errors(
    inputs: Sequence[UncertainInputs],
    run_id: np.ndarray,
    scaled_time: np.ndarray,
    scaled_energy: np.ndarray,
) -> _Errors:
    """Part what each input errs by into what both sides share and what each has for itself."""
    values = dict(zip(("now", "then"), (each.values for each in inputs), strict=True))
    kept = dict.fromkeys(("active_s", "reserved_s", "pace"), scaled_time)
    kept["it_energy_kwh"] = scaled_energy
    found = _Errors({}, {}, {}, {}, {}, {}, {})
    for name in values["now"]:
        spread, lean, shared = (
            [getattr(each, of)[name] for each in inputs] for of in ("log_sd", "skew", "shared")
        )
        spread[1], lean[1] = (np.where(kept.get(name, False), *each) for each in (spread, lean))
        same = _same(name, values, shared)
        common = np.where(same, np.minimum(*spread), 0.0)
        unmoved = values["now"][name] == values["then"][name]
        found.stays[name] = same & (spread[0] == spread[1]) & unmoved
        found.whole[f"now {name}"], found.log_sd[f"both {name}"] = spread[0], common
        # A part of a spread leans as the whole does.
        leaner = np.where(spread[0] <= spread[1], *lean)
        found.skew.update(
            zip((f"now {name}", f"then {name}", f"both {name}"), (*lean, leaner), strict=True)
        )
        rows = [np.where(pd.isna(factor), run_id, factor) for factor in shared]
        found.variables[f"both {name}"] = name + " " + rows[0]
        for side, own, factor, row in zip(values, spread, shared, rows, strict=True):
            found.log_sd[f"{side} {name}"] = np.sqrt(np.maximum(own**2 - common**2, 0.0))
            apart = np.where(same | pd.isna(factor), f"{side} ", "").astype("object")
            found.variables[f"{side} {name}"] = apart + name + " " + row
        # Energy that is scaled rests on both sides' powers, and needs what they have in common.
        joined = same & ~scaled_energy
        found.undivided[f"both {name}"] = np.where(joined, spread[1], common)
        found.undivided[f"then {name}"] = np.where(joined, 0.0, found.log_sd[f"then {name}"])
        found.leaning[f"both {name}"] = np.where(joined, lean[1], leaner)
    return found


def _times_there(
    was: Mapping[str, Any], would: Mapping[str, Any], ratio: np.ndarray, scaled: np.ndarray
) -> dict[str, np.ndarray]:
    """Return the times of the other side; where they are scaled, idle time stays idle."""
    active = was["active_s"] * ratio
    reserved = active + was["reserved_s"] - was["active_s"]
    return {
        "active_s": np.where(scaled, active, would["active_s"]),
        "reserved_s": np.where(scaled, reserved, would["reserved_s"]),
    }


@dataclass(frozen=True)
class _Both:
    """The arithmetic of both sides, with the inputs that each side would have for certain."""

    values: Mapping[str, Mapping[str, np.ndarray]]
    profile: Profile
    flat_gpu_power_w: float
    ratio: np.ndarray
    modelled: np.ndarray
    scaled_time: np.ndarray
    scaled_energy: np.ndarray
    changes: Mapping[str, np.ndarray]

    def __call__(self, factors: Mapping[str, Any]) -> dict[str, Any]:
        """Return each of `RESULTS` of either side, and what of it changes, by factors on inputs."""
        was, would = (self._inputs(side, factors) for side in self.values)
        would |= _times_there(was, would, self.ratio * factors["model"], self.scaled_time)
        powered, there = (
            modelled_it_energy(each, self.profile, self.flat_gpu_power_w) for each in (was, would)
        )
        usable = self.scaled_energy & (powered > 0)
        more = np.divide(there, powered, out=np.ones(len(self.ratio)), where=usable)
        energy = was["it_energy_kwh"] * more
        would["it_energy_kwh"] = np.where(self.scaled_energy, energy, would["it_energy_kwh"])
        return self._parts("now", was) | self._parts("then", would)

    def _inputs(self, side: str, factors: Mapping[str, Any]) -> dict[str, Any]:
        return together(
            {
                name: value * factors[f"both {name}"] * factors[f"{side} {name}"]
                for name, value in self.values[side].items()
            }
        )

    def _parts(self, side: str, inputs: dict[str, Any]) -> dict[str, Any]:
        flat = self.flat_gpu_power_w
        parts = footprint(inputs, self.profile, flat_gpu_power_w=flat, modelled=self.modelled)
        found = {}
        for name, of in PARTS.items():
            found[f"{side} {name}"] = parts[name]
            found[f"{side} changing {name}"] = sum(parts[part] * self.changes[part] for part in of)
        return found


def results(
    now: Side,
    then: Side,
    by: Retimed,
    reference: Reference,
    profile: Profile,
    *,
    scaled_apart: bool,
) -> dict[str, Result]:
    """Return each of `RESULTS` of all runs on both sides.

    What stays the same to the last factor cancels, unless both sides are `scaled_apart` afterwards.
    """
    inputs = [uncertain_inputs(each.normalized, each.provenance, reference) for each in (now, then)]
    values = dict(zip(("now", "then"), (each.values for each in inputs), strict=True))
    modelled = (now.normalized["energy_route"] == EnergyRoute.POWER_MODEL).to_numpy()
    scaled_time = by.other & is_timed(now.runs).to_numpy()
    scaled_energy = by.other & ~modelled
    run_id = now.normalized["run_id"].to_numpy(dtype="object")
    errors = _errors(inputs, run_id, scaled_time, scaled_energy)
    changes = {
        part: by.other | ~np.all([errors.stays[name] for name in factors], axis=0) | scaled_apart
        for part, factors in OF_PLACE.items()
    }
    ratio, flat = np.nan_to_num(by.ratio, nan=1.0), flat_gpu_power_w(reference)
    both = _Both(values, profile, flat, ratio, modelled, scaled_time, scaled_energy, changes)
    return _results(both, errors, np.where(scaled_time, by.log_sd, 0.0))


def _results(both: _Both, errors: _Errors, model_log_sd: np.ndarray) -> dict[str, Result]:
    log_sd = errors.log_sd | {"model": model_log_sd}
    of_model = np.full(len(model_log_sd), f"model {MODEL_ID}", dtype="object")
    variables = errors.variables | {"model": of_model}
    certain = {name: np.ones(len(model_log_sd)) for name in log_sd}
    middle, spreads = both(certain), uncertainty.propagate(both, certain, log_sd, errors.skew)
    # An input that is split into what is common and what is not gives a sum of parts another shift.
    alone = uncertainty.propagate(both, certain, errors.whole, errors.skew)
    there_alone = uncertainty.propagate(
        both, certain, log_sd | errors.undivided, errors.skew | errors.leaning
    )
    codes, _ = pd.factorize(np.concatenate(list(variables.values())))
    coded = dict(zip(variables, codes.reshape(len(variables), -1), strict=True))
    of_now = {f"now {name}": coded[f"both {name}"] for name in both.values["now"]}

    def scattered(output: str, of: Mapping[str, uncertainty.Spread] = spreads) -> Scattered:
        return Scattered(middle[output], uncertainty.members(of[output], coded))

    return {
        name: Result(
            Scattered(middle[f"now {name}"], uncertainty.members(alone[f"now {name}"], of_now)),
            scattered(f"then {name}", there_alone),
            scattered(f"now changing {name}"),
            scattered(f"then changing {name}"),
        )
        for name in RESULTS
    }


def _same(
    name: str, values: Mapping[str, Mapping[str, np.ndarray]], shared: list[np.ndarray]
) -> np.ndarray:
    """Return where both sides have one quantity, of which the smaller spread is common."""
    if name in OF_THE_RUN:
        return np.full(len(shared[0]), True)
    unnamed = [pd.isna(of) for of in shared]
    # Hours of one series differ in their value, and err with the series.
    stated = unnamed[0] & unnamed[1] & (values["now"][name] == values["then"][name])
    return np.asarray(stated | (~unnamed[0] & ~unnamed[1] & (shared[0] == shared[1])))


def _interval_of_difference(
    difference: Floats,
    intervals: tuple[tuple[Floats, Floats], tuple[Floats, Floats]],
    moves: tuple[uncertainty.Moves, uncertainty.Moves],
) -> tuple[Floats, Floats]:
    r"""Return the 5th and 95th percentile of differences of two log-normals that share variables.

    `intervals` and `moves` are of the side that was, and of the one that would be. Each side's
    logarithm :math:`y` has the middle and the width of its interval, and moves with the variables
    by :math:`c_i`. With :math:`r = y' - y`, which moves by :math:`c_i' - c_i`,
    :math:`D = e^y (e^r - 1)`: what is common leaves :math:`r` altogether.
    """
    middle = [np.sqrt(low * high) for low, high in intervals]
    width = [uncertainty.log_sd_of_interval(low, high) for low, high in intervals]
    count = len(difference)
    keys, both = pd.factorize(
        np.concatenate([each.group * _LARGE + each.variable for each in moves])
    )
    group, first_of_then = both // _LARGE, len(moves[0].group)
    here, there = (np.zeros(len(both)) for _ in range(2))
    here[keys[:first_of_then]], there[keys[first_of_then:]] = (each.by for each in moves)
    for each, log_sd in ((here, width[0]), (there, width[1])):
        length = np.sqrt(np.bincount(group, each**2, count))
        each *= np.divide(log_sd, length, out=np.zeros(count), where=length > 0)[group]
    apart = there - here
    along = np.bincount(group, here * apart, count)
    along = np.divide(along, width[0], out=np.zeros(count), where=width[0] > 0)
    across = np.sqrt(np.maximum(np.bincount(group, apart**2, count) - along**2, 0.0))
    low, high = difference.copy(), difference.copy()
    first, second = _normal_points()
    for row in range(count):
        level = width[0][row] * first
        moved = level + along[row] * first + across[row] * second
        points = middle[1][row] * np.exp(moved) - middle[0][row] * np.exp(level)
        found = np.quantile(points, (0.05, 0.95))
        low[row], high[row] = min(found[0], low[row]), max(found[1], high[row])
    return low, high


_LARGE = 1 << 32
"""More than there are variables."""


@lru_cache(maxsize=1)
def _normal_points() -> tuple[np.ndarray, np.ndarray]:
    """Return points that fill the standard normal distribution of two quantities evenly.

    The additive recurrence by the plastic number (M. Roberts, "The unreasonable effectiveness of
    quasirandom sequences", 2018): the same points always, so that an answer never flickers.
    """
    plastic = 1.3247179572447460
    number = np.arange(POINTS)
    normal = NormalDist()
    first, second = (
        np.array([normal.inv_cdf(share) for share in (0.5 + number * step) % 1.0])
        for step in (1 / plastic, 1 / plastic**2)
    )
    return first, second
