"""`ft-emissions study`: what the runs themselves say about energy.

Put here: the command's options and how findings are printed. Keep out: the findings (`study.py`).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated, Literal

import typer

if TYPE_CHECKING:
    import pandas as pd
    from rich.table import Table


def study(
    files: Annotated[
        list[str] | None, typer.Argument(help="Logs to study instead of a warehouse.")
    ] = None,
    warehouse: Annotated[
        str, typer.Option(help="Folder of the tables, or URL of an object store.")
    ] = "warehouse",
    scale: Annotated[
        Literal["log", "plain"], typer.Option(help="Line through logarithms or plain values.")
    ] = "log",
    form: Annotated[
        Literal["table", "json", "csv"], typer.Option("--format", help="How to print.")
    ] = "table",
    timezone: Annotated[
        str, typer.Option(help="Time zone of instants in logs that name none.")
    ] = "UTC",
) -> None:
    """Tell what explains the energy of your runs, and what distilled models and more GPUs saved."""
    from ft_emissions_pipeline.analysis import study as findings
    from ft_emissions_pipeline.cli import printed, refusals

    with refusals():
        found = (
            _of_files(files, timezone, scale) if files else findings.of_warehouse(warehouse, scale)
        )
    if form == "json":
        typer.echo(found.to_json(orient="records", double_precision=12, indent=2))
    elif form == "csv":
        typer.echo(found.to_csv(index=False), nl=False)
    else:
        rows, others = findings.side_by_side(found), findings.compared(found)
        if len(rows):
            printed(_explained(rows, scale))
        if len(others):
            printed(_compared(others))
        for row in findings.unanswered(found).to_dict("records"):
            typer.echo(f"{findings.QUESTIONS[row['finding']]}: {row['note']}")
        typer.echo(
            "Only logged or measured quantities count, each on the runs that tell it. "
            "What BERT showed: Wang et al. 2023, arXiv:2311.10267."
        )


def _of_files(files: list[str], timezone: str, scale: Literal["log", "plain"]) -> pd.DataFrame:
    from ft_emissions_pipeline import api, reference, tables
    from ft_emissions_pipeline.analysis import study as findings
    from ft_emissions_pipeline.cli import _complain

    runs, quarantine = api.read_runs(files, timezone=timezone)
    _complain(quarantine)
    estimate = api.estimate(runs)
    return findings.studied(
        estimate.normalized,
        estimate.provenance,
        runs,
        estimate.runs,
        tables.empty(tables.MODEL_EVENTS),
        reference.load().tables["models"],
        scale=scale,
    )


def _explained(rows: pd.DataFrame, scale: str) -> Table:
    from rich.table import Table

    from ft_emissions_pipeline.analysis.study import QUANTITIES

    table = Table(
        title=f"What explains energy: {scale} least squares, and ranks (5th to 95th percentile)"
    )
    for name in ("hardware", "energy", "by", "runs", "R2", "rank correlation", "note"):
        right = name in {"runs", "R2", "rank correlation"}
        table.add_column(name, justify="right" if right else "left")
    for row in rows.to_dict("records"):
        table.add_row(
            row["subject"],
            row["energy"].removesuffix("_energy_kwh").upper(),
            QUANTITIES[row["quantity"]],
            f"{row['runs']}",
            _figure(row, "r2"),
            _figure(row, "rank"),
            row["note"],
        )
    return table


def _compared(rows: pd.DataFrame) -> Table:
    from rich.table import Table

    from ft_emissions_pipeline.analysis.study import QUESTIONS

    table = Table(title="What was compared (5th to 95th percentile)")
    for name in ("question", "of", "figure", "runs", "value", "note"):
        table.add_column(name, justify="right" if name in {"runs", "value"} else "left")
    for row in rows.to_dict("records"):
        table.add_row(
            QUESTIONS[row["finding"]],
            row["subject"],
            row["statistic"].replace("_", " "),
            f"{row['runs']}",
            _figure(
                {"value": row["value"], "value_p05": row["p05"], "value_p95": row["p95"]}, "value"
            ),
            row["note"],
        )
    return table


def _figure(row: dict[str, float], name: str) -> str:
    from ft_emissions_pipeline.cli import figure, with_interval

    if math.isnan(row[f"{name}_p05"]):
        return figure(row[name])
    return with_interval(row[name], row[f"{name}_p05"], row[f"{name}_p95"])
