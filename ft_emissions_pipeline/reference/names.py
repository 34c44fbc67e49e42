"""Under which names logs know a row.

Put here: ids, aliases and how a name is matched. Keep out: the rows' values (`lookup.py`).
"""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd

from ft_emissions_pipeline.reference.declaration import PROVIDER_KINDS, TABLES, Reference

_ZONES = {"countries": "country", "us_states": "us_state", "subdivisions": "subdivision"}
_VENDOR_WORDS = {"nvidia", "tesla", "geforce"}


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
    folded = unicodedata.normalize("NFKD", name).casefold()
    bare = "".join(c for c in folded if not unicodedata.combining(c))
    return re.sub(r"[\s_\-()®™,]+", " ", bare).strip()


def _without_vendor(name: str) -> str:
    return " ".join(word for word in name.split() if word not in _VENDOR_WORDS)


_Found = tuple[str | None, bool, str | None]
"""Id, whether it is assumed, factor_id of the alias."""


@lru_cache(maxsize=64)
def _names(reference: Reference, kind: str) -> dict[str, dict[str, _Found]]:
    """Return plain name -> owner -> what it stands for; ids name themselves."""
    names: dict[str, dict[str, _Found]] = {}
    owned = kind in PROVIDER_KINDS

    def add(name: str, identity: str, assumed: bool, alias: str | None) -> None:
        owner = identity.split(":")[0] if owned else ""
        names.setdefault(plain(name), {})[owner] = (identity, assumed, alias)

    aliases = reference.tables["aliases"].loc[lambda f: f["kind"] == kind]
    for row in aliases.itertuples(index=False):
        add(row.alias, row.id, bool(row.assumed), row.factor_id)
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
        `gpus`, `servers`, `instances`, `cloud_regions`, `countries`, `us_states`, `subdivisions`,
        `models`, `managed_services` or `providers`.
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
    codes, pairs = coded([names, owners])
    found = [_found(reference, kind, name, owner) for name, owner in pairs]
    return pd.DataFrame(
        {
            "id": strings([identity for identity, _, _ in found]).take(codes),
            "assumed": np.array([assumed for _, assumed, _ in found], dtype=bool)[codes],
            "alias_factor_id": strings([alias for _, _, alias in found]).take(codes),
        },
        index=names.index,
    )


def _found(reference: Reference, kind: str, name: object, owner: object) -> _Found:
    if not isinstance(name, str):
        return None, False, None
    names, wanted = _names(reference, kind), plain(name)
    if kind not in PROVIDER_KINDS:
        owned = names.get(wanted) or names.get(_without_vendor(wanted)) or {}
        return owned.get("", (None, False, None))
    return _found_owned(reference, names, wanted, owner if isinstance(owner, str) else None)


def _found_owned(
    reference: Reference, names: Mapping[str, Mapping[str, _Found]], wanted: str, owner: str | None
) -> _Found:
    """Find a region or instance; its provider may be known, or stand in front of the name."""
    for words, providers in sorted(
        _names(reference, "providers").items(), key=lambda i: -len(i[0])
    ):
        if wanted.startswith(words + " ") and wanted not in names:
            wanted, owner = wanted.removeprefix(words + " "), owner or providers[""][0]
            break
    candidates = names.get(wanted, {})
    if owner is not None:
        identity, _, alias = candidates.get(owner, (None, False, None))
        return identity, False, alias
    # Without a provider a place ("Oregon") is a place, not a region: `assumed` marks such names.
    sure = [found for found in candidates.values() if not found[1]]
    return sure[0] if len(sure) == 1 and len(candidates) == 1 else (None, False, None)


def nearest(reference: Reference, kind: str, name: str, count: int = 3) -> list[str]:
    """Return the known names that look most like an unknown one, for messages."""
    known = {plain(i): i for i in ids(reference.tables, kind)}
    aliases = reference.tables["aliases"].loc[lambda f: f["kind"] == kind, "alias"]
    known = {**{plain(alias): alias for alias in aliases}, **known}
    return [known[n] for n in difflib.get_close_matches(plain(name), known, count, cutoff=0.5)]


def strings(values: Any) -> Any:
    """Return values as an array of pandas strings; None is missing."""
    return pd.array(values, dtype="str")


def coded(columns: Sequence[pd.Series]) -> tuple[np.ndarray, list[tuple[object, ...]]]:
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


def joined(values: Sequence[object]) -> str:
    """Return several key values as one, for an index."""
    return "\x1f".join(str(value) for value in values)
