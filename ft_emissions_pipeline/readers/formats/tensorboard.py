"""Read TensorBoard event files: the scalars that a trainer logged, with the time of each.

A file is a row of TFRecords (length, its checksum, data, its checksum: TensorFlow's
`lib/io/record_writer.cc`), each an `Event` in Protocol Buffers (`core/util/event.proto`: 1 wall
time, 2 step, 5 summary; `core/framework/summary.proto`: 1 tag, 2 simple value, 8 tensor;
`tensor.proto`: 4 content, 5 floats, 8 strings). Only these fields are read, by a reader of our own.
The Trainer adds its arguments and the model's configuration as texts (`TensorBoardCallback` of
transformers' `integrations/integration_utils.py`). A folder is a run, unless it lies in that of a
trainer, to which it belongs. The file's name has the machine's
(`events.out.tfevents.<time>.<host>.<pid>.<n>`).
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator

import pandas as pd

from ft_emissions_pipeline.readers import repairs
from ft_emissions_pipeline.readers.cells import instant
from ft_emissions_pipeline.readers.documents import json_of
from ft_emissions_pipeline.readers.formats.hugging_face import run_folder
from ft_emissions_pipeline.readers.formats.model_config import fields_of
from ft_emissions_pipeline.readers.formats.training_args import software_of
from ft_emissions_pipeline.readers.reading import Reading, RefusalError, Settings, reading_of_runs
from ft_emissions_pipeline.readers.scrubbing import hashed_host
from ft_emissions_pipeline.readers.shared.protobuf import fields_in
from ft_emissions_pipeline.readers.shared.trainer_figures import figures_of
from ft_emissions_pipeline.readers.shared.training_settings import settings_of
from ft_emissions_pipeline.tables.words import Basis, Content

FORMAT = "tensorboard"
LOG = "TensorBoard event file of a trainer (`events.out.tfevents.*`)"
TELLS = "start and end of a run, its machine; the Trainer's figures, arguments and model"
LACKS = "hardware, energy, place, usage"
CONTENT: Content = "runs"
PROGRESS = "steps"
BASIS = {
    "*": Basis.DISCLOSED,
    **dict.fromkeys(
        ("started_at", "ended_at", "host", "active_s", "tokens_padded", "tokens_unpadded", "steps",
         "epochs"), Basis.MEASURED
    ),
    "reserved_s": Basis.PREDICTED,
    "train_flop": Basis.PREDICTED,
}  # fmt: skip

_FILE = re.compile(r"tfevents\.\d{10}\.(.+?)(?:\.\d+){1,2}(?:\.v2)?$")
_OF_OTHERS = re.compile(r"^(?:eval|test|predict|validation|val)[/_]", re.IGNORECASE)
_LONGEST = 1 << 26
"""Bytes of a record beyond which its length is no length."""


def recognises(name: str, head: bytes) -> bool:  # noqa: ARG001 (the content tells)
    """Say whether the content begins as every event file does: with a record of its version."""
    return b"brain.Event:" in head[:40]


def read(data: bytes, uri: str, settings: Settings) -> Reading:  # noqa: ARG001 (Unix times)
    """Read the events of one run."""
    logged: dict[str, float] = {}
    texts: dict[str, str] = {}
    times: list[float] = []
    last_step = 0
    for event in _records(data):
        at, step, values = _event(event)
        for tag, value in values:
            if isinstance(value, str):
                texts[tag] = value
            elif not _OF_OTHERS.match(tag):
                logged[tag] = value
                times.append(at)
                last_step = max(last_step, step)
    if not logged and not texts:
        msg = "holds no scalar of a training, evaluation alone or nothing; it can be left out"
        raise RefusalError(msg, "no_training")
    fields, open_points = figures_of({"global_step": float(last_step), **logged})
    known = [at for at in times if 1e9 < at < 1e10]
    arguments = _json(texts, "args/text_summary")
    host = _FILE.search(uri)
    row = {
        **fields_of(_json(texts, "model_config/text_summary")),
        **settings_of(arguments),
        "software": software_of(arguments) if arguments else None,
        **fields,
        "run_id": run_folder(uri),
        "host": hashed_host(host.group(1)) if host else None,
        "started_at": _moment(min(known)) if known else None,
        "ended_at": _moment(max(known)) if known else None,
        "repairs": repairs.joined(open_points),
        "source_record": "1",
    }
    return reading_of_runs([_coherent(row)], [])


def _coherent(row: dict[str, object]) -> dict[str, object]:
    """Move the start back to that of the training, which began before the first logged event."""
    started, ended, seconds = row["started_at"], row["ended_at"], row.get("reserved_s")
    if (
        isinstance(seconds, float)
        and isinstance(started, pd.Timestamp)
        and isinstance(ended, pd.Timestamp)
    ):
        begun = ended - pd.Timedelta(seconds=min(seconds, 3.2e8)).floor("us")
        return {**row, "started_at": min(started, begun)}
    return row


def _moment(seconds: float) -> pd.Timestamp | None:
    return instant(round(seconds, 6), "UTC", "wall_time")


def _json(texts: dict[str, str], tag: str) -> dict[str, object]:
    try:
        found = json_of(texts.get(tag, "null"))
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _records(data: bytes) -> Iterator[bytes]:
    """Yield the data of each record; a file that is still written to may end within one."""
    at = 0
    while at + 12 <= len(data):
        (length,) = struct.unpack_from("<Q", data, at)
        if length > _LONGEST or at + 16 + length > len(data):
            return
        yield data[at + 12 : at + 12 + length]
        at += 16 + length


def _event(message: bytes) -> tuple[float, int, list[tuple[str, float | str]]]:
    at, step = 0.0, 0
    values: list[tuple[str, float | str]] = []
    for number, value in fields_in(message):
        if number == 1 and isinstance(value, bytes) and len(value) == 8:
            (at,) = struct.unpack("<d", value)
        elif number == 2 and isinstance(value, int):
            step = value if value < 1 << 62 else 0
        elif number == 5 and isinstance(value, bytes):
            values += [found for n, part in fields_in(value) if n == 1 and (found := _value(part))]
    return at, step, values


def _value(part: int | bytes) -> tuple[str, float | str] | None:
    """Return tag and value of a summary: a number, or a text."""
    tag, value = "", None
    for number, content in fields_in(part) if isinstance(part, bytes) else ():
        if not isinstance(content, bytes):
            continue
        if number == 1:
            tag = content.decode("utf-8", errors="replace")
        elif number == 2 and len(content) == 4:
            (value,) = struct.unpack("<f", content)
        elif number == 8:
            value = _tensor(content)
    return (tag, value) if tag and value is not None else None


def _tensor(content: bytes) -> float | str | None:
    for number, value in fields_in(content):
        if isinstance(value, bytes) and number == 8:
            return value.decode("utf-8", errors="replace")
        if isinstance(value, bytes) and number in {4, 5} and len(value) == 4:
            return float(struct.unpack("<f", value)[0])
    return None
