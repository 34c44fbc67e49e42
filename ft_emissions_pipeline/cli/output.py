"""How commands print: rows as table, JSON or CSV; figures; progress; what was refused.

Put here: whatever two commands print alike, which refusal ends with which exit code, and the one
filter through which all that is printed goes. Keep out: what one command alone says, and every
figure, which the library computes.
"""

from __future__ import annotations

import contextlib
import math
import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextvars import ContextVar
from enum import StrEnum
from typing import TYPE_CHECKING, Any, NoReturn, TextIO

import typer
from typer.core import TyperGroup

if TYPE_CHECKING:
    import pandas as pd
    from rich.table import Table

REFUSED, WRONG_USAGE, MACHINE_FAILED = 1, 2, 3
"""Exit codes, besides 0 for what was done."""

SHOWN_RUNS = 10
"""Runs beside the totals; JSON and CSV print all."""


class Format(StrEnum):
    """How results are printed."""

    table = "table"
    json = "json"
    csv = "csv"


quiet: ContextVar[bool] = ContextVar("quiet", default=False)
"""Whether `--quiet` was given: only results are printed, and what was refused and why."""


def remark(text: str, *, err: bool = True) -> None:
    """Print what is good to know beside a result."""
    if not quiet.get():
        typer.echo(text, err=err)


# What is printed


def visible(text: str) -> str:
    """Return text on one line without what a terminal would obey.

    All of that is unprintable, so that `--help` does not pay for the import of the readers.
    """
    if text.isprintable():
        return text
    from ft_emissions_pipeline.readers import harmless

    return harmless.visible(text)


class Filtered:
    """A stream that shows on each line what a terminal would obey; each line end stays."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream

    def write(self, text: str) -> int:
        """Write text with whatever a terminal would obey shown."""
        return self.stream.write("\n".join(map(visible, text.split("\n"))))

    def __getattr__(self, name: str) -> Any:
        """Return whatever else the stream has, but what goes round it."""
        if name == "buffer":
            raise AttributeError(name)
        return getattr(self.stream, name)


class Commands(TyperGroup):
    """Commands of which each print, log, warning and traceback goes through `Filtered`."""

    def main(self, *arguments: Any, **options: Any) -> Any:
        """Run a command."""
        sys.stdout, sys.stderr = Filtered(sys.stdout), Filtered(sys.stderr)
        return super().main(*arguments, **options)


# Rows


def show(rows: pd.DataFrame, form: Format, parts: Iterable[Table | str]) -> None:
    """Print rows as JSON or CSV, or the tables and sentences that show them to a reader."""
    if form is Format.json:
        typer.echo(as_json(rows, indent=2))
    elif form is Format.csv:
        from ft_emissions_pipeline.export.sheets import csv_of

        typer.echo(csv_of(rows), nl=False)
    else:
        for part in parts:
            if isinstance(part, str):
                typer.echo(part)
            else:
                _print(part)


def show_as_json(parts: Mapping[str, pd.DataFrame]) -> None:
    """Print several tables as one JSON object, an array of rows by the name of each."""
    texts = [f'"{name}": {as_json(rows)}' for name, rows in parts.items()]
    typer.echo("{" + ",\n".join(texts) + "}")


def as_json(rows: pd.DataFrame, indent: int = 0) -> str:
    """Return rows as a JSON array: instants in ISO 8601, numbers with twelve decimals."""
    text: str = rows.to_json(
        orient="records", date_format="iso", double_precision=12, indent=indent
    )
    return text


def table(
    title: str, names: Iterable[str], rows: Iterable[Iterable[str]], *, left: Collection[str]
) -> Table:
    """Return a table for the terminal; columns that `left` does not name are set to the right.

    On a narrow terminal cells are folded: an id of which the end is cut names nothing.
    """
    from rich.table import Table

    made = Table(title=visible(title))
    for name in names:
        made.add_column(name, justify="left" if name in left else "right", overflow="fold")
    for cells in rows:
        made.add_row(*map(visible, cells))
    return made


def _print(part: Table) -> None:
    from rich.console import Console

    # A pipe has no width of its own; ids are copied from there, so that they should not be folded.
    # Markup is off, or a run named `[removed 1a2b]` would be taken for it and not be shown.
    console = Console(width=None if sys.stdout.isatty() else 240, markup=False, color_system=None)
    console.print(part)


# Figures


def figure(value: float, digits: int = 3) -> str:
    """Return a number with some significant digits and no exponent, empty if it is unknown."""
    if math.isnan(value):
        return ""
    # A value just below the bound is rounded up to it, and would get an exponent.
    if value == 0 or (abs(value) >= 1e-4 and abs(float(f"{value:.{digits}g}")) < 10**digits):
        return f"{value + 0.0:.{digits}g}"  # no "-0"
    return f"{value:,.0f}" if abs(value) >= 1 else f"{value:.{digits - 1}e}"


def with_interval(value: float, low: float, high: float) -> str:
    """Return a figure with its percentiles where they are known, empty if it is unknown itself."""
    known = not (math.isnan(value) or math.isnan(low))
    return f"{figure(value)} ({figure(low, 2)} to {figure(high, 2)})" if known else figure(value)


def interval_of(row: Mapping[str, Any], name: str) -> str:
    """Return one of a row's figures with its percentiles."""
    return with_interval(*(row[name + end] for end in ("", "_p05", "_p95")))


def change(old: object, new: object) -> str:
    """Return what a stored value was and is."""
    return f"{_stored(old)} -> {_stored(new)}"


def _stored(cell: object) -> str:
    if isinstance(cell, float):
        return "nothing" if math.isnan(cell) else f"{cell:.6g}"
    return "nothing" if cell is None else str(cell)


Begun = Callable[[str], None]
"""Called with the name of a stage as it begins."""

Ahead = Callable[[int, str], None]
"""Called before stages begin, with how many there are and what they are run over."""


@contextlib.contextmanager
def progress_shown(*, lines: bool = True) -> Iterator[tuple[Begun, Ahead]]:
    """Show what is under way: on a terminal a bar with time left, else a line for each stage.

    Without `lines` nothing is told where there is no terminal.
    """
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )
    from rich.table import Column

    # The line that moves is drawn by what is filtered out.
    stream = sys.stderr.stream if isinstance(sys.stderr, Filtered) else sys.stderr
    console = Console(file=stream)
    if not console.is_terminal or quiet.get():
        yield lambda stage: remark(f"  {stage}") if lines else None, lambda *_: None
        return
    bar = Progress(
        TextColumn("{task.description}", markup=False, table_column=Column(overflow="fold")),
        BarColumn(12),
        TextColumn("{task.fields[counted]}"),
        TimeElapsedColumn(),
        TextColumn("{task.fields[left]}"),
        TimeRemainingColumn(),
        console=console,
        transient=True,
    )
    with bar:
        work = bar.add_task("starting", total=None, counted="", left="")
        over, stages, begun = "", 0, 0

        def ahead(count: int, words: str) -> None:
            nonlocal over, stages
            over, stages = f"{words}: ", stages + count

        def begin(stage: str) -> None:
            nonlocal begun
            bar.update(work, completed=begun, description=visible(over + stage))
            if stages:
                bar.update(work, total=stages, counted=f"{begun}/{stages} stages", left="left")
            begun += 1

        yield begin, ahead


# What was refused


@contextlib.contextmanager
def refusals() -> Iterator[None]:
    """Turn what was wrong with the input into a sentence and an exit code."""
    try:
        yield
    except Exception as error:
        code, message = _refusal(error)
        if code is None:
            raise
        typer.echo(visible(message), err=True)
        raise typer.Exit(code) from error


def _refusal(error: Exception) -> tuple[int | None, str]:
    """Return the exit code and the sentence of a refusal; no code for a fault of the program."""
    from ft_emissions_pipeline.readers.remote import MissingPackageError
    from ft_emissions_pipeline.stages import UnknownRun
    from ft_emissions_pipeline.warehouse.faults import explained
    from ft_emissions_pipeline.warehouse.lock import StoreBusy

    if isinstance(error, (FileNotFoundError, MissingPackageError, UnknownRun)):
        # The text of a KeyError would come in quotation marks.
        return WRONG_USAGE, str(error.args[0] if isinstance(error, KeyError) else error)
    where = getattr(error, "filename", None) or "this command"
    fault = explained(error, str(where))
    if fault is not None:
        return MACHINE_FAILED, str(fault)
    return REFUSED if isinstance(error, (ValueError, StoreBusy)) else None, str(error)


def wrong_usage(message: str) -> NoReturn:
    """Say what is wrong with the command as it was given, and end."""
    typer.echo(visible(message), err=True)
    raise typer.Exit(WRONG_USAGE)


def refuse(*messages: str) -> NoReturn:
    """Say why the data were refused, and end."""
    for message in messages:
        typer.echo(visible(message), err=True)
    raise typer.Exit(REFUSED)


_SHOWN = 8
"""Lines of one sort that a summary shows; the rest stands in the tables and in the report."""


def _tell_of_some(lines: list[str], rest: str) -> None:
    for line in lines[:_SHOWN]:
        remark(line)
    if len(lines) > _SHOWN:
        remark(rest)


def tell_of_refused_records(quarantine: pd.DataFrame) -> None:
    """Say on stderr which records could not be used, and why; of many, one for each reason."""
    shown, more = quarantine, dict[str, int]()
    if len(quarantine) > _SHOWN:
        more = (quarantine["reason_code"].value_counts() - 1).to_dict()
        shown = quarantine.drop_duplicates("reason_code").head(_SHOWN)
    for row in shown.itertuples(index=False):
        record = row.source_record
        place = f"#{record}" if isinstance(record, str) and record else ""
        alike = f" (and {more[row.reason_code]} more)" if more.get(row.reason_code, 0) else ""
        typer.echo(
            f"not used: {row.source_uri}{place}: {row.reason_code}: {row.reason}{alike}", err=True
        )
    if len(quarantine) > len(shown):
        typer.echo(
            f"not used: {len(quarantine)} records in all; "
            "table `quarantine` and the report list them",
            err=True,
        )


def tell_of_other_files(kinds: pd.Series, *, err: bool = False) -> None:
    """Say how many files of each known kind tell nothing of a run."""
    counted = kinds.value_counts().sort_index()
    if len(counted):
        listed = ", ".join(f"{n} {kind}" for kind, n in counted.items())
        remark(f"Left aside, as they tell nothing of a run: {listed}", err=err)


def tell_of_what_is_missing(contents: Collection[str], runs: int, *, err: bool = False) -> None:
    """Say what a folder of which no footprint comes lacks."""
    from ft_emissions_pipeline.landing.missing import lacking

    for sentence in lacking(contents, runs):
        remark(sentence, err=err)


_NOTES = {
    "join_ambiguous": (
        "not joined: {place}: run {run} may be one with {others}; say which logs are of one run in "
        "runs.yaml"
    ),
    "one_machine_counted_once": (
        "counted once: {place}: run {run} and {others} measured one machine at one time; if the "
        "machines were different ones, give each log a run of its own in runs.yaml"
    ),
    "perhaps_one_machine": (
        "may count twice: {place}: run {run} ran at the time of {others} on a machine that is "
        "described alike; if it was one machine, make them one run in runs.yaml"
    ),
    "label_not_understood": (
        "not understood: {place}: run {run} has {others}, which means no field or one that is "
        "stated already; the rest was used; docs/formats.md lists the labels"
    ),
}


def tell_of_notes(records: pd.DataFrame, column: str) -> None:
    """Say which logs may be of one run with others, and which labels nobody understood."""
    from ft_emissions_pipeline.readers import repairs

    lines = [
        _NOTES[word].format(
            place=f"{row.source_uri}#{row.source_record}",
            run=row.run_id,
            others=", ".join(named) + (f" and {more} more" if more else ""),
        )
        for row in records.drop_duplicates(["run_id", column]).itertuples(index=False)
        for word in _NOTES
        for named, more in [repairs.named(getattr(row, column), word)]
        if named
    ]
    _tell_of_some(lines, f"and {len(lines) - _SHOWN} more such notes; the report lists them")


def tell_of_telemetry(report: pd.DataFrame) -> None:
    """Say which samples of GPUs and meters were not used, and which belong to a run by a guess."""
    from ft_emissions_pipeline.landing.telemetry import told

    lines = list(told(report))
    _tell_of_some(
        lines, f"telemetry: {len(lines)} such notes in all; `explain` tells those of a run"
    )


def tell_of_unknown_names(provenance: pd.DataFrame) -> None:
    """Say on stderr which names no reference table knows; a guess of their kind stands for them."""
    from ft_emissions_pipeline.normalize import unknown_of

    found = unknown_of(provenance).value_counts()
    lines = [f"guessed: {sentence} ({runs} run(s))" for sentence, runs in found.items()]
    _tell_of_some(lines, f"guessed: {len(lines)} names in all; `explain` tells those of a run")


def tell_of_meters(coefficients: pd.DataFrame, *, applied: bool) -> None:
    """Say what meters saw of the energy that software logged on the same host."""
    for row in coefficients.itertuples(index=False):
        more = "applied" if applied else "not applied, see --calibrate"
        remark(
            f"host {row.host}: the meter saw {row.coefficient:.3g} times what software did, "
            f"in {row.runs} run(s); {more}"
        )
