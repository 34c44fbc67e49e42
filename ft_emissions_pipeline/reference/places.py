"""What place a free text names: "Québec, Canada", "Sweden (Stockholm)", "San Jose, CA, USA".

Put here: taking such a text apart. Keep out: single names (`names.py`) and which factor follows
(`normalize/`).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import pandas as pd

from ft_emissions_pipeline.reference.declaration import Reference
from ft_emissions_pipeline.reference.names import coded, ids, named, plain, resolve, strings

_BETWEEN_PARTS = re.compile(r"\s*[,;/()|\n]\s*|\s+[-\u2013\u2014]\s+")
LONGEST = 200
"""Characters beyond which a text is no name of a place."""


class Place(NamedTuple):
    """A place as a text tells it; `alias_factor_id` is the alias behind its narrowest part."""

    country_iso3: str | None = None
    subdivision: str | None = None
    alias_factor_id: str | None = None
    named_by: str | None = None


NOWHERE = Place()


def places(
    reference: Reference, texts: pd.Series, countries: pd.Series | None = None
) -> pd.DataFrame:
    """Find the places for which texts stand.

    Parameters
    ----------
    reference : Reference
        Loaded tables.
    texts : Series of str
        Names as logged: a country in any of the languages of the table, a state or province, a city
        of a cloud region, or several of these, the widest last.
    countries : Series of str, optional
        Countries that are known otherwise, aligned to `texts`; they decide between namesakes, as
        Georgia.

    Returns
    -------
    DataFrame
        Aligned to `texts`: `country_iso3`, `subdivision` (`US-OR`, `CA-QC`), `alias_factor_id`, and
        `named_by`: the narrowest part that told, `country`, `state` or `city`; missing where
        nothing is known.
    """
    given = countries if countries is not None else pd.Series(index=texts.index, dtype="str")
    codes, pairs = coded([texts, given])
    found = [
        _place(reference, text, country if isinstance(country, str) else None)
        if isinstance(text, str)
        else NOWHERE
        for text, country in pairs
    ]
    return pd.DataFrame(
        {
            name: strings([getattr(place, name) for place in found]).take(codes)
            for name in Place._fields
        },
        index=texts.index,
    )


def _parts(text: str) -> list[str]:
    """Return the whole text, then its parts, the last first."""
    if len(text) > LONGEST:
        return []
    parts = [part for part in _BETWEEN_PARTS.split(text) if part]
    return list(dict.fromkeys([text, *reversed(parts)]))


def _meanings(reference: Reference, name: str) -> list[Place]:
    """Return what a part may mean: a country, a state or province, a city."""
    countries, cities = _countries(reference), _cities(reference)
    meanings = []
    for kind in ("countries", "us_states", "subdivisions"):
        found = named(reference, kind, name)
        if found.id is None:
            continue
        if kind == "countries":
            meanings.append(Place(found.id, None, found.alias_factor_id, "country"))
        else:
            place = countries[found.id[:2]], found.id
            meanings.append(Place(*place, found.alias_factor_id, "state"))
    if re.fullmatch("[A-Z]{2,3}", name):
        codes = {country: f"{country}-{name}" for country in countries}
        meanings += [
            Place(countries[country], code, None, "code")
            for country, code in codes.items()
            if code in _subdivisions(reference)
        ]
    return [*meanings, cities[plain(name)]] if plain(name) in cities else meanings


@lru_cache(maxsize=65536)
def _place(reference: Reference, text: str, country: str | None) -> Place:
    """Choose the meanings of a text's parts that agree with each other."""
    parts = _parts(text)
    meanings = {part: _meanings(reference, part) for part in parts}
    told = [each for part in parts for each in meanings[part]]
    if country is None:
        country = _country(parts, meanings)
    agreed = [each for each in told if each.country_iso3 == country is not None]
    for kind in ("state", "code", "city", "country"):
        for each in agreed:
            if each.named_by == kind:
                return each._replace(named_by="state") if kind == "code" else each
    return NOWHERE


def _country(parts: Sequence[str], meanings: dict[str, list[Place]]) -> str | None:
    """Return the country that the widest part names, else that of the first state, city or code."""
    of: dict[str | None, list[str | None]] = {}
    for part in parts:
        for each in meanings[part]:
            of.setdefault(each.named_by, []).append(each.country_iso3)
    wide, sure = of.get("country", []), [*of.get("state", []), *of.get("city", [])]
    codes = of.get("code", [])
    lone = len(parts) <= LONE
    if lone or not _same_code(parts[1:], meanings):
        return next(iter(wide or sure or ([] if lone else codes)), None)
    # "Paris, FR" or "Toronto, CA": the city decides whether the code is a country's or a state's.
    return next((each for each in wide if each in sure), next(iter(sure), None))


LONE = 1
"""Parts of a text that is a single word: a code alone is a country's, never a state's."""


def _same_code(parts: Sequence[str], meanings: dict[str, list[Place]]) -> bool:
    """Say whether the last part is both a country's and a state's code, and none else a country."""
    last, *others = parts
    kinds = {each.named_by for each in meanings[last]}
    return {"country", "code"} <= kinds and not any(
        each.named_by == "country" for part in others for each in meanings[part]
    )


@lru_cache(maxsize=8)
def _countries(reference: Reference) -> dict[str, str]:
    """Return ISO 3166-1 codes of two letters -> of three, for countries whose states have rows."""
    prefixes = {zone[:2] for zone in _subdivisions(reference)}
    names = pd.Series(sorted(prefixes), dtype="str")
    return dict(zip(names, resolve(reference, "countries", names)["id"], strict=True))


@lru_cache(maxsize=8)
def _subdivisions(reference: Reference) -> frozenset[str]:
    grid = reference.tables["grid_intensity"]
    return frozenset(grid.loc[grid["zone_type"].isin(["us_state", "subdivision"]), "zone"])


@lru_cache(maxsize=8)
def _cities(reference: Reference) -> dict[str, Place]:
    """Return cities of cloud regions in one country; a city in two states is its country's."""
    aliases, regions = reference.tables["aliases"], reference.tables["cloud_regions"]
    cities = aliases[(aliases["kind"] == "cloud_regions") & aliases["assumed"]]
    states = ("US-" + regions["us_state"]).fillna(regions["subdivision"])
    where = zip(regions["country_iso3"], states.astype("object").where(states.notna(), None),
                strict=True)  # fmt: skip
    region = dict(zip(ids(reference.tables, "cloud_regions"), where, strict=True))
    found: dict[str, Place] = {}
    several = set()
    for name, identity, alias in zip(*(cities[c] for c in ("alias", "id", "factor_id")),
                                     strict=True):  # fmt: skip
        country, state = region[identity]
        other = found.setdefault(plain(name), Place(country, state, alias, "city"))
        if other.country_iso3 != country:
            several.add(plain(name))
        elif other.subdivision != state:
            found[plain(name)] = other._replace(subdivision=None)
    return {name: place for name, place in found.items() if name not in several}
