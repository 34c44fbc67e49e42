"""Rules for the tokens that a run has seen, padding included.

Put here: the routes to a number of tokens, best first. Keep out: their arithmetic
(`ft_emissions_pipeline/token_time/padding.py`), and what tokens mean in operations and time
(`duration.py`).

A tracked count needs no rule: it was logged. Then comes what counts padding itself (given batches,
the lengths of shuffled examples, the trainer's operations), then what bounds it (steps or samples
at the length limit).
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from ft_emissions_pipeline import uncertainty
from ft_emissions_pipeline.normalize.columns import Frame
from ft_emissions_pipeline.normalize.filling import Context, Offer, Rule, by_itself, by_run, ranged
from ft_emissions_pipeline.reference import default
from ft_emissions_pipeline.tables.words import Basis
from ft_emissions_pipeline.token_time.padding import (
    FLOP_PER_PARAMETER_TOKEN,
    expected_padded_tokens,
    shuffling_deviation,
    tokens_from_flop,
    tokens_from_samples,
    tokens_from_steps,
)

USUAL_LENGTH = "padded_from_usual_length"
"""Rule by which tokens are not known, only the number of sequences."""

TELLING = ("tokens_padded", "tokens_unpadded", "token_lengths", "train_flop", "samples", "steps")
"""Fields from any of which tokens are told; of a run without one nobody knows them."""

PER_STEP = ("steps", "micro_batch_size", "gradient_accumulation")


def tells_tokens(runs: pd.DataFrame) -> pd.Series:
    """Say from which runs' logs the tokens can be told without knowing the base model."""
    devices = runs["world_size"].fillna(runs["gpu_count"])
    per_step = runs[list(PER_STEP)].notna().all(axis=1)
    sequences = (runs["samples"] > 0) | (per_step & (devices > 0))
    lengths = runs["token_lengths"].notna() & (runs["micro_batch_size"] >= 1)
    counted = (runs[["tokens_padded", "tokens_unpadded"]] > 0).any(axis=1)
    return counted | lengths | _is_batches(runs) | sequences


def _is_batches(runs: pd.DataFrame) -> pd.Series:
    return runs["token_lengths"].str.contains("x", regex=False, na=False)


def _from_batches(frame: Frame, context: Context) -> Offer:
    """Add given batches up; nothing is open but what was stated."""
    return _of_epochs(frame, context, _is_batches(frame), _given)


def _from_lengths(frame: Frame, context: Context) -> Offer:
    """Expect the tokens of shuffled batches; their scatter evens out over reshuffled epochs."""
    sized = frame["token_lengths"].notna() & (frame["micro_batch_size"] >= 1)
    return _of_epochs(frame, context, sized & ~_is_batches(frame), _shuffled)


@dataclass(frozen=True)
class _Epoch:
    """Tokens of one epoch, their standard deviation, its examples, and the figures in words."""

    tokens: float
    deviation: float
    examples: int
    words: str


_PADDING = ["sequence_length", "pad_to_multiple_of"]


def _of_epochs(
    frame: Frame, context: Context, known: pd.Series, epoch_of: Callable[..., _Epoch]
) -> Offer:
    stated = frame["epochs"].where(frame["epochs"] > 0)
    sequences = frame["steps"] * _sequences_per_step(frame, context)
    values, log_sds, notes = {}, {}, {}
    told = frame[["token_lengths", "micro_batch_size", *_PADDING]]
    for at, run in told[known].iterrows():
        limit, multiple = run["sequence_length"], run["pad_to_multiple_of"]
        epoch = epoch_of(
            json.loads(run["token_lengths"]),
            run["micro_batch_size"],
            max_length=int(limit) if limit >= 1 else None,
            pad_to_multiple_of=int(multiple) if multiple >= 1 else 1,
        )
        passes = next((x for x in (stated[at], sequences[at] / epoch.examples) if x > 0), 1.0)
        values[at] = epoch.tokens * passes
        log_sds[at] = epoch.deviation / epoch.tokens / np.sqrt(passes) if epoch.tokens else 0.0
        notes[at] = f"{epoch.words} = {epoch.tokens:.10g} tokens an epoch, x {passes:.6g} epochs"
    index = frame.index
    tokens = pd.Series(values, dtype="float64").reindex(index)
    log_sd = pd.Series(log_sds, dtype="float64").reindex(index, fill_value=0.0)
    return Offer(
        _at_least_unpadded(tokens, frame),
        None,
        log_sd,
        pd.Series(notes, dtype="str").reindex(index),
    )


def _given(shapes: dict[str, int], _: float, **padding: Any) -> _Epoch:
    tokens, examples = 0.0, 0
    for shape, count in shapes.items():
        size, longest = map(int, shape.split("x"))
        tokens += count * expected_padded_tokens({longest: size}, size, **padding)
        examples += count * size
    words = f"{sum(shapes.values())} given batches of {examples} examples"
    return _Epoch(tokens, 0.0, examples, words)


def _shuffled(counts: dict[str, int], batch_size: float, **padding: Any) -> _Epoch:
    lengths = {int(length): count for length, count in counts.items()}
    examples = sum(lengths.values())
    words = (
        f"{examples} examples of {sum(n * c for n, c in lengths.items())} tokens in shuffled "
        f"batches of {batch_size:g}"
    )
    return _Epoch(
        expected_padded_tokens(lengths, int(batch_size), **padding),
        shuffling_deviation(lengths, int(batch_size), **padding),
        examples,
        words,
    )


def _from_flop(frame: Frame, context: Context) -> Offer:
    """Divide by parameters that the run names; a size that nobody knows would give any count."""
    known = ~context.imputed("model_parameters", frame.index) | frame["model_id"].notna()
    tokens = tokens_from_flop(
        frame["train_flop"], frame["model_parameters"].where(known), FLOP_PER_PARAMETER_TOKEN
    )
    # The trainer leaves embeddings out of the parameters, so the quotient is low by their share.
    share = default(context.reference, "embedding_share", frame["date"])
    tokens = tokens / (1 - share.value)
    low, rest, high = 1 / (1 - share.p05), 1 / (1 - share.value), 1 / (1 - share.p95)
    parameters = context.log_sd_of("model_parameters", frame.index)
    below, above = uncertainty.widened(rest, low, high, parameters)
    padded = _at_least_unpadded(tokens, frame)
    return ranged(padded, padded * below, padded * above, share.factor_id)


def _from_steps(frame: Frame, context: Context) -> Offer:
    sequences = _sequences_per_step(frame, context)
    tokens = tokens_from_steps(frame["steps"], sequences, frame["sequence_length"])
    return Offer(_at_least_unpadded(tokens, frame))


def _sequences_per_step(frame: Frame, context: Context) -> pd.Series:
    logged = ~context.imputed("gpu_count", frame.index)
    devices = frame["world_size"].fillna(
        frame["gpu_count"].where(logged & (frame["gpu_count"] > 0))
    )
    return frame["micro_batch_size"] * frame["gradient_accumulation"] * devices


def _from_unpadded(frame: Frame, context: Context) -> Offer:
    row = default(context.reference, "tokens_padded_per_unpadded", frame["date"])
    low, padded, high = (frame["tokens_unpadded"] * x for x in (row.p05, row.value, row.p95))
    return ranged(padded, low, high, row.factor_id)


def _from_packed(frame: Frame) -> pd.Series:
    """Take packed sequences for full: what is left at their ends is a small share of the limit."""
    return frame["tokens_unpadded"].where(frame["packing"].eq(True))


def _from_samples(frame: Frame) -> pd.Series:
    epochs = frame["epochs"].fillna(1.0)
    return tokens_from_samples(frame["samples"], epochs, frame["sequence_length"])


def _from_usual_length(frame: Frame, context: Context) -> Offer:
    """Take sequences of usual length where their number is known, but nothing of their length."""
    length = default(context.reference, "sequence_length", frame["date"])
    tokens = _from_samples(frame.assign(sequence_length=length.value))
    steps = _from_steps(frame.assign(sequence_length=length.value), context).values
    padded = steps.fillna(tokens)
    low, high = (padded * bound / length.value for bound in (length.p05, length.p95))
    return ranged(padded, low, high, length.factor_id)


def _at_least_unpadded(tokens: pd.Series, frame: Frame) -> pd.Series:
    return tokens.clip(lower=frame["tokens_unpadded"])


TOKENS = by_run(
    Rule("tokens_padded", "padded_from_batches", Basis.DISCLOSED,
         "token_lengths: given batches, each padded to its longest example, x epochs",
         _from_batches, needs=("token_lengths",)),
    Rule("tokens_padded", "padded_from_lengths", Basis.PREDICTED,
         "token_lengths: the expected longest example of shuffled batches of micro_batch_size, x "
         "epochs", _from_lengths, needs=("token_lengths", "micro_batch_size")),
    Rule("tokens_padded", "padded_from_flop", Basis.PREDICTED,
         "the trainer's operations / (6 x parameters without embeddings), with LoRA over all "
         "parameters too", _from_flop, needs=("train_flop", "model_parameters")),
    Rule("tokens_padded", "padded_from_steps", Basis.PREDICTED,
         "optimiser steps x sequences per step over all devices x sequence length", _from_steps,
         needs=(*PER_STEP, "sequence_length")),
    Rule("tokens_padded", "padded_from_packed", Basis.PREDICTED,
         "packed sequences hold hardly any padding: unpadded tokens", by_itself(_from_packed),
         needs=("tokens_unpadded", "packing")),
    Rule("tokens_padded", "padded_from_unpadded", Basis.PREDICTED,
         "unpadded tokens x the usual padding", _from_unpadded, needs=("tokens_unpadded",)),
    Rule("tokens_padded", "padded_from_samples", Basis.PREDICTED,
         "samples x epochs x sequence length", by_itself(_from_samples),
         needs=("samples", "sequence_length")),
    Rule("tokens_padded", USUAL_LENGTH, Basis.DEFAULT, "sequences x the usual sequence length",
         _from_usual_length, needs=(("samples", "steps"),)),
)  # fmt: skip
"""How many tokens were computed, padding included."""
