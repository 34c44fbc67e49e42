"""Which parts of a tracker's energy were read: one rule for every tracker.

Put here: when the energy of GPU, CPU or memory counts as unread. Keep out: what stands for an
unread part (`normalize/energy.py`) and the columns of a format (`readers/formats/`).

A counter that cannot be read ends in a cell of 0, in an empty one, or below 0. All three mean the
same.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd

from ft_emissions_pipeline.readers import repairs

PARTS = {
    "gpu_energy_kwh": "gpu_energy_unread",
    "cpu_energy_kwh": "cpu_energy_unread",
    "ram_energy_kwh": "ram_energy_unread",
}
"""Part of the energy -> word of `repairs` where it is unread."""

TOTAL = "it_energy_kwh"

ROUNDING = 1.01
"""A total that exceeds the parts read by more than this holds energy of other parts as well."""


def no_less_than_nothing(energy: pd.Series) -> pd.Series:
    """Return an energy with readings below 0 as 0, so that none is taken off from others' sums."""
    return energy.clip(lower=0.0)


def summed(rows: pd.DataFrame, whole: pd.DataFrame, names: Iterable[str]) -> pd.DataFrame:
    """Add up the rows of each run, which stand side by side: tasks, or epochs.

    Parameters
    ----------
    rows : DataFrame
        Rows with `run_id`, `started_at` and `ended_at`.
    whole : DataFrame
        A row for each run, which tells what is not added up.
    names : iterable of str
        Columns to add up. What is missing in a row leaves their sum unknown, not smaller; but a
        part of the energy may be read in one row only.
    """
    groups, runs = rows.groupby("run_id", sort=False), whole.set_index("run_id")
    for name in names:
        needed = 1 if name in PARTS else groups.size()
        total = groups[name].sum().where(groups[name].count() >= needed)
        runs[name] = total.reindex(runs.index)
    runs["started_at"] = groups["started_at"].min().reindex(runs.index)
    runs["ended_at"] = groups["ended_at"].max().reindex(runs.index)
    return runs.reset_index()


def without_unread(runs: pd.DataFrame) -> pd.DataFrame:
    """Take out parts and totals that are 0 because nobody read them.

    Parameters
    ----------
    runs : DataFrame
        Whole runs of a tracker (flushes taken together, tasks added up) with `active_s`,
        `gpu_model`, `gpu_count`, `repairs`, `it_energy_kwh` and the parts; none of them below 0.

    Returns
    -------
    DataFrame
        A part without energy is missing where its device is there and time passed; `repairs` says
        so. CPU and memory are in every machine; an accelerator is there if it is named, counted or
        drew energy, and one that is not has an energy of 0. The total goes with an unread part. It
        stays where the log tells no part at all, and where an empty part lies in it: it is more
        than the parts read.
    """
    total, lasted = runs[TOTAL].to_numpy("float64"), (runs["active_s"] > 0).to_numpy()
    parts = {name: runs[name].to_numpy("float64") for name in PARTS}
    read = {name: energy > 0 for name, energy in parts.items()}
    parts_are_told = np.any(list(read.values()), axis=0)
    sum_read = sum(np.where(read[name], energy, 0.0) for name, energy in parts.items())
    holds_more = total > sum_read * ROUNDING
    count = runs["gpu_count"].to_numpy("float64")
    named = runs["gpu_model"].notna().to_numpy() & (count != 0)
    with_gpu = named | (count > 0) | read["gpu_energy_kwh"]
    changed, words = {}, runs["repairs"]
    lost = lasted & (total == 0)
    for name, word in PARTS.items():
        in_total = np.isnan(parts[name]) & holds_more
        unread = lasted & ~read[name] & ~in_total
        if name == "gpu_energy_kwh":
            unread &= with_gpu
        changed[name] = np.where(unread, np.nan, parts[name])
        words = repairs.with_words(words, word, unread & parts_are_told)
        lost |= unread & (parts_are_told | ~holds_more)
    without_gpu = ~with_gpu & parts_are_told & ~holds_more
    changed["gpu_energy_kwh"] = np.where(without_gpu, 0.0, changed["gpu_energy_kwh"])
    changed[TOTAL] = np.where(lost, np.nan, total)
    nothing = lost & ~parts_are_told & (total == 0)
    return runs.assign(**changed, repairs=repairs.with_words(words, "energy_unread", nothing))
