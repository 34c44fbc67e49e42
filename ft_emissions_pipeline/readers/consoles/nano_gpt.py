"""Read what nanoGPT and loops after its model print: `iter 10: loss 2.1, time 412.33ms, mfu 41%`.

Put here: its `train.py`. A line tells the time of its own iteration, an evaluation before it
included; iterations between two lines took the median of all lines.
"""

from __future__ import annotations

import re
from itertools import pairwise
from statistics import median

from ft_emissions_pipeline.readers.consoles import Fields, Told

MARKS = (rb"\biter \d+: loss [\d.]+, time [\d.]+ms",)
_LINE = re.compile(r"\biter (\d{1,12}): loss [\d.naif]{1,20}, time (\d{1,12}\.?\d*)ms")
_TOKENS = re.compile(r"tokens per iteration will be: ([\d,]{1,20})")


def told(text: str, _: str) -> Told:
    """Return time, steps and tokens of the iterations from the first line to the last."""
    rows = [(int(step), float(ms) / 1e3) for step, ms in _LINE.findall(text)]
    if not rows:
        return {}, []
    unseen = sum(max(b[0] - a[0] - 1, 0) for a, b in pairwise(rows))
    usual = median(seconds for _, seconds in rows)
    took, steps = sum(seconds for _, seconds in rows) + unseen * usual, float(len(rows) + unseen)
    fields: Fields = {
        "active_s": took, "reserved_s": took, "steps": steps, "software": "plain_loop",
    }  # fmt: skip
    per = _TOKENS.search(text)
    if per and (tokens := float(per[1].replace(",", "") or 0)):
        fields["tokens_padded"] = tokens * steps
    return fields, []
