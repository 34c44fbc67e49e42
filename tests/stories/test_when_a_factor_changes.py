"""The commands of docs/when_a_factor_changes.md print what stands there."""

from __future__ import annotations

import contextlib
import re
import shlex
import shutil
import tempfile
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ft_emissions_pipeline import cli
from ft_emissions_pipeline.reference import default_folder, write_datapackage

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "when_a_factor_changes.md").read_text(encoding="utf-8")
OLD, NEW = "egrid_subregion,NWPP,2023,288.157,", "egrid_subregion,NWPP,2023,300,"


def blocks() -> list[tuple[list[str], str]]:
    """Return the page's consoles: commands, and what is printed under the last of them."""
    found = []
    for text in re.findall(r"```console\n(.*?)```", PAGE, flags=re.DOTALL):
        commands = [line[2:] for line in text.splitlines() if line.startswith("$ ")]
        printed = [line for line in text.splitlines() if not line.startswith("$ ")]
        found.append((commands, "".join(f"{line}\n" for line in printed)))
    return found


def run_of_the_page(folder: Path) -> list[tuple[str, str]]:
    """Run the page's commands in a folder; return what the page says is printed, and what is."""
    shutil.copytree(ROOT / "examples", folder / "examples")
    shutil.copytree(default_folder(), folder / "reference_data")
    found = []
    for commands, printed in blocks():
        for command in commands:
            name, *arguments = shlex.split(command)
            if name == "cp":
                shutil.copytree(*arguments[1:])
                edit_the_factor(folder / arguments[2])
                continue
            assert name == "ft-emissions"
            result = CliRunner().invoke(cli.app, arguments, env={"DAGSTER_HOME": ""})
            if arguments[0] == "as-reported":
                # The tables of a test are of today; what stood on a past day is tested elsewhere.
                assert "nothing stood in inference_impacts on 2026-03-01 yet" in result.stderr
                continue
            assert result.exit_code == 0, result.stderr
            if printed:
                found.append((printed, result.stdout))
    return found


def test_the_worked_restatement_is_as_printed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    found = run_of_the_page(tmp_path)
    assert len(found) == 3
    for printed, actual in found:
        assert actual == printed, "run `python tests/stories/test_when_a_factor_changes.py`"


def edit_the_factor(folder: Path) -> None:
    path = folder / "grid_intensity.csv"
    text = path.read_text(encoding="utf-8")
    assert text.count(OLD) == 1
    path.write_text(text.replace(OLD, NEW), encoding="utf-8")
    write_datapackage(folder)


if __name__ == "__main__":
    page = ROOT / "docs" / "when_a_factor_changes.md"
    text = page.read_text(encoding="utf-8")
    with tempfile.TemporaryDirectory() as scratch, contextlib.chdir(scratch):
        for old, new in run_of_the_page(Path(scratch)):
            text = text.replace(old, new)
    page.write_text(text, encoding="utf-8")
