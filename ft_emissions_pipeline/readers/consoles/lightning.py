"""Read a bar for each epoch: `Epoch 0: 100%|████| 1000/1000 [10:12<00:00, 1.63it/s, …]`.

Put here: the bars of Lightning's `callbacks/progress/tqdm_progress.py`, and of loops of one's own
that tqdm draws likewise. They count batches, which are steps only where gradients are not gathered.
"""

from __future__ import annotations

import re

from ft_emissions_pipeline.readers.consoles import Told
from ft_emissions_pipeline.readers.consoles.clocks import grown, seconds

MARKS = (rb"\bEpoch \d+: +\d+%\|[^\n]{0,400}\[[\d:]+<",)
_BAR = re.compile(
    r"\bEpoch (\d{1,6}): +\d{1,3}%\|[^|\n]*\| *\d{1,12}/\d{1,12} \[(?:(\d{1,5}):)?(\d{2}):(\d{2})<"
)


def told(text: str, _: str) -> Told:
    """Return time and epochs; an epoch's bar is drawn anew until it is full."""
    clocks: dict[str, list[float]] = {}
    for epoch, *clock in _BAR.findall(text):
        clocks.setdefault(epoch, []).append(seconds(*clock))
    took = sum(grown(times) or 0.0 for times in clocks.values())
    if not took:
        return {}, []
    return {"active_s": took, "reserved_s": took, "epochs": float(len(clocks))}, []
