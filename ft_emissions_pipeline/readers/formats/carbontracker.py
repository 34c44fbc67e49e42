"""Read carbontracker's logs: `…_carbontracker_output.log` and `…_carbontracker.log` beside it.

The output states time, energy and carbon of the epochs that were monitored, `Actual consumption for
1 epoch(s)`, and a prediction for all of them. Where fewer were monitored than were planned, the
prediction is taken, as the tool's own summary does (`aggregate_consumption` of its `parser.py`),
and the run says so. Its energy has a PUE in it that differs by version (`total_energy_per_epoch` in
`tracker.py`) and that the output does not name. The log beside it names components and each epoch's
duration and mean power per device, without a PUE: energy of GPUs and CPUs apart. What it found and
what it measured are two records, as the second may be of fewer epochs than the output tells of.
"""

from __future__ import annotations

import re

from ft_emissions_pipeline.equations import JOULES_PER_KWH
from ft_emissions_pipeline.readers import repairs
from ft_emissions_pipeline.readers.cells import instant
from ft_emissions_pipeline.readers.documents import text_of
from ft_emissions_pipeline.readers.reading import Reading, RefusalError, Settings, reading_of_runs
from ft_emissions_pipeline.readers.shared.training_settings import positive
from ft_emissions_pipeline.tables.words import Basis, Content

FORMAT = "carbontracker"
LOG = "carbontracker `*_carbontracker_output.log`, `*_carbontracker.log`"
TELLS = "energy of GPU, CPU and memory in one, its PUE in it; time; accelerators; carbon as stated"
LACKS = "base model, tokens, place, usage; the PUE that is in the energy"
CONTENT: Content = "runs"
PROGRESS = "epochs"
BASIS = {
    "*": Basis.DISCLOSED,
    "active_s": Basis.MEASURED,
    "ended_at": Basis.MEASURED,
    "reserved_s": Basis.PREDICTED,
    **dict.fromkeys(("it_energy_kwh", "gpu_energy_kwh", "cpu_energy_kwh"), Basis.MEASURED),
}

PREDICTED = "prediction_of_tracker"
_BLOCK = re.compile(
    r"(Actual|Predicted) consumption(?: for (\d+) epoch\(s\))?:\s*\n"
    r"\s*Time:\s*(?:(\d{1,5}) days?, )?(\d{1,6}):(\d{2}):(\d{2}(?:\.\d+)?)[^\n]*\n\s*Energy:\s*"
    r"([\d.eE+-]+)\s+kWh(?:\s*\n\s*CO2eq:\s*([\d.eE+-]+)\s+g)?"
)
_COMPONENTS = re.compile(r"The following components were found:([^\n]*)")
_GPUS = re.compile(r"\bGPU with device\(s\) ([^\n]*?)\.(?=\s|$)")
_EPOCH = re.compile(r"Duration: (\d{1,6}):(\d{2}):(\d{2}(?:\.\d+)?)")
_POWER = re.compile(r"Average power usage \(W\) for (gpu|cpu): (?:\[([^\]]*)\]|([\d.]+)|None)")
_STAMP = re.compile(r"^(\d{4}-\d{2}-\d{2})[ T](\d{2}:\d{2}:\d{2})", re.MULTILINE)
_NAME = re.compile(r"_?carbontracker(?:_output)?\.log$")


def recognises(name: str, head: bytes) -> bool:
    """Say whether carbontracker's own lines stand in the log."""
    return not name.endswith((".md", ".json", ".py")) and (
        b"CarbonTracker:" in head
        or b"carbontracker version" in head
        or b"components were found:" in head
    )


def read(data: bytes, uri: str, settings: Settings) -> Reading:
    """Read the log of one run."""
    text = text_of(data)
    found = {kind.casefold(): block for kind, *block in _BLOCK.findall(text)}
    components = _COMPONENTS.search(text)
    if not found and components is None:
        msg = "states no consumption yet; land it when the training is over"
        raise RefusalError(msg, "not_finished")
    stamps = _STAMP.findall(text)
    gpus = _GPUS.search(components.group(1)) if components else None
    names = [name.strip() for name in gpus.group(1).split(",")] if gpus else []
    row: dict[str, object] = {
        "run_id": _NAME.sub("", uri) or uri,
        "ended_at": instant("T".join(stamps[-1]), settings.timezone) if stamps else None,
        "gpu_model": names[0] if len(set(names)) == 1 else None,
        "gpu_count": float(len(names)) if names else (0.0 if components else None),
        "repairs": "cpu_only" if components and not names else "",
        "source_record": "1",
    }
    if found:
        whole, consumed = _consumption(found)
        words = ("pue_may_be_included", "" if whole else PREDICTED)
        row |= {**consumed, "repairs": repairs.joined([str(row["repairs"]), *words])}
    measured = _epochs(text)
    further = {"run_id": row["run_id"], "repairs": "", **measured, "source_record": "2"}
    return reading_of_runs([row, further] if measured["epochs"] else [row], [])


def _epochs(text: str) -> dict[str, object]:
    """Return number, time and energies of the monitored epochs, missing where one was too short."""
    number = 0
    seconds = 0.0
    joules: dict[str, float] = {}
    unread: set[str] = set()
    for part in re.split(r"(?=Duration: \d)", text)[1:]:
        clock = _EPOCH.match(part)
        if clock is None:
            continue
        hours, minutes, rest = (float(each) for each in clock.groups())
        length = (hours * 60 + minutes) * 60 + rest
        seconds += length
        number += 1
        for kind, listed, single in _POWER.findall(part):
            powers = [positive(each) for each in (listed or single).replace(",", " ").split()]
            if not powers or None in powers:
                unread.add(kind)
            joules[kind] = joules.get(kind, 0.0) + sum(power or 0.0 for power in powers) * length
    energies = {
        f"{kind}_energy_kwh": total / JOULES_PER_KWH
        for kind, total in joules.items()
        if kind not in unread
    }
    time = seconds or None
    return {"epochs": float(number), "active_s": time, "reserved_s": time, **energies}


def _consumption(found: dict[str, list[str]]) -> tuple[bool, dict[str, object]]:
    """Return whether all planned epochs were monitored, and what they consumed."""
    actual, predicted = found.get("actual"), found.get("predicted")
    whole = actual is not None and (predicted is None or actual[0] in {"", predicted[0]})
    block = actual if whole and actual else (predicted or actual)
    assert block is not None
    epochs, days, hours, minutes, seconds, energy, grams = block
    time = ((int(days or 0) * 24 + int(hours)) * 60 + int(minutes)) * 60 + float(seconds)
    carbon = positive(grams)
    return whole, {
        "active_s": time or None,
        "reserved_s": time or None,
        "epochs": positive(epochs),
        "it_energy_kwh": positive(energy),
        "disclosed_kgco2e": carbon / 1000 if carbon else None,
    }
