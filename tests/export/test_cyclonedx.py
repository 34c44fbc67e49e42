"""ML-BOMs pass CycloneDX 1.7."""

import json

import pytest
import schemas

from ft_emissions_pipeline import export


def test_every_version_is_a_component_of_a_valid_bill(figures):
    text = export.write("cyclonedx", figures)
    assert schemas.faults(schemas.cyclonedx(), text) == []
    bill = json.loads(text)
    assert len({part["bom-ref"] for part in bill["components"]}) == len(figures.versions)


def test_the_validator_finds_a_unit_that_is_not_the_formats(disclosed):
    text = export.write("cyclonedx", disclosed).replace("tCO2eq", "kgCO2eq")
    assert schemas.faults(schemas.cyclonedx(), text)


def test_carbon_of_the_energy_is_operational_in_tonnes(corrected):
    bill = json.loads(export.write("cyclonedx", corrected))
    found = bill["components"][0]["modelCard"]["considerations"]["environmentalConsiderations"]
    use = found["energyConsumptions"][0]
    row = corrected.newest()
    assert use["co2CostEquivalent"]["value"] * 1000 == pytest.approx(
        row["operational_kgco2e"], 1e-5
    )
    assert use["activityEnergyCost"]["value"] == pytest.approx(row["facility_energy_kwh"], 1e-5)
    said = {each["name"]: each["value"] for each in found["properties"]}
    assert float(said["ft-emissions:embodied_kgco2e"]) == pytest.approx(
        row["embodied_kgco2e"], 1e-5
    )
    assert said["ft-emissions:restated"] == "yes"
    assert said["ft-emissions:methodology"] == "default"
    assert {type(value) for value in said.values()} == {str}
    assert bill["components"][0]["pedigree"]["ancestors"][0]["name"] == "Llama 2"
