"""Runs that Dagster's daemon started, and runs of the command line, killed while it goes on."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager, suppress
from pathlib import Path

import dagster as dg
import numpy as np
import pytest
from dagster_graphql import DagsterGraphQLClient
from teams import ROOT, TABLES, Team, assert_same_tables, day

from assets.definitions import SETTINGS
from assets.home import home_of
from assets.in_process import materialize
from assets.partitions import range_tags
from ft_emissions_pipeline.tables import EVERYTHING
from ft_emissions_pipeline.warehouse import lock

KILLS = int(os.environ.get("KILLS", "0"))
"""Each takes half a minute; forty are asked for by `KILLS=40`."""

pytestmark = [
    pytest.mark.slow,
    # Dagster's client asks gql in its old way.
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.skipif(not KILLS, reason="KILLS=40 kills runs beside Dagster's daemon"),
]

READY_S = 180.0
COMMAND = "run of the command line"


def waited_for(told, what):
    """Return what is told once it is anything."""
    until = time.monotonic() + READY_S
    while time.monotonic() < until:
        if found := told():
            return found
        time.sleep(0.05)
    msg = f"{what}: not within {READY_S:.0f} s"
    raise AssertionError(msg)


@contextmanager
def page_and_daemon(team: Team, log: Path):
    """Yield a client of `dagster dev` over a team's warehouse."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    home = home_of(team.warehouse)
    environment = {
        **os.environ,
        SETTINGS["landing"]: str(team.landing),
        SETTINGS["warehouse"]: str(team.warehouse),
        "DAGSTER_HOME": str(home),
    }
    command = [sys.executable, "-m", "dagster", "dev", "-m", "assets", "-d", str(ROOT)]
    with log.open("w") as file:
        process = subprocess.Popen(
            [*command, "-h", "127.0.0.1", "-p", str(port)],
            env=environment, cwd=home, stdout=file, stderr=file, start_new_session=True,
        )  # fmt: skip

    def answers():
        assert process.poll() is None, log.read_text()
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/server_info"):
                return True
        except OSError:
            return False

    try:
        waited_for(answers, "Dagster's page")
        yield DagsterGraphQLClient("127.0.0.1", port_number=port, timeout=120)
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def process_that_writes(warehouse: Path) -> int | None:
    """Return the number of the process that holds the warehouse."""
    found = re.search(r"process (\d+)", lock.holder(warehouse) or "")
    return int(found[1]) if found else None


def test_runs_killed_beside_the_daemon_leave_tables_that_the_next_run_completes(tmp_path, reported):
    team = Team(reported.landing, tmp_path / "warehouse")
    shares = np.random.default_rng(14)
    begun = [sys.executable, "-m", "ft_emissions_pipeline", "run"]
    folders = ["--landing", str(team.landing), "--warehouse", str(team.warehouse)]
    with page_and_daemon(team, tmp_path / "dagster.log") as client:
        began = time.monotonic()
        materialize(team.landing, tmp_path / "timed")
        length_s = time.monotonic() - began
        for number in range(KILLS):
            command = None
            if number % 2 == 0:
                tags = range_tags(day(5), day(9))
                run = client.submit_job_execution(EVERYTHING, run_config={}, tags=tags)
            else:
                command = subprocess.Popen(
                    [*begun, *folders], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
                )
            # A command that finds nothing due may end before it is seen to write.
            writer = waited_for(
                lambda command=command: (
                    process_that_writes(team.warehouse)
                    or (command and command.poll() is not None and command.pid)
                ),
                "a writer",
            )
            time.sleep(shares.uniform() * length_s)
            with suppress(ProcessLookupError):  # it was quicker
                os.kill(writer, signal.SIGKILL)
            if command is not None:
                command.wait()
            waited_for(lambda: lock.holder(team.warehouse) is None, "the lock's end")
            for table in TABLES.values():
                team.read(table)
        done = materialize(team.landing, team.warehouse)
        assert done.failures == []
        assert_same_tables(team, reported)
        run = client.submit_job_execution(EVERYTHING, tags=range_tags(day(5), day(9)))
        ended = {dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE}
        status = waited_for(
            lambda: (s := client.get_run_status(run)) in ended and s, "the daemon's run"
        )
        assert status == dg.DagsterRunStatus.SUCCESS
        assert_same_tables(team, reported)
