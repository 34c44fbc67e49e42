"""`ft-emissions study`: what the runs themselves say about energy.

Put here: the command and its tables. Keep out: the findings (`analysis/study.py`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from ft_emissions_pipeline.cli import options, output

if TYPE_CHECKING:
    import pandas as pd
    from rich.table import Table


def study(
    files: options.LogsToStudy = None,
    warehouse: options.Warehouse = "warehouse",
    scale: options.Scale = "log",
    form: options.Form = output.Format.table,
    timezone: options.Zone = "UTC",
) -> None:
    """Tell what explains the energy of your runs, and what distilled models and more GPUs saved."""
    from ft_emissions_pipeline.analysis.study import of_warehouse

    if not files:
        options.need_warehouse(warehouse)
    with output.refusals():
        found = _of_files(files, timezone, scale) if files else of_warehouse(warehouse, scale)
    output.show(found, form, _parts(found, scale))


def _of_files(files: list[str], timezone: str, scale: options.Scale) -> pd.DataFrame:
    from ft_emissions_pipeline import api
    from ft_emissions_pipeline.analysis.study import studied
    from ft_emissions_pipeline.reference import load
    from ft_emissions_pipeline.tables import MODEL_EVENTS, empty

    runs, quarantine = api.read_runs(files, timezone=timezone)
    output.tell_of_refused_records(quarantine)
    estimate = api.estimate(runs)
    return studied(
        estimate.normalized,
        estimate.provenance,
        runs,
        estimate.runs,
        empty(MODEL_EVENTS),
        load().tables["models"],
        scale=scale,
    )


def _parts(found: pd.DataFrame, scale: options.Scale) -> Iterator[Table | str]:
    from ft_emissions_pipeline.analysis import study as findings

    rows, others = findings.side_by_side(found), findings.compared(found)
    if len(rows):
        yield output.table(
            f"What explains energy: {scale} least squares, and ranks (5th to 95th percentile)",
            ("hardware", "energy", "by", "runs", "R2", "rank correlation", "note"),
            (_explained(row, findings.QUANTITIES) for row in rows.to_dict("records")),
            left={"hardware", "energy", "by", "note"},
        )
    if len(others):
        yield output.table(
            "What was compared (5th to 95th percentile)",
            ("question", "of", "figure", "runs", "value", "note"),
            (_compared(row, findings.QUESTIONS) for row in others.to_dict("records")),
            left={"question", "of", "figure", "note"},
        )
    for row in findings.unanswered(found).to_dict("records"):
        yield f"{findings.QUESTIONS[row['finding']]}: {row['note']}"
    yield (
        "Only logged or measured quantities count, each on the runs that tell it. "
        "What BERT showed: Wang et al. 2023, arXiv:2311.10267."
    )


def _explained(row: dict[str, Any], quantities: Mapping[str, str]) -> tuple[str, ...]:
    return (
        row["subject"],
        row["energy"].removesuffix("_energy_kwh").upper(),
        quantities[row["quantity"]],
        f"{row['runs']}",
        output.interval_of(row, "r2"),
        output.interval_of(row, "rank"),
        row["note"],
    )


def _compared(row: dict[str, Any], questions: Mapping[str, str]) -> tuple[str, ...]:
    return (
        questions[row["finding"]],
        row["subject"],
        row["statistic"].replace("_", " "),
        f"{row['runs']}",
        output.with_interval(row["value"], row["p05"], row["p95"]),
        row["note"],
    )
