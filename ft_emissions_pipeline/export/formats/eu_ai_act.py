"""EU AI Act, general-purpose AI: what the model documentation asks of compute, time and energy.

Sources: Regulation (EU) 2024/1689, Annex XI, section 1, point 2 (d) and (e); Code of Practice of
2025-07-10, Model Documentation Form. A modifier documents the modification alone.
"""

from __future__ import annotations

import math
from pathlib import Path

from ft_emissions_pipeline.calendar_days import DAYS_PER_MONTH, SECONDS_PER_DAY
from ft_emissions_pipeline.export.figures import (
    READ_AS_ENERGY,
    Figures,
    Row,
    as_json,
    facts,
    inside,
    name_of,
    plain,
)

FORMAT = "eu-ai-act"
FILE = "eu_ai_act.json"
HOLDS = "the EU AI Act's items on training time, compute and energy for model documentation"
ONE = True

_KWH_PER_MWH = 1000.0
_RANGES = ((1, "< 1 month"), (3, "1-3 months"), (6, "3-6 months"))
_UNKNOWN = "N/A: not in the logs"


def render(figures: Figures, out: Path | None) -> str:  # noqa: ARG001 (the same wherever it lies)
    """Return the items."""
    row = figures.newest()
    flop = row.get("train_flop")
    # Two significant digits are asked for; a third shows how they were rounded.
    return as_json(
        {
            "act": "Regulation (EU) 2024/1689, Annex XI, section 1, point 2 (d) and (e)",
            "model": name_of(row),
            "provider": figures.entity or "not stated",
            "model_dependencies": [row[n] for n in ("parent_version", "base_model") if n in row],
            "training_time": _time(row),
            "training_computation_flop": _UNKNOWN if flop is None else f"{flop:.2e}",
            "training_computation_order": _UNKNOWN if flop is None else _order(flop),
            "training_computation_methodology": (
                "work of the final run as logged, or from parameters and tokens; the base model's "
                "training is not counted"
            ),
            "training_energy_mwh": plain(row["facility_energy_kwh"] / _KWH_PER_MWH, 3),
            "energy_boundary": f"facility, PUE {plain(row['pue'], 3)}; all work for the version",
            "energy_methodology": _method(row),
            "inference_computation_flop": "N/A: no part of a fine-tuning's logs",
            "inherited_energy": "not counted: that of the base model and of earlier versions",
            "figures": facts(row, figures.made_at),
        }
    )


def _order(flop: float) -> str:
    """Return the power of ten of an amount: what national authorities are told."""
    return f"1e{math.floor(math.log10(flop))}"


def _time(row: Row) -> dict[str, str]:
    days = row["reserved_s"] / SECONDS_PER_DAY * row["development_multiplier"]
    words = (word for months, word in _RANGES if days < months * DAYS_PER_MONTH)
    return {
        "range": next(words, "> 6 months"),
        "wall_clock_days": plain(days, 3),
        "hardware_days": plain(days * max(row["gpu_count"], 1.0), 3),
    }


def _method(row: Row) -> str:
    kind = "measured" if row["energy_route"] in READ_AS_ENERGY else "estimated"
    low, high = (plain(row[f"total_kgco2e_{end}"], 3) for end in ("p05", "p95"))
    return (
        f"{kind} ({row['energy_route']}); carbon {plain(row['total_kgco2e'], 3)} kgCO2e, 90 % "
        f"interval {low} to {high}; methodology {row['methodology']}, factors "
        f"{row['reference_version']}; {inside(row)}"
    )
