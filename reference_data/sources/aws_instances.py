"""AWS instances with accelerators, from Karpenter's page of types, as rows of `instances.csv`.

By hand: `python -m reference_data.sources.aws_instances instance-types.md COMMIT`, where the file
is `website/content/en/docs/reference/instance-types.md` of that commit of
aws/karpenter-provider-aws; then `write_datapackage()`. Types that the page no longer lists keep
their rows; a family that is new is named on standard error and needs a server in `servers.csv` and
a line in HOSTS. Put here: which host a family has. Keep out: the hosts themselves.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import NamedTuple

from reference_data.sources.tables import Row, read, text, write

SOURCE = "Amazon Web Services, Karpenter for AWS: Instance Types (written from the EC2 API)"
PAGE = (
    "https://github.com/aws/karpenter-provider-aws/blob/{}/"
    "website/content/en/docs/reference/instance-types.md"
)


class Host(NamedTuple):
    """Accelerator and server of a family of instances."""

    gpu_id: str
    server_id: str
    gpu_mib: float = 0
    """Memory of a whole accelerator, where instances hold a part of one."""


HOSTS = {
    "dl1": Host("Gaudi1", "aws-dl1"), "dl2q": Host("Qualcomm-AI100", "aws-dl2q"),
    "g3": Host("M60", "aws-g3"), "g3s": Host("M60", "aws-g3"),
    "g4ad": Host("Radeon-PRO-V520", "aws-g4ad"), "g4dn": Host("T4", "aws-g4dn"),
    "g5": Host("A10G", "aws-g5"), "g5g": Host("T4G", "aws-g5g"), "g6": Host("L4", "aws-g6"),
    "gr6": Host("L4", "aws-g6"), "g6f": Host("L4", "aws-g6", 22888),
    "gr6f": Host("L4", "aws-g6", 22888), "g6e": Host("L40S", "aws-g6e"),
    "g7": Host("RTX-PRO-4500-Blackwell", "aws-g7"),
    "g7e": Host("RTX-PRO-6000-Blackwell-Server", "aws-g7e"),
    "inf1": Host("Inferentia1", "aws-inf1"), "inf2": Host("Inferentia2", "aws-inf2"),
    "p2": Host("K80", "aws-p2"), "p3": Host("V100-SXM2-16GB", "aws-p3"),
    "p3dn": Host("V100-SXM2-32GB", "aws-p3dn"), "p4d": Host("A100-SXM4-40GB", "aws-p4d"),
    "p4de": Host("A100-SXM4-80GB", "aws-p4de"), "p5": Host("H100-SXM5-80GB", "aws-p5"),
    "p5e": Host("H200-SXM-141GB", "aws-p5e"), "p5en": Host("H200-SXM-141GB", "aws-p5e"),
    "p6-b200": Host("B200-180GB", "dgx-b200"), "p6-b300": Host("B300", "aws-p6-b300"),
    "trn1": Host("Trainium1", "aws-trn1"), "trn1n": Host("Trainium1", "aws-trn1"),
    "trn2": Host("Trainium2", "aws-trn2"),
}  # fmt: skip


def rows_of(page: str, commit: str, slots: dict[str, float]) -> list[Row]:
    """Return the rows of all types on the page that have an accelerator."""
    rows = []
    for section in re.finditer(
        r"^### `([^`]+)`\n(.*?)(?=^### |^## |\Z)", page, re.MULTILINE | re.DOTALL
    ):
        name, body = section.groups()
        said = dict(re.findall(r"karpenter\.k8s\.aws/instance-([\w-]+)\|([^|\n]+)", body))
        count = float(said.get("gpu-count") or said.get("accelerator-count") or 0)
        if not (said.get("gpu-name") or said.get("accelerator-name")):
            continue
        host = HOSTS.get(name.split(".")[0])
        if host is None:
            sys.stderr.write(f"{name}: its family has no host\n")
            continue
        if host.gpu_mib:
            count = round(8 * float(said["gpu-memory"]) / host.gpu_mib) / 8
        rows.append({
            "provider": "aws", "instance_type": name, "gpu_id": host.gpu_id,
            "gpu_count": text(count),
            "server_id": host.server_id, "server_share": text(count / slots[host.server_id]),
            "vcpus": said["cpu"].strip(), "memory_gib": text(float(said["memory"]) / 1024),
            "source": SOURCE, "source_url": PAGE.format(commit), "source_year": "2026",
            "licence": "Apache-2.0", "verification": "read_in_source",
        })  # fmt: skip
    return rows


SAID = ("gpu_id", "gpu_count", "server_id", "server_share", "vcpus", "memory_gib")


def main(page: str, commit: str) -> None:
    """Take the types that the page lists; a row that says the same already stays as it is."""
    slots = {row["server_id"]: float(row["gpu_count"]) for row in read("servers")}
    there = {(row["provider"], row["instance_type"]): row for row in read("instances")}
    for row in rows_of(Path(page).read_text("utf-8"), commit, slots):
        key = (row["provider"], row["instance_type"])
        if any(there.get(key, {}).get(column) != row[column] for column in SAID):
            there[key] = row
    write("instances", list(there.values()))


if __name__ == "__main__":
    main(*sys.argv[1:3])
