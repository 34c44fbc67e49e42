"""SPDX 3.0.1, AI profile: a version as `ai_AIPackage` with its fine-tuning energy.

Source: spdx-3-model tag 3.0.1. Quantities are decimals written as text; carbon, water and intervals
have no place but `ai_metric`. Version 3.1 is to replace this by observations, so it is kept small.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import quote

from ft_emissions_pipeline.export.figures import (
    FIGURES,
    Figures,
    Row,
    as_json,
    iso,
    name_of,
    plain,
    told,
    tool,
    uuid_of,
)

FORMAT = "spdx"
FILE = "version.spdx.json"
HOLDS = "an SPDX 3.0.1 document of the AI profile: fine-tuning energy, metrics, base model"
ONE = True

_CREATION = "_:CreationInfo0"
_NOT_ASSERTED = "https://spdx.org/rdf/3.0.1/terms/Core/NoAssertionElement"


def render(figures: Figures, out: Path | None) -> str:  # noqa: ARG001 (the same wherever it lies)
    """Return the document."""
    row = figures.newest()
    name, base = quote(row["model_name"], safe=""), row.get("base_model")
    at = f"https://spdx.org/spdxdocs/{name}-{uuid_of(row, figures.made_at)}"
    graph = [
        {
            "type": "CreationInfo",
            "@id": _CREATION,
            "created": iso(figures.made_at),
            "createdBy": [f"{at}#supplier"],
            "createdUsing": [f"{at}#tool"],
            "specVersion": "3.0.1",
        },
        _element("SpdxDocument", at, "document", name_of(row),
                 profileConformance=["core", "software", "ai"], rootElement=[f"{at}#package"]),
        _element("Organization", at, "supplier", figures.entity or "not stated"),
        _element("Tool", at, "tool", tool()),
        _element("ai_AIPackage", at, "package", row["model_name"],
                 software_packageVersion=row["model_version"],
                 software_downloadLocation=_NOT_ASSERTED, software_primaryPurpose="model",
                 releaseTime=iso(row.get("published_at", row["ended_at"])),
                 suppliedBy=f"{at}#supplier",
                 ai_informationAboutTraining=told(row, figures.made_at),
                 ai_energyConsumption=_energy(row), ai_metric=_metrics(row)),
    ]  # fmt: skip
    if base is not None:
        graph += [
            _element("software_Package", at, "base", base, software_primaryPurpose="model"),
            _element("Relationship", at, "descends", f"{row['model_name']} from {base}",
                     relationshipType="descendantOf", to=[f"{at}#base"], **{"from":
                     f"{at}#package"}),
        ]  # fmt: skip
    return as_json({"@context": "https://spdx.org/rdf/3.0.1/spdx-context.jsonld", "@graph": graph})


def _element(kind: str, at: str, fragment: str, name: str, **more: Any) -> dict[str, Any]:
    return {
        "type": kind,
        "spdxId": f"{at}#{fragment}",
        "creationInfo": _CREATION,
        "name": name,
        **more,
    }


def _metrics(row: Row) -> list[dict[str, str]]:
    return [
        {"type": "DictionaryEntry", "key": f"ft_emissions/{name}", "value": plain(row[name])}
        for name in FIGURES
        if name in row
    ]


def _energy(row: Row) -> dict[str, Any]:
    described = {
        "type": "ai_EnergyConsumptionDescription",
        "ai_energyQuantity": plain(row["facility_energy_kwh"]),
        "ai_energyUnit": "kilowattHour",
    }
    return {"type": "ai_EnergyConsumption", "ai_finetuningEnergyConsumption": [described]}
