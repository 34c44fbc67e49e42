"""Tell the sessions of a run by a clock that starts anew with each of them.

Put here: what a falling clock means. Keep out: where a format writes its clock.

Several processes may write one log, each with a clock of its own: then the clock falls a little at
every other row, and goes on. A session that begins anew falls to near zero and stays below.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

_FRESH = 0.5
"""Share of the time so far down to which the clock must fall for a new session."""
_WRITERS = 8
"""Rows of other processes at most between two of the process that is ahead."""
_GROWS = 0.5
"""Share of what the clock ahead gained by which the slower one must have grown at its next row."""


def sessions(clock: Sequence[float], steps: Sequence[float]) -> list[float]:
    """Return the length of each session, from a clock's readings in the order of the log.

    Parameters
    ----------
    clock : sequence of float
        Seconds since the start of the session, one reading per row.
    steps : sequence of float
        Optimiser step of each row: another process writes of a step that was written of already.

    Returns
    -------
    list of float
        The highest reading of each session.
    """
    falls = [n for n in range(1, len(clock)) if clock[n] < clock[n - 1]]
    starts = [0, *falls, len(clock)]
    pieces = [clock[a:b] for a, b in pairwise(starts)]
    ends: list[float] = []
    for n, piece in enumerate(pieces):
        if not piece:
            continue
        again = not ends or steps[starts[n]] <= max(steps[: starts[n]])
        small = bool(ends) and piece[0] > _FRESH * ends[-1]
        if ends and again and (small or _is_of_another_writer(pieces, n, ends[-1])):
            ends[-1] = max(ends[-1], *piece)
        else:
            ends.append(max(piece))
    return ends


def _is_of_another_writer(pieces: Sequence[Sequence[float]], n: int, highest: float) -> bool:
    """Say whether a process far behind wrote a piece's first row and the one ahead the rest."""
    piece = pieces[n]
    if len(piece) > _WRITERS or piece[-1] < highest or n + 1 >= len(pieces):
        return False
    grown = pieces[n + 1][0] - piece[0]
    return grown > 0 and grown >= _GROWS * (piece[-1] - highest)
