"""The commands of docs/when_a_factor_changes.md print what stands there."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ft_emissions_pipeline import cli
from ft_emissions_pipeline.reference import default_folder, write_datapackage

ROOT = Path(__file__).resolve().parent.parent
PAGE = (ROOT / "docs" / "when_a_factor_changes.md").read_text(encoding="utf-8")
OLD, NEW = "egrid_subregion,NWPP,2022,274.775,", "egrid_subregion,NWPP,2022,300,"


def blocks() -> list[tuple[list[str], str]]:
    """Return the page's consoles: commands, and what is printed under the last of them."""
    found = []
    for text in re.findall(r"```console\n(.*?)```", PAGE, flags=re.DOTALL):
        commands = [line[2:] for line in text.splitlines() if line.startswith("$ ")]
        printed = [line for line in text.splitlines() if not line.startswith("$ ")]
        found.append((commands, "".join(f"{line}\n" for line in printed)))
    return found


def test_the_worked_restatement_is_as_printed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    shutil.copytree(default_folder(), tmp_path / "reference_data")
    monkeypatch.chdir(tmp_path)
    compared = 0
    for commands, printed in blocks():
        for command in commands:
            name, *arguments = shlex.split(command)
            if name == "cp":
                shutil.copytree(*arguments[1:])
                edit_the_factor(tmp_path / arguments[2])
                continue
            assert name == "ft-emissions"
            result = CliRunner().invoke(cli.app, arguments, env={"DAGSTER_HOME": ""})
            if arguments[0] == "as-reported":
                # The tables of a test are of today; what stood on a past day is tested elsewhere.
                assert "nothing stood in inference_impacts on 2026-03-01 yet" in result.stderr
                continue
            assert result.exit_code == 0, result.stderr
            if printed:
                assert result.stdout == printed
                compared += 1
    assert compared == 3


def edit_the_factor(folder: Path) -> None:
    path = folder / "grid_intensity.csv"
    text = path.read_text(encoding="utf-8")
    assert text.count(OLD) == 1
    path.write_text(text.replace(OLD, NEW), encoding="utf-8")
    write_datapackage(folder)
