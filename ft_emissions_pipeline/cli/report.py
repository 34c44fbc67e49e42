"""`ft-emissions report`: the HTML report, written from the tables.

Put here: the command. Keep out: the page (`report/` of the library).
"""

from __future__ import annotations

import typer

from ft_emissions_pipeline.cli import options, output


def report(warehouse: options.Warehouse = "warehouse") -> None:
    """Write the HTML report anew from the tables, and print where it lies."""
    from ft_emissions_pipeline.report import write

    options.need_warehouse(warehouse)
    with output.refusals():
        typer.echo(write(warehouse))
