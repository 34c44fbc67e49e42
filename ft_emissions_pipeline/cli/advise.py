"""`ft-emissions advise` and `ft-emissions what-if`.

Put here: their options, and how answers are printed. Keep out: everything else; `cli.py` registers
them, `advice.py` and `scenarios/` compute.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ft_emissions_pipeline.cli import (
    Calibrate,
    Format,
    Profile,
    Warehouse,
    Zone,
    _complain,
    _fail,
    figure,
    printed,
    refusals,
)

if TYPE_CHECKING:
    import pandas as pd
    from rich.table import Table

Only = Annotated[str | None, typer.Argument(help="Run or model; all of them by default.")]
Files = Annotated[
    list[str] | None, typer.Option("--file", help="Logs to estimate from, without a warehouse.")
]
Form = Annotated[Format, typer.Option("--format", help="How to print.")]

SHOWN_RUNS = 10
"""Runs beside the totals; the other formats print all."""


def advise(
    only: Only = None,
    file: Files = None,
    warehouse: Warehouse = "warehouse",
    form: Form = Format.table,
    profile: Profile = "default",
    timezone: Zone = "UTC",
    calibrate: Calibrate = False,
) -> None:
    """Say which missing field, once disclosed, narrows the interval of each run and model most."""
    from ft_emissions_pipeline.analysis import advice
    from ft_emissions_pipeline.stages import UnknownRun

    with refusals():
        runs, options = _runs(file, warehouse, timezone, profile, calibrate)
        try:
            outcomes = advice.try_fields(runs, only=only, **options)
        except UnknownRun as error:
            _fail(str(error.args[0]))
    by_run, by_model = (advice.ranked(outcomes, by) for by in advice.KEYS)
    if form is not Format.table:
        _echo(by_run, form)
        return
    one = by_run["run_id"].nunique() == 1
    printed(_advice(by_run if one else advice.best(by_model), "model_name"))
    if not one:
        printed(_advice(advice.best(by_run).head(SHOWN_RUNS), "run_id"))
    typer.echo(
        "Each field is tried alone, as if a disclosure stated the value that stands in for it now."
    )


def what_if(
    only: Only = None,
    file: Files = None,
    warehouse: Warehouse = "warehouse",
    region: Annotated[
        str | None, typer.Option(help="Cloud region, country or US state to run in.")
    ] = None,
    gpu: Annotated[str | None, typer.Option(help="Accelerator to run on.")] = None,
    method: Annotated[str | None, typer.Option(help="How the weights change, as lora.")] = None,
    model: Annotated[str | None, typer.Option(help="Base model, as a distilled one.")] = None,
    start_hour: Annotated[int | None, typer.Option(help="Hour of the UTC day, 0 to 23.")] = None,
    every_days: Annotated[float | None, typer.Option(help="Days between two fine-tunings.")] = None,
    form: Form = Format.table,
    profile: Profile = "default",
    timezone: Zone = "UTC",
    calibrate: Calibrate = False,
) -> None:
    """Estimate runs elsewhere, on another GPU, by another method: side by side, with the difference."""
    from ft_emissions_pipeline.analysis import scenarios
    from ft_emissions_pipeline.stages import UnknownRun

    with refusals():
        runs, options = _runs(file, warehouse, timezone, profile, calibrate)
        changes = {"region": region, "gpu": gpu, "method": method, "model": model,
                   "start_hour": start_hour, "every_days": every_days}  # fmt: skip
        try:
            compared = scenarios.compare(runs, changes, only=only, **options)
        except UnknownRun as error:
            _fail(str(error.args[0]))
    answers = scenarios.by_run(compared)
    if form is not Format.table:
        _echo(answers, form)
        return
    by_run = list(answers.groupby("run_id", sort=False))
    if len(by_run) > 1:
        sums = scenarios.totals(compared)
        printed(_side_by_side(sums, f"{sums['runs'].max():.0f} runs together"))
    for run_id, rows in by_run[:SHOWN_RUNS]:
        printed(_side_by_side(rows, f"Run {run_id}"))
    if len(by_run) > SHOWN_RUNS:
        typer.echo(f"{len(by_run) - SHOWN_RUNS} more runs: --format csv prints all")
    for note, rows in answers[answers["note"] != ""].groupby("note", sort=False):
        typer.echo(f"{rows['run_id'].nunique()} run(s): {note}")


def _runs(
    files: list[str] | None, warehouse: str, timezone: str, profile: str, calibrate: bool
) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Return runs out of files or of a warehouse, which knows what its figures rest on itself."""
    from ft_emissions_pipeline import api, stages

    if not files:
        return stages.stored_runs(warehouse)
    runs, quarantine = api.read_runs(files, timezone=timezone)
    _complain(quarantine)
    if runs.empty:
        msg = "no run could be read"
        raise ValueError(msg)
    return runs, {"profile": profile, "calibrate": calibrate}


def _echo(frame: pd.DataFrame, form: Format) -> None:
    if form is Format.json:
        typer.echo(frame.to_json(orient="records", double_precision=12, indent=2))
    else:
        typer.echo(frame.to_csv(index=False), nl=False)


def _advice(rows: pd.DataFrame, key: str) -> Table:
    from rich.table import Table

    table = Table(title="What to disclose next (5th to 95th percentile of the carbon)")
    for name in (
        "run" if key == "run_id" else "model",
        "tier",
        "imputed",
        "disclose",
        "now taken as",
        "carbon kgCO2e now",
        "once disclosed",
        "narrower by",
        "water's by",
    ):
        right = name in {"imputed", "narrower by", "water's by"}
        table.add_column(name, justify="right" if right else "left")
    for row in rows.to_dict("records"):
        found = isinstance(row["field"], str)
        table.add_row(
            row[key],
            row["quality_tier"],
            f"{row['share_imputed']:.0%}",
            row["field"] if found else "nothing",
            _shown(row["value"]) if found else "",
            _range(row, ""),
            _range(row, "then_") if found else "",
            f"{row['carbon_narrowed']:.0%}" if found else "",
            f"{row['water_narrowed']:.0%}" if found else "",
        )
    return table


def _shown(value: str) -> str:
    """Return a number with the digits that matter, and a name as it is."""
    try:
        return figure(float(value))
    except ValueError:
        return value


def _range(row: dict[str, float], prefix: str) -> str:
    low, high = (row[f"{prefix}total_kgco2e_{bound}"] for bound in ("p05", "p95"))
    return f"{figure(low, 2)} to {figure(high, 2)}"


def _side_by_side(rows: pd.DataFrame, title: str) -> Table:
    from rich.table import Table

    table = Table(title=f"{title} (5th to 95th percentile)")
    for name in ("quantity", "now", "then", "difference", "change"):
        table.add_column(name, justify="left" if name == "quantity" else "right")
    for row in rows.to_dict("records"):
        change = row["difference"] / row["now"] if row["now"] else 0.0
        table.add_row(
            row["quantity"],
            *(_with_signed_interval(row, side) for side in ("now", "then", "difference")),
            "unknown" if math.isnan(row["then"]) else f"{change:+.0%}",
        )
    return table


def _with_signed_interval(row: dict[str, float], side: str) -> str:
    value, low, high = (_signed(row[side + bound]) for bound in ("", "_p05", "_p95"))
    return f"{value} ({low} to {high})" if value else ""


def _signed(value: float) -> str:
    sign = "-" if value < 0 else ""
    return sign + figure(abs(value))
