"""Scopes by who owned the hardware: each figure worked out by hand from the parts of one run."""

import io
import zipfile
from dataclasses import replace
from pathlib import Path

import ledger_rows
import pandas as pd
import pytest
from inventory_by_hand import NOT_CLOUD, PARTS, read, sheet_of
from ledger_rows import counts, impacts

from ft_emissions_pipeline import export, ledger
from ft_emissions_pipeline.tables import RUN_SPREADS


def amounts(rows):
    named = rows[rows["unit"] == "tCO2e"]
    keys = zip(named["scope"], named["category"].str[:1], named["method"], strict=True)
    return dict(zip(keys, named["value"], strict=True))


def test_electricity_of_own_hardware_is_scope_2_without_its_supply(disclosed, tmp_path):
    rows = sheet_of(disclosed, tmp_path, **NOT_CLOUD, on_cloud=False)
    assert rows["hardware"].unique().tolist() == ["own"]
    found = amounts(rows)
    assert found[("2", "", "location-based")] == 0.7
    assert found[("2", "", "market-based")] == 0.1
    assert found[("3", "3", "location-based")] == 0.2
    assert found[("3", "2", "")] == 0.06
    told = rows.set_index("description")
    assert told.loc["purchased electricity", "emissions_basis"] == "direct"
    assert told.loc["water consumed in cooling", ["value", "unit"]].tolist() == [0.3, "m3"]
    assert told.filter(like="electricity of the facility", axis=0)["value"].tolist() == [2.0]
    informative = told.filter(like="share of the hardware's making", axis=0).index[0]
    assert "year of purchase" in informative


@pytest.mark.parametrize("cloud", [{"on_cloud": True}, {"cloud_provider": "aws", "on_cloud": None}])
def test_a_cloud_is_a_purchased_service_with_all_of_it(disclosed, tmp_path, cloud):
    found = amounts(sheet_of(disclosed, tmp_path, **{**NOT_CLOUD, **cloud}))
    assert found == {
        ("3", "1", "location-based"): 0.96,
        ("3", "1", "market-based"): pytest.approx(0.16),
    }


def test_over_a_whole_life_the_inferences_carry_the_market_based_carbon_of_the_sheet(
    disclosed, tmp_path
):
    """Two runs of 0.1 t by contracts and 0.06 t of hardware each; the first was superseded."""
    runs = impacts(*({**PARTS, "expected_use_life_days": 9.0, "expected_inferences_per_day": 7.0}
                     for _ in range(2)))  # fmt: skip
    last = ledger_rows.FIRST + pd.Timedelta(days=30)
    versions = ledger.model_versions(runs, counts(), last)
    carried = ledger.inference_impacts(
        versions, counts(), ledger_rows.FIRST, last, expected_log_sd=0.0
    )["allocated_market_kgco2e"].sum()
    two = pd.concat([disclosed.versions.iloc[:1]] * 2, ignore_index=True)
    both = replace(disclosed, versions=two)
    found = amounts(sheet_of(both, tmp_path, **{**NOT_CLOUD, "on_cloud": True}))
    assert carried == pytest.approx(320.0)
    assert found[("3", "1", "market-based")] * 1000 == pytest.approx(carried)


def test_hardware_that_nobody_owns_up_to_gets_no_scope(disclosed, tmp_path):
    rows = sheet_of(disclosed, tmp_path, **NOT_CLOUD, on_cloud=None)
    assert amounts(rows) == {("2 or 3", "", "location-based"): 0.96}
    assert rows["description"].str.contains("on_cloud or cloud_provider").any()


def test_without_a_contract_the_market_based_cell_is_empty(disclosed, tmp_path):
    rows = sheet_of(disclosed, tmp_path, **NOT_CLOUD, on_cloud=False)
    parts = dict(PARTS)
    del parts["operational_market_kgco2e"]
    cells = {**NOT_CLOUD, "on_cloud": False, **parts}
    alone = replace(disclosed, versions=disclosed.versions.assign(**cells))
    sheet = read(export.write("ghg", alone, tmp_path / "sheet.csv"))
    scope_2 = sheet[sheet["scope"] == "2"].set_index("method")
    assert scope_2.loc["market-based", "value"] != scope_2.loc["market-based", "value"]
    assert len(rows) == len(sheet)


def test_published_factors_tell_no_supply(disclosed, tmp_path):
    rows = sheet_of(disclosed, tmp_path, **NOT_CLOUD, on_cloud=False, methodology="scope3-2024")
    supply = rows[rows["category"].str.startswith("3")]
    assert supply["value"].isna().all()
    assert "as published" in set(rows["emissions_basis"])
    assert rows["inside"].str.contains("as published").all()


def test_a_sum_of_years_is_the_sum_of_its_runs_with_their_interval(figures, tmp_path):
    rows = pd.read_csv(export.write("ghg", figures, tmp_path / "sheet.csv"))
    bought = rows[rows["method"].eq("location-based")].set_index("period_start")
    by_year = figures.versions.groupby(figures.versions["date"].dt.year)["total_kgco2e"].sum()
    for year, kilograms in by_year.items():
        row = bought.loc[f"{year}-01-01"]
        assert row["value"] * 1000 == pytest.approx(kilograms, rel=1e-5)
        assert row["p05"] < row["value"] < row["p95"]
    # A sum is narrower than its parts: the nights err in part alone.
    spread = figures.versions["total_kgco2e_p95"].sum() / figures.versions["total_kgco2e_p05"].sum()
    assert row["p95"] / row["p05"] < spread


def test_a_year_that_was_asked_for_in_part_says_so(disclosed, tmp_path):
    days = pd.Timestamp("2026-01-05"), pd.Timestamp("2026-01-31")
    rows = pd.read_csv(export.write("ghg", replace(disclosed, days=days), tmp_path / "s.csv"))
    assert rows["period_start"].unique().tolist() == ["2026-01-05"]
    assert rows["period_end"].unique().tolist() == ["2026-01-31"]


@pytest.mark.parametrize("name", ["=1+1", "@cmd", "+1", "-x", "\tx"])
def test_no_text_becomes_a_formula(disclosed, tmp_path, name):
    hostile = replace(disclosed, entity=name)
    # What takes no place in a cell, as a tab, is a blank there.
    cell = " x" if name[0].isspace() else f"'{name}"
    assert f",{cell}," in export.write("ghg", hostile) or f"\n{cell}," in export.write(
        "ghg", hostile
    )
    path = tmp_path / "sheet.xlsx"
    export.write("ghg", hostile, path)
    with zipfile.ZipFile(path) as book:
        cells = book.read("xl/worksheets/sheet1.xml").decode()
        texts = book.read("xl/sharedStrings.xml").decode()
    assert "<f>" not in cells
    assert name.strip() in texts


def test_the_workbook_holds_what_the_csv_does_and_repeats(disclosed, tmp_path):
    made = [export.write("ghg", disclosed, tmp_path / f"{n}.xlsx") for n in range(2)]
    assert Path(made[0]).read_bytes() == Path(made[1]).read_bytes()
    rows = pd.read_csv(io.StringIO(export.write("ghg", disclosed)))
    with zipfile.ZipFile(made[0]) as book:
        cells = book.read("xl/worksheets/sheet1.xml").decode()
    assert cells.count("<row ") == len(rows) + 1
    for value in rows["value"].dropna():
        assert f"<v>{value:.16G}</v>" in cells


def test_the_sheet_rests_on_spreads_of_its_runs_alone(disclosed):
    assert set(disclosed.table(RUN_SPREADS)["run_id"]) == set(disclosed.versions["run_id"])
