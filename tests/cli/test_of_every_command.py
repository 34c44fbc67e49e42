"""What holds for the command line as a whole: version, quiet, verbose, completion, formats."""

import csv
import io
import json
import logging
import shutil
from pathlib import Path

import pytest
from rich.console import Console
from typer.main import get_command
from typer.testing import CliRunner

import ft_emissions_pipeline
from ft_emissions_pipeline import cli
from ft_emissions_pipeline.cli import output

EXAMPLES = Path(__file__).resolve().parents[2] / "examples" / "landing"
DISCLOSURES = EXAMPLES / "disclosures"
NO_ROWS = {"export", "report", "init", "ui", "reference seal", "reference add-grid",
           "token-time show", "token-time fit"}  # fmt: skip
"""Commands that write a file and name it, or print one."""


def invoke(*arguments):
    return CliRunner().invoke(cli.app, [str(each) for each in arguments], env={"DAGSTER_HOME": ""})


def commands(group, prefix=""):
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, f"{prefix}{name} ")
        else:
            yield f"{prefix}{name}", command


def test_every_command_that_prints_rows_takes_the_same_formats():
    every = dict(commands(get_command(cli.app)))
    taken = {
        name: command.callback.__annotations__["form"]
        for name, command in every.items()
        if any("--format" in option.opts for option in command.params)
    }
    assert set(taken.values()) == {"options.Form"}
    assert every.keys() == taken.keys() | NO_ROWS


@pytest.mark.parametrize(
    "command",
    [("reference", "list"), ("reference", "check"), ("reference", "check", "--age"),
     ("reference", "show", "gpus/A100-SXM4-80GB"), ("reference", "resolve", "v3-8", "nobody's"),
     ("explain", "contract_summariser-1", "--file", DISCLOSURES), ("estimate", DISCLOSURES)],
    ids=lambda each: " ".join(map(str, each[:3])),
)  # fmt: skip
def test_json_and_csv_hold_the_same_rows_and_nothing_else(command):
    as_json = json.loads(invoke(*command, "--format", "json").stdout)
    as_csv = list(csv.DictReader(io.StringIO(invoke(*command, "--format", "csv").stdout)))
    assert as_json
    assert [list(row) for row in as_json] == [list(row) for row in as_csv]
    assert len(as_csv) == len(as_json)


def test_the_version_is_printed():
    assert invoke("--version").stdout == f"ft-emissions {ft_emissions_pipeline.__version__}\n"


def test_a_shell_can_complete_commands():
    told = CliRunner().invoke(
        cli.app, [], prog_name="ft-emissions",
        env={"_FT_EMISSIONS_COMPLETE": "complete_bash", "COMP_WORDS": "ft-emissions est",
             "COMP_CWORD": "1"},
    )  # fmt: skip
    assert told.stdout.split() == ["estimate"]


def test_quiet_keeps_results_and_what_was_refused(tmp_path):
    shutil.copytree(EXAMPLES / "broken", tmp_path / "broken")
    shutil.copy(DISCLOSURES / "intent_classifier.yaml", tmp_path)
    (tmp_path / "runs.yaml").write_text("runs:\n  x: {gpu_model: Foo 9000, end time: 2026-01-05, "
                                        "tokens: 48123, base model: Llama 2 7B}\n")  # fmt: skip
    loud, still = (invoke(*more, "estimate", tmp_path) for more in ((), ("--quiet",)))
    assert still.stdout == loud.stdout
    assert still.stderr.count("not used:") == loud.stderr.count("not used:") == 3
    assert "guessed:" in loud.stderr
    assert "guessed:" not in still.stderr
    assert "give either" in invoke("-q", "-v", "estimate", tmp_path).stderr


def test_verbose_logs_each_file(caplog):
    try:
        told = invoke("--verbose", "estimate", DISCLOSURES)
        assert told.exit_code == 0
        assert "read contract_summariser.md: disclosure, 1 record(s)" in caplog.text
    finally:
        logging.getLogger("ft_emissions_pipeline").setLevel(logging.NOTSET)


def test_on_a_narrow_terminal_an_id_is_folded_and_never_cut():
    run = "06974e51-1f70-56d9-bf7d-8531463a4958"
    made = output.table("Runs", ("run", "carbon kgCO2e"), [(run, "0.5")], left={"run"})
    console = Console(width=30, file=io.StringIO(), markup=False)
    console.print(made)
    lines = console.file.getvalue().splitlines()
    cells = [line.split("\u2502")[1].strip() for line in lines if line.count("\u2502") == 3]
    assert len(cells) > 1
    assert "".join(cells) == run


def test_progress_on_a_terminal_tells_days_stage_and_time(monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "140")
    shown = io.StringIO()
    monkeypatch.setattr("sys.stderr", shown)
    with output.progress_shown() as (begun, ahead):
        ahead(2, "2026-01-05 to 2026-01-06, 2 day(s), 3 run(s)")
        begun("impacts")
    told = shown.getvalue()
    for word in ("2026-01-05 to 2026-01-06, 2 day(s), 3 run(s): impacts", "/2", "0:00:0", "left"):
        assert word in told
