"""Read the front matter of a Hugging Face model card that states the carbon of a training.

`co2_eq_emissions` is a bare number in grams, or a mapping with `emissions` in grams. The carbon is
somebody's result and no energy: it is kept beside ours for comparison, and what led to it (hardware,
place, hours, energy) is used. A `README.md` belongs to the run of its folder, like the Trainer's files.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import PurePosixPath

from ft_emissions_pipeline.calendar_days import SECONDS_PER_HOUR
from ft_emissions_pipeline.readers import repairs
from ft_emissions_pipeline.readers.documents import text_of, yaml_documents
from ft_emissions_pipeline.readers.formats.hugging_face import run_folder
from ft_emissions_pipeline.readers.reading import (
    Reading,
    RefusalError,
    Settings,
    number,
    reading_of_runs,
)
from ft_emissions_pipeline.tables.words import Basis, Content

FORMAT = "model_card"
LOG = "Hugging Face model card with `co2_eq_emissions`"
TELLS = (
    "carbon as stated, for comparison; hardware, place, base model, and hours and energy of some"
)
LACKS = "date, tokens, usage, and mostly time"
CONTENT: Content = "runs"
PROGRESS = None
BASIS = {"*": Basis.DISCLOSED}

_HEADER = re.compile(r"\A---[ \t]*\n(.*?)\n(?:---|\.\.\.)[ \t]*(?:\n|\Z)", re.DOTALL)
_AMOUNT = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)\s*([^\d\s].*)?")
_KILOGRAMS = {
    "": 1e-3, "g": 1e-3, "gram": 1e-3, "grams": 1e-3, "kg": 1.0, "kgs": 1.0, "kilogram": 1.0, "kilograms": 1.0,
    "t": 1e3, "ton": 1e3, "tons": 1e3, "tonne": 1e3, "tonnes": 1e3,
}  # fmt: skip
_LIKE_KILOGRAMS = 1.0
"""Grams below which a bare number may be one of kilograms, as CodeCarbon writes it: an accelerator
emits a gram within a minute."""
_METHODS = {
    "lora": "lora", "qlora": "qlora", "dpo": "dpo", "adapter": "adapter", "distillation": "distillation",
    "full fine-tuning": "full", "continued pre-training": "continued_pretraining",
    "continued pretraining": "continued_pretraining",
}  # fmt: skip
_FROM_SCRATCH = ("pre-training", "pretraining", "pre training")
_GPUS = re.compile(r"(\d{1,4})\s*[x×*]\s*(.+)|(\d{1,4})\s+((?=.*[A-Za-z][\w -]*\d)[A-Za-z].*)")  # noqa: RUF001
_CPU = re.compile(r"\bcpu\b|xeon|epyc|\bcore\b|ryzen", re.IGNORECASE)
_GPU = re.compile(r"gpu|nvidia|tesla|rtx|gtx|tpu|\b[avhtlp]\d{1,3}\b", re.IGNORECASE)


def recognises(name: str, head: bytes) -> bool:
    """Say whether the document is a card whose front matter states emissions."""
    return (
        name.endswith((".md", ".markdown"))
        and head.startswith(b"---")
        and re.search(rb"^co2_eq_emissions\s*:", head, re.MULTILINE) is not None
    )


def read(data: bytes, uri: str, settings: Settings) -> Reading:  # noqa: ARG001 (no dates in it)
    """Read the card of one model."""
    header = _HEADER.match(text_of(data))
    if header is None:
        msg = "the front matter does not end; close it with a line of ---"
        raise RefusalError(msg, "broken_yaml")
    documents = yaml_documents(header.group(1).encode())
    card = documents[0] if len(documents) == 1 else None
    if not isinstance(card, dict) or "co2_eq_emissions" not in card:
        msg = "the front matter states no co2_eq_emissions; state emissions in grams, or remove it"
        raise RefusalError(msg, "wrong_shape")
    stated, notes = _stated(card["co2_eq_emissions"])
    row = _run(card, stated, notes)
    path = PurePosixPath(uri)
    own = path.stem.casefold() != "readme"
    run_id = str(path.with_suffix("")) if own else run_folder(uri)
    return reading_of_runs([{**row, "run_id": run_id, "source_record": "1"}], [])


def _stated(value: object) -> tuple[Mapping[str, object], list[str]]:
    """Return the mapping of what is stated; a list, as some cards break it into, is put together."""
    if isinstance(value, dict):
        return value, []
    if not isinstance(value, list):
        return {"emissions": value}, []
    whole: dict[str, object] = {}
    for part in value:
        for name, each in (part if isinstance(part, dict) else {"emissions": part}).items():
            if name in whole:
                msg = f"co2_eq_emissions states {name} twice; write one mapping per card"
                raise RefusalError(msg, "duplicated_label")
            whole[name] = each
    return whole, ["emissions_list_joined"]


def _run(
    card: Mapping[str, object], stated: Mapping[str, object], notes: list[str]
) -> dict[str, object]:
    kilograms, word = _kilograms(stated.get("emissions"))
    method = _method(_text(stated.get("training_type")))
    gpu_model, gpu_count = _hardware(_text(stated.get("hardware_used")))
    base_model, several = _base_model(card.get("base_model"))
    energy = number(stated.get("energy_consumed"), "energy_consumed") or None
    hours = number(stated.get("hours_used"), "hours_used") or None
    more = {
        word: True,
        "several_base_models": several,
        "cpu_only": gpu_count == 0,
        # CodeCarbon's energy has the PUE in it that the card does not state.
        "pue_may_be_included": energy is not None,
    }
    return {
        "model_name": _model_name(card),
        "base_model": base_model,
        "method": method,
        "active_s": None if hours is None else hours * SECONDS_PER_HOUR,
        "gpu_model": gpu_model,
        "gpu_count": gpu_count,
        "location": _text(stated.get("geographical_location")) or None,
        "it_energy_kwh": energy,
        "disclosed_kgco2e": kilograms,
        "repairs": repairs.joined([*notes, *repairs.noted(more)]),
    }


def _kilograms(value: object) -> tuple[float | None, str]:
    """Return kilograms, and a word on what is open about their unit; nothing is rescaled by guess."""
    text = _text(value)
    if not text:
        return None, ""
    match = _AMOUNT.fullmatch(text)
    words = ((match[2] if match else "") or "").casefold().replace("₂", "2")
    unit = re.sub(r"(?:of)?co2(?:eq?|equivalents?)?$", "", re.sub(r"[\s.-]", "", words))
    factor = _KILOGRAMS.get(unit)
    amount = number(match[1], "emissions") if match else None
    if amount is None or factor is None or amount < 0:
        msg = f"emissions is {text[:40]!r}; write a number of grams, like 149200"
        raise RefusalError(msg, "bad_value")
    if unit:
        return amount * factor, "emissions_unit_stated"
    return amount * factor, "emissions_like_kg" if 0 < amount < _LIKE_KILOGRAMS else ""


def _method(training_type: str) -> str | None:
    word = training_type.casefold().replace("finetuning", "fine-tuning")
    if word in _FROM_SCRATCH:
        msg = f"training_type is {training_type!r}: a model made from nothing, no fine-tuning"
        raise RefusalError(msg, "not_a_fine_tuning")
    # "fine-tuning" says that weights changed, not how.
    return _METHODS.get(word.replace("_", " "))


def _hardware(words: str) -> tuple[str | None, float | None]:
    """Return accelerator and count of "4 x A100", "8 A100 GPUs", "1080 Ti" or a CPU's name."""
    if not words:
        return None, None
    if _CPU.search(words) and not _GPU.search(words):
        return None, 0.0
    text = re.sub(r"\s*\b(?:gpus?|cards?)\b\.?$", "", words, flags=re.IGNORECASE).strip() or words
    match = _GPUS.fullmatch(text)
    if match is None or _GPUS.search(match[2] or ""):
        return text, None
    return (match[2] or match[4]).strip(), float(match[1] or match[3])


def _base_model(value: object) -> tuple[str | None, bool]:
    models = [_text(each) for each in value] if isinstance(value, list) else [_text(value)]
    named = [model for model in models if model]
    return (named[0] if named else None), len(named) > 1


def _model_name(card: Mapping[str, object]) -> str | None:
    index = card.get("model-index")
    first = index[0] if isinstance(index, list) and index else None
    named = first.get("name") if isinstance(first, dict) else None
    return _text(card.get("model_name")) or _text(named) or None


def _text(value: object) -> str:
    return value.strip() if isinstance(value, str) else ""
