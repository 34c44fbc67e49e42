"""Read a bar for each epoch: `Epoch 0: 100%|████| 1000/1000 [10:12<00:00, 1.63it/s, …]`.

Put here: the bars of Lightning's `callbacks/progress/tqdm_progress.py`, and those that tqdm draws
for loops of one's own (`Epoch 1/3: …`) and OpenRLHF's (`Train step of epoch 0: …`). They count
batches, which are steps only where gradients are not gathered.
"""

from __future__ import annotations

import re

from ft_emissions_pipeline.readers.consoles import Told
from ft_emissions_pipeline.readers.consoles.clocks import grown, seconds

_NAMED = r"\b[Ee]poch[ :]{1,2}\[?(\d{1,6})(?:/\d{1,6})?\]?:? +\d{1,3}%\|"
MARKS = (_NAMED.replace("(\\d", "(?:\\d").encode() + rb"[^\n]{0,400}\[[\d:]+<",)
_BAR = re.compile(_NAMED + r"[^|\n]*\| *\d{1,12}/\d{1,12} \[(?:(\d{1,5}):)?(\d{2}):(\d{2})<")


def told(text: str, _: str) -> Told:
    """Return time and epochs; an epoch's bar is drawn anew until it is full."""
    clocks: dict[str, list[float]] = {}
    for epoch, *clock in _BAR.findall(text):
        clocks.setdefault(epoch, []).append(seconds(*clock))
    took = sum(grown(times) or 0.0 for times in clocks.values())
    if not took:
        return {}, []
    return {"active_s": took, "reserved_s": took, "epochs": float(len(clocks))}, []
