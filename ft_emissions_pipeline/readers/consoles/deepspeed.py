"""Read DeepSpeed's own lines: `[timer.py:258:stop] epoch=0/micro_step=40/global_step=40, …`.

Put here: its `utils/timer.py`, where no other trainer prints.
"""

from __future__ import annotations

import re

from ft_emissions_pipeline.readers.consoles import Told
from ft_emissions_pipeline.readers.consoles.clocks import STAMP, span

MARKS = (rb"/global_step=\d+, RunningAvgSamples",)
_STEP = re.compile(r"/global_step=(\d{1,12}), RunningAvgSamplesPerSec=")
_LINE = rf"^\[(?P<at>{STAMP}),\d+\] \[\w+\] \[\w+\.py:\d+:"
_OF_OTHERS = re.compile(r"\{'(?:loss|train_runtime)':|elapsed time per iteration")
"""Trainers that drive DeepSpeed print their own times."""


def told(text: str, timezone: str) -> Told:
    """Return steps, and time from its first line to its last."""
    steps = _STEP.findall(text)
    if not steps or _OF_OTHERS.search(text):
        return {}, []
    made = float(max(map(int, steps)))
    return {"software": "deepspeed", "steps": made, **span(text, timezone, _LINE)}, []
