"""What model cards say beside their prose: front matter, lists of labels, hyperparameters.

Put here: the parts of a card and their words. Keep out: what makes a card a run
(`formats/model_card.py`) or a configuration (`formats/card_header.py`).

Labels of the section "Environmental Impact" are those of the hub's `modelcard_template.md`, and
what people write in their place; the hyperparameters those that the Trainer writes
(`TrainingSummary` of transformers' `modelcard.py`); axolotl puts its configuration into a block of
YAML (its card template in `core/trainers/`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from ft_emissions_pipeline.readers.documents import yaml_documents
from ft_emissions_pipeline.readers.reading import RefusalError
from ft_emissions_pipeline.readers.shared.training_settings import positive, settings_of

HEADER = re.compile(r"\A---[ \t]*\n(.*?)\n(?:---|\.\.\.)[ \t]*(?:\n|\Z)", re.DOTALL)
_ITEM = re.compile(
    r"^[ \t]{0,8}(?:[-*+][ \t]+)?\*{0,2}([A-Za-z][\w ()/-]{2,40}?)\*{0,2}[ \t]*:\*{0,2}[ \t]+"
    r"(\S[^\n]{0,200})$",
    re.MULTILINE,
)
_LABELS = {
    "hardware": ("hardware type", "hardware", "gpu", "gpus", "gpu type", "gpu model",
                 "hardware used", "training hardware"),
    "hours": ("hours used",),
    "duration": ("training time", "total training time", "training duration", "duration",
                 "total duration", "time"),
    "gpu_hours": ("gpu hours", "total gpu hours"),
    "provider": ("cloud provider",),
    "region": ("compute region", "region"),
    "carbon": ("carbon emitted", "emissions", "total emissions", "co2 emissions", "co2 emitted",
               "carbon emissions", "carbon footprint", "co2eq emissions"),
    "grams": ("co2 emissions (in grams)",),
    "energy": ("total energy consumption", "energy consumption", "energy consumed",
               "total energy consumed", "energy used", "energy"),
}  # fmt: skip
_MEANING = {label: name for name, labels in _LABELS.items() for label in labels}
IMPACT = frozenset({"hours", "duration", "gpu_hours", "carbon", "grams", "energy"})
"""What a card must state of a training to be more than a configuration."""
_UNKNOWN = re.compile(
    r"\[?\**(?:more information needed|n/?a|none|unknown|tbd|not (?:available|measured|known))",
    re.IGNORECASE,
)
_METHODS = ("dpo", "qlora", "lora")
_SOFTWARE = {
    "unsloth": "unsloth", "axolotl": "axolotl", "llama-factory": "llama_factory",
    "llamafactory": "llama_factory", "torchtune": "torchtune", "trl": "trl",
    "generated_from_trainer": "hf_trainer", "hf_trainer": "hf_trainer",
}  # fmt: skip
"""Tag -> software, the outermost first."""
_HYPERPARAMETERS = {
    "train_batch_size": "micro_batch_size", "gradient_accumulation_steps": "gradient_accumulation",
    "num_epochs": "epochs",
    "num_devices": "world_size",
}  # fmt: skip
_BLOCK = re.compile(r"axolotl version:[^\n]*\n+```ya?ml\n(.*?)\n```", re.DOTALL)


def front_matter(text: str) -> Mapping[str, object]:
    """Return a card's front matter, empty if it has none.

    Raises
    ------
    RefusalError
        If it does not end, or is no YAML.
    """
    if not text.startswith("---"):
        return {}
    header = HEADER.match(text)
    if header is None:
        msg = "the front matter does not end; close it with a line of ---"
        raise RefusalError(msg, "broken_yaml")
    documents = yaml_documents(header.group(1).encode())
    card = documents[0] if len(documents) == 1 else None
    return card if isinstance(card, dict) else {}


def impact_of(text: str) -> dict[str, str]:
    """Return hardware, time, place, carbon and energy that a card's lists state, each once."""
    found: dict[str, str] = {}
    for label, value in _ITEM.findall(HEADER.sub("", text)):
        name = _MEANING.get(" ".join(label.casefold().split()))
        if name is not None and not _UNKNOWN.match(value):
            found.setdefault(name, value.strip().strip("*`").strip())
    return found


def configuration_of(card: Mapping[str, object], text: str) -> dict[str, object]:
    """Return what a card says of how a model was trained."""
    base_model, several = base_model_of(card)
    tags = _tags(card)
    software = next((name for tag, name in _SOFTWARE.items() if tag in tags), None)
    fields: dict[str, object] = {
        "base_model": base_model,
        "method": next((method for method in _METHODS if method in tags), None),
        "software": software,
        "repairs": "several_base_models" if several else "",
    }
    listed = {
        field: positive(number)
        for name, field in _HYPERPARAMETERS.items()
        for number in re.findall(rf"^- {name}: ([\d.e+-]+)$", text, re.MULTILINE)[:1]
    }
    given = {**_axolotl(text), **{name: value for name, value in listed.items() if value}}
    return {**fields, **{name: value for name, value in given.items() if not fields.get(name)}}


def base_model_of(card: Mapping[str, object]) -> tuple[str | None, bool]:
    """Return the base model that the front matter names, and whether it names several."""
    value = card.get("base_model")
    models = (
        [text_of_cell(each) for each in value] if isinstance(value, list) else [text_of_cell(value)]
    )
    named = [model for model in models if model]
    return (named[0] if named else None), len(named) > 1


def text_of_cell(value: object) -> str:
    """Return a text without blanks around it; an empty one for whatever is none."""
    return value.strip() if isinstance(value, str) else ""


def _tags(card: Mapping[str, object]) -> set[str]:
    tags = card.get("tags")
    listed = tags if isinstance(tags, list) else [tags]
    return {text_of_cell(tag).casefold() for tag in [*listed, card.get("library_name")]}


def _axolotl(text: str) -> dict[str, object]:
    block = _BLOCK.search(text)
    if block is None:
        return {}
    try:
        documents = yaml_documents(block.group(1).encode())
    except RefusalError:
        # A card is for people; what cannot be read of the block says nothing.
        return {}
    given = documents[0] if documents and isinstance(documents[0], dict) else {}
    return {**settings_of(given), "software": "axolotl"}
