"""Sums of the per-inference table: by model, team, tag, base model and its family, and fleet.

Put here: adding up what can be added up, intensities from these sums, and the interval of a sum
whose parts err together. Keep out: the per-inference table itself (`ledger/`), how runs scatter
(`scatter.py`), and the arithmetic of intervals (`uncertainty/`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from ft_emissions_pipeline import uncertainty
from ft_emissions_pipeline.equations import GRAMS_PER_KG, MILLILITRES_PER_LITRE, per_inference
from ft_emissions_pipeline.ledger import families
from ft_emissions_pipeline.ledger.days import expectations
from ft_emissions_pipeline.ledger.scatter import Scatter, scatter
from ft_emissions_pipeline.tables import GROUPS, PERIODS, ROLLUPS, conform, empty
from ft_emissions_pipeline.tables.frames import places
from ft_emissions_pipeline.tables.ledger import PARTS
from ft_emissions_pipeline.tables.words import Group, Inferences, Period, Status

GROUP_KEYS: dict[str, str] = {
    Group.MODEL: "model_name",
    Group.TEAM: "team",
    Group.TAG: "tag",
    **{name: name for name in families.KEYS},
}

LABELS = ("team", "tag")

OF_VERSIONS = (
    *LABELS, "total_kgco2e", "inherited_kgco2e", "total_water_l", "inherited_water_l",
    *PARTS, *(f"inherited_{part}" for part in PARTS),
)  # fmt: skip
"""Columns of `model_versions` that tell labels, and what a kilogram or litre consists of."""

KEYS = (*GROUP_KEYS, *PERIODS)
"""What a roll-up can be by; by nothing, it is one row for everything."""

ADDITIVE = (
    "ledger_rows", "inferences", "expected_inferences",
    "allocated_kgco2e", "provisional_kgco2e", "uncounted_kgco2e",
    "allocated_water_l", "provisional_water_l", "uncounted_water_l",
    "allocated_market_kgco2e", "uncontracted_kgco2e",
)  # fmt: skip

_METRICS = (
    ("kgco2e", "gco2e_per_inference", GRAMS_PER_KG),
    ("water_l", "water_ml_per_inference", MILLILITRES_PER_LITRE),
)

NEEDED = (
    "date", "model_name", "model_version", "inferences", "inferences_basis", "allocated_kgco2e",
    "allocated_water_l", "allocated_market_kgco2e", "status",
)  # fmt: skip
"""Columns of `inference_impacts` from which a roll-up follows."""

_MONTHS: dict[str, int] = {Period.MONTH: 1, Period.QUARTER: 3, Period.YEAR: 12}

CHECKED = ("date", "model_name", "inferences", "allocated_kgco2e", "allocated_water_l")
"""Columns of `inference_impacts` that `differences` compares roll-ups with."""


def roll_up(
    inference_impacts: pd.DataFrame,
    run_spreads: pd.DataFrame,
    by: Sequence[str],
    *,
    expected_log_sd: float,
    versions: pd.DataFrame | None = None,
    year_begins: int = 1,
) -> pd.DataFrame:
    """Sum the per-inference table up.

    Parameters
    ----------
    inference_impacts : DataFrame
        At least columns `NEEDED` of the table of this name.
    run_spreads : DataFrame
        Rows of the table of this name, at least of the runs behind these versions.
    by : sequence of str
        Of `KEYS`: what `GROUP_KEYS` names, and at most one of `month`, `quarter`, `year`.
    expected_log_sd : float
        Standard deviation of the logarithm of one expectation, of inferences or of a use life; they
        err together.
    versions : DataFrame, optional
        Columns `OF_VERSIONS` by run id, and `families.KEYS` to roll up by them; needed for the
        parts and labels. A version has one of each label, so that no gram counts under two.
    year_begins : int
        Month, 1 to 12, with which a year and its first quarter begin.

    Returns
    -------
    DataFrame
        Ordered by its keys: `model_name` and labels where asked for, `date` (first day of the
        period), the sums in `ADDITIVE`, `allocated_kgco2e` and `allocated_water_l` with
        percentiles, their `PARTS`, and intensities made of the sums, with percentiles.

    Raises
    ------
    ValueError
        If `by` names something else, or a run's spread is not there.
    """
    columns = _columns(by)
    ledger, position, runs = _with_runs(inference_impacts)
    known = _known(versions, runs)
    keys = _keys(_labelled(ledger, position, known), by, year_begins)[columns]
    members = scatter(run_spreads).of(runs)
    kept = _kept(ledger, keys, position, known).by(keys, members[0].kind)
    return _rolled_up(kept, kept.keys, members, expected_log_sd)


def summed(
    inference_impacts: pd.DataFrame,
    keys: pd.DataFrame,
    spreads: Scatter,
    *,
    expected_log_sd: float,
) -> pd.DataFrame:
    """Sum rows of the per-inference table up by any keys, with intervals that know what runs share.

    Parameters
    ----------
    inference_impacts, expected_log_sd
        As for `roll_up`.
    keys : DataFrame
        Columns that name a group, one row per row of `inference_impacts`.
    spreads : Scatter
        How at least the runs behind these versions scatter.

    Returns
    -------
    DataFrame
        As `roll_up` returns it, with these keys.
    """
    ledger, position, runs = _with_runs(inference_impacts)
    members = spreads.of(runs)
    keys = keys.reset_index(drop=True)
    kept = _kept(ledger, keys, position).by(keys, members[0].kind)
    return _rolled_up(kept, kept.keys, members, expected_log_sd)


def sum_of_runs(run_impacts: pd.DataFrame, spreads: Scatter) -> dict[str, float]:
    """Return carbon and water of whole runs together, with percentiles as in the roll-ups.

    Parameters
    ----------
    run_impacts : DataFrame
        Table of this name.
    spreads : Scatter
        How at least these runs scatter.

    Returns
    -------
    dict
        `total_kgco2e` and `total_water_l`, each with `_p05` and `_p95`.
    """
    whole = pd.DataFrame(
        {
            "model_version": run_impacts["run_id"],
            # Known to be none: what nobody counted would be summed up a second time.
            "inferences": 0.0,
            "inferences_basis": "none",
            "status": "final",
            "allocated_market_kgco2e": np.nan,
            **{f"allocated_{metric}": run_impacts[f"total_{metric}"] for metric, *_ in _METRICS},
        }
    )
    found = summed(whole, pd.DataFrame(index=whole.index), spreads, expected_log_sd=0.0)
    return {
        f"total_{metric}{suffix}": float(found[f"allocated_{metric}{suffix}"].sum())
        for metric, *_ in _METRICS
        for suffix in ("", "_p05", "_p95")
    }


def _with_runs(inference_impacts: pd.DataFrame) -> tuple[pd.DataFrame, np.ndarray, pd.Index]:
    """Return rows with the place of the run that made each one's version, and the runs."""
    position, runs = pd.factorize(inference_impacts["model_version"])
    return inference_impacts.reset_index(drop=True), position, runs


def _known(versions: pd.DataFrame | None, runs: pd.Index) -> pd.DataFrame | None:
    """Return what is known of the version that each run made."""
    if versions is None:
        return None
    return versions.reset_index(drop=True).reindex(places(versions.index, runs))


def _labelled(
    ledger: pd.DataFrame, position: np.ndarray, known: pd.DataFrame | None
) -> pd.DataFrame:
    if known is None:
        return ledger
    labels = [name for name in (*LABELS, *families.KEYS) if name in known]
    return ledger.assign(**{name: known[name].array.take(position) for name in labels})


@dataclass(frozen=True)
class _Kept:
    """Sums by cell, and how much of a cell's amounts each run carries.

    A cell is a combination of keys. Sums of cells add up to those of longer periods; an interval
    does not, so it is made anew from what each run carries over the whole period.
    """

    keys: pd.DataFrame
    sums: pd.DataFrame
    run: np.ndarray
    cell: np.ndarray
    carried: Mapping[str, np.ndarray]

    def by(self, keys: pd.DataFrame, kind: np.ndarray) -> _Kept:
        """Return the sums of coarser cells, given each cell's new keys and each run's kind."""
        number, distinct = _numbered(keys)
        runs, cell = len(kind), number[self.cell]
        # Runs of one kind stand together, as `parts_of_sums` likes them.
        order = np.argsort(kind, kind="stable")
        rank = np.empty(runs, dtype=np.int64)
        rank[order] = np.arange(runs)
        part, code = np.unique(cell * runs + rank[self.run], return_inverse=True)
        return _Kept(
            distinct,
            _summed(self.sums, number),
            order[part % runs],
            part // runs,
            {name: np.bincount(code, amount) for name, amount in self.carried.items()},
        )

    def of(self, wanted: np.ndarray) -> _Kept:
        """Return just some of the cells."""
        number, here = np.cumsum(wanted) - 1, wanted[self.cell]
        return _Kept(
            self.keys[wanted].reset_index(drop=True),
            self.sums[wanted].reset_index(drop=True),
            self.run[here],
            number[self.cell[here]],
            {name: amount[here] for name, amount in self.carried.items()},
        )

    def holds_only(self, shorter: _Kept) -> bool:
        """Say whether one longer period holds just the rows of one shorter period."""
        return (
            all(each.keys["date"].nunique() == 1 for each in (self, shorter))
            and self.keys.drop(columns="date").equals(shorter.keys.drop(columns="date"))
            and self.sums.equals(shorter.sums)
            and np.array_equal(self.run, shorter.run)
            and np.array_equal(self.cell, shorter.cell)
            and all(np.array_equal(each, shorter.carried[n]) for n, each in self.carried.items())
        )


def _numbered(keys: pd.DataFrame) -> tuple[np.ndarray, pd.DataFrame]:
    """Return which combination each row of keys is, and the combinations in order."""
    if keys.columns.empty:
        return np.zeros(len(keys), dtype=np.int64), pd.DataFrame(index=[0][: len(keys)])
    number = keys.groupby(list(keys), dropna=False).ngroup().to_numpy(dtype=np.int64)
    _, first = np.unique(number, return_index=True)
    return number, keys.take(first).reset_index(drop=True)


def _summed(sums: pd.DataFrame, number: np.ndarray) -> pd.DataFrame:
    """Add rows up; of a market-based amount that some lack, what is known is the sum."""
    by = sums.groupby(number)
    partly = ["allocated_market_kgco2e"]
    return by.sum(skipna=False).assign(**by[partly].sum(min_count=1))


def _kept(
    ledger: pd.DataFrame,
    keys: pd.DataFrame,
    position: np.ndarray,
    known: pd.DataFrame | None = None,
) -> _Kept:
    """Return the rows of the ledger, each as a cell of its own."""
    sums = _additive(ledger)
    counted = ledger["inferences"].notna()
    for metric, *_ in _METRICS:
        sums[f"counted_{metric}"] = ledger[f"allocated_{metric}"].where(counted, 0.0)
    carried = {
        name: sums[name].to_numpy(dtype=float)
        for metric, *_ in _METRICS
        for name in (f"allocated_{metric}", f"counted_{metric}")
    }
    if known is not None:
        for part, total in PARTS.items():
            # What a kilogram or litre of each version consists of.
            share = _over(
                known[part] + known[f"inherited_{part}"],
                known[f"total_{total}"] + known[f"inherited_{total}"],
            ).where(known["total_kgco2e"].notna())
            sums[part] = ledger[f"allocated_{total}"] * share.to_numpy()[position]
    rows = np.arange(len(ledger))
    return _Kept(keys, sums, position, rows, carried)


def _rolled_up(
    kept: _Kept, keys: pd.DataFrame, members: list[uncertainty.Members], expected_log_sd: float
) -> pd.DataFrame:
    """Return sums with their intervals by keys of the cells, in which a run has one cell each."""
    number, found = _numbered(keys)
    sums = _summed(kept.sums, number)
    found[list(ADDITIVE)] = sums[list(ADDITIVE)]
    doubt = expected_log_sd * _over(sums["doubted"], sums["inferences"]).to_numpy()
    parts = uncertainty.parts_of_sums(kept.run, number[kept.cell], members[0])
    served = sums["inferences"].where(sums["inferences"] > 0)
    for (metric, ratio, factor), member in zip(_METRICS, members, strict=True):
        whole, counted = kept.carried[f"allocated_{metric}"], kept.carried[f"counted_{metric}"]
        low, high = uncertainty.interval_of_sums(whole, parts, member)
        # Runs are added up in another order there, which may differ in the last digit.
        found[f"allocated_{metric}_p05"] = np.minimum(low, sums[f"allocated_{metric}"])
        found[f"allocated_{metric}_p95"] = np.maximum(high, sums[f"allocated_{metric}"])
        for part in (name for name in PARTS if PARTS[name] == metric and name in sums):
            found[part] = sums[part]
        if not np.array_equal(whole, counted):
            low, high = uncertainty.interval_of_sums(counted, parts, member)
        total = sums[f"counted_{metric}"].to_numpy()
        found[ratio] = per_inference(total * factor, served)
        below, above = uncertainty.widened(total, low, high, doubt)
        found[f"{ratio}_p05"], found[f"{ratio}_p95"] = found[ratio] * below, found[ratio] * above
    return found


def _columns(by: Sequence[str]) -> list[str]:
    periods = [key for key in by if key in PERIODS]
    unknown = [key for key in by if key not in KEYS]
    if unknown or len(periods) > 1 or len(set(by)) < len(by):
        what = f"{unknown[0]} is none of these" if unknown else f"not by {', '.join(by)}"
        msg = (
            f"roll up by any of {', '.join(GROUP_KEYS)} and at most one of {', '.join(PERIODS)}; "
            f"{what}"
        )
        raise ValueError(msg)
    return [GROUP_KEYS[key] for key in by if key in GROUP_KEYS] + ["date"] * len(periods)


def period_start(dates: pd.Series, period: str, year_begins: int = 1) -> pd.Series:
    """Return the first day of each date's month, quarter or year, of years that begin in a month.

    >>> days = pd.Series(pd.to_datetime(["2026-03-31", "2026-04-01"]))
    >>> period_start(days, "year", year_begins=4).dt.date.astype("str").tolist()
    ['2025-04-01', '2026-04-01']
    """
    code, days = pd.factorize(dates)
    month = pd.Series(days).to_numpy("datetime64[M]").astype("int64") - (year_begins - 1)
    starts = month - month % _MONTHS[period] + (year_begins - 1)
    first = starts.astype("datetime64[M]").astype("datetime64[us]")
    return pd.Series(first[code], dates.index, name=dates.name)


def _keys(ledger: pd.DataFrame, by: Sequence[str], year_begins: int = 1) -> pd.DataFrame:
    found = {}
    for key in by:
        if key in PERIODS:
            found["date"] = period_start(ledger["date"], key, year_begins).array
        elif GROUP_KEYS[key] not in ledger:
            msg = f"to roll up by {key}, name the {key} of each run"
            raise ValueError(msg)
        else:
            found[GROUP_KEYS[key]] = ledger[GROUP_KEYS[key]].array
    order = [name for name in (*GROUP_KEYS.values(), "date") if name in found]
    return pd.DataFrame({name: found[name] for name in order}, index=ledger.index)


def _additive(ledger: pd.DataFrame) -> pd.DataFrame:
    inferences = ledger["inferences"].fillna(0.0)
    parts = {
        "ledger_rows": 1,
        "inferences": inferences,
        "expected_inferences": inferences.where(
            ledger["inferences_basis"] == Inferences.EXPECTED, 0.0
        ),
    }
    for metric, *_ in _METRICS:
        amount = ledger[f"allocated_{metric}"]
        parts[f"allocated_{metric}"] = amount
        parts[f"provisional_{metric}"] = amount.where(ledger["status"] == Status.PROVISIONAL, 0.0)
        parts[f"uncounted_{metric}"] = amount.where(ledger["inferences"].isna(), 0.0)
    market = parts["allocated_market_kgco2e"] = ledger["allocated_market_kgco2e"]
    parts["uncontracted_kgco2e"] = ledger["allocated_kgco2e"].where(market.isna(), 0.0)
    parts["doubted"] = inferences * expectations(ledger["inferences_basis"], ledger["status"])
    return pd.DataFrame(parts, index=ledger.index)


def _over(part: pd.Series, whole: pd.Series) -> pd.Series:
    return (part / whole.where(whole > 0)).fillna(0.0)


def rollups(
    inference_impacts: pd.DataFrame,
    run_spreads: pd.DataFrame | Scatter,
    versions: pd.DataFrame,
    *,
    expected_log_sd: float,
    due: Mapping[str, pd.Series] | None = None,
) -> pd.DataFrame:
    """Return table `rollups` of the given days: every group over every kind of period.

    Parameters
    ----------
    inference_impacts, versions, expected_log_sd
        As for `roll_up`; the days must fill the periods.
    run_spreads : DataFrame or Scatter
        As for `roll_up`, or how at least these runs scatter.
    due : mapping of str to Series of datetime, optional
        First days of the months, quarters and years wanted; by default all of these days.
    """
    ledger, position, runs = _with_runs(inference_impacts)
    known = _known(versions, runs)
    spreads = run_spreads if isinstance(run_spreads, Scatter) else scatter(run_spreads)
    members = spreads.of(runs)
    keys = _labelled(ledger, position, known)[["model_name", *LABELS, "date"]]
    kept = _kept(ledger, keys, position, known)
    frames: list[pd.DataFrame] = []
    before = None
    for period in PERIODS:
        # From days to months, and on to quarters and years: a longer period sums few rows.
        begun = kept.keys.assign(date=period_start(kept.keys["date"], period))
        kept = kept.by(begun, members[0].kind)
        here = kept.of(kept.keys["date"].isin(due[period]).to_numpy()) if due else kept
        if here.keys.empty:
            continue
        if before is not None and here.holds_only(before):
            # In a quarter's first month both have the same sums, and so with a year.
            sums = frames[-1].assign(date=here.keys["date"].iloc[0])
        else:
            sums = _by_group(here, members, expected_log_sd)
        frames.append(sums.assign(period=period))
        before = here
    if not frames:
        return empty(ROLLUPS)
    ordered = pd.concat(frames, ignore_index=True).sort_values(list(ROLLUPS.key))
    return conform(ordered, ROLLUPS)


def _by_group(
    kept: _Kept, members: list[uncertainty.Members], expected_log_sd: float
) -> pd.DataFrame:
    """Return the sums of every group over the periods of some cells."""
    fleet = _rolled_up(kept, kept.keys[["date"]], members, expected_log_sd)
    frames = []
    for grouped_by in GROUPS:
        label = GROUP_KEYS.get(grouped_by)
        # Where nothing has the label all stand in one row, the fleet's.
        one_row = label is None or kept.keys[label].isna().all()
        sums = (
            fleet.assign(name=pd.Series(dtype="str"))
            if one_row
            else _rolled_up(kept, kept.keys[[label, "date"]], members, expected_log_sd).rename(
                columns={label: "name"}
            )
        )
        frames.append(sums.assign(grouped_by=grouped_by))
    return pd.concat(frames, ignore_index=True)


def differences(rollups: pd.DataFrame, inference_impacts: pd.DataFrame) -> pd.DataFrame:
    """Return the roll-ups that are not the sum of the per-inference table.

    Parameters
    ----------
    rollups : DataFrame
        Table `rollups`.
    inference_impacts : DataFrame
        Columns `CHECKED` of the table of this name, all days.

    Returns
    -------
    DataFrame
        period, date, grouped_by, name, column, rolled_up, ledger: one row per number that differs
        by more than a relative 1e-9, or is missing on one side. Models are compared one by one,
        teams and tags as the sum of all.
    """
    columns = ["inferences", "allocated_kgco2e", "allocated_water_l"]
    keys = ["period", "date", "grouped_by", "name"]
    of_models = rollups["grouped_by"] == Group.MODEL
    left = rollups.assign(name=rollups["name"].where(of_models, "")).groupby(keys)[columns].sum()
    by_day = inference_impacts.groupby(["date", "model_name"])[columns].sum().reset_index()
    by_day = by_day.rename(columns={"model_name": "name"})
    begun = [by_day.assign(date=period_start(by_day["date"], p), period=p) for p in PERIODS]
    models = pd.concat(begun).groupby(["period", "date", "name"])[columns].sum().reset_index()
    whole = models.groupby(["period", "date"])[columns].sum().reset_index().assign(name="")
    of_groups = [(models if g == Group.MODEL else whole).assign(grouped_by=g) for g in GROUPS]
    right = pd.concat(of_groups).set_index(keys)[columns]
    every = left.index.union(right.index)
    rolled_up, ledger = (side.reindex(every).to_numpy() for side in (left, right))
    differs = ~np.isclose(rolled_up, ledger, rtol=1e-9, atol=0.0)
    row, column = np.nonzero(differs)
    found = every[row].to_frame(index=False)
    return found.assign(
        name=found["name"].where(found["grouped_by"] == Group.MODEL),
        column=np.array(columns, dtype="object")[column],
        rolled_up=rolled_up[differs],
        ledger=ledger[differs],
    )
