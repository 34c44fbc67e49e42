"""`ft-emissions reconcile`: the runs beside what cloud providers report.

Put here: the command and its table. Keep out: the comparison (`analysis/reconcile.py`).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ft_emissions_pipeline.cli import output
from ft_emissions_pipeline.cli.options import Form, Warehouse, need_warehouse

if TYPE_CHECKING:
    import pandas as pd
    from rich.table import Table


def reconcile(
    warehouse: Warehouse = "warehouse",
    form: Form = output.Format.table,
) -> None:
    """Set runs beside what AWS, Google or Azure reports of them, by region and month."""
    from ft_emissions_pipeline.analysis import reconcile as beside

    need_warehouse(warehouse)
    with output.refusals():
        found = beside.of_warehouse(warehouse)
    output.show(found, form, _parts(found))
    if found.empty:
        output.refuse(
            f"{warehouse} holds no report of a cloud provider; put the export (docs/formats.md: "
            "aws_carbon, aws_carbon_api, google_carbon, azure_carbon) into the landing folder and "
            "run `ft-emissions run`"
        )


def _parts(found: pd.DataFrame) -> Iterator[Table | str]:
    from ft_emissions_pipeline.analysis.reconcile import COVERS, OURS

    if found.empty:
        return
    titles = ("provider", "region", "month", "line")
    yield output.table(
        "Runs beside the providers' reports (5th to 95th percentile)",
        (*titles, "runs", "unit", "ours", "theirs", "ratio"),
        (
            (
                row["provider"], row["region"] or "(none told)", f"{row['month']:%Y-%m}",
                row["line"], str(row["runs"]), row["unit"], _ours(row),
                output.figure(row["theirs"]), output.figure(row["ratio"]),
            )
            for row in found.to_dict("records")
        ),
        left=titles,
    )  # fmt: skip
    for row in found[found["said"] != ""].to_dict("records"):
        place = f"{row['provider']} {row['region'] or '(no region told)'} {row['month']:%Y-%m}"
        accounts = f" (accounts {row['accounts']})" if row["accounts"] else ""
        yield f"{place}{accounts}, {row['line']}: {row['said']}"
    yield f"Ours covers: {OURS}."
    for provider in found["provider"].unique():
        yield f"Theirs ({provider}) covers: {COVERS[provider]}."


def _ours(row: dict[str, float]) -> str:
    if row["ours_p05"] == row["ours_p05"]:
        return output.with_interval(row["ours"], row["ours_p05"], row["ours_p95"])
    return output.figure(row["ours"])
