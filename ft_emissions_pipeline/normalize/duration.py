"""Rules for how long the run took, how busy the hardware was, and when.

Put here: model size, operations, reserved and active time, utilisation, start and end. Keep out:
how many tokens were computed (`tokens.py`), and what the time means in energy (`energy.py`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
import pandas as pd

from ft_emissions_pipeline import uncertainty
from ft_emissions_pipeline.calendar_days import DAYS_PER_YEAR, SECONDS_PER_DAY
from ft_emissions_pipeline.equations import training_flop
from ft_emissions_pipeline.normalize.columns import AnyFrame, Frame
from ft_emissions_pipeline.normalize.energy import COUNTED_TOTAL
from ft_emissions_pipeline.normalize.filling import (
    Context,
    Offer,
    Rule,
    by_default,
    by_itself,
    by_name,
    by_run,
    ranged,
    unknown_names,
)
from ft_emissions_pipeline.normalize.hardware import managed_rows
from ft_emissions_pipeline.normalize.kinds import TIMED
from ft_emissions_pipeline.normalize.tokens import TOKENS, USUAL_LENGTH
from ft_emissions_pipeline.reference import Reference, default, model_size_log_sd, resolve, take
from ft_emissions_pipeline.tables.words import Basis
from ft_emissions_pipeline.token_time.daily import MODEL_ID
from ft_emissions_pipeline.token_time.model import names_of, power_share, predict
from ft_emissions_pipeline.token_time.padding import FLOP_PER_PARAMETER_TOKEN
from ft_emissions_pipeline.token_time.workload import Workload, workload

SIZE_IN_NAME = "size_in_name"

WORKED = (("tokens_padded", "train_flop"),)
OF_A_STEP = (
    "tokens_padded", "train_flop", "steps", "gradient_accumulation", "world_size",
    "micro_batch_size", "sequence_length", "lora_rank",
    "active_parameters", "active_s",
)  # fmt: skip
"""Amounts that decide how long a step takes and how busy it keeps the hardware."""

ENERGIES = ("meter_energy_kwh", "it_energy_kwh", "gpu_energy_kwh")

LONGEST_S = DAYS_PER_YEAR * SECONDS_PER_DAY
"""A predicted time above it is doubted in its note."""


def _cpu_alone(frame: Frame, context: Context) -> Offer:
    offer = by_default("cpu_utilization_without_gpu")(frame, context)
    return replace(offer, values=offer.values.where(frame["gpu_count"] == 0))


def _parameters_of_model(frame: Frame, context: Context) -> Offer:
    columns = ["parameters", "active_p05", "active_p95", "family"]
    row = take(context.reference, "models", frame["model_id"], columns, on=frame["date"])
    found = resolve(context.reference, "models", frame["base_model"])
    open_size = found["assumed"] & found["parameters"].isna()
    vague = (
        row["family"].map(_log_sd_of_family(context.reference)).fillna(0.0).where(open_size, 0.0)
    )
    estimated = row["active_p05"].notna()
    low, high = (row[name].where(estimated, 1.0) for name in ("active_p05", "active_p95"))
    log_sd = np.hypot(vague, uncertainty.log_sd_of_interval(low, high))
    return Offer(row["parameters"], factor_id=row["factor_id"], log_sd=log_sd)


def _parameters_of_name(frame: Frame, context: Context) -> Offer:
    """Take a size such as 7B, 8x7B or 30B-A3B, where the base model has no row."""
    found = resolve(context.reference, "models", frame["base_model"])
    size = found["parameters"].where(frame["model_id"].isna())
    unknown = unknown_names(frame["base_model"].where(size.notna()), "models", context)
    note = unknown + "; " + found["why"]
    return Offer(size, log_sd=model_size_log_sd(context.reference), note=note)


def _active_of_name(frame: Frame, context: Context) -> pd.Series:
    """Return the parameters that a token passes, where only the base model's name tells them."""
    found = resolve(context.reference, "models", frame["base_model"])
    named = context.rule("model_parameters", frame.index) == SIZE_IN_NAME
    return found["active_parameters"].where(named)


def _pretraining(frame: Frame, context: Context) -> Offer:
    found = resolve(context.reference, "models", frame["base_model"])
    columns = ["pretraining_kgco2e", "pretraining_source"]
    row = take(context.reference, "models", frame["model_id"], columns, on=frame["date"])
    # A family's name without a size says nothing of which pre-training it was.
    sure = ~found["assumed"] | found["parameters"].notna()
    return Offer(
        row["pretraining_kgco2e"].where(sure), row["factor_id"], note=row["pretraining_source"]
    )


@lru_cache(maxsize=8)
def _log_sd_of_family(reference: Reference) -> pd.Series:
    """Return how far sizes lie apart within a family, for names that leave the size open."""
    models = reference.tables["models"].dropna(subset=["parameters"])
    return np.log(models["parameters"]).groupby(models["family"]).std()


def _parameters_default(frame: Frame, context: Context) -> Offer:
    """Fill only where the size decides something: a time to predict, or a service's hardware."""
    offer = by_default("model_parameters")(frame, context)
    needed = ~frame[TIMED] | frame["managed_service"].notna()
    note = unknown_names(frame["base_model"].where(frame["model_id"].isna()), "models", context)
    return replace(offer, values=offer.values.where(needed), note=note)


def steps_of(frame: AnyFrame, context: Context) -> AnyFrame:
    """Return the runs with the columns by which `workload` knows them; what is open stays open."""
    devices = frame["world_size"].fillna(frame["gpu_count"])
    passes = frame["steps"] * frame["gradient_accumulation"] * devices
    return frame.assign(
        parameters=frame["model_parameters"],
        active_parameters=frame["active_parameters"].fillna(_active_of_name(frame, context)),
        node_count=frame["server_count"],
        tokens_per_micro_step=frame["tokens_padded"] / passes.where(passes > 0),
    )


def _work(frame: Frame, context: Context) -> Workload:
    return workload(steps_of(frame, context), context.reference)


def _flop_from_tokens(frame: Frame, context: Context) -> Offer:
    work = _work(frame, context)
    model_row = take(
        context.reference, "models", frame["model_id"], ["parameters"], on=frame["date"]
    )
    log_sd = np.hypot(
        context.log_sd_of("tokens_padded", frame.index),
        context.log_sd_of("model_parameters", frame.index),
    )
    flop = training_flop(work.flop_parameters + work.flop_attention, 1.0, frame["tokens_padded"])
    return Offer(flop, model_row["factor_id"].fillna("methodology/flop_from_tokens"), log_sd)


@dataclass(frozen=True)
class _Times:
    """Predicted active times of runs, and what made them."""

    active_s: np.ndarray
    log_sd: np.ndarray
    skew: np.ndarray
    busy: np.ndarray
    version: pd.Series
    note: pd.Series


def _predicted(frame: Frame, context: Context) -> _Times:
    tokens = _tokens(frame)
    active, log_sd, busy = (np.full(len(frame), np.nan) for _ in range(3))
    version, note = (np.full(len(frame), np.nan, dtype="object") for _ in range(2))
    work = _work(frame, context)
    models = take(context.reference, "models", frame["model_id"], ["family"], on=frame["date"])
    guessed = context.imputed("gpu_id", frame.index)
    usual = (context.rule("tokens_padded", frame.index) == USUAL_LENGTH).to_numpy()
    for model, at in context.models(frame["date"]):
        found = predict(
            model,
            work.rows(at),
            hardware_known=~guessed[at],
            tokens_known=~usual[at],
            members={
                "gpu_id": frame["gpu_id"][at],
                "family": models["family"][at],
                "software": frame["software"][at],
            },
        )
        gpus = np.maximum(frame["gpu_count"].to_numpy(dtype=float)[at], 1.0)
        active[at] = tokens[at] * np.exp(found.log_s) / gpus
        log_sd[at], busy[at] = found.log_sd, found.busy
        version[at] = MODEL_ID + model.version
        note[at] = [
            f"{np.exp(log_s):.4g} s per token of one accelerator" + _doubts(bits, time_s)
            for log_s, bits, time_s in zip(found.log_s, found.beyond, active[at], strict=True)
        ]
    # The interval for tokens of unknown length holds their spread already.
    squares, folds = log_sd**2, np.zeros(len(frame))
    for name, sign in (("tokens_padded", ~usual), ("gpu_count", -1), ("model_parameters", 1)):
        width = sign * context.log_sd_of(name, frame.index)
        squares, folds = squares + width**2, folds + width * context.skew_of(name, frame.index)
    log_sd = np.sqrt(squares)
    skew = np.clip(np.divide(folds, log_sd, out=np.zeros(len(frame)), where=log_sd > 0), -1, 1)
    names = (pd.Series(text, index=frame.index, dtype="str") for text in (version, note))
    return _Times(active, log_sd, skew, busy, *names)


def _tokens(frame: Frame) -> np.ndarray:
    """Return tokens, or those that the trainer's operations are worth if the model is unknown."""
    worth = frame["train_flop"] / (FLOP_PER_PARAMETER_TOKEN * frame["model_parameters"])
    return np.asarray(frame["tokens_padded"].fillna(worth), dtype=float)


def _doubts(bits: int, time_s: float) -> str:
    text = ""
    if bits:
        text += (
            f"; beyond the calibrated range in {', '.join(names_of(bits))}: the interval is wider"
        )
    if time_s > LONGEST_S:
        text += "; longer than a year: check tokens, parameters and number of accelerators"
    return text


def _active_predicted(frame: Frame, context: Context) -> Offer:
    """Leave logged reservations alone: how much of one was busy is not for the tokens to say."""
    times = _predicted(frame, context)
    values = pd.Series(times.active_s, index=frame.index)
    told = np.isfinite(values) & frame["reserved_s"].isna()
    return Offer(values.where(told), times.version, times.log_sd, times.note, times.skew)


def _reserved_predicted(frame: Frame, context: Context) -> Offer:
    """Add the start-up to the active time; a managed service has its own."""
    times = _predicted(frame, context)
    usual = default(context.reference, "startup_s", frame["date"])
    service = managed_rows(frame, context)
    managed = service["startup_s"].notna()
    startup, startup_p05, startup_p95 = (
        service[name].where(managed, otherwise).to_numpy(dtype=float)
        for name, otherwise in (
            ("startup_s", usual.value), ("startup_s_p05", usual.p05), ("startup_s_p95", usual.p95)
        )
    )  # fmt: skip
    total = uncertainty.propagate(
        lambda parts: {"reserved": parts["active"] + parts["startup"]},
        {"active": np.nan_to_num(times.active_s), "startup": startup},
        {
            "active": np.nan_to_num(times.log_sd),
            "startup": uncertainty.log_sd_of_interval(startup_p05, startup_p95),
        },
        {
            "active": times.skew,
            "startup": uncertainty.skew_of_interval(startup, startup_p05, startup_p95),
        },
    )["reserved"]
    values = pd.Series(times.active_s + startup, index=frame.index)
    low, high = total.interval(values)
    factor_id = times.version + " " + service["factor_id"].fillna(usual.factor_id)
    return ranged(values.where(np.isfinite(values)), low, high, factor_id, times.note)


def _from_start_to_end(frame: Frame) -> pd.Series:
    seconds = (frame["ended_at"] - frame["started_at"]).dt.total_seconds()
    return seconds.where(seconds > 0)


def _reserved_from_active(frame: Frame, context: Context) -> Offer:
    row = default(context.reference, "reserved_per_active", frame["date"])
    active = frame["active_s"].where(frame["active_s"] > 0)
    low, reserved, high = (active * ratio for ratio in (row.p05, row.value, row.p95))
    return ranged(reserved, low, high, row.factor_id)


def has_energy(frame: Frame) -> pd.Series:
    """Say which runs log an energy of hardware with accelerators, from which a time can be told."""
    return (frame[list(ENERGIES)] > 0).any(axis=1) & (frame["gpu_count"] != 0)


def _time_from_energy(frame: Frame, context: Context) -> Offer:
    """Divide the energy by the accelerators' power at typical utilisation.

    What the rest of the server drew counts as theirs, so the time is rather too long.
    """
    usual = default(context.reference, "gpu_utilization", frame["date"])
    share = frame["gpu_utilization"].where(frame["gpu_utilization"] > 0, usual.value)
    gpu, kind = (
        take(context.reference, table, frame["gpu_id"], ["tdp_w"], on=frame["date"])
        for table in ("gpus", "hardware_classes")
    )
    gpu = gpu.fillna(kind)
    total = frame["it_energy_kwh"]
    if COUNTED_TOTAL in frame:
        total = total.fillna(frame[COUNTED_TOTAL])
    told = has_energy(frame.assign(it_energy_kwh=total))
    energy = frame["gpu_energy_kwh"].fillna(total).fillna(frame["meter_energy_kwh"]).where(told)
    power_kw = frame["gpu_count"] * gpu["tdp_w"] * share / 1e3
    log_sd = np.hypot(
        uncertainty.log_sd_of_interval(usual.p05, usual.p95),
        context.log_sd_of("gpu_count", frame.index),
    )
    seconds = energy / power_kw.where(power_kw > 0) * 3600
    return Offer(seconds, gpu["factor_id"], log_sd)


def _reserved(frame: Frame) -> pd.Series:
    # Instants reach no further than some centuries; an absurd time is doubted in its note.
    return pd.to_timedelta(frame["reserved_s"].clip(upper=10 * LONGEST_S), unit="s").dt.floor("us")


def _utilization_from_model(frame: Frame, context: Context) -> Offer:
    """Return the utilisation at which the linear power formula gives the power model's power.

    Where the time was logged, the accelerator was as busy as the predicted time fits into it.
    """
    times = _predicted(frame, context)
    logged = frame["active_s"].notna().to_numpy() & ~context.imputed("active_s", frame.index)
    pace = np.divide(
        times.active_s, frame["active_s"].to_numpy(dtype=float),
        out=np.ones(len(frame)), where=logged & (frame["active_s"] > 0).to_numpy(),
    )  # fmt: skip
    gpu = take(context.reference, "gpus", frame["gpu_id"], ["tdp_w", "idle_w"], on=frame["date"])
    idle = (gpu["idle_w"] / gpu["tdp_w"]).to_numpy(dtype=float)
    values, log_sd = np.full(len(frame), np.nan), np.zeros(len(frame))
    for model, at in context.models(frame["date"]):
        power = power_share(model, np.minimum(times.busy[at] * pace[at], 1.0), idle[at])
        span = np.maximum(power - idle[at], 1e-3)
        values[at] = np.minimum(span / (1.0 - idle[at]), 1.0)
        of_time = np.exp(model.power["log_exponent"]) * times.log_sd[at] * logged[at]
        log_sd[at] = np.hypot(model.power["log_sd"] * power / span, of_time)
    return Offer(pd.Series(values, index=frame.index), times.version, np.nan_to_num(log_sd))


MODEL = (
    Rule("model_name", "model_named_after_run", Basis.DEFAULT,
         "no name was logged; the run's id stands for it", by_itself(lambda frame: frame["run_id"]),
         by_run=True),
    Rule("development_multiplier", "final_run_only", Basis.DEFAULT,
         "the log tells of one run; no others are assumed",
         by_itself(lambda frame: pd.Series(1.0, index=frame.index))),
    Rule("model_id", "model_named", Basis.DISCLOSED, "the name means one base model",
         by_name("models", "base_model", ambiguous=False), needs=("base_model",)),
    Rule("model_id", "model_name_ambiguous", Basis.DISCLOSED,
         "the name means several sizes; the usual one is taken",
         by_name("models", "base_model", ambiguous=True), needs=("base_model",)),
    Rule("model_parameters", "parameters_of_model", Basis.REFERENCE,
         "parameters of the base model in models.csv", _parameters_of_model, needs=("model_id",)),
    Rule("model_parameters", SIZE_IN_NAME, Basis.DISCLOSED,
         "the size that the base model's name tells; models of one name differ a little",
         _parameters_of_name, needs=("base_model",)),
    Rule("model_parameters", "parameters_default", Basis.DEFAULT,
         "the usual size, where the base model is not known", _parameters_default),
    Rule("pretraining_kgco2e", "pretraining_of_model", Basis.REFERENCE,
         "carbon of the base model's pre-training, as its maker published it; in no total",
         _pretraining, needs=("model_id",)),
    Rule("expected_use_life_days", "use_life_default", Basis.DEFAULT,
         "use life of a model that nobody re-tunes or limits",
         by_default("expected_use_life_days")),
)  # fmt: skip
"""The models before and after."""

WORK = by_run(
    *TOKENS,
    Rule("train_flop", "flop_from_tokens", Basis.PREDICTED,
         "operations per token by the method, attention included, x tokens", _flop_from_tokens,
         needs=("tokens_padded",)),
)  # fmt: skip
"""How much was computed."""


DURATION = by_run(
    Rule("reserved_s", "reserved_from_start_and_end", Basis.DISCLOSED, "end - start",
         by_itself(_from_start_to_end), needs=("started_at", "ended_at")),
    Rule("reserved_s", "reserved_from_active", Basis.DEFAULT, "active time x the usual ratio",
         _reserved_from_active, needs=("active_s",)),
    Rule("active_s", "time_from_tokens", Basis.PREDICTED,
         "tokens x seconds per token by the token-time model", _active_predicted, needs=WORKED),
    Rule("reserved_s", "time_from_tokens", Basis.PREDICTED,
         "tokens x seconds per token by the token-time model, plus start-up", _reserved_predicted,
         needs=WORKED),
    Rule("reserved_s", "time_from_energy", Basis.PREDICTED,
         "logged energy / rated power of the accelerators at typical utilisation",
         _time_from_energy, needs=((*ENERGIES, COUNTED_TOTAL),)),
)  # fmt: skip
"""For how long."""

UTILIZATION = (
    Rule("gpu_utilization", "utilization_from_model", Basis.PREDICTED,
         "the utilisation that stands for the power model's power", _utilization_from_model,
         amounts=OF_A_STEP),
    Rule("gpu_utilization", "utilization_default", Basis.DEFAULT,
         "typical utilisation in fine-tuning", by_default("gpu_utilization")),
    Rule("cpu_utilization", "cpu_utilization_without_gpu", Basis.DEFAULT,
         "a CPU that has no accelerator to wait for computes itself", _cpu_alone,
         needs=("gpu_count",)),
    Rule("cpu_utilization", "cpu_utilization_default", Basis.DEFAULT,
         "typical utilisation in fine-tuning", by_default("cpu_utilization")),
)  # fmt: skip
"""How busy."""

TIME = by_run(
    Rule("active_s", "active_is_reserved", Basis.DEFAULT,
         "no idle time was logged; the whole reservation counts as active",
         by_itself(lambda frame: frame["reserved_s"]), needs=("reserved_s",)),
    Rule("started_at", "start_from_end", Basis.DISCLOSED, "end - reserved time",
         by_itself(lambda frame: frame["ended_at"] - _reserved(frame)),
         needs=("ended_at", "reserved_s")),
    Rule("started_at", "start_from_publication", Basis.DEFAULT,
         "publication of the model - reserved time (fine-tuning page)",
         by_itself(lambda frame: frame["published_at"] - _reserved(frame)),
         needs=("published_at", "reserved_s")),
    Rule("started_at", "start_on_day", Basis.DEFAULT, "the day to which the run was counted",
         by_itself(lambda frame: frame["date"].dt.tz_localize("UTC"))),
    Rule("ended_at", "end_from_start", Basis.DISCLOSED, "start + reserved time",
         by_itself(lambda frame: frame["started_at"] + _reserved(frame)), needs=("reserved_s",)),
)  # fmt: skip
"""Active for how long, and when."""
