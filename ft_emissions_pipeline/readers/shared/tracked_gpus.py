"""How many GPUs a tracker saw, where its count and its words disagree.

Put here: which of the two counts. Keep out: taking words apart (`codecarbon.counted_gpus`).

CodeCarbon that is told to track some GPUs (`gpu_ids`) writes how many as `gpu_count`, but names all
GPUs of the machine in `gpu_model` (its emissions_tracker.py, 2.4 and later); energy is that of the
tracked ones.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from ft_emissions_pipeline.reference import load, resolve, take

_ABOVE_TDP = 1.1
"""Share of its rated power that a GPU's mean over a run may reach; more is that of several."""


def tracked(
    counted: pd.Series, in_words: pd.Series, models: pd.Series, watts: pd.Series
) -> tuple[pd.Series, np.ndarray]:
    """Return the GPUs that were tracked, and where count and words disagree.

    Parameters
    ----------
    counted, in_words : Series
        GPUs by the tracker's own count, and by the words of the model.
    models : Series of str
        Name of the GPU.
    watts : Series
        Mean power of all that was tracked.

    Returns
    -------
    gpus : Series
        The tracker's count, unless it saw more power than so many GPUs can draw; the words where it
        has none.
    differ : numpy.ndarray of bool
    """
    both = counted.notna() & in_words.notna() & (counted > 0)
    differ = both & (counted != in_words)
    if not differ.any():
        return in_words.fillna(counted), differ.to_numpy()
    reference = load()
    ids = resolve(reference, "gpus", models[differ])["id"]
    rated = take(reference, "gpus", ids, ["tdp_w"])["tdp_w"]
    too_much = watts[differ] > counted[differ] * rated * _ABOVE_TDP
    by_words = too_much & (in_words[differ] > counted[differ])
    gpus = in_words.fillna(counted)
    gpus[differ] = counted[differ].where(~by_words, in_words[differ])
    return gpus, differ.to_numpy()
