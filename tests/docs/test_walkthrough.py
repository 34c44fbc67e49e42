"""Commands of docs/walkthrough.md end well, and print the lines that the page shows of them."""

import re
import shlex
from pathlib import Path

import pytest
from teams import EXAMPLES
from typer.testing import CliRunner

from assets.in_process import materialize
from ft_emissions_pipeline import cli

pytestmark = pytest.mark.slow

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "walkthrough.md").read_text("utf-8")
STEPS = re.findall(r"(?m)^    \$ ft-emissions (.*)\n((?:    (?!\$).+\n)*)", PAGE)


@pytest.fixture(scope="module")
def warehouse(made_once):
    def run(folder):
        assert materialize(EXAMPLES, folder).failures == []

    return made_once("examples", run)


@pytest.mark.parametrize(("command", "shown"), STEPS, ids=[command for command, _ in STEPS])
def test_a_step_prints_the_lines_that_answer(command, shown, warehouse, tmp_path, monkeypatch):
    (tmp_path / "warehouse").symlink_to(warehouse)
    (tmp_path / "examples").symlink_to(EXAMPLES.parent)
    monkeypatch.chdir(tmp_path)
    told = CliRunner().invoke(cli.app, shlex.split(command))
    assert told.exit_code == 0, told.stderr
    for line in shown.splitlines():
        assert line.removeprefix("    ") in told.output


def test_each_person_has_steps():
    assert len(STEPS) >= 7
