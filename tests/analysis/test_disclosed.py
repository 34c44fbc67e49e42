"""Our total beside the one that a source disclosed: the ratio, and what explains it."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import ft_emissions_pipeline as fte
from ft_emissions_pipeline.analysis.disclosed import COMPARED, compared, reasons


def run(**changes):
    """A run of 2 kWh of which the source says 0.8 kg: 0.4 kg a kWh; ours is 1.25 x 0.4 = 0.5."""
    typical = {
        "run_id": "r", "disclosed_kgco2e": 0.8, "it_energy_kwh": 2.0, "counted_energy_kwh": np.nan,
        "energy_route": "logged_total",
        "pue": 1.25, "grid_kgco2e_per_kwh": 0.4, "development_multiplier": 1.0,
        "source_uri": "e.csv",
        "embodied_kgco2e": 0.6,
    }  # fmt: skip
    return pd.Series({**typical, **changes})


def test_factors_and_embodied_carbon_make_up_the_ratio():
    """1 kg operational and 0.6 kg embodied are 1.6 kg, twice theirs: 0.5 / 0.4 + 0.6 / 0.8 = 2."""
    factors, embodied = reasons(run())
    assert factors == "kgCO2e per kWh of computing: theirs 0.4, ours PUE 1.25 x grid 0.4 = 0.5"
    assert "0.6 kgCO2e embodied" in embodied
    frame = run().to_frame().T.infer_objects()
    impacts = frame[["run_id", "embodied_kgco2e"]].assign(total_kgco2e=1.6)
    assert compared(frame[list(COMPARED)], impacts)["ratio"].item() == pytest.approx(2)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"energy_route": "meter"}, "our energy is the meter's"),
        ({"energy_route": "power_model"}, "cannot be told apart"),
        ({"energy_route": "gpu_measured"}, "modelled rest"),
        ({"energy_route": "calibrated"}, "scaled by"),
        ({"energy_route": "partly_measured"}, "did not read"),
        # 2 kWh at the plug, 1.6 counted: theirs is 0.8 / 1.6 a kWh, and 2 / 1.6 = 1.25.
        ({"counted_energy_kwh": 1.6, "grid_kgco2e_per_kwh": 0.8}, "theirs 0.5, ours"),
        ({"counted_energy_kwh": 1.6}, "1.25 times theirs"),
        ({"disclosed_kgco2e": 0.0}, "states 0"),
        ({"development_multiplier": 3.0}, "3 times the final run"),
    ],
)
def test_what_else_explains_it_is_said(changes, said):
    assert any(said in reason for reason in reasons(run(**changes)))


def test_the_same_factors_are_no_reason():
    assert reasons(run(pue=1.0, embodied_kgco2e=0.0)) == []


@given(*[st.floats(0.01, 100) for _ in range(4)])
def test_the_furthest_apart_stand_first(a, b, c, ours):
    frame = pd.DataFrame([run(run_id=f"r{n}", disclosed_kgco2e=x) for n, x in enumerate((a, b, c))])
    impacts = frame[["run_id", "embodied_kgco2e"]].assign(total_kgco2e=ours)
    found = compared(frame[list(COMPARED)], impacts)
    apart = np.abs(np.log(found["ratio"]))
    assert (np.diff(apart) <= 1e-12).all()


def test_some_are_the_first_of_all():
    """Of runs as far apart the first by id; one without a footprint has nothing beside it."""
    theirs = (0.8, 3.2, 0.0, 0.8, 1.6, 0.8)
    frame = pd.DataFrame(
        [run(run_id=f"r{5 - n}", disclosed_kgco2e=x) for n, x in enumerate(theirs)]
    )
    impacts = frame.loc[:4, ["run_id", "embodied_kgco2e"]].assign(total_kgco2e=1.6)
    found = compared(frame[list(COMPARED)], impacts)
    assert found["run_id"].tolist() == ["r3", "r2", "r4", "r5", "r1"]
    some = compared(frame[list(COMPARED)], impacts, most=2)
    pd.testing.assert_frame_equal(some, found.head(2))


CARD = """---
base_model: meta-llama/Llama-2-7b-hf
co2_eq_emissions: {emissions: 2000, source: CodeCarbon, hours_used: 2, hardware_used: 4 x A100}
---
"""


def test_explain_sets_the_disclosed_total_beside_ours(tmp_path):
    (tmp_path / "README.md").write_text(CARD)
    runs, _ = fte.read_runs(tmp_path)
    est = fte.estimate(runs)
    text = est.explain(runs["run_id"][0])
    ratio = est.runs["total_kgco2e"].item() / 2
    assert "disclosed_kgco2e = 2 kgCO2e" in text
    assert f"/ 2 = {ratio:.7g}" in text
    assert "the source's energy is not logged" in text


def test_a_run_without_a_disclosed_total_has_none_beside_it():
    est = fte.estimate({"reserved_s": 3600})
    assert "source itself disclosed" not in est.explain("disclosure-1")
