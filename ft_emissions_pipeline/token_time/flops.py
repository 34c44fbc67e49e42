"""Floating-point operations of a fine-tuning, from what its log says.

Put here: which operations a method makes, per token and in all. Keep out: how fast they run
(`throughput.py`), and a base model's dimensions (`workload.py`).
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from ft_emissions_pipeline.tables.words import Method
from ft_emissions_pipeline.uncertainty import Floats

FORWARD_PER_PARAMETER = 2.0
"""A multiplication and an addition per parameter that a token passes."""

PARAMETER_PASSES: dict[str, float] = {
    Method.FULL: 3.0,
    Method.CONTINUED_PRETRAINING: 3.0,
    Method.DISTILLATION: 3.0,
    Method.DPO: 4.0,
    Method.LORA: 2.0,
    Method.ADAPTER: 2.0,
    Method.QLORA: 2.0,
}
"""Passes over the parameters by method, in forward passes.

Forward, gradients of activations, gradients of weights; a frozen base needs no gradients of its
weights; DPO adds the reference model's forward pass. Of a distillation's teacher logs tell nothing,
so it is not counted.
"""

ATTENTION_PASSES = {**dict.fromkeys(PARAMETER_PASSES, 3.0), Method.DPO: 4.0}
"""Passes over attention, which has no weights to leave without gradients."""

UNKNOWN_METHOD = Method.FULL
"""A method that nobody named is taken as full fine-tuning, which makes the most operations."""

SELECTIVE_RECOMPUTED = 0.15
"""Share of the forward pass that selective checkpointing computes again: attention and little
else."""


def passes(method: pd.Series, of: dict[str, float]) -> Floats:
    """Return each run's passes by method; a method that nobody named is `UNKNOWN_METHOD`."""
    codes, names = pd.factorize(method, use_na_sentinel=False)
    by_name = np.array([of.get(name, of[UNKNOWN_METHOD]) for name in names], dtype=float)
    return np.asarray(by_name[codes])


def attention_forward(
    layers: ArrayLike, hidden_size: ArrayLike, length: ArrayLike, causal: ArrayLike
) -> Floats:
    r"""Return the operations of attention in a forward pass, in FLOP per token.

    Notes
    -----
    :math:`4 L d s`: scores and their weighted sum over the whole sequence; a decoder's token sees
    those before it alone, half of them in the mean (Dao 2023, arXiv:2307.08691, section 4.1).
    """
    seen = np.where(causal, 0.5, 1.0) * np.asarray(length)
    return np.asarray(4.0 * np.multiply(layers, hidden_size) * seen, dtype=float)


def lora_parameters(rank: ArrayLike, layers: ArrayLike, hidden_size: ArrayLike) -> Floats:
    r"""Return the parameters of low-rank adapters on the four matrices of attention: 8 L d r."""
    return np.asarray(8.0 * np.multiply(layers, hidden_size) * np.asarray(rank), dtype=float)


def flop_per_token(
    method: pd.Series,
    parameters: ArrayLike,
    *,
    attention: ArrayLike = 0.0,
    recomputed: ArrayLike = 0.0,
    adapter_parameters: ArrayLike = 0.0,
) -> Floats:
    r"""Return the operations that a fine-tuning makes per token.

    Parameters
    ----------
    method : Series of str
        As in table `runs`; missing is taken as full fine-tuning.
    parameters : array_like
        Parameters that a token is multiplied by: of a mixture of experts the active ones, of an
        encoder those outside its embeddings.
    attention : array_like
        Of `attention_forward`. [FLOP/token]
    recomputed : array_like
        Share of the forward pass made twice: 1 with gradient checkpointing, 0 without. [0..1]
    adapter_parameters : array_like
        Trained beside a frozen base.

    Returns
    -------
    array
        [FLOP/token]

    Notes
    -----
    .. math:: 2 p N + q A + c (2 N + A) + 6 N_a

    with p and q of `PARAMETER_PASSES` and `ATTENTION_PASSES` (Kaplan et al. 2020, arXiv:2001.08361:
    6 N for full fine-tuning), c the recomputed share. NVIDIA's NeMo 24.12 tables have LoRA at 1.44
    to 1.47 times the rate of full fine-tuning, close to 6/4.
    """
    forward = FORWARD_PER_PARAMETER * np.asarray(parameters, dtype=float)
    attention = np.asarray(attention, dtype=float)
    total: Floats = (
        passes(method, PARAMETER_PASSES) * forward
        + passes(method, ATTENTION_PASSES) * attention
        + np.asarray(recomputed) * (forward + attention)
        + 3.0 * FORWARD_PER_PARAMETER * np.asarray(adapter_parameters)
    )
    return total
