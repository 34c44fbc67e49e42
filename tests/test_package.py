"""The package itself: its version, `python -m`, and where it finds what came with it."""

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import ft_emissions_pipeline as fte
from ft_emissions_pipeline import cli

ROOT = Path(__file__).resolve().parents[1]


def python_m(*arguments: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "ft_emissions_pipeline", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        cwd=cwd,
        env=os.environ | {"PYTHONPATH": str(ROOT), "DAGSTER_HOME": ""},
    )


def test_the_version_is_that_of_the_project_file():
    stated = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["version"]
    assert fte.__version__ == stated


def test_a_name_that_is_not_there_is_refused():
    with pytest.raises(AttributeError, match="no attribute 'version'"):
        _ = fte.version


def test_python_m_is_the_command_line(tmp_path):
    told = python_m("--help", cwd=tmp_path).stdout
    assert told.startswith("Usage: python -m ft_emissions_pipeline ")
    shown = [line.split()[0] for line in told.partition("Commands:\n")[2].splitlines()]
    assert shown == [each.name for each in cli.app.registered_commands] + [
        each.name for each in cli.app.registered_groups
    ]
    assert python_m("report", "--warehouse", "none", cwd=tmp_path).returncode == 2


def test_what_came_with_the_source_tree_stands_at_its_top():
    assert fte.source_tree() == ROOT
    assert (fte.shipped("assets") / "definitions.py").is_file()
    assert (fte.shipped("reference_data") / "gpus.csv").is_file()


def test_a_users_own_package_assets_is_not_taken_for_the_dag(tmp_path):
    # `python -m` puts the working directory first on the path.
    (tmp_path / "assets").mkdir()
    (tmp_path / "assets" / "__init__.py").write_text("raise RuntimeError('the wrong assets')\n")
    (tmp_path / "landing").mkdir()
    (tmp_path / "landing" / "usage.csv").write_text(
        "date,model_name,inferences\n2026-03-02,bot,5\n"
    )
    told = python_m("run", cwd=tmp_path)
    assert told.returncode == 0, told.stderr
    assert "Records: 1 read from 1 files" in told.stdout
