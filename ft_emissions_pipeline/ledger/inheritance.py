"""What a version hands on to the one that takes its place.

Put here: how much of a version's footprint its successor inherits. Keep out: what lands on which
day (`per_inference.py`).

By default nothing is handed on: a closed version's footprint lies on its own inferences, and that
of one that served none in a row `unallocated`. A model's switch `hand_on` changes that, see
`words.HandOn`. The heir is the version that superseded this one on the same model, whether or not
it was tuned from it. Where none did, a version that nobody used has as its heirs those that were
tuned from it, on whatever model, in equal parts: it was a step on the way to them. What an heir
carries its predecessor no longer does.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from ft_emissions_pipeline.calendar_days import SECONDS_PER_DAY
from ft_emissions_pipeline.ledger.days import Ints, instants, seconds_in_service
from ft_emissions_pipeline.ledger.schedule import remaining_shares, shared_by_month
from ft_emissions_pipeline.tables.ledger import PARTS
from ft_emissions_pipeline.tables.words import Basis, HandOn, Inferences, Life
from ft_emissions_pipeline.uncertainty import Floats

AMOUNTS = {
    **{
        f"{total}{suffix}": (f"total_{total}{suffix}",)
        for total in ("kgco2e", "water_l")
        for suffix in ("", "_p05", "_p95")
    },
    **{name: (name,) for name in PARTS},
    "market_kgco2e": ("operational_market_kgco2e", "embodied_kgco2e"),
}
"""What is handed on -> columns of `model_versions` that make up a version's own."""


def with_inheritance(
    versions: pd.DataFrame, heir: Ints, descent: tuple[Ints, Ints], days: pd.DataFrame
) -> pd.DataFrame:
    r"""Add `handed_on_share` and the `inherited_...` amounts to versions.

    Parameters
    ----------
    versions : DataFrame
        Versions with life, inferences, `method` and `hand_on`, ordered by model and start.
    heir : array of int
        Position of the version that superseded each one, or -1.
    descent : (array of int, array of int)
        Positions of children and of their parents, as `lineage.parents` returns them.
    days : DataFrame
        What `days.served_days` returns for them.

    Notes
    -----
    With own footprint :math:`T`, inherited :math:`I` and share handed on :math:`r`, the heirs of
    :math:`v` take :math:`(T_v + I_v) r_v` over, and :math:`(T_v + I_v)(1 - r_v)` lands on the days
    of :math:`v`. Percentiles add up like the amounts: successive versions share their factors.
    """
    share = _handed_on_share(versions, heir, descent[1], days)
    giver, taker, part = _heirs(versions, heir, descent, share)
    inherited = np.zeros((len(versions), len(AMOUNTS)))
    if len(giver):
        givers = versions.take(giver)
        own = np.column_stack([own_amount(givers, name) for name in AMOUNTS])
        for old, young, of, amount in zip(giver, taker, part, own, strict=True):
            inherited[young] += (amount + inherited[old]) * of
    columns = dict(zip((f"inherited_{name}" for name in AMOUNTS), inherited.T, strict=True))
    return versions.assign(handed_on_share=share, **columns)


def own_amount(versions: pd.DataFrame, name: str) -> pd.Series:
    """Return a version's own part of one of `AMOUNTS`, unknown where a column of it is."""
    return versions[list(AMOUNTS[name])].sum(axis=1, skipna=False)


def _heirs(
    versions: pd.DataFrame, heir: Ints, descent: tuple[Ints, Ints], share: Floats
) -> tuple[Ints, Ints, Floats]:
    """Return who hands on to whom and which share, the oldest giver first: an heir is younger."""
    gives = share > 0
    to_next = np.flatnonzero(gives & (heir >= 0))
    count = len(versions)
    child, parent = descent
    key = np.unique((parent * count + child)[(gives & (heir < 0))[parent]])
    parent, child = key // max(count, 1), key % max(count, 1)
    giver, taker = np.concatenate([to_next, parent]), np.concatenate([heir[to_next], child])
    part = share[giver] / np.bincount(giver, minlength=count)[giver]
    order = np.lexsort((giver, instants(versions["use_life_start"])[giver]))
    return giver[order], taker[order], part[order]


def _handed_on_share(
    versions: pd.DataFrame, heir: Ints, parent: Ints, days: pd.DataFrame
) -> Floats:
    share = np.zeros(len(versions))
    if (versions["hand_on"] == HandOn.NOTHING).all():
        return share
    choice = versions["hand_on"].to_numpy()
    closed, followed = (versions["status"] == Life.CLOSED).to_numpy(), heir >= 0
    tuned_further = np.isin(np.arange(len(versions)), parent)
    willing = (choice != HandOn.NOTHING) & (followed | tuned_further)
    share[closed & willing & unused_versions(versions)] = 1.0
    left = closed & followed & (choice == HandOn.REMAINDER) & (share == 0)
    left &= (versions["expected_use_life_basis"] != Basis.DEFAULT).to_numpy()
    monthly = left & shared_by_month(versions).to_numpy()
    share[monthly] = remaining_shares(versions, days, monthly)
    at = np.flatnonzero(left & ~monthly)
    life_days = versions["expected_use_life_days"].to_numpy(dtype=float)[at]
    by_time = seconds_in_service(versions)[at] / SECONDS_PER_DAY / life_days
    projected = versions["projected_inferences"].to_numpy(dtype=float)[at]
    served = versions["inferences"].to_numpy(dtype=float)[at]
    known = (projected > 0) & ~np.isnan(served)
    amortised = np.where(known, served / np.where(known, projected, 1.0), by_time)
    share[at] = np.clip(1.0 - amortised, 0.0, 1.0)
    return share


def unused_versions(versions: pd.DataFrame) -> np.ndarray:
    """Say which closed versions nobody used, or never came into service."""
    instant = versions["use_life_start"] >= versions["use_life_end"]
    idle = (versions["inferences_basis"] != Inferences.NONE) & ~(versions["inferences"] > 0)
    # Rolled back before it served, then named: counted inferences go before time in service.
    lifeless = instant & ~(versions["inferences"] > 0)
    return np.asarray((versions["status"] == Life.CLOSED) & (lifeless | idle), dtype=bool)
