"""Read what a console tells of the machine, whichever software trained.

Put here: the table of `nvidia-smi`, which notebooks and jobs print first; the accelerator that
Lightning names; the number of processes that accelerate, Lightning, LLaMA-Factory and swift print.
"""

from __future__ import annotations

import re

from ft_emissions_pipeline.readers.consoles import Told, known

_TABLE = re.compile(
    r"^\|\s+\d{1,3}\s{2,}(\S[^|\n]{0,60}?)(?:\.{3})?\s+(?:On|Off|N/A)\s+\|\s+[0-9A-Fa-f]{8}:",
    re.MULTILINE,
)
_NAMED = re.compile(r"You are using a CUDA device \('([^'\n]{1,80})'\)")
_PROCESSES = (
    re.compile(r"All distributed processes registered\. Starting with (\d{1,6}) processes"),
    re.compile(r"\brank: \d{1,6}, [^\n]{0,60}?\bworld[ _]size: (\d{1,6})"),
    re.compile(r"^Num processes: (\d{1,6})", re.MULTILINE),
)


def told(text: str, _: str) -> Told:
    """Return accelerator and processes; a table's one card is the run's, of several any may be."""
    listed = _TABLE.findall(text)
    named = _NAMED.search(text)
    models = {named[1]} if named else set(listed)
    processes = [float(found[1]) for each in _PROCESSES if (found := each.search(text))]
    return known({
        "gpu_model": models.pop() if len(models) == 1 else None,
        "gpu_count": 1.0 if len(listed) == 1 else None,
        "world_size": processes[0] if processes and processes[0] else None,
    }), []  # fmt: skip
