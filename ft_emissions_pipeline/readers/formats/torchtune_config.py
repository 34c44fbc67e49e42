"""Read torchtune's YAML: components by their import path, and the settings of its recipes.

Names as in torchtune's `recipes/configs/`: `model._component_`
(`torchtune.models.llama2.lora_llama2_7b`), `tokenizer.max_seq_len`, `dataset.packed`, `batch_size`
(per device), `dtype`, `enable_activation_checkpointing`.
"""

from __future__ import annotations

import re

from ft_emissions_pipeline.readers.reading import Reading, Settings
from ft_emissions_pipeline.readers.shared.parts import part
from ft_emissions_pipeline.readers.shared.training_settings import (
    model_name,
    positive,
    reading_of_settings,
    settings_in,
    truth,
)
from ft_emissions_pipeline.tables.words import Basis, Content

FORMAT = "torchtune_config"
LOG = "torchtune configuration (YAML)"
TELLS = (
    "base model, method, rank, batch, accumulation, length, packing, precision, "
    "recomputation of the runs of its folder"
)
LACKS = "time, tokens, hardware, usage: it is no run itself"
CONTENT: Content = "configuration"
PROGRESS = None
BASIS = {"*": Basis.DISCLOSED}

_BUILDER = re.compile(r"(?:^|\.)(?:(qlora|lora|dora|qdora)_)?([a-z0-9_]+)$")
_METHODS = {"lora": "lora", "dora": "lora", "qlora": "qlora", "qdora": "qlora"}


def recognises(name: str, head: bytes) -> bool:
    """Say whether the YAML names a model of torchtune by its import path."""
    return name.endswith((".yaml", ".yml")) and b"_component_: torchtune.models." in head


def read(data: bytes, uri: str, settings: Settings) -> Reading:  # noqa: ARG001 (no dates in it)
    """Read the configuration of one recipe."""
    given = settings_in(data, uri)
    model, tokenizer, dataset, checkpointer = (
        part(given, name) for name in ("model", "tokenizer", "dataset", "checkpointer")
    )
    built = _BUILDER.search(str(model.get("_component_") or ""))
    preferred = "dpo" in str(part(given, "loss").get("_component_") or "").casefold()
    epochs, steps_each = (positive(given.get(name)) for name in ("epochs", "max_steps_per_epoch"))
    method = (_METHODS[built[1]] if built[1] else "full") if built else None
    fields = {
        # The folder of the weights has the model's name on the hub, the builder that of torchtune.
        "base_model": model_name(checkpointer.get("checkpoint_dir"))
        or (built[2].replace("_", "-") if built else None),
        "method": "dpo" if preferred else method,
        "lora_rank": positive(model.get("lora_rank")),
        "micro_batch_size": positive(given.get("batch_size")),
        "gradient_accumulation": positive(given.get("gradient_accumulation_steps")),
        "epochs": None if steps_each else epochs,
        "steps": steps_each * (epochs or 1.0) if steps_each else None,
        "sequence_length": positive(tokenizer.get("max_seq_len")),
        "packing": truth(dataset.get("packed")),
        "gradient_checkpointing": truth(given.get("enable_activation_checkpointing")),
        "precision": {"bf16": "bf16", "fp32": "fp32", "fp16": "fp16"}.get(str(given.get("dtype"))),
        "software": "torchtune",
    }
    return reading_of_settings(fields, uri, given.get("output_dir"))
