"""Read `models.yaml`: what happened to models besides tuning, and how to share their footprint.

    models:
      support-bot:
        team: support
        hand_on: unused
        aliases: {v5: support-bot-05}
        events:
          - {at: 2026-01-09T08:00:00Z, rolled_back_to: support-bot-05}
          - {at: 2026-02-01, renamed_to: assistant}
          - {at: 2026-03-01, retired: everything}

A model's own keys hold for all its time. An alias is a label by which usage or an event may name a
version, and the id of the run that made it. An event has an instant, and one thing that happened;
what was retired is a version, or `everything`. A date alone is its midnight.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

import pandas as pd

from ft_emissions_pipeline.readers.cells import instant, number
from ft_emissions_pipeline.readers.documents import yaml_documents
from ft_emissions_pipeline.readers.reading import (
    EVENT_COLUMNS,
    Reading,
    RefusalError,
    Refused,
    Settings,
    quarantine_rows,
    typed,
)
from ft_emissions_pipeline.tables import MODEL_EVENTS
from ft_emissions_pipeline.tables.words import Basis, Content, Event

FORMAT = "model_events"
LOG = "`models.yaml`"
TELLS = (
    "roll-backs, retirements and new names of models; labels of versions; team; "
    "how the footprint is to be shared"
)
LACKS = "everything about the fine-tuning"
CONTENT: Content = "events"
PROGRESS = None
BASIS = {"*": Basis.DISCLOSED}

_MODELS = re.compile(rb"^[\"']?models[\"']?\s*:", re.MULTILINE)
_WORDS = ("method", "hand_on", "team", "tag")
_NUMBERS = ("base_model_kgco2e", "base_model_water_l", "base_model_inferences")
_HAPPENED = {
    "retired": (Event.RETIRED, "model_version"),
    "rolled_back_to": (Event.ROLLED_BACK, "model_version"),
    "renamed_to": (Event.RENAMED, "new_name"),
}
"""Key of an event -> its name in the table, and the column that takes what the key says."""
_EVERYTHING = "everything"


def recognises(name: str, head: bytes) -> bool:
    """Say whether the YAML file has models by name."""
    return name.endswith((".yaml", ".yml")) and bool(_MODELS.search(head))


def read(data: bytes, uri: str, settings: Settings) -> Reading:  # noqa: ARG001 (rows name themselves)
    """Read `models.yaml`: a row per event, and one of choices per model that makes any."""
    documents = yaml_documents(data)
    named = (
        documents[0].get("models")
        if len(documents) == 1 and isinstance(documents[0], dict)
        else None
    )
    if not isinstance(named, dict):
        msg = "must be one document of the form models: {<model name>: {events: [...], ...}}"
        raise RefusalError(msg, "wrong_shape")
    rows: list[dict[str, object]] = []
    refused: list[Refused] = []
    for model, entry in named.items():
        for record, part in _parts(str(model), entry):
            try:
                rows.append({**_row(part, settings), "model_name": model, "source_record": record})
            except RefusalError as error:
                raw = json.dumps(part, default=str, ensure_ascii=False)
                refused.append((record, error.code, f"{record}: {error}", raw))
    frame = pd.DataFrame(rows, columns=list(EVENT_COLUMNS))
    return Reading(
        CONTENT,
        quarantine=quarantine_rows(refused),
        records=len(rows) + len(refused),
        events=typed(frame, MODEL_EVENTS, EVENT_COLUMNS),
    )


def _parts(model: str, entry: object) -> list[tuple[str, object]]:
    """Return the records of a model: its choices, and each event, with their places."""
    if not isinstance(entry, dict):
        return [(model, entry)]
    events = entry.get("events") or []
    listed = events if isinstance(events, list) else [events]
    choices = {key: value for key, value in entry.items() if key not in ("events", "aliases")}
    own: list[tuple[str, object]] = [(model, choices)] if choices else []
    own += [
        (f"{model}/aliases/{label}", {"alias": str(label), "of": version})
        for label, version in _aliases(entry).items()
    ]
    return own + [
        (f"{model}/events/{place}", {"event": event}) for place, event in enumerate(listed, start=1)
    ]


def _aliases(entry: Mapping[object, object]) -> Mapping[object, object]:
    """Return run ids by label; what is no mapping becomes one record, which is then refused."""
    aliases = entry.get("aliases") or {}
    return aliases if isinstance(aliases, dict) else {"": aliases}


def _row(part: object, settings: Settings) -> dict[str, object]:
    if not isinstance(part, dict):
        msg = "must be a mapping of choices and events"
        raise RefusalError(msg, "wrong_shape")
    if "event" in part:
        return _event(part["event"], settings)
    if "alias" in part:
        return _alias(part)
    unknown = [key for key in part if key not in (*_WORDS, *_NUMBERS)]
    if unknown:
        known = ", ".join((*_WORDS, *_NUMBERS, "aliases", "events"))
        msg = f"{unknown[0]!r} is no choice for a model; there are {known}"
        raise RefusalError(msg, "bad_value")
    words = {key: _text(part, key) for key in _WORDS}
    return {
        "event": Event.DECLARED,
        **words,
        **{key: number(part.get(key), key) for key in _NUMBERS},
    }


def _alias(part: Mapping[object, object]) -> dict[str, object]:
    label, version = part["alias"], part["of"]
    if not label or not version or not isinstance(version, str):
        msg = "aliases are {<label>: <id of the run that made the version>, ...}"
        raise RefusalError(msg, "wrong_shape")
    return {"event": Event.LABELLED, "new_name": label, "model_version": version}


def _event(event: object, settings: Settings) -> dict[str, object]:
    happened = [key for key in event if key in _HAPPENED] if isinstance(event, dict) else []
    if not isinstance(event, dict) or len(happened) != 1 or set(event) - {"at", *happened}:
        msg = f"an event is {{at: <instant>, <one of {', '.join(_HAPPENED)}>: ...}}"
        raise RefusalError(msg, "wrong_shape")
    name, column = _HAPPENED[happened[0]]
    what = _text(event, happened[0])
    return {
        "event": name,
        "at": instant(event.get("at"), settings.timezone, "at"),
        column: None if (name, what) == (Event.RETIRED, _EVERYTHING) else what,
    }


def _text(part: Mapping[object, object], key: str) -> str | None:
    value = part.get(key)
    if value is not None and not isinstance(value, str):
        msg = f"{key} must be one word or name"
        raise RefusalError(msg, "wrong_shape")
    return value or None
