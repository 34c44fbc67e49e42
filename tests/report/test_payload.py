"""What is embedded in the page: numbers that stay equal, cells that no spreadsheet runs."""

import io
import json

import numpy as np
import pandas as pd
import pytest
from fleet import inference_impacts, run_impacts, scattered
from hypothesis import example, given
from hypothesis import strategies as st

from ft_emissions_pipeline import report
from ft_emissions_pipeline.report import ReportData, figures, payload


@given(st.floats(min_value=1e-30, max_value=1e30), st.integers(1, 12))
@example(1.0000000000000002e-12, 12)
@example(1.2345678e27, 5)
def test_rounding_keeps_the_digits_and_no_more(value, digits):
    (found,) = payload.rounded(np.array([value]), digits)
    assert found == float(f"{value:.{digits - 1}e}") or found == pytest.approx(
        value, rel=0.5 * 10.0 ** (1 - digits) * (1 + 1e-9)
    )
    assert len(repr(found).replace(".", "").strip("0").split("e")[0]) <= digits


def test_zero_stays_and_the_unknown_is_null():
    columns = {"a": payload.rounded(np.array([0.0, np.nan, 12.0, 0.000123456]), 3)}
    assert payload.numbers(columns) == '{"a":[0,null,12,0.000123]}'


def test_csv_runs_no_formula_and_keeps_numbers():
    frame = pd.DataFrame(
        {
            "model_name": ["=1+1", 'a,"b"\nc', None],
            "kg": [1 / 3, 2.0, np.nan],
            "list": [["x", "y"]] * 3,
        }
    )
    found = pd.read_csv(io.StringIO(payload.csv(frame)))
    assert found["model_name"].tolist()[:2] == ["'=1+1", 'a,"b" c']
    assert found["kg"][0] == 1 / 3
    assert found["list"].tolist() == ["x y"] * 3


def test_points_lie_model_by_model_in_the_order_of_models():
    parts = dict.fromkeys([*figures.CARBON_PARTS, *figures.WATER_PARTS], 1.0)
    models = pd.DataFrame([{"model_name": "b", **parts}, {"model_name": "a", **parts}])
    columns = {"inferences": 10.0, "provisional": False, **dict.fromkeys(figures.SHARED, 2.0)}
    bounds = dict.fromkeys([r + end for r in figures.RATIOS for end in ("_p05", "_p95")], 0.1)
    days = pd.to_datetime(["1970-01-03", "1970-01-02", "1970-01-02"])
    points = pd.DataFrame({"model_name": ["a", "a", "b"], "date": days}).assign(**columns, **bounds)
    found = json.loads(payload.payload(models, points, 1, {"model 0": "x"}, {}))["points"]
    assert found["model"] == [0, 1, 1]
    assert found["day"] == [1, 1, 2]


def test_same_text_packs_to_the_same_bytes():
    assert payload.packed("a" * 1000) == payload.packed("a" * 1000)
    assert len(payload.packed("a" * 1000)) < 60


def test_a_year_of_200_models_fits_into_a_page_of_3_mb():
    """What a model's further days add, figures of no pattern at all, times 200 x 365."""
    rng = np.random.default_rng(0)

    def size(models: int, days: int) -> int:
        first = pd.Timestamp("2026-01-01")
        rows = inference_impacts(
            *((f"{first + pd.Timedelta(days=day):%Y-%m-%d}", f"model-{model}", f"run-{model}",
               float(rng.integers(1, 10**6)), rng.lognormal(sigma=3.0), "actual", "final")
              for model in range(models) for day in range(days))
        )  # fmt: skip
        runs = run_impacts(*((f"run-{model}", f"model-{model}", "2026-01-01", 1.0, 0.1)
                             for model in range(models)))  # fmt: skip
        data = ReportData(inference_impacts=rows, run_impacts=runs, spreads=scattered(runs))
        return len(report.render(data).encode())

    alone, few, many = size(1, 1), size(20, 20), size(20, 60)
    a_model = (few - alone) / 19
    a_day = (many - few) / (20 * 40)
    assert alone + 200 * a_model + 200 * 345 * a_day < 3_000_000
