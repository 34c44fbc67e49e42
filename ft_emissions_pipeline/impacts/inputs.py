"""The uncertain inputs of a footprint: their names, widths, and what runs share of them.

Put here: spreads of inputs. Keep out: how spreads become an interval (`uncertainty/`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
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
    """By input, an array over the runs: value, spread and skew; `origins` knows what made them.

    `linear` are the runs whose powers the linear formula may miss.
    """

    values: dict[str, np.ndarray]
    log_sd: dict[str, np.ndarray]
    skew: dict[str, np.ndarray]
    origins: Provenance
    linear: np.ndarray

    @cached_property
    def imputed(self) -> dict[str, np.ndarray]:
        """By input, of which runs it was predicted or taken from a default."""
        return {name: imputed(self.origins, _MADE_OF.get(name, name)) for name in self.values}

    @cached_property
    def shared(self) -> dict[str, np.ndarray]:
        """By input, the row behind the spread; missing where the run errs alone."""
        return shared_rows(self.origins, self.linear)


_MADE_OF = {"pace": "reserved_s", "scale": "server_count", "hosts": "server_count"}
"""Field whose origin stands for what several have in common."""

_IN_COMMON = {"pace": ("reserved_s", "active_s"), "scale": ("gpu_count", "server_count")}
"""Two fields that err together in part; where they are as wide, that part leans as the first."""


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
    log_sd, skew = ({name: origins.of(name, of, 0.0) for name in INPUTS} for of in (_log_sd, _skew))
    for common, (first, second) in _IN_COMMON.items():
        log_sd[common] = np.minimum(log_sd[first], log_sd[second])
        for name in (first, second):
            log_sd[name] = np.sqrt(log_sd[name] ** 2 - log_sd[common] ** 2)
        # What is common leans as the narrower of the two; a part of a spread leans as the whole.
        skew[common] = np.where(log_sd[first] <= log_sd[second], skew[first], skew[second])
    nothing, whole = np.zeros(len(normalized)), np.ones(len(normalized))
    log_sd["hosts"], skew["hosts"] = log_sd["server_count"], skew["server_count"]
    log_sd["server_count"] = nothing
    predicted = origins.of("gpu_utilization", _is_predicted, False)
    linear = ~predicted & (normalized["energy_route"] == EnergyRoute.POWER_MODEL).to_numpy()
    gsd = default(reference, POWER_MODEL, normalized["date"]).value
    log_sd["power_model"], skew["power_model"] = np.where(linear, np.log(gsd), 0.0), nothing
    values = {name: normalized[name].to_numpy(dtype=float) for name in INPUTS}
    values |= dict.fromkeys((*_MADE_OF, "power_model"), whole)
    return UncertainInputs(values, log_sd, skew, origins, linear)


def shared_rows(origins: Provenance, linear: np.ndarray) -> dict[str, np.ndarray]:
    """Return by input the reference row behind each run's spread, as `UncertainInputs.shared`."""
    found = {name: origins.of(_MADE_OF.get(name, name), _shared) for name in (*INPUTS, *_MADE_OF)}
    return found | {"power_model": np.where(linear, f"defaults/{POWER_MODEL}", np.array(None))}


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


def _is_predicted(piece: Piece) -> Any:
    return np.asarray(piece.basis) == Basis.PREDICTED


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
