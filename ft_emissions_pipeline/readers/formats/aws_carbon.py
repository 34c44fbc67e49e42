"""Read AWS Data Exports' table CARBON_EMISSIONS, a row per account, region and service.

Columns as of version 3.0.0 of AWS's method (October 2025). Before it there was no Scope 3 and only
the market-based total, so cells may lack. The unit stands beside each value, `MTCO2e`, metric tons.
After a new method the old one's rows stay beside it for three months, told apart by
`model_version`.
"""

from __future__ import annotations

import pyarrow as pa
import pyarrow.parquet as pq

from ft_emissions_pipeline.readers import parquet
from ft_emissions_pipeline.readers.reading import Reading, RefusalError, Settings
from ft_emissions_pipeline.readers.shared.cloud_carbon import (
    Row,
    amount,
    month_of,
    reading_of_reports,
)
from ft_emissions_pipeline.readers.shared.requests import rows_of, text_of_cell
from ft_emissions_pipeline.readers.sheets import header_of
from ft_emissions_pipeline.tables.words import Basis, Content

FORMAT = "aws_carbon"
LOG = "AWS carbon emissions, a Data Export as CSV or Parquet"
TELLS = "what AWS reports per account, region, service and month: scopes 1 to 3, both bases"
LACKS = "everything about a run; only `reconcile` uses it"
CONTENT: Content = "cloud_reports"
PROGRESS = None
BASIS = {"*": Basis.DISCLOSED}

_NEEDED = {"usage_period_start", "usage_account_id", "total_mbm_emissions_value"}
_FIGURES = {
    "scope_1_kgco2e": "total_scope_1_emissions",
    "scope_2_location_kgco2e": "total_scope_2_lbm_emissions",
    "scope_2_market_kgco2e": "total_scope_2_mbm_emissions",
    "scope_3_location_kgco2e": "total_scope_3_lbm_emissions",
    "scope_3_market_kgco2e": "total_scope_3_mbm_emissions",
    "total_location_kgco2e": "total_lbm_emissions",
    "total_market_kgco2e": "total_mbm_emissions",
}
_PLACES = ("carbon", "usage_period=")
"""What stands in the path of such a Parquet file, whose columns are named at its very end."""


def reports(columns: list[str]) -> bool:
    """Say whether columns of these names are those of the export."""
    return set(columns) >= _NEEDED


def recognises(name: str, head: bytes) -> bool:
    """Say whether the columns are those of the export."""
    if head.startswith(parquet.MAGIC):
        return b"total_mbm_emissions_value" in head or any(part in name for part in _PLACES)
    return name.endswith((".csv", ".tsv")) and reports(header_of(head)[0])


def read(data: bytes, uri: str, settings: Settings) -> Reading:  # noqa: ARG001 (times are UTC)
    """Read every row of a file."""
    if data.startswith(parquet.MAGIC):
        return reading_of_reports(_parquet(data), [], _report)
    return reading_of_reports(*rows_of(data), _report)


def _parquet(data: bytes) -> list[tuple[str, Row]]:
    try:
        rows = pq.read_table(pa.BufferReader(data)).to_pylist()
    except (pa.ArrowException, OSError) as error:
        msg = f"no valid Parquet: {error}; export it again"
        raise RefusalError(msg, "broken_parquet") from error
    if rows and not set(rows[0]) >= _NEEDED:
        msg = f"lacks {', '.join(sorted(_NEEDED - set(rows[0])))}; export table CARBON_EMISSIONS"
        raise RefusalError(msg, "wrong_shape")
    return [(str(place), row) for place, row in enumerate(rows, start=1)]


def _report(row: Row) -> dict[str, object]:
    return {
        "month_start": month_of(*(_told(row, f"usage_period_{edge}") for edge in ("start", "end"))),
        "provider": "aws",
        "account": text_of_cell(row, "usage_account_id"),
        "region": text_of_cell(row, "region_code").lower(),
        "service": text_of_cell(row, "product_code"),
        "carbon_model": text_of_cell(row, "model_version"),
        **{
            column: amount(row.get(f"{name}_value"), row.get(f"{name}_unit"), name)
            for column, name in _FIGURES.items()
        },
    }


def _told(row: Row, name: str) -> object:
    """Return an instant as text; Parquet has it as one, without a zone."""
    cell = row.get(name)
    return cell if cell is None or isinstance(cell, str) else str(cell)
