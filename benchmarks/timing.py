"""Timing and printing shared by the benchmarks."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable
from dataclasses import dataclass


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


def table(title: str, rows: list[tuple[str, ...]]) -> None:
    """Print rows under their heading, which is the first of them."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    load = os.getloadavg()[0]
    print(f"{title}  ({platform.machine()}, {os.cpu_count()} CPUs, load {load:.1f})")
    for number, row in enumerate(rows):
        first, *others = (
            cell.ljust(w) if i == 0 else cell.rjust(w)
            for i, (cell, w) in enumerate(zip(row, widths, strict=True))
        )
        print("  ".join([first, *others]))
        if number == 0:
            print("  ".join("-" * width for width in widths))
