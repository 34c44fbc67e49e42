"""Timing and printing shared by the benchmarks."""

from __future__ import annotations

import multiprocessing
import os
import platform
import resource
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Timed:
    """Best of some repetitions: seconds on the clock and of the processor."""

    wall_s: float
    cpu_s: float


def best_of(repetitions: int, call: Callable[[], object]) -> Timed:
    """Return the fastest of some calls; what else the machine does only ever adds time."""
    found = []
    for _ in range(repetitions):
        cpu, wall = time.process_time(), time.perf_counter()
        call()
        found.append(Timed(time.perf_counter() - wall, time.process_time() - cpu))
    return min(found, key=lambda timed: timed.wall_s)


def peak_mb() -> float:
    """Return the most memory that this process has held."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6


def alone(repetitions: int, call: Callable[..., Any], *arguments: Any) -> tuple[Any, Timed, float]:
    """Return result, time and peak memory in MB of a call in a process of its own."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_measured, (repetitions, call, arguments))


def _measured(
    repetitions: int, call: Callable[..., Any], arguments: tuple[Any, ...]
) -> tuple[Any, Timed, float]:
    results = []
    timed = best_of(repetitions, lambda: results.append(call(*arguments)))
    return results[-1], timed, peak_mb()


@cache
def pace() -> float:
    """Return how many million additions plain Python makes in a CPU second: machines' clocks vary.

    CPU seconds of two days are to be compared times this.
    """
    return 1 / best_of(3, lambda: sum(n for n in range(1_000_000))).cpu_s


def hold_equal(what: str, found: Any, expected: Any, at_most: float = 1e-9) -> None:
    """End the benchmark where two results differ, relative to the second."""
    off = np.abs(np.asarray(found, dtype=float) / np.asarray(expected, dtype=float) - 1)
    if not np.all(off <= at_most):
        msg = f"{what} differs by up to {off.max():.1e}; no times are shown"
        raise SystemExit(msg)


def table(title: str, rows: list[tuple[str, ...]]) -> None:
    """Print rows under their heading, which is the first of them."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    machine = f"{platform.machine()}, {os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f}"
    print(f"{title}  ({machine}, {pace():.0f} M additions/CPU s)")
    for number, row in enumerate(rows):
        first, *others = (
            cell.ljust(w) if i == 0 else cell.rjust(w)
            for i, (cell, w) in enumerate(zip(row, widths, strict=True))
        )
        print("  ".join([first, *others]))
        if number == 0:
            print("  ".join("-" * width for width in widths))
