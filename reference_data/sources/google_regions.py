"""Rows of grid_intensity for Google Cloud's regions, from its own yearly files.

Put here: the files' columns. Keep out: other sources.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import pandas as pd

from reference_data.sources.tables import merge, of_year

DIRECT_FROM = 2021
"""Google's files hold life-cycle figures to 2020 and operational ones since."""


def rows_of(file: pd.DataFrame, year: int) -> pd.DataFrame:
    """Return rows of grid_intensity; a region published as 0 g/kWh is left out.

    Parameters
    ----------
    file : DataFrame
        One yearly file: region first, intensity last.
    year : int
        Year of the file.
    """
    region, grams = file.iloc[:, 0], pd.to_numeric(file.iloc[:, -1], errors="coerce")
    kept = grams >= 1
    direct = year >= DIRECT_FROM
    operational = "location-based, hourly, operational emissions of the gross grid mix"
    return of_year(
        pd.DataFrame(
            {
                "zone_type": "cloud_region",
                "zone": "gcp:" + region[kept],
                "year": year,
                "gco2e_per_kwh": grams[kept],
                "emissions_basis": "direct" if direct else "lifecycle",
                "accounting": operational if direct else "location-based grid average",
                "source": "Google Cloud region carbon data (hourly Electricity Maps based)",
                "source_url": "https://github.com/GoogleCloudPlatform/region-carbon-info",
                "source_year": year + 1,
                "licence": "Apache-2.0",
                "verification": "read_in_source",
            }
        )
    )


def main() -> None:
    """Read the folder of yearly files that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    for path in sorted(parser.parse_args().folder.glob("20*.csv")):
        merge("grid_intensity", rows_of(pd.read_csv(path), int(path.stem)))


if __name__ == "__main__":
    main()
