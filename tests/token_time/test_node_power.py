"""Power at the plug of an 8-GPU server in training, against what others measured."""

import pytest

import ft_emissions_pipeline as fte

RATED_KW = 10.2
INTENSIVE = 0.76
"""Share of it that computationally intensive training draws on a node of 8 H100, measured at
Brookhaven (Newkirk et al. 2025, arXiv:2506.14551, abstract)."""

MOST_KW = 8.4
"""The most that such a node drew (Latif et al. 2024, arXiv:2412.08602, abstract)."""

AT_REST_KW = 1.86
"""What such a node drew at rest (Newkirk et al. 2025, as others quote its text)."""

LLAMA_2_13B = {
    "base_model": "Llama 2 13B", "method": "full", "gpu_model": "H100-SXM5-80GB",
    "server_model": "dgx-h100", "gpu_count": 8, "server_count": 1, "tokens_padded": 1e9,
    "sequence_length": 4096, "micro_batch_size": 4, "gradient_accumulation": 4,
    "precision": "bf16",
}  # fmt: skip
"""One of the trainings that were measured; batch and length are ours."""


def test_an_h100_node_in_training_draws_what_was_measured_of_one():
    est = fte.estimate(LLAMA_2_13B)
    hours = est.normalized["reserved_s"][0] / 3600
    energy = est.provenance.set_index("field").loc["it_energy_kwh"]
    kilowatts = est.normalized["it_energy_kwh"][0] / hours
    assert energy["p05"] / hours < INTENSIVE * RATED_KW < energy["p95"] / hours
    assert kilowatts < MOST_KW
    # No farther off than the model of that study is: 11 %.
    assert kilowatts / (INTENSIVE * RATED_KW) == pytest.approx(1.0, abs=0.11)


def test_an_h100_node_at_rest_draws_what_was_measured_of_one():
    half, whole = (
        fte.estimate({**LLAMA_2_13B, "reserved_s": 7200.0, "active_s": active})
        for active in (3600.0, 7200.0)
    )
    half_kwh, whole_kwh = (est.normalized["it_energy_kwh"][0] for est in (half, whole))
    assert half_kwh - whole_kwh / 2 == pytest.approx(AT_REST_KW, rel=0.005)
