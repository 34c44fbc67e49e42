"""How many tokens a training run has seen, padding included: counts, routes to them, expectation.

Put here: arithmetic on numbers and columns. Keep out: which route a run takes, and what its answer
rests on (`tokens.py`).

Padding counts because the hardware computes it: a batch takes as long as its longest sequence makes
it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise

import numpy as np
import pandas as pd

FLOP_PER_PARAMETER_TOKEN = 6.0
"""What the Hugging Face Trainer counts for a token and parameter: 2 forward, 4 backward. It counts
so with LoRA too, over frozen and added parameters alike, although the frozen ones take 4: its
`total_flos` is too high as a count of operations there, but divided by 6 it still gives the
tokens."""


def tokens_from_steps(
    steps: pd.Series, sequences_per_step: pd.Series, padded_length: pd.Series
) -> pd.Series:
    """Return optimiser steps x sequences per step, over all devices, x tokens per padded sequence.

    With padding to a fixed length, or packing, this is the count itself; with padding to the
    longest of a batch it is an upper bound if the length is the limit set.
    """
    return steps * sequences_per_step * padded_length


def tokens_from_flop(flop: pd.Series, parameters: pd.Series, factor: float) -> pd.Series:
    """Return operations / (operations per token and parameter x parameters)."""
    return flop / (factor * parameters.where(parameters > 0))


def tokens_from_samples(
    samples: pd.Series, epochs: pd.Series, padded_length: pd.Series
) -> pd.Series:
    """Return examples x passes x tokens per padded sequence, an upper bound like that of steps."""
    return samples * epochs * padded_length


def expected_padded_tokens(
    lengths: Sequence[int] | Mapping[int, int],
    batch_size: int,
    *,
    batches: Iterable[Sequence[int]] | None = None,
    max_length: int | None = None,
    pad_to_multiple_of: int = 1,
) -> float:
    """Return the tokens of one epoch when each batch is padded to its longest sequence.

    Parameters
    ----------
    lengths : sequence of int, or mapping of length to count
        Tokens of each example without padding, or their histogram.
    batch_size : int
        Sequences that are padded together: those of one device and forward pass.
    batches : iterable of sequences of int, optional
        The batches themselves, as positions in `lengths`; then the result is exact, and
        `batch_size` is their largest size. Without them, every order of the examples is equally
        likely, and the result is the expectation, with a last batch of what is left over.
    max_length : int, optional
        Longer sequences are cut to this length.
    pad_to_multiple_of : int
        Batches are padded to a multiple of this length.

    Returns
    -------
    float
        Tokens, padding included. It is never below the sum of the lengths, equals it for a batch
        size of 1, and does not fall when batches are merged (2, 4, 8, ...). Between sizes of which
        none divides the other it may fall a little, where the smaller one leaves fewer examples
        over.

    Raises
    ------
    ValueError
        If a size or length is none, or a batch names an example that is not there.

    Notes
    -----
    Of N examples, of which F are no longer than v, a random batch of b has no longer one with
    probability C(F, b) / C(N, b), the distribution of its maximum; the expected maximum follows
    from the histogram alone.

    Examples
    --------
    >>> expected_padded_tokens([1, 2, 3], 2)  # mean of (2 * 2 + 3), (2 * 3 + 2), (2 * 3 + 1)
    7.333333333333333
    >>> expected_padded_tokens([1, 2, 3], 2, batches=[[0, 1], [2]])
    7.0
    """
    _refuse_sizes(batch_size, max_length, pad_to_multiple_of)
    if batches is not None:
        if isinstance(lengths, Mapping):
            msg = (
                "batches name examples, but lengths is a histogram; give the length of each example"
            )
            raise ValueError(msg)
        padded = _padded(_whole(lengths, "lengths"), max_length, pad_to_multiple_of)
        return float(sum(_batch_tokens(padded, batch, batch_size) for batch in batches))
    padded, counts = _histogram(lengths, max_length, pad_to_multiple_of)
    total = int(counts.sum())
    whole, left = divmod(total, batch_size)
    tokens = whole * batch_size * _expected_maximum(padded, counts, batch_size) if whole else 0.0
    return float(tokens + (left * _expected_maximum(padded, counts, left) if left else 0.0))


def shuffling_deviation(
    lengths: Sequence[int] | Mapping[int, int],
    batch_size: int,
    *,
    max_length: int | None = None,
    pad_to_multiple_of: int = 1,
) -> float:
    """Return by how much the padded tokens of one shuffled epoch scatter around their expectation.

    Parameters
    ----------
    lengths, batch_size, max_length, pad_to_multiple_of
        As for `expected_padded_tokens`.

    Returns
    -------
    float
        Standard deviation in tokens, at least the true one: batches are taken as independent, while
        a long example that is in one batch is in no other.

    Examples
    --------
    >>> shuffling_deviation([1, 2, 3], 1), shuffling_deviation([1, 3], 2)
    (0.0, 0.0)
    >>> round(shuffling_deviation([1, 2, 3], 2), 3)  # of 7, 8 and 7 tokens it is 0.471
    1.247
    """
    _refuse_sizes(batch_size, max_length, pad_to_multiple_of)
    if batch_size == 1:
        return 0.0
    padded, counts = _histogram(lengths, max_length, pad_to_multiple_of)
    whole, left = divmod(int(counts.sum()), batch_size)
    variance = 0.0
    for batches, size in ((whole, batch_size), (1, left)):
        if batches and size:
            mean = _expected_maximum(padded, counts, size)
            # The expectation of a growing function of the maximum is that of the function's
            # maximum.
            square = _expected_maximum(padded.astype(float) ** 2, counts, size)
            variance += batches * size**2 * max(square - mean**2, 0.0)
    return float(np.sqrt(variance))


def _refuse_sizes(batch_size: int, max_length: int | None, multiple: int) -> None:
    named = {"batch_size": batch_size, "max_length": max_length, "pad_to_multiple_of": multiple}
    for name, value in named.items():
        if value is not None and (value != int(value) or value < 1):
            msg = f"{name} is {value}; it must be a whole number of at least 1"
            raise ValueError(msg)


def _whole(values: Iterable[int], name: str) -> np.ndarray:
    array = np.asarray(list(values), dtype=float)
    if array.ndim != 1 or not np.isfinite(array).all() or (array < 0).any() or (array % 1).any():
        msg = f"{name} must be whole numbers of at least 0, one per example"
        raise ValueError(msg)
    return array.astype("int64")


def _padded(lengths: np.ndarray, max_length: int | None, multiple: int) -> np.ndarray:
    """Cut and round up each length; order stays, so the longest of a batch stays the longest."""
    cut = lengths if max_length is None else np.minimum(lengths, max_length)
    return -(-cut // multiple) * multiple


def _batch_tokens(padded: np.ndarray, batch: Sequence[int], batch_size: int) -> int:
    places = _whole(batch, "each batch")
    if len(places) > batch_size or (len(places) and places.max() >= len(padded)):
        msg = (
            f"a batch of {len(places)} positions up to {places.max()} does not fit batch_size "
            f"{batch_size} and {len(padded)} examples; correct the batches"
        )
        raise ValueError(msg)
    return len(places) * int(padded[places].max()) if len(places) else 0


def _histogram(
    lengths: Sequence[int] | Mapping[int, int], max_length: int | None, multiple: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return the distinct padded lengths in order, and how many examples have each."""
    if isinstance(lengths, Mapping):
        given = _whole(lengths.keys(), "lengths")
        weights = _whole(lengths.values(), "counts")
    else:
        given = _whole(lengths, "lengths")
        weights = np.ones(len(given), dtype="int64")
    values, place = np.unique(_padded(given, max_length, multiple), return_inverse=True)
    counts = np.zeros(len(values), dtype="int64")
    np.add.at(counts, place, weights)
    return values[counts > 0], counts[counts > 0]


def _expected_maximum(values: np.ndarray, counts: np.ndarray, drawn: int) -> float:
    """Return the expected maximum of `drawn` examples, drawn without replacement."""
    no_longer = np.cumsum(counts).astype(float)
    total = no_longer[-1]
    # C(F, b) / C(N, b) factor by factor: no factorial overflows, and each factor is rounded once.
    below = np.ones(len(values))
    for n in range(drawn):
        below *= np.maximum(no_longer - n, 0.0) / (total - n)
    steps = np.array([b - a for a, b in pairwise(values)], dtype=float)
    return float(values[-1] - (below[:-1] * steps).sum())
