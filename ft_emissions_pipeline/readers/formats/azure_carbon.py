"""Read answers of Azure's Carbon optimization, reports by month: `value` with a month in `date`.

Source: azure-mgmt-carbonoptimization 1.0.0 (API 2025-04-01), `carbonEmissionReports`. Reports of
items without a month cannot be placed, and those by resource, type or group repeat what the ones by
subscription and location tell. The request names the scopes, not the answer; the figures are taken
for all three, in kilograms, market-based (verification: unverified, Microsoft's pages state no unit
in the answer).
"""

from __future__ import annotations

from ft_emissions_pipeline.readers.reading import Reading, RefusalError, Settings
from ft_emissions_pipeline.readers.shared.cloud_carbon import (
    Row,
    amount,
    month_of,
    reading_of_reports,
)
from ft_emissions_pipeline.readers.shared.requests import rows_of, text_of_cell
from ft_emissions_pipeline.tables.words import Basis, Content

FORMAT = "azure_carbon"
LOG = "Azure Carbon optimization, answers of its API as JSON"
TELLS = "what Azure reports per subscription or location and month: all scopes asked for, together"
LACKS = "everything about a run; only `reconcile` uses it"
CONTENT: Content = "cloud_reports"
PROGRESS = None
BASIS = {"*": Basis.DISCLOSED}

_PLACE = {"location": "region", "subscription": "account"}
"""Category of a report's items, in small letters -> column that the item's name fills."""


def recognises(name: str, head: bytes) -> bool:
    """Say whether the keys are those of the API's answers."""
    return name.endswith((".json", ".jsonl", ".ndjson")) and b'"latestMonthEmissions"' in head


def read(data: bytes, uri: str, settings: Settings) -> Reading:  # noqa: ARG001 (months have no zone)
    """Read the months of an answer."""
    return reading_of_reports(*rows_of(data, ("value",)), _report)


def _report(row: Row) -> dict[str, object]:
    if not row.get("date"):
        msg = (
            f"{text_of_cell(row, 'dataType') or 'the row'} names no month; save the answer of "
            "reportType TopItemsMonthlySummaryReport or MonthlySummaryReport"
        )
        raise RefusalError(msg, "missing_value")
    category = text_of_cell(row, "categoryType")
    if category and category.casefold() not in _PLACE:
        msg = f"is by {category}, which repeats other reports; save it by Subscription or Location"
        raise RefusalError(msg, "wrong_shape")
    name = text_of_cell(row, "itemName")
    return {
        "month_start": month_of(row.get("date")),
        "provider": "azure",
        # A location is an id, or a name with blanks: `West Europe` is `westeurope`.
        "region": name.replace(" ", "").lower() if category.casefold() == "location" else None,
        "account": name if category.casefold() == "subscription" else None,
        "total_market_kgco2e": amount(
            row.get("latestMonthEmissions"), "kgCO2e", "latestMonthEmissions"
        ),
    }
