"""Read experiment-impact-tracker's `data.json`: a line a sample of the power that a run drew.

`timestamp` in Unix seconds, `nvidia_estimated_attributable_power_draw` and
`rapl_estimated_attributable_power_draw` in watts of all GPUs and packages together, shared out to
the run's processes (the tool's `data_info_and_router.py`, `utils.py`); the same with
`nvidia_draw_absolute` where only the whole is there. Its own totals multiply by a PUE; these
samples do not. `info.pkl` beside it is a pickle and never opened.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import PurePosixPath

import numpy as np
import pandas as pd

from ft_emissions_pipeline.equations import JOULES_PER_KWH
from ft_emissions_pipeline.readers.cells import number
from ft_emissions_pipeline.readers.documents import json_items
from ft_emissions_pipeline.readers.reading import (
    Reading,
    RefusalError,
    Settings,
    read_each,
    reading_of_runs,
)
from ft_emissions_pipeline.readers.scrubbing import shown
from ft_emissions_pipeline.tables.words import Basis, Content

FORMAT = "impact_tracker"
LOG = "experiment-impact-tracker `data.json`"
TELLS = "measured energy of GPUs and CPUs by samples of their power; start, end"
LACKS = "hardware, base model, tokens, place, usage"
CONTENT: Content = "runs"
PROGRESS = "active_s"
BASIS = {"*": Basis.MEASURED, "reserved_s": Basis.PREDICTED}

_POWERS = {
    "gpu_energy_kwh": ("nvidia_estimated_attributable_power_draw", "nvidia_draw_absolute"),
    "cpu_energy_kwh": ("rapl_estimated_attributable_power_draw", "rapl_power_draw_absolute"),
}
_UTILISATION = "average_gpu_estimated_utilization_absolute"


def recognises(name: str, head: bytes) -> bool:
    """Say whether lines hold the tracker's own names of powers."""
    mine = b'"nvidia_draw_absolute"' in head or b'"rapl_power_draw_absolute"' in head
    return name.endswith((".json", ".jsonl")) and mine and b'"timestamp"' in head


def read(data: bytes, uri: str, settings: Settings) -> Reading:  # noqa: ARG001 (Unix times)
    """Read the samples of one run; a line that is none is refused alone."""
    items, _ = json_items(data)
    otherwise = "not an object with timestamp and powers; remove the line"
    told, refused = read_each(
        ((item.record, item) for item in items),
        lambda item: _sample(item.mapping(otherwise)),
        lambda item: item.raw,
    )
    rows = [sample for _, sample in told]
    samples = pd.DataFrame(rows, columns=["at", *_POWERS, "share"]).sort_values("at", kind="stable")
    seconds = np.diff(samples["at"])
    if seconds.sum() <= 0:
        msg = "holds fewer than two samples at different times; no energy follows"
        raise RefusalError(msg, refused[0][1] if refused and not rows else "lone_sample")
    started, ended = (
        pd.Timestamp(round(samples["at"].iloc[n] * 1e6), unit="us", tz="UTC") for n in (0, -1)
    )
    share = samples["share"].mean()
    row = {
        "run_id": str(PurePosixPath(uri).parent)
        if "/" in uri
        else str(PurePosixPath(uri).with_suffix("")),
        "started_at": started,
        "ended_at": ended,
        "active_s": float(seconds.sum()),
        "reserved_s": float(seconds.sum()),
        "gpu_utilization": share if 0 <= share <= 1 else None,
        **{name: _energy(samples[name], seconds) for name in _POWERS},
        "repairs": "",
        "source_record": "1",
    }
    reading = reading_of_runs([row], refused)
    return replace(reading, records=len(rows) + len(refused), merged=len(rows) - 1)


def _sample(given: dict[str, object]) -> tuple[float | None, ...]:
    at = number(given.get("timestamp"), "timestamp")
    if at is None or not 1e9 < at < 1e10:
        msg = f"timestamp is {shown(given.get('timestamp'))}, must be Unix seconds"
        raise RefusalError(msg, "bad_timestamp")
    powers = [
        next((number(given[name], name) for name in names if given.get(name) is not None), None)
        for names in _POWERS.values()
    ]
    if any(power is not None and not 0 <= power < 1e6 for power in powers):
        msg = "a power lies below 0 or above a megawatt; remove the line"
        raise RefusalError(msg, "out_of_range")
    return (at, *powers, number(given.get(_UTILISATION), _UTILISATION))


def _energy(watts: pd.Series, seconds: np.ndarray) -> float | None:
    if watts.isna().any():
        return None
    values = watts.to_numpy(dtype=float)
    return float(((values[1:] + values[:-1]) / 2 * seconds).sum()) / JOULES_PER_KWH
