"""`init` writes files to begin with that move no figure until somebody edits them."""

import shutil
from pathlib import Path

import pandas as pd
import pytest
import yaml
from typer.testing import CliRunner

import ft_emissions_pipeline as fte
from ft_emissions_pipeline import cli
from ft_emissions_pipeline.analysis import starting
from ft_emissions_pipeline.tables import FIELD_PROVENANCE, RUN_FIELDS, RUNS, empty

EXAMPLES = Path(__file__).resolve().parents[2] / "examples" / "landing"
HOSTILE = 'x: {a}\n# "quoted" \u2028 \U0001f600 -'


def invoke(*arguments):
    return CliRunner().invoke(cli.app, [str(each) for each in arguments])


@pytest.fixture
def landing(tmp_path):
    shutil.copytree(EXAMPLES / "disclosures", tmp_path / "landing")
    shutil.copy(EXAMPLES / "support-bot" / "usage.csv", tmp_path / "landing")
    return tmp_path / "landing"


def test_what_is_written_moves_no_figure_until_it_is_edited(landing):
    before = fte.estimate(fte.read_logs(landing))
    told = invoke("init", landing)
    assert told.exit_code == 0, told.stderr
    assert told.stdout.split() == [str(landing / "runs.yaml"), str(landing / "models.yaml")]
    logs = fte.read_logs(landing)
    assert logs.quarantine.empty
    pd.testing.assert_frame_equal(fte.estimate(logs).table, before.table)
    # Of the usage the model is known as well, though none of its runs is.
    assert {"support-bot", "intent-classifier"} <= yaml.safe_load(
        (landing / "models.yaml").read_text("utf-8")
    )["models"].keys()
    text = (landing / "runs.yaml").read_text("utf-8")
    assert "    # pue:  # ratio, now taken as 1.12\n" in text
    (landing / "runs.yaml").write_text(
        text.replace("# pue:  # ratio, now taken as 1.12", "pue: 1.5", 1), "utf-8"
    )
    edited = fte.estimate(fte.read_runs(landing)[0]).runs
    assert edited["facility_energy_kwh"].sum() > before.runs["facility_energy_kwh"].sum()


def test_a_file_that_is_there_is_left_alone(landing):
    (landing / "runs.yaml").write_text("runs: {}\n")
    told = invoke("init", landing)
    assert "runs.yaml is there already" in told.stderr
    assert told.stdout.split() == [str(landing / "models.yaml")]
    assert (landing / "runs.yaml").read_text() == "runs: {}\n"


def test_a_folder_without_runs_gets_no_file(tmp_path):
    told = invoke("init", tmp_path)
    assert (told.exit_code, told.stdout) == (0, "")
    assert told.stderr.count("is not written: no log names any") == 2
    assert list(tmp_path.iterdir()) == []
    assert "is no folder" in invoke("init", tmp_path / "nowhere").stderr


def test_any_name_is_a_key_and_fields_that_are_asked_for_exist():
    runs = empty(RUNS).reindex(range(3)).assign(
        run_id=[HOSTILE, "x" * 5000, "a"], date=pd.Timestamp("2026-01-05"), source_uri=HOSTILE,
        source_record="1", source_format="usage",
    )  # fmt: skip
    written = starting.runs_yaml(runs, empty(FIELD_PROVENANCE))
    assert yaml.safe_load(written)["runs"].keys() == {HOSTILE, "a"}
    assert "# Of 3 runs 2 are listed." in written
    assert yaml.safe_load(starting.models_yaml([HOSTILE, "x" * 5000]))["models"].keys() == {HOSTILE}
    assert set(starting.ASKED) <= set(RUN_FIELDS)
