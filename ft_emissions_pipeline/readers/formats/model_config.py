"""Read a model's `config.json` of transformers: its size by layers, its experts, its origin.

Names as in transformers' `configuration_utils.py` and the `configuration_<model>.py` of decoders
with gated layers, of which the parameters follow exactly: embeddings (twice where they are not
tied), per layer the projections of queries, keys, values and output, three matrices per expert, the
router, and the norms. Of other architectures the size is left open.
"""

from __future__ import annotations

from collections.abc import Mapping

from ft_emissions_pipeline.readers.documents import document_of
from ft_emissions_pipeline.readers.reading import Reading, Settings
from ft_emissions_pipeline.readers.shared.training_settings import (
    model_name,
    positive,
    reading_of_settings,
)
from ft_emissions_pipeline.tables.words import Basis, Content

FORMAT = "model_config"
LOG = "transformers `config.json` of a model"
TELLS = "parameters, those active per token in a mixture of experts, base model in part"
LACKS = "time, tokens, hardware, usage: it is no run itself"
CONTENT: Content = "configuration"
PROGRESS = None
BASIS = {"*": Basis.DISCLOSED}

_BIASED = {"qwen2", "qwen2_moe"}
"""Models whose queries, keys and values have a bias."""
_NORMED_HEADS = {"qwen3", "qwen3_moe"}
"""Models that normalise queries and keys per head."""
_GATED = {"llama", "mistral", "mixtral", *_BIASED, *_NORMED_HEADS}


def recognises(name: str, head: bytes) -> bool:
    """Say whether the file is the configuration of a model, not of an adapter or tokenizer."""
    return (
        name.endswith(".json")
        and b'"model_type"' in head
        and (b'"architectures"' in head or b'"hidden_size"' in head)
        and b'"per_device_train_batch_size"' not in head
        and b'"log_history"' not in head
    )


def read(data: bytes, uri: str, settings: Settings) -> Reading:  # noqa: ARG001 (no dates in it)
    """Read the configuration of one model."""
    msg = "no object with model_type; save the model's configuration as transformers writes it"
    return reading_of_settings(fields_of(document_of(data, uri, msg)), uri)


def fields_of(given: Mapping[str, object]) -> dict[str, object]:
    """Return what a model's configuration says of a run."""
    total, active = sizes(given)
    return {
        "base_model": model_name(given.get("_name_or_path")),
        "model_parameters": total,
        "active_parameters": active,
        "software": "unsloth" if "unsloth_version" in given or "unsloth_fixed" in given else None,
    }


def sizes(given: Mapping[str, object]) -> tuple[float | None, float | None]:
    """Return all parameters, and those that a token passes where there are experts.

    Examples
    --------
    Llama 2 7B, by the index of its weights 6,738,415,616:

    >>> llama = {"model_type": "llama", "vocab_size": 32000, "hidden_size": 4096,
    ...          "num_hidden_layers": 32, "num_attention_heads": 32,
    ...          "intermediate_size": 11008, "tie_word_embeddings": False}
    >>> sizes(llama)
    (6738415616.0, None)
    """
    kind = given.get("model_type")
    names = (
        "vocab_size",
        "hidden_size",
        "num_hidden_layers",
        "num_attention_heads",
        "intermediate_size",
    )
    vocabulary, width, layers, heads, inner = (positive(given.get(name)) for name in names)
    if (
        not isinstance(kind, str)
        or kind not in _GATED
        or not (vocabulary and width and layers and heads and inner)
    ):
        return None, None
    keys = positive(given.get("num_key_value_heads")) or heads
    per_head = positive(given.get("head_dim")) or width / heads
    experts = positive(given.get("num_local_experts")) or positive(given.get("num_experts"))
    chosen = positive(given.get("num_experts_per_tok"))
    attention = width * per_head * (2 * heads + 2 * keys)
    attention += per_head * (heads + 2 * keys) if kind in _BIASED else 0
    attention += 2 * per_head if kind in _NORMED_HEADS else 0
    rest = attention + 2 * width
    ends = vocabulary * width * (1 if given.get("tie_word_embeddings") is True else 2) + width
    if not experts:
        return ends + layers * (rest + 3 * width * inner), None
    every = positive(given.get("decoder_sparse_step")) or 1.0
    if not chosen or every != 1 or given.get("mlp_only_layers"):
        return None, None
    expert = 3 * width * (positive(given.get("moe_intermediate_size")) or inner)
    shared = positive(given.get("shared_expert_intermediate_size"))
    router = width * experts + (3 * width * shared + width if shared else 0)
    return (
        ends + layers * (rest + router + experts * expert),
        ends + layers * (rest + router + chosen * expert),
    )
