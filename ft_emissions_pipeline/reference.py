"""Factor tables: load, check, look up.

Put here: what a reference table must look like (`TABLES`), the checks that refuse a bad one, the
names under which logs know a row, and look-ups that take a million rows at once.
Keep out: the factors themselves (CSV files in `reference_data/`), every choice between factors
(`normalize.py`, `methodology.py`) and arithmetic on them (`equations.py`).

Each row has a `factor_id` (`grid_intensity/country/FRA/2021`) and a `row_hash`; the hash over all
row hashes is the version that results carry. A maintainer who edits a CSV file runs
`write_datapackage()` afterwards, so that an edit by accident is refused.
"""

from __future__ import annotations

import difflib
import hashlib
import json
import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

VERIFICATIONS = ("read_in_source", "secondary", "unverified", "derived")
PROVIDER_KINDS = ("cloud_regions", "instances")
"""Kinds whose id is `provider:name`; the same name may belong to several providers."""

_ZONES = {"countries": "country", "us_states": "us_state"}
_VENDOR_WORDS = {"nvidia", "tesla", "geforce"}


class ReferenceRefused(ValueError):
    """The reference tables break a rule; the message lists file, line and reason."""


@dataclass(frozen=True)
class Field:
    """One column: meaning, type, unit, bounds, and the table whose ids it holds."""

    name: str
    description: str
    kind: str = "string"
    unit: str = ""
    low: float | None = None
    high: float | None = None
    empty: bool = False
    allowed: tuple[str, ...] | None = None
    refers: str | None = None


@dataclass(frozen=True)
class FactorTable:
    """One reference table: what a row is, its key, its columns, and its (low, value, high) triples."""

    row: str
    key: tuple[str, ...]
    own: tuple[Field, ...]
    intervals: tuple[tuple[str, str, str], ...] = ()

    @property
    def fields(self) -> tuple[Field, ...]:
        """Own columns, then those that every table has."""
        return self.own + _COMMON


def _text(name: str, description: str, **more: Any) -> Field:
    return Field(name, description, **more)


def _number(name: str, unit: str, low: float, high: float, description: str, **more: Any) -> Field:
    return Field(name, description, "number", unit, low, high, **more)


def _whole(name: str, unit: str, low: float, high: float, description: str, **more: Any) -> Field:
    return Field(name, description, "integer", unit, low, high, **more)


def _interval(unit: str, high: float, prefix: str = "") -> tuple[Field, Field]:
    return (
        _number(f"{prefix}p05", unit, 0, high, "5th percentile."),
        _number(f"{prefix}p95", unit, 0, high, "95th percentile."),
    )


_COMMON = (
    _text("source", "Document, edition and place in it."),
    _text("source_url", "Its page, where there is one.", empty=True),
    _whole("source_year", "year", 1990, 2100, "Year of the document or of its reading."),
    _text("licence", "Licence or legal basis of the row."),
    _text("verification", "How the value was checked.", allowed=VERIFICATIONS),
    Field("valid_from", "First day; empty where unbounded.", "date", empty=True),
    Field("valid_to", "Last day; empty where unbounded.", "date", empty=True),
    _text("notes", "Method of derivation, caveats.", empty=True),
)
_GPU = _text("gpu_id", "Accelerator.", refers="gpus")
_SERVER = _text("server_id", "Server.", refers="servers")
_YEAR = _whole("year", "year", 2000, 2100, "Year that the value describes.")

# fmt: off
TABLES: dict[str, FactorTable] = {
    "gpus": FactorTable("an accelerator as tools count it: one device", ("gpu_id",), (
        _text("gpu_id", "Identity."),
        _text("vendor", "Maker."),
        _number("memory_gb", "GB", 1, 2000, "Memory of the device.", empty=True),
        _number("tdp_w", "W", 10, 3000, "Power at full load: thermal design power or power limit."),
        _number("idle_w", "W", 1, 500, "Power without a load."),
        _text("idle_w_basis", "Kind of evidence.", allowed=("measured", "modelled", "derived")),
        _number("peak_16bit_tflops", "TFLOP/s", 0.05, 10000, "Dense matrix peak, FP16 or BF16, FP32 accumulation.", empty=True),
        _number("peak_32bit_tflops", "TFLOP/s", 0.5, 1000, "FP32 peak outside matrix units.", empty=True),
        _number("die_area_mm2", "mm2", 50, 4000, "Area of all compute dies of the device.", empty=True),
        _number("process_nm", "nm", 1, 90, "Process node, as named by the foundry.", empty=True),
        _text("release_date", "Release, as precisely as known (year, month or day).", empty=True),
        _text("usual_server_id", "Server that usually holds it.", refers="servers"))),
    "gpu_embodied": FactorTable("the making of an accelerator by one method", ("gpu_id", "method"), (
        _GPU,
        _text("method", "How the figure came about.", allowed=(
            "vendor_pcf", "lca", "literature", "chip_area", "instance_share", "parametric_lca")),
        _whole("rank", "", 1, 99, "1 is preferred; 98 upper bound; 99 only for the published profile."),
        _number("embodied_kgco2e", "kgCO2e", 5, 5000, "Carbon of making one device."),
        *_interval("kgCO2e", 8000)),
        intervals=(("p05", "embodied_kgco2e", "p95"),)),
    "gpu_water": FactorTable("water used in making an accelerator", ("gpu_id",), (
        _GPU,
        _number("embodied_water_l", "L", 10, 5000, "Water of making the logic dies."),
        *_interval("L", 20000)),
        intervals=(("p05", "embodied_water_l", "p95"),)),
    "servers": FactorTable("a server; its GPUs are counted apart", ("server_id",), (
        _text("server_id", "Identity."),
        _text("name", "Name."),
        _text("vendor", "Maker or operator."),
        _text("gpu_id", "Accelerator that it usually holds.", refers="gpus"),
        _whole("gpu_count", "GPU", 1, 72, "Accelerator slots."),
        _whole("rank", "", 1, 99, "Among the servers of an accelerator; 1 is the usual one."),
        _text("cpu_model", "CPU."),
        _whole("cpu_count", "CPU", 1, 16, "Sockets."),
        _number("cpu_max_w", "W", 10, 1000, "Power of one CPU at full load."),
        _number("cpu_idle_w", "W", 1, 400, "Power of one CPU at rest."),
        _number("host_idle_w", "W", 5, 5000, "Boards, fans, network and disks at rest, without CPU, memory and GPU."),
        _number("memory_gb", "GB", 4, 20000, "Main memory."),
        _number("memory_w", "W", 0.5, 5000, "Power of the main memory."),
        _number("embodied_kgco2e", "kgCO2e", 50, 20000, "Carbon of making it, without GPUs."),
        *_interval("kgCO2e", 40000, "embodied_"),
        _number("embodied_water_l", "L", 10, 20000, "Water of making its CPUs."),
        *_interval("L", 60000, "water_")),
        intervals=(("embodied_p05", "embodied_kgco2e", "embodied_p95"),
                   ("water_p05", "embodied_water_l", "water_p95"))),
    "instances": FactorTable("a type of cloud instance", ("provider", "instance_type"), (
        _text("provider", "Cloud provider."),
        _text("instance_type", "Name at the provider."),
        _GPU,
        _number("gpu_count", "GPU", 0.05, 72, "Accelerators of the instance."),
        _SERVER,
        _number("server_share", "fraction", 0.001, 1, "Share of the server: its GPUs over the slots."),
        _whole("vcpus", "vCPU", 1, 1000, "Virtual CPUs."),
        _number("memory_gib", "GiB", 1, 20000, "Main memory."))),
    "cloud_regions": FactorTable("a region of a cloud provider", ("provider", "region_id"), (
        _text("provider", "Cloud provider."),
        _text("region_id", "Name at the provider."),
        _text("region_name", "Display name."),
        _text("country_iso3", "Country, ISO 3166-1 alpha-3."),
        _text("us_state", "State of the USA, two letters.", empty=True),
        _text("egrid_subregion", "eGRID subregion in the USA.", empty=True),
        _number("latitude", "degree", -90, 90, "Latitude.", empty=True),
        _number("longitude", "degree", -180, 180, "Longitude.", empty=True))),
    "datacenter": FactorTable("overhead of data centres in a year", ("scope", "key", "metric", "year"), (
        _text("scope", "How far the value reaches.", allowed=("region", "provider", "country", "world")),
        _text("key", "`aws:us-west-2`, `aws`, `USA` or `WORLD`."),
        _text("metric", "PUE, or WUE in litres per kWh of IT energy.", allowed=("pue", "wue_l_per_kwh")),
        _YEAR,
        _number("value", "1 or L/kWh", 0, 10, "Value; a PUE is at least 1."))),
    "grid_intensity": FactorTable("the grid's carbon in a year", ("zone_type", "zone", "year"), (
        _text("zone_type", "Kind of zone.", allowed=("country", "us_state", "egrid_subregion", "cloud_region", "world")),
        _text("zone", "ISO3 code, `US-OR`, eGRID subregion, `gcp:us-west1` or WORLD."),
        _YEAR,
        _number("gco2e_per_kwh", "gCO2e/kWh", 1, 2500, "Greenhouse gases per kWh."),
        _text("emissions_basis", "With or without building plants and fuel supply.", allowed=("lifecycle", "direct")),
        _text("accounting", "What the average runs over."))),
    "electricity_water": FactorTable("water consumed in generation", ("zone_type", "zone", "rank"), (
        _text("zone_type", "Kind of zone.", allowed=("country", "egrid_subregion", "world")),
        _text("zone", "ISO3 code, eGRID subregion or WORLD."),
        _whole("rank", "", 1, 99, "1 is preferred."),
        _number("l_per_kwh", "L/kWh", 0.05, 60, "Water consumed per kWh."),
        Field("hydropower_included", "Whether reservoirs' evaporation is in it.", "boolean"))),
    "models": FactorTable("a base model", ("model_id",), (
        _text("model_id", "Identity."),
        _text("name", "Name."),
        _text("family", "Family."),
        _text("provider", "Maker."),
        _text("architecture", "Kind of network.", allowed=(
            "dense_encoder", "dense_decoder", "dense_encoder_decoder", "moe_decoder", "undisclosed")),
        _number("parameters", "parameter", 1e6, 1e13, "Parameters; empty where the maker keeps them.", empty=True),
        _number("active_parameters", "parameter", 1e6, 1e13, "Parameters that a token passes.", empty=True),
        _whole("layers", "layer", 1, 500, "Layers; of the encoder where there are two stacks.", empty=True),
        _whole("hidden_size", "", 32, 100000, "Width.", empty=True),
        _whole("heads", "head", 1, 1000, "Attention heads.", empty=True),
        _whole("context_length", "token", 128, 1e8, "Context length.", empty=True),
        _text("release_date", "Release, as precisely as known.", empty=True))),
    "common_hardware": FactorTable("the commonest hardware from a year on", ("year",), (
        _YEAR, _GPU, _SERVER)),
    "managed_services": FactorTable(
        "how a managed service presumably runs a job", ("service_id", "model_parameters_min"), (
        _text("service_id", "Identity."),
        _text("name", "Name."),
        _text("provider", "Cloud on which it runs; empty where unknown.", empty=True),
        _number("model_parameters_min", "parameter", 0, 1e13, "From this size on."),
        _number("model_parameters_max", "parameter", 1, np.inf, "Below this size."),
        _GPU,
        _whole("gpu_count", "GPU", 1, 1000, "Accelerators of a job."),
        *_interval("GPU", 1000, "gpu_count_"),
        _SERVER,
        _number("startup_s", "s", 0, 86400, "Reserved before the first step and after the last."),
        *_interval("s", 86400, "startup_s_"),
        _text("reasoning", "Why.")),
        intervals=(("gpu_count_p05", "gpu_count", "gpu_count_p95"),
                   ("startup_s_p05", "startup_s", "startup_s_p95"))),
    "embodied_components": FactorTable("the making of a component", ("component", "spec"), (
        _text("component", "Component."),
        _text("spec", "Which."),
        _number("value", "see unit", 0, 10000, "Value."),
        _text("unit", "Unit of the value."))),
    "defaults": FactorTable("a value for what a log does not say", ("parameter",), (
        _text("parameter", "Name."),
        _number("value", "see unit", 0, 1e13, "Value."),
        *_interval("see unit", 1e13),
        _text("unit", "Unit of the value.")),
        intervals=(("p05", "value", "p95"),)),
    "aliases": FactorTable("a name under which logs know something", ("kind", "alias", "id"), (
        _text("kind", "What is named.", allowed=(
            "gpus", "servers", "instances", "cloud_regions", "countries", "us_states", "models", "managed_services", "providers")),
        _text("alias", "Name."),
        _text("id", "Identity that it stands for."),
        Field("assumed", "Whether the name is ambiguous and a default was taken; a region's name that is "
              "marked so counts only where the provider is known.", "boolean"),
        _text("note", "Why.", empty=True))),
}
# fmt: on


@dataclass(frozen=True, eq=False)
class Reference:
    """All reference tables, typed, with `factor_id` and `row_hash`; version is the hash of all rows."""

    tables: Mapping[str, pd.DataFrame]
    version: str
    folder: Path


class Default(NamedTuple):
    """A default value with its interval, unit and row."""

    value: float
    p05: float
    p95: float
    unit: str
    factor_id: str


def default_folder() -> Path:
    """Return the folder of the tables that come with the package."""
    return Path(__file__).resolve().parent.parent / "reference_data"


def load(folder: Path | str | None = None) -> Reference:
    """Return the checked tables of a folder; read once until a file changes.

    Raises
    ------
    ReferenceRefused
        If `check` finds a problem.
    """
    path = Path(folder) if folder is not None else default_folder()
    stamps = (path / f"{name}.csv" for name in TABLES)
    stamp = tuple((s.stat().st_mtime_ns, s.stat().st_size) if s.exists() else () for s in stamps)
    return _load(path.resolve(), stamp)


@lru_cache(maxsize=4)
def _load(folder: Path, stamp: tuple[object, ...]) -> Reference:  # noqa: ARG001 - part of the key
    tables, problems = _read(folder)
    if problems:
        shown = "\n  ".join(problems[:20])
        more = f"\n  and {len(problems) - 20} more" if len(problems) > 20 else ""
        msg = f"the reference tables in {folder} were refused:\n  {shown}{more}"
        raise ReferenceRefused(msg)
    hashes = "".join(h for name in sorted(tables) for h in tables[name]["row_hash"])
    return Reference(tables, hashlib.sha256(hashes.encode()).hexdigest()[:12], folder)


def check(folder: Path | str | None = None) -> list[str]:
    """Return what is wrong with the tables of a folder, one sentence with file and line each."""
    return _read(Path(folder) if folder is not None else default_folder())[1]


def _read(folder: Path) -> tuple[dict[str, pd.DataFrame], list[str]]:
    tables: dict[str, pd.DataFrame] = {}
    problems = _package_problems(folder)
    for name, table in TABLES.items():
        path = folder / f"{name}.csv"
        if not path.is_file():
            problems.append(f"{path.name} is missing; restore it or copy it from the package")
            continue
        raw = pd.read_csv(path, dtype="object", keep_default_na=False, encoding="utf-8")
        missing = [f.name for f in table.fields if f.name not in raw.columns]
        extra = [column for column in raw.columns if column not in {f.name for f in table.fields}]
        if missing or extra:
            problems += [f"{path.name} line 1: column {column} is missing" for column in missing]
            problems += [f"{path.name} line 1: column {column} is not declared" for column in extra]
            continue
        frame, found = _typed(name, raw)
        tables[name] = frame
        problems += found
    if len(tables) == len(TABLES):
        problems += [*_reference_problems(tables), *_alias_problems(tables)]
    return tables, problems


def _typed(name: str, raw: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """Return a table in its types with ids and hashes, and the problems of its cells and keys."""
    table, problems, columns = TABLES[name], [], {}
    cells = {field.name: raw[field.name].to_numpy(dtype="object") for field in table.fields}
    for field in table.fields:
        columns[field.name], found = _column(field, cells[field.name])
        problems += [f"{name}.csv line {row + 2}: {text}" for row, text in found]
    frame = pd.DataFrame(columns)
    for low, value, high in table.intervals:
        inside = (frame[low] <= frame[value]) & (frame[value] <= frame[high])
        problems += [
            f"{name}.csv line {row + 2}: {value} lies outside {low}..{high}"
            for row in _where(~inside)
        ]
    keys = zip(*(cells[column] for column in table.key), strict=True)
    ids = pd.Series(["/".join(key).replace(" ", "_") for key in keys], dtype="str")
    repeated = ids.duplicated(keep=False)
    if repeated.any():
        problems += _period_problems(name, frame.assign(_id=ids)[repeated])
        ids = ids.where(~repeated, ids + "/" + raw["valid_from"])
    frame["factor_id"] = f"{name}/" + ids
    rows = zip(*cells.values(), strict=True)
    frame["row_hash"] = _strings([_short_hash("\x1f".join(row)) for row in rows])
    return frame, problems


def _where(condition: Any) -> list[int]:
    return np.flatnonzero(condition).tolist()


def _short_hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _column(field: Field, text: np.ndarray) -> tuple[Any, list[tuple[int, str]]]:
    """Return one column in its type, and (row, problem) pairs."""
    blank = text == ""
    problems = [] if field.empty else [(i, f"{field.name} is empty") for i in _where(blank)]

    def refuse(bad: np.ndarray, reason: str) -> None:
        problems.extend((i, f"{field.name} {text[i]} {reason}") for i in _where(bad & ~blank))

    if field.kind == "string":
        if field.allowed:
            refuse(~np.isin(text, field.allowed), f"is none of {', '.join(field.allowed)}")
        return _strings(np.where(blank, np.nan, text)), problems
    if field.kind == "boolean":
        refuse(~np.isin(text, ("true", "false")), "is neither true nor false")
        return text == "true", problems
    if field.kind == "date":
        codes, days = pd.factorize(text)
        dates = pd.to_datetime(days, format="%Y-%m-%d", errors="coerce").take(codes)
        refuse(np.asarray(dates.isna()), "is no date of the form 2024-12-31")
        return dates, problems
    values = np.asarray(pd.to_numeric(np.where(blank, np.nan, text), errors="coerce"), "float64")
    refuse(np.isnan(values), "is no number")
    low = -np.inf if field.low is None else field.low
    high = np.inf if field.high is None else field.high
    refuse(values < low, f"is below {low:g}")
    refuse(values > high, f"is above {high:g}")
    if field.kind == "integer":
        refuse(values % 1 != 0, "is no whole number")
        return (values if blank.any() or problems else values.astype("int64")), problems
    return values, problems


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
    path = folder / "datapackage.json"
    if not path.is_file():
        return ["datapackage.json is missing; reference.write_datapackage(folder) makes it"]
    stated = {r["path"]: r["hash"] for r in json.loads(path.read_text("utf-8"))["resources"]}
    return [
        f"{name}.csv differs from its hash in datapackage.json; undo the edit or, if it is meant, "
        "run reference.write_datapackage(folder)"
        for name in TABLES
        if (folder / f"{name}.csv").is_file()
        and stated.get(f"{name}.csv") != _file_hash(folder / f"{name}.csv")
    ]


def _file_hash(path: Path) -> str:
    return "sha256:" + hashlib.sha256(path.read_bytes()).hexdigest()


def _ids(tables: Mapping[str, pd.DataFrame], kind: str) -> pd.Series:
    """Return the ids that a kind has; places and providers have no table of their own."""
    if kind in _ZONES:
        grid = tables["grid_intensity"]
        return grid.loc[grid["zone_type"] == _ZONES[kind], "zone"].drop_duplicates()
    if kind == "providers":
        return tables["datacenter"].loc[lambda f: f["scope"] == "provider", "key"].drop_duplicates()
    if kind in PROVIDER_KINDS:
        first, second = TABLES[kind].key
        return tables[kind][first] + ":" + tables[kind][second]
    return tables[kind][TABLES[kind].key[0]].drop_duplicates()


def _reference_problems(tables: Mapping[str, pd.DataFrame]) -> Iterator[str]:
    """Yield ids that no row has, accelerators without embodied rows, and absurd PUEs."""
    for name, table in TABLES.items():
        for field in table.own:
            if field.refers:
                cells = tables[name][field.name]
                for row in _where(~cells.isin(_ids(tables, field.refers))):
                    yield (
                        f"{name}.csv line {row + 2}: {field.name} {cells.iloc[row]} "
                        f"is not in {field.refers}.csv"
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
    aliases = tables["aliases"]
    for kind, rows in aliases.groupby("kind"):
        for row, name in rows.loc[~rows["id"].isin(_ids(tables, str(kind))), "id"].items():
            yield f"aliases.csv line {row + 2}: {name} is no id of {kind}"
        names = rows["alias"].map(_plain)
        owner = rows["id"].str.split(":").str[0] if kind in PROVIDER_KINDS else ""
        # The same name may stand for a region of each provider, never for two things of one owner.
        group = pd.DataFrame({"name": names, "owner": owner, "id": rows["id"]})
        twice = group.duplicated(["name", "owner"])
        for row, alias in rows.loc[twice, "alias"].items():
            yield f"aliases.csv line {row + 2}: {alias} is there twice for {kind}"


def _plain(name: str) -> str:
    """Return a name without case, accents and punctuation between words."""
    plain = unicodedata.normalize("NFKD", name).casefold()
    plain = "".join(c for c in plain if not unicodedata.combining(c))
    return re.sub(r"[\s_\-()®™,]+", " ", plain).strip()


def _without_vendor(plain: str) -> str:
    return " ".join(word for word in plain.split() if word not in _VENDOR_WORDS)


_Found = tuple[str | None, bool, str | None]
"""Id, whether it is assumed, factor_id of the alias."""


@lru_cache(maxsize=64)
def _names(reference: Reference, kind: str) -> dict[str, dict[str, _Found]]:
    """Return plain name -> owner -> what it stands for; ids name themselves."""
    names: dict[str, dict[str, _Found]] = {}
    owned = kind in PROVIDER_KINDS

    def add(name: str, identity: str, assumed: bool, alias: str | None) -> None:
        owner = identity.split(":")[0] if owned else ""
        names.setdefault(_plain(name), {})[owner] = (identity, assumed, alias)

    aliases = reference.tables["aliases"].loc[lambda f: f["kind"] == kind]
    for row in aliases.itertuples(index=False):
        add(row.alias, row.id, bool(row.assumed), row.factor_id)
    for identity in _ids(reference.tables, kind):  # an id is never an assumption
        add(identity, identity, False, None)
        if owned:
            add(identity.split(":", 1)[1], identity, False, None)
    return names


def resolve(
    reference: Reference, kind: str, names: pd.Series, provider: pd.Series | None = None
) -> pd.DataFrame:
    """Find the ids for which names in logs stand.

    Parameters
    ----------
    reference : Reference
        Loaded tables.
    kind : str
        `gpus`, `servers`, `instances`, `cloud_regions`, `countries`, `us_states`, `models`,
        `managed_services` or `providers`.
    names : Series of str
        Names as logged; NaN stays unknown.
    provider : Series of str, optional
        Provider ids; decide where several providers have a region or instance of that name.

    Returns
    -------
    DataFrame
        Aligned to `names`: `id` (NaN where unknown), `assumed` (the name is ambiguous and a
        default was taken), `alias_factor_id` (NaN where the name is the id itself).

    Notes
    -----
    The whole name must match, without regard to case, accents, spaces, hyphens and underscores;
    only if it does not are the words NVIDIA, Tesla and GeForce left out. A laptop or MIG device
    therefore never passes for the full card. Before a region or instance the provider may stand
    ("AWS us-west-2"); a mere place ("Oregon") is a region only where the provider is known.
    """
    owners = provider if provider is not None else pd.Series(index=names.index, dtype="str")
    codes, pairs = _coded([names, owners])
    found = [_found(reference, kind, name, owner) for name, owner in pairs]
    return pd.DataFrame(
        {
            "id": _strings([identity for identity, _, _ in found]).take(codes),
            "assumed": np.array([assumed for _, assumed, _ in found], dtype=bool)[codes],
            "alias_factor_id": _strings([alias for _, _, alias in found]).take(codes),
        },
        index=names.index,
    )


def _found(reference: Reference, kind: str, name: object, owner: object) -> _Found:
    if not isinstance(name, str):
        return None, False, None
    names, plain = _names(reference, kind), _plain(name)
    if kind not in PROVIDER_KINDS:
        owned = names.get(plain) or names.get(_without_vendor(plain)) or {}
        return owned.get("", (None, False, None))
    return _found_owned(reference, names, plain, owner if isinstance(owner, str) else None)


def _found_owned(
    reference: Reference, names: Mapping[str, Mapping[str, _Found]], plain: str, owner: str | None
) -> _Found:
    """Find a region or instance; its provider may be known, or stand in front of the name."""
    for words, providers in sorted(
        _names(reference, "providers").items(), key=lambda i: -len(i[0])
    ):
        if plain.startswith(words + " ") and plain not in names:
            plain, owner = plain.removeprefix(words + " "), owner or providers[""][0]
            break
    candidates = names.get(plain, {})
    if owner is not None:
        identity, _, alias = candidates.get(owner, (None, False, None))
        return identity, False, alias
    # Without a provider a place ("Oregon") is a place, not a region: `assumed` marks such names.
    sure = [found for found in candidates.values() if not found[1]]
    return sure[0] if len(sure) == 1 and len(candidates) == 1 else (None, False, None)


def _strings(values: Any) -> Any:
    return pd.array(values, dtype="str")


def nearest(reference: Reference, kind: str, name: str, count: int = 3) -> list[str]:
    """Return the known names that look most like an unknown one, for messages."""
    known = {_plain(i): i for i in _ids(reference.tables, kind)}
    aliases = reference.tables["aliases"].loc[lambda f: f["kind"] == kind, "alias"]
    known = {**{_plain(alias): alias for alias in aliases}, **known}
    return [known[n] for n in difflib.get_close_matches(_plain(name), known, count, cutoff=0.5)]


def _coded(columns: Sequence[pd.Series]) -> tuple[np.ndarray, list[tuple[object, ...]]]:
    """Return a code per row and, by code, the distinct combinations of the columns' values."""
    combined = np.zeros(len(columns[0]), dtype="int64")
    parts = []
    for column in columns:
        codes, values = pd.factorize(column, use_na_sentinel=False)
        combined = combined * (len(values) or 1) + codes
        parts.append((codes, np.asarray(values, dtype="object")))
    codes, values = pd.factorize(combined)
    first = np.empty(len(values), dtype="int64")
    first[codes[::-1]] = np.arange(len(codes))[::-1]  # the last write wins: the first row of each
    return codes, list(zip(*(found[part[first]] for part, found in parts), strict=True))


def _key(values: Sequence[object]) -> str:
    return "\x1f".join(str(value) for value in values)


@lru_cache(maxsize=64)
def _preferred(
    reference: Reference, table: str, key: tuple[str, ...], where: tuple[tuple[str, str], ...]
) -> tuple[pd.Index, np.ndarray]:
    """Return key -> row number; of several rows the lowest rank, then the latest validity."""
    frame = reference.tables[table]
    for column, wanted in where:
        frame = frame[frame[column] == wanted]
    order = [column for column in ("rank", "valid_from") if column in frame]
    frame = frame.sort_values(
        order, ascending=[column == "rank" for column in order], kind="stable", na_position="last"
    )
    keys = pd.Index(
        [_key(row) for row in zip(*(frame[k] for k in key), strict=True)], dtype="object"
    )
    kept = ~keys.duplicated()
    if not kept.all() and "rank" not in frame and TABLES[table].key != key:
        msg = f"{table} has several rows per {', '.join(key)}; name more key columns"
        raise ValueError(msg)
    return keys[kept], frame.index.to_numpy()[kept]


def take(
    reference: Reference,
    table: str,
    ids: pd.Series | pd.DataFrame,
    columns: Sequence[str],
    key: str | Sequence[str] | None = None,
    where: Mapping[str, str] | None = None,
) -> pd.DataFrame:
    """Look rows up by id.

    Parameters
    ----------
    reference : Reference
        Loaded tables.
    table : str
        Name of the table.
    ids : Series or DataFrame
        Ids, or one column per key column. Ids of regions and instances read `provider:name`.
    columns : sequence of str
        Columns wanted beside `factor_id`.
    key : str or sequence of str, optional
        Columns to match, by default the columns of `ids`, or the first key column of the table.
    where : mapping of str to str, optional
        Only rows with these values, as `{"method": "instance_share"}`.

    Returns
    -------
    DataFrame
        Aligned to `ids`: the columns and `factor_id`, NaN where no row has the id. Of several rows
        the one with rank 1, else the lowest rank; then the one valid last.
    """
    names = (key,) if isinstance(key, str) else tuple(key or ())
    if isinstance(ids, pd.DataFrame):
        names, parts = names or tuple(ids.columns), [ids[column] for column in ids]
    elif table in PROVIDER_KINDS and not names:
        names, parts = TABLES[table].key, [ids.astype("str").str.replace(":", "\x1f", n=1)]
    else:
        names, parts = names or TABLES[table].key[:1], [ids]
    index, rows = _preferred(reference, table, names, tuple((where or {}).items()))
    codes, wanted = _coded(parts)
    at = index.get_indexer(pd.Index([_key(values) for values in wanted], dtype="object"))
    row = np.append(rows, -1)[at][codes]
    return _rows(reference.tables[table], row, [*columns, "factor_id"], ids.index)


def _rows(
    frame: pd.DataFrame, row: np.ndarray, columns: Sequence[str], index: pd.Index
) -> pd.DataFrame:
    """Take rows by number; -1 gives an empty row."""
    return pd.DataFrame(
        {c: pd.api.extensions.take(frame[c].array, row, allow_fill=True) for c in columns},
        index=index,
    )


@lru_cache(maxsize=64)
def _series(
    reference: Reference, table: str, keys: tuple[str, ...], step: str
) -> tuple[pd.Index, np.ndarray, np.ndarray, np.ndarray]:
    """Return key index; and, sorted by key and step, key code, rank of the step, row number."""
    frame = reference.tables[table]
    columns = [frame[k] for k in keys] or [[""] * len(frame)]
    names = [_key(row) for row in zip(*columns, strict=True)]
    codes, index = pd.factorize(np.array(names, dtype="object"))
    steps, ranks = np.unique(frame[step].to_numpy(dtype="float64"), return_inverse=True)
    order = np.lexsort((ranks, codes))
    return pd.Index(index), steps, codes[order] * (len(steps) + 1) + ranks[order] + 1, order


def _latest(
    reference: Reference,
    table: str,
    keys: pd.DataFrame,
    step: str,
    wanted: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Return row numbers with the largest step not above the wanted one, and where it is later.

    The row is -1 where the key is unknown; where no step is that small, the smallest one serves
    and counts as later.
    """
    index, steps, places, order = _series(reference, table, tuple(keys.columns), step)
    columns = [keys[column] for column in keys] or [pd.Series("", index=keys.index, dtype="str")]
    codes, names = _coded(columns)
    code = index.get_indexer(pd.Index([_key(n) for n in names], dtype="object"))[codes]
    width = len(steps) + 1
    place = code * width + np.searchsorted(steps, wanted, side="right")
    at = np.searchsorted(places, place, side="right") - 1
    later = (at < 0) | (places[at] // width != code)
    at = np.where(later, at + 1, at)
    known = (code >= 0) & ~np.isnan(wanted)
    row = np.where(known, order[np.clip(at, 0, len(order) - 1)], -1)
    return row, known & later


def at_year(
    reference: Reference,
    table: str,
    keys: pd.Series | pd.DataFrame | None,
    years: pd.Series,
    value: str,
) -> pd.DataFrame:
    """Look a value up by key and year; the nearest earlier year serves where the year has none.

    Parameters
    ----------
    reference : Reference
        Loaded tables.
    table : str
        A table with a `year` column.
    keys : Series or DataFrame or None
        The other key columns, under their names; a Series where there is one; None where there
        is none.
    years : Series
        Years wanted.
    value : str
        Column wanted.

    Returns
    -------
    DataFrame
        Aligned to `years`: `value`, `factor_id`, `year` of the row, `exact`, and `match`, one of
        `same_year`, `earlier_year`, `later_year` (nothing earlier exists) and `missing`.
    """
    wanted = years.to_numpy(dtype="float64", na_value=np.nan)
    if keys is None:
        keys = pd.DataFrame(index=years.index)
    elif isinstance(keys, pd.Series):
        keys = keys.to_frame(TABLES[table].key[0])
    row, later = _latest(reference, table, keys, "year", wanted)
    found = _rows(reference.tables[table], row, [value, "factor_id", "year"], years.index)
    found = found.set_axis(["value", "factor_id", "year"], axis=1)
    exact = found["year"].to_numpy(dtype="float64") == wanted
    kinds = np.array(["earlier_year", "same_year", "later_year", "missing"], dtype="object")
    match = kinds[np.select([row < 0, exact, later], [3, 1, 2], default=0)]
    return found.assign(exact=exact, match=_strings(match))


def managed_service(
    reference: Reference, ids: pd.Series, parameters: pd.Series, columns: Sequence[str]
) -> pd.DataFrame:
    """Look up how a service runs jobs for models of a size; NaN where service or size is unknown."""
    wanted = parameters.to_numpy(dtype="float64", na_value=np.nan)
    table = "managed_services"
    keys = ids.to_frame("service_id")
    row, _ = _latest(reference, table, keys, "model_parameters_min", wanted)
    return _rows(reference.tables[table], row, [*columns, "factor_id"], ids.index)


def default(reference: Reference, parameter: str) -> Default:
    """Return a default value with interval, unit and row.

    Raises
    ------
    KeyError
        If there is no such parameter; the message names the nearest ones.
    """
    frame = reference.tables["defaults"]
    rows = frame[frame["parameter"] == parameter]
    if rows.empty:
        near = difflib.get_close_matches(parameter, frame["parameter"], cutoff=0.3)
        msg = f"defaults.csv has no parameter {parameter}; nearest: {', '.join(near)}"
        raise KeyError(msg)
    row = rows.iloc[-1]
    value, p05, p95 = (float(row[column]) for column in ("value", "p05", "p95"))
    return Default(value, p05, p95, row["unit"], row["factor_id"])


def describe(reference: Reference, factor_id: str) -> dict[str, object]:
    """Return a row by its factor id, without its empty cells.

    Raises
    ------
    KeyError
        If there is no such row; the message names the nearest ones.
    """
    name = factor_id.split("/", 1)[0]
    frame = reference.tables.get(name, pd.DataFrame({"factor_id": []}, dtype="str"))
    rows = frame[frame["factor_id"] == factor_id]
    if rows.empty:
        near = difflib.get_close_matches(factor_id, frame["factor_id"])
        msg = f"no reference row has the id {factor_id}; nearest: {', '.join(near) or 'none'}"
        raise KeyError(msg)
    return dict(rows.iloc[0].dropna())


def write_datapackage(folder: Path | str | None = None) -> Path:
    """Write the tables' schemas, sizes and hashes to `datapackage.json` and return its path.

    Maintainers run it after every intended edit of a table. Title, licences and sources, which
    are written by hand, stay as they are.
    """
    path = (Path(folder) if folder is not None else default_folder()) / "datapackage.json"
    package = json.loads(path.read_text("utf-8")) if path.is_file() else {"name": "reference-data"}
    package["resources"] = [_resource(name, path.parent) for name in TABLES]
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
    schema = {"fields": [_schema(f) for f in table.fields], "primaryKey": list(table.key)}
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


def _schema(field: Field) -> dict[str, Any]:
    bounds = {"minimum": field.low, "maximum": field.high, "enum": field.allowed}
    limits = {k: v for k, v in bounds.items() if v is not None and v != np.inf}
    return {
        "name": field.name,
        "type": field.kind,
        "description": field.description,
        **({"unit": field.unit} if field.unit else {}),
        "constraints": {"required": not field.empty, **limits},
    }
