"""Say what a folder lacks where no footprint comes of it.

Put here: the sentences, one for each content that needs another. Keep out: records that were
refused, which have a reason each (`readers/`).
"""

from __future__ import annotations

from collections.abc import Collection

_NEEDED = {
    "telemetry": (
        "Samples of GPUs or meters were read, but no run is known for them: land a log of the run, "
        "or name it in runs.yaml with `logs`, started_at, ended_at and gpu_model"
    ),
    "usage": (
        "Counts of inferences were read, but no fine-tuning of their models is known: "
        "land the logs of the training, or disclose it in runs.yaml with its model's name"
    ),
    "mapping": "A runs.yaml was read, but none of its runs tells a time, tokens or an energy: "
    "add one of them",
}
"""What a file holds -> what it needs."""
_NOTHING = (
    "No file tells of a fine-tuning run: docs/formats.md lists what is read; "
    "a run can be disclosed in runs.yaml, too"
)


def lacking(contents: Collection[str], runs: int) -> list[str]:
    """Return what is missing for a footprint, in sentences; nothing where there are runs.

    Parameters
    ----------
    contents : collection of str
        What the files hold, in the words of `landing_index.content`.
    runs : int
        Runs that can be computed.
    """
    if runs:
        return []
    return [needed for content, needed in _NEEDED.items() if content in contents] or [_NOTHING]
