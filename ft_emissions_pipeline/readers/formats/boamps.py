"""Read a BoAmps report of a training: who measured what energy, on which hardware, for which task.

The format is Boavizta's (model/report_schema.json); CodeCarbon writes it too, as
`boamps_report_<run_id>.json`, with its energy multiplied by a PUE that the report does not name.
The measures of a report are ways to see one task, not parts of it: they are never added up.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

from ft_emissions_pipeline.readers import repairs
from ft_emissions_pipeline.readers.cells import instant, number
from ft_emissions_pipeline.readers.documents import json_items
from ft_emissions_pipeline.readers.reading import (
    Reading,
    RefusalError,
    Settings,
    read_each,
    reading_of_runs,
)
from ft_emissions_pipeline.readers.shared.parts import objects, part, text
from ft_emissions_pipeline.tables.words import Basis, Content

FORMAT = "boamps"
LOG = "BoAmps report, by hand or as CodeCarbon's `boamps_report_<run_id>.json`"
TELLS = (
    "energy and time by meter or software, hardware, country, base model, tokens of the data set"
)
LACKS = "PUE that may be in the energy; usage. The intensity of a chosen power source is not read"
CONTENT: Content = "runs"
PROGRESS = None
BASIS = {
    "*": Basis.DISCLOSED,
    "meter_energy_kwh": Basis.MEASURED,
    "it_energy_kwh": Basis.MEASURED,
    "active_s": Basis.MEASURED,
    "ended_at": Basis.MEASURED,
    "gpu_utilization": Basis.MEASURED,
    "cpu_utilization": Basis.MEASURED,
    # Items of the data set x epochs.
    "tokens_unpadded": Basis.PREDICTED,
}

_KWH = {
    "": 1.0, "kwh": 1.0, "wh": 1e-3, "mwh": 1e3, "kilowatthour": 1.0, "joule": 1 / 3.6e6,
    "kjoule": 1 / 3.6e3, "mjoule": 1 / 3.6, "gjoule": 1e3 / 3.6, "tjoule": 1e6 / 3.6,
    "btu": 1055.06 / 3.6e6,
}  # fmt: skip
"""Unit of a measure, which reports of 2024 name and later ones leave out, in kWh."""
_METERS = re.compile(r"watt-?\s?meter|power-?\s?meter|\bpdu\b|smart\s?plug|\bipmi\b", re.IGNORECASE)
_TRAINING = re.compile(r"train|tuning|learning", re.IGNORECASE)
_COUNTED = re.compile(r"(\d{1,6})\s*[x×]\s+(.+)")  # noqa: RUF001
_PRECISIONS = {
    "fp32": "fp32", "tf32": "tf32", "fp16": "fp16", "float16": "fp16", "float32": "fp32",
    "bf16": "bf16", "b16": "bf16", "bfloat16": "bf16", "fp8": "fp8",
}  # fmt: skip
_LARGEST_IN_BILLIONS = 1e5
"""Parameters in billions, as the format wants them, never reach this: beyond, they were counted."""


def recognises(name: str, head: bytes) -> bool:
    """Say whether the file is a report, by the schema it names or the parts it must have."""
    return name.endswith(".json") and (
        (b'"measures"' in head and b'"measurementMethod"' in head) or b"BoAmps/main/model" in head
    )


def read(data: bytes, uri: str, settings: Settings) -> Reading:
    """Read the reports of a file, mostly one; refuse a report on anything but a training."""
    items, _ = json_items(data)
    runs, refused = read_each(
        ((item.record, item) for item in items),
        lambda item: _run(
            item.mapping("a {}, not a report; write it as a JSON object"), settings.timezone
        ),
        lambda item: item.raw or json.dumps(item.value, default=str, ensure_ascii=False),
    )
    rows = [{"run_id": f"{uri}#{place}", **run, "source_record": place} for place, run in runs]
    return reading_of_runs(rows, refused)


def _run(report: Mapping[str, object], timezone: str) -> dict[str, object]:
    task = part(report, "task")
    stage = _stage(text(task, "taskStage"))
    measured, more = _measured(objects(report, "measures"), timezone)
    algorithms = objects(task, "algorithms")
    model, noted = _model(algorithms[0] if algorithms else {})
    infrastructure = part(report, "infrastructure")
    environment = part(report, "environment")
    gpu_model, gpu_count = _gpus(objects(infrastructure, "components"))
    tokens, said = _tokens(objects(task, "dataset"), model.get("epochs"))
    place = [text(environment, name) for name in ("location", "country")]
    run_id = text(part(report, "header"), "reportId")
    return {
        **({"run_id": run_id} if run_id else {}),
        **model,
        **measured,
        "gpu_model": gpu_model,
        "gpu_count": gpu_count,
        "instance_type": text(infrastructure, "cloudInstance") or None,
        "managed_service": text(infrastructure, "cloudService") or None,
        "cloud_provider": text(infrastructure, "cloudProvider") or None,
        "location": place[1] or place[0] or None,
        "tokens_unpadded": tokens,
        "repairs": repairs.joined([*stage, *more, *noted, *said]),
    }


def _stage(stage: str) -> list[str]:
    """Refuse what is no training; note what is more than one, or not said."""
    if not stage:
        return ["task_not_stated"]
    parts = [each for each in stage.split("+") if each.strip()]
    if not any(map(_TRAINING.search, parts)):
        msg = f"taskStage is {stage[:40]!r}: no training; remove the report"
        raise RefusalError(msg, "no_training")
    return [] if all(map(_TRAINING.search, parts)) else ["other_stages_included"]


def _measured(
    measures: list[Mapping[str, object]], timezone: str
) -> tuple[dict[str, object], list[str]]:
    """Return energy, time and utilisation by a physical meter and by the first software measure."""
    if not measures:
        msg = "measures is empty or missing; a report without energy tells nothing here"
        raise RefusalError(msg, "wrong_shape")
    meters = [each for each in measures if _METERS.search(text(each, "measurementMethod"))]
    software = [each for each in measures if each not in meters]
    first = (software or meters)[0]
    # CodeCarbon writes the end, and the schema leaves it open.
    ended = instant(first.get("measurementDateTime"), timezone, "measurementDateTime")
    seconds = number(first.get("measurementDuration"), "measurementDuration") or None
    told = _kwh(software[0]) if software else None
    # A tracker that could not read its counters writes 0 or less.
    unread = told is not None and told <= 0 and seconds is not None
    energy = None if unread else told
    notes = {
        "energy_unread": unread,
        "several_measures_not_summed": max(len(software), len(meters)) > 1,
        # Its energy has the PUE in it that the report does not state.
        "pue_may_be_included": energy is not None
        and "codecarbon" in text(first, "measurementMethod").casefold(),
    }
    return {
        "ended_at": ended,
        "active_s": seconds,
        "it_energy_kwh": energy,
        "meter_energy_kwh": _kwh(meters[0]) if meters else None,
        "gpu_utilization": number(first.get("averageUtilizationGpu"), "averageUtilizationGpu")
        or None,
        "cpu_utilization": number(first.get("averageUtilizationCpu"), "averageUtilizationCpu")
        or None,
    }, repairs.noted(notes)


def _kwh(measure: Mapping[str, object]) -> float | None:
    energy = number(measure.get("powerConsumption"), "powerConsumption")
    unit = text(measure, "unit")
    factor = _KWH.get(unit.casefold())
    if factor is None:
        msg = (
            f"unit of a measure is {unit!r}, no energy that is known; give powerConsumption in kWh"
        )
        raise RefusalError(msg, "bad_value")
    return None if energy is None else energy * factor


def _model(algorithm: Mapping[str, object]) -> tuple[dict[str, object], list[str]]:
    named = number(algorithm.get("parametersNumber"), "parametersNumber") or None
    counted = named is not None and named >= _LARGEST_IN_BILLIONS
    optimizer = text(algorithm, "optimizer").casefold()
    quantization = text(algorithm, "quantization").casefold()
    return {
        "base_model": text(algorithm, "foundationModelName") or None,
        "method": optimizer if optimizer in {"lora", "qlora"} else None,
        "model_parameters": None if named is None else named * (1.0 if counted else 1e9),
        "epochs": number(algorithm.get("epochsNumber"), "epochsNumber") or None,
        "precision": _PRECISIONS.get(quantization),
    }, ["parameters_not_in_billions"] if counted else []


def _tokens(datasets: list[Mapping[str, object]], epochs: object) -> tuple[float | None, list[str]]:
    """Return the tokens of the data set x epochs; what a model put out is no input."""
    counts = [
        number(each.get("dataQuantity", each.get("items")), "dataQuantity") or 0.0
        for each in datasets
        if text(each, "dataType") == "token" and text(each, "dataUsage") != "output"
    ]
    total = sum(counts)
    if not total:
        return None, []
    if not isinstance(epochs, float):
        return total, ["one_epoch_assumed"]
    return total * epochs, []


def _gpus(components: list[Mapping[str, object]]) -> tuple[str | None, float | None]:
    """Return model and number of accelerators; leave CPUs, which the format counts in cores."""
    found: dict[str, float] = {}
    for each in components:
        name = text(each, "componentName")
        if "gpu" not in {text(each, "componentType").casefold(), name.casefold()}:
            continue
        # CodeCarbon writes "2 x Tesla V100" and counts 2 again beside it.
        counted = _COUNTED.fullmatch(name)
        words = [text(each, key) for key in ("manufacturer", "family", "series")]
        model = counted[2] if counted else name
        if not model or model.casefold() == "gpu":
            model = " ".join(word for word in words if word)
        count = number(each.get("nbComponent"), "nbComponent")
        found[model] = found.get(model, 0.0) + (count if count is not None else 1.0)
    if not found:
        kinds = {text(each, "componentType").casefold() for each in components}
        return None, 0.0 if "cpu" in kinds else None
    if len(found) > 1:
        return " + ".join(f"{count:g} x {model}" for model, count in found.items()), None
    ((model, count),) = found.items()
    return model or None, count or None
