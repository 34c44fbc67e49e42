"""Folders without a run end with what is missing; a summary fits on a screen whatever landed."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ft_emissions_pipeline import cli
from ft_emissions_pipeline.landing.missing import lacking

CASES = Path(__file__).parents[1] / "data" / "field_cases"


def invoke(*arguments):
    return CliRunner().invoke(cli.app, [str(each) for each in arguments], env={"DAGSTER_HOME": ""})


@pytest.mark.slow
@pytest.mark.parametrize(
    ("case", "sentence"),
    [("telemetry_only", "no run is known for them"),
     ("usage_only", "no fine-tuning of their models is known"),
     (None, "No file tells of a fine-tuning run")],
)  # fmt: skip
def test_a_folder_without_a_run_ends_well_with_a_page(tmp_path, case, sentence):
    landing = CASES / case if case else tmp_path / "landing"
    if case is None:
        landing.mkdir()
        (landing / "something.json").write_text('{"os": "Linux", "python": "3.11"}')
    done = invoke("run", "--landing", landing, "--warehouse", tmp_path / "warehouse")
    assert done.exit_code == 0, done.output
    assert sentence in done.output
    page = (tmp_path / "warehouse" / "report" / "index.html").read_text()
    assert sentence in page


@pytest.mark.parametrize(
    ("case", "sentence"),
    [("smi_only", "no run is known for them"),
     ("usage_only", "no fine-tuning of their models is known")],
)  # fmt: skip
def test_estimate_says_the_same(case, sentence):
    done = invoke("estimate", CASES / case)
    assert done.exit_code == 0
    assert sentence in done.output
    assert "runs.yaml" in done.output


def test_estimate_of_refused_files_still_fails(tmp_path):
    (tmp_path / "x.csv").write_text("a,b\n1,2\n")
    done = invoke("estimate", tmp_path)
    assert done.exit_code == 1
    assert "No file tells of a fine-tuning run" in done.output
    assert "unrecognised" in done.output


def test_a_real_trainers_folder_is_told_in_few_lines(tmp_path):
    # Two runs with what such folders hold, and a hundred files that nobody knows.
    state = json.loads((CASES / "hf_folder" / "trainer_state.json").read_text())
    for run in ("one", "two"):
        for step in (50, 100):
            folder = tmp_path / run / f"checkpoint-{step}"
            folder.mkdir(parents=True)
            loss = {"one": 1.5, "two": 1.7}[run]
            rows = [
                {**row, **({"loss": loss} if "loss" in row else {})} for row in state["log_history"]
            ]
            (folder / "trainer_state.json").write_text(
                json.dumps({**state, "global_step": step, "log_history": rows})
            )
            (folder / "model.safetensors").write_bytes(b"\x08\0\0\0\0\0\0\0{}")
            (folder / "optimizer.pt").write_bytes(b"PK\x03\x04\0\0")
            (folder / "tokenizer.json").write_text('{"added_tokens": [], "model": {"type": "BPE"}}')
    for n in range(100):
        (tmp_path / f"strange-{n}.csv").write_text("a,b\n1,2\n")
    done = invoke("estimate", tmp_path)
    assert done.exit_code == 0
    assert "4 optimiser states, 4 tokenizers, 4 weights" in done.output
    assert "(and 99 more)" in done.output
    assert len(done.output.splitlines()) <= 20


def test_ranks_are_said():
    done = invoke("estimate", CASES / "ranks_run")
    assert "counted once" in done.output
    assert "measured one machine at one time" in done.output


@pytest.mark.parametrize(
    ("contents", "runs", "said"),
    [({"telemetry"}, 0, 1), ({"telemetry", "usage"}, 0, 2), ({"telemetry"}, 1, 0), (set(), 0, 1),
     ({"other"}, 0, 1)],
)  # fmt: skip
def test_what_is_lacking_is_said_once_for_each_content(contents, runs, said):
    assert len(lacking(contents, runs)) == said
