"""The measuring harness without torch: shapes, plan, rows, analysis of a known law."""

import numpy as np
import pandas as pd
import pytest

from benchmarks import gpu_campaign as campaign
from ft_emissions_pipeline import reference
from ft_emissions_pipeline.reference.declaration import TABLES


@pytest.fixture(scope="module")
def factors():
    return reference.load()


@pytest.fixture(scope="module")
def shapes(factors):
    return campaign.shapes(factors)


# Parameters of the checkpoints that their makers published under these names.
@pytest.mark.parametrize(
    ("model_id", "parameters"),
    [
        ("bert-base", 109_482_240),
        ("distilbert-base", 66_362_880),
        ("roberta-large", 355_359_744),
        ("gpt2", 124_439_808),
        ("gpt2-xl", 1_557_611_200),
        ("llama-3.2-1b", 1_235_814_400),
        ("llama-3.1-8b", 8_030_261_248),
    ],
)
def test_shapes_have_the_parameters_of_the_published_models(shapes, model_id, parameters):
    assert shapes[model_id].parameters == parameters


def test_shapes_agree_with_the_table_of_base_models(shapes, factors):
    stated = factors.tables["models"].set_index("model_id")["parameters"]
    for name, shape in shapes.items():
        assert shape.parameters == pytest.approx(stated[name], rel=0.04)


def test_the_plan_holds_what_fits(shapes):
    """0.6 x 80 = 48 GB holds 8.03e9 x 2 bytes with LoRA, not x 16 in full; 1.56e9 x 16 fits."""
    cases = campaign.plan(shapes, 80.0)
    tried = {(case.model_id, case.method) for case in cases}
    assert ("llama-3.1-8b", "lora") in tried
    assert ("llama-3.1-8b", "full") not in tried
    assert ("gpt2-xl", "full") in tried
    assert len(set(cases)) == len(cases)
    assert {c.sequence_length for c in cases if c.model_id == "bert-base"} == {128, 512}
    long = [c for c in cases if c.seconds > campaign.SECONDS[0]]
    assert {(c.batch_size, c.padding) for c in long} == {(8, "fixed")}
    assert not [c for c in campaign.plan(shapes, 8.0) if c.model_id == "llama-3.1-8b"]


@pytest.mark.parametrize("padding", campaign.PADDINGS)
def test_batches_are_padded_as_the_case_says_and_repeat_with_the_seed(padding):
    case = campaign.Case("bert-base", "full", "bf16", 128, 8, padding, 15.0)
    drawn, again = campaign.batches(case), campaign.batches(case)
    some = [next(drawn) for _ in range(50)]
    assert all((next(again).lengths == batch.lengths).all() for batch in some)
    for batch in some:
        assert batch.width == (128 if padding == "fixed" else batch.lengths.max())
        assert len(batch.lengths) == 8
    lengths = np.concatenate([batch.lengths for batch in some])
    assert (lengths.min() >= 16, lengths.max() <= 128) == (True, True)


def test_a_row_has_the_calibration_s_columns_and_the_conditions(shapes, factors):
    """0.001 kWh in 20 s is 3600 J / 20 s = 180 W; 40,000 tokens in 20 s are 2000 a second."""
    case = campaign.Case("bert-base", "lora", "bf16", 128, 8, "fixed", 15.0)
    done = campaign.Measured(39, 40_000, 22_000, 20.0, 600_000, 0.001, 0.9, 3.5)
    conditions = {"device": "cuda", "gpu_name": "NVIDIA A100-SXM4-80GB", "torch_version": "2.13.0"}
    row = campaign.row(case, shapes["bert-base"], done, conditions, factors)
    assert list(row) == [f.name for f in TABLES["calibration"].columns] + list(campaign.CONDITIONS)
    assert row["mean_gpu_power_w"] == pytest.approx(180)
    assert row["tokens_per_s_per_gpu"] == pytest.approx(2000)
    assert (row["gpu_id"], row["model_id"], row["samples"]) == ("A100-SXM4-80GB", "bert-base", 312)
    for field in TABLES["calibration"].columns:
        if field.required:
            assert row[field.name] != "", field.name
        if field.allowed is not None:
            assert row[field.name] in (*field.allowed, ""), field.name


def test_without_nvml_energy_is_empty(shapes, factors):
    done = campaign.Measured(2, 60, 46, 3.0, 66_955_010)
    row = campaign.row(
        campaign.SMALLEST, shapes["distilbert-base"], done, {"device": "cpu"}, factors
    )
    for name in ("gpu_energy_kwh", "mean_gpu_power_w", "gpu_utilization", "gpu_id", "gpu_count"):
        assert row[name] == ""


@pytest.fixture
def made_up(shapes, factors, tmp_path):
    """A CSV in which energy is 50 J + 2 J a token for BERT and half of it for DistilBERT."""
    rows = [
        campaign.row(
            campaign.Case(model_id, "full", "bf16", length, 8, "fixed", 15.0),
            shapes[model_id],
            campaign.Measured(10, tokens, tokens, 20.0, 1, (50 + 2 * tokens) * share / 3.6e6),
            {"gpu_name": "NVIDIA A100-SXM4-80GB"},
            factors,
        )
        for model_id, share in (("bert-base", 1.0), ("distilbert-base", 0.5))
        for length in (128, 512)
        for tokens in (1000, 2000, 4000)
    ]
    path = tmp_path / "measured.csv"
    pd.DataFrame(rows).to_csv(path, index=False)
    return path


def test_linearity_finds_the_line_of_each_model_and_length(made_up):
    found = campaign.linearity(pd.read_csv(made_up))
    assert found[["model_id", "sequence_length"]].to_numpy().tolist() == [
        ["bert-base", 128], ["bert-base", 512], ["distilbert-base", 128], ["distilbert-base", 512],
    ]  # fmt: skip
    assert found["joule_per_token"].tolist() == pytest.approx([2, 2, 1, 1])
    assert found["joule_at_zero"].tolist() == pytest.approx([50, 50, 25, 25])
    assert found["r2"].tolist() == pytest.approx([1] * 4)
    assert found["furthest"].max() < 1e-6


def test_a_bent_line_is_seen_to_be_bent(made_up):
    """Tokens squared at 1, 2, 4 thousand: the line is 36/7 t - 5, furthest off at 1: 1 - 1/7."""
    measured = pd.read_csv(made_up).assign(gpu_energy_kwh=lambda f: f["tokens"] ** 2 / 3.6e6)
    found = campaign.linearity(measured)
    assert found["r2"].max() < 0.98
    assert found["furthest"].tolist() == pytest.approx([6 / 7] * 4)


def test_two_measurements_make_no_line(made_up):
    assert campaign.linearity(pd.read_csv(made_up).query("tokens < 4000")).empty


def test_saving_of_a_distilled_model(made_up):
    found = campaign.savings(pd.read_csv(made_up))
    assert found.to_numpy().tolist() == [
        ["distilbert-base", "bert-base", 2, *[pytest.approx(0.5)] * 3]
    ]


def test_unmeasured_energy_is_left_out(made_up):
    empty = pd.read_csv(made_up).assign(gpu_energy_kwh=np.nan)
    assert campaign.linearity(empty).empty
    assert campaign.savings(empty).empty
