"""The monthly schedule for long-lived models: remaining cost over remaining projected inferences.

Put here: the second method of sharing, `method: monthly`, of the methodology's page on training.
Keep out: sharing by use, and rows of days (`per_inference.py`).

A month's rate is fixed by what was known when it began, so a month that is over is final although
its version still serves; what was projected wrongly is made up for in the months that follow. The
last month carries all that remains. Months count from the day on which the version was made.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from ft_emissions_pipeline.calendar_days import DAYS_PER_MONTH
from ft_emissions_pipeline.equations import GRAMS_PER_KG, MILLILITRES_PER_LITRE
from ft_emissions_pipeline.ledger.days import served_days
from ft_emissions_pipeline.ledger.lifecycle import with_original_names
from ft_emissions_pipeline.tables import AMORTISATION_SCHEDULE, conform
from ft_emissions_pipeline.tables.words import Inferences, Life, Sharing, Status
from ft_emissions_pipeline.uncertainty import Floats


class Month(NamedTuple):
    """One month: inferences projected from its start on, share of the cost left, what it bears."""

    projected: float
    remaining: float
    inferences: float
    billed: float


def months(
    inferences: Sequence[float] | Floats, projected: float, use_life: int, *, bear_the_rest: bool
) -> Iterator[Month]:
    r"""Share a cost of 1 over months.

    Parameters
    ----------
    inferences : sequence of float
        Inferences of each month so far, at most `use_life` of them.
    projected : float
        Inferences projected over the whole use life; NaN takes the first month's for all.
    use_life : int
        Months :math:`N` over which the cost is shared.
    bear_the_rest : bool
        Whether nothing comes after the given months, so that the last one bears what is left.

    Notes
    -----
    With the cost remaining :math:`TCR_m`, the remaining projected inferences :math:`PCR_m` and the
    actual ones :math:`AI_m` (Scope3, AI methodology, page on training, amortisation):

    .. math:: \mathrm{billed}_m = AI_m \frac{TCR_m}{PCR_m}, \quad
              TCR_{m+1} = TCR_m - \mathrm{billed}_m, \quad PCR_{m+1} = AI_m (N - m)

    The page projects the first month's inferences onwards; with a later month's own the projection
    follows the use. No month bears more than what is left. A month without inferences bears
    nothing, and the projection stands.
    """
    remaining = 1.0
    for number, served in enumerate(inferences, start=1):
        if np.isnan(projected):
            projected = served * use_life
        rate = remaining / projected if projected > 0 else 0.0
        billed = min(remaining, served * rate)
        if number == use_life or (bear_the_rest and number == len(inferences)):
            billed = remaining
        yield Month(projected, remaining, served, billed)
        remaining -= billed
        if served > 0:
            projected = served * (use_life - number)


def monthly_schedule(
    versions: pd.DataFrame,
    usage: pd.DataFrame,
    as_of: pd.Timestamp,
    events: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Return the schedule of every version whose model chose the method.

    Parameters
    ----------
    versions : DataFrame
        Table `model_versions`.
    usage : DataFrame
        Table `usage`, all days.
    as_of : Timestamp
        Last UTC day of which anything is known: months that end by then are final.
    events : DataFrame, optional
        Table `model_events`, for models that were renamed.

    Returns
    -------
    DataFrame
        Table `amortisation_schedule`.
    """
    chosen = versions["model_name"].isin(versions.loc[shared_by_month(versions), "model_name"])
    versions, usage, _ = with_original_names(versions[chosen].reset_index(drop=True), usage, events)
    rows = of_versions(versions, served_days(versions, usage), versions["handed_on_share"] == 0)
    of = versions.iloc[rows["position"]].reset_index(drop=True)
    over = (of["status"] == Life.CLOSED) | (rows["month_end"] <= as_of)
    schedule = pd.DataFrame(
        {
            "model_name": of["model_name"],
            "model_version": of["model_version"],
            **{name: rows[name] for name in ("month", "month_start", "month_end", "inferences")},
            "projected_inferences": rows["projected"],
            "status": over.map({True: Status.FINAL, False: Status.PROVISIONAL}),
            "billed_share": rows["billed"],
        }
    )
    for total, metric, factor in (
        ("kgco2e", "gco2e", GRAMS_PER_KG),
        ("water_l", "water_ml", MILLILITRES_PER_LITRE),
    ):
        carried = of[f"total_{total}"] + of[f"inherited_{total}"]
        schedule[f"remaining_{total}"] = carried * rows["remaining"]
        schedule[f"billed_{total}"] = carried * rows["billed"]
        schedule[f"{metric}_per_inference"] = (
            schedule[f"billed_{total}"] * factor / rows["inferences"].where(rows["inferences"] > 0)
        )
    return conform(schedule, AMORTISATION_SCHEDULE)


def remaining_shares(versions: pd.DataFrame, days: pd.DataFrame, chosen: np.ndarray) -> Floats:
    """Return the share of their cost that the chosen versions have not borne when superseded."""
    rows = of_versions(versions, days, pd.Series(False, index=versions.index))
    billed = rows.groupby("position")["billed"].sum().reindex(np.flatnonzero(chosen))
    return np.asarray(np.clip(1.0 - billed.to_numpy(dtype=float), 0.0, 1.0), dtype="float64")


def of_versions(
    versions: pd.DataFrame, days: pd.DataFrame, bear_the_rest: pd.Series
) -> pd.DataFrame:
    """Return position, month, its first and last day, and its `Month`, for versions of the method.

    Parameters
    ----------
    versions : DataFrame
        Columns of `model_versions`, positions as index.
    days : DataFrame
        What `served_days` returns for them.
    bear_the_rest : Series of bool
        Whether the last month of a closed version bears what is left, or hands it on.
    """
    found = []
    for position, served in days[
        days["position"].isin(np.flatnonzero(shared_by_month(versions)))
    ].groupby("position"):
        version = versions.iloc[position]
        use_life = max(1, round(version["expected_use_life_days"] / DAYS_PER_MONTH))
        begun = version["use_life_start"].tz_localize(None).floor("D")
        starts = pd.DatetimeIndex([begun + pd.DateOffset(months=n) for n in range(use_life)])
        month = starts.searchsorted(served["date"], side="right") - 1
        counts = np.bincount(month, weights=served["inferences"].fillna(0.0)).astype("float64")
        rest = version["status"] == Life.CLOSED and bear_the_rest.iloc[position]
        last = served["date"].max()
        ends = [*(starts[1:] - pd.Timedelta(days=1)), max(last, starts[-1])]
        for number, each in enumerate(
            months(counts, version["projected_inferences"], use_life, bear_the_rest=rest)
        ):
            found.append((position, number + 1, starts[number], ends[number], *each))
    columns = ["position", "month", "month_start", "month_end", *Month._fields]
    return pd.DataFrame(found, columns=columns).astype({"position": "int64"})


def shared_by_month(versions: pd.DataFrame) -> pd.Series:
    """Say which versions the schedule shares; one without any known inference is shared by time."""
    return (versions["method"] == Sharing.MONTHLY) & (
        versions["inferences_basis"] != Inferences.NONE
    )
