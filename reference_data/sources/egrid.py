"""Subregion and state rows of grid_intensity from EPA's eGRID workbook.

Put here: the sheets' columns and units. Keep out: other sources.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import pandas as pd

from reference_data.sources.tables import merge, of_year

GRAMS_PER_KWH_OF_POUNDS_PER_MWH = 0.45359237
SHEETS = {
    "SRL": ("egrid_subregion", "SUBRGN", "SRC2ERTA"),
    "ST": ("us_state", "PSTATABB", "STC2ERTA"),
}
"""Start of a sheet's name -> kind of zone, column of the zone, column of the CO2e total output rate
in lb/MWh."""


def rows_of(
    zone_type: str, grams: pd.Series, year: int, edition: str, *, secondary: str = ""
) -> pd.DataFrame:
    """Return rows of grid_intensity.

    Parameters
    ----------
    zone_type : str
        `egrid_subregion` or `us_state`.
    grams : Series
        Zone -> CO2e total output emission rate. [g/kWh]
    year : int
        Year of the data.
    edition : str
        As EPA names it, `eGRID2023 rev. 2`.
    secondary : str
        Where the figures were read, if not in EPA's file.
    """
    what = "subregion" if zone_type == "egrid_subregion" else "state"
    prefix = "" if zone_type == "egrid_subregion" else "US-"
    zones = grams.index.astype("str")
    return of_year(
        pd.DataFrame(
            {
                "zone_type": zone_type,
                "zone": prefix + zones,
                "year": year,
                "gco2e_per_kwh": grams.to_numpy(dtype=float).round(3),
                "emissions_basis": "direct",
                "accounting": "generation output rate",
                "source": f"EPA {edition}, {what} total output emission rate, CO2e",
                "source_url": "https://www.epa.gov/egrid/download-data",
                "source_year": 2025,
                "licence": "US public domain",
                "verification": "secondary" if secondary else "read_in_source",
                "notes": secondary,
            }
        )
    )


def main() -> None:
    """Read the workbook that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("--edition", required=True)
    parser.add_argument("--secondary", default="", help="where a transcription was read")
    given = parser.parse_args()
    for name, sheet in pd.read_excel(given.file, sheet_name=None, header=1).items():
        for start, (zone_type, zone, rate) in SHEETS.items():
            if str(name).startswith(start) and rate in sheet:
                grams = sheet.set_index(zone)[rate].dropna() * GRAMS_PER_KWH_OF_POUNDS_PER_MWH
                year = int(sheet["YEAR"].iloc[0])
                merge(
                    "grid_intensity",
                    rows_of(zone_type, grams, year, given.edition, secondary=given.secondary),
                )


if __name__ == "__main__":
    main()
