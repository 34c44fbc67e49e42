"""BoAmps reports pass the schemas of Boavizta and are read back with their energy."""

import json
from dataclasses import replace

import pandas as pd
import pytest
import schemas

from ft_emissions_pipeline import export
from ft_emissions_pipeline.export.formats import boamps
from ft_emissions_pipeline.readers import Settings
from ft_emissions_pipeline.readers.formats import boamps as reader


def of_version(figures, version):
    rows = figures.versions
    return replace(figures, versions=rows[rows["run_id"] == version].reset_index(drop=True))


def test_every_version_passes_and_is_read_back(figures):
    validator = schemas.boamps()
    for version in figures.versions["run_id"]:
        text = export.write("boamps", of_version(figures, version))
        assert schemas.faults(validator, text) == []
        run = reader.read(text.encode(), "report.json", Settings()).runs.iloc[0]
        row = of_version(figures, version).newest()
        assert run["it_energy_kwh"] == pytest.approx(row["it_energy_kwh"], rel=1e-5)
        assert run["gpu_count"] == row["gpu_count"]


def test_the_validator_finds_a_missing_part(disclosed):
    report = json.loads(export.write("boamps", disclosed))
    del report["measures"][0]["powerConsumption"]
    found = schemas.faults(schemas.boamps(), json.dumps(report))
    assert found == ["$.measures[0]: 'powerConsumption' is a required property"]


def test_a_modelled_energy_says_so_and_a_corrected_one_is_corrective(disclosed, corrected):
    report = json.loads(export.write("boamps", disclosed))
    assert report["measures"][0]["measurementMethod"].endswith("estimated, power_model")
    assert report["header"]["reportStatus"] == "draft"
    again = json.loads(export.write("boamps", corrected))
    assert again["header"]["reportStatus"] == "corrective"
    assert again["header"]["reportId"] != report["header"]["reportId"]
    bound = f"total_kgco2e_p95={disclosed.newest()['total_kgco2e_p95']:.6g}"
    for word in ("methodology=default", bound, "pue=1.12", "inside=all work"):
        assert word in report["task"]["taskDescription"]


@pytest.mark.parametrize(
    ("p05", "p95", "word"), [(9.5, 10.9, "high"), (7.6, 12.4, "medium"), (5.1, 14.9, "low"), (4.0,
    11.0, None), (9, 16, None)],
)  # fmt: skip
def test_quality_follows_the_interval(p05, p95, word):
    assert boamps._quality(pd.Series({"value": "10", "p05": p05, "p95": p95})) == word


def test_a_share_of_an_accelerator_and_a_cpu_alone(disclosed):
    def component(**cells):
        versions = disclosed.versions.assign(**cells)
        text = export.write("boamps", replace(disclosed, versions=versions))
        assert schemas.faults(schemas.boamps(), text) == []
        return json.loads(text)["infrastructure"]["components"][0]

    part = component(gpu_count=0.25)
    assert (part["nbComponent"], part["share"]) == (1, 0.25)
    assert component(gpu_count=0.0, cpu_count=2.0)["componentType"] == "cpu"


def test_tokens_count_the_set_once(disclosed):
    versions = disclosed.versions.assign(tokens_unpadded=3.6e6, epochs=3.0)
    report = json.loads(export.write("boamps", replace(disclosed, versions=versions)))
    assert report["task"]["dataset"][0]["dataQuantity"] == 1.2e6
