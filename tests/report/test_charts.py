"""Charts share their scales, name their days and keep every gram."""

from dataclasses import replace

import pandas as pd
import pytest
from fleet import DAYS, FULL, RUNS, Page, inference_impacts, points, spreads

from ft_emissions_pipeline import report
from ft_emissions_pipeline.report import charts, figures


def test_charts_say_what_they_show(html, page):
    drawings = [attrs for tag, attrs in page.tags if tag == "svg"]
    # Two models' carbon and water over time, and what the totals consist of.
    assert len(drawings) == 6
    assert all(attrs["role"] == "img" and attrs["aria-label"] for attrs in drawings)
    assert html.count("<desc>") == 6
    assert len([tag for tag, _ in page.tags if tag == "table"]) == html.count("<caption>")


def test_composition_keeps_every_gram():
    frame = figures.composition(RUNS, ["router"], "others")
    assert frame["model_name"].tolist() == ["router", "others"]
    parts = frame[[*figures.CARBON_PARTS]].to_numpy()
    assert parts.sum() == pytest.approx(RUNS["total_kgco2e"].sum(), rel=1e-12)
    assert frame[[*figures.WATER_PARTS]].to_numpy().sum() == pytest.approx(9.0, rel=1e-12)


@pytest.mark.parametrize(
    ("values", "shared", "logarithmic"),
    [
        ({"a": [1.0, 2.0], "b": [10.0]}, True, False),
        ({"a": [1.0, 2.0], "b": [20.0]}, True, False),
        ({"a": [1.0, 2.0], "b": [21.0]}, False, False),
        ({"a": [1.0, 51.0]}, False, True),
        ({"a": [0.0, 1.0]}, True, False),
    ],
)
def test_scales_are_shared_where_models_lie_near(values, shared, logarithmic):
    scales, found = charts.scales(points(**values), charts.CARBON)
    assert (found, scales["a"].logarithmic) == (shared, logarithmic)
    assert scales["a"].note == ("log scale" if logarithmic else "")


def test_logarithmic_axis_is_labelled():
    days = inference_impacts(
        ("2026-01-05", "router", "run-a", 1.0, 0.3, "actual", "final"),
        ("2026-01-06", "router", "run-a", 1000.0, 0.3, "actual", "final"),
    )
    text = Page(report.render(replace(FULL, inference_impacts=days))).text
    assert "router, log scale" in text
    assert "gCO2e per inference, log scale" in text


def test_long_periods_are_drawn_by_week_from_sums():
    # A Monday to start with; each day 0.1 kg over 100 inferences.
    first = pd.date_range("2026-01-05", periods=402)
    days = inference_impacts(
        *((f"{day:%Y-%m-%d}", "router", "run-a", 100.0, 0.1, "actual", "final") for day in first)
    )
    found, step_days = figures.series(days, ["router"], spreads(RUNS), 0.0)

    assert step_days == 7
    assert len(found) == 58  # 402 days are 57 weeks and 3 days
    assert found["inferences"].iloc[0] == 700
    assert found["gco2e_per_inference"].to_numpy() == pytest.approx(1.0, rel=1e-12)


def test_charts_of_far_apart_years_name_their_days():
    later = inference_impacts(
        ("2028-01-05", "summariser", "run-b", 100.0, 0.2, "actual", "final"),
        ("2028-01-06", "summariser", "run-b", 100.0, 0.2, "actual", "final"),
    )
    days = pd.concat([DAYS[DAYS["model_name"] == "router"], later], ignore_index=True)
    text = Page(report.render(replace(FULL, inference_impacts=days))).text
    assert "router, 2026-01-05 to 2026-01-06" in text
    assert "summariser, 2028-01-05 to 2028-01-06" in text


def test_models_of_far_apart_years_have_their_own_days():
    near = pd.DataFrame(
        {
            "model_name": ["a", "a", "b"],
            "date": pd.to_datetime(["2026-01-01", "2026-01-09", "2026-01-05"]),
        }
    )
    _, own = figures.spans(near)
    assert own
    wide = pd.DataFrame(
        {
            "model_name": ["a", "a", "b", "b"],
            "date": pd.to_datetime(["2026-01-01", "2026-01-09", "2026-01-02", "2026-01-08"]),
        }
    )
    spans, own = figures.spans(wide)
    assert not own
    assert spans["b"] == (pd.Timestamp("2026-01-01"), pd.Timestamp("2026-01-09"))
