"""How runs scatter, from table `run_spreads`, for sums of which each takes some runs.

Put here: which inputs move a run, and which of them it shares with others. Keep out: sums and their
intervals (`rollups.py`), and how far an input moves a run (`impacts/`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from ft_emissions_pipeline import uncertainty
from ft_emissions_pipeline.tables.frames import places

LOG_SD = {"kgco2e": "total_kgco2e_log_sd", "water_l": "total_water_l_log_sd"}
"""What is summed -> column of `run_spreads` that tells how far an input moves it."""

OF_SPREADS = ("run_id", "input", "factor_id", *LOG_SD.values())
"""Columns of `run_spreads` from which intervals follow; in any order of rows."""


@dataclass(frozen=True)
class Scatter:
    """Runs, and how each scatters, in the order of `LOG_SD`.

    What runs share is the same for all that is summed; how far it moves them differs.
    """

    runs: pd.Index
    members: tuple[uncertainty.Members, ...]

    def of(self, runs: pd.Index) -> list[uncertainty.Members]:
        """Return how some runs scatter.

        Raises
        ------
        ValueError
            If a run's spread is not there.
        """
        at = places(self.runs, runs)
        missing = at < 0
        if missing.any():
            msg = (
                f"{missing.sum()} run(s) have no row in run_spreads, for instance "
                f"{runs[missing][0]}; run their days again with "
                "`ft-emissions run --from DAY --to DAY`"
            )
            raise ValueError(msg)
        return [each.take(at) for each in self.members]


def scatter(run_spreads: pd.DataFrame) -> Scatter:
    """Return how the runs of table `run_spreads` scatter, of which columns `OF_SPREADS` tell."""
    at, runs = _run_of_rows(run_spreads["run_id"])
    # Sorted inputs, so that nothing rests on the order of the rows.
    inputs, names = pd.factorize(run_spreads["input"], sort=True)
    factors, rows = pd.factorize(run_spreads["factor_id"])
    cell, shape = inputs * len(runs) + at, (len(names), len(runs))
    joint = ~names.isin(["shift", "bend"])

    def spread_out(values: np.ndarray, nothing: float) -> np.ndarray:
        """Return values of rows by input and run."""
        found = np.full(shape, nothing, values.dtype)
        found.ravel()[cell] = values
        return found

    variable = spread_out(np.where(factors < 0, -1, inputs * len(rows) + factors), -1)[joint]
    kinds = uncertainty.kinds(variable)
    lone = variable < 0
    some = lone.any(axis=1)
    found = []
    for column in LOG_SD.values():
        moves = spread_out(run_spreads[column].to_numpy(), 0.0)
        shift, bend = (moves[names == name].sum(axis=0) for name in ("shift", "bend"))
        shared = moves[joint]
        alone = np.where(lone[some], shared[some], 0.0)
        shared[some] -= alone
        own = np.sqrt((alone**2).sum(axis=0))
        found.append(uncertainty.Members(shared, *kinds, own, shift, bend))
    return Scatter(runs, tuple(found))


_OF_MEMBER = ("own", "shift", "bend")


def as_frame(spreads: Scatter) -> pd.DataFrame:
    """Return how runs scatter as a table to be kept, with a row per run."""
    what_they_share = spreads.members[0]
    cells = {"run_id": spreads.runs, "kind": what_they_share.kind}
    for at, codes in enumerate(what_they_share.variable):
        cells[f"variable {at}"] = codes[what_they_share.kind]
    for name, of in zip(LOG_SD, spreads.members, strict=True):
        cells |= {f"{name} {part}": getattr(of, part) for part in _OF_MEMBER}
        cells |= {f"{name} shared {at}": moves for at, moves in enumerate(of.shared)}
    return pd.DataFrame(cells)


def of_frame(frame: pd.DataFrame) -> Scatter:
    """Return what `as_frame` was told."""

    def by_input(prefix: str) -> np.ndarray:
        rows = [frame[name].to_numpy() for name in frame if name.startswith(f"{prefix} ")]
        return np.stack(rows) if rows else np.empty((0, len(frame)), dtype=np.intp)

    kind = frame["kind"].to_numpy()
    _, first = np.unique(kind, return_index=True)
    variable = by_input("variable")[:, first]
    members = (
        uncertainty.Members(
            by_input(f"{name} shared"),
            variable,
            kind,
            *(frame[f"{name} {part}"].to_numpy() for part in _OF_MEMBER),
        )
        for name in LOG_SD
    )
    return Scatter(pd.Index(frame["run_id"]), tuple(members))


def _run_of_rows(names: pd.Series) -> tuple[np.ndarray, pd.Index]:
    """Return which run each row is of, and the runs; rows of a run mostly follow."""
    values = names.array
    begins = np.ones(len(values), dtype=bool)
    begins[1:] = np.asarray(values[1:] != values[:-1], dtype=bool)
    at, runs = pd.factorize(names[begins])
    return at[np.cumsum(begins) - 1], runs
