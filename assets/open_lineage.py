"""OpenLineage events of what Dagster materializes, with carbon and water in a facet of their own.

Put here: what is added to the events of the optional package `dagster-openlineage`. Keep out: the
figures themselves (`io_manager.py`); nothing imports this module but Dagster, where its home's
settings name it (docs/operations.md).
"""

from collections.abc import Mapping
from typing import Any

from dagster_openlineage import OpenLineageAdapter, OpenLineageEventLogStorage
from openlineage.client.generated.base import DatasetFacet

from .io_manager import PLOTTED

FACET = "ftEmissions_footprint"
_FIGURES = {name for columns in PLOTTED.values() for name in columns}


class FootprintAdapter(OpenLineageAdapter):
    """Adds the day's carbon, water and energy or inferences to the table that holds them."""

    def _build_asset_output_facets(
        self, metadata: Mapping[str, Any] | None, namespace: str
    ) -> dict[str, Any]:
        facets = super()._build_asset_output_facets(metadata, namespace)
        figures = {name: each.value for name, each in (metadata or {}).items() if name in _FIGURES}
        return facets | ({FACET: DatasetFacet().with_additional_properties(**figures)}
                         if figures else {})  # fmt: skip


class FootprintEventLogStorage(OpenLineageEventLogStorage):
    """The package's storage, which writes an event down and then sends it on."""

    def __init__(self, wrapped: Any, *, inst_data: Any = None, **choices: Any) -> None:
        super().__init__(wrapped, inst_data=inst_data, adapter=FootprintAdapter(**choices))
