"""Read tables of runs that trackers export as CSV: a run in each row, with settings and figures.

- Weights & Biases' table of a project: Name, State, Created, Runtime in seconds, what is shown of
  the machine (GPU Type, GPU Count, Hostname), settings and figures by their names;
- MLflow's `search_runs` (`run_id, status, start_time, end_time`, then `params.…`, `metrics.…`,
  `tags.…`), and what its page downloads (Start Time, Duration, Run ID, Name, Status, then
  parameters and metrics by their names).

Names of runs may stand twice, ids may not. Users, notes, tags and sources are not read.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from ft_emissions_pipeline.readers import repairs
from ft_emissions_pipeline.readers.cells import instant
from ft_emissions_pipeline.readers.formats import wandb_run
from ft_emissions_pipeline.readers.formats.mlflow_run import parameters_of
from ft_emissions_pipeline.readers.reading import Reading, RefusalError, Settings, reading_of_runs
from ft_emissions_pipeline.readers.scrubbing import hashed_host, shown
from ft_emissions_pipeline.readers.shared.service_jobs import span
from ft_emissions_pipeline.readers.shared.trainer_figures import figures_of
from ft_emissions_pipeline.readers.shared.training_settings import positive
from ft_emissions_pipeline.readers.sheets import header_of, sheet_of
from ft_emissions_pipeline.tables.words import Content

FORMAT = "runs_table"
LOG = (
    "table of runs as CSV: Weights & Biases' export of a project, MLflow's `search_runs` or its "
    "page's download"
)
TELLS = "start and time of each run; the Trainer's figures; settings, base model; W&B's machine"
LACKS = "energy, place, usage; hardware where the table does not show it"
CONTENT: Content = "runs"
PROGRESS = None
BASIS = wandb_run.BASIS

_OF_WANDB = {"Name", "State", "Created", "Runtime"}
_OF_SEARCH = {"run_id", "status", "start_time", "end_time"}
_OF_DOWNLOAD = {"Start Time", "Duration", "Run ID", "Status"}
_PREFIX = re.compile(r"^(?:params|metrics)\.")
_GOES_ON = {"running", "pending", "scheduled"}
_BROKE_OFF = {"crashed", "failed", "killed", "preempted", "preempting"}
_DURATION = re.compile(r"([\d.]+) ?(ms|s|min|h|d)")
_SECONDS = {"ms": 1e-3, "s": 1.0, "min": 60.0, "h": 3600.0, "d": 86400.0}

Cells = Mapping[str, object]


def recognises(name: str, head: bytes) -> bool:
    """Say whether the header is that of one of the tables."""
    if not name.endswith((".csv", ".tsv")):
        return False
    header = set(header_of(head)[0])
    return any(needed <= header for needed in (_OF_WANDB, _OF_SEARCH, _OF_DOWNLOAD))


def read(data: bytes, uri: str, settings: Settings) -> Reading:  # noqa: ARG001 (runs have names)
    """Read every run of a table; one that goes on is refused alone."""
    sheet = sheet_of(data)
    rows: list[dict[str, object]] = []
    refused = sheet.refused_misfits(
        "has {cells} cells under a header of {columns}; write the row again"
    )
    seen: dict[str, int] = {}
    for line, given in zip(sheet.frame.index, sheet.frame.to_dict("records"), strict=True):
        cells = {str(name): _typed(cell) for name, cell in given.items() if _tells(cell)}
        try:
            row = _run(cells, settings.timezone)
        except RefusalError as error:
            refused.append((str(line), error.code, str(error), sheet.line(int(line))))
            continue
        name = str(row["run_id"])
        seen[name] = seen.get(name, 0) + 1
        run_id = name if seen[name] == 1 else f"{name}-{seen[name]}"
        rows.append({**row, "run_id": run_id, "source_record": str(line)})
    return reading_of_runs(rows, refused)


def _tells(cell: object) -> bool:
    return isinstance(cell, str) and cell.strip() not in {"", "-", "None", "nan"}


def _typed(cell: str) -> object:
    word = cell.strip()
    return {"true": True, "false": False}.get(word.casefold(), word)


def _run(cells: Cells, timezone: str) -> dict[str, object]:
    state = str(cells.get("State") or cells.get("status") or cells.get("Status") or "").casefold()
    if state in _GOES_ON:
        msg = "the run goes on; export the table when it is over"
        raise RefusalError(msg, "not_finished")
    named = {_PREFIX.sub("", name): cell for name, cell in cells.items()}
    figures, open_points = figures_of(named)
    ended_early = repairs.noted({"ended_early": state in _BROKE_OFF})
    return {
        **parameters_of(named),
        **(
            _of_wandb(cells, timezone) if cells.keys() >= _OF_WANDB else _of_mlflow(cells, timezone)
        ),
        **figures,
        "repairs": repairs.joined([*ended_early, *open_points]),
    }


def _of_wandb(cells: Cells, timezone: str) -> dict[str, object]:
    host = cells.get("Hostname")
    return {
        "run_id": cells.get("ID") or cells["Name"],
        "started_at": instant(cells["Created"], timezone, "Created"),
        "reserved_s": positive(cells["Runtime"]),
        "host": hashed_host(host) if isinstance(host, str) else None,
        "gpu_model": cells.get("GPU Type") or cells.get("GPU Name"),
        "gpu_count": positive(cells.get("GPU Count")),
    }


def _of_mlflow(cells: Cells, timezone: str) -> dict[str, object]:
    run_id = cells.get("run_id") or cells.get("Run ID")
    if not run_id:
        msg = "names no run; export the table again"
        raise RefusalError(msg, "missing_value")
    if "Duration" not in cells:
        started, ended = (
            instant(cells.get(name), timezone, name) for name in ("start_time", "end_time")
        )
        return {"run_id": run_id, **span(started, ended)}
    took = _DURATION.fullmatch(str(cells["Duration"]))
    if took is None:
        msg = f"Duration is {shown(cells['Duration'])}; write it like 1.5h, 12.3min or 40s"
        raise RefusalError(msg, "bad_value")
    return {
        "run_id": run_id,
        "started_at": instant(cells.get("Start Time"), timezone, "Start Time"),
        "reserved_s": float(took[1]) * _SECONDS[took[2]] or None,
    }
