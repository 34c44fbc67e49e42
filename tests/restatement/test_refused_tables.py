"""A refusal of the factor tables is an error wherever somebody asks for their consequences."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import warehouses
from teams import changed_reference
from typer.testing import CliRunner, Result

from ft_emissions_pipeline import cli, reference, restatement
from ft_emissions_pipeline.warehouse import store


def invoke(*arguments: object) -> Result:
    return CliRunner().invoke(cli.app, [str(each) for each in arguments], env={"DAGSTER_HOME": ""})


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    chosen = warehouses.chosen()
    made = warehouses.everything(warehouses.nights(1), warehouses.some_usage(), chosen)
    warehouse = warehouses.write(tmp_path_factory.mktemp("stored"), made)
    reference.in_force(warehouse)
    return warehouse


@pytest.fixture
def warehouse(stored: Path, tmp_path: Path) -> Path:
    return shutil.copytree(stored, tmp_path / "warehouse")


def unsealed(folder: Path) -> Path:
    copy = changed_reference(folder)
    path = copy / "grid_intensity.csv"
    path.write_text(path.read_text("utf-8").replace(",NWPP,2023,", ",NWPP,2023,1"), "utf-8")
    return copy


def gone(folder: Path) -> Path:
    return folder / "gone"


REFUSED = [
    pytest.param(unsealed, "grid_intensity.csv differs from its hash", id="edited and not sealed"),
    pytest.param(gone, "there is no folder", id="not there"),
]


@pytest.mark.parametrize("more", [(), ("--dry-run",)])
@pytest.mark.parametrize(("tables", "reason"), REFUSED)
def test_refused_tables_are_never_an_all_clear(tables, reason, more, warehouse, tmp_path):
    result = invoke("restate", "--warehouse", warehouse, "--reference", tables(tmp_path), *more)
    assert result.exit_code == 1
    assert reason in result.stderr
    assert "Nothing to restate" not in result.stdout


@pytest.mark.parametrize("more", [(), ("--dry-run",)])
def test_tables_that_stand_and_are_refused_now_restate_nothing(more, warehouse, tmp_path):
    folder = changed_reference(tmp_path)
    reference.in_force(warehouse, folder)
    unsealed_text = (folder / "grid_intensity.csv").read_text("utf-8") + "\n"
    (folder / "grid_intensity.csv").write_text(unsealed_text, "utf-8")
    result = invoke("restate", "--warehouse", warehouse, *more)
    assert result.exit_code == 1
    assert "grid_intensity.csv differs from its hash" in result.stderr


def test_a_plan_over_tables_that_were_refused_is_none(warehouse, tmp_path):
    served = reference.in_force(warehouse, unsealed(tmp_path))
    with pytest.raises(reference.ReferenceRefused, match="nothing was restated"):
        restatement.plan(warehouse, warehouses.chosen(served))


@pytest.mark.parametrize(("tables", "reason"), REFUSED)
def test_a_run_does_not_begin_over_refused_tables(tables, reason, tmp_path):
    landing = tmp_path / "landing"
    landing.mkdir()
    result = invoke(
        "run",
        "--landing",
        landing,
        "--warehouse",
        tmp_path / "new",
        "--reference",
        tables(tmp_path),
    )
    assert result.exit_code == 1
    assert reason in result.stderr
    assert not (tmp_path / "new").exists()


def test_an_edit_that_is_sealed_is_told_and_one_that_is_not_stays_refused(warehouse, tmp_path):
    folder = unsealed(tmp_path)
    assert invoke("reference", "seal", folder).stdout == "sealed grid_intensity\n"
    result = invoke("restate", "--warehouse", warehouse, "--reference", folder, "--dry-run")
    assert result.exit_code == 0, result.stderr
    assert "grid_intensity/egrid_subregion/NWPP/2023  gco2e_per_kwh" in result.stdout
    assert invoke("reference", "seal", folder).stdout == "every hash fits; nothing to renew\n"
    path = folder / "gpus.csv"
    path.write_text(path.read_text("utf-8").replace(",70,", ",-70,", 1), "utf-8")
    before = (folder / "datapackage.json").read_bytes()
    refused = invoke("reference", "seal", folder)
    assert refused.exit_code == 1
    assert "-70 must be at least" in refused.stderr
    assert (folder / "datapackage.json").read_bytes() == before
    assert store.read(warehouse, warehouses.tables.RESTATEMENTS).empty
