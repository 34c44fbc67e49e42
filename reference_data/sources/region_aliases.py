"""Names of cloud regions as aliases: what the regions' own rows call them takes their source.

By hand, after a change of `cloud_regions.csv`: `python -m reference_data.sources.region_aliases`.
Put here: which part of a region's name is a name of its own. Keep out: the regions, and names that
people gave them.
"""

from __future__ import annotations

import re

from reference_data.sources.tables import Row, read, write

TAKEN = ("source", "source_url", "source_year", "licence", "verification")


def names_of(region: Row) -> set[str]:
    """Return a region's name and the place in its brackets: "Europe (Stockholm)", "Stockholm"."""
    name = region["region_name"]
    return {name, *re.findall(r"\(([^()]+)\)", name), f"AWS {name}"}


def main() -> None:
    """Give aliases that stand in a region's row the source of that row."""
    regions = {f"{row['provider']}:{row['region_id']}": row for row in read("cloud_regions")}
    aliases = read("aliases")
    for row in aliases:
        region = regions.get(row["id"]) if row["kind"] == "cloud_regions" else None
        if region and row["alias"] in names_of(region):
            row |= {column: region[column] for column in TAKEN}
    write("aliases", aliases)


if __name__ == "__main__":
    main()
