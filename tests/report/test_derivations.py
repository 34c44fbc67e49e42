"""How figures were made, in words: the numbers of `fleet`, worked out by hand there."""

import pandas as pd
from fleet import DAYS, NOTES, RUNS, inference_impacts, scattered

from ft_emissions_pipeline.report import derivations, figures
from ft_emissions_pipeline.tables import ROLLUPS, conform


def told(days, steps):
    by_day = figures.daily(days, scattered(RUNS), 0.0)
    models = figures.models(days, RUNS, scattered(RUNS), 0.0, by_day)
    texts = derivations.of_models(models, days, NOTES, steps)
    return dict(zip(models["model_name"], texts, strict=True))


def test_newest_day_and_all_days_are_divisions_and_the_log_is_named():
    lines = told(DAYS, {"run-a": "Steps\n  power"})["router"].splitlines()
    assert lines[:3] == [
        "router on 2026-01-06, status final",
        "  gco2e_per_inference = allocated_kgco2e x 1000 / inferences",
        "    = 0.3 x 1000 / 300 = 1 gCO2e (0.500 to 2.00)",
    ]
    assert "    = 0.6 x 1000 / 400 = 1.5 gCO2e (0.750 to 3.00)" in lines
    assert lines[-4:] == ["Log: logs/emissions.csv#1", "", "Steps", "  power"]


def test_versions_that_share_a_day_are_summed_one_by_one():
    days = inference_impacts(
        ("2026-01-06", "router", "run-a", 300.0, 0.1, "actual", "final"),
        ("2026-01-06", "router", "run-b", 100.0, 0.3, "actual", "provisional"),
    )
    text = told(days, {})["router"]
    assert "  allocated_kgco2e = 0.3 + 0.1 = 0.4 kgCO2e" in text
    assert "version run-b: 0.3 kgCO2e and 3 L for 100 inferences (actual)" in text
    assert "`ft-emissions explain` shows each of its steps" in text


def test_model_that_nobody_used_says_so():
    days = inference_impacts(("2026-01-06", "router", "run-a", 0.0, 0.1, "actual", "final"))
    assert told(days, {})["router"].startswith("router: no day has inferences")


def test_sum_of_a_month_names_its_largest_models():
    filled = {column.name: 1 for column in ROLLUPS.columns if column.required}
    rows = [
        {**filled, "period": "month", "date": "2026-01-01", "grouped_by": group, "name": name,
         "allocated_kgco2e": kg, "inferences": 7.0}
        for group, name, kg in (("fleet", None, 3.0), ("model", "a", 1.0), ("model", "b", 2.0))
    ]  # fmt: skip
    table = conform(pd.DataFrame(rows), ROLLUPS)
    fleet = table[table["grouped_by"] == "fleet"].to_dict("records")
    lines = derivations.of_sums(table, fleet)["2026-01"].splitlines()
    assert "= 3 kgCO2e" in lines[1]
    assert [line.split(":")[0].strip() for line in lines[-2:]] == ["b", "a"]
