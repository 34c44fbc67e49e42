"""Counts, events and parents that the ledger cannot use, and why.

Put here: what is said of such a record in `quarantine`. Keep out: records that could not even be
read (`readers/`), and runs from which no footprint follows (`normalize/`).

Nothing is lost: the record stays in its table, and once the missing log lands, or the contradiction
is mended, its row in quarantine is gone with the next run.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Hashable
from typing import Any

import numpy as np
import pandas as pd

from ft_emissions_pipeline.ledger import lineage
from ft_emissions_pipeline.ledger.days import SPAN, position_of, stretches
from ft_emissions_pipeline.ledger.lifecycle import contradicting, with_original_names
from ft_emissions_pipeline.tables import QUARANTINE, conform, empty

UNUSED: dict[str, str] = {
    "unknown_model": "a count or an event is of a model of which no fine-tuning is known",
    "unknown_version": "a count, an event or a run names a version that no run has made",
    "before_first_version": "a count is of a day before the model, or the version, "
    "was first fine-tuned",
    "not_in_service": "a count is of a day on which no version of the model was in service",
    "contradicting_event": "two events put different versions of a model into service at one "
    "instant",
    "impossible_parent": "a run names a parent that was made no earlier than itself: a cycle, "
    "or a wrong clock",
}
"""Reason code -> explanation. Of `impossible_parent` only the parent is not used; the run is."""

Record = dict[Hashable, Any]
PLACE = ("source_uri", "source_record")


def unused(
    versions: pd.DataFrame,
    usage: pd.DataFrame,
    events: pd.DataFrame | None = None,
    runs: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Return the records that the ledger cannot use, as rows of quarantine.

    Parameters
    ----------
    versions : DataFrame
        Table `model_versions`.
    usage : DataFrame
        Table `usage`, all days.
    events : DataFrame, optional
        Table `model_events`.
    runs : DataFrame, optional
        Table `runs`, which tells in which file a run with an impossible parent stands.

    Returns
    -------
    DataFrame
        Table `quarantine`.
    """
    versions, counts, told = with_original_names(versions, usage, events)
    frames = [_of_usage(versions, counts), _of_events(versions, told)]
    if runs is not None:
        frames.append(_of_parents(versions, runs))
    frames = [frame for frame in frames if len(frame)]
    return conform(pd.concat(frames), QUARANTINE) if frames else empty(QUARANTINE)


def _of_usage(versions: pd.DataFrame, usage: pd.DataFrame) -> pd.DataFrame:
    models = pd.Index(versions["model_name"].unique())
    model = models.get_indexer(usage["model_name"]).astype("int64")
    of_model = models.get_indexer(versions["model_name"])
    begun = versions["use_life_start"].dt.floor("D").dt.tz_localize(None).to_numpy()
    first = pd.Series(begun).groupby(of_model).min().reindex(model).to_numpy()
    day = usage["date"].to_numpy()
    named = usage["model_version"].notna().to_numpy()
    place = np.full(len(usage), -1)
    place[named] = position_of(versions, usage["model_version"][named])
    early = day < first
    early[place >= 0] = (day < begun[place])[place >= 0] if len(begun) else False
    counted = (usage["inferences"] > 0).to_numpy()
    checks: dict[str, tuple[np.ndarray, Callable[[Record], str]]] = {
        "unknown_version": (
            named & (place < 0) & (model >= 0),
            lambda row: (
                f"names version {row['model_version']!r} of model {row['model_name']!r}, "
                "but no run has this id; name the run's id, give it this label under aliases in "
                "models.yaml, or leave the version out"
            ),
        ),
        "unknown_model": (
            (model < 0) & (place < 0),
            lambda row: (
                f"counts inferences of model {row['model_name']!r}, of which no fine-tuning "
                "is known; land its log, or give run and usage the same model_name"
            ),
        ),
        "before_first_version": (
            early,
            lambda row: (
                f"counts inferences on {row['date']:%Y-%m-%d}, before the first fine-tuning of "
                f"{row['model_version'] if pd.notna(row['model_version']) else row['model_name']!r}"
                "; land the earlier log, or correct the date"
            ),
        ),
        "not_in_service": (
            ~named & ~_in_service(versions, of_model.astype("int64"), model, day),
            lambda row: (
                f"counts inferences of {row['model_name']!r} on {row['date']:%Y-%m-%d}, when no "
                "version was in service; name the version that served, "
                "correct expected_use_life_days, or correct models.yaml"
            ),
        ),
    }
    return _rows(usage, {code: (breaks & counted, why) for code, (breaks, why) in checks.items()})


def _in_service(
    versions: pd.DataFrame, of_model: np.ndarray, model: np.ndarray, day: np.ndarray
) -> np.ndarray:
    """Say of each model and day whether any version was in service: one at a time is."""
    position, opens, closes = stretches(versions)
    serves = opens < closes
    opened = opens[serves].astype("datetime64[D]").astype("int64")
    key = of_model[position[serves]] * SPAN + opened
    order = np.lexsort((opens[serves], key))
    wanted = model * SPAN + day.astype("datetime64[D]").astype("int64")
    at = np.searchsorted(key[order], wanted, side="right") - 1
    if not len(order):
        return np.zeros(len(day), dtype=bool)
    of = order[np.maximum(at, 0)]
    same = (at >= 0) & (key[of] // SPAN == model)
    return np.asarray(same & (closes[serves][of] > day), dtype=bool)


def _of_events(versions: pd.DataFrame, events: pd.DataFrame) -> pd.DataFrame:
    if events.empty:
        return empty(QUARANTINE)
    known = events["model_name"].isin(versions["model_name"])
    named = events["model_version"].notna()
    own = pd.MultiIndex.from_frame(versions[["model_name", "model_version"]])
    theirs = pd.MultiIndex.from_frame(events[["model_name", "model_version"]])
    # A name that is only ever given to a model may come before the model's first run under it.
    return _rows(
        events,
        {
            "unknown_model": (
                (~known & ~events["model_name"].isin(versions["present_name"])).to_numpy(),
                lambda row: (
                    f"is about model {row['model_name']!r}, of which no fine-tuning is known; "
                    "correct the name, or land the log"
                ),
            ),
            "unknown_version": (
                (known & named & ~theirs.isin(own)).to_numpy(),
                lambda row: (
                    f"names version {row['model_version']!r}, which no run of "
                    f"{row['model_name']!r} has made; name the run's id"
                ),
            ),
            "contradicting_event": (
                contradicting(events).to_numpy(),
                lambda row: (
                    f"claims the service of {row['model_name']!r} at {row['at']}, which another "
                    "event claims, too; keep the one that is right"
                ),
            ),
        },
    )


def _of_parents(versions: pd.DataFrame, runs: pd.DataFrame) -> pd.DataFrame:
    _, _, child, parent = lineage.parents(versions)
    names = versions["model_version"].to_numpy()
    elders = dict(zip(names[child], names[parent], strict=True))
    rows = runs[runs["run_id"].isin(elders)]
    return _rows(
        rows,
        {
            "impossible_parent": (
                np.ones(len(rows), dtype=bool),
                lambda row: (
                    f"run {row['run_id']!r} names as its parent {elders[row['run_id']]!r}, "
                    "which was made no earlier than itself: a cycle, or a wrong clock; "
                    "the run counts, its parent is ignored: correct parent_version"
                ),
            )
        },
    )


def _rows(
    records: pd.DataFrame, checks: dict[str, tuple[np.ndarray, Callable[[Record], str]]]
) -> pd.DataFrame:
    """Return a row of quarantine for each record that breaks a check; the first one wins."""
    taken = np.zeros(len(records), dtype=bool)
    found = []
    for code, (breaks, why) in checks.items():
        for row in records[breaks & ~taken].to_dict("records"):
            raw = {name: cell for name, cell in row.items() if name not in PLACE and pd.notna(cell)}
            found.append(
                {
                    "source_uri": row["source_uri"],
                    "source_record": row["source_record"],
                    "reason_code": code,
                    "reason": why(row),
                    "raw": json.dumps(raw, default=str, ensure_ascii=False)[:500],
                }
            )
        taken |= breaks
    return pd.DataFrame(found)
