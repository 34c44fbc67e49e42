"""What a run would have carried elsewhere, on other hardware, or fine-tuned in another way.

Put here: the answer for each run and the sum over runs, and what is to be said of it. Keep out:
which fields a scenario changes (`changes.py`), what both sides err by in common (`comparison.py`),
filling gaps (`normalize/`), footprints (`impacts/`) and what is missing (`analysis/advice.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from ft_emissions_pipeline import equations, stages
from ft_emissions_pipeline.analysis.scenarios import changes as change
from ft_emissions_pipeline.analysis.scenarios.changes import Side
from ft_emissions_pipeline.analysis.scenarios.comparison import RESULTS, SIDES, Result, results
from ft_emissions_pipeline.calendar_days import DAYS_PER_YEAR, HOURS_PER_DAY, SECONDS_PER_HOUR
from ft_emissions_pipeline.normalize import IMPUTED
from ft_emissions_pipeline.reference import Reference, load
from ft_emissions_pipeline.stages import Given

__all__ = [
    "PER_INFERENCE", "PER_YEAR", "RESULTS", "SIDES", "Comparison", "by_run", "compare", "totals",
    "what_if",
]  # fmt: skip

PER_INFERENCE = {
    "gco2e_per_inference": ("total_kgco2e", equations.GRAMS_PER_KG),
    "water_ml_per_inference": ("total_water_l", equations.MILLILITRES_PER_LITRE),
}
PER_YEAR = {"kgco2e_per_year": "total_kgco2e", "water_l_per_year": "total_water_l"}

_HOUR_UNKNOWN = (
    "no grid intensity by the hour is given for its place and day, "
    "so nobody can tell what the start hour changes"
)


def what_if(
    runs: Given,
    *,
    region: str | None = None,
    gpu: str | None = None,
    method: str | None = None,
    model: str | None = None,
    start_hour: int | None = None,
    every_days: float | None = None,
    **options: Any,
) -> pd.DataFrame:
    r"""Estimate runs as they were and as they would have been, side by side.

    Parameters
    ----------
    runs : DataFrame, mapping, or sequence of mappings
        As `estimate` takes them.
    region : str, optional
        Cloud region, country or US state where they would have run.
    gpu : str, optional
        Accelerator; as many as before, in the server usually built for it.
    method : str, optional
        One of `tables.METHODS`, for instance `lora` for `full`.
    model : str, optional
        Base model, for instance a distilled one for its teacher.
    start_hour : int, optional
        Hour of the same UTC day at which they would have started, 0 to 23.
    every_days : float, optional
        Days between two fine-tunings of the model.
    **options
        `only`, `profile`, `reference`, `calibrate` and `token_time`, as `compare` takes them.

    Returns
    -------
    DataFrame
        One row per run and quantity: run_id, model_name, quantity, now, then and difference
        (then - now), each with `_p05` and `_p95`, and note. Quantities are `RESULTS`; per
        inference, where expected inferences were disclosed; per year with `every_days`. Where the
        scenario cannot be told for a run, then and difference are empty and the note says why.

    Raises
    ------
    UnknownRun
        If `only` names neither a run nor a model.
    ValueError
        If nothing is changed, a name is not known (the message has the nearest), or a number lies
        outside its range; else as `estimate` raises it.

    Notes
    -----
    *Place.* Logged energy stays; PUE, WUE, grid and electricity water, logged ones too, are those
    of the new place. *GPU, method, model.* A logged time :math:`t` and energy :math:`E` no longer
    hold. The token-time and the power model say both for the run as it was and as it would have
    been, and are scaled so that they reproduce the log:

    .. math:: t' = t \frac{\hat t'}{\hat t}, \qquad E' = E \frac{\hat P' t'}{\hat P t}

    with as many tokens, as much idle time, and as busy accelerators as were logged; a utilisation
    that nobody logged is predicted again. A time that was predicted anyway is predicted again.
    :math:`t'` of a logged time errs by as much as the token-time model does for one run whose
    tokens are known, and more where the hardware or the model that it leaves was a guess; where
    only the method changes, the smaller of the model's two spreads is common. *Start hour.* It
    matters only where grid intensities are given by the hour. *Cadence.* Each fine-tuning stays as
    it is and serves for so many days.

    *The interval of the difference.* Inputs whose error comes from the same factor row on both
    sides are one quantity, and so is what both take from the run's log and from the same model
    (`comparison.OF_THE_RUN`): of two spreads of it the smaller is common. The rest is independent.
    Each side is log-normal with the contributions :math:`c_i` of `uncertainty.propagate`, so that
    both together have the covariance :math:`\sum_i c_i c_i'`; the percentiles are those of
    :math:`e^{y'} - e^{y}` over 8,192 points that fill this distribution evenly.
    """
    changes = {"region": region, "gpu": gpu, "method": method, "model": model,
               "start_hour": start_hour, "every_days": every_days}  # fmt: skip
    return by_run(compare(runs, changes, **options))


@dataclass(frozen=True)
class Comparison:
    """Runs as they were and as they would have been.

    `quantities` are named as in the answers; `told` marks the runs for which the scenario can be
    told, and `note` says of each run what there is to say.
    """

    run_id: pd.Series
    model_name: pd.Series
    quantities: dict[str, Result]
    told: np.ndarray
    note: np.ndarray


def compare(
    runs: Given,
    changes: Mapping[str, Any],
    *,
    only: str | None = None,
    reference: Reference | None = None,
    **options: Any,
) -> Comparison:
    """Estimate runs on both sides of a scenario.

    Parameters
    ----------
    runs : DataFrame, mapping, or sequence of mappings
        As `estimate` takes them.
    changes : mapping
        What `what_if` takes, by the names of its parameters; None changes nothing.
    only : str, optional
        A run's id or a model's name; all runs by default.
    reference : Reference, optional
        Reference tables; those of the package by default.
    **options
        `profile`, `calibrate` and `token_time`, as `stages.prepared` takes them.

    Raises
    ------
    UnknownRun, ValueError
        As `what_if` raises them.
    """
    changes = {name: value for name, value in changes.items() if value is not None}
    factors = reference or load()
    change.refuse_unknown(changes, factors)
    accepted, _, choices = stages.prepared(runs, reference=factors, **options)
    chosen = stages.selected(accepted, only).reset_index(drop=True)

    def filled(frame: pd.DataFrame) -> Side:
        normalized, origins = stages.filled(change.with_origins(frame), choices)
        return Side(frame, normalized, origins.table())

    now = filled(chosen)
    other = change.changed(now, changes, choices.reference, choices.profile)
    retimed = change.retimed(now, other, filled)
    then = filled(change.scaled(other, now, retimed))
    found = results(
        now, then, retimed, choices.reference, choices.profile, scaled_apart="every_days" in changes
    )
    untold = np.isnan(retimed.ratio)
    late = _late(now, then) if "start_hour" in changes else np.zeros(len(chosen), dtype=bool)
    usual = now.normalized["model_name"].map(_gaps(accepted))
    basis = _days_basis(now, usual) if "every_days" in changes else [""] * len(chosen)
    days = usual.fillna(now.normalized["expected_use_life_days"])
    return Comparison(
        now.normalized["run_id"],
        now.normalized["model_name"],
        _quantities(found, now.normalized, days, changes),
        ~(untold | (late & (set(changes) == {"start_hour"}))),
        np.array(
            [
                _note(*said)
                for said in zip(basis, late, untold, _logged_grid_left(now, then), strict=True)
            ],
            dtype="object",
        ),
    )


def by_run(comparison: Comparison) -> pd.DataFrame:
    """Return the rows of `what_if`."""
    frames = []
    for quantity, result in comparison.quantities.items():
        at = np.flatnonzero(~np.isnan(result.now.value))
        rows = result.of(at, np.arange(len(at)))
        names = [name for name in rows if not name.startswith("now")]
        rows.loc[~comparison.told[at], names] = np.nan
        rows.insert(0, "run_id", comparison.run_id.iloc[at].array)
        rows.insert(1, "model_name", comparison.model_name.iloc[at].array)
        rows.insert(2, "quantity", quantity)
        note = pd.Series(comparison.note[at], dtype="str")
        frames.append(rows.assign(note=note.to_numpy(), place=at))
    answers = pd.concat(frames, ignore_index=True)
    return answers.sort_values("place", kind="stable").drop(columns="place").reset_index(drop=True)


def totals(comparison: Comparison) -> pd.DataFrame:
    """Sum the runs up, per-inference figures left out.

    Returns
    -------
    DataFrame
        One row per quantity: quantity, now, then and difference as in `what_if`, and runs, how many
        are in the sum. Runs for which the scenario cannot be told stay out of it.

    Notes
    -----
    What was has the interval of a roll-up over these runs: factors that runs share add up before
    they are squared, and each run's own errors average out; so has what would be, where a run that
    was there already errs with those that come. What stays the same on both sides cancels in the
    difference.
    """
    at = np.flatnonzero(comparison.told)
    summed = {
        quantity: result.of(at, np.zeros(len(at), dtype=np.intp))
        for quantity, result in comparison.quantities.items()
        if quantity not in PER_INFERENCE
    }
    frame = pd.concat(summed, names=["quantity"]).reset_index(level=0).reset_index(drop=True)
    return frame.assign(runs=len(at))


def _late(now: Side, then: Side) -> np.ndarray:
    """Return the runs that would start at another hour, for which no grid intensity is known."""
    grid = [
        each.provenance[each.provenance["field"] == "grid_kgco2e_per_kwh"]
        .set_index("run_id")[["value", "factor_id"]]
        .fillna("")
        .reindex(now.normalized["run_id"])
        for each in (now, then)
    ]
    shifted = now.normalized["started_at"] != then.normalized["started_at"]
    moved = change.differs(now.runs, then.runs, change.PLACE)
    return np.asarray((shifted & ~moved).to_numpy() & (grid[0] == grid[1]).all(axis=1).to_numpy())


def _logged_grid_left(now: Side, then: Side) -> np.ndarray:
    """Return the runs that leave a logged grid intensity for that of a table."""
    logged = [
        now.normalized["run_id"].isin(
            each.provenance.loc[
                (each.provenance["field"] == "grid_kgco2e_per_kwh")
                & (each.provenance["rule"] == "as_logged"),
                "run_id",
            ]
        )
        for each in (now, then)
    ]
    return np.asarray(logged[0] & ~logged[1])


def _note(days: str, late: bool, untold: bool, logged_grid_left: bool) -> str:
    said = [
        days,
        _HOUR_UNKNOWN if late else "",
        "the token-time model knows no peak rate for it" if untold else "",
        "the log's own grid intensity names no basis; the other place's is on the life cycle"
        if logged_grid_left
        else "",
    ]
    return "; ".join(filter(None, said))


def _gaps(runs: pd.DataFrame) -> pd.Series:
    """Return the usual days between two fine-tunings of each model that has several."""
    ordered = runs.sort_values("ended_at")
    gap = ordered.groupby("model_name")["ended_at"].diff().dt.total_seconds()
    usual = gap.groupby(ordered["model_name"]).median()
    return usual[usual > 0] / SECONDS_PER_HOUR / HOURS_PER_DAY


def _days_basis(now: Side, usual_days: pd.Series) -> list[str]:
    of = now.provenance[now.provenance["field"] == "expected_use_life_days"]
    basis = now.normalized["run_id"].map(of.set_index("run_id")["basis"])
    words = basis.where(~basis.isin(IMPUTED), "a default").where(
        usual_days.isna(), "the usual interval of the model"
    )
    days = usual_days.fillna(now.normalized["expected_use_life_days"])
    return [f"now every {each:.4g} days ({word})" for each, word in zip(days, words, strict=True)]


def _quantities(
    found: Mapping[str, Result],
    normalized: pd.DataFrame,
    days: pd.Series,
    changes: Mapping[str, Any],
) -> dict[str, Result]:
    """Return the results and what follows from them: per inference, and per year of a cadence."""
    days_now = days.to_numpy(dtype=float)
    days_then = np.full(len(days), changes.get("every_days", days_now), dtype=float)
    per_day = normalized["expected_inferences_per_day"].to_numpy(dtype=float)
    per_day = np.where(per_day > 0, per_day, np.nan)
    of = dict(found)
    for name, (result, factor) in PER_INFERENCE.items():
        served = (factor / (per_day * each) for each in (days_now, days_then))
        of[name] = found[result].scaled(*served)
    if "every_days" in changes:
        for name, result in PER_YEAR.items():
            of[name] = found[result].scaled(DAYS_PER_YEAR / days_now, DAYS_PER_YEAR / days_then)
    return of
