"""Rules for the tokens that a run has seen, padding included.

Put here: the routes to a number of tokens, best first. Keep out: their arithmetic
(`ft_emissions_pipeline/tokens.py`), and what tokens mean in operations and time (`time.py`).

A tracked count needs no rule: it was logged. Then comes what counts padding itself (the trainer's
operations), then what bounds it (steps or samples at the length limit).
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from ft_emissions_pipeline import reference as ref
from ft_emissions_pipeline import uncertainty
from ft_emissions_pipeline.normalize.engine import Context, Offer, Rule
from ft_emissions_pipeline.tokens import (
    FLOP_PER_PARAMETER_TOKEN,
    tokens_from_flop,
    tokens_from_samples,
    tokens_from_steps,
)

USUAL_LENGTH = "padded_from_usual_length"
"""Rule by which tokens are not known, only the number of sequences."""


def tells_tokens(runs: pd.DataFrame) -> pd.Series:
    """Say from which runs' logs the tokens can be told without knowing the base model."""
    devices = runs["world_size"].fillna(runs["gpu_count"])
    per_step = runs[["steps", "micro_batch_size", "gradient_accumulation"]].notna().all(axis=1)
    sequences = (runs["samples"] > 0) | (per_step & (devices > 0))
    counted = (runs[["tokens_padded", "tokens_unpadded"]] > 0).any(axis=1)
    return counted | sequences


def _from_flop(frame: pd.DataFrame, context: Context) -> Offer:
    """Divide by parameters that the run names; a size that nobody knows would give any count."""
    known = ~context.imputed("model_parameters", frame.index) | frame["model_id"].notna()
    tokens = tokens_from_flop(
        frame["train_flop"], frame["model_parameters"].where(known), FLOP_PER_PARAMETER_TOKEN
    )
    # The trainer leaves embeddings out of the parameters, so the quotient is low by their share.
    share = ref.default(context.reference, "embedding_share")
    tokens = tokens / (1 - share.value)
    spread = np.hypot(
        uncertainty.log_sd_of_interval(1 - share.p95, 1 - share.p05),
        context.spread("model_parameters", frame.index),
    )
    return Offer(_at_least_unpadded(tokens, frame), share.factor_id, spread)


def _from_steps(frame: pd.DataFrame, context: Context) -> Offer:
    logged = ~context.imputed("gpu_count", frame.index)
    devices = frame["world_size"].fillna(
        frame["gpu_count"].where(logged & (frame["gpu_count"] > 0))
    )
    sequences = frame["micro_batch_size"] * frame["gradient_accumulation"] * devices
    tokens = tokens_from_steps(frame["steps"], sequences, frame["sequence_length"])
    return Offer(_at_least_unpadded(tokens, frame))


def _from_unpadded(frame: pd.DataFrame, context: Context) -> Offer:
    row = ref.default(context.reference, "tokens_padded_per_unpadded")
    spread = float(uncertainty.log_sd_of_interval(row.p05, row.p95))
    return Offer(frame["tokens_unpadded"] * row.value, row.factor_id, spread)


def _from_samples(frame: pd.DataFrame, _: Context) -> Offer:
    epochs = frame["epochs"].fillna(1.0)
    return Offer(tokens_from_samples(frame["samples"], epochs, frame["sequence_length"]))


def _from_usual_length(frame: pd.DataFrame, context: Context) -> Offer:
    """Take sequences of usual length where their number is known, but nothing of their length."""
    length = ref.default(context.reference, "sequence_length")
    tokens = _from_samples(frame.assign(sequence_length=length.value), context).values
    steps = _from_steps(frame.assign(sequence_length=length.value), context).values
    spread = float(uncertainty.log_sd_of_interval(length.p05, length.p95))
    return Offer(steps.fillna(tokens), length.factor_id, spread)


def _at_least_unpadded(tokens: pd.Series, frame: pd.DataFrame) -> pd.Series:
    return tokens.clip(lower=frame["tokens_unpadded"])


TOKENS = (
    Rule("tokens_padded", "padded_from_flop", "predicted",
         "the trainer's operations / (6 x parameters without embeddings), with LoRA over all parameters too", _from_flop),
    Rule("tokens_padded", "padded_from_steps", "predicted",
         "optimiser steps x sequences per step over all devices x sequence length", _from_steps),
    Rule("tokens_padded", "padded_from_unpadded", "predicted", "unpadded tokens x the usual padding", _from_unpadded),
    Rule("tokens_padded", "padded_from_samples", "predicted", "samples x epochs x sequence length", _from_samples),
    Rule("tokens_padded", USUAL_LENGTH, "default", "sequences x the usual sequence length", _from_usual_length),
)  # fmt: skip
"""How many tokens were computed, padding included."""
