"""The table `inference_impacts`: what each inference of a version carries on a day.

Put here: sharing a version's footprint over its days. Keep out: use lives (`versions.py`), counts
(`days.py`), what is handed on (`inheritance.py`) and the monthly schedule (`schedule.py`).

The days share the footprint by inferences; where nobody knows of any, by time in service; and where
a closed version served none at all, one row on its last day carries the whole, `unallocated`, or
says that it was handed on.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from ft_emissions_pipeline import uncertainty
from ft_emissions_pipeline.equations import GRAMS_PER_KG, MILLILITRES_PER_LITRE, per_inference
from ft_emissions_pipeline.ledger.days import expectations, seconds_in_service, served_days
from ft_emissions_pipeline.ledger.inheritance import own_amount, unused_versions
from ft_emissions_pipeline.ledger.life_days import serving
from ft_emissions_pipeline.ledger.lifecycle import with_original_names
from ft_emissions_pipeline.ledger.schedule import shared_by_month
from ft_emissions_pipeline.tables import AMORTISATION_SCHEDULE, INFERENCE_IMPACTS, conform, empty
from ft_emissions_pipeline.tables.words import Inferences, Life, Status

_TO_SHARE = (
    "model_version", "status", "method", "inferences", "inferences_basis", "handed_on_share",
)  # fmt: skip


def inference_impacts(
    versions: pd.DataFrame,
    usage: pd.DataFrame,
    first: pd.Timestamp,
    last: pd.Timestamp,
    *,
    expected_log_sd: float,
    events: pd.DataFrame | None = None,
    schedule: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Return what each version's inferences carry on the days from `first` to `last`.

    Parameters
    ----------
    versions : DataFrame
        Table `model_versions`, at least those whose life touches these days.
    usage : DataFrame
        Table `usage`, at least of these days and of these days' models.
    first, last : Timestamp
        First and last UTC day, both included.
    expected_log_sd : float
        Standard deviation of the logarithm of one expectation: of a daily count, or of a use life.
    events : DataFrame, optional
        Table `model_events`, for models that were renamed.
    schedule : DataFrame, optional
        Table `amortisation_schedule`, for models that are shared by it.

    Returns
    -------
    DataFrame
        Table `inference_impacts`, ordered by date, model and start of the version.

    Notes
    -----
    Of a version's own footprint and what it inherited, :math:`T + I`, the share handed on lands
    elsewhere; the rest lands on its days, in proportion to their inferences.
    """
    versions, usage, _ = with_original_names(versions, usage, events)
    versions = serving(versions, first, last).reset_index(drop=True)
    if versions.empty:
        return empty(INFERENCE_IMPACTS)
    days = served_days(versions, usage, (first, last))
    days = days[~unused_versions(versions)[days["position"]]].assign(share=np.nan)
    rest = empty(AMORTISATION_SCHEDULE) if schedule is None else schedule
    idle = _idle(versions, rest, first, last)
    rows = pd.concat([days, idle]) if len(idle) else days
    if len(idle):
        # A day without inferences on which a remainder ends up is that remainder's row.
        rows = rows.drop_duplicates(["position", "date"], keep="last")
    rows = rows.take(np.lexsort((rows["position"], rows["date"]))).reset_index(drop=True)
    share, status = _shares(rows, versions, rest)
    return _table(rows, versions, share, status, expected_log_sd)


def _shares(
    rows: pd.DataFrame, versions: pd.DataFrame, schedule: pd.DataFrame
) -> tuple[pd.Series, pd.Series]:
    """Return the share of own and inherited footprint of each row, and if it can still move."""
    of = versions[list(_TO_SHARE)].take(rows["position"]).reset_index(drop=True)
    life = seconds_in_service(versions)[rows["position"]]
    by_time = rows["seconds"] / np.where(life > 0, life, np.nan)
    served = of["inferences"].where(of["inferences"] > 0)
    by_count = (rows["inferences"] / served).fillna(0.0)
    share = by_count.where(of["inferences_basis"] != Inferences.NONE, by_time)
    share = share.where(rows["inferences_basis"] != Inferences.UNALLOCATED, 1.0)
    share = share.where(rows["inferences_basis"] != Inferences.HANDED_ON, 0.0) * (
        1 - of["handed_on_share"]
    )
    status = of["status"].map({Life.OPEN: Status.PROVISIONAL, Life.CLOSED: Status.FINAL})
    monthly = shared_by_month(of) & ~rows["inferences_basis"].isin(
        [Inferences.UNALLOCATED, Inferences.HANDED_ON]
    )
    if monthly.any():
        month = _month_of(rows[monthly], of[monthly], schedule)
        served = month["inferences"].where(month["inferences"] > 0)
        share[monthly] = (
            rows["inferences"][monthly].fillna(0.0) * month["billed_share"] / served
        ).fillna(0.0)
        status[monthly] = month["status"]
    return share.where(rows["share"].isna(), rows["share"]), status


def _month_of(rows: pd.DataFrame, of: pd.DataFrame, schedule: pd.DataFrame) -> pd.DataFrame:
    """Return the month of the schedule in which each row lies."""
    wanted = pd.DataFrame(
        {"model_version": of["model_version"], "date": rows["date"], "row": rows.index}
    )
    found = pd.merge_asof(
        wanted.sort_values("date"),
        schedule.sort_values("month_start"),
        left_on="date",
        right_on="month_start",
        by="model_version",
    )
    return found.set_index("row").reindex(rows.index)


def _idle(
    versions: pd.DataFrame, schedule: pd.DataFrame, first: pd.Timestamp, last: pd.Timestamp
) -> pd.DataFrame:
    """Return the rows of footprints that no inference carries, on the version's last day.

    `share` is given where the monthly schedule leaves a remainder to a month without inferences.
    """
    unused = pd.Series(unused_versions(versions), index=versions.index)
    left = schedule[(schedule["billed_share"] > 0) & ~(schedule["inferences"] > 0)]
    remainder = versions["model_version"].map(left.groupby("model_version")["billed_share"].sum())
    remainder = remainder.where((versions["status"] == Life.CLOSED) & ~unused)
    idle = versions[unused | remainder.notna()]
    instant = idle["use_life_start"] >= idle["use_life_end"]
    final_instant = (idle["use_life_end"] - pd.Timedelta(microseconds=1)).where(
        ~instant, idle["use_life_end"]
    )
    rows = pd.DataFrame(
        {
            "position": idle.index,
            "date": final_instant.dt.floor("D").dt.tz_localize(None).astype("datetime64[us]"),
            "seconds": 0.0,
            "inferences": 0.0,
            "inferences_basis": np.where(
                (idle["handed_on_share"] == 1.0) & remainder[idle.index].isna(),
                Inferences.HANDED_ON,
                Inferences.UNALLOCATED,
            ),
            "share": remainder[idle.index],
        }
    )
    return rows[rows["date"].between(first, last)]


def _table(
    rows: pd.DataFrame,
    versions: pd.DataFrame,
    share: pd.Series,
    status: pd.Series,
    expected_log_sd: float,
) -> pd.DataFrame:
    def of(name: str) -> pd.Series:
        """Take one column at a time: a year of many models has millions of rows."""
        return versions[name].take(rows["position"]).reset_index(drop=True)

    served = rows["inferences"].where(rows["inferences"] > 0)
    counted = expected_log_sd * expectations(rows["inferences_basis"], status)
    columns = {
        name: of(name)
        for name in (
            "model_name", "model_version", "methodology", "reference_version",
            "base_gco2e_per_inference", "base_water_ml_per_inference",
        )
    }  # fmt: skip
    columns |= {name: rows[name] for name in ("date", "inferences", "inferences_basis")}
    columns["status"] = status
    market = (own_amount(versions, "market_kgco2e") + versions["inherited_market_kgco2e"]).take(
        rows["position"]
    )
    columns["allocated_market_kgco2e"] = market.reset_index(drop=True) * share
    columns["market_gco2e_per_inference"] = per_inference(
        columns["allocated_market_kgco2e"] * GRAMS_PER_KG, served
    )
    onsite_and_electricity = of("onsite_water_l") + of("electricity_water_l")
    for metric, total, factor, operational, embodied in (
        ("gco2e", "kgco2e", GRAMS_PER_KG, of("operational_kgco2e"), of("embodied_kgco2e")),
        ("water_ml", "water_l", MILLILITRES_PER_LITRE, onsite_and_electricity,
         of("embodied_water_l")),
    ):  # fmt: skip
        own, inherited = of(f"total_{total}"), of(f"inherited_{total}")
        columns[f"allocated_{total}"] = (own + inherited) * share
        columns[f"inherited_{total}"] = inherited * share
        for part, amount in (
            ("", own + inherited),
            ("operational_", operational),
            ("embodied_", embodied),
            ("inherited_", inherited),
        ):
            columns[f"{part}{metric}_per_inference"] = per_inference(
                amount * share * factor, served
            )
        p05, p95 = (
            of(f"total_{total}{suffix}") + of(f"inherited_{total}{suffix}")
            for suffix in ("_p05", "_p95")
        )
        value = columns[f"{metric}_per_inference"]
        below, above = uncertainty.widened(own + inherited, p05, p95, counted)
        columns[f"{metric}_per_inference_p05"] = value * below
        columns[f"{metric}_per_inference_p95"] = value * above
    return conform(pd.DataFrame(columns, copy=False), INFERENCE_IMPACTS)
