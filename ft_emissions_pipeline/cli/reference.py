"""`ft-emissions reference`: look at the factor tables, compare them, add your own grid factors.

Put here: the commands and how they print. Keep out: everything else (`reference/` of the library).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from ft_emissions_pipeline.cli import options, output

if TYPE_CHECKING:
    import pandas as pd

    from ft_emissions_pipeline.reference import Reference

PACKAGE = "package"
"""As in the library, which is imported only when a command runs."""

app = typer.Typer(help="The factor tables: what they hold, and your own.", no_args_is_help=True)


@app.command("list")
def list_tables(
    tables: options.Tables = PACKAGE,
    warehouse: options.WarehouseOfYours = "warehouse",
    own: options.Own = None,
    form: options.Form = output.Format.table,
) -> None:
    """List the tables: rows, version, licences."""
    import hashlib

    import pandas as pd

    reference = _load(tables, warehouse, own)
    listed = pd.DataFrame(
        {
            "table": name,
            "rows": len(frame),
            "version": hashlib.sha256("".join(frame["row_hash"]).encode()).hexdigest()[:12],
            "licences": "; ".join(sorted(frame["licence"].unique())),
        }
        for name, frame in reference.tables.items()
    )
    lines = (
        f"{row.table:20} {row.rows:5} rows  {row.version}  {row.licences}"
        for row in listed.itertuples(index=False)
    )
    output.show(
        listed, form, [f"reference tables {reference.version} in {reference.folder}", *lines]
    )


@app.command("show")
def show_rows(
    name: options.TableOrRow,
    filters: options.Cells = None,
    tables: options.Tables = PACKAGE,
    warehouse: options.WarehouseOfYours = "warehouse",
    own: options.Own = None,
    form: options.Form = output.Format.table,
) -> None:
    """Print rows of a table with their sources."""
    import pandas as pd

    from ft_emissions_pipeline.reference import describe

    reference = _load(tables, warehouse, own)
    if "/" in name:
        try:
            rows = [describe(reference, name)]
        except KeyError as error:
            output.wrong_usage(str(error.args[0]))
    else:
        rows = _rows(reference, name, filters or [])
    lines = (
        line
        for row in rows
        for line in (
            str(row["factor_id"]),
            *(f"  {name}: {_text(cell)}" for name, cell in row.items() if name != "factor_id"),
        )
    )
    output.show(pd.DataFrame(rows), form, lines)
    output.remark(f"{len(rows)} row(s)")


@app.command("resolve")
def resolve_names(
    names: options.NamesInLogs,
    kind: options.NameKind = None,
    tables: options.Tables = PACKAGE,
    warehouse: options.WarehouseOfYours = "warehouse",
    own: options.Own = None,
    form: options.Form = output.Format.table,
) -> None:
    """Print what names in logs stand for, and why; one that several kinds know comes for each."""
    import pandas as pd

    from ft_emissions_pipeline.reference import KINDS, resolve

    if kind is not None and kind not in KINDS:
        output.wrong_usage(f"there is no kind {kind}; there are {', '.join(KINDS)}")
    reference = _load(tables, warehouse, own)
    asked = (kind,) if kind else KINDS
    found = {each: resolve(reference, each, pd.Series(names, dtype="str")) for each in asked}
    rows = [
        {"name": name, "kind": each, **dict(found[each].iloc[place].dropna())}
        for place, name in enumerate(names)
        for each in asked
    ]
    told = [row for row in rows if set(row) - {"name", "kind", "assumed", "why"}]
    output.show(pd.DataFrame(told), form, _answers(names, told))


def _answers(names: list[str], told: list[dict[Any, Any]]) -> Iterator[str]:
    for name in names:
        yield repr(name[:100])
        known = [f"  {row['kind']}: {_answer(row)}" for row in told if row["name"] == name]
        yield from known or ["  nothing known"]


def _answer(row: dict[Any, Any]) -> str:
    """Return what one name was found to be, in words."""
    words = [row.get("id", "no row") + (" (assumed)" if row["assumed"] else "")]
    words += [
        f"{column} "
        f"{row[column].replace('|', ', ') if column == 'candidates' else _text(row[column])}"
        for column in (
            "count", "candidates", "hardware_class", "memory_gb", "parameters", "active_parameters",
        )
        if column in row and row[column] != row.get("id")
    ]  # fmt: skip
    return "; ".join([*words, row.get("why") or row.get("alias_factor_id", "it is the id")])


@app.command("diff")
def compare_tables(
    old: options.TablesToCompare,
    new: options.TablesToCompare,
    form: options.Form = output.Format.table,
) -> None:
    """Print what moved between two folders, by row: column, old -> new."""
    from ft_emissions_pipeline.reference import difference

    moved = difference(_load(old), _load(new))
    output.show(moved, form, map(_moved, moved.itertuples(index=False)))
    output.remark(f"{moved['factor_id'].nunique()} row(s) differ")


def _moved(row: Any) -> str:
    said = f"{row.change} {row.factor_id}"
    if row.change != "changed":
        return said
    return f"{said}: {row.column} {_text(row.old)} -> {_text(row.new)}"


@app.command("check")
def check_tables(
    folder: options.TablesToCheck = PACKAGE,
    age: options.ByAge = False,
    own: options.Own = None,
    form: options.Form = output.Format.table,
) -> None:
    """Print what is wrong with tables: file, line, reason; else how their rows were checked."""
    from datetime import UTC, datetime

    from ft_emissions_pipeline.reference import aged, check, verified

    with output.refusals():
        problems = check(_folder(folder), own)
    if problems:
        output.refuse(*problems)
    reference = _load(folder, own=own)
    if age:
        rows = aged(reference, datetime.now(UTC).year)
        lines = map(_aged, rows.itertuples(index=False))
        output.show(rows, form, ["no problem found", *lines])
        output.remark(f"{len(rows)} row(s) are older than their table's cadence")
    else:
        counts = verified(reference)
        output.show(counts.rename_axis("table").reset_index(), form, _verified(counts))


def _verified(counts: pd.DataFrame) -> Iterator[str]:
    """Tell rows by how their values were checked; a derived row has no source to be read in."""
    yield "no problem found"
    yield f"{'rows':20} " + " ".join(f"{name:>15}" for name in counts.columns)
    total = counts.sum()
    for table, row in (*counts.iterrows(), ("all", total)):
        yield f"{table:20} " + " ".join(f"{count:15}" for count in row)
    stated, read = int(total.sum() - total["derived"]), int(total["read_in_source"])
    yield (
        f"of {stated} rows that state what a source says "
        f"{read} were read in it ({read / stated:.1%}); "
        f"{total['derived']} more are computed from other rows or judged, as their notes say"
    )


def _aged(row: Any) -> str:
    years = "year" if row.cadence_years == 1 else f"{row.cadence_years} years"
    return f"{row.factor_id}: source of {row.source_year}, due every {years}"


@app.command("seal")
def seal_tables(folder: options.TablesToSeal) -> None:
    """Renew the hashes of tables edited on purpose; tables with other faults are refused."""
    from ft_emissions_pipeline.reference import seal

    with output.refusals():
        renewed = seal(_folder(folder))
    typer.echo(f"sealed {', '.join(renewed)}" if renewed else "every hash fits; nothing to renew")


@app.command("add-grid")
def put_grid(
    file: options.GridFile,
    zone: options.GridZone = None,
    basis: options.GridBasis = "lifecycle",
    source: options.Source = None,
    licence: options.Licence = None,
    market_based: options.MarketBased = False,
    tables: options.Tables = PACKAGE,
    warehouse: options.WarehouseOfYours = "warehouse",
    own: options.Own = None,
) -> None:
    """Put your own grid factors over the curated ones, which stay as they are.

    The file is a CSV of periods (zone, valid_from, valid_to, gco2e_per_kwh) or of hours (starts_at,
    gco2e_per_kwh), or an export of Electricity Maps or WattTime; its header tells.
    """
    from ft_emissions_pipeline.reference import add_grid, own_folder

    folder = own or own_folder(warehouse)
    if folder is None:
        output.wrong_usage("an object store holds no tables of yours; name a folder with --own")
    if not file.is_file():
        output.wrong_usage(f"{file} is no file")
    with output.refusals():
        added = add_grid(
            file,
            folder,
            zone=zone,
            basis=basis,
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


def _folder(name: str) -> Path | None:
    if name == PACKAGE:
        return None
    if not Path(name).is_dir():
        output.wrong_usage(f"{name} is no folder")
    return Path(name)


def _load(folder: str, warehouse: str | None = None, own: Path | None = None) -> Reference:
    from ft_emissions_pipeline.reference import load, own_folder

    yours = own or (own_folder(warehouse) if warehouse else None)
    with output.refusals():
        return load(_folder(folder), yours)


def _rows(reference: Reference, name: str, filters: list[str]) -> list[dict[str, Any]]:
    if name not in reference.tables:
        output.wrong_usage(f"there is no table {name}; there are {', '.join(reference.tables)}")
    frame = reference.tables[name].drop(columns="row_hash")
    for each in filters:
        column, _, wanted = each.partition("=")
        if column not in frame:
            output.wrong_usage(f"{name} has no column {column}; it has {', '.join(frame.columns)}")
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
