"""Read what torchtitan prints: `Training starts at step …`, `step: 10 … tps: …`.

Put here: its `train.py` and `components/metrics.py`.
"""

from __future__ import annotations

import re

from ft_emissions_pipeline.readers.consoles import Told, known
from ft_emissions_pipeline.readers.consoles.clocks import STAMP, span

MARKS = (rb"step:\s*\d+\s.{0,300}\btps:",)
_STEP = re.compile(r"step:\s*(\d{1,12})\s[^\n]{0,300}\btps:")
_PLAN = re.compile(r"global batch size (\d{1,9}), sequence length (\d{1,9}), total steps (\d+)")
_LINE = rf"^\D{{0,40}}(?P<at>{STAMP})[^\n]*(?:Training starts|step:)"


def told(text: str, timezone: str) -> Told:
    """Return steps, tokens and time, from the start to the last step."""
    steps = [int(step) for step in _STEP.findall(text)]
    if not steps:
        return {}, []
    planned = _PLAN.search(text)
    batch, length = (float(planned[1]), float(planned[2])) if planned else (None, None)
    return known({
        "steps": float(max(steps)),
        "sequence_length": length,
        "tokens_padded": max(steps) * batch * length if batch and length else None,
        "software": "torchtitan",
        **span(text, timezone, _LINE),
    }), []  # fmt: skip
