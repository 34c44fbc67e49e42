"""A restatement that is killed or meets another leaves whole tables; the next completes it."""

from __future__ import annotations

import errno
import hashlib
import itertools
import multiprocessing.synchronize
import os
import pickle
import shutil
import signal
import time
from pathlib import Path

import deltalake
import pandas as pd
import pytest
import warehouses
from deltalake.exceptions import DeltaError
from kills import killed_over_and_over, processes

from ft_emissions_pipeline import reference, restatement, stages, tables
from ft_emissions_pipeline.stages import Choices, Footprints
from ft_emissions_pipeline.tables import INFERENCE_IMPACTS, RESTATEMENTS, RUN_FACTORS
from ft_emissions_pipeline.warehouse import store
from ft_emissions_pipeline.warehouse.faults import MachineFault
from ft_emissions_pipeline.warehouse.lock import locked

pytestmark = pytest.mark.slow

RUNS, USAGE, FACTORS = warehouses.many_kinds(), warehouses.some_usage(), reference.load()


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = warehouses.everything(RUNS, USAGE, warehouses.chosen(FACTORS))
    return warehouses.write(tmp_path_factory.mktemp("stored"), made)


@pytest.fixture
def warehouse(stored: Path, tmp_path: Path) -> Path:
    return shutil.copytree(stored, tmp_path / "warehouse")


@pytest.fixture
def footprints_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Answer `stages.footprints` with what it gave for equal runs and choices, to the last byte.

    A restatement that is cut off, and the next, ask for the same runs over and over.
    """
    compute, made = stages.footprints, {}

    def footprints(runs: pd.DataFrame, choices: Choices) -> Footprints:
        given = hashlib.sha256(pickle.dumps((runs, choices))).digest()
        if given not in made:
            made[given] = pickle.dumps(compute(runs, choices))
        return pickle.loads(made[given])

    monkeypatch.setattr(stages, "footprints", footprints)


class Killed(BaseException):
    """Stands for the end of the process."""


def failing_disk(code: int) -> DeltaError:
    """Return what deltalake raises where a disk fails."""
    return DeltaError(
        f"External: Generic LocalFileSystem error: {os.strerror(code)} (os error {code})"
    )


def assert_same(warehouse: Path, undisturbed: Path) -> None:
    for table in (*warehouses.COMPUTED, RUN_FACTORS, RESTATEMENTS, tables.PENDING_RESTATEMENT):
        pd.testing.assert_frame_equal(
            store.read(warehouse, table), store.read(undisturbed, table), obj=table.name
        )


@pytest.mark.usefixtures("footprints_once")
def test_a_restatement_cut_off_at_any_commit_is_completed_by_the_next(
    stored: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    choices = warehouses.chosen(warehouses.scaled(FACTORS, warehouses.GRID))
    write, commits = deltalake.write_deltalake, []

    def counted(*arguments: object, **options: object) -> None:
        commits.append(len(commits))
        write(*arguments, **options)

    undisturbed = shutil.copytree(stored, tmp_path / "undisturbed")
    with monkeypatch.context() as patch:
        patch.setattr(deltalake, "write_deltalake", counted)
        restatement.apply(undisturbed, choices)
    assert len(commits) > 9
    ends = itertools.cycle([Killed(), *map(failing_disk, (errno.ENOSPC, errno.EIO, errno.EACCES))])
    for last, end in zip(commits, ends, strict=False):
        warehouse, done = shutil.copytree(stored, tmp_path / f"cut-{last}"), []

        def cut(
            *arguments: object,
            done: list = done,
            last: int = last,
            end: BaseException = end,
            **options: object,
        ) -> None:
            if len(done) > last:
                raise end
            done.append(None)
            write(*arguments, **options)

        with monkeypatch.context() as patch:
            patch.setattr(deltalake, "write_deltalake", cut)
            try:
                restatement.apply(warehouse, choices)
            except (Killed, MachineFault):
                assert last < commits[-1]
        restatement.apply(warehouse, choices)
        assert_same(warehouse, undisturbed)


NIGHTS = 365
"""Days of the warehouse whose restatement is killed over and over."""


def restate_the_nights(warehouse: Path, ready: multiprocessing.synchronize.Event) -> None:
    choices = warehouses.chosen(warehouses.scaled(reference.load(), warehouses.GRID))
    ready.set()
    restatement.apply(warehouse, choices)


def test_kill_9_at_random_moments_over_and_over(tmp_path: Path) -> None:
    made = warehouses.everything(warehouses.nights(NIGHTS), USAGE, warehouses.chosen(FACTORS))
    killed_over_and_over(
        restate_the_nights,
        warehouses.write(tmp_path / "whole", made),
        tmp_path,
        lambda warehouse: [store.read(warehouse, table) for table in warehouses.COMPUTED],
        assert_same,
    )
    assert len(store.read(tmp_path / "undisturbed", RESTATEMENTS))


def hold(warehouse: Path, ready: multiprocessing.synchronize.Event) -> None:
    with locked(warehouse, "a restatement"):
        ready.set()
        time.sleep(600)


def test_a_second_restatement_is_refused_until_the_first_ends_however_it_ends(
    warehouse: Path,
) -> None:
    choices = warehouses.chosen(warehouses.scaled(FACTORS, warehouses.GRID))
    ready = processes().Event()
    process = processes().Process(target=hold, args=(warehouse, ready))
    process.start()
    assert ready.wait(120)
    with pytest.raises(store.StoreBusy, match=rf"by a restatement \(process {process.pid}\)"):
        restatement.apply(warehouse, choices)
    assert store.read(warehouse, tables.PENDING_RESTATEMENT).empty
    process.kill()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    assert restatement.apply(warehouse, choices).runs > 0


def test_what_was_noted_of_a_move_that_never_came_is_taken_back(warehouse: Path) -> None:
    grid = [warehouses.chosen(warehouses.scaled(FACTORS, warehouses.GRID, by)) for by in (2.0, 3.0)]

    def die(*_: object) -> None:
        raise Killed

    with pytest.MonkeyPatch.context() as patch:
        replace = store.replace
        patch.setattr(
            store, "replace",
            lambda to, table, *rest: die() if table is INFERENCE_IMPACTS
            else replace(to, table, *rest),
        )  # fmt: skip
        with pytest.raises(Killed):
            restatement.apply(warehouse, grid[0])
    assert len(store.read(warehouse, RESTATEMENTS))
    moved = restatement.apply(warehouse, grid[1]).restatements
    pd.testing.assert_frame_equal(
        store.read(warehouse, RESTATEMENTS),
        moved.sort_values(list(RESTATEMENTS.key)).reset_index(drop=True),
    )
