"""What a name in a log was found to stand for.

Put here: the one answer that every kind of names gives. Keep out: how it is found (`gpu_names.py`,
`instance_names.py`, `model_names.py`, `names.py`).
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Found:
    """The row that a name stands for, and what the name says beside it; None where it says nothing.

    `candidates` are all rows that may be meant, the usual one first: of the same kind, for an
    instance accelerators. `why` tells people how the answer came about.
    """

    id: str | None = None
    assumed: bool = False
    alias_factor_id: str | None = None
    count: float | None = None
    candidates: tuple[str, ...] = ()
    hardware_class: str | None = None
    memory_gb: float | None = None
    parameters: float | None = None
    active_parameters: float | None = None
    why: str = "no word of it is known"
