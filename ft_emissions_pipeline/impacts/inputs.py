"""The uncertain inputs of a footprint: their names, widths, and what runs share of them.

Put here: spreads of inputs. Keep out: how spreads become an interval (`uncertainty.py`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from ft_emissions_pipeline import uncertainty
from ft_emissions_pipeline.normalize import IMPUTED
from ft_emissions_pipeline.normalize.energy import (
    POWER_INPUTS,
    POWER_MODEL,
)
from ft_emissions_pipeline.normalize.filling import LOGGED_GSD
from ft_emissions_pipeline.reference import Reference, default
from ft_emissions_pipeline.tables.words import Basis, EnergyRoute
from ft_emissions_pipeline.token_time import MODEL_ID

INPUTS = (
    *POWER_INPUTS, "it_energy_kwh", "pue", "wue_l_per_kwh", "grid_kgco2e_per_kwh",
    "electricity_water_l_per_kwh", "gpu_embodied_kgco2e", "server_embodied_kgco2e",
    "gpu_embodied_water_l", "server_embodied_water_l", "hardware_use_life_h", "share_reserved",
    "development_multiplier",
)  # fmt: skip
"""Columns of `normalized_runs` from which a footprint follows."""


@dataclass(frozen=True)
class UncertainInputs:
    """By input, an array over the runs: value, spread and skew, if it was imputed, and its factor.

    `shared` names the row behind the spread, missing where the run errs alone.
    """

    values: dict[str, np.ndarray]
    log_sd: dict[str, np.ndarray]
    skew: dict[str, np.ndarray]
    imputed: dict[str, np.ndarray]
    shared: dict[str, np.ndarray]


def uncertain_inputs(
    normalized: pd.DataFrame, provenance: pd.DataFrame, reference: Reference
) -> UncertainInputs:
    """Return the inputs of a footprint with their spreads.

    Four come on top of the columns in `INPUTS`. `pace` is what active and reserved time have in
    common: where both are predicted, it is from the same tokens on the same hardware, and they err
    together. `scale` is what counts of accelerators and hosts have in common where one follows
    from the other, and `hosts` what is open about the hosts alone; CPUs come with the hosts.
    `power_model` is what the linear power formula may miss at a utilisation; a predicted one brings
    the error of its power along.
    """
    values = {name: normalized[name].to_numpy(dtype=float) for name in INPUTS}
    inputs = _inputs_of(values, normalized["run_id"], provenance)
    active, reserved = inputs.log_sd["active_s"], inputs.log_sd["reserved_s"]
    pace = np.minimum(active, reserved)
    # What is common leans as the narrower of the two; a part of a spread leans as the whole.
    inputs.skew["pace"] = np.where(
        active < reserved, inputs.skew["active_s"], inputs.skew["reserved_s"]
    )
    for name in ("active_s", "reserved_s"):
        inputs.log_sd[name] = np.sqrt(inputs.log_sd[name] ** 2 - pace**2)
    inputs.values["pace"], inputs.log_sd["pace"] = np.ones(len(normalized)), pace
    for each in (inputs.imputed, inputs.shared):
        each["pace"] = each["reserved_s"]
    scale = np.minimum(inputs.log_sd["gpu_count"], inputs.log_sd["server_count"])
    hosts = np.sqrt(inputs.log_sd["server_count"] ** 2 - scale**2)
    inputs.log_sd["gpu_count"] = np.sqrt(inputs.log_sd["gpu_count"] ** 2 - scale**2)
    inputs.log_sd["server_count"] = np.zeros(len(normalized))
    # A part of a spread leans as the whole does.
    narrower = inputs.log_sd["gpu_count"] <= hosts
    leans = {
        "scale": np.where(narrower, inputs.skew["gpu_count"], inputs.skew["server_count"]),
        "hosts": inputs.skew["server_count"],
    }
    for name, log_sd in (("scale", scale), ("hosts", hosts)):
        inputs.values[name], inputs.log_sd[name] = np.ones(len(normalized)), log_sd
        inputs.skew[name] = leans[name]
        inputs.imputed[name] = inputs.imputed["server_count"]
        inputs.shared[name] = inputs.shared["server_count"]
    of_utilization = by_run(normalized["run_id"], provenance, "gpu_utilization", "basis")
    linear = (normalized["energy_route"] == EnergyRoute.POWER_MODEL).to_numpy()
    linear = linear & (of_utilization != Basis.PREDICTED).to_numpy()
    gsd = default(reference, POWER_MODEL, normalized["date"]).value
    inputs.values["power_model"] = np.ones(len(normalized))
    inputs.log_sd["power_model"] = np.where(linear, np.log(gsd), 0.0)
    inputs.skew["power_model"] = np.zeros(len(normalized))
    inputs.imputed["power_model"] = np.zeros(len(normalized), dtype=bool)
    shared = np.full(len(normalized), None, dtype="object")
    shared[linear] = f"defaults/{POWER_MODEL}"
    inputs.shared["power_model"] = shared
    return inputs


def by_run(run_id: pd.Series, provenance: pd.DataFrame, field: str, column: str) -> pd.Series:
    """Return what provenance says of a field, one value per run."""
    rows = provenance[provenance["field"] == field].set_index("run_id")[column]
    return run_id.map(rows)


def _inputs_of(
    values: dict[str, np.ndarray], run_id: pd.Series, provenance: pd.DataFrame
) -> UncertainInputs:
    position = pd.Index(run_id)
    spread, skew = ({name: np.zeros(len(position)) for name in INPUTS} for _ in range(2))
    imputed = {name: np.zeros(len(position), dtype=bool) for name in INPUTS}
    shared = {name: np.full(len(position), None, dtype="object") for name in INPUTS}
    wanted = provenance[provenance["field"].isin(INPUTS)]
    wanted = wanted.assign(shared=_shared_factors(wanted))
    for field, rows in wanted.groupby("field", sort=False):
        at = position.get_indexer(rows["run_id"])
        known = at >= 0
        log_sd = uncertainty.log_sd_of_interval(rows["p05"], rows["p95"])
        lean = uncertainty.skew_of_interval(values[str(field)][at], rows["p05"], rows["p95"])
        spread[str(field)][at[known]] = log_sd[known]
        skew[str(field)][at[known]] = np.clip(
            lean[known], -uncertainty.MOST_LEANING, uncertainty.MOST_LEANING
        )
        imputed[str(field)][at[known]] = rows["basis"].isin(IMPUTED).to_numpy()[known]
        shared[str(field)][at[known]] = rows["shared"].to_numpy(dtype="object")[known]
    return UncertainInputs(values, spread, skew, imputed, shared)


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
        & (provenance["basis"] == Basis.MEASURED)
        & provenance["field"].isin(_BY_SOFTWARE)
    ) | (provenance["rule"] == "energy_at_plug")
    alone = (provenance["basis"] == Basis.MEASURED) | first.isna()
    return first.mask(alone, None).mask(by_software, f"defaults/{SOFTWARE}")


SOFTWARE = "gsd_software_measured"


_BY_SOFTWARE = [field for field, (measured, _) in LOGGED_GSD.items() if measured == SOFTWARE]
