"""Under which names logs know a row.

Put here: ids, aliases, and the order in which a name is matched: as a whole first, then taken
apart. Keep out: how accelerators, instances and models are spelled (`gpu_names.py`,
`instance_names.py`, `model_names.py`), and the rows' values (`lookup.py`).
"""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd

from ft_emissions_pipeline.reference import gpu_names, instance_names, model_names
from ft_emissions_pipeline.reference.declaration import PROVIDER_KINDS, TABLES, Reference
from ft_emissions_pipeline.reference.found import Found
from ft_emissions_pipeline.tables.frames import TEXT

_ZONES = {"countries": "country", "us_states": "us_state", "subdivisions": "subdivision"}
_VENDOR_WORDS = {"nvidia", "tesla", "geforce"}
_AROUND_STATE = re.compile(r"^(?:state of|usa?) | (?:usa?|united states|us state)$")
"""What stands around a state's name or code: "State of Oregon", "OR, USA", "Oregon (US state)"."""
_NAME_BEHIND_ID = re.compile(r"^\s*([a-z]+[a-z0-9-]*\d?)\s*\([^()]*\)\s*$", re.IGNORECASE)
"""A region's id with its name behind it: "us-west-2 (Oregon)"."""
LONGEST = 1000
"""Characters above which a name stands for nothing."""
LONGEST_COMPARED = 100
"""Characters of a name by which known ones near it are looked for."""
KINDS = (
    "gpus", "instances", "models", "servers", "managed_services", "providers", "cloud_regions",
    "countries", "us_states", "subdivisions",
)  # fmt: skip
"""Kinds of names in logs."""
TAKEN_APART = ("gpus", "instances", "models")
"""Kinds whose names are taken apart where no row or alias has them as a whole."""


def ids(tables: Mapping[str, pd.DataFrame], kind: str) -> pd.Series:
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


def plain(name: str) -> str:
    """Return a name without case, accents and punctuation between words."""
    bare = name.casefold()
    if not bare.isascii():
        folded = unicodedata.normalize("NFKD", name).casefold()
        bare = "".join(c for c in folded if not unicodedata.combining(c))
    return _BETWEEN_WORDS.sub(" ", bare).strip()


_BETWEEN_WORDS = re.compile(r"[\s_\-()®™,]+")


def _without_vendor(name: str) -> str:
    return " ".join(word for word in name.split() if word not in _VENDOR_WORDS)


_Whole = tuple[str | None, bool, str | None]
"""Id, whether it is assumed, factor_id of the alias."""


@lru_cache(maxsize=64)
def _names(reference: Reference, kind: str) -> dict[str, dict[str, _Whole]]:
    """Return plain name -> owner -> what it stands for; ids name themselves."""
    names: dict[str, dict[str, _Whole]] = {}
    owned = kind in PROVIDER_KINDS

    def add(name: str, identity: str, assumed: bool, alias: str | None) -> None:
        owner = identity.split(":")[0] if owned else ""
        names.setdefault(plain(name), {})[owner] = (identity, assumed, alias)

    aliases = reference.tables["aliases"].loc[lambda f: f["kind"] == kind]
    for row in zip(
        *(aliases[name] for name in ("alias", "id", "assumed", "factor_id")), strict=True
    ):
        add(*row)
    for identity in ids(reference.tables, kind):  # an id is never an assumption
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
        One of `KINDS`.
    names : Series of str
        Names as logged; NaN stays unknown.
    provider : Series of str, optional
        Provider ids; decide where several providers have a region or instance of that name.

    Returns
    -------
    DataFrame
        Aligned to `names`: `id` (NaN where unknown), `assumed` (the name is ambiguous and a
        default was taken), `alias_factor_id` (NaN where the name is the id itself).

        Of the kinds in `TAKEN_APART` also what the name says beside it: `count` (accelerators),
        `candidates` (rows that may be meant, the usual one first, with `|` between; of an instance
        accelerators), `hardware_class`, `memory_gb`, `parameters`, `active_parameters`; and `why`.

    Notes
    -----
    The whole name is looked up first, without regard to case, accents, spaces, hyphens and
    underscores. Only then it is taken apart; a part that is not understood leaves the name without
    a row, so that a laptop or a MIG device never passes for the full card. Before a region or
    instance the provider may stand ("AWS us-west-2"); a mere place ("Oregon") is a region only
    where the provider is known.
    """
    owners = provider if provider is not None else pd.Series(index=names.index, dtype="str")
    codes, pairs = coded([names, owners])
    found = [named(reference, kind, name, owner) for name, owner in pairs]
    parts = {
        "id": strings([each.id for each in found]),
        "assumed": np.array([each.assumed for each in found], dtype=bool),
        "alias_factor_id": strings([each.alias_factor_id for each in found]),
    }
    if kind in TAKEN_APART:
        parts |= {
            "count": np.array([each.count for each in found], dtype=float),
            "candidates": strings(["|".join(each.candidates) or None for each in found]),
            "hardware_class": strings([each.hardware_class for each in found]),
            "memory_gb": np.array([each.memory_gb for each in found], dtype=float),
            "parameters": np.array([each.parameters for each in found], dtype=float),
            "active_parameters": np.array([each.active_parameters for each in found], dtype=float),
            "why": strings([each.why for each in found]),
        }
    return pd.DataFrame(
        {name: values.take(codes) for name, values in parts.items()}, index=names.index
    )


def told_of(reference: Reference, kind: str, names: pd.Series, part: str) -> np.ndarray:
    """Return one part of what `named` finds for each name: objects, None where it is not told."""
    codes, values = coded([names])
    parts = [getattr(named(reference, kind, *value), part) for value in values]
    return np.array(parts, dtype="object").take(codes)


@lru_cache(maxsize=65536)
def named(reference: Reference, kind: str, name: object, owner: object = None) -> Found:
    """Return what one name stands for; as `resolve` of many."""
    if not isinstance(name, str):
        return Found(why="no name")
    if len(name) > LONGEST:
        return Found(why=f"longer than {LONGEST} characters")
    names, wanted = _names(reference, kind), plain(name)
    if kind == "cloud_regions" and wanted not in names:
        wanted = plain(_NAME_BEHIND_ID.sub(r"\1", name))
    if kind == "us_states" and wanted not in names:
        bare = _AROUND_STATE.sub("", wanted)  # "Georgia" alone is a country
        spellings = (bare, f"us {bare}", f"{bare} usa") if bare != wanted else ()
        wanted = next((each for each in spellings if each in names), wanted)
    if kind in PROVIDER_KINDS:
        whole = _found_owned(reference, names, wanted, owner if isinstance(owner, str) else None)
    else:
        owned = names.get(wanted) or names.get(_without_vendor(wanted)) or {}
        whole = owned.get("", _UNKNOWN)
    identity, assumed, alias = whole
    told = Found(identity, assumed, alias, why=_as_a_whole(identity, alias))
    known = identity is not None and (kind == "instances" or (kind == "models" and not assumed))
    if kind not in TAKEN_APART or known:
        return told
    apart = _apart(reference, kind, name, owner)
    if identity is not None:
        candidates = tuple(dict.fromkeys((identity, *(apart.candidates if assumed else ()))))
        apart = replace(
            apart, id=identity, assumed=assumed, alias_factor_id=alias, candidates=candidates,
            why=told.why
        )  # fmt: skip
    if kind == "gpus" and apart.id is not None:
        return replace(apart, hardware_class=_host_classes(reference)[apart.id])
    return apart


@lru_cache(maxsize=8)
def _host_classes(reference: Reference) -> dict[str, str]:
    gpus = reference.tables["gpus"]
    return dict(zip(gpus["gpu_id"], gpus["host_class"], strict=True))


_UNKNOWN: _Whole = (None, False, None)


def _as_a_whole(identity: str | None, alias: str | None) -> str:
    return Found().why if identity is None else f"it is {alias}" if alias else "it is the id"


def _apart(reference: Reference, kind: str, name: str, owner: object) -> Found:
    """Take a name apart that is no id and no alias."""
    if kind == "models":
        return model_names.match(name, _model_rows(reference))
    gpus, usual = _gpu_rows(reference)
    if kind == "gpus":
        return gpu_names.match(name, gpus, usual)
    bare = instance_names.plain(name)
    if several := instance_names.several(name):
        one = named(reference, kind, several[0], owner)
        if one.id is not None:
            count = one.count or _gpus_of_instances(reference)[one.id]
            return replace(one, count=several[1] * count, why=f"{several[1]:g} of {one.id}")
    names, wanted = _names(reference, kind), plain(bare)
    for spelling, known in ((wanted, owner), (f"standard {wanted}", None)):
        whole = _found_owned(reference, names, spelling, known if isinstance(known, str) else None)
        if whole[0] is not None:
            return Found(*whole, why=f"read as {whole[0]}")
    return instance_names.match(bare, _instance_rows(reference), gpus, usual)


@lru_cache(maxsize=8)
def _gpu_rows(
    reference: Reference,
) -> tuple[gpu_names.Rows, tuple[tuple[gpu_names.GpuName, str], ...]]:
    """Return accelerators by family, and the row that people mean by an incomplete name."""
    gpus, aliases = reference.tables["gpus"], reference.tables["aliases"]
    vague = aliases[(aliases["kind"] == "gpus") & aliases["assumed"].astype(bool)]
    usual = tuple(
        (named, identity)
        for alias, identity in zip(vague["alias"], vague["id"], strict=True)
        for named in gpu_names.parse(alias)[:1]
    )
    rows = gpus[["gpu_id", "vendor", "memory_gb"]].drop_duplicates("gpu_id")
    return gpu_names.rows_by_family(rows.itertuples(index=False, name=None)), usual


@lru_cache(maxsize=8)
def _instance_rows(reference: Reference) -> Mapping[str, Sequence[instance_names.Row]]:
    rows = reference.tables["instances"].assign(id=ids(reference.tables, "instances"))
    with_card = rows.loc[rows["gpu_id"].notna(), ["id", "gpu_id", "gpu_count"]]
    return instance_names.rows_by_family(list(with_card.itertuples(index=False, name=None)))


@lru_cache(maxsize=8)
def _gpus_of_instances(reference: Reference) -> dict[str, float]:
    counts = reference.tables["instances"]["gpu_count"].astype(float)
    return dict(zip(ids(reference.tables, "instances"), counts, strict=True))


@lru_cache(maxsize=8)
def _model_rows(reference: Reference) -> model_names.Rows:
    models, aliases = reference.tables["models"], reference.tables["aliases"]
    sizes = models.set_index("model_id")[["parameters", "active_parameters"]].astype(float)
    of_models = aliases[aliases["kind"] == "models"].sort_values("assumed", kind="stable")
    spellings = [
        *of_models[["alias", "id", "assumed", "factor_id"]].itertuples(index=False, name=None),
        *((name.replace("/", " "), identity, False, None)
          for name, identity in zip(models["name"], models["model_id"], strict=True)),
        *((identity, identity, False, None) for identity in models["model_id"]),
    ]  # fmt: skip
    numbers = {
        str(key): (float(row.parameters), float(row.active_parameters))
        for key, row in zip(sizes.index, sizes.itertuples(), strict=True)
    }
    return model_names.rows_by_words(numbers, spellings)


def model_size_log_sd(reference: Reference) -> float:
    """Return how far models lie from the size in their name: a "7B" has 6.7 to 8.5 billion."""
    return _model_rows(reference).log_sd


def _found_owned(
    reference: Reference, names: Mapping[str, Mapping[str, _Whole]], wanted: str, owner: str | None
) -> _Whole:
    """Find a region or instance; its provider may be known, or stand in front of the name."""
    providers, in_front = _providers(reference)
    if wanted not in names and wanted.startswith(in_front):
        for words, provider in providers:
            if wanted.startswith(words):
                wanted, owner = wanted.removeprefix(words), owner or provider
                break
    candidates = names.get(wanted, {})
    if owner is not None:
        identity, _, alias = candidates.get(owner, (None, False, None))
        return identity, False, alias
    # Without a provider a place ("Oregon") is a place, not a region: `assumed` marks such names.
    sure = [found for found in candidates.values() if not found[1]]
    return sure[0] if len(sure) == 1 and len(candidates) == 1 else (None, False, None)


@lru_cache(maxsize=8)
def _providers(reference: Reference) -> tuple[list[tuple[str, str | None]], tuple[str, ...]]:
    """Return what may stand before a region or instance, and its provider; the longest first."""
    named = _names(reference, "providers").items()
    words = [(words + " ", owners[""][0]) for words, owners in named]
    words.sort(key=lambda each: -len(each[0]))
    return words, tuple(each for each, _ in words)


def nearest(reference: Reference, kind: str, name: str, count: int = 3) -> list[str]:
    """Return the known names that look most like an unknown one, for messages."""
    name = name[:LONGEST_COMPARED]
    known = {plain(i): i for i in ids(reference.tables, kind)}
    aliases = reference.tables["aliases"].loc[lambda f: f["kind"] == kind, "alias"]
    known = {**{plain(alias): alias for alias in aliases}, **known}
    return [known[n] for n in difflib.get_close_matches(plain(name), known, count, cutoff=0.5)]


def strings(values: Any) -> Any:
    """Return values as an array of pandas strings; None is missing."""
    return pd.array(values, dtype=TEXT)


def coded(columns: Sequence[pd.Series]) -> tuple[np.ndarray, list[tuple[object, ...]]]:
    """Return a code per row and, by code, the distinct combinations of the columns' values."""
    combined = np.zeros(len(columns[0]), dtype="int64")
    if len(combined) == 1:
        return combined, [tuple(np.asarray(column, dtype="object")[0] for column in columns)]
    parts = []
    for column in columns:
        codes, values = pd.factorize(column, use_na_sentinel=False)
        combined = combined * (len(values) or 1) + codes
        parts.append((codes, np.asarray(values, dtype="object")))
    if len(parts) == 1:
        return parts[0][0], list(zip(parts[0][1], strict=True))
    codes, values = pd.factorize(combined)
    first = np.empty(len(values), dtype="int64")
    first[codes[::-1]] = np.arange(len(codes))[::-1]  # the last write wins: the first row of each
    return codes, list(zip(*(found[part[first]] for part, found in parts), strict=True))


def joined(values: Sequence[object]) -> str:
    """Return several key values as one, for an index."""
    return "\x1f".join(str(value) for value in values)
