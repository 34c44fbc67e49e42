"""Reading the tables, and the checks that refuse a bad one.

Put here: load, check, hashes, the data package. Keep out: declarations (`declaration.py`) and
look-ups (`lookup.py`).

Whoever edits a CSV file seals the folder afterwards (`ft-emissions reference seal`), so that an
edit by accident is refused.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from functools import lru_cache
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ft_emissions_pipeline import shipped
from ft_emissions_pipeline.reference.declaration import (
    PROVIDER_KINDS,
    SHIPPED,
    TABLES,
    YOURS,
    Reference,
    ReferenceRefused,
)
from ft_emissions_pipeline.reference.hours import Hours, series
from ft_emissions_pipeline.reference.names import KINDS, ids, plain, strings
from ft_emissions_pipeline.tables.schema import Column, must_be

OWN_SETTING = "FT_EMISSIONS_OWN_FACTORS"
"""Environment variable that names the folder of your own tables."""


PACKAGE = "package"
"""Stands for the folder of the tables that come with the package."""


def default_folder() -> Path:
    """Return the folder of the tables that come with the package."""
    return shipped("reference_data")


def prior_file() -> Path:
    """Return the file of the token-time model that was fitted on the packaged calibration."""
    return default_folder() / "token_time_prior.json"


def own_folder(warehouse: Path | str | None = None) -> Path | None:
    """Return the folder of your own tables.

    Parameters
    ----------
    warehouse : str or Path, optional
        Folder of the result tables; unless the environment's FT_EMISSIONS_OWN_FACTORS names a
        folder, yours is `own_factors` in it. An object store has none.
    """
    named = os.environ.get(OWN_SETTING)
    if named:
        return Path(named)
    if warehouse is None or "://" in str(warehouse):
        return None
    return Path(warehouse) / "own_factors"


def load(folder: Path | str | None = None, own: Path | str | None = None) -> Reference:
    """Return the checked tables of a folder; read once until a file changes.

    Parameters
    ----------
    folder : str or Path, optional
        Folder of the tables; that of the package by default.
    own : str or Path, optional
        Folder of your own tables, which go first; by default what FT_EMISSIONS_OWN_FACTORS names.

    Raises
    ------
    ReferenceRefused
        If `check` finds a problem.
    """
    path = Path(folder) if folder is not None else default_folder()
    yours = Path(own) if own is not None else own_folder()
    files = [path / f"{name}.csv" for name in SHIPPED]
    files += [path / "datapackage.json", prior_file()]
    if yours is not None and yours.is_dir():
        yours = yours.resolve()
        files += [yours / f"{name}.csv" for name in YOURS]
        files += sorted((yours / HOURS_FOLDER).glob("*.csv"))
    else:
        yours = None  # warehouses without tables of their own share one reference
    stamp = tuple((f, f.stat().st_mtime_ns, f.stat().st_size) if f.exists() else f for f in files)
    return _load(path.resolve(), yours, stamp)


HOURS_FOLDER = "own_grid_hours"
"""Folder of the hourly files, beside the table that lists them."""


@lru_cache(maxsize=4)
def _load(folder: Path, own: Path | None, stamp: tuple[object, ...]) -> Reference:  # noqa: ARG001
    tables, hours, problems = _read(folder, own)
    _refuse(folder, [*_package_problems(folder), *problems])
    hashes = "".join(h for name in sorted(tables) for h in tables[name]["row_hash"])
    # A prior that is fitted in another way changes figures, though no row does.
    version = hashlib.sha256(hashes.encode() + prior_file().read_bytes()).hexdigest()[:12]
    return Reference(tables, version, folder, own, hours)


def _refuse(folder: Path, problems: list[str]) -> None:
    if problems:
        shown = "\n  ".join(problems[:20])
        more = f"\n  and {len(problems) - 20} more" if len(problems) > 20 else ""
        msg = f"the reference tables in {folder} were refused:\n  {shown}{more}"
        raise ReferenceRefused(msg)


def check(folder: Path | str | None = None, own: Path | str | None = None) -> list[str]:
    """Return what is wrong with the tables of a folder, one sentence with file and line each."""
    yours = Path(own) if own is not None else own_folder()
    path = Path(folder) if folder is not None else default_folder()
    return [*_package_problems(path), *_read(path, yours)[2]]


def seal(folder: Path | str | None = None) -> list[str]:
    """Renew the stated hashes of tables that were edited on purpose.

    Parameters
    ----------
    folder : str or Path, optional
        Folder of the tables; that of the package by default.

    Returns
    -------
    list of str
        The tables whose hash was renewed.

    Raises
    ------
    ReferenceRefused
        If the tables are wrong in any other way; the hashes then stay as they are.
    """
    path = Path(folder) if folder is not None else default_folder()
    _refuse(path, _read(path, None)[2])
    stated = _stated_hashes(path)
    renewed = [
        name for name in SHIPPED if stated.get(f"{name}.csv") != _file_hash(path / f"{name}.csv")
    ]
    if renewed:
        write_datapackage(path)
    return renewed


_Series = dict[tuple[str, str], Hours]


def _read(folder: Path, own: Path | None) -> tuple[dict[str, pd.DataFrame], _Series, list[str]]:
    tables: dict[str, pd.DataFrame] = {}
    problems: list[str] = []
    if not folder.is_dir():
        return {}, {}, [f"there is no folder {folder}; name the folder of the factor tables"]
    for name, table in TABLES.items():
        path = (own if own is not None and table.yours else folder) / f"{name}.csv"
        if table.yours and (own is None or not path.is_file()):
            no_rows = pd.DataFrame(columns=[f.name for f in table.columns], dtype="object")
            tables[name], _ = typed(name, no_rows)
            continue
        if not path.is_file():
            problems.append(f"{path.name} is missing; restore it or copy it from the package")
            continue
        frame, found = _table_of(name, path.read_bytes())
        if frame is not None:
            tables[name] = frame
        problems += found
    if len(tables) == len(TABLES):
        problems += [*_reference_problems(tables), *_alias_problems(tables)]
        problems += _zone_problems(tables)
    hours: _Series = {}
    if own is not None and "own_grid_hours" in tables:
        hours, found = _hours(tables["own_grid_hours"], own)
        problems += found
    return tables, hours, problems


@lru_cache(maxsize=4 * len(TABLES))
def _table_of(name: str, content: bytes) -> tuple[pd.DataFrame | None, list[str]]:
    """Return the table that a file holds, None where it has other columns, and its problems.

    A column whose cells may all be empty may be absent, as in files older than the column. Folders
    differ in few of their files, so what was read before is not read again.
    """
    declared = [column.name for column in TABLES[name].columns]
    try:
        raw = pd.read_csv(BytesIO(content), dtype="object", keep_default_na=False, encoding="utf-8")
    except (ValueError, UnicodeDecodeError) as error:
        return None, [f"{name}.csv is no CSV file in UTF-8: {error}"]
    needed = [column.name for column in TABLES[name].columns if column.required]
    missing = [f"{column} is missing" for column in needed if column not in raw.columns]
    extra = [f"{column} is not declared" for column in raw.columns if column not in declared]
    if missing or extra:
        return None, [f"{name}.csv line 1: column {text}" for text in (*missing, *extra)]
    return typed(name, raw.reindex(columns=declared, fill_value=""))


def _zone_problems(tables: Mapping[str, pd.DataFrame]) -> Iterator[str]:
    """Yield rows of your own for places that nothing knows."""
    for name in YOURS:
        rows = tables[name]
        for zone_type, of_type in rows.groupby("zone_type"):
            known = zones(tables, str(zone_type))
            for row, zone in of_type.loc[~of_type["zone"].isin(known), "zone"].items():
                yield f"{name}.csv line {row + 2}: {zone} is no {zone_type} of the tables"


def zones(tables: Mapping[str, pd.DataFrame], zone_type: str) -> set[str]:
    """Return the zones of a kind that the tables know."""
    if zone_type == "cloud_region":
        return set(ids(tables, "cloud_regions"))
    grid = tables["grid_intensity"]
    found = set(grid.loc[grid["zone_type"] == zone_type, "zone"])
    if zone_type == "egrid_subregion":
        found |= set(tables["cloud_regions"]["egrid_subregion"].dropna())
    return found


def _hours(listed: pd.DataFrame, own: Path) -> tuple[_Series, list[str]]:
    """Return the hourly series by zone, and the problems of their files."""
    problems: list[str] = []
    years: dict[tuple[str, str], dict[int, pd.Series]] = {}
    for row in listed.itertuples(index=False):
        path = own / HOURS_FOLDER / str(row.file)
        if not path.is_file():
            problems.append(f"{path.name} is missing; add it again with `reference add-grid`")
        elif _file_hash(path) != row.file_hash:
            problems.append(
                f"{path.name} differs from its hash in own_grid_hours.csv; undo the edit, or add "
                "the file again with `reference add-grid`"
            )
        else:
            values, found = hours_of(pd.read_csv(path, dtype="object", keep_default_na=False))
            problems += [f"{path.name} {text}" for text in found]
            years.setdefault((row.zone_type, row.zone), {})[int(row.year)] = values
    return {} if problems else {zone: series(each) for zone, each in years.items()}, problems


def hours_of(raw: pd.DataFrame) -> tuple[pd.Series, list[str]]:
    """Read hourly values out of the text columns `starts_at` and `gco2e_per_kwh`.

    Returns
    -------
    values : Series
        By start of the hour, UTC; several values of one hour are averaged, empty ones left out.
    problems : list of str
        One sentence with the line each.
    """
    starts = pd.to_datetime(raw["starts_at"], utc=True, errors="coerce", format="ISO8601")
    grams = pd.to_numeric(raw["gco2e_per_kwh"], errors="coerce")
    blank = raw["gco2e_per_kwh"].str.strip() == ""
    text = raw["gco2e_per_kwh"]
    problems = [
        f"line {i + 2}: {raw['starts_at'].iloc[i]!r} is no instant" for i in _where(starts.isna())
    ]
    declared = TABLES["own_grid_hours"].column("gco2e_per_kwh")
    for bad, reason in (
        (grams.isna() & ~blank, "is no number"),
        (_outside(grams, declared), must_be(declared)),
    ):
        problems += [f"line {i + 2}: gco2e_per_kwh {text.iloc[i]} {reason}" for i in _where(bad)]
    problems += [
        f"line {i + 2}: {raw['starts_at'].iloc[i]} is there twice"
        for i in _where(starts.duplicated() & starts.notna())
    ]
    values = grams.astype("float64").groupby(starts.dt.floor("h")).mean().dropna()
    return values.rename_axis("starts_at"), problems


def typed(name: str, raw: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """Return a table in its types with ids and hashes, and the problems of its cells and keys."""
    table, problems, columns = TABLES[name], [], {}
    cells = {c.name: raw[c.name].to_numpy(dtype="object") for c in table.columns}
    for column in table.columns:
        columns[column.name], found = _column(column, cells[column.name])
        problems += [f"{name}.csv line {row + 2}: {text}" for row, text in found]
    frame = pd.DataFrame(columns)
    backwards = frame["valid_to"] < frame["valid_from"]
    problems += [
        f"{name}.csv line {r + 2}: valid_to lies before valid_from" for r in _where(backwards)
    ]
    unread = (frame["verification"] == "read_in_source") & frame["source_url"].isna()
    problems += [
        f"{name}.csv line {r + 2}: source_url is empty though the row was read_in_source"
        for r in _where(unread & (not table.yours))
    ]
    for low, value, high in table.intervals:
        least, most = columns[low], columns[high]
        inside = (least <= columns[value]) & (columns[value] <= most)
        inside |= np.isnan(least) & np.isnan(most)  # where empty cells are allowed
        problems += [
            f"{name}.csv line {row + 2}: {value} lies outside {low}..{high}"
            for row in _where(~inside)
        ]
    keys = zip(*(cells[column] for column in table.key), strict=True)
    ids = ["/".join(key).replace(" ", "_") for key in keys]
    if len(set(ids)) < len(ids):
        repeated = pd.Series(ids).duplicated(keep=False)
        problems += _period_problems(name, frame.assign(_id=ids)[repeated])
        periods = zip(ids, cells["valid_from"], repeated, strict=True)
        ids = [f"{key}/{begins}" if again else key for key, begins, again in periods]
    frame["factor_id"] = strings([f"{name}/{key}" for key in ids])
    rows = zip(*cells.values(), strict=True)
    frame["row_hash"] = strings([_short_hash("\x1f".join(row)) for row in rows])
    return frame, problems


def _where(condition: Any) -> list[int]:
    return np.flatnonzero(condition).tolist()


def _short_hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _column(column: Column, text: np.ndarray) -> tuple[Any, list[tuple[int, str]]]:
    """Return one column in its type, and (row, problem) pairs."""
    blank = text == ""
    problems = [(i, f"{column.name} is empty") for i in _where(blank & column.required)]

    def refuse(bad: np.ndarray, reason: str) -> None:
        problems.extend((i, f"{column.name} {text[i]} {reason}") for i in _where(bad & ~blank))

    if column.kind == "string":
        if column.allowed:
            refuse(~np.isin(text, column.allowed), must_be(column))
        return strings(np.where(blank, np.nan, text)), problems
    if column.kind == "boolean":
        refuse(~np.isin(text, ("true", "false")), "is neither true nor false")
        return text == "true", problems
    if column.kind == "date":
        codes, days = pd.factorize(text)
        dates = pd.to_datetime(days, format="%Y-%m-%d", errors="coerce").take(codes)
        refuse(np.asarray(dates.isna()), "is no date of the form 2024-12-31")
        return dates, problems
    values = np.asarray(pd.to_numeric(np.where(blank, np.nan, text), errors="coerce"), "float64")
    refuse(np.isnan(values), "is no number")
    refuse(_outside(values, column), must_be(column))
    if column.kind == "integer":
        refuse(values % 1 != 0, "is no whole number")
        return (values if blank.any() or problems else values.astype("int64")), problems
    return values, problems


def _outside(values: Any, column: Column) -> Any:
    low = -np.inf if column.minimum is None else column.minimum
    high = np.inf if column.maximum is None else column.maximum
    return (values < low) | (values > high)


def _period_problems(name: str, rows: pd.DataFrame) -> Iterator[str]:
    """Yield where rows of one key overlap in validity; each key may have one row at a time."""
    ends = rows["valid_to"].fillna(pd.Timestamp.max.floor("D"))
    starts = rows["valid_from"].fillna(pd.Timestamp.min.ceil("D"))
    ordered = rows.assign(_start=starts, _end=ends).sort_values(["_id", "_start"], kind="stable")
    same = ordered["_id"].eq(ordered["_id"].shift())
    overlap = same & (ordered["_start"] <= ordered["_end"].shift())
    for row, key in ordered.loc[overlap, "_id"].items():
        yield f"{name}.csv line {row + 2}: key {key} is there twice for the same time"


def _package_problems(folder: Path) -> list[str]:
    if not folder.is_dir():
        return []
    if not (folder / "datapackage.json").is_file():
        return [f"datapackage.json is missing; `{_SEAL} {folder}` makes it"]
    try:
        stated = _stated_hashes(folder)
    except (ValueError, TypeError, KeyError) as error:
        return [
            f"datapackage.json cannot be read ({error}); delete it, then run `{_SEAL} {folder}`"
        ]
    return [
        f"{name}.csv differs from its hash in datapackage.json; undo the edit or, if it is meant, "
        f"run `{_SEAL} {folder}`"
        for name in SHIPPED
        if (folder / f"{name}.csv").is_file()
        and stated.get(f"{name}.csv") != _file_hash(folder / f"{name}.csv")
    ]


_SEAL = "ft-emissions reference seal"


def _stated_hashes(folder: Path) -> dict[str, str]:
    path = folder / "datapackage.json"
    if not path.is_file():
        return {}
    return {each["path"]: each["hash"] for each in json.loads(path.read_text("utf-8"))["resources"]}


def _file_hash(path: Path) -> str:
    return "sha256:" + hashlib.sha256(path.read_bytes()).hexdigest()


def _reference_problems(tables: Mapping[str, pd.DataFrame]) -> Iterator[str]:
    """Yield ids that no row has, accelerators without embodied rows, and absurd PUEs."""
    for name, table in TABLES.items():
        for column in table.own:
            if column.refers:
                known = set(ids(tables, column.refers).to_numpy("object"))
                for row, cell in enumerate(tables[name][column.name].to_numpy("object")):
                    if cell not in known and not pd.isna(cell):
                        yield (
                            f"{name}.csv line {row + 2}: {column.name} {cell} "
                            f"is not in {column.refers}.csv"
                        )
    embodied, water = tables["gpu_embodied"], set(tables["gpu_water"]["gpu_id"])
    ranked = embodied.loc[embodied["rank"] == 1, "gpu_id"].value_counts()
    for row, gpu in tables["gpus"]["gpu_id"].items():
        if ranked.get(gpu, 0) != 1:
            yield f"gpus.csv line {row + 2}: {gpu} needs one row of rank 1 in gpu_embodied.csv"
        if gpu not in water:
            yield f"gpus.csv line {row + 2}: {gpu} has no row in gpu_water.csv"
    overhead = tables["datacenter"]
    for row in _where((overhead["metric"] == "pue") & (overhead["value"] < 1)):
        yield f"datacenter.csv line {row + 2}: value {overhead['value'].iloc[row]:g} is below 1"


def _alias_problems(tables: Mapping[str, pd.DataFrame]) -> Iterator[str]:
    """Yield aliases of unknown ids, and names that stand for two things."""
    known = {kind: set(ids(tables, kind).to_numpy(dtype="object")) for kind in KINDS}
    seen = set()
    columns = (tables["aliases"][name].to_numpy("object") for name in ("kind", "alias", "id"))
    for row, (kind, alias, identity) in enumerate(zip(*columns, strict=True)):
        if kind not in known or pd.isna(alias) or pd.isna(identity):
            continue  # which `_column` said already
        if identity not in known[kind]:
            yield f"aliases.csv line {row + 2}: {identity} is no id of {kind}"
        # The same name may stand for a region of each provider, never for two things of one owner.
        owner = identity.split(":")[0] if kind in PROVIDER_KINDS else ""
        name = kind, owner, plain(alias)
        if name in seen:
            yield f"aliases.csv line {row + 2}: {alias} is there twice for {kind}"
        seen.add(name)


def write_datapackage(folder: Path | str | None = None) -> Path:
    """Write the tables' schemas, sizes and hashes to `datapackage.json` and return its path.

    Maintainers run it after every intended edit of a table. Title, licences and sources, which
    are written by hand, stay as they are.
    """
    path = (Path(folder) if folder is not None else default_folder()) / "datapackage.json"
    package = json.loads(path.read_text("utf-8")) if path.is_file() else {"name": "reference-data"}
    package["resources"] = [_resource(name, path.parent) for name in SHIPPED]
    text = json.dumps(package, indent=2, ensure_ascii=False, allow_nan=False)
    path.write_text(text + "\n", encoding="utf-8", newline="\n")
    return path


def _resource(name: str, folder: Path) -> dict[str, Any]:
    table, path = TABLES[name], folder / f"{name}.csv"
    references = [
        {
            "fields": f.name,
            "reference": {
                "resource": f.refers.replace("_", "-"),
                "fields": TABLES[f.refers].key[0],
            },
        }
        for f in table.own
        if f.refers and f.refers != name
    ]
    key = list(table.key)
    cells = pd.read_csv(path, dtype="object", keep_default_na=False, usecols=key)
    if cells.duplicated().any():  # rows that follow each other in time
        key.append("valid_from")
    schema = {"fields": [_schema(f) for f in table.columns], "primaryKey": key}
    return {
        "name": name.replace("_", "-"),
        "path": path.name,
        "description": f"One row is {table.row}.",
        "format": "csv",
        "mediatype": "text/csv",
        "encoding": "utf-8",
        "bytes": path.stat().st_size,
        "hash": _file_hash(path),
        "schema": {**schema, "foreignKeys": references, "missingValues": [""]},
    }


def _schema(column: Column) -> dict[str, Any]:
    bounds = {"minimum": column.minimum, "maximum": column.maximum, "enum": column.allowed}
    return {
        "name": column.name,
        "type": "number" if column.kind == "float" else column.kind,
        "description": column.description,
        **({"unit": column.unit} if column.unit else {}),
        "constraints": {
            "required": column.required,
            **{k: v for k, v in bounds.items() if v is not None},
        },
    }
