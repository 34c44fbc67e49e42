"""What can be given to commands: the type and the help of every argument and option, once.

Put here: types, and what several options mean together. Keep out: what a command does with them.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from ft_emissions_pipeline.cli import output
from ft_emissions_pipeline.cli.output import Format, refusals, tell_of_refused_records, wrong_usage

if TYPE_CHECKING:
    import pandas as pd

DAY = ["%Y-%m-%d"]


def _print_version(wanted: bool) -> None:
    if wanted:
        import ft_emissions_pipeline

        typer.echo(f"ft-emissions {ft_emissions_pipeline.__version__}")
        raise typer.Exit


Version = Annotated[
    bool,
    typer.Option(
        "--version", callback=_print_version, is_eager=True, help="Print the version, and end."
    ),
]
Quiet = Annotated[
    bool, typer.Option("--quiet", "-q", help="Print results and refusals, no remarks or progress.")
]
Verbose = Annotated[
    bool, typer.Option("--verbose", "-v", help="Log each file that is read and table written.")
]


def of_every_command(
    version: Version = False,  # noqa: ARG001 - its callback answers
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Carbon and water of fine-tuning, per inference and day, from the logs you have."""
    if quiet and verbose:
        wrong_usage("give either --quiet or --verbose")
    output.quiet.set(quiet)
    if verbose:
        import logging

        logging.basicConfig(format="%(asctime)s %(name)s: %(message)s", datefmt="%H:%M:%S")
        logging.getLogger("ft_emissions_pipeline").setLevel(logging.INFO)


# How a result is printed, and where it comes from
Form = Annotated[Format, typer.Option("--format", help="How to print.")]
Warehouse = Annotated[str, typer.Option(help="Folder of the tables, or URL of an object store.")]
Landing = Annotated[str, typer.Option(help="Folder of the logs, or its URL.")]
LogsFolder = Annotated[Path, typer.Argument(help="Folder of the logs.")]
Logs = Annotated[list[str], typer.Argument(help="Logs, disclosures, folders, globs or URLs.")]
LogsOfRun = Annotated[
    list[str] | None,
    typer.Option("--file", help="Logs to estimate the run from, without a warehouse."),
]
LogsInstead = Annotated[
    list[str] | None, typer.Option("--file", help="Logs to estimate from, without a warehouse.")
]
LogsToStudy = Annotated[
    list[str] | None, typer.Argument(help="Logs to study instead of a warehouse.")
]

# Which runs and days
Run = Annotated[
    str, typer.Argument(help="Run, as `estimate` or the report names it, or how its id begins.")
]
RunOrModel = Annotated[
    str | None, typer.Argument(help="Run, how its id begins, or model; all of them by default.")
]
Date = Annotated[datetime | None, typer.Option(formats=DAY, help="UTC day.")]
First = Annotated[datetime | None, typer.Option("--from", formats=DAY, help="First UTC day.")]
Last = Annotated[datetime | None, typer.Option("--to", formats=DAY, help="Last UTC day.")]


def _instant(text: str) -> datetime:
    """Return a UTC day without a zone, or an instant with one."""
    parsed = datetime.fromisoformat(text)
    if len(text) <= len("2026-01-31"):
        return parsed
    return parsed.replace(tzinfo=parsed.tzinfo or UTC).astimezone(UTC)


_AT = {"parser": _instant, "metavar": "DAY|INSTANT"}
At = Annotated[datetime, typer.Option(help="UTC day or instant of the look back.", **_AT)]
TwoInstants = Annotated[
    list[datetime], typer.Option("--at", help="UTC day, as it ended, or instant; give two.", **_AT)
]

# What is handed on
ExportFormat = Annotated[
    str, typer.Argument(metavar="FORMAT", help="As docs/exports.md lists them.")
]
ModelName = Annotated[str | None, typer.Option("--model", help="Model; all of them by default.")]
VersionId = Annotated[
    str | None, typer.Option("--version", help="Version; of one model the newest by default.")
]
Out = Annotated[Path | None, typer.Option(help="File or folder to write; the terminal by default.")]
Entity = Annotated[str, typer.Option(help="Who answers for the models, as a report names it.")]

# How figures are computed
Profile = Annotated[str, typer.Option(help="Profile of the methodology: default or scope3-2024.")]
Calibrate = Annotated[
    bool,
    typer.Option(
        "--calibrate",
        help="Scale software's energy by what meters of the same host saw, "
        "in runs without a meter.",
    ),
]
Zone = Annotated[str, typer.Option(help="Time zone of instants in logs that name none.")]
ReferenceFolder = Annotated[
    str | None,
    typer.Option(
        help="Folder of the factor tables, or `package`; the warehouse remembers it until another "
        "is named."
    ),
]
Scheduler = Annotated[
    str,
    typer.Option(
        help="Read logs and compute runs on the workers of this Dask scheduler "
        "(tcp://host:8786), or `local` for workers on this machine."
    ),
]
Draws = Annotated[
    int, typer.Option(min=0, help="Draws of a Monte Carlo beside the closed-form interval.")
]
Seed = Annotated[int, typer.Option(min=0, help="Start of its random numbers.")]
Repair = Annotated[
    bool,
    typer.Option("--repair", help="Set broken files aside, so that the next run makes them anew."),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would move, and change nothing.")]
By = Annotated[
    str,
    typer.Option(
        help="model, team, tag, base_model or family (of the base model), and month, quarter or "
        "year, with commas between; '' for one sum."
    ),
]
Places = Annotated[
    str, typer.Option("--by", help="region or account, or both with a comma between.")
]
YearBegins = Annotated[
    int, typer.Option(min=1, max=12, help="Month with which a year and its quarters begin.")
]
Scale = Annotated[
    Literal["log", "plain"], typer.Option(help="Line through logarithms or plain values.")
]

# What would change
Region = Annotated[
    str | None,
    typer.Option("--region", "--place", help="Cloud region, country or US state to run in."),
]
Gpu = Annotated[str | None, typer.Option(help="Accelerator to run on.")]
Method = Annotated[str | None, typer.Option(help="How the weights change, as lora.")]
Model = Annotated[str | None, typer.Option(help="Base model, as a distilled one.")]
StartHour = Annotated[int | None, typer.Option(help="Hour of the UTC day, 0 to 23.")]
EveryDays = Annotated[float | None, typer.Option(help="Days between two fine-tunings.")]

# What is planned
Configurations = Annotated[
    list[Path] | None,
    typer.Argument(
        metavar="[CONFIG]...",
        help="Configuration of the training: axolotl, LLaMA-Factory, TRL or the Trainer, "
        "torchtune, Unsloth; after it those of accelerate or DeepSpeed.",
    ),
]
BaseModel = Annotated[str | None, typer.Option(help="Model that is tuned.")]
Tokens = Annotated[
    float | None, typer.Option(help="Tokens of the training set, without padding, one epoch.")
]
Examples = Annotated[float | None, typer.Option(help="Examples of the training set.")]
TokensPerExample = Annotated[float | None, typer.Option(help="Their mean length, unpadded.")]
SequenceLength = Annotated[
    float | None, typer.Option(help="Length that sequences are padded or packed to.")
]
Epochs = Annotated[float | None, typer.Option(help="Passes over the training set.")]
GpuCount = Annotated[float | None, typer.Option(help="Accelerators.")]
Software = Annotated[str | None, typer.Option(help="Software that trains, as axolotl.")]
ExpectedInferences = Annotated[
    float | None, typer.Option(help="Inferences a day that the model will serve.")
]
UseLifeDays = Annotated[float | None, typer.Option(help="Days for which it will serve.")]
Trials = Annotated[int, typer.Option(min=1, help="Runs of a sweep, each like this one.")]
OwnFactors = Annotated[
    Path | None, typer.Option("--own", help="Folder of your own factors, as hourly grid ones.")
]

# Factor tables
Tables = Annotated[str, typer.Option("--tables", help="Folder of the factor tables.")]
TablesToCheck = Annotated[str, typer.Argument(help="Folder of the factor tables.")]
ByAge = Annotated[
    bool, typer.Option("--age", help="List rows whose source is older than their table's cadence.")
]
TablesToSeal = Annotated[str, typer.Argument(help="Folder of the tables that were edited.")]
TablesToCompare = Annotated[str, typer.Argument(help="Folder of the factor tables, or `package`.")]
WarehouseOfYours = Annotated[
    str, typer.Option(help="Folder of the result tables; yours lie in it.")
]
Own = Annotated[
    Path | None,
    typer.Option(help="Folder of your own tables; by default own_factors in the warehouse."),
]
TableOrRow = Annotated[
    str, typer.Argument(help="A table, or the id of a row as `explain` prints it.")
]
NamesInLogs = Annotated[
    list[str], typer.Argument(help="Names of accelerators, instances, base models, places, ...")
]
NameKind = Annotated[
    str | None, typer.Option("--kind", help="What the names are: gpus, instances, models, ...")
]
Cells = Annotated[list[str] | None, typer.Argument(help="Cells of the rows wanted, as year=2024.")]
GridFile = Annotated[Path, typer.Argument(help="CSV: periods, hours, or an export as it is.")]
GridZone = Annotated[
    str | None,
    typer.Option(help="Where the factors hold: aws:us-west-2, NWPP, US-OR, DEU or WORLD."),
]
GridBasis = Annotated[
    Literal["lifecycle", "direct"],
    typer.Option(help="What they count, if the file has both or is silent."),
]
Source = Annotated[str | None, typer.Option(help="Where they come from, if the file is silent.")]
Licence = Annotated[str | None, typer.Option(help="Their licence, if the file is silent.")]
MarketBased = Annotated[
    bool, typer.Option("--market-based", help="Periods that are silent come from contracts.")
]


def need_warehouse(warehouse: str) -> None:
    """Refuse what is no folder, or holds no tables."""
    from ft_emissions_pipeline.warehouse import store

    make = "make the tables first with `ft-emissions run`"
    if "://" not in warehouse and not Path(warehouse).is_dir():
        wrong_usage(f"{warehouse} is no folder; {make}")
    with refusals():
        held = store.holds_tables(warehouse)
    if not held:
        wrong_usage(f"{warehouse} holds no tables; name the warehouse with --warehouse, or {make}")


def range_of_days(
    date: datetime | None, first: datetime | None, last: datetime | None, *, to_come: bool = False
) -> tuple[pd.Timestamp, pd.Timestamp] | None:
    """Return the days that --date, or --from and --to, name; None where none of them is given.

    Days `to_come` may be named where they only choose rows: a year that is not over is one.
    """
    import pandas as pd

    from ft_emissions_pipeline.tables import EARLIEST

    if date is not None and (first is not None or last is not None):
        wrong_usage("give either --date, or --from and --to")
    if (first is None) != (last is None):
        wrong_usage("--from and --to go together")
    start, end = (date, date) if date is not None else (first, last)
    if start is None or end is None:
        return None
    if start > end:
        wrong_usage(f"--from {start:%Y-%m-%d} lies after --to {end:%Y-%m-%d}")
    today = pd.Timestamp.now("UTC").tz_localize(None).floor("D")
    if end > today and not to_come:
        wrong_usage(
            f"{end:%Y-%m-%d} lies in the future; the last day that can be named is "
            f"{today:%Y-%m-%d} (UTC)"
        )
    if start < EARLIEST.tz_localize(None):
        wrong_usage(
            f"{start:%Y-%m-%d} lies before the first day of the tables, {EARLIEST:%Y-%m-%d}"
        )
    return pd.Timestamp(start), pd.Timestamp(end)


def runs_asked_about(
    files: list[str] | None, warehouse: str, timezone: str, profile: str, calibrate: bool
) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Return runs out of files or of a warehouse, which knows what its figures rest on itself."""
    from ft_emissions_pipeline import api, stages

    if not files:
        need_warehouse(warehouse)
        return stages.stored_runs(warehouse)
    runs, quarantine = api.read_runs(files, timezone=timezone)
    tell_of_refused_records(quarantine)
    if runs.empty:
        msg = "no run could be read"
        raise ValueError(msg)
    return runs, {"profile": profile, "calibrate": calibrate}
