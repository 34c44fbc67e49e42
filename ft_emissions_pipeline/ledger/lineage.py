"""Which version was fine-tuned from which.

Put here: parents as logged brought to versions, and chains of ancestors. Keep out: which version
serves (`lifecycle.py`) and what a version hands on (`inheritance.py`).

A log names as parent a version, a model, or for a merge several of them with spaces or commas
between. A model stands for its newest version when the child was made. A parent is older than its
child; where a log says otherwise (a cycle, a wrong clock) it is not followed, and `unused.py` says
so.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ft_emissions_pipeline.ledger.days import Ints, instants, position_of

BETWEEN = r"[,\s]+"
"""What stands between several parents."""


def parents(versions: pd.DataFrame) -> tuple[Ints, Ints, Ints, Ints]:
    """Return the pairs of child and parent, and those that cannot be.

    Parameters
    ----------
    versions : DataFrame
        `model_name`, `model_version`, `parent_version` and `use_life_start`, one row a version,
        sorted by model; versions of one instant by version.

    Returns
    -------
    child, parent, impossible_child, impossible_parent : arrays of int
        Positions of versions. The first two hold only parents that are older than their child; the
        others those that are not.
    """
    named = versions["parent_version"].dropna()
    child = np.flatnonzero(versions["parent_version"].notna())
    # Most were tuned from the version before them; only the others are worth a look-up.
    parent = np.where(_from_the_one_before(versions)[child], child - 1, -1)
    other = parent < 0
    parent[other] = position_of(versions, named[other])
    pairs = [(child[parent >= 0], parent[parent >= 0])]
    rest = [
        (int(at), token)
        for at, text in zip(child[parent < 0], named[parent < 0], strict=True)
        for token in re.split(BETWEEN, text)
    ]
    if rest:
        made = instants(versions["use_life_start"])
        of_model = versions.groupby("model_name").indices
        places = position_of(versions, pd.Series([token for _, token in rest]))
        found = [
            (at, place if place >= 0 else _newest(of_model.get(token), made, at))
            for (at, token), place in zip(rest, places, strict=True)
        ]
        kept = [(at, place) for at, place in found if place >= 0]
        young, old = np.array(kept, dtype="int64").reshape(-1, 2).T
        pairs.append((young, old))
    child, parent = (np.concatenate(side).astype("int64") for side in zip(*pairs, strict=True))
    made = instants(versions["use_life_start"])
    older = (made[parent] < made[child]) | ((made[parent] == made[child]) & (parent < child))
    return child[older], parent[older], child[~older], parent[~older]


def _from_the_one_before(versions: pd.DataFrame) -> NDArray[np.bool_]:
    """Say which versions name as their parent just the row above them."""
    found = np.zeros(len(versions), dtype=bool)
    names, named = versions["model_version"].array, versions["parent_version"].array
    found[1:] = np.asarray(names[:-1] == named[1:], dtype=bool)
    return found


def _newest(positions: Ints | None, made: NDArray[np.datetime64], child: int) -> int:
    """Return the newest of a model's versions that was made before the child, or -1."""
    if positions is None:
        return -1
    before = positions[made[positions] < made[child]]
    if not len(before):
        return -1
    # A stored table is ordered by name, not by time; of versions of one instant the last stands.
    return int(before[np.flatnonzero(made[before] == made[before].max())[-1]])


def generations(
    versions: pd.DataFrame, child: Ints, parent: Ints, known: Ints | None = None
) -> Ints:
    """Return how many fine-tunings lie between each version and its base model, its own too.

    Of versions without parents among these it may be `known`; elsewhere that is 1.
    """
    rows = np.arange(len(versions))
    follows = np.zeros(len(versions), dtype=bool)
    follows[child[parent == child - 1]] = True
    follows &= np.bincount(child, minlength=len(versions)) == 1
    # A version tuned from just the row above lies one deeper; only where such chains begin is to be
    # walked.
    begins = np.maximum.accumulate(np.where(follows, 0, rows))
    within = rows - begins
    made = instants(versions["use_life_start"])
    order = np.lexsort((child, made[child]))
    order = order[~follows[child[order]]]
    depth = np.ones(len(versions), dtype="int64") if known is None else known.copy()
    for young, old in zip(child[order].tolist(), parent[order].tolist(), strict=True):
        depth[young] = max(depth[young], depth[begins[old]] + within[old] + 1)
    return depth[begins] + within


def ancestors(versions: pd.DataFrame, model_version: str) -> list[str]:
    """Return the versions from which one was fine-tuned, nearest first, each once.

    Parameters
    ----------
    versions : DataFrame
        Table `model_versions`.
    model_version : str
        The version whose ancestors are wanted.
    """
    child, parent, _, _ = parents(versions)
    names = versions["model_version"].to_numpy()
    older: dict[str, list[str]] = {}
    for young, old in zip(names[child], names[parent], strict=True):
        older.setdefault(young, []).append(old)
    return list(dict.fromkeys(_walk(older, model_version)))


def _walk(older: dict[str, list[str]], version: str) -> Iterator[str]:
    nearest = older.get(version, [])
    seen = set(nearest)
    while nearest:
        yield from nearest
        further = dict.fromkeys(old for young in nearest for old in older.get(young, []))
        nearest = [old for old in further if old not in seen]
        seen.update(nearest)


def family(versions: pd.DataFrame, chosen: Sequence[str]) -> pd.DataFrame:
    """Return some versions with those they were fine-tuned from, and those fine-tuned from them.

    Parameters
    ----------
    versions : DataFrame
        Table `model_versions`, all of it: a parent may be of another model.
    chosen : sequence of str
        Versions wanted, in this order.

    Returns
    -------
    DataFrame
        Their rows, with `parents` and `children` (lists of versions, the oldest child first) and
        `handed_on_kgco2e`, what others carry of a version's own and inherited footprint.
    """
    names = versions["model_version"].to_numpy()
    positions = position_of(versions, pd.Series(chosen, dtype="str"))
    rows = versions.take(positions).reset_index(drop=True)
    child, parent, _, _ = parents(versions)
    by_age = np.argsort(instants(versions["use_life_start"])[child], kind="stable")
    child, parent = child[by_age], parent[by_age]
    carried = rows["total_kgco2e"] + rows["inherited_kgco2e"].fillna(0.0)
    return rows.assign(
        parents=_relatives(child, parent, positions, names),
        children=_relatives(parent, child, positions, names),
        handed_on_kgco2e=carried * rows["handed_on_share"].fillna(0.0),
    )


def _relatives(of: Ints, who: Ints, positions: Ints, names: NDArray[np.object_]) -> pd.Series:
    """Return for each position the names of those on the other side of its pairs, each once."""
    near = np.isin(of, positions)
    found: dict[int, dict[str, None]] = {int(at): {} for at in positions}
    for at, other in zip(of[near].tolist(), who[near].tolist(), strict=True):
        found[at][str(names[other])] = None
    return pd.Series([list(found[int(at)]) for at in positions], dtype="object")
