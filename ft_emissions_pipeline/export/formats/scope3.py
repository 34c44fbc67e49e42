"""Scope3 `ModelCreateRequest`: the training fields of a version.

Source: scope3ai 0.3.0, api/typesgen.py. Its usage water is on-site and electricity together. It
has no field for method and interval; they stand in `name`, which is for people.
"""

from __future__ import annotations

from pathlib import Path

from ft_emissions_pipeline.export.figures import Figures, as_json, iso, name_of, plain, rounded

FORMAT = "scope3"
FILE = "scope3.json"
HOLDS = "the body of Scope3's `ModelCreateRequest` with the training fields of one version"
ONE = True


def render(figures: Figures, out: Path | None) -> str:  # noqa: ARG001 (the same wherever it lies)
    """Return the body of the request."""
    row = figures.newest()
    rests = (
        f"methodology {row['methodology']}, factors {row['reference_version']}, {row['status']}"
        f"{', corrected' if row['restated'] else ''}, made {iso(figures.made_at)}, 90 % interval "
        f"{plain(row['total_kgco2e_p05'], 3)} to {plain(row['total_kgco2e_p95'], 3)} kgCO2e"
    )
    numbers = {
        "estimated_use_life_days": row["expected_use_life_days"],
        "estimated_requests_per_day": row.get("expected_inferences_per_day"),
        "total_params_billions": row["model_parameters"] / 1e9
        if "model_parameters" in row
        else None,
        "training_usage_energy_kwh": row["facility_energy_kwh"],
        "training_usage_emissions_kgco2e": row["operational_kgco2e"],
        "training_usage_water_l": row["onsite_water_l"] + row["electricity_water_l"],
        "training_embodied_emissions_kgco2e": row["embodied_kgco2e"],
        "training_embodied_water_l": row["embodied_water_l"],
    }
    base = row.get("model_id", row.get("base_model"))
    return as_json(
        {
            "id": row["model_version"],
            "name": f"{name_of(row)} ({rests})",
            **({} if base is None else {"fine_tuned_from_model_id": base}),
            **{name: rounded(value) for name, value in numbers.items() if value is not None},
        }
    )
