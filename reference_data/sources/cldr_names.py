"""Names of countries and subdivisions as aliases, from the Unicode Common Locale Data Repository.

Put here: its files and which of their names are safe to take. Keep out: how names are matched.

Copyright 2015-2024 Unicode, Inc.; Unicode License v3 (https://www.unicode.org/license.txt).
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from ft_emissions_pipeline.reference.names import plain
from reference_data.sources.tables import FOLDER, merge

LANGUAGES = (
    "en", "de", "fr", "es", "it", "pt", "nl", "sv", "da", "nb", "fi", "pl", "cs", "hu", "ro", "el",
    "tr", "uk", "ru", "ar", "he", "hi", "id", "vi", "th", "ja", "ko", "zh", "zh-Hant",
)  # fmt: skip
COUNTRIES_WITH_SUBDIVISIONS = ("AU", "CA", "CN", "IN", "US")


def _iso3(folder: Path) -> dict[str, str]:
    """Return country codes of two letters -> of three."""
    path = folder / "cldr-json/cldr-core/supplemental/codeMappings.json"
    codes = json.loads(path.read_text())["supplemental"]["codeMappings"]
    return {
        code: more["_alpha3"]
        for code, more in codes.items()
        if len(code) == 2 and "_alpha3" in more
    }


def _names(folder: Path) -> Iterator[tuple[str, str, str, str]]:
    """Yield kind, id, name and language; of a country its code of two letters, too."""
    iso3 = _iso3(folder)
    for code, identity in iso3.items():
        yield "countries", identity, code, "code"
    for language in LANGUAGES:
        path = folder / f"cldr-json/cldr-localenames-full/main/{language}/territories.json"
        names = json.loads(path.read_text())["main"][language]["localeDisplayNames"]
        for code, name in names["territories"].items():
            short = name.isascii() and len(name) < 4  # Turkish "ABD"; English has "UK"
            if code.partition("-alt-")[0] in iso3 and (language == "en" or not short):
                yield "countries", iso3[code.partition("-alt-")[0]], name, language
    path = folder / "cldr-json/cldr-subdivisions-full/subdivisions/en/en.json"
    names = json.loads(path.read_text())["subdivisions"]["localeDisplayNames"]["subdivisions"]
    for code, name in names.items():
        country, rest = code[:2].upper(), code[2:].upper()
        if country in COUNTRIES_WITH_SUBDIVISIONS:
            kind = "us_states" if country == "US" else "subdivisions"
            yield kind, f"{country}-{rest}", name, "en"


def rows_of(folder: Path, aliases: pd.DataFrame, grid: pd.DataFrame, edition: str) -> pd.DataFrame:
    """Return aliases that no other source has and that mean one place in all languages.

    A row of unknown or own origin that says the same takes this source.

    Parameters
    ----------
    folder : Path
        A copy of the repository unicode-org/cldr-json.
    aliases, grid : DataFrame
        Tables aliases and grid_intensity; only places of the latter are taken.
    edition : str
        Release of the repository.
    """
    known = {
        "countries": set(grid.loc[grid["zone_type"] == "country", "zone"]),
        "subdivisions": set(grid.loc[grid["zone_type"] == "subdivision", "zone"]),
        "us_states": set(grid.loc[grid["zone_type"] == "us_state", "zone"]),
    }
    spelled: dict[tuple[str, str], str] = {}
    taken: dict[tuple[str, str], set[str]] = {}
    for row in aliases.itertuples():
        if row.kind in known:
            word = (row.kind, plain(row.alias))
            taken.setdefault(word, set()).add(row.id)
            if row.verification not in ("read_in_source", "secondary"):
                spelled[word] = row.alias
    for kind, places in known.items():  # an id goes before a name
        for identity in places:
            taken.setdefault((kind, plain(identity)), set()).add(identity)
    held = set(taken) - set(spelled)
    found: dict[tuple[str, str], tuple[str, list[str]]] = {}
    for kind, identity, name, language in _names(folder):
        word = (kind, plain(name))
        bare_state = kind == "us_states" and word not in spelled
        if identity not in known[kind] or bare_state:  # a bare "Georgia" is a country
            continue
        taken.setdefault(word, set()).add(identity)
        found.setdefault(word, (name, []))[1].append(language)
    return pd.DataFrame(
        [
            {
                "kind": kind,
                "alias": spelled.get((kind, word), name),
                "id": next(iter(taken[kind, word])),
                "assumed": False,
                "source": f"Unicode CLDR, {edition}",
                "source_url": "https://github.com/unicode-org/cldr-json",
                "source_year": 2025,
                "licence": "Unicode License v3",
                "verification": "read_in_source",
                "notes": " ".join(languages),
            }
            for (kind, word), (name, languages) in found.items()
            if (kind, word) not in held and len(taken[kind, word]) == 1
        ]
    )


def main() -> None:
    """Read the folder that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--edition", required=True)
    given = parser.parse_args()
    tables = [
        pd.read_csv(FOLDER / f"{name}.csv", keep_default_na=False)
        for name in ("aliases", "grid_intensity")
    ]
    merge("aliases", rows_of(given.folder, *tables, given.edition))


if __name__ == "__main__":
    main()
