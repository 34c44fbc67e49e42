"""The bottom-up sum of runs beside what their cloud providers report.

Put here: which rows of a provider's report stand, the runs' sums of the same region and month, and
what a difference says. Keep out: reading of reports (`readers/`), and every figure of a run.

A run counts in the month of its day. Accounts are added up, and named, unless they are asked for;
which one a run was made in, only its owner can state, as no account id is taken over from a log.
Providers report whole accounts, so their figure is expected to be the larger one. They state no
interval; theirs is taken as exact.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from ft_emissions_pipeline.ledger.inheritance import own_amount
from ft_emissions_pipeline.ledger.rollups import sum_of_runs
from ft_emissions_pipeline.ledger.scatter import OF_SPREADS, Scatter, scatter
from ft_emissions_pipeline.tables import CLOUD_REPORTS, NORMALIZED_RUNS, RUN_IMPACTS, RUN_SPREADS
from ft_emissions_pipeline.warehouse import store

OURS = (
    "fine-tuning runs alone: electricity of the facility, location-based, of it direct what leaves "
    "the stacks; supply of it, and the hardware's making as it was reserved; water on site consumed"
)
COVERS = {
    "aws": (
        "all use of the accounts; Scope 3 since method 3.0.0: fuel and energy, hardware, "
        "buildings, transport; water is withdrawn, part of it flows back"
    ),
    "gcp": "all use of the projects; Scope 3 has hardware, buildings, travel and supply of energy",
    "azure": "all use of the subscriptions, in the scopes that were asked for, market-based",
}
"""What each side counts; Google and Azure after their documentation, not verified further."""

WITHIN = "within the interval of ours"
ABOVE = "ours is larger, by more than its interval: look for runs counted twice or a wrong region"
BELOW = "theirs is larger, by more than our interval: other work, or runs without a log"
NO_RUN = "no run is known there"
NO_REPORT = "no report is there"
NOT_KNOWN = "the {0} of these runs is not known: state cloud_{0} in runs.yaml"
NO_CONTRACT = "a run has no contract's factor, so ours is not known: see docs/reference_data.md"
PLACES = ("region", "account")
"""What providers tell apart, and runs as `cloud_` and this word."""
OF_RUNS = ("run_id", "cloud_provider", *(f"cloud_{place}" for place in PLACES))
"""Columns of `normalized_runs` that tell where a run was made."""


def _sum(*names: str) -> Callable[[pd.DataFrame], pd.Series]:
    return lambda frame: frame[list(names)].sum(axis=1, skipna=False)


_Line = tuple[str, Callable[[pd.DataFrame], pd.Series], tuple[str, ...]]
"""Unit, ours of each run, columns of `cloud_reports` that theirs is the sum of."""

TOTAL = "total, location-based"
_CARBON: dict[str, _Line] = {
    TOTAL: ("kgCO2e", _sum("total_kgco2e"), ("total_location_kgco2e",)),
    "total, market-based": (
        "kgCO2e",
        lambda runs: own_amount(runs, "market_kgco2e"),
        ("total_market_kgco2e",),
    ),
    "electricity, location-based, Scope 1 and 2": (
        "kgCO2e",
        _sum("operational_direct_kgco2e"),
        ("scope_1_kgco2e", "scope_2_location_kgco2e"),
    ),
    "electricity, market-based, Scope 1 and 2": (
        "kgCO2e",
        _sum("operational_market_kgco2e"),
        ("scope_1_kgco2e", "scope_2_market_kgco2e"),
    ),
    "supply and hardware, Scope 3": (
        "kgCO2e",
        lambda runs: (
            runs["operational_kgco2e"] - runs["operational_direct_kgco2e"] + runs["embodied_kgco2e"]
        ),
        ("scope_3_location_kgco2e",),
    ),
}
_WATER: dict[str, _Line] = {
    "water on site: consumed, over withdrawn": (
        "L",
        _sum("onsite_water_l"),
        ("water_withdrawal_l",),
    ),
}


def reconcile(
    cloud_reports: pd.DataFrame,
    run_impacts: pd.DataFrame,
    normalized_runs: pd.DataFrame,
    spreads: Scatter,
    by: Sequence[str] = ("region",),
) -> pd.DataFrame:
    """Set the runs of each region and month beside what the provider reports of it.

    Parameters
    ----------
    cloud_reports, run_impacts, normalized_runs : DataFrame
        Tables of these names.
    spreads : Scatter
        How these runs scatter.
    by : sequence of str
        Of `PLACES`, at least one.

    Returns
    -------
    DataFrame
        provider, region or account (empty where one side does not tell it apart), month, accounts
        (of the report), runs, line, unit, ours, with ours_p05 and ours_p95 where it is known how
        runs err together, theirs, ratio (ours over theirs), said (what the difference means).
    """
    if not by or set(by) - set(PLACES):
        msg = f"reconcile by {' or '.join(PLACES)}, or both with a comma between"
        raise ValueError(msg)
    key = ["provider", *by, "month"]
    if cloud_reports.empty:
        return pd.DataFrame(columns=[*key, *_COLUMNS])
    places = normalized_runs[list(OF_RUNS)].rename(
        columns={f"cloud_{name}": name for name in ("provider", *PLACES)}
    )
    places = places[places["provider"].isin(cloud_reports["provider"])]
    runs = run_impacts.merge(places, on="run_id").fillna(dict.fromkeys(PLACES, ""))
    month = runs["date"].to_numpy("datetime64[M]").astype("datetime64[us]")
    runs = runs.assign(month=month)
    reports = cloud_reports.rename(columns={"month_start": "month"})
    reports = reports.fillna(dict.fromkeys(_NAMES, ""))
    # Water and carbon come in rows of their own, and may be broken down differently.
    water = reports["water_withdrawal_l"].notna()
    rows = [
        row
        for kind, lines in ((~water, _CARBON), (water, _WATER))
        for row in _beside(_standing(reports[kind], by), runs, spreads, lines, by)
    ]
    found = pd.DataFrame(rows, columns=[*key, *_COLUMNS])
    return found.sort_values(key, kind="stable", ignore_index=True)


_NAMES = ("account", "region", "service", "carbon_model")
_COLUMNS = (
    "accounts", "runs", "line", "unit", "ours", "ours_p05", "ours_p95", "theirs", "ratio", "said",
)  # fmt: skip


def of_warehouse(
    warehouse: str | Path,
    by: Sequence[str] = ("region",),
    days: tuple[pd.Timestamp, pd.Timestamp] | None = None,
) -> pd.DataFrame:
    """Return `reconcile` of a warehouse's tables, of all months or those that some days touch."""
    reports = store.read(warehouse, CLOUD_REPORTS)
    span = None
    if days is not None:
        first, last = (day.to_period("M") for day in days)
        span = first.start_time.date(), last.end_time.date()
        reports = reports[reports["month_start"].between(first.start_time, last.end_time)]
    impacts = store.read(warehouse, RUN_IMPACTS, span)
    spreads = scatter(store.read(warehouse, RUN_SPREADS, span, OF_SPREADS, ordered=False))
    places = store.read(warehouse, NORMALIZED_RUNS, span, columns=OF_RUNS)
    return reconcile(reports, impacts, places, spreads, by)


def _beside(
    reports: pd.DataFrame,
    runs: pd.DataFrame,
    spreads: Scatter,
    lines: Mapping[str, _Line],
    by: Sequence[str],
) -> Iterator[dict[str, object]]:
    """Yield the lines of each place and month of which the provider tells anything."""

    def of(frame: pd.DataFrame) -> pd.MultiIndex:
        return pd.MultiIndex.from_frame(frame[["provider", "month"]])

    runs = runs[of(runs).isin(of(reports))]
    # A report that does not tell places apart is set beside the runs of all of them.
    for place in by:
        whole = of(runs).isin(of(reports[reports[place] == ""]))
        runs = runs.assign(**{place: runs[place].mask(whole, "")})
    names = ["provider", *by, "month"]
    theirs, ours = (dict(list(side.groupby(names))) for side in (reports, runs))
    for key in sorted({*theirs, *ours}):
        sides = theirs.get(key, reports.head(0)), ours.get(key, runs.head(0))
        for row in _compared(*sides, spreads, lines, by):
            yield {**dict(zip(names, key, strict=True)), **row}


def _compared(
    reports: pd.DataFrame,
    runs: pd.DataFrame,
    spreads: Scatter,
    lines: Mapping[str, _Line],
    by: Sequence[str],
) -> Iterator[dict[str, object]]:
    whole = sum_of_runs(runs, spreads) if len(runs) else {}
    for line, (unit, of_run, columns) in lines.items():
        theirs = reports[list(columns)].sum(min_count=1).sum(skipna=False)
        if reports.empty:
            theirs = np.nan
        if np.isnan(theirs) and (len(reports) or line != next(iter(lines))):
            continue
        ours = float(of_run(runs).sum(skipna=False)) if len(runs) else 0.0
        bounds = [
            whole.get(f"total_kgco2e_{end}", np.nan) if line == TOTAL else np.nan
            for end in ("p05", "p95")
        ]
        yield {
            "accounts": " ".join(sorted(set(reports["account"]) - {""})),
            "runs": len(runs),
            "line": line,
            "unit": unit,
            "ours": ours,
            "ours_p05": bounds[0],
            "ours_p95": bounds[1],
            "theirs": theirs,
            "ratio": ours / theirs if theirs > 0 else np.nan,
            "said": _said(runs, ours, theirs, *bounds, by=by),
        }


def _said(
    runs: pd.DataFrame, ours: float, theirs: float, p05: float, p95: float, *, by: Sequence[str]
) -> str:
    if np.isnan(theirs):
        unknown = [place for place in by if not runs[place].iloc[0]]
        return NOT_KNOWN.format(unknown[0]) if unknown else NO_REPORT
    if runs.empty:
        return NO_RUN
    if np.isnan(ours):
        return NO_CONTRACT
    if np.isnan(p05):
        return ""
    return ABOVE if theirs < p05 else BELOW if theirs > p95 else WITHIN


def _standing(rows: pd.DataFrame, by: Sequence[str]) -> pd.DataFrame:
    """Return the rows that may be added up: of one method and one breakdown, each thing once.

    Of a provider's month those stand that tell what is asked for apart, then the other; of an
    account's those of its newest method, then of the finest breakdown by service, then of the last
    file's format; of several files of one thing the last by name.
    """
    month, account = ["provider", "month"], ["provider", "month", "account"]
    told = sum((1 + (place in by)) * (rows[place] != "") for place in PLACES)
    rows = _best(rows, told, month)
    methods = sorted(rows["carbon_model"].unique(), key=_natural)
    rows = _best(rows, rows["carbon_model"].map(methods.index), account)
    rows = _best(rows, (rows["service"] != "").astype("int64"), account)
    in_order = rows.sort_values("source_uri").groupby(account)["source_format"]
    rows = rows[rows["source_format"] == in_order.transform("last")]
    return _best(rows, rows["source_uri"].rank(method="dense"), [*account, "region", "service"])


def _best(rows: pd.DataFrame, rank: pd.Series, by: list[str]) -> pd.DataFrame:
    """Return, of each group, the rows whose rank is the group's highest."""
    return rows[rank == rank.groupby([rows[name] for name in by]).transform("max")]


def _natural(version: str) -> tuple[int, ...]:
    """Return the numbers of a version, so that 10 comes after 9."""
    return tuple(int(part) for part in re.findall(r"\d+", version))
