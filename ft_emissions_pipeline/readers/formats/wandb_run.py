"""Read a run's folder of Weights & Biases: `wandb-metadata.json`, its summary, `config.yaml`.

The folder's name holds the run's id, which its files share (`run-<day>_<time>-<id>/files/`);
`output.log` beside them is read as a console. The metadata name machine, accelerators and start
(UTC), the summary the last value of each figure, its own `_runtime` (seconds since the run was
begun) and `_timestamp`; the configuration wraps each setting in `value`. Names as in wandb's
`sdk/internal/system/system_info.py` and `sdk/wandb_summary.py`. The accelerators are those of the
machine; which of them the run used is not said. The names of user, program and repository are not
read.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import pairwise

from ft_emissions_pipeline.readers import repairs
from ft_emissions_pipeline.readers.cells import instant
from ft_emissions_pipeline.readers.documents import document_of
from ft_emissions_pipeline.readers.formats import wandb_metrics
from ft_emissions_pipeline.readers.formats.model_config import fields_of
from ft_emissions_pipeline.readers.formats.training_args import software_of
from ft_emissions_pipeline.readers.reading import Reading, Settings, reading_of_runs
from ft_emissions_pipeline.readers.scrubbing import hashed_host
from ft_emissions_pipeline.readers.shared.run_folders import home, wandb_id
from ft_emissions_pipeline.readers.shared.trainer_figures import figures_of
from ft_emissions_pipeline.readers.shared.training_settings import positive, settings_of
from ft_emissions_pipeline.tables.words import Basis, Content

FORMAT = "wandb_run"
LOG = "Weights & Biases run folder: `wandb-metadata.json`, `wandb-summary.json`, `config.yaml`"
TELLS = (
    "start, end, time, machine and its accelerators; the Trainer's figures; settings, base model"
)
LACKS = "energy, place, usage; which of the machine's accelerators were used"
CONTENT: Content = "runs"
PROGRESS = None
BASIS = {
    "*": Basis.DISCLOSED,
    **dict.fromkeys(
        ("started_at", "ended_at", "active_s", "tokens_padded", "tokens_unpadded", "steps",
         "epochs", "host"), Basis.MEASURED
    ),
    # The run is logged while it goes on, not while the machine is reserved.
    "reserved_s": Basis.PREDICTED,
    "train_flop": Basis.PREDICTED,
}  # fmt: skip

_VALUE = re.compile(rb"^[\w/.-]+:\n(?:[ ]+desc:[^\n]*\n)?[ ]+value:", re.MULTILINE)


def recognises(name: str, head: bytes) -> bool:
    """Say whether the file is one that W&B writes into the folder of a run."""
    if name.endswith((".yaml", ".yml")):
        return b"_wandb:" in head and _VALUE.search(head) is not None
    if not name.endswith(".json") or wandb_metrics.recognises(name, head):
        return False
    metadata = b'"startedAt"' in head and (b'"cpu_count"' in head or b'"gpu_devices"' in head)
    return metadata or (b'"_runtime"' in head and b'"_timestamp"' in head)


def read(data: bytes, uri: str, settings: Settings) -> Reading:  # noqa: ARG001 (times are UTC)
    """Read one file of a run's folder."""
    otherwise = "no object as W&B writes it into the folder of a run; save the file as it was"
    document = document_of(data, uri, otherwise)
    if "startedAt" in document:
        row = metadata_of(document)
    elif "_runtime" in document or "_timestamp" in document:
        row = summary_of(document)
    else:
        row = configuration_of(document)
    run_id = wandb_id(uri) or home(uri)
    return reading_of_runs([{"repairs": "", **row, "run_id": run_id, "source_record": "1"}], [])


def metadata_of(given: Mapping[str, object]) -> dict[str, object]:
    """Return what a run's metadata tell: start, machine, accelerators, arguments."""
    host, gpu, slurm = given.get("host"), given.get("gpu"), given.get("slurm")
    job_id = slurm.get("job_id") or slurm.get("jobid") if isinstance(slurm, dict) else None
    devices = given.get("gpu_devices") or given.get("gpu_nvidia")
    listed = (
        [each for each in devices if isinstance(each, dict)] if isinstance(devices, list) else []
    )
    named = {str(each["name"]) for each in listed if each.get("name")}
    return {
        **settings_of(_arguments(given.get("args"))),
        "started_at": instant(given.get("startedAt"), "UTC", "startedAt"),
        "host": hashed_host(host) if isinstance(host, str) and host else None,
        "job_id": str(job_id) if isinstance(job_id, (str, int)) and job_id else None,
        "gpu_model": named.pop()
        if len(named) == 1
        else (gpu if isinstance(gpu, str) and gpu else None),
        "gpu_count": positive(given.get("gpu_count")) or (float(len(listed)) if listed else None),
    }


def _arguments(args: object) -> dict[str, object]:
    """Return `--name value` and `--name=value` of a command line; a flag alone is on."""
    words = [word for word in args if isinstance(word, str)] if isinstance(args, list) else []
    found: dict[str, object] = {}
    for word, later in pairwise([*words, "--"]):
        if word.startswith("--"):
            name, equals, value = word[2:].partition("=")
            found[name] = value if equals else ("true" if later.startswith("--") else later)
    return found


def summary_of(given: Mapping[str, object]) -> dict[str, object]:
    """Return what the last values of a run's figures tell."""
    fields, open_points = figures_of(given)
    inner = given.get("_wandb")
    runtime = positive(given.get("_runtime"))
    runtime = runtime or (positive(inner.get("runtime")) if isinstance(inner, dict) else None)
    return {
        "reserved_s": runtime,
        **fields,
        "ended_at": instant(given.get("_timestamp"), "UTC", "_timestamp"),
        "repairs": repairs.joined(open_points),
    }


def configuration_of(given: Mapping[str, object]) -> dict[str, object]:
    """Return what a run's settings tell, each under `value`."""
    settings = {
        name: part["value"]
        for name, part in given.items()
        if isinstance(part, dict) and "value" in part and name != "_wandb"
    }
    adapter = settings.get("peft_config")
    inner = adapter.get("default", adapter) if isinstance(adapter, dict) else {}
    lora = isinstance(inner, dict) and str(inner.get("peft_type")).upper().endswith("LORA")
    trained = "per_device_train_batch_size" in settings
    fields = {
        **fields_of(settings),
        **({"lora_rank": positive(inner.get("r")), "method": "lora"} if lora else {}),
        "software": software_of(settings) if trained else None,
        **settings_of(settings),
    }
    size = positive(settings.get("model/num_parameters"))
    return {**fields, "model_parameters": fields.get("model_parameters") or size}
