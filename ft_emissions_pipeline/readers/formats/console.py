"""Read what a training printed: lines of trainers and of CodeCarbon, recognised by their form.

Read are times, tokens, steps and batches, and CodeCarbon's energy; all else in a console is passed
over. A notebook is what its cells printed; one that printed nothing of a training tells nothing.
The lines of each software stand in a module of `consoles/`.
"""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import Any

from ft_emissions_pipeline.readers import repairs
from ft_emissions_pipeline.readers.consoles import (
    codecarbon,
    deepspeed,
    epoch_bars,
    hardware,
    hugging_face,
    keras,
    litgpt,
    maxtext,
    megatron,
    mlperf,
    mlx,
    nano_gpt,
    together,
    torchtitan,
    torchtune,
    verl,
)
from ft_emissions_pipeline.readers.documents import json_of, text_of
from ft_emissions_pipeline.readers.reading import (
    Reading,
    RefusalError,
    Settings,
    of_no_use,
    reading_of_runs,
)
from ft_emissions_pipeline.readers.shared.run_folders import wandb_id
from ft_emissions_pipeline.tables.words import Basis, Content

FORMAT = "console"
LOG = (
    "console of a training, or what the cells of a notebook printed: Hugging Face Trainer, "
    "TRL, axolotl, LLaMA-Factory, Unsloth, swift, CodeCarbon, Megatron, NeMo, torchtitan, MaxText, "
    "DeepSpeed, torchtune, LitGPT, MLX-LM, Keras, Lightning, nanoGPT, verl, MLPerf"
)
TELLS = "time, tokens, steps and batches as printed; energy by CodeCarbon's lines"
LACKS = (
    "place, usage; hardware, unless CodeCarbon, Unsloth, Lightning or `nvidia-smi` printed it; "
    "date, unless lines begin with a time"
)
CONTENT: Content = "runs"
PROGRESS = "steps"
_SETTINGS = (
    "software", "base_model", "method", "model_parameters", "samples", "micro_batch_size",
    "gradient_accumulation", "attention_kernel", "gpu_model", "gpu_count", "world_size",
)  # fmt: skip
"""What is printed before a training begins: it says nothing of what was spent."""
BASIS = {
    "*": Basis.MEASURED,
    "reserved_s": Basis.PREDICTED,
    "train_flop": Basis.PREDICTED,
    "operating_system": Basis.PREDICTED,
    "ram_energy_kwh": Basis.PREDICTED,
    **dict.fromkeys(_SETTINGS, Basis.DISCLOSED),
}

_PRINTERS = (
    hugging_face,
    codecarbon,
    megatron,
    torchtitan,
    maxtext,
    deepspeed,
    torchtune,
    litgpt,
    mlx,
    keras,
    epoch_bars,
    nano_gpt,
    verl,
    mlperf,
)
"""In the order of their say."""
_MARKS = re.compile(b"|".join(mark for each in _PRINTERS for mark in each.MARKS))
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
_NOTEBOOK = ".ipynb"
_ANSI = re.compile(r"\x1b\[[0-9;]*m")


def recognises(name: str, head: bytes) -> bool:
    """Say whether a text has lines of a trainer or tracker, and its name means nothing else."""
    if name.endswith(_NOTEBOOK):
        # What its cells printed stands anywhere.
        return b'"cells"' in head or b'"nbformat"' in head
    return not name.endswith(_OTHERS) and _MARKS.search(head) is not None


def read(data: bytes, uri: str, settings: Settings) -> Reading:
    """Read the console of one run."""
    text, notebook = _ANSI.sub("", text_of(data)), uri.casefold().endswith(_NOTEBOOK)
    if notebook:
        text = _printed(text)
    # A bar is drawn anew behind a carriage return.
    text = text.replace("\r", "\n")
    fields, words = together(
        [each.told for each in (*_PRINTERS, hardware)], text, settings.timezone
    )
    if not fields.keys() - {*_SETTINGS, "epochs"}:
        if notebook and not _MARKS.search(text.encode()):
            return of_no_use()
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
