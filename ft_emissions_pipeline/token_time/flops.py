"""Floating-point operations of a fine-tuning, from what its log says.

Put here: which operations a method makes. Keep out: how fast they run (`model.py`).
"""

from __future__ import annotations

import pandas as pd

FLOP_FACTOR = {
    "full": "flop_factor_full",
    "continued_pretraining": "flop_factor_full",
    "dpo": "flop_factor_full",
    "distillation": "flop_factor_full",
    "lora": "flop_factor_lora",
    "adapter": "flop_factor_lora",
    "qlora": "flop_factor_qlora",
}
"""Parameter of the token-time model that counts operations per token and parameter, by method."""

UNKNOWN_METHOD = "flop_factor_full"
"""A method that nobody named is taken as full fine-tuning, which makes the most operations."""


def flop_factor_names(method: pd.Series) -> pd.Series:
    """Return the name of each run's parameter for operations per token and parameter."""
    return method.map(FLOP_FACTOR).fillna(UNKNOWN_METHOD)
