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
        )
        for name, table in TABLES.items()
    ],
)
def reference_tables(pipeline: Pipeline) -> Iterator[dg.MaterializeResult]:
    """Load and check all factor tables; if a row is bad, the last good tables serve."""
    reference = pipeline.reference()
    refused = {"refused": dg.MetadataValue.text(reference.refused)} if reference.refused else {}
    for name, frame in reference.tables.items():
        version = hashlib.sha256("".join(frame["row_hash"]).encode()).hexdigest()[:12]
        yield dg.MaterializeResult(
            asset_key=key(name),
            data_version=dg.DataVersion(version),
            metadata={
                "dagster/row_count": len(frame),
                "sources": frame["source"].nunique(),
                "reference_version": reference.version,
                "preview": preview(frame.drop(columns=["row_hash"])),
                **refused,
            },
        )
