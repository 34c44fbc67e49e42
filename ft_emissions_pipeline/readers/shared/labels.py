"""The words of a disclosure: which label means which field, and the style of its value.

Put here: labels, their synonyms, and how a disclosure becomes fields. Keep out: the reading of
single values (`disclosed_values.py`), and the files in which disclosures come (`disclosure.py`,
`run_mapping.py`).
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache

import pandas as pd

from ft_emissions_pipeline.calendar_days import HOURS_PER_DAY, SECONDS_PER_HOUR
from ft_emissions_pipeline.readers import repairs
from ft_emissions_pipeline.readers.reading import RefusalError
from ft_emissions_pipeline.readers.scrubbing import hashed_host, scrubbed, shown
from ft_emissions_pipeline.readers.shared import hardware_words
from ft_emissions_pipeline.readers.shared.disclosed_values import (
    is_unit,
    plain,
    value_of,
    with_unit,
)
from ft_emissions_pipeline.reference import gpu_names
from ft_emissions_pipeline.tables import RUN_FIELDS, RUNS

GPU_COUNT_BY_HOURS = "gpu_count_by_hours"
GPU_HOURS = "gpu_hours"
"""Stand-in for a field: GPU hours become reserved time once the number of GPUs is known."""

_OWN = {
    ("run_id", "text"): "run id, run",
    ("job_id", "text"): "job id",
    ("host", "text"): "host, hostname, node",
    ("model_name", "text"): "model, model name, fine-tuned model, registered model",
    ("parent_version", "text"): "parent version",
    ("base_model", "text"): "base model, based model, foundation model",
    ("method", "method"): "method, fine-tuning method",
    ("published_at", "instant"): "published, publication date, published model date",
    ("started_at", "instant"): "start time, start",
    ("ended_at", "instant"): "end time, end",
    ("reserved_s", "duration"): "total reserved time, reserved time",
    ("active_s", "duration"):
        "total fine-tuning time, fine-tuning time, total training time, training time",
    (GPU_HOURS, "gpu_hours"): "gpu hours, total gpu hours",
    ("development_multiplier", "number"): "development multiplier",
    ("gpu_model", "text"): "gpu, gpu model, accelerator",
    ("gpu_count", "number"): "number of gpus, gpu count, gpus",
    ("server_model", "text"): "server, server model",
    ("server_count", "number"): "number of servers, server count, cluster size",
    ("instance_type", "text"): "instance type, instance",
    ("managed_service", "text"): "managed service, managed service used",
    ("location", "text"): "server location, datacenter location, location, region, country",
    ("cloud_provider", "text"): "cloud provider",
    ("cloud_region", "text"): "cloud region",
    ("pue", "number"): "pue, datacenter pue, power usage effectiveness",
    ("wue_l_per_kwh", "rate"): "wue, datacenter wue",
    ("grid_kgco2e_per_kwh", "intensity"): "grid carbon intensity, carbon intensity",
    ("gpu_utilization", "share"): "average gpu utilization, gpu utilization",
    ("cpu_utilization", "share"): "average cpu utilization, cpu utilization",
    ("tokens_padded", "number"):
        "tokens, total tokens, training tokens, total fine-tuning tokens, tokens including padding",
    ("tokens_unpadded", "number"): "tokens without padding",
    ("epochs", "number"): "epochs",
    ("samples", "number"): "samples, training examples",
    ("steps", "number"): "steps, training steps",
    ("sequence_length", "number"): "sequence length",
    ("token_lengths", "lengths"): "token lengths",
    ("pad_to_multiple_of", "number"): "pad to multiple of",
    ("micro_batch_size", "number"): "per-device batch size",
    ("gradient_accumulation", "number"): "gradient accumulation steps",
    ("world_size", "number"): "world size",
    ("precision", "text"): "precision",
    ("lora_rank", "number"): "lora rank",
    ("model_parameters", "number"): "parameters, model parameters",
    ("meter_energy_kwh", "energy"): "metered energy",
    ("it_energy_kwh", "energy"): "it energy",
    ("expected_use_life_days", "days"): "expected use life, use life",
    ("expected_use_life_days", "days_bare"): "expected use life in days",
    ("expected_inferences_per_day", "number"): "expected inferences per day, inferences per day",
}  # fmt: skip
"""Field and how its value is written -> the methodology's labels, in lower case, American
spelling."""
_COMMON = {
    ("run_id", "text"): "run name",
    ("model_name", "text"): "output model, output model name, fine-tuned model name",
    ("base_model", "text"):
        "base, base checkpoint, base model id, base model name, base model name or path, "
        "fine-tuned from, fine-tuned from model, finetuned from, model name or path, "
        "pretrained checkpoint, pretrained model, pre-trained model, starting checkpoint",
    ("method", "method"):
        "fine-tuning type, fine-tuning technique, peft method, peft type, technique, "
        "training method, training type",
    ("gpu_model", "text"):
        "accelerator model, accelerator name, accelerator type, device name, gpu name, gpu type, "
        "graphics card, hardware, hardware type, hardware used",
    ("server_count", "number"): "number of instances",
    ("instance_type", "text"): "machine type, node type, vm size, vm type",
    ("cloud_provider", "text"): "cloud, provider",
    ("cloud_account", "text"): "account, account id, aws account",
    ("location", "text"):
        "availability zone, city, cloud zone, compute location, compute region, place, zone",
    ("started_at", "instant"):
        "date, date of training, date started, day, run date, run day, start date, started, "
        "started at, started on, training date, training day",
    ("ended_at", "instant"):
        "completed, completed at, date finished, end date, ended, ended at, finished, finished at",
    ("reserved_s", "duration"):
        "duration, elapsed, elapsed time, time taken, total time, wall clock, wall clock time, "
        "wall time, walltime",
    ("reserved_s", "hours"): "hours, hours used",
    ("active_s", "duration"):
        "run time, runtime, time to train, total runtime, train runtime, train time, "
        "training duration",
    ("active_s", "hours"): "hours of training, training hours",
    (GPU_HOURS, "gpu_hours"):
        "accelerator hours, device hours, gpu hrs, gpuh, total compute (gpu hours), "
        "time (gpu hours), training time (gpu hours), total training time (gpu hours)",
    ("epochs", "number"): "num train epochs",
    ("samples", "number"): "dataset size, rows, training set size",
    ("micro_batch_size", "number"):
        "batch size per device, batch size per gpu, micro batch size, per device train batch size, "
        "per gpu batch size, per gpu train batch size",
    ("gradient_accumulation", "number"): "gradient accumulation",
    ("sequence_length", "number"):
        "block size, context length, cutoff len, max length, max seq len, max seq length, "
        "max sequence length, model max length, seq len, seq length",
    ("precision", "text"): "data type, dtype, mixed precision, torch dtype",
    ("lora_rank", "number"): "lora r, peft rank",
    ("model_parameters", "number"): "model size, param count, params",
    ("it_energy_kwh", "energy"):
        "electricity, electricity consumption, electricity used, energy, energy consumed, "
        "energy consumption, energy use, energy used, total energy",
    ("gpu_energy_kwh", "energy"): "gpu energy, gpu power consumption, power consumption from gpus",
    ("cpu_energy_kwh", "energy"): "cpu energy",
    ("ram_energy_kwh", "energy"): "memory energy, ram energy",
    ("gpu_max_w", "power"):
        "gpu power limit, gpu tdp, max gpu power, maximum gpu power, peak gpu power, "
        "power consumption, power consumption per gpu, tdp, training power consumption",
    ("gpu_utilization", "share"): "gpu util, mean gpu utilization",
    ("disclosed_kgco2e", "carbon"):
        "carbon emissions, carbon emitted, carbon footprint, co2 emissions, co2 eq emissions, "
        "co2, co2e, emissions, ghg emissions, greenhouse gas emissions, "
        "location based greenhouse gas emissions, training location based greenhouse gas emissions",
    ("expected_use_life_days", "days"): "deployment lifetime, expected lifetime, lifetime",
    ("expected_inferences_per_day", "number"):
        "calls per day, expected queries per day, expected requests per day, predictions per day, "
        "queries per day, requests per day",
}  # fmt: skip
"""The same for labels that a disclosure may have, but that tell it from no other file."""


def _by_label(listed: Mapping[tuple[str, str], str]) -> dict[str, tuple[str, str]]:
    return {label: meaning for meaning, labels in listed.items() for label in labels.split(", ")}


LABELS, COMMON_LABELS = _by_label(_OWN), _by_label(_COMMON)
"""Label -> field and how its value is written."""

_UNDERSTOOD = LABELS | COMMON_LABELS

COUNTED: dict[str, str] = {
    "accelerator": "gpu_count", "card": "gpu_count", "device": "gpu_count", "gpu": "gpu_count",
    "machine": "server_count", "node": "server_count", "server": "server_count",
    "epoch": "epochs", "step": "steps", "token": "tokens_padded",
    "param": "model_parameters", "parameter": "model_parameters",
    "example": "samples", "row": "samples", "sample": "samples",
}  # fmt: skip
"""What may stand in the plural, or beside words of counting: "nodes", `num_gpus`, "# of steps"."""
_COUNTING = frozenset(
    """
    number of no no. nr num n # total count used train training trained fine-tuning processed seen
    overall global optimizer
    """.split()  # noqa: SIM905 (prose)
)

EVIDENCE = frozenset(
    {
        GPU_HOURS, "gpu_model", "gpu_count", "server_model", "server_count", "instance_type",
        "managed_service", "location", "cloud_region", "country_iso3", "reserved_s", "active_s",
        "tokens_padded", "tokens_unpadded", "it_energy_kwh", "meter_energy_kwh",
    }
)  # fmt: skip
"""Fields of which a document must name at least one to be a disclosure: a model configuration names
base model, batch size and epochs too, but no hardware, place, time or energy."""

HARDWARE = frozenset({"gpu_model", "gpu_count", "server_model", "instance_type", "managed_service"})
WORK = frozenset(
    {
        GPU_HOURS, "reserved_s", "active_s", "tokens_padded", "tokens_unpadded", "it_energy_kwh",
        "meter_energy_kwh", "gpu_energy_kwh",
    }
)  # fmt: skip
"""Fields of which common words tell a disclosure where it names one of each: on what, how much."""

_MISSING = {
    "",
    "-",
    "—",
    "n/a",
    "na",
    "none",
    "null",
    "~",
    "unknown",
    "not disclosed",
    "undisclosed",
    "tbd",
}


def field_of(label: str) -> str | None:
    """Return the field that a label or column name means, None if it is neither."""
    return (
        label.strip() if label.strip() in RUN_FIELDS else LABELS.get(plain(label), ("",))[0] or None
    )


@lru_cache(maxsize=4096)
def understood(label: str) -> str | None:
    """Return the field that a label of a disclosure means, also by a word that only is common."""
    meaning = _meaning(label) if len(label) <= _LONGEST else None
    return meaning[0] if meaning else None


_LONGEST_NAMED = 60
_LONGEST = 80
"""Characters above which nothing is a label."""
_UNIT_BEHIND = re.compile(
    r"(.+?)[ ,]*(?: |\[|\()(?:in )?([a-z0-9%/₂]{1,12}(?: co[2₂][a-z/]{0,8})?)[\])]?$"
)
"""A label that states the unit of its value: "Training time (hours)", `duration_h`."""
_NEW_WORD = re.compile(r"(?<=[a-z])(?=[A-Z])")


def _meaning(label: str) -> tuple[str, str, str] | None:
    """Return the field that a label of a disclosure means, the style of its value, and its unit."""
    if label.strip() in RUN_FIELDS:
        return label.strip(), _style(label.strip()), ""
    for spelling in (label, label.replace("-", " "), _NEW_WORD.sub(" ", label)):
        words = plain(spelling)
        if found := _of_words(words):
            return *found, ""
        parted = _UNIT_BEHIND.fullmatch(words)
        found = _of_words(parted[1]) if parted else None
        if parted and found and is_unit(parted[2], found[1]):
            return *found, parted[2]
    return None


def _of_words(words: str) -> tuple[str, str] | None:
    """Return the field and style of a label in plain words: as listed, or as a count of things."""
    if words in _UNDERSTOOD:
        return _UNDERSTOOD[words]
    said = words.replace("#", "# ").split()
    things = [word for word in said if word not in _COUNTING]
    if len(things) != 1 or (len(said) == 1 and not words.endswith("s")):
        return None
    field = COUNTED.get(re.sub(r"^n(?=gpu|node)|s$", "", things[0]))
    return (field, "number") if field else None


_WORTH_ASKING = frozenset({"duration", "hours", "energy", "carbon", "days", "instant"})
"""Styles in which people leave out the unit, or the order of day and month: a refusal asks."""


def _gives_way(label: str) -> bool:
    """Say whether a label counts only where none of the methodology names its field."""
    return field_of(label) is None


def _needs_gpu_hours(label: str, field: str) -> bool:
    """Say whether a label names a power that is one accelerator's only beside GPU hours."""
    return field == "gpu_max_w" and not re.search(r"gpu|tdp", label, re.IGNORECASE)


def not_understood(labels: Sequence[str]) -> str:
    """Return the repair that names labels which mean no field, nothing if there are none."""
    shortened = [scrubbed(label)[:_LONGEST_NAMED] for label in labels]
    return repairs.naming("label_not_understood", shortened) if labels else ""


def nearest(label: str) -> str:
    """Return the known labels and column names most like an unknown one, for a message."""
    known = [*_UNDERSTOOD, *RUN_FIELDS]
    close = difflib.get_close_matches(plain(label), known, n=3, cutoff=0.5)
    return f"nearest known: {', '.join(close)}" if close else f"known: {', '.join(RUN_FIELDS)}"


def parsed(disclosed: Mapping[str, object], timezone: str) -> tuple[dict[str, object], list[str]]:
    """Return the fields of one disclosure and the labels in it that nobody knows.

    GPU hours stay among the fields where the number of GPUs is not told.

    Raises
    ------
    RefusalError
        If a value cannot be understood, or two labels name one field.
    """
    fields: dict[str, object] = {}
    unknown = []
    tells_gpu_hours = any(understood(str(label)) == GPU_HOURS for label in disclosed)
    for label, value in sorted(disclosed.items(), key=lambda item: _gives_way(str(item[0]))):
        meaning = _meaning(str(label))
        if (
            meaning is None
            or (meaning[0] in fields and _gives_way(str(label)))
            or (_needs_gpu_hours(str(label), meaning[0]) and not tells_gpu_hours)
        ):
            unknown.append(str(label))
            continue
        name, style, unit = meaning
        # "GPUs: 8x A100" names them where their number is asked for.
        if name == "gpu_count" and isinstance(value, str) and gpu_names.parse(value):
            name, style = "gpu_model", "text"
        if name in fields:
            msg = f"{label!r} names {name}, which is named already; state it once"
            raise RefusalError(msg, "duplicated_label")
        try:
            fields[name] = _value(str(label), name, style, with_unit(value, unit), timezone)
        except RefusalError:
            if not _gives_way(str(label)) or style in _WORTH_ASKING:
                raise
            unknown.append(str(label))
    known = {name: value for name, value in fields.items() if value is not None}
    return _with_gpus(known), unknown


def _with_gpus(fields: dict[str, object]) -> dict[str, object]:
    """Take apart what is said of hardware, "4 x A100"; turn GPU hours into reserved time."""
    text = _without_remark(str(fields.pop("gpu_model", "")))
    fields = {**hardware_words.told_by(text), **fields}
    named = gpu_names.parse(text)
    hours = fields.pop(GPU_HOURS, None)
    if isinstance(hours, float) and not {"reserved_s", "active_s"} & set(fields):
        count = fields.get("gpu_count", named[0].count if named else None)
        if not isinstance(count, float) or count <= 0:
            return {**fields, GPU_HOURS: hours}
        fields["reserved_s"] = hours * SECONDS_PER_HOUR / count
    return fields


def _without_remark(text: str) -> str:
    """Return the name of hardware without what stands in brackets behind it, where that says none.

    `A100-40GB (MosaicML)` is an A100; `A100 (40 GB)` needs its brackets.
    """
    bare = re.sub(r"\s*\([^)]*\)\s*$", "", text)
    whole, named = gpu_names.parse(text), gpu_names.parse(bare)
    understood_alone = named and not named[0].unread
    return bare if understood_alone and not (whole and not whole[0].unread) else text


_LONGEST_RUN_H = 30 * HOURS_PER_DAY
"""Hours for which a single fine-tuning hardly ever holds its accelerators."""


def fewest_gpus(gpu_hours: float) -> float:
    """Return the least power of two of GPUs that computes so many GPU hours within a month."""
    return 2.0 ** max(0, math.ceil(math.log2(max(gpu_hours, 1.0) / _LONGEST_RUN_H)))


def with_fewest_gpus(fields: dict[str, object]) -> dict[str, object]:
    """Return the fields of a disclosure whose GPU hours lack a number of GPUs with one, and say so.

    It is what fits start and end, else the fewest that need no longer than a month. Energy and
    making go by the hours of all GPUs together, whatever their number.
    """
    hours = fields.get(GPU_HOURS)
    if not isinstance(hours, float):
        return fields
    count, started, ended = fewest_gpus(hours), fields.get("started_at"), fields.get("ended_at")
    if isinstance(started, pd.Timestamp) and isinstance(ended, pd.Timestamp) and ended > started:
        elapsed_h = (ended - started).total_seconds() / SECONDS_PER_HOUR
        count = float(max(1, math.ceil(hours / elapsed_h - 0.01)))
    told = {name: value for name, value in fields.items() if name != GPU_HOURS}
    by_hours = {"gpu_count": count, "reserved_s": hours * SECONDS_PER_HOUR / count}
    return {**told, **by_hours, "repairs": GPU_COUNT_BY_HOURS}


def _value(label: str, name: str, style: str, value: object, timezone: str) -> object:
    if value is None or (isinstance(value, str) and plain(value) in _MISSING):
        return None
    if isinstance(value, float) and math.isnan(value):
        # Python and pandas write a missing value so; in text, "nan" is a mistake.
        return None
    if name == "host":
        return hosts_of(str(value))
    try:
        return value_of(value, style, timezone)
    except (ValueError, TypeError) as error:
        msg = f"{label} is {shown(value)}: {error}"
        raise RefusalError(msg, "bad_value") from error


def hosts_of(value: str) -> str | None:
    """Return the hashes of the machines that a text names; what is a hash already stays."""
    names = re.split(r"[\s,;]+", value.strip())
    hashes = [
        name if re.fullmatch(r"[0-9a-f]{8}", name) else hashed_host(name) for name in names if name
    ]
    return " ".join(hashes) or None


def _style(name: str) -> str:
    """Return how a value is written that stands under the name of its column."""
    column = RUNS.column(name)
    if name == "method":
        return "method"
    if column.unit == "fraction":
        return "share"
    return {
        "reserved_s": "duration_bare", "active_s": "duration_bare", "gpu_max_w": "power",
        "expected_use_life_days": "days_bare", "wue_l_per_kwh": "rate",
        "grid_kgco2e_per_kwh": "number", "token_lengths": "lengths",
    }.get(name) or {
        "string": "text", "timestamp": "instant", "boolean": "yes_no",
    }.get(column.kind) or ("energy_bare" if name.endswith("_energy_kwh") else "number")  # fmt: skip
