"""Accelerators, servers and models: by name, by count, by guess."""

import re

import numpy as np
import pytest
from missing_fields import log_sd_of

import ft_emissions_pipeline as fte


@pytest.mark.parametrize(
    ("case", "gpus", "servers"),
    [
        ("least", 8, 1),
        ("two servers", 16, 2),
        ("many gpus", 20, 3),  # 20 in servers of 8
        ("instance", 8, 1),
        ("part of a server", 1, 1 / 8),  # instances.csv: g5.xlarge
        ("service", 8, 1),
        ("service, part of a server", 2, 2 / 8),
        ("service, two servers", 16, 2),  # the service's profile is of 8 accelerators
        ("no gpu", 0, 1),
    ],
)
def test_counts_fit_the_servers(filled, case, gpus, servers):
    assert filled.loc[case, "gpu_count"] == gpus
    assert filled.loc[case, "server_count"] == pytest.approx(servers, rel=1e-12)


@pytest.mark.parametrize(
    ("named", "gpus", "servers"),
    [
        ({"instance_type": "p4d.24xlarge", "server_count": 2}, 16, 2),
        ({"instance_type": "g5.xlarge", "server_count": 2}, 2, 2 / 8),  # an eighth of a host each
        ({"instance_type": "2x g5.xlarge"}, 2, 2 / 8),
        ({"instance_type": "2x g5.xlarge", "server_count": 3}, 6, 6 / 8),
        ({"instance_type": "p4d.24xlarge", "server_count": 2, "gpu_count": 12}, 12, 2),
        ({"instance_type": "g5.xlarge", "server_count": 0.25}, 1, 0.25),  # a share is no number
        ({"gpu_model": "A100-SXM4-80GB", "server_count": 2}, 16, 2),
        # NVIDIA, MIG user guide: a card has seven slices.
        ({"gpu_model": "NVIDIA A100-SXM4-80GB MIG 3g.40gb", "gpu_count": 1}, 3 / 7, 3 / 56),
        ({"gpu_model": "NVIDIA A100-SXM4-80GB MIG 3g.40gb"}, 3 / 7, 3 / 56),
        ({"gpu_model": "MIG 1g.10gb", "gpu_count": 2}, 2 / 7, 2 / 56),
    ],
)
def test_a_count_of_parts_is_none_of_whole_servers_or_cards(named, gpus, servers):
    estimate = fte.estimate(
        {"run_id": "r", "started_at": "2026-03-01T00:00Z", "reserved_s": 36_000, **named}
    )
    run = estimate.normalized.iloc[0]
    assert run["gpu_count"] == pytest.approx(gpus, rel=1e-12)
    assert run["server_count"] == pytest.approx(servers, rel=1e-12)


@pytest.mark.parametrize(
    ("name", "card"),
    [
        ("NVIDIA A100-SXM4-80GB MIG 3g.40gb", "A100-SXM4-80GB"),
        ("a100_3g.20gb", "A100-SXM4-40GB"),  # as Slurm names what it allocates
    ],
)
def test_slices_of_a_card_are_of_that_card(name, card):
    run = {"run_id": "r", "started_at": "2026-03-01T00:00Z", "reserved_s": 36_000}
    estimate = fte.estimate({**run, "gpu_model": name, "gpu_count": 2})
    assert estimate.normalized["gpu_id"].tolist() == [card]


@pytest.mark.parametrize(
    ("case", "field", "note"),
    [
        ("odd gpu", "gpu_id", "gpu_model 'A1000 80GB' .*gpus.csv; nearest: .*A100"),
        ("odd gpu in a server", "gpu_id", "gpu_model 'A1000 80GB' .*nearest: .*A100"),
        ("odd instance", "gpu_id", "instance_type 'zz9.plural-alpha' .*instances.csv"),
        ("odd gpu at a service", "gpu_id", "gpu_model 'A1000 80GB' .*nearest: .*A100"),
        ("odd server", "server_id", "server_model 'DGX A1000' .*servers.csv; nearest: .*DGX A100"),
        ("desktop", "server_id", "server_model 'under my desk' .*servers.csv; nearest: "),
        ("odd region", "country_iso3", "cloud_region 'us-west-9' .*nearest: .*us-west-"),
        ("odd place", "country_iso3", "location 'Netherland' .*nearest: .*Netherlands"),
        ("place like no other", "country_iso3", "location 'Xq' .*nearest: none"),
        ("odd model", "model_parameters",
         "base_model 'Lama-2' .*models.csv; nearest: .*[Ll]lama.2"),
        ("odd service", "gpu_id", "managed_service 'Bedrok' .*nearest: .*[Bb]edrock"),
    ],
)  # fmt: skip
def test_an_unknown_name_falls_back_with_a_note_of_the_nearest(origins, case, field, note):
    row = origins.loc[(case, field)]
    assert row["basis"] == "default"
    assert re.search(note, row["source"]), row["source"]


def test_a_desktop_of_unknown_name_is_no_cluster(filled):
    """A known accelerator in an unknown server gets its usual server, not the year's."""
    assert filled.loc["desktop", "server_id"] == "generic-workstation"


def test_a_gpu_disclosed_by_its_id_is_not_taken_for_a_guess(origins):
    """The id is also what a guess is named after; only a guess may be any accelerator."""
    by_id, by_alias, guessed = (
        origins.loc[(f"gpu {how}", "active_s")] for how in ("by id", "by alias", "guessed")
    )
    assert by_id["value"] == by_alias["value"] == guessed["value"]
    assert by_id["p95"] == by_alias["p95"]
    assert by_id["p95"] < guessed["p95"]


def test_disclosed_parameters_count_and_not_those_of_a_vague_name(filled):
    """6 x 13e9 per token, and attention's part of about a hundredth at the usual 512 tokens."""
    flop = filled.loc["size disclosed", "train_flop"]
    assert 6 * 13e9 * 1e6 < flop < 6 * 13e9 * 1e6 * 1.02


def test_a_mixture_of_experts_computes_with_its_active_parameters(filled):
    """6 x 12.9e9 and attention: 12 x 32 layers x 4096 x half of the usual 512 tokens, as each looks
    back only; models.csv.
    """
    per_token = 6 * 12.9e9 + 12 * 32 * 4096 * 512 / 2
    assert filled.loc["experts", "train_flop"] == pytest.approx(per_token * 1e6)


def test_a_guessed_device_may_be_any_of_its_kind_and_a_vague_name_any_of_its_variants(
    default, origins
):
    named, vague, guessed = (
        log_sd_of(origins.loc[(case, "gpu_max_w")])
        for case in ("gpu by id", "gpu by vague name", "gpu guessed")
    )
    gpus = default.reference.tables["gpus"].set_index("gpu_id")
    watts = np.log(gpus["tdp_w"])
    of_a100 = watts[watts.index.str.startswith("A100-")]
    part = np.log(1.15)  # gsd_hardware_power
    assert named == pytest.approx(part, rel=1e-6)
    assert vague == pytest.approx(np.hypot(part, of_a100.std()), rel=1e-6)
    # A server's card with matrix units, such as the common ones: no laptop, no card of 2013.
    of_servers = gpus["host_class"].eq("data_centre") & gpus["peak_16bit_tflops"].notna()
    assert guessed == pytest.approx(np.hypot(part, watts[of_servers].std()), rel=1e-6)
    assert guessed > vague > named


def test_a_derived_idle_power_has_the_interval_of_the_ratio_behind_it():
    """By hand: 0.12 (0.05 to 0.35) x 350 W, 0.17 (0.08 to 0.392) W/GB, 0.116 (0.044 to 0.143).

    The factors are those of defaults.csv.
    """
    run = {
        "reserved_s": 3600,
        "gpu_model": "NVIDIA H100 80GB HBM3",
        "server_model": "NVIDIA DGX H100",
    }
    rows = fte.estimate(run).provenance.set_index("field")
    for name, ratios in (
        ("cpu_idle_w", (0.05, 0.12, 0.35)),
        ("memory_w", (0.08, 0.17, 0.392)),
        ("gpu_idle_w", (0.044, 0.116, 0.143)),
        ("host_idle_w", (373.0, 670.0, 1200.0)),
        ("gpu_fan_w", (72.0, 104.0, 149.0)),
    ):
        row = rows.loc[name]
        low, middle, high = ratios
        value = float(row["value"])
        assert (row["p05"], row["p95"]) == pytest.approx(
            (value * low / middle, value * high / middle)
        )


def test_a_disclosed_use_life_never_widens_what_an_inference_carries():
    def width(**told):
        run = {
            "reserved_s": 3600,
            "gpu_model": "H100 SXM",
            "expected_inferences_per_day": 100,
            **told,
        }
        row = fte.estimate(run).per_inference.iloc[0]
        assert row["gco2e_per_inference_p05"] < row["gco2e_per_inference"]
        return row["gco2e_per_inference_p95"] / row["gco2e_per_inference_p05"]

    assert width(expected_use_life_days=30) < width()


def test_servers_that_are_told_hold_no_fewer_accelerators_than_the_work_needs():
    """Llama 2 70B in full: 70e9 x 16 bytes are 1,120 GB; 14 H100 of 80 GB, so 16."""
    work = {"base_model": "Llama 2 70B", "method": "full", "gpu_model": "H100", "active_s": 36e3}
    for told in ({}, {"server_count": 4.0}):
        row = fte.estimate({**work, **told}).provenance.set_index("field").loc["gpu_count"]
        assert (row["p05"], float(row["value"])) == (pytest.approx(16), 32)


@pytest.mark.parametrize(
    ("watts", "year", "card"),
    [
        (400, 2023, "A100-SXM4-80GB"), (400, 2025, "A100-SXM4-80GB"), (300, 2019, "V100-SXM2-16GB"),
        (700, 2024, "H100-SXM5-80GB"),
        # None of the year's most common cards has such a rating: the year's own stands in.
        (700, 2022, "A100-SXM4-80GB"), (450, 2024, "H100-SXM5-80GB"),
    ],
)  # fmt: skip
def test_a_power_tells_the_card_where_nothing_else_does(watts, year, card):
    day = {"published_at": f"{year}-06-30T00:00:00Z", "reserved_s": 3600.0}
    run = fte.estimate({**day, "gpu_max_w": watts}).normalized.iloc[0]
    assert (run["gpu_id"], run["gpu_max_w"]) == (card, watts)
    named = fte.estimate({**day, "gpu_max_w": watts, "gpu_model": "L40S"}).normalized.iloc[0]
    assert (named["gpu_id"], named["gpu_max_w"]) == ("L40S", watts)
