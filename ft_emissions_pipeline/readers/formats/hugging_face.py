"""Read what Hugging Face Trainer and TRL leave in a run's folder: trainer_state.json and results.

The files name no hardware, place or date: they give time, tokens and FLOP of a run, to be joined
with a disclosure or another log of the same run. A script of one's own may write these beside. The
folder is the run; `checkpoint-N` is a state of it.

What the files mean was read in transformers 5.23 and TRL 0.2x: a run that was resumed has the time
of its last session only, but tokens, steps and FLOP of all; `num_input_tokens_seen` counts elements
of the model's main input, which is text for a language model, but samples of sound or pixels
elsewhere; TRL's `num_tokens` sums the attention mask, and starts anew with each session. Where
tokens are tracked, every row of the log has the session's clock as `train_runtime`, so the sessions
can be told apart.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Mapping
from itertools import pairwise
from pathlib import PurePosixPath

from ft_emissions_pipeline.readers import repairs
from ft_emissions_pipeline.readers.cells import number
from ft_emissions_pipeline.readers.documents import json_items
from ft_emissions_pipeline.readers.reading import Reading, RefusalError, Settings, reading_of_runs
from ft_emissions_pipeline.readers.shared.clocks import sessions
from ft_emissions_pipeline.readers.shared.labels import not_understood, parsed, understood
from ft_emissions_pipeline.readers.shared.odd_fields import without_odd_fields
from ft_emissions_pipeline.readers.shared.parts import objects
from ft_emissions_pipeline.tables.words import Basis, Content

FORMAT = "hugging_face"
LOG = (
    "Hugging Face Trainer and TRL `trainer_state.json`, `train_results.json`, `all_results.json`, "
    "or the same under another name"
)
TELLS = (
    "measured training time, left out where it is that of the last session of a resumed run; "
    "steps, FLOP, and tokens where they were tracked"
)
LACKS = (
    "hardware, place and date, where no script wrote them beside; energy, usage; number of devices "
    "and accumulation of gradients"
)
CONTENT: Content = "runs"
PROGRESS = "epochs"
STATED = (
    "model_name", "base_model", "method", "precision", "sequence_length", "gpu_model", "gpu_count",
    "cpu_model", "server_model", "server_count", "instance_type", "managed_service",
    "cloud_provider", "cloud_region", "location", "country_iso3", "started_at", "ended_at",
)  # fmt: skip
"""Fields that no Trainer writes, so that whoever did meant them."""
BASIS = {
    "*": Basis.MEASURED,
    **dict.fromkeys(STATED, Basis.DISCLOSED),
    # The trainer knows its own run time, not the reservation around it.
    "reserved_s": Basis.PREDICTED,
    # Computed by the trainer from parameters and tokens.
    "train_flop": Basis.PREDICTED,
    # What is built on the Trainer mostly leaves no mark in its log.
    "software": Basis.PREDICTED,
}

_NAMES = ("trainer_state.json", "train_results.json", "all_results.json")
_MARKS = ("train_runtime", "global_step", "log_history")
_RESULTS = re.compile(
    rb'\A\s*[\[{].*"(?:train_runtime|train_loss)"\s*:'
    rb'.*"(?:train_runtime|train_loss|train_samples_per_second)"\s*:'
    rb'|\A\s*\[\s*\{[^{}]*"(?:loss|grad_norm|learning_rate)"[^{}]*"(?:epoch|step)"',
    re.DOTALL,
)
"""The Trainer's results under another name, whole or in a list: the result of `train()`, or
`state.log_history`."""
_FOLDERLESS = "root"
"""Run id of files that lie in the landing folder itself."""
_STATE = re.compile(
    r"(?:tmp[-_])?(?:checkpoint|ckpt|step|epoch|global_step|iter|state)s?"
    r"(?:[-_]?(?:\d[\w.-]*|best|last|final|latest))?"
    r"|(?:last|best|final|latest)(?:[-_](?:checkpoint|ckpt|model|state))?",
    re.IGNORECASE,
)
"""Names of folders that hold a state of the run above them."""
_ARTIFACTS = re.compile(r"(?:^|/)[\w-]+/([0-9a-f]{32})/artifacts/")
"""`mlruns/<experiment>/<run>/artifacts/`, and the same on MLflow's server."""
_NOT_TEXT = re.compile(r"^(?:eval_|predict_|test_)?(?:wer|cer)$")
"""Error rates of words and characters: the model hears or sees, so its input is no text."""
_SESSION_LOSS = 0.95
"""Share of the logged losses' sum below which the final mean loss tells of fewer steps."""


def recognises(name: str, head: bytes) -> bool:
    """Say whether file name or content is that of a trainer's file."""
    if not name.endswith(".json"):
        return False
    state = b'"log_history"' in head and b'"global_step"' in head
    return name.endswith(_NAMES) or state or _RESULTS.search(head) is not None


def read(data: bytes, uri: str, settings: Settings) -> Reading:
    """Read one state or result file: one run, or why there is none."""
    state = _state(data)
    if not any(mark in state for mark in _MARKS):
        if any(str(key).startswith(("eval_", "predict_")) for key in state):
            msg = "holds results of evaluation or prediction only; nothing was trained"
            raise RefusalError(msg, "no_training")
        msg = f"holds none of {', '.join(_MARKS)}: no file of the Trainer; remove it"
        raise RefusalError(msg, "wrong_shape")
    run = without_odd_fields(_run, state)
    beside, unclear = _stated_beside(state, settings.timezone)
    run = {**beside, **run, "repairs": repairs.joined([str(run["repairs"]), unclear])}
    mark = {"mark": _mark(state) if "global_step" in state else _mark_of_results(state)}
    return reading_of_runs([{**run, **mark, "run_id": run_folder(uri), "source_record": "1"}], [])


def _stated_beside(state: Mapping[str, object], timezone: str) -> tuple[dict[str, object], str]:
    """Return what a script of one's own wrote beside the results; a repair names odd labels."""
    beside = {
        label: value
        for label, value in state.items()
        if understood(label) in STATED and isinstance(value, (str, int, float))
    }
    try:
        fields, unknown = parsed(beside, timezone)
    except RefusalError:
        fields, unknown = {}, list(beside)
    return fields, not_understood(unknown)


def _state(data: bytes) -> Mapping[str, object]:
    """Return the state in a file; a dump of the log alone is a state that lacks all else."""
    items, single = json_items(data)
    state = items[0].value if items else None
    if single and isinstance(state, dict):
        metrics = state.get("metrics")
        # What `train()` returns, written down whole.
        return {**state, **metrics} if isinstance(metrics, dict) else state
    rows = [item.value for item in items if isinstance(item.value, dict)]
    if not any(_is_final(row) for row in rows):
        msg = (
            "a list without the row that ends a training (train_runtime); "
            "keep the trainer_state.json"
        )
        raise RefusalError(msg, "wrong_shape")
    steps = [step for row in rows if _is_final(row) and (step := _known(row, "step")) > 0]
    return {"log_history": rows, **({"global_step": max(steps)} if steps else {})}


def run_folder(uri: str) -> str:
    """Return the folder of the run: the file's own, or for a state of it the one above.

    What lies among the artifacts of a run of MLflow is of that run, which its id names.
    """
    kept = _ARTIFACTS.search(uri)
    if kept is not None:
        return kept[1]
    folder = PurePosixPath(uri).parent
    if is_state_folder(folder):
        folder = folder.parent
    return _FOLDERLESS if folder == PurePosixPath() else str(folder)


def is_state_folder(folder: PurePosixPath) -> bool:
    """Say whether a folder is named like a run's state; its content decides (`same_run`)."""
    return _STATE.fullmatch(folder.name) is not None


def _mark(state: Mapping[str, object]) -> str:
    """Return what marks a run's states: steps planned and done, hashes of the early history."""
    told = ("step", "epoch", "loss", "learning_rate", "grad_norm")
    rows = [
        [row.get(name) for name in told]
        for row in objects(state, "log_history")
        if "loss" in row and "train_loss" not in row
    ]
    sizes = [1 << power for power in range(len(rows).bit_length())]
    # What lies behind a history has no say in its hashes, so that they grow with the run.
    hashes = [hashlib.sha256(repr(rows[:size]).encode()).hexdigest()[:8] for size in sizes]
    last, step = (_known(state, name) for name in ("max_steps", "global_step"))
    return f"history {last:g} {step:g} {','.join(hashes) or '-'}"


def _mark_of_results(state: Mapping[str, object]) -> str | None:
    """Return the steps that follow from the results' rate, and how far its three digits err."""
    rate, seconds = (_known(state, name) for name in ("train_steps_per_second", "train_runtime"))
    steps = rate * seconds
    return f"results {steps:g} {0.0005 * seconds + 0.5:g}" if steps > 0 else None


def _run(state: Mapping[str, object]) -> dict[str, object]:
    rows = objects(state, "log_history")
    final = {**_last(rows), **{k: v for k, v in state.items() if v is not None}}
    seconds, sessions = _seconds(state, rows)
    finished = "train_runtime" in state or any(_is_final(row) for row in rows)
    partly = seconds is not None and _is_of_last_session(state, rows, final)
    tokens, open_points = _tokens(final, rows)
    no_text = "no_text_tokens" in open_points
    notes = {
        "sessions_summed": sessions > 1 and not partly,
        "time_of_last_session_left_out": partly,
        "before_last_step": not finished
        and _known(state, "global_step") < _known(state, "max_steps"),
    }
    return {
        "reserved_s": None if partly else seconds,
        "active_s": None if partly else seconds,
        **tokens,
        # 0 says "not tracked"; FLOP of an input that is no text count its samples as tokens.
        "train_flop": None if no_text else number(final.get("total_flos"), "total_flos") or None,
        "steps": number(state.get("global_step"), "global_step") or None,
        "epochs": number(final.get("epoch"), "epoch"),
        "samples": number(final.get("train_samples"), "train_samples"),
        "micro_batch_size": number(final.get("train_batch_size"), "train_batch_size") or None,
        "software": _software(rows),
        "repairs": repairs.joined([*repairs.noted(notes), *open_points]),
    }


def _software(rows: list[Mapping[str, object]]) -> str:
    """Return the software whose own figures stand in the log; others leave none."""
    keys = {str(key) for row in rows for key in row}
    if any(key.startswith("tokens/") for key in keys):
        return "axolotl"
    return "trl" if keys & {"num_tokens", "mean_token_accuracy", "rewards/chosen"} else "hf_trainer"


def _is_final(row: Mapping[str, object]) -> bool:
    """Say whether a row sums up a session; where tokens are tracked, every row has a time."""
    return "train_runtime" in row and ("train_loss" in row or "total_flos" in row)


def _last(rows: list[Mapping[str, object]]) -> dict[str, object]:
    ends = [row for row in rows if _is_final(row)]
    wanted = ("train_runtime", "total_flos", "epoch", "train_loss", "train_steps_per_second")
    return {key: ends[-1][key] for key in wanted if key in ends[-1]} if ends else {}


def _seconds(
    state: Mapping[str, object], rows: list[Mapping[str, object]]
) -> tuple[float | None, int]:
    """Return the time of training and in how many sessions; that of evaluation is none of it.

    A session ends with its summary, or where the clock falls because the next one began.
    """
    whole = number(state.get("train_runtime"), "train_runtime")
    if whole is not None:
        return whole, 1
    timed = [row for row in rows if "train_runtime" in row]
    clock = [number(row["train_runtime"], "train_runtime") or 0.0 for row in timed]
    told = [number(row.get("step"), "step") or 0.0 for row in timed]
    closed = [0, *(n for n, row in enumerate(timed, 1) if _is_final(row)), len(timed)]
    ends = [end for a, b in pairwise(closed) for end in sessions(clock[a:b], told[a:b])]
    return (sum(ends), len(ends)) if ends else (None, 0)


def _is_of_last_session(
    state: Mapping[str, object], rows: list[Mapping[str, object]], final: Mapping[str, object]
) -> bool:
    """Say whether the time is surely that of a part of the run only, as after a resumption.

    Later versions give the session's own steps and samples per second; earlier ones divide the
    session's losses by the steps of all sessions. A run that was not resumed reaches the whole by
    each of them, up to rounding, so nothing is left out by mistake. A clock in every row tells all.
    """
    if any("train_runtime" in row and not _is_final(row) for row in rows):
        return False
    ends = [row for row in rows if _is_final(row)] or [final]
    all_samples = _known(final, "train_samples") * _known(final, "epoch")
    for rate, whole in (
        ("train_steps_per_second", _known(state, "global_step")),
        ("train_samples_per_second", all_samples),
    ):
        # Rates are rounded to 3 digits behind the point.
        done = sum((_known(row, rate) + 0.0005) * _known(row, "train_runtime") for row in ends)
        if done + max(1.0, 0.01 * whole) < whole:
            return True
    return len(ends) == 1 and _losses_are_missing(state, rows, final)


def _losses_are_missing(
    state: Mapping[str, object], rows: list[Mapping[str, object]], final: Mapping[str, object]
) -> bool:
    logged = [(_known(row, "step"), _known(row, "loss")) for row in rows if "loss" in row]
    lengths = [b - a for a, b in pairwise([0.0, *(step for step, _ in logged)])]
    losses = [loss for _, loss in logged]
    if not logged or min(lengths) < 0 or not all(loss >= 0 for loss in losses):
        return False
    total = sum(length * loss for length, loss in zip(lengths, losses, strict=True))
    return _known(final, "train_loss") * _known(state, "global_step") < _SESSION_LOSS * total


def _tokens(
    final: Mapping[str, object], rows: list[Mapping[str, object]]
) -> tuple[dict[str, object], list[str]]:
    """Return tokens with and without padding, and what is open about them."""
    if any(_NOT_TEXT.match(str(key)) for row in (final, *rows) for key in row):
        return {}, ["no_text_tokens"]
    seen = number(final.get("num_input_tokens_seen"), "num_input_tokens_seen") or None
    unpadded, slots = _counted("num_tokens", rows), _counted("tokens/total", rows)
    if slots:
        # axolotl counts the slots of every batch on every device.
        return {"tokens_padded": slots, "tokens_unpadded": unpadded or None}, []
    if not unpadded:
        return {"tokens_padded": seen}, ["padding_not_stated"] if seen else []
    generated = any(str(key).startswith("completions/") for row in rows for key in row)
    # Trainers by reward count with the mask into both; then nothing is known of padding.
    padded = seen if seen is not None and seen > unpadded else None
    words = ["generated_tokens_included"] if generated else []
    return {"tokens_padded": padded, "tokens_unpadded": unpadded}, words


def _counted(name: str, rows: list[Mapping[str, object]]) -> float:
    """Return the sum over all sessions: a counter that falls started anew in the next one."""
    counts = [number(row[name], name) or 0.0 for row in rows if name in row]
    return sum(a for a, b in pairwise([*counts, -1.0]) if b < a)


def _known(row: Mapping[str, object], name: str) -> float:
    """Return a number that only helps to judge another; if missing, nan fails all comparisons."""
    value = row.get(name)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or abs(value) > 1e300:
        return math.nan
    return float(value)
