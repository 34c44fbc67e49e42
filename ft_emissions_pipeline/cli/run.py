"""`ft-emissions run`: the whole pipeline over a folder of logs.

Put here: the command and its summary. Keep out: what runs over which days
(`assets/in_process.py`).
"""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from ft_emissions_pipeline import shipped
from ft_emissions_pipeline.cli import options, output

if TYPE_CHECKING:
    import pandas as pd
    from rich.table import Table


def run(
    landing: options.Landing = "landing",
    warehouse: options.Warehouse = "warehouse",
    date: options.Date = None,
    first: options.First = None,
    last: options.Last = None,
    profile: options.Profile = "default",
    timezone: options.Zone = "UTC",
    calibrate: options.Calibrate = False,
    reference: options.ReferenceFolder = None,
    scheduler: options.Scheduler = "",
    form: options.Form = output.Format.table,
) -> None:
    """Materialize the whole pipeline; without days, those that newly landed logs touch."""
    from ft_emissions_pipeline import stages
    from ft_emissions_pipeline.landing import due, engines
    from ft_emissions_pipeline.reference import refusal

    if "://" not in landing and not Path(landing).is_dir():
        output.wrong_usage(f"{landing} is no folder; name the folder of your logs with --landing")
    if "://" not in warehouse and Path(warehouse).exists() and not Path(warehouse).is_dir():
        output.wrong_usage(
            f"{warehouse} is no folder; name the folder of the tables with --warehouse"
        )
    with output.refusals(), engines.cluster(scheduler) as address:
        days = options.range_of_days(date, first, last)
        ranges: list[tuple[pd.Timestamp, pd.Timestamp]] = []
        failures: list[str] = []
        # Dagster takes a second to import, which a run that has nothing to do should not pay.
        if days is not None or due.anything(landing, warehouse, timezone, reference, address):
            with output.progress_shown() as (begun, ahead):
                done = dag("in_process").materialize(
                    landing,
                    warehouse,
                    days=days,
                    profile=profile,
                    timezone=timezone,
                    home=dag("home").home_of(warehouse),
                    calibrate=calibrate,
                    reference_data=reference,
                    scheduler=address,
                    progress=begun,
                    ahead=ahead,
                )
            ranges, failures = done.ranges, done.failures
        _summary(warehouse, ranges, form)
        refused = refusal(warehouse)
        if refused:
            # Newer tables were refused, and the last good ones served.
            typer.echo(f"REFERENCE TABLES REFUSED: {refused}", err=True)
        output.tell_of_meters(stages.stored_calibration(warehouse), applied=calibrate)
    if failures:
        output.refuse(*(f"failed: {failure}" for failure in failures))


def dag(module: str) -> Any:
    """Return a module of the DAG that came with this package.

    The package is found by its place, as a user's own project may have a package `assets` as well.
    """
    name, place = "ft_emissions_pipeline.assets", shipped("assets")
    if name not in sys.modules:
        spec = spec_from_file_location(
            name, place / "__init__.py", submodule_search_locations=[str(place)]
        )
        assert spec is not None
        assert spec.loader is not None
        sys.modules[name] = module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    return import_module(f"{name}.{module}")


def _summary(
    warehouse: str, ranges: list[tuple[pd.Timestamp, pd.Timestamp]], form: output.Format
) -> None:
    from ft_emissions_pipeline import report
    from ft_emissions_pipeline.landing.index import outcomes
    from ft_emissions_pipeline.normalize import NAMES
    from ft_emissions_pipeline.tables import (
        FIELD_PROVENANCE,
        INFERENCE_IMPACTS,
        LANDING_INDEX,
        QUARANTINE,
        VALIDATED_RUNS,
    )
    from ft_emissions_pipeline.warehouse import store

    # Rows for a program stand alone on stdout.
    err = form is not output.Format.table
    index = store.read(warehouse, LANDING_INDEX)
    quarantine = store.read(warehouse, QUARANTINE)
    counts = outcomes(index, quarantine[quarantine["content_hash"].isna()])
    days = ", ".join(f"{first:%Y-%m-%d} to {last:%Y-%m-%d}" for first, last in ranges)
    output.remark(f"Days run: {days or 'none, no new log tells of one'}", err=err)
    output.remark(
        f"Records: {counts['records'].sum()} read from {len(counts)} files, "
        f"{counts['used'].sum()} used, {counts['merged'].sum()} merged, "
        f"{counts['quarantined'].sum()} in quarantine",
        err=err,
    )
    output.tell_of_refused_records(quarantine)
    output.tell_of_other_files(index.loc[index["content"] == "other", "source_format"], err=err)
    output.tell_of_notes(index.dropna(subset=["join_note"]), "join_note")
    for span in ranges:
        # An unknown name is a run's own, so that it stands there.
        named = store.read(
            warehouse, FIELD_PROVENANCE, span, ("rule", "source"), where=("field", NAMES)
        )
        output.tell_of_unknown_names(named)
    runs = store.read(warehouse, VALIDATED_RUNS, columns=("run_id",))
    output.tell_of_what_is_missing(set(index["content"]), len(runs), err=err)
    latest = newest_served(store.read(warehouse, INFERENCE_IMPACTS))
    if len(latest) or err:
        output.show(latest, form, [_per_inference(latest)])
    page = Path(warehouse) / "report" / "index.html"
    if not ranges and not page.exists() and "://" not in warehouse:
        # Without a day no asset writes it, and what is missing should be read there, too.
        report.write(warehouse)
    if page.exists():
        output.remark(f"Report: {page}", err=err)


def newest_served(impacts: pd.DataFrame) -> pd.DataFrame:
    """Return each model's latest day with inferences."""
    served = impacts[impacts["inferences"] > 0].sort_values("date", kind="stable")
    return served.drop_duplicates("model_name", keep="last").sort_values("model_name")


def _per_inference(latest: pd.DataFrame) -> Table:
    return output.table(
        "Per inference, latest day of each model (5th to 95th percentile)",
        ("model", "day", "inferences", "gCO2e/inference", "mL water/inference", "status"),
        map(cells, latest.to_dict("records")),
        left={"model", "day", "status"},
    )


def cells(row: dict[str, Any]) -> tuple[str, ...]:
    """Return the cells of a row of the printed table."""
    return (
        row["model_name"],
        f"{row['date']:%Y-%m-%d}",
        f"{row['inferences']:,.0f}",
        output.interval_of(row, "gco2e_per_inference"),
        output.interval_of(row, "water_ml_per_inference"),
        row["status"],
    )
