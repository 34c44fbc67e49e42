"""How assets are stored and loaded: DataFrames as Delta tables, days as partitions.

Put here: which days of which table an asset's run reads and writes, and what Dagster shows of it.
Keep out: reading and writing themselves (`ft_emissions_pipeline/warehouse/store.py`).
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import date

import dagster as dg
import pandas as pd
from pydantic import PrivateAttr

from ft_emissions_pipeline import tables
from ft_emissions_pipeline.tables import Table
from ft_emissions_pipeline.warehouse import opening, selection, store

from .table_asset import column_lineage

APPENDED = frozenset(
    table.name
    for table in (
        tables.RESTATEMENTS,
        tables.PIPELINE_FOOTPRINT,
        tables.KIND_PROVENANCE,
        tables.FACTORS_USED,
        tables.FACTOR_ROWS,
    )
)
"""Tables that only grow: what was restated, measured or used once is never taken back."""

PLOTTED = {
    tables.RUN_IMPACTS.name: ("total_kgco2e", "total_water_l", "it_energy_kwh"),
    tables.INFERENCE_IMPACTS.name: ("allocated_kgco2e", "allocated_water_l", "inferences"),
}
"""Columns whose daily sums stand in the metadata of a day, where Dagster draws them over time."""

PREVIEW_ROWS = 5
PREVIEW_WIDTH = 24


class DeltaIOManager(dg.ConfigurableIOManager):
    """Stores each asset in the Delta table of its name; a run over several days is one commit."""

    warehouse: str

    _held: dict[str, tuple[int | None, pd.DataFrame]] = PrivateAttr(default_factory=dict)

    def handle_output(self, context: dg.OutputContext, obj: pd.DataFrame | None) -> None:
        """Write the days of this run; an asset that returns None leaves its table as it is."""
        if obj is None:
            context.add_output_metadata(self._as_it_stands(context.asset_key.path[-1]))
            return
        table = _table(context.asset_key)
        days = _output_days(context, table)
        if table.name in APPENDED:
            written = store.append(self.warehouse, table, obj)
        else:
            written = store.write(self.warehouse, table, obj, days)
        context.add_output_metadata(
            {
                "dagster/row_count": len(obj),
                "dagster/uri": opening.uri(self.warehouse, table),
                "delta_version": written.version,
                "changed": written.changed,
                **({"days": f"{days[0]} to {days[1]}"} if days else {}),
            }
        )
        # Dagster writes an event for each day of a run: what is long stands in the last alone.
        long = {
            "preview": dg.MarkdownMetadataValue(preview(obj)),
            "dagster/column_lineage": column_lineage(table),
        }
        told = {str(days[1]): long} if days else {None: long}
        for day, figures in figures_by_day(table, obj).items():
            told[day] = {**told.get(day, {}), **figures}
        for key, metadata in told.items():
            context.step_context.add_asset_metadata(metadata, context.asset_key, key)
        # A run in this process would hold every table to its end, for whoever asks its result.
        if context.step_context.output_capture:
            context.step_context.output_capture.clear()

    def load_input(self, context: dg.InputContext) -> pd.DataFrame:
        """Read the days of the upstream asset that this run needs, in one go."""
        table = _table(context.asset_key)
        if table.partition is None or not context.has_asset_partitions:
            return self._whole(table)
        # A range, not its keys: of all days there are thousands.
        wanted, all_days = context.asset_partition_key_range, context.asset_partitions_def
        if (wanted.start, wanted.end) == (
            all_days.get_first_partition_key(),
            all_days.get_last_partition_key(),
        ):
            return self._whole(table)
        return store.read(self.warehouse, table, _span(wanted))

    def _as_it_stands(self, name: str) -> dict[str, object]:
        """Return what is shown of a table that did not move; the report is none."""
        delta = store.opened(self.warehouse, tables.TABLES[name]) if name in tables.TABLES else None
        if delta is None:
            return {}
        return {
            "dagster/row_count": delta.count(),
            "dagster/uri": opening.uri(self.warehouse, tables.TABLES[name]),
            "delta_version": delta.version(),
            "changed": False,
        }

    def _whole(self, table: Table) -> pd.DataFrame:
        """Read a table once for all steps that need it as it stands."""
        version = store.version(self.warehouse, table)
        held = self._held.get(table.name)
        if held is None or held[0] != version:
            held = version, store.read(self.warehouse, table)
            self._held[table.name] = held
        # Steps share the cells: what pandas changes, it copies first.
        return held[1].copy(deep=False)


def figures_by_day(table: Table, frame: pd.DataFrame) -> dict[str, dict[str, float]]:
    """Return the figures of each day that the page plots over the days of an asset."""
    names = PLOTTED.get(table.name)
    if names is None or frame.empty:
        return {}
    sums = frame.groupby("date")[list(names)].sum()
    return {
        f"{day:%Y-%m-%d}": {name: float(value) for name, value in row.items()}
        for day, row in sums.iterrows()
    }


def preview(frame: pd.DataFrame, without: Collection[str] = ()) -> str:
    """Return the first rows as a Markdown table, long cells shortened, empty columns left out."""
    head = frame.head(PREVIEW_ROWS)
    cells = head.to_numpy(dtype=object)
    told = ~(pd.isna(cells).all(axis=0) | head.columns.isin(without))
    if not told.any():
        return "no rows"
    rows = [list(head.columns[told]), *cells[:, told].tolist()]
    return markdown([[_cell(value) for value in row] for row in rows])


def markdown(rows: list[list[str]]) -> str:
    """Return texts as a Markdown table, of which the first row are the heads."""
    lines = (rows[0], ["---"] * len(rows[0]), *rows[1:])
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _cell(value: object) -> str:
    if isinstance(value, float):
        return "" if value != value else f"{value:.6g}"  # noqa: PLR0124 - NaN
    if isinstance(value, pd.Timestamp):
        return f"{value:%Y-%m-%d}" if value == value.normalize() else f"{value:%Y-%m-%d %H:%M:%S}"
    text = "" if value is None or value is pd.NA else str(value)
    text = text.replace("|", "\\|").replace("\n", " ")
    return text if len(text) <= PREVIEW_WIDTH else text[: PREVIEW_WIDTH - 1] + "…"


def _table(key: dg.AssetKey) -> Table:
    name = key.path[-1]
    if name not in tables.TABLES:
        msg = (
            f"asset {key.to_user_string()} has no table: tables.py declares "
            f"{', '.join(tables.TABLES)}; declare it there, or give the asset another IO manager"
        )
        raise ValueError(msg)
    return tables.TABLES[name]


def _output_days(context: dg.OutputContext, table: Table) -> selection.Days | None:
    if table.partition is None or not context.has_asset_partitions:
        return None
    return _span(context.asset_partition_key_range)


def _span(keys: dg.PartitionKeyRange) -> selection.Days:
    return date.fromisoformat(keys.start), date.fromisoformat(keys.end)
