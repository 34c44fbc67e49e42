"""What `models.yaml` tells of models, and counts of models that nobody knows yet."""

import pytest
from teams import assert_allocated_once, day, write_nights, write_usage

from assets.in_process import materialize
from ft_emissions_pipeline.tables import (
    AMORTISATION_SCHEDULE,
    INFERENCE_IMPACTS,
    MODEL_VERSIONS,
    QUARANTINE,
    RESTATEMENTS,
)

pytestmark = pytest.mark.slow


def test_a_roll_back_in_models_yaml_moves_the_days_that_it_touches(reported, tmp_path):
    team = reported.copy(tmp_path)
    (team.landing / "models.yaml").write_text(
        "models:\n  support-bot:\n    team: support\n    events:\n"
        "      - {at: 2026-01-08T03:00:00Z, rolled_back_to: support-bot-05}\n"
    )
    done = materialize(team.landing, team.warehouse)
    assert done.failures == []
    assert done.ranges == [(day(5), day(9))]
    versions = team.read(MODEL_VERSIONS).set_index("model_version")
    assert versions["team"].dropna().unique().tolist() == ["support"]
    assert versions["use_life_rule"]["support-bot-07"] == "rolled_back"
    assert versions["pauses"]["support-bot-05"] == "2026-01-07T03:00:00Z/2026-01-08T03:00:00Z"
    served = team.read(INFERENCE_IMPACTS).query("model_version == 'support-bot-05'")
    assert list(served["date"]) == [day(5), day(6), day(7), day(8), day(9)]
    assert set(team.read(RESTATEMENTS)["model_version"]) == {"support-bot-05", "support-bot-07"}
    assert_allocated_once(team)
    assert materialize(team.landing, team.warehouse).ranges == []


def test_counts_that_no_version_fits_stand_in_quarantine_until_the_log_lands(reported, tmp_path):
    team = reported.copy(tmp_path)
    write_usage(team.landing / "early.csv", {8: 70}, "newcomer")
    materialize(team.landing, team.warehouse)
    quarantine = team.read(QUARANTINE)
    assert list(quarantine["reason_code"]) == ["unknown_model"]
    assert list(quarantine["source_uri"]) == ["early.csv"]
    write_nights(team.landing / "newcomer.csv", ("newcomer", 8))
    materialize(team.landing, team.warehouse)
    assert team.read(QUARANTINE).empty
    rows = team.read(INFERENCE_IMPACTS)
    counted = rows[(rows["model_name"] == "newcomer") & (rows["date"] == day(8))]
    assert counted["inferences"].tolist() == [70.0]


def test_a_model_by_months_has_its_schedule_stored(reported, tmp_path):
    team = reported.copy(tmp_path)
    (team.landing / "models.yaml").write_text("models: {chef: {method: monthly}}\n")
    materialize(team.landing, team.warehouse)
    schedule = team.read(AMORTISATION_SCHEDULE)
    assert set(schedule["model_version"]) == {"chef-06"}
    days = team.read(INFERENCE_IMPACTS).query("model_name == 'chef'")
    rate = schedule["gco2e_per_inference"][0]
    assert days["gco2e_per_inference"].to_numpy() == pytest.approx([rate] * len(days), rel=1e-9)
