"""What is broken in a local warehouse, and its repair without losing what is whole.

Put here: looking through logs and data files of tables, and setting broken ones aside. Keep out:
making the rows anew, which the next run does from the landing folder, and faults while it writes
(`faults.py`).

Nothing is deleted: a broken file moves into `set_aside/` of the warehouse, and what it held is
noted as due.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlparse

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from deltalake import DeltaTable

from ft_emissions_pipeline.tables import (
    EVERYTHING,
    INFERENCE_IMPACTS,
    LANDING_INDEX,
    PIPELINE_FOOTPRINT,
    RESTATEMENTS,
    TABLES,
    Table,
    empty,
)
from ft_emissions_pipeline.warehouse import opening, overlay, pending, store
from ft_emissions_pipeline.warehouse.faults import StoreDamaged

ASIDE = "set_aside"
"""Folder in the warehouse for broken files."""

ONLY_HERE = {
    RESTATEMENTS: "what was restated",
    PIPELINE_FOOTPRINT: "what past runs of the pipeline consumed",
    INFERENCE_IMPACTS: "what was reported in the past",
}
"""What no log tells again, by table."""

_DAY = re.compile(r"date=(\d{4}-\d\d-\d\d)")


@dataclass(frozen=True)
class Damage:
    """A damaged table: what is wrong, in words, and the files to set aside."""

    table: Table
    what: str
    files: tuple[Path, ...]


def damages(warehouse: str | Path) -> list[Damage]:
    """Return the damaged tables of a local warehouse; every file of the others was read whole."""
    return [found for table in TABLES.values() if (found := _damage(Path(warehouse), table))]


def repair(warehouse: str | Path, damage: Damage) -> str:
    """Set the broken files of a table aside, note what they held as due, and say what was done.

    Parameters
    ----------
    warehouse : str or Path
        Local folder, held by the caller.
    damage : Damage
        One of `damages`.
    """
    root, table = Path(warehouse), damage.table
    for path in damage.files:
        if path.exists():
            to = root / ASIDE / path.relative_to(root)
            to = to.with_name(f"{to.name}.{pd.Timestamp.now('UTC'):%Y%m%dT%H%M%S%f}")
            to.parent.mkdir(parents=True, exist_ok=True)
            path.rename(to)
    if (root / table.name).is_dir():
        DeltaTable(opening.uri(root, table)).repair()
    days = [
        match[1] for path in damage.files if (match := _DAY.search(str(path.relative_to(root))))
    ]
    if root / table.name / overlay.RESTATED in damage.files:
        overlay.forget(root, table)
        days += store.days(root, table).strftime("%F").tolist()
    # With an index that knows no file, the next run reads each anew and makes every day of theirs.
    if not (table is LANDING_INDEX and damage.files == (root / table.name,)):
        store.write(root, LANDING_INDEX, empty(LANDING_INDEX))
    pending.note(root, EVERYTHING, pd.DatetimeIndex(sorted(set(days))).as_unit("us"))
    gone = f"; {ONLY_HERE[table]} in them no run can tell again" if table in ONLY_HERE else ""
    names = ", ".join(str(path.relative_to(root)) for path in damage.files)
    return f"{names} set aside in {root / ASIDE}{gone}"


def _damage(root: Path, table: Table) -> Damage | None:
    folder = root / table.name
    if not folder.exists():
        return None
    log = tuple(path for path in sorted((folder / "_delta_log").glob("*")) if _broken_log(path))
    try:
        delta = store.opened(root, table)
    except StoreDamaged as error:
        # Commits that were cut off at the end are done without; a gap before the end is not.
        mendable = log and all(path.name > _last_whole(folder, log) for path in log)
        return Damage(table, error.what, log if mendable else (folder,))
    if delta is None:
        return None
    broken = _broken_files(delta)
    try:
        with opening.clear_errors(root, table):
            over = overlay.lying_over(root, delta, table)
        restated = next((why for _, why in _broken_files(over)), "") if over else ""
    except StoreDamaged as error:
        restated = error.what
    if restated:
        broken.append((folder / overlay.RESTATED, restated))
    if not broken and not log:
        return None
    what = "; ".join(f"{path.relative_to(root)} {why}" for path, why in broken[:3])
    more = f" and {len(broken) - 3} more" if len(broken) > 3 else ""
    return Damage(table, (what or "its log has broken files") + more, (*log, *dict(broken)))


def _broken_files(delta: DeltaTable) -> list[tuple[Path, str]]:
    files = [Path(unquote(urlparse(uri).path)) for uri in delta.file_uris()]
    return [(path, why) for path in files if (why := _broken_data(path))]


def _last_whole(folder: Path, broken: tuple[Path, ...]) -> str:
    whole = set((folder / "_delta_log").glob("*.json")) - set(broken)
    return max((path.name for path in whole), default="~")


def _broken_log(path: Path) -> bool:
    try:
        if path.suffix == ".parquet":
            pq.read_table(path)
        elif path.suffix == ".json" or path.name == "_last_checkpoint":
            text = path.read_text("utf-8")
            for line in text.splitlines():
                json.loads(line)
            return not text.strip()
    except (pa.ArrowException, ValueError):
        return True
    return False


def _broken_data(path: Path) -> str:
    if not path.exists():
        return "is missing"
    try:
        pq.ParquetFile(path).read()
    except (pa.ArrowException, OSError) as error:
        return f"cannot be read ({str(error).splitlines()[0]})"
    return ""
