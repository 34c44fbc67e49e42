"""Read what the Hugging Face Trainer leaves in a run's folder: trainer_state.json and its results.

The files name no hardware, place or date: they give time, tokens and FLOP of a run, to be joined
with a disclosure or another log of the same run. The folder is the run; `checkpoint-N` is a state of it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import PurePosixPath

from ft_emissions_pipeline.readers.documents import json_items
from ft_emissions_pipeline.readers.reading import (
    Content,
    Reading,
    RefusalError,
    Settings,
    number,
    reading_of_runs,
)

FORMAT = "hugging_face"
LOG = "Hugging Face Trainer `trainer_state.json`, `train_results.json`, `all_results.json`"
TELLS = "measured training time; steps, FLOP, and tokens where they were tracked"
LACKS = "hardware, place, date, energy, usage"
CONTENT: Content = "runs"
PROGRESS = "epochs"
BASIS = {
    "*": "measured",
    # The trainer knows its own run time, not the reservation around it.
    "reserved_s": "predicted",
    # Computed by the trainer from parameters and tokens.
    "train_flop": "predicted",
}

_NAMES = ("trainer_state.json", "train_results.json", "all_results.json")
_MARKS = ("train_runtime", "global_step", "log_history")
_FOLDERLESS = "root"
"""Run id of files that lie in the landing folder itself."""


def recognises(name: str, head: bytes) -> bool:
    """Say whether file name or content is that of a trainer's file."""
    if not name.endswith(".json"):
        return False
    return name.endswith(_NAMES) or (b'"log_history"' in head and b'"global_step"' in head)


def read(data: bytes, uri: str, settings: Settings) -> Reading:  # noqa: ARG001 (no dates in it)
    """Read one state or result file: one run, or why there is none."""
    items, single = json_items(data)
    state = items[0].value if items else None
    if not single or not isinstance(state, dict):
        msg = (
            "a list of log rows, not a state or result file; keep the trainer_state.json beside it"
        )
        raise RefusalError(msg, "wrong_shape")
    if not any(mark in state for mark in _MARKS):
        if any(str(key).startswith(("eval_", "predict_")) for key in state):
            msg = "holds results of evaluation or prediction only; nothing was trained"
            raise RefusalError(msg, "no_training")
        msg = f"holds none of {', '.join(_MARKS)}: no file of the Trainer; remove it"
        raise RefusalError(msg, "wrong_shape")
    return reading_of_runs([{**_run(state), "run_id": run_folder(uri), "source_record": "1"}], [])


def run_folder(uri: str) -> str:
    """Return the folder of the run: the file's own, or for a checkpoint the one above."""
    folder = PurePosixPath(uri).parent
    if re.fullmatch(r"checkpoint-\d+", folder.name):
        folder = folder.parent
    return _FOLDERLESS if folder == PurePosixPath() else str(folder)


def _run(state: Mapping[str, object]) -> dict[str, object]:
    final = {**_final_log(state), **{k: v for k, v in state.items() if v is not None}}
    seconds = number(final.get("train_runtime"), "train_runtime")
    return {
        "reserved_s": seconds,
        "active_s": seconds,
        # 0 says "not tracked", in both.
        "tokens_padded": number(final.get("num_input_tokens_seen"), "num_input_tokens_seen")
        or None,
        "train_flop": number(final.get("total_flos"), "total_flos") or None,
        "epochs": number(final.get("epoch"), "epoch"),
        "samples": number(final.get("train_samples"), "train_samples"),
        "micro_batch_size": number(final.get("train_batch_size"), "train_batch_size"),
    }


def _final_log(state: Mapping[str, object]) -> dict[str, object]:
    """Return the summary that the trainer logs once training is over; empty before that."""
    history = state.get("log_history")
    rows = history if isinstance(history, list) else []
    ends = [row for row in rows if isinstance(row, dict) and "train_runtime" in row]
    wanted = ("train_runtime", "total_flos", "epoch")
    return {key: ends[-1][key] for key in wanted if key in ends[-1]} if ends else {}
