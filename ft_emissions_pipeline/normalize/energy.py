"""Rules for the energy of the computing hardware: the best route that the log allows.

Put here: meter, logged energy, measured accelerators beside a modelled rest, power times time. Keep out: the data centre's overhead and all
that follows from energy (`impacts/`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from ft_emissions_pipeline import equations, uncertainty
from ft_emissions_pipeline.calendar_days import SECONDS_PER_HOUR
from ft_emissions_pipeline.methodology import Profile
from ft_emissions_pipeline.normalize import meters
from ft_emissions_pipeline.normalize.filling import Context, Offer, Rule, ranged
from ft_emissions_pipeline.reference import Reference, default
from ft_emissions_pipeline.tables.words import Basis, EnergyRoute

POWER_INPUTS = (
    "gpu_count", "gpu_max_w", "gpu_idle_w", "gpu_utilization", "cpu_count", "cpu_max_w", "cpu_idle_w",
    "cpu_utilization", "server_count", "host_idle_w", "memory_w", "active_s", "reserved_s",
)  # fmt: skip

GPU_POWERS = ("gpu_max_w", "gpu_idle_w")
"""Powers that the linear formula may miss together, where utilisation was logged."""

POWER_MODEL = "gsd_power_model"
"""Default that holds by how much."""

COMPONENTS = ("gpu_energy_kwh", "cpu_energy_kwh", "ram_energy_kwh")

CALIBRATED = "calibrated_energy_kwh"
"""Column that `calibrated` adds, for the rule of that name; no column of any table."""


def modelled_it_energy(values: Mapping[str, Any], profile: Profile, flat_gpu_power_w: float) -> Any:
    """Return the energy that power and time make, where nothing was measured.

    Parameters
    ----------
    values : mapping
        Arrays named as in `POWER_INPUTS`.
    profile : Profile
        Chooses between component power and a flat power per GPU.
    flat_gpu_power_w : float
        That flat power. [W]

    Returns
    -------
    array
        Energy at the servers' plugs. [kWh]
    """
    active = values["active_s"] / SECONDS_PER_HOUR
    if profile.flat_gpu_power:
        kilowatts = flat_gpu_power_w / equations.WATT_HOURS_PER_KWH
        return equations.gpu_hours_energy(kilowatts, values["gpu_count"] * active)
    reserved = np.maximum(values["reserved_s"] / SECONDS_PER_HOUR, active)
    memory = values["server_count"] * values["memory_w"]
    idle = equations.idle_power(
        values["host_idle_w"],
        server_count=values["server_count"],
        cpu_count=values["cpu_count"],
        cpu_idle_power=values["cpu_idle_w"],
        gpu_count=values["gpu_count"],
        gpu_idle_power=values["gpu_idle_w"],
    )
    busy = equations.power(
        idle,
        memory,
        cpu_count=values["cpu_count"],
        cpu_max_power=values["cpu_max_w"],
        cpu_idle_power=values["cpu_idle_w"],
        cpu_utilization=np.minimum(values["cpu_utilization"], 1.0),
        gpu_count=values["gpu_count"],
        gpu_max_power=values["gpu_max_w"],
        gpu_idle_power=values["gpu_idle_w"],
        gpu_utilization=np.minimum(values["gpu_utilization"], 1.0),
    )
    energy = equations.it_energy(busy, active, idle_power=idle + memory, reserved_time=reserved)
    return energy / equations.WATT_HOURS_PER_KWH


def flat_gpu_power_w(reference: Reference) -> float:
    """Return the published profile's power per GPU, in watts."""
    return default(reference, "scope3_gpu_power_w").value


def _modelled(frame: pd.DataFrame, context: Context) -> Offer:
    values = {name: frame[name].to_numpy(dtype=float) for name in POWER_INPUTS}
    log_sds = {name: context.log_sd_of(name, frame.index) for name in POWER_INPUTS}
    skews = {name: context.skew_of(name, frame.index) for name in POWER_INPUTS}
    flat = flat_gpu_power_w(context.reference)
    logged = ~context.imputed("gpu_utilization", frame.index)
    values["power_model"] = np.ones(len(frame))
    log_sds["power_model"] = np.where(logged, context.log_gsd(POWER_MODEL, frame["date"]), 0.0)

    def energy(inputs: Mapping[str, Any]) -> dict[str, Any]:
        draw = {name: inputs[name] * inputs["power_model"] for name in GPU_POWERS}
        found = modelled_it_energy({**inputs, **draw}, context.profile, flat)
        return {"it_energy_kwh": found}

    spread = uncertainty.propagate(energy, values, log_sds, skews)["it_energy_kwh"]
    found = pd.Series(energy(values)["it_energy_kwh"], index=frame.index)
    return ranged(found, *spread.interval(found))


def _of_gpu_hours(frame: pd.DataFrame, context: Context) -> Offer:
    found = _modelled(frame, context)
    values = found.values if context.profile.flat_gpu_power else found.values * np.nan
    return replace(found, values=values, factor_id="defaults/scope3_gpu_power_w")


def _metered(frame: pd.DataFrame, context: Context) -> Offer:
    return Offer(
        frame["meter_energy_kwh"], log_sd=context.log_sd_of("meter_energy_kwh", frame.index)
    )


def _components(frame: pd.DataFrame, context: Context) -> Offer:
    energy = frame[list(COMPONENTS)].sum(axis=1, min_count=len(COMPONENTS))
    errors = [frame[name] * context.log_sd_of(name, frame.index) for name in COMPONENTS]
    squares = sum(error**2 for error in errors)
    return Offer(energy, log_sd=(np.sqrt(squares) / energy.where(energy > 0)).fillna(0.0))


def rest_energy(values: Mapping[str, Any], profile: Profile) -> Any:
    """Return the modelled energy of everything but the accelerators: boards, CPUs, memory. [kWh]."""
    return modelled_it_energy({**values, "gpu_count": values["gpu_count"] * 0.0}, profile, 0.0)


def _beside_measured_gpus(frame: pd.DataFrame, context: Context) -> Offer:
    """Add the rest of the servers to what the accelerators drew.

    The flat power of the published profile is per accelerator and holds the rest already, so that
    profile has no use for a part that was measured.
    """
    values = {name: frame[name].to_numpy(dtype=float) for name in POWER_INPUTS}
    gpus = frame["gpu_energy_kwh"].to_numpy(dtype=float)
    if context.profile.flat_gpu_power:
        gpus = gpus * np.nan
    log_sds = {name: context.log_sd_of(name, frame.index) for name in POWER_INPUTS}
    skews = {name: context.skew_of(name, frame.index) for name in POWER_INPUTS}

    def energy(inputs: Mapping[str, Any]) -> dict[str, Any]:
        both = inputs["gpu_energy_kwh"] + rest_energy(inputs, context.profile)
        return {"it_energy_kwh": both}

    values["gpu_energy_kwh"] = gpus
    log_sds["gpu_energy_kwh"] = context.log_sd_of("gpu_energy_kwh", frame.index)
    spread = uncertainty.propagate(energy, values, log_sds, skews)["it_energy_kwh"]
    found = pd.Series(energy(values)["it_energy_kwh"], index=frame.index)
    return ranged(found, *spread.interval(found))


def calibrated(runs: pd.DataFrame, coefficients: pd.DataFrame) -> pd.DataFrame:
    """Set aside the software's energy of runs without a meter, on hosts whose meter tells its error.

    Parameters
    ----------
    runs : DataFrame
        Table `runs`.
    coefficients : DataFrame
        Of `telemetry.calibration`.

    Returns
    -------
    DataFrame
        With columns that the rule `energy_calibrated_by_meter` reads, and no logged total where it
        will answer.
    """
    given = meters.uncalibrated(runs, coefficients)
    found = coefficients.set_index("host").reindex(runs["host"].where(given)).set_axis(runs.index)
    software = meters.software_energy(runs)
    # Of a single run, its own ratio says nothing of how ratios vary: a meter's spread is left.
    width = uncertainty.log_sd_of_interval(found["p05"], found["p95"])
    note = [
        f"{energy:.6g} kWh by software x {row.coefficient:.4g}, host {row.host}, {row.runs:.0f} run(s) with a meter"
        if use
        else np.nan
        for use, energy, row in zip(
            given, software, found.assign(host=runs["host"]).itertuples(), strict=True
        )
    ]
    return runs.assign(
        **{
            CALIBRATED: software * found["coefficient"],
            f"{CALIBRATED}_log_sd": np.nan_to_num(width),
            f"{CALIBRATED}_note": pd.Series(note, index=runs.index, dtype="str"),
            "it_energy_kwh": runs["it_energy_kwh"].mask(given),
        }
    )


def _calibrated(frame: pd.DataFrame, context: Context) -> Offer:
    if CALIBRATED not in frame:
        return Offer(pd.Series(np.nan, index=frame.index))
    meter = context.log_gsd("gsd_meter", frame["date"])
    width = np.hypot(frame[f"{CALIBRATED}_log_sd"], meter)
    return Offer(frame[CALIBRATED], log_sd=width, note=frame[f"{CALIBRATED}_note"])


def route(frame: pd.DataFrame, profile: Profile) -> pd.Series:
    """Return what each run's energy rests on, judged before the gaps are filled."""
    components = frame[list(COMPONENTS)].notna().all(axis=1)
    measured_gpus = frame["gpu_energy_kwh"].notna() & (not profile.flat_gpu_power)
    by_meter = frame.get(CALIBRATED, pd.Series(np.nan, index=frame.index)).notna()
    chosen = np.select(
        [
            frame["meter_energy_kwh"].notna(),
            by_meter,
            frame["it_energy_kwh"].notna(),
            components,
            measured_gpus,
        ],
        [
            EnergyRoute.METER,
            EnergyRoute.CALIBRATED,
            EnergyRoute.LOGGED_TOTAL,
            EnergyRoute.LOGGED_COMPONENTS,
            EnergyRoute.GPU_MEASURED,
        ],
        default=EnergyRoute.POWER_MODEL,
    )
    return pd.Series(chosen, index=frame.index, dtype="str")


RULES = (
    Rule("it_energy_kwh", "energy_of_meter", Basis.MEASURED, "the physical meter at the plug", _metered),
    Rule("it_energy_kwh", "energy_calibrated_by_meter", Basis.MEASURED,
         "the software's energy x what the host's meter saw over what software did", _calibrated),
    Rule("it_energy_kwh", "energy_of_components", Basis.MEASURED, "GPU + CPU + memory energy", _components),
    Rule("it_energy_kwh", "energy_beside_measured_gpus", Basis.PREDICTED,
         "measured GPU energy + power x time of boards, CPUs and memory", _beside_measured_gpus),
    Rule("it_energy_kwh", "energy_of_gpu_hours", Basis.PREDICTED, "GPU hours x a flat power per GPU (published profile)",
         _of_gpu_hours),
    Rule("it_energy_kwh", "energy_of_power", Basis.PREDICTED, "power x active time + idle power x the rest of the reservation",
         _modelled),
)  # fmt: skip
"""Routes to the energy, best first; a logged total stands before all but the meter."""
