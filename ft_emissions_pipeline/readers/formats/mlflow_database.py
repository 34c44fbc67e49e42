"""Read MLflow's database, `mlflow.db`: what its file store held before, in SQLite.

Since 3.7 runs are kept so where no server is named. Tables and columns as in mlflow's
`store/tracking/dbmodels/models.py`: `runs` (run_uuid, status, start_time, end_time,
lifecycle_stage), `params` and `metrics` (key, value, run_uuid, timestamp), `latest_metrics`. They
are read as the files are (`mlflow_run.py`, `mlflow_metrics.py`); deleted runs are none. Tags and
users are not read. The database is opened in memory, and nothing that it would run is asked for.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterable
from contextlib import closing
from dataclasses import replace

import pandas as pd

from ft_emissions_pipeline.readers import repairs
from ft_emissions_pipeline.readers.formats import mlflow_metrics, mlflow_run
from ft_emissions_pipeline.readers.reading import (
    TELEMETRY_COLUMNS,
    Reading,
    RefusalError,
    Refused,
    Settings,
    read_each,
    reading_of_runs,
    typed,
)
from ft_emissions_pipeline.readers.shared.trainer_figures import figures_of
from ft_emissions_pipeline.tables import TELEMETRY
from ft_emissions_pipeline.tables.words import Content

FORMAT = "mlflow_database"
LOG = "MLflow's database `mlflow.db` (SQLite)"
TELLS = (
    "start and end of runs; the Trainer's figures; settings, base model; measured power and "
    "utilisation of each GPU"
)
LACKS = "energy, place, usage; hardware, unless system metrics were logged"
CONTENT: Content = "runs"
PROGRESS = None
BASIS = mlflow_run.BASIS

MAGIC = b"SQLite format 3\0"
_NAME = re.compile(r"ml(?:flow|runs)[^/]*\.(?:db|sqlite3?)$")
_TABLES = {"runs", "params", "metrics", "latest_metrics"}
_RUNS = (
    "SELECT run_uuid AS run_id, status, start_time, end_time FROM runs "
    "WHERE lifecycle_stage = 'active' ORDER BY start_time, run_uuid"
)
_SAMPLES = (
    "SELECT key, value, timestamp, run_uuid AS run_id FROM metrics "
    "WHERE key LIKE 'system/%gpu_%' AND is_nan = 0 ORDER BY run_uuid, timestamp, key"
)


def recognises(name: str, head: bytes) -> bool:
    """Say whether the content is a database, and the name MLflow's or its tables in sight."""
    named = _NAME.search(name) is not None or b"latest_metrics" in head
    return named and head.startswith(MAGIC)


def read(data: bytes, uri: str, settings: Settings) -> Reading:
    """Read every run of a database."""
    try:
        with closing(_opened(data)) as database:
            given = _said(database, "params")
            logged = _said(database, "latest_metrics")
            rows, refused = _runs(database.execute(_RUNS), given, logged)
            samples = pd.DataFrame(map(dict, database.execute(_SAMPLES)))
    except sqlite3.Error as error:
        msg = f"no whole database: {error}; copy it again while nothing writes to it"
        raise RefusalError(msg, "wrong_shape") from error
    reading = reading_of_runs(rows, refused)
    for row in rows:
        of_run = samples[samples["run_id"] == row["run_id"]] if len(samples) else samples
        if of_run.empty:
            continue
        measured = mlflow_metrics.reading_of_cells(of_run, [], uri, settings)
        told = measured.telemetry.assign(source_record=row["source_record"])
        reading = replace(
            measured,
            runs=reading.runs,
            quarantine=pd.concat([reading.quarantine, measured.quarantine], ignore_index=True),
            records=reading.records + measured.records - len(measured.runs),
            merged=reading.merged + measured.merged,
            telemetry=pd.concat(
                [reading.telemetry, typed(told, TELEMETRY, TELEMETRY_COLUMNS)], ignore_index=True
            ),
        )
    return reading


def _opened(data: bytes) -> sqlite3.Connection:
    database = sqlite3.connect(":memory:")
    # In memory there is no log to write ahead; what stands in the file is whole without it.
    database.deserialize(data[:18] + b"\1\1" + data[20:])
    database.text_factory = lambda text: text.decode("utf-8", errors="replace")
    database.row_factory = sqlite3.Row
    database.execute("PRAGMA trusted_schema = OFF")
    tables = {row[0] for row in database.execute(
        "SELECT name FROM sqlite_schema WHERE type = 'table'"
    )}  # fmt: skip
    if not tables >= _TABLES:
        msg = f"lacks {', '.join(sorted(_TABLES - tables))}: no tracking database of MLflow"
        raise RefusalError(msg, "wrong_shape")
    return database


def _said(database: sqlite3.Connection, table: str) -> dict[object, dict[str, object]]:
    """Return run -> name -> value of its parameters, or of the last of each of its metrics."""
    found: dict[object, dict[str, object]] = {}
    for run_id, name, value in database.execute(f"SELECT run_uuid, key, value FROM {table}"):
        found.setdefault(run_id, {})[str(name)] = value
    return found


def _runs(
    listed: Iterable[sqlite3.Row],
    given: dict[object, dict[str, object]],
    logged: dict[object, dict[str, object]],
) -> tuple[list[dict[str, object]], list[Refused]]:
    def row(run: sqlite3.Row) -> dict[str, object]:
        told = mlflow_run.run_of(dict(run))
        figures, open_points = figures_of(logged.get(run["run_id"], {}))
        return {
            **mlflow_run.parameters_of(given.get(run["run_id"], {})),
            **told,
            **figures,
            "repairs": repairs.joined([str(told["repairs"]), *open_points]),
        }

    rows, refused = read_each(((str(n), run) for n, run in enumerate(listed, 1)), row)
    return [{**told, "source_record": place} for place, told in rows], refused
