"""What stays in force while newer tables are refused.

Put here: the copy of the last good tables beside the results, and the choice between it and newer
ones. Keep out: the checks (`loading.py`).

A bad edit must neither stop the nightly figures nor get into them: the tables last found good go on,
and whoever reads the summary or the report is told so.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from dataclasses import replace
from pathlib import Path

from ft_emissions_pipeline.reference.declaration import (
    SHIPPED,
    YOURS,
    Reference,
    ReferenceRefused,
)
from ft_emissions_pipeline.reference.loading import HOURS_FOLDER, load, own_folder

KEPT = "reference_in_force"
"""Folder beside the result tables; holds a folder per version and `current`, the newest good one."""

REFUSED = "refused.txt"
"""File in it that says why newer tables were refused; gone once there are good ones."""


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
        Folder of the result tables. In an object store no copy is kept.
    folder : str or Path, optional
        Folder of the reference tables; that of the package by default.
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
        return load(folder)
    kept = Path(warehouse) / KEPT
    current = kept / "current"
    try:
        reference = load(folder, own_folder(warehouse))
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
    if not current.is_file() or current.read_text("utf-8").strip() != reference.version:
        _keep(reference, kept)
    return reference


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
        pointer = Path(scratch) / "current"
        pointer.write_text(reference.version + "\n", encoding="utf-8")
        os.replace(pointer, kept / "current")  # noqa: PTH105 - the atomic one
