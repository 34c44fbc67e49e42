"""BoAmps 1.1.0 report of a version: energy of the computing hardware, machine, task.

Source: Boavizta/BoAmps 3bfefec, model/*_schema.json. The format has no field for water, embodied
carbon, PUE or emissions; they stand in `taskDescription`. Its energy is what was measured, before
the PUE; one that was only modelled says so in `measurementMethod`.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pandas as pd

from ft_emissions_pipeline.equations import GRAMS_PER_KG
from ft_emissions_pipeline.export.figures import (
    READ_AS_ENERGY,
    TOOL,
    Figures,
    Row,
    as_json,
    release,
    rounded,
    told,
    uuid_of,
)
from ft_emissions_pipeline.export.inventory import CLOUD, OWN, hardware_of
from ft_emissions_pipeline.tables.words import EnergyRoute, Status

FORMAT = "boamps"
FILE = "boamps.json"
HOLDS = "a BoAmps 1.1.0 report of one version; a corrected figure is `corrective`"
ONE = True

_SPECIFICATION = "https://github.com/Boavizta/BoAmps/tree/main/model"
_INFRASTRUCTURE = {CLOUD: "publicCloud", OWN: "onPremise"}
_QUALITY = (("high", 0.10), ("medium", 0.25), ("low", 0.50))
"""Half-width of the interval, up to which a report is of that quality."""


def render(figures: Figures, out: Path | None) -> str:  # noqa: ARG001 (the same wherever it lies)
    """Return the report."""
    row = figures.newest()
    quality = _quality(figures.evidence(row).loc["it_energy_kwh"])
    report: dict[str, Any] = {"quality": quality} if quality else {}
    return as_json(
        report
        | {
            "header": _header(row, figures),
            "task": _task(row, figures),
            "measures": [_measure(row)],
            "infrastructure": _infrastructure(row, figures),
            "environment": {
                "country": row["country_iso3"],
                **_given(row, location="location"),
                "powerSourceCarbonIntensity": rounded(row["grid_kgco2e_per_kwh"] * GRAMS_PER_KG),
            },
        }
    )


def _given(row: Row, **fields: str) -> dict[str, Any]:
    """Return key -> cell of what is known of a version."""
    return {
        key: rounded(row[name]) if isinstance(row[name], float) else row[name]
        for key, name in fields.items()
        if name in row
    }


def _header(row: Row, figures: Figures) -> dict[str, Any]:
    status = "final" if row["status"] == Status.FINAL else "draft"
    publisher = {"name": figures.entity, "confidentialityLevel": "internal"}
    return {
        "formatVersion": "1.1.0",
        "formatVersionSpecificationUri": _SPECIFICATION,
        "reportId": uuid_of(row, figures.made_at),
        "reportDatetime": _datetime(figures.made_at),
        "reportStatus": "corrective" if row["restated"] else status,
        **({"publisher": publisher} if figures.entity else {}),
    }


def _datetime(instant: pd.Timestamp) -> str:
    return f"{instant:%Y-%m-%d %H:%M:%S}"


def _task(row: Row, figures: Figures) -> dict[str, Any]:
    algorithm = {
        "trainingType": "transferLearning",
        **_given(
            row, foundationModelName="base_model", parametersNumber="model_parameters",
            framework="software", epochsNumber="epochs", optimizer="method",
            quantization="precision",
        ),
    }  # fmt: skip
    if "parametersNumber" in algorithm:
        algorithm["parametersNumber"] = rounded(algorithm["parametersNumber"] / 1e9)
    return {
        "taskStage": "finetuning",
        "taskFamily": "not stated",
        "algorithms": [algorithm],
        "dataset": [_dataset(row)],
        "taskDescription": told(row, figures.made_at),
    }


def _dataset(row: Row) -> dict[str, Any]:
    """Return what is known of the training set: the format counts it once, not once an epoch."""
    tokens = row.get("tokens_unpadded", row.get("tokens_padded"))
    if tokens is not None:
        once = rounded(tokens / row.get("epochs", 1.0))
        return {"dataUsage": "input", "dataType": "token", "dataQuantity": once}
    return {"dataUsage": "input", "dataType": "other", **_given(row, dataQuantity="samples")}


def _measure(row: Row) -> dict[str, Any]:
    route = row["energy_route"]
    method = (
        f"{TOOL}, {'counters and losses' if route in READ_AS_ENERGY else f'estimated, {route}'}"
    )
    return {
        "measurementMethod": "wattmeter" if route == EnergyRoute.METER else method, "version":
        release(), "powerConsumption": rounded(row["it_energy_kwh"]), "measurementDuration":
        rounded(row["reserved_s"]), "measurementDateTime": _datetime(row["started_at"]),
        **_given(row, averageUtilizationCpu="cpu_utilization",
        averageUtilizationGpu="gpu_utilization"),
    }  # fmt: skip


def _infrastructure(row: Row, figures: Figures) -> dict[str, Any]:
    versions = figures.versions
    hardware = hardware_of(versions[versions["run_id"] == row["run_id"]]).iloc[0]
    # On a CPU alone, its CPUs are the component that a report must have.
    kind, name, count = (
        ("gpu", "gpu_model", row["gpu_count"])
        if row["gpu_count"] > 0
        else ("cpu", "cpu_model", row["cpu_count"])
    )
    whole = max(math.ceil(count), 1)
    return {
        "infraType": _INFRASTRUCTURE.get(hardware, "other"),
        **_given(
            row, cloudProvider="cloud_provider", cloudInstance="instance_type",
            cloudService="managed_service",
        ),
        "components": [
            {
                "componentType": kind,
                **_given(row, componentName=name),
                "nbComponent": whole,
                "share": rounded(count / whole),
            }
        ],
    }  # fmt: skip


def _quality(energy: pd.Series) -> str | None:
    """Return the format's word for how far energy may be off, None beyond its last one."""
    value = float(energy["value"])
    off = max(energy["p95"] / value - 1, 1 - energy["p05"] / value) if value > 0 else math.inf
    return next((word for word, most in _QUALITY if off <= most), None)
