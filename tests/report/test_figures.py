"""Means of periods are ratios of sums."""

import pandas as pd
import pytest
from fleet import DAYS, RUNS, inference_impacts, run_impacts, scattered

from ft_emissions_pipeline.report import figures


def models_of(days, runs):
    by_day = figures.daily(days, scattered(runs), 0.0)
    return figures.models(days, runs, scattered(runs), 0.0, by_day)


def test_period_mean_is_a_ratio_of_sums():
    models = models_of(DAYS, RUNS).set_index("model_name")

    router = models.loc["router"]
    assert router["latest_gco2e_per_inference"] == pytest.approx(1.0, rel=1e-12)
    assert router["mean_gco2e_per_inference"] == pytest.approx(1.5, rel=1e-12)
    assert router["mean_gco2e_per_inference_p05"] == pytest.approx(0.75, rel=1e-12)
    assert router["mean_gco2e_per_inference_p95"] == pytest.approx(3.0, rel=1e-12)
    assert router["mean_water_ml_per_inference"] == pytest.approx(15.0, rel=1e-12)
    assert (router["counted"], router["expected"]) == (400, 0)


def test_days_without_known_inferences_stay_out_of_the_mean():
    summariser = models_of(DAYS, RUNS).set_index("model_name").loc["summariser"]

    assert summariser["mean_gco2e_per_inference"] == pytest.approx(2.0, rel=1e-12)
    assert summariser["latest_date"] == pd.Timestamp("2026-01-06")
    assert summariser["unknown_days"] == 1
    assert (summariser["counted"], summariser["expected"]) == (0, 100)


def test_a_version_that_nobody_used_adds_its_carbon_to_the_mean():
    # 0.2 kg over 100 inferences, and 0.3 kg of a version without any: 0.5 kg over 100 is 5 g. The
    # idle one's interval comes from its run: 0.25 .. 1.0 kg over 100.
    days = inference_impacts(
        ("2026-01-06", "summariser", "run-b", 100.0, 0.2, "actual", "final"),
        ("2026-01-06", "summariser", "idle", 0.0, 0.3, "unallocated", "final"),
    )
    runs = run_impacts(
        ("run-b", "summariser", "2026-01-05", 0.2, 0.0),
        ("idle", "summariser", "2026-01-06", 0.3, 0.0),
    )

    model = models_of(days, runs).iloc[0]

    assert model["mean_gco2e_per_inference"] == pytest.approx(5.0, rel=1e-12)
    assert model["mean_gco2e_per_inference_p05"] == pytest.approx(2.5, rel=1e-12)
    assert model["mean_gco2e_per_inference_p95"] == pytest.approx(10.0, rel=1e-12)
    assert model["latest_version"] == "run-b"


def test_two_versions_of_a_day_are_one_figure_by_their_sums():
    # (0.1 + 0.3) kg over (300 + 100) inferences: 1 g. The mean of 1/3 g and 3 g would be 1.67 g.
    days = inference_impacts(
        ("2026-01-06", "router", "v1", 300.0, 0.1, "actual", "final"),
        ("2026-01-06", "router", "v2", 100.0, 0.3, "actual", "provisional"),
    )
    runs = run_impacts(
        ("v1", "router", "2026-01-05", 0.1, 0.0), ("v2", "router", "2026-01-06", 0.3, 0.0)
    )

    model = models_of(days, runs).iloc[0]
    assert model["latest_gco2e_per_inference"] == pytest.approx(1.0, rel=1e-12)
    assert model["latest_status"] == "provisional"
    by_day = figures.daily(days, scattered(runs), 0.0)
    points, step_days = figures.series(days, by_day, scattered(runs), 0.0)
    assert points["gco2e_per_inference"].tolist() == pytest.approx([1.0], rel=1e-12)
    assert step_days == 1


def test_days_that_are_too_many_for_a_page_become_weeks_from_sums(monkeypatch):
    # From a Monday on, each day 0.1 kg over 100 inferences; 402 days are 57 weeks and 3 days.
    monkeypatch.setattr(figures, "MOST_POINTS", 100)
    first = pd.date_range("2026-01-05", periods=402)
    days = inference_impacts(
        *((f"{day:%Y-%m-%d}", "router", "run-a", 100.0, 0.1, "actual", "final") for day in first)
    )
    by_day = figures.daily(days, scattered(RUNS), 0.0)
    found, step_days = figures.series(days, by_day, scattered(RUNS), 0.0)

    assert step_days == 7
    assert len(found) == 58
    assert found["inferences"].iloc[0] == 700
    assert found["gco2e_per_inference"].to_numpy() == pytest.approx(1.0, rel=1e-12)
    assert (found["date"].dt.day_name() == "Monday").all()
