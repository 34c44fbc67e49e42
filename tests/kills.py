"""Work on a warehouse that is killed at random moments, over and over."""

import functools
import multiprocessing
import multiprocessing.synchronize
import os
import shutil
import signal
import sys
import time
from collections.abc import Callable
from multiprocessing import forkserver
from multiprocessing.context import ForkServerContext
from pathlib import Path

import numpy as np
import pytest

KILLS = int(os.environ.get("KILLS", "40"))
"""Kills of what takes a second; set by hand, of everything."""

PER_KILL = 4
"""Processes for each kill at most; some end before they are killed."""

READY_S = 120.0

PRELOAD = (
    "assets.in_process",
    "codecarbon",
    "great_expectations",
    "tests.assets.test_killed_runs",
    "tests.restatement.test_cut_off",
    "tests.warehouse.test_upkeep",
)
"""What the processes of any test here would import, each anew."""

Work = Callable[[Path, multiprocessing.synchronize.Event], None]
"""What a process does with a warehouse, once it has set the event."""


@functools.cache
def processes() -> ForkServerContext:
    """Return processes that a fork server starts, which has imported what is slow to import.

    A test process has one server: what it starts without, each process of any later test imports.
    """
    found = multiprocessing.get_context("forkserver")
    found.set_forkserver_preload([*PRELOAD])
    with pytest.MonkeyPatch.context() as patch:
        # Python 3.11 does not hand its own path on, and says nothing of what it then cannot import.
        patch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
        forkserver.ensure_running()
    return found


def killed_over_and_over(
    work: Work,
    start: Path,
    folder: Path,
    assert_readable: Callable[[Path], None],
    assert_same: Callable[[Path, Path], None],
    *,
    kills: int = KILLS,
    seed: int = 20,
) -> None:
    """Assert that work comes to the same however often it is killed on the way.

    Each process meets what the killed ones before it left; when one ends, the work is begun anew.
    """

    def killed_after(moment_s: float | None, warehouse: Path) -> tuple[int | None, float]:
        ready = processes().Event()
        process = processes().Process(target=work, args=(warehouse, ready))
        process.start()
        assert ready.wait(READY_S)
        began = time.perf_counter()
        process.join(moment_s)
        process.kill()
        process.join()
        return process.exitcode, time.perf_counter() - began

    def begun(name: str) -> Path:
        return shutil.copytree(start, folder / name)

    undisturbed = begun("undisturbed")
    code, length_s = killed_after(None, undisturbed)
    assert code == 0
    warehouse, killed = begun("killed"), 0
    shares = np.random.default_rng(seed)
    for number in range(PER_KILL * kills):
        if killed == kills:
            break
        code, _ = killed_after(shares.uniform() * length_s, warehouse)
        killed += code == -signal.SIGKILL
        assert_readable(warehouse)
        if code == 0:
            assert_same(warehouse, undisturbed)
            warehouse = begun(f"killed-{number}")
    assert killed == kills
    assert killed_after(None, warehouse)[0] == 0
    assert_same(warehouse, undisturbed)
