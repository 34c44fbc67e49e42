"""The traps of `docs/log_traps.md`: what the table names exists; traps without another home."""

import ast
import re
from pathlib import Path

import pandas as pd
import pytest

from ft_emissions_pipeline import equations
from ft_emissions_pipeline.readers import REASONS, REPAIRS

ROOT = Path(__file__).resolve().parents[2]
CELLS = [
    [cell.strip() for cell in line.strip("| \n").split(" | ")]
    for line in (ROOT / "docs" / "log_traps.md").read_text(encoding="utf-8").splitlines()
    if line.startswith("| ") and not line.startswith("| trap")
]


def test_every_trap_names_what_is_done_and_tests_that_there_are():
    tests = {
        node.name
        for path in (ROOT / "tests").rglob("test_*.py")
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(node, ast.FunctionDef)
    }
    assert len(CELLS) > 60
    for trap, done, *_, named in CELLS:
        assert done, trap
        found = re.findall(r"`(\w+)`", named)
        assert found, trap
        assert set(found) <= tests, (trap, set(found) - tests)


def test_every_repair_and_reason_of_the_table_is_declared():
    named = {
        word for cells in CELLS if len(cells) == 4 for word in re.findall(r"`(\w+)`", cells[2])
    }
    assert len(named) > 30
    assert named <= {*REPAIRS, *REASONS}


def test_pue_enters_water_once():
    # 10 kWh x (1.8 + 1.5 x 3.2) L/kWh; multiplied by PUE once more it would be 99 L.
    onsite = equations.onsite_water(10.0, 1.8)
    offsite = equations.electricity_water(equations.facility_energy(10.0, 1.5), 3.2)
    assert onsite + offsite == pytest.approx(66.0)


def test_water_and_power_of_codecarbon_are_not_taken(one_run, emissions_csv):
    # The last sample of a GPU at rest beside 15.5 kWh; water that has PUE in it.
    row = {
        "gpu_power": "0.0",
        "cpu_power": "1e6",
        "energy_consumed": "15.5",
        "water_consumed": "99",
        "wue": "1.8",
    }
    run = one_run("emissions.csv", emissions_csv(row))
    assert (run["it_energy_kwh"], run["wue_l_per_kwh"]) == (15.5, 1.8)
    assert not {99, 1e6} & set(run)


def test_emissions_at_the_world_average_are_no_grid_intensity(one_run, emissions_csv):
    run = one_run("emissions.csv", emissions_csv({"energy_consumed": "2", "emissions": "0.95"}))
    assert run["disclosed_kgco2e"] / run["it_energy_kwh"] == pytest.approx(0.475)
    assert pd.isna(run.get("grid_kgco2e_per_kwh"))


def test_each_run_has_the_country_of_its_own_row(read, emissions_csv):
    rows = [
        {"run_id": "a"},
        {"run_id": "b", "country_iso_code": "SWE", "country_name": "Sweden"},
    ]
    runs = read("emissions.csv", emissions_csv(*rows)).runs
    assert runs["country_iso3"].tolist() == ["FRA", "SWE"]


@pytest.mark.parametrize(
    ("uri", "content", "code"),
    [
        ("aws.csv", "usage_period_start,product_code,region_code,total_lbm_emissions_value\n"
                    "2026-03-01,x,y,0.1\n", "unrecognised"),
        ("events.out.tfevents.1772366400.node1",
         b"\x18\x00\x00\x00\x00\x00\x00\x00\xa3\x7fK\"brain.Event:2", "no_training"),
    ],
)  # fmt: skip
def test_cloud_exports_and_event_files_of_nothing_are_no_runs(refusal, uri, content, code):
    assert refusal(uri, content)[0] == code


def test_what_google_reports_of_an_account_is_no_run(read):
    reading = read(
        "gcp.csv",
        "usage_month,project.id,service.id,carbon_footprint_kgCO2e.scope1\n2026-03-01,x,y,0.1\n",
    )
    assert reading.runs.empty
    assert reading.cloud_reports["scope_1_kgco2e"].tolist() == [0.1]
