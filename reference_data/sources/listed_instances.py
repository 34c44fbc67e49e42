"""Instances out of a provider's own list of types: a table in Markdown, or a catalogue in CSV.

By hand: `python -m reference_data.sources.listed_instances azure page.md --source ... --url ...
--year 2026`. Microsoft, Alibaba Cloud and OVHcloud publish tables; catalogues of SkyPilot
(`catalogs/v8/*/vms.csv`) are written from the providers' interfaces (`--secondary`). A type that
has a row keeps its card and host; a new one of a family in HOSTS gets both, if its host has that
much memory; others are named on standard error. Put here: columns of such lists, hosts of families
that are new. Keep out: hosts themselves.
"""

from __future__ import annotations

import argparse
import csv
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from reference_data.sources.tables import Row, read, text, write

HOSTS = {
    "alibaba:ecs.gn6i-": ("T4", "alibaba-t4"),
    "alibaba:ecs.gn6v-": ("V100-SXM2-16GB", "alibaba-v100-sxm2-16gb"),
}
NAMES = {
    "instance_type": r"InstanceType|Instance type|Size|Flavor|Name",
    "gpu_count": r"AcceleratorCount|GPUs?",
    "vcpus": r"vCPUs?",
    "memory_gib": r"MemoryGiB|Memory.*GiB.*|RAM",
}
"""How lists head their columns."""


def listed(path: Path) -> Iterator[Row]:
    """Yield the types of a list: their name, accelerators, vCPU and memory."""
    content = path.read_text("utf-8")
    if path.suffix == ".csv":
        yield from _named(csv.reader(content.splitlines()))
        return
    for table in re.findall(r"(?:^\|.*\|[ \t]*\n)+", content, re.MULTILINE):
        cells = [line.strip().strip("|").split("|") for line in table.strip().splitlines()]
        yield from _named(iter(cells))


def _named(lines: Iterator[list[str]]) -> Iterator[Row]:
    head = [cell.replace("\\", "").strip() for cell in next(lines)]
    at = {
        name: next((i for i, cell in enumerate(head) if re.fullmatch(spelled, cell)), None)
        for name, spelled in NAMES.items()
    }
    for line in lines:
        if None in at.values() or len(line) < len(head):
            return
        row = {name: line[i].strip() for name, i in at.items() if i is not None}
        # "V100 x 4", "L40S x2", "4": the last number counts.
        numbers = re.findall(r"\d+(?:\.\d+)?", row["gpu_count"])
        if numbers and row["vcpus"].replace(".", "").isdigit():
            yield {
                "instance_type": row["instance_type"].rstrip("*"),
                "gpu_count": text(float(numbers[-1])),
                "vcpus": text(float(row["vcpus"])),
                "memory_gib": text(float(row["memory_gib"])),
            }


def main() -> None:
    """Take what a list says; the rows say which."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("provider")
    parser.add_argument("file", type=Path)
    parser.add_argument("--source", required=True)
    parser.add_argument("--url", required=True)
    parser.add_argument("--year", required=True)
    parser.add_argument("--licence", default="facts (no licence stated)")
    parser.add_argument("--secondary", action="store_true", help="the list is another's text")
    given = parser.parse_args()
    servers = {row["server_id"]: row for row in read("servers")}
    there = {(row["provider"], row["instance_type"]): row for row in read("instances")}
    for row in listed(given.file):
        key = given.provider, row["instance_type"]
        host = next((h for f, h in HOSTS.items() if ":".join(key).startswith(f)), ("", ""))
        held = there.get(key, {"gpu_id": host[0], "server_id": host[1]})
        server = servers.get(held["server_id"])
        if server is None or float(row["memory_gib"]) > float(server["memory_gb"]):
            sys.stderr.write(f"{':'.join(key)} has no host\n")
            continue
        share = float(row["gpu_count"]) / float(server["gpu_count"])
        there[key] = {
            "provider": given.provider, **row, "gpu_id": held["gpu_id"],
            "server_id": held["server_id"], "server_share": text(share),
            "source": given.source, "source_url": given.url, "source_year": given.year,
            "licence": given.licence,
            "verification": "secondary" if given.secondary else "read_in_source",
        }  # fmt: skip
    write("instances", list(there.values()))


if __name__ == "__main__":
    main()
