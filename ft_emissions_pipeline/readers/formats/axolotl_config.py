"""Read axolotl's YAML: base model, adapter, batch, length, packing, precision of a folder's runs.

Names as in axolotl's `utils/schemas/` and its examples: `base_model`, `adapter`, `lora_r`,
`micro_batch_size`, `sequence_len`, `sample_packing`, `rl`. `bf16: auto` leaves the choice to the
machine, and says nothing here.
"""

from __future__ import annotations

import re

from ft_emissions_pipeline.readers.reading import Reading, Settings
from ft_emissions_pipeline.readers.shared.training_settings import (
    plan_of,
    reading_of_settings,
    settings_in,
)
from ft_emissions_pipeline.tables.words import Basis, Content

FORMAT = "axolotl_config"
LOG = "axolotl configuration (YAML)"
TELLS = (
    "base model, method, rank, batch, accumulation, length, packing, precision, "
    "recomputation of the runs of its folder"
)
LACKS = "time, tokens, hardware, usage: it is no run itself"
CONTENT: Content = "configuration"
PROGRESS = None
BASIS = {"*": Basis.DISCLOSED}

_KEY = re.compile(rb"^([a-z_0-9]+)\s*:", re.MULTILINE)
_OWN = {
    b"sequence_len", b"micro_batch_size", b"sample_packing", b"dataset_prepared_path",
    b"val_set_size", b"lora_r", b"adapter", b"num_epochs", b"datasets",
    b"gradient_accumulation_steps",
}  # fmt: skip


def recognises(name: str, head: bytes) -> bool:
    """Say whether the YAML names a base model and has several top-level settings of axolotl."""
    if not name.endswith((".yaml", ".yml")):
        return False
    keys = set(_KEY.findall(head))
    return b"base_model" in keys and len(keys & _OWN) >= 2


def read(data: bytes, uri: str, settings: Settings) -> Reading:  # noqa: ARG001 (no dates in it)
    """Read the configuration of one training."""
    given = settings_in(data, uri)
    fields = plan_of(given)
    if not given.get("adapter") and "method" not in fields:
        # Without an adapter axolotl trains all weights.
        fields["method"] = "full"
    return reading_of_settings({**fields, "software": "axolotl"}, uri, given.get("output_dir"))
