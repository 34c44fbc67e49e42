"""`ft-emissions estimate`: the footprint of the runs in some files.

Put here: the command and its table. Keep out: the figures (`api.py`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ft_emissions_pipeline.cli import options, output

if TYPE_CHECKING:
    import pandas as pd
    from rich.table import Table


def estimate(
    files: options.Logs,
    profile: options.Profile = "default",
    form: options.Form = output.Format.table,
    timezone: options.Zone = "UTC",
    calibrate: options.Calibrate = False,
) -> None:
    """Estimate the runs in some files, without a warehouse."""
    from ft_emissions_pipeline import api

    with output.refusals(), output.progress_shown(lines=False) as (begun, _):
        begun("reading logs")
        logs = api.read_logs(files, timezone=timezone)
        begun("estimating")
        found = api.estimate(logs, profile=profile, calibrate=calibrate)
    result = found.table
    if len(result) or form is not output.Format.table:
        undated = found.accepted.loc[found.accepted["date_rule"].isin(_STAND_INS), "run_id"]
        output.show(result, form, _parts(result, found.total, list(undated)))
    err = form is not output.Format.table
    kinds = logs.files.loc[logs.files["content"] == "other", "source_format"]
    output.tell_of_other_files(kinds, err=err)
    output.tell_of_what_is_missing(set(logs.files["content"]), len(result), err=err)
    output.tell_of_refused_records(logs.quarantine)
    output.tell_of_notes(logs.runs, "repairs")
    output.tell_of_telemetry(logs.telemetry)
    output.tell_of_unknown_names(found.provenance)
    output.tell_of_meters(found.calibration, applied=calibrate)
    if result.empty and len(logs.quarantine):
        output.refuse()


UNKNOWN = "unknown"
"""Stands where no inference is known that could carry a footprint."""

_STAND_INS = ("base_model_release", "undated_default")
"""What the day of a run rests on where no log tells it."""


def _parts(
    result: pd.DataFrame, total: Mapping[str, float], undated: Sequence[str]
) -> Iterator[Table | str]:
    last = ("total", f"{len(result)} run(s)", "", output.figure(result["it_energy_kwh"].sum()),
            *_amounts(total), "", "", "")  # fmt: skip
    yield output.table(
        "Carbon and water of fine-tuning runs (5th to 95th percentile)",
        ("model", "run", "day", "energy kWh", "carbon kgCO2e", "water L", "gCO2e/inference",
         "mL/inference", "tier"),
        (*map(_cells, result.to_dict("records")), last),
        left={"model", "run", "day"},
    )  # fmt: skip
    unserved = result.loc[result["inferences"].isna(), "model_name"].unique()
    if len(unserved):
        yield (
            f"Inferences are unknown of {_some(unserved)}: put counts beside the logs (a CSV "
            "with date, model_name, inferences), or state expected_inferences_per_day in runs.yaml"
        )
    if len(undated):
        yield (
            f"No log tells the day of {_some(undated)}: another stands for it, and factors of its "
            "year are used; state a start time in runs.yaml"
        )
    yield "Follow one with: ft-emissions explain RUN --file FILE"


def _some(names: Sequence[str]) -> str:
    more = " and others" if len(names) > output.SHOWN_RUNS else ""
    return ", ".join(names[: output.SHOWN_RUNS]) + more


def _cells(row: dict[str, Any]) -> tuple[str, ...]:
    each = (row["gco2e_per_inference"], row["water_ml_per_inference"])
    return (
        row["model_name"],
        row["run_id"],
        f"{row['date']:%Y-%m-%d}",
        output.figure(row["it_energy_kwh"]),
        *_amounts(row),
        *(output.figure(value) or UNKNOWN for value in each),
        row["quality_tier"],
    )


def _amounts(row: Mapping[str, Any]) -> Iterator[str]:
    return (output.interval_of(row, name) for name in ("total_kgco2e", "total_water_l"))
