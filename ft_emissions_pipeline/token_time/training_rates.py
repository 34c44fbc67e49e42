"""The rows from which the prior is fitted, and the prior.

Put here: which rows of `reference_data/calibration.csv` may enter which fit, and the fit from them.
Keep out: the algebra of the fits (`fit.py`, `power.py`), and how well it does (`evaluate.py`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from ft_emissions_pipeline.reference import Reference, default, take
from ft_emissions_pipeline.token_time import fit, power
from ft_emissions_pipeline.token_time.throughput import rate
from ft_emissions_pipeline.token_time.workload import Workload, of_training_rates, workload
from ft_emissions_pipeline.uncertainty import Floats

SHARES = ("share_32bit_below_1b", "share_8bit")


@dataclass(frozen=True)
class Rows:
    """Rows with a rate: what each had to do, and the log of the seconds per token it took."""

    table: pd.DataFrame
    work: Workload
    log_s: Floats

    def at(self, keep: np.ndarray) -> Rows:
        """Return some rows."""
        return Rows(self.table[keep].reset_index(drop=True), self.work.rows(keep), self.log_s[keep])

    @property
    def weights(self) -> Floats:
        """Weights by which laboratories count about equally."""
        return fit.laboratory_weights(self.table["laboratory"], self.work.pretraining)


def shares(reference: Reference) -> dict[str, float]:
    """Return how common number formats are that no log names."""
    return {name: default(reference, name).value for name in SHARES}


def seconds_per_token(table: pd.DataFrame) -> Floats:
    """Return an accelerator's seconds per token: by rate, else by time and tokens of all. [s]."""
    by_time = table["wall_time_s"] * table["gpu_count"] / table["tokens"]
    return np.asarray((1.0 / table["tokens_per_s_per_gpu"]).fillna(by_time), dtype=float)


def rated_rows(reference: Reference) -> Rows:
    """Return the rows that tell a rate and are flagged for nothing."""
    table = of_training_rates(reference)
    seconds = seconds_per_token(table)
    keep = np.isfinite(seconds) & table["flag"].isna().to_numpy()
    table = table[keep].reset_index(drop=True)
    return Rows(table, workload(table, reference), np.log(seconds[keep]))


def power_rows(reference: Reference) -> pd.DataFrame:
    """Return the rows that tell an accelerator's power at no lowered limit."""
    table = of_training_rates(reference)
    return table[table["mean_gpu_power_w"].notna() & table["flag"].isna()].reset_index(drop=True)


def fit_power(rows: pd.DataFrame, theta: Floats, reference: Reference) -> Floats:
    """Return the power model's coefficients, given those of time.

    Parameters
    ----------
    rows : DataFrame
        Of `power_rows`.
    theta : array
        Coefficients of `throughput`.
    reference : Reference
        Reference tables.
    """
    share, busy, idle = power_inputs(rows, theta, reference)
    weights = np.minimum(
        fit.ROWS_OF_A_LABORATORY / rows.groupby("laboratory")["row_id"].transform("count"), 1.0
    )
    return power.coefficients(share, busy, idle, weights.to_numpy(dtype=float))


def power_inputs(
    rows: pd.DataFrame, theta: Floats, reference: Reference
) -> tuple[Floats, Floats, Floats]:
    """Return measured share of TDP, busy share by the model, and power at rest over TDP."""
    gpu = take(reference, "gpus", rows["gpu_id"], ["tdp_w", "idle_w"])
    tdp = gpu["tdp_w"].to_numpy(dtype=float)
    busy = rate(theta, workload(rows, reference), shares(reference)).busy
    share = rows["mean_gpu_power_w"].to_numpy(dtype=float) / tdp
    return share, busy, gpu["idle_w"].to_numpy(dtype=float) / tdp


def power_w(law: Floats, rows: pd.DataFrame, theta: Floats, reference: Reference) -> Floats:
    """Return an accelerator's mean power by the power model's coefficients `law`. [W]."""
    _, busy, idle = power_inputs(rows, theta, reference)
    tdp = take(reference, "gpus", rows["gpu_id"], ["tdp_w"])["tdp_w"].to_numpy(dtype=float)
    return np.asarray(tdp * power.share_of_tdp(law, busy, idle))
