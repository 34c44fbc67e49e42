"""Read what a training printed: lines of trainers and of CodeCarbon, recognised by their form.

Read are times, tokens, steps and batches, and CodeCarbon's energy; all else in a console is passed
over. Lines as written by
- transformers' Trainer: a dictionary a log (`{'loss': …, 'epoch': …}`, at the end `train_runtime`),
  its `***** Running training *****` and `***** train metrics *****` (`trainer.py`,
  `trainer_pt_utils.py`); axolotl's `tokens/total` among them;
- Unsloth's banners (`GPU: Tesla T4. … Max memory: …`, `Num GPUs used = 1`, `Num examples = …`, its
  `models/llama.py`, `models/vision.py`), and the bar of transformers' `utils/notebook.py` (`[60/60
  07:39, Epoch 0/1]`) in what a notebook's cells printed; a notebook that printed nothing of a
  training tells nothing;
- CodeCarbon (`[codecarbon INFO @ 15:44:49] … kWh`, its `emissions_tracker.py`): cumulative, by the
  clock of a day;
- Megatron-LM (` iteration 10/ 100 | consumed samples: … | elapsed time per iteration (ms): …`, its
  `training.py`) and NeMo (`Training epoch 0, iteration 9/99 | … train_step_timing in s: …`);
- torchtitan (`Training starts at step …`, `step: 10 … tps: …`, its `train.py`,
  `components/metrics.py`);
- MaxText (`completed step: 9, seconds: 5.667, …, total_weights: 196608`, its `metric_logger.py`),
  whose weights are the tokens that are no padding;
- DeepSpeed's own (`[timer.py:258:stop] epoch=0/micro_step=40/global_step=40, …`, its
  `utils/timer.py`), where no other trainer prints;
- torchtune (`Step 10 | loss:…`, its `metric_logging.py`), of which the progress bar alone tells a
  time;
- MLPerf (`:::MLLOG {…}`, mlcommons' `logging`): run_start and run_stop in Unix milliseconds.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import pairwise
from pathlib import PurePosixPath
from typing import Any

import pandas as pd

from ft_emissions_pipeline.readers import repairs
from ft_emissions_pipeline.readers.documents import json_of, text_of
from ft_emissions_pipeline.readers.formats.codecarbon import counted_gpus
from ft_emissions_pipeline.readers.reading import (
    Reading,
    RefusalError,
    Settings,
    instant,
    of_no_use,
    reading_of_runs,
)
from ft_emissions_pipeline.readers.shared.energy_parts import PARTS, TOTAL
from ft_emissions_pipeline.readers.shared.run_folders import wandb_id
from ft_emissions_pipeline.readers.shared.trainer_figures import figures_of
from ft_emissions_pipeline.readers.shared.training_settings import positive
from ft_emissions_pipeline.tables.words import BUILT_ON, Basis, Content

FORMAT = "console"
LOG = (
    "console of a training, or what the cells of a notebook printed: Hugging Face Trainer, "
    "axolotl, Unsloth, CodeCarbon, Megatron, NeMo, torchtitan, MaxText, DeepSpeed, torchtune, "
    "MLPerf"
)
TELLS = "time, tokens, steps and batches as printed; energy by CodeCarbon's lines"
LACKS = "place, hardware but for CodeCarbon's and Unsloth's, usage; date, mostly"
CONTENT: Content = "runs"
PROGRESS = "steps"
BASIS = {
    "*": Basis.MEASURED,
    "reserved_s": Basis.PREDICTED,
    "train_flop": Basis.PREDICTED,
    "ram_energy_kwh": Basis.PREDICTED,
    **dict.fromkeys(("software", "gpu_model", "gpu_count", "world_size"), Basis.DISCLOSED),
}

_OTHERS = (
    ".json",
    ".jsonl",
    ".ndjson",
    ".csv",
    ".tsv",
    ".md",
    ".markdown",
    ".yaml",
    ".yml",
    ".prom",
    ".py",
    ".sh",
)
_MARKS = re.compile(
    rb"\{'(?:loss|train_runtime|eval_loss|grad_norm|train_loss)':|\[codecarbon \w+ @|:::MLLOG \{"
    rb"|iteration\s+\d+/\s*\d+ \|.{0,200}elapsed time per iteration"
    rb"|Training epoch \d+, iteration \d+/\d+ \||step:\s*\d+\s.{0,300}\btps:|\bStep \d+ \| loss:"
    rb"|completed step: \d+, seconds: [\d.]+, TFLOP/s/device:|/global_step=\d+, RunningAvgSamples"
    rb"|\*{5} (?:Running training|train metrics) \*{5}|\d+\|\d+\|Loss: [\d.]+:\s+\d+%\|"
)
_NOTEBOOK = ".ipynb"
_ANSI = re.compile(r"\x1b\[[0-9;]*m")
_FOLD = re.compile(r"\{'[^{}]{1,4000}\}")
_PAIR = re.compile(r"'([\w/ ().-]{1,80})':\s*'?([^,'}]{1,60})")
_NUMBER = r"([\d,]+(?:\.\d+)?(?:[eE][+-]?\d+)?)"
_CLOCK = re.compile(r"\[codecarbon \w+ @ (\d{2}):(\d{2}):(\d{2})\]")
_KWH = {
    "gpu_energy_kwh": re.compile(
        r"Energy consumed for (?:all )?(?:AppleSilicon )?GPUs?\s*:\s*(\d{1,9}\.\d+) kWh"),
    "cpu_energy_kwh": re.compile(
        r"Energy consumed for (?:[aA]ll )?(?:AppleSilicon )?CPUs?\s*:\s*(\d{1,9}\.\d+) kWh"),
    "ram_energy_kwh": re.compile(r"Energy consumed for RAMs?\s*:\s*(\d{1,9}\.\d+) kWh"),
    "it_energy_kwh": re.compile(r"(\d{1,9}\.\d+) kWh of electricity (?:and [^\n]{1,60} )?"
                                r"(?:were |was )?used since the beginning"),
}  # fmt: skip
_BANNER = {
    "samples": rf"Num examples\s*=\s*{_NUMBER}",
    "micro_batch_size": r"(?:Instantaneous batch size per device|Batch size per device)"
    rf"\s*=\s*{_NUMBER}",
    "gradient_accumulation": rf"Gradient [Aa]ccumulation steps\s*=\s*{_NUMBER}",
    "steps": rf"(?:Total optimization steps|Total steps)\s*=\s*{_NUMBER}",
    "gpu_count": rf"finetuning \| Num GPUs(?: used)? = {_NUMBER}",
    "world_size": rf"Data Parallel GPUs = {_NUMBER}",
}
_UNSLOTH = re.compile(r"Unsloth \d{4}\.|==\(\(====\)\)==")
_GPU = re.compile(
    r"(?:\bGPU:? =? ?|/\|\s+)([A-Z][\w ./()-]{2,60}?)\. (?:Num GPUs = \d+\. )?Max memory[ :=]"
)
_NOTEBOOK_BAR = re.compile(r"\[\s*(\d{1,9})/\1 (?:(\d{1,5}):)?(\d{1,2}):(\d{2}), Epoch ")
_METRICS = re.compile(r"\*{5} train metrics \*{5}\n((?:[ \t]+\w+\s*=[^\n]*\n?)+)")
_ITERATION = re.compile(
    r"iteration\s+(\d{1,12})/\s*\d+ \|(?=.*?elapsed time per iteration \(ms\):\s*"
    r"(\d{1,12}(?:\.\d+)?))(?:.*?consumed samples:\s*(\d+))?(?:.*?consumed tokens:\s*(\d+))?"
)
_NEMO = re.compile(
    r"Training epoch \d+, iteration \d+/\d+ \|.*?global_step: "
    r"(\d{1,12}) \|.*?train_step_timing in s: (\d{1,9}(?:\.\d+)?)(?:.*?consumed_samples: (\d+))?"
)
_TITAN = re.compile(r"global batch size (\d{1,9}), sequence length (\d{1,9}), total steps (\d+)")
_STAMP = re.compile(r"(\d{4}-\d{2}-\d{2})[ T](\d{2}:\d{2}:\d{2})")
_BAR = re.compile(r"\b(\d{1,6})\|\d{1,12}\|Loss: [^\n]{1,200}?\[(?:(\d{1,5}):)?(\d{1,2}):(\d{2})<")

Fields = dict[str, object]


def recognises(name: str, head: bytes) -> bool:
    """Say whether a text has lines of a trainer or tracker, and its name means nothing else."""
    if name.endswith(_NOTEBOOK):
        # What its cells printed stands anywhere.
        return b'"cells"' in head or b'"nbformat"' in head
    return not name.endswith(_OTHERS) and _MARKS.search(head) is not None


def read(data: bytes, uri: str, settings: Settings) -> Reading:
    """Read the console of one run."""
    text = _ANSI.sub("", text_of(data))
    if uri.casefold().endswith(_NOTEBOOK):
        text = _printed(text)
        if not (_MARKS.search(text.encode()) or _NOTEBOOK_BAR.search(text)):
            return of_no_use()
    fields: Fields = {}
    words: list[str] = []
    for part in _PARTS:
        found, noted = part(text, settings.timezone)
        if found:
            software = str(found.get("software"))
            refined = (
                {"software": software}
                if fields.get("software") in BUILT_ON.get(software, ())
                else {}
            )
            fields = {**found, **fields, **refined}
            words += noted
    if not fields.keys() - {
        "software",
        "samples",
        "epochs",
        "gpu_model",
        "gpu_count",
        "world_size",
    }:
        msg = (
            "holds lines of a training, but neither its end (train_runtime), a time, "
            "tokens nor energy; land it when the training is over"
        )
        raise RefusalError(msg, "not_finished")
    job = re.search(r"(?:^|/)slurm[-_.](\d+)(?:_\d+)?\.(?:out|log|txt)$", uri)
    row = {
        **fields,
        "run_id": wandb_id(uri) or str(PurePosixPath(uri).with_suffix("")),
        "job_id": job.group(1) if job else None,
        "repairs": repairs.joined(dict.fromkeys(words)),
        "source_record": "1",
    }
    return reading_of_runs([row], [])


def _printed(text: str) -> str:
    """Return what the cells of a notebook printed; nothing of one that is broken."""
    try:
        notebook: Any = json_of(text)
        outputs = [
            output for cell in notebook.get("cells", []) for output in cell.get("outputs", [])
        ]
        shown = [
            part for each in outputs for part in (each.get("text"), *each.get("data", {}).values())
        ]
    except (ValueError, AttributeError, TypeError, RecursionError):
        return ""
    said = "\n".join(
        "".join(map(str, part)) if isinstance(part, list) else str(part or "") for part in shown
    )
    # JSON may hold halves of characters, which no table can.
    return said.encode("utf-8", "replace").decode()


def _bar(text: str, _: str) -> tuple[Fields, list[str]]:
    """Return time and steps by the bar that a notebook shows once a training is over."""
    bars = [[int(each or 0) for each in found] for found in _NOTEBOOK_BAR.findall(text)]
    seconds = float(sum((hours * 60 + minutes) * 60 + s for _, hours, minutes, s in bars))
    if not seconds or "train_runtime" in text:
        return {}, []
    fields: Fields = {"active_s": seconds, "reserved_s": seconds, "software": "hf_trainer"}
    return {**fields, "steps": float(sum(steps for steps, *_ in bars))}, []


def _trainer(text: str, _: str) -> tuple[Fields, list[str]]:
    """Return the figures of the Trainer's dictionaries; a time given twice was printed twice."""
    folds = [dict(_PAIR.findall(fold)) for fold in _FOLD.findall(text)]
    rows = [row for row in folds if not any(key.startswith(("eval_", "test_")) for key in row)]
    listed = [_listed(block) for block in _METRICS.findall(text)]
    last: dict[str, object] = {}
    for row in [*rows, *listed[-1:]]:
        last.update(row)
    times = dict.fromkeys(t for row in rows if (t := positive(row.get("train_runtime"))))
    fields, words = figures_of(last)
    if len(times) > 1:
        fields["active_s"] = fields["reserved_s"] = sum(times)
        words.append("sessions_summed")
    if rows or listed:
        fields.setdefault("software", "hf_trainer")
    return fields, words


def _listed(block: str) -> dict[str, object]:
    """Return the Trainer's list of metrics, its time in seconds: `train_runtime = 0:10:00.12`."""
    pairs = dict(re.findall(r"^[ \t]+(\w+)\s*=\s*(\S+)", block, re.MULTILINE))
    clock = re.fullmatch(
        r"(?:(\d{1,6}):)?(\d{1,6}):(\d{1,6}(?:\.\d+)?)", str(pairs.get("train_runtime", ""))
    )
    found: dict[str, object] = {
        name: float(pairs[name]) for name in ("epoch", "train_samples") if positive(pairs.get(name))
    }
    if clock:
        hours, minutes, seconds = (float(each or 0) for each in clock.groups())
        found["train_runtime"] = (hours * 60 + minutes) * 60 + seconds
    return found


def _banner(text: str, _: str) -> tuple[Fields, list[str]]:
    """Return what a trainer announces at its start; its steps are those that it plans."""
    found = {name: re.search(pattern, text) for name, pattern in _BANNER.items()}
    fields: Fields = {
        name: positive(each[1].replace(",", "")) for name, each in found.items() if each
    }
    finished = "train_runtime" in text
    if not finished:
        fields.pop("steps", None)
    named = _GPU.search(text)
    if named:
        fields["gpu_model"] = named[1]
    if fields and _UNSLOTH.search(text):
        fields["software"] = "unsloth"
    return fields, []


def _codecarbon(text: str, _: str) -> tuple[Fields, list[str]]:
    """Return CodeCarbon's energies; each grows until its tracker stops, and later trackers add."""
    fields: Fields = {
        name: total for name, form in _KWH.items()
        if (total := _grown(map(float, form.findall(text)))) is not None
    }  # fmt: skip
    if not fields:
        return {}, []
    clock = [int(h) * 3600 + int(m) * 60 + int(s) for h, m, s in _CLOCK.findall(text)]
    # The clock has no day; between two lines never lies a whole one.
    elapsed = sum((b - a) % 86400 for a, b in pairwise(clock))
    if elapsed:
        fields["active_s"] = fields["reserved_s"] = float(elapsed)
    named = re.search(r"GPU model:\s*(\S[^\n]*)", text)
    if named and named.group(1).strip() not in {"None", "N/A"}:
        model, count = counted_gpus(pd.Series([named.group(1).strip()], dtype="str"))
        counted = re.search(r"GPU count:\s*(\d{1,6})", text)
        fields["gpu_model"] = model.iloc[0]
        fields["gpu_count"] = float(counted.group(1)) if counted else positive(count.iloc[0])
    # A line that the console lacks may have scrolled away; a 0 was not read.
    unread = [n for n in PARTS if fields.get(n) == 0 and (named or n != "gpu_energy_kwh")]
    if unread:
        kept = {name: value for name, value in fields.items() if name not in {*unread, TOTAL}}
        return kept, [PARTS[name] for name in unread]
    return fields, ["pue_may_be_included"]


def _grown(values: Iterable[float]) -> float | None:
    """Return the sum of the peaks of a counter, None of no value."""
    total, last = 0.0, None
    for value in values:
        if last is not None and value < last:
            total += last
        last = value
    return None if last is None else total + last


def _megatron(text: str, timezone: str) -> tuple[Fields, list[str]]:
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
    seconds = sum(gap * row[1] for gap, row in zip(gaps, rows, strict=True))
    samples, tokens = positive(rows[-1][2]), positive(rows[-1][3])
    length = re.search(r"^[ \t]*(?:\d+: )?seq_length[ .]+(\d{1,9})", text, re.MULTILINE)
    per = float(length.group(1)) if length else None
    fields: Fields = {
        "active_s": seconds or None,
        "reserved_s": seconds or None,
        "steps": float(sum(gaps)) or None,
        "sequence_length": per,
        # Each sample is a sequence of full length.
        "tokens_padded": tokens or (samples * per if samples and per else None),
        "software": "nemo_megatron",
        **_ended(text, timezone),
    }
    return {name: value for name, value in fields.items() if value is not None}, []


def _ended(text: str, timezone: str) -> Fields:
    """Return the time of the last iteration's line; a line is printed after its iterations."""
    found = re.findall(
        r"^\s*\[(\d{4}-\d{2}-\d{2}) (\d{2}:\d{2}:\d{2})\]\s+iteration", text, re.MULTILINE
    )
    try:
        return {"ended_at": instant("T".join(found[-1]), timezone)} if found else {}
    except RefusalError:
        return {}


def _titan(text: str, timezone: str) -> tuple[Fields, list[str]]:
    steps = [int(step) for step in re.findall(r"step:\s*(\d{1,12})\s[^\n]{0,300}\btps:", text)]
    if not steps:
        return {}, []
    planned = _TITAN.search(text)
    batch, length = (float(planned[1]), float(planned[2])) if planned else (None, None)
    fields: Fields = {
        "steps": float(max(steps)),
        "sequence_length": length,
        "tokens_padded": max(steps) * batch * length if batch and length else None,
        "software": "torchtitan",
        **_span(text, timezone,
                r"^\D{0,40}(?P<at>\d{4}-\d{2}-\d{2}[ T]\d{2}:\d{2}:\d{2})[^\n]*"
                r"(?:Training starts|step:)"),
    }  # fmt: skip
    return {name: value for name, value in fields.items() if value is not None}, []


def _span(text: str, timezone: str, form: str) -> Fields:
    """Return start and end by the first and last of the lines with a time."""
    found = [match["at"] for match in re.finditer(form, text, re.MULTILINE)]
    stamps = [stamp for at in (found[:1] + found[-1:]) if (stamp := _STAMP.search(at))]
    if len(stamps) < 2:
        return {}
    try:
        started, ended = (instant(f"{s[1]}T{s[2]}", timezone) for s in stamps)
    except RefusalError:
        return {}
    if started is None or ended is None or ended <= started:
        return {}
    return {
        "started_at": started,
        "ended_at": ended,
        "reserved_s": (ended - started).total_seconds(),
    }


def _maxtext(text: str, _: str) -> tuple[Fields, list[str]]:
    """Return time, steps and tokens; each process of a host may print every step."""
    rows = {step: (float(seconds), float(weights)) for step, seconds, weights in re.findall(
        r"completed step: (\d{1,12}), seconds: (\d{1,9}(?:\.\d+)?), TFLOP/s/device:[^\n]{0,100}"
        r"total_weights: (\d{1,12})", text)}  # fmt: skip
    if not rows:
        return {}, []
    seconds, tokens = map(sum, zip(*rows.values(), strict=True))
    return {
        "active_s": seconds or None,
        "reserved_s": seconds or None,
        "steps": float(len(rows)),
        "tokens_unpadded": tokens or None,
        "software": "maxtext",
    }, []


_OF_OTHERS = re.compile(r"\{'(?:loss|train_runtime)':|elapsed time per iteration")
"""Trainers that drive DeepSpeed print their own times."""


def _deepspeed(text: str, timezone: str) -> tuple[Fields, list[str]]:
    steps = re.findall(r"/global_step=(\d{1,12}), RunningAvgSamplesPerSec=", text)
    if not steps or _OF_OTHERS.search(text):
        return {}, []
    stamped = r"^\[(?P<at>\d{4}-\d{2}-\d{2} \d{2}:\d{2}:\d{2}),\d+\] \[\w+\] \[\w+\.py:\d+:"
    made = float(max(map(int, steps)))
    return {"software": "deepspeed", "steps": made, **_span(text, timezone, stamped)}, []


def _torchtune(text: str, _: str) -> tuple[Fields, list[str]]:
    told = re.findall(r"\bStep (\d{1,12}) \| loss:|\d\|(\d{1,12})\|Loss: [\d.]+:", text)
    steps = [int(line or bar) for line, bar in told]
    if not steps:
        return {}, []
    fields: Fields = {"software": "torchtune", "steps": float(max(steps))}
    # A bar an epoch, each from 0 on.
    longest: dict[str, float] = {}
    for epoch, h, m, s in _BAR.findall(text):
        seconds = float(int(h or 0) * 3600 + int(m) * 60 + int(s))
        longest[epoch] = max(seconds, longest.get(epoch, 0.0))
    if total := sum(longest.values()):
        fields["active_s"] = fields["reserved_s"] = total
    return fields, []


def _mlperf(text: str, _: str) -> tuple[Fields, list[str]]:
    """Return time and samples of MLPerf's log, and what it states of lengths and batches."""
    rows = []
    for line in re.findall(r":::MLLOG (\{[^\n]*\})", text):
        try:
            row = json_of(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(row, dict):
            rows.append(row)
    at = {str(row.get("key")): positive(row.get("time_ms")) for row in rows}
    said = {str(row.get("key")): positive(row.get("value")) for row in rows}
    started, stopped = at.get("run_start"), at.get("run_stop")
    if not rows or not started or not stopped or not 1e12 < started < stopped < 1e13:
        return {}, []
    seen = [
        s
        for row in rows
        if isinstance(row.get("metadata"), dict)
        and (s := positive(row["metadata"].get("samples_count")))
    ]
    length, samples = said.get("max_sequence_length"), max(seen, default=None)
    fields: Fields = {
        "started_at": instant(started / 1e3, "UTC"),
        "ended_at": instant(stopped / 1e3, "UTC"),
        "active_s": (stopped - started) / 1e3,
        "reserved_s": (stopped - started) / 1e3,
        "sequence_length": length,
        "tokens_padded": samples * length if samples and length else None,
        "gradient_accumulation": said.get("gradient_accumulation_steps"),
        "lora_rank": said.get("lora_rank"),
    }
    return {name: value for name, value in fields.items() if value is not None}, []


_PARTS = (_trainer, _banner, _bar, _codecarbon, _megatron, _titan, _maxtext, _deepspeed, _torchtune,
          _mlperf)  # fmt: skip
"""In the order of their say."""
