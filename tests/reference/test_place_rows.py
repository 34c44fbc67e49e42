"""Rows of places: values as published, what each one's basis is, what upstream adds."""

from __future__ import annotations

import json

import pandas as pd
import pytest

from ft_emissions_pipeline.reference import describe, load
from reference_data.sources import cldr_names, egrid, google_regions, owid_grid, power_mix, tables


@pytest.fixture(scope="module")
def reference():
    return load()


@pytest.fixture(scope="module")
def grid(reference):
    return reference.tables["grid_intensity"]


PUBLISHED = [
    # eGRID2023 rev. 2, summary table 1, CO2e total output
    ("egrid_subregion/NWPP/2023", 288.157),
    ("egrid_subregion/CAMX/2023", 195.04),
    ("egrid_subregion/NYUP/2023", 110.123),
    ("egrid_subregion/PRMS/2023", 702.413),
    # Our World in Data / Ember, 2026-04
    ("country/USA/2015", 504.9),
    ("country/FRA/2017", 78.31),
    ("country/SWE/2025", 35.26),
    # National Inventory Report 1990-2024, Annex 7
    ("subdivision/CA-QC/2024", 2.565),
    ("subdivision/CA-AB/2024", 346.102),
    # National Greenhouse Accounts Factors 2025, scope 2
    ("subdivision/AU-NSW/2024", 640),
    ("subdivision/AU-TAS/2024", 200),
    # MEE, provincial factors
    ("subdivision/CN-BJ/2022", 558),
    ("subdivision/CN-YN/2023", 133.3),
    # Ember India
    ("subdivision/IN-MH/2024", 658.97),
]


@pytest.mark.parametrize(("zone", "grams"), PUBLISHED)
def test_intensity_is_as_published(reference, zone, grams):
    row = describe(reference, f"grid_intensity/{zone}")
    assert row["gco2e_per_kwh"] == pytest.approx(grams, abs=0.005)


BASIS_OF_SOURCE = {
    "EPA eGRID": "direct", "Environment and Climate Change Canada": "direct",
    "Australian Government": "direct",
    "Ministry of Ecology": "direct", "Our World in Data": "lifecycle", "Ember": "lifecycle",
}  # fmt: skip


def test_every_row_has_the_basis_of_its_source(grid):
    """Google says "Lifecycle grid carbon intensity" to 2020 and "Grid carbon intensity" since."""
    google = grid["source"].str.startswith("Google")
    wanted = (grid["year"] >= 2021).map({True: "direct", False: "lifecycle"})
    for source, basis in BASIS_OF_SOURCE.items():
        wanted = wanted.mask(grid["source"].str.startswith(source), basis)
        google |= grid["source"].str.startswith(source)
    assert google.all(), grid.loc[~google, "source"].unique()
    assert (grid["emissions_basis"] == wanted).all()


def test_upstream_of_sweden_follows_from_its_mix(reference):
    """Ember's mix of 2023 in TWh, AR5's life cycles without a stack, and the rests with one."""
    row = describe(reference, "grid_upstream/country/SWE/2023")
    total = 0.01 + 0.15 + 2.75 + 48.4 + 66.07 + 34.72 + 2.48 + 11.78
    stackless = 48.4 * 12 + 66.07 * 24 + 34.72 * 11 + 2.48 * 48 + 11.78 * 230
    assert row["stackless_gco2e_per_kwh"] == pytest.approx(stackless / total, rel=1e-3)
    rest, stack = 0.01 * 60 + 0.15 * 120 + 2.75 * 91, 0.01 * 760 + 0.15 * 370 + 2.75 * 567
    assert row["fuel_share"] == pytest.approx(rest / stack, rel=1e-3)


def test_two_sources_of_the_united_states_agree_on_one_basis(reference):
    """eGRID2023's USA average, 349.67 g direct, raised; Our World in Data's 392.89 g of 2023."""
    up = describe(reference, "grid_upstream/country/USA/2023")
    raised = 349.67 * (1 + up["fuel_share"]) + up["stackless_gco2e_per_kwh"]
    assert raised == pytest.approx(392.89, rel=0.15)
    assert pytest.approx(392.89, rel=0.1) != 349.67


def test_every_cloud_region_has_the_rows_that_it_needs(reference, grid):
    regions = reference.tables["cloud_regions"]
    countries = set(regions["country_iso3"])
    assert countries <= set(grid.loc[grid["zone_type"] == "country", "zone"])
    assert countries <= set(reference.tables["grid_upstream"]["zone"])
    water = reference.tables["electricity_water"]
    for rank in (1, 98):
        assert countries <= set(water.loc[water["rank"] == rank, "zone"])
    named = set(regions["subdivision"].dropna()) | set("US-" + regions["us_state"].dropna())
    assert named <= set(grid.loc[grid["zone_type"].isin(["us_state", "subdivision"]), "zone"])


def test_water_without_reservoirs_says_so(reference):
    water = reference.tables["electricity_water"]
    dry = water[water["rank"] == 98]
    assert not dry["hydropower_included"].any()
    assert water.loc[water["rank"] == 1, "hydropower_included"].all()
    # 67 % of Norway's water is its reservoirs' even in the lowest of published figures
    norway = water[water["zone"] == "NOR"].set_index("rank")["l_per_kwh"]
    assert norway[98] < 0.05 * norway[1]


# ---- maintainers' scripts ---------------------------------------------------------------------


def test_egrid_sheet_becomes_rows():
    made = egrid.rows_of("us_state", pd.Series({"OR": 165.5441}), 2023, "eGRID2023 rev. 2")
    row = made.iloc[0]
    assert (row["zone"], row["gco2e_per_kwh"], row["emissions_basis"]) == (
        "US-OR",
        165.544,
        "direct",
    )
    assert (row["valid_from"], row["valid_to"]) == ("2023-01-01", "2023-12-31")


def test_chart_becomes_rows_of_countries_and_the_world():
    chart = pd.DataFrame(
        [["ASEAN", None, 2024, 571.7], ["World", "OWID_WRL", 2024, 471.08],
         ["Kosovo", "OWID_KOS", 2024, 900.0],
         ["France", "FRA", 2014, 52.2], ["France", "FRA", 2024, 40.48],
         ["Bhutan", "BTN", 2024, 0.0]],
        columns=["Entity", "Code", "Year", "Carbon intensity of electricity"],
    )  # fmt: skip
    made = owid_grid.rows_of(chart, "2026-04").set_index("zone")
    assert made["gco2e_per_kwh"].to_dict() == {"WORLD": 471.08, "XKX": 900.0, "FRA": 40.48}
    assert made.loc["WORLD", "zone_type"] == "world"


def test_google_file_becomes_rows_and_zero_is_left_out():
    file = pd.DataFrame(
        {"Region": ["europe-north2", "nowhere1"], "Location": ["Stockholm", "-"], "g": [2.7, 0]}
    )
    for year, basis in ((2020, "lifecycle"), (2024, "direct")):
        made = google_regions.rows_of(file, year)
        assert made["zone"].tolist() == ["gcp:europe-north2"]
        assert made["emissions_basis"].tolist() == [basis]


def test_shares_of_a_mix_add_up_whatever_the_file():
    bundle = {"AAA": {"year": 2022, **dict.fromkeys(power_mix.BUNDLED.values(), 2.0)}}
    mix = power_mix.shares(power_mix.of_bundle(bundle))
    assert mix.loc[("AAA", 2022)].tolist() == pytest.approx([1 / 9] * 9)


def test_a_name_that_means_two_countries_is_left_out(tmp_path):
    """In one language Georgia is a country, in another a made-up namesake of Germany."""
    for language in cldr_names.LANGUAGES:
        folder = tmp_path / f"cldr-json/cldr-localenames-full/main/{language}"
        folder.mkdir(parents=True)
        names = {"DE": "Duitsland" if language == "nl" else "Zwilling", "GE": "Zwilling"}
        body = {"main": {language: {"localeDisplayNames": {"territories": names}}}}
        (folder / "territories.json").write_text(json.dumps(body))
    folder = tmp_path / "cldr-json/cldr-subdivisions-full/subdivisions/en"
    folder.mkdir(parents=True)
    empty = {"subdivisions": {"localeDisplayNames": {"subdivisions": {"caqc": "Quebec"}}}}
    (folder / "en.json").write_text(json.dumps(empty))
    folder = tmp_path / "cldr-json/cldr-core/supplemental"
    folder.mkdir(parents=True)
    codes = {"DE": {"_alpha3": "DEU"}, "GE": {"_alpha3": "GEO"}}
    body = {"supplemental": {"codeMappings": codes}}
    (folder / "codeMappings.json").write_text(json.dumps(body))
    aliases = pd.DataFrame(
        {"kind": "countries", "alias": ["DE", "Ge"], "id": ["DEU", "GEO"],
         "verification": ["read_in_source", "unverified"]}, dtype="object",
    )  # fmt: skip
    grid = pd.DataFrame(
        {"zone_type": ["country", "country", "subdivision"], "zone": ["DEU", "GEO", "CA-QC"]}
    )
    made = cldr_names.rows_of(tmp_path, aliases, grid, "release 47")
    assert dict(zip(made["alias"], made["id"], strict=True)) == {
        "Duitsland": "DEU",
        "Ge": "GEO",
        "Quebec": "CA-QC",
    }


def test_rows_go_over_those_of_their_key_and_the_others_stay(tmp_path, monkeypatch):
    monkeypatch.setattr(tables, "FOLDER", tmp_path)
    tables.write("defaults", [])
    tables.merge("defaults", pd.DataFrame({"parameter": ["a", "b"], "value": [1.0, 2.0]}))
    tables.merge("defaults", pd.DataFrame({"parameter": ["b"], "value": [3.5]}))
    assert {row["parameter"]: row["value"] for row in tables.read("defaults")} == {
        "a": "1", "b": "3.5",
    }  # fmt: skip
    written = (tmp_path / "defaults.csv").read_bytes()
    tables.merge("defaults", pd.read_csv(tmp_path / "defaults.csv", dtype="str"))
    assert (tmp_path / "defaults.csv").read_bytes() == written
