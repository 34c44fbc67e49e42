"""`ft-emissions what-if`: the same runs elsewhere, on another GPU, by another method.

Put here: the command and its tables. Keep out: the comparison (`analysis/scenarios/`).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ft_emissions_pipeline.cli import options, output

if TYPE_CHECKING:
    import pandas as pd
    from rich.table import Table


def what_if(
    only: options.RunOrModel = None,
    file: options.LogsInstead = None,
    warehouse: options.Warehouse = "warehouse",
    region: options.Region = None,
    gpu: options.Gpu = None,
    method: options.Method = None,
    model: options.Model = None,
    start_hour: options.StartHour = None,
    every_days: options.EveryDays = None,
    form: options.Form = output.Format.table,
    profile: options.Profile = "default",
    timezone: options.Zone = "UTC",
    calibrate: options.Calibrate = False,
) -> None:
    """Estimate runs elsewhere, on another GPU or by another method, and show the difference."""
    from ft_emissions_pipeline.analysis import scenarios

    changes = {"region": region, "gpu": gpu, "method": method, "model": model,
               "start_hour": start_hour, "every_days": every_days}  # fmt: skip
    with output.refusals():
        runs, rests_on = options.runs_asked_about(file, warehouse, timezone, profile, calibrate)
        compared = scenarios.compare(runs, changes, only=only, **rests_on)
    answers = scenarios.by_run(compared)
    output.show(answers, form, _parts(compared, answers))


def _parts(compared: pd.DataFrame, answers: pd.DataFrame) -> Iterator[Table | str]:
    from ft_emissions_pipeline.analysis.scenarios import totals

    by_run = list(answers.groupby("run_id", sort=False))
    if len(by_run) > 1:
        sums = totals(compared)
        yield _table(sums, f"{sums['runs'].max():.0f} runs together")
    for run_id, rows in by_run[: output.SHOWN_RUNS]:
        yield _table(rows, f"Run {run_id}")
    if len(by_run) > output.SHOWN_RUNS:
        yield f"{len(by_run) - output.SHOWN_RUNS} more runs: --format csv prints all"
    for note, rows in answers[answers["note"] != ""].groupby("note", sort=False):
        yield f"{rows['run_id'].nunique()} run(s): {note}"


def _table(rows: pd.DataFrame, title: str) -> Table:
    return output.table(
        f"{title} (5th to 95th percentile)",
        ("quantity", "now", "then", "difference", "change"),
        map(_cells, rows.to_dict("records")),
        left={"quantity"},
    )


def _cells(row: dict[str, Any]) -> tuple[str, ...]:
    change = row["difference"] / row["now"] if row["now"] else 0.0
    return (
        row["quantity"],
        *(_with_signed_interval(row, side) for side in ("now", "then", "difference")),
        "unknown" if math.isnan(row["then"]) else f"{change:+.0%}",
    )


def _with_signed_interval(row: dict[str, float], side: str) -> str:
    value, low, high = (output.figure(row[side + bound]) for bound in ("", "_p05", "_p95"))
    return f"{value} ({low} to {high})" if value else ""
