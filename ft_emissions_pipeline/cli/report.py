"""`ft-emissions report`: the HTML report, written from the tables.

Put here: the command. Keep out: the page (`report/` of the library).
"""

from __future__ import annotations

import typer

from ft_emissions_pipeline.cli.options import Warehouse, need_warehouse
from ft_emissions_pipeline.cli.output import refusals


def report(warehouse: Warehouse = "warehouse") -> None:
    """Write the HTML report anew from the tables, and print where it lies."""
    from ft_emissions_pipeline.report import write

    need_warehouse(warehouse)
    with refusals():
        typer.echo(write(warehouse))
