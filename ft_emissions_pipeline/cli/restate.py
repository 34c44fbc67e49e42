"""`ft-emissions restate` and `as-reported`: the commands about the past.

Put here: their options, and how their results are printed. Keep out: what is restated
(`restatement/`) and what stood when (`as_reported.py`), imported when a command runs.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ft_emissions_pipeline import cli

if TYPE_CHECKING:
    import pandas as pd

    from ft_emissions_pipeline.restatement import Plan

DAYS_SHOWN = 6


def restate(
    warehouse: cli.Warehouse = "warehouse",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would move, and change nothing.")
    ] = False,
    profile: cli.Profile = "default",
    calibrate: cli.Calibrate = False,
    reference: cli.Reference = None,
) -> None:
    """Compute anew exactly what a changed factor, token-time model or profile touches."""
    from ft_emissions_pipeline import methodology, restatement, stages
    from ft_emissions_pipeline import report as page
    from ft_emissions_pipeline.reference import in_force

    cli.need_warehouse(warehouse)
    with cli.refusals():
        factors = in_force(warehouse, reference, keep=not dry_run)
        calibration = stages.stored_calibration(warehouse) if calibrate else None
        choices = stages.Choices(factors, methodology.profile(profile), calibration=calibration)
        if dry_run:
            _tell(restatement.plan(warehouse, choices))
            return
        with cli.progress_shown() as progress:
            done = restatement.apply(warehouse, choices, progress)
        if not done.runs:
            typer.echo("Nothing to restate: every run rests on the factors in force.")
            return
        typer.echo(f"Restated {done.runs} run(s) and {_days(done.days)}.")
        for (cause, detail), rows in done.restatements.groupby(["cause", "cause_detail"]):
            typer.echo(f"{len(rows)} value(s) moved, {cause}: {detail}")
        typer.echo(f"Report: {page.write(warehouse)}")


def as_reported(
    at: Annotated[datetime, typer.Option(formats=["%Y-%m-%d"], help="UTC day of the look back.")],
    warehouse: cli.Warehouse = "warehouse",
    date: cli.Day = None,
    first: cli.First = None,
    last: cli.Last = None,
    form: Annotated[cli.Format, typer.Option("--format", help="How to print.")] = cli.Format.table,
) -> None:
    """Print what stood in the per-inference table on a day, and what was restated since."""
    import pandas as pd

    from ft_emissions_pipeline.restatement import as_reported as past

    cli.need_warehouse(warehouse)
    with cli.refusals():
        found = past.as_reported(warehouse, pd.Timestamp(at), cli.range_of_days(date, first, last))
    if form is cli.Format.json:
        rows = {"as_reported": found.rows, "restated_since": found.restated}
        texts = [
            f'"{name}": {frame.to_json(orient="records", date_format="iso", double_precision=12)}'
            for name, frame in rows.items()
        ]
        typer.echo("{" + ",\n".join(texts) + "}")
        return
    if form is cli.Format.csv:
        typer.echo(found.rows.to_csv(index=False), nl=False)
        return
    typer.echo(
        f"As reported on {at:%Y-%m-%d}: version {found.table_version} of inference_impacts, "
        f"committed {found.committed_at:%Y-%m-%d %H:%M} UTC"
    )
    for row in found.rows.itertuples(index=False):
        typer.echo(
            f"  {row.date:%Y-%m-%d}  {row.model_name}  {row.model_version}  "
            f"{cli.figure(row.gco2e_per_inference)} gCO2e  "
            f"{cli.figure(row.water_ml_per_inference)} mL per inference  {row.status}"
        )
    typer.echo(f"Restated since: {len(found.restated)} value(s)")
    for row in found.restated.itertuples(index=False):
        typer.echo(
            f"  {row.date:%Y-%m-%d}  {row.model_name}  {row.model_version}  {row.column}  "
            f"{_number(row.old)} -> {_number(row.new)}  {row.cause}: {row.cause_detail}"
        )


def _tell(plan: Plan) -> None:
    if plan.runs.empty:
        typer.echo("Nothing to restate: every run rests on the factors in force.")
        return
    typer.echo("Changed factor rows:")
    for row in plan.rows.itertuples(index=False):
        typer.echo(f"  {row.factor_id}  {_cells(row)}")
    if plan.rows.empty:
        typer.echo("  none that was used before: another row, rule or profile answers now")
    typer.echo(f"Affected: {len(plan.runs)} run(s), {_days(plan.days)}")
    for row in plan.by_model.itertuples(index=False):
        carbon = _move(row.total_kgco2e, row.total_kgco2e_expected, "kgCO2e")
        water = _move(row.total_water_l, row.total_water_l_expected, "L")
        typer.echo(
            f"  {row.model_name}: {row.runs} run(s), {carbon}, {water}; per inference likewise"
        )


def _cells(row: Any) -> str:
    if row.change == "changed" and isinstance(row.column, str):
        return f"{row.column} {_number(row.old)} -> {_number(row.new)}"
    return str(row.change)


def _number(cell: object) -> str:
    if isinstance(cell, float):
        return "nothing" if cell != cell else f"{cell:.6g}"  # noqa: PLR0124 - NaN
    return "nothing" if cell is None else str(cell)


def _move(old: float, new: float, unit: str) -> str:
    share = f" ({(new / old - 1):+.1%})" if old > 0 else ""
    return f"{cli.figure(old, 4)} -> {cli.figure(new, 4)} {unit}{share}"


def _days(days: pd.DatetimeIndex) -> str:
    from ft_emissions_pipeline.calendar_days import ranges

    spans = ranges(days, 1)
    shown = [
        f"{first:%Y-%m-%d} to {last:%Y-%m-%d}" if first != last else f"{first:%Y-%m-%d}"
        for first, last in spans[:DAYS_SHOWN]
    ]
    more = f" and {len(spans) - DAYS_SHOWN} more ranges" if len(spans) > DAYS_SHOWN else ""
    return f"{len(days)} day(s): {', '.join(shown)}{more}"
