"""Read what CodeCarbon prints: `[codecarbon INFO @ 15:44:49] … kWh` (its `emissions_tracker.py`).

Put here: its lines of energy, cumulative, by the clock of a day, and its lines of hardware. Keep
out: its files (`formats/codecarbon.py`).
"""

from __future__ import annotations

import re
from itertools import pairwise

import pandas as pd

from ft_emissions_pipeline.readers.consoles import Fields, Told
from ft_emissions_pipeline.readers.consoles.clocks import grown
from ft_emissions_pipeline.readers.formats.codecarbon import counted_gpus
from ft_emissions_pipeline.readers.shared.energy_parts import PARTS, TOTAL
from ft_emissions_pipeline.readers.shared.training_settings import positive

MARKS = (rb"\[codecarbon \w+ @",)
_CLOCK = re.compile(r"\[codecarbon \w+ @ (\d{2}):(\d{2}):(\d{2})\]")
_KWH = {
    "gpu_energy_kwh": re.compile(
        r"Energy consumed for (?:all )?(?:AppleSilicon )?GPUs?\s*:\s*(\d{1,9}\.\d+) kWh"),
    "cpu_energy_kwh": re.compile(
        r"Energy consumed for (?:[aA]ll )?(?:AppleSilicon )?CPUs?\s*:\s*(\d{1,9}\.\d+) kWh"),
    "ram_energy_kwh": re.compile(r"Energy consumed for RAMs?\s*:\s*(\d{1,9}\.\d+) kWh"),
    "it_energy_kwh": re.compile(r"(\d{1,9}\.\d+) kWh of electricity (?:and [^\n]{1,60} )?"
                                r"(?:were |was )?used since the beginning"),
}  # fmt: skip


def told(text: str, _: str) -> Told:
    """Return CodeCarbon's energies; each grows until its tracker stops, and later trackers add."""
    fields: Fields = {
        name: total for name, form in _KWH.items()
        if (total := grown(map(float, form.findall(text)))) is not None
    }  # fmt: skip
    if not fields:
        return {}, []
    clock = [int(h) * 3600 + int(m) * 60 + int(s) for h, m, s in _CLOCK.findall(text)]
    # The clock has no day; between two lines never lies a whole one.
    elapsed = sum((b - a) % 86400 for a, b in pairwise(clock))
    if elapsed:
        fields["active_s"] = fields["reserved_s"] = float(elapsed)
    named = re.search(r"GPU model:\s*(\S[^\n]*)", text)
    if named and named.group(1).strip() not in {"None", "N/A"}:
        model, count = counted_gpus(pd.Series([named.group(1).strip()], dtype="str"))
        counted = re.search(r"GPU count:\s*(\d{1,6})", text)
        fields["gpu_model"] = model.iloc[0]
        fields["gpu_count"] = float(counted.group(1)) if counted else positive(count.iloc[0])
    # A line that the console lacks may have scrolled away; a 0 was not read.
    unread = [n for n in PARTS if fields.get(n) == 0 and (named or n != "gpu_energy_kwh")]
    if unread:
        kept = {name: value for name, value in fields.items() if name not in {*unread, TOTAL}}
        return kept, [PARTS[name] for name in unread]
    return fields, ["pue_may_be_included"]
