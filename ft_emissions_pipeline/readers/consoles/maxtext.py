"""Read what MaxText prints: `completed step: 9, seconds: 5.667, …, total_weights: 196608`.

Put here: its `metric_logger.py`, whose weights are the tokens that are no padding.
"""

from __future__ import annotations

import re

from ft_emissions_pipeline.readers.consoles import Told

MARKS = (rb"completed step: \d+, seconds: [\d.]+, TFLOP/s/device:",)
_STEP = re.compile(
    r"completed step: (\d{1,12}), seconds: (\d{1,9}(?:\.\d+)?), TFLOP/s/device:[^\n]{0,100}"
    r"total_weights: (\d{1,12})"
)


def told(text: str, _: str) -> Told:
    """Return time, steps and tokens; each process of a host may print every step."""
    rows = {step: (float(took), float(weights)) for step, took, weights in _STEP.findall(text)}
    if not rows:
        return {}, []
    took, tokens = map(sum, zip(*rows.values(), strict=True))
    return {
        "active_s": took or None,
        "reserved_s": took or None,
        "steps": float(len(rows)),
        "tokens_unpadded": tokens or None,
        "software": "maxtext",
    }, []
