"""`ft-emissions doctor`: whether warehouse, landing folder, lock and factor tables are whole.

Put here: the command and the order of its checks. Keep out: looking at tables and mending them
(`warehouse/health.py`).
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import typer

from ft_emissions_pipeline.cli import options, output

FEW_BYTES = 1 << 30
"""Free space of which a run over many days may need all."""

Checked = tuple[str, str]
"""What was looked at, and what is wrong with it; nothing where it is as it should be."""


def doctor(
    landing: options.Landing = "landing",
    warehouse: options.Warehouse = "warehouse",
    repair: options.Repair = False,
    form: options.Form = output.Format.table,
) -> None:
    """Check warehouse, landing folder, lock and factor tables, and say what to repair.

    Ends with 0 where all is well, 1 where something is to be done.
    """
    if "://" in warehouse:
        output.wrong_usage(
            f"{warehouse} is no folder of this machine; an object store has no doctor"
        )
    if not Path(warehouse).is_dir():
        output.wrong_usage(
            f"{warehouse} is no folder; name the folder of the tables with --warehouse"
        )
    import pandas as pd

    checked: list[Checked] = []
    with output.refusals():
        for checks in (
            _landing(landing),
            _folder(Path(warehouse)),
            _reference(warehouse),
            _tables(warehouse, landing, repair),
        ):
            for what, wrong in checks:
                checked.append((what.strip(), wrong))
                if form is output.Format.table:
                    typer.echo(f"{what}: {wrong or 'ok'}")
    if form is not output.Format.table:
        output.show(pd.DataFrame(checked, columns=["what", "wrong"]), form, [])
    if any(wrong for _, wrong in checked):
        raise typer.Exit(output.REFUSED)


def _landing(landing: str) -> Iterator[Checked]:
    from ft_emissions_pipeline.readers import files_in

    what = f"landing folder {landing}"
    if "://" not in landing and not Path(landing).is_dir():
        yield what, "is no folder; mount it, or name it with --landing"
        return
    found = files_in([landing])
    closed = [uri for path, uri in found if isinstance(path, Path) and not os.access(path, os.R_OK)]
    yield f"{what}, {len(found)} file(s)", "holds no file" if not found else ""
    if closed:
        yield (
            "  its rights",
            f"{len(closed)} file(s) cannot be read, first {closed[0]}; grant access",
        )


def _folder(warehouse: Path) -> Iterator[Checked]:
    from ft_emissions_pipeline.warehouse import lock

    free = shutil.disk_usage(warehouse).free
    few = free < FEW_BYTES
    yield f"disk of {warehouse}, {free / 1e9:.1f} GB free", "is nearly full" if few else ""
    writable = os.access(warehouse, os.W_OK)
    yield "  its rights", "" if writable else "cannot be written; grant access"
    held = lock.holder(warehouse)
    yield "lock", f"held by {held}; wait until it has ended" if held else ""
    ahead = lock.last_written(warehouse) - time.time() > lock.CLOCKS_DIFFER_S
    touch = f"run `touch {warehouse / lock.LOCK}`"
    yield (
        "clock",
        f"set it: the last writer's was ahead; if that one was wrong, {touch}" if ahead else "",
    )


def _reference(warehouse: str) -> Iterator[Checked]:
    from ft_emissions_pipeline.reference import ReferenceRefused, in_force

    try:
        reference = in_force(warehouse, keep=False)
    except ReferenceRefused as error:
        yield "factor tables", f"{error}"
    else:
        yield f"factor tables, version {reference.version}", reference.refused


def _tables(warehouse: str, landing: str, repair: bool) -> Iterator[Checked]:
    """Tell of each damaged table, or mend it, and what is to be done then."""
    from ft_emissions_pipeline.tables import PENDING_RESTATEMENT
    from ft_emissions_pipeline.warehouse import health, store
    from ft_emissions_pipeline.warehouse.lock import locked

    run = f"`ft-emissions run --landing {landing} --warehouse {warehouse}`"
    found = health.damages(warehouse)
    for damage in found:
        what = f"table {damage.table.name}"
        if repair:
            with locked(warehouse, "the doctor"):
                yield what, health.repair(warehouse, damage)
        else:
            lost = health.ONLY_HERE.get(damage.table)
            backup = f"; look for a backup first, no log tells {lost} again" if lost else ""
            yield what, damage.what + backup
    if found and repair:
        yield "next", f"{run} makes the rows anew from the logs"
    elif found:
        yield "next", "`--repair` sets the broken files aside, then a run makes their rows anew"
    else:
        yield "tables", ""
        begun = len(store.read(warehouse, PENDING_RESTATEMENT))
        if begun:
            yield "restatement", f"{begun} run(s) begun, not ended; next: `ft-emissions restate`"
