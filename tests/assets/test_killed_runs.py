"""A run that is killed leaves tables that can be read, and the next completes them."""

import multiprocessing
import os
import signal
from pathlib import Path

import pytest
from teams import TABLES, Team, assert_same_tables

from assets.in_process import materialize
from ft_emissions_pipeline import tables
from ft_emissions_pipeline.warehouse import pending

pytestmark = pytest.mark.slow


def killed_at(stage: str, landing: Path, warehouse: Path) -> None:
    """Run everything, and die without a word as a stage begins."""

    def die(begun: str) -> None:
        if begun == stage:
            os.kill(os.getpid(), signal.SIGKILL)

    materialize(landing, warehouse, progress=die)


def test_a_killed_run_leaves_readable_tables_and_a_rerun_completes_them(tmp_path, reported):
    team = Team(reported.landing, tmp_path / "warehouse")
    # A fork server imports Dagster once for all three processes.
    processes = multiprocessing.get_context("forkserver")
    processes.set_forkserver_preload(["assets.in_process", "great_expectations", "codecarbon"])
    for stage in ("runs", "model_versions", "daily_report"):
        process = processes.Process(target=killed_at, args=(stage, team.landing, team.warehouse))
        process.start()
        process.join()
        assert process.exitcode == -signal.SIGKILL, stage
        for table in TABLES.values():
            team.read(table)
    done = materialize(team.landing, team.warehouse)
    assert done.failures == []
    assert_same_tables(team, reported)
    assert pending.days(team.warehouse, tables.EVERYTHING).empty
