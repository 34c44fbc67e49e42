"""What kind of machine a run was on, told by its accelerator or by the machine's other words.

Put here: the kind of a machine (`host_class`), what follows from it where no row has the hardware
itself, and whether it stands in a data centre. Keep out: accelerators and servers that have rows
(`hardware.py`), and how names are spelled (`reference/gpu_names.py`).
"""

from __future__ import annotations

import re
from collections.abc import Callable

import pandas as pd

from ft_emissions_pipeline import uncertainty
from ft_emissions_pipeline.normalize.columns import Frame
from ft_emissions_pipeline.normalize.filling import (
    Answer,
    Context,
    Offer,
    Rule,
    by_itself,
    unknown_names,
)
from ft_emissions_pipeline.reference import resolve, take
from ft_emissions_pipeline.reference.declaration import HOST_CLASSES
from ft_emissions_pipeline.tables.words import Basis

NO_GPU = "none"
"""Stands in `gpu_id` where a log says that the run used no accelerator."""

OUTSIDE = ("workstation", "desktop_card", "laptop_card", "soc")
"""Kinds of machines that stand in offices and homes, unless a log names a cloud."""

WORDS = ("cpu_model", "operating_system")
"""Words about a machine beside its accelerator."""

PLAIN_SERVER = "generic-server"
DATA_CENTRE = "data_centre"

_SERVER_CPU = re.compile(
    r"xeon(?! w)|epyc|opteron|graviton|altra|neoverse|axion|cobalt|power\d", re.IGNORECASE
)
_WORKSTATION_CPU = re.compile(r"threadripper|xeon w", re.IGNORECASE)
_APPLE = re.compile(r"\bapple\b|\bm[1-9]( pro| max| ultra)?$", re.IGNORECASE)
_LAPTOP_CPU = re.compile(
    r"i[3579]-\d{4,5}(?:u|y|h|hq|hk|hx|p|m|g\d)\b|ultra [3579](?: pro)? \d{3}(?:u|h|v|hx)\b"
    r"|ryzen.* \d{4}(?:u|h|hs|hx|c)\b|ryzen ai|snapdragon",
    re.IGNORECASE,
)
_CPU = re.compile(r"intel|amd|ryzen|core|pentium|celeron", re.IGNORECASE)
_MAC = re.compile(r"mac ?os|darwin", re.IGNORECASE)
_WINDOWS_PC = re.compile(r"windows(?!.*server)", re.IGNORECASE)


def kind_of_machine(cpu_model: object, operating_system: object) -> str | None:
    """Return the kind of machine that a CPU and an operating system stand for, if they tell.

    Server CPUs sit in data centres; a Mac is a system on a chip; a suffix such as U or HX marks a
    laptop's CPU; any other CPU of Intel or AMD, and Windows that is no server's, is a desktop PC.
    """
    cpu = (
        re.sub(r"\((?:r|tm)\)", "", cpu_model, flags=re.IGNORECASE)
        if isinstance(cpu_model, str)
        else ""
    )
    system = operating_system if isinstance(operating_system, str) else ""
    for pattern, kind in (
        (_WORKSTATION_CPU, "workstation"),
        (_SERVER_CPU, DATA_CENTRE),
        (_APPLE, "soc"),
        (_LAPTOP_CPU, "laptop_card"),
    ):
        if pattern.search(cpu):
            return kind
    if _MAC.search(system):
        return "soc"
    if _CPU.search(cpu) or _WINDOWS_PC.search(system):
        return "desktop_card"
    return None


def on_cloud(frame: Frame) -> pd.Series:
    """Say of which runs a log names a cloud, a service or an instance."""
    named = frame[["cloud_provider", "cloud_region", "instance_type", "managed_service"]].notna()
    told = frame["on_cloud"].astype("boolean").fillna(False).astype(bool)
    return named.any(axis=1) | told


def _kind_by_words(frame: Frame) -> pd.Series:
    """Return the kind of each machine by its words; on a cloud every machine is a server."""
    pairs = frame[["cpu_model", "operating_system"]].drop_duplicates()
    kinds = {pair: kind_of_machine(*pair) for pair in pairs.itertuples(index=False, name=None)}
    cells = zip(frame["cpu_model"], frame["operating_system"], strict=True)
    found = pd.Series([kinds.get(pair) for pair in cells], frame.index, dtype="str")
    return found.mask(on_cloud(frame) & found.notna(), DATA_CENTRE)


def _told(frame: Frame) -> pd.Series:
    words = frame[["cpu_model", "operating_system"]].astype("str").fillna("")
    return "told by " + (words["cpu_model"] + ", " + words["operating_system"]).str.strip(", ")


def _class_in_name(frame: Frame, context: Context) -> Offer:
    found = resolve(context.reference, "gpus", frame["gpu_model"])
    kind = found["hardware_class"].where(found["id"].isna())
    known_not = unknown_names(frame["gpu_model"].where(kind.notna()), "gpus", context)
    note = known_not + "; its kind by the name: " + kind
    return Offer(kind, factor_id=("hardware_classes/" + kind), note=note)


def _class_of_machine(frame: Frame, _: Context) -> Offer:
    kind = _kind_by_words(frame)
    # A server says nothing of the accelerator in it: the year's commonest is the better guess.
    kind = kind.where(kind.isin(OUTSIDE))
    return Offer(kind, factor_id=("hardware_classes/" + kind), note=_told(frame))


def _class_of_gpu(frame: Frame, context: Context) -> Offer:
    row = take(context.reference, "gpus", frame["gpu_id"], ["host_class"], on=frame["date"])
    return Offer(row["host_class"].fillna(_as_accelerator(frame)), factor_id=row["factor_id"])


def _data_centre(frame: Frame) -> pd.Series:
    return pd.Series(DATA_CENTRE, index=frame.index, dtype="str")


def _server_of_class(frame: Frame, context: Context) -> Offer:
    """Take the usual host of a kind, where no row has the accelerator or none was used."""
    row = take(
        context.reference, "hardware_classes", frame["host_class"], ["server_id"], on=frame["date"]
    )
    bare = (frame["gpu_id"] == NO_GPU).to_numpy()
    # Published examples of the year's commonest server are of runs that tell nothing at all.
    told = context.rule("host_class", frame.index) != "class_default"
    host = row["server_id"].mask(bare & (frame["host_class"] == DATA_CENTRE), PLAIN_SERVER)
    wanted = frame["gpu_id"].isin(HOST_CLASSES) | (bare & told)
    return Offer(host.where(wanted), factor_id=row["factor_id"])


def outside_data_centres(frame: Frame) -> pd.Series:
    """Say which runs were on a workstation, PC, laptop or Mac that no log places on a cloud."""
    return frame["host_class"].isin(OUTSIDE) & ~on_cloud(frame)


def _of_class(column: str, kind_of: Callable[[Frame], pd.Series], gsd: str | None = None) -> Answer:
    """Take a figure of a machine's kind, as wide as its row says, or as a default does."""

    def offer(frame: Frame, context: Context) -> Offer:
        ends = [] if gsd else [f"{column}_p05", f"{column}_p95"]
        columns = [column, *ends]
        kind = kind_of(frame)
        row = take(context.reference, "hardware_classes", kind, columns, on=frame["date"])
        if gsd:
            return Offer(row[column], row["factor_id"], context.log_gsd(gsd, frame["date"]))
        log_sd = uncertainty.log_sd_of_interval(*(row[end] for end in ends))
        return Offer(row[column], row["factor_id"], log_sd)

    return offer


def _as_accelerator(frame: Frame) -> pd.Series:
    """Return the kind that stands for an accelerator that no row has."""
    return frame["gpu_id"].where(frame["gpu_id"].isin(HOST_CLASSES))


def _outside(frame: Frame) -> pd.Series:
    return frame["host_class"].where(outside_data_centres(frame))


CLASS_OF_ACCELERATOR = (
    Rule("gpu_id", "gpu_class_in_name", Basis.DEFAULT,
         "no row has the name; an accelerator of the kind that it tells", _class_in_name,
         needs=("gpu_model",)),
    Rule("gpu_id", "gpu_class_of_machine", Basis.DEFAULT,
         "no card is named; the usual one of a machine of this kind", _class_of_machine,
         needs=(WORDS,)),
)  # fmt: skip
"""For accelerators that no row has: `gpu_id` then holds the kind."""

CLASS_OF_HOST = (
    Rule("host_class", "class_of_gpu", Basis.REFERENCE, "the kind of the accelerator",
         _class_of_gpu, needs=("gpu_id",)),
    Rule("host_class", "class_by_words", Basis.PREDICTED,
         "the kind of machine that CPU and operating system stand for",
         lambda frame, _: Offer(_kind_by_words(frame), note=_told(frame)), needs=(WORDS,)),
    Rule("host_class", "class_default", Basis.DEFAULT, "a server, where nothing tells the machine",
         by_itself(_data_centre)),
)  # fmt: skip

HOST = (
    Rule("server_id", "server_of_class", Basis.DEFAULT, "the usual host of the kind",
         _server_of_class),
)  # fmt: skip

FACTORS = (
    *(
        Rule(target, f"{target}_of_class", Basis.DEFAULT,
             f"{column} of the kind in hardware_classes.csv", _of_class(column, _as_accelerator))
        for column, target in (
            ("tdp_w", "gpu_max_w"), ("idle_w", "gpu_idle_w"),
            ("embodied_kgco2e", "gpu_embodied_kgco2e"),
            ("embodied_water_l", "gpu_embodied_water_l"),
        )
    ),
    Rule("hardware_use_life_h", "use_life_of_class", Basis.DEFAULT,
         "use life of a machine outside data centres", _of_class("use_life_h", _outside)),
    Rule("share_reserved", "share_reserved_of_class", Basis.DEFAULT,
         "share of its use life in which such a machine is taken for jobs",
         _of_class("share_reserved", _outside)),
    Rule("pue", "pue_outside", Basis.DEFAULT, "no data centre around the machine",
         _of_class("pue", _outside, "gsd_pue_outside")),
    Rule("wue_l_per_kwh", "wue_outside", Basis.DEFAULT, "no cooling with water around the machine",
         _of_class("wue_l_per_kwh", _outside, "gsd_pue_outside")),
)  # fmt: skip
