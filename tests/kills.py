"""Work on a warehouse that is killed at random moments, over and over."""

import multiprocessing
import multiprocessing.synchronize
import os
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

KILLS = int(os.environ.get("KILLS", "40"))
"""Kills of what takes a second; set by hand, of everything."""

PER_KILL = 4
"""Processes for each kill at most; some end before they are killed."""

READY_S = 120.0

Work = Callable[[Path, multiprocessing.synchronize.Event], None]
"""What a process does with a warehouse, once it has set the event."""


def killed_over_and_over(
    work: Work,
    start: Path,
    folder: Path,
    assert_readable: Callable[[Path], None],
    assert_same: Callable[[Path, Path], None],
    *,
    preload: tuple[str, ...] = (),
    kills: int = KILLS,
    seed: int = 20,
) -> None:
    """Assert that work comes to the same however often it is killed on the way.

    Each process meets what the killed ones before it left; when one ends, the work is begun anew.
    """
    # A fork server imports what is slow to import once for all processes.
    processes = multiprocessing.get_context("forkserver")
    processes.set_forkserver_preload([work.__module__, *preload])

    def killed_after(moment_s: float | None, warehouse: Path) -> tuple[int | None, float]:
        ready = processes.Event()
        process = processes.Process(target=work, args=(warehouse, ready))
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
    assert killed_after(None, undisturbed)[0] == 0
    # Once more, as the first process of a server pays for what it could not import before.
    length_s = killed_after(None, begun("timed"))[1]
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
