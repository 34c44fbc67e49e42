"""Rules for the energy of the computing hardware: the best route that the log allows.

Put here: meter, logged energy, measured parts beside modelled ones, the step from counters to the
plug, power times time. Keep out: which parts were read (`readers/shared/energy_parts.py`), the
data centre's overhead and all that follows from energy (`impacts/`).
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
from ft_emissions_pipeline.normalize.columns import AnyFrame, Frame
from ft_emissions_pipeline.normalize.filling import (
    Context,
    Offer,
    Rule,
    by_run,
    logged_basis,
    ranged,
)
from ft_emissions_pipeline.normalize.machine import DATA_CENTRE, NO_GPU, OUTSIDE, on_cloud
from ft_emissions_pipeline.reference import Reference, default, take
from ft_emissions_pipeline.tables.frames import words
from ft_emissions_pipeline.tables.words import Basis, EnergyRoute
from ft_emissions_pipeline.uncertainty import Step, Values, Worked

PART_INPUTS = (
    "gpu_count", "gpu_max_w", "gpu_idle_w", "gpu_utilization", "cpu_count", "cpu_max_w",
    "cpu_idle_w", "cpu_utilization", "server_count", "memory_w", "active_s", "reserved_s",
)  # fmt: skip
"""From these the energy of accelerators, CPUs and memory follows."""

POWER_INPUTS = (*PART_INPUTS, "host_idle_w", "gpu_fan_w", "supply_efficiency")
"""From these that of the whole machine, at the plug."""

GPU_POWERS = ("gpu_max_w", "gpu_idle_w")
"""Powers that the linear formula may miss together."""

POWER_MODEL = "gsd_power_model"
"""Default that holds by how much."""

COMPONENTS = ("gpu_energy_kwh", "cpu_energy_kwh", "ram_energy_kwh")

COUNTED = "counted_energy_kwh"

COUNTED_TOTAL = "counted_total_kwh"
"""Column that `counters_set_aside` adds, for the rule `total_of_counters`; no table has it."""

COUNTED_WHOLE = (EnergyRoute.LOGGED_TOTAL, EnergyRoute.LOGGED_COMPONENTS)
COUNTED_IN_PART = (EnergyRoute.GPU_MEASURED, EnergyRoute.PARTLY_MEASURED)

READ = (COUNTED, *COMPONENTS)
"""Of a run without any of these nothing was counted."""

CALIBRATED = "calibrated_energy_kwh"
"""Column that `calibrated` adds, for the rule of that name; no column of any table."""


DRAWN: dict[str, Step] = {
    name: lambda of, name=name: of[name] * of["power_model"]  # type: ignore[misc]
    for name in GPU_POWERS
}
"""Powers with what the linear formula misses in them."""


def power_steps(profile: Profile, flat_gpu_power_w: float) -> dict[str, Step]:
    """Return the steps to `modelled_it_energy_kwh`, that power and time make without a meter.

    Parameters
    ----------
    profile : Profile
        Chooses between component power and a flat power per GPU.
    flat_gpu_power_w : float
        That flat power. [W]

    Returns
    -------
    dict
        Steps from arrays named as in `POWER_INPUTS`; the energy is that at the servers' plugs.
    """
    if profile.flat_gpu_power:
        kilowatts = flat_gpu_power_w / equations.WATT_HOURS_PER_KWH
        return {
            "modelled_it_energy_kwh": lambda of: equations.gpu_hours_energy(
                kilowatts, of["gpu_count"] * (of["active_s"] / SECONDS_PER_HOUR)
            )
        }
    return {
        "memory_power_w": lambda of: of["server_count"] * of["memory_w"],
        "idle_power_w": lambda of: equations.idle_power(
            of["host_idle_w"],
            server_count=of["server_count"],
            cpu_count=of["cpu_count"],
            cpu_idle_power=of["cpu_idle_w"],
            gpu_count=of["gpu_count"],
            gpu_idle_power=of["gpu_idle_w"],
        ),
        "power_w": lambda of: equations.power(
            of["idle_power_w"],
            of["memory_power_w"],
            gpu_fan_power=of["gpu_fan_w"],
            cpu_count=of["cpu_count"],
            cpu_max_power=of["cpu_max_w"],
            cpu_idle_power=of["cpu_idle_w"],
            cpu_utilization=np.minimum(of["cpu_utilization"], 1.0),
            gpu_count=of["gpu_count"],
            gpu_max_power=of["gpu_max_w"],
            gpu_idle_power=of["gpu_idle_w"],
            gpu_utilization=np.minimum(of["gpu_utilization"], 1.0),
        ),
        "modelled_it_energy_kwh": _of_power_and_time,
    }


def _of_power_and_time(of: Values) -> Any:
    active = of["active_s"] / SECONDS_PER_HOUR
    energy = equations.it_energy(
        of["power_w"],
        active,
        idle_power=of["idle_power_w"] + of["memory_power_w"],
        reserved_time=np.maximum(of["reserved_s"] / SECONDS_PER_HOUR, active),
    )
    return _with_supply_losses(energy / equations.WATT_HOURS_PER_KWH, of)


def modelled_it_energy(values: Values, profile: Profile, flat_gpu_power_w: float) -> Any:
    """Return what `power_steps` come to, in kWh, from arrays named as in `POWER_INPUTS`."""
    worked = Worked(power_steps(profile, flat_gpu_power_w), values)
    return worked.values["modelled_it_energy_kwh"]


def _with_supply_losses(behind_kwh: Any, values: Values, other_kwh: Any = 0.0) -> Any:
    """Add the losses of the power supplies, where their efficiency is told."""
    efficiency = np.fmin(values["supply_efficiency"], 1.0)
    return equations.plug_energy(behind_kwh, other_kwh, efficiency)


def flat_gpu_power_w(reference: Reference) -> float:
    """Return the published profile's power per GPU, in watts."""
    return default(reference, "scope3_gpu_power_w").value


def _of_power_model(frame: Frame, context: Context) -> np.ndarray:
    """Return what the linear formula may miss; a predicted utilisation errs by itself."""
    predicted = context.basis("gpu_utilization", frame.index) == Basis.PREDICTED
    return np.where(predicted, 0.0, context.log_gsd(POWER_MODEL, frame["date"]))


def _propagated(
    steps: Mapping[str, Step], energy: str, names: tuple[str, ...], frame: Frame, context: Context
) -> Offer:
    """Return a step's energy with the interval that its inputs, and the power model, give it."""
    inputs = {name: frame[name].to_numpy(dtype=float) for name in names}
    log_sds, skews = (
        {name: np.nan_to_num(of(name, frame.index), copy=False) for name in names}
        for of in (context.log_sd_of, context.skew_of)
    )
    inputs["power_model"] = np.ones(len(frame))
    log_sds["power_model"] = _of_power_model(frame, context)
    skews["power_model"] = np.zeros(len(frame))
    found, spreads = uncertainty.propagate_steps(steps, [energy], inputs, log_sds, skews)
    return ranged(pd.Series(found[energy], frame.index), *spreads[energy].interval(found[energy]))


def _modelled(frame: Frame, context: Context) -> Offer:
    steps = power_steps(context.profile, flat_gpu_power_w(context.reference))
    return _propagated({**DRAWN, **steps}, "modelled_it_energy_kwh", POWER_INPUTS, frame, context)


def _of_gpu_hours(frame: Frame, context: Context) -> Offer:
    return replace(_modelled(frame, context), factor_id="defaults/scope3_gpu_power_w")


def _metered(frame: Frame, context: Context) -> Offer:
    return Offer(
        frame["meter_energy_kwh"], log_sd=context.log_sd_of("meter_energy_kwh", frame.index)
    )


def _on(frame: Frame, *routes: EnergyRoute) -> pd.Series:
    return frame["energy_route"].isin(routes)


def _components(frame: Frame, context: Context) -> Offer:
    energy = frame[list(COMPONENTS)].sum(axis=1, min_count=len(COMPONENTS))
    errors = [frame[name] * context.log_sd_of(name, frame.index) for name in COMPONENTS]
    squares = sum(error**2 for error in errors)
    return Offer(
        energy.where(_on(frame, EnergyRoute.LOGGED_COMPONENTS)),
        log_sd=(np.sqrt(squares) / energy.where(energy > 0)).fillna(0.0),
    )


def _counted_total(frame: Frame, context: Context) -> Offer:
    return Offer(frame[COUNTED_TOTAL], log_sd=context.log_gsd(SOFTWARE, frame["date"]))


def part_energies(values: Values) -> dict[str, Any]:
    """Return the energy of accelerators, CPUs and memory that power and time make. [kWh].

    Parameters
    ----------
    values : mapping
        Arrays named as in `PART_INPUTS`.
    """
    active = values["active_s"] / SECONDS_PER_HOUR
    reserved = np.maximum(values["reserved_s"] / SECONDS_PER_HOUR, active)
    watt_hours = {
        f"{kind}_energy_kwh": equations.device_energy(
            values[f"{kind}_count"],
            values[f"{kind}_idle_w"],
            values[f"{kind}_max_w"],
            np.minimum(values[f"{kind}_utilization"], 1.0),
            active_time=active,
            reserved_time=reserved,
        )
        for kind in ("gpu", "cpu")
    } | {"ram_energy_kwh": values["server_count"] * values["memory_w"] * reserved}
    return {name: each / equations.WATT_HOURS_PER_KWH for name, each in watt_hours.items()}


def _partly_counted(frame: Frame, context: Context) -> Offer:
    """Add the unread parts, by power and time, to what was measured.

    The flat power of the published profile is per accelerator and holds all parts already, so that
    profile has no use for a part that was measured.
    """

    def energy(of: Values) -> Any:
        modelled = part_energies(of)
        return sum(np.where(np.isnan(of[name]), modelled[name], of[name]) for name in COMPONENTS)

    inputs = (*PART_INPUTS, *COMPONENTS)
    offer = _propagated({**DRAWN, COUNTED: energy}, COUNTED, inputs, frame, context)
    told = (
        frame[list(COMPONENTS)]
        .notna()
        .apply(
            lambda row: " + ".join(_PART_NAMES[name] for name in COMPONENTS if row[name]), axis=1
        )
    )
    return replace(
        offer,
        values=offer.values.where(_on(frame, *COUNTED_IN_PART)),
        note=("measured: " + told + "; the rest by power x time").astype("str"),
    )


_PART_NAMES = dict(zip(COMPONENTS, ("GPU", "CPU", "memory"), strict=True))

SOFTWARE = "gsd_software_measured"

CPU_ONLY = "cpu_only"
"""Kind of a host without an accelerator of which nothing is told."""


def _overheads(frame: Frame, context: Context) -> pd.DataFrame:
    """Return the row of `host_overheads` for each run, by the kind of its machine."""
    inside = frame["host_class"].isin(OUTSIDE) & on_cloud(frame)
    kind = frame["host_class"].mask(inside, DATA_CENTRE)
    untold = context.rule("host_class", frame.index) == "class_default"
    kind = kind.mask((frame["gpu_id"] == NO_GPU) & untold, CPU_ONLY)
    columns = [
        *("other_power_w", "other_power_w_p05", "other_power_w_p95"),
        *("supply_efficiency", "supply_efficiency_p05", "supply_efficiency_p95"),
    ]
    return take(context.reference, "host_overheads", kind, columns, on=frame["date"])


def _stepped(frame: Frame, context: Context) -> pd.Series:
    """Return which runs take the step to the plug; boards are part of every modelled rest."""
    whole = context.rule(COUNTED, frame.index).notna() & (not context.profile.counters_as_plug)
    return whole | _on(frame, *COUNTED_IN_PART)


def _other_of_class(frame: Frame, context: Context) -> Offer:
    row = _overheads(frame, context)
    power = row["other_power_w"].where(_stepped(frame, context))
    return ranged(power, row["other_power_w_p05"], row["other_power_w_p95"], row["factor_id"])


def _other_of_server(frame: Frame, context: Context) -> Offer:
    row = take(context.reference, "servers", frame["server_id"], ["host_idle_w"], on=frame["date"])
    power = frame["host_idle_w"].where(_stepped(frame, context))
    width, skew = (of("host_idle_w", frame.index) for of in (context.log_sd_of, context.skew_of))
    return Offer(power, row["factor_id"], width, skew=skew)


def _supply(frame: Frame, context: Context) -> Offer:
    row = _overheads(frame, context)
    wanted = _stepped(frame, context) | _on(frame, EnergyRoute.POWER_MODEL)
    wanted &= not context.profile.counters_as_plug
    efficiency = row["supply_efficiency"].where(wanted)
    low, high = row["supply_efficiency_p05"], row["supply_efficiency_p95"]
    return ranged(efficiency, low, high, row["factor_id"])


STEP_INPUTS = (COUNTED, "other_host_w", "gpu_fan_w", "gpu_utilization", "supply_efficiency",
               "server_count", "gpu_count", "active_s", "reserved_s")  # fmt: skip


def plug_energy(values: Values) -> Any:
    """Return the energy at the plug of runs whose parts were counted. [kWh].

    Parameters
    ----------
    values : mapping
        Arrays named as in `STEP_INPUTS`; where the other power is missing, nothing is added for
        the host, where the efficiency is, no losses.
    """
    active = values["active_s"] / SECONDS_PER_HOUR
    reserved = np.maximum(values["reserved_s"] / SECONDS_PER_HOUR, active)
    loaded = values["gpu_count"] * np.minimum(values["gpu_utilization"], 1.0) * active
    other = np.nan_to_num(
        values["server_count"] * values["other_host_w"] * reserved + values["gpu_fan_w"] * loaded
    )
    return _with_supply_losses(values[COUNTED], values, other / equations.WATT_HOURS_PER_KWH)


def _at_plug(frame: Frame, context: Context) -> Offer:
    return _propagated({"it_energy_kwh": plug_energy}, "it_energy_kwh", STEP_INPUTS, frame, context)


def _whole_at_plug(frame: Frame, context: Context) -> Offer:
    offer = _at_plug(frame, context)
    return replace(offer, values=offer.values.where(_on(frame, *COUNTED_WHOLE)))


def counters_set_aside(runs: AnyFrame, routes: pd.Series, profile: Profile) -> AnyFrame:
    """Set aside the totals that software's counters measured, for the step to the plug.

    Parameters
    ----------
    runs : DataFrame
        Table `runs`.
    routes : Series
        Of `route`.
    profile : Profile
        Says whether counters are taken for the plug.

    Returns
    -------
    DataFrame
        With `energy_route`, and without the logged total where the step will answer. What a person
        or a scheduler states stays as it is: nobody knows where it was measured.
    """
    counted = (routes == EnergyRoute.LOGGED_TOTAL).to_numpy() & (not profile.counters_as_plug)
    if counted.any():
        stated = logged_basis(runs, "it_energy_kwh", counted)
        counted[counted] = stated == Basis.MEASURED
    total = runs["it_energy_kwh"].to_numpy()
    return runs.assign(
        **{
            "energy_route": routes,
            COUNTED_TOTAL: np.where(counted, total, np.nan),
            "it_energy_kwh": np.where(counted, np.nan, total),
        }
    )


def calibrated(runs: pd.DataFrame, coefficients: pd.DataFrame) -> pd.DataFrame:
    """Set aside the software's energy of unmetered runs on hosts whose meter tells its error.

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
        f"{energy:.6g} kWh by software x {row.coefficient:.4g}, host {row.host}, "
        f"{row.runs:.0f} run(s) with a meter"
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


def _calibrated(frame: Frame, context: Context) -> Offer:
    meter = context.log_gsd("gsd_meter", frame["date"])
    width = np.hypot(frame[f"{CALIBRATED}_log_sd"], meter)
    return Offer(frame[CALIBRATED], log_sd=width, note=frame[f"{CALIBRATED}_note"])


def route(frame: Frame, profile: Profile) -> pd.Series:
    """Return what each run's energy rests on, judged before the gaps are filled."""
    meter, total, *parts = (
        frame[name].notna().to_numpy()
        for name in ("meter_energy_kwh", "it_energy_kwh", *COMPONENTS)
    )
    in_part = np.any(parts, axis=0) & (not profile.flat_gpu_power)
    told = {
        EnergyRoute.METER: meter,
        EnergyRoute.CALIBRATED: CALIBRATED in frame and frame[CALIBRATED].notna().to_numpy(),
        EnergyRoute.LOGGED_TOTAL: total,
        EnergyRoute.LOGGED_COMPONENTS: np.all(parts, axis=0),
        EnergyRoute.GPU_MEASURED: in_part & parts[0] & ~(parts[1] | parts[2]),
        EnergyRoute.PARTLY_MEASURED: in_part,
    }
    chosen = np.select(list(told.values()), range(len(told)), default=len(told))
    return pd.Series(words([*told, EnergyRoute.POWER_MODEL], chosen), index=frame.index)


_COUNTED = by_run(
    Rule(COUNTED, "total_of_counters", Basis.MEASURED, "total that the software's counters logged",
         _counted_total, needs=(COUNTED_TOTAL,)),
    Rule(COUNTED, "energy_of_components", Basis.MEASURED, "GPU + CPU + memory energy", _components,
         needs=COMPONENTS),
    Rule(COUNTED, "energy_of_parts", Basis.PREDICTED,
         "measured parts + power x time of the parts that were not read", _partly_counted,
         needs=(COMPONENTS,)),
)  # fmt: skip
"""What was counted behind the power supplies."""

_TO_PLUG = (
    Rule("other_host_w", "other_host_of_class", Basis.DEFAULT,
         "boards, fans, disks and network of a machine of this kind, in host_overheads.csv",
         _other_of_class, needs=(READ,)),
    Rule("other_host_w", "other_host_of_server", Basis.REFERENCE,
         "boards, fans, disks and network of the server: its host_idle_w", _other_of_server,
         needs=(READ, "host_idle_w")),
    Rule("supply_efficiency", "supply_of_class", Basis.DEFAULT,
         "power supplies of a machine of this kind, in host_overheads.csv", _supply),
)  # fmt: skip
"""What stands between that and the plug."""

_AT_PLUG = by_run(
    Rule("it_energy_kwh", "energy_of_meter", Basis.MEASURED, "the physical meter at the plug",
         _metered, needs=("meter_energy_kwh",)),
    Rule("it_energy_kwh", "energy_calibrated_by_meter", Basis.MEASURED,
         "the software's energy x what the host's meter saw over what software did", _calibrated,
         needs=(CALIBRATED,)),
    Rule("it_energy_kwh", "energy_at_plug", Basis.MEASURED,
         "(counted energy + other power of the host x time) / efficiency of the power supplies",
         _whole_at_plug, needs=(COUNTED,)),
    Rule("it_energy_kwh", "energy_of_parts_at_plug", Basis.PREDICTED,
         "(measured and modelled parts + other power of the host x time) / efficiency of the power "
         "supplies", _at_plug, needs=(COUNTED,)),
    Rule("it_energy_kwh", "energy_of_gpu_hours", Basis.PREDICTED,
         "GPU hours x a flat power per GPU (published profile)", _of_gpu_hours,
         choice="flat_gpu_power"),
    Rule("it_energy_kwh", "energy_of_power", Basis.PREDICTED,
         "(power x active time + idle power x the rest of the reservation) / efficiency of the "
         "power supplies", _modelled),
)  # fmt: skip

RULES = (*_COUNTED, *_TO_PLUG, *_AT_PLUG)
"""Routes to the energy, best first; a total of unknown place stands before all but the meter."""
