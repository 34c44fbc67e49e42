"""`ft-emissions reference`: look at the factor tables, compare them, add your own grid factors.

Put here: the commands and how they print. Keep out: everything else (`reference/`).

Exit codes as everywhere: 0 done, 1 the tables or the file were refused, 2 wrong usage.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from ft_emissions_pipeline.reference import Reference

app = typer.Typer(help="The factor tables: what they hold, and your own.", no_args_is_help=True)

PACKAGE = "package"
"""Stands for the folder of the tables that come with the package."""


class Basis(StrEnum):
    """What a grid factor counts."""

    lifecycle = "lifecycle"
    direct = "direct"


Folder = Annotated[str, typer.Option("--tables", help="Folder of the factor tables.")]
Warehouse = Annotated[str, typer.Option(help="Folder of the result tables; yours lie in it.")]
Own = Annotated[
    Path | None,
    typer.Option(help="Folder of your own tables; by default own_factors in the warehouse."),
]


@app.command("list")
def list_tables(
    tables: Folder = PACKAGE, warehouse: Warehouse = "warehouse", own: Own = None
) -> None:
    """List the tables: rows, version, licences."""
    reference = _load(tables, warehouse, own)
    import hashlib

    typer.echo(f"reference tables {reference.version} in {reference.folder}")
    for name, frame in reference.tables.items():
        version = hashlib.sha256("".join(frame["row_hash"]).encode()).hexdigest()[:12]
        licences = "; ".join(sorted(frame["licence"].unique()))
        typer.echo(f"{name:20} {len(frame):5} rows  {version}  {licences}")


@app.command()
def show(
    name: Annotated[
        str, typer.Argument(help="A table, or the id of a row as `explain` prints it.")
    ],
    filters: Annotated[
        list[str] | None, typer.Argument(help="Cells of the rows wanted, as year=2024.")
    ] = None,
    tables: Folder = PACKAGE,
    warehouse: Warehouse = "warehouse",
    own: Own = None,
) -> None:
    """Print rows of a table with their sources."""
    from ft_emissions_pipeline import reference as ref

    reference = _load(tables, warehouse, own)
    if "/" in name:
        try:
            rows = [ref.describe(reference, name)]
        except KeyError as error:
            _fail(str(error.args[0]))
    else:
        rows = _rows(reference, name, filters or [])
    for row in rows:
        typer.echo(row["factor_id"])
        for column, cell in row.items():
            if column != "factor_id":
                typer.echo(f"  {column}: {_text(cell)}")
    typer.echo(f"{len(rows)} row(s)", err=True)


@app.command()
def diff(
    old: Annotated[str, typer.Argument(help="Folder of the factor tables, or `package`.")],
    new: Annotated[str, typer.Argument(help="Folder of the factor tables, or `package`.")],
) -> None:
    """Print what moved between two folders, by row: column, old -> new."""
    from ft_emissions_pipeline import reference as ref

    moved = ref.difference(_load(old), _load(new))
    for row in moved.itertuples(index=False):
        cells = (
            f": {row.column} {_text(row.old)} -> {_text(row.new)}"
            if row.change == "changed"
            else ""
        )
        typer.echo(f"{row.change} {row.factor_id}{cells}")
    typer.echo(f"{moved['factor_id'].nunique()} row(s) differ", err=True)


@app.command()
def check(
    folder: Annotated[str, typer.Argument(help="Folder of the factor tables.")] = PACKAGE,
    own: Own = None,
) -> None:
    """Print everything that is wrong with some tables: file, line, reason."""
    from ft_emissions_pipeline import reference as ref

    with _refusals():
        problems = ref.check(_folder(folder), own)
    for problem in problems:
        typer.echo(problem, err=True)
    if problems:
        raise typer.Exit(1)
    typer.echo("no problem found")


@app.command("add-grid")
def add_grid(
    file: Annotated[Path, typer.Argument(help="CSV: periods, hours, or an export as it is.")],
    zone: Annotated[
        str | None,
        typer.Option(help="Where the factors hold: aws:us-west-2, NWPP, US-OR, DEU or WORLD."),
    ] = None,
    basis: Annotated[
        Basis, typer.Option(help="What they count, if the file has both or is silent.")
    ] = (Basis.lifecycle),
    source: Annotated[
        str | None, typer.Option(help="Where they come from, if the file is silent.")
    ] = None,
    licence: Annotated[
        str | None, typer.Option(help="Their licence, if the file is silent.")
    ] = None,
    market_based: Annotated[
        bool, typer.Option("--market-based", help="Periods that are silent come from contracts.")
    ] = False,
    tables: Folder = PACKAGE,
    warehouse: Warehouse = "warehouse",
    own: Own = None,
) -> None:
    """Put your own grid factors over the curated ones, which stay as they are.

    The file is a CSV of periods (zone, valid_from, valid_to, gco2e_per_kwh) or of hours (starts_at,
    gco2e_per_kwh), or an export of Electricity Maps or WattTime; its header tells.
    """
    from ft_emissions_pipeline import reference as ref

    folder = own or ref.own_folder(warehouse)
    if folder is None:
        typer.echo("an object store holds no tables of yours; name a folder with --own", err=True)
        raise typer.Exit(2)
    if not file.is_file():
        _fail(f"{file} is no file")
    with _refusals():
        added = ref.add_grid(
            file,
            folder,
            zone=zone,
            basis=basis.value,
            source=source,
            licence=licence,
            market_based=market_based,
            folder=_folder(tables),
        )
    what = "period(s)" if added.form == "periods" else "hour(s)"
    typer.echo(
        f"{added.rows} {what} for {', '.join(added.zones)}, read as {added.form}: {added.folder}"
    )
    if added.warning:
        typer.echo(f"note: {added.warning}", err=True)


def tell_of_refusal(warehouse: str) -> None:
    """Say on stderr where newer tables were refused and the last good ones served."""
    from ft_emissions_pipeline import reference as ref

    refused = ref.refusal(warehouse)
    if refused:
        typer.echo(f"REFERENCE TABLES REFUSED: {refused}", err=True)


def _folder(name: str) -> Path | None:
    if name == PACKAGE:
        return None
    if not Path(name).is_dir():
        _fail(f"{name} is no folder")
    return Path(name)


def _load(folder: str, warehouse: str | None = None, own: Path | None = None) -> Reference:
    from ft_emissions_pipeline import reference as ref

    yours = own or (ref.own_folder(warehouse) if warehouse else None)
    with _refusals():
        return ref.load(_folder(folder), yours)


def _rows(reference: Reference, name: str, filters: list[str]) -> list[dict[str, Any]]:
    if name not in reference.tables:
        _fail(f"there is no table {name}; there are {', '.join(reference.tables)}")
    frame = reference.tables[name].drop(columns="row_hash")
    for each in filters:
        column, _, wanted = each.partition("=")
        if column not in frame:
            _fail(f"{name} has no column {column}; it has {', '.join(frame.columns)}")
        frame = frame[frame[column].map(_text) == wanted]
    return [dict(row.dropna()) for _, row in frame.iterrows()]


def _text(cell: object) -> str:
    """Return a cell as the files write it."""
    import pandas as pd

    if isinstance(cell, pd.Timestamp):
        return f"{cell:%Y-%m-%d}"
    if isinstance(cell, float):
        return "empty" if cell != cell else f"{cell:.12g}"  # noqa: PLR0124 - NaN
    return str(cell)


def _fail(message: str) -> None:
    typer.echo(message, err=True)
    raise typer.Exit(2)


@contextlib.contextmanager
def _refusals() -> Iterator[None]:
    try:
        yield
    except ValueError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from error
