"""Places as people write them, and intensities of one basis wherever they come from."""

from __future__ import annotations

import itertools
import time

import numpy as np
import pandas as pd
import pytest

import ft_emissions_pipeline as fte
from ft_emissions_pipeline.reference import load, places

RUN = {"gpu_model": "A100", "gpu_count": 8, "reserved_s": 36000, "ended_at": "2024-06-30T00:00:00Z"}


@pytest.fixture(scope="module")
def reference():
    return load()


def text(*names):
    return pd.Series(names, dtype="str")


PLACES = [
    ("Québec, Canada", "CAN", "CA-QC"),
    ("Canada (Toronto)", "CAN", "CA-ON"),
    ("Toronto, ON", "CAN", "CA-ON"),
    ("Toronto, CA", "CAN", "CA-ON"),
    ("Paris, FR", "FRA", None),
    ("San Jose, California, USA", "USA", "US-CA"),
    ("USA / Oregon", "USA", "US-OR"),
    ("US - Virginia", "USA", "US-VA"),
    ("Austin, TX, United States", "USA", "US-TX"),
    ("virginia", "USA", "US-VA"),
    ("Stockholm", "SWE", None),
    ("Sydney, Australia", "AUS", "AU-NSW"),
    ("New South Wales", "AUS", "AU-NSW"),
    ("Mumbai, India", "IND", "IN-MH"),
    ("北京", "CHN", "CN-BJ"),
    ("Bavaria, Germany", "DEU", None),
    ("Deutschland", "DEU", None),
    ("Tyskland", "DEU", None),
    ("Allemagne", "DEU", None),
    ("ドイツ", "DEU", None),
    ("Соединенные Штаты", "USA", None),
    ("Estados Unidos", "USA", None),
    ("Georgia", "GEO", None),
    ("Tbilisi, Georgia", "GEO", None),
    ("CA", "CAN", None),
]


@pytest.mark.parametrize(("name", "country", "subdivision"), PLACES)
def test_place_is_found_as_written(reference, name, country, subdivision):
    found = places(reference, text(name)).iloc[0]
    assert found["country_iso3"] == country
    assert found["subdivision"] == subdivision if subdivision else pd.isna(found["subdivision"])


@pytest.mark.parametrize(
    ("name", "country", "subdivision"),
    [("Georgia", "USA", "US-GA"), ("Georgia", "GEO", None), ("CA", "USA", "US-CA"),
     ("Ontario", "USA", None)],
)  # fmt: skip
def test_a_known_country_decides_between_namesakes(reference, name, country, subdivision):
    found = places(reference, text(name), text(country)).iloc[0]
    assert found["subdivision"] == subdivision if subdivision else pd.isna(found["subdivision"])


ODD = [
    "",
    " ",
    ",",
    "(",
    "🌍",
    "a\x00b",
    "x" * 10_000,
    ", " * 5_000,
    "San Francisco, CA",
    "Atlantis",
]


@pytest.mark.parametrize("name", ODD, ids=[repr(name[:20]) for name in ODD])
def test_what_is_no_place_names_none_and_takes_no_time(reference, name):
    seconds = []
    for _ in range(5):
        started = time.perf_counter()
        found = places(reference, text(name)).iloc[0]
        seconds.append(time.perf_counter() - started)
    assert min(seconds) < 0.05  # a table of one row costs most of it
    assert found.isna().all()


@pytest.mark.parametrize(
    ("provider", "zone", "region"),
    [
        ("aws", "us-east-1b", "aws:us-east-1"),
        ("gcp", "europe-west4-a", "gcp:europe-west4"),
        ("aws", "us-west-2-lax-1a", "aws:us-west-2"),
        ("scaleway", "fr-par-1", "scaleway:fr-par"),
        ("azure", "eastus-1", "azure:eastus"),
        (None, "europe-west4-a", "gcp:europe-west4"),
    ],
)
def test_zone_stands_for_its_region(provider, zone, region):
    rows = fte.estimate({**RUN, "cloud_provider": provider, "cloud_region": zone}).provenance
    country = rows.set_index("field").loc["country_iso3"]
    assert country["rule"] == "country_of_region"
    assert (
        country["factor_id"].replace("/", ":").removeprefix("cloud_regions:").rstrip(":") == region
    )


def grid_of(**place):
    estimate = fte.estimate({**RUN, **place})
    return estimate, estimate.provenance.set_index("field")


def test_a_state_beside_its_country_takes_the_states_row():
    for location in ("USA, West Virginia", "West Virginia, United States"):
        _, rows = grid_of(location=location)
        assert rows.loc["grid_kgco2e_per_kwh", "rule"] == "grid_of_us_state"
        assert "US-WV/2023" in rows.loc["grid_kgco2e_per_kwh", "factor_id"]


def test_state_of_a_codecarbon_row_reaches_its_grid(tmp_path):
    """Virginia gets eGRID2023's state rate; without the region's cell it would be the country's."""
    header = (
        "timestamp,project_name,run_id,duration,emissions,energy_consumed,country_name,"
        "country_iso_code,region"
    )
    row = "2024-03-01T12:00:00,bot,r1,3600,0.1,1.0,United States,USA,virginia"
    (tmp_path / "emissions.csv").write_text(f"{header}\n{row}\n")
    runs, _ = fte.read_runs(tmp_path / "emissions.csv")
    rows = fte.estimate(runs).provenance.set_index("field")
    assert "us_state/US-VA/2023" in rows.loc["grid_kgco2e_per_kwh", "factor_id"]


def test_direct_row_is_raised_and_its_own_figure_kept():
    """eGRID2023's NWPP: 288.157 g direct; USA 2023: 0.2167 per stack, 10.0374 g without one."""
    estimate, rows = grid_of(cloud_provider="aws", cloud_region="us-west-2")
    run = estimate.normalized.iloc[0]
    assert run["grid_direct_kgco2e_per_kwh"] == pytest.approx(0.288157)
    assert run["grid_kgco2e_per_kwh"] == pytest.approx(
        (288.157 * 1.2167 + 10.0374) / 1000, rel=1e-4
    )
    impacts = estimate.runs.iloc[0]
    direct = impacts["facility_energy_kwh"] * 0.288157
    assert impacts["operational_direct_kgco2e"] == pytest.approx(direct)
    assert impacts["operational_direct_kgco2e"] < impacts["operational_kgco2e"]
    assert "grid_upstream/country/USA" in rows.loc["grid_kgco2e_per_kwh", "factor_id"]


def test_life_cycle_row_stays_and_gives_a_direct_part():
    """Singapore, 2024: almost all of gas, whose stacks make 370 of 490 g by AR5."""
    estimate, rows = grid_of(country_iso3="SGP")
    run = estimate.normalized.iloc[0]
    assert rows.loc["grid_kgco2e_per_kwh", "factor_id"] == "grid_intensity/country/SGP/2024"
    assert run["grid_direct_kgco2e_per_kwh"] / run["grid_kgco2e_per_kwh"] == pytest.approx(
        370 / 490, rel=0.05
    )


def test_profile_of_the_publication_takes_rows_as_they_are():
    estimate = fte.estimate(
        {**RUN, "cloud_provider": "aws", "cloud_region": "us-west-2"}, profile="scope3-2024"
    )
    assert estimate.normalized["grid_kgco2e_per_kwh"].tolist() == [pytest.approx(0.288157)]


def test_usual_wue_of_the_publication_serves_its_profile_only():
    by_profile = {
        profile: fte.estimate({**RUN, "location": "France"}, profile=profile).normalized.iloc[0]
        for profile in ("default", "scope3-2024")
    }
    assert by_profile["scope3-2024"]["wue_l_per_kwh"] == 1.8
    assert by_profile["default"]["wue_l_per_kwh"] == 0.38


@pytest.mark.parametrize(("year", "apart"), [(2024, 0), (2025, 1), (2028, 4)])
def test_spread_of_a_factor_grows_with_its_age(year, apart):
    """Canada's newest row by province is of 2024: a year apart 1.15, n years 1.15^sqrt(n)."""
    run = {**RUN, "location": "Alberta, Canada", "ended_at": f"{year}-06-30T00:00:00Z"}
    row = fte.estimate(run).provenance.set_index("field").loc["grid_direct_kgco2e_per_kwh"]
    log_sd = np.log(row["p95"] / row["p05"]) / 2 / 1.6448536
    assert log_sd == pytest.approx(np.hypot(np.log(1.1), np.sqrt(apart) * np.log(1.15)), rel=1e-3)
    assert pd.isna(row["source"]) if not apart else row["source"].endswith("2024")


def test_reservoirs_stand_apart_from_the_rest_of_the_water():
    run = grid_of(cloud_provider="aws", cloud_region="us-west-2")[0].runs.iloc[0]
    assert run["electricity_water_without_reservoirs_l"] < 0.15 * run["electricity_water_l"]


@pytest.mark.parametrize("year", [2020, 2022, 2024])
def test_clouds_in_one_place_agree_on_one_basis(reference, year):
    """Each lies in the other's interval or within a factor of 3, by state if states have rows."""
    regions = reference.tables["cloud_regions"]
    state = ("US-" + regions["us_state"]).fillna(regions["subdivision"])
    runs = [
        {**RUN, "run_id": f"{row.provider}:{row.region_id}", "cloud_provider": row.provider,
         "cloud_region": row.region_id, "ended_at": f"{year}-06-30T00:00:00Z"}
        for row in regions.itertuples()
    ]  # fmt: skip
    found = fte.estimate(runs, reference=reference).provenance
    grid = found[found["field"] == "grid_kgco2e_per_kwh"].set_index("run_id")
    grid = grid.assign(value=grid["value"].astype(float))
    regions = regions.assign(run_id=regions["provider"] + ":" + regions["region_id"],
                             place=state.fillna(regions["country_iso3"]))  # fmt: skip
    pairs = 0
    for _, of_place in regions.groupby("place"):
        for one, other in itertools.combinations(of_place["run_id"], 2):
            a, b = grid.loc[one], grid.loc[other]
            near = max(a["value"], b["value"]) <= 3 * min(a["value"], b["value"])
            within = a["p05"] <= b["value"] <= a["p95"] and b["p05"] <= a["value"] <= b["p95"]
            assert near or within, (one, a["value"], other, b["value"])
            pairs += one.split(":")[0] != other.split(":")[0]
    assert pairs > 50
