"""Read what Keras prints under `Epoch 1/3`: `1875/1875 [====] - 320s 170ms/step - loss: …`.

Put here: the bar of its `utils/progbar.py` and its lines without a bar, of versions 2 and 3. A bar
behind the epoch's own is that of an evaluation.
"""

from __future__ import annotations

import re

from ft_emissions_pipeline.readers.consoles import Told

MARKS = (rb"\d/\d+ (?:\[=+\]|\xe2\x94\x81+|-).{0,20}\d+s \d+[mu]?s/(?:step|epoch) - ",
         rb"\d/\d+ - \d+s - (?:\d+[mu]?s/(?:step|epoch) - )?(?:loss|accuracy|acc): ")  # fmt: skip
_EPOCH = re.compile(r"^Epoch \d{1,6}/\d{1,6}\s*$", re.MULTILINE)
_FULL = re.compile(r"\b(\d{1,12})/\1 (?:\[=+\]|\u2501+)?[ -]{1,3}(\d{1,9})s\b")


def told(text: str, _: str) -> Told:
    """Return time, steps and epochs of the bars that are full."""
    bars = [_FULL.search(part) for part in _EPOCH.split(text)[1:]]
    full = [(int(bar[1]), float(bar[2])) for bar in bars if bar]
    took = sum(seconds for _, seconds in full)
    if not took:
        return {}, []
    return {
        "active_s": took,
        "reserved_s": took,
        "steps": float(sum(steps for steps, _ in full)),
        "epochs": float(len(full)),
    }, []
