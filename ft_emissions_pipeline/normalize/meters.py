"""What meters teach about energy that software logged, host by host.

Put here: the ratio of meter and software, and the energy that it is applied to. Keep out: energy
from samples (`landing/telemetry.py`) and the rule that applies a ratio (`energy.py`).
"""

from __future__ import annotations

import pandas as pd


def calibration(runs: pd.DataFrame) -> pd.DataFrame:
    """Return how much more a host's meter saw than software did.

    Parameters
    ----------
    runs : DataFrame
        Table `runs` or `validated_runs`; those with both a meter's energy and a logged total (or
        its components) on a single known host count.

    Returns
    -------
    DataFrame
        `host`, `coefficient` (sum of the meter's over sum of the software's), `runs`, and the 5th
        and 95th percentile of the runs' own ratios, `p05` and `p95`.
    """
    software = software_energy(runs)
    both = runs.assign(software=software, ratio=runs["meter_energy_kwh"] / software)
    single = both["host"].notna() & ~both["host"].str.contains(" ", na=False)
    both = both[single & (both["software"] > 0) & (both["meter_energy_kwh"] > 0)]
    groups = both.groupby("host")
    sums = groups[["meter_energy_kwh", "software"]].sum()
    return pd.DataFrame(
        {
            "coefficient": sums["meter_energy_kwh"] / sums["software"],
            "runs": groups.size(),
            "p05": groups["ratio"].quantile(0.05),
            "p95": groups["ratio"].quantile(0.95),
        }
    ).reset_index()


def software_energy(runs: pd.DataFrame) -> pd.Series:
    """Return the energy that software logged: the total, else all of its components, in kWh."""
    parts = runs[["gpu_energy_kwh", "cpu_energy_kwh", "ram_energy_kwh"]]
    return runs["it_energy_kwh"].fillna(parts.sum(axis=1, min_count=3))


def uncalibrated(runs: pd.DataFrame, coefficients: pd.DataFrame) -> pd.Series:
    """Return which runs have no meter, but software's energy on a host with a coefficient."""
    return (
        runs["meter_energy_kwh"].isna()
        & software_energy(runs).notna()
        & runs["host"].isin(coefficients["host"])
    )
