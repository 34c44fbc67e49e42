"""`ft-emissions reconcile`: the runs beside what cloud providers report.

Put here: the command and its table. Keep out: the comparison (`analysis/reconcile.py`).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ft_emissions_pipeline.cli import options, output

if TYPE_CHECKING:
    import pandas as pd
    from rich.table import Table


def reconcile(
    by: options.Places = "region",
    first: options.First = None,
    last: options.Last = None,
    warehouse: options.Warehouse = "warehouse",
    form: options.Form = output.Format.table,
) -> None:
    """Set runs beside what AWS, Google or Azure reports of them, by region or account, and month.

    Months that the days touch are compared whole: reports tell no days apart.
    """
    from ft_emissions_pipeline.analysis import reconcile as beside

    options.need_warehouse(warehouse)
    places = [place.strip() for place in by.split(",") if place.strip()]
    days = options.range_of_days(None, first, last)
    with output.refusals():
        found = beside.of_warehouse(warehouse, places, days)
    output.show(found, form, _parts(found))
    if found.empty:
        months = "" if days is None else " of these months"
        output.refuse(
            f"{warehouse} holds no report of a cloud provider{months}; put the export "
            "(docs/formats.md: aws_carbon, aws_carbon_api, google_carbon, azure_carbon) into the "
            "landing folder and run `ft-emissions run`"
        )


def _parts(found: pd.DataFrame) -> Iterator[Table | str]:
    from ft_emissions_pipeline.analysis.reconcile import COVERS, OURS, PLACES

    if found.empty:
        return
    places = [place for place in PLACES if place in found]
    titles = ("provider", *places, "month", "line")
    yield output.table(
        "Runs beside the providers' reports (5th to 95th percentile)",
        (*titles, "runs", "unit", "ours", "theirs", "ratio"),
        (
            (
                row["provider"], *(row[place] or "(none told)" for place in places),
                f"{row['month']:%Y-%m}", row["line"], str(row["runs"]), row["unit"],
                output.interval_of(row, "ours"),
                *(output.figure(row[name]) for name in ("theirs", "ratio")),
            )
            for row in found.to_dict("records")
        ),
        left=titles,
    )  # fmt: skip
    for row in found[found["said"] != ""].to_dict("records"):
        told = " ".join(row[place] or f"(no {place} told)" for place in places)
        place = f"{row['provider']} {told} {row['month']:%Y-%m}"
        listed = row["accounts"] and "account" not in places
        accounts = f" (accounts {row['accounts']})" if listed else ""
        yield f"{place}{accounts}, {row['line']}: {row['said']}"
    yield f"Ours covers: {OURS}."
    for provider in found["provider"].unique():
        yield f"Theirs ({provider}) covers: {COVERS[provider]}."
