"""Each page is in the site; commands, options and files that pages name exist."""

import re
import shlex
from pathlib import Path

import pytest
import yaml
from typer.main import get_command

from ft_emissions_pipeline import cli

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
SITE = (ROOT / "mkdocs.yml").read_text("utf-8")
PAGES = [ROOT / "README.md", *sorted(DOCS.glob("*.md"))]
PLACES = [ROOT, ROOT / "ft_emissions_pipeline", ROOT / "ft_emissions_pipeline" / "readers", DOCS,
          ROOT / "reference_data", ROOT / "examples" / "landing", ROOT / "tests"]  # fmt: skip
"""Where a page may mean that a file lies."""

_COMMAND = re.compile(
    r"(?m)(?:^ *(?:\$ )?|`)(?:\.venv/bin/)?ft-emissions ((?:[^`\n]|\n(?!\n))+?)(?:`|$)"
)
_FILE = re.compile(r"`((?:[\w.-]+/)*[\w-]+\.(?:py|csv|ipynb|md))`")
THEIRS = {
    "lengths.csv", "emissions.csv", "usage.csv", "README.md", "emission.csv",
    "my-factors/grid_intensity.csv",
}  # fmt: skip
"""Files of a user's, or of another tool."""


def entries(nav):
    for entry in nav:
        value = next(iter(entry.values())) if isinstance(entry, dict) else entry
        yield from entries(value) if isinstance(value, list) else [value]


def test_every_page_is_in_the_site_and_every_entry_is_a_page():
    nav = list(entries(yaml.safe_load(SITE)["nav"]))
    assert sorted(nav) == sorted(
        [page.name for page in DOCS.glob("*.md")] + [page.name for page in DOCS.glob("*.ipynb")]
    )


def test_the_site_loads_no_fonts_or_scripts_of_others():
    told = yaml.safe_load(SITE)
    assert told["theme"]["font"] is False
    assert not {"extra_javascript", "extra_css"} & told.keys()


def commands_of(page):
    text = page.read_text("utf-8")
    return [
        each for each in _COMMAND.findall(text) if not each.lstrip().startswith(("...", "COMMAND"))
    ]


def problem(line):
    """Return what is wrong with a command, empty if there is such a one with such options."""
    words = shlex.split(re.sub(r"\[([^\]]*)\]", r"\1", line), comments=True)
    command, known = get_command(cli.app), set()
    for word in words:
        if word.startswith("-") and word != "-":
            known |= {opt for p in command.params for opt in (*p.opts, *p.secondary_opts)}
            if word.partition("=")[0] not in known | {"--help"}:
                return f"{word} is no option"
        elif hasattr(command, "commands"):
            if word not in command.commands:
                return f"{word} is no command"
            command = command.commands[word]
    return ""


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_that_a_page_names_exist_with_their_options(page):
    wrong = {line: problem(line) for line in commands_of(page)}
    assert {line: why for line, why in wrong.items() if why} == {}


def test_the_check_of_commands_can_fail():
    assert sum(len(commands_of(page)) for page in PAGES) > 80
    assert problem("estimates x") == "estimates is no command"
    assert problem("estimate x --profiles y") == "--profiles is no option"
    assert problem("token-time evaluate --format csv") == ""


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_files_that_a_page_names_exist(page):
    named = set(_FILE.findall(page.read_text("utf-8"))) - THEIRS
    assert [each for each in sorted(named) if not any((at / each).exists() for at in PLACES)] == []
