"""Read PEFT's `adapter_config.json`: base model, method and rank of an adapter.

Names as in PEFT's `config.py` (`base_model_name_or_path`, `peft_type`) and `tuners/lora/config.py`
(`r`). An adapter on a base of four bits (`…-bnb-4bit`, as Unsloth names them) is QLoRA.
"""

from __future__ import annotations

import re

from ft_emissions_pipeline.readers.documents import document_of
from ft_emissions_pipeline.readers.reading import Reading, Settings
from ft_emissions_pipeline.readers.shared.training_settings import (
    model_name,
    positive,
    reading_of_settings,
)
from ft_emissions_pipeline.tables.words import Basis, Content

FORMAT = "adapter_config"
LOG = "PEFT `adapter_config.json`"
TELLS = "base model, method and rank of the runs of its folder"
LACKS = "time, tokens, hardware, usage: it is no run itself"
CONTENT: Content = "configuration"
PROGRESS = None
BASIS = {"*": Basis.DISCLOSED}

_LORA = ("LORA", "ADALORA", "XLORA", "RANDLORA", "GRALORA")


def recognises(name: str, head: bytes) -> bool:
    """Say whether the file is PEFT's description of an adapter."""
    return (
        name.endswith(".json") and b'"peft_type"' in head and b'"base_model_name_or_path"' in head
    )


def read(data: bytes, uri: str, settings: Settings) -> Reading:  # noqa: ARG001 (no dates in it)
    """Read the configuration of one adapter."""
    otherwise = "no object with peft_type; save the adapter's configuration as PEFT writes it"
    given = document_of(data, uri, otherwise)
    base, kind = given.get("base_model_name_or_path"), str(given.get("peft_type") or "").upper()
    low_rank = kind in _LORA
    four_bit = isinstance(base, str) and re.search(r"(?:bnb-4bit|-4bit|gptq|awq)", base.casefold())
    method = ("qlora" if four_bit else "lora") if low_rank else ("adapter" if kind else None)
    by_unsloth = isinstance(base, str) and base.startswith("unsloth/")
    fields = {
        "base_model": model_name(base),
        "method": method,
        "lora_rank": positive(given.get("r")) if low_rank else None,
        "software": "unsloth" if by_unsloth else None,
    }
    return reading_of_settings(fields, uri)
