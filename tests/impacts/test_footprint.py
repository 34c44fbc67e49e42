"""The chain from a normalized run to its footprint: worked by hand, linear, and graded."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import ft_emissions_pipeline as fte
from ft_emissions_pipeline import methodology, tables, uncertainty
from ft_emissions_pipeline.impacts.footprint import TOTALS, Spreads, footprint
from ft_emissions_pipeline.impacts.inputs import INPUTS

# Factors all different, none 1; what they give is worked out below.
TYPICAL = {
    "gpu_count": 4.0, "gpu_max_w": 400.0, "gpu_idle_w": 50.0, "gpu_utilization": 0.5,
    "cpu_count": 2.0, "cpu_max_w": 230.0, "cpu_idle_w": 30.0, "cpu_utilization": 0.25,
    "server_count": 3.0, "host_idle_w": 600.0, "gpu_fan_w": 150.0, "memory_w": 80.0,
    "supply_efficiency": 0.8, "active_s": 36_000.0, "reserved_s": 43_200.0, "it_energy_kwh": 20.0,
    "pue": 1.2, "wue_l_per_kwh": 0.7, "grid_kgco2e_per_kwh": 0.35,
    "electricity_water_l_per_kwh": 3.5,
    "gpu_embodied_kgco2e": 150.0, "server_embodied_kgco2e": 2500.0,
    "gpu_embodied_water_l": 400.0, "server_embodied_water_l": 700.0,
    "hardware_use_life_h": 35_040.0, "share_reserved": 0.95, "development_multiplier": 1.5,
}  # fmt: skip
LIFE = ("hardware_use_life_h", "share_reserved")
INVERSE = (*LIFE, "supply_efficiency")
RESULTS = (
    "it_energy_kwh", "facility_energy_kwh", "operational_kgco2e", "embodied_kgco2e",
    "total_kgco2e", "onsite_water_l", "electricity_water_l", "embodied_water_l", "total_water_l",
)  # fmt: skip

# By hand. At rest: 3 x 600 + 2 x 30 + 4 x 50 + 3 x 80 = 2300 W; while active 2 x 200 x 0.25
# + 4 x (350 + 150) x 0.5 = 1100 W more, for 10 of 12 hours, all behind supplies that lose
# a fifth; 1.5 times for the runs before the final one.
IT_ENERGY = (3.4 * 10 + 2.3 * 2) / 0.8 * 1.5  # 72.375 kWh
HOURS = 12 * 1.5
BY_HAND = {
    "it_energy_kwh": IT_ENERGY,
    "facility_energy_kwh": IT_ENERGY * 1.2,
    "operational_kgco2e": IT_ENERGY * 1.2 * 0.35,
    "embodied_kgco2e": (4 * 150 + 3 * 2500) / (35_040 * 0.95) * HOURS,
    "onsite_water_l": IT_ENERGY * 0.7,
    "electricity_water_l": IT_ENERGY * 1.2 * 3.5,
    "embodied_water_l": (4 * 400 + 3 * 700) / (35_040 * 0.95) * HOURS,
}
OF_POWER = {
    "gpu_count", "gpu_max_w", "gpu_idle_w", "gpu_utilization", "cpu_count", "cpu_max_w",
    "cpu_idle_w", "cpu_utilization", "server_count", "host_idle_w", "gpu_fan_w", "memory_w",
    "supply_efficiency",
}  # fmt: skip


def of(values, *, modelled=True, profile="default"):
    return footprint(
        values, methodology.profile(profile), flat_gpu_power_w=428.0, modelled=np.array(modelled)
    )


def test_typical_names_every_input():
    assert set(TYPICAL) == set(INPUTS)


@pytest.mark.parametrize("name", BY_HAND)
def test_part_is_that_of_the_hand_calculation(name):
    assert of(TYPICAL)[name] == pytest.approx(BY_HAND[name], rel=1e-12)


def test_totals_are_the_sums_of_their_parts():
    parts = of(TYPICAL)
    carbon = BY_HAND["operational_kgco2e"] + BY_HAND["embodied_kgco2e"]
    water = sum(BY_HAND[f"{name}_water_l"] for name in ("onsite", "electricity", "embodied"))
    assert parts["total_kgco2e"] == pytest.approx(carbon, rel=1e-12)
    assert parts["total_water_l"] == pytest.approx(water, rel=1e-12)


def test_logged_energy_is_kept_whatever_the_power_model_says():
    parts = of(TYPICAL, modelled=False)
    assert parts["it_energy_kwh"] == pytest.approx(20 * 1.5, rel=1e-12)
    for name in OF_POWER - {"gpu_count", "server_count"}:  # these count for the making, too
        changed = of({**TYPICAL, name: TYPICAL[name] * 1.9}, modelled=False)
        assert {key: changed[key] for key in RESULTS} == {key: parts[key] for key in RESULTS}


def test_the_published_profile_keeps_logged_energy_too():
    parts = of(TYPICAL, modelled=False, profile="scope3-2024")
    assert parts["it_energy_kwh"] == pytest.approx(20 * 1.5, rel=1e-12)
    assert parts["facility_energy_kwh"] == pytest.approx(20 * 1.5 * 1.2, rel=1e-12)
    assert parts["electricity_water_l"] == pytest.approx(20 * 1.5 * 3.5, rel=1e-12)


@pytest.mark.parametrize("modelled", [True, False], ids=["power model", "logged energy"])
@pytest.mark.parametrize("name", INPUTS)
def test_every_result_is_linear_in(name, modelled):
    """In each count, duration and factor; in the reciprocal of what divides (invariant 2)."""
    # Reserved time is never below the active, an efficiency never above 1.
    bound = name in ("reserved_s", "supply_efficiency")
    factors = (1.0, 1.25, 1.5) if bound else (0.5, 0.75, 1.0)

    def at(factor):
        scale = 1 / factor if name in INVERSE else factor
        return of({**TYPICAL, name: TYPICAL[name] * scale}, modelled=modelled)

    low, mid, high = (at(factor) for factor in factors)
    for result in RESULTS:
        rounding = 1e-12 * abs(high[result])
        assert high[result] - mid[result] == pytest.approx(
            mid[result] - low[result], rel=1e-9, abs=rounding
        )


# What a factor moves, and nothing else: the chain's shape, apart from its numbers.
WATER_AND_CARBON_OF_ENERGY = {
    "facility_energy_kwh", "operational_kgco2e", "electricity_water_l", "total_kgco2e",
    "total_water_l",
}  # fmt: skip
MAKING = {"embodied_kgco2e", "embodied_water_l", "total_kgco2e", "total_water_l"}
EVERYTHING = set(RESULTS)
MOVES = {
    "pue": WATER_AND_CARBON_OF_ENERGY,
    "wue_l_per_kwh": {"onsite_water_l", "total_water_l"},
    "grid_kgco2e_per_kwh": {"operational_kgco2e", "total_kgco2e"},
    "electricity_water_l_per_kwh": {"electricity_water_l", "total_water_l"},
    "gpu_embodied_kgco2e": {"embodied_kgco2e", "total_kgco2e"},
    "server_embodied_kgco2e": {"embodied_kgco2e", "total_kgco2e"},
    "gpu_embodied_water_l": {"embodied_water_l", "total_water_l"},
    "server_embodied_water_l": {"embodied_water_l", "total_water_l"},
    "it_energy_kwh": set(),  # the runs here are modelled
    **dict.fromkeys(
        OF_POWER - {"gpu_count", "server_count"} | {"active_s"},
        WATER_AND_CARBON_OF_ENERGY | {"it_energy_kwh", "onsite_water_l"},
    ),
    **dict.fromkeys(LIFE, MAKING),
    **dict.fromkeys(
        ("gpu_count", "server_count", "reserved_s", "development_multiplier"), EVERYTHING
    ),
}


@pytest.mark.parametrize("name", INPUTS)
def test_a_factor_moves_just_what_it_stands_in(name):
    before, after = of(TYPICAL), of({**TYPICAL, name: TYPICAL[name] * 0.97})
    if name == "reserved_s":
        after = of({**TYPICAL, name: TYPICAL[name] * 1.03})
    assert {key for key in RESULTS if before[key] != after[key]} == MOVES[name]


def test_a_run_that_was_active_for_longer_than_reserved_draws_no_negative_idle_energy():
    """Clocks may differ by 1 %; the 36,000 s then count in full, and idle time not at all."""
    parts = of({**TYPICAL, "reserved_s": 35_900.0})
    assert parts["it_energy_kwh"] == pytest.approx(3.4 * 10 / 0.8 * 1.5, rel=1e-12)


def test_where_no_efficiency_is_told_power_supplies_lose_nothing():
    parts = of({**TYPICAL, "supply_efficiency": np.nan})
    assert parts["it_energy_kwh"] == pytest.approx(IT_ENERGY * 0.8, rel=1e-12)
    assert of({**TYPICAL, "supply_efficiency": np.nan}, modelled=False)["it_energy_kwh"] == 30


@settings(max_examples=100)
@given(st.lists(st.integers(0, 1000), min_size=len(INPUTS), max_size=len(INPUTS)))
def test_no_input_within_its_bounds_makes_a_footprint_negative_or_undefined(shares):
    columns = {column.name: column for column in tables.NORMALIZED_RUNS.columns}
    values = {}
    for name, share in zip(INPUTS, shares, strict=True):
        low = columns[name].minimum or (
            1e-3 if columns[name].above_zero or name in INVERSE else 0.0
        )
        values[name] = low + share / 1000 * (min(columns[name].maximum or 1e6, 1e6) - low)
    values["gpu_max_w"] += values["gpu_idle_w"]
    values["cpu_max_w"] += values["cpu_idle_w"]
    for profile in methodology.PROFILES:
        parts = of(values, profile=profile)
        assert all(np.isfinite(parts[name]) and parts[name] >= 0 for name in RESULTS)


# Quality: what was measured, logged, known or guessed of hardware, time and place.
PLACE, HARDWARE = {"location": "Germany"}, {"gpu_model": "A100-SXM4-80GB", "gpu_count": 4}
TIERS = {
    "A metered": {"reserved_s": 3600, "meter_energy_kwh": 5, **PLACE},
    "B logged": {"reserved_s": 3600, "it_energy_kwh": 5, **PLACE},
    "B known": {"reserved_s": 3600, **HARDWARE, **PLACE},
    "C place": {"reserved_s": 3600, **HARDWARE},
    "C hardware": {"reserved_s": 3600, **PLACE},
    "C time": {"tokens_padded": 1e9, "base_model": "Llama 2 7B", **HARDWARE, **PLACE},
    "D metered nowhere": {"tokens_padded": 1e9, "meter_energy_kwh": 5},
    "D all": {"tokens_padded": 1e9},
}


@pytest.fixture(scope="module")
def graded():
    return fte.estimate([{**fields, "run_id": name} for name, fields in TIERS.items()])


def test_quality_tier_says_what_was_known(graded):
    tiers = graded.runs.set_index("run_id")["quality_tier"]
    assert tiers.to_dict() == {name: name[0] for name in TIERS}


def test_more_known_means_less_imputed(graded):
    share = graded.runs.set_index("run_id")["share_imputed"]
    assert share.between(0, 1).all()
    assert share["B logged"] < share["C place"] < share["D all"]


def test_predicted_times_err_together(graded):
    """Active and reserved time rest on the same tokens: the total's spread is near the time's."""
    run = graded.runs.set_index("run_id").loc["C time"]
    time = graded.provenance.set_index(["run_id", "field"]).loc[("C time", "reserved_s")]
    width = np.log(run["total_kgco2e_p95"] / run["total_kgco2e_p05"])
    assert width > np.log(time["p95"] / time["p05"])


def test_the_table_is_as_declared(graded):
    assert graded.runs.columns.tolist() == tables.RUN_IMPACTS.names
    assert (graded.runs["reference_version"] == graded.reference.version).all()
    for rule in tables.RUN_IMPACTS.row_rules:
        assert pd.Series(rule.holds(graded.runs)).all(), rule.code


def spreads_of(first, second):
    """Two runs; a sensor's share in every total."""
    runs = pd.DataFrame({"date": pd.to_datetime(["2026-01-01"] * 2), "run_id": ["a", "b"]})
    share, nothing = np.array([first, second]), np.zeros(2)
    of_total = uncertainty.Spread({"it_energy_kwh": share}, nothing, nothing)
    shared = {"it_energy_kwh": np.array(["a row", None])}
    return Spreads(runs, dict.fromkeys(TOTALS, of_total), lambda: shared)


def test_inputs_that_move_a_total_and_middles_are_the_rows_of_spreads():
    found = spreads_of(0.2, 0.0).table().set_index(["run_id", "input"])
    assert set(found.index) == {
        ("a", "it_energy_kwh"), ("a", "shift"), ("a", "bend"), ("b", "shift"), ("b", "bend")
    }  # fmt: skip
    assert found.loc[("a", "it_energy_kwh"), "total_water_l_log_sd"] == 0.2
    assert found.loc[("a", "it_energy_kwh"), "factor_id"] == "a row"


@pytest.mark.parametrize("endless", [np.inf, np.nan])
def test_of_spreads_without_end_the_rows_of_that_run_alone_are_told(endless):
    assert spreads_of(0.2, 0.3).endless().empty
    assert set(spreads_of(0.2, endless).endless()["run_id"]) == {"b"}
