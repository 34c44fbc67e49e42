"""Energy, carbon, water and embodied shares of runs, with their intervals and what makes them wide.

Put here: the chain from a normalized run to its footprint, for the chosen profile. Keep out: the
equations (`equations.py`), the factors (already columns of the run) and the sharing over
inferences (`ledger/`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from ft_emissions_pipeline import equations, uncertainty
from ft_emissions_pipeline.calendar_days import HOURS_PER_DAY, SECONDS_PER_HOUR
from ft_emissions_pipeline.impacts.inputs import UncertainInputs, held, imputed, uncertain_inputs
from ft_emissions_pipeline.methodology import Profile
from ft_emissions_pipeline.normalize.energy import (
    GPU_POWERS,
    flat_gpu_power_w,
    modelled_it_energy,
)
from ft_emissions_pipeline.normalize.provenance import Provenance
from ft_emissions_pipeline.reference import Reference
from ft_emissions_pipeline.tables import RUN_IMPACTS, RUN_SPREADS, conform, empty
from ft_emissions_pipeline.tables.frames import cells_of, framed
from ft_emissions_pipeline.tables.words import EnergyRoute

TOTALS = ("total_kgco2e", "total_water_l")


Values = Mapping[str, Any]


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
    multiplier = values["development_multiplier"]
    it_energy = multiplier * np.where(
        modelled, modelled_it_energy(values, profile, flat_gpu_power_w), values["it_energy_kwh"]
    )
    gpu_hours = values["gpu_count"] * values["active_s"] / SECONDS_PER_HOUR * multiplier
    reserved_h = values["reserved_s"] / SECONDS_PER_HOUR * multiplier
    facility_energy = equations.facility_energy(it_energy, values["pue"])
    if profile.significant_digits is not None:
        gpu_hours = _whole_if_scaled(gpu_hours, multiplier)
        reserved_days = reserved_h / HOURS_PER_DAY
        reserved_h = _whole_if_scaled(reserved_days, multiplier) * HOURS_PER_DAY
    per_gpu_hour = flat_gpu_power_w / equations.WATT_HOURS_PER_KWH
    rate = _rounded(equations.facility_energy(per_gpu_hour, values["pue"]), profile)
    if profile.flat_gpu_power:
        flat = equations.gpu_hours_energy(per_gpu_hour, gpu_hours)
        it_energy = np.where(modelled, flat, it_energy)
        facility_energy = np.where(modelled, rate * gpu_hours, facility_energy)
    carbon_per_h = _embodied_per_hour(values, "kgco2e", profile)
    water_per_h = _embodied_per_hour(values, "water_l", profile)
    water_h = reserved_h
    if profile.embodied_water_of_final_run_only:
        water_h = values["reserved_s"] / SECONDS_PER_HOUR
    generated = it_energy if profile.electricity_water_without_pue else facility_energy
    parts = {
        "it_energy_kwh": it_energy,
        "facility_energy_kwh": facility_energy,
        "operational_kgco2e": equations.operational_carbon(
            facility_energy, values["grid_kgco2e_per_kwh"]
        ),
        "embodied_kgco2e": equations.embodied(carbon_per_h, reserved_h),
        "onsite_water_l": equations.onsite_water(it_energy, values["wue_l_per_kwh"]),
        "electricity_water_l": equations.electricity_water(
            generated, values["electricity_water_l_per_kwh"]
        ),
        "embodied_water_l": equations.embodied(water_per_h, water_h),
        "generated_kwh": generated,
        "gpu_hours": gpu_hours,
        "facility_kwh_per_gpu_hour": rate,
        "embodied_kgco2e_per_h": carbon_per_h,
        "embodied_water_l_per_h": water_per_h,
        "reserved_h": reserved_h,
    }
    parts["total_kgco2e"] = equations.total(parts["operational_kgco2e"], parts["embodied_kgco2e"])
    parts["total_water_l"] = equations.total(
        parts["onsite_water_l"], parts["electricity_water_l"], parts["embodied_water_l"]
    )
    return parts


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

    `runs` are their `date` and `run_id`, `totals` the spread of each total, `shared` the factor
    that runs share in an input.
    """

    runs: pd.DataFrame
    totals: Mapping[str, uncertainty.Spread]
    shared: Mapping[str, np.ndarray]

    def table(self) -> pd.DataFrame:
        """Return table `run_spreads`: inputs that move a total, and where the middles lie."""
        return self._table(np.ones(len(self.runs), dtype=bool))

    def endless(self) -> pd.DataFrame:
        """Return the rows of table `run_spreads` of the runs in which a part is not finite."""
        bad = [~np.isfinite(part) for of in self._parts().values() for part in of]
        return self._table(np.any(bad, axis=0))

    def _parts(self) -> dict[str, list[np.ndarray]]:
        """Return by input, and for the middles, the part of each total."""
        of_totals = self.totals.values()
        return {
            **{name: [each.contributions[name] for each in of_totals] for name in self.shared},
            **{name: [getattr(each, name) for each in of_totals] for name in ("shift", "bend")},
        }

    def _table(self, wanted: np.ndarray) -> pd.DataFrame:
        if not wanted.any():
            return empty(RUN_SPREADS)
        parts = self._parts()
        # Each run has a row for its middle, and for each input that moves it.
        moved = {
            name: np.flatnonzero(wanted & np.any(of, axis=0) if name in self.shared else wanted)
            for name, of in parts.items()
        }
        frame = self.runs.take(np.concatenate(list(moved.values())))
        rows = [len(at) for at in moved.values()]
        frame["input"] = pd.array(list(parts), dtype="str").repeat(rows)
        nothing = np.full(len(self.runs), None)
        frame["factor_id"] = np.concatenate(
            [self.shared.get(name, nothing)[at] for name, at in moved.items()]
        )
        for number, total in enumerate(TOTALS):
            column = [parts[name][number][at] for name, at in moved.items()]
            frame[f"{total}_log_sd"] = np.concatenate(column)
        return conform(frame, RUN_SPREADS)


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
    chain = chain_of(normalized, reference, profile)
    found = chain(inputs.values)

    spreads = _spreads(normalized, inputs, reference, profile)
    shape = (len(normalized),)
    made = {name: found[name] for name in RUN_IMPACTS.names if name in found}
    direct, market, without = (normalized[name].to_numpy(dtype=float) for name in _BESIDE)
    energy, generated = found["facility_energy_kwh"], found["generated_kwh"]
    made["operational_direct_kgco2e"] = equations.operational_carbon(energy, direct)
    made["operational_market_kgco2e"] = equations.operational_carbon(energy, market)
    made["electricity_water_without_reservoirs_l"] = equations.electricity_water(generated, without)
    for name in TOTALS:
        made[f"{name}_p05"], made[f"{name}_p95"] = spreads[name].interval(found[name])
    made["share_imputed"] = _share_imputed(
        spreads["total_kgco2e"].contributions, inputs.imputed, shape
    )
    made["expected_use_life_basis"] = origins.of("expected_use_life_days", lambda of: of.basis)
    made["quality_tier"] = _quality_tier(normalized, origins)
    kept = {name: cells_of(normalized[name]) for name in _KEPT}
    runs = normalized[["date", "run_id"]]
    return framed({**kept, **made}, RUN_IMPACTS), Spreads(runs, spreads, inputs.shared)


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

BLOCK = 8192
"""Runs whose intervals are worked out at a time: their arrays stay within a processor's cache."""


def _spreads(
    normalized: pd.DataFrame, inputs: UncertainInputs, reference: Reference, profile: Profile
) -> dict[str, uncertainty.Spread]:
    """Return how far each total of the runs scatters, and each input's part in it."""

    def block(at: slice) -> dict[str, uncertainty.Spread]:
        chain = chain_of(normalized.iloc[at], reference, profile)

        def totals(values: Values) -> dict[str, Any]:
            parts = chain(values)
            return {name: parts[name] for name in TOTALS}

        parts = (inputs.values, inputs.log_sd, inputs.skew)
        return uncertainty.propagate(
            totals, *({name: each[at] for name, each in of.items()} for of in parts)
        )

    starts = range(0, max(len(normalized), 1), BLOCK)
    blocks = [block(slice(start, start + BLOCK)) for start in starts]
    return {
        total: uncertainty.joined([block[total] for block in blocks], inputs.values)
        for total in TOTALS
    }


def chain_of(
    normalized: pd.DataFrame, reference: Reference, profile: Profile
) -> Callable[[Values], dict[str, Any]]:
    """Return `footprint` as a function of the runs' inputs, `pace` and `power_model` among them.

    It takes an array per input, or a matrix of runs by draws.
    """
    modelled = (normalized["energy_route"] == EnergyRoute.POWER_MODEL).to_numpy()
    flat = flat_gpu_power_w(reference)

    def chain(values: Values) -> dict[str, Any]:
        each = modelled.reshape(-1, *[1] * (np.ndim(values["pace"]) - 1))
        return footprint(together(values), profile, flat_gpu_power_w=flat, modelled=each)

    return chain


def together(values: Values) -> dict[str, Any]:
    """Return inputs of `footprint` with what several of them have in common in them."""
    times = {name: values[name] * values["pace"] for name in ("active_s", "reserved_s")}
    draw = {name: values[name] * values["power_model"] for name in GPU_POWERS}
    hosts = values["scale"] * values["hosts"]
    counts = {
        "gpu_count": values["gpu_count"] * values["scale"],
        **{name: values[name] * hosts for name in ("server_count", "cpu_count")},
    }
    return {**values, **times, **draw, **counts}


def _share_imputed(
    contributions: Mapping[str, np.ndarray],
    imputed: Mapping[str, np.ndarray],
    shape: tuple[int, ...],
) -> np.ndarray:
    everything = sum((part**2 for part in contributions.values()), np.zeros(shape))
    guessed = sum(
        (np.where(imputed[name], part**2, 0.0) for name, part in contributions.items()),
        np.zeros(shape),
    )
    return np.divide(guessed, everything, out=np.zeros(shape), where=everything > 0)


def _quality_tier(normalized: pd.DataFrame, origins: Provenance) -> np.ndarray:
    """Grade a run by what had to be imputed of hardware, time and place."""
    hardware, time, place = (
        imputed(origins, name) for name in ("gpu_id", "reserved_s", "country_iso3")
    )
    guesses = hardware.astype(int) + time + place
    metered = (normalized["energy_route"] == EnergyRoute.METER).to_numpy()
    logged = (normalized["energy_route"] != EnergyRoute.POWER_MODEL).to_numpy()
    placed = ~place
    return np.select(
        [metered & placed, (guesses == 0) | (logged & placed), guesses == 1],
        ["A", "B", "C"],
        default="D",
    )
