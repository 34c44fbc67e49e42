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
from reference_data.sources.rows import FOLDER, merged

LANGUAGES = (
    "en", "de", "fr", "es", "it", "pt", "nl", "sv", "da", "nb", "fi", "pl", "cs", "hu", "ro", "el", "tr", "uk",
    "ru", "ar", "he", "hi", "id", "vi", "th", "ja", "ko", "zh", "zh-Hant",
)  # fmt: skip
COUNTRIES_WITH_SUBDIVISIONS = ("AU", "CA", "CN", "IN")


def _names(folder: Path) -> Iterator[tuple[str, str, str, str]]:
    """Yield kind, code, name and language."""
    for language in LANGUAGES:
        path = folder / f"cldr-json/cldr-localenames-full/main/{language}/territories.json"
        names = json.loads(path.read_text())["main"][language]["localeDisplayNames"]
        for code, name in names["territories"].items():
            if code.isalpha() and len(code) == 2:
                yield "countries", code, name, language
    path = folder / "cldr-json/cldr-subdivisions-full/subdivisions/en/en.json"
    names = json.loads(path.read_text())["subdivisions"]["localeDisplayNames"]["subdivisions"]
    for code, name in names.items():
        country, rest = code[:2].upper(), code[2:].upper()
        if country in COUNTRIES_WITH_SUBDIVISIONS:
            yield "subdivisions", f"{country}-{rest}", name, "en"


def rows_of(folder: Path, aliases: pd.DataFrame, grid: pd.DataFrame, edition: str) -> pd.DataFrame:
    """Return rows of aliases for names that no row has and that mean one place in all languages.

    Parameters
    ----------
    folder : Path
        A copy of the repository unicode-org/cldr-json.
    aliases, grid : DataFrame
        Tables aliases and grid_intensity; only places of the latter are taken.
    edition : str
        Release of the repository.
    """
    countries = aliases[aliases["kind"] == "countries"]
    iso3 = countries[countries["alias"].str.fullmatch("[A-Z]{2}")].set_index("alias")["id"]
    known = {
        "countries": set(grid.loc[grid["zone_type"] == "country", "zone"]),
        "subdivisions": set(grid.loc[grid["zone_type"] == "subdivision", "zone"]),
    }
    taken: dict[tuple[str, str], set[str]] = {}
    for row in aliases.itertuples():
        if row.kind in known:
            taken.setdefault((row.kind, plain(row.alias)), set()).add(row.id)
    for kind, places in known.items():  # an id goes before a name
        for identity in places:
            taken.setdefault((kind, plain(identity)), set()).add(identity)
    held = set(taken)
    found: dict[tuple[str, str], tuple[str, list[str]]] = {}
    for kind, code, name, language in _names(folder):
        identity = iso3.get(code) if kind == "countries" else code
        if identity not in known[kind]:
            continue
        word = (kind, plain(name))
        taken.setdefault(word, set()).add(identity)
        found.setdefault(word, (name, []))[1].append(language)
    return pd.DataFrame(
        [
            {
                "kind": kind,
                "alias": name,
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
    merged("aliases", rows_of(given.folder, *tables, given.edition))


if __name__ == "__main__":
    main()
