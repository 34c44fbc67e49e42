"""Your own grid factors, out of the files that you have.

Put here: which file it is, by its header; its values in the tables' units; writing them beside the
tables. Keep out: the tables' rules (`loading.py`) and what goes before what (`normalize/grid.py`).

Nothing of the curated tables is changed: your rows lie in a folder of their own.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import pandas as pd

from ft_emissions_pipeline.reference.declaration import (
    TABLES,
    ZONE_TYPES,
    Reference,
    ReferenceRefused,
)
from ft_emissions_pipeline.reference.loading import (
    HOURS_FOLDER,
    check,
    hours_of,
    load,
    typed,
    zones,
)
from ft_emissions_pipeline.reference.names import nearest, resolve

GRAMS_PER_KWH_OF_POUNDS_PER_MWH = 0.45359237
"""One pound is 453.59237 g, one MWh is 1000 kWh."""

ELECTRICITY_MAPS = {
    "lifecycle": (
        "carbon intensity gco₂eq/kwh (life cycle)",
        "carbon intensity gco₂eq/kwh (lca)",
    ),
    "direct": ("carbon intensity gco₂eq/kwh (direct)",),
}
"""Header of the value, folded, in the exports of 2024 and later and in those before."""

WATTTIME = (("timestamp", "moer"), ("point_time", "value"))
"""Headers of instant and value: historical files, and what the client of API version 3 writes."""


@dataclass(frozen=True)
class Added:
    """What `add_grid` wrote: format, zones, rows or hours, and a warning where one is due."""

    form: str
    zones: list[str]
    rows: int
    folder: Path
    warning: str = ""


def add_grid(
    file: Path,
    own: Path,
    *,
    zone: str | None = None,
    basis: str = "lifecycle",
    source: str | None = None,
    licence: str | None = None,
    market_based: bool = False,
    folder: Path | str | None = None,
) -> Added:
    """Put the factors of a file over the curated ones.

    Parameters
    ----------
    file : Path
        A CSV file: periods (`zone`, `valid_from`, `valid_to`, `gco2e_per_kwh`), hours (`starts_at`,
        `gco2e_per_kwh`), or an export of Electricity Maps or WattTime.
    own : Path
        Folder of your own tables; made where there is none.
    zone : str, optional
        Where the factors hold, if the file does not say: `aws:us-west-2`, `NWPP`, `US-OR`, `DEU`,
        `WORLD`.
    basis : str
        `lifecycle` or `direct`, where the file has or tells both.
    source, licence : str, optional
        For rows that do not name theirs.
    market_based : bool
        Whether periods that do not say so come from your contracts.
    folder : str or Path, optional
        Curated tables, by which zones are checked; those of the package by default.

    Raises
    ------
    ReferenceRefused
        If the file is not understood or breaks a rule; nothing is written then.
    """
    reference = load(folder, own)
    try:
        raw = pd.read_csv(file, dtype="object", keep_default_na=False, encoding="utf-8-sig")
    except (ValueError, UnicodeDecodeError) as error:
        msg = f"{file.name} is no CSV file in UTF-8: {error}"
        raise ReferenceRefused(msg) from error
    if raw.empty:
        msg = f"{file.name} has no rows"
        raise ReferenceRefused(msg)
    raw.columns = raw.columns.str.strip()
    own.mkdir(parents=True, exist_ok=True)
    given = {"source": source, "licence": licence, "basis": basis}
    with tempfile.TemporaryDirectory(dir=own.parent) as scratch:
        draft = Path(shutil.copytree(own, Path(scratch) / "own"))
        if {"valid_from", "valid_to", "gco2e_per_kwh"} <= set(raw.columns):
            added = _add_periods(raw, file, draft, reference, zone, given, market_based)
        else:
            added = _add_hours(raw, file, draft, reference, zone, given)
        problems = check(folder, draft)
        if problems:
            listed = "\n  ".join(problems)
            msg = f"{file.name} was refused:\n  {listed}"
            raise ReferenceRefused(msg)
        _move(draft, own)
    return Added(added.form, added.zones, added.rows, own, added.warning)


def _move(draft: Path, own: Path) -> None:
    """Put the draft's files in place, hours before the table that lists them."""
    for path in sorted(draft.rglob("*.csv"), key=lambda p: (p.parent == draft, p.name)):
        target = own / path.relative_to(draft)
        target.parent.mkdir(exist_ok=True)
        os.replace(path, target)  # noqa: PTH105 - the atomic one


def _zone(name: str, reference: Reference, where: str) -> tuple[str, str]:
    """Return kind and id of a zone; countries may have any name that logs have."""
    tables = reference.tables
    for zone_type in ZONE_TYPES:
        if name in zones(tables, zone_type):
            return zone_type, name
    found = resolve(reference, "countries", pd.Series([name], dtype="str"))["id"].iloc[0]
    if isinstance(found, str):
        return "country", found
    near = [*nearest(reference, "cloud_regions", name), *nearest(reference, "countries", name)]
    msg = (
        f"{where}: {name!r} is no place of the tables; name the one that it serves with --zone, as "
        f"aws:us-west-2, NWPP, US-OR, DEU or WORLD; nearest: {', '.join(near) or 'none'}"
    )
    raise ReferenceRefused(msg)


def _add_periods(
    raw: pd.DataFrame,
    file: Path,
    draft: Path,
    reference: Reference,
    zone: str | None,
    given: Mapping[str, str | None],
    market_based: bool,
) -> Added:
    table = TABLES["own_grid"]
    columns = [column.name for column in table.columns]
    unknown = [name for name in raw.columns if name not in columns]
    if unknown:
        msg = (
            f"{file.name} line 1: column {', '.join(unknown)} is not known; known: "
            f"{', '.join(columns)}"
        )
        raise ReferenceRefused(msg)
    if zone is None and "zone" not in raw:
        msg = f"{file.name} line 1: column zone is missing; add it or name the place with --zone"
        raise ReferenceRefused(msg)
    rows = raw.reindex(columns=columns, fill_value="")
    names = pd.Series(zone, index=rows.index) if zone is not None else rows["zone"]
    pairs = [_zone(name, reference, f"{file.name} line {i + 2}") for i, name in names.items()]
    rows["zone_type"] = [pair[0] for pair in pairs]
    rows["zone"] = [pair[1] for pair in pairs]
    stand_ins = {
        "accounting": "market-based" if market_based else "location-based",
        "emissions_basis": given["basis"],
        "source": given["source"],
        "source_year": raw["valid_from"].str[:4],
        "licence": given["licence"],
        "verification": "read_in_source",
    }
    for name, value in stand_ins.items():
        rows[name] = rows[name].where(rows[name] != "", value if value is not None else "")
    _, problems = typed("own_grid", rows)
    if problems:
        _refuse(file, [text.removeprefix("own_grid.csv ") for text in problems])
    _write(draft / "own_grid.csv", rows, [*table.key, "valid_from"])
    return Added("periods", sorted(set(rows["zone"])), len(rows), draft)


def _refuse(file: Path, problems: list[str]) -> NoReturn:
    listed = "\n  ".join(f"{file.name} {text}" for text in problems)
    msg = f"{file} was refused:\n  {listed}"
    raise ReferenceRefused(msg)


def _write(path: Path, rows: pd.DataFrame, key: list[str]) -> None:
    """Write rows over those of the same key; the others stay."""
    if path.is_file():
        held = pd.read_csv(path, dtype="object", keep_default_na=False, encoding="utf-8")
        fresh = pd.MultiIndex.from_frame(rows[key].astype("str"))
        held = held[~pd.MultiIndex.from_frame(held[key].astype("str")).isin(fresh)]
        rows = pd.concat([held, rows], ignore_index=True)
    ordered = rows.sort_values(key, kind="stable")
    ordered.to_csv(path, index=False, lineterminator="\n", encoding="utf-8")


@dataclass(frozen=True)
class _Hourly:
    """An hourly file: its values as text, and what its format says about them."""

    form: str
    table: pd.DataFrame
    zone: str
    basis: str
    accounting: str
    source: str
    url: str
    licence: str
    warning: str = ""


def _add_hours(
    raw: pd.DataFrame,
    file: Path,
    draft: Path,
    reference: Reference,
    zone: str | None,
    given: Mapping[str, str | None],
) -> Added:
    hourly = _hourly(raw, file, given)
    if zone is None and not hourly.zone:
        msg = f"{file.name} does not say where it holds; name the place with --zone"
        raise ReferenceRefused(msg)
    for name in ("source", "licence"):
        if not getattr(hourly, name):
            msg = f"{file.name} names no {name}; give --{name}"
            raise ReferenceRefused(msg)
    zone_type, identity = _zone(zone or hourly.zone, reference, file.name)
    values, problems = hours_of(hourly.table)
    if problems or values.empty:
        _refuse(file, problems or ["has no hour with a value"])
    rows = []
    for year, of_year in values.groupby(values.index.year):
        name = f"{identity.replace(':', '_')}-{year}.csv"
        kept = _merged(of_year, draft / HOURS_FOLDER / name)
        rows.append(
            {
                "zone_type": zone_type,
                "zone": identity,
                "year": str(year),
                "gco2e_per_kwh": f"{kept.mean():.6g}",
                "hours_known": str(len(kept)),
                "file": name,
                "file_hash": _written(kept, draft / HOURS_FOLDER / name),
                "emissions_basis": hourly.basis,
                "accounting": hourly.accounting,
                "source": hourly.source,
                "source_url": hourly.url,
                "source_year": str(year),
                "licence": hourly.licence,
                "verification": "read_in_source",
                "valid_from": f"{year}-01-01",
                "valid_to": f"{year}-12-31",
                "notes": hourly.warning,
            }
        )
    key = list(TABLES["own_grid_hours"].key)
    _write(draft / "own_grid_hours.csv", pd.DataFrame(rows), key)
    return Added(hourly.form, [identity], len(values), draft, hourly.warning)


def _merged(values: pd.Series, path: Path) -> pd.Series:
    """Lay new hours over those that were there."""
    if not path.is_file():
        return values
    held, _ = hours_of(pd.read_csv(path, dtype="object", keep_default_na=False))
    return values.combine_first(held)


def _written(values: pd.Series, path: Path) -> str:
    frame = pd.DataFrame(
        {"starts_at": values.index.strftime("%Y-%m-%dT%H:%MZ"), "gco2e_per_kwh": values.to_numpy()}
    )
    path.parent.mkdir(exist_ok=True)
    frame.to_csv(path, index=False, lineterminator="\n", float_format="%.10g")
    return "sha256:" + hashlib.sha256(path.read_bytes()).hexdigest()


def _hourly(raw: pd.DataFrame, file: Path, given: Mapping[str, str | None]) -> _Hourly:
    """Tell the format by its header."""
    names = {str(column).casefold(): str(column) for column in raw.columns}
    if {"starts_at", "gco2e_per_kwh"} <= set(names):
        return _Hourly(
            "hours", raw[["starts_at", "gco2e_per_kwh"]], _only(raw, names.get("zone"), file),
            str(given["basis"]), "average", given["source"] or "", "", given["licence"] or "",
        )  # fmt: skip
    if "datetime (utc)" in names:
        wanted = ELECTRICITY_MAPS[str(given["basis"])]
        value = next((names[name] for name in wanted if name in names), None)
        if value is None:
            msg = (
                f"{file.name} line 1: none of the columns {', '.join(wanted)} is there; try --basis"
            )
            raise ReferenceRefused(msg)
        table = pd.DataFrame(
            {"starts_at": raw[names["datetime (utc)"]], "gco2e_per_kwh": raw[value]}
        )
        place = _only(raw, names.get("zone id"), file)
        return _Hourly(
            "Electricity Maps", table, place, str(given["basis"]), "average",
            given["source"] or f"Electricity Maps, hourly export of zone {place}, {file.name}",
            "https://portal.electricitymaps.com/datasets",
            given["licence"] or "Electricity Maps, terms of your download; not redistributed",
        )  # fmt: skip
    for instant, value in WATTTIME:
        if {instant, value} <= set(names):
            pounds = pd.to_numeric(raw[names[value]], errors="coerce")
            grams = (pounds * GRAMS_PER_KWH_OF_POUNDS_PER_MWH).map("{:.10g}".format)
            table = pd.DataFrame(
                {
                    "starts_at": raw[names[instant]],
                    # What is no number stays as it is, for the refusal to name it.
                    "gco2e_per_kwh": grams.where(pounds.notna(), raw[names[value]]),
                }
            )
            signal = _only(raw, names.get("signal_type"), file) or "co2_moer"
            marginal = "moer" in signal.casefold()
            return _Hourly(
                "WattTime", table, "", "direct", "marginal" if marginal else "average",
                given["source"] or f"WattTime, {signal}, {file.name}",
                "https://watttime.org/data-science/data-signals/",
                given["licence"] or "WattTime, terms of your account; not redistributed",
                "marginal emissions are not the location-based average: keep results apart"
                if marginal else "",
            )  # fmt: skip
    msg = (
        f"{file.name} line 1: no known header. Give columns zone, valid_from, valid_to, "
        "gco2e_per_kwh; or starts_at, gco2e_per_kwh; or an export of Electricity Maps (Datetime "
        "(UTC), ...) or WattTime (timestamp, MOER or point_time, value). It has: "
        f"{', '.join(map(str, raw.columns))}"
    )
    raise ReferenceRefused(msg)


def _only(raw: pd.DataFrame, column: str | None, file: Path) -> str:
    """Return the one value of a column, nothing where there is no such column."""
    if column is None:
        return ""
    found = list(raw[column].unique())
    if len(found) > 1:
        msg = (
            f"{file.name}: column {column} names {', '.join(map(str, found[:5]))}; one file, "
            "one each"
        )
        raise ReferenceRefused(msg)
    return str(found[0])
