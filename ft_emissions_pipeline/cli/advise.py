"""`ft-emissions advise`: what to disclose next.

Put here: the command and its table. Keep out: what a disclosure would change
(`analysis/advice.py`).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ft_emissions_pipeline.cli import options, output

if TYPE_CHECKING:
    import pandas as pd
    from rich.table import Table


def advise(
    only: options.RunOrModel = None,
    file: options.LogsInstead = None,
    warehouse: options.Warehouse = "warehouse",
    form: options.Form = output.Format.table,
    profile: options.Profile = "default",
    timezone: options.Zone = "UTC",
    calibrate: options.Calibrate = False,
) -> None:
    """Say which missing field, once disclosed, narrows the interval of each run and model most."""
    from ft_emissions_pipeline.analysis import advice

    with output.refusals():
        runs, rests_on = options.runs_asked_about(file, warehouse, timezone, profile, calibrate)
        outcomes = advice.try_fields(runs, only=only, **rests_on)
    by_run, by_model = (advice.ranked(outcomes, by) for by in advice.KEYS)
    output.show(by_run, form, _parts(by_run, by_model))


def _parts(by_run: pd.DataFrame, by_model: pd.DataFrame) -> Iterator[Table | str]:
    from ft_emissions_pipeline.analysis.advice import best

    one = by_run["run_id"].nunique() == 1
    yield _table(by_run if one else best(by_model), "model_name")
    if not one:
        yield _table(best(by_run).head(output.SHOWN_RUNS), "run_id")
    yield (
        "Each field is tried alone, as if a disclosure stated the value that stands in for it now."
    )


def _table(rows: pd.DataFrame, key: str) -> Table:
    subject = "run" if key == "run_id" else "model"
    left = (subject, "tier", "disclose", "now taken as", "carbon kgCO2e now", "once disclosed")
    return output.table(
        "What to disclose next (5th to 95th percentile of the carbon)",
        (*left[:2], "imputed", *left[2:], "narrower by", "water's by"),
        (_cells(row, key) for row in rows.to_dict("records")),
        left=left,
    )


def _cells(row: dict[str, Any], key: str) -> tuple[str, ...]:
    known = (row[key], row["quality_tier"], f"{row['share_imputed']:.0%}")
    if not isinstance(row["field"], str):
        return (*known, "nothing", "", _range(row, ""), "", "", "")
    return (
        *known,
        " ".join(map(_with_unit, row["field"].split())),
        _shown(row["value"]),
        _range(row, ""),
        _range(row, "then_"),
        f"{row['carbon_narrowed']:.0%}",
        f"{row['water_narrowed']:.0%}",
    )


def _with_unit(field: str) -> str:
    from ft_emissions_pipeline.tables import RUNS

    unit = RUNS.column(field).unit
    return f"{field} [{unit}]" if unit else field


def _shown(value: str) -> str:
    """Return a number with the digits that matter, and a name as it is."""
    try:
        return output.figure(float(value))
    except ValueError:
        return value


def _range(row: dict[str, float], prefix: str) -> str:
    low, high = (row[f"{prefix}total_kgco2e_{bound}"] for bound in ("p05", "p95"))
    return f"{output.figure(low, 2)} to {output.figure(high, 2)}"
