"""Rows of grid_intensity for states and provinces outside the USA, from national publications.

Put here: what each publication's figures are. Keep out: eGRID (`egrid.py`).
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from reference_data.sources.tables import merge, of_year


@dataclass(frozen=True)
class Publication:
    """What the figures of a publication are, and where it is found."""

    source: str
    url: str
    licence: str
    basis: str
    accounting: str
    notes: str = ""


PUBLICATIONS = {
    "nir2026": Publication(
        "Environment and Climate Change Canada, National Inventory Report 1990-2024, Annex 7, "
        "consumption intensity",
        "https://www.canada.ca/en/environment-climate-change/services/climate-change/"
        "greenhouse-gas-emissions/inventory.html",
        "Open Government Licence - Canada",
        "direct",
        "consumption intensity, losses of the grid included",
    ),
    "nga2025": Publication(
        "Australian Government, DCCEEW, National Greenhouse Accounts Factors 2025, scope 2",
        "https://www.dcceew.gov.au/climate-change/publications/national-greenhouse-accounts-factors",
        "CC BY 4.0",
        "direct",
        "location-based, scope 2",
        "edition 2025 stands for the year 2024; Western Australia: south-west grid; Northern "
        "Territory: Darwin-Katherine",
    ),
    "mee": Publication(
        "Ministry of Ecology and Environment of China, provincial average CO2 factors of "
        "electricity",
        "https://www.mee.gov.cn/",
        "facts (no licence stated)",
        "direct",
        "provincial average, trade between provinces included",
        "CO2 alone; the stacks' other gases are below one percent",
    ),
    "ember-india": Publication(
        "Ember, India electricity data, CO2 intensity by state",
        "https://ember-energy.org/data/india-electricity-data/",
        "CC BY 4.0",
        "lifecycle",
        "production mix average",
        "power made in the state, trade between states left out",
    ),
}


def rows_of(figures: pd.DataFrame, publication: str, *, secondary: str = "") -> pd.DataFrame:
    """Return rows of grid_intensity.

    Parameters
    ----------
    figures : DataFrame
        zone (ISO 3166-2), year, gco2e_per_kwh.
    publication : str
        Which of `PUBLICATIONS`.
    secondary : str
        Where the figures were read, if not in the publication.
    """
    of = PUBLICATIONS[publication]
    return of_year(
        figures.assign(
            zone_type="subdivision",
            emissions_basis=of.basis,
            accounting=of.accounting,
            source=of.source,
            source_url=of.url,
            source_year=figures["year"] + 1,
            licence=of.licence,
            verification="secondary" if secondary else "read_in_source",
            notes="; ".join(filter(None, (of.notes, secondary))),
        )
    )


def main() -> None:
    """Read the file that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("--publication", required=True, choices=PUBLICATIONS)
    parser.add_argument("--secondary", default="", help="where a transcription was read")
    given = parser.parse_args()
    merge(
        "grid_intensity",
        rows_of(pd.read_csv(given.file), given.publication, secondary=given.secondary),
    )


if __name__ == "__main__":
    main()
