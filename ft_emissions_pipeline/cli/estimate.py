"""`ft-emissions estimate`: the footprint of the runs in some files.

Put here: the command and its table. Keep out: the figures (`api.py`).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ft_emissions_pipeline.cli import output
from ft_emissions_pipeline.cli.options import Calibrate, Form, Logs, Profile, Zone

if TYPE_CHECKING:
    import pandas as pd
    from rich.table import Table


def estimate(
    files: Logs,
    profile: Profile = "default",
    form: Form = output.Format.table,
    timezone: Zone = "UTC",
    calibrate: Calibrate = False,
) -> None:
    """Estimate the runs in some files, without a warehouse."""
    from ft_emissions_pipeline import api

    with output.refusals():
        logs = api.read_logs(files, timezone=timezone)
        runs, quarantine = logs.runs, logs.quarantine
        found = api.estimate(runs, profile=profile, calibrate=calibrate)
    columns = ["run_id", "inferences", "gco2e_per_inference", "water_ml_per_inference"]
    result = found.runs.merge(found.per_inference[columns], on="run_id")
    if len(result) or form is not output.Format.table:
        output.show(result, form, _parts(result))
    if form is output.Format.table:
        output.tell_of_other_files(
            logs.files.loc[logs.files["content"] == "other", "source_format"]
        )
        output.tell_of_what_is_missing(set(logs.files["content"]), len(result))
    output.tell_of_refused_records(quarantine)
    output.tell_of_notes(runs, "repairs")
    output.tell_of_unknown_names(found.provenance)
    output.tell_of_meters(found.calibration, applied=calibrate)
    if result.empty and len(quarantine):
        output.refuse()


def _parts(result: pd.DataFrame) -> Iterator[Table | str]:
    yield output.table(
        "Carbon and water of fine-tuning runs (5th to 95th percentile)",
        ("run", "day", "energy kWh", "carbon kgCO2e", "water L", "gCO2e/inference",
         "mL/inference", "tier"),
        map(_cells, result.itertuples(index=False)),
        left={"run", "day"},
    )  # fmt: skip
    yield "Follow one with: ft-emissions explain RUN_ID --file FILE"


def _cells(row: Any) -> tuple[str, ...]:
    return (
        row.run_id,
        f"{row.date:%Y-%m-%d}",
        output.figure(row.it_energy_kwh),
        output.with_interval(row.total_kgco2e, row.total_kgco2e_p05, row.total_kgco2e_p95),
        output.with_interval(row.total_water_l, row.total_water_l_p05, row.total_water_l_p95),
        output.figure(row.gco2e_per_inference),
        output.figure(row.water_ml_per_inference),
        row.quality_tier,
    )
