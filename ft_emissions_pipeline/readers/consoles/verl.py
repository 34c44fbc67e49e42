"""Read what verl prints at a step: `step:12 - … - timing_s/step:161.07 - …`.

Put here: its metrics on the console (`trainer/ppo/metric_utils.py`). Of a step's time, much is
generation of answers; so its tokens say nothing of the pace of training and are left out.
"""

from __future__ import annotations

import re

from ft_emissions_pipeline.readers.consoles import Told

MARKS = (rb"\btiming_s/step:\s?\d",)
_STEP = re.compile(r"\bstep:(\d{1,12}) - ")
_SECONDS = re.compile(r"\btiming_s/step:\s?(\d{1,9}\.?\d*)")


def told(text: str, _: str) -> Told:
    """Return time and steps; of a step that was made again after a break, the last time."""
    took: dict[str, float] = {}
    for line in text.splitlines():
        step, seconds = _STEP.search(line), _SECONDS.search(line)
        if step and seconds:
            took[step[1]] = float(seconds[1])
    total = sum(took.values())
    if not total:
        return {}, []
    return {"active_s": total, "reserved_s": total, "steps": float(len(took))}, []
