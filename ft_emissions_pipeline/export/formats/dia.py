"""DIA report v0.1: a version's own footprint, and from which models it descends.

Source: VectorInstitute/ai-impact-accounting b7cc5f6, schema/dia_schema.json. Its scope is
incremental: never an ancestor's share. Carbon and water are intervals, low and high.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ft_emissions_pipeline.calendar_days import SECONDS_PER_HOUR
from ft_emissions_pipeline.export.figures import (
    READ_AS_ENERGY,
    Figures,
    Row,
    as_json,
    rounded,
    told,
)
from ft_emissions_pipeline.tables.words import Basis, Method

FORMAT = "dia"
FILE = "dia.json"
HOLDS = "a DIA report v0.1 of one version's own share, with lineage and quality of each figure"
ONE = True

_RELATIONS = {
    Method.LORA: "lora", Method.QLORA: "qlora", Method.ADAPTER: "adapter", Method.DISTILLATION:
    "distill",
}  # fmt: skip
"""Method -> the format's word; any other is a fine-tuning."""


def render(figures: Figures, out: Path | None) -> str:  # noqa: ARG001 (the same wherever it lies)
    """Return the report."""
    row = figures.newest()
    bases = figures.evidence(row)["basis"]
    counted = row["energy_route"] in READ_AS_ENERGY
    default_wue = bases.get("wue_l_per_kwh") == Basis.DEFAULT
    water = "estimated-from-default-wue" if default_wue else "estimated-from-region"
    return as_json(
        {
            "scope": "incremental",
            "lineage": _lineage(row),
            "compute": _compute(row),
            "footprint": {
                "energy_kwh": {
                    "value": rounded(row["facility_energy_kwh"]),
                    "quality": "measured" if counted else "estimated-from-hardware",
                },
                "carbon_kgco2eq": {
                    "value": _interval(row, "total_kgco2e"),
                    "quality": "estimated-from-region",
                },
                "water_liters": {"value": _interval(row, "total_water_l"), "quality": water},
            },
            "context": {
                "region": row.get("cloud_region") or row.get("location") or row["country_iso3"],
                "carbon_intensity": rounded(row["grid_kgco2e_per_kwh"]),
                "wue_l_per_kwh": rounded(row["wue_l_per_kwh"]),
            },
            "tool": told(row, figures.made_at),
        }
    )


def _interval(row: Row, name: str) -> list[float]:
    return [rounded(row[f"{name}_{end}"]) for end in ("p05", "p95")]


def _lineage(row: Row) -> list[dict[str, str]]:
    """Return parent and base model; the relation is that to what was fine-tuned."""
    named = [row[name] for name in ("parent_version", "base_model") if name in row]
    relation = {"relation": _RELATIONS.get(row.get("method", ""), "finetune")}
    return [{"model": name, **(relation if n == 0 else {})} for n, name in enumerate(named)]


def _compute(row: Row) -> dict[str, Any]:
    count = row["gpu_count"]
    hours = count * row["reserved_s"] / SECONDS_PER_HOUR * row["development_multiplier"]
    whole = {"count": int(count)} if count >= 1 and float(count).is_integer() else {}
    return {
        "hardware": {"gpu": row.get("gpu_model", "none"), **whole},
        "duration_gpu_hours": rounded(hours),
    }
