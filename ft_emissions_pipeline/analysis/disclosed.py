"""Beside our total, the one that a run's own source disclosed (CodeCarbon, eco2AI, a model card).

Put here: the comparison of the two, and what of their ratio can be told. Keep out: how it is shown
(`explain.py`, `report/`). Nothing here changes a figure: a disclosed total is compared, never used.

A source's total is carbon of electricity. With the same energy behind both,

    ours / theirs = (PUE x grid) / (theirs / computing energy) x development multiplier
                    + embodied / theirs
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from ft_emissions_pipeline.tables.frames import among, places
from ft_emissions_pipeline.tables.words import EnergyRoute

COMPARED = (
    "run_id", "disclosed_kgco2e", "it_energy_kwh", "counted_energy_kwh", "energy_route", "pue",
    "grid_kgco2e_per_kwh", "development_multiplier", "source_uri",
)  # fmt: skip
"""Columns of `normalized_runs` that the comparison needs."""

_SAME_ENERGY = (EnergyRoute.LOGGED_TOTAL, EnergyRoute.LOGGED_COMPONENTS)
_ALIKE = 0.01
"""Relative difference up to which two factors are the same."""


def compared(
    normalized: pd.DataFrame, run_impacts: pd.DataFrame, most: int | None = None
) -> pd.DataFrame:
    """Return the runs whose source disclosed a total, beside ours.

    Parameters
    ----------
    normalized : DataFrame
        Columns `COMPARED` of table `normalized_runs`.
    run_impacts : DataFrame
        Table `run_impacts`.
    most : int, optional
        Rows that are told; all by default.

    Returns
    -------
    DataFrame
        run_id, model_name, source_uri, date, disclosed_kgco2e, total_kgco2e with percentiles,
        ratio (ours / theirs, missing where theirs is 0), reasons (list of str); the widest apart
        first.
    """
    both = totals(normalized, run_impacts)
    theirs = both["disclosed_kgco2e"]
    both["ratio"] = both["total_kgco2e"] / theirs.where(theirs > 0)
    both["apart"] = np.abs(np.log(both["ratio"].where(both["ratio"] > 0))).fillna(math.inf)
    widest = both.nlargest(len(both) if most is None else most, "apart", keep="all")
    widest = widest.sort_values(["apart", "run_id"], ascending=[False, True]).head(most)
    ours = run_impacts.drop(columns=["it_energy_kwh", "disclosed_kgco2e"], errors="ignore")
    told = normalized.loc[widest.index, list(COMPARED)].merge(
        ours[among(ours["run_id"], widest["run_id"])], on="run_id"
    )
    told = told.assign(**{name: widest[name].to_numpy() for name in ("ratio", "apart")})
    said = [reasons(row) for row in told.to_dict("records")]
    return told.assign(reasons=pd.Series(said, told.index, dtype="object"))


def totals(normalized: pd.DataFrame, run_impacts: pd.DataFrame) -> pd.DataFrame:
    """Return run_id, disclosed_kgco2e and total_kgco2e of the runs whose source disclosed one."""
    stated = normalized.loc[normalized["disclosed_kgco2e"].notna(), ["run_id", "disclosed_kgco2e"]]
    at = places(run_impacts["run_id"], stated["run_id"])
    ours = run_impacts["total_kgco2e"].to_numpy()
    return stated[at >= 0].assign(total_kgco2e=ours[at[at >= 0]])


def reasons(run: pd.Series | Mapping[str, Any]) -> list[str]:
    """Return what of the difference is known, as sentences with their numbers.

    Parameters
    ----------
    run : Series or mapping
        Columns `COMPARED`, and embodied_kgco2e of table `run_impacts`.
    """
    theirs, ours = run["disclosed_kgco2e"], run["it_energy_kwh"]
    counted = run["counted_energy_kwh"]
    energy = counted if pd.notna(counted) else ours
    known = []
    if not theirs > 0:
        known.append("the source states 0, which trackers write where they measured nothing")
    elif run["energy_route"] not in _SAME_ENERGY:
        known.append(_OTHER_ENERGY[run["energy_route"]])
    elif energy > 0:
        own, implied = run["pue"] * run["grid_kgco2e_per_kwh"], theirs / energy
        if abs(own / implied - 1) > _ALIKE:
            known.append(
                f"kgCO2e per kWh of computing: theirs {implied:.3g}, ours PUE "
                f"{run['pue']:.4g} x grid {run['grid_kgco2e_per_kwh']:.3g} = {own:.3g}"
            )
        if ours > energy:
            known.append(
                f"our energy at the plug is {ours / energy:.3g} times theirs, "
                "which counters saw inside the host"
            )
    if run["development_multiplier"] > 1:
        known.append(
            f"ours counts {run['development_multiplier']:.3g} times the final run, "
            "for its development"
        )
    if run["embodied_kgco2e"] > 0:
        known.append(
            f"ours holds {run['embodied_kgco2e']:.3g} kgCO2e embodied in the hardware, "
            "electricity alone none"
        )
    return known


_OTHER_ENERGY = {
    EnergyRoute.METER: "our energy is the meter's, theirs software's",
    EnergyRoute.CALIBRATED: "our energy is theirs, scaled by what meters of the host saw",
    EnergyRoute.GPU_MEASURED: "our energy is the measured GPUs' and the modelled rest of the "
    "server's",
    EnergyRoute.PARTLY_MEASURED: "our energy is their measured parts and a model of what they did "
    "not read",
    EnergyRoute.POWER_MODEL: "the source's energy is not logged, so energy and factor cannot be "
    "told apart",
}
"""energy_route -> why energies differ, where ours is not the source's own."""
