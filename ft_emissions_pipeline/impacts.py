"""Energy, carbon, water and embodied shares of runs, with their intervals.

Put here: the chain from a normalized run to its footprint, for the chosen profile. Keep out: the
equations (`equations.py`), the factors (already columns of the run) and the sharing over
inferences (`amortize.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from ft_emissions_pipeline import equations, uncertainty
from ft_emissions_pipeline import reference as ref
from ft_emissions_pipeline.methodology import Profile
from ft_emissions_pipeline.normalize import IMPUTED
from ft_emissions_pipeline.normalize.energy import (
    GPU_POWERS,
    POWER_INPUTS,
    flat_gpu_power_w,
    modelled_it_energy,
    power_model_log_sd,
)
from ft_emissions_pipeline.tables import RUN_IMPACTS, conform

INPUTS = (
    *POWER_INPUTS, "it_energy_kwh", "pue", "wue_l_per_kwh", "grid_kgco2e_per_kwh",
    "electricity_water_l_per_kwh", "gpu_embodied_kgco2e", "server_embodied_kgco2e",
    "gpu_embodied_water_l", "server_embodied_water_l", "hardware_use_life_h", "share_reserved",
    "development_multiplier",
)  # fmt: skip
"""Columns of `normalized_runs` from which a footprint follows."""

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
        Columns of `run_impacts`, and for `explain` what stands between: `gpu_hours`,
        `facility_kwh_per_gpu_hour`, `embodied_kgco2e_per_h`, `embodied_water_l_per_h`,
        `reserved_h`.
    """
    multiplier = values["development_multiplier"]
    it_energy = multiplier * np.where(
        modelled, modelled_it_energy(values, profile, flat_gpu_power_w), values["it_energy_kwh"]
    )
    gpu_hours = values["gpu_count"] * values["active_s"] / equations.SECONDS_PER_HOUR * multiplier
    reserved_h = values["reserved_s"] / equations.SECONDS_PER_HOUR * multiplier
    facility_energy = equations.facility_energy(it_energy, values["pue"])
    if profile.significant_digits is not None:
        gpu_hours = _whole_if_scaled(gpu_hours, multiplier)
        reserved_days = reserved_h / equations.HOURS_PER_DAY
        reserved_h = _whole_if_scaled(reserved_days, multiplier) * equations.HOURS_PER_DAY
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
        water_h = values["reserved_s"] / equations.SECONDS_PER_HOUR
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


def run_impacts(
    normalized: pd.DataFrame,
    provenance: pd.DataFrame,
    profile: Profile,
    reference: ref.Reference,
) -> pd.DataFrame:
    """Return the footprint of each run, with its interval and quality.

    Parameters
    ----------
    normalized, provenance : DataFrame
        Tables `normalized_runs` and `field_provenance`.
    profile : Profile
        Choices of the methodology.
    reference : Reference
        Reference tables.

    Returns
    -------
    DataFrame
        Table `run_impacts`, in the order of `normalized`.
    """
    values = {name: normalized[name].to_numpy(dtype=float) for name in INPUTS}
    modelled = (normalized["energy_route"] == "power_model").to_numpy()
    flat = flat_gpu_power_w(reference)

    def parts(inputs: Values) -> dict[str, Any]:
        times = {name: inputs[name] * inputs["pace"] for name in ("active_s", "reserved_s")}
        draw = {name: inputs[name] * inputs["power_model"] for name in GPU_POWERS}
        changed = {**inputs, **times, **draw}
        return footprint(changed, profile, flat_gpu_power_w=flat, modelled=modelled)

    log_sd, imputed = _spreads(normalized["run_id"], provenance)
    values["pace"], log_sd["pace"] = np.ones(len(normalized)), _take_pace_out(log_sd)
    imputed["pace"] = imputed["reserved_s"]
    # A predicted utilisation brings the error of its power along; a logged one does not.
    logged = modelled & ~imputed["gpu_utilization"]
    values["power_model"] = np.ones(len(normalized))
    log_sd["power_model"] = np.where(logged, power_model_log_sd(reference), 0.0)
    imputed["power_model"] = np.zeros(len(normalized), dtype=bool)
    found = parts(values)
    spreads = uncertainty.propagate(parts, values, log_sd)
    frame = normalized[
        ["date", "run_id", "model_name", "parent_version", "base_model", "ended_at",
         "expected_use_life_days", "expected_inferences_per_day", "methodology", "reference_version"]
    ].reset_index(drop=True)  # fmt: skip
    for name in RUN_IMPACTS.names:
        if name in found:
            frame[name] = found[name]
    shape = (len(frame),)
    for name in ("total_kgco2e", "total_water_l"):
        frame[f"{name}_p05"], frame[f"{name}_p95"] = spreads[name].interval(found[name])
    frame["share_imputed"] = _share_imputed(spreads["total_kgco2e"].contributions, imputed, shape)
    basis = _by_run(normalized["run_id"], provenance, "expected_use_life_days", "basis")
    frame["expected_use_life_basis"] = basis.to_numpy()
    frame["quality_tier"] = _quality_tier(normalized, provenance)
    return conform(frame, RUN_IMPACTS)


def _take_pace_out(log_sd: dict[str, np.ndarray]) -> np.ndarray:
    """Part what active and reserved time have in common from their own spreads, and return it.

    Where both are predicted, it is from the same tokens on the same hardware: they err together.
    """
    pace: np.ndarray = np.minimum(log_sd["active_s"], log_sd["reserved_s"])
    for name in ("active_s", "reserved_s"):
        log_sd[name] = np.sqrt(log_sd[name] ** 2 - pace**2)
    return pace


def _by_run(run_id: pd.Series, provenance: pd.DataFrame, field: str, column: str) -> pd.Series:
    rows = provenance[provenance["field"] == field].set_index("run_id")[column]
    return run_id.map(rows)


def _spreads(
    run_id: pd.Series, provenance: pd.DataFrame
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Return each input's log standard deviation, and whether it was imputed, by run."""
    position = pd.Index(run_id)
    spread = {name: np.zeros(len(position)) for name in INPUTS}
    imputed = {name: np.zeros(len(position), dtype=bool) for name in INPUTS}
    wanted = provenance[provenance["field"].isin(INPUTS)]
    for field, rows in wanted.groupby("field", sort=False):
        at = position.get_indexer(rows["run_id"])
        known = at >= 0
        values = uncertainty.log_sd_of_interval(rows["p05"], rows["p95"])
        spread[str(field)][at[known]] = values[known]
        imputed[str(field)][at[known]] = rows["basis"].isin(IMPUTED).to_numpy()[known]
    return spread, imputed


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


def _quality_tier(normalized: pd.DataFrame, provenance: pd.DataFrame) -> np.ndarray:
    """Grade a run by what had to be imputed of hardware, time and place."""
    run_id = normalized["run_id"]
    guesses = sum(
        _by_run(run_id, provenance, field, "basis").isin(IMPUTED).to_numpy().astype(int)
        for field in ("gpu_id", "reserved_s", "country_iso3")
    )
    metered = (normalized["energy_route"] == "meter").to_numpy()
    logged = (normalized["energy_route"] != "power_model").to_numpy()
    placed = ~_by_run(run_id, provenance, "country_iso3", "basis").isin(IMPUTED).to_numpy()
    return np.select(
        [metered & placed, (guesses == 0) | (logged & placed), guesses == 1],
        ["A", "B", "C"],
        default="D",
    )
