"""Which folder a file's run has: that in which its trainer wrote, above the trackers' own folders.

Put here: the folders that trackers make inside a trainer's. Keep out: what the files hold.

W&B writes `wandb/run-<day>_<time>-<id>/files/`, beside it `wandb/latest-run`; MLflow
`mlruns/<experiment>/<run>/`; the Trainer's TensorBoard callback `runs/<day>_<time>_<host>/`
(`default_logdir` of transformers' `training_args.py`).
"""

from __future__ import annotations

import re
from pathlib import PurePosixPath

from ft_emissions_pipeline.readers.formats.hugging_face import run_folder

WANDB = re.compile(
    r"(?:^|/)(?:wandb/)?(?:(?:offline-)?run-\d{8}_\d{6}-([A-Za-z0-9_-]+)|latest-run)/"
)
"""The folder of one run of W&B, with its id."""
MLFLOW = re.compile(
    r"(?:^|/)(?:mlruns/)?[\w-]+/([0-9a-f]{32})/(?=meta\.yaml$|params/|metrics/|tags/)"
)
"""The folder of one run of MLflow's file store, with its id: a UUID without dashes."""
_TENSORBOARD = re.compile(
    r"(?:^|/)(?:runs|tensorboard|tb_logs|tb|logs|lightning_logs)/(?:[^/]+/){0,3}(?=[^/]+$)"
)
_OURS = (WANDB, MLFLOW)


def home(uri: str) -> str:
    """Return the folder of the run that a file belongs to, `root` for the landing folder itself."""
    found = next((match for match in (pattern.search(uri) for pattern in _OURS) if match), None)
    if found is None and ".tfevents." in uri:
        found = _TENSORBOARD.search(uri)
    return run_folder(uri if found is None else f"{uri[: found.start()]}/x".lstrip("/"))


def wandb_id(uri: str) -> str | None:
    """Return the id of the run of W&B in whose folder a file lies, None if it lies in none."""
    found = WANDB.search(uri)
    if found is None:
        return None
    # A copy of the link to the latest run names no id; its path is unlike that of any other.
    return found.group(1) or uri[: found.end() - 1]


def parents(folder: str) -> list[str]:
    """Return a folder and those above it, the nearest first, the landing folder as `root`."""
    path = PurePosixPath() if folder == "root" else PurePosixPath(folder)
    named = [str(each) for each in (path, *path.parents) if each != PurePosixPath()]
    return [*named, "root"]
