"""Energy, carbon, water and embodied shares of runs, with their intervals and what makes them wide.

Put here: the chain from a normalized run to its footprint, for the chosen profile. Keep out: the
equations (`equations.py`), the factors (already columns of the run) and the sharing over
inferences (`ledger/`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from ft_emissions_pipeline import equations, uncertainty
from ft_emissions_pipeline.calendar_days import HOURS_PER_DAY, SECONDS_PER_HOUR
from ft_emissions_pipeline.impacts.inputs import held, imputed, shared_rows, uncertain_inputs
from ft_emissions_pipeline.methodology import Profile
from ft_emissions_pipeline.normalize.energy import DRAWN, flat_gpu_power_w, power_steps
from ft_emissions_pipeline.normalize.provenance import Piece, Provenance
from ft_emissions_pipeline.reference import Reference
from ft_emissions_pipeline.tables import RUN_IMPACTS, RUN_SPREADS, conform, empty
from ft_emissions_pipeline.tables.frames import categories, cells_of, framed, in_words, words
from ft_emissions_pipeline.tables.words import Basis, EnergyRoute
from ft_emissions_pipeline.uncertainty import Step, Values, Worked

TOTALS = ("total_kgco2e", "total_water_l")


def footprint(
    values: Values, profile: Profile, *, flat_gpu_power_w: float, modelled: Any
) -> dict[str, Any]:
    """Return the footprint of runs, part by part.

    Parameters
    ----------
    values : mapping
        Arrays named as in `INPUTS`.
    profile : Profile
        Choices of the methodology.
    flat_gpu_power_w : float
        Power per GPU where the profile takes a flat one. [W]
    modelled : array of bool
        Runs whose energy comes from power and time; the others keep their `it_energy_kwh`.

    Returns
    -------
    dict
        Columns of `run_impacts`, and for `explain` what stands between: `generated_kwh`,
        `gpu_hours`, `facility_kwh_per_gpu_hour`, `embodied_kgco2e_per_h`,
        `embodied_water_l_per_h`, `reserved_h`.
    """
    steps = _steps(profile, flat_gpu_power_w)
    worked = Worked(steps, {**values, "modelled": modelled})
    return {name: worked.values[name] for name in steps}


def _steps(profile: Profile, flat_gpu_power_w: float) -> dict[str, Step]:
    """Return the steps from a run's inputs, `modelled` among them, to its footprint."""
    per_gpu_hour = flat_gpu_power_w / equations.WATT_HOURS_PER_KWH
    without_pue = profile.electricity_water_without_pue
    generated = "it_energy_kwh" if without_pue else "facility_energy_kwh"

    def it_energy(of: Values) -> Any:
        multiplier = of["development_multiplier"]
        if profile.flat_gpu_power:
            return _either(
                of,
                lambda: equations.gpu_hours_energy(per_gpu_hour, of["gpu_hours"]),
                lambda: multiplier * of["it_energy_kwh"],
            )
        return multiplier * _either(
            of, lambda: of["modelled_it_energy_kwh"], lambda: of["it_energy_kwh"]
        )

    def facility_energy(of: Values) -> Any:
        def metered() -> Any:
            return equations.facility_energy(of["it_energy_kwh"], of["pue"])

        if profile.flat_gpu_power:
            return _either(of, lambda: of["facility_kwh_per_gpu_hour"] * of["gpu_hours"], metered)
        return metered()

    def embodied_water(of: Values) -> Any:
        final = profile.embodied_water_of_final_run_only
        hours = of["reserved_s"] / SECONDS_PER_HOUR if final else of["reserved_h"]
        return equations.embodied(of["embodied_water_l_per_h"], hours)

    return {
        **power_steps(profile, flat_gpu_power_w),
        "gpu_hours": lambda of: _gpu_hours(of, profile),
        "reserved_h": lambda of: _reserved_h(of, profile),
        "facility_kwh_per_gpu_hour": lambda of: _rounded(
            equations.facility_energy(per_gpu_hour, of["pue"]), profile
        ),
        "embodied_kgco2e_per_h": lambda of: _embodied_per_hour(of, "kgco2e", profile),
        "embodied_water_l_per_h": lambda of: _embodied_per_hour(of, "water_l", profile),
        "it_energy_kwh": it_energy,
        "facility_energy_kwh": facility_energy,
        "generated_kwh": lambda of: of[generated],
        "operational_kgco2e": lambda of: equations.operational_carbon(
            of["facility_energy_kwh"], of["grid_kgco2e_per_kwh"]
        ),
        "embodied_kgco2e": lambda of: equations.embodied(
            of["embodied_kgco2e_per_h"], of["reserved_h"]
        ),
        "onsite_water_l": lambda of: equations.onsite_water(
            of["it_energy_kwh"], of["wue_l_per_kwh"]
        ),
        "electricity_water_l": lambda of: equations.electricity_water(
            of["generated_kwh"], of["electricity_water_l_per_kwh"]
        ),
        "embodied_water_l": embodied_water,
        "total_kgco2e": lambda of: equations.total(of["operational_kgco2e"], of["embodied_kgco2e"]),
        "total_water_l": lambda of: equations.total(
            of["onsite_water_l"], of["electricity_water_l"], of["embodied_water_l"]
        ),
    }


def _either(of: Values, modelled: Callable[[], Any], logged: Callable[[], Any]) -> Any:
    """Return one thing of runs whose energy is modelled, another of others; read what is needed."""
    if np.all(of["modelled"]):
        return modelled()
    if not np.any(of["modelled"]):
        return logged()
    return np.where(of["modelled"], modelled(), logged())


def _gpu_hours(of: Values, profile: Profile) -> Any:
    multiplier = of["development_multiplier"]
    hours = of["gpu_count"] * of["active_s"] / SECONDS_PER_HOUR * multiplier
    return hours if profile.significant_digits is None else _whole_if_scaled(hours, multiplier)


def _reserved_h(of: Values, profile: Profile) -> Any:
    multiplier = of["development_multiplier"]
    hours = of["reserved_s"] / SECONDS_PER_HOUR * multiplier
    if profile.significant_digits is None:
        return hours
    return _whole_if_scaled(hours / HOURS_PER_DAY, multiplier) * HOURS_PER_DAY


def _embodied_per_hour(values: Values, metric: str, profile: Profile) -> Any:
    server = values[f"server_embodied_{metric}"]
    if metric == "water_l" and profile.embodied_water_of_gpus_only:
        server = server * 0.0
    return _rounded(
        equations.embodied_per_hour(
            gpu_count=values["gpu_count"],
            gpu_embodied=values[f"gpu_embodied_{metric}"],
            server_count=values["server_count"],
            server_embodied=server,
            use_life=values["hardware_use_life_h"],
            share_reserved=values["share_reserved"],
        ),
        profile,
    )


def _rounded(values: Any, profile: Profile) -> Any:
    """Carry as many digits on as the profile does."""
    if profile.significant_digits is None:
        return values
    array = np.asarray(values, dtype=float)
    size = np.floor(np.log10(np.where(array > 0, array, 1.0)))
    scale = 10.0 ** (profile.significant_digits - 1 - size)
    return np.round(array * scale) / scale


def _whole_if_scaled(values: Any, multiplier: Any) -> Any:
    """Round what a development multiplier made, as the published example does, half up."""
    return np.where(multiplier > 1.0, np.floor(values + 0.5), values)


@dataclass(frozen=True)
class Spreads:
    """How far each total of some runs scatters, and what each input has in it.

    `runs` are their `date` and `run_id`, `totals` the spread of each total; `shared` tells the
    factor that runs share in each input, when it is asked for.
    """

    runs: pd.DataFrame
    totals: Mapping[str, uncertainty.Spread]
    shared: Callable[[], Mapping[str, np.ndarray]]

    def table(self) -> pd.DataFrame:
        """Return table `run_spreads`: inputs that move a total, and where the middles lie."""
        return in_words(self.coded())

    def coded(self) -> pd.DataFrame:
        """Return table `run_spreads` with its texts as categories."""
        return self._table(np.ones(len(self.runs), dtype=bool))

    def endless(self) -> pd.DataFrame:
        """Return the rows of table `run_spreads` of the runs in which a part is not finite."""
        # A sum is finite where all of its parts are.
        parts = sum(each.log_sd + each.shift + each.bend for each in self.totals.values())
        return in_words(self._table(~np.isfinite(parts)))

    def _parts(self) -> dict[str, list[np.ndarray]]:
        """Return by input, and for the middles, the part of each total."""
        of_totals = self.totals.values()
        names = self.totals[TOTALS[0]].contributions
        return {
            **{name: [each.contributions[name] for each in of_totals] for name in names},
            **{name: [getattr(each, name) for each in of_totals] for name in ("shift", "bend")},
        }

    def _table(self, wanted: np.ndarray) -> pd.DataFrame:
        if not wanted.any():
            return empty(RUN_SPREADS)
        parts, shared = self._parts(), self.shared()
        # Each run has a row for its middle, and for each input that moves it.
        moved = {
            name: np.flatnonzero(wanted & np.any(of, axis=0) if name in shared else wanted)
            for name, of in parts.items()
        }
        rows = [len(at) for at in moved.values()]
        at = np.concatenate(list(moved.values()))
        of_input = np.argsort(np.argsort(np.array(list(parts)))).repeat(rows)
        ids, of_run = np.unique(self.runs["run_id"], return_inverse=True)
        order = np.argsort(of_run[at] * len(parts) + of_input, kind="stable")
        nothing = np.full(len(wanted), None)
        factor_id = np.concatenate([shared.get(name, nothing)[at] for name, at in moved.items()])
        codes, factors = pd.factorize(factor_id)

        def of_total(number: int) -> np.ndarray:
            return np.concatenate([parts[name][number][at] for name, at in moved.items()])[order]

        columns = {
            "date": self.runs["date"].array.take(at[order]),
            "run_id": categories(of_run[at[order]], ids),
            "input": categories(of_input[order], sorted(parts)),
            "factor_id": categories(codes[order], factors),
            **{f"{total}_log_sd": of_total(number) for number, total in enumerate(TOTALS)},
        }
        return conform(pd.DataFrame(columns, copy=False), RUN_SPREADS, coded=True)


def impacts_and_spreads(
    normalized: pd.DataFrame,
    provenance: pd.DataFrame | Provenance,
    reference: Reference,
    profile: Profile,
) -> tuple[pd.DataFrame, Spreads]:
    """Return the footprint of each run with interval and quality, and what each input has in it.

    Parameters
    ----------
    normalized : DataFrame
        Table `normalized_runs`.
    provenance : DataFrame or Provenance
        Table `field_provenance` of them, or what it shows.
    reference : Reference
        Reference tables.
    profile : Profile
        Choices of the methodology.

    Returns
    -------
    run_impacts : DataFrame
        Table of this name, in the order of `normalized`.
    spreads : Spreads
        What table `run_spreads` shows.
    """
    origins = held(provenance, normalized)
    inputs = uncertain_inputs(normalized, origins, reference)
    values = {**inputs.values, "modelled": _is_modelled(normalized)}
    found, spreads = uncertainty.propagate_steps(
        _chain(reference, profile), TOTALS, values, inputs.log_sd, inputs.skew
    )
    made = {name: found[name] for name in RUN_IMPACTS.names if name in found}
    direct, market, without = (normalized[name].to_numpy(dtype=float) for name in _BESIDE)
    energy, generated = found["facility_energy_kwh"], found["generated_kwh"]
    made["operational_direct_kgco2e"] = equations.operational_carbon(energy, direct)
    made["operational_market_kgco2e"] = equations.operational_carbon(energy, market)
    made["electricity_water_without_reservoirs_l"] = equations.electricity_water(generated, without)
    for name in TOTALS:
        made[f"{name}_p05"], made[f"{name}_p95"] = spreads[name].interval(found[name])
    made["share_imputed"] = _share_imputed(spreads["total_kgco2e"], inputs.imputed)
    of_basis = origins.of("expected_use_life_days", _number_of_basis, -1)
    made["expected_use_life_basis"] = words(list(Basis), of_basis)
    made["quality_tier"] = _quality_tier(normalized, origins)
    kept = {name: cells_of(normalized[name]) for name in _KEPT}
    shared = partial(shared_rows, origins, inputs.linear)
    runs = normalized[["date", "run_id"]]
    return framed({**kept, **made}, RUN_IMPACTS), Spreads(runs, spreads, shared)


_BESIDE = (
    "grid_direct_kgco2e_per_kwh",
    "market_kgco2e_per_kwh",
    "electricity_water_without_reservoirs_l_per_kwh",
)
"""Factors of the figures that stand beside the totals."""

_KEPT = (
    "date", "run_id", "model_name", "team", "tag", "parent_version", "base_model",
    "pretraining_kgco2e", "ended_at", "expected_use_life_days", "expected_inferences_per_day",
    "methodology", "reference_version",
)  # fmt: skip
"""Columns of a run that stand beside its footprint."""


def chain_of(
    normalized: pd.DataFrame, reference: Reference, profile: Profile
) -> Callable[[Values], dict[str, Any]]:
    """Return `footprint` as a function of the runs' inputs, `pace` and `power_model` among them.

    It takes an array per input, or a matrix of runs by draws.
    """
    modelled, steps = _is_modelled(normalized), _chain(reference, profile)

    def chain(values: Values) -> dict[str, Any]:
        each = modelled.reshape(-1, *[1] * (np.ndim(values["pace"]) - 1))
        return Worked(steps, {**values, "modelled": each}).values

    return chain


def _chain(reference: Reference, profile: Profile) -> dict[str, Step]:
    return {**TOGETHER, **_steps(profile, flat_gpu_power_w(reference))}


def _is_modelled(normalized: pd.DataFrame) -> np.ndarray:
    return np.asarray(normalized["energy_route"] == EnergyRoute.POWER_MODEL)


def together(values: Values) -> dict[str, Any]:
    """Return inputs of `footprint` with what several of them have in common in them."""
    return Worked(TOGETHER, values).values


def _with(name: str, *common: str) -> Step:
    return lambda of: math.prod((of[each] for each in common), start=of[name])


TOGETHER: dict[str, Step] = {
    **{name: _with(name, "pace") for name in ("active_s", "reserved_s")},
    **DRAWN,
    "gpu_count": _with("gpu_count", "scale"),
    **{name: _with(name, "scale", "hosts") for name in ("server_count", "cpu_count")},
}
"""Inputs with what several of them have in common in them."""


def _share_imputed(spread: uncertainty.Spread, imputed: Mapping[str, np.ndarray]) -> np.ndarray:
    everything, guessed = np.zeros((2, *spread.shift.shape))
    for name, part in spread.contributions.items():
        if part.any():
            square = part**2
            everything += square
            guessed += np.where(imputed[name], square, 0.0)
    return np.asarray(
        np.divide(guessed, everything, out=np.zeros_like(guessed), where=everything > 0)
    )


def _quality_tier(normalized: pd.DataFrame, origins: Provenance) -> Any:
    """Grade a run by what had to be imputed of hardware, time and place."""
    hardware, time, place = (
        imputed(origins, name) for name in ("gpu_id", "reserved_s", "country_iso3")
    )
    guesses = hardware.astype(int) + time + place
    metered = (normalized["energy_route"] == EnergyRoute.METER).to_numpy()
    logged = (normalized["energy_route"] != EnergyRoute.POWER_MODEL).to_numpy()
    placed = ~place
    ways = [metered & placed, (guesses == 0) | (logged & placed), guesses == 1]
    return words(list("ABCD"), np.select(ways, [0, 1, 2], default=3))


def _number_of_basis(piece: Piece) -> Any:
    return pd.Index(list(Basis)).get_indexer(np.array(piece.basis, ndmin=1))
