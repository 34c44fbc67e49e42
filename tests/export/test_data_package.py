"""All tables as a data package that Frictionless finds valid."""

import json

import frictionless
import pandas as pd
import pytest

from ft_emissions_pipeline import export, tables


@pytest.fixture(scope="module")
def package(figures, tmp_path_factory):
    folder = tmp_path_factory.mktemp("package")
    export.write("data-package", figures, folder)
    return folder


def report_of(folder):
    with frictionless.system.use_context(trusted=True):
        return frictionless.validate(str(folder / "datapackage.json"))


def test_it_is_valid_and_holds_every_table(package, figures):
    report = report_of(package)
    assert report.valid, report.flatten(["name", "rowNumber", "fieldName", "message"])[:5]
    held = {table.name.removesuffix(".csv") for table in package.glob("*.csv")}
    assert held == {name for name in tables.TABLES if not name.startswith("pending_")}
    impacts = pd.read_csv(package / "run_impacts.csv")
    assert (
        impacts["total_kgco2e"].tolist()
        == figures.table(tables.RUN_IMPACTS)["total_kgco2e"].tolist()
    )


def test_a_value_beyond_its_limits_is_found(package, tmp_path):
    for path in package.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    path = tmp_path / "run_impacts.csv"
    path.write_text(path.read_text().replace(",default,", ",,", 1))
    assert not report_of(tmp_path).valid


def test_it_tells_units_and_what_is_inside(package):
    told = json.loads((package / "datapackage.json").read_text())
    assert "no pre-training" in told["description"]
    impacts = next(each for each in told["resources"] if each["name"] == "run-impacts")
    assert impacts["schema"]["primaryKey"] == ["run_id"]
    units = {each["name"]: each.get("unit") for each in impacts["schema"]["fields"]}
    assert units["total_kgco2e"] == "kgCO2e"


def test_it_needs_a_folder(figures):
    with pytest.raises(ValueError, match="no text; say where"):
        export.write("data-package", figures)
