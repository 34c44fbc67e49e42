"""Read MLPerf's lines: `:::MLLOG {…}` (mlcommons' `logging`).

Put here: run_start and run_stop in Unix milliseconds, and what it states of lengths and batches.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from ft_emissions_pipeline.readers.cells import instant
from ft_emissions_pipeline.readers.consoles import Told, known
from ft_emissions_pipeline.readers.documents import json_of
from ft_emissions_pipeline.readers.shared.training_settings import positive

MARKS = (rb":::MLLOG \{",)
_LINE = re.compile(r":::MLLOG (\{[^\n]*\})")


def told(text: str, _: str) -> Told:
    """Return time, samples, lengths and batches of a run that was stopped."""
    rows = [row for line in _LINE.findall(text) if (row := _row(line))]
    at = {str(row.get("key")): positive(row.get("time_ms")) for row in rows}
    said = {str(row.get("key")): positive(row.get("value")) for row in rows}
    started, stopped = at.get("run_start"), at.get("run_stop")
    if not started or not stopped or not 1e12 < started < stopped < 1e13:
        return {}, []
    stated = [row.get("metadata") for row in rows]
    counts = [positive(each.get("samples_count")) for each in stated if isinstance(each, dict)]
    seen = [count for count in counts if count]
    length, samples = said.get("max_sequence_length"), max(seen, default=None)
    return known({
        "started_at": instant(started / 1e3, "UTC"),
        "ended_at": instant(stopped / 1e3, "UTC"),
        "active_s": (stopped - started) / 1e3,
        "reserved_s": (stopped - started) / 1e3,
        "sequence_length": length,
        "tokens_padded": samples * length if samples and length else None,
        "gradient_accumulation": said.get("gradient_accumulation_steps"),
        "lora_rank": said.get("lora_rank"),
    }), []  # fmt: skip


def _row(line: str) -> Mapping[str, object]:
    try:
        row = json_of(line)
    except (ValueError, RecursionError):
        return {}
    return row if isinstance(row, dict) else {}
