"""The parameters of the token-time model, and its prediction.

Put here: what is in force on a day, and times from operations. Keep out: operations from tokens
(`flops.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from ft_emissions_pipeline import equations, uncertainty
from ft_emissions_pipeline import reference as ref
from ft_emissions_pipeline.tables import TOKEN_TIME_MODEL, conform

PARAMETERS = (
    "model_flop_utilization", "startup_s", "tokens_padded_per_unpadded",
    "flop_factor_full", "flop_factor_lora", "flop_factor_qlora", "time_factor_qlora",
)  # fmt: skip


def parameters(reference: ref.Reference, days: pd.DatetimeIndex) -> pd.DataFrame:
    """Return the parameters in force on each day, as rows of table `token_time_model`.

    Parameters
    ----------
    reference : Reference
        Reference tables.
    days : DatetimeIndex
        UTC days.
    """
    dates = pd.Series(days)
    frames = []
    for name in PARAMETERS:
        row = ref.default(reference, name, dates)
        frames.append(pd.DataFrame({"date": dates, "parameter": name, **row._asdict()}))
    return conform(pd.concat(frames, ignore_index=True), TOKEN_TIME_MODEL)


@dataclass(frozen=True)
class Prediction:
    """Predicted times, with the standard deviations of their logarithms."""

    active_s: np.ndarray
    reserved_s: np.ndarray
    active_log_sd: np.ndarray
    reserved_log_sd: np.ndarray


def predict(
    flop: np.ndarray,
    flop_log_sd: np.ndarray,
    *,
    gpu_count: np.ndarray,
    peak_flop_rate: np.ndarray,
    flop_utilization: np.ndarray,
    flop_utilization_log_sd: np.ndarray,
    startup_s: np.ndarray,
    startup_log_sd: np.ndarray,
) -> Prediction:
    """Return the time in which the accelerators compute, and the time for which they are reserved.

    Parameters
    ----------
    flop : array
        Operations of each run. [FLOP]
    gpu_count : array
        Accelerators. [unitless]
    peak_flop_rate : array
        Peak of one accelerator in the run's number format. [FLOP/s]
    flop_utilization : array
        Share of the peak reached. [unitless]
    startup_s : array
        Fixed start-up, reserved but not computing. [s]
    flop_log_sd, flop_utilization_log_sd, startup_log_sd : array
        Standard deviations of the logarithms.
    """

    def times(values: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        reserved = equations.fine_tuning_time(
            values["flop"],
            gpu_count=gpu_count,
            peak_flop_rate=peak_flop_rate,
            flop_utilization=values["utilization"],
            startup_time=values["startup"],
        )
        return {"active": reserved - values["startup"], "reserved": reserved}

    inputs = {"flop": flop, "utilization": flop_utilization, "startup": startup_s}
    spreads = {
        "flop": flop_log_sd, "utilization": flop_utilization_log_sd, "startup": startup_log_sd,
    }  # fmt: skip
    found = times(inputs)
    spread = uncertainty.propagate(times, inputs, spreads)
    return Prediction(
        active_s=found["active"],
        reserved_s=found["reserved"],
        active_log_sd=spread["active"].log_sd,
        reserved_log_sd=spread["reserved"].log_sd,
    )
