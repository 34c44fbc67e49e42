"""Operations by hand, the physical model's limits, fits, the artefact, intervals, own runs."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import ft_emissions_pipeline as fte
from ft_emissions_pipeline import methodology, normalize, reference, tables, token_time
from ft_emissions_pipeline.normalize import tokens
from ft_emissions_pipeline.token_time import (
    evaluate,
    flops,
    own_runs,
    prior,
    throughput,
    training_rates,
)
from ft_emissions_pipeline.token_time.model import from_json, from_rows, to_json, to_rows
from ft_emissions_pipeline.token_time.workload import GENERATIONS, STACKS, peak, workload

DOCS = Path(__file__).resolve().parents[2] / "docs"
N = 6.74e9  # Llama 2 7B: 32 layers of width 4096
ATTENTION = 4 * 32 * 4096 * 2048.0  # forward, 2048 tokens

RUN = {
    "model_id": "llama-2-7b", "parameters": N, "method": "full", "precision": "bf16",
    "gradient_checkpointing": 0.0, "sequence_length": 2048.0, "micro_batch_size": 4.0,
    "gradient_accumulation": 8.0, "gpu_id": "A100-SXM4-80GB", "gpu_count": 1.0,
}  # fmt: skip


@pytest.fixture(scope="module")
def factors():
    return reference.load()


def work(factors, *changes):
    rows = pd.DataFrame([{**RUN, **changed} for changed in changes or ({},)])
    return workload(rows.astype({"model_id": "str"}), factors)


def predict(factors, *changes, **known):
    return token_time.predict(token_time.packaged(), work(factors, *changes), **known)


@pytest.mark.parametrize(
    ("method", "parameters", "attention"),
    [("full", 6, 3), ("continued_pretraining", 6, 3), ("lora", 4, 3), ("qlora", 4, 3),
     ("adapter", 4, 3), ("dpo", 8, 4), ("distillation", 6, 3), (np.nan, 6, 3)],
)  # fmt: skip
def test_operations_per_token_by_method(method, parameters, attention):
    found = flops.flop_per_token(pd.Series([method], dtype="str"), N, attention=ATTENTION)
    assert found == pytest.approx(parameters * N + attention * ATTENTION, rel=1e-12)


def test_checkpointing_makes_the_forward_pass_again():
    """8 N for full fine-tuning, 6 N for LoRA, and a fourth pass over attention."""
    of = pd.Series(["full", "lora"])
    found = flops.flop_per_token(of, N, attention=ATTENTION, recomputed=1.0)
    assert found == pytest.approx([8 * N + 4 * ATTENTION, 6 * N + 4 * ATTENTION], rel=1e-12)


def test_adapters_are_trained_in_full():
    """Rank 16 on four matrices of 32 layers: 8 x 32 x 4096 x 16 = 16,777,216 parameters, 6 each."""
    adapters = flops.lora_parameters(16, 32, 4096)
    assert adapters == 16_777_216
    found = flops.flop_per_token(pd.Series(["lora"]), N, adapter_parameters=adapters)
    assert found == pytest.approx(4 * N + 6 * 16_777_216, rel=1e-12)


def test_causal_attention_equals_the_parameters_at_about_twelve_widths(factors):
    """6 L d s = 6 N at s = N / (L d) = 51,422 for Llama 2 7B."""
    long = work(factors, {"sequence_length": N / (32 * 4096)})
    assert long.flop_attention == pytest.approx(long.flop_parameters, rel=1e-9)


def test_an_encoders_token_sees_the_whole_sequence():
    """Both count 4 L d s = 4 x 32 x 4096 x 2048 for the square; below its diagonal lies half."""
    assert flops.attention_forward(32, 4096, 2048, [False, True]).tolist() == [2**30, 2**29]


def test_every_method_of_a_run_has_operations():
    assert set(flops.PARAMETER_PASSES) == set(flops.ATTENTION_PASSES) == set(tables.METHODS)


def test_an_encoder_looks_its_embeddings_up(factors):
    """BERT base: 12 blocks x 12 x 768^2 = 84,934,656 of 110e6 parameters."""
    found = work(factors, {"model_id": "bert-base", "parameters": 110e6})
    assert found.forward_parameters == pytest.approx(2 * 84_934_656)


def test_a_mixture_passes_a_token_through_its_active_parameters(factors):
    found = work(factors, {"model_id": "mixtral-8x7b", "parameters": 46.7e9})
    assert found.flop_parameters == pytest.approx(6 * 12.9e9)
    assert found.sparsity == pytest.approx(np.log(46.7 / 12.9))


def test_active_parameters_that_a_run_tells_go_before_its_models(factors):
    found = work(
        factors, {"model_id": "mixtral-8x7b", "parameters": 46.7e9, "active_parameters": 2e9}
    )
    assert found.flop_parameters == pytest.approx(6 * 2e9)


@pytest.mark.parametrize(
    ("gpu_id", "generation"),
    [("V100-SXM2-32GB", "nvidia_16bit"), ("A100-SXM4-80GB", "nvidia_int8"), ("L40S", "nvidia_fp8"),
     ("H100-SXM5-80GB", "nvidia_fp8"), ("B200-180GB", "nvidia_fp4"), ("MI300X", "amd"),
     ("Gaudi2", "intel")],
)  # fmt: skip
def test_generations_of_accelerators(factors, gpu_id, generation):
    assert GENERATIONS[work(factors, {"gpu_id": gpu_id}).generation[0]] == generation


@pytest.mark.parametrize(
    ("gpu_id", "fp8_tflops"),
    [("H100-SXM5-80GB", 1978.8), ("Gaudi3", 1835.0), ("A100-SXM4-80GB", 312.0)],
)
def test_each_card_has_its_own_peak_in_8_bits(factors, gpu_id, fp8_tflops):
    """Data sheets: Hopper is twice as fast in 8 bits, Gaudi 3 hardly, Ampere has no such units."""
    found = peak(work(factors, {"gpu_id": gpu_id}), np.array(["fp8"]))
    assert found == pytest.approx(fp8_tflops * 1e12)


@pytest.mark.parametrize(
    ("gpu_id", "attained"),
    [("A100-SXM4-80GB", 271.2 / 312), ("MI300X", 668.4 / 1307.4), ("H100-PCIE-80GB", 794.5 / 989),
     ("V100-SXM2-32GB", 0.87)],
)  # fmt: skip
def test_a_card_attains_what_was_measured_or_what_its_generation_does(factors, gpu_id, attained):
    """Bekman's table of matrix products; of Hopper the H100 is in the middle, of Volta none is."""
    found = work(factors, {"gpu_id": gpu_id}).attained
    assert np.exp(found) * 0.87 == pytest.approx(attained, rel=0.01)


def test_fused_kernels_save_about_a_sixth_of_a_long_step(factors):
    """Liger Kernel states 20 % more tokens per second; nobody's rows may undo that by much."""
    plain, fused, unsloth = predict(
        factors, {}, {"fused_kernels": True}, {"software": "unsloth"}
    ).log_s
    assert np.exp(plain - fused) == pytest.approx(1.2, abs=0.1)
    assert unsloth == pytest.approx(fused)
    told = predict(factors, {"software": "unsloth", "fused_kernels": False}).log_s
    assert told == pytest.approx(plain)


@pytest.mark.parametrize(("kernel", "of_flash"), [("eager", 2.0), ("sdpa", 1.0)])
def test_eager_attention_of_a_decoder_computes_what_lies_ahead_too(factors, kernel, of_flash):
    """Dao 2023, section 4.1: leaving out what a mask hides halves the operations."""
    flash = work(factors, {"attention_kernel": "flash_attention", "sequence_length": 8192.0})
    other = work(factors, {"attention_kernel": kernel, "sequence_length": 8192.0})
    assert other.flop_attention / flash.flop_attention == pytest.approx(of_flash)


def test_several_accelerators_lengthen_a_short_step(factors):
    short = {"tokens_per_micro_step": 16.0, "method": "lora"}
    one, two = np.exp(predict(factors, short, {**short, "gpu_count": 2.0}).log_s)
    added = token_time.packaged().coefficients["latency_several_gpus"]
    assert added > 0.1
    assert two / one == pytest.approx(np.exp(added), rel=0.1)


@pytest.mark.parametrize(("errors", "chosen"), [
    ([1.0, 1.0, 1.0], "all effects"), ([0.9, 0.9, 1.0], "fewer"), ([0.2, 1.1, 1.3], "all effects"),
])  # fmt: skip
def test_effects_are_left_out_only_if_surely_worse(errors, chosen):
    """Gains of 0.1, 0.1, 0 lie 2 standard errors off; of 0.8, -0.1, -0.3 0.4 of one."""
    found = {"all effects": np.ones(3), "fewer": np.array(errors)}
    assert prior.surely_best(found) == chosen


@pytest.mark.parametrize(
    ("software", "stack"),
    [("trl", "hf_trainer"), ("axolotl", "hf_trainer"), ("unsloth", "unsloth"),
     ("maxtext", "maxtext")],
)  # fmt: skip
def test_what_is_built_on_the_trainer_has_its_pace(factors, software, stack):
    assert STACKS[work(factors, {"software": software}).software[0]] == stack


def test_an_interval_narrows_where_the_software_was_seen(factors):
    seen, unseen, untold = (
        predict(factors, {"software": name}) for name in ("hf_trainer", "torchtune", np.nan)
    )
    assert seen.log_sd < 0.95 * untold.log_sd
    assert unseen.log_sd >= untold.log_sd
    assert unseen.log_s == untold.log_s
    assert seen.log_s != untold.log_s


def test_what_few_laboratories_tell_widens_the_interval(factors):
    """One laboratory measured AMD, none other makers' accelerators, many Ampere."""
    known, amd, other = (
        predict(factors, {"gpu_id": name}).log_sd for name in ("A100-SXM4-80GB", "MI300X", "TPU-v4")
    )
    assert known < amd < other


def test_continued_pretraining_is_a_tuned_recipe(factors):
    slow, tuned = predict(factors, {}, {"method": "continued_pretraining"}).log_s
    assert tuned < slow


def test_long_steps_take_the_share_of_the_peak_and_short_ones_the_latency(factors):
    """At 2^20 tokens a token's time hardly falls further; at 1 token it is a step's."""
    steps = [{"tokens_per_micro_step": t} for t in (1.0, 2.0, 2.0**20, 2.0**21)]
    one, two, long, longer = np.exp(predict(factors, *steps).log_s)
    assert one / two == pytest.approx(2.0, rel=1e-3)
    assert longer / long == pytest.approx(1.0, abs=0.01)
    share = np.exp(token_time.packaged().coefficients["share_of_peak"])
    operations = work(factors).flop_parameters[0]
    assert long == pytest.approx(operations / (312e12 * share), rel=0.1)


@pytest.mark.parametrize(
    "hidden", ["precision", "gradient_checkpointing", "micro_batch_size", "sequence_length"]
)
def test_what_is_not_known_widens_the_interval(factors, hidden):
    """On an H100, which may compute in 8 bits."""
    here = {"gpu_id": "H100-SXM5-80GB"}
    known, unknown = predict(factors, here), predict(factors, {**here, hidden: np.nan})
    assert unknown.log_sd > known.log_sd


def test_unknown_hardware_and_tokens_widen_the_interval(factors):
    known = predict(factors, {}).log_sd
    for name in ("hardware_known", "tokens_known"):
        assert predict(factors, {}, **{name: np.array([False])}).log_sd > 1.5 * known


def test_beyond_the_calibration_is_said_and_widens_the_interval(factors):
    inside, outside = (
        predict(factors, {}),
        predict(factors, {"parameters": 5e13, "model_id": np.nan}),
    )
    assert inside.beyond == [0]
    assert token_time.model.names_of(int(outside.beyond[0])) == ["parameters"]
    assert outside.log_sd > inside.log_sd


def test_flags_of_the_calibration_are_those_of_the_rules(factors):
    table = factors.tables["calibration"]
    gpus = factors.tables["gpus"].set_index("gpu_id")["tdp_w"]
    capped = table["power_limit_w"] < table["gpu_id"].map(gpus)
    assert (table["flag"] == "power_capped").tolist() == capped.tolist()
    plain = reference.Reference(
        {**factors.tables, "calibration": table.assign(flag=table["flag"].where(capped))},
        factors.version, factors.folder,
    )  # fmt: skip
    rows = training_rates.rated_rows(plain)
    made = (rows.work.flop_parameters + rows.work.flop_attention) / np.exp(rows.log_s)
    fastest = np.where(rows.work.format_unknown, "fp8", rows.work.format)
    # No training reaches 90 % of a peak: such a row has another length or count than stated.
    above = rows.table["row_id"][made > 0.9 * peak(rows.work, fastest)]
    assert set(above) == set(table["row_id"][table["flag"] == "above_peak"])


def test_the_packaged_prior_is_the_fit_of_the_calibration(factors):
    rows = training_rates.rated_rows(factors)
    theta, _ = token_time.fit.coefficients(
        rows.work, rows.log_s, rows.weights, training_rates.shares(factors)
    )
    packaged = token_time.packaged()
    assert packaged.training["rows_hash"] == own_runs.training_rates_hash(factors), (
        "run `ft-emissions token-time fit` and commit what it writes"
    )
    assert theta == pytest.approx(packaged.theta, abs=1e-3)


def test_an_outlier_hardly_moves_the_fit(factors):
    rows = training_rates.rated_rows(factors)
    shares = training_rates.shares(factors)
    before, _ = token_time.fit.coefficients(rows.work, rows.log_s, rows.weights, shares)
    wrong = rows.log_s.copy()
    wrong[0] += np.log(1000.0)
    after, sd = token_time.fit.coefficients(rows.work, wrong, rows.weights, shares)
    assert np.abs((after - before) / sd).max() < 0.5


def test_the_artefact_comes_back_and_an_edited_one_is_refused():
    model = token_time.packaged()
    assert from_json(to_json(model)).version == model.version
    assert from_rows(to_rows(model), model.version).coefficients == pytest.approx(
        model.coefficients
    )
    edited = json.loads(to_json(model))
    edited["coefficients"]["latency"] += 0.1
    with pytest.raises(ValueError, match="fit it anew"):
        from_json(json.dumps(edited))


def test_quantile_counts_the_row_to_come():
    scores = np.arange(1.0, 11.0)
    assert token_time.fit.quantile_of(scores, np.ones(10)) == 9.0
    assert token_time.fit.quantile_of(scores, np.ones(10), next_weight=1.0) == 10.0


def own(factors, count, factor, spread=0.0):
    """Return runs of several models that took `factor` times what the prior says."""
    draw = np.random.default_rng(3)
    frame = pd.DataFrame([RUN] * count).assign(
        run_id=[f"r{i}" for i in range(count)], model_name=[f"m{i % 7}" for i in range(count)],
        family="Llama 2", software="torchtune", tokens=1e8, date=pd.Timestamp("2024-05-01"),
        micro_batch_size=draw.choice([1.0, 2.0, 8.0], count),
    )  # fmt: skip
    rate = token_time.predict(token_time.packaged(), workload(frame, factors)).log_s
    return frame.assign(active_s=1e8 * np.exp(rate + spread * draw.standard_t(4, count)) * factor)


def test_own_runs_shift_the_model_and_outliers_do_not(factors):
    runs = own(factors, 60, 1.5, 0.05)
    runs.loc[0, "active_s"] *= 1e4
    model, better = own_runs.teach(token_time.packaged(), runs, factors)
    assert better
    members = {name: runs[name] for name in own_runs.MEMBERS}
    found = token_time.predict(model, workload(runs, factors), members=members)
    plain = token_time.predict(token_time.packaged(), workload(runs, factors))
    assert np.exp(found.log_s - plain.log_s) == pytest.approx(1.5, rel=0.1)
    assert (found.log_sd < plain.log_sd).all()


def test_a_stack_once_seen_in_own_runs_narrows_the_interval(factors):
    """Own runs were torchtune's; nobody published rows of it, nor of MaxText."""
    runs = own(factors, 60, 1.5, 0.05)
    model, better = own_runs.teach(token_time.packaged(), runs, factors)
    assert better

    def widths(software, gpu_id):
        run = runs.head(1).assign(software=software, gpu_id=gpu_id)
        members = {name: run[name] for name in own_runs.MEMBERS}
        work_ = workload(run, factors)
        found = (token_time.predict(each, work_, members=members)
                 for each in (token_time.packaged(), model))  # fmt: skip
        return [float(each.log_sd[0]) for each in found]

    before, after = widths("torchtune", "A100-SXM4-80GB")
    assert after < 0.5 * before
    before, elsewhere = widths("torchtune", "H100-SXM5-80GB")
    assert after < elsewhere < 0.95 * before
    before, other = widths("maxtext", "A100-SXM4-80GB")
    assert other == before


def test_a_run_of_an_unknown_family_has_no_familys_offset():
    """One family is slow; runs without a family are as predicted, whatever family comes last."""
    residual = np.array([0.0] * 40 + [0.5] * 40)
    family = pd.Series([np.nan] * 40 + ["slow"] * 40, dtype="str")
    taught = token_time.fit.offsets(residual, {"family": family})
    assert taught["all"]["all"] + taught["family"]["slow"] == pytest.approx(0.5, abs=0.02)
    assert taught["all"]["all"] == pytest.approx(0.0, abs=0.05)
    added = token_time.fit.added(taught, {"family": family})
    assert added[[0, -1]] == pytest.approx(
        [taught["all"]["all"], sum(t for by in taught.values() for t in by.values())]
    )
    nobody = token_time.fit.offsets(residual, {"family": pd.Series([np.nan] * 80, dtype="str")})
    assert nobody["family"] == {}
    assert 0.0 < nobody["all"]["all"] < 0.5


def test_own_runs_teach_the_pace_of_a_laboratory(factors):
    """One laboratory is made three times as slow as it was; another has too few rows to tell."""
    table = factors.tables["calibration"]
    slow = table["laboratory"] == "mlperf"
    kept = table[slow | table["laboratory"].isin(["qwen", "rocm-blog-llama2"])].copy()
    kept.loc[slow, "tokens_per_s_per_gpu"] /= 3.0
    changed = reference.Reference(
        {**factors.tables, "calibration": kept.reset_index(drop=True)},
        factors.version,
        factors.folder,
    )
    trials = evaluate.own_run_trials(changed).set_index(["laboratory", "given"])
    told = trials.loc[("mlperf", 25)]
    assert told["left"] == 26
    assert told["in_force"] == 1.0
    assert told["without_bias_percent"] < -50
    assert abs(told["with_bias_percent"]) < 20
    assert trials.loc[("rocm-blog-llama2", 20), "in_force":].isna().all()
    printed = evaluate.own_runs_markdown(trials.reset_index())
    assert "1 of 3 laboratories with 20 own rows, 1 with half of them" in printed


def test_few_own_runs_leave_the_prior_in_force(factors):
    days = pd.DatetimeIndex(["2024-04-30", "2024-05-01"])
    table = token_time.parameters(factors, days, own(factors, own_runs.ENOUGH - 1, 2.0))
    assert set(table["factor_id"]) == {f"token_time/{token_time.packaged().version}"}
    assert token_time.parameters(factors, pd.DatetimeIndex([])).empty


def test_a_day_learns_from_runs_up_to_itself_alone(factors):
    days = pd.DatetimeIndex(["2024-04-30", "2024-05-01"])
    table = token_time.parameters(factors, days, own(factors, 40, 2.0))
    versions = table.groupby("date")["factor_id"].unique().map(list)
    assert versions.iloc[0] == [f"token_time/{token_time.packaged().version}"]
    assert versions.iloc[1] != versions.iloc[0]


def test_a_day_rests_on_its_prior_whatever_own_runs_taught_it(factors):
    days = pd.DatetimeIndex(["2024-04-30", "2024-05-01"])
    table = token_time.parameters(factors, days, own(factors, 40, 2.0))
    prior = token_time.packaged()
    assert list(token_time.days_resting_on(prior, table)) == list(days)
    other = replace(prior, widths={**prior.widths, "known": 9.0})
    assert token_time.days_resting_on(other, table).empty
    cut = table[(table["date"] == days[0]) | (table["parameter"] != "widths:known")]
    assert list(token_time.days_resting_on(prior, cut)) == [days[0]]
    assert token_time.days_resting_on(prior, table.head(0)).empty


def test_a_fit_that_does_worse_on_held_out_runs_is_kept_but_not_in_force(factors):
    """Each registered model has a pace of its own, so the others' mean leads astray."""
    runs = own(factors, 42, 1.0)
    pace = {"m0": 8.0}
    runs["active_s"] *= runs["model_name"].map(pace).fillna(1.0)
    exact = runs["model_name"].isin(["m1", "m2"])
    runs.loc[exact, "active_s"] *= 1.3
    table = token_time.parameters(factors, pd.DatetimeIndex(["2024-05-01"]), runs)
    _, better = own_runs.teach(token_time.packaged(), runs, factors)
    assert not better
    assert set(table["status"]) == {"in_force", "candidate"}
    chosen = token_time.models_by_day(table)[0][0]
    assert chosen.version == token_time.packaged().version


def test_runs_that_log_tokens_and_time_teach(factors):
    runs = fte.read_runs(Path(__file__).resolve().parents[2] / "examples" / "landing")[0]
    taught = normalize.timed_work(runs, factors, methodology.profile("default"))
    assert (taught["tokens"] > 0).all()
    assert (taught["active_s"] > 0).all()
    assert taught["gpu_id"].notna().all()
    # The pipeline looks only at runs with a field of `TELLING`.
    told = runs[runs[list(tokens.TELLING)].notna().any(axis=1)].reset_index(drop=True)
    assert 0 < len(told) < len(runs)
    profile = methodology.profile("default")
    pd.testing.assert_frame_equal(normalize.timed_work(told, factors, profile), taught)


@pytest.mark.parametrize("rule", tokens.TOKENS, ids=lambda rule: rule.name)
def test_tokens_are_told_from_columns_by_which_runs_are_picked(rule):
    either = [{need} if isinstance(need, str) else set(need) for need in rule.needs]
    assert any(need <= set(tokens.TELLING) for need in either)


def estimate(**fields):
    found = fte.estimate(
        {"base_model": "Llama 2 7B", "gpu_model": "A100 80GB", "gpu_count": 1, **fields}
    )
    return found.provenance.set_index("field")


def test_tokens_of_none_tell_nothing():
    with pytest.raises(ValueError, match="above 0"):
        estimate(tokens_padded=0)


def test_parameters_in_billions_are_refused():
    with pytest.raises(ValueError, match="model_parameters"):
        estimate(model_parameters=7, tokens_padded=1e6)


def test_absurd_tokens_and_sizes_beyond_the_calibration_are_doubted():
    assert "longer than a year" in estimate(tokens_padded=1e11).loc["active_s", "source"]
    beyond = estimate(model_parameters=9e13, tokens_padded=1e6).loc["active_s", "source"]
    assert "beyond the calibrated range in parameters" in beyond


def test_an_unknown_base_model_is_named_with_the_size_taken():
    row = estimate(base_model="Lama-2", tokens_padded=1e6).loc["model_parameters"]
    assert (row["value"], row["basis"]) == ("7000000000", "default")
    assert "Lama-2" in row["source"]


def test_the_goals_for_time_on_laboratories_not_seen():
    held_out = token_time.packaged().training["held_out"]
    assert held_out["median_error_percent"] <= 20.0
    assert held_out["mean_of_laboratories_error_percent"] <= 25.0
    assert held_out["mean_width_factor"] <= 3.0


def test_the_published_table_is_what_the_command_prints(factors):
    table = evaluate.evaluate(factors)
    text = (DOCS / "token_time.md").read_text(encoding="utf-8")
    own_runs_table = evaluate.own_runs_markdown(evaluate.own_run_trials(factors))
    for printed in (evaluate.markdown(table), own_runs_table):
        assert printed in text, "run `ft-emissions token-time evaluate` and paste it"
    known = table.iloc[0]
    assert 85.0 <= known["coverage_by_laboratory_percent"] <= 95.0
    baselines = table[(table["quantity"] == known["quantity"]) & (table.index > 0)]
    error = "mean_of_laboratories_error_percent"
    assert (baselines[error] > 2.0 * known[error]).all()


def test_the_bedrock_page_has_the_numbers_of_the_code():
    found = fte.estimate(
        {"base_model": "Llama 2 7B", "managed_service": "AWS Bedrock", "cloud_region": "us-west-2",
         "started_at": "2024-07-06T17:01:00Z", "tokens_padded": 48_123}
    )  # fmt: skip
    run, impact = found.normalized.iloc[0], found.runs.iloc[0]
    rows = found.provenance.set_index("field")
    text = (DOCS / "a_bedrock_job_of_48123_tokens.md").read_text(encoding="utf-8")
    energy = impact["it_energy_kwh"]
    for said in (
        f"{run['active_s']:.1f} s", f"{run['reserved_s']:.0f} s",
        f"{rows.loc['reserved_s', 'p05']:.0f} s to {rows.loc['reserved_s', 'p95']:.0f} s",
        f"{rows.loc['active_s', 'p05']:.1f} s to {rows.loc['active_s', 'p95']:.0f} s",
        f"{energy:.2f} kWh", f"{run['gpu_utilization']:.2f}", f"{run['gpu_count']:.0f} x",
        f"{100 * run['active_s'] / run['reserved_s']:.2f} %",
        f"{impact['total_kgco2e_p05']:.2f} to {impact['total_kgco2e_p95']:.2f} kgCO2e",
    ):  # fmt: skip
        assert said in text, said


def test_every_coefficient_has_a_meaning():
    assert all(c.meaning for c in throughput.COEFFICIENTS.values())
