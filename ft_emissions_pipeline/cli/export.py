"""`ft-emissions export`: figures in the formats of others.

Put here: the command. Keep out: the formats (`export/` of the library).
"""

from __future__ import annotations

from pathlib import Path

import typer

from ft_emissions_pipeline.cli import options, output


def export(
    name: options.ExportFormat,
    model: options.ModelName = None,
    version: options.VersionId = None,
    first: options.First = None,
    last: options.Last = None,
    out: options.Out = None,
    entity: options.Entity = "",
    warehouse: options.Warehouse = "warehouse",
) -> None:
    """Write the figures of versions in a format of others, as a model card or a sheet."""
    from ft_emissions_pipeline import export as exports

    if name not in exports.FORMATS:
        output.wrong_usage(f"no format {name!r}; there are {', '.join(exports.FORMATS)}")
    options.need_warehouse(warehouse)
    choice = exports.Choice(model, version, options.range_of_days(None, first, last, to_come=True))
    with output.refusals():
        figures = exports.of_warehouse(warehouse, choice, made_at=exports.now(), entity=entity)
        said = exports.write(name, figures, out)
    typer.echo(said, nl=isinstance(out, Path))
