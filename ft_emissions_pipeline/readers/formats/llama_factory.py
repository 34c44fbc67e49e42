"""Read LLaMA-Factory's trainer_log.jsonl: a row of progress at each logging step.

The file is appended to: a resumed run goes on below, with its clock at zero again but its tokens
going on; a later prediction into the same folder adds rows of its own. Several processes may write
one log, each step as often as there are of them. The results beside it (`all_results.json`) are the
Trainer's and read there; their `effective_tokens_per_sec` is per device of a number that no file
names, so nothing follows from it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

from ft_emissions_pipeline.calendar_days import SECONDS_PER_DAY, SECONDS_PER_HOUR
from ft_emissions_pipeline.readers import repairs
from ft_emissions_pipeline.readers.cells import number
from ft_emissions_pipeline.readers.documents import Item, json_items
from ft_emissions_pipeline.readers.formats.hugging_face import run_folder
from ft_emissions_pipeline.readers.reading import (
    Reading,
    RefusalError,
    Refused,
    Settings,
    reading_of_runs,
)
from ft_emissions_pipeline.readers.scrubbing import shown
from ft_emissions_pipeline.readers.shared.clocks import sessions
from ft_emissions_pipeline.tables.words import Basis, Content

FORMAT = "llama_factory"
LOG = "LLaMA-Factory `trainer_log.jsonl`"
TELLS = "measured time of all sessions of a run; steps, and tokens where they were tracked"
LACKS = "hardware, place, date, energy, base model, usage"
CONTENT: Content = "runs"
PROGRESS = "steps"
BASIS = {
    "*": Basis.MEASURED,
    # The trainer knows its own run time, not the reservation around it.
    "reserved_s": Basis.PREDICTED,
}

_ELAPSED = re.compile(r"(?:(\d{1,5}) days?, )?(\d{1,2}):([0-5]\d):([0-5]\d)")


def recognises(name: str, head: bytes) -> bool:
    """Say whether the lines are rows of LLaMA-Factory's log."""
    return name.endswith((".jsonl", ".ndjson", ".json")) and all(
        mark in head for mark in (b'"current_steps"', b'"total_steps"', b'"elapsed_time"')
    )


def read(data: bytes, uri: str, settings: Settings) -> Reading:  # noqa: ARG001 (no dates in it)
    """Read the log of one run; a line that is none is refused alone."""
    items, _ = json_items(data)
    rows: list[tuple[float, Mapping[str, object]]] = []
    refused: list[Refused] = []
    skipped = 0
    for item in items:
        try:
            row = _row(item)
            seconds = _seconds(row.get("elapsed_time"))
        except RefusalError as error:
            refused.append((item.record, error.code, str(error), item.text()))
            continue
        # Only rows of training have an epoch; those of prediction count batches.
        if "epoch" in row:
            rows.append((seconds, row))
        else:
            skipped += 1
    if not rows:
        if refused:
            return replace(reading_of_runs([], refused), records=len(items), merged=skipped)
        msg = "holds rows of prediction or evaluation only; nothing was trained"
        raise RefusalError(msg, "no_training")
    run = {**_run(rows), "run_id": run_folder(uri), "source_record": "1"}
    merged = len(items) - len(refused) - 1
    return replace(reading_of_runs([run], refused), records=len(items), merged=merged)


def _row(item: Item) -> Mapping[str, object]:
    row = item.mapping("a {}, not a row of the log; remove the line")
    for name in ("current_steps", "total_steps", "epoch", "total_tokens"):
        number(row.get(name), name)
    return row


def _seconds(elapsed: object) -> float:
    """Read H:MM:SS or "D days, H:MM:SS", as Python writes a timedelta."""
    match = _ELAPSED.fullmatch(elapsed.strip()) if isinstance(elapsed, str) else None
    if match is None:
        msg = f"elapsed_time is {shown(elapsed)}; write it as 1:02:03 or 2 days, 1:02:03"
        raise RefusalError(msg, "bad_value")
    days, hours, minutes, seconds = (int(part or 0) for part in match.groups())
    return float(days * SECONDS_PER_DAY + hours * SECONDS_PER_HOUR + minutes * 60 + seconds)


def _run(rows: list[tuple[float, Mapping[str, object]]]) -> dict[str, object]:
    steps = [number(row.get("current_steps")) or 0.0 for _, row in rows]
    ends = sessions([seconds for seconds, _ in rows], steps)
    totals = [number(row.get("total_steps")) or 0.0 for _, row in rows]
    epochs = [number(row.get("epoch")) or 0.0 for _, row in rows]
    tokens = max(number(row.get("total_tokens")) or 0.0 for _, row in rows) or None
    notes = {
        "sessions_summed": len(ends) > 1,
        "before_last_step": max(steps) < totals[-1],
        # As in the Trainer's own files, a setting that no file names decides on it.
        "padding_not_stated": tokens is not None,
    }
    return {
        "reserved_s": sum(ends) or None,
        "active_s": sum(ends) or None,
        "tokens_padded": tokens,
        "steps": max(steps) or None,
        "epochs": max(epochs),
        "software": "llama_factory",
        "repairs": repairs.joined(repairs.noted(notes)),
    }
