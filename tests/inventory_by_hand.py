"""A run of round parts, and the sheets in which its owner reports it."""

from dataclasses import replace

import pandas as pd

from ft_emissions_pipeline import export

PARTS = {
    "facility_energy_kwh": 2000.0, "operational_kgco2e": 900.0, "operational_direct_kgco2e": 700.0,
    "operational_market_kgco2e": 100.0, "embodied_kgco2e": 60.0, "total_kgco2e": 960.0,
    "onsite_water_l": 300.0, "electricity_water_l": 5000.0, "embodied_water_l": 40.0,
    "total_water_l": 5340.0,
}  # fmt: skip
TEXTS = ("scope", "category", "method", "emissions_basis")
NOT_CLOUD = dict.fromkeys(("cloud_provider", "cloud_region", "managed_service", "instance_type"))


def sheet_of(disclosed, tmp_path, name="ghg", **cells):
    changed = replace(disclosed, versions=disclosed.versions.assign(**PARTS, **cells))
    return read(export.write(name, changed, tmp_path / "sheet.csv"))


def read(sheet):
    rows = pd.read_csv(sheet, dtype=dict.fromkeys(TEXTS, "str"))
    return rows.fillna({name: "" for name in TEXTS if name in rows})
