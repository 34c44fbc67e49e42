"""What the name of a cloud instance says: family, size, and often the accelerator itself.

Put here: how clouds spell instances, and what a size that no row has means in its family. Keep out:
the rows (`names.py`) and accelerators' own names (`gpu_names.py`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from ft_emissions_pipeline.reference import gpu_names
from ft_emissions_pipeline.reference.found import Found

LONGEST = 200
"""Characters above which nothing is read as the name of an instance."""

_AWS = re.compile(
    r"(?:ml\.|db\.)?((?:p|g|gr|trn|inf|dl)\d[a-z]*(?:-[a-z0-9]+)?)\.(\d*)(x?large|metal)[\w-]*"
)
_GOOGLE = re.compile(r"([a-z]+\d[a-z]*-[a-z]+)-(\d+)[gt]?(?:-[a-z]+)?")
_AZURE = re.compile(r"(?:standard_|basic_)?(n[cdvgp])(\d+)([a-z]*(?:_[a-z0-9]+)*)")
_COUNTS = (
    # gpu_8x_h100_sxm5, gd-8xh100ib-i128
    re.compile(r"(?<![a-z0-9])(\d{1,2})x_?(?=[a-z])(?!large)"),
    re.compile(r"(?<![a-z0-9])(\d{1,2})gpu"),  # 8gpu-128vcpu-1600gb
    re.compile(r"gpu\.[a-z0-9-]+\.(\d{1,2})$"),  # BM.GPU.H100.8
    re.compile(r"^[a-z]\w*-(?:sxm-|pcie-)?(\d)-\d+g$"),  # H100-2-80G
    re.compile(r"[a-z0-9]x(\d{1,2})$"),  # l40sx4
)

_SEVERAL = (
    re.compile(r"(?P<count>\d{1,4})(?: ?[x*] ?| )(?P<name>[A-Za-z]\S+)"),
    re.compile(r"(?P<name>[A-Za-z]\S+?)(?: ?[*:] ?| x ?| \((?:x ?)?)(?P<count>\d{1,4})x?\)?"),
)

_TELLING = re.compile(r"sxm\d?|pcie|nvl|\d+gb")
"""What beside the card tells its form or memory; a bare number with a G may be the host's
memory."""


@dataclass(frozen=True)
class InstanceName:
    """Family and size of an instance; sizes compare within a family alone."""

    family: str
    size: float


def parse(name: str) -> InstanceName | None:
    """Return family and size where a name has the form of AWS, Google or Azure."""
    text = name.strip().lower()
    if len(text) > LONGEST:
        return None
    if match := _AWS.fullmatch(text):
        size = float(match[2] or 1) if match[3] == "xlarge" else 0.5
        return InstanceName(f"aws:{match[1]}", float("inf") if match[3] == "metal" else size)
    if match := _GOOGLE.fullmatch(text):
        return InstanceName(f"gcp:{match[1]}", float(match[2]))
    if match := _AZURE.fullmatch(text):
        return InstanceName(f"azure:{match[1]}{match[3]}", float(match[2]))
    return None


def plain(name: str) -> str:
    """Return a name without what services and people add: `AWS`, `ml.`, `Standard_`, `-nolssd`."""
    text = re.sub(r"^(?:aws|amazon|ec2|gcp|google|azure)[ :]+", "", name.strip().lower())
    text = re.sub(r"^(?:ml\.|db\.|standard_|basic_)", "", text)
    return re.sub(r"-nolssd$", "", text)


def several(name: str) -> tuple[str, float] | None:
    """Return an instance and how many of it a name counts: "2x g5.xlarge", "p4d.24xlarge (x4)"."""
    text = name.strip().replace("\N{MULTIPLICATION SIGN}", "x")
    for pattern in _SEVERAL:
        if match := pattern.fullmatch(text):
            return match["name"], float(match["count"])
    return None


@dataclass(frozen=True)
class Row:
    """What a row of instances.csv says of an instance."""

    id: str
    size: float
    gpu_id: str
    gpu_count: float


def rows_by_family(rows: Sequence[tuple[str, str, float]]) -> dict[str, list[Row]]:
    """Return rows of instances.csv (id, accelerator, count) by family, the largest first."""
    families: dict[str, list[Row]] = {}
    for identity, gpu_id, gpu_count in rows:
        named = parse(identity.split(":", 1)[1])
        if named:
            row = Row(identity, named.size, gpu_id, gpu_count)
            families.setdefault(named.family, []).append(row)
    for family in families.values():
        family.sort(key=lambda row: -row.size)
    return families


def match(
    name: str,
    families: Mapping[str, Sequence[Row]],
    gpus: gpu_names.Rows,
    usual: Sequence[tuple[gpu_names.GpuName, str]],
) -> Found:
    """Return what an instance without a row is like: its family in another size, or its GPU.

    Parameters
    ----------
    name : str
        As logged.
    families : mapping
        As `rows_by_family` returns them.
    gpus, usual
        As in `gpu_names.match`.
    """
    named = parse(name)
    if named and named.family in families:
        return _of_family(named, families[named.family])
    if len(name) > LONGEST:
        return Found()
    text = name.strip().lower()
    for family in (f"{cloud}:{text}" for cloud in ("aws", "gcp", "azure")):
        if family in families:
            usual_id = families[family][0].gpu_id
            card = gpu_names.match(usual_id, gpus, usual)
            return replace(card, id=None, why=f"a family without a size: its card is {usual_id}")
    return _of_card(text, gpus, usual)


def _of_family(named: InstanceName, rows: Sequence[Row]) -> Found:
    """Return the family's row of the nearest size, and GPUs in proportion, at least one."""
    largest = rows[0]
    nearest = min(rows, key=lambda row: abs(row.size - named.size) if row.size != named.size else 0)
    share = min(named.size / largest.size, 1.0) if largest.size < float("inf") else 1.0
    count = max(1.0, float(round(largest.gpu_count * share)))
    return Found(
        id=nearest.id,
        assumed=True,
        count=count,
        candidates=tuple(dict.fromkeys(row.gpu_id for row in (nearest, *rows))),
        why=f"no row has this size of {named.family}; {nearest.id} is nearest, "
        f"accelerators by size: {count:g}",
    )


def _of_card(
    text: str, gpus: gpu_names.Rows, usual: Sequence[tuple[gpu_names.GpuName, str]]
) -> Found:
    """Return the accelerator that stands in the instance's name."""
    if any(each.hardware_class == "tpu" for each in gpu_names.parse(text)):
        whole = gpu_names.match(text, gpus, usual)
        return replace(whole, id=None, why=f"instance: {whole.why}")
    aws = re.match(r"(?:(?:p|g|gr|dl)\d[a-z]*|(trn\d|inf\d)[a-z]*)(?:-([a-z0-9]+))?\.", text)
    pieces = [aws[1] or aws[2] or ""] if aws else re.split(r"[._\s/-]+", text)
    for piece in pieces:
        core = re.sub(r"^\d+x|x\d+$|ib$", "", piece)
        # A kind of machine ("rtx", "desktop") is none of a card.
        if re.search(r"\d", core) and gpu_names.parse(core):
            told = [word for word in pieces if _TELLING.fullmatch(word)]
            found = gpu_names.match(" ".join([core, *told]), gpus, usual)
            counts = (pattern.search(text) for pattern in _COUNTS)
            count = next((float(each[1]) for each in counts if each), None)
            return replace(
                found,
                id=None,
                assumed=False,
                count=count,
                why=f"the instance names its card: {found.why}",
            )
    return Found()
