"""Tokens by every route, and which route goes first."""

import pytest
from missing_fields import CASES, log_sd_of

import ft_emissions_pipeline as fte


def test_sequences_of_unknown_length_tell_a_time_with_the_widest_interval(filled, origins):
    """1000 samples x the usual 512 tokens: defaults.csv."""
    assert filled.loc["samples alone", "tokens_padded"] == 1000 * 512
    alone, limited = (origins.loc[(case, "active_s")] for case in ("samples alone", "samples"))
    assert log_sd_of(alone) > 2 * log_sd_of(limited)


def test_samples_count_every_sequence_at_its_limit(filled):
    assert filled.loc["samples", "tokens_padded"] == 1000 * 512 * 3


def test_steps_count_every_sequence_of_every_device_at_its_limit(filled):
    assert filled.loc["steps", "tokens_padded"] == 100 * 4 * 2 * 8 * 512


def test_the_trainers_operations_tell_tokens_by_parameters_without_embeddings(filled):
    """1e18 / (6 x 6.74e9 parameters), of which the usual 0.08 are embeddings: defaults.csv."""
    tokens = 1e18 / (6 * 6.74e9 * (1 - 0.08))
    assert filled.loc["trainer", "tokens_padded"] == pytest.approx(tokens, rel=1e-9)


def tokens_of(**fields):
    run = {"base_model": "Llama 2 7B", **fields}
    rows = fte.estimate(run).provenance.set_index("field")
    return (
        tuple(rows.loc["tokens_padded", ["rule", "value"]])
        if "tokens_padded" in rows.index
        else None
    )


STEPS = {
    "steps": 100.0,
    "micro_batch_size": 4.0,
    "gradient_accumulation": 2.0,
    "sequence_length": 512.0,
}


def test_a_tracked_count_goes_before_every_route():
    rule, value = tokens_of(tokens_padded=5e6, train_flop=1e18, **STEPS, world_size=8.0)
    assert (rule, value) == ("as_logged", "5000000")


def test_devices_are_the_accelerators_that_were_logged_but_no_guess():
    assert tokens_of(**STEPS, gpu_count=2.0) == ("padded_from_steps", str(100 * 4 * 2 * 2 * 512))
    assert tokens_of(**STEPS, reserved_s=3600.0) is None


def test_operations_tell_no_tokens_of_a_model_that_nobody_names():
    rows = fte.estimate({"train_flop": 1e18, "gpu_count": 1}).provenance
    assert "tokens_padded" not in set(rows["field"])


def test_tokens_with_padding_are_no_fewer_than_without():
    rule, value = tokens_of(tokens_unpadded=9e9, train_flop=1e18)
    assert (rule, float(value)) == ("padded_from_flop", 9e9)


@pytest.mark.parametrize("case", [name for name in CASES if name.startswith("tokens, ")])
def test_tokens_of_an_unknown_model_tell_the_time_whatever_else_is_known(default, case):
    run = default.runs.set_index("run_id").loc[case]
    assert 0 < run["total_kgco2e_p05"] <= run["total_kgco2e"] <= run["total_kgco2e_p95"]
