"""Read what Megatron-LM and NeMo print at their iterations.

Put here: ` iteration 10/ 100 | consumed samples: … | elapsed time per iteration (ms): …` (its
`training.py`) and `Training epoch 0, iteration 9/99 | … train_step_timing in s: …` of NeMo.
"""

from __future__ import annotations

import re
from itertools import pairwise

from ft_emissions_pipeline.readers.consoles import Fields, Told, known
from ft_emissions_pipeline.readers.consoles.clocks import STAMP, at, stamped
from ft_emissions_pipeline.readers.shared.training_settings import positive

MARKS = (
    rb"iteration\s+\d+/\s*\d+ \|.{0,200}elapsed time per iteration",
    rb"Training epoch \d+, iteration \d+/\d+ \|",
)
_ITERATION = re.compile(
    r"iteration\s+(\d{1,12})/\s*\d+ \|(?=.*?elapsed time per iteration \(ms\):\s*"
    r"(\d{1,12}(?:\.\d+)?))(?:.*?consumed samples:\s*(\d+))?(?:.*?consumed tokens:\s*(\d+))?"
)
_NEMO = re.compile(
    r"Training epoch \d+, iteration \d+/\d+ \|.*?global_step: "
    r"(\d{1,12}) \|.*?train_step_timing in s: (\d{1,9}(?:\.\d+)?)(?:.*?consumed_samples: (\d+))?"
)
_LINE = rf"^\s*\[(?P<at>{STAMP})\]\s+iteration"


def told(text: str, timezone: str) -> Told:
    """Return time, steps and tokens of iterations; a line counts those since the line before."""
    rows = [(int(n), float(ms) / 1e3, s, t) for n, ms, s, t in _ITERATION.findall(text)]
    rows += [(int(n) + 1, float(seconds), s, "") for n, seconds, s in _NEMO.findall(text)]
    if not rows:
        return {}, []
    first = min(1, rows[0][0])
    gaps = [rows[0][0], *(max(b[0] - a[0], 0) for a, b in pairwise(rows))]
    interval = gaps[1] if len(gaps) > 1 else first
    # A run that went on from a checkpoint did not make the iterations before its first line.
    gaps[0] = min(gaps[0], max(interval, 1))
    took = sum(gap * row[1] for gap, row in zip(gaps, rows, strict=True))
    samples, tokens = positive(rows[-1][2]), positive(rows[-1][3])
    length = re.search(r"^[ \t]*(?:\d+: )?seq_length[ .]+(\d{1,9})", text, re.MULTILINE)
    per = float(length.group(1)) if length else None
    # A line is printed after its iterations.
    ended = stamped(text, _LINE)[-1:]
    fields: Fields = {
        "active_s": took or None,
        "reserved_s": took or None,
        "steps": float(sum(gaps)) or None,
        "sequence_length": per,
        # Each sample is a sequence of full length.
        "tokens_padded": tokens or (samples * per if samples and per else None),
        "software": "nemo_megatron",
        "ended_at": at(ended[0], timezone) if ended else None,
    }
    return known(fields), []
