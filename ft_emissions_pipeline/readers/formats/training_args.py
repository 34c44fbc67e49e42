"""Read the arguments of a training with transformers' Trainer or TRL, as JSON or YAML.

`TrainingArguments.to_json_string` writes them, `HfArgumentParser` reads them from YAML; names as in
transformers' `training_args.py` and TRL's `sft_config.py`, `dpo_config.py`. `training_args.bin` is
a pickle and never opened. LLaMA-Factory's YAML, which it also keeps in the output folder, adds
`stage`, `finetuning_type` and `cutoff_len` (its `hparams/finetuning_args.py`, `data_args.py`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from ft_emissions_pipeline.readers.documents import document_of
from ft_emissions_pipeline.readers.reading import Reading, Settings
from ft_emissions_pipeline.readers.shared.training_settings import plan_of, reading_of_settings
from ft_emissions_pipeline.tables.words import Basis, Content

FORMAT = "training_args"
LOG = (
    "arguments of the Hugging Face Trainer, TRL or LLaMA-Factory as JSON or YAML "
    "(`training_args.json`, `training_args.yaml`)"
)
TELLS = (
    "batch, accumulation, epochs, precision, recomputation, packing, length, base model, method "
    "and rank of the runs of its folder"
)
LACKS = "time, tokens, hardware, usage: it is no run itself"
CONTENT: Content = "configuration"
PROGRESS = None
BASIS = {"*": Basis.DISCLOSED}

_MARK = re.compile(
    rb"""(?:^|[{,])\s*["']?(?:per_device_train_batch_size|finetuning_type)["']?\s*:""", re.MULTILINE
)
_LLAMA_FACTORY = {"finetuning_type", "cutoff_len", "neat_packing"}
_TRL = {
    "dataset_text_field", "dataset_num_proc", "completion_only_loss", "assistant_only_loss",
    "packing", "loss_type", "num_generations", "max_prompt_length", "use_peft",
}  # fmt: skip


def recognises(name: str, head: bytes) -> bool:
    """Say whether the file sets the batch of a trainer, by the trainer's own name for it."""
    if not name.endswith((".json", ".yaml", ".yml")):
        return False
    # The state of a training and the job of a service hold such a setting among much else.
    if b'"log_history"' in head or b'"TrainingJob' in head:
        return False
    return _MARK.search(head) is not None and not re.search(rb'"?(?:value|desc)"?\s*:', head[:400])


def read(data: bytes, uri: str, settings: Settings) -> Reading:  # noqa: ARG001 (no dates in it)
    """Read the arguments of one training."""
    given = document_of(data, uri, "no mapping of arguments to values; write one per training")
    fields = {**plan_of(given), "software": software_of(given)}
    return reading_of_settings(fields, uri, given.get("output_dir"))


def software_of(given: Mapping[str, object]) -> str:
    """Return the outermost software whose arguments these are."""
    if str(given.get("use_unsloth")).casefold() == "true":
        return "unsloth"
    if _LLAMA_FACTORY & set(given):
        return "llama_factory"
    return "trl" if _TRL & set(given) else "hf_trainer"
