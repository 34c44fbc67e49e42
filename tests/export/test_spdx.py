"""SPDX documents keep what the AI profile of 3.0.1 requires, and the bindings read them."""

import io
import json
from dataclasses import replace

from spdx_python_model import v3_0_1

from ft_emissions_pipeline import export

REQUIRED = {
    "name", "creationInfo", "releaseTime", "suppliedBy", "software_downloadLocation",
    "software_packageVersion", "software_primaryPurpose",
}  # fmt: skip
"""Of an AIPackage: spdx-3-model 3.0.1, model/AI/Classes/AIPackage.md."""
UNITS = {"kilowattHour", "megajoule", "other"}
"""model/AI/Vocabularies/EnergyUnitType.md."""


def graph_of(figures):
    document = json.loads(export.write("spdx", figures))
    assert document["@context"] == "https://spdx.org/rdf/3.0.1/spdx-context.jsonld"
    return document["@graph"]


def ids(value):
    if isinstance(value, dict):
        for each in value.values():
            yield from ids(each)
    elif isinstance(value, list):
        for each in value:
            yield from ids(each)
    elif isinstance(value, str) and "#" in value and value.startswith("https://spdx.org/spdxdocs/"):
        yield value


def test_the_package_has_what_the_profile_requires(disclosed):
    graph = graph_of(disclosed)
    package = next(each for each in graph if each["type"] == "ai_AIPackage")
    assert set(package) >= REQUIRED
    assert package["software_primaryPurpose"] == "model"
    told = package["ai_energyConsumption"]["ai_finetuningEnergyConsumption"][0]
    # A decimal is a text in this serialisation.
    row = disclosed.newest()
    assert told["ai_energyQuantity"] == f"{row['facility_energy_kwh']:.6g}"
    assert told["ai_energyUnit"] in UNITS
    metrics = {each["key"]: each["value"] for each in package["ai_metric"]}
    assert metrics["ft_emissions/total_kgco2e"] == f"{row['total_kgco2e']:.6g}"
    assert "methodology=default" in package["ai_informationAboutTraining"]


def test_every_reference_leads_to_an_element(disclosed):
    graph = graph_of(disclosed)
    known = [each["spdxId"] for each in graph if "spdxId" in each]
    assert len(known) == len(set(known))
    assert set(ids(graph)) == set(known)
    link = next(each for each in graph if each["type"] == "Relationship")
    assert link["relationshipType"] == "descendantOf"


def test_a_name_of_any_kind_keeps_the_ids_whole(disclosed):
    hostile = replace(disclosed, versions=disclosed.versions.assign(model_name="a b/#<ü>"))
    graph = graph_of(hostile)
    assert all(" " not in each and each.count("#") == 1 for each in ids(graph))


def test_the_bindings_of_spdx_read_it(disclosed):
    objects = v3_0_1.SHACLObjectSet()
    text = export.write("spdx", disclosed)
    v3_0_1.JSONLDDeserializer().read(io.StringIO(text), objects)
    assert not objects.missing_ids
    package = next(iter(objects.foreach_type("ai_AIPackage")))
    energy = package.ai_energyConsumption.ai_finetuningEnergyConsumption[0]
    assert float(energy.ai_energyQuantity) == float(
        f"{disclosed.newest()['facility_energy_kwh']:.6g}"
    )
