"""Runs that can be computed, and why others cannot.

Put here: what a run must tell at least. Keep out: broken single values (`readers/validation.py`).
"""

from __future__ import annotations

import pandas as pd

from ft_emissions_pipeline.normalize import duration, tokens
from ft_emissions_pipeline.normalize.kinds import is_timed
from ft_emissions_pipeline.tables import QUARANTINE, RUNS, conform, empty
from ft_emissions_pipeline.tables import rows as row_rules

UNCOMPUTABLE = {
    "no_time_no_tokens": (
        "neither a time, an energy nor tokens are known, so there is nothing to compute from"
    ),
    "impossible_figure": (
        "a figure computed from the record is not finite, outside its interval, or beyond all that "
        "a log may tell"
    ),
}
"""Reason code -> explanation, for runs that are refused although no rule is broken."""


def accepted(runs: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Part the runs that can be computed from those that cannot.

    Parameters
    ----------
    runs : DataFrame
        Table `runs`: joined records, each of which was checked when it was read.

    Returns
    -------
    accepted, quarantine : DataFrame
        Tables `runs` and `quarantine`: what breaks a row rule after joining, or leaves nothing to
        compute from.
    """
    whole, found = row_rules.split(runs, RUNS)
    idle = ~is_timed(whole)
    if found.empty and not idle.any():
        return whole.reset_index(drop=True), empty(QUARANTINE)
    rule_breakers = runs.loc[found.index, ["source_uri", "source_record"]].assign(
        reason_code=found["reason_code"], reason=found["reason"]
    )
    empty_handed = _refusals(whole[idle])
    kept = whole[~whole["run_id"].isin(empty_handed["run_id"])].reset_index(drop=True)
    refused = [
        frame for frame in (rule_breakers, empty_handed.drop(columns="run_id")) if len(frame)
    ]
    return kept, conform(pd.concat(refused), QUARANTINE) if refused else empty(QUARANTINE)


def _refusals(timeless: pd.DataFrame) -> pd.DataFrame:
    """Return the runs without a time from which nothing can be computed, and why.

    Parameters
    ----------
    timeless : DataFrame
        Rows of table `runs`.

    Returns
    -------
    DataFrame
        `run_id`, `source_uri`, `source_record`, `reason_code`, `reason`.
    """
    refused = timeless[~_tells_work(timeless)]
    return pd.DataFrame(
        {
            "run_id": refused["run_id"],
            "source_uri": refused["source_uri"],
            "source_record": refused["source_record"],
            "reason_code": next(iter(UNCOMPUTABLE)),
            "reason": "run "
            + refused["run_id"].astype("str")
            + ": neither a time (reserved_s, active_s, or started_at and ended_at), an energy nor "
            "tokens (tokens_padded, tokens_unpadded, train_flop, token_lengths with "
            "micro_batch_size, samples, or steps with micro_batch_size, gradient_accumulation and "
            "world_size, all above 0; they tell the time of runs on accelerators only) are known; "
            "disclose one of them, or map another log of the run to it in runs.yaml",
        }
    )


def _tells_work(runs: pd.DataFrame) -> pd.Series:
    """Say which runs tell something from which a time follows."""
    counted = (runs["train_flop"] > 0) | tokens.tells_tokens(runs)
    # Tokens tell the time by an accelerator's peak; a run without one has none.
    return (counted & (runs["gpu_count"] != 0)) | duration.has_energy(runs)
