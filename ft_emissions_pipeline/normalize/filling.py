"""How rules fill a run's gaps, and how every value's origin is written down.

Put here: what a rule is and how a list of them is applied. Keep out: the rules themselves, which
stand beside this module by subject (hardware, place, time, energy).

A rule only ever sees rows in which its field is missing; therefore no logged value can be
overwritten by an imputed one (invariant 5).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import Any

import numpy as np
import pandas as pd

from ft_emissions_pipeline import uncertainty
from ft_emissions_pipeline.methodology import Profile
from ft_emissions_pipeline.normalize.columns import Columns, Frame
from ft_emissions_pipeline.normalize.kinds import SHARED, TIMED, Kinds, is_timed
from ft_emissions_pipeline.normalize.memory import memory_of
from ft_emissions_pipeline.normalize.provenance import AS_LOGGED, OF_RUNS, Piece, Provenance, Told
from ft_emissions_pipeline.readers import basis_of, origins, repairs
from ft_emissions_pipeline.reference import (
    Reference,
    default,
    holds_for_a_time,
    nearest,
    period_note,
    resolve,
)
from ft_emissions_pipeline.tables import NORMALIZED_RUNS, RUN_FIELDS, TEXT
from ft_emissions_pipeline.tables.frames import cells_of
from ft_emissions_pipeline.tables.words import Basis
from ft_emissions_pipeline.token_time.daily import models_by_day, prior_of
from ft_emissions_pipeline.token_time.model import Model

IMPUTED = (Basis.PREDICTED, Basis.DEFAULT)


@dataclass(frozen=True)
class Context:
    """What rules may look at beside the runs; `pieces` grow as fields are filled."""

    reference: Reference
    profile: Profile
    token_time: pd.DataFrame | None
    pieces: dict[str, list[Piece]] = field(default_factory=dict)

    def models(self, days: pd.Series) -> Iterator[tuple[Model, np.ndarray]]:
        """Yield the token-time models in force on some days, each with the rows of its own.

        Without rows of table `token_time_model` the packaged one is in force.
        """
        if self.token_time is None:
            yield prior_of(self.reference), np.ones(len(days), dtype=bool)
            return
        for model, of in self._models:
            at = days.isin(of).to_numpy()
            if at.any():
                yield model, at

    @cached_property
    def _models(self) -> list[tuple[Model, pd.Series]]:
        return models_by_day(self.token_time)

    def log_sd_of(self, name: str, index: pd.Index) -> np.ndarray:
        """Return the log standard deviation of a field filled before; 0 where it is certain."""
        return self._of(name, "log_sd", index, np.zeros(len(index)))

    def skew_of(self, name: str, index: pd.Index) -> np.ndarray:
        """Return how much wider a field filled before is above its value than below."""
        return self._of(name, "skew", index, np.zeros(len(index)))

    def log_gsd(self, name: str, days: pd.Series) -> np.ndarray:
        """Return the logarithm of a geometric standard deviation of the defaults on some days."""
        gsd = np.asarray(default(self.reference, name, days).value, dtype=float)
        return np.asarray(np.log(gsd))

    def imputed(self, name: str, index: pd.Index) -> np.ndarray:
        """Return where a field filled before was predicted or taken from a default."""
        return np.isin(self.basis(name, index), IMPUTED)

    def basis(self, name: str, index: pd.Index) -> np.ndarray:
        """Return the basis of a field filled before."""
        return self._of(name, "basis", index, np.full(len(index), "", dtype="object"))

    def rule(self, name: str, index: pd.Index) -> pd.Series:
        """Return the rule that filled a field; missing where it was logged."""
        found = self._of(name, "rule", index, np.full(len(index), np.nan, dtype="object"))
        found[found == AS_LOGGED] = np.nan
        return pd.Series(found, index, dtype=TEXT)

    def _of(self, name: str, part: str, index: pd.Index, found: np.ndarray) -> np.ndarray:
        rows = index.to_numpy()
        for piece in self.pieces.get(name, ()):
            told = np.asarray(getattr(piece, part))
            if np.array_equal(piece.rows, rows):
                return told[piece.of] if told.ndim else np.full_like(found, told)
            at = np.minimum(np.searchsorted(piece.rows, rows), len(piece.rows) - 1)
            there = piece.rows[at] == rows
            found[there] = told[piece.of[at[there]]] if told.ndim else told
        return found


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


Answer = Callable[[Frame, Context], Offer]
"""How a rule answers: from the rows that miss its field to what it offers for them."""

Needs = tuple[str | tuple[str, ...], ...]
"""Fields that must be there; of those in a tuple, one."""


@dataclass(frozen=True)
class Rule:
    """One way to fill one field; `description` is what `explain` and the docs print.

    A rule is asked once per kind of run, and sees no more than what makes a kind (`kinds.py`) and
    what such rules filled before. One that rests on amounts or instants is asked `by_run`; one
    that rests on `amounts` only where a run has them, is asked of each of these runs.

    `needs` are the fields on which it rests: of a run that lacks one it is not asked, as it would
    have no answer; of several that stand together one is enough. `choice` is the choice of a
    profile to which the rule belongs, `table` the table of your own that must have rows.
    """

    field: str
    name: str
    basis: str
    description: str
    offer: Answer
    by_run: bool = False
    needs: Needs = ()
    choice: str | None = None
    table: str | None = None
    amounts: tuple[str, ...] = ()

    def applies(self, context: Context) -> bool:
        """Say whether the profile and the reference tables have a use for it."""
        chosen = self.choice is None or bool(getattr(context.profile, self.choice))
        return chosen and (self.table is None or len(context.reference.tables[self.table]) > 0)


def by_run(*rules: Rule) -> tuple[Rule, ...]:
    """Return rules that are asked for each run, as they rest on its amounts or instants."""
    return tuple(replace(rule, by_run=True) for rule in rules)


def logged_basis(runs: Frame, name: str, wanted: np.ndarray) -> pd.Series:
    """Return the basis of a logged field of some runs: of the log it was joined from, or format."""
    told, formats = (runs[column][wanted] for column in ("origins", "source_format"))
    codes, distinct = pd.factorize(formats)
    basis = np.array([basis_of(each, name) for each in distinct], dtype="object")[codes]
    for at, own in _origins(told).items():
        if name in own:
            basis[at] = own[name].basis
    return pd.Series(basis, told.index, dtype=TEXT)


def _origins(cells: pd.Series) -> dict[int, origins.Origins]:
    """Return the origins of each run that has some of its own, by row."""
    joined = cells.notna().to_numpy()
    if not joined.any():
        return {}
    rows = np.flatnonzero(joined).tolist()
    return {at: origins.from_json(cell) for at, cell in zip(rows, cells[joined], strict=True)}


def by_itself(figure: Callable[[Frame], pd.Series]) -> Answer:
    """Return the answer of a rule that looks at nothing but the runs."""
    return lambda frame, _: Offer(figure(frame))


def by_default(parameter: str) -> Answer:
    """Return the answer of a rule that takes a default for every run."""

    def offer(frame: Frame, context: Context) -> Offer:
        row = default(context.reference, parameter, frame["date"])
        return ranged(pd.Series(row.value, index=frame.index), row.p05, row.p95, row.factor_id)

    return offer


def by_name(kind: str, column: str, *, ambiguous: bool) -> Answer:
    """Return the answer of a rule that takes the row for which a name stands.

    A name is ambiguous where it stands for several, of which the usual one is taken.
    """

    def offer(frame: Frame, context: Context) -> Offer:
        found = resolve(context.reference, kind, frame[column])
        wanted = found["id"].notna() & (found["assumed"] == ambiguous)
        return Offer(found["id"].where(wanted), factor_id=found["alias_factor_id"])

    return offer


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
    return names.map(notes).astype(TEXT)


LOGGED_GSD = {
    "meter_energy_kwh": ("gsd_meter", "gsd_disclosed"),
    "it_energy_kwh": ("gsd_software_measured", "gsd_disclosed"),
    "gpu_energy_kwh": ("gsd_measured", "gsd_disclosed"),
    "cpu_energy_kwh": ("gsd_software_measured", "gsd_disclosed"),
    "ram_energy_kwh": ("gsd_software_measured", "gsd_software_measured"),
    "gpu_max_w": ("gsd_hardware_power", "gsd_hardware_power"),
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


def apply(
    runs: Frame,
    rules: tuple[Rule, ...],
    context: Context,
    widened: Callable[[Frame, Context, Piece], Piece] | None = None,
) -> tuple[Columns, Provenance]:
    """Return the runs with gaps filled, and the provenance of every field.

    Parameters
    ----------
    runs : DataFrame or Columns
        Rows of table `runs`.
    rules : tuple of Rule
        In order: of two rules for one field the first that has an answer wins.
    context : Context
        Reference tables, profile, token-time model.
    widened : callable, optional
        What is done to each answer, from the runs that were asked of.

    Returns
    -------
    columns, provenance
        `columns` may still hold gaps that no rule could fill; provenance names a value only where
        there is one.

    Notes
    -----
    Runs of one kind have the same gaps, and stay alike: where a rule that was asked by run
    answers some of them, or on other factors, the kind falls apart.
    """
    held = runs if isinstance(runs, Columns) else Columns.of(runs)
    columns = {name: held.cells(name) for name in held}
    columns[TIMED] = is_timed(held).to_numpy()
    known = _origins(held["origins"])
    missing = {name: np.array(pd.isna(cells)) for name, cells in columns.items()}
    pieces = _as_logged(columns, missing, known, context)
    memory = memory_of(context.reference, context.profile, (*rules, widened))
    kinds = Kinds.of(columns, missing, known, memory)
    visible = [name for name in SHARED if name in columns]
    index, whole = pd.RangeIndex(len(runs)), np.arange(len(runs))
    # Where a run has an amount of its own: logged, or from a rule that was asked by run.
    own = {name: ~missing[name] for rule in rules for name in rule.amounts}
    for place, rule in enumerate(rules):
        if rule.field not in columns:
            columns[rule.field] = np.full(len(runs), np.nan, dtype="object")
            missing[rule.field] = np.ones(len(runs), dtype=bool)
            visible.append(rule.field)
        if not rule.applies(context):
            continue
        # What is missing, and what is a run's own, is the same in all runs of a kind.
        wanted = missing[rule.field][kinds.first] & _tells(missing, rule.needs, kinds.first)
        if not wanted.any():
            continue
        alone = np.any([own[name][kinds.first] for name in rule.amounts], axis=0) | rule.by_run
        for by_run in (False, True) if rule.amounts else (rule.by_run,):
            asked = wanted & (alone == by_run)
            each, names = (whole, columns) if by_run else (kinds.first, (*visible, *rule.amounts))
            at = np.flatnonzero(asked[kinds.code] if by_run else asked)
            if not len(at):
                continue
            shown = {name: columns[name] for name in names}
            seen = Columns(shown, index, None if len(at) == len(whole) else each[at])
            ask = partial(_answer, rule, seen, context, widened)
            told, answer = ask() if by_run else memory.answer((place, *kinds.numbered(at)), ask)
            if answer is None:
                continue
            rows, of = whole, each if by_run else kinds.code
            if not (len(at) == len(each) and told.all()):
                taken = np.full(len(each), -1)
                taken[at[told]] = np.arange(len(answer.value))
                of = taken if by_run else taken[kinds.code]
                rows = np.flatnonzero(of >= 0)
                of = of[rows]
            common = _in_common(answer) if by_run else Told.KIND
            piece = replace(answer, rows=rows, of=of, told=common)
            pieces.append(piece)
            context.pieces.setdefault(rule.field, []).append(piece)
            columns[rule.field] = _filled(columns[rule.field], missing[rule.field], piece)
            missing[rule.field][rows] = False
            if by_run:
                if rule.field in visible:
                    visible.remove(rule.field)
                if rule.field in own:
                    own[rule.field][rows] = True
                kinds = kinds.parted(place, rows, piece.factor_id)
    del columns[TIMED]
    filled = Columns(columns, index)
    return filled, Provenance(filled[list(OF_RUNS)], pieces, kinds.code, kinds.first)


def _in_common(answer: Piece) -> Told:
    """Say what runs of a kind have in common of an answer to each of them."""
    parts: tuple[Any, ...] = (answer.basis, answer.log_sd, answer.factor_id, answer.source)
    one_for_all = all(np.ndim(part) == 0 for part in parts)
    return Told.WIDTH if one_for_all and np.all(np.equal(answer.skew, 0)) else Told.RUN


def _answer(
    rule: Rule,
    seen: Columns,
    context: Context,
    widened: Callable[[Frame, Context, Piece], Piece] | None,
) -> tuple[np.ndarray, Piece | None]:
    """Return of which rows a rule can tell, and what it tells of them."""
    offer = rule.offer(seen, context)
    told = offer.values.notna().to_numpy()
    if not told.any():
        return told, None
    piece = _piece(rule, offer, told, seen["date"], context.reference)
    return told, widened(seen, context, piece) if widened else piece


def _tells(missing: Mapping[str, np.ndarray], needs: Needs, rows: np.ndarray) -> Any:
    """Say which of some runs have the fields that a rule needs, by which each is missing in."""
    told: Any = True
    for names in needs:
        one_of = (names,) if isinstance(names, str) else names
        lacks = [missing[name][rows] for name in one_of if name in missing]
        told = told & ~np.all(lacks, axis=0)
    return told


def _filled(cells: Any, missing: np.ndarray, piece: Piece) -> Any:
    """Return a column with what a rule gave."""
    if piece.of is piece.rows:  # each run an answer of its own
        return piece.value
    if missing.all():
        of = np.full(len(missing), -1)
        of[piece.rows] = piece.of
        return pd.api.extensions.take(piece.value, of, allow_fill=True)
    column = pd.Series(cells, copy=True)
    column.iloc[piece.rows] = np.asarray(piece.value)[piece.of]
    return cells_of(column)


def _piece(
    rule: Rule, offer: Offer, told: np.ndarray, days: pd.Series, reference: Reference
) -> Piece:
    """Return what a rule tells of runs, each an answer of its own."""
    value = cells_of(offer.values)[told]
    log_sd, skew, source = (_part(each, told) for each in (offer.log_sd, offer.skew, offer.note))
    factor_id = f"methodology/{rule.name}"
    if offer.factor_id is not None:
        factor_id = _part(offer.factor_id, told)
        if holds_for_a_time(reference, pd.unique(np.array(factor_id, dtype="object", ndmin=1))):
            source = _with_period(source, factor_id, days[told], reference)
    low, high = interval_of(rule.field, value, log_sd, skew)
    rows = np.flatnonzero(told)
    return Piece(
        rule.field, rule.name, rule.basis, rows, np.arange(len(rows)), value, log_sd, skew, low,
        high, factor_id, source,
    )  # fmt: skip


def _with_period(
    source: object, factor_id: object, days: pd.Series, reference: Reference
) -> np.ndarray:
    """Say beside what a rule notes where a row serves outside its own period."""
    ids, notes = (pd.Series(each, days.index, dtype=TEXT) for each in (factor_id, source))
    another = period_note(reference, ids, days)
    told = (notes + "; " + another).fillna(notes).fillna(another)
    return np.asarray(told, dtype="object")


def _part(value: object, told: np.ndarray) -> Any:
    """Return what belongs to the rows for which a rule had an answer."""
    if isinstance(value, pd.Series):
        value = value.to_numpy()
    if isinstance(value, np.ndarray) and value.ndim:
        return value[told]
    return value


def _as_logged(
    columns: Mapping[str, Any],
    missing: Mapping[str, np.ndarray],
    known: Mapping[int, origins.Origins],
    context: Context,
) -> list[Piece]:
    days, repaired = (pd.Series(columns[name], copy=False) for name in ("date", "repairs"))
    format_codes, formats = pd.factorize(columns["source_format"])
    whole, own = np.arange(len(days)), np.array(list(known), dtype="int64")
    pieces = []
    for name in RUN_FIELDS:
        if name == "run_id" or missing[name].all():
            continue
        of_format = np.array([basis_of(each, name) for each in formats], dtype="object")
        given, told_of = ~missing[name], own[~missing[name][own]]
        # Of a run that was joined from several logs, each field tells its own; what a run does
        # not tell apart is of its format and record.
        origin = [each for row in told_of.tolist() if (each := known[row].get(name))]
        if len(origin) < len(told_of):
            told_of = told_of[[name in known[row] for row in told_of.tolist()]]
        given[told_of] = False
        for told, at, found in ((Told.WIDTH, whole[given], []), (Told.RUN, told_of, origin)):
            if not len(at):
                continue
            one = len(formats) == 1
            basis = [each.basis for each in found] or of_format[0 if one else format_codes[at]]
            values, basis = columns[name][at], np.array(basis, dtype="object")
            log_sd = _logged_log_sd(name, basis, days[at], repaired[at], context)
            low, high = interval_of(name, values, log_sd)
            pieces.append(
                Piece(
                    name, AS_LOGGED, basis, at, whole[: len(at)], values, log_sd, 0.0, low, high,
                    source=np.array([each.record for each in found]) if found else None, told=told,
                )
            )  # fmt: skip
            context.pieces.setdefault(name, []).append(pieces[-1])
    return pieces


def _logged_log_sd(
    name: str, basis: np.ndarray, days: pd.Series, repaired: pd.Series, context: Context
) -> float | np.ndarray:
    """Return the log standard deviation of values of a logged field."""
    log_sd: float | np.ndarray = 0.0
    if name in LOGGED_GSD:
        measured, other = (context.log_gsd(gsd, days) for gsd in LOGGED_GSD[name])
        log_sd = np.where(basis == Basis.MEASURED, measured, other)
    for word, (doubted, gsd, measured_too) in DOUBTED_GSD.items():
        if name == doubted:
            touched = repairs.has_word(repaired, word) & (measured_too | (basis != Basis.MEASURED))
            log_sd = np.where(touched, context.log_gsd(gsd, days), log_sd)
    return log_sd


def interval_of(name: str, values: Any, log_sd: object, skew: object = 0.0) -> tuple[Any, Any]:
    """Return the percentiles of numbers, kept within what the column's declaration allows."""
    column = NORMALIZED_RUNS.column(name)
    if column.kind != "float":
        return np.nan, np.nan
    width, lean = (np.asarray(each, dtype=float) for each in (log_sd, skew))
    low, high = uncertainty.interval(np.asarray(values, dtype=float), width, lean)
    return np.clip(low, column.minimum, None), np.clip(high, None, column.maximum)
