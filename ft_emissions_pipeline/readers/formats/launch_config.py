"""Read how a training was launched: accelerate's YAML, and DeepSpeed's JSON.

Accelerate names processes of all machines and the precision (`num_processes`, `mixed_precision`, in
its `commands/config/config_args.py`); DeepSpeed the batch per GPU, accumulation and precision
(`train_micro_batch_size_per_gpu`, `bf16.enabled`, in its `runtime/constants.py`), or `auto`.
"""

from __future__ import annotations

import re

from ft_emissions_pipeline.readers.reading import Reading, Settings
from ft_emissions_pipeline.readers.shared.training_settings import (
    positive,
    reading_of_settings,
    settings_in,
    settings_of,
    truth,
)
from ft_emissions_pipeline.tables.words import Basis, Content

FORMAT = "launch_config"
LOG = "accelerate configuration (YAML), DeepSpeed configuration (JSON)"
TELLS = "processes, precision, batch and accumulation of the runs of its folder"
LACKS = "time, tokens, hardware, base model, usage: it is no run itself"
CONTENT: Content = "configuration"
PROGRESS = None
BASIS = {"*": Basis.DISCLOSED}

_ACCELERATE = re.compile(
    rb"^(?:compute_environment|num_processes|distributed_type)\s*:", re.MULTILINE
)


def recognises(name: str, head: bytes) -> bool:
    """Say whether a file has two of accelerate's settings, or DeepSpeed's stage and precision."""
    if name.endswith((".yaml", ".yml")):
        return len(set(_ACCELERATE.findall(head))) >= 2
    deepspeed = (b'"zero_optimization"', b'"train_micro_batch_size_per_gpu"', b'"train_batch_size"')
    return name.endswith(".json") and sum(mark in head for mark in deepspeed) >= 2


def read(data: bytes, uri: str, settings: Settings) -> Reading:  # noqa: ARG001 (no dates in it)
    """Read the configuration of one launch."""
    given = settings_in(data, uri)
    fields = settings_of(given)
    processes = None if truth(given.get("use_cpu")) else positive(given.get("num_processes"))
    return reading_of_settings({**fields, "world_size": processes}, uri)
