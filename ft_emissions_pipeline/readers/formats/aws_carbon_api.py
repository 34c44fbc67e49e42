"""Read answers of AWS's Sustainability API: estimated carbon emissions, and water allocation.

Source: botocore 1.44.8, service `sustainability`, operations GetEstimatedCarbonEmissions and
GetEstimatedWaterAllocation: `Results` with `TimePeriod`, `DimensionsValues`, `ModelVersion`, and
`EmissionsValues` or `AllocationValues`, each amount with its unit. Water is what was withdrawn.
"""

from __future__ import annotations

from collections.abc import Mapping

from ft_emissions_pipeline.readers.reading import Reading, RefusalError, Settings
from ft_emissions_pipeline.readers.shared.cloud_carbon import (
    Row,
    amount,
    month_of,
    reading_of_reports,
)
from ft_emissions_pipeline.readers.shared.requests import rows_of, text_of_cell
from ft_emissions_pipeline.tables.words import Basis, Content

FORMAT = "aws_carbon_api"
LOG = "AWS Sustainability API, answers as JSON"
TELLS = "what AWS reports per account, region, service and month: scopes, both bases, water"
LACKS = "everything about a run; only `reconcile` uses it"
CONTENT: Content = "cloud_reports"
PROGRESS = None
BASIS = {"*": Basis.DISCLOSED}

_FIGURES = {
    "scope_1_kgco2e": "TOTAL_SCOPE_1_EMISSIONS",
    "scope_2_location_kgco2e": "TOTAL_SCOPE_2_LBM_EMISSIONS",
    "scope_2_market_kgco2e": "TOTAL_SCOPE_2_MBM_EMISSIONS",
    "scope_3_location_kgco2e": "TOTAL_SCOPE_3_LBM_EMISSIONS",
    "scope_3_market_kgco2e": "TOTAL_SCOPE_3_MBM_EMISSIONS",
    "total_location_kgco2e": "TOTAL_LBM_CARBON_EMISSIONS",
    "total_market_kgco2e": "TOTAL_MBM_CARBON_EMISSIONS",
    "water_withdrawal_l": "TOTAL_WATER_WITHDRAWALS",
}


def recognises(name: str, head: bytes) -> bool:
    """Say whether the keys are those of the API's answers."""
    return name.endswith((".json", ".jsonl", ".ndjson")) and (
        b'"EmissionsValues"' in head or b'"AllocationValues"' in head
    )


def read(data: bytes, uri: str, settings: Settings) -> Reading:  # noqa: ARG001 (times are UTC)
    """Read the results of a file: answers, pages of one, or the results alone."""
    return reading_of_reports(*rows_of(data, ("Results",)), _report)


def _report(row: Row) -> dict[str, object]:
    period, group = _part(row, "TimePeriod"), _part(row, "DimensionsValues")
    values = {**_part(row, "EmissionsValues"), **_part(row, "AllocationValues")}
    unknown = sorted(set(values) - set(_FIGURES.values()))
    if unknown:
        msg = f"{unknown[0]} is no value that is known; there are {', '.join(_FIGURES.values())}"
        raise RefusalError(msg, "wrong_shape")
    return {
        "month_start": month_of(period.get("Start"), period.get("End")),
        "provider": "aws",
        "account": text_of_cell(group, "USAGE_ACCOUNT_ID"),
        "region": text_of_cell(group, "REGION").lower(),
        "service": text_of_cell(group, "SERVICE"),
        "carbon_model": text_of_cell(row, "ModelVersion"),
        **{
            column: amount(_part(values, name).get("Value"), _part(values, name).get("Unit"), name)
            for column, name in _FIGURES.items()
        },
    }


def _part(row: Row, name: str) -> Mapping[str, object]:
    part = row.get(name) or {}
    if not isinstance(part, dict):
        msg = f"{name} is no object; save the API's answer as it is"
        raise RefusalError(msg, "wrong_shape")
    return part
