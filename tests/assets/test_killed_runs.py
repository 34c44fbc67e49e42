"""A run that is killed leaves tables that can be read, and the next completes them."""

import multiprocessing.synchronize
import os
import shutil
import signal
from pathlib import Path

import pytest
from kills import killed_over_and_over, processes
from teams import TABLES, Team, assert_same_tables, write_nights, write_usage

from assets.in_process import materialize
from ft_emissions_pipeline import tables
from ft_emissions_pipeline.warehouse import pending

pytestmark = pytest.mark.slow

KILLS = int(os.environ.get("KILLS", "6"))
"""A run takes many seconds: forty kills of it are asked for by `KILLS=40`."""


def killed_at(stage: str, landing: Path, warehouse: Path) -> None:
    """Run everything, and die without a word as a stage begins."""

    def die(begun: str) -> None:
        if begun == stage:
            os.kill(os.getpid(), signal.SIGKILL)

    materialize(landing, warehouse, progress=die)


def test_a_killed_run_leaves_readable_tables_and_a_rerun_completes_them(tmp_path, reported):
    team = Team(reported.landing, tmp_path / "warehouse")
    for stage in ("runs", "model_versions", "daily_report"):
        process = processes().Process(target=killed_at, args=(stage, team.landing, team.warehouse))
        process.start()
        process.join()
        assert process.exitcode == -signal.SIGKILL, stage
        for table in TABLES.values():
            team.read(table)
    done = materialize(team.landing, team.warehouse)
    assert done.failures == []
    assert_same_tables(team, reported)
    assert pending.days(team.warehouse, tables.EVERYTHING).empty


def run_everything(folder: Path, ready: multiprocessing.synchronize.Event) -> None:
    ready.set()
    assert materialize(folder / "landing", folder / "warehouse").failures == []


@pytest.mark.parametrize("late", [False, True], ids=["many days", "late files"])
def test_kill_9_at_random_moments_over_and_over(tmp_path, reported, late):
    start = tmp_path / "start"
    shutil.copytree(reported.landing, start / "landing")
    if late:
        shutil.copytree(reported.warehouse, start / "warehouse")
        write_nights(start / "landing" / "late.csv", ("support-bot", 8))
        write_usage(start / "landing" / "usage_corrected.csv", {6: 3000})
        (start / "landing" / "broken.json").write_text("{")

    def team(folder: Path) -> Team:
        return Team(folder / "landing", folder / "warehouse")

    def assert_same(folder: Path, other: Path) -> None:
        assert_same_tables(team(folder), team(other))
        assert all(pending.days(folder / "warehouse", job).empty for job in pending.SETTLES)

    killed_over_and_over(
        run_everything,
        start,
        tmp_path,
        lambda folder: [team(folder).read(table) for table in TABLES.values()],
        assert_same,
        kills=KILLS,
    )
