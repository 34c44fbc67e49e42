"""`ft-emissions rollup`: sums of the per-inference table.

Put here: the command's options and how its rows are printed. Keep out: the sums (`rollup.py`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import typer

from ft_emissions_pipeline.ledger import stored_rollups

if TYPE_CHECKING:
    import pandas as pd
    from rich.table import Table


def rollup(
    by: Annotated[
        str,
        typer.Option(
            help="model, team, tag, and month, quarter or year, with commas between; '' for one sum."
        ),
    ] = "model,month",
    warehouse: Annotated[
        str, typer.Option(help="Folder of the tables, or URL of an object store.")
    ] = "warehouse",
    form: Annotated[
        Literal["table", "json", "csv"], typer.Option("--format", help="How to print.")
    ] = "table",
) -> None:
    """Sum the per-inference table up, with intervals that know which factors runs share."""
    from ft_emissions_pipeline.cli import printed, refusals

    keys = [key.strip() for key in by.split(",") if key.strip()]
    with refusals():
        found = stored_rollups.of_warehouse(warehouse, keys)
    if form == "json":
        typer.echo(
            found.to_json(orient="records", date_format="iso", double_precision=12, indent=2)
        )
    elif form == "csv":
        typer.echo(found.to_csv(index=False), nl=False)
    else:
        printed(_table(found))
    if found.empty:
        typer.echo(
            f"{warehouse} has no day with inferences; run `ft-emissions run` first", err=True
        )
        raise typer.Exit(1)


def _table(found: pd.DataFrame) -> Table:
    from rich.table import Table

    from ft_emissions_pipeline.cli import with_interval

    keys = [name for name in ("model_name", "team", "tag", "date") if name in found]
    words = {"model_name": "model", "date": "from"}
    table = Table(title="Sums of the days (5th to 95th percentile)")
    for name in keys:
        table.add_column(words.get(name, name))
    for name in ("inferences", "kgCO2e", "water L", "gCO2e/inference", "mL water/inference"):
        table.add_column(name, justify="right")
    for row in found.to_dict("records"):
        values = [
            with_interval(row[name], row[f"{name}_p05"], row[f"{name}_p95"])
            for name in (
                "allocated_kgco2e", "allocated_water_l", "gco2e_per_inference", "water_ml_per_inference",
            )
        ]  # fmt: skip
        named = [f"{row[k]:%Y-%m-%d}" if k == "date" else _named(row[k]) for k in keys]
        table.add_row(*named, f"{row['inferences']:,.0f}", *values)
    return table


def _named(name: object) -> str:
    return name if isinstance(name, str) else "(none named)"
