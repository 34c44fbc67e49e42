"""Read a Hugging Face model card that states carbon, energy or hours of a training.

`co2_eq_emissions` of the front matter is a bare number in grams, or a mapping with `emissions` in
grams. The section "Environmental Impact" lists hardware, hours, provider, region and carbon with
its unit; where both state a thing, the front matter counts. The carbon is somebody's result and no
energy: it is kept beside ours for comparison, and what led to it is used. A `README.md` belongs to
the run of its folder, like the Trainer's files.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import PurePosixPath

from ft_emissions_pipeline.calendar_days import SECONDS_PER_HOUR
from ft_emissions_pipeline.readers import repairs
from ft_emissions_pipeline.readers.cells import number
from ft_emissions_pipeline.readers.documents import text_of
from ft_emissions_pipeline.readers.formats.hugging_face import run_folder
from ft_emissions_pipeline.readers.reading import Reading, RefusalError, Settings, reading_of_runs
from ft_emissions_pipeline.readers.scrubbing import shown
from ft_emissions_pipeline.readers.shared import hardware_words
from ft_emissions_pipeline.readers.shared.cards import (
    IMPACT,
    configuration_of,
    front_matter,
    impact_of,
    text_of_cell,
)
from ft_emissions_pipeline.readers.shared.labels import GPU_COUNT_BY_HOURS, fewest_gpus
from ft_emissions_pipeline.readers.shared.training_settings import positive
from ft_emissions_pipeline.tables.words import Basis, Content

FORMAT = "model_card"
LOG = (
    "Hugging Face model card with `co2_eq_emissions`, or hours, energy or carbon in its list of "
    "environmental impact"
)
TELLS = (
    "carbon as stated, for comparison; hardware, place, base model, and hours and energy of some"
)
LACKS = "date, tokens, usage, and mostly time"
CONTENT: Content = "runs"
PROGRESS = None
BASIS = {"*": Basis.DISCLOSED}

_AMOUNT = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)\s*([^\d\s].*)?")
_KILOGRAMS = {
    "": 1e-3, "g": 1e-3, "gram": 1e-3, "grams": 1e-3, "kg": 1.0, "kgs": 1.0, "kilogram": 1.0,
    "kilograms": 1.0, "t": 1e3, "ton": 1e3, "tons": 1e3, "tonne": 1e3, "tonnes": 1e3,
}  # fmt: skip
_LIKE_KILOGRAMS = 1.0
"""Grams below which a bare number may be one of kilograms, as CodeCarbon writes it: an accelerator
emits a gram within a minute."""
_CARBON = {unit: factor for unit, factor in _KILOGRAMS.items() if unit}
_KILOWATT_HOURS = {"wh": 1e-3, "kwh": 1.0, "mwh": 1e3}
_SECONDS = {
    **dict.fromkeys(("s", "sec", "seconds"), 1.0),
    **dict.fromkeys(("m", "min", "mins", "minute", "minutes"), 60.0),
    **dict.fromkeys(("h", "hr", "hrs", "hour", "hours"), 3600.0),
    **dict.fromkeys(("d", "day", "days"), 86400.0),
}
_WITH_UNIT = re.compile(r"~?\s*(\d[\d,]*(?:\.\d+)?)\s*([A-Za-z₂.-][\w₂.-]*)")
_PROVIDERS = {
    "aws": "aws", "amazon": "aws", "gcp": "gcp", "google": "gcp", "azure": "azure",
    "microsoft": "azure",
}  # fmt: skip
_METHODS = {
    "lora": "lora", "qlora": "qlora", "dpo": "dpo", "adapter": "adapter",
    "distillation": "distillation", "full fine-tuning": "full",
    "continued pre-training": "continued_pretraining",
    "continued pretraining": "continued_pretraining",
}  # fmt: skip
_FROM_SCRATCH = ("pre-training", "pretraining", "pre training")


def recognises(name: str, head: bytes) -> bool:
    """Say whether the document is a card that states emissions, energy or hours of a training."""
    if not name.endswith((".md", ".markdown")):
        return False
    if head.startswith(b"---") and re.search(rb"^co2_eq_emissions\s*:", head, re.MULTILINE):
        return True
    listed = impact_of(text_of(head))
    # One label alone may be of anything; the hub's template asks for hardware beside it.
    return bool(IMPACT & set(listed)) and ("hardware" in listed or b"nvironmental" in head)


def read(data: bytes, uri: str, settings: Settings) -> Reading:  # noqa: ARG001 (no dates in it)
    """Read the card of one model."""
    words = text_of(data)
    card, listed = front_matter(words), impact_of(words)
    if "co2_eq_emissions" not in card and not IMPACT & set(listed):
        msg = "states no co2_eq_emissions; state emissions in grams, or remove it"
        raise RefusalError(msg, "wrong_shape")
    stated, notes = _stated(card.get("co2_eq_emissions", {}))
    row = _run(card, stated, notes, listed, configuration_of(card, words))
    path = PurePosixPath(uri)
    own = path.stem.casefold() != "readme"
    run_id = str(path.with_suffix("")) if own else run_folder(uri)
    return reading_of_runs([{**row, "run_id": run_id, "source_record": "1"}], [])


def _stated(value: object) -> tuple[Mapping[str, object], list[str]]:
    """Return what is stated as one mapping; some cards break it into a list."""
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
    card: Mapping[str, object],
    stated: Mapping[str, object],
    notes: list[str],
    listed: Mapping[str, str],
    training: Mapping[str, object],
) -> dict[str, object]:
    kilograms, word = _kilograms(stated.get("emissions"))
    method = _method(text_of_cell(stated.get("training_type")))
    hardware = {
        **dict.fromkeys(("gpu_model", "gpu_count", "cpu_model", "instance_type")),
        **hardware_words.told_by(listed.get("hardware", "")),
        **hardware_words.told_by(text_of_cell(stated.get("hardware_used"))),
    }
    energy = number(stated.get("energy_consumed"), "energy_consumed") or None
    hours = number(stated.get("hours_used"), "hours_used") or None
    count, gpu_hours = hardware.get("gpu_count"), _gpu_hours(listed)
    if count is None and gpu_hours:
        hardware["gpu_count"] = count = fewest_gpus(gpu_hours)
        notes = [*notes, GPU_COUNT_BY_HOURS]
    energy = energy or _amount(listed.get("energy"), _KILOWATT_HOURS)
    more = {
        word: True,
        "several_base_models": training["repairs"] == "several_base_models",
        "cpu_only": count == 0,
        # CodeCarbon's energy has the PUE in it that the card does not state.
        "pue_may_be_included": energy is not None,
    }
    place = text_of_cell(stated.get("geographical_location"))
    return {
        **training,
        "model_name": _model_name(card),
        "method": method or training["method"],
        "active_s": _seconds(listed, count) if hours is None else hours * SECONDS_PER_HOUR,
        **hardware,
        "location": place or None,
        **({} if place else _place(listed)),
        "it_energy_kwh": energy,
        "disclosed_kgco2e": _carbon(listed) if kilograms is None else kilograms,
        "repairs": repairs.joined([*notes, *repairs.noted(more)]),
    }


def _seconds(listed: Mapping[str, str], gpus: float | None) -> float | None:
    """Return the time of a list: bare numbers only where the label says hours."""
    hours = re.fullmatch(r"~?\s*(\d+(?:\.\d+)?)(?:\s*(?:h|hrs?|hours?))?", listed.get("hours", ""))
    if hours:
        return float(hours.group(1)) * 3600
    time = _amount(listed.get("hours"), _SECONDS) or _amount(listed.get("duration"), _SECONDS)
    shared = _gpu_hours(listed)
    return time or (shared * SECONDS_PER_HOUR / gpus if shared and gpus else None)


def _gpu_hours(listed: Mapping[str, str]) -> float | None:
    return positive((listed.get("gpu_hours") or "").replace(",", ""))


def _carbon(listed: Mapping[str, str]) -> float | None:
    grams = positive(listed.get("grams"))
    return grams / 1000 if grams else _amount(listed.get("carbon"), _CARBON)


def _amount(words: str | None, units: Mapping[str, float]) -> float | None:
    """Return the amount at the start of a text in the unit behind it, None without a known unit."""
    found = _WITH_UNIT.match(words or "")
    if found is None:
        return None
    unit = found.group(2).casefold().replace("₂", "2")
    unit = re.sub(r"[\s.-]*(?:of)?[\s.-]*co[\s-]?2.*$", "", unit)
    value = positive(found.group(1).replace(",", ""))
    return value * units[unit] if value and unit in units else None


def _place(listed: Mapping[str, str]) -> dict[str, object]:
    """Return provider and region; a region that no provider names is a place in words."""
    provider = " ".join(listed.get("provider", "").casefold().split())
    known = next((name for word, name in _PROVIDERS.items() if word in provider), None)
    region = listed.get("region", "")
    if known and re.fullmatch(r"[a-z0-9-]+", region.casefold()):
        return {"cloud_provider": known, "cloud_region": region.casefold()}
    return {"cloud_provider": known, "location": region or None}


def _kilograms(value: object) -> tuple[float | None, str]:
    """Return kilograms, and a note if their unit is in doubt; no guess rescales them."""
    text = text_of_cell(value)
    if not text:
        return None, ""
    match = _AMOUNT.fullmatch(text)
    words = ((match[2] if match else "") or "").casefold().replace("₂", "2")
    unit = re.sub(r"(?:of)?co2(?:eq?|equivalents?)?$", "", re.sub(r"[\s.-]", "", words))
    factor = _KILOGRAMS.get(unit)
    amount = number(match[1], "emissions") if match else None
    if amount is None or factor is None or amount < 0:
        msg = f"emissions is {shown(text)}; write a number of grams, like 149200"
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


def _model_name(card: Mapping[str, object]) -> str | None:
    index = card.get("model-index")
    first = index[0] if isinstance(index, list) and index else None
    named = first.get("name") if isinstance(first, dict) else None
    return text_of_cell(card.get("model_name")) or text_of_cell(named) or None
