"""A run's figures, step by step, so that each can be followed with a pocket calculator.

Put here: the steps as text, with their numbers, and where each number comes from. Keep out: any
computing of its own; values come from the normalized run, from `impacts.footprint` and from the
ledger's tables.
"""

from __future__ import annotations

import math
import re
from collections.abc import Hashable, Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from types import CodeType
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from ft_emissions_pipeline import equations, ledger, methodology
from ft_emissions_pipeline.analysis import disclosed
from ft_emissions_pipeline.calendar_days import SECONDS_PER_HOUR
from ft_emissions_pipeline.impacts.footprint import footprint
from ft_emissions_pipeline.impacts.inputs import INPUTS
from ft_emissions_pipeline.impacts.monte_carlo import simulate
from ft_emissions_pipeline.methodology import Profile
from ft_emissions_pipeline.normalize import RULES, stored_provenance, unknown_in
from ft_emissions_pipeline.normalize.energy import (
    COMPONENTS,
    COUNTED_IN_PART,
    STEP_INPUTS,
    flat_gpu_power_w,
    part_energies,
)
from ft_emissions_pipeline.reference import Reference, describe, in_force
from ft_emissions_pipeline.stages import run_named
from ft_emissions_pipeline.tables import (
    MODEL_VERSIONS,
    NORMALIZED_RUNS,
    RUN_IMPACTS,
)
from ft_emissions_pipeline.tables.words import EnergyRoute, UseLifeRule
from ft_emissions_pipeline.warehouse import store

FAN_POWER = " + {gpu_count} x {gpu_fan_w} x {gpu_utilization}"
FAN_ENERGY = f"{FAN_POWER} x {{active_h}} / 1000"
"""What fans draw more under load."""

HOUR_STEPS = (
    ("active_h", "h", "{active_s} / 3600"),
    ("reservation_h", "h", "{reserved_s} / 3600"),
)

POWER_STEPS = (
    ("idle_power_w", "W",
     "{server_count} x {host_idle_w} + {cpu_count} x {cpu_idle_w} + {gpu_count} x {gpu_idle_w}"),
    ("memory_power_w", "W", "{server_count} x {memory_w}"),
    ("power_w", "W",
     "{idle_power_w} + {memory_power_w}" + FAN_POWER +
     " + {cpu_count} x ({cpu_max_w} - {cpu_idle_w}) x {cpu_utilization}"
     " + {gpu_count} x ({gpu_max_w} - {gpu_idle_w}) x {gpu_utilization}"),
    *HOUR_STEPS,
    ("it_energy_kwh", "kWh",
     "({power_w} x {active_h} + ({idle_power_w} + {memory_power_w}) x ({reservation_h} - "
     "{active_h})) / 1000 / {supply_efficiency} x {development_multiplier}"),
)  # fmt: skip

Steps = tuple[tuple[str, str, str], ...]
"""Name, unit and formula of each step."""

FLAT_STEPS = (
    ("active_h", "h", "{active_s} / 3600"),
    ("gpu_hours", "h", "{gpu_count} x {active_h} x {development_multiplier}"),
    ("it_energy_kwh", "kWh", "{flat_gpu_power_w} / 1000 x {gpu_hours}"),
)

PART_STEPS = {
    "gpu_energy_kwh": ("gpu_modelled_kwh", "kWh",
        "{gpu_count} x ({gpu_idle_w} x {reservation_h} + ({gpu_max_w} - {gpu_idle_w}) x "
        "{gpu_utilization} x {active_h}) / 1000"),
    "cpu_energy_kwh": ("cpu_modelled_kwh", "kWh",
        "{cpu_count} x ({cpu_idle_w} x {reservation_h} + ({cpu_max_w} - {cpu_idle_w}) x "
        "{cpu_utilization} x {active_h}) / 1000"),
    "ram_energy_kwh": ("ram_modelled_kwh", "kWh",
                       "{server_count} x {memory_w} x {reservation_h} / 1000"),
}  # fmt: skip
"""Part of the energy -> the step that stands for it where it was not read."""

PLUG_STEP = (
    "logged_it_energy_kwh", "kWh",
    "({counted_energy_kwh} + {server_count} x {other_host_w} x {reservation_h} / 1000"
    + FAN_ENERGY + ") / {supply_efficiency}",
)  # fmt: skip
"""From what counters see to the plug."""

LOGGED_STEPS = (("it_energy_kwh", "kWh", "{logged_it_energy_kwh} x {development_multiplier}"),)

FACILITY_STEPS = (("facility_energy_kwh", "kWh", "{it_energy_kwh} x {pue}"),)

FLAT_FACILITY_STEPS = (
    ("facility_kwh_per_gpu_hour", "kWh", "{flat_gpu_power_w} / 1000 x {pue}"),
    ("facility_energy_kwh", "kWh", "{facility_kwh_per_gpu_hour} x {gpu_hours}"),
)

IMPACT_STEPS = (
    ("operational_kgco2e", "kgCO2e", "{facility_energy_kwh} x {grid_kgco2e_per_kwh}"),
    ("embodied_kgco2e_per_h", "kgCO2e/h",
     "({gpu_count} x {gpu_embodied_kgco2e} + {server_count} x {server_embodied_kgco2e})"
     " / ({hardware_use_life_h} x {share_reserved})"),
    ("reserved_h", "h", "{reserved_s} / 3600 x {development_multiplier}"),
    ("embodied_kgco2e", "kgCO2e", "{embodied_kgco2e_per_h} x {reserved_h}"),
    ("total_kgco2e", "kgCO2e", "{operational_kgco2e} + {embodied_kgco2e}"),
    ("onsite_water_l", "L", "{it_energy_kwh} x {wue_l_per_kwh}"),
    ("electricity_water_l", "L", "{generated_kwh} x {electricity_water_l_per_kwh}"),
    ("embodied_water_l_per_h", "L/h",
     "({gpu_count} x {gpu_embodied_water_l} + {server_count} x {server_embodied_water_l})"
     " / ({hardware_use_life_h} x {share_reserved})"),
    ("embodied_water_l", "L", "{embodied_water_l_per_h} x {water_reserved_h}"),
    ("total_water_l", "L", "{onsite_water_l} + {electricity_water_l} + {embodied_water_l}"),
)  # fmt: skip

MARKET_STEP = (
    "operational_market_kgco2e", "kgCO2e", "{facility_energy_kwh} x {market_kgco2e_per_kwh}",
)  # fmt: skip

_PLACEHOLDER = re.compile(r"\{(\w+)\}")


def explain(
    normalized: pd.DataFrame,
    provenance: pd.DataFrame,
    impacts: pd.DataFrame,
    reference: Reference,
    *,
    draws: int = 0,
    seed: int = 0,
) -> dict[str, str]:
    """Return the text that explains each run, by its id.

    Parameters
    ----------
    normalized, provenance, impacts : DataFrame
        The runs' rows of `normalized_runs`, `field_provenance` and `run_impacts`.
    reference : Reference
        Reference tables, for the sources of factors.
    draws, seed : int
        Draws of a Monte Carlo whose interval stands beside the closed form's; none by default.
    """
    made = {str(row["run_id"]): row for row in impacts.to_dict("records")}
    origins = _by_run(provenance)
    found = {}
    for name, rows in normalized.groupby("methodology"):
        profile = methodology.profile(str(name))
        drawn = _drawn(rows, provenance, reference, profile, draws, seed) if draws else {}
        values = _values(rows, reference, profile)
        for run, inputs in zip(rows.to_dict("records"), values, strict=True):
            run_id = str(run["run_id"])
            lines = _told(run, inputs, made[run_id], profile, drawn.get(run_id, {}))
            used = _used(run, profile)
            found[run_id] = "\n".join([*lines, *_origins(origins[run_id], used, reference)])
    return found


def _told(
    run: Mapping[Hashable, Any],
    values: Mapping[str, float],
    made: Mapping[Hashable, Any],
    profile: Profile,
    drawn: Mapping[str, str],
) -> Iterator[str]:
    yield f"Run {run['run_id']} of model {run['model_name']}"
    yield (
        f"  profile {profile.name}, reference tables {made['reference_version']}, "
        f"quality tier {made['quality_tier']}, "
        f"{made['share_imputed']:.0%} of the carbon's uncertainty rests on imputed fields"
    )
    yield from ("", "Steps")
    for step in _steps(run, profile):
        yield from _step(*step, values)
    if pd.notna(run["market_kgco2e_per_kwh"]):
        yield from ("", "Market-based, by your contracts; no part of the totals")
        market = float(made["operational_market_kgco2e"])
        yield from _step(*MARKET_STEP, {**values, MARKET_STEP[0]: market})
    yield from ("", "Interval (5th to 95th percentile)")
    for name, unit in TOTALS.items():
        yield (
            f"  {name} = {number(made[name])} ({number(made[f'{name}_p05'])} to "
            f"{number(made[f'{name}_p95'])}{drawn.get(name, '')}) {unit}"
        )
    yield from _beside_the_source(run, made)
    yield from _amortisation(made)
    for name, reason in methodology.switches(profile).items():
        yield from ("", f"Quirk {name} of the profile: {reason}")
    yield from ("", "Where the values come from")


TOTALS = {"total_kgco2e": "kgCO2e", "total_water_l": "L"}


def _drawn(
    normalized: pd.DataFrame,
    provenance: pd.DataFrame,
    reference: Reference,
    profile: Profile,
    draws: int,
    seed: int,
) -> dict[str, dict[str, str]]:
    """Return, by run and total, the interval that draws of the run's inputs give."""
    found = simulate(normalized, provenance, reference, profile, draws=draws, seed=seed)
    ends = {name: np.percentile(found[name], [5, 95], axis=1).T for name in TOTALS}
    return {
        str(run_id): {
            name: f"; by {draws} draws with seed {seed} {number(low)} to {number(high)}"
            for name, (low, high) in ((name, each[at]) for name, each in ends.items())
        }
        for at, run_id in enumerate(normalized["run_id"])
    }


def _values(
    runs: pd.DataFrame, reference: Reference, profile: Profile
) -> Iterator[dict[str, float]]:
    """Yield of each run the numbers that its steps name."""
    inputs = {name: runs[name].to_numpy(dtype=float) for name in INPUTS}
    flat = flat_gpu_power_w(reference)
    modelled = (runs["energy_route"] == EnergyRoute.POWER_MODEL).to_numpy()
    parts = footprint(inputs, profile, flat_gpu_power_w=flat, modelled=modelled)
    logged = (*COMPONENTS, *STEP_INPUTS, "market_kgco2e_per_kwh")
    values = (
        inputs
        | parts
        | {
            "flat_gpu_power_w": flat,
            "logged_it_energy_kwh": inputs["it_energy_kwh"],
            **{name: runs[name].to_numpy(dtype=float) for name in logged},
            **{PART_STEPS[name][0]: energy for name, energy in part_energies(inputs).items()},
            "active_h": inputs["active_s"] / SECONDS_PER_HOUR,
            "reservation_h": np.maximum(inputs["reserved_s"], inputs["active_s"])
            / SECONDS_PER_HOUR,
            "water_reserved_h": inputs["reserved_s"] / SECONDS_PER_HOUR
            if profile.embodied_water_of_final_run_only
            else parts["reserved_h"],
        }
    )
    if profile.embodied_water_of_gpus_only:
        values["server_embodied_water_l"] = 0.0
    columns = (np.broadcast_to(each, len(runs)).tolist() for each in values.values())
    for row in zip(*columns, strict=True):
        yield dict(zip(values, row, strict=True))


def _steps(row: Mapping[Hashable, Any], profile: Profile) -> Steps:
    energy: Steps
    if row["energy_route"] != EnergyRoute.POWER_MODEL:
        energy = _counted_steps(row) + LOGGED_STEPS + FACILITY_STEPS
    elif profile.flat_gpu_power:
        energy = FLAT_STEPS + FLAT_FACILITY_STEPS
    else:
        energy = POWER_STEPS + FACILITY_STEPS
    if row["active_s"] > row["reserved_s"]:
        # Clocks that disagree by up to 1 % make a run active for longer than it was reserved.
        energy = _with(energy, "{reserved_s}", "{active_s}")
    if not row["gpu_fan_w"] > 0:
        # Of most servers nobody measured what fans draw under load; a term that is 0 is left out.
        energy = _with(_with(energy, FAN_ENERGY, ""), FAN_POWER, "")
    return energy + IMPACT_STEPS


def _with(steps: Steps, old: str, new: str) -> Steps:
    return tuple((name, unit, template.replace(old, new)) for name, unit, template in steps)


def _counted_steps(row: Mapping[Hashable, Any]) -> Steps:
    """Return the steps from the parts read to the plug; none where a total stands as logged."""
    if pd.isna(row["counted_energy_kwh"]):
        return ()
    read = {name: pd.notna(row[name]) for name in COMPONENTS}
    unread = row["energy_route"] in COUNTED_IN_PART
    modelled = tuple(PART_STEPS[name] for name in COMPONENTS if unread and not read[name])
    parts = " + ".join(f"{{{name if read[name] else PART_STEPS[name][0]}}}" for name in COMPONENTS)
    total = row["energy_route"] == EnergyRoute.LOGGED_TOTAL
    summed = () if total else (("counted_energy_kwh", "kWh", parts),)
    as_counted = ("logged_it_energy_kwh", "kWh", "{counted_energy_kwh}")
    left = pd.isna(row["supply_efficiency"])
    return HOUR_STEPS + modelled + summed + ((as_counted if left else PLUG_STEP),)


def _step(name: str, unit: str, template: str, values: Mapping[str, float]) -> list[str]:
    formula, names, expression = _parsed(template)
    numbers = template.format_map({each: number(values[each]) for each in names})
    # The printed formula is worked out, so that what is printed is what was done.
    exact, carried = float(eval(expression, {"__builtins__": {}}, values)), values[name]
    lines = [f"  {name} = {formula}", f"    = {numbers} = {number(exact)} {unit}"]
    if not math.isclose(exact, carried, rel_tol=1e-9):
        lines += [f"    carried on rounded, as the profile does: {number(carried)} {unit}"]
    return lines


@lru_cache(maxsize=256)
def _parsed(template: str) -> tuple[str, tuple[str, ...], CodeType]:
    """Return a formula as it is printed, the names in it, and how it is worked out."""
    formula = _PLACEHOLDER.sub(r"\1", template)
    names = tuple(_PLACEHOLDER.findall(template))
    return formula, names, compile(formula.replace(" x ", " * "), "<formula>", "eval")


def _used(run: Mapping[Hashable, Any], profile: Profile) -> set[str]:
    """Return what the steps of a run are made of."""
    by_contract = (MARKET_STEP,) if pd.notna(run["market_kgco2e_per_kwh"]) else ()
    steps = _steps(run, profile) + by_contract
    return {name for _, _, template in steps for name in _parsed(template)[1]}


def number(value: Any) -> str:
    """Return a number with the digits that a calculator needs to follow the steps."""
    told = float(value)
    return f"{told:.0f}" if abs(told) >= 1e7 else f"{told:.7g}"


def _beside_the_source(run: Mapping[Hashable, Any], made: Mapping[Hashable, Any]) -> list[str]:
    theirs = run["disclosed_kgco2e"]
    if pd.isna(theirs):
        return []
    ours = made["total_kgco2e"]
    ratio = f" = {number(ours / theirs)}" if theirs > 0 else ""
    return [
        "",
        "Beside the total that the source itself disclosed",
        f"  disclosed_kgco2e = {number(theirs)} kgCO2e",
        f"  total_kgco2e / disclosed_kgco2e = {number(ours)} / {number(theirs)}{ratio}",
        *(
            f"    {reason}"
            for reason in disclosed.reasons({**run, "embodied_kgco2e": made["embodied_kgco2e"]})
        ),
    ]


def _amortisation(made: Mapping[Hashable, Any]) -> list[str]:
    per_day, days = made["expected_inferences_per_day"], made["expected_use_life_days"]
    if pd.isna(per_day) or per_day <= 0:
        return ["", "Per inference: unknown until inferences are disclosed or counted"]
    grams = made["total_kgco2e"] / (per_day * days) * equations.GRAMS_PER_KG
    water = made["total_water_l"] / (per_day * days) * equations.MILLILITRES_PER_LITRE
    life = f"({number(per_day)} x {number(days)}) x 1000"
    market = made["operational_market_kgco2e"] + made["embodied_kgco2e"]
    by_contract = market / (per_day * days) * equations.GRAMS_PER_KG
    lines = [
        "",
        "Per inference, by expected inferences per day and use life in days",
        f"  gco2e_per_inference = {number(made['total_kgco2e'])} / {life} = {number(grams)} gCO2e",
        f"  water_ml_per_inference = {number(made['total_water_l'])} / {life} = {number(water)} mL",
    ]
    if pd.notna(market):
        lines.append(
            f"  market_gco2e_per_inference = {number(market)} / {life} = {number(by_contract)} "
            "gCO2e, by your contracts and with the embodied share; beside gco2e_per_inference"
        )
    return lines


ANCESTORS_SHOWN = 10
"""Versions of a chain that are shown; of the earlier ones only their sum."""


def ancestry(versions: pd.DataFrame, run_impacts: pd.DataFrame, model_version: str) -> str:
    """Return the text that shows from which versions one was fine-tuned, back to the base model.

    Parameters
    ----------
    versions : DataFrame
        Table `model_versions`.
    run_impacts : DataFrame
        Columns run_id, base_model and pretraining_kgco2e of the table of this name.
    model_version : str
        The version; of one that is not in the table there is nothing to tell.
    """
    if not versions["model_version"].eq(model_version).any():
        return ""
    chain = [model_version, *ledger.ancestors(versions, model_version)]
    rows = ledger.family(versions, chain)
    shown, earlier = rows[:ANCESTORS_SHOWN], rows[ANCESTORS_SHOWN:]
    lines = [
        "The version, and those that it was fine-tuned from, the nearest first",
        *(_version(row) for row in shown.to_dict("records")),
    ]
    if len(earlier):
        together = number(earlier["total_kgco2e"].sum())
        lines.append(f"  and {len(earlier)} earlier, {together} kgCO2e of their own together")
    bases = run_impacts.set_index("run_id").reindex(chain).dropna(subset=["base_model"])
    for name, published in (
        bases.groupby("base_model", sort=False)["pretraining_kgco2e"].max().items()
    ):
        said = (
            "no pre-training in the factor tables"
            if pd.isna(published)
            else (f"{number(published)} kgCO2e of pre-training published, in no total")
        )
        lines.append(f"  base model {name}: {said}")
    own = rows.iloc[0]
    if pd.notna(own["base_gco2e_per_inference"]):
        lines.append(
            f"    {number(own['base_gco2e_per_inference'])} gCO2e per inference of its "
            "pre-training, in no total"
        )
    if own["children"]:
        names = own["children"]
        more = f" and {len(names) - ANCESTORS_SHOWN} more" if len(names) > ANCESTORS_SHOWN else ""
        lines.append(f"  fine-tuned further into {', '.join(names[:ANCESTORS_SHOWN])}{more}")
    return "\n".join(lines)


def _version(row: Mapping[Any, Any]) -> str:
    made_from = f" from {' and '.join(row['parents'])}" if row["parents"] else ""
    if not row["parents"] and pd.notna(row["parent_version"]):
        made_from = f" from {row['parent_version']}, of which no run is known"
    rolled_back = {UseLifeRule.ROLLED_BACK: "; rolled back"}.get(row["use_life_rule"], "")
    again = "; served again after a break" if pd.notna(row["pauses"]) else ""
    amounts = [f"{number(row['total_kgco2e'])} kgCO2e of its own"]
    amounts += [
        f"{number(row[column])} kgCO2e {words}"
        for column, words in (("inherited_kgco2e", "inherited"), ("handed_on_kgco2e", "handed on"))
        if row[column] > 0
    ]
    return (
        f"  {row['model_version']} of model {row['model_name']}: tuned on "
        f"{row['use_life_start']:%Y-%m-%d}{made_from}; {', '.join(amounts)}{rolled_back}{again}"
    )


_DESCRIBED = {(rule.field, rule.name): rule.description for rule in RULES}
_ORDER = {name: place for place, name in enumerate(NORMALIZED_RUNS.names)}


class _Origin(NamedTuple):
    """What is told of a row of `field_provenance`."""

    field: str
    value: str
    p05: float
    p95: float
    basis: str
    rule: str
    factor_id: str
    source: str


def _by_run(provenance: pd.DataFrame) -> dict[str, list[_Origin]]:
    """Return of each run what is told of its fields, in their order."""
    cells = (provenance[name].astype("object") for name in ("run_id", *_Origin._fields))
    found: dict[str, list[_Origin]] = {}
    for run_id, *row in zip(*cells, strict=True):
        found.setdefault(run_id, []).append(_Origin(*row))
    return {
        run_id: sorted(rows, key=lambda row: _ORDER[row.field]) for run_id, rows in found.items()
    }


def _origins(rows: list[_Origin], used: set[str], reference: Reference) -> Iterator[str]:
    keys = used | {"gpu_id", "gpu_model", "server_id", "server_model", "model_id", "country_iso3",
            "tokens_padded", "train_flop", "model_parameters", "it_energy_kwh",
            "counted_energy_kwh", "token_lengths"}  # fmt: skip
    for row in rows:
        if row.field not in keys and unknown_in(row.rule, row.source) is None:
            continue
        yield f"  {row.field} = {_shown(row)}".rstrip()
        rule = "as logged" if row.rule == "as_logged" else _DESCRIBED[row.field, row.rule]
        yield f"    {row.basis}: {rule}" + (f"; {row.source}" if pd.notna(row.source) else "")
        for factor_id in [] if pd.isna(row.factor_id) else str(row.factor_id).split():
            yield f"    {factor_id}" + _source_of(factor_id, reference)


def _shown(row: _Origin) -> str:
    unit = NORMALIZED_RUNS.column(row.field).unit
    if pd.isna(row.p05) or row.p05 == row.p95:
        return f"{row.value} {unit}"
    return f"{row.value} ({number(row.p05)} to {number(row.p95)}) {unit}"


def values_of(provenance: pd.DataFrame, run_id: str) -> pd.DataFrame:
    """Return the run's rows of `field_provenance`, each with its unit.

    Raises
    ------
    UnknownRun
        If no run is meant by the id.
    """
    meant = run_named(run_id, provenance["run_id"].unique())
    rows = provenance[provenance["run_id"] == meant].reset_index(drop=True)
    units = [NORMALIZED_RUNS.column(field).unit for field in rows["field"]]
    rows.insert(rows.columns.get_loc("value") + 1, "unit", units)
    return rows


def values_stored(run_id: str, warehouse: str | Path) -> pd.DataFrame:
    """Return `values_of` of a run of a warehouse."""
    ids = store.read(warehouse, NORMALIZED_RUNS, columns=["run_id"])["run_id"]
    run_id = run_named(run_id, ids)
    return values_of(stored_provenance.stored(warehouse, runs={run_id}).table(), run_id)


@lru_cache(maxsize=4096)
def _source_of(factor_id: str, reference: Reference) -> str:
    if factor_id.startswith("methodology/"):
        return ": convention of the methodology, see docs/rules.md"
    if factor_id.startswith("token_time/"):
        return ": version of the token-time model, see docs/token_time.md"
    row = describe(reference, factor_id)
    return f": {row['source']}, {row['source_year']} ({row['verification']})"


def explain_stored(run_id: str, warehouse: str | Path, *, draws: int = 0, seed: int = 0) -> str:
    """Return the explanation of a run out of a warehouse's tables, and what it was tuned from.

    Raises
    ------
    UnknownRun
        If no run has the id.
    """
    normalized, impacts = (store.read(warehouse, table) for table in (NORMALIZED_RUNS, RUN_IMPACTS))
    reference = in_force(warehouse, keep=False)
    run_id = run_named(run_id, normalized["run_id"])
    provenance = stored_provenance.stored(warehouse, runs={run_id}).table()
    text = explain_row(run_id, normalized, provenance, impacts, reference, draws, seed)
    versions = store.read(warehouse, MODEL_VERSIONS)
    return f"{text}\n\n{ancestry(versions, impacts, run_id)}".rstrip()


def explain_row(
    run_id: str,
    normalized: pd.DataFrame,
    provenance: pd.DataFrame,
    impacts: pd.DataFrame,
    reference: Reference,
    draws: int = 0,
    seed: int = 0,
) -> str:
    """Return the explanation of one run out of whole tables.

    Raises
    ------
    UnknownRun
        If no run has the id.
    """
    run_id = run_named(run_id, normalized["run_id"])
    run, fields, made = (
        each[each["run_id"] == run_id] for each in (normalized, provenance, impacts)
    )
    return explain(run, fields, made, reference, draws=draws, seed=seed)[run_id]
