"""Commands of pages print what these say; run as a script, this rewrites the pages."""

import re
import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ft_emissions_pipeline import cli

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
PAGES = tuple(ROOT / "docs" / name for name in ("what_to_do_next.md", "planning.md"))
EXAMPLE = re.compile(r"(?m)^    \$ ft-emissions (.*)\n((?:    (?!\$).+\n)*)")
EXAMPLES = dict(found for page in PAGES for found in EXAMPLE.findall(page.read_text("utf-8")))


def printed(command):
    """Return what a command prints, tables without frames."""
    result = CliRunner().invoke(cli.app, shlex.split(command))
    assert result.exit_code == 0, result.stderr
    lines = []
    for line in result.stdout.splitlines():
        cells = [cell.strip() for cell in re.split("[│┃]", line)[1:-1]]
        text = " | ".join(cells) if cells else line.strip()
        if not re.fullmatch(r"[\W_]*[┏┡└┳━╇─┴┻┓┩┘]+", text):
            lines.append(f"    {text}\n")
    return "".join(lines)


@pytest.mark.parametrize("command", EXAMPLES)
def test_an_example_prints_what_the_page_shows(command, monkeypatch):
    monkeypatch.chdir(ROOT)
    assert printed(command) == EXAMPLES[command]


def test_the_pages_have_examples_of_each_command():
    assert {command.split()[0] for command in EXAMPLES} == {"advise", "what-if", "plan"}


@pytest.mark.parametrize("form", ["json", "csv"])
def test_a_plan_has_every_row_in_other_formats(form):
    file = str(ROOT / "examples" / "plan" / "support_bot.yaml")
    result = CliRunner().invoke(cli.app, ["plan", file, "--tokens", "1e6", "--format", form])
    assert result.exit_code == 0, result.stderr
    for said in ("as planned", "SWE", "qlora", "not said: gpu; taken"):
        assert said in result.stdout


@pytest.mark.parametrize("form", ["json", "csv"])
@pytest.mark.parametrize("command", ["advise", "what-if"])
def test_other_formats_hold_every_row(command, form):
    file = str(ROOT / "examples" / "landing" / "disclosures")
    change = ["--method", "lora"] if command == "what-if" else []
    result = CliRunner().invoke(cli.app, [command, "--file", file, *change, "--format", form])
    assert result.exit_code == 0, result.stderr
    for name in ("contract_summariser-1", "intent_classifier-1"):
        assert result.stdout.count(name) >= 3


@pytest.mark.parametrize(
    ("arguments", "code", "reason"),
    [
        (["what-if"], 1, "nothing is changed"),
        (["what-if", "--gpu", "A1000"], 1, "nearest: A100"),
        (["what-if", "nobody", "--gpu", "H100"], 2, "no run or model 'nobody'"),
        (["advise", "nobody"], 2, "no run or model 'nobody'"),
        (["plan"], 1, "give --tokens, or --examples"),
    ],
)
def test_what_is_wrong_is_said_with_its_exit_code(arguments, code, reason):
    file = str(ROOT / "examples" / "landing" / "disclosures")
    logs = [] if arguments == ["plan"] else ["--file", file]
    result = CliRunner().invoke(cli.app, [*arguments, *logs])
    assert result.exit_code == code
    assert reason in result.stderr


@pytest.mark.parametrize("command", [["advise"], ["what-if", "--method", "lora"]])
def test_a_warehouse_without_runs_says_what_to_do(command, tmp_path):
    result = CliRunner().invoke(cli.app, [*command, "--warehouse", str(tmp_path)])
    assert result.exit_code == 2
    assert "holds no tables" in result.stderr
    assert "make the tables first with `ft-emissions run`" in result.stderr


if __name__ == "__main__":
    for page in PAGES:
        page.write_text(
            EXAMPLE.sub(
                lambda found: f"    $ ft-emissions {found[1]}\n{printed(found[1])}",
                page.read_text("utf-8"),
            ),
            "utf-8",
        )
