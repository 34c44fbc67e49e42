"""`ft-emissions as-reported`: what stood in the per-inference table on a day.

Put here: the command, and how its rows are told. Keep out: what stood when
(`restatement/as_reported.py`).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ft_emissions_pipeline.cli import options, output

if TYPE_CHECKING:
    import pandas as pd

    from ft_emissions_pipeline.restatement.as_reported import AsReported


def as_reported(
    at: options.At,
    warehouse: options.Warehouse = "warehouse",
    date: options.Date = None,
    first: options.First = None,
    last: options.Last = None,
    form: options.Form = output.Format.table,
) -> None:
    """Print what stood in the per-inference table on a day, and what was restated since."""
    import pandas as pd

    from ft_emissions_pipeline.restatement import as_reported as past

    options.need_warehouse(warehouse)
    with output.refusals():
        days = options.range_of_days(date, first, last, to_come=True)
        found = past.as_reported(warehouse, pd.Timestamp(at), days)
    if form is output.Format.json:
        output.show_as_json({"as_reported": found.rows, "restated_since": found.restated})
        return
    output.show(found.rows, form, _lines(found, pd.Timestamp(at)))


def _lines(found: AsReported, at: pd.Timestamp) -> Iterator[str]:
    from ft_emissions_pipeline.restatement.as_reported import told

    yield (
        f"As reported on {told(at)}: version {found.table_version} of inference_impacts, "
        f"committed {found.committed_at:%Y-%m-%d %H:%M} UTC"
    )
    for row in found.rows.itertuples(index=False):
        yield (
            f"  {row.date:%Y-%m-%d}  {row.model_name}  {row.model_version}  "
            f"{output.figure(row.gco2e_per_inference)} gCO2e  "
            f"{output.figure(row.water_ml_per_inference)} mL per inference  {row.status}"
        )
    yield f"Restated since: {len(found.restated)} value(s)"
    for row in found.restated.itertuples(index=False):
        yield (
            f"  {row.date:%Y-%m-%d}  {row.model_name}  {row.model_version}  {row.column}  "
            f"{output.change(row.old, row.new)}  {row.cause}: {row.cause_detail}"
        )
