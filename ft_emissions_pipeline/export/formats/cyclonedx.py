"""CycloneDX 1.7 ML-BOM: each version a component with its environmental considerations.

Source: CycloneDX/specification e02a34ae, schema/bom-1.7.schema.json. `co2CostEquivalent` is that
of the energy, so operational carbon alone; embodied carbon, water and bounds are properties.
"""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any

from ft_emissions_pipeline.export.figures import (
    TOOL,
    Figures,
    Row,
    as_json,
    iso,
    plain,
    release,
    rounded,
    texts,
    uuid_of,
)

FORMAT = "cyclonedx"
FILE = "bom.cdx.json"
HOLDS = "a CycloneDX 1.7 ML-BOM with energy, operational carbon and our other figures as properties"
ONE = False

_KG_PER_T = 1000.0


def render(figures: Figures, out: Path | None) -> str:  # noqa: ARG001 (the same wherever it lies)
    """Return the bill of materials."""
    rows = figures.rows()
    every = " ".join(uuid_of(row, figures.made_at) for row in rows)
    return as_json(
        {
            "bomFormat": "CycloneDX",
            "specVersion": "1.7",
            "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, every)}",
            "version": 1,
            "metadata": {
                "timestamp": iso(figures.made_at),
                "tools": {
                    "components": [{"type": "application", "name": TOOL, "version": release()}]
                },
                **({"supplier": {"name": figures.entity}} if figures.entity else {}),
            },
            "components": [_component(row, figures) for row in rows],
        }
    )


def _component(row: Row, figures: Figures) -> dict[str, Any]:
    ancestors = [
        {"type": "machine-learning-model", "name": row[name]}
        for name in ("parent_version", "base_model")
        if name in row
    ]
    return {
        "type": "machine-learning-model",
        "bom-ref": row["model_version"],
        "name": row["model_name"],
        "version": row["model_version"],
        **({"pedigree": {"ancestors": ancestors}} if ancestors else {}),
        "modelCard": {
            "considerations": {"environmentalConsiderations": _environment(row, figures)}
        },
    }


def _environment(row: Row, figures: Figures) -> dict[str, Any]:
    grid = plain(row["grid_kgco2e_per_kwh"], 3)
    energy = {"value": rounded(row["facility_energy_kwh"]), "unit": "kWh"}
    provider = {
        "organization": {"name": "unknown"},
        # A grid mix has no word of its own.
        "energySource": "other",
        "energyProvided": energy,
        "description": f"grid in {row['country_iso3']}, {grid} kgCO2e/kWh",
    }
    tonnes = rounded(row["operational_kgco2e"] / _KG_PER_T)
    return {
        "energyConsumptions": [
            {
                "activity": "fine-tuning",
                "energyProviders": [provider],
                "activityEnergyCost": energy,
                "co2CostEquivalent": {"value": tonnes, "unit": "tCO2eq"},
            }
        ],
        "properties": [
            {"name": f"ft-emissions:{name}", "value": value}
            for name, value in texts(row, figures.made_at).items()
        ],
    }
