"""Which tables a warehouse rests on, and what stays in force while newer ones are refused.

Put here: the folder that was named last, the copy of the last good tables beside the results, and
the choice between it and newer ones. Keep out: the checks (`loading.py`).

A bad edit must neither stop the nightly figures nor get into them: the tables last found good go
on, and whoever reads the summary or the report is told so. A folder once named stays in force
without being named again, or one forgotten option would mix the figures of two sets of tables.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from dataclasses import replace
from pathlib import Path

from ft_emissions_pipeline.reference.declaration import SHIPPED, YOURS, Reference, ReferenceRefused
from ft_emissions_pipeline.reference.loading import HOURS_FOLDER, PACKAGE, load, own_folder

KEPT = "reference_in_force"
"""Folder beside the result tables; holds a folder per version and `current`, the newest good
one."""

REFUSED = "refused.txt"
"""File in it that says why newer tables were refused; gone once there are good ones."""


NAMED = "folder.txt"
"""File in it with the folder of the tables, where it is not that of the package."""


def refusal(warehouse: Path | str) -> str:
    """Return why newer tables than those in force were refused; empty where they were not."""
    path = Path(warehouse) / KEPT / REFUSED
    return "" if "://" in str(warehouse) or not path.is_file() else path.read_text("utf-8").strip()


def in_force(
    warehouse: Path | str, folder: Path | str | None = None, *, keep: bool = True
) -> Reference:
    """Return the newest good tables for a warehouse, and keep a copy of them in it.

    Parameters
    ----------
    warehouse : str or Path
        Folder of the result tables. In an object store neither a copy nor the folder's name is
        kept.
    folder : str or Path, optional
        Folder of the reference tables, or `package` for those of the package; by default the folder
        that was named last for this warehouse, and those of the package where none was.
    keep : bool
        Whether to write; a command that only reads leaves the warehouse as it is.

    Returns
    -------
    Reference
        `refused` is not empty where newer tables were refused and the last good ones serve.

    Raises
    ------
    ReferenceRefused
        If the tables are bad and none were found good before.
    """
    if "://" in str(warehouse):
        return load(None if str(folder) == PACKAGE else folder)
    kept = Path(warehouse) / KEPT
    current, stands = kept / "current", _named_before(kept)
    named = stands if folder is None else _whole_name(folder)
    try:
        reference = load(None if named == PACKAGE else named, own_folder(warehouse))
    except ReferenceRefused as error:
        if not current.is_file():
            raise
        version = current.read_text("utf-8").strip()
        last_good = load(kept / version, kept / version)
        refused = f"{error}\n  the last good tables, version {version}, stay in force"
        if keep:
            (kept / REFUSED).write_text(refused + "\n", encoding="utf-8")
        return replace(last_good, refused=refused)
    if not keep:
        return reference
    (kept / REFUSED).unlink(missing_ok=True)
    if named != stands:
        kept.mkdir(parents=True, exist_ok=True)
        _written(kept / NAMED, named)
    if not current.is_file() or current.read_text("utf-8").strip() != reference.version:
        _keep(reference, kept)
    return reference


def newest(
    warehouse: Path | str, folder: Path | str | None = None, *, keep: bool = True
) -> Reference:
    """Return the newest tables for a warehouse; as `in_force`, but without the last good ones.

    For whoever asks what newer tables change, or names a folder: a refusal is no answer to them.

    Raises
    ------
    ReferenceRefused
        If the tables are bad; the warehouse then stays as it is.
    """
    reference = in_force(warehouse, folder, keep=False)
    if reference.refused:
        raise ReferenceRefused(reference.refused)
    return in_force(warehouse, folder) if keep else reference


def _named_before(kept: Path) -> str:
    path = kept / NAMED
    return path.read_text("utf-8").removesuffix("\n") if path.is_file() else PACKAGE


def _whole_name(folder: Path | str) -> str:
    return PACKAGE if str(folder) == PACKAGE else str(Path(folder).resolve())


def _written(path: Path, text: str) -> None:
    """Write a file that readers see whole or not at all."""
    with tempfile.TemporaryDirectory(dir=path.parent) as scratch:
        new = Path(scratch) / path.name
        new.write_text(text + "\n", encoding="utf-8")
        os.replace(new, path)  # noqa: PTH105 - the atomic one


def _keep(reference: Reference, kept: Path) -> None:
    """Copy the tables; readers see the whole copy or none."""
    kept.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=kept) as scratch:
        copy = Path(scratch) / reference.version
        copy.mkdir()
        for name in (*(f"{table}.csv" for table in SHIPPED), "datapackage.json"):
            shutil.copy(reference.folder / name, copy)
        for table in YOURS:
            if reference.own is not None and (reference.own / f"{table}.csv").is_file():
                shutil.copy(reference.own / f"{table}.csv", copy)
        if reference.own is not None and (reference.own / HOURS_FOLDER).is_dir():
            shutil.copytree(reference.own / HOURS_FOLDER, copy / HOURS_FOLDER)
        with contextlib.suppress(OSError):  # the same version was kept before
            copy.rename(kept / reference.version)
    _written(kept / "current", reference.version)
