"""The methodology's worked examples, from what they disclose to what they print.

Pages are those of Scope3's AI methodology, revision 6379647. A published figure must come out
within half a unit of its last printed digit.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import ft_emissions_pipeline as fte
from ft_emissions_pipeline import methodology, stages
from ft_emissions_pipeline.reference import describe, load

DOCUMENT = Path(__file__).parents[1] / "data" / "disclosures_of_the_methodology.md"

# Training page, example BLOOM-176B. GPU hours of the final model 1,082,990 over 384 GPUs.
BLOOM = {
    "run_id": "bloom",
    "base_model": "BLOOM",
    "gpu_model": "A100 80GB",
    "gpu_count": 384,
    "server_model": "HPE Apollo 6500 Gen10 Plus",
    "server_count": 48,
    "country_iso3": "FRA",
    "pue": 1.1,
    "wue_l_per_kwh": 1.8,
    "grid_kgco2e_per_kwh": 0.057,
    "reserved_s": 118 * 86400,
    "active_s": 1_082_990 / 384 * 3600,
    "development_multiplier": 2.45,
    "published_at": "2022-06-30T00:00:00Z",
}
GPU_HOURS = 2_653_326
PARTS = (
    "it_energy_kwh", "facility_energy_kwh", "operational_kgco2e", "embodied_kgco2e",
    "onsite_water_l", "electricity_water_l", "embodied_water_l", "total_kgco2e", "total_water_l",
)  # fmt: skip


@pytest.fixture(scope="module")
def published():
    return fte.estimate(BLOOM, profile="scope3-2024").runs.iloc[0]


@pytest.mark.parametrize(
    ("quantity", "printed", "half_digit"),
    [
        pytest.param(lambda r: r["facility_energy_kwh"] / GPU_HOURS, 0.471, 0.0005,
                     id="kWh per GPU hour"),
        pytest.param(lambda r: r["embodied_kgco2e"] / (289 * 24), 7.27, 0.005,
                     id="embodied kg per hour"),
        pytest.param(lambda r: r["operational_kgco2e"], 71_234, 0.5, id="usage kg"),
        pytest.param(lambda r: r["embodied_kgco2e"], 50_425, 0.5, id="embodied kg"),
        pytest.param(lambda r: r["total_kgco2e"], 121_659, 0.5, id="total kg"),
        pytest.param(lambda r: r["embodied_water_l"] / 2832, 4.75, 0.005,
                     id="manufacturing litres per hour"),
        pytest.param(lambda r: r["onsite_water_l"] / 1000, 2_044, 0.5, id="datacenter kL"),
        pytest.param(lambda r: r["electricity_water_l"] / 1000, 4_168, 0.5, id="electricity kL"),
        pytest.param(lambda r: r["embodied_water_l"] / 1000, 13.5, 0.05, id="manufacturing kL"),
    ],
)  # fmt: skip
def test_bloom_comes_out_as_the_training_page_prints_it(published, quantity, printed, half_digit):
    assert quantity(published) == pytest.approx(printed, abs=half_digit, rel=0)


# What each quirk names, and one figure as it is without the quirk, worked out by hand.
QUIRKS = {
    "flat_gpu_power": (
        {"it_energy_kwh", "facility_energy_kwh", "operational_kgco2e", "onsite_water_l",
         "electricity_water_l"},
        None,  # without it the power of each component counts; see test_impacts.py
    ),
    # 150 kg per card in gpu_embodied.csv: (384 x 150 + 48 x 2500) / 33288 = 5.335 -> 5.34; x 6936 h
    "instance_embodied_as_gpu": ({"embodied_kgco2e"}, ("embodied_kgco2e", 5.34 * 6936)),
    # the facility's 0.471 x 2,653,326 kWh, at 3.67 L
    "electricity_water_without_pue": (
        {"electricity_water_l"}, ("electricity_water_l", 0.471 * GPU_HOURS * 3.67),
    ),
    # 289 days instead of 118
    "embodied_water_of_final_run_only":
        ({"embodied_water_l"}, ("embodied_water_l", 4.75 * 289 * 24)),
    # 698.1 L a server in servers.csv: (384 x 411.9 + 48 x 698.1) / 33288 = 5.758 -> 5.76; x 2832 h
    "embodied_water_of_gpus_only": ({"embodied_water_l"}, ("embodied_water_l", 5.76 * 2832)),
    # The document names the grid's intensity and the site's WUE: neither quirk touches them.
    "grid_as_published": (set(), ("operational_kgco2e", 0.471 * GPU_HOURS * 0.057)),
    # The document names the servers: nothing is left to count.
    "whole_servers": (set(), ("embodied_kgco2e", 7.27 * 289 * 24)),
    "us_average_wue": (set(), ("onsite_water_l", 0.428 * GPU_HOURS * 1.8)),
    # 289.1 days, 2,653,325.5 GPU hours; 0.428 x 1.1 = 0.4708 kWh; facts 1.4 recomputed: 71,204 kg
    "significant_digits": (
        set(PARTS[:7]), ("operational_kgco2e", 0.4708 * 1_082_990 * 2.45 * 0.057),
    ),
}  # fmt: skip


OF_COUNTERS = {"counters_as_plug"}
"""Switches that no published example can move: none of them rests on counters."""


def test_every_switch_of_the_published_profile_is_examined():
    switches = set(methodology.switches(methodology.PROFILES["scope3-2024"]))
    assert switches == set(QUIRKS) | OF_COUNTERS


def test_the_published_profile_takes_counters_for_the_plug(monkeypatch):
    """7 kWh as counted; else 12 h of half a server's 550 W as well, behind supplies of 94 %."""
    parts = {"gpu_energy_kwh": 4, "cpu_energy_kwh": 2, "ram_energy_kwh": 1}
    run = {
        "gpu_model": "A100-SXM4-80GB", "gpu_count": 4, "server_count": 0.5, "country_iso3": "FRA",
        "server_model": "HPE Apollo 6500 Gen10 Plus", "reserved_s": 12 * 3600, **parts,
    }  # fmt: skip
    published = methodology.PROFILES["scope3-2024"]
    assert fte.estimate(run, profile=published.name).runs["it_energy_kwh"].item() == 7
    other = replace(published, name="one-off", counters_as_plug=False)
    monkeypatch.setitem(methodology.PROFILES, "one-off", other)
    found = fte.estimate(run, profile="one-off").runs["it_energy_kwh"].item()
    assert found == pytest.approx((7 + 0.5 * 0.55 * 12) / 0.94)


@pytest.mark.parametrize("quirk", QUIRKS)
def test_without_one_quirk_just_the_figures_that_it_names_move(published, monkeypatch, quirk):
    profile = replace(
        methodology.PROFILES["scope3-2024"],
        name="one-off",
        **{quirk: None if quirk == "significant_digits" else False},
    )
    monkeypatch.setitem(methodology.PROFILES, "one-off", profile)
    run = fte.estimate(BLOOM, profile="one-off").runs.iloc[0]
    named, worked_out = QUIRKS[quirk]
    totals = {
        total
        for total, parts in {
            "total_kgco2e": {"operational_kgco2e", "embodied_kgco2e"},
            "total_water_l": {"onsite_water_l", "electricity_water_l", "embodied_water_l"},
        }.items()
        if named & parts
    }
    moved = {part for part in PARTS if run[part] != pytest.approx(published[part], rel=1e-9, abs=0)}
    assert moved == named | totals
    if worked_out is not None:
        part, expected = worked_out
        assert run[part] == pytest.approx(expected, rel=1e-9)


def test_bloom_in_the_default_profile_has_none_of_the_quirks():
    run = fte.estimate(BLOOM).runs.iloc[0]
    hours = 118 * 24 * 2.45
    assert run["facility_energy_kwh"] == pytest.approx(run["it_energy_kwh"] * 1.1, rel=1e-12)
    assert run["onsite_water_l"] == pytest.approx(run["it_energy_kwh"] * 1.8, rel=1e-12)
    assert run["electricity_water_l"] == pytest.approx(run["it_energy_kwh"] * 1.1 * 3.67, rel=1e-12)
    # (384 x 150 + 48 x 2500) kg and (384 x 411.9 + 48 x 698.1) L over 35040 h x 0.95
    assert run["embodied_kgco2e"] == pytest.approx(177_600 / 33_288 * hours, rel=1e-12)
    assert run["embodied_water_l"] == pytest.approx(191_678.4 / 33_288 * hours, rel=1e-12)
    # 48 x 637 W + 96 x 27 W + 384 x 46.4 W at rest; 96 x 198 x 0.12 W and 384 x 353.6 x 0.6 W more
    # while active, for 1,082,990 / 384 of 2832 hours; utilisations are defaults.csv's;
    # all of it behind supplies that lose 6 %.
    rest, busy, active = 50_985.6, 83_750.4, 1_082_990 / 384
    energy = (rest * 2832 + busy * active) / 1000 / 0.94 * 2.45
    assert run["it_energy_kwh"] == pytest.approx(energy, rel=1e-12)


@pytest.fixture(scope="module")
def page():
    """Both examples of the fine-tuning page, as read from a document of its shape."""
    runs, quarantine = fte.read_runs(DOCUMENT)
    assert quarantine.empty
    return runs


def test_both_disclosures_of_a_page_are_found_and_estimated(page):
    assert len(page) == 2
    estimate = fte.estimate(page)
    assert (estimate.runs[list(PARTS)] > 0).all(axis=None)
    assert estimate.runs["base_model"].tolist() == ["Llama 2", "Llama 2"]


@pytest.fixture(scope="module")
def disclosed(page):
    return page[page["gpu_model"].notna()]


@pytest.fixture(scope="module")
def bedrock(page):
    estimate = fte.estimate(page[page["managed_service"].notna()])
    return estimate, estimate.provenance.set_index("field")


@pytest.mark.parametrize("profile", methodology.PROFILES)
def test_nothing_that_llama_2_discloses_is_imputed(disclosed, profile):
    estimate = fte.estimate(disclosed, profile=profile)
    origin = estimate.provenance.set_index("field")
    # Cells of the page's table, in the units of `runs`.
    cells = {
        "base_model": "Llama 2",
        "gpu_model": "Nvidia A100 80GB",
        "gpu_count": "4",
        "server_model": "HPE Apollo 6500 Gen10 Plus",
        "server_count": "1",
        "location": "AWS US West (Oregon)",
        "reserved_s": "43200",
        "cpu_utilization": "0.12",
        "gpu_utilization": "0.47",
    }
    assert origin.loc[list(cells), "value"].to_dict() == cells
    assert set(origin.loc[list(cells), "basis"]) == {"disclosed"}
    assert set(origin.loc[list(cells), "rule"]) == {"as_logged"}
    for identity in ("gpu_id", "server_id", "country_iso3", "cloud_provider"):
        assert origin.loc[identity, "basis"] == "disclosed"
    assert estimate.runs["quality_tier"].tolist() == ["B"]


def test_llama_2_in_the_published_profile_without_rounding(disclosed, monkeypatch):
    """Facts 1.9, computed by hand: 4 x 0.428 kW x 12 h; (4 x 318 + 2500) / 33288 x 12 h."""
    profile = replace(
        methodology.PROFILES["scope3-2024"], name="unrounded", significant_digits=None
    )
    monkeypatch.setitem(methodology.PROFILES, "unrounded", profile)
    run = fte.estimate(disclosed, profile="unrounded").runs.iloc[0]
    assert run["it_energy_kwh"] == pytest.approx(20.544, abs=0.0005)
    assert run["embodied_kgco2e"] == pytest.approx(1.360, abs=0.0005)
    assert run["embodied_water_l"] == pytest.approx(0.594, abs=0.0005)


def test_llama_2_in_the_published_profile_carries_three_digits_on(disclosed):
    run = fte.estimate(disclosed, profile="scope3-2024").runs.iloc[0]
    assert run["it_energy_kwh"] == pytest.approx(20.544, abs=0.0005)
    assert run["embodied_kgco2e"] == pytest.approx(0.113 * 12, rel=1e-12)
    # Electricity water of the eGRID subregion NWPP, 9.48 L/kWh (facts 1.9: 194.8 L without PUE)
    assert run["electricity_water_l"] == pytest.approx(194.8, abs=0.05)


@pytest.mark.parametrize(
    ("field", "basis"),
    [
        ("gpu_id", "default"),
        ("server_id", "default"),
        ("gpu_count", "default"),
        ("server_count", "default"),
        ("active_s", "predicted"),
        ("reserved_s", "predicted"),
        ("gpu_utilization", "predicted"),
        ("cpu_utilization", "default"),
        ("it_energy_kwh", "predicted"),
        ("tokens_padded", "disclosed"),
        ("started_at", "disclosed"),
        ("cloud_provider", "disclosed"),
    ],
)
def test_bedrock_labels_what_it_had_to_guess(bedrock, field, basis):
    _, origin = bedrock
    assert origin.loc[field, "basis"] == basis


def test_bedrock_guesses_name_their_rule_and_factor(bedrock):
    estimate, origin = bedrock
    guessed = origin[origin["basis"] == "default"]
    assert guessed["rule"].notna().all()
    assert guessed["factor_id"].notna().all()
    # The 48,123 tokens of the page at 6 FLOP for each of 6.74e9 parameters of the usual Llama 2,
    # and attention's 12 x 32 layers x 4096 x half of the usual 512 tokens, as each looks back only.
    per_token = 6 * 6.74e9 + 12 * 32 * 4096 * 512 / 2
    assert float(origin.loc["train_flop", "value"]) == pytest.approx(per_token * 48_123, rel=1e-9)
    assert estimate.runs["quality_tier"].tolist() == ["D"]


def test_bedrock_has_a_wide_interval_and_disclosed_hardware_a_narrower_one(bedrock, disclosed):
    run = bedrock[0].runs.iloc[0]
    known = fte.estimate(disclosed).runs.iloc[0]
    for total in ("total_kgco2e", "total_water_l"):
        width = run[f"{total}_p95"] / run[f"{total}_p05"]
        assert width > 5
        assert width > 2 * known[f"{total}_p95"] / known[f"{total}_p05"]


def test_bedrock_is_reserved_for_longer_than_it_computes(bedrock):
    """So few tokens take seconds; start-up is what a reservation of this size consists of."""
    run = bedrock[0].normalized.iloc[0]
    assert run["active_s"] < 60
    assert run["reserved_s"] - run["active_s"] == pytest.approx(
        900, rel=1e-9
    )  # managed_services.csv


def test_amortisation_of_the_fine_tuning_page_comes_out():
    """12.8 kgCO2e and 18.3 L a day, 1000 inferences a day, re-tuned daily.

    The run may be off by a factor of 2 or 3, each expectation by 1.64 at one standard deviation.
    """
    run = {"gpu_count": 4, "reserved_s": 3600, "expected_use_life_days": 1,
           "expected_inferences_per_day": 1000}  # fmt: skip
    estimate = fte.estimate(run)
    impacts = estimate.runs.assign(
        total_kgco2e=12.8, total_kgco2e_p05=6.4, total_kgco2e_p95=25.6,
        total_water_l=18.3, total_water_l_p05=6.1, total_water_l_p95=54.9,
    )  # fmt: skip
    shared = stages.expected_per_inference(impacts, estimate.provenance).iloc[0]
    expected = 1.644854 * np.sqrt(2) * np.log(1.64)
    carbon, water = (np.exp(np.hypot(np.log(factor), expected)) for factor in (2, 3))
    assert shared["inferences"] == 1000
    assert shared["gco2e_per_inference"] == pytest.approx(12.8, rel=1e-12)
    assert shared["gco2e_per_inference_p95"] == pytest.approx(12.8 * carbon, rel=1e-6)
    assert shared["water_ml_per_inference"] == pytest.approx(18.3, rel=1e-12)
    assert shared["water_ml_per_inference_p05"] == pytest.approx(18.3 / water, rel=1e-6)


def test_water_of_an_a100_follows_from_its_wafer():
    """A100 page: 137.3 L per layer, 87 layers, 29 chips; the table carries the product."""
    row = describe(load(), "gpu_water/A100-SXM4-80GB")
    assert row["embodied_water_l"] == pytest.approx(137.3 * 87 / 29, rel=1e-9)


def test_a_run_without_expected_inferences_has_no_share_per_inference():
    shared = fte.estimate(BLOOM).per_inference
    assert shared["run_id"].tolist() == ["bloom"]
    assert pd.isna(shared["gco2e_per_inference"]).all()
