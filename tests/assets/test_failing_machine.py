"""A disk fails at any write: one sentence, readable tables, and a rerun completes them."""

from __future__ import annotations

import errno
import itertools
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import deltalake
import pandas as pd
import pytest
from deltalake.exceptions import DeltaError
from teams import TABLES, Team, assert_same_tables
from typer.testing import CliRunner

from assets.in_process import materialize
from ft_emissions_pipeline import cli, stages
from ft_emissions_pipeline.tables import MODEL_VERSIONS, RUN_IMPACTS, USAGE
from ft_emissions_pipeline.warehouse import faults, health, store
from ft_emissions_pipeline.warehouse.lock import LOCK

pytestmark = pytest.mark.slow

FULL, DEVICE, RIGHTS = "the disk is full", "the device failed", "this user has no right"
CODES = (errno.ENOSPC, errno.EIO, errno.EACCES)
WHOLE = 7
"""Writes that go well before the disk fails; of a prime number all tables and ways to write get
their turn."""

MOST_RUNS = 30
"""More than are needed; where the machine still fails then, no rerun gets anywhere."""


def failing(code: int, whole: int) -> tuple[Callable[..., None], Callable[..., None]]:
    """Return the store's two ways to write, which fail once some writes went well."""
    done = itertools.count()

    def then(write: Callable[..., object], error: Exception) -> Callable[..., None]:
        def either(*arguments: object, **options: object) -> None:
            if next(done) >= whole:
                raise error
            write(*arguments, **options)

        return either

    # As deltalake words it while it writes rows, and while it makes a table.
    told = f"{os.strerror(code)} (os error {code})"
    return (
        then(
            deltalake.write_deltalake,
            DeltaError(f"External: Generic LocalFileSystem error: {told}"),
        ),
        then(deltalake.DeltaTable.create, OSError(f"Generic LocalFileSystem error\n  {told}")),
    )


def test_a_disk_that_fails_over_and_over(tmp_path, reported, monkeypatch):
    """Each run gets some writes further than the one before it, and leaves them for the next."""
    team = Team(reported.landing, tmp_path / "warehouse")
    told: list[str] = []
    for code in itertools.islice(itertools.cycle(CODES), MOST_RUNS):
        with monkeypatch.context() as patch:
            write, create = failing(code, WHOLE)
            patch.setattr(deltalake, "write_deltalake", write)
            patch.setattr(deltalake.DeltaTable, "create", create)
            try:
                done = materialize(team.landing, team.warehouse)
                break
            except faults.MachineFault as error:
                told.append(str(error))
        for table in TABLES.values():
            team.read(table)
    assert done.failures == []
    assert len(told) > len(CODES)
    assert {what for line in told for what in (FULL, DEVICE, RIGHTS) if what in line} == {
        FULL,
        DEVICE,
        RIGHTS,
    }
    assert all(f"in {team.warehouse}: " in line and faults.SAFE in line for line in told)
    assert_same_tables(team, reported)
    assert health.damages(team.warehouse) == []
    assert [path.name for path in (team.warehouse / "report").iterdir()] == ["index.html"]


def invoke(*arguments: object):
    return CliRunner().invoke(cli.app, [str(each) for each in arguments], env={"DAGSTER_HOME": ""})


def told_in_one_sentence(result) -> str:
    assert result.exit_code == 3, result.stderr
    (line,) = [line for line in result.stderr.splitlines() if not line.startswith("  ")]
    assert "Traceback" not in line
    return line


@pytest.mark.parametrize(
    ("error", "what"),
    [
        (MemoryError("Unable to allocate 8 GiB"), "the machine has no memory left"),
        (OSError(errno.EIO, "Input/output error"), "the device failed"),
    ],
    ids=["memory", "device"],
)
def test_a_step_that_the_machine_stops_is_a_sentence(tmp_path, reported, monkeypatch, error, what):
    def stop(*_: object) -> None:
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(stages, "impacts_and_spreads", stop)
        result = invoke("run", "--landing", reported.landing, "--warehouse", tmp_path)
    line = told_in_one_sentence(result)
    assert line.startswith(f"step impacts: {what}")
    assert store.version(tmp_path, RUN_IMPACTS) is None
    assert invoke("run", "--landing", reported.landing, "--warehouse", tmp_path).exit_code == 0
    assert_same_tables(Team(reported.landing, tmp_path), reported)


def test_a_report_that_finds_no_room_leaves_no_half_page(tmp_path, reported, monkeypatch):
    team, write = reported.copy(tmp_path), Path.write_text
    page = team.warehouse / "report" / "index.html"
    page.write_text("old")

    def full(path: Path, text: str, *arguments: object) -> int:
        if path.parent == page.parent:
            write(path, text[:100], *arguments)
            raise OSError(errno.ENOSPC, "No space left on device", str(path))
        return write(path, text, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_text", full)
        assert "the disk is full" in told_in_one_sentence(
            invoke("report", "--warehouse", team.warehouse)
        )
    assert [each.name for each in page.parent.iterdir()] == ["index.html"]
    assert page.read_text() == "old"


def test_a_warehouse_that_cannot_be_written_is_told_before_the_run(tmp_path, reported, monkeypatch):
    def closed(path: Path, *_: object, **__: object) -> None:
        raise PermissionError(errno.EROFS, os.strerror(errno.EROFS), str(path))

    monkeypatch.setattr(Path, "open", closed)
    with pytest.raises(faults.MachineFault, match="its file system is read-only"):
        materialize(reported.landing, tmp_path)


# doctor

BROKEN = {
    "data": lambda table: next(table.rglob("*.parquet")).write_bytes(b"PAR1"),
    "log": lambda table: max((table / "_delta_log").glob("*.json")).write_bytes(b"{"),
    "table": lambda table: shutil.rmtree(table / "_delta_log"),
}


@pytest.mark.parametrize("how", BROKEN)
def test_the_doctor_finds_what_broke_and_a_run_makes_it_anew(tmp_path, reported, how):
    team = Team(reported.landing, shutil.copytree(reported.warehouse, tmp_path / "warehouse"))
    options = ("--landing", team.landing, "--warehouse", team.warehouse)
    whole = invoke("doctor", *options)
    assert whole.exit_code == 0, whole.stdout
    assert "tables: ok" in whole.stdout
    for table in (RUN_IMPACTS, USAGE, MODEL_VERSIONS):
        BROKEN[how](team.warehouse / table.name)
    (team.warehouse / "report" / "index.html").unlink()
    refused = told_in_one_sentence(invoke("report", "--warehouse", team.warehouse))
    assert f"`ft-emissions doctor --warehouse {team.warehouse}`" in refused
    ill = invoke("doctor", *options)
    assert ill.exit_code == 1
    assert f"table {RUN_IMPACTS.name}: " in ill.stdout
    before = team.data_files()
    # Whatever else the machine does may take or free space in between.
    again, first = (
        re.sub(r"[\d.]+ [kMGT]?B free", "", told.stdout)
        for told in (invoke("doctor", *options), ill)
    )
    assert again == first
    assert team.data_files() == before
    mended = invoke("doctor", *options, "--repair")
    assert f"next: `ft-emissions run --landing {team.landing}" in mended.stdout
    assert invoke("run", *options).exit_code == 0
    assert_same_tables(team, reported)
    assert invoke("doctor", *options).exit_code == 0


def test_the_doctor_tells_of_lock_clock_landing_and_factor_tables(tmp_path, reported):
    from ft_emissions_pipeline.warehouse.lock import locked

    team = reported.copy(tmp_path)
    with locked(team.warehouse, "a run"):
        held = invoke("doctor", "--landing", tmp_path / "none", "--warehouse", team.warehouse)
    assert held.exit_code == 1
    assert f"lock: held by a run (process {os.getpid()})" in held.stdout
    assert "is no folder; mount it, or name it with --landing" in held.stdout
    ahead = pd.Timestamp.now("UTC").timestamp() + 1e5
    os.utime(team.warehouse / LOCK, (ahead, ahead))
    (team.warehouse / "own_factors").mkdir()
    (team.warehouse / "own_factors" / "own_grid.csv").write_text("a,b\n1,2\n")
    told = invoke("doctor", "--landing", team.landing, "--warehouse", team.warehouse).stdout
    assert "clock: set it: the last writer's was ahead; if that one was wrong, run `touch" in told
    assert "factor tables, version" in told
    assert "own_grid" in told
    assert invoke("doctor", "--warehouse", tmp_path / "none").exit_code == 2
