"""Factors of the place: the grid, step by step, and how wide each step is."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from missing_fields import CASES, HOUR, log_sd_of

import ft_emissions_pipeline as fte
from ft_emissions_pipeline.reference import describe, load


def test_a_country_goes_before_the_world(with_country_pue):
    run = fte.estimate({**HOUR, "location": "Germany"}, reference=with_country_pue).normalized
    assert run["pue"].tolist() == [1.4]


def test_another_year_of_a_country_leaves_more_open_than_the_same(origins):
    """Grid rows of the USA end before 2026: what that adds comes on top of the zone's width."""
    same, another = (
        origins.loc[(f"grid of {year}", "grid_kgco2e_per_kwh")]
        for year in ("the year", "another year")
    )
    assert log_sd_of(same) == pytest.approx(np.log(1.3), rel=1e-6)  # gsd_grid_country_for_region
    both = np.hypot(np.log(1.3), np.log(1.15))  # and gsd_grid_earlier_year
    assert log_sd_of(another) == pytest.approx(both, rel=1e-6)


GRID_CHAIN = (
    (
        {"cloud_provider": "gcp", "cloud_region": "us-west1"},
        "grid_of_cloud_region",
        "cloud_region/gcp:us-west1/2024 grid_upstream/country/USA/2023",
    ),
    (
        {"cloud_provider": "aws", "cloud_region": "us-west-2"},
        "grid_of_egrid_subregion",
        "egrid_subregion/NWPP/2023 grid_upstream/country/USA/2023",
    ),
    (
        {"location": "Oregon, USA"},
        "grid_of_us_state",
        "us_state/US-OR/2023 grid_upstream/country/USA/2023",
    ),
    (
        {"location": "Québec, Canada"},
        "grid_of_subdivision",
        "subdivision/CA-QC/2024 grid_upstream/country/CAN/2023",
    ),
    ({"location": "Germany"}, "grid_of_country", "country/DEU/2024"),
    ({"country_iso3": "ZZZ"}, "grid_of_world", "world/WORLD/2024"),
)


@pytest.mark.parametrize(("place", "rule", "factor"), GRID_CHAIN)
def test_grid_falls_back_step_by_step_and_says_which(place, rule, factor):
    found = fte.estimate({**CASES["dates"], **place}).provenance.set_index("field")
    row = found.loc["grid_kgco2e_per_kwh"]
    assert (row["rule"], row["factor_id"]) == (rule, f"grid_intensity/{factor}")
    year = factor.split()[0][-4:]
    assert (
        pd.isna(row["source"])
        if year == "2024"
        else row["source"] == f"nearest earlier year, {year}"
    )


@pytest.mark.parametrize(("year", "value"), [(2022, 0.41974), (2023, 0.36292), (2024, 0.33638)])
def test_each_year_takes_its_own_factor_though_later_ones_are_known(year, value):
    run = {**HOUR, "country_iso3": "DEU", "ended_at": f"{year}-12-31T23:00:00Z"}
    row = fte.estimate(run).provenance.set_index("field").loc["grid_kgco2e_per_kwh"]
    assert row["factor_id"] == f"grid_intensity/country/DEU/{year}"
    assert float(row["value"]) == pytest.approx(value, abs=0.01)
    assert pd.isna(row["source"])


def test_what_other_sources_say_reaches_the_interval():
    """Oregon: eGRID2023's subregion 288.157, its state 165.544, Google's region 79.23 (2024)."""
    run = {**CASES["dates"], "cloud_provider": "aws", "cloud_region": "us-west-2"}
    rows = fte.estimate(run).provenance.set_index("field")
    # The USA in 2023: upstream of 0.2167 per stack, and 10.0374 g of plants without one.
    subregion, google = (0.2167 * each + each + 10.0374 for each in (288.157, 79.23))
    apart = np.log(subregion / google) / np.sqrt(2)
    grid = rows.loc["grid_kgco2e_per_kwh"]
    assert grid["p05"] == pytest.approx(subregion / 1000 * np.exp(-1.6448536 * apart))
    package = load()
    water = package.tables["electricity_water"]
    usa = (water["zone"] == "USA") & (water["rank"] == 2)
    far = water.assign(l_per_kwh=water["l_per_kwh"].mask(usa, 31.3))  # ten times the preferred one
    loud = replace(package, tables={**package.tables, "electricity_water": far})
    row = fte.estimate({**HOUR, "country_iso3": "USA"}, reference=loud).provenance
    row = row.set_index("field").loc["electricity_water_l_per_kwh"]
    assert row["p95"] == pytest.approx(3.13 * np.exp(1.6448536 * np.log(10) / np.sqrt(2)), rel=1e-6)
    card = fte.estimate({**HOUR, "gpu_model": "H100-SXM5-80GB"}).provenance.set_index("field")
    stated = describe(package, "gpu_embodied/H100-SXM5-80GB/vendor_pcf")
    assert card.loc["gpu_embodied_kgco2e", "p05"] == pytest.approx(stated["p05"])
    assert card.loc["gpu_embodied_kgco2e", "p95"] == pytest.approx(stated["p95"])


def test_grid_carbon_is_in_kilograms(filled):
    """Ember and Our World in Data print 350 to 400 g/kWh for the USA of these years."""
    assert 0.35 < filled.loc["grid of the year", "grid_kgco2e_per_kwh"] < 0.4


def test_the_world_is_the_widest_place(origins):
    row = origins.loc[("nowhere", "grid_kgco2e_per_kwh")]
    assert row["rule"] == "grid_of_world"
    assert log_sd_of(row) >= np.log(1.6) - 1e-9  # gsd_grid_world
