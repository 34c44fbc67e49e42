"""Energy, carbon, water and embodied shares of runs, with their intervals and what makes them wide.

Put here: the chain from a normalized run to its footprint, for the chosen profile. Keep out: the
equations (`equations.py`), the factors (already columns of the run) and the sharing over
inferences (`amortize.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
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
    POWER_MODEL,
    flat_gpu_power_w,
    modelled_it_energy,
)
from ft_emissions_pipeline.normalize.filling import LOGGED_SPREAD
from ft_emissions_pipeline.tables import RUN_IMPACTS, RUN_SPREADS, conform
from ft_emissions_pipeline.token_time import MODEL_ID

INPUTS = (
    *POWER_INPUTS, "it_energy_kwh", "pue", "wue_l_per_kwh", "grid_kgco2e_per_kwh",
    "electricity_water_l_per_kwh", "gpu_embodied_kgco2e", "server_embodied_kgco2e",
    "gpu_embodied_water_l", "server_embodied_water_l", "hardware_use_life_h", "share_reserved",
    "development_multiplier",
)  # fmt: skip
"""Columns of `normalized_runs` from which a footprint follows."""

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
    return impacts_and_spreads(normalized, provenance, profile, reference)[0]


def impacts_and_spreads(
    normalized: pd.DataFrame,
    provenance: pd.DataFrame,
    profile: Profile,
    reference: ref.Reference,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return what `run_impacts` does, and what each uncertain input has in it.

    Returns
    -------
    run_impacts, run_spreads : DataFrame
        Tables of these names.
    """
    inputs = uncertain_inputs(normalized, provenance, reference)
    chain = chain_of(normalized, profile, reference)
    found = chain(inputs.values)

    def totals(values: Values) -> dict[str, Any]:
        parts = chain(values)
        return {name: parts[name] for name in TOTALS}

    spreads = uncertainty.propagate(totals, inputs.values, inputs.log_sd)
    frame = normalized[
        ["date", "run_id", "model_name", "team", "parent_version", "base_model", "ended_at",
         "expected_use_life_days", "expected_inferences_per_day", "methodology", "reference_version"]
    ].reset_index(drop=True)  # fmt: skip
    for name in RUN_IMPACTS.names:
        if name in found:
            frame[name] = found[name]
    shape = (len(frame),)
    frame["operational_market_kgco2e"] = equations.operational_carbon(
        found["facility_energy_kwh"], normalized["market_kgco2e_per_kwh"].to_numpy(dtype=float)
    )
    for name in TOTALS:
        frame[f"{name}_p05"], frame[f"{name}_p95"] = spreads[name].interval(found[name])
    frame["share_imputed"] = _share_imputed(
        spreads["total_kgco2e"].contributions, inputs.imputed, shape
    )
    basis = _by_run(normalized["run_id"], provenance, "expected_use_life_days", "basis")
    frame["expected_use_life_basis"] = basis.to_numpy()
    frame["quality_tier"] = _quality_tier(normalized, provenance)
    return conform(frame, RUN_IMPACTS), _run_spreads(normalized, spreads, inputs.shared)


def chain_of(
    normalized: pd.DataFrame, profile: Profile, reference: ref.Reference
) -> Callable[[Values], dict[str, Any]]:
    """Return `footprint` as a function of the runs' inputs alone, `pace` and `power_model` among them.

    It takes an array per input, or a matrix of runs by draws.
    """
    modelled = (normalized["energy_route"] == "power_model").to_numpy()
    flat = flat_gpu_power_w(reference)

    def chain(values: Values) -> dict[str, Any]:
        each = modelled.reshape(-1, *[1] * (np.ndim(values["pace"]) - 1))
        return footprint(together(values), profile, flat_gpu_power_w=flat, modelled=each)

    return chain


def together(values: Values) -> dict[str, Any]:
    """Return inputs of `footprint` with `pace` and `power_model` in them."""
    times = {name: values[name] * values["pace"] for name in ("active_s", "reserved_s")}
    draw = {name: values[name] * values["power_model"] for name in GPU_POWERS}
    return {**values, **times, **draw}


@dataclass(frozen=True)
class UncertainInputs:
    """By input, an array over the runs: value, spread, whether it was imputed, and its factor.

    `shared` names the row behind the spread, missing where the run errs alone.
    """

    values: dict[str, np.ndarray]
    log_sd: dict[str, np.ndarray]
    imputed: dict[str, np.ndarray]
    shared: dict[str, np.ndarray]


def uncertain_inputs(
    normalized: pd.DataFrame, provenance: pd.DataFrame, reference: ref.Reference
) -> UncertainInputs:
    """Return the inputs of a footprint with their spreads.

    Two come on top of the columns in `INPUTS`. `pace` is what active and reserved time have in common:
    where both are predicted, it is from the same tokens on the same hardware, and they err together.
    `power_model` is what the linear power formula may miss at a logged utilisation; a predicted one
    brings the error of its power along.
    """
    values = {name: normalized[name].to_numpy(dtype=float) for name in INPUTS}
    inputs = _inputs_of(values, normalized["run_id"], provenance)
    pace = np.minimum(inputs.log_sd["active_s"], inputs.log_sd["reserved_s"])
    for name in ("active_s", "reserved_s"):
        inputs.log_sd[name] = np.sqrt(inputs.log_sd[name] ** 2 - pace**2)
    inputs.values["pace"], inputs.log_sd["pace"] = np.ones(len(normalized)), pace
    for each in (inputs.imputed, inputs.shared):
        each["pace"] = each["reserved_s"]
    linear = (normalized["energy_route"] == "power_model").to_numpy() & ~inputs.imputed[
        "gpu_utilization"
    ]
    gsd = ref.default(reference, POWER_MODEL, normalized["date"]).value
    inputs.values["power_model"] = np.ones(len(normalized))
    inputs.log_sd["power_model"] = np.where(linear, np.log(gsd), 0.0)
    inputs.imputed["power_model"] = np.zeros(len(normalized), dtype=bool)
    shared = np.full(len(normalized), None, dtype="object")
    shared[linear] = f"defaults/{POWER_MODEL}"
    inputs.shared["power_model"] = shared
    return inputs


def _by_run(run_id: pd.Series, provenance: pd.DataFrame, field: str, column: str) -> pd.Series:
    rows = provenance[provenance["field"] == field].set_index("run_id")[column]
    return run_id.map(rows)


def _inputs_of(
    values: dict[str, np.ndarray], run_id: pd.Series, provenance: pd.DataFrame
) -> UncertainInputs:
    position = pd.Index(run_id)
    spread = {name: np.zeros(len(position)) for name in INPUTS}
    imputed = {name: np.zeros(len(position), dtype=bool) for name in INPUTS}
    shared = {name: np.full(len(position), None, dtype="object") for name in INPUTS}
    wanted = provenance[provenance["field"].isin(INPUTS)]
    wanted = wanted.assign(shared=_shared_factors(wanted))
    for field, rows in wanted.groupby("field", sort=False):
        at = position.get_indexer(rows["run_id"])
        known = at >= 0
        log_sd = uncertainty.log_sd_of_interval(rows["p05"], rows["p95"])
        spread[str(field)][at[known]] = log_sd[known]
        imputed[str(field)][at[known]] = rows["basis"].isin(IMPUTED).to_numpy()[known]
        shared[str(field)][at[known]] = rows["shared"].to_numpy(dtype="object")[known]
    return UncertainInputs(values, spread, imputed, shared)


_YEAR = r"/\d{4}(?:-\d{2})*$"


def _shared_factors(provenance: pd.DataFrame) -> pd.Series:
    """Return the reference row whose error runs share, missing where a value errs for itself.

    Of several rows the first decides the spread. Rows of one place that differ in the year only
    are one: a source that is wrong about a grid is wrong about it year after year; and so is a
    token-time model, whatever own runs teach it from day to day. What software
    measures errs with the software's assumptions, hence together; a meter, a sensor or somebody's
    statement errs for itself.
    """
    first = provenance["factor_id"].str.split(" ", n=1).str[0].str.replace(_YEAR, "", regex=True)
    first = first.mask(first.str.startswith(MODEL_ID, na=False), MODEL_ID.rstrip("/"))
    by_software = (
        (provenance["rule"] == "as_logged")
        & (provenance["basis"] == "measured")
        & provenance["field"].isin(_BY_SOFTWARE)
    ) | (provenance["rule"] == "energy_of_components")
    alone = (provenance["basis"] == "measured") | first.isna()
    return first.mask(alone, None).mask(by_software, f"defaults/{SOFTWARE}")


SOFTWARE = "gsd_software_measured"
_BY_SOFTWARE = [field for field, (measured, _) in LOGGED_SPREAD.items() if measured == SOFTWARE]


def _run_spreads(
    normalized: pd.DataFrame,
    spreads: Mapping[str, uncertainty.Spread],
    shared: Mapping[str, np.ndarray],
) -> pd.DataFrame:
    """Return table `run_spreads`: inputs that move a total, and where the totals' middles lie."""
    frame = normalized[["date", "run_id"]].reset_index(drop=True)
    names = [f"{total}_log_sd" for total in TOTALS]
    pieces = []
    for name in spreads[TOTALS[0]].contributions:
        parts = [spreads[total].contributions[name] for total in TOTALS]
        moved = np.any([part != 0 for part in parts], axis=0)
        piece = frame.assign(
            input=name, factor_id=shared[name], **dict(zip(names, parts, strict=True))
        )
        pieces.append(piece[moved])
    for name in ("shift", "bend"):
        parts = [getattr(spreads[total], name) for total in TOTALS]
        pieces.append(frame.assign(input=name, **dict(zip(names, parts, strict=True))))
    return conform(pd.concat(pieces, ignore_index=True), RUN_SPREADS)


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
