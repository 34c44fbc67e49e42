"""SCI for AI, EU AI Act, Scope3, DIA: each figure by hand from the parts of a run."""

import json
from dataclasses import replace

import pytest
import schemas
from inventory_by_hand import PARTS

from ft_emissions_pipeline import export


def told(figures, name, **cells):
    changed = replace(figures, versions=figures.versions.assign(**PARTS, **cells))
    return json.loads(export.write(name, changed))


def test_scores_are_rates_with_the_total_beside(disclosed):
    """960 kg over 1.2 million tokens, 4.8e16 FLOP and 8e9 parameters."""
    (statement,) = told(
        disclosed, "sci", tokens_unpadded=1.2e6, train_flop=4.8e16, model_parameters=8e9
    )
    scores = {each["functional_unit"]: each["value"] for each in statement["scores"]}
    assert scores == {"tokens_unpadded": 800.0, "train_flop": 20.0, "model_parameters": 120.0}
    assert statement["beside"]["total_kgco2e"] == 960.0
    assert statement["boundary"].startswith("provider")
    assert "consumer score" in statement["not"]
    for each in statement["scores"]:
        assert each["p05"] < each["p95"]


def test_no_score_rests_on_what_nobody_counted(disclosed):
    (statement,) = told(disclosed, "sci", model_parameters=None)
    assert statement["scores"] == []


def test_the_act_is_told_time_compute_and_energy_of_the_modification(disclosed):
    """12 h on 4 accelerators; 2,000 kWh."""
    items = told(disclosed, "eu-ai-act", train_flop=4.84e16)
    assert items["training_time"] == {
        "range": "< 1 month", "wall_clock_days": "0.5", "hardware_days": "2",
    }  # fmt: skip
    assert items["training_energy_mwh"] == "2"
    assert items["training_computation_flop"] == "4.84e+16"
    assert items["training_computation_order"] == "1e16"
    assert items["model_dependencies"] == ["Llama 2"]
    assert "PUE 1.12" in items["energy_boundary"]
    assert items["energy_methodology"].startswith("estimated (power_model)")
    assert told(disclosed, "eu-ai-act")["training_computation_flop"].startswith("N/A")


@pytest.mark.parametrize(
    ("days", "words"),
    [(29, "< 1 month"), (40, "1-3 months"), (100, "3-6 months"), (200, "> 6 months")],
)
def test_training_time_falls_into_the_forms_ranges(disclosed, days, words):
    items = told(disclosed, "eu-ai-act", reserved_s=days * 86400.0)
    assert items["training_time"]["range"] == words


SCOPE3 = {
    "id", "name", "family", "hugging_face_path", "benchmark_model_id", "estimated_use_life_days",
    "estimated_requests_per_day", "fine_tuned_from_model_id", "aliases", "total_params_billions",
    "number_of_experts", "params_per_expert_billions", "training_usage_energy_kwh",
    "training_usage_emissions_kgco2e", "training_usage_water_l",
    "training_embodied_emissions_kgco2e", "training_embodied_water_l",
}  # fmt: skip
"""Fields of ModelCreateRequest in scope3ai 0.3.0."""


def test_scope3_gets_its_training_fields_and_no_other(disclosed):
    body = told(disclosed, "scope3")
    assert set(body) <= SCOPE3
    assert body["training_usage_water_l"] == 5300.0
    assert body["training_embodied_water_l"] == 40.0
    assert body["training_usage_emissions_kgco2e"] == 900.0
    assert body["training_usage_energy_kwh"] == 2000.0
    assert body["fine_tuned_from_model_id"] == "llama-2-7b"
    assert "methodology default" in body["name"]
    numbers = [value for value in body.values() if not isinstance(value, str)]
    assert {type(value) for value in numbers} == {float}


def test_dia_reports_pass_their_schema_with_the_own_share_alone(figures):
    validator = schemas.dia()
    for _, rows in figures.versions.groupby("model_name"):
        text = export.write("dia", replace(figures, versions=rows))
        assert schemas.faults(validator, text) == []
    assert schemas.faults(validator, text.replace("incremental", "cumulative"))


def test_dia_tells_interval_quality_and_descent(disclosed):
    report = told(disclosed, "dia", method="qlora")
    assert report["scope"] == "incremental"
    assert report["lineage"] == [{"model": "Llama 2", "relation": "qlora"}]
    interval = [disclosed.newest()[f"total_kgco2e_{end}"] for end in ("p05", "p95")]
    assert report["footprint"]["carbon_kgco2eq"]["value"] == pytest.approx(interval, rel=1e-5)
    assert report["footprint"]["water_liters"]["quality"] == "estimated-from-default-wue"
    assert report["compute"] == {
        "hardware": {"gpu": "Nvidia A100 80GB", "count": 4}, "duration_gpu_hours": 48.0,
    }  # fmt: skip
    assert "count" not in told(disclosed, "dia", gpu_count=0.5)["compute"]["hardware"]
