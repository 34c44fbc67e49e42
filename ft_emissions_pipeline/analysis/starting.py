"""A `runs.yaml` and a `models.yaml` to begin with, written from what a folder's logs tell.

Put here: the text of both files. Keep out: what the files may say (`readers/formats/run_mapping.py`
and `model_events.py`), and writing them (`cli/init.py`).

Whatever stands there without a # holds already, so that the files as written move no figure.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd
import yaml

from ft_emissions_pipeline.normalize import IMPUTED
from ft_emissions_pipeline.tables import RUNS
from ft_emissions_pipeline.tables.words import Sharing

LISTED = 100
"""Newest runs that are listed; a rule for more of them is better written by hand."""

KEY_LIMIT = 1024
"""Characters that a key may have in YAML 1.1 (section 9.1.4, implicit keys)."""

ASKED = (
    "model_name", "base_model", "method", "gpu_model", "gpu_count", "server_model", "location",
    "on_cloud", "reserved_s", "active_s", "gpu_utilization", "it_energy_kwh", "tokens_padded",
    "pue", "wue_l_per_kwh", "expected_inferences_per_day", "expected_use_life_days",
)  # fmt: skip
"""Fields of `runs` that people know and logs often lack, in the order in which they are told."""


def runs_yaml(runs: pd.DataFrame, provenance: pd.DataFrame) -> str:
    """Return a `runs.yaml` that names each run's log, with what no log says as comments.

    Parameters
    ----------
    runs : DataFrame
        Table `runs`, as it was logged.
    provenance : DataFrame
        Table `field_provenance` of them, for what stands in for a missing field.
    """
    newest = (
        runs[runs["run_id"].map(_is_key).astype(bool)].sort_values(["date", "run_id"]).tail(LISTED)
    )
    imputed = provenance[provenance["basis"].isin(IMPUTED)]
    taken = {
        run: dict(zip(rows["field"], rows["value"], strict=True))
        for run, rows in imputed.groupby("run_id")
    }
    lines = [
        "# Which logs belong to one run, and what no log says of it: docs/your_own_logs.md.",
        "# Behind a # stands what you may know; take the # off and write what is true. Any column",
        "# of table `runs` may stand here, with the unit that its name carries.",
    ]
    if len(newest) < len(runs):
        lines.append(f"# Of {len(runs)} runs {len(newest)} are listed.")
    lines.append("runs:")
    for run in newest.to_dict("records"):
        lines += _run(run, taken.get(run["run_id"], {}))
    return "\n".join(lines) + "\n"


def _run(run: Mapping[Any, Any], taken: Mapping[str, str]) -> Iterator[str]:
    log = f"{run['source_uri']}#{run['source_record']}"
    yield f"  {_text(run['run_id'])}:  # {run['date']:%Y-%m-%d}, {run['source_format']}"
    yield f"    logs: [{_text(log)}]"
    for field in ASKED:
        if pd.isna(run[field]):
            # In one line, or what stands behind its end would be no comment.
            now = f"now taken as {' '.join(taken[field].split())}" if field in taken else "unknown"
            unit = RUNS.column(field).unit
            yield f"    # {field}:  # {f'{unit}, ' if unit else ''}{now}"


def models_yaml(models: list[str]) -> str:
    """Return a `models.yaml` that names the models, with what may be said of each as comments."""
    lines = [
        "# What happened to models besides tuning, and how their footprint is shared:",
        "# docs/continuous_fine_tuning.md. Take the # off what is true.",
        "models:",
    ]
    for model in filter(_is_key, models):
        lines += [
            f"  {_text(model)}:",
            f"    method: {Sharing.BY_USE}  # as without this file; or {Sharing.MONTHLY}",
            "    # team:  # who answers for it; sums by team",
            "    # tag:  # a word to sum by",
            "    # hand_on: unused  # an unused version's footprint goes to its successor",
            "    # events: [{at: 2026-01-31, retired: everything}]",
        ]
    return "\n".join(lines) + "\n"


def _text(name: object) -> str:
    """Return a name in quotation marks, on one line, whatever is in it."""
    return yaml.safe_dump(str(name), default_style='"', width=math.inf).strip()


def _is_key(name: str) -> bool:
    """Whether YAML takes the name as a key."""
    return len(_text(name)) < KEY_LIMIT
