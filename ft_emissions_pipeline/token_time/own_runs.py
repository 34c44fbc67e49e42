"""What a team's own runs with tokens and time teach the model.

Put here: offsets by GPU model, base model family and software, and whether they do better. Keep
out: which runs qualify (`normalize`), and the ridge itself (`fit.py`).
"""

from __future__ import annotations

import hashlib
import zlib
from dataclasses import replace
from functools import lru_cache

import numpy as np
import pandas as pd

from ft_emissions_pipeline.reference import Reference
from ft_emissions_pipeline.token_time.fit import added, offsets, quantile_of
from ft_emissions_pipeline.token_time.model import Model, predict
from ft_emissions_pipeline.token_time.workload import workload
from ft_emissions_pipeline.uncertainty import Floats

ENOUGH = 20
"""Own runs from which on the model learns from them."""

FOLDS = 5
MEMBERS = ("gpu_id", "family", "software")


@lru_cache(maxsize=8)
def training_rates_hash(reference: Reference) -> str:
    """Return the hash of the rows from which the prior is fitted."""
    rows = "".join(reference.tables["calibration"]["row_hash"])
    return hashlib.sha256(rows.encode()).hexdigest()[:12]


def teach(model: Model, own: pd.DataFrame, reference: Reference) -> tuple[Model, bool]:
    """Return the model with offsets of own runs, and whether it does no worse on held-out ones.

    Parameters
    ----------
    model : Model
        The prior.
    own : DataFrame
        run_id, model_name, family, active_s, tokens, and what `workload` reads.
    reference : Reference
        Reference tables.

    Notes
    -----
    Held out are registered models in turns, in five folds by their names, since the runs of one
    model are alike; where only one was tuned, its runs. The offsets of a fold know nothing of it.
    """
    work = workload(own, reference)
    # Without offsets, so that days are judged alike whatever order they are made in.
    before = predict(model, work)
    measured = np.log(own["active_s"] * own["gpu_count"] / own["tokens"]).to_numpy(dtype=float)
    residual = measured - before.log_s
    groups = {name: own[name].reset_index(drop=True) for name in MEMBERS}
    fold = _fold(own)
    rest = np.zeros(len(own))
    for each in np.unique(fold):
        at = fold == each
        taught = offsets(residual[~at], {name: values[~at] for name, values in groups.items()})
        rest[at] = residual[at] - added(
            taught, {name: values[at] for name, values in groups.items()}
        )
    width = quantile_of(np.abs(rest) / before.scale, np.ones(len(own)), next_weight=1.0)
    rows = own.sort_values("run_id")
    text = rows[["run_id", "active_s", "tokens"]].to_csv(index=False)
    training = {
        **model.training,
        "own_runs": len(own),
        "own_runs_hash": hashlib.sha256(text.encode()).hexdigest()[:12],
        "own_median_error_percent": _error(rest),
        "prior_median_error_percent": _error(residual),
    }
    rounded = {
        name: {member: float(f"{value:.5g}") for member, value in by.items()}
        for name, by in offsets(residual, groups).items()
    }
    better = float(np.mean(np.abs(rest))) <= float(np.mean(np.abs(residual)))
    own_width = float(f"{width:.5g}")
    return replace(model, offsets=rounded, own_width=own_width, training=training), better


def _fold(own: pd.DataFrame) -> np.ndarray:
    name = "model_name" if own["model_name"].nunique() > 1 else "run_id"
    return np.array([zlib.crc32(str(value).encode()) % FOLDS for value in own[name]])


def _error(residual: Floats) -> float:
    return round(100.0 * float(np.median(np.abs(np.expm1(-residual)))), 1)
