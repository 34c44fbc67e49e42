"""Read `runs.yaml`: which logs belong to which run, and what a person adds about each run.

    runs:
      support-bot-2026-10-02:
        logs: [hf/out-42, codecarbon/emissions.csv#5f0c1a]
        Server location: AWS US West (Oregon)
        tokens_padded: 48,123

A pattern is relative to the folder of the `runs.yaml`, or to the landing folder if it starts with
`/`. It names a file, a folder, or with `*` and `?` many files; `#` and a record number or run id
behind a file name a single record. Matching itself lives in `join.py`.
"""

from __future__ import annotations

import json
import posixpath
import re
from pathlib import PurePosixPath

from ft_emissions_pipeline.readers.documents import yaml_documents
from ft_emissions_pipeline.readers.labels import nearest, parsed
from ft_emissions_pipeline.readers.reading import (
    Content,
    Reading,
    RefusalError,
    Refused,
    Settings,
    reading_of_runs,
)
from ft_emissions_pipeline.readers.scrubbing import scrubbed

FORMAT = "run_mapping"
LOG = "`runs.yaml`"
TELLS = "which logs are of one run, and what somebody states of it"
LACKS = "everything else"
CONTENT: Content = "mapping"
PROGRESS = None
BASIS = {"*": "disclosed"}

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
    for run_id, entry in named.items():
        try:
            row, patterns = _run(str(run_id), entry, uri, settings.timezone)
        except RefusalError as error:
            raw = json.dumps({str(run_id): entry}, default=str, ensure_ascii=False)
            refused.append((str(run_id), error.code, str(error), raw))
        else:
            rows.append(row)
            pairs += [(str(run_id), pattern) for pattern in patterns]
    reading = reading_of_runs(rows, refused, CONTENT)
    return Reading(**{**vars(reading), "mapping": tuple(pairs)})


def _run(
    run_id: str, entry: object, uri: str, timezone: str
) -> tuple[dict[str, object], list[str]]:
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
    fields, unknown = parsed({k: v for k, v in entry.items() if k != "logs"}, timezone)
    if unknown:
        # The file is written for this pipeline alone, so an unknown key is a slip of the pen.
        msg = f"run {run_id!r} has {unknown[0]!r}, which is no field; {nearest(unknown[0])}"
        raise RefusalError(msg, "bad_value")
    row = {**fields, "run_id": run_id, "repairs": "", "source_record": run_id}
    return row, [_from_landing(pattern, uri) for pattern in patterns]


def _from_landing(pattern: str, uri: str) -> str:
    # Before the path is put in order, for that would take a URL apart in which secrets are known.
    pattern = scrubbed(pattern)
    if pattern.startswith("/"):
        return pattern.lstrip("/")
    path, mark, record = pattern.partition("#")
    return posixpath.normpath(PurePosixPath(uri).parent / path) + mark + record
