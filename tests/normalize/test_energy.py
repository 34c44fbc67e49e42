"""Energy out of the best record, and utilisation."""

import numpy as np
import pytest
from missing_fields import log_sd_of


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
        ("components", 7.0, "logged_components", None),
    ],
)
def test_energy_is_taken_from_the_best_record(default, origins, filled, case, energy, route, gsd):
    assert filled.loc[case, "it_energy_kwh"] == energy
    assert filled.loc[case, "energy_route"] == route
    run = default.runs.set_index("run_id").loc[case]
    assert run["it_energy_kwh"] == energy
    log_sd = log_sd_of(origins.loc[(case, "it_energy_kwh")])
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
