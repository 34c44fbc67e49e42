"""Own grid factors: files of tools, hours of a run, precedence, refusals, the last good ones."""

import re
import shlex
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner, Result

import ft_emissions_pipeline as fte
from ft_emissions_pipeline import cli, report
from ft_emissions_pipeline.reference import (
    SHIPPED,
    TABLES,
    Reference,
    ReferenceRefused,
    add_grid,
    default_folder,
    difference,
    in_force,
    load,
    own_folder,
    refusal,
    write_datapackage,
)
from ft_emissions_pipeline.reference.hours import Hours, hours_of_year, series

DOCS = Path(__file__).resolve().parents[2] / "docs" / "reference_data.md"

ELECTRICITY_MAPS_2024 = (
    "Datetime (UTC),Country,Zone name,Zone id,Carbon intensity gCO₂eq/kWh (direct),"
    "Carbon intensity gCO₂eq/kWh (Life cycle),Carbon-free energy percentage (CFE%),"
    "Renewable energy percentage (RE%),Data source,Data estimated,Data estimation method\n"
    "2025-01-01 00:00:00,Germany,Germany,DE,300,350,50,40,entsoe,false,\n"
    "2025-01-01 01:00:00,Germany,Germany,DE,310,360,50,40,entsoe,false,\n"
    "2025-01-01 03:00:00,Germany,Germany,DE,330,380,50,40,entsoe,true,x\n"
)
ELECTRICITY_MAPS_2022 = (
    "Datetime (UTC),Country,Zone Name,Zone Id,Carbon Intensity gCO₂eq/kWh (direct),"
    "Carbon Intensity gCO₂eq/kWh (LCA),Low Carbon Percentage,Renewable Percentage,Data Source,"
    "Data Estimated,Data Estimation Method\n"
    "2022-05-01 00:00:00,France,France,FR,30,60,90,20,entsoe,false,\n"
)
WATTTIME_FILE = (
    "timestamp,MOER,MOER version,frequency\n2025-01-01 00:00:00+00:00,1000,3.0,300\n"
    "2025-01-01 00:05:00+00:00,2000,3.0,300\n"
)
WATTTIME_CLIENT = (
    "point_time,value,region,signal_type\n2025-01-01T00:00:00+00:00,500,BPA,co2_aoer\n"
)
HOURS = (
    "starts_at,gco2e_per_kwh\n2025-01-01T00:00Z,100\n2025-01-01T01:00Z,\n2025-01-01T02:00Z,300\n"
)
PERIODS = (
    "zone,valid_from,valid_to,gco2e_per_kwh,accounting,source,licence\n"
    "aws:us-west-2,2025-01-01,2025-12-31,12.5,market-based,PPA Wind 2025,ours\n"
    "Germany,2025-01-01,2025-12-31,290,location-based,utility disclosure 2025,ours\n"
)


def invoke(*arguments: object, **environment: str) -> Result:
    return CliRunner().invoke(
        cli.app, [str(each) for each in arguments], env={"DAGSTER_HOME": "", **environment}
    )


@pytest.fixture
def add(tmp_path):
    """Add a text as a file; return the folder of own tables."""

    def added(text: str, **options) -> Reference:
        file = tmp_path / "grid.csv"
        file.write_text(text, encoding="utf-8")
        add_grid(file, tmp_path / "own", **options)
        return load(own=tmp_path / "own")

    return added


def row_of(reference: Reference, field: str = "grid_kgco2e_per_kwh", **disclosure):
    found = fte.estimate({"gpu_model": "T4", **disclosure}, reference=reference).provenance
    return found[found["field"] == field].iloc[0]


GERMAN_RUN = {
    "started_at": "2025-01-01T00:30:00Z", "ended_at": "2025-01-01T03:30:00Z", "location": "Germany",
}  # fmt: skip

# ---- files ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "options", "zone", "year", "mean", "basis", "accounting"),
    [
        (ELECTRICITY_MAPS_2024, {}, ("country", "DEU"), 2025, 1090 / 3, "lifecycle", "average"),
        (ELECTRICITY_MAPS_2024, {"basis": "direct"}, ("country", "DEU"), 2025, 940 / 3, "direct",
         "average"),
        (ELECTRICITY_MAPS_2022, {}, ("country", "FRA"), 2022, 60, "lifecycle", "average"),
        # Pounds per MWh, two of five minutes in the hour: 1500 x 0.45359237.
        (WATTTIME_FILE, {"zone": "NWPP"}, ("egrid_subregion", "NWPP"), 2025, 680.388555, "direct",
         "marginal"),
        (WATTTIME_CLIENT, {"zone": "US-OR"}, ("us_state", "US-OR"), 2025, 226.796185, "direct",
         "average"),
        (HOURS, {"zone": "aws:us-west-2", "source": "me", "licence": "ours"},
         ("cloud_region", "aws:us-west-2"), 2025, 200, "lifecycle", "average"),
    ],
)  # fmt: skip
def test_export_is_known_by_its_header(add, text, options, zone, year, mean, basis, accounting):
    listed = add(text, **options).tables["own_grid_hours"].iloc[0]
    assert (listed["zone_type"], listed["zone"], listed["year"]) == (*zone, year)
    assert listed["gco2e_per_kwh"] == pytest.approx(mean, rel=1e-5)
    assert (listed["emissions_basis"], listed["accounting"]) == (basis, accounting)
    assert listed[["source", "licence", "verification"]].notna().all()


def test_next_export_joins_the_year_and_corrects_its_hours(add):
    add(ELECTRICITY_MAPS_2024)
    more = ELECTRICITY_MAPS_2024.splitlines()
    later = more[-1].replace("03:00:00", "02:00:00").replace(",380,", ",370,")
    corrected = more[1].replace(",350,", ",351,")
    listed = add("\n".join([more[0], corrected, later, ""])).tables["own_grid_hours"]
    assert listed["hours_known"].tolist() == [4]
    assert listed["gco2e_per_kwh"].item() == pytest.approx((351 + 360 + 370 + 380) / 4)


@pytest.mark.parametrize(
    ("text", "options", "reason"),
    [
        ("a,b\n1,2\n", {}, r"grid.csv line 1: no known header.*It has: a, b"),
        ("a,b\n", {}, "grid.csv has no rows"),
        (HOURS, {}, "does not say where it holds"),
        (HOURS, {"zone": "DEU"}, "names no source; give --source"),
        (HOURS.replace("300", "-1"), {"zone": "DEU", "source": "x", "licence": "x"},
         "grid.csv line 4: gco2e_per_kwh -1 must be at least 0 and at most 2500 gCO2e/kWh"),
        (HOURS.replace("300", "x"), {"zone": "DEU", "source": "x", "licence": "x"},
         "line 4: gco2e_per_kwh x is no number"),
        (HOURS.replace("T02", "T00"), {"zone": "DEU", "source": "x", "licence": "x"},
         "line 4: .* is there twice"),
        (HOURS.replace("2025-01-01T02", "noon"), {"zone": "DEU", "source": "x", "licence": "x"},
         "line 4: .* is no instant"),
        (WATTTIME_FILE.replace("1000", "90000"), {"zone": "NWPP"},
         "line 2: gco2e_per_kwh .* must be at least 0 and at most 2500"),
        (WATTTIME_FILE, {"zone": "NWPQ"}, "'NWPQ' is no place of the tables"),
        (PERIODS.replace("12.5", "-1"), {},
         "grid.csv line 2: gco2e_per_kwh -1 must be at least 0 and at most 2500 gCO2e/kWh"),
        (PERIODS.replace("PPA Wind 2025", ""), {}, "grid.csv line 2: source is empty"),
        (PERIODS.replace("market-based", "moonlight"), {},
         "grid.csv line 2: accounting moonlight must be one of"),
        (PERIODS.replace("2025-12-31,290", "2024-12-31,290"), {},
         "line 3: valid_to lies before valid_from"),
        (PERIODS.replace("Germany", "Germony"), {},
         "grid.csv line 3: 'Germony' is no place.*Germany"),
        (PERIODS + "DEU,2025-06-01,2026-01-01,280,location-based,x,ours\n", {},
         "is there twice for the same time"),
        (PERIODS.replace("licence", "price"), {}, "line 1: column price is not known"),
    ],
)  # fmt: skip
def test_bad_file_is_refused_with_line_and_reason_and_writes_nothing(
    add, tmp_path, text, options, reason
):
    add(ELECTRICITY_MAPS_2024)
    before = {path: path.read_bytes() for path in (tmp_path / "own").rglob("*.csv")}
    with pytest.raises(ReferenceRefused, match=f"(?s){reason}"):
        add(text, **options)
    assert {path: path.read_bytes() for path in (tmp_path / "own").rglob("*.csv")} == before


def test_hours_edited_by_hand_are_refused(add, tmp_path):
    add(ELECTRICITY_MAPS_2024)
    path = tmp_path / "own" / "own_grid_hours" / "DEU-2025.csv"
    path.write_text(path.read_text().replace("350", "35"))
    with pytest.raises(ReferenceRefused, match=r"DEU-2025.csv differs from its hash"):
        load(own=tmp_path / "own")


# ---- precedence ----------------------------------------------------------------------------


def test_your_rows_go_first_within_their_period_and_are_named(add):
    reference = add(PERIODS)
    inside = row_of(reference, **GERMAN_RUN)
    assert (inside["value"], inside["rule"]) == ("0.29", "grid_of_own_table")
    assert inside["factor_id"] == "own_grid/location-based/country/DEU"
    later = {"started_at": "2026-01-01T00:00:00Z", "ended_at": "2026-01-01T01:00:00Z"}
    after = row_of(reference, location="Germany", **later)
    assert after["factor_id"].startswith("grid_intensity/country/DEU/")
    logged = row_of(reference, **GERMAN_RUN, grid_kgco2e_per_kwh=0.5)
    assert (logged["value"], logged["rule"]) == ("0.5", "as_logged")


def test_hours_go_before_periods_and_narrow_places_before_wide_ones(add):
    add(PERIODS)
    reference = add(ELECTRICITY_MAPS_2024)
    assert row_of(reference, **GERMAN_RUN)["rule"] == "grid_of_own_hours"
    oregon = {**GERMAN_RUN, "location": "AWS US West (Oregon)"}
    wide = {"source": "me", "licence": "ours"}
    reference = add(HOURS.replace("100", "700"), zone="USA", **wide)
    assert row_of(reference, **oregon)["factor_id"] == "own_grid_hours/country/USA/2025"
    reference = add(HOURS, zone="aws:us-west-2", **wide)
    narrow = row_of(reference, **oregon)
    assert narrow["factor_id"] == "own_grid_hours/cloud_region/aws:us-west-2/2025"


def test_curated_tables_stay_and_the_version_moves(add):
    package = load()
    with_yours = add(PERIODS)
    for name in SHIPPED:
        assert (with_yours.tables[name]["row_hash"] == package.tables[name]["row_hash"]).all()
    assert with_yours.version != package.version
    other = add(PERIODS.replace("290", "291"))
    assert other.version not in {package.version, with_yours.version}
    moved = difference(with_yours, other)
    assert moved[["factor_id", "column", "old", "new"]].to_numpy().tolist() == [
        ["own_grid/location-based/country/DEU", "gco2e_per_kwh", "290", "291"]
    ]


def test_contracts_give_a_market_based_figure_beside_the_total(add):
    oregon = {**GERMAN_RUN, "location": "AWS US West (Oregon)", "gpu_model": "T4"}
    oregon |= {"expected_inferences_per_day": 1000.0, "expected_use_life_days": 10.0}
    estimate = fte.estimate(oregon, reference=add(PERIODS))
    run, plain = estimate.runs.iloc[0], fte.estimate(oregon, reference=load()).runs.iloc[0]
    market = run["facility_energy_kwh"] * 0.0125
    assert run["operational_market_kgco2e"] == pytest.approx(market)
    assert run["total_kgco2e"] == plain["total_kgco2e"]
    assert np.isnan(plain["operational_market_kgco2e"])
    each = (market + run["embodied_kgco2e"]) / 10_000 * 1000
    assert estimate.per_inference["market_gco2e_per_inference"].item() == pytest.approx(each)
    text = estimate.explain("disclosure-1")
    assert "Market-based, by your contracts" in text
    assert f"= {each:.7g} gCO2e, by your contracts" in text


# ---- hours ---------------------------------------------------------------------------------


def test_mean_runs_over_the_hours_of_the_run_and_says_what_it_covers(add):
    row = row_of(add(ELECTRICITY_MAPS_2024), **GERMAN_RUN)
    year = (350 + 360 + 380) / 3  # stands in for 02:00, which the export lacks
    expected = (350 / 2 + 360 + year + 380 / 2) / 3 / 1000
    assert float(row["value"]) == pytest.approx(expected, rel=1e-11)
    assert row["source"] == "your hourly factors cover 66.7% of the run"
    assert row["p05"] < expected < row["p95"]


def test_explain_shows_the_share_covered(add):
    estimate = fte.estimate({"gpu_model": "T4", **GERMAN_RUN}, reference=add(ELECTRICITY_MAPS_2024))
    text = estimate.explain("disclosure-1")
    assert "your hourly factors cover 66.7% of the run" in text
    assert "own_grid_hours/country/DEU/2025: Electricity Maps, hourly export of zone DE" in text


def test_run_without_known_hours_takes_the_mean_of_its_day(add):
    published = {"reserved_s": 60, "published_at": "2025-01-01T12:00:00Z", "location": "Germany"}
    row = row_of(add(ELECTRICITY_MAPS_2024), **published)
    year = (350 + 360 + 380) / 3
    assert float(row["value"]) == pytest.approx((350 + 360 + 380 + 21 * year) / 24 / 1000)
    assert "'s days, as its hours are not known" in row["source"]


def test_run_that_leaves_the_years_of_the_series_falls_back_to_the_tables(add):
    over = {**GERMAN_RUN, "started_at": "2024-12-31T23:00:00Z"}
    row = row_of(add(ELECTRICITY_MAPS_2024), **over)
    assert row["factor_id"].startswith("grid_intensity/country/DEU/")


def test_run_over_new_year_names_both_years(add):
    add(ELECTRICITY_MAPS_2024)
    reference = add(ELECTRICITY_MAPS_2024.replace("2025-", "2024-"))
    row = row_of(reference, **{**GERMAN_RUN, "started_at": "2024-12-31T23:00:00Z"})
    assert row["factor_id"] == "own_grid_hours/country/DEU/2024 own_grid_hours/country/DEU/2025"


def some_hours(values: np.ndarray) -> Hours:
    index = hours_of_year(2024)[: len(values)]
    return series({2024: pd.Series(values, index=index).dropna()})


ORIGIN = pd.Timestamp("2024-01-01", tz="UTC")
SPANS = st.lists(
    st.tuples(st.integers(0, 500 * 3600), st.integers(0, 300 * 3600)), min_size=1, max_size=15
)


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.one_of(st.floats(0, 2500), st.just(np.nan)), min_size=1, max_size=900).filter(
        lambda values: not np.isnan(values).all()
    ),
    SPANS,
)
def test_mean_by_prefix_sums_equals_the_naive_mean(values, spans):
    hours = some_hours(np.array(values))
    start = pd.Series([ORIGIN + pd.Timedelta(first, "s") for first, _ in spans])
    end = start + pd.to_timedelta([length for _, length in spans], unit="s")
    found = hours.mean(start, end)
    whole = np.full(8784, np.nan)
    whole[: len(values)] = values
    year = np.nanmean(whole)
    for place, (first, length) in enumerate(spans):
        if length == 0:
            first, length = first // 3600 * 3600, 3600
        hour = np.arange(first // 3600, (first + length - 1) // 3600 + 1)
        weight = np.minimum((hour + 1) * 3600, first + length) - np.maximum(hour * 3600, first)
        naive = np.average(np.where(np.isnan(whole[hour]), year, whole[hour]), weights=weight)
        assert found.value[place] == pytest.approx(naive, rel=1e-9, abs=1e-9)
        known = np.average(~np.isnan(whole[hour]), weights=weight)
        assert found.covered[place] == pytest.approx(known, abs=1e-9)


@settings(max_examples=50, deadline=None)
@given(st.floats(0, 2500), SPANS)
def test_constant_series_is_the_constant(constant, spans):
    hours = some_hours(np.full(200, constant))
    start = pd.Series([ORIGIN + pd.Timedelta(first, "s") for first, _ in spans])
    end = start + pd.to_timedelta([length for _, length in spans], unit="s")
    assert hours.mean(start, end).value == pytest.approx(np.full(len(spans), constant), rel=1e-14)


# ---- the command line ----------------------------------------------------------------------


def test_add_grid_prints_what_it_read_and_warns_of_marginal_factors(tmp_path):
    file = tmp_path / "moer.csv"
    file.write_text(WATTTIME_FILE)
    done = invoke("reference", "add-grid", file, "--zone", "NWPP", "--warehouse", tmp_path / "w")
    assert done.exit_code == 0, done.stderr
    assert "1 hour(s) for NWPP, read as WattTime" in done.stdout
    assert "marginal emissions are not the location-based average" in done.stderr
    refused = invoke("reference", "add-grid", file, "--zone", "x", "--warehouse", tmp_path / "w")
    assert refused.exit_code == 1
    assert "'x' is no place" in refused.stderr
    assert invoke("reference", "add-grid", tmp_path / "none.csv").exit_code == 2
    assert invoke("reference", "add-grid", file, "--warehouse", "s3://bucket").exit_code == 2


def test_list_tells_rows_version_and_licences(tmp_path):
    done = invoke("reference", "list", "--warehouse", tmp_path)
    lines = done.stdout.splitlines()
    assert load().version in lines[0]
    assert [line.split()[0] for line in lines[1:]] == list(TABLES)
    grid = next(line for line in lines if line.startswith("grid_intensity"))
    assert f"{len(load().tables['grid_intensity'])} rows" in grid
    assert "US public domain" in grid


def test_show_prints_rows_with_sources(tmp_path):
    one = invoke("reference", "show", "gpus/T4", "--warehouse", tmp_path)
    assert "tdp_w: 70" in one.stdout
    assert "source:" in one.stdout
    some = invoke(
        "reference", "show", "grid_intensity", "zone=DEU", "year=2023", "--warehouse", tmp_path
    )
    assert some.stdout.startswith("grid_intensity/country/DEU/2023\n")
    assert "gco2e_per_kwh: 362.92" in some.stdout
    assert "1 row(s)" in some.stderr
    for wrong, words in (
        (("gpus/T5x",), "nearest"),
        (("cards",), "there is no table cards"),
        (("gpus", "price=1"), "gpus has no column price"),
    ):
        refused = invoke("reference", "show", *wrong, "--warehouse", tmp_path)
        assert refused.exit_code == 2
        assert words in refused.stderr


@pytest.fixture
def edited(tmp_path) -> Path:
    """A copy of the tables in which one cell is other."""
    copy = Path(shutil.copytree(default_folder(), tmp_path / "edited"))
    path = copy / "grid_intensity.csv"
    text = path.read_text("utf-8")
    assert "country,DEU,2023,362.92," in text
    path.write_text(text.replace("country,DEU,2023,362.92,", "country,DEU,2023,365,"), "utf-8")
    write_datapackage(copy)
    return copy


def test_diff_prints_old_and_new_by_row_and_column(edited):
    done = invoke("reference", "diff", "package", edited)
    assert done.stdout == ("changed grid_intensity/country/DEU/2023: gco2e_per_kwh 362.92 -> 365\n")
    path = edited / "gpus.csv"
    path.write_text(
        "\n".join(line for line in path.read_text("utf-8").splitlines()) + "\n", "utf-8"
    )
    assert invoke("reference", "diff", edited, edited).stdout == ""
    assert invoke("reference", "diff", edited, "nowhere").exit_code == 2


def test_check_prints_every_problem_with_file_and_line(edited):
    assert invoke("reference", "check").exit_code == 0
    assert invoke("reference", "check", edited).exit_code == 0
    path = edited / "defaults.csv"
    text = path.read_text("utf-8")
    rows = text.count(",ratio,")
    assert rows > 1
    path.write_text(text.replace(",ratio,", ",ratios,"), "utf-8")
    write_datapackage(edited)
    done = invoke("reference", "check", edited)
    assert done.exit_code == 1
    assert done.stderr.count("unit ratios must be one of") == rows
    assert "defaults.csv line " in done.stderr


# ---- the last good tables ------------------------------------------------------------------


def spoil(folder: Path) -> None:
    path = folder / "gpus.csv"
    path.write_text(path.read_text("utf-8").replace(",70,", ",-70,", 1), "utf-8")
    write_datapackage(folder)


def test_last_good_tables_stay_in_force_and_it_is_said(edited, tmp_path):
    warehouse = tmp_path / "warehouse"
    good = in_force(warehouse, edited)
    assert not good.refused
    spoil(edited)
    kept = in_force(warehouse, edited)
    assert kept.version == good.version
    assert kept.tables["gpus"].equals(good.tables["gpus"])
    assert "gpus.csv line" in kept.refused
    assert "stay in force" in refusal(warehouse)
    page = report.write(warehouse).read_text("utf-8")
    assert "Newer reference tables were refused" in page
    assert re.search(r"gpus\.csv line \d+: \w+ -70 must be at least", page)
    shutil.copy(default_folder() / "gpus.csv", edited)
    write_datapackage(edited)
    assert not in_force(warehouse, edited).refused
    assert refusal(warehouse) == ""
    assert "were refused" not in report.write(warehouse).read_text("utf-8")


def test_own_tables_are_kept_with_the_others(add, tmp_path):
    add(ELECTRICITY_MAPS_2024)
    add(PERIODS)
    warehouse = tmp_path / "warehouse"
    shutil.copytree(tmp_path / "own", warehouse / "own_factors")
    good = in_force(warehouse)
    path = warehouse / "own_factors" / "own_grid.csv"
    path.write_text(path.read_text().replace("12.5", "-12.5"))
    kept = in_force(warehouse)
    assert "own_grid.csv line" in kept.refused
    assert kept.version == good.version
    assert row_of(kept, **GERMAN_RUN)["rule"] == "grid_of_own_hours"


def test_bad_tables_without_good_ones_before_are_refused(edited, tmp_path):
    spoil(edited)
    with pytest.raises(ReferenceRefused, match=r"gpus\.csv line"):
        in_force(tmp_path / "warehouse", edited)


def test_who_only_reads_leaves_the_warehouse_alone(tmp_path):
    in_force(tmp_path / "warehouse", keep=False)
    assert not (tmp_path / "warehouse").exists()


def test_setting_names_the_folder_of_own_tables(add, tmp_path, monkeypatch):
    yours = add(PERIODS)
    monkeypatch.setenv("FT_EMISSIONS_OWN_FACTORS", str(tmp_path / "own"))
    assert load().version == yours.version
    assert own_folder("anywhere") == tmp_path / "own"
    monkeypatch.delenv("FT_EMISSIONS_OWN_FACTORS")
    assert own_folder("s3://bucket/tables") is None


# ---- the page ------------------------------------------------------------------------------


def test_commands_of_the_page_do_what_it_says(tmp_path, monkeypatch):
    """Runs the worked example of docs/reference_data.md: its files, its commands, its results."""
    blocks = [
        [line.removeprefix("    ") for line in block.splitlines()]
        for block in DOCS.read_text("utf-8").split("\n\n")
        if block.startswith("    ")
    ]
    monkeypatch.chdir(tmp_path)
    ran = 0
    output = ""
    for lines in blocks:
        if lines[0].startswith("$ cat "):
            Path(lines[0].removeprefix("$ cat ")).write_text("\n".join([*lines[1:], ""]), "utf-8")
            continue
        for line in lines:
            if line.startswith("$ ft-emissions "):
                done = invoke(*shlex.split(line)[2:])
                output = done.stdout + done.stderr
                assert done.exit_code == 0, output
                ran += 1
            elif ran:
                assert line in output, f"{line!r} is not in {output!r}"
    assert ran >= 5
    assert len(load(own="warehouse/own_factors").tables["own_grid"]) == 1
