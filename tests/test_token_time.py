"""Times from operations: the prediction worked by hand, its spread, and the parameters' table."""

import numpy as np
import pandas as pd
import pytest

from ft_emissions_pipeline import reference as ref
from ft_emissions_pipeline import tables, token_time
from ft_emissions_pipeline.token_time import flops

# 6 x 7e9 x 1e8 = 4.2e18 FLOP on 2 accelerators of 3e14 FLOP/s at 35 %: 20,000 s; 300 s before.
JOB = {
    "flop": np.array([4.2e18]),
    "flop_log_sd": np.array([0.0]),
    "gpu_count": np.array([2.0]),
    "peak_flop_rate": np.array([3e14]),
    "flop_utilization": np.array([0.35]),
    "flop_utilization_log_sd": np.array([0.0]),
    "startup_s": np.array([300.0]),
    "startup_log_sd": np.array([0.0]),
}


def predict(**changed):
    job = {**JOB, **{name: np.array([value]) for name, value in changed.items()}}
    return token_time.predict(job.pop("flop"), job.pop("flop_log_sd"), **job)


def test_times_are_those_of_the_hand_calculation():
    assert predict().active_s == pytest.approx([20_000.0], rel=1e-12)
    assert predict().reserved_s == pytest.approx([20_300.0], rel=1e-12)


@pytest.mark.parametrize(
    ("name", "factor"),
    [("flop", 3.0), ("gpu_count", 1 / 3), ("peak_flop_rate", 1 / 3), ("flop_utilization", 1 / 3)],
)
def test_active_time_is_proportional_to_operations_over_what_is_reached(name, factor):
    changed = predict(**{name: JOB[name][0] * 3.0})
    assert changed.active_s == pytest.approx([20_000.0 * factor], rel=1e-12)
    assert changed.reserved_s - changed.active_s == pytest.approx([300.0], rel=1e-9)


def test_certain_inputs_make_a_certain_time():
    assert predict().active_log_sd == pytest.approx([0.0])
    assert predict().reserved_log_sd == pytest.approx([0.0])


def test_spreads_of_work_and_utilisation_add_up_as_squares():
    found = predict(flop_log_sd=0.3, flop_utilization_log_sd=0.4)
    assert found.active_log_sd == pytest.approx([0.5], rel=1e-9)
    assert found.reserved_log_sd < 0.5  # 300 s of it are certain


def test_start_up_widens_the_reservation_alone_and_the_more_the_shorter_the_job():
    long = predict(startup_log_sd=0.9)
    short = predict(startup_log_sd=0.9, flop=4.2e15)  # 20 s of work
    assert long.active_log_sd == pytest.approx([0.0], abs=1e-9)
    assert 0 < long.reserved_log_sd < 0.05
    assert short.reserved_log_sd == pytest.approx([0.9], rel=0.1)


def test_no_work_takes_the_start_up():
    found = predict(flop=0.0)
    assert found.active_s == [0.0]
    assert found.reserved_s == [300.0]


@pytest.mark.parametrize(
    ("method", "parameter"),
    [
        ("full", "flop_factor_full"),
        ("dpo", "flop_factor_full"),
        ("lora", "flop_factor_lora"),
        ("adapter", "flop_factor_lora"),
        ("qlora", "flop_factor_qlora"),
        (np.nan, "flop_factor_full"),  # nobody named one: the most operations
    ],
)
def test_operations_follow_the_method(method, parameter):
    assert flops.flop_factor_names(pd.Series([method], dtype="str")).tolist() == [parameter]


def test_every_method_of_a_run_has_operations():
    assert set(flops.FLOP_FACTOR) == set(tables.METHODS)
    assert {*flops.FLOP_FACTOR.values(), flops.UNKNOWN_METHOD} <= set(token_time.PARAMETERS)


def test_parameters_of_each_day_are_rows_of_the_defaults():
    days = pd.DatetimeIndex(["2024-02-29", "2024-12-31"])
    table = token_time.parameters(ref.load(), days)
    assert len(table) == 2 * len(token_time.PARAMETERS)
    assert (
        table.groupby("date")["parameter"].apply(set).map(len).eq(len(token_time.PARAMETERS)).all()
    )
    assert table["value"].between(table["p05"], table["p95"]).all()
    for factor_id, value in zip(table["factor_id"], table["value"], strict=True):
        assert ref.describe(ref.load(), factor_id)["value"] == value
    assert token_time.parameters(ref.load(), pd.DatetimeIndex([])).empty
