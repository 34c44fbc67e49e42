"""Read what LitGPT prints once a fine-tuning is over: tokens, and `Training Time : 184.27 s`.

Put here: the table at the end of its `finetune/*.py`, and the line that stood there before it had
one (`Training time: 184.27s`).
"""

from __future__ import annotations

import re

from ft_emissions_pipeline.readers.consoles import Told, known
from ft_emissions_pipeline.readers.shared.training_settings import positive

MARKS = (rb"\bEpoch \d+ \| iter \d+ step \d+ \|", rb"\| - Tokens w/ Prompt +:")
_STEP = re.compile(r"\biter \d+ step (\d{1,12}) \|")
_TABLE = {
    "active_s": re.compile(r"(?:- Training Time +|Training time): +([\d.]{1,20}) ?s\b"),
    "tokens_padded": re.compile(r"\| - Total Tokens \(w/ Padding\) +: +(\d{1,18})"),
    "tokens_unpadded": re.compile(r"\| - Tokens w/ Prompt +: +(\d{1,18})"),
}


def told(text: str, _: str) -> Told:
    """Return time, steps and tokens of a training that is over."""
    if not any(re.search(mark.decode(), text) for mark in MARKS):
        return {}, []
    found = {name: form.search(text) for name, form in _TABLE.items()}
    fields = {name: positive(each[1]) for name, each in found.items() if each}
    steps = [float(step) for step in _STEP.findall(text)]
    return known({
        **fields, "reserved_s": fields.get("active_s"),
        "steps": max(steps, default=None) if fields else None,
    }), []  # fmt: skip
