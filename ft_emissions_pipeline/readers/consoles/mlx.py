"""Read what MLX-LM prints: `Iter 10: Train loss …, It/sec 0.120, …, Trained Tokens 9640, …`.

Put here: its `tuner/trainer.py`. A line counts the iterations since the line before; validation is
not in their pace and prints a time of its own. Trained tokens are those of which the loss is taken.
It runs on Apple's chips and names none.
"""

from __future__ import annotations

import re
from itertools import pairwise

from ft_emissions_pipeline.readers.consoles import Fields, Told
from ft_emissions_pipeline.readers.shared.training_settings import positive

MARKS = (rb"\bIter \d+: Train loss [\d.]+, .{0,60}\bIt/sec [\d.]",)
_LINE = re.compile(
    r"\bIter (\d{1,12}): Train loss [\d.naif]{1,20},[^\n]{0,60}?\bIt/sec (\d{1,9}\.?\d*)"
    r"(?:[^\n]{0,60}?Trained Tokens (\d{1,18}))?"
)
_VALIDATION = re.compile(r"\bIter \d{1,12}: Val loss [^\n]{1,30}, Val took (\d{1,9}\.?\d*)s")


def told(text: str, _: str) -> Told:
    """Return time, steps and tokens; where iterations fall back, a further training begins."""
    rows = [(int(step), float(pace), positive(t)) for step, pace, t in _LINE.findall(text)]
    rows = [row for row in rows if row[1] > 0]
    if not rows:
        return {}, []
    before = [0, *(a[0] if b[0] > a[0] else 0 for a, b in pairwise(rows))]
    made = [row[0] - start for row, start in zip(rows, before, strict=True)]
    took = sum(steps / pace for steps, (_, pace, _) in zip(made, rows, strict=True))
    took += sum(map(float, _VALIDATION.findall(text)))
    fields: Fields = {
        "active_s": took, "reserved_s": took, "steps": float(sum(made)), "operating_system": "macOS"
    }  # fmt: skip
    # The last line of each training has its tokens.
    last = [row for row, after in zip(rows, [*before[1:], 0], strict=True) if after == 0]
    if all(row[2] for row in last):
        fields["tokens_unpadded"] = sum(row[2] or 0.0 for row in last)
    return fields, []
