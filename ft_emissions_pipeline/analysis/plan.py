"""A run sized up before it starts, beside its alternatives.

Put here: what a configuration and some words say of a run, which alternatives it has, and what each
gap adds to its interval. Keep out: reading (`readers/`), how a gap is filled (`normalize/`), and
footprints, which `stages.py` composes as for runs that were logged.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from operator import attrgetter
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from ft_emissions_pipeline import quarantine, stages
from ft_emissions_pipeline.analysis.scenarios import changes
from ft_emissions_pipeline.calendar_days import HOURS_PER_DAY, SECONDS_PER_HOUR
from ft_emissions_pipeline.normalize import duration, grid, hardware, place, unknown_in
from ft_emissions_pipeline.normalize.filling import Context, apply
from ft_emissions_pipeline.normalize.provenance import Provenance
from ft_emissions_pipeline.readers import Settings, files_in, read_file
from ft_emissions_pipeline.reference import Reference, default, load, take
from ft_emissions_pipeline.stages import Choices
from ft_emissions_pipeline.tables import RUN_FIELDS, TOKEN_TIME_MODEL, empty
from ft_emissions_pipeline.tables.words import Method, Software
from ft_emissions_pipeline.token_time.flops import UNKNOWN_METHOD

PLANNED = "as planned"

QUANTITIES = ("time_h", "it_energy_kwh", "total_kgco2e", "total_water_l")
PER_INFERENCE = ("gco2e_per_inference", "water_ml_per_inference")

PLACES = ("SWE", "FRA", "USA", "DEU", "JPN", "IND")
"""Alternatives where none is named: grids from the cleanest to the dirtiest of large countries."""

METHODS = (Method.FULL, Method.LORA, Method.QLORA)
"""Of one kind of work; those on preferences or of a teacher are another kind."""

SHOWN_GPUS = 6

TIME_DOUBTS = ("beyond the calibrated range", "longer than a year")
"""So begins what the token-time model says against its own prediction."""

_IDENTITY = (*duration.MODEL, *place.LOCATION, *hardware.IDENTITY)


class _Unset(NamedTuple):
    """What a tool does where a configuration leaves a setting out."""

    epochs: float
    micro_batch_size: float
    gradient_accumulation: float


_TRAINER = _Unset(3.0, 8.0, 1.0)
UNSET = {
    **dict.fromkeys((Software.HF_TRAINER, Software.TRL, Software.LLAMA_FACTORY), _TRAINER),
    Software.AXOLOTL: _Unset(1.0, 1.0, 1.0),
}
"""By tool: `num_train_epochs`, `per_device_train_batch_size` and `gradient_accumulation_steps` of
transformers' `training_args.py`; `num_epochs`, `micro_batch_size` and
`gradient_accumulation_steps` of axolotl's `utils/schemas/training.py`. torchtune and Unsloth have
no defaults: their configurations state them."""


@dataclass(frozen=True)
class Plan:
    """A planned run and its alternatives.

    `rows` has the run as planned first: change, choice, gpu_model, gpu_count, `QUANTITIES` and
    `PER_INFERENCE` with `_p05` and `_p95`. `gaps` has a row for each thing that was not said: what,
    taken, carbon_ratio (95th over 5th percentile of the carbon as it is), carbon_ratio_said (if it
    were said) and say, how to. `notes` are sentences.
    """

    rows: pd.DataFrame
    gaps: pd.DataFrame
    notes: tuple[str, ...]


def plan(
    config: str | Path | Sequence[str | Path] | None = None,
    *,
    base_model: str | None = None,
    tokens: float | None = None,
    examples: float | None = None,
    tokens_per_example: float | None = None,
    sequence_length: float | None = None,
    epochs: float | None = None,
    method: str | None = None,
    gpu: str | None = None,
    gpu_count: float | None = None,
    region: str | None = None,
    software: str | None = None,
    expected_inferences: float | None = None,
    use_life_days: float | None = None,
    trials: float = 1.0,
    day: datetime | None = None,
    profile: str = "default",
    reference: Reference | None = None,
) -> Plan:
    """Size a run up before it starts: time, energy, carbon and water, beside alternatives.

    Parameters
    ----------
    config : str, Path, or sequence of them, optional
        Configurations of the training, as `readers/` reads them: the tool's own first, then those
        of the launch. What is given by name goes before what they say.
    base_model : str, optional
        The model that is tuned.
    tokens, examples : float, optional
        Size of the training set, one pass over it: its tokens without padding, or its examples.
    tokens_per_example : float, optional
        Mean length of an example, without padding.
    sequence_length : float, optional
        Length that sequences are padded or packed to.
    epochs : float, optional
        Passes over the training set; a number of steps in the configuration then counts no more.
    method, gpu, gpu_count, software : optional
        As the columns of table `runs` take them.
    region : str, optional
        Cloud region, country or US state.
    expected_inferences, use_life_days : float, optional
        Inferences a day, and days for which the tuned model will serve.
    trials : float
        Runs of a sweep, each like this one.
    day : datetime, optional
        Day of the run, today by default: factors of its year, hourly ones of the day.
    profile, reference
        As `stages.prepared` takes them.

    Raises
    ------
    ValueError
        If the size of the training set is not told, a file is no configuration, a name or number
        is none, or the run would be beyond every measure.

    Notes
    -----
    What is not said is filled by the rules of `normalize/`, and widens the interval as it does in a
    run that did not log it. What a gap adds is what the interval loses once the value that stands
    in is stated.
    """
    factors = reference or load()
    asked = {"region": region, "gpu": gpu, "method": method}
    named = {name: value for name, value in asked.items() if value is not None}
    if named:
        changes.refuse_unknown(named, factors)
    if not 1 <= trials < math.inf:
        msg = f"trials is {trials:g}, must be 1 or more"
        raise ValueError(msg)
    said = _configured(config) if config is not None else {}
    given = {
        "base_model": base_model, "method": method, "gpu_model": gpu, "software": software,
        "gpu_count": gpu_count, "expected_inferences_per_day": expected_inferences,
        "expected_use_life_days": use_life_days,
    }  # fmt: skip
    said |= {name: value for name, value in given.items() if value is not None}
    if "gpu_count" not in said and "world_size" in said:
        said["gpu_count"] = said["world_size"]
    said.pop("world_size", None)
    work = _Work(tokens, examples, tokens_per_example, sequence_length, epochs)
    fields, notes = _with_work(said, work, factors)
    if region is not None:
        fields |= changes.fields_of_place(region, factors)
    if trials > 1:
        fields["development_multiplier"] = trials
    on = pd.Timestamp(day) if day is not None else pd.Timestamp.now("UTC").tz_localize(None)
    return _sized_up(fields, notes, region, on.floor("D"), profile, factors)


def _configured(config: str | Path | Sequence[str | Path]) -> dict[str, Any]:
    """Return what configurations say of a run, the first of them first."""
    paths: Iterable[str | Path] = [config] if isinstance(config, (str, Path)) else config
    fields: dict[str, Any] = {}
    for file, uri in (each for path in paths for each in files_in(path)):
        reading, _, name = read_file(file, uri, Settings())
        if len(reading.quarantine):
            msg = f"{uri}: {reading.quarantine['reason'].iloc[0]}"
            raise ValueError(msg)
        if reading.content != "configuration" or reading.runs.empty:
            msg = (
                f"{uri} is no configuration of a training ({name or 'unknown'}); give one of "
                "axolotl, LLaMA-Factory, TRL or the Trainer, torchtune or Unsloth, or say it by "
                "options: --base-model, --tokens, ..."
            )
            raise ValueError(msg)
        told = reading.runs.iloc[0].dropna().to_dict()
        fields = {**{name: told[name] for name in RUN_FIELDS if name in told}, **fields}
    fields.pop("run_id", None)
    return fields


class _Work(NamedTuple):
    """What was said of the work beside the configuration."""

    tokens: float | None
    examples: float | None
    tokens_per_example: float | None
    sequence_length: float | None
    epochs: float | None


def _with_work(
    said: Mapping[str, Any], work: _Work, reference: Reference
) -> tuple[dict[str, Any], list[str]]:
    """Return the fields of the run with those that tell its tokens, and what is to be said of it.

    The limit of a configuration is no length: shorter examples are not padded to it. It counts
    where examples are packed, or where sequences of the usual length would not fit.
    """
    for name, value in work._asdict().items():
        if value is not None and not 0 < value < math.inf:
            msg = f"--{name.replace('_', '-')} is {value:g}, must be above 0"
            raise ValueError(msg)
    fields, notes = dict(said), []
    limit = work.sequence_length or fields.pop("sequence_length", None)
    each = work.tokens_per_example
    if each and limit and not fields.get("packing"):
        each = min(each, limit)
    usual = default(reference, "sequence_length").value
    filled = fields.get("packing") or work.sequence_length or (limit or math.inf) <= usual
    length = limit if limit and filled else None
    length = each if each and not fields.get("packing") else length
    fields |= {"sequence_length": length} if length else {}
    unset, tool = UNSET.get(fields.get("software", "")), fields.get("software")
    steps = fields.pop("steps", None)
    if work.epochs or not steps:
        if "epochs" not in fields and not work.epochs:
            notes.append(
                "not said: epochs; taken: "
                + (f"{unset.epochs:g}, what {tool} does then" if unset else "1")
                + " (--epochs)"
            )
        fields["epochs"] = work.epochs or fields.get("epochs") or (unset.epochs if unset else 1.0)
        return fields | _of_set(fields, work, each), notes
    fields = {"epochs": None, **(unset._asdict() if unset else {}), **fields}
    del fields["epochs"]
    lacking = {"micro_batch_size", "gradient_accumulation"} - set(fields)
    if lacking:
        msg = (
            f"the configuration makes {steps:g} steps and does not say {' and '.join(lacking)}; "
            "give --tokens and --epochs instead"
        )
        raise ValueError(msg)
    if "gpu_count" not in fields:
        msg = f"the configuration makes {steps:g} steps of a batch on each gpu: give --gpu-count"
        raise ValueError(msg)
    notes.append(f"the configuration makes {steps:g} steps, whatever the size of the training set")
    return fields | {"steps": steps, "world_size": fields["gpu_count"]}, notes


def _of_set(
    fields: Mapping[str, Any], work: _Work, tokens_per_example: float | None
) -> dict[str, float]:
    """Return the fields that tell the tokens of a training set."""
    if work.tokens:
        return {"tokens_unpadded": work.tokens * fields["epochs"]}
    if not work.examples:
        msg = (
            "no configuration tells the size of the training set: give --tokens, or --examples "
            "with --tokens-per-example"
        )
        raise ValueError(msg)
    if tokens_per_example:
        return {"tokens_unpadded": work.examples * tokens_per_example * fields["epochs"]}
    return {"samples": work.examples}


@dataclass(frozen=True)
class _Row:
    """One run to be computed: the plan, an alternative to it, or the plan with a gap filled."""

    change: str
    choice: str
    fields: Mapping[str, Any]
    say: str = ""


def _sized_up(
    fields: dict[str, Any],
    notes: list[str],
    region: str | None,
    day: pd.Timestamp,
    profile: str,
    reference: Reference,
) -> Plan:
    found = _identified(fields, day, profile, reference)
    planned = found.iloc[0]
    # A number may stand in the name of the accelerator.
    fields = {**found.attrs["counted"], **fields}
    rows = [_Row(PLANNED, "", fields)]
    rows += _alternatives(fields, found)
    if found.attrs["hours"]:
        rows += [
            _Row(
                "start_hour", f"{hour:02d}:00", fields | {"started_at": f"{day:%F}T{hour:02d}:00Z"}
            )
            for hour in range(HOURS_PER_DAY)
        ]
    gaps = list(_gaps(fields, planned, region, reference))
    runs, choices = _runs([row.fields for row in (*rows, *gaps)], day, profile, reference)
    made = stages.footprints(runs, choices)
    refused = quarantine.impossible(runs.head(1), made.impacts, choices)["reason"]
    if len(refused):
        _, _, fault = refused.iloc[0].partition("normalized_runs: ")
        msg = f"no such run: {fault.partition(': correct')[0]}; check tokens, epochs and GPUs"
        raise ValueError(msg)
    sized = _quantities(made, fields.get("development_multiplier", 1.0))
    # A run of which a stage made no possible figure is left out; the others keep their place.
    sized = sized.reindex(runs["run_id"]).reset_index(drop=True)
    notes += _doubts(made.origins)
    needed = found.loc[1, "gpu_count"]
    if fields.get("gpu_count", needed) < needed:
        notes.append(
            f"{fields['gpu_count']:g} x {planned['gpu_id']} may not hold the work; by its usual "
            f"memory it takes {needed:g}"
        )
    if "expected_inferences_per_day" in fields and "expected_use_life_days" not in fields:
        life = default(reference, "expected_use_life_days")
        notes.append(
            f"not said: use life; taken: {life.value:g} days ({life.p05:g} to {life.p95:g}), which "
            "widens the figures per inference (--use-life-days)"
        )
    told = pd.DataFrame([(row.change, row.choice) for row in rows], columns=["change", "choice"])
    ratios = (sized["total_kgco2e_p95"] / sized["total_kgco2e_p05"]).to_numpy()
    gap_rows = pd.DataFrame(
        {
            "what": [gap.change for gap in gaps],
            "taken": [gap.choice for gap in gaps],
            "carbon_ratio": ratios[0],
            "carbon_ratio_said": ratios[len(rows) :],
            "say": [gap.say for gap in gaps],
        }
    ).sort_values("carbon_ratio_said", kind="stable", ignore_index=True)
    answers = pd.concat([told, sized.head(len(rows))], axis=1)
    return Plan(answers, gap_rows, tuple(notes))


def _runs(
    fields: Sequence[Mapping[str, Any]], day: pd.Timestamp, profile: str, reference: Reference
) -> tuple[pd.DataFrame, Choices]:
    """Return runs of a day, in the order of their fields."""
    runs, _, choices = stages.prepared(list(fields), profile=profile, reference=reference)
    order = runs["run_id"].str.rpartition("-")[2].astype(int)
    runs = runs.iloc[order.argsort()].reset_index(drop=True)
    return runs.assign(date=pd.Series(day, runs.index).astype(runs["date"].dtype)), choices


def _identified(
    fields: Mapping[str, Any], day: pd.Timestamp, profile: str, reference: Reference
) -> pd.DataFrame:
    """Return hardware and place of the plan, then on as many accelerators as hold the work.

    After it, by the same number: on each accelerator that clouds rent, and by each method.
    """
    free = {name: value for name, value in fields.items() if name != "gpu_count"}
    others = [{"gpu_model": gpu} for gpu in _rented(reference)] + [{"method": m} for m in METHODS]
    runs, choices = _runs([fields, *({**free, **other} for other in ({}, *others))], day, profile,
                          reference)  # fmt: skip
    context = Context(reference, choices.profile, empty(TOKEN_TIME_MODEL))
    identified, _ = apply(hardware.counts_set_aside(runs, reference), _IDENTITY, context)
    found = identified.frame()
    hourly = reference.hours and grid.has_own_hours(runs.head(1), context).iloc[0]
    found.attrs["hours"] = bool(hourly)
    counted = not context.imputed("gpu_count", found.index)[0]
    found.attrs["counted"] = {"gpu_count": found.loc[0, "gpu_count"]} if counted else {}
    slots = take(reference, "servers", found["server_id"], ["gpu_count"], on=found["date"])
    return found.assign(slots=slots["gpu_count"])


def _rented(reference: Reference) -> list[str]:
    """Return the accelerators that clouds rent and that train, those in most instances first."""
    gpus = reference.tables["gpus"]
    trains = gpus.loc[gpus["peak_16bit_tflops"].notna(), "gpu_id"]
    instances = reference.tables["instances"]["gpu_id"]
    return list(instances[instances.isin(set(trains))].value_counts().index)


def _alternatives(fields: Mapping[str, Any], found: pd.DataFrame) -> Iterator[_Row]:
    """Yield the plan on other accelerators that hold it, in other places, by other methods."""
    on_gpus, by_method = found.iloc[2 : -len(METHODS)], found.iloc[-len(METHODS) :]
    most = on_gpus["slots"].fillna(1.0).clip(lower=fields.get("gpu_count", 1.0))
    other = on_gpus["gpu_id"] != found.loc[0, "gpu_id"]
    for row in on_gpus[other & (on_gpus["gpu_count"] <= most)].head(SHOWN_GPUS).itertuples():
        yield _Row("gpu", row.gpu_id, _on(fields, {"gpu_model": row.gpu_id}, row.gpu_count))
    left = {*changes.PLACE, "cloud_provider"}
    stays = {name: value for name, value in fields.items() if name not in left}
    here = {name: fields[name] for name in left & set(fields)} or _country(
        found.loc[0, "country_iso3"]
    )
    for there in PLACES:
        if _country(there) != here:
            yield _Row("place", there, stays | _country(there))
    if fields.get("method", UNKNOWN_METHOD) in METHODS:
        for row in by_method.itertuples():
            if row.method != fields.get("method", UNKNOWN_METHOD):
                yield _Row("method", row.method, _on(fields, {"method": row.method}, row.gpu_count))


def _country(iso3: str) -> dict[str, str]:
    return {"location": iso3, "country_iso3": iso3}


def _on(fields: Mapping[str, Any], change: Mapping[str, Any], needed: float) -> dict[str, Any]:
    """Return a changed run on as many accelerators as were planned, or more if it takes more."""
    if "gpu_count" in fields:
        change = {**change, "gpu_count": max(fields["gpu_count"], needed)}
    return {**fields, **change}


def _gaps(
    fields: Mapping[str, Any], planned: pd.Series, region: str | None, reference: Reference
) -> Iterator[_Row]:
    """Yield the plan with one thing said that was not, as it is taken."""
    usual = {
        name: default(reference, name).value
        for name in ("sequence_length", "micro_batch_size", "model_parameters",
                     "tokens_padded_per_unpadded")
    }  # fmt: skip
    country = planned["country_iso3"]
    said = set(fields)
    padded = fields.get("tokens_unpadded", 0.0) * usual["tokens_padded_per_unpadded"]
    gaps = (
        (not region, "place", country, {"country_iso3": country}, "--place"),
        ("base_model" not in said, "base model", f"{usual['model_parameters']:.2g} parameters",
         {"model_parameters": usual["model_parameters"]}, "--base-model"),
        ("method" not in said, "method", UNKNOWN_METHOD, {"method": UNKNOWN_METHOD}, "--method"),
        ("gpu_model" not in said, "gpu", planned["gpu_id"], {"gpu_model": planned["gpu_id"]},
         "--gpu"),
        ("gpu_count" not in said, "gpu count", f"{planned['gpu_count']:g}",
         {"gpu_count": planned["gpu_count"]}, "--gpu-count"),
        ("software" not in said, "software", "the mean of all",
         {"software": Software.HF_TRAINER}, "--software"),
        (padded and not fields.get("packing"), "padding",
         f"{usual['tokens_padded_per_unpadded']:g} x the tokens", {"tokens_padded": padded},
         "pack the examples"),
        ("sequence_length" not in said, "tokens per example", f"{usual['sequence_length']:g}",
         {"sequence_length": usual["sequence_length"]}, "--tokens-per-example"),
        ("micro_batch_size" not in said, "batch per gpu", f"{usual['micro_batch_size']:g}",
         {"micro_batch_size": usual["micro_batch_size"]}, "in the configuration"),
        ("precision" not in said, "precision", "bf16 most often", {"precision": "bf16"},
         "in the configuration"),
        ("gradient_checkpointing" not in said, "gradient checkpointing", "on in half of all",
         {"gradient_checkpointing": True}, "in the configuration"),
    )  # fmt: skip
    for missing, what, taken, filled, say in gaps:
        if missing:
            yield _Row(what, str(taken), {**fields, **filled}, say)


def _quantities(made: stages.Footprints, trials: float) -> pd.DataFrame:
    """Return `QUANTITIES` and `PER_INFERENCE` of runs, each over all trials."""
    runs = made.impacts
    found = made.normalized[["gpu_id", "gpu_count"]].rename(columns={"gpu_id": "gpu_model"})
    for name, field, unit in (
        ("time_h", "reserved_s", SECONDS_PER_HOUR), ("it_energy_kwh", "it_energy_kwh", 1.0)
    ):  # fmt: skip
        found[name] = made.normalized[field].to_numpy() * trials / unit
        for end in ("p05", "p95"):
            bound = made.origins.of(field, attrgetter(end), np.nan)
            found[f"{name}_{end}"] = bound * trials / unit
    of_total = [f"{name}{end}" for name in QUANTITIES[2:] for end in ("", "_p05", "_p95")]
    each = stages.expected_per_inference(runs, made.origins)
    of_each = [f"{name}{end}" for name in PER_INFERENCE for end in ("", "_p05", "_p95")]
    return pd.concat([found, runs[of_total], each[of_each]], axis=1).set_axis(runs["run_id"])


def _doubts(origins: Provenance) -> list[str]:
    """Return which names of the first run are not known, and what is doubtful about its time."""
    rule, source = attrgetter("rule"), attrgetter("source")
    told = (unknown_in(*(origins.of(name, part)[0] for part in (rule, source)))
            for name in RUN_FIELDS)  # fmt: skip
    guessed = [f"guessed: {sentence}" for sentence in told if sentence]
    time = str(origins.of("active_s", source)[0]).split("; ")
    return guessed + [each for each in time if each.startswith(TIME_DOUBTS)]
