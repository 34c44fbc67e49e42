"""Read Google Cloud's Carbon Footprint, exported from BigQuery: a row per project, service, region.

Columns are nested there; CSV writes the nesting with dots or underscores, JSON as objects. All are
kilograms. `carbon_footprint_total_kgCO2e.after_offsets` is deprecated and not read.
Source: cloud.google.com, Carbon Footprint, data schema.
"""

from __future__ import annotations

from collections.abc import Iterator

from ft_emissions_pipeline.readers.reading import Reading, Settings
from ft_emissions_pipeline.readers.shared.cloud_carbon import (
    Row,
    amount,
    month_of,
    reading_of_reports,
)
from ft_emissions_pipeline.readers.shared.requests import keys_of, rows_of, text_of_cell
from ft_emissions_pipeline.tables.words import Basis, Content

FORMAT = "google_carbon"
LOG = "Google Cloud Carbon Footprint, the BigQuery table as CSV or JSON lines"
TELLS = "what Google reports per project, region, service and month: scopes 1 to 3, both bases"
LACKS = "everything about a run; only `reconcile` uses it"
CONTENT: Content = "cloud_reports"
PROGRESS = None
BASIS = {"*": Basis.DISCLOSED}

_OF_SCOPES, _TOTAL = "carbon_footprint_kgco2e", "carbon_footprint_total_kgco2e"
_FIGURES = {
    "scope_1_kgco2e": f"{_OF_SCOPES}_scope1",
    "scope_2_location_kgco2e": f"{_OF_SCOPES}_scope2_location_based",
    "scope_2_market_kgco2e": f"{_OF_SCOPES}_scope2_market_based",
    # One Scope 3 figure stands for both bases.
    "scope_3_location_kgco2e": f"{_OF_SCOPES}_scope3",
    "scope_3_market_kgco2e": f"{_OF_SCOPES}_scope3",
    "total_location_kgco2e": f"{_TOTAL}_location_based",
    "total_market_kgco2e": f"{_TOTAL}_market_based",
}


def recognises(name: str, head: bytes) -> bool:
    """Say whether there are a usage month and a carbon footprint in kilograms."""
    keys = {key.casefold() for key in keys_of(name, head)}
    return "usage_month" in keys and any(key.startswith(_OF_SCOPES) for key in keys)


def read(data: bytes, uri: str, settings: Settings) -> Reading:  # noqa: ARG001 (months have no zone)
    """Read every row of a file."""
    return reading_of_reports(*rows_of(data), _report)


def _report(row: Row) -> dict[str, object]:
    flat = dict(_flat(row, ""))
    return {
        "month_start": month_of(flat.get("usage_month")),
        "provider": "gcp",
        "account": text_of_cell(flat, "project_id", "project_number", "billing_account_id"),
        "region": text_of_cell(flat, "location_region", "location_location").lower(),
        "service": text_of_cell(flat, "service_description", "service_id"),
        "carbon_model": text_of_cell(flat, "carbon_model_version"),
        **{column: amount(flat.get(name), "kgCO2e", name) for column, name in _FIGURES.items()},
    }


def _flat(part: Row, prefix: str) -> Iterator[tuple[str, object]]:
    """Yield cells under the names that nesting, dots and underscores have in common."""
    for name, cell in part.items():
        key = f"{prefix}{name}".replace(".", "_").casefold()
        if isinstance(cell, dict):
            yield from _flat(cell, f"{key}_")
        else:
            yield key, cell
