"""Country rows of grid_intensity from Our World in Data's chart "carbon intensity of electricity".

Put here: that file's columns. Keep out: other sources.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import pandas as pd

from reference_data.sources.tables import merge, of_year

FIRST_YEAR = 2015
CODES = {"OWID_WRL": "WORLD", "OWID_KOS": "XKX"}


def rows_of(chart: pd.DataFrame, vintage: str) -> pd.DataFrame:
    """Return rows of grid_intensity.

    Parameters
    ----------
    chart : DataFrame
        Entity, Code, Year and the value in g/kWh, as the chart's CSV file has them.
    vintage : str
        Month of the file, `2026-04`: revisions move past years, so one vintage serves all years.
    """
    value = chart.columns[3]
    rows = chart[(chart["Year"] >= FIRST_YEAR) & chart["Code"].notna() & (chart[value] > 0)]
    rows = rows.assign(Code=rows["Code"].replace(CODES))
    rows = rows[rows["Code"].str.fullmatch("[A-Z]{3}|WORLD")]
    world = rows["Code"] == "WORLD"
    newest = rows["Year"] == rows["Year"].max()
    partly = (
        f"{rows['Year'].max()} is provisional and covers {(newest & ~world).sum()} country "
        "codes only"
    )
    return of_year(
        pd.DataFrame(
            {
                "zone_type": ["world" if each else "country" for each in world],
                "zone": rows["Code"],
                "year": rows["Year"],
                "gco2e_per_kwh": rows[value].round(2),
                "emissions_basis": "lifecycle",
                "accounting": "production mix average",
                "source": "Our World in Data / Ember, carbon intensity of electricity, "
                f"{vintage} vintage (grapher CSV, public copy)",
                "source_url": "https://ourworldindata.org/grapher/carbon-intensity-electricity",
                "source_year": int(vintage[:4]),
                "licence": "CC BY 4.0",
                "verification": "read_in_source",
                "notes": [partly if each else "" for each in newest],
            }
        )
    )


def main() -> None:
    """Read the file that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("--vintage", required=True)
    given = parser.parse_args()
    merge("grid_intensity", rows_of(pd.read_csv(given.file), given.vintage))


if __name__ == "__main__":
    main()
