"""GHG Protocol sheet: scopes, location- and market-based, energy and water of each year.

Sources: GHG Protocol Corporate Standard (2004), chapter 4; Scope 2 Guidance (2015), chapter 6;
Corporate Value Chain (Scope 3) Standard (2011), chapter 5. Water stands outside of them.
"""

from __future__ import annotations

from pathlib import Path

from ft_emissions_pipeline.export import inventory as lines
from ft_emissions_pipeline.export.figures import Figures
from ft_emissions_pipeline.export.sheets import sheet

FORMAT = "ghg"
FILE = "ghg.csv"
HOLDS = (
    "a GHG Protocol sheet (CSV, or XLSX by the name of `--out`): scopes by who owned the hardware, "
    "location- and market-based, energy and water, by year and team"
)
ONE = False

_T, _MWH, _M3 = ("tCO2e", 1e-3), ("MWh", 1e-3), ("m3", 1e-3)
_SAID = {
    lines.ENERGY: ("", "", "", "", _MWH, "electricity of the facility, with cooling and losses"),
    lines.SCOPE_2: ("2", "", "location-based", "direct", _T, "purchased electricity"),
    lines.SCOPE_2_MARKET: (
        "2", "", "market-based", "as contracted", _T,
        "purchased electricity; empty where a run has no contract's factor",
    ),
    lines.CATEGORY_3: (
        "3", "3 Fuel- and energy-related activities", "location-based", "life cycle less direct",
        _T,
        "supply of fuels and building of plants; empty where factors are taken as published",
    ),
    lines.CATEGORY_2: (
        "3", "2 Capital goods", "", "life cycle", _T,
        "share of the hardware's making; informative: the category counts hardware in full in the "
        "year of purchase",
    ),
    lines.CATEGORY_1: (
        "3", "1 Purchased goods and services", "location-based", "life cycle", _T,
        "cloud or managed service: electricity and share of the hardware's making",
    ),
    lines.CATEGORY_1_MARKET: (
        "3", "1 Purchased goods and services", "market-based", "as contracted", _T,
        "the same with contracts' factors; empty where a run has none",
    ),
    lines.UNASSIGNED: (
        "2 or 3", "", "location-based", "life cycle", _T,
        "nobody states who owned the hardware: state on_cloud or cloud_provider in runs.yaml",
    ),
    lines.ALL_CARBON: (
        "", "", "location-based", "life cycle", _T,
        "scope 2, category 3 and category 2 above together, with their interval; do not add",
    ),
    lines.ONSITE_WATER: ("", "", "", "", _M3, "water consumed in cooling"),
    lines.ELECTRICITY_WATER: ("", "", "", "", _M3, "water consumed in generating the electricity"),
    lines.EMBODIED_WATER: ("", "", "", "", _M3, "share of the water of the hardware's making"),
    lines.ALL_WATER: ("", "", "", "", _M3, "the water above together; outside the GHG Protocol"),
}  # fmt: skip
"""Line -> scope, category, method, emissions basis, unit with factor, description."""


def render(figures: Figures, out: Path | None) -> str | bytes:
    """Return the sheet."""
    found = lines.inventory(figures, by_team=True)
    said = found["line"].map(_SAID)
    factor = said.map(lambda words: words[4][1])
    rows = found.assign(
        **{
            name: said.str[n]
            for n, name in enumerate(("scope", "category", "method", "emissions_basis"))
        },
        unit=said.map(lambda words: words[4][0]),
        description=said.str[5],
        **{name: found[name] * factor for name in ("value", "p05", "p95")},
    )
    basis = rows["emissions_basis"]
    rows["emissions_basis"] = basis.mask(basis == "life cycle", rows["grid"])
    return sheet(rows[list(_COLUMNS)], out, figures.made_at)


_COLUMNS = (
    "entity", "period_start", "period_end", "team", "hardware", "scope", "category", "method",
    "emissions_basis", "description", "value", "p05", "p95", "unit", "runs", "share_primary_data",
    "status", "restated", "methodology", "reference_version", "made_at", "tool", "inside",
)  # fmt: skip
