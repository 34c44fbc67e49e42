"""Read a run's folder in MLflow's file store: `meta.yaml`, a file per parameter, metric and tag.

`mlruns/<experiment>/<run>/meta.yaml` has start and end in Unix milliseconds and the status as a
number (`RunInfo` of mlflow's `entities/run_info.py`, `RunStatus` of `protos/service.proto`: 3
finished, 4 failed, 5 killed); `params/<name>` holds a bare value; `metrics/<name>` lines of
`timestamp value step`. All are of the run in whose folder they lie, and so are those that say
nothing here. System metrics are telemetry (`mlflow_metrics.py`); tags name people and are not read.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from ft_emissions_pipeline.readers import repairs
from ft_emissions_pipeline.readers.cells import instant, number
from ft_emissions_pipeline.readers.documents import document_of, text_of
from ft_emissions_pipeline.readers.formats.model_config import fields_of
from ft_emissions_pipeline.readers.reading import Reading, RefusalError, Settings, reading_of_runs
from ft_emissions_pipeline.readers.shared.run_folders import MLFLOW
from ft_emissions_pipeline.readers.shared.service_jobs import span
from ft_emissions_pipeline.readers.shared.trainer_figures import figures_of
from ft_emissions_pipeline.readers.shared.training_settings import settings_of
from ft_emissions_pipeline.tables.words import Basis, Content

FORMAT = "mlflow_run"
LOG = "MLflow run folder: `mlruns/<experiment>/<run>/` with `meta.yaml`, `params`, `metrics`"
TELLS = "start and end of a run; the Trainer's figures; settings, base model"
LACKS = "energy, place, usage; hardware, unless system metrics were logged"
CONTENT: Content = "runs"
PROGRESS = None
BASIS = {
    "*": Basis.DISCLOSED,
    **dict.fromkeys(
        ("started_at", "ended_at", "active_s", "tokens_padded", "tokens_unpadded", "steps",
         "epochs"), Basis.MEASURED
    ),
    # The run is logged while it goes on, not while the machine is reserved.
    "reserved_s": Basis.PREDICTED,
    "train_flop": Basis.PREDICTED,
}  # fmt: skip

_FAILED = dict.fromkeys(("4", "5", "FAILED", "KILLED"), "ended_early")
_PART = re.compile(r"/(params|metrics|tags)/(.+)$")


def recognises(name: str, head: bytes) -> bool:
    """Say whether the path lies in a run's folder, or the content is that of its `meta.yaml`."""
    if MLFLOW.search(name):
        return True
    meta = (b"artifact_uri:", b"lifecycle_stage:"), (b"artifact_location:", b"experiment_id:")
    return name.endswith("meta.yaml") and any(all(mark in head for mark in marks) for marks in meta)


def read(data: bytes, uri: str, settings: Settings) -> Reading:  # noqa: ARG001 (Unix times)
    """Read one file of a run's folder; that of an experiment says nothing of a run."""
    folder, part = MLFLOW.search(uri), _PART.search(uri)
    if folder is not None and part is not None:
        row: dict[str, object] = {
            "run_id": folder.group(1),
            **_part(part.group(1), part.group(2), data),
        }
    else:
        otherwise = "no mapping as MLflow writes it; save the file as it was"
        meta = document_of(data, "meta.yaml", otherwise)
        if "artifact_location" in meta and "artifact_uri" not in meta:
            return Reading(CONTENT, records=1, merged=1)
        row = run_of(meta)
    return reading_of_runs([{"repairs": "", **row, "source_record": "1"}], [])


def run_of(meta: Mapping[str, object]) -> dict[str, object]:
    """Return id, start, end and fate of a run, which `meta.yaml` and the database name alike."""
    run_id = meta.get("run_id") or meta.get("run_uuid")
    if not isinstance(run_id, str) or not run_id:
        msg = "names no run_id; save the file as MLflow wrote it"
        raise RefusalError(msg, "wrong_shape")
    started, ended = (_moment(meta.get(name), name) for name in ("start_time", "end_time"))
    times = span(started, ended)
    # A run that ended within its start's millisecond was only set up.
    known = {name: value for name, value in times.items() if name != "reserved_s" or value}
    return {"run_id": run_id, **known, "repairs": _FAILED.get(str(meta.get("status")), "")}


def _moment(value: object, name: str) -> object:
    text = None if value in (None, "null", "None", "~") else value
    milliseconds = number(text, name)
    return None if milliseconds is None else instant(milliseconds / 1e3, "UTC", name)


def _part(kind: str, name: str, data: bytes) -> dict[str, object]:
    text = text_of(data).strip()
    if kind == "params":
        return parameters_of({name: text})
    if kind == "metrics":
        lines = [cells for line in text.split("\n") if len(cells := line.split()) in {2, 3}]
        last = lines[-1][1] if lines else None
        fields, open_points = figures_of({name: last})
        return {**fields, "repairs": repairs.joined(open_points)}
    return {}


def parameters_of(given: Mapping[str, object]) -> dict[str, object]:
    """Return what parameters of a run tell."""
    # Its callback writes all arguments of the Trainer; this one is named so by no other tool.
    by_trainer = {"software": "hf_trainer"} if "per_device_train_batch_size" in given else {}
    return {**fields_of(given), **settings_of(given), **by_trainer}
