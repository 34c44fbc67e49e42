"""grid_upstream, and electricity_water without reservoirs, from countries' mixes of sources.

Put here: the arithmetic from a country's mix and power_sources.csv to rows. Keep out: the factors
by power source, which stand in that table.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import pandas as pd

from ft_emissions_pipeline.uncertainty import interval, log_sd_of_interval
from reference_data.sources.owid_grid import CODES
from reference_data.sources.tables import FOLDER, merge, of_year

FIRST_YEAR = 2015
WITH_STACK = ("coal", "gas", "oil")
COLUMNS = {
    "coal": "from coal", "gas": "from gas", "oil": "from oil", "nuclear": "from nuclear",
    "hydro": "from hydro", "wind": "from wind", "solar": "from solar",
    "bioenergy": "from bioenergy", "other_renewables": "Other renewables",
}  # fmt: skip
"""Power source -> words of its column in Our World in Data's chart of electricity by source."""
BUNDLED = {
    "Other renewables": "other_renewable_exc_biofuel_TWh", "from bioenergy": "biofuel_TWh",
    **{f"from {each}": f"{each}_TWh"
       for each in ("coal", "gas", "oil", "nuclear", "wind", "solar")},
    "from hydro": "hydroelectricity_TWh",
}  # fmt: skip
"""The same columns in CodeCarbon's copy, which has one year of every country:
`global_energy_mix.json`."""
MIX = "Our World in Data / Ember, electricity production by source, {vintage} vintage (public copy)"
URL = "https://ourworldindata.org/grapher/electricity-prod-source-stacked"


def shares(chart: pd.DataFrame) -> pd.DataFrame:
    """Return each power source's share of a country's generation, by code and year.

    Parameters
    ----------
    chart : DataFrame
        Entity, Code, Year and a column per source in TWh.
    """
    rows = chart[(chart["Year"] >= FIRST_YEAR) & chart["Code"].notna()]
    code = rows["Code"].replace(CODES)
    rows = rows[code.str.fullmatch("[A-Z]{3}|WORLD")].assign(Code=code)
    found = {
        source: rows[next(name for name in rows if words in name)].fillna(0.0)
        for source, words in COLUMNS.items()
    }
    made = pd.DataFrame(found).set_axis(pd.MultiIndex.from_frame(rows[["Code", "Year"]]))
    total = made.sum(axis=1)
    return made[total > 0].div(total[total > 0], axis=0)


def of_bundle(bundle: dict[str, dict[str, float]]) -> pd.DataFrame:
    """Return CodeCarbon's copy in the columns of the chart."""
    rows = [
        {"Code": code, "Year": of["year"], **{words: of[name] for words, name in BUNDLED.items()}}
        for code, of in bundle.items()
    ]
    return pd.DataFrame(rows)


def upstream_rows(mix: pd.DataFrame, sources: pd.DataFrame, vintage: str) -> pd.DataFrame:
    """Return rows of grid_upstream.

    Parameters
    ----------
    mix : DataFrame
        As `shares` returns it.
    sources : DataFrame
        Table power_sources, by power source.
    vintage : str
        Month of the file of the mix.

    Notes
    -----
    With the share s of a source, its stack d and the rest u of its life cycle, over sources with a
    stack r = sum s u / sum s d, and over the others b = sum s u; a direct intensity D then stands
    for D (1 + r) + b. The u of several sources err for themselves; their spreads are added as
    variances.
    """
    log_sd = pd.Series(
        log_sd_of_interval(sources["other_p05"], sources["other_p95"]), sources.index
    )
    other = mix * sources["other_gco2e_per_kwh"][list(mix)]
    stack = (mix * sources["direct_gco2e_per_kwh"][list(mix)]).sum(axis=1)
    # Where nothing burns, other lands' fuels stand in: they meet a direct part of almost nothing.
    usual = stack > 0
    columns = {}
    for name, of in (
        ("fuel_share", list(WITH_STACK)),
        ("stackless", [each for each in mix if each not in WITH_STACK]),
    ):
        part = other[of]
        middle = part.sum(axis=1)
        spread = np.sqrt(((part * np.expm1(log_sd[of] ** 2) ** 0.5) ** 2).sum(axis=1))
        relative = np.sqrt(np.log1p((spread / middle.where(middle > 0)) ** 2)).fillna(0.0)
        if name == "fuel_share":
            middle = middle / stack.where(stack > 0)
            middle = middle.fillna(middle[usual].median())
            relative = relative.where(stack > 0, relative[usual].median())
        low, high = interval(middle.to_numpy(), relative.to_numpy())
        value = name if name == "fuel_share" else "stackless_gco2e_per_kwh"
        columns |= {value: middle, f"{name}_p05": low, f"{name}_p95": high}
    rows = pd.DataFrame(columns, index=mix.index).round(4).reset_index()
    rows = rows.rename(columns={"Code": "zone", "Year": "year"})
    return of_year(
        rows.assign(
            zone_type=["world" if zone == "WORLD" else "country" for zone in rows["zone"]],
            source=MIX.format(vintage=vintage) + "; power_sources.csv (IPCC AR5)",
            source_url=URL,
            source_year=int(vintage[:4]),
            licence="CC BY 4.0",
            verification="derived",
        )
    )


def water_rows(
    mix: pd.DataFrame, sources: pd.DataFrame, vintage: str, known: set[str], wanted: set[str]
) -> pd.DataFrame:
    """Return electricity_water: without reservoirs at rank 98, whole ones for lands without any.

    Parameters
    ----------
    mix, sources, vintage
        As in `upstream_rows`.
    known : set of str
        Countries whose figure with reservoirs is published.
    wanted : set of str
        Countries that need one.
    """
    newest = mix.groupby("Code").tail(1).reset_index("Year")
    litres = newest[list(COLUMNS)] * sources["water_l_per_kwh"][list(COLUMNS)]
    whole = litres.sum(axis=1)
    dry = whole - litres["hydro"]
    missing = [zone for zone in whole.index if zone in wanted - known]
    told = "share of each source x Macknick et al. 2012, geometric mean of tower and once-through"
    pieces = [
        pd.DataFrame({"zone": zones, "rank": rank,
                      "l_per_kwh": values[zones].clip(lower=0.005).round(3).to_numpy(),
                      "hydropower_included": rank == 1,
                      "notes": [f"mix of {newest['Year'][z]}; {told}" for z in zones]})
        for rank, values, zones in ((1, whole, missing), (98, dry, list(dry.index)))
    ]  # fmt: skip
    rows = pd.concat(pieces, ignore_index=True)
    return rows.assign(
        zone_type=["world" if zone == "WORLD" else "country" for zone in rows["zone"]],
        source=MIX.format(vintage=vintage) + "; power_sources.csv (Macknick et al. 2012)",
        source_url=URL,
        source_year=int(vintage[:4]),
        licence="CC BY 4.0",
        verification="derived",
    )


def main() -> None:
    """Read the file that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("--vintage", required=True)
    given = parser.parse_args()
    bundle = given.file.suffix == ".json"
    mix = shares(
        of_bundle(json.loads(given.file.read_text())) if bundle else pd.read_csv(given.file)
    )
    sources = pd.read_csv(FOLDER / "power_sources.csv", index_col="power_source")
    merge("grid_upstream", upstream_rows(mix, sources, given.vintage))
    water = pd.read_csv(FOLDER / "electricity_water.csv")
    derived = water["verification"] == "derived"
    known = set(water.loc[(water["rank"] == 1) & ~derived, "zone"])
    wanted = set(pd.read_csv(FOLDER / "cloud_regions.csv")["country_iso3"])
    merge("electricity_water", water_rows(mix, sources, given.vintage, known, wanted))


if __name__ == "__main__":
    main()
