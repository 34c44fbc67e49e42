"""The factor tables as assets, so that lineage shows which stage rests on which factors.

Put here: one asset per reference table; its data version is the hash of its rows, so that only a
changed factor makes anything downstream outdated. Keep out: loading and checks
(`ft_emissions_pipeline/reference/`).
"""

import hashlib
from collections.abc import Iterator

import dagster as dg

from ft_emissions_pipeline.reference import TABLES

from .io_manager import preview
from .resources import Pipeline
from .table_asset import column_schema


def key(table: str) -> dg.AssetKey:
    """Return the asset key of a reference table."""
    return dg.AssetKey(["reference", table])


@dg.multi_asset(
    name="reference_tables",
    specs=[
        dg.AssetSpec(
            key(name),
            group_name="reference",
            kinds={"csv"},
            description=f"One row is {table.row}. Every row has source, licence and validity.",
            metadata={"dagster/column_schema": column_schema(table)},
        )
        for name, table in TABLES.items()
    ],
    check_specs=[
        dg.AssetCheckSpec(
            "rows_hold",
            asset=key(name),
            description="Columns, keys, bounds, intervals and the hash of each row are as declared "
            f"and sealed, and datapackage.json describes {name}.csv as it is.",
        )
        for name in TABLES
    ],
)
def reference_tables(pipeline: Pipeline) -> Iterator[dg.MaterializeResult]:
    """Load and check all factor tables; if a row is bad, the last good tables serve."""
    reference = pipeline.reference()
    wrong = reference.refused.splitlines() if reference.refused else []
    refused = {"refused": dg.MetadataValue.text(reference.refused)} if reference.refused else {}
    for name, frame in reference.tables.items():
        version = hashlib.sha256("".join(frame["row_hash"].tolist()).encode()).hexdigest()[:12]
        yield dg.MaterializeResult(
            asset_key=key(name),
            data_version=dg.DataVersion(version),
            metadata={
                "dagster/row_count": len(frame),
                "sources": frame["source"].nunique(),
                "reference_version": reference.version,
                "preview": preview(frame, without=["row_hash"]),
                **refused,
            },
            check_results=[_held(name, wrong)],
        )


def _held(table: str, wrong: list[str]) -> dg.AssetCheckResult:
    """Return whether what was refused is about a table, or about what describes them all."""
    of_it = [line.strip() for line in wrong if f"{table}.csv" in line or "datapackage.json" in line]
    return dg.AssetCheckResult(
        asset_key=key(table),
        check_name="rows_hold",
        passed=not of_it,
        severity=dg.AssetCheckSeverity.WARN,
        description="; ".join(of_it) or f"{table}.csv is as declared and sealed.",
    )
