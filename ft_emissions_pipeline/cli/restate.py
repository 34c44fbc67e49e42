"""`ft-emissions restate`: the past anew, where a factor, model or profile changed.

Put here: the command, and how a plan is told. Keep out: what is restated (`restatement/`).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ft_emissions_pipeline.cli import options, output
from ft_emissions_pipeline.cli.run import dag

if TYPE_CHECKING:
    import pandas as pd

    from ft_emissions_pipeline.restatement import Done, Plan

DAYS_SHOWN = 6
NOTHING = "Nothing to restate: every run rests on the factors in force."


def restate(
    warehouse: options.Warehouse = "warehouse",
    dry_run: options.DryRun = False,
    profile: options.Profile = "default",
    calibrate: options.Calibrate = False,
    reference: options.ReferenceFolder = None,
    form: options.Form = output.Format.table,
) -> None:
    """Compute anew exactly what a changed factor, token-time model or profile touches.

    As JSON or CSV: with --dry-run each model's totals, now and then; else each value that moved.
    """
    from ft_emissions_pipeline import methodology, report, restatement, stages
    from ft_emissions_pipeline.reference import newest

    options.need_warehouse(warehouse)
    with output.refusals():
        factors = newest(warehouse, reference, keep=not dry_run)
        calibration = stages.stored_calibration(warehouse) if calibrate else None
        choices = stages.Choices(factors, methodology.profile(profile), calibration=calibration)
        if dry_run:
            plan = restatement.plan(warehouse, choices)
            output.show(plan.by_model, form, _plan(plan))
            return
        with output.progress_shown() as (begun, _):
            done = restatement.apply(warehouse, choices, begun)
        page = report.write(warehouse) if done.runs else ""
        output.show(done.restatements, form, _done(done, page))
        if done.runs:
            _show_in_dagster(warehouse, done)


def _show_in_dagster(warehouse: str, done: Done) -> None:
    """Tell the lineage page, at the newest restated day of each table, what moved it and why."""
    with dag("home").instance_of(dag("home").home_of(warehouse)) as instance:
        newest = {event.asset_key: event for event in dag("restatement").refreshed(warehouse, done)}
        for event in newest.values():
            instance.report_runless_asset_event(event)


def _done(done: Done, page: object) -> Iterator[str]:
    if not done.runs:
        yield NOTHING
        return
    yield f"Restated {done.runs} run(s) and {_days(done.days)}."
    for (cause, detail), rows in done.restatements.groupby(["cause", "cause_detail"]):
        yield f"{len(rows)} value(s) moved, {cause}: {detail}"
    yield f"Report: {page}"


def _plan(plan: Plan) -> Iterator[str]:
    if plan.runs.empty:
        yield NOTHING
        return
    yield "Changed factor rows:"
    for row in plan.rows.itertuples(index=False):
        yield f"  {row.factor_id}  {_cells(row)}"
    if plan.rows.empty:
        yield "  none that was used before: another row, rule or profile answers now"
    yield f"Affected: {len(plan.runs)} run(s), {_days(plan.days)}"
    for row in plan.by_model.itertuples(index=False):
        carbon = _move(row.total_kgco2e, row.total_kgco2e_expected, "kgCO2e")
        water = _move(row.total_water_l, row.total_water_l_expected, "L")
        yield f"  {row.model_name}: {row.runs} run(s), {carbon}, {water}; per inference likewise"


def _cells(row: Any) -> str:
    if row.change == "changed" and isinstance(row.column, str):
        return f"{row.column} {output.change(row.old, row.new)}"
    return str(row.change)


def _move(old: float, new: float, unit: str) -> str:
    share = f" ({(new / old - 1):+.1%})" if old > 0 else ""
    return f"{output.figure(old, 4)} -> {output.figure(new, 4)} {unit}{share}"


def _days(days: pd.DatetimeIndex) -> str:
    from ft_emissions_pipeline.calendar_days import ranges

    spans = ranges(days, 1)
    shown = [
        f"{first:%Y-%m-%d} to {last:%Y-%m-%d}" if first != last else f"{first:%Y-%m-%d}"
        for first, last in spans[:DAYS_SHOWN]
    ]
    more = f" and {len(spans) - DAYS_SHOWN} more ranges" if len(spans) > DAYS_SHOWN else ""
    return f"{len(days)} day(s): {', '.join(shown)}{more}"
