"""How good a figure is, and which missing field would narrow its interval most.

Put here: tiers of fields and results, how much of a total rests on imputed fields, and what to
disclose next. Keep out: how a gap is filled (`normalize/`) and how wide that leaves a total
(`impacts/`); both are asked anew for each answer, so that an advice is what disclosing does.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd

from ft_emissions_pipeline import methodology, stages, uncertainty
from ft_emissions_pipeline.impacts.footprint import chain_of, footprint
from ft_emissions_pipeline.impacts.inputs import (
    INPUTS,
    UncertainInputs,
    held,
    imputed,
    uncertain_inputs,
)
from ft_emissions_pipeline.normalize import IMPUTED, factors_used
from ft_emissions_pipeline.normalize.energy import flat_gpu_power_w
from ft_emissions_pipeline.normalize.kinds import codes_of, first_of
from ft_emissions_pipeline.normalize.provenance import Provenance
from ft_emissions_pipeline.readers import origins
from ft_emissions_pipeline.reference import Reference
from ft_emissions_pipeline.stages import Choices, Given
from ft_emissions_pipeline.tables import RUN_FIELDS
from ft_emissions_pipeline.tables.words import Basis, EnergyRoute

TIER_OF_BASIS = {
    Basis.MEASURED: "A",
    Basis.DISCLOSED: "B",
    Basis.REFERENCE: "B",
    Basis.PREDICTED: "C",
    Basis.DEFAULT: "D",
}
"""Tier of a field by what its value rests on."""

NAMED_BY = {"gpu_id": "gpu_model", "server_id": "server_model", "model_id": "base_model"}
"""Identity in the reference tables -> the field by which a log discloses it."""

TIMES = ("reserved_s", "active_s")
"""Where both are missing they are disclosed together: given one, the rules would tell the other by
a usual ratio, and no longer as it is now."""

_IN_COMMON = {
    **dict.fromkeys(TIMES, ("pace",)),
    "gpu_count": ("scale",),
    "server_count": ("scale", "hosts"),
}
"""Input -> the parts of its spread that stand under another name in `uncertain_inputs`."""

_OF_SHARING = {"expected_inferences_per_day", "expected_use_life_days"}
"""Fields over which a footprint is shared; they move no total, so nothing is to be tried."""

MOVED = 1e-3
"""Share of the total by which a statement of what is taken for true anyway may move it."""

Key = Literal["run_id", "model_name"]
KEYS: tuple[Key, ...] = ("run_id", "model_name")

METRICS = ("total_kgco2e", "total_water_l")
BOUNDS = tuple(f"{metric}_{bound}" for metric in METRICS for bound in ("p05", "p95"))

_MARK = "\x1f"
"""Stands between a run's id and the field that is tried on it; no id holds a control character."""


def advise(runs: Given, *, by: Key = "run_id", **options: Any) -> pd.DataFrame:
    """Say what to disclose next, for each run or each model.

    Parameters
    ----------
    runs : DataFrame, mapping, or sequence of mappings
        As `estimate` takes them.
    by : str
        `run_id`, or `model_name` for the total over each model's runs.
    **options
        `only`, `profile`, `reference`, `calibrate` and `token_time`, as `try_fields` takes them.

    Returns
    -------
    DataFrame
        What `ranked` returns.

    Raises
    ------
    UnknownRun
        If `only` names neither a run nor a model.
    ValueError
        As `estimate` raises it.
    """
    return ranked(try_fields(runs, **options), by)


@dataclass(frozen=True)
class Outcomes:
    """What the disclosure of each missing field would do to each run.

    `now` has a row per run, indexed by run_id; `tried` one per run and field, with `value`, `tier`
    and `decides`. `amount` and `scatter` have, by total, the rows of both, one after the other.
    """

    now: pd.DataFrame
    tried: pd.DataFrame
    amount: dict[str, np.ndarray]
    scatter: dict[str, uncertainty.Members]


def try_fields(runs: Given, *, only: str | None = None, **options: Any) -> Outcomes:
    """Try every missing field of every run.

    Parameters
    ----------
    runs : DataFrame, mapping, or sequence of mappings
        As `estimate` takes them.
    only : str, optional
        A run's id or a model's name; all runs by default.
    **options
        `profile`, `reference`, `calibrate` and `token_time`, as `stages.prepared` takes them.
    """
    accepted, _, choices = stages.prepared(runs, **options)
    accepted = stages.selected(accepted, only)
    made = stages.footprints(accepted, choices)
    accepted = accepted[accepted["run_id"].isin(made.normalized["run_id"])].reset_index(drop=True)
    return of_footprints(accepted, made.normalized, made.provenance, made.impacts, choices)


def of_footprints(
    accepted: pd.DataFrame,
    normalized: pd.DataFrame,
    provenance: pd.DataFrame,
    run_impacts: pd.DataFrame,
    choices: Choices,
) -> Outcomes:
    """Try every missing field of runs with known footprints: state what stands in for it, and look.

    Parameters
    ----------
    accepted, normalized, provenance, run_impacts : DataFrame
        Rows of tables `validated_runs`, `normalized_runs`, `field_provenance` and `run_impacts`.
    choices : Choices
        With what they were computed.

    Notes
    -----
    A field is missing where its value was predicted or a default, or where the name that was logged
    stands for several variants. Each is tried alone: the run gets the present value of that field
    as if a disclosure had stated it, and goes through every rule again. What depends on the
    field follows by the rules themselves: a disclosed accelerator takes its peak rate, power and
    making along, and the time that was predicted on it. What is assumed is that the disclosure
    would confirm the present value; another value moves the total, and its interval with it.
    Where even that moves the carbon by more than `MOVED`, because other rules then answer, the
    field is left out: its disclosure changes the figure before it narrows an interval. A disclosed
    number keeps the spread of disclosed numbers. Conventions, such as the use life of hardware, are
    no field of a run and stay as they are.

    The rules are asked once for each kind of run (`_kinds`): in runs of one kind a disclosure
    changes the same inputs by the same ratio, to the same spread.
    """
    accepted, normalized = (
        each.set_index("run_id", drop=False).loc[run_impacts["run_id"]].reset_index(drop=True)
        for each in (accepted, normalized)
    )
    provenance = provenance[provenance["run_id"].isin(set(accepted["run_id"]))]
    reference, profile = choices.reference, choices.profile
    inputs = uncertain_inputs(normalized, provenance, reference)
    routes = normalized[["energy_route"]]
    _, spreads = _totals(inputs.values, inputs.log_sd, inputs.skew, routes, reference, profile)
    missing = _missing(provenance)
    missing["run"] = pd.Index(accepted["run_id"]).get_indexer(missing["run_id"])
    kind = _kinds(accepted, provenance, inputs, spreads)
    missing["kind"] = kind[missing["run"]]
    copies = _with_one_field_disclosed(
        accepted, normalized, missing[missing["run"] == missing["kind"]]
    )
    filled, of_copies = stages.filled(copies.drop(columns=["of", "field"]), choices)
    stated = uncertain_inputs(filled, of_copies, reference)
    copies["decides"] = _decided(copies, inputs, stated)
    copies["copy"] = np.arange(len(copies))
    tried = missing.merge(
        copies[["of", "field", "decides", "copy"]],
        left_on=["kind", "disclose"], right_on=["of", "field"], suffixes=("_now", ""),
    )  # fmt: skip
    run, of_kind, copy = (tried[name].to_numpy() for name in ("run", "kind", "copy"))
    values, log_sd, skew, variables = _with_copies(inputs, stated, run, of_kind, copy)
    routes = pd.concat([routes, filled[["energy_route"]].iloc[copy]], ignore_index=True)
    amount, spreads = _totals(values, log_sd, skew, routes, reference, profile)
    carbon, runs = amount["total_kgco2e"], len(accepted)
    tried["row"] = np.arange(runs, runs + len(tried))
    stays = np.abs(carbon[runs:] - carbon[run]) <= MOVED * carbon[run]
    shown = ["run_id", "model_name", "quality_tier", "share_imputed", "total_kgco2e"]
    share = share_of_total_imputed(normalized, inputs.origins, reference, profile)
    return Outcomes(
        run_impacts[shown].assign(share_of_total_imputed=share.to_numpy()).set_index("run_id"),
        tried.loc[stays, ["run", "row", "field", "value", "tier", "decides"]],
        amount,
        {name: uncertainty.members(spreads[name], variables) for name in METRICS},
    )


def _with_copies(
    now: UncertainInputs,
    stated: UncertainInputs,
    run: np.ndarray,
    of_kind: np.ndarray,
    copy: np.ndarray,
) -> tuple[dict[str, np.ndarray], ...]:
    """Return value, spread, skew and variable of each input: of the runs, then of the fields told.

    `copy` is of the first run of a kind, `of_kind`; it stands for what the same disclosure does to
    `run`.
    """
    values, log_sd, skew, variables, known = {}, {}, {}, {}, 0
    for name, value in now.values.items():
        then = stated.values[name][copy]
        there = value[of_kind] != 0
        moved = np.divide(then, value[of_kind], out=np.ones(len(then)), where=there)
        values[name] = np.concatenate([value, np.where(there, value[run] * moved, then)])
        log_sd[name] = np.concatenate([now.log_sd[name], stated.log_sd[name][copy]])
        skew[name] = np.concatenate([now.skew[name], stated.skew[name][copy]])
        codes, rows = pd.factorize(np.concatenate([now.shared[name], stated.shared[name][copy]]))
        variables[name] = np.where(codes < 0, -1, codes + known)
        known += len(rows)
    return values, log_sd, skew, variables


def _totals(
    values: Mapping[str, np.ndarray],
    log_sd: Mapping[str, np.ndarray],
    skew: Mapping[str, np.ndarray],
    routes: pd.DataFrame,
    reference: Reference,
    profile: methodology.Profile,
) -> tuple[dict[str, np.ndarray], dict[str, uncertainty.Spread]]:
    chain = chain_of(routes, reference, profile)

    def totals(inputs: Mapping[str, Any]) -> dict[str, Any]:
        parts = chain(inputs)
        return {name: parts[name] for name in METRICS}

    return totals(values), uncertainty.propagate(totals, values, log_sd, skew)


def _kinds(
    accepted: pd.DataFrame,
    provenance: pd.DataFrame,
    inputs: UncertainInputs,
    spreads: Mapping[str, uncertainty.Spread],
) -> np.ndarray:
    """Return for each run the first one of its kind.

    Runs of one kind ask the same of the reference tables, were filled by the same rules from the
    same rows, and have the same spread in everything that moves a total. A run that rests on a
    prediction is one of a kind: how certain that is depends on its amounts.
    """
    named = provenance.groupby(["field", "basis", "rule", "factor_id"], dropna=False).ngroup()
    by_run = named.groupby(provenance["run_id"]).agg(lambda rows: hash(tuple(rows)))
    parts = {
        "factors_key": factors_used.factors_key(accepted),
        "rules": accepted["run_id"].map(by_run),
        "predicted": np.zeros(len(accepted), dtype=int),
    }
    rows = provenance[provenance["basis"] == Basis.PREDICTED]
    predicted = rows.groupby("field")["run_id"].agg(set).to_dict()
    for part in ("pace", "scale", "hosts"):
        of = [name for name, parts_of in _IN_COMMON.items() if part in parts_of]
        predicted[part] = set().union(*(predicted.get(name, set()) for name in of))
    for name, log_sd in inputs.log_sd.items():
        moves = np.any(
            [each.contributions.get(name, 0 * log_sd) for each in spreads.values()], axis=0
        )
        parts[name] = np.round(np.where(moves, log_sd, 0.0), 9)
        parts[f"{name} skew"] = np.round(np.where(moves, inputs.skew[name], 0.0), 6)
        alone = moves & accepted["run_id"].isin(predicted.get(name, set())).to_numpy()
        parts["predicted"] = np.where(alone, np.arange(1, len(accepted) + 1), parts["predicted"])
    kind = codes_of(*parts.values())
    return np.asarray(first_of(kind)[kind])


def share_of_total_imputed(
    normalized: pd.DataFrame,
    provenance: pd.DataFrame | Provenance,
    reference: Reference,
    profile: methodology.Profile,
) -> pd.Series:
    r"""Return which share of each run's carbon rests on imputed inputs, however certain they are.

    Parameters
    ----------
    normalized : DataFrame
        Table `normalized_runs`.
    provenance : DataFrame or Provenance
        Table `field_provenance` of them, or what it shows.
    reference : Reference
        Reference tables.
    profile : Profile
        Choices of the methodology.

    Returns
    -------
    Series
        0..1, in the order of `normalized`.

    Notes
    -----
    An input counts by how strongly the total answers to it, its elasticity:

    .. math:: s = \frac{\sum_{i\,imputed} |e_i|}{\sum_i |e_i|}, \quad
              e_i = \frac{\partial \ln C}{\partial \ln x_i}

    In a product each factor counts alike, and in a sum each part by its size. Of carbon that is
    logged energy x development multiplier x PUE x grid alone, an imputed PUE makes a quarter.
    `share_imputed` of `run_impacts` weighs the same inputs by their spread instead.
    """
    values = {name: normalized[name].to_numpy(dtype=float) for name in INPUTS}
    flat = flat_gpu_power_w(reference)
    modelled = (normalized["energy_route"] == EnergyRoute.POWER_MODEL).to_numpy()

    def total(inputs: Mapping[str, Any]) -> dict[str, Any]:
        parts = footprint(inputs, profile, flat_gpu_power_w=flat, modelled=modelled)
        return {"total_kgco2e": parts["total_kgco2e"]}

    step = dict.fromkeys(INPUTS, np.full(len(normalized), 1e-3))
    weight = uncertainty.propagate(total, values, step)["total_kgco2e"].contributions
    origins = held(provenance, normalized)
    guessed = everything = np.zeros(len(normalized))
    for name, part in weight.items():
        everything = everything + np.abs(part)
        guessed = guessed + np.where(imputed(origins, name), np.abs(part), 0.0)
    share = np.divide(guessed, everything, out=np.zeros(len(normalized)), where=everything > 0)
    return pd.Series(share, index=normalized.index)


def best(advised: pd.DataFrame) -> pd.DataFrame:
    """Return the first row of each run or model: what narrows its carbon most."""
    key = "run_id" if "run_id" in advised else "model_name"
    return advised.drop_duplicates(key).reset_index(drop=True)


def _missing(provenance: pd.DataFrame) -> pd.DataFrame:
    """Return missing fields: run_id, field to disclose, where its value stands, value and tier."""
    missing = provenance[
        provenance["basis"].isin(IMPUTED)
        | provenance["rule"].astype("str").str.endswith("_name_ambiguous")
    ]
    missing = missing.assign(
        disclose=missing["field"].replace(NAMED_BY), tier=missing["basis"].map(TIER_OF_BASIS)
    )
    tried = missing["disclose"].isin(set(RUN_FIELDS) - _OF_SHARING)
    missing = missing.loc[tried, ["run_id", "disclose", "field", "value", "tier"]]
    # An identity stands before the name that was made after it.
    missing = missing.sort_values(
        "field", key=lambda field: ~field.isin(list(NAMED_BY)), kind="stable"
    ).drop_duplicates(["run_id", "disclose"])
    times = missing[missing["disclose"].isin(TIMES)].sort_values("disclose", ascending=False)
    together = dict.fromkeys(("disclose", "field", "value"), " ".join)
    both = times.groupby("run_id", as_index=False).agg({**together, "tier": "first"})
    return pd.concat([missing.drop(times.index), both], ignore_index=True)


def _with_one_field_disclosed(
    accepted: pd.DataFrame, normalized: pd.DataFrame, missing: pd.DataFrame
) -> pd.DataFrame:
    """Return a copy of a run for each of its missing fields, that field disclosed.

    Beside the columns of `validated_runs`: of, the run's place among the runs; field.
    """
    told = accepted["origins"].dropna().map(origins.from_json).to_dict()
    copies = [accepted.head(0).assign(of=0, field="")]
    for (disclose, source), rows in missing.groupby(["disclose", "field"]):
        at = rows["run"].to_numpy()
        copy = accepted.iloc[at].reset_index(drop=True)
        names = disclose.split()
        for name, present in zip(names, source.split(), strict=True):
            copy[name] = normalized[present].iloc[at].to_numpy()
        stated = dict.fromkeys(names, origins.Origin(Basis.DISCLOSED, "advise"))
        copy["origins"] = [origins.to_json({**told.get(place, {}), **stated}) for place in at]
        copy["run_id"] = copy["run_id"] + _MARK + disclose
        copies.append(copy.assign(of=at, field=disclose))
    return pd.concat(copies[1:] or copies, ignore_index=True)


def _decided(copies: pd.DataFrame, now: UncertainInputs, then: UncertainInputs) -> list[str]:
    """Return which other inputs of the footprint became more certain in each copy."""
    of = copies["of"].to_numpy()
    narrower = {name: _log_sd(then, name) < _log_sd(now, name)[of] - 1e-9 for name in INPUTS}
    return [
        " ".join(name for name in INPUTS if narrower[name][at] and name not in field.split())
        for at, field in enumerate(copies["field"])
    ]


def _log_sd(inputs: UncertainInputs, name: str) -> np.ndarray:
    parts = [inputs.log_sd[each] ** 2 for each in (name, *_IN_COMMON.get(name, ()))]
    return np.asarray(np.sqrt(np.sum(parts, axis=0)))


def ranked(outcomes: Outcomes, by: Key = "run_id") -> pd.DataFrame:
    """Rank fields by how much narrower their disclosure makes the carbon of each run or model.

    Parameters
    ----------
    outcomes : Outcomes
        Of `try_fields` or `of_footprints`.
    by : str
        `run_id` or `model_name`.

    Returns
    -------
    DataFrame
        One row per run or model and field whose disclosure narrows the interval of the carbon or
        the water, the best for the carbon first; one row with an empty field where none does.
        Columns: run_id (by run), model_name; quality_tier, share_imputed and share_of_total_imputed
        of the run or model; field to disclose (two, separated by a space, for the times), value
        that stands in for it now, tier of that value, runs in which it is missing, decides (other
        inputs of the footprint that become more certain with it); p05 and p95 of carbon [kgCO2e]
        and water [L] now, and with the prefix `then_` once the field is disclosed; carbon_narrowed
        and water_narrowed, the share of the interval's width that goes.

    Notes
    -----
    The runs of a model are summed as in the roll-ups: what they have in common adds up before it is
    squared, and what each has for itself averages out. A model's tier is its worst run's, and its
    shares are means weighted by carbon.
    """
    now = outcomes.now.reset_index()
    code, names = pd.factorize(now[by])
    carbon = now["total_kgco2e"].where(now["total_kgco2e"] > 0, np.finfo(float).tiny)
    grouped = now.groupby(code)
    group = pd.DataFrame(
        {
            "key": names,
            "model_name": grouped["model_name"].first(),
            "quality_tier": grouped["quality_tier"].max(),
            **{
                name: (now[name] * carbon).groupby(code).sum() / carbon.groupby(code).sum()
                for name in ("share_imputed", "share_of_total_imputed")
            },
            **_bounds(outcomes, np.arange(len(now)), code),
        }
    )
    tried = outcomes.tried.assign(group=code[outcomes.tried["run"]])
    fields = tried.groupby(["group", "field"], as_index=False).agg(
        tier=("tier", "max"), runs=("run", "size")
    )
    fields = fields.assign(**_told(tried))
    # A run that has told the field already stays as it is in the sum.
    members = pd.DataFrame({"group": code, "run": np.arange(len(code))})
    parts = fields[["group", "field"]].assign(sum=fields.index).merge(members, on="group")
    parts = parts.merge(tried[["run", "field", "row"]], on=["run", "field"], how="left")
    rows = parts["row"].fillna(parts["run"]).to_numpy(dtype=np.intp)
    then = _bounds(outcomes, rows, parts["sum"].to_numpy(dtype=np.intp))
    fields = fields.assign(**{f"then_{name}": bound for name, bound in then.items()})
    fields = fields.merge(group, left_on="group", right_index=True)
    for metric, narrowed in zip(METRICS, ("carbon_narrowed", "water_narrowed"), strict=True):
        low, high = f"{metric}_p05", f"{metric}_p95"
        width, left = fields[high] - fields[low], fields[f"then_{high}"] - fields[f"then_{low}"]
        fields[narrowed] = (1 - left / width.where(width > 0)).fillna(0.0)
    fields = fields[(fields["carbon_narrowed"] > 1e-9) | (fields["water_narrowed"] > 1e-9)]
    settled = group[~group["key"].isin(fields["key"])]
    order = ["model_name", "quality_tier", "share_imputed", "share_of_total_imputed", "field",
             "value", "tier", "runs", "decides", *BOUNDS, *(f"then_{name}" for name in BOUNDS),
             "carbon_narrowed", "water_narrowed"]  # fmt: skip
    every = pd.concat([fields, settled], ignore_index=True).sort_values(
        ["key", "carbon_narrowed", "water_narrowed", "field"],
        ascending=[True, False, False, True],
        na_position="last",
    )
    if by == "run_id":
        every["run_id"] = every["key"]
        order.insert(0, "run_id")
    return every.reindex(columns=order).reset_index(drop=True)


def _bounds(outcomes: Outcomes, rows: np.ndarray, group: np.ndarray) -> dict[str, np.ndarray]:
    """Return the bounds of sums over rows of the outcomes, one per group."""
    found: dict[str, np.ndarray] = {}
    for metric in METRICS:
        amount, scatter = outcomes.amount[metric][rows], outcomes.scatter[metric]
        parts = uncertainty.parts_of_sums(rows, group, scatter)
        low, high = uncertainty.interval_of_sums(amount, parts, scatter)
        found |= {f"{metric}_p05": low, f"{metric}_p95": high}
    return found


def _told(tried: pd.DataFrame) -> dict[str, list[str]]:
    """Return by group and field, in their order, the present value and what it decides."""
    found: dict[tuple[int, str], tuple[dict[str, None], dict[str, None]]] = {}
    for group, field, value, names in zip(
        *(tried[name] for name in ("group", "field", "value", "decides")), strict=True
    ):
        values, decides = found.setdefault((group, field), ({}, {}))
        values[value] = None
        decides.update(dict.fromkeys(names.split()))
    told = [found[key] for key in sorted(found)]
    return {
        "value": [
            next(iter(values)) if len(values) == 1 else f"{len(values)} values"
            for values, _ in told
        ],
        "decides": [" ".join(decides) for _, decides in told],
    }
