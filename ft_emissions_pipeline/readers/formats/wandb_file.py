"""Read a run's own file of Weights & Biases, `run-<id>.wandb`: all there is of one kept offline.

Behind a header of seven bytes (`:W&B`, a mark, a version) it is a log as LevelDB writes it (its
`doc/log_format.md`): blocks of 32 KiB with pieces of records, each with checksum, length and type.
A record is a `Record` of wandb's `proto/wandb_internal.proto`: 2 history, 3 summary, 5
configuration, 7 system metrics, 17 run, 26 environment (since 0.20; before, the metadata lie beside
the file). They say what the run's folder holds once it is synced, and are read as that is
(`wandb_run.py`, `wandb_metrics.py`). Names of user, program and repository are not read, nor what
the run printed. The file of a run that was killed ends within a record.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import replace

import pandas as pd

from ft_emissions_pipeline.readers.documents import json_of
from ft_emissions_pipeline.readers.formats import wandb_metrics, wandb_run
from ft_emissions_pipeline.readers.reading import Reading, RefusalError, Settings, reading_of_runs
from ft_emissions_pipeline.readers.shared.protobuf import fields_in
from ft_emissions_pipeline.readers.shared.run_folders import wandb_id
from ft_emissions_pipeline.tables.words import Content

FORMAT = "wandb_file"
LOG = "Weights & Biases' own file of a run, `run-<id>.wandb`, as one kept offline leaves it"
TELLS = (
    "start, end, time, machine and its accelerators; the Trainer's figures; settings, base model; "
    "measured energy, power and utilisation of each GPU"
)
LACKS = "place, usage; which of the machine's accelerators were used"
CONTENT: Content = "runs"
PROGRESS = None
BASIS = wandb_run.BASIS

MAGIC = b":W&B"
_BLOCK = 32768
_STARTS, _ENDS = (1, 2), (1, 4)
"""Types of a piece with which a record begins, and behind which it is whole."""

Said = dict[str, object]


def recognises(name: str, head: bytes) -> bool:  # noqa: ARG001 (the content tells)
    """Say whether the content is that of a run's own file."""
    return head.startswith(MAGIC)


def read(data: bytes, uri: str, settings: Settings) -> Reading:
    """Read the records of one run."""
    machine: Said = {}
    config: Said = {}
    logged: Said = {}
    last: Said = {}
    samples: list[Said] = []
    run_id = wandb_id(uri)
    for number, value in (field for record in _records(data) for field in fields_in(record)):
        if not isinstance(value, bytes):
            continue
        if number == 2:
            logged |= _items(value, 1)
        elif number == 3:
            last |= _items(value, 1)
        elif number == 5:
            config |= _items(value, 1)
        elif number == 7:
            sample = _items(value, 3)
            metrics = {k: v for k, v in sample.items() if wandb_metrics.COLUMN.match(k)}
            samples += [{**metrics, "_timestamp": _time(value, 2)}] if metrics else []
        elif number == 17:
            run_id = run_id or next(iter(_texts(value, 1)), None)
            machine |= {"host": next(iter(_texts(value, 13)), None), "startedAt": _time(value, 17)}
            config |= {k: v for part in _parts(value, 4) for k, v in _items(part, 1).items()}
        elif number == 26:
            machine |= _environment(value)
    if run_id is None or not machine:
        msg = "tells of no run; land the whole file, or what wandb sync makes of it"
        raise RefusalError(msg, "wrong_shape")
    settled = wandb_run.configuration_of({name: {"value": each} for name, each in config.items()})
    told = wandb_run.metadata_of(machine)
    for further in (settled, wandb_run.summary_of({**logged, **last})):
        told |= {name: each for name, each in further.items() if each is not None}
    row = {"repairs": "", **told, "run_id": run_id, "source_record": "1"}
    return _with_samples(row, samples, uri, settings)


def _with_samples(row: Said, samples: list[Said], uri: str, settings: Settings) -> Reading:
    run = reading_of_runs([row], [])
    if not samples:
        return run
    frame = pd.DataFrame(samples)
    measured = wandb_metrics.reading_of_cells(frame, [], uri, settings)
    owned = {"run_id": str(row["run_id"])} | ({"host": row["host"]} if row.get("host") else {})
    return replace(
        measured,
        runs=run.runs,
        records=measured.records + 1 - len(measured.runs),
        telemetry=measured.telemetry.assign(**owned).astype(dict.fromkeys(owned, "str")),
    )


def _records(data: bytes) -> Iterator[bytes]:
    """Yield each whole record; a piece whose length leads out of the file is the last."""
    at, record = 7, b""
    while at + 7 <= len(data):
        room = _BLOCK - at % _BLOCK
        if room < 7:
            at += room
            continue
        length, kind = struct.unpack_from("<HB", data, at + 4)
        if length > room - 7 or not 1 <= kind <= 4:
            return
        record = (b"" if kind in _STARTS else record) + data[at + 7 : at + 7 + length]
        at += 7 + length
        if kind in _ENDS and at <= len(data):
            yield record


def _parts(message: bytes, number: int) -> list[bytes]:
    found = (value for n, value in fields_in(message) if n == number)
    return [value for value in found if isinstance(value, bytes)]


def _texts(message: bytes, number: int) -> list[str]:
    return [part.decode("utf-8", errors="replace") for part in _parts(message, number)]


def _items(message: bytes, number: int) -> Said:
    """Return the values of items by name; of a nested one the whole of its outermost name."""
    found: Said = {}
    for item in _parts(message, number):
        path = _texts(item, 1) or _texts(item, 2)
        value = _value(item)
        for name in reversed(path[1:]):
            value = {name: value}
        if path:
            before = found.get(path[0])
            if isinstance(before, dict) and isinstance(value, dict):
                value = {**before, **value}
            found[path[0]] = value
    return found


def _value(item: bytes) -> object:
    """Return an item's value: JSON, or since 0.26 a number of its own type."""
    for number, value in fields_in(item):
        if number == 16 and isinstance(value, bytes):
            try:
                return json_of(value.decode("utf-8", errors="replace"))
            except ValueError:
                return None
        if number == 5 and isinstance(value, int):
            return (value >> 1) ^ -(value & 1)
        if number == 6 and isinstance(value, bytes) and len(value) == 8:
            return struct.unpack("<d", value)[0]
    return None


def _time(message: bytes, number: int) -> float | None:
    for stamp in _parts(message, number):
        whole = dict(fields_in(stamp))
        seconds, nanoseconds = whole.get(1), whole.get(2, 0)
        if isinstance(seconds, int) and isinstance(nanoseconds, int):
            return seconds + nanoseconds / 1e9
    return None


def _environment(message: bytes) -> Said:
    """Return what the record of the machine tells, under the names of `wandb-metadata.json`."""
    counts = [value for n, value in fields_in(message) if n == 19 and isinstance(value, int)]
    slurm = {
        key: value
        for entry in _parts(message, 27)
        for key, value in zip(_texts(entry, 1), _texts(entry, 2), strict=False)
    }
    told: Said = {
        "startedAt": _time(message, 3),
        "host": next(iter(_texts(message, 12)), None),
        "args": _texts(message, 5),
        "gpu": next(iter(_texts(message, 18)), None),
        "gpu_count": counts[0] if counts else None,
        "gpu_nvidia": [{"name": name} for gpu in _parts(message, 24) for name in _texts(gpu, 1)],
        "slurm": slurm,
    }
    return {name: value for name, value in told.items() if value}
