"""Footprints at random draws of their uncertain inputs, to check and to show closed-form intervals.

Put here: the draws. Keep out: the equations, which take a matrix of runs by draws as they take an
array of runs (`impacts.footprint`), and the closed form (`uncertainty/`).
"""

from __future__ import annotations

import zlib
from statistics import NormalDist
from typing import Any

import numpy as np
import pandas as pd

from ft_emissions_pipeline.impacts.footprint import chain_of
from ft_emissions_pipeline.impacts.inputs import uncertain_inputs
from ft_emissions_pipeline.methodology import Profile
from ft_emissions_pipeline.reference import Reference


def simulate(
    normalized: pd.DataFrame,
    provenance: pd.DataFrame,
    reference: Reference,
    profile: Profile,
    *,
    draws: int,
    seed: int = 0,
) -> dict[str, Any]:
    """Return what `impacts.footprint` does, as a matrix of runs by draws.

    Parameters
    ----------
    normalized, provenance : DataFrame
        Tables `normalized_runs` and `field_provenance`.
    reference : Reference
        Reference tables.
    profile : Profile
        Choices of the methodology.
    draws : int
        Draws per run.
    seed : int
        Start of the random numbers; the same seed makes the same draws.

    Notes
    -----
    Inputs whose spread comes from one row are one random variable in all runs. Every variable has
    random numbers of its own, which follow from its name and the seed: neither the order of the
    runs nor their number changes a draw. They are a stratified sample, one from the middle of each
    of as many slices of the distribution as there are draws.
    """
    inputs = uncertain_inputs(normalized, provenance, reference)
    slices = _slices(draws)
    run_id = normalized["run_id"].to_numpy(dtype="object")
    drawn = {}
    for name, values in inputs.values.items():
        log_sd, skew = inputs.log_sd[name], inputs.skew[name]
        drawn[name] = values[:, None]
        if not log_sd.any():
            continue
        drawn[name] = np.repeat(drawn[name], draws, axis=1)
        variables = np.where(pd.isna(inputs.shared[name]), run_id, inputs.shared[name])
        codes, names = pd.factorize(variables)
        for code, variable in enumerate(names):
            rows = np.flatnonzero((codes == code) & (log_sd > 0))
            if len(rows):
                noise = _shuffled(slices, f"{name} {variable}", seed)
                folded = noise + skew[rows, None] * np.abs(noise)
                drawn[name][rows] *= np.exp(log_sd[rows, None] * folded)
    found = chain_of(normalized, reference, profile)(drawn)
    return {name: np.broadcast_to(part, (len(normalized), draws)) for name, part in found.items()}


def _slices(draws: int) -> np.ndarray:
    normal = NormalDist()
    return np.array([normal.inv_cdf((slice_ + 0.5) / draws) for slice_ in range(draws)])


def _shuffled(slices: np.ndarray, variable: str, seed: int) -> np.ndarray:
    return np.random.default_rng([seed, zlib.crc32(variable.encode())]).permutation(slices)
