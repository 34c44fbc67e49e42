"""How rules fill a run's gaps, and how every value's origin is written down.

Put here: what a rule is and how a list of them is applied. Keep out: the rules themselves, which
stand beside this module by subject (hardware, place, time, energy).

A rule only ever sees rows in which its field is missing; therefore no logged value can be
overwritten by an imputed one (invariant 5).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd

from ft_emissions_pipeline import uncertainty
from ft_emissions_pipeline.methodology import Profile
from ft_emissions_pipeline.readers import basis_of, origins, repairs
from ft_emissions_pipeline.reference import Reference, default, nearest, period_note
from ft_emissions_pipeline.tables import NORMALIZED_RUNS, RUN_FIELDS
from ft_emissions_pipeline.tables.words import Basis

IMPUTED = (Basis.PREDICTED, Basis.DEFAULT)


@dataclass(frozen=True)
class Context:
    """What rules may look at beside the runs; the last four grow as fields are filled."""

    reference: Reference
    profile: Profile
    token_time: pd.DataFrame
    log_sd: dict[str, pd.Series] = field(default_factory=dict)
    basis: dict[str, pd.Series] = field(default_factory=dict)
    rules: dict[str, pd.Series] = field(default_factory=dict)
    skew: dict[str, pd.Series] = field(default_factory=dict)

    def log_sd_of(self, name: str, index: pd.Index) -> np.ndarray:
        """Return the log standard deviation of a field filled before; 0 where it is certain."""
        if name not in self.log_sd:
            return np.zeros(len(index))
        return np.asarray(self.log_sd[name].reindex(index), dtype=float)

    def skew_of(self, name: str, index: pd.Index) -> np.ndarray:
        """Return how much wider a field filled before is above its value than below."""
        if name not in self.skew:
            return np.zeros(len(index))
        return np.asarray(self.skew[name].reindex(index), dtype=float)

    def log_gsd(self, name: str, days: pd.Series) -> np.ndarray:
        """Return the logarithm of a geometric standard deviation of the defaults on some days."""
        gsd = np.asarray(default(self.reference, name, days).value, dtype=float)
        return np.asarray(np.log(gsd))

    def imputed(self, name: str, index: pd.Index) -> np.ndarray:
        """Return where a field filled before was predicted or taken from a default."""
        if name not in self.basis:
            return np.zeros(len(index), dtype=bool)
        return np.asarray(self.basis[name].reindex(index).isin(IMPUTED), dtype=bool)

    def rule(self, name: str, index: pd.Index) -> pd.Series:
        """Return the rule that filled a field; missing where it was logged."""
        return self.rules.get(name, pd.Series(index=index, dtype="str")).reindex(index)


@dataclass(frozen=True)
class Offer:
    """What a rule offers for rows with a gap: a value where it can tell, missing elsewhere.

    `factor_id` names the reference rows behind the value; without any, the rule itself, as a
    convention of the methodology, is the factor. `log_sd` is the mean of the widths below and above
    the value, `skew` what sets them apart (`uncertainty.interval`); `ranged` makes both of a row.
    """

    values: pd.Series
    factor_id: pd.Series | str | None = None
    log_sd: pd.Series | np.ndarray | float = 0.0
    note: pd.Series | str | None = None
    skew: pd.Series | np.ndarray | float = 0.0


def ranged(
    values: pd.Series,
    p05: object,
    p95: object,
    factor_id: pd.Series | str | None = None,
    note: pd.Series | str | None = None,
) -> Offer:
    """Offer values whose own 5th and 95th percentiles are told, one number or one per value."""
    middle, low, high = (np.asarray(each, dtype=float) for each in (values, p05, p95))
    width = uncertainty.log_sd_of_interval(low, high)
    skew = uncertainty.skew_of_interval(middle, low, high)
    return Offer(values, factor_id, width, note, skew)


def widened_to(offer: Offer, log_sd: np.ndarray) -> Offer:
    """Widen what is narrower than this; one side stays as much wider than the other as it was."""
    own = np.asarray(offer.log_sd, dtype=float)
    wide = np.maximum(own, log_sd)
    kept = np.divide(own, wide, out=np.ones_like(wide), where=wide > 0)
    return replace(offer, log_sd=wide, skew=np.asarray(offer.skew, dtype=float) * kept)


Answer = Callable[[pd.DataFrame, Context], Offer]
"""How a rule answers: from the rows that miss its field to what it offers for them."""


@dataclass(frozen=True)
class Rule:
    """One way to fill one field; `description` is what `explain` and the docs print."""

    field: str
    name: str
    basis: str
    description: str
    offer: Answer


def logged_basis(runs: pd.DataFrame, name: str) -> pd.Series:
    """Return the basis of a logged field by run: of the log it was joined from, else the format."""
    known = runs["origins"].map(origins.from_json, na_action="ignore")
    return pd.Series(
        [
            each[name].basis if isinstance(each, dict) and name in each else basis_of(kind, name)
            for each, kind in zip(known, runs["source_format"], strict=True)
        ],
        index=runs.index,
        dtype="str",
    )


def unknown_names(names: pd.Series, kind: str, context: Context) -> pd.Series:
    """Return a note for each name that a reference table does not know, with the nearest known.

    Parameters
    ----------
    names : Series of str
        Names as logged that were looked up in vain; missing where there is nothing to say.
    kind : str
        As in `reference.resolve`.
    context : Context
        Holds the reference tables.
    """
    column = str(names.name)
    notes = {}
    for name in names.dropna().unique():
        near = ", ".join(nearest(context.reference, kind, name)) or "none"
        notes[name] = (
            f"{column} {name!r} is not known in reference_data/{kind}.csv; nearest: {near}"
        )
    return names.map(notes).astype("str")


LOGGED_GSD = {
    "meter_energy_kwh": ("gsd_meter", "gsd_disclosed"),
    "it_energy_kwh": ("gsd_software_measured", "gsd_disclosed"),
    "gpu_energy_kwh": ("gsd_measured", "gsd_disclosed"),
    "cpu_energy_kwh": ("gsd_software_measured", "gsd_disclosed"),
    "ram_energy_kwh": ("gsd_software_measured", "gsd_software_measured"),
    "gpu_utilization": ("gsd_measured", "gsd_disclosed"),
    "cpu_utilization": ("gsd_measured", "gsd_disclosed"),
    "pue": ("gsd_measured", "gsd_disclosed"),
    "wue_l_per_kwh": ("gsd_measured", "gsd_disclosed"),
    "grid_kgco2e_per_kwh": ("gsd_measured", "gsd_disclosed"),
    "electricity_water_l_per_kwh": ("gsd_measured", "gsd_disclosed"),
    "expected_inferences_per_day": ("gsd_expectation", "gsd_expectation"),
    "expected_use_life_days": ("gsd_expectation", "gsd_expectation"),
}
"""Spread of logged numbers, by basis (measured, other); counts, names and instants have none."""

DOUBTED_GSD = {
    "energy_plugin_unknown": ("it_energy_kwh", "gsd_energy_plugin_unknown", False),
    "power_polled": ("gpu_energy_kwh", "gsd_polled_power", True),
}
"""Repair -> the number that it puts in doubt, its spread then, and whether a measured one too."""

PROVENANCE_PARTS = (
    "run_id",
    "field",
    "value",
    "p05",
    "p95",
    "basis",
    "rule",
    "factor_id",
    "source",
)


def apply(
    runs: pd.DataFrame, rules: tuple[Rule, ...], context: Context
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the runs with gaps filled, and the provenance of every field.

    Parameters
    ----------
    runs : DataFrame
        Rows of table `runs`.
    rules : tuple of Rule
        In order: of two rules for one field the first that has an answer wins.
    context : Context
        Reference tables, profile, token-time model.

    Returns
    -------
    frame, provenance : DataFrame
        `frame` may still hold gaps that no rule could fill; provenance has the columns of table
        `field_provenance` and names a value only where there is one.
    """
    frame = runs.reset_index(drop=True).copy()
    pieces = _as_logged(frame, context)
    for rule in rules:
        if rule.field not in frame:
            frame[rule.field] = pd.Series(np.nan, index=frame.index, dtype="object")
        gaps = frame.index[frame[rule.field].isna()]
        if gaps.empty:
            continue
        offer = rule.offer(frame if len(gaps) == len(frame) else frame.take(gaps), context)
        answered = offer.values.notna()
        if not answered.any():
            continue
        taken = gaps[answered.to_numpy()]
        values = offer.values[answered]
        column = frame[rule.field]
        if column.isna().all():
            column = pd.Series(index=frame.index, dtype=values.dtype)
        column.loc[taken] = values.to_numpy()
        frame[rule.field] = column
        log_sd, skew = (_part(each, answered) for each in (offer.log_sd, offer.skew))
        _remember(context, rule.field, frame.index, taken, log_sd, rule.basis, skew)
        named = context.rules.setdefault(rule.field, pd.Series(index=frame.index, dtype="str"))
        named.loc[taken] = rule.name
        pieces.append(_piece(frame, rule, offer, taken, answered, context.reference))
    provenance = pd.concat(pieces, ignore_index=True) if pieces else pd.DataFrame()
    return frame, provenance.reindex(columns=["date", *PROVENANCE_PARTS])


def _piece(
    frame: pd.DataFrame,
    rule: Rule,
    offer: Offer,
    taken: pd.Index,
    answered: pd.Series,
    reference: Reference,
) -> pd.DataFrame:
    values = frame.loc[taken, rule.field]
    low, high = _interval(values, _part(offer.log_sd, answered), _part(offer.skew, answered))
    factor: object = f"methodology/{rule.name}"
    if offer.factor_id is not None:
        factor = _part(offer.factor_id, answered)
    piece = pd.DataFrame(
        {
            "date": frame.loc[taken, "date"].to_numpy(),
            "run_id": frame.loc[taken, "run_id"].to_numpy(),
            "field": rule.field,
            "value": _as_text(values).to_numpy(),
            "p05": low,
            "p95": high,
            "basis": rule.basis,
            "rule": rule.name,
            "factor_id": factor,
            "source": _part(offer.note, answered),
        }
    )
    another_period = period_note(reference, piece["factor_id"], piece["date"])
    if another_period.notna().any():
        said = piece["source"].astype("str")
        piece["source"] = (said + "; " + another_period).fillna(said).fillna(another_period)
    return piece


def _part(value: object, answered: pd.Series) -> object:
    """Return what belongs to the rows for which a rule had an answer."""
    if isinstance(value, pd.Series):
        return value[answered].to_numpy()
    if isinstance(value, np.ndarray) and value.ndim:
        return value[answered.to_numpy()]
    return value


def _remember(
    context: Context,
    name: str,
    index: pd.Index,
    rows: pd.Index,
    log_sd: object,
    basis: object,
    skew: object = 0.0,
) -> None:
    if name not in context.log_sd:
        context.log_sd[name], context.skew[name] = (pd.Series(0.0, index=index) for _ in range(2))
        context.basis[name] = pd.Series(np.nan, index=index, dtype="str")
    context.log_sd[name].loc[rows] = log_sd
    context.skew[name].loc[rows] = skew
    context.basis[name].loc[rows] = basis


def _as_logged(frame: pd.DataFrame, context: Context) -> list[pd.DataFrame]:
    uri, record = (frame[name].astype("str") for name in ("source_uri", "source_record"))
    source = origins.place(uri, record).to_numpy(dtype="object")
    date, run_id = frame["date"].to_numpy(), frame["run_id"].to_numpy()
    format_codes, formats = pd.factorize(frame["source_format"])
    known = frame["origins"].map(origins.from_json, na_action="ignore").to_numpy(dtype="object")
    joined = frame["origins"].notna().to_numpy()
    gsds = {gsd for pair in LOGGED_GSD.values() for gsd in pair}
    gsds |= {gsd for _, gsd, _ in DOUBTED_GSD.values()}
    log_gsd = {
        gsd: np.broadcast_to(context.log_gsd(gsd, frame["date"]), len(frame)) for gsd in gsds
    }
    doubts = {
        number: (repairs.has_word(frame["repairs"], word), log_gsd[gsd], measured_too)
        for word, (number, gsd, measured_too) in DOUBTED_GSD.items()
    }
    pieces = []
    for name in RUN_FIELDS:
        present = frame.index[frame[name].notna()]
        if name == "run_id" or present.empty:
            continue
        at = present.to_numpy()
        of_format = np.array([basis_of(each, name) for each in formats], dtype="object")
        basis, sources = of_format[format_codes[at]], source[at]
        for place in np.flatnonzero(joined[at]):
            basis[place], sources[place] = known[at[place]][name]
        log_sd: float | np.ndarray = 0.0
        if name in LOGGED_GSD:
            measured, other = (log_gsd[gsd][at] for gsd in LOGGED_GSD[name])
            log_sd = np.where(basis == Basis.MEASURED, measured, other)
        if name in doubts:
            doubted, wider, measured_too = doubts[name]
            touched = doubted[at] & (measured_too | (basis != Basis.MEASURED))
            log_sd = np.where(touched, wider[at], log_sd)
        values = frame[name].iloc[at]
        _remember(context, name, frame.index, present, log_sd, basis)
        low, high = _interval(values, log_sd)
        pieces.append(
            pd.DataFrame(
                {
                    "date": date[at],
                    "run_id": run_id[at],
                    "field": name,
                    "value": _as_text(values).to_numpy(),
                    "p05": low,
                    "p95": high,
                    "basis": basis,
                    "rule": "as_logged",
                    "factor_id": None,
                    "source": sources,
                }
            )
        )
    return pieces


def _interval(values: pd.Series, log_sd: object, skew: object = 0.0) -> tuple[object, object]:
    """Return the percentiles of numbers, kept within what the column's declaration allows."""
    if not pd.api.types.is_float_dtype(values):
        return np.nan, np.nan
    width, lean = (np.asarray(each, dtype=float) for each in (log_sd, skew))
    low, high = uncertainty.interval(values.to_numpy(), width, lean)
    column = NORMALIZED_RUNS.column(str(values.name))
    return np.clip(low, column.minimum, None), np.clip(high, None, column.maximum)


def _as_text(values: pd.Series) -> pd.Series:
    if pd.api.types.is_datetime64_any_dtype(values):
        return values.map(lambda instant: instant.isoformat()).astype("str")
    if pd.api.types.is_float_dtype(values):
        return values.map("{:.12g}".format).astype("str")
    return values.astype("str")
