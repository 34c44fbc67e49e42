"""ESRS sheet: what the fine-tunings add to datapoints on energy, emissions and water, of both acts.

Sources: Delegated Regulation (EU) 2023/2772 (financial years to 2026) and (EU) 2026/1563 (from
2027; either for years beginning in 2026, Article 2). Datapoint ids of the latter are drafts, so
they stay empty.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from ft_emissions_pipeline.export import inventory as lines
from ft_emissions_pipeline.export.figures import Figures
from ft_emissions_pipeline.export.sheets import sheet
from ft_emissions_pipeline.tables.words import Status

FORMAT = "esrs"
FILE = "esrs.csv"
HOLDS = (
    "contributions to ESRS E1 and E3 (CSV or XLSX), by year, after the acts that a year may use: "
    "(EU) 2023/2772 and (EU) 2026/1563"
)
ONE = False

ACT_2023, ACT_2026 = "(EU) 2023/2772", "(EU) 2026/1563"


class _Point(NamedTuple):
    """A datapoint: lines that make it up; its requirement, and datapoint or paragraph, by act."""

    description: str
    lines: tuple[str, ...]
    of_2023: tuple[str, str]
    of_2026: tuple[str, str]
    unit: str = "tCO2e"
    hardware: str | None = None


_SCOPE_3 = ("E1-6", "E1-6_11"), ("E1-8", "par. 30(a)")
_OUTSIDE = ("", "value chain, not E3-4"), ("", "value chain, not E3-4")
_POINTS = (
    _Point("total energy consumption, own operations", (lines.ENERGY,), ("E1-5", "E1-5_01"),
           ("E1-7", "par. 26"), "MWh", lines.OWN),
    _Point("gross Scope 2, location-based", (lines.SCOPE_2,), ("E1-6", "E1-6_09"),
           ("E1-8", "par. 30(a)")),
    _Point("gross Scope 2, market-based", (lines.SCOPE_2_MARKET,), ("E1-6", "E1-6_10"),
           ("E1-8", "par. 30(a)")),
    _Point("gross Scope 3, category 1 purchased services", (lines.CATEGORY_1,), *_SCOPE_3),
    _Point("gross Scope 3, category 3 fuel and energy", (lines.CATEGORY_3,), *_SCOPE_3),
    _Point("gross Scope 3, category 2: informative, hardware counts in the year of purchase",
           (lines.CATEGORY_2,), ("", ""), ("", "")),
    _Point("not assigned to a scope: nobody states who owned the hardware", (lines.UNASSIGNED,),
           ("", ""), ("", "")),
    _Point("total, location-based, without category 2",
           (lines.SCOPE_2, lines.CATEGORY_3, lines.CATEGORY_1), ("E1-6", "E1-6_12"), ("E1-8", "")),
    _Point("total, market-based, without category 2",
           (lines.SCOPE_2_MARKET, lines.CATEGORY_3, lines.CATEGORY_1_MARKET), ("E1-6", "E1-6_13"),
           ("E1-8", "")),
    _Point("total water consumption, own rooms", (lines.ONSITE_WATER,), ("E3-4", "E3-4_01"),
           ("E3-4", "par. 16(a)"), "m3", lines.OWN),
    _Point("water on site of cloud services", (lines.ONSITE_WATER,), *_OUTSIDE, "m3", lines.CLOUD),
    _Point("water of electricity", (lines.ELECTRICITY_WATER,), *_OUTSIDE, "m3"),
    _Point("water of the hardware's making", (lines.EMBODIED_WATER,), *_OUTSIDE, "m3"),
)  # fmt: skip

_METHODS = ("methods and assumptions", ("E1-6", "E1-6_15"), ("E1-8", "par. 30(b)"))
_PRIMARY = ("share of Scope 3 category 1 whose energy was metered or counted", ("E1-6", "E1-6_25"))
_KEPT = ("entity", "period_start", "period_end", "status", "restated", "methodology",
         "reference_version", "made_at", "tool")  # fmt: skip


def acts_of(year: int) -> tuple[str, ...]:
    """Return the acts after which the financial year of a calendar year may report.

    >>> acts_of(2025), acts_of(2026), acts_of(2027)
    (('(EU) 2023/2772',), ('(EU) 2023/2772', '(EU) 2026/1563'), ('(EU) 2026/1563',))
    """
    return (*([ACT_2023] if year <= 2026 else []), *([ACT_2026] if year >= 2026 else []))


def render(figures: Figures, out: Path | None) -> str | bytes:
    """Return the sheet."""
    found = lines.inventory(figures, by_team=False)
    rows = [
        row
        for start, year in found.groupby("period_start")
        for act in acts_of(start.year)
        for row in _of_year(year, act)
    ]
    return sheet(pd.DataFrame(rows, columns=list(_COLUMNS)), out, figures.made_at)


_COLUMNS = (
    "entity", "period_start", "period_end", "standard", "act", "requirement", "paragraph",
    "datapoint_id", "description", "value", "p05", "p95", "unit", "share_primary_data", "status",
    "restated", "methodology", "reference_version", "made_at", "tool",
)  # fmt: skip


def _of_year(year: pd.DataFrame, act: str) -> Iterator[dict[str, object]]:
    rests = {name: year[name].iloc[-1] for name in _KEPT}
    for name, worst in (("status", Status.PROVISIONAL), ("restated", "yes")):
        rests[name] = str(worst) if (year[name] == worst).any() else rests[name]
    for name in ("methodology", "reference_version"):
        rests[name] = " ".join(sorted(set(" ".join(year[name]).split())))

    def row(description: str, place: tuple[str, str], **cells: object) -> dict[str, object]:
        requirement, where = place
        is_id = act == ACT_2023 and bool(requirement)
        return {
            **rests,
            "standard": "ESRS, contribution to",
            "act": act,
            "requirement": requirement,
            "datapoint_id": where if is_id else "",
            "paragraph": "" if is_id else where,
            "description": description,
            **cells,
        }

    for point in _POINTS:
        of = year[year["line"].isin(point.lines)]
        if point.hardware is not None:
            of = of[of["hardware"] == point.hardware]
        if len(of):
            place = point.of_2023 if act == ACT_2023 else point.of_2026
            yield row(point.description, place, unit=point.unit, **_sums(of))
    bought = year[year["line"] == lines.CATEGORY_1]
    if len(bought) and act == ACT_2023:
        share = bought["share_primary_data"].iloc[0] * 100
        yield row(_PRIMARY[0], _PRIMARY[1], unit="%", value=share)
    description, of_2023, of_2026 = _METHODS
    text = f"{description}: {year['inside'].iloc[-1]}"
    yield row(text, of_2023 if act == ACT_2023 else of_2026, unit="text")


def _sums(of: pd.DataFrame) -> dict[str, object]:
    """Return the sum of lines, which is unknown where one is, and the interval of a single one."""
    single = of.iloc[0] if len(of) == 1 else None
    return {
        "value": of["value"].sum(skipna=False) / 1000,
        "p05": None if single is None else single["p05"] / 1000,
        "p95": None if single is None else single["p95"] / 1000,
        "share_primary_data": None if single is None else single["share_primary_data"],
    }
