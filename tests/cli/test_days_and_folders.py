"""Days on which nothing can be, and folders that hold nothing: one sentence each."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner, Result

from ft_emissions_pipeline import cli

DAY_AFTER_TOMORROW = f"{pd.Timestamp.now('UTC') + pd.Timedelta(days=2):%Y-%m-%d}"


def invoke(*arguments: object) -> Result:
    return CliRunner().invoke(cli.app, [str(each) for each in arguments], env={"DAGSTER_HOME": ""})


def sentence(result: Result) -> str:
    """Return what was said: one line on stderr, nothing on stdout."""
    assert result.stdout == ""
    (line,) = result.stderr.splitlines()
    assert "Error" not in line
    return line


@pytest.fixture
def landing(tmp_path: Path) -> Path:
    folder = tmp_path / "landing"
    folder.mkdir()
    (folder / "usage.csv").write_text("date,model_name,inferences\n2026-01-05,support-bot,1000\n")
    return folder


@pytest.mark.parametrize(
    ("days", "reason"),
    [
        (("--date", DAY_AFTER_TOMORROW), f"{DAY_AFTER_TOMORROW} lies in the future"),
        (("--date", "2030-01-01"), "2030-01-01 lies in the future"),
        (("--from", "2026-01-05", "--to", "2030-01-01"), "2030-01-01 lies in the future"),
        (
            ("--date", "2015-12-31"),
            "2015-12-31 lies before the first day of the tables, 2016-01-01",
        ),
        (("--from", "1970-01-01", "--to", "2026-01-05"), "1970-01-01 lies before the first day"),
    ],
)
def test_a_day_outside_the_tables_is_refused_before_anything_is_made(
    days, reason, landing, tmp_path
):
    warehouse = tmp_path / "warehouse"
    result = invoke("run", "--landing", landing, "--warehouse", warehouse, *days)
    assert result.exit_code == 2
    assert reason in sentence(result)
    assert not warehouse.exists()


COMMANDS = [
    ("report",), ("restate",), ("restate", "--dry-run"), ("rollup",), ("study",), ("advise",),
    ("explain", "mine"),
    ("compare", "--at", "2026-01-05", "--at", "2026-01-06"), ("reconcile",),
    ("as-reported", "--at", "2026-01-05"), ("what-if", "--region", "aws:eu-west-1"),
]  # fmt: skip


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
@pytest.mark.parametrize("kind", ["absent", "file", "folder of something else"])
def test_a_warehouse_that_is_none_is_named_and_left_alone(command, kind, tmp_path):
    named = tmp_path / "named"
    if kind == "file":
        named.write_text("mine")
    elif kind == "folder of something else":
        named.mkdir()
        (named / "letter.txt").write_text("mine")
    before = sorted(tmp_path.rglob("*"))
    result = invoke(*command, "--warehouse", named)
    assert result.exit_code == 2
    expected = "holds no tables" if kind == "folder of something else" else "is no folder"
    assert f"{named} {expected}" in sentence(result)
    assert sorted(tmp_path.rglob("*")) == before


def test_a_file_is_no_place_for_tables(landing, tmp_path):
    (tmp_path / "file").write_text("mine")
    result = invoke("run", "--landing", landing, "--warehouse", tmp_path / "file")
    assert result.exit_code == 2
    assert "is no folder" in sentence(result)


@pytest.mark.parametrize("days", [(), ("--date", "2026-01-05")])
def test_an_empty_landing_folder_changes_nothing(days, tmp_path):
    (tmp_path / "landing").mkdir()
    warehouse = tmp_path / "warehouse"
    result = invoke("run", "--landing", tmp_path / "landing", "--warehouse", warehouse, *days)
    assert result.exit_code == 1
    assert "holds no logs" in sentence(result)
    assert not warehouse.exists()
