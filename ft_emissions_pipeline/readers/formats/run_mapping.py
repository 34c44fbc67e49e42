"""Read `runs.yaml`: which logs belong to which run, and what a person adds about each run.

    runs:
      support-bot-2026-10-02:
        logs: [hf/out-42, codecarbon/emissions.csv#5f0c1a]
        Server location: AWS US West (Oregon)
        tokens_padded: 48,123
      support-bot-2026-10-03:
        token_lengths: lengths.csv
        batches: in order
        per-device batch size: 8

A pattern is relative to the folder of the `runs.yaml`, or to the landing folder if it starts with
`/`. It names a file, a folder, or with `*` and `?` many files; `#` and a record number or run id
behind a file name a single record. `token_lengths` names a file likewise, or holds the lengths;
`batches` says whether the examples were taken in their order, or shuffled as usual. Matching itself
lives in `join.py`.
"""

from __future__ import annotations

import json
import posixpath
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import PurePosixPath

from ft_emissions_pipeline.readers.documents import yaml_documents
from ft_emissions_pipeline.readers.formats.token_lengths import as_field, lengths_of
from ft_emissions_pipeline.readers.reading import (
    NamedLengths,
    Reading,
    RefusalError,
    Refused,
    Settings,
    reading_of_runs,
)
from ft_emissions_pipeline.readers.scrubbing import scrubbed, shown
from ft_emissions_pipeline.readers.shared.labels import GPU_HOURS, nearest, parsed
from ft_emissions_pipeline.tables.words import Basis, Content

FORMAT = "run_mapping"
LOG = "`runs.yaml`"
TELLS = "which logs are of one run, and what somebody states of it"
LACKS = "everything else"
CONTENT: Content = "mapping"
PROGRESS = None
BASIS = {"*": Basis.DISCLOSED}

_RUNS = re.compile(rb"^[\"']?runs[\"']?\s*:", re.MULTILINE)
_A_LIST = re.compile(rb"^[\"']?runs[\"']?\s*:[ \t]*(?:#.*)?\n(?:\s*(?:#.*)?\n)*\s*-", re.MULTILINE)


def recognises(name: str, head: bytes) -> bool:
    """Say whether the YAML file has runs by id, rather than a list of disclosures."""
    return (
        name.endswith((".yaml", ".yml")) and bool(_RUNS.search(head)) and not _A_LIST.search(head)
    )


def read(data: bytes, uri: str, settings: Settings) -> Reading:
    """Read `runs.yaml`: a row of disclosed fields per run, and the patterns of its logs."""
    documents = yaml_documents(data)
    named = (
        documents[0].get("runs") if len(documents) == 1 and isinstance(documents[0], dict) else None
    )
    if not isinstance(named, dict):
        msg = "must be one document of the form runs: {<run id>: {logs: [...], ...}}"
        raise RefusalError(msg, "wrong_shape")
    rows: list[dict[str, object]] = []
    refused: list[Refused] = []
    pairs: list[tuple[str, str]] = []
    lengths: list[NamedLengths] = []
    for run_id, entry in named.items():
        try:
            row, patterns, named = _run(str(run_id), entry, uri, settings.timezone)
        except RefusalError as error:
            raw = json.dumps({str(run_id): entry}, default=str, ensure_ascii=False)
            refused.append((str(run_id), error.code, str(error), raw))
        else:
            rows.append(row)
            pairs += [(str(run_id), pattern) for pattern in patterns]
            lengths += named
    reading = reading_of_runs(rows, refused, CONTENT)
    return replace(reading, mapping=tuple(pairs), named_lengths=tuple(lengths))


def _run(
    run_id: str, entry: object, uri: str, timezone: str
) -> tuple[dict[str, object], list[str], list[NamedLengths]]:
    if not isinstance(entry, dict):
        msg = f"run {run_id!r} must be a mapping with logs and fields"
        raise RefusalError(msg, "wrong_shape")
    logs = entry.get("logs") or []
    patterns = [logs] if isinstance(logs, str) else logs
    if not isinstance(patterns, list) or not all(isinstance(pattern, str) for pattern in patterns):
        msg = (
            f"logs of run {run_id!r} must be a list of files, like [out-42/*, emissions.csv#5f0c1a]"
        )
        raise RefusalError(msg, "wrong_shape")
    file, stated = entry.get("token_lengths"), dict(entry)
    for key in ("logs", "batches", *(["token_lengths"] if isinstance(file, str) else [])):
        stated.pop(key, None)
    fields, unknown = parsed(stated, timezone)
    if unknown:
        # The file is written for this pipeline alone, so an unknown key is a slip of the pen.
        msg = f"run {run_id!r} has {unknown[0]!r}, which is no field; {nearest(unknown[0])}"
        raise RefusalError(msg, "bad_value")
    if GPU_HOURS in fields:
        msg = (
            f"GPU hours of run {run_id!r} are given without the number of GPUs; add Number of GPUs"
        )
        raise RefusalError(msg, "gpu_count_needed")
    row = {**fields, "run_id": run_id, "repairs": "", "source_record": run_id}
    size = _size_in_order(run_id, entry.get("batches", "shuffled"), fields)
    named = []
    if isinstance(file, str):
        named = [NamedLengths(run_id, _from_landing(file, uri), size)]
    elif file is not None and size is not None:
        row["token_lengths"] = as_field(lengths_of(file), size)
    return row, [_from_landing(pattern, uri) for pattern in patterns], named


def _size_in_order(run_id: str, batches: object, fields: Mapping[str, object]) -> int | None:
    """Return the size of batches cut from the examples in order; None if they were shuffled."""
    if batches == "shuffled":
        return None
    size = fields.get("micro_batch_size")
    if batches != "in order" or not isinstance(size, float) or size < 1 or size % 1:
        msg = (
            f"batches of run {run_id!r} is {shown(batches)}; write shuffled, or in order with a "
            "per-device batch size of at least 1 beside it, "
            "or name a JSON file with a list of batches as token_lengths"
        )
        raise RefusalError(msg, "bad_value")
    return int(size)


def _from_landing(pattern: str, uri: str) -> str:
    # Before the path is put in order, for that would take a URL apart in which secrets are known.
    pattern = scrubbed(pattern)
    if pattern.startswith("/"):
        return pattern.lstrip("/")
    path, mark, record = pattern.partition("#")
    return posixpath.normpath(PurePosixPath(uri).parent / path) + mark + record
