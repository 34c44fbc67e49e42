"""`ft-emissions`: the command line.

Put here: commands, their options, and how results are printed. Keep out: everything else; each
command calls `api` or `assets.run`, imported when the command runs so that `--help` is quick.

Exit codes: 0 done, 1 the data were refused (what and why on stderr), 2 wrong usage.
"""

from __future__ import annotations

import contextlib
import math
import os
import sys
from collections.abc import Callable, Iterator
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ft_emissions_pipeline.cli import reference as reference_cli
from ft_emissions_pipeline.cli import rollup, study
from ft_emissions_pipeline.cli.token_time import app as token_time_app

if TYPE_CHECKING:
    import pandas as pd
    from rich.table import Table

app = typer.Typer(
    help="Carbon and water of fine-tuning, per inference and day, from the logs you have.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.add_typer(token_time_app, name="token-time")


class Format(StrEnum):
    """How results are printed."""

    table = "table"
    json = "json"
    csv = "csv"


Profile = Annotated[str, typer.Option(help="Profile of the methodology: default or scope3-2024.")]
Calibrate = Annotated[
    bool,
    typer.Option(
        "--calibrate",
        help="Scale software's energy by what meters of the same host saw, in runs without a meter.",
    ),
]
Zone = Annotated[str, typer.Option(help="Time zone of instants in logs that name none.")]
Warehouse = Annotated[str, typer.Option(help="Folder of the tables, or URL of an object store.")]
Reference = Annotated[
    Path | None, typer.Option(help="Folder of the factor tables; those of the package by default.")
]
Day = Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"], help="UTC day.")]
First = Annotated[
    datetime | None, typer.Option("--from", formats=["%Y-%m-%d"], help="First UTC day.")
]
Last = Annotated[datetime | None, typer.Option("--to", formats=["%Y-%m-%d"], help="Last UTC day.")]


app.add_typer(reference_cli.app, name="reference")


@app.command()
def estimate(
    files: Annotated[list[str], typer.Argument(help="Logs, disclosures, folders, globs or URLs.")],
    profile: Profile = "default",
    form: Annotated[Format, typer.Option("--format", help="How to print.")] = Format.table,
    timezone: Zone = "UTC",
    calibrate: Calibrate = False,
) -> None:
    """Estimate the runs in some files, without a warehouse."""
    from ft_emissions_pipeline import api

    with refusals():
        runs, quarantine = api.read_runs(files, timezone=timezone)
        found = api.estimate(runs, profile=profile, calibrate=calibrate)
    columns = ["run_id", "inferences", "gco2e_per_inference", "water_ml_per_inference"]
    result = found.runs.merge(found.per_inference[columns], on="run_id")
    if form is Format.json:
        typer.echo(
            result.to_json(orient="records", date_format="iso", double_precision=12, indent=2)
        )
    elif form is Format.csv:
        typer.echo(result.to_csv(index=False), nl=False)
    else:
        printed(_estimates(result))
        typer.echo("Follow one with: ft-emissions explain RUN_ID --file FILE")
    _complain(quarantine)
    _tell_of_ambiguous(runs, "repairs")
    _tell_of_meters(found.calibration, applied=calibrate)
    if result.empty:
        raise typer.Exit(1)


@app.command()
def run(
    landing: Annotated[str, typer.Option(help="Folder of the logs, or its URL.")] = "landing",
    warehouse: Warehouse = "warehouse",
    date: Day = None,
    first: First = None,
    last: Last = None,
    profile: Profile = "default",
    timezone: Zone = "UTC",
    calibrate: Calibrate = False,
    reference: Reference = None,
) -> None:
    """Materialize the whole pipeline; without days, those that newly landed logs touch."""
    if "://" not in landing and not Path(landing).is_dir():
        _fail(f"{landing} is no folder; name the folder of your logs with --landing")
    with refusals():
        days = range_of_days(date, first, last)
        from assets.in_process import materialize

        with progress_shown() as progress:
            home = os.environ.get("DAGSTER_HOME")
            done = materialize(
                landing,
                warehouse,
                days=days,
                profile=profile,
                timezone=timezone,
                home=Path(home) if home else None,
                calibrate=calibrate,
                reference_data=reference,
                progress=progress,
            )
    _summary(warehouse, done.ranges)
    reference_cli.tell_of_refusal(warehouse)
    _tell_of_meters(_calibration(warehouse), applied=calibrate)
    for failure in done.failures:
        typer.echo(f"failed: {failure}", err=True)
    if done.failures:
        raise typer.Exit(1)


@app.command()
def explain(
    run_id: Annotated[str, typer.Argument(help="Run, as `estimate` or the report names it.")],
    file: Annotated[
        list[str] | None, typer.Option(help="Logs to estimate the run from, without a warehouse.")
    ] = None,
    warehouse: Warehouse = "warehouse",
    profile: Profile = "default",
    timezone: Zone = "UTC",
    draws: Annotated[
        int, typer.Option(min=0, help="Draws of a Monte Carlo beside the closed-form interval.")
    ] = 0,
    seed: Annotated[int, typer.Option(min=0, help="Start of its random numbers.")] = 0,
) -> None:
    """Print each step of a run: formula, values, units, factors and their sources."""
    from ft_emissions_pipeline import api
    from ft_emissions_pipeline.analysis.explain import explain_stored
    from ft_emissions_pipeline.stages import UnknownRun

    with refusals():
        try:
            if file:
                runs, quarantine = api.read_runs(file, timezone=timezone)
                text = api.estimate(runs, profile=profile).explain(run_id, draws=draws, seed=seed)
                _complain(quarantine)
            else:
                from ft_emissions_pipeline.analysis.explain import stored_ancestry

                text = explain_stored(run_id, warehouse, draws=draws, seed=seed)
                text = f"{text}\n\n{stored_ancestry(warehouse, run_id)}".rstrip()
        except UnknownRun as error:
            _fail(str(error.args[0]))
    typer.echo(text)


@app.command()
def report(warehouse: Warehouse = "warehouse") -> None:
    """Write the HTML report anew from the tables, and print where it lies."""
    from ft_emissions_pipeline import report as page

    need_warehouse(warehouse)
    with refusals():
        typer.echo(page.write(warehouse))


app.command("rollup")(rollup.rollup)


def main() -> None:
    """Run the command line."""
    app()


def need_warehouse(warehouse: str) -> None:
    """Refuse a folder that is not there."""
    if "://" not in warehouse and not Path(warehouse).is_dir():
        _fail(f"{warehouse} is no folder; make the tables first with `ft-emissions run`")


def _fail(message: str) -> None:
    typer.echo(message, err=True)
    raise typer.Exit(2)


@contextlib.contextmanager
def refusals() -> Iterator[None]:
    """Turn what was wrong with the input into a sentence and an exit code."""
    from ft_emissions_pipeline.warehouse.store import StoreBusy

    try:
        yield
    except FileNotFoundError as error:
        _fail(str(error))
    except ImportError as error:
        from ft_emissions_pipeline.readers.remote import MissingPackageError

        if not isinstance(error, MissingPackageError):
            raise
        _fail(str(error))
    except (ValueError, StoreBusy) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from error


def range_of_days(
    date: datetime | None, first: datetime | None, last: datetime | None
) -> tuple[pd.Timestamp, pd.Timestamp] | None:
    """Return the days that --date, or --from and --to, name; None where none of them is given."""
    import pandas as pd

    if date is not None and (first is not None or last is not None):
        _fail("give either --date, or --from and --to")
    if (first is None) != (last is None):
        _fail("--from and --to go together")
    start, end = (date, date) if date is not None else (first, last)
    if start is None or end is None:
        return None
    if start > end:
        _fail(f"--from {start:%Y-%m-%d} lies after --to {end:%Y-%m-%d}")
    return pd.Timestamp(start), pd.Timestamp(end)


@contextlib.contextmanager
def progress_shown() -> Iterator[Callable[[str], None]]:
    """Show the stage under way; on a terminal in one line, else a line each."""
    from rich.console import Console

    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda stage: console.print(f"  {stage}", highlight=False)
        return
    with console.status("starting") as status:
        yield lambda stage: status.update(f"{stage}")


def _complain(quarantine: pd.DataFrame) -> None:
    for row in quarantine.itertuples(index=False):
        place = (
            f"#{row.source_record}"
            if isinstance(row.source_record, str) and row.source_record
            else ""
        )
        typer.echo(f"not used: {row.source_uri}{place}: {row.reason_code}: {row.reason}", err=True)


def _tell_of_ambiguous(records: pd.DataFrame, column: str) -> None:
    """Name the logs that were not joined, and the runs that they may be of."""
    from ft_emissions_pipeline.landing.join import candidates_of

    for row in records.itertuples(index=False):
        named, more = candidates_of(str(getattr(row, column)))
        if named:
            others = ", ".join(named) + (f" and {more} more" if more else "")
            typer.echo(
                f"not joined: {row.source_uri}#{row.source_record}: run {row.run_id} may be one "
                f"with {others}; say which logs are of one run in runs.yaml",
                err=True,
            )


def _calibration(warehouse: str) -> pd.DataFrame:
    from ft_emissions_pipeline.stages import stored_calibration

    return stored_calibration(warehouse)


def _tell_of_meters(coefficients: pd.DataFrame, *, applied: bool) -> None:
    for row in coefficients.itertuples(index=False):
        more = "applied" if applied else "not applied, see --calibrate"
        typer.echo(
            f"host {row.host}: the meter saw {row.coefficient:.3g} times what software did, "
            f"in {row.runs} run(s); {more}",
            err=True,
        )


def _summary(warehouse: str, ranges: list[tuple[pd.Timestamp, pd.Timestamp]]) -> None:
    from ft_emissions_pipeline import tables
    from ft_emissions_pipeline.landing import index as landing
    from ft_emissions_pipeline.warehouse import store

    index = store.read(warehouse, tables.LANDING_INDEX)
    quarantine = store.read(warehouse, tables.QUARANTINE)
    refused = quarantine[quarantine["content_hash"].isna()]
    counts = landing.outcomes(index, refused)
    days = ", ".join(f"{first:%Y-%m-%d} to {last:%Y-%m-%d}" for first, last in ranges)
    typer.echo(f"Days run: {days or 'none, no new log tells of one'}")
    typer.echo(
        f"Records: {counts['records'].sum()} read from {len(counts)} files, "
        f"{counts['used'].sum()} used, {counts['merged'].sum()} merged, "
        f"{counts['quarantined'].sum()} in quarantine"
    )
    _complain(quarantine)
    _tell_of_ambiguous(index.dropna(subset=["join_note"]), "join_note")
    impacts = store.read(warehouse, tables.INFERENCE_IMPACTS)
    if len(impacts):
        printed(_per_inference(impacts))
    page = Path(warehouse) / "report" / "index.html"
    if page.exists():
        typer.echo(f"Report: {page}")


def printed(table: Table) -> None:
    """Print a table, as wide as the terminal."""
    from rich.console import Console

    # A pipe has no width of its own; cells must not be cut there.
    # Markup is off, or a run named `[removed 1a2b]` would be taken for it and not be shown.
    console = Console(width=None if sys.stdout.isatty() else 160, markup=False)
    console.print(table)


def _estimates(result: pd.DataFrame) -> Table:
    from rich.table import Table

    table = Table(title="Carbon and water of fine-tuning runs (5th to 95th percentile)")
    for name in (
        "run",
        "day",
        "energy kWh",
        "carbon kgCO2e",
        "water L",
        "gCO2e/inference",
        "mL/inference",
        "tier",
    ):
        table.add_column(name, justify="left" if name in {"run", "day"} else "right")
    for row in result.itertuples(index=False):
        table.add_row(
            row.run_id,
            f"{row.date:%Y-%m-%d}",
            figure(row.it_energy_kwh),
            with_interval(row.total_kgco2e, row.total_kgco2e_p05, row.total_kgco2e_p95),
            with_interval(row.total_water_l, row.total_water_l_p05, row.total_water_l_p95),
            figure(row.gco2e_per_inference),
            figure(row.water_ml_per_inference),
            row.quality_tier,
        )
    return table


def _per_inference(impacts: pd.DataFrame) -> Table:
    from rich.table import Table

    latest = impacts.sort_values("date", kind="stable")
    latest = latest[latest["inferences"] > 0].drop_duplicates("model_name", keep="last")
    table = Table(title="Per inference, latest day of each model (5th to 95th percentile)")
    for name in ("model", "day", "inferences", "gCO2e/inference", "mL water/inference", "status"):
        table.add_column(name, justify="left" if name in {"model", "day", "status"} else "right")
    for row in latest.sort_values("model_name").itertuples(index=False):
        table.add_row(
            row.model_name,
            f"{row.date:%Y-%m-%d}",
            f"{row.inferences:,.0f}",
            with_interval(
                row.gco2e_per_inference, row.gco2e_per_inference_p05, row.gco2e_per_inference_p95
            ),
            with_interval(
                row.water_ml_per_inference,
                row.water_ml_per_inference_p05,
                row.water_ml_per_inference_p95,
            ),
            row.status,
        )
    return table


def figure(value: float, digits: int = 3) -> str:
    """Return a number with some significant digits and no exponent, empty if it is unknown."""
    if math.isnan(value):
        return ""
    if value == 0 or 1e-4 <= abs(value) < 10**digits:
        return f"{value:.{digits}g}"
    return f"{value:,.0f}" if abs(value) >= 1 else f"{value:.{digits - 1}e}"


def with_interval(value: float, low: float, high: float) -> str:
    """Return a figure with its percentiles, empty if it is unknown."""
    return "" if math.isnan(value) else f"{figure(value)} ({figure(low, 2)} to {figure(high, 2)})"


# The commands of other modules share the options and the printing above.
from ft_emissions_pipeline.cli import advise, restate

app.command()(restate.restate)
app.command()(restate.as_reported)
app.command()(advise.advise)
app.command("what-if")(advise.what_if)
app.command()(study.study)
