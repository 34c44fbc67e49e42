"""The one composition of the stages: accepted, token-time, normalize, impacts.

Put here: what is chosen for a computation, the runs that it takes, and the order of the stages.
Keep out: what the stages compute, reading of logs (`landing/`), sharing over inferences
(`ledger/`).
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from operator import attrgetter
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from ft_emissions_pipeline import equations, ledger, methodology, normalize, token_time, uncertainty
from ft_emissions_pipeline.impacts.footprint import Spreads, impacts_and_spreads
from ft_emissions_pipeline.impacts.inputs import ASKED, held
from ft_emissions_pipeline.landing.days import joined_runs
from ft_emissions_pipeline.ledger.inheritance import own_amount
from ft_emissions_pipeline.ledger.stored_rollups import expected_log_sd
from ft_emissions_pipeline.methodology import Profile
from ft_emissions_pipeline.normalize import meters, stored_provenance
from ft_emissions_pipeline.normalize.provenance import Provenance
from ft_emissions_pipeline.normalize.tokens import TELLING
from ft_emissions_pipeline.readers.formats.disclosure import FORMAT, from_mapping
from ft_emissions_pipeline.readers.reading import reading_of_runs
from ft_emissions_pipeline.reference import Reference, in_force, load
from ft_emissions_pipeline.tables import (
    FIELD_PROVENANCE,
    NORMALIZED_RUNS,
    RUN_IMPACTS,
    RUN_SPREADS,
    TOKEN_TIME_MODEL,
    VALIDATED_RUNS,
    Table,
    conform,
    empty,
)
from ft_emissions_pipeline.tables.rows import out_of_range, unsound
from ft_emissions_pipeline.tables.words import EnergyRoute, Inferences
from ft_emissions_pipeline.warehouse import store

Disclosure: TypeAlias = Mapping[str, object]
Given: TypeAlias = pd.DataFrame | Disclosure | Sequence[Disclosure]
"""Runs as a table, or as one or several disclosures."""


class UnknownRun(KeyError):
    """No run has the id; the message names runs that there are."""


@dataclass(frozen=True)
class Choices:
    """With what runs are computed.

    `token_time` are rows of table `token_time_model` for the days of the runs; without any, the
    packaged model is in force. `calibration` are the ratios that `meters.calibration` returns,
    where runs without a meter take them over.
    """

    reference: Reference
    profile: Profile
    token_time: pd.DataFrame | None = None
    calibration: pd.DataFrame | None = None


@dataclass(frozen=True)
class Footprints:
    """Tables `normalized_runs`, `field_provenance`, `run_impacts`, `run_spreads` of some runs.

    `origins` is what `provenance` shows and `shares` what `spreads` does; both long tables are
    made when they are asked for.
    """

    normalized: pd.DataFrame
    origins: Provenance
    impacts: pd.DataFrame
    shares: Spreads

    @cached_property
    def provenance(self) -> pd.DataFrame:
        """Table `field_provenance`."""
        return self.origins.table()

    @cached_property
    def stored(self) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
        """Tables `normalized_runs`, `kind_provenance` and `field_provenance` as a warehouse has."""
        return stored_provenance.parted(self.normalized, self.origins)

    @cached_property
    def spreads(self) -> pd.DataFrame:
        """Table `run_spreads`."""
        return self.shares.table()


def prepared(
    runs: Given,
    *,
    profile: str = "default",
    reference: Reference | None = None,
    calibrate: bool = False,
    token_time: pd.DataFrame | None = None,
) -> tuple[pd.DataFrame, pd.DataFrame, Choices]:
    """Return the runs that can be computed, what was refused, and the choices to compute with.

    Parameters
    ----------
    runs : DataFrame, mapping, or sequence of mappings
        As `api.estimate` takes them.
    profile : str
        Profile of the methodology.
    reference : Reference, optional
        Reference tables; those of the package by default.
    calibrate : bool
        Whether the ratios of meters among the runs are applied to the runs without one.
    token_time : DataFrame, optional
        Rows of table `token_time_model` for the days of the runs.

    Raises
    ------
    ValueError
        If the profile is unknown, or a disclosure is refused.
    """
    chosen, factors = methodology.profile(profile), reference or load()
    accepted, refused = _accepted(runs, factors)
    calibration = meters.calibration(accepted) if calibrate else None
    return accepted, refused, Choices(factors, chosen, token_time, calibration)


def _accepted(runs: Given, reference: Reference) -> tuple[pd.DataFrame, pd.DataFrame]:
    if isinstance(runs, pd.DataFrame):
        return normalize.accepted(runs)
    accepted, refused = normalize.accepted(_of_disclosures(runs, reference))
    if len(refused):
        raise ValueError("; ".join(refused["reason"].unique()))
    return accepted, refused


def _of_disclosures(runs: Disclosure | Sequence[Disclosure], reference: Reference) -> pd.DataFrame:
    given = [runs] if isinstance(runs, Mapping) else runs
    rows = [
        {
            "run_id": f"disclosure-{number}",
            **from_mapping(mapping, f"disclosure {number}"),
            "source_record": str(number),
            "repairs": "",
        }
        for number, mapping in enumerate(given, start=1)
    ]
    return joined_runs([("disclosure", FORMAT, reading_of_runs(rows, []))], reference)


def filled(runs: pd.DataFrame, choices: Choices) -> tuple[pd.DataFrame, Provenance]:
    """Return table `normalized_runs` of accepted runs, and where their fields come from."""
    return normalize.filled(
        runs, choices.reference, choices.profile, choices.token_time, choices.calibration
    )


def normalized(
    runs: pd.DataFrame, choices: Choices
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Return tables `normalized_runs`, `kind_provenance` and `field_provenance` of accepted runs.

    Those with an impossible figure are left out; texts of the last are categories.
    """
    frame, origins = filled(runs, choices)
    faulty = _faults((NORMALIZED_RUNS, FIELD_PROVENANCE), (frame, origins.endless())).index
    if len(faulty):
        frame, origins = filled(runs[~runs["run_id"].isin(faulty)], choices)
    return stored_provenance.parted(frame, origins)


def impacts(
    normalized: pd.DataFrame, own: pd.DataFrame, choices: Choices, kinds: pd.DataFrame
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return tables `run_impacts` and `run_spreads` of what `normalized` returns.

    Those with an impossible figure are left out; texts of the second are categories.
    """
    origins = stored_provenance.held(normalized, kinds, own, ASKED)
    made, shares = impacts_and_spreads(normalized, origins, choices.reference, choices.profile)
    return _sound((RUN_IMPACTS, RUN_SPREADS), (made, shares.coded()))


def footprints(runs: pd.DataFrame, choices: Choices) -> Footprints:
    """Return all tables of accepted runs, but of those with an impossible figure."""
    made = _footprints(runs, choices)
    faulty = _faults_of(made).index
    return made if faulty.empty else _footprints(runs[~runs["run_id"].isin(faulty)], choices)


def impossible_figures(runs: pd.DataFrame, choices: Choices) -> pd.Series:
    """Return by accepted run the first figure that none can be, with the stage that made it."""
    return _faults_of(_footprints(runs, choices))


def _footprints(runs: pd.DataFrame, choices: Choices) -> Footprints:
    frame, origins = filled(runs, choices)
    made = impacts_and_spreads(frame, origins, choices.reference, choices.profile)
    return Footprints(frame, origins, *made)


def _faults_of(made: Footprints) -> pd.Series:
    origins, shares = made.origins.endless(), made.shares.endless()
    return _faults(_MADE, (made.normalized, origins, made.impacts, shares))


_MADE = (NORMALIZED_RUNS, FIELD_PROVENANCE, RUN_IMPACTS, RUN_SPREADS)


def _sound(tables: Sequence[Table], made: Sequence[pd.DataFrame]) -> tuple[pd.DataFrame, ...]:
    """Return tables of runs without the runs of which a stage made an impossible figure.

    One record must not stop the others; what is left out stands in quarantine (`quarantine.py`).
    """
    faults = _faults(tables, made)
    if faults.empty:
        return tuple(made)
    return tuple(
        frame[~frame["run_id"].isin(faults.index)].reset_index(drop=True) for frame in made
    )


def _faults(tables: Sequence[Table], made: Sequence[pd.DataFrame]) -> pd.Series:
    """Return by run the first figure that none can be, with the stage that made it.

    What a run was filled with is bound as what a log tells; bounds of other tables are kept by a
    check, as breaking one is the stage's own fault.
    """
    found = []
    for table, frame in zip(tables, made, strict=True):
        if frame.empty:
            continue
        words = unsound(frame, table)
        if table is NORMALIZED_RUNS:
            words = pd.concat([words, out_of_range(frame, table)])
        if len(words):
            runs = frame.loc[words.index, "run_id"]
            found.append(pd.Series((f"{table.name}: " + words).to_numpy(), runs, dtype="str"))
    if not found:
        return pd.Series(dtype="str")
    faults = pd.concat(found)
    return faults[~faults.index.duplicated()]


def selected(runs: pd.DataFrame, only: str | None) -> pd.DataFrame:
    """Return the runs of one model, or the run of one id; all where none is named.

    Raises
    ------
    UnknownRun
        If neither a run nor a model is meant; the message names the nearest.
    """
    if only is None:
        return runs
    chosen = runs[runs["model_name"] == only]
    if chosen.empty:
        models = runs["model_name"].dropna().unique()
        chosen = runs[runs["run_id"] == run_named(only, runs["run_id"], models)]
    return chosen.reset_index(drop=True)


def run_named(name: str, runs: Iterable[str], models: Iterable[str] = ()) -> str:
    """Return the id of the run that is meant by its id, or by how its id alone begins.

    Parameters
    ----------
    name : str
        What somebody wrote.
    runs, models : iterable of str
        Ids of the runs there are, and further names that might have been meant.

    Raises
    ------
    UnknownRun
        If no run is meant, or several are; the message names some.

    Examples
    --------
    >>> run_named("5ec", ["5ec7791d", "5f61637b"])
    '5ec7791d'
    """
    ids = list(runs)
    meant = [name] if name in ids else [run for run in ids if name and run.startswith(name)]
    if len(meant) == 1:
        return meant[0]
    if meant:
        msg = f"{name!r} begins {len(meant)} runs: {', '.join(meant[:_NAMED])}; write more of it"
        raise UnknownRun(msg)
    known = [*models, *ids]
    near = difflib.get_close_matches(name, known, n=_NAMED, cutoff=0.4) or known[:_NAMED]
    msg = f"no run or model {name!r} among {len(ids)} runs; nearest: {', '.join(near)}"
    raise UnknownRun(msg)


_NAMED = 10
"""Runs that a refusal names."""


def expected_per_inference(
    impacts: pd.DataFrame, provenance: pd.DataFrame | Provenance
) -> pd.DataFrame:
    """Share each run over the inferences that were expected of it.

    Parameters
    ----------
    impacts : DataFrame
        Table `run_impacts`.
    provenance : DataFrame or Provenance
        Table `field_provenance` of them, or what it shows.

    Returns
    -------
    DataFrame
        run_id, model_name, inferences (expected over the use life) and what they rest on,
        gco2e_per_inference and water_ml_per_inference with p05 and p95, which know how far off
        expected inferences and use life may be; market_gco2e_per_inference, where contracts'
        factors are known. Empty where no inferences were disclosed.
    """
    inferences = impacts["expected_inferences_per_day"] * impacts["expected_use_life_days"]
    served = inferences.where(inferences > 0)
    basis = np.where(served.isna(), Inferences.NONE, Inferences.EXPECTED)
    told = {"inferences": served, "inferences_basis": basis, **dict.fromkeys(_SHARED, np.nan)}
    frame = pd.DataFrame({name: impacts[name] for name in ("run_id", "model_name")} | told)
    if served.isna().all():
        return frame
    origins, widths = held(provenance, impacts), {}
    for field in ("expected_inferences_per_day", "expected_use_life_days"):
        low, high = (origins.of(field, end, np.nan) for end in _ENDS)
        widths[field] = _width(impacts[field], low, high)
    certain = np.ones(len(impacts))
    for name, total, factor in (
        ("gco2e_per_inference", "total_kgco2e", equations.GRAMS_PER_KG),
        ("water_ml_per_inference", "total_water_l", equations.MILLILITRES_PER_LITRE),
    ):
        amount = (impacts[total + suffix] for suffix in ("", "_p05", "_p95"))
        parts = {"amount": _width(*amount), **widths}
        scatter = uncertainty.propagate(
            lambda x: {
                "each": equations.per_inference(
                    x["amount"], x["expected_inferences_per_day"] * x["expected_use_life_days"]
                )
            },
            dict.fromkeys(parts, certain),
            {of: log_sd for of, (log_sd, _) in parts.items()},
            {of: skew for of, (_, skew) in parts.items()},
        )["each"]
        frame[name] = equations.per_inference(impacts[total] * factor, served)
        frame[f"{name}_p05"], frame[f"{name}_p95"] = scatter.interval(frame[name])
    frame["market_gco2e_per_inference"] = equations.per_inference(
        own_amount(impacts, "market_kgco2e") * equations.GRAMS_PER_KG, served
    )
    return frame


def per_inference(
    made: Footprints, reference: Reference, usage: pd.DataFrame, events: pd.DataFrame
) -> pd.DataFrame:
    """Share each run over the inferences that were counted of its model; else expected of it.

    Parameters
    ----------
    made : Footprints
        Tables of the runs.
    reference : Reference
        Reference tables.
    usage, events : DataFrame
        Tables `usage` and `model_events`.

    Returns
    -------
    DataFrame
        As `expected_per_inference`. Of a version with counts it is what the ledger says of its
        newest day with inferences.
    """
    expected = expected_per_inference(made.impacts, made.origins)
    if usage.empty or made.impacts.empty:
        return expected
    first, last = made.impacts["date"].min(), max(made.impacts["date"].max(), usage["date"].max())
    versions = ledger.model_versions(made.impacts, usage, last, events)
    days = ledger.inference_impacts(
        versions,
        usage,
        first,
        last,
        expected_log_sd=expected_log_sd(reference),
        events=events,
        schedule=ledger.monthly_schedule(versions, usage, last, events),
    )
    served = days[days["inferences"] > 0].drop_duplicates("model_version", keep="last")
    lives = versions.set_index("model_version")["inferences"]
    served = served.assign(inferences=served["model_version"].map(lives))
    served = served.set_index("model_version").loc[
        lambda rows: rows["inferences_basis"] != Inferences.EXPECTED
    ]
    columns = expected.columns.drop(["run_id", "model_name"])
    counted = expected["run_id"].isin(served.index)
    expected.loc[counted, columns] = served.loc[expected.loc[counted, "run_id"], columns].to_numpy()
    return expected


_SHARED = (
    *("gco2e_per_inference", "gco2e_per_inference_p05", "gco2e_per_inference_p95"),
    *("water_ml_per_inference", "water_ml_per_inference_p05", "water_ml_per_inference_p95"),
    "market_gco2e_per_inference",
)
"""Figures per inference."""

_ENDS = (attrgetter("p05"), attrgetter("p95"))


def _width(value: pd.Series, p05: ArrayLike, p95: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    return uncertainty.log_sd_of_interval(p05, p95), uncertainty.skew_of_interval(value, p05, p95)


def stored_calibration(warehouse: str | Path) -> pd.DataFrame:
    """Return what meters saw over what software did, by host, among a warehouse's runs."""
    return meters.calibration(store.read(warehouse, VALIDATED_RUNS))


def stored_runs(warehouse: str | Path) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Return the accepted runs of a warehouse, and what their figures rest on.

    Returns
    -------
    runs : DataFrame
        Table `validated_runs`.
    options : dict
        `profile`, `reference`, `calibrate` and `token_time`, as `advise` and `what_if` take them.

    Raises
    ------
    ValueError
        If there are no runs, or their figures are of several profiles.
    """
    runs = store.read(warehouse, VALIDATED_RUNS)
    if runs.empty:
        msg = f"{warehouse} holds no runs; make the tables first with `ft-emissions run`"
        raise ValueError(msg)
    profiles = store.read(warehouse, RUN_IMPACTS, columns=("methodology",))["methodology"].unique()
    if len(profiles) != 1:
        msg = (
            f"the figures of {warehouse} are of profiles {', '.join(profiles) or 'unknown'}; "
            "bring them to one with `ft-emissions run`"
        )
        raise ValueError(msg)
    routes = store.read(warehouse, NORMALIZED_RUNS, columns=("energy_route",))["energy_route"]
    reference = in_force(warehouse, keep=False)
    return runs, {
        "profile": str(profiles[0]),
        "reference": reference,
        "calibrate": bool((routes == EnergyRoute.CALIBRATED).any()),
        "token_time": stored_token_time(warehouse, runs, reference),
    }


def stored_token_time(
    warehouse: str | Path, runs: pd.DataFrame, reference: Reference
) -> pd.DataFrame:
    """Return the token-time model on which a warehouse's figures rest, for each day of some runs.

    On a day without one the packaged model is in force, as for runs without a warehouse.
    """
    days = pd.DatetimeIndex(runs["date"].unique()).as_unit("us")
    stored = store.read(warehouse, TOKEN_TIME_MODEL, days)
    missing = days.difference(pd.DatetimeIndex(stored["date"].unique()))
    return conform(pd.concat([stored, token_time.parameters(reference, missing)]), TOKEN_TIME_MODEL)


def stored_timed_work(
    warehouse: str | Path, reference: Reference, profile: Profile
) -> pd.DataFrame:
    """Return what `normalize.timed_work` does of the runs of a warehouse.

    A fleet of trackers tells no tokens, and is not read whole.
    """
    telling = list(TELLING)
    told = store.read(warehouse, VALIDATED_RUNS, columns=telling, ordered=False)
    runs = empty(VALIDATED_RUNS)
    if told.notna().any(axis=None):
        runs = store.read(warehouse, VALIDATED_RUNS)
    runs = runs[runs[telling].notna().any(axis=1)].reset_index(drop=True)
    return normalize.timed_work(runs, reference, profile)
