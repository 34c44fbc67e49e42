"""The settings of a training, as configurations of several tools name them, and what they mean.

Put here: names of settings, how their values are written, and what model names and quantisation
say. Keep out: which tool wrote a file (`formats/`), and which run a configuration completes
(`landing/configurations.py`).

Names were read in transformers 5.23 `training_args.py` and TRL 0.2x `sft_config.py`,
`model_config.py`, in LLaMA-Factory's `hparams/` and example configurations, and in axolotl's
`utils/schemas/`. A value that is none ("auto", a path, a variable) says nothing: a setting is no
measurement that could be lost.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Mapping

from ft_emissions_pipeline.readers.documents import document_of
from ft_emissions_pipeline.readers.reading import Reading, of_no_use, reading_of_runs
from ft_emissions_pipeline.readers.scrubbing import scrubbed
from ft_emissions_pipeline.readers.shared.run_folders import home

Settings = Mapping[str, object]

NUMBERS: dict[str, tuple[str, ...]] = {
    "micro_batch_size": (
        "per_device_train_batch_size", "micro_batch_size", "per_gpu_train_batch_size",
        "train_micro_batch_size_per_gpu",
    ),
    "gradient_accumulation": ("gradient_accumulation_steps",),
    "epochs": ("num_train_epochs", "num_epochs"),
    "sequence_length": (
        "sequence_len", "cutoff_len", "max_seq_length", "max_seq_len", "max_length", "block_size",
        "model_max_length",
    ),
    "pad_to_multiple_of": ("pad_to_multiple_of",),
    "lora_rank": ("lora_r", "lora_rank"),
}  # fmt: skip
"""Field -> settings that say it, the first that is given counts."""
FLAGS: dict[str, tuple[str, ...]] = {
    "gradient_checkpointing": ("gradient_checkpointing", "enable_activation_checkpointing"),
    "fused_kernels": (
        "use_liger_kernel", "enable_liger_kernel", "liger_fused_linear_cross_entropy",
        "liger_rms_norm",
    ),
    "packing": ("packing", "sample_packing", "neat_packing"),
}  # fmt: skip
ATTENTION = ("attn_implementation", "_attn_implementation", "attn_impl", "flash_attn")
ATTENTION_FLAGS = {
    "flash_attention": "flash_attention",
    "use_flash_attention_2": "flash_attention",
    "flex_attention": "flex_attention",
    "xformers_attention": "xformers",
    "sdp_attention": "sdpa",
    "eager_attention": "eager",
}
"""Switches of axolotl and transformers -> what computes attention."""
_ATTENTION_KERNELS = {
    "eager": "eager", "disabled": "eager", "sdpa": "sdpa", "sdp": "sdpa", "xformers": "xformers",
    "flash_attention": "flash_attention", "flash_attn": "flash_attention",
    "flash_attention_2": "flash_attention", "flash_attention_3": "flash_attention",
    "fa2": "flash_attention", "fa3": "flash_attention", "flex_attention": "flex_attention",
}  # fmt: skip
MODELS = ("base_model", "model_name_or_path", "model_name", "base_model_name_or_path", "model_id")
_TRUTHS = {
    **dict.fromkeys(("true", "yes", "on"), True),
    **dict.fromkeys(("false", "no", "off"), False),
    # Ways of recomputation in axolotl and Unsloth.
    **dict.fromkeys(("offload", "offload_disk", "unsloth"), True),
}
_PRECISIONS = {
    "bf16": "bf16",
    "pure_bf16": "bf16",
    "bfloat16": "bf16",
    "fp16": "fp16",
    "float16": "fp16",
    "fp8": "fp8",
}
_ADAPTERS = {
    "lora": "lora", "qlora": "qlora", "adalora": "lora", "dora": "lora", "full": "full",
    "freeze": "full", "oft": "adapter",
    "llama-adapter": "adapter",
}  # fmt: skip
_NO_NAME = re.compile(
    r"(?:base|models?|output|outputs?|final|merged|checkpoint|weights|snapshots?|results?|tmp|data"
    r"|none|null|true|false|[0-9a-f]{40})"
    r"|(?:checkpoint|step|epoch)[-_]?\d+|\d+",
    re.IGNORECASE,
)
"""What the last part of a path says nothing about the model."""
_CACHE = re.compile(r"(?:^|[/\\])models--([^/\\]+?)--([^/\\]+)(?:[/\\]|$)")


_OUTPUT = "output"
"""First word of the mark of a configuration that names the folder of its run."""


def reading_of_settings(fields: Mapping[str, object], uri: str, output: object = None) -> Reading:
    """Return the reading of one configuration: what it says of the runs of its folder or output.

    One that leaves everything to the tool tells nothing.
    """
    if all(fields.get(name) is None for name in fields):
        return of_no_use()
    row = {"repairs": "", **fields, "run_id": home(uri), "source_record": "1"}
    ends = _ends(output) if isinstance(output, str) else []
    mark = f"{_OUTPUT} {','.join(ends)}" if ends else None
    return reading_of_runs([{**row, "mark": mark}], [], "configuration")


def names_folder(mark: object, folder: str) -> bool:
    """Say whether this mark names a folder, or one that ends like it, as the output."""
    word, _, ends = str(mark).partition(" ")
    named, known = ends.split(","), _ends(folder)
    common = min(len(named), len(known))
    return word == _OUTPUT and common > 0 and named[common - 1] == known[common - 1]


def _ends(path: str) -> list[str]:
    """Return hashes of a path's last part, its last two, ...; no path of a machine is kept."""
    parts = [part for part in re.split(r"[/\\]+", path.strip()) if part not in {"", ".", ".."}]
    ends = ["/".join(parts[-n:]) for n in range(1, min(len(parts), 8) + 1)]
    return [hashlib.sha256(end.encode()).hexdigest()[:8] for end in ends]


def positive(value: object) -> float | None:
    """Return a number above zero, None for whatever else stands there."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    try:
        found = float(value) if not isinstance(value, str) or "_" not in value else math.nan
    except (ValueError, OverflowError):
        return None
    return found if 0 < found < math.inf else None


def truth(value: object) -> bool | None:
    """Return whether a setting is on, None where it is left to the tool."""
    if isinstance(value, bool):
        return value
    word = value.strip().casefold() if isinstance(value, str) else ""
    return _TRUTHS.get(word)


def model_name(value: object) -> str | None:
    """Return a model's name; of a path on somebody's machine the last part, if it is a name."""
    # Scrubbed whole: of a part of it one could not tell any more what is secret.
    text = scrubbed(value).strip() if isinstance(value, str) else ""
    cached = _CACHE.search(text)
    if cached:
        return "/".join(cached.groups())
    if "://" in text or re.match(r"[~./\\]|[A-Za-z]:[\\/]", text) or text.count("/") > 1:
        text = re.split(r"[/\\]", text.rstrip("/\\"))[-1]
    named = re.search(r"[A-Za-z]", text) and not _NO_NAME.fullmatch(text) and "$" not in text
    return text if named else None


def settings_in(data: bytes, uri: str) -> Settings:
    """Return the settings that a configuration of JSON or YAML holds; refuse any other file."""
    otherwise = "no mapping of settings to values; write one configuration per file"
    return document_of(data, uri, otherwise)


def settings_of(given: Settings) -> dict[str, object]:
    """Return the fields of a run that a mapping of settings names."""
    fields: dict[str, object] = {}
    for field, names in NUMBERS.items():
        fields[field] = next((n for n in (positive(given.get(name)) for name in names) if n), None)
    if positive(given.get("max_steps")):
        fields["epochs"] = None
    for field, names in FLAGS.items():
        flags = [truth(given.get(name)) for name in names]
        fields[field] = next((flag for flag in flags if flag is not None), None)
    named = (model_name(given.get(name)) for name in MODELS)
    fields["base_model"] = next((name for name in named if name), None)
    fields["precision"] = precision_of(given)
    fields["method"] = method_of(given)
    fields["attention_kernel"] = attention_kernel_of(given)
    return {name: value for name, value in fields.items() if value is not None}


def plan_of(given: Settings) -> dict[str, object]:
    """Return the fields of a configuration, which plans the steps too."""
    return {**settings_of(given), "steps": positive(given.get("max_steps"))}


def precision_of(given: Settings) -> str | None:
    """Return the number format of the arithmetic, where a setting turns one on."""
    for name in ("fp8", "bf16", "pure_bf16", "fp16"):
        nested = given.get(name)
        value = nested.get("enabled") if isinstance(nested, Mapping) else nested
        if truth(value) or (isinstance(value, str) and value.strip().casefold() == "full"):
            return _PRECISIONS[name]
    word = given.get("mixed_precision")
    return _PRECISIONS.get(word.strip().casefold()) if isinstance(word, str) else None


def method_of(given: Settings) -> str | None:
    """Return how the weights change: the stage if it trains on preferences, else the adapter."""
    stage = str(given.get("stage") or given.get("rl") or "").casefold()
    if stage == "dpo":
        return "dpo"
    adapter = given.get("adapter") or given.get("finetuning_type")
    method = _ADAPTERS.get(adapter.strip().casefold()) if isinstance(adapter, str) else None
    if method is None and truth(given.get("use_peft")):
        method = "lora"
    if method == "lora" and is_four_bit(given):
        return "qlora"
    if method == "full" and stage == "pt":
        return "continued_pretraining"
    return method


def attention_kernel_of(given: Settings) -> str | None:
    """Return what computes attention, by its name or by the switch that is on."""
    for name in ATTENTION:
        word = given.get(name)
        if isinstance(word, str) and (kernel := _ATTENTION_KERNELS.get(word.strip().casefold())):
            return kernel
    if truth(given.get("flash_attn")):
        return "flash_attention"
    on = (kernel for name, kernel in ATTENTION_FLAGS.items() if truth(given.get(name)))
    return next(on, None)


def is_four_bit(given: Settings) -> bool:
    """Say whether the base model's weights are held in four bits, as QLoRA does."""
    nested = given.get("quantization_config")
    inner = nested if isinstance(nested, Mapping) else {}
    bits = (given.get("quantization_bit"), given.get("bits"), inner.get("bits"))
    return any(truth(each.get("load_in_4bit")) for each in (given, inner)) or any(
        positive(value) == 4 for value in bits
    )
