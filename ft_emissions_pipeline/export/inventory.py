"""Lines of a yearly inventory: energy, carbon by scope, water, by who owned the hardware.

A run counts in the year in which it ended, whenever its version serves: what was emitted in a year,
where the per-inference table and its roll-ups tell what the inferences of a year carry. Over a
version's whole life both are the same kilograms, market-based ones too (`own_amount`).

Scopes follow the GHG Protocol (Corporate Standard; Scope 2 Guidance; Scope 3 Standard): electricity
of own hardware is Scope 2 with what leaves the stacks alone, its supply is category 3; a cloud's
service is category 1, all of it.

Put here: which amounts a year has, in kWh, kg and litres. Keep out: the words of a standard
(`formats/ghg.py`, `formats/esrs.py`).
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from ft_emissions_pipeline.export.figures import READ_AS_ENERGY, Figures, inside, iso, tool
from ft_emissions_pipeline.ledger.inheritance import own_amount
from ft_emissions_pipeline.ledger.rollups import sum_of_runs
from ft_emissions_pipeline.ledger.scatter import Scatter, scatter
from ft_emissions_pipeline.methodology import PROFILES
from ft_emissions_pipeline.tables import RUN_SPREADS
from ft_emissions_pipeline.tables.words import Status

OWN, CLOUD, UNSTATED = "own", "cloud", "not stated"
"""Who owned the hardware."""

ENERGY, SCOPE_2, SCOPE_2_MARKET = "energy", "scope 2", "scope 2 market-based"
CATEGORY_1, CATEGORY_1_MARKET = "category 1", "category 1 market-based"
CATEGORY_2, CATEGORY_3, UNASSIGNED, ALL_CARBON = "category 2", "category 3", "unassigned", "carbon"
ONSITE_WATER, ELECTRICITY_WATER = "on-site water", "electricity water"
EMBODIED_WATER, ALL_WATER = "embodied water", "water"


def hardware_of(versions: pd.DataFrame) -> pd.Series:
    """Return who owned the hardware of runs: `own`, `cloud`, or `not stated`."""
    named = ["cloud_provider", "cloud_region", "managed_service", "instance_type"]
    on_cloud = versions["on_cloud"].astype("boolean")
    cloud = versions[named].notna().any(axis=1) | on_cloud.fillna(False)
    own = ~on_cloud.fillna(True)
    owner = np.where(cloud, CLOUD, np.where(own, OWN, UNSTATED))
    return pd.Series(owner, versions.index)


def inventory(figures: Figures, *, by_team: bool) -> pd.DataFrame:
    """Return the lines of each year and owner of hardware.

    Parameters
    ----------
    figures : Figures
        What is handed on.
    by_team : bool
        Whether each team has lines of its own.

    Returns
    -------
    DataFrame
        entity, period_start, period_end, team, hardware, line, value (kWh, kgCO2e or L; empty
        where it cannot be told), p05, p95 (of the totals, as it is known how runs err together),
        grid (what its factors count), and of each group runs, share_primary_data, status,
        restated, methodology, reference_version, made_at, tool, inside.
    """
    versions = figures.versions.assign(hardware=hardware_of(figures.versions))
    spreads = scatter(figures.table(RUN_SPREADS))
    teams = (
        versions["team"] if by_team else pd.Series(None, versions.index, name="team", dtype="str")
    )
    years = versions["date"].dt.year
    rows = []
    for (year, team, hardware), group in versions.groupby([years, teams, "hardware"], dropna=False):
        named = {
            "entity": figures.entity or "not stated",
            "period_start": _clipped(f"{year}-01-01", figures, 0),
            "period_end": _clipped(f"{year}-12-31", figures, 1),
            "team": team,
            "hardware": hardware,
        }
        rests = _rests_on(group, figures)
        for line, value, p05, p95 in _lines(group, spreads, str(hardware)):
            rows.append({**named, "line": line, "value": value, "p05": p05, "p95": p95, **rests})
    return pd.DataFrame(rows)


def _clipped(day: str, figures: Figures, end: int) -> pd.Timestamp:
    bound = (max, min)[end]
    return bound([pd.Timestamp(day), *([figures.days[end]] if figures.days else [])])


def _rests_on(group: pd.DataFrame, figures: Figures) -> dict[str, object]:
    energy = group["facility_energy_kwh"]
    read = energy.where(group["energy_route"].isin(READ_AS_ENERGY), 0.0)
    return {
        "grid": "as published" if _as_published(group) else "life cycle",
        "runs": len(group),
        "share_primary_data": read.sum() / energy.sum() if energy.sum() else 0.0,
        "status": str(
            Status.FINAL if (group["status"] == Status.FINAL).all() else Status.PROVISIONAL
        ),
        "restated": "yes" if group["restated"].any() else "no",
        "methodology": " ".join(sorted(group["methodology"].unique())),
        "reference_version": " ".join(sorted(group["reference_version"].unique())),
        "made_at": iso(figures.made_at),
        "tool": tool(),
        "inside": inside(group.iloc[-1]),
    }


def _as_published(group: pd.DataFrame) -> bool:
    return any(PROFILES[name].grid_as_published for name in group["methodology"].unique())


_Line = tuple[str, float, float, float]


def _lines(group: pd.DataFrame, spreads: Scatter, hardware: str) -> Iterator[_Line]:
    def summed(name: str) -> float:
        """Return the sum of a column, empty where one run lacks it."""
        return float(group[name].sum(skipna=False))

    def alone(line: str, value: float) -> _Line:
        return line, value, np.nan, np.nan

    whole = sum_of_runs(group, spreads)

    def total(line: str, name: str) -> _Line:
        return line, whole[name], whole[f"{name}_p05"], whole[f"{name}_p95"]

    operational, direct, market, embodied = (
        summed(name)
        for name in ("operational_kgco2e", "operational_direct_kgco2e", "operational_market_kgco2e",
                     "embodied_kgco2e")
    )  # fmt: skip
    yield alone(ENERGY, summed("facility_energy_kwh"))
    if hardware == OWN:
        yield alone(SCOPE_2, direct)
        yield alone(SCOPE_2_MARKET, market)
        # Some published factors hold the supply and some do not.
        yield alone(CATEGORY_3, np.nan if _as_published(group) else operational - direct)
        yield alone(CATEGORY_2, embodied)
        yield total(ALL_CARBON, "total_kgco2e")
    elif hardware == CLOUD:
        yield total(CATEGORY_1, "total_kgco2e")
        market_based = own_amount(group, "market_kgco2e").sum(skipna=False)
        yield alone(CATEGORY_1_MARKET, float(market_based))
    else:
        yield total(UNASSIGNED, "total_kgco2e")
    yield alone(ONSITE_WATER, summed("onsite_water_l"))
    yield alone(ELECTRICITY_WATER, summed("electricity_water_l"))
    yield alone(EMBODIED_WATER, summed("embodied_water_l"))
    yield total(ALL_WATER, "total_water_l")
