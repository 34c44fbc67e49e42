"""Rules for how long the run took, how busy the hardware was, and when.

Put here: model size, operations, reserved and active time, utilisation, start and end. Keep out: how
many tokens were computed (`work.py`), and what the time means in energy (`energy.py`).
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from ft_emissions_pipeline import reference as ref
from ft_emissions_pipeline import uncertainty
from ft_emissions_pipeline.equations import training_flop
from ft_emissions_pipeline.normalize.engine import (
    Answer,
    Context,
    Offer,
    Rule,
    unknown_names,
)
from ft_emissions_pipeline.normalize.hardware import managed_rows
from ft_emissions_pipeline.normalize.work import TOKENS
from ft_emissions_pipeline.token_time.flops import flop_factor_names
from ft_emissions_pipeline.token_time.model import Prediction, predict

FLOP_PER_TFLOP = 1e12
THIRTY_TWO_BIT = ("fp32", "tf32")


def is_timed(frame: pd.DataFrame) -> pd.Series:
    """Say which runs log how long they took, so that nothing need be predicted from tokens."""
    dated = frame["started_at"].notna() & (frame["ended_at"] > frame["started_at"])
    return frame["reserved_s"].notna() | (frame["active_s"] > 0) | dated


def _default(parameter: str) -> Answer:
    def offer(frame: pd.DataFrame, context: Context) -> Offer:
        row = ref.default(context.reference, parameter, frame["date"])
        spread = uncertainty.log_sd_of_interval(row.p05, row.p95)
        return Offer(pd.Series(row.value, index=frame.index), row.factor_id, spread)

    return offer


def _model_named(*, ambiguous: bool) -> Answer:
    def offer(frame: pd.DataFrame, context: Context) -> Offer:
        found = ref.resolve(context.reference, "models", frame["base_model"])
        wanted = found["id"].notna() & (found["assumed"] == ambiguous)
        return Offer(found["id"].where(wanted), factor_id=found["alias_factor_id"])

    return offer


def _parameters_of_model(frame: pd.DataFrame, context: Context) -> Offer:
    row = ref.take(
        context.reference, "models", frame["model_id"], ["parameters", "family"], on=frame["date"]
    )
    found = ref.resolve(context.reference, "models", frame["base_model"])
    spread = row["family"].map(_spread_of_family(context)).fillna(0.0).where(found["assumed"], 0.0)
    return Offer(row["parameters"], factor_id=row["factor_id"], log_sd=spread)


def _spread_of_family(context: Context) -> pd.Series:
    """Return how far sizes lie apart within a family of models, for names that leave the size open."""
    models = context.reference.tables["models"].dropna(subset=["parameters"])
    return np.log(models["parameters"]).groupby(models["family"]).std()


def _parameters_default(frame: pd.DataFrame, context: Context) -> Offer:
    """Fill only where the size decides something: a time to predict, or a service's hardware."""
    offer = _default("model_parameters")(frame, context)
    needed = ~is_timed(frame) | frame["managed_service"].notna()
    note = unknown_names(frame["base_model"].where(frame["model_id"].isna()), "models", context)
    return Offer(offer.values.where(needed), offer.factor_id, offer.log_sd, note)


def _flop_from_tokens(frame: pd.DataFrame, context: Context) -> Offer:
    factor = _in_force(flop_factor_names(frame["method"]), frame, context)
    model_row = ref.take(
        context.reference,
        "models",
        frame["model_id"],
        ["active_parameters", "parameters"],
        on=frame["date"],
    )
    # A mixture of experts passes a token through a share of its parameters.
    active_share = (model_row["active_parameters"] / model_row["parameters"]).fillna(1.0)
    parameters = frame["model_parameters"] * active_share
    spread = np.sqrt(
        factor["log_sd"] ** 2
        + context.spread("tokens_padded", frame.index) ** 2
        + context.spread("model_parameters", frame.index) ** 2
    )
    flop = training_flop(factor["value"], parameters, frame["tokens_padded"])
    return Offer(flop, factor["factor_id"], spread)


def _in_force(names: pd.Series | str, frame: pd.DataFrame, context: Context) -> pd.DataFrame:
    """Return the token-time model's value, log_sd and factor_id of a parameter on each run's day."""
    model = context.token_time.assign(
        log_sd=uncertainty.log_sd_of_interval(context.token_time["p05"], context.token_time["p95"])
    )
    by_day = model.pivot(index="date", columns="parameter")
    day = by_day.index.get_indexer(frame["date"])
    found = {}
    for column in ("value", "log_sd", "factor_id"):
        cells = by_day[column]
        place = cells.columns.get_indexer(pd.Series(names, index=frame.index))
        found[column] = pd.Series(cells.to_numpy()[day, place], index=frame.index)
    return pd.DataFrame(found).astype({"factor_id": "str"})


def _peak_flop_rate(frame: pd.DataFrame, context: Context) -> pd.Series:
    row = ref.take(
        context.reference,
        "gpus",
        frame["gpu_id"],
        ["peak_16bit_tflops", "peak_32bit_tflops"],
        on=frame["date"],
    )
    wide = frame["precision"].isin(THIRTY_TWO_BIT)
    narrow = row["peak_16bit_tflops"].fillna(row["peak_32bit_tflops"])
    full = row["peak_32bit_tflops"].fillna(row["peak_16bit_tflops"])
    return full.where(wide, narrow) * FLOP_PER_TFLOP


def _predicted(frame: pd.DataFrame, context: Context) -> Prediction:
    usual = _in_force("startup_s", frame, context)
    reached = _in_force("model_flop_utilization", frame, context)
    service = managed_rows(frame, context)
    managed = service["startup_s"].notna()
    startup = service["startup_s"].where(managed, usual["value"])
    startup_spread = np.where(
        managed,
        uncertainty.log_sd_of_interval(service["startup_s_p05"], service["startup_s_p95"]),
        usual["log_sd"],
    )
    work = np.sqrt(
        context.spread("train_flop", frame.index) ** 2
        + context.spread("gpu_count", frame.index) ** 2
        + _hardware_spread(frame, context) ** 2
    )
    return predict(
        _busy_flop(frame, context).to_numpy(dtype=float),
        work,
        gpu_count=frame["gpu_count"].to_numpy(dtype=float),
        peak_flop_rate=_peak_flop_rate(frame, context).to_numpy(dtype=float),
        flop_utilization=reached["value"].to_numpy(dtype=float),
        flop_utilization_log_sd=reached["log_sd"].to_numpy(dtype=float),
        startup_s=startup.to_numpy(dtype=float),
        startup_log_sd=startup_spread,
    )


def _busy_flop(frame: pd.DataFrame, context: Context) -> pd.Series:
    """Return operations, with what keeps accelerators as busy: QLoRA unpacks weights of 4 bits."""
    slower = _in_force("time_factor_qlora", frame, context)["value"]
    return frame["train_flop"].astype("float64") * np.where(frame["method"] == "qlora", slower, 1.0)


def _hardware_spread(frame: pd.DataFrame, context: Context) -> np.ndarray:
    """Return how far the peak of an accelerator that nobody named may be off: that of all."""
    peaks = np.log(context.reference.tables["gpus"]["peak_16bit_tflops"].dropna())
    return np.where(context.imputed("gpu_id", frame.index), peaks.std(), 0.0)


def _time(part: str) -> Answer:
    def offer(frame: pd.DataFrame, context: Context) -> Offer:
        times = _predicted(frame, context)
        values = pd.Series(getattr(times, f"{part}_s"), index=frame.index)
        spread = getattr(times, f"{part}_log_sd")
        factor_id = _factors_of_time(frame, context, startup=part == "reserved")
        return Offer(values.where(np.isfinite(values)), factor_id, spread)

    return offer


def _factors_of_time(frame: pd.DataFrame, context: Context, *, startup: bool) -> pd.Series:
    """Name the rows behind a predicted time; a managed service has a start-up of its own."""
    used, slower, usual = (
        _in_force(name, frame, context)["factor_id"]
        for name in ("model_flop_utilization", "time_factor_qlora", "startup_s")
    )
    used = used.where(frame["method"] != "qlora", used + " " + slower)
    if not startup:
        return used
    return used + " " + managed_rows(frame, context)["factor_id"].fillna(usual)


def _active_where_no_time_was_logged(frame: pd.DataFrame, context: Context) -> Offer:
    """Leave logged reservations alone: how much of one was busy is not for the tokens to say."""
    offer = _time("active")(frame, context)
    return Offer(offer.values.where(frame["reserved_s"].isna()), offer.factor_id, offer.log_sd)


def _reserved_from_dates(frame: pd.DataFrame, _: Context) -> Offer:
    seconds = (frame["ended_at"] - frame["started_at"]).dt.total_seconds()
    return Offer(seconds.where(seconds > 0))


def _reserved_from_active(frame: pd.DataFrame, context: Context) -> Offer:
    row = ref.default(context.reference, "reserved_per_active", frame["date"])
    spread = uncertainty.log_sd_of_interval(row.p05, row.p95)
    reserved = (frame["active_s"] * row.value).where(frame["active_s"] > 0)
    return Offer(reserved, row.factor_id, spread)


def _active_is_reserved(frame: pd.DataFrame, _: Context) -> Offer:
    return Offer(frame["reserved_s"])


def _reserved(frame: pd.DataFrame) -> pd.Series:
    return pd.to_timedelta(frame["reserved_s"], unit="s").dt.floor("us")


def _start_from_end(frame: pd.DataFrame, _: Context) -> Offer:
    return Offer(frame["ended_at"] - _reserved(frame))


def _start_from_publication(frame: pd.DataFrame, _: Context) -> Offer:
    return Offer(frame["published_at"] - _reserved(frame))


def _start_on_day(frame: pd.DataFrame, _: Context) -> Offer:
    return Offer(frame["date"].dt.tz_localize("UTC"))


def _end_from_start(frame: pd.DataFrame, _: Context) -> Offer:
    return Offer(frame["started_at"] + _reserved(frame))


def _utilization_from_model(frame: pd.DataFrame, context: Context) -> Offer:
    """Scale the typical utilisation by how far the run got towards the typical share of the peak."""
    typical = ref.default(context.reference, "gpu_utilization", frame["date"])
    usual = _in_force("model_flop_utilization", frame, context)["value"]
    available = frame["gpu_count"] * _peak_flop_rate(frame, context) * frame["active_s"]
    reached = _busy_flop(frame, context) / available.where(available > 0)
    share = reached / usual
    # A time predicted from the same operations cancels their spread; a logged one does not.
    predicted = context.imputed("active_s", frame.index)
    spread = np.hypot(
        uncertainty.log_sd_of_interval(typical.p05, typical.p95),
        np.where(predicted, 0.0, context.spread("train_flop", frame.index)),
    )
    return Offer(np.minimum(share * typical.value, 1.0), typical.factor_id, spread)


MODEL = (
    Rule("model_name", "model_named_after_run", "default", "no name was logged; the run's id stands for it",
         lambda frame, _: Offer(frame["run_id"])),
    Rule("development_multiplier", "final_run_only", "default", "the log tells of one run; no others are assumed",
         lambda frame, _: Offer(pd.Series(1.0, index=frame.index))),
    Rule("model_id", "model_named", "disclosed", "the name means one base model", _model_named(ambiguous=False)),
    Rule("model_id", "model_name_ambiguous", "disclosed", "the name means several sizes; the usual one is taken",
         _model_named(ambiguous=True)),
    Rule("model_parameters", "parameters_of_model", "disclosed", "parameters of the base model in models.csv",
         _parameters_of_model),
    Rule("model_parameters", "parameters_default", "default", "the usual size, where the base model is not known",
         _parameters_default),
    Rule("expected_use_life_days", "use_life_default", "default", "use life of a model that nobody re-tunes or limits",
         _default("expected_use_life_days")),
)  # fmt: skip
"""The models before and after."""

WORK = (
    *TOKENS,
    Rule("train_flop", "flop_from_tokens", "predicted", "operations per token and parameter x parameters x tokens",
         _flop_from_tokens),
)  # fmt: skip
"""How much was computed."""


DURATION = (
    Rule("reserved_s", "reserved_from_start_and_end", "disclosed", "end - start", _reserved_from_dates),
    Rule("reserved_s", "reserved_from_active", "default", "active time x the usual ratio", _reserved_from_active),
    Rule("active_s", "time_from_tokens", "predicted", "operations over what the accelerators reach",
         _active_where_no_time_was_logged),
    Rule("reserved_s", "time_from_tokens", "predicted", "operations over what the accelerators reach, plus start-up",
         _time("reserved")),
    Rule("active_s", "active_is_reserved", "default", "no idle time was logged; the whole reservation counts as active",
         _active_is_reserved),
    Rule("gpu_utilization", "utilization_from_model", "predicted", "the typical utilisation x the run's share of the typical rate",
         _utilization_from_model),
    Rule("gpu_utilization", "utilization_default", "default", "typical utilisation in fine-tuning", _default("gpu_utilization")),
    Rule("cpu_utilization", "cpu_utilization_default", "default", "typical utilisation in fine-tuning",
         _default("cpu_utilization")),
    Rule("started_at", "start_from_end", "disclosed", "end - reserved time", _start_from_end),
    Rule("started_at", "start_from_publication", "default",
         "publication of the model - reserved time (fine-tuning page)", _start_from_publication),
    Rule("started_at", "start_on_day", "default", "the day to which the run was counted", _start_on_day),
    Rule("ended_at", "end_from_start", "disclosed", "start + reserved time", _end_from_start),
)  # fmt: skip
"""How long, how busy, and when."""
