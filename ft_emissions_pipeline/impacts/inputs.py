"""The uncertain inputs of a footprint: their names, widths, and what runs share of them.

Put here: spreads of inputs. Keep out: how spreads become an interval (`uncertainty/`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from ft_emissions_pipeline import uncertainty
from ft_emissions_pipeline.normalize import IMPUTED
from ft_emissions_pipeline.normalize.energy import POWER_INPUTS, POWER_MODEL
from ft_emissions_pipeline.normalize.filling import LOGGED_GSD
from ft_emissions_pipeline.normalize.provenance import AS_LOGGED, Piece, Provenance
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
    normalized: pd.DataFrame, provenance: pd.DataFrame | Provenance, reference: Reference
) -> UncertainInputs:
    """Return the inputs of a footprint with their spreads.

    Four come on top of the columns in `INPUTS`. `pace` is what active and reserved time have in
    common: where both are predicted, it is from the same tokens on the same hardware, and they err
    together. `scale` is what counts of accelerators and hosts have in common where one follows
    from the other, and `hosts` what is open about the hosts alone; CPUs come with the hosts.
    `power_model` is what the linear power formula may miss at a utilisation; a predicted one brings
    the error of its power along.
    """
    origins = held(provenance, normalized)
    inputs = UncertainInputs(
        {name: normalized[name].to_numpy(dtype=float) for name in INPUTS},
        {name: origins.of(name, _log_sd, 0.0) for name in INPUTS},
        {name: origins.of(name, _skew, 0.0) for name in INPUTS},
        {name: imputed(origins, name) for name in INPUTS},
        {name: origins.of(name, _shared) for name in INPUTS},
    )
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
    of_utilization = origins.of("gpu_utilization", lambda piece: piece.basis)
    linear = (normalized["energy_route"] == EnergyRoute.POWER_MODEL).to_numpy()
    linear = linear & (of_utilization != Basis.PREDICTED)
    gsd = default(reference, POWER_MODEL, normalized["date"]).value
    inputs.values["power_model"] = np.ones(len(normalized))
    inputs.log_sd["power_model"] = np.where(linear, np.log(gsd), 0.0)
    inputs.skew["power_model"] = np.zeros(len(normalized))
    inputs.imputed["power_model"] = np.zeros(len(normalized), dtype=bool)
    shared = np.full(len(normalized), None, dtype="object")
    shared[linear] = f"defaults/{POWER_MODEL}"
    inputs.shared["power_model"] = shared
    return inputs


ASKED = (*INPUTS, "gpu_id", "country_iso3", "expected_use_life_days", "expected_inferences_per_day")
"""Fields of whose provenance figures know."""


def held(provenance: pd.DataFrame | Provenance, normalized: pd.DataFrame) -> Provenance:
    """Return where the runs' fields come from, of table `field_provenance` or of what it shows."""
    if isinstance(provenance, Provenance):
        return provenance
    return Provenance.of_table(
        provenance, normalized, [name for name in ASKED if name in normalized]
    )


def imputed(origins: Provenance, name: str) -> np.ndarray:
    """Return of which runs a field was predicted or taken from a default."""
    return origins.of(name, _imputed, False)


def _imputed(piece: Piece) -> Any:
    one = isinstance(piece.basis, str)
    return piece.basis in IMPUTED if one else np.isin(piece.basis, IMPUTED)


def _log_sd(piece: Piece) -> np.ndarray:
    return uncertainty.log_sd_of_interval(piece.p05, piece.p95)


def _skew(piece: Piece) -> np.ndarray:
    lean = uncertainty.skew_of_interval(np.asarray(piece.value, dtype=float), piece.p05, piece.p95)
    return np.clip(lean, -uncertainty.MOST_LEANING, uncertainty.MOST_LEANING)


_YEAR = re.compile(r"/\d{4}(?:-\d{2})*$")


def _shared(piece: Piece) -> np.ndarray:
    """Return the reference row whose error runs share, missing where a value errs for itself.

    Of several rows the first decides the spread. Rows of one place that differ in the year only
    are one: a source that is wrong about a grid is wrong about it year after year; and so is a
    token-time model, whatever own runs teach it from day to day. What software
    measures errs with the software's assumptions, hence together; a meter, a sensor or somebody's
    statement errs for itself.
    """
    measured = np.asarray(piece.basis) == Basis.MEASURED
    logged, alone = piece.rule == AS_LOGGED, np.array(None)
    if piece.rule == "energy_at_plug" or (logged and piece.field in _BY_SOFTWARE):
        return np.where(measured | (not logged), f"defaults/{SOFTWARE}", alone)
    codes, ids = pd.factorize(np.array(piece.factor_id, dtype="object", ndmin=1))
    rows = [_YEAR.sub("", factor_id.split(" ", 1)[0]) for factor_id in ids]
    rows = [MODEL_ID.rstrip("/") if row.startswith(MODEL_ID) else row for row in rows]
    return np.where(measured, alone, np.array([*rows, None], dtype="object")[codes])


SOFTWARE = "gsd_software_measured"

_BY_SOFTWARE = [field for field, (measured, _) in LOGGED_GSD.items() if measured == SOFTWARE]
