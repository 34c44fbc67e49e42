"""Read what transformers' Trainer prints, alone or under TRL, axolotl, LLaMA-Factory, swift.

Put here: its dictionaries (`{'loss': …, 'epoch': …}`, at the end `train_runtime`), the banner
`***** Running training *****` and the list `***** train metrics *****` (transformers' `trainer.py`,
`trainer_pt_utils.py`), which accelerate's example scripts print likewise; Unsloth's banners (its
`models/llama.py`, `models/vision.py`); the bars of tqdm and of transformers' `utils/notebook.py`
(`[60/60 07:39, Epoch 0/1]`). Keep out: names of figures (`shared/trainer_figures.py`), the state
that the Trainer writes to a file (`formats/hugging_face.py`).
"""

from __future__ import annotations

import re

import pandas as pd

from ft_emissions_pipeline.readers.consoles import Fields, Told, together
from ft_emissions_pipeline.readers.consoles.clocks import STAMP, at, grown, seconds, stamped
from ft_emissions_pipeline.readers.shared.trainer_figures import figures_of
from ft_emissions_pipeline.readers.shared.training_settings import positive

MARKS = (
    rb"\{'(?:loss|train_runtime|eval_loss|grad_norm|train_loss)':",
    rb"\*{5} (?:Running training|train metrics) \*{5}",
)
_FOLD = re.compile(r"\{'[^{}]{1,4000}\}")
_PAIR = re.compile(r"'([\w/ ().-]{1,80})':\s*'?([^,'}]{1,60})")
_NUMBER = r"([\d,]+(?:\.\d+)?(?:[eE][+-]?\d+)?)"
_BANNER = {
    "samples": rf"Num examples\s*=\s*{_NUMBER}",
    "micro_batch_size": r"(?:Instantaneous batch size per (?:device|GPU)|Batch size per device)"
    rf"\s*=\s*{_NUMBER}",
    "gradient_accumulation": rf"Gradient [Aa]ccumulation steps\s*=\s*{_NUMBER}",
    "steps": rf"(?:Total optimization steps|Total steps)\s*=\s*{_NUMBER}",
    "gpu_count": rf"finetuning \| Num GPUs(?: used)? = {_NUMBER}",
    "world_size": rf"Data Parallel GPUs = {_NUMBER}",
    "of_all": rf"Total train batch size \([^)]*accumulation\)\s*=\s*{_NUMBER}",
}
_UNSLOTH = re.compile(r"Unsloth \d{4}\.|==\(\(====\)\)==")
_ATTENTION = re.compile(r"FA \[Xformers = [^\]\n]{1,40}?\. FA2 = (True|False)\]")
_OUTER = {
    "llama_factory": re.compile(r"\bllamafactory\.|\bllmtuner\."),
    "axolotl": re.compile(r"\[axolotl\."),
}
_CONFIGURATION = re.compile(
    r"loading configuration file [^\n]{0,300}?models--([\w.-]{1,96}?)--([\w.-]{1,96})/snapshots/"
)
_BASE_MODEL = re.compile(
    r"\"?\bbase_model\"?: \"?([\w.-]{1,96}/[\w.-]{1,96})\"?,?\s*$", re.MULTILINE
)
_TRAINABLE = re.compile(r"trainable params: ([\d,]{1,20}) \|\| all params: ([\d,]{1,20})")
_METHOD = re.compile(r"Fine-tuning method: (LoRA|Full)\b")
_GPU = re.compile(
    r"(?:\bGPU:? =? ?|/\|\s+)([A-Z][\w ./()-]{2,60}?)\. (?:Num GPUs = \d+\. )?Max memory[ :=]"
)
_NOTEBOOK_BAR = re.compile(r"\[\s*(\d{1,9})/\1 (?:(\d{1,5}):)?(\d{1,2}):(\d{2}), Epoch ")
_BAR = re.compile(r"\d%\|[^|\n]*\| *(\d{1,9})/(\d{1,9}) \[(?:(\d{1,5}):)?(\d{2}):(\d{2})<")
_METRICS = re.compile(r"\*{5} train metrics \*{5}\n((?:[ \t]+\w+\s*=[^\n]*\n?)+)")
_BEGINNING = rf"^[^\n]{{0,100}}?(?P<at>{STAMP})[^\n]{{0,100}}\*{{5}} Running training \*{{5}}"
_LOGGED = rf"^(?=[^\n]{{0,100}}\b(?:INFO|WARNING|ERROR)\b)[^\n]{{0,60}}?(?P<at>{STAMP})"
_BROKEN_OFF = re.compile(
    r"^(?:\[rank\d+\]: )?Traceback \(most recent call last\)|^KeyboardInterrupt\b"
    r"|\*{3} (?:JOB|STEP) \S{1,40} ON \S{1,80} CANCELLED AT |^Killed\b|OutOfMemoryError:",
    re.MULTILINE,
)
"""What stands where a training did not reach its end: an error, or who stopped it."""


def told(text: str, timezone: str) -> Told:
    """Return time, steps, tokens and batches, and when it was where lines have a time."""
    fields, words = together((_figures, _banner, _bar, _model), text, timezone)
    return {**_instants(text, timezone, fields), **fields}, words


def _figures(text: str, _: str) -> Told:
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


def _listed(block: str) -> Fields:
    """Return the Trainer's list of metrics, its time in seconds: `train_runtime = 0:10:00.12`."""
    pairs = dict(re.findall(r"^[ \t]+(\w+)\s*=\s*(\S+)", block, re.MULTILINE))
    clock = re.fullmatch(
        r"(?:(\d{1,6}):)?(\d{1,6}):(\d{1,6}(?:\.\d+)?)", str(pairs.get("train_runtime", ""))
    )
    found: Fields = {
        name: float(pairs[name]) for name in ("epoch", "train_samples") if positive(pairs.get(name))
    }
    if clock:
        hours, minutes, rest = (float(each or 0) for each in clock.groups())
        found["train_runtime"] = (hours * 60 + minutes) * 60 + rest
    return found


def _banner(text: str, _: str) -> Told:
    """Return what a trainer announces at its start; its steps are those that it plans.

    The batch of all devices is that of one, times its passes, times the devices.
    """
    found = {name: re.search(pattern, text) for name, pattern in _BANNER.items()}
    said = {name: positive(each[1].replace(",", "")) for name, each in found.items() if each}
    of_all, of_one = said.pop("of_all", None), said.get("micro_batch_size")
    if of_all and of_one:
        devices = of_all / of_one / (said.get("gradient_accumulation") or 1.0)
        if devices >= 1 and devices.is_integer():
            said.setdefault("world_size", devices)
    if "train_runtime" not in text:
        said.pop("steps", None)
    fields: Fields = dict(said)
    if named := _GPU.search(text):
        fields["gpu_model"] = named[1]
    if fields and _UNSLOTH.search(text):
        fields["software"] = "unsloth"
        if kernel := _ATTENTION.search(text):
            fields["attention_kernel"] = "flash_attention" if kernel[1] == "True" else "xformers"
    return fields, []


def _model(text: str, _: str) -> Told:
    """Return base model, size and method, and which software drives the Trainer.

    peft prints trainable parameters beside those of all; of weights in four bits, which only
    adapters are trained on, the latter may be half of what they are.
    """
    loaded = {"/".join(each) for each in _CONFIGURATION.findall(text)}
    loaded = loaded or set(_BASE_MODEL.findall(text))
    fields: Fields = {"base_model": loaded.pop()} if len(loaded) == 1 else {}
    if sizes := _TRAINABLE.search(text):
        trained, of_all = (float(each.replace(",", "")) for each in sizes.groups())
        fields["method"] = "full" if trained == of_all else "adapter"
        if trained == of_all:
            fields["model_parameters"] = of_all
    if method := _METHOD.search(text):
        fields["method"] = method[1].lower()
    outer = [name for name, mark in _OUTER.items() if mark.search(text)]
    return {**fields, **({"software": outer[0]} if outer else {})}, []


def _bar(text: str, _: str) -> Told:
    """Return time and steps by bars, where no figure tells the time of the whole.

    A notebook's bar shows its clock once a training is over; of the bars of a terminal the longest
    is that of the training, which is over when the bar is full or an error stands below.
    """
    if "train_runtime" in text:
        return {}, []
    bars = [(int(done), seconds(*clock)) for done, *clock in _NOTEBOOK_BAR.findall(text)]
    took, steps = sum(clock for _, clock in bars), sum(done for done, _ in bars)
    if not took and any(re.search(mark.decode(), text) for mark in MARKS):
        took, steps = _longest(text)
    if not took:
        return {}, []
    return {
        "active_s": took, "reserved_s": took, "steps": float(steps), "software": "hf_trainer"
    }, []  # fmt: skip


def _longest(text: str) -> tuple[float, int]:
    """Return the seconds and steps of the longest bar of those that count to one total."""
    clocks: dict[int, list[float]] = {}
    most: dict[int, int] = {}
    for done, total, *clock in _BAR.findall(text):
        clocks.setdefault(int(total), []).append(seconds(*clock))
        most[int(total)] = max(int(done), most.get(int(total), 0))
    if not clocks:
        return 0.0, 0
    took, total = max((grown(times) or 0.0, total) for total, times in clocks.items())
    over = most[total] == total or _BROKEN_OFF.search(text)
    return (took, most[total]) if over else (0.0, 0)


def _instants(text: str, timezone: str, fields: Fields) -> Fields:
    """Return when a training began and ended, by the times of lines around it.

    Where its first line has none, it ended with the last that has one, and not before its own time
    had passed since the first.
    """
    ran = fields.get("active_s")
    if not isinstance(ran, float):
        return {}
    lasted = pd.Timedelta(seconds=ran)
    began = [when for each in stamped(text, _BEGINNING) if (when := at(each, timezone))]
    if began:
        sessions = re.findall(r"'train_runtime': *'?([\d.e+]+)", text)
        last = pd.Timedelta(seconds=positive(sessions[-1]) or ran) if sessions else lasted
        return {"started_at": began[0], "ended_at": began[-1] + last}
    logged = [when for each in stamped(text, _LOGGED) if (when := at(each, timezone))]
    return {"ended_at": max(logged[-1], logged[0] + lasted)} if logged else {}
