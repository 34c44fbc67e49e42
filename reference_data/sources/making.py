"""Carbon and water of making an accelerator, worked out where nobody published them.

By hand, after a change of `gpus.csv`: `python -m reference_data.sources.making`, then
`hardware_classes.py` and `write_datapackage()`. Adds the rows of the chip area method that are
missing and those of `gpu_water.csv`; rows that stand there stay. Put here: the two formulas. Keep
out: figures of makers and of life cycle assessments.
"""

from __future__ import annotations

from reference_data.sources.tables import Row, read, text, write

UNKNOWN_DIE = "H100-SXM5-80GB"
WATER_OF = "A100-SXM4-80GB"
WITHOUT_BOARD = ("laptop_card", "soc")
"""Kinds whose board, case and cooling are the host's; of a `soc` the memory is the host's too."""
MOSTLY_STACKED = {"data_centre", "tpu", "other_accelerator"}
"""Kinds whose cards have stacked memory but for those of the next list."""
GRAPHICS_MEMORY = (
    "A10", "A16", "A2", "A40", "L4", "L40", "L20", "T4", "P4", "P40", "P6", "K", "M", "RTX", "Flex",
    "Radeon-PRO-V6", "Radeon-PRO-V7", "Qualcomm", "Inferentia1",
)  # fmt: skip
STACKED_MEMORY = (
    "MI", "Max-", "Quadro-GP", "Quadro-GV", "TITAN-V", "Radeon-VII", "Radeon-PRO-VII", "RX-Vega",
    "Radeon-PRO-WX-8100", "Radeon-PRO-WX-9100", "Radeon-PRO-V520",
)  # fmt: skip
METHOD = (
    "ft_emissions_pipeline, chip area method; basis: Boakes et al. 2023 (wafers), "
    "Li, Graif, Gupta 2024 "
    "(memory), NVIDIA HGX H100 PCF split (rest); rows of embodied_components.csv"
)
WATER = (
    "Scope3 AI methodology, A100 page: TSMC 2022 ESG report 137.3 L per mask layer x 87 layers / "
    "29 dies "
    "per wafer"
)


def component(name: str, spec: str) -> float:
    """Return a value of `embodied_components.csv`."""
    for row in read("embodied_components"):
        if (row["component"], row["spec"]) == (name, spec):
            return float(row["value"])
    raise KeyError(name, spec)


def wafer(process_nm: str) -> tuple[float, str]:
    """Return a wafer's carbon per area at the nearest node, and a note where no node is known."""
    if not process_nm:
        return component("logic wafer", "TSMC-class N5"), "node unknown: 5 nm taken"
    nm = float(process_nm)
    nodes = ((22, 28), (18, 20), (11, 14), (9, 10), (5.5, 7), (3.5, 5), (0, 3))
    node = next(node for least, node in nodes if nm > least)
    return component("logic wafer", f"TSMC-class N{node}"), ""


def stacked_memory(card: Row) -> bool:
    """Tell whether a card has stacked memory."""
    name = card["gpu_id"]
    if name.startswith(STACKED_MEMORY):
        return True
    return card["host_class"] in MOSTLY_STACKED and not name.startswith(GRAPHICS_MEMORY)


def chip_area(card: Row, unknown_area: float) -> Row:
    """Return a card's making: dies by area and node, memory by size, the rest of the module."""
    area = float(card["die_area_mm2"] or unknown_area)
    per_cm2, no_node = wafer(card["process_nm"])
    whole = card["host_class"] not in WITHOUT_BOARD
    memory = 0.0 if card["host_class"] == "soc" else float(card["memory_gb"])
    hbm = stacked_memory(card)
    per_gb = (
        component("HBM2/HBM2e/HBM3", "stacked memory")
        if hbm
        else component("GDDR6", "graphics memory")
    )
    rest = (
        component("GPU module rest", "HGX H100, neither memory nor ICs, per GPU") if whole else 0.0
    )
    die = area / 100 * per_cm2 / component("logic wafer yield", "large dies")
    carbon = die + memory * per_gb + rest
    unknown = not card["die_area_mm2"]
    low, high = (3, 5) if unknown else (2, 3.5)
    notes = [
        f"{text(area)} mm2 x {text(per_cm2)} kg/cm2 wafer / 0.55 yield + {text(memory)} GB x "
        f"{text(per_gb)} kg/GB"
        + (f" + {text(rest)} kg cooling, board and assembly (HGX H100, not memory or ICs, per GPU)"
           if whole
           else "; board, case and cooling are the host's"
               + ("; so is its memory" if not memory else "")),
        f"die area unknown: {text(unknown_area)} mm2 (H100) taken" if unknown else "",
        no_node,
        "interval: half to 5; lower end a third times" if unknown
        else "interval: half to 3.5 times",
    ]  # fmt: skip
    return {
        "gpu_id": card["gpu_id"], "method": "chip_area", "rank": "1",
        "embodied_kgco2e": f"{carbon:.1f}",
        "p05": f"{carbon / low:.1f}", "p95": f"{carbon * high:.1f}", "source": METHOD,
        "source_url": "https://ieeexplore.ieee.org/document/10413725", "source_year": "2026",
        "licence": "CC BY 4.0 (this project)", "verification": "derived",
        "notes": "; ".join(n for n in notes if n),
    }  # fmt: skip


def water(card: Row, reference_area: float, reference_l: float) -> Row:
    """Return the water of a card's dies by their area, seen from the A100's."""
    known = card["die_area_mm2"]
    litres = reference_l * (float(known) / reference_area if known else 1.0)
    told = (
        f"A100 figure x {known} / {text(reference_area)} mm2 of die"
        if known
        else "die unknown: as the A100"
    )
    return {
        "gpu_id": card["gpu_id"], "embodied_water_l": f"{litres:.1f}", "p05": f"{litres / 3:.1f}",
        "p95": f"{litres * (3 if known else 5):.1f}", "source": WATER,
        "source_url": "https://preview.methodology.scope3.com/nvidia_a100", "source_year": "2024",
        "licence": "facts (no licence stated)", "verification": "derived",
        "notes": f"{told}; mask layers of other nodes and dies lost at the edge are not adjusted",
    }  # fmt: skip


def main() -> None:
    """Add what is missing, and drop the rows of cards that are gone."""
    cards = {row["gpu_id"]: row for row in read("gpus")}
    unknown = float(cards[UNKNOWN_DIE]["die_area_mm2"])
    making = [row for row in read("gpu_embodied") if row["gpu_id"] in cards]
    preferred = {row["gpu_id"] for row in making if row["rank"] == "1"}
    making += [chip_area(card, unknown) for key, card in cards.items() if key not in preferred]
    write("gpu_embodied", making)
    wet = [row for row in read("gpu_water") if row["gpu_id"] in cards]
    litres = next(float(row["embodied_water_l"]) for row in wet if row["gpu_id"] == WATER_OF)
    area = float(cards[WATER_OF]["die_area_mm2"])
    there = {row["gpu_id"] for row in wet}
    wet += [water(card, area, litres) for key, card in cards.items() if key not in there]
    write("gpu_water", wet)


if __name__ == "__main__":
    main()
