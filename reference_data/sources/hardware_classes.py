"""Kinds of accelerators, from the rows of their cards, as `hardware_classes.csv`.

By hand, after a change of cards or of their making:
`python -m reference_data.sources.hardware_classes`, then `write_datapackage()`. Put here: medians
and percentiles over a kind's cards, and how long and how much machines of a kind are used. Keep
out: what an unknown name becomes.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from reference_data.sources.tables import Row, read, text, write

SINCE = "2016"
"""Cards released earlier are rare among today's runs and left out of the percentiles."""

FROM_CARDS = ("tdp_w", "idle_w", "memory_gb", "peak_16bit_tflops", "die_area_mm2")


class Use(NamedTuple):
    """How a machine of a kind is used: years, share of them that it is on, share taken for jobs."""

    name: str
    server_id: str
    years: tuple[float, float, float]
    share_on: tuple[float, float, float]
    share_reserved: tuple[float, float, float]
    outside: bool


ALWAYS = (1.0, 1.0, 1.0)
RESERVED = (0.5, 0.95, 0.99)
YEARS = (3.0, 4.0, 6.0)
OWN = (0.6, 1.0, 1.0)
USES = {
    "data_centre": Use("accelerator of a server", "generic-8gpu-server", YEARS, ALWAYS, RESERVED,
                       outside=False),
    "tpu": Use("tensor processing unit", "tpu-host", YEARS, ALWAYS, RESERVED, outside=False),
    "other_accelerator": Use("other accelerator of a server", "generic-8gpu-server", YEARS, ALWAYS,
                             RESERVED, outside=False),
    "workstation": Use("card of a workstation", "generic-workstation", (3, 5, 7), (0.2, 0.5, 1),
                       OWN, outside=True),
    "desktop_card": Use("card of a desktop PC", "generic-desktop", (3, 5, 7), (0.15, 0.4, 1), OWN,
                        outside=True),
    "laptop_card": Use("graphics chip of a laptop", "generic-laptop", (3, 4, 6), (0.15, 0.3, 0.6),
                       OWN, outside=True),
    "soc": Use("system on a chip", "apple-laptop", (3, 4, 7), (0.15, 0.3, 1), OWN, outside=True),
}  # fmt: skip
"""Years of servers and their share: defaults.csv. Own machines: 4 to 6 years are usual in
footprints of makers of PCs; ENERGY STAR weights a desktop as on for 40 % of the year and a notebook
for 30 % to 40 %; a machine's hours on are all somebody's, so that none is left to spread over
(judgement)."""

SOURCE = (
    "ft_emissions_pipeline: median, 5th and 95th percentile over the rows of gpus.csv, "
    "gpu_embodied.csv and gpu_water.csv of this kind released since 2016; use: judgement; basis: "
    "defaults.csv for servers, duty cycles of ENERGY STAR Computers 8.0 and 4 to 6 years of use in "
    "makers' footprints for own machines"
)


def triple(values: list[float]) -> tuple[float, float, float]:
    """Return 5th percentile, median and 95th percentile."""
    low, middle, high = np.percentile(values, [5, 50, 95])
    return float(low), float(middle), float(high)


def peak_of(card: Row) -> str:
    """Return a card's peak in 16 bits; where it has no matrix units, that in 32."""
    return card["peak_16bit_tflops"] or card["peak_32bit_tflops"]


def main() -> None:
    """Write the table anew."""
    making = {r["gpu_id"]: r for r in read("gpu_embodied") if r["rank"] == "1"}
    water = {r["gpu_id"]: r for r in read("gpu_water")}
    rows = []
    for host_class, use in USES.items():
        cards = [
            {**card, "peak_16bit_tflops": peak_of(card)}
            for card in read("gpus")
            if card["host_class"] == host_class and card["release_date"] >= SINCE
        ]
        values = {c: triple([float(card[c]) for card in cards if card[c]]) for c in FROM_CARDS}
        ids = [card["gpu_id"] for card in cards]
        # Percentiles of the cards, widened to what single cards may be by their own rows.
        for column, table in (("embodied_kgco2e", making), ("embodied_water_l", water)):
            middle = triple([float(table[i][column]) for i in ids])[1]
            low = triple([float(table[i]["p05"]) for i in ids])[0]
            high = triple([float(table[i]["p95"]) for i in ids])[2]
            values[column] = (low, middle, high)
        hours = tuple(8760 * y * s for y, s in zip(use.years, use.share_on, strict=True))
        values |= {"use_life_h": hours, "share_reserved": use.share_reserved}
        rows.append({
            "host_class": host_class, "name": use.name, "server_id": use.server_id,
            **{f"{c}{end}": text(v, 6) for c, three in values.items()
               for end, v in zip(("_p05", "", "_p95"), three, strict=True)},
            **({"pue": "1", "wue_l_per_kwh": "0"} if use.outside else {}),
            "source": SOURCE, "source_year": "2026", "licence": "CC BY 4.0 (this project)",
            "verification": "derived",
            "notes": f"{len(cards)} cards; use life = years {use.years} x 8760 h x "
            f"share of hours on {use.share_on}"
            + ("; outside data centres: no overhead and no cooling water by definition (ISO/IEC "
               "30134-2)" if use.outside else ""),
        })  # fmt: skip
    write("hardware_classes", rows)


if __name__ == "__main__":
    main()
