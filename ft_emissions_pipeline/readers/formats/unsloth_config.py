"""Read Unsloth's YAML: base model, method, batch, length of a training by its command line.

Names as in Unsloth's `studio/backend/assets/configs/`: `model`, in `training` its `training_type`,
`batch_size` (per device), `max_seq_length`, `load_in_4bit`, in `lora` its `lora_r`.
`max_steps: 0` leaves the epochs in force.
"""

from __future__ import annotations

import re

from ft_emissions_pipeline.readers.reading import Reading, Settings
from ft_emissions_pipeline.readers.shared.parts import part
from ft_emissions_pipeline.readers.shared.training_settings import (
    plan_of,
    reading_of_settings,
    settings_in,
)
from ft_emissions_pipeline.tables.words import Basis, Content

FORMAT = "unsloth_config"
LOG = "Unsloth configuration (YAML)"
TELLS = (
    "base model, method, rank, batch, accumulation, length, packing, recomputation of the runs of "
    "its folder"
)
LACKS = "time, tokens, hardware, usage: it is no run itself"
CONTENT: Content = "configuration"
PROGRESS = None
BASIS = {"*": Basis.DISCLOSED}

_MARK = re.compile(rb"^training\s*:\s*$.*?^\s+training_type\s*:", re.MULTILINE | re.DOTALL)


def recognises(name: str, head: bytes) -> bool:
    """Say whether the YAML has a part `training` with a type, beside a model."""
    named = re.search(rb"^model\s*:\s*\S", head, re.MULTILINE)
    return name.endswith((".yaml", ".yml")) and bool(named and _MARK.search(head))


def read(data: bytes, uri: str, settings: Settings) -> Reading:  # noqa: ARG001 (no dates in it)
    """Read the configuration of one training."""
    given = settings_in(data, uri)
    training, lora = part(given, "training"), part(given, "lora")
    fields = plan_of(
        {
            **training, **lora, "model_name": given.get("model"),
            "finetuning_type": training.get("training_type"),
            "micro_batch_size": training.get("batch_size"),
            "gradient_checkpointing": training.get("gradient_checkpointing") == "unsloth"
            or training.get("gradient_checkpointing"),
        }
    )  # fmt: skip
    return reading_of_settings({**fields, "software": "unsloth"}, uri, training.get("output_dir"))
