"""The measuring harness on a CPU; `conftest.py` leaves it out without torch and transformers."""

import csv
import math
from dataclasses import replace

import pytest

from benchmarks import gpu_campaign as campaign

pytestmark = pytest.mark.filterwarnings("ignore")  # those of the tools are not ours

SMALL = {
    "bert": campaign.Shape("small", "bert", 2, 16, 2, 32, 64, 40),
    "roberta": campaign.Shape("small", "roberta", 2, 16, 2, 32, 64, 42),
    "distilbert": campaign.Shape("small", "distilbert", 2, 16, 2, 32, 64, 40),
    "gpt2": campaign.Shape("small", "gpt2", 2, 16, 2, 32, 64, 40),
    "llama": campaign.Shape("small", "llama", 2, 16, 4, 32, 64, 40, 2),
    "llama-untied": campaign.Shape("small", "llama", 2, 16, 4, 32, 64, 40, 2, tied=False),
}


@pytest.mark.parametrize("kind", SMALL)
@pytest.mark.parametrize("method", ["full", "lora"])
def test_every_kind_runs_and_counts_its_steps_and_tokens(kind, method):
    case = replace(campaign.SMALLEST, method=method, padding="fixed", steps=3)
    done = campaign.measure(case, SMALL[kind], "cpu")
    assert (done.steps, done.tokens) == (3, 3 * 2 * 32)
    assert 0 < done.tokens_unpadded < done.tokens
    assert done.wall_time_s > 0
    assert math.isnan(done.gpu_energy_kwh)


@pytest.mark.parametrize("kind", SMALL)
def test_shapes_count_the_parameters_that_transformers_makes(kind):
    import transformers

    model = campaign._model(campaign.SMALLEST, SMALL[kind])
    if kind.startswith("llama"):
        counted = model.num_parameters()
    elif kind in ("bert", "roberta"):  # whose pooler the classifier of RoBERTa leaves out
        counted = transformers.AutoModel.from_config(model.config).num_parameters()
    else:
        counted = model.base_model.num_parameters()
    assert counted == SMALL[kind].parameters


def test_lora_trains_its_adapters_alone():
    """Two layers, queries and values: 2 x 2 adapters of 16 x 16 down and 16 x 16 up."""
    case = replace(campaign.SMALLEST, method="lora", steps=1)
    assert campaign.measure(case, SMALL["bert"], "cpu").trained_parameters == 2 * 2 * (256 + 256)


def test_smallest_case_writes_a_row(tmp_path):
    out = tmp_path / "measured.csv"
    campaign.run([campaign.SMALLEST], out, "cpu")
    with out.open(encoding="utf-8") as file:
        (row,) = csv.DictReader(file)
    assert tuple(row) == campaign.COLUMNS
    assert (row["steps"], row["device"], row["gpu_energy_kwh"]) == ("2", "cpu", "")
    assert int(row["tokens"]) >= int(row["tokens_unpadded"]) > 0
