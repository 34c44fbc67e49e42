"""Files that folders of trainings always hold are known by kind and left without a word."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ft_emissions_pipeline.landing import index
from ft_emissions_pipeline.readers import Settings, read_bytes, read_file
from ft_emissions_pipeline.reference import load
from ft_emissions_pipeline.tables import LANDING_INDEX, empty

CASES = Path(__file__).parents[1] / "data" / "field_cases"
NOW = Settings(now=pd.Timestamp("2026-10-10", tz="UTC"))
WORDS = ["date", "end", "model", "region", "hours", "start", "tokens", "GPU", "location", "energy"]
TOKENIZER = {"version": "1.0", "added_tokens": [], "normalizer": None, "pre_tokenizer": None,
             "model":
                 {"type": "BPE", "vocab": {word: n for n, word in enumerate(WORDS)}}}  # fmt: skip


@pytest.mark.parametrize(
    ("name", "content", "kind"),
    [
        ("model-00001-of-00002.safetensors", b"\x08\0\0\0\0\0\0\0{}", "weights"),
        ("pytorch_model.bin", b"PK\x03\x04\0\0", "weights"),
        ("model.safetensors.index.json", b'{"metadata": {"total_size": 1}, "weight_map": {}}',
         "weights"),
        ("optimizer.pt", b"PK\x03\x04\0\0", "optimiser states"),
        ("rng_state_0.pth", b"PK\x03\x04\0\0", "optimiser states"),
        ("training_args.bin", b"PK\x03\x04\0\0", "optimiser states"),
        ("zero_pp_rank_0_mp_rank_00_optim_states.pt", b"PK\x03\x04\0\0", "optimiser states"),
        ("tokenizer.json", json.dumps(TOKENIZER).encode(), "tokenizers"),
        ("tokenizer.model", b"\x0a\x0e\x0a\x05<unk>\x15\0\0\0\0", "tokenizers"),
        ("vocab.json", json.dumps({word: n for n, word in enumerate(WORDS)}).encode(),
         "tokenizers"),
        ("vocab.txt", b"[PAD]\nend\nmodel\n", "tokenizers"),
        ("special_tokens_map.json", b"{}", "tokenizers"),
        ("chat_template.jinja", b"{{ messages }}", "tokenizers"),
        ("generation_config.json", b'{"temperature": 0.6}', "settings of generation"),
        ("train.py", b"import torch\n", "source code"),
        ("run.sh", b"torchrun train.py\n", "source code"),
        ("requirements.txt", b"torch==2.4\n", "source code"),
        ("loss.png", b"\x89PNG\r\n\x1a\n\0\0", "images, sound and films"),
        ("figure.pdf", b"%PDF-1.5", "images, sound and films"),
        ("data-00000-of-00001.arrow", b"ARROW1\0\0", "data sets"),
        ("README.md", b"# A model\n\nText.\n", "readmes and licences"),
        ("LICENSE", b"MIT License\n", "readmes and licences"),
        ("powermetrics_log.txt", b"*** Sampled system activity ***\n",
         "readings of a tracker's power tool"),
        ("eval_results.json", b'{"eval_loss": 0.4, "eval_runtime": 3.0}', "results of evaluation"),
        ("last_run_prepared/state.json", b'{"_data_files": [], "_fingerprint": "a"}', "data sets"),
        ("train.jsonl", b'{"messages": [{"role": "user", "content": "a"}]}\n', "data sets"),
        ("step_metrics.csv", b"step,train_loss,train_accuracy\n1,1.9,0.5\n", "courses of losses"),
        ("rank_3.log", b"[2026-03-02 10:00:03,120] [INFO] [comm.py:652] cdb=None\n",
         "logs of programs"),
        ("debug-internal.log", b'{"time":"2026-03-02T09:59:30.4Z","level":"INFO","msg":"stream: '
                               b'closed"}\n', "logs of programs"),
        ("MLmodel", b"flavors:\n  transformers:\n    code: null\n", "environments"),
        ("cpu_utilization_percentage", b"1772445600000 5.0 0\n", "readings of other devices"),
        ("analysis.ipynb", b'{"cells": [{"cell_type": "code", "outputs": []}], "nbformat": 4}',
         "source code"),
        ("adapter_model.safetensors", b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n",
         "pointers to large files"),
    ],
)  # fmt: skip
def test_each_kind_is_known_and_costs_no_word(name, content, kind):
    reading, found = read_bytes(content, f"out/{name}", NOW)
    assert (found, reading.content, reading.records) == (kind, "other", 0)
    assert reading.quarantine.empty


@pytest.mark.parametrize(
    "name",
    ["train.py.csv", "weights.csv", "notes.txt", "vocab.csv", "model.yaml"],
)
def test_what_only_sounds_like_a_kind_is_named_to_the_user(refusal, name):
    assert refusal(name, "a,b\n1,2\n")[0] == "unrecognised"


def test_a_log_that_is_called_as_a_kind_is_read(one_run):
    # A README that discloses, and a vocabulary in name only.
    text = (
        "Component | Disclosed data\n---|---\nGPU | A100\nNumber of GPUs | 4\n"
        "Total reserved time | 2 hours\n"
    )
    assert one_run("README.md", text)["gpu_count"] == 4
    stated = {"Base model": "Llama 2", "GPU": "A100", "Number of GPUs": 1,
              "Total reserved time": "2 hours"}  # fmt: skip
    assert one_run("vocab_run.json", stated)["gpu_model"] == "A100"


@pytest.mark.parametrize(
    "document",
    [
        {word: n for n, word in enumerate(WORDS)},
        TOKENIZER,
        # Labels that stand deep inside say nothing of a run.
        {"architectures": ["x"],
         "quantization": {"hardware": "gpu", "GPU": "A100", "tokens": 5, "location": "x"}},
        {"results": [{"model": "a", "tokens": 5, "GPU": "b", "end": "2026-01-01"}]},
    ],
)  # fmt: skip
def test_labels_out_of_their_place_make_no_disclosure(document):
    _, source_format = read_bytes(json.dumps(document).encode(), "some.json", NOW)
    assert source_format != "disclosure"


def test_a_vocabulary_longer_than_a_files_beginning_is_none_either():
    document = {**{word: n for n, word in enumerate(WORDS)},
                **{f"w{n}": n for n in range(10, 9000)}}  # fmt: skip
    assert read_bytes(json.dumps(document).encode(), "ids.json", NOW)[1] != "disclosure"


def test_many_disclosures_in_one_list_are_still_read(read):
    one = {"Base model": "Llama 2", "GPU": "A100", "Number of GPUs": 1,
           "Total reserved time": "2 hours"}  # fmt: skip
    assert len(read("all.json", [one] * 800).runs) == 800
    assert len(read("named.json", {"runs": [one] * 800}).runs) == 800


def test_labels_of_yaml_count_in_their_place_only(read):
    nested = "trainer:\n  GPU: A100\n  location: here\n  tokens: 5\n  end: 2026-01-01\n"
    assert read("x.yaml", nested).quarantine["reason_code"].tolist() == ["unrecognised"]
    listed = (
        "- Base model: Llama 2\n  GPU: A100\n  Number of GPUs: 1\n  Total reserved time: 2 hours\n"
    )
    assert len(read("y.yaml", listed).runs) == 1


def test_the_quiet_part_of_the_field_case_says_nothing(read):
    # hf_folder: what its tokenizer_config.json and vocab.json are, everybody knows.
    for path in sorted((CASES / "hf_folder").iterdir()):
        reading = read(f"hf/{path.name}", path.read_bytes())
        if path.name in {"tokenizer_config.json", "vocab.json", "README.md"}:
            assert reading.quarantine.empty, path.name
    assert read("hf/vocab.json", (CASES / "hf_folder/vocab.json").read_bytes()).records == 0


def test_large_weights_are_known_by_their_beginning(tmp_path):
    path = tmp_path / "model.safetensors"
    with path.open("wb") as file:
        file.write(b"\x08\0\0\0\0\0\0\0{}")
        file.truncate(3 << 30)
    reading, first, kind = read_file(path, "model.safetensors", NOW)
    assert (kind, reading.records) == ("weights", 0)
    with path.open("ab") as file:
        file.truncate((3 << 30) + 1)
    assert read_file(path, "model.safetensors", NOW)[1] != first


def test_an_unchanged_folder_is_not_read_again(tmp_path, monkeypatch):
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / "model.safetensors").write_bytes(b"\x08\0\0\0\0\0\0\0{}" + bytes(10))
    (folder / "trainer_state.json").write_text((CASES / "hf_folder/trainer_state.json").read_text())
    (folder / "strange.xyz").write_text("what\n")
    (folder / "train.py").write_text("import torch\n")
    first = index.scan(tmp_path, load(), NOW, empty(LANDING_INDEX))
    assert first.set_index("source_uri")["content"].to_dict() == {
        "out/model.safetensors": "other", "out/strange.xyz": "unreadable",
        "out/train.py": "other", "out/trainer_state.json": "runs",
    }  # fmt: skip
    monkeypatch.setattr(index, "read_files", None)
    again = index.scan(tmp_path, load(), NOW, first)
    pd.testing.assert_frame_equal(
        again.sort_values("source_uri", ignore_index=True),
        first.sort_values("source_uri", ignore_index=True),
    )
    assert np.all(
        again["records"] == again["merged"] + again["quarantined"] + again["run_id"].notna()
    )


@pytest.mark.parametrize(
    "line",
    ["2026-03-02 10:00:03 INFO total energy 1.2 kWh", "INFO: 500 tokens/s",
     "[2026-03-02 10:00:03] step 5"],
)  # fmt: skip
def test_a_log_that_names_energy_tokens_or_steps_is_not_left_in_silence(line):
    reading, kind = read_bytes(line.encode(), "out/own.log", NOW)
    assert (kind, reading.quarantine["reason_code"].tolist()) == (None, ["unrecognised"])
