"""The model in force on each day: the prior, or the prior with what own runs taught it.

Put here: rows of table `token_time_model`, and models out of them. Keep out: the fits
(`evaluate.py`, `own_runs.py`).
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import pandas as pd

from ft_emissions_pipeline.reference import Reference
from ft_emissions_pipeline.tables import NORMALIZED_RUNS, TOKEN_TIME_MODEL, conform, empty
from ft_emissions_pipeline.token_time import own_runs
from ft_emissions_pipeline.token_time.model import Model, from_rows, packaged, to_rows

IN_FORCE, CANDIDATE = "in_force", "candidate"
MODEL_ID = "token_time/"
"""Begins the factor id of what a model predicted; its version follows."""

TAUGHT = ("offsets", "own_width")
"""Beginnings of the parameters that own runs add to the prior."""


def prior_of(reference: Reference) -> Model:
    """Return the packaged prior, or one fitted anew if the reference has other rows to fit."""
    shipped = packaged()
    if shipped.training["rows_hash"] == own_runs.training_rates_hash(reference):
        return shipped
    return _fitted(reference.version, reference)


@lru_cache(maxsize=1)
def _fitted(version: str, reference: Reference) -> Model:  # noqa: ARG001 - part of the key
    from ft_emissions_pipeline.token_time.prior import fit_prior

    return fit_prior(reference)


def parameters(
    reference: Reference, days: pd.DatetimeIndex, own: pd.DataFrame | None = None
) -> pd.DataFrame:
    """Return the model in force on each day, as rows of table `token_time_model`.

    Parameters
    ----------
    reference : Reference
        Reference tables.
    days : DatetimeIndex
        UTC days.
    own : DataFrame, optional
        Of `normalize.timed_work`: own runs with tokens and time, of any day; a day learns from
        those up to itself. Without enough of them the prior is in force.

    Returns
    -------
    DataFrame
        A fit that did worse on held-out runs than the prior stands beside it with status
        `candidate`.
    """
    own = empty(NORMALIZED_RUNS) if own is None else own
    days = days.sort_values()
    known = np.searchsorted(np.sort(own["date"]), days, side="right")
    frames = []
    for count in np.unique(known):
        # On the days between two own runs, the same was known.
        alike = days[known == count]
        of_day = pd.concat(
            to_rows(model).assign(status=status, factor_id=MODEL_ID + model.version)
            for status, model in fits(reference, own[own["date"] <= alike[0]])
        )
        rows = pd.concat([of_day] * len(alike))
        frames.append(rows.assign(date=alike.repeat(len(of_day))))
    return conform(pd.concat(frames), TOKEN_TIME_MODEL) if frames else empty(TOKEN_TIME_MODEL)


def fits(reference: Reference, known: pd.DataFrame) -> list[tuple[str, Model]]:
    """Return the model that own runs put in force, and a candidate that did worse, if any."""
    model = prior_of(reference)
    if len(known) < own_runs.ENOUGH:
        return [(IN_FORCE, model)]
    taught, better = own_runs.teach(model, known, reference)
    if better:
        return [(IN_FORCE, taught)]
    return [(IN_FORCE, model), (CANDIDATE, taught)]


def days_resting_on(prior: Model, table: pd.DataFrame) -> pd.DatetimeIndex:
    """Return the days whose model in force is this prior, or it with what own runs taught it.

    Parameters
    ----------
    prior : Model
        Of `prior_of`.
    table : DataFrame
        Table `token_time_model`.
    """
    numbers = to_rows(prior).set_index("parameter")[["value", "p05", "p95"]]
    fixed = table[(table["status"] == IN_FORCE) & ~table["parameter"].str.startswith(TAUGHT)]
    same = fixed[numbers.columns].to_numpy() == numbers.reindex(fixed["parameter"]).to_numpy()
    days = pd.Series(same.all(axis=1)).groupby(fixed["date"].to_numpy())
    rests = days.all() & (days.size() == len(numbers))
    return pd.DatetimeIndex(rests.index[rests])


def models_by_day(table: pd.DataFrame) -> list[tuple[Model, pd.Series]]:
    """Return each model in force with its days; `version` is the one stamped on the rows.

    Parameters
    ----------
    table : DataFrame
        Table `token_time_model`.
    """
    chosen = table[table["status"] == IN_FORCE]
    of_day = chosen.drop_duplicates("date").set_index("date")["factor_id"]
    found = []
    for factor_id, days in of_day.groupby(of_day).groups.items():
        first = chosen[(chosen["date"] == days[0]) & (chosen["factor_id"] == factor_id)]
        found.append((from_rows(first, str(factor_id).removeprefix(MODEL_ID)), pd.Series(days)))
    return found
