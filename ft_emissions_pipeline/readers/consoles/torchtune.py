"""Read what torchtune prints: `Step 10 | loss:…` and bars, of which a bar alone tells a time.

Put here: its `metric_logging.py`, and the bar of its recipes.
"""

from __future__ import annotations

import re

from ft_emissions_pipeline.readers.consoles import Fields, Told
from ft_emissions_pipeline.readers.consoles.clocks import seconds

MARKS = (rb"\bStep \d+ \| loss:", rb"\d+\|\d+\|Loss: [\d.]+:\s+\d+%\|")
_STEP = re.compile(r"\bStep (\d{1,12}) \| loss:|\d\|(\d{1,12})\|Loss: [\d.]+:")
_BAR = re.compile(r"\b(\d{1,6})\|\d{1,12}\|Loss: [^\n]{1,200}?\[(?:(\d{1,5}):)?(\d{1,2}):(\d{2})<")


def told(text: str, _: str) -> Told:
    """Return steps and time; each epoch has a bar, from 0 on."""
    steps = [int(line or bar) for line, bar in _STEP.findall(text)]
    if not steps:
        return {}, []
    fields: Fields = {"software": "torchtune", "steps": float(max(steps))}
    longest: dict[str, float] = {}
    for epoch, *clock in _BAR.findall(text):
        longest[epoch] = max(seconds(*clock), longest.get(epoch, 0.0))
    if total := sum(longest.values()):
        fields["active_s"] = fields["reserved_s"] = total
    return fields, []
