"""Energy out of the best record, and utilisation."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from missing_fields import log_sd_of

import ft_emissions_pipeline as fte
from ft_emissions_pipeline.normalize.energy import plug_energy
from ft_emissions_pipeline.reference import load


def test_utilisation_stands_for_the_power_models_share_of_tdp(filled):
    """idle + utilisation x (TDP - idle) is what the power model says; at most the TDP."""
    run = filled.loc["model by name"]
    power = run["gpu_idle_w"] + run["gpu_utilization"] * (run["gpu_max_w"] - run["gpu_idle_w"])
    assert 0.6 < power / run["gpu_max_w"] <= 1.0


@pytest.mark.parametrize(
    ("case", "energy", "route", "gsd"),
    [
        ("meter", 5.0, "meter", 1.1),  # gsd_disclosed: a disclosed reading
        ("total", 7.0, "logged_total", 1.1),
        # 7 kWh of parts and an hour of its boards, behind the supplies.
        ("components", None, "logged_components", None),
    ],
)
def test_energy_is_taken_from_the_best_record(default, origins, filled, case, energy, route, gsd):
    row = filled.loc[case]
    if energy is None:
        assert row["counted_energy_kwh"] == 7.0
        fans = row["gpu_count"] * row["gpu_fan_w"] * row["gpu_utilization"]
        assert row["active_s"] == row["reserved_s"] == 3600
        boards = (row["server_count"] * row["host_idle_w"] + fans) / 1000
        energy = pytest.approx((7.0 + boards) / row["supply_efficiency"])
    assert row["it_energy_kwh"] == energy
    assert row["energy_route"] == route
    run = default.runs.set_index("run_id").loc[case]
    assert run["it_energy_kwh"] == energy
    field = "it_energy_kwh" if gsd else "counted_energy_kwh"
    log_sd = log_sd_of(origins.loc[(case, field)])
    if gsd is None:  # errors of parts add up as squares: 4 and 2 kWh at 1.1, 1 kWh at 1.15
        log_sd_of_sum = (
            np.sqrt((4 * np.log(1.1)) ** 2 + (2 * np.log(1.1)) ** 2 + np.log(1.15) ** 2) / 7
        )
        assert log_sd == pytest.approx(log_sd_of_sum, rel=1e-6)
    else:
        assert log_sd == pytest.approx(np.log(gsd), rel=1e-6)


def test_a_run_without_accelerators_has_neither_power_nor_making_of_any(default, filled):
    run = filled.loc["no gpu"]
    assert run["gpu_id"] == "none"
    for name in ("gpu_max_w", "gpu_idle_w", "gpu_embodied_kgco2e", "gpu_embodied_water_l"):
        assert run[name] == 0
    impacts = default.runs.set_index("run_id").loc["no gpu"]
    assert impacts["total_kgco2e"] > 0
    assert impacts["total_kgco2e_p05"] < impacts["total_kgco2e"] < impacts["total_kgco2e_p95"]


FIELD_CASES = Path(__file__).parents[1] / "data" / "field_cases"
"""Logs of CodeCarbon as users met them: what was counted is theirs, the bounds are by hand."""


def field_case(name, profile="default"):
    runs, refused = fte.read_runs(FIELD_CASES / name)
    assert refused.empty
    return fte.estimate(runs, profile=profile)


@pytest.mark.parametrize(
    ("case", "low", "high", "unread"),
    [
        # The card draws at most its 180 W; a PC of this kind loses up to a fifth in its supply and
        # needs up to 45 W besides.
        ("cc_gpu0_gtx1080", 0.07, (0.07 + 0.18 + 0.045) / 0.8, "gpu_energy_unread"),
        ("cc_gpu0_laptop_mx130", 0.07, (0.07 + 0.03 + 0.012) / 0.84, "gpu_energy_unread"),
        ("cc_gpu0_applem1_idle", 0.004, (0.004 + 0.0161 + 0.008) / 0.82, "gpu_energy_unread"),
        ("cc_cpu_negative", 0.22, (0.22 + 0.105 + 0.045) / 0.8, "cpu_energy_unread"),
        ("cc_task", 0.38, (0.38 + 0.045 * 3660 / 3600) / 0.8, ""),
        ("cc_apple_m2_measured", 0.009, (0.009 + 0.008) / 0.82, ""),
        ("cc_cpu_only_desktop", 0.07, (0.07 + 0.12) / 0.8, ""),
    ],
)
def test_measured_parts_are_a_lower_bound_and_only_the_unread_one_is_modelled(
    case, low, high, unread
):
    run = field_case(case).normalized.iloc[0]
    assert low < run["it_energy_kwh"] < high
    assert unread in str(run["repairs"])
    assert ("unread" in str(run["repairs"])) == bool(unread)
    assert (run["energy_route"] == "partly_measured") == bool(unread)


def test_a_negative_part_costs_no_run():
    runs = field_case("cc_gpu_negative").normalized
    assert runs["repairs"].str.contains("gpu_energy_unread").tolist() == [True, False]
    assert runs["energy_route"].tolist() == ["partly_measured", "logged_total"]
    assert (runs["it_energy_kwh"] > [0.07, 0.10]).all()


def test_the_published_profile_leaves_counted_energy_as_it_is():
    run = field_case("cc_task", "scope3-2024").normalized.iloc[0]
    assert run["it_energy_kwh"] == pytest.approx(0.38)
    assert run[["counted_energy_kwh", "other_host_w", "supply_efficiency"]].isna().all()


def test_the_explanation_shows_the_step_from_the_counters_to_the_plug():
    estimate = field_case("cc_gpu0_gtx1080")
    run = estimate.normalized.iloc[0]
    text = estimate.explain(run["run_id"])
    assert "counted_energy_kwh = gpu_modelled_kwh + cpu_energy_kwh + ram_energy_kwh" in text
    step = (
        "(counted_energy_kwh + server_count x other_host_w x reservation_h / 1000)"
        " / supply_efficiency"
    )
    assert f"logged_it_energy_kwh = {step}" in text
    assert "measured: CPU + memory; the rest by power x time" in text
    assert "host_overheads/desktop_card" in text
    # 1 x (20.9 x 1 + (180 - 20.9) x u x 1) / 1000, and 22 W of the board behind a supply of 85 %.
    gpu = (20.9 + (180 - 20.9) * run["gpu_utilization"]) / 1000
    assert run["it_energy_kwh"] == pytest.approx((0.07 + gpu + 0.022) / 0.85, rel=1e-6)


def test_the_line_of_a_measured_pc_holds_the_step():
    """A PC with an i9-13900K and an RTX 4090, 203 W by CodeCarbon on median: 283 W at the meter.

    Medians of 120 runs on its card, of the data beside arXiv:2509.22092 (results/imagenet_*.csv).
    """
    row = load().tables["host_overheads"].set_index("host_class").loc["desktop_card"]
    low = (203 + row["other_power_w_p05"]) / row["supply_efficiency_p95"]
    high = (203 + row["other_power_w_p95"]) / row["supply_efficiency_p05"]
    assert low < 283 < high
    middle = (203 + row["other_power_w"]) / row["supply_efficiency"]
    assert middle == pytest.approx(283, rel=0.1)


def test_a_server_of_eight_cards_draws_at_full_load_what_was_measured():
    """An HGX node with 8 H100 drew at most 8.4 kW (arXiv:2412.08602); each card may draw 700 W."""
    tables = load().tables
    server = tables["servers"].set_index("server_id").loc["dgx-h100"]
    supply = (
        tables["host_overheads"].set_index("host_class").loc["data_centre"]["supply_efficiency"]
    )
    counted = 8 * 700 + server["cpu_count"] * server["cpu_max_w"] + server["memory_w"]
    beside = server["host_idle_w"] + 8 * server["gpu_fan_w"]
    assert (counted + beside) / supply == pytest.approx(8400, rel=0.05)


def tracked(**cells):
    """One hour of a GTX 1080 by CodeCarbon."""
    row = {
        "timestamp": "2026-03-02T12:00:00", "project_name": "demo", "run_id": "a", "duration": 3600,
        "emissions": 0.1, "cpu_energy": 0.05, "gpu_energy": 0.1, "ram_energy": 0.02,
        "energy_consumed": 0.17, "country_name": "France", "country_iso_code": "FRA",
        "gpu_count": 1, "gpu_model": "NVIDIA GeForce GTX 1080", "cpu_model": "Intel(R) Core(TM) i7",
        **cells,
    }  # fmt: skip
    return ",".join(row) + "\n" + ",".join(str(cell) for cell in row.values()) + "\n"


def estimated(folder, text):
    folder.mkdir(exist_ok=True)
    (folder / "emissions.csv").write_text(text)
    runs, refused = fte.read_runs(folder)
    assert refused.empty
    return fte.estimate(runs).normalized.iloc[0]


COLUMNS = {"gpu_energy": 0.1, "cpu_energy": 0.05, "ram_energy": 0.02}


@given(unread=st.sets(st.sampled_from(sorted(COLUMNS)), min_size=1, max_size=2))
@settings(
    max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_zero_negative_and_empty_parts_mean_the_same(tmp_path, unread):
    found = []
    left = sum(energy for name, energy in COLUMNS.items() if name not in unread)
    for cell, said in ((0, 0.0), (-0.01, -0.01), ("", 0.0)):
        cells = dict.fromkeys(unread, cell) | {"energy_consumed": left + len(unread) * said}
        found.append(estimated(tmp_path / "logs", tracked(**cells)))
    for run in found:
        assert run["it_energy_kwh"] == found[0]["it_energy_kwh"] > left
        assert run["repairs"] == found[0]["repairs"]
        assert run["energy_route"] in ("partly_measured", "gpu_measured")


@pytest.mark.parametrize("cell", [0, -0.01])
def test_a_run_of_which_nothing_was_read_is_modelled(tmp_path, cell):
    nothing = dict.fromkeys((*COLUMNS, "energy_consumed"), cell)
    run = estimated(tmp_path / "logs", tracked(**nothing))
    assert run["energy_route"] == "power_model"
    assert run["repairs"] == "energy_unread"
    assert run["it_energy_kwh"] > 0.02


def test_a_card_that_is_not_named_and_reads_0_is_no_unread_part(tmp_path):
    cells = {"gpu_energy": 0, "gpu_model": "", "gpu_count": "", "energy_consumed": 0.07}
    run = estimated(tmp_path / "logs", tracked(**cells))
    assert run["gpu_count"] == run["gpu_energy_kwh"] == 0
    assert pd.isna(run["repairs"])
    assert run["counted_energy_kwh"] == pytest.approx(0.07)


def test_a_host_with_a_meter_is_calibrated_and_takes_no_step():
    hour = {"reserved_s": 3600, "country_iso3": "FRA", "gpu_model": "RTX 3060", "host": "node1"}
    parts = {"gpu_energy_kwh": 0.1, "cpu_energy_kwh": 0.05, "ram_energy_kwh": 0.01}
    runs = [{**hour, **parts, "meter_energy_kwh": 0.2}, {**hour, **parts}]
    found = fte.estimate(runs, calibrate=True).normalized
    assert found["energy_route"].tolist() == ["meter", "calibrated"]
    assert found["it_energy_kwh"].tolist() == [0.2, pytest.approx(0.2)]
    assert found["supply_efficiency"].isna().all()


@given(
    counted=st.floats(1e-6, 1e6), servers=st.floats(0.01, 100), other=st.floats(0, 500),
    fans=st.floats(0, 5000), supply=st.floats(0.5, 1.2), hours=st.floats(0.01, 1e4),
)  # fmt: skip
def test_no_energy_at_the_plug_is_below_what_was_counted(
    counted, servers, other, fans, supply, hours
):
    values = {
        "counted_energy_kwh": counted, "server_count": servers, "other_host_w": other,
        "gpu_fan_w": fans, "gpu_count": 8, "gpu_utilization": 0.5, "supply_efficiency": supply,
        "active_s": hours * 3600, "reserved_s": 0.0,
    }  # fmt: skip
    assert plug_energy({name: np.array([value]) for name, value in values.items()})[0] >= counted


def test_a_counted_total_without_a_time_tells_the_time(tmp_path):
    (tmp_path / "train.log").write_text(
        "[codecarbon INFO @ 12:00:00]   GPU count: 1\n"
        "[codecarbon INFO @ 12:00:00]   GPU model: 1 x NVIDIA GeForce RTX 3090\n"
        "[codecarbon INFO @ 12:00:00] 0.350000 kWh of electricity used since the beginning.\n"
    )
    run = fte.estimate(fte.read_runs(tmp_path)[0]).normalized.iloc[0]
    # 0.35 kWh at 350 W and typical utilisation, and what the board and the supply need on top.
    assert run["reserved_s"] > 3600
    hours = run["reserved_s"] / 3600
    assert run["it_energy_kwh"] == pytest.approx((0.35 + 0.022 * hours) / 0.85, rel=1e-6)
