"""`ft-emissions export`: figures in the formats of others.

Put here: the command. Keep out: the formats (`export/` of the library).
"""

from __future__ import annotations

from pathlib import Path

import typer

from ft_emissions_pipeline.cli.options import (
    Entity,
    ExportFormat,
    First,
    Last,
    ModelName,
    Out,
    VersionId,
    Warehouse,
    need_warehouse,
    range_of_days,
)
from ft_emissions_pipeline.cli.output import refusals, wrong_usage


def export(
    name: ExportFormat,
    model: ModelName = None,
    version: VersionId = None,
    first: First = None,
    last: Last = None,
    out: Out = None,
    entity: Entity = "",
    warehouse: Warehouse = "warehouse",
) -> None:
    """Write the figures of versions in a format of others, as a model card or a sheet."""
    from ft_emissions_pipeline import export as exports

    if name not in exports.FORMATS:
        wrong_usage(f"no format {name!r}; there are {', '.join(exports.FORMATS)}")
    need_warehouse(warehouse)
    choice = exports.Choice(model, version, range_of_days(None, first, last, to_come=True))
    with refusals():
        figures = exports.of_warehouse(warehouse, choice, made_at=exports.now(), entity=entity)
        said = exports.write(name, figures, out)
    typer.echo(said, nl=isinstance(out, Path))
