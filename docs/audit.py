"""What a release says of the packages it rests on: licences, and a bill of materials (SBOM).

Put here: reading the lock files and the installed packages' own words, and what of them is refused.
Keep out: licences of data, which stand in `NOTICE` and in each row. `make audit` prints the list
and writes `dist/sbom.cdx.json` (CycloneDX 1.6, https://cyclonedx.org/docs/1.6/json/).
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import Distribution, distribution
from pathlib import Path

from packaging.markers import Marker, default_environment
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
LOCKS = ("requirements-installer.lock", "requirements.lock")
PROJECT = "ft-emissions-pipeline"
SBOM = ROOT / "dist" / "sbom.cdx.json"

PERMISSIVE = (
    "0BSD", "Apache", "BSD", "CC0", "ISC", "MIT", "PSF", "Python Software Foundation", "Zlib",
)  # fmt: skip
"""Beginnings of licences that ask for their notice at most."""

WEAK = ("Artistic License", "LGPL", "GNU Lesser", "MPL", "Mozilla Public License")
"""Licences that ask for the source of the package itself, were it changed; none is, nor is any
shipped."""

_PIN = re.compile(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)(?:\s*;([^\\]+))?")
_HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")


@dataclass(frozen=True)
class Locked:
    """A requirement of a lock file: the version, and the hashes that a download must have."""

    name: str
    version: str
    hashes: tuple[str, ...]


def locked(text: str) -> dict[str, Locked]:
    """Return the requirements of a lock file that hold on this machine, by name.

    Raises
    ------
    ValueError
        If a requirement has no version or no hash, so that it could change by itself.
    """
    found = {}
    for entry in re.split(r"\n(?=\S)", re.sub(r"(?m)^\s*#.*\n?", "", text).strip()):
        pin, hashes = _PIN.match(entry), tuple(_HASH.findall(entry))
        if pin is None or not hashes:
            msg = (
                f"{entry.splitlines()[0]!r} is not pinned to a version and its hashes; lock it anew"
            )
            raise ValueError(msg)
        name = canonicalize_name(pin[1])
        if pin[3] and not Marker(pin[3].strip()).evaluate():
            continue
        found[name] = Locked(name, pin[2], hashes)
    return found


def licence(package: Distribution) -> str:
    """Return the licence of an installed package in its own words, as SPDX where it has that."""
    told = package.metadata
    if told.get("License-Expression"):
        return str(told["License-Expression"])
    classes = [
        line.split(" :: ")[-1]
        for line in told.get_all("Classifier") or ()
        if line.startswith("License :: ")
    ]
    free = (told.get("License") or "").strip()
    return " OR ".join(classes) or (free if "\n" not in free else free.splitlines()[0])


def allowed(words: str) -> bool:
    """Return whether a licence is permissive, or weak enough for a package used unchanged."""
    either = re.split(r"\s+OR\s+", words)
    return any(
        all(part.strip("( )").removeprefix("3-Clause ").startswith((*PERMISSIVE, *WEAK))
            for part in re.split(r"\s+AND\s+", choice))
        for choice in either
    )  # fmt: skip


def needed(name: str = PROJECT) -> set[str]:
    """Return the packages that a user of the project gets, itself left out."""
    seen: set[str] = set()
    waiting = [(name, frozenset[str]())]
    while waiting:
        each, extras = waiting.pop()
        for line in distribution(each).requires or ():
            asked = Requirement(line)
            other = canonicalize_name(asked.name)
            environments = [default_environment() | {"extra": extra} for extra in extras or {""}]
            wanted = asked.marker is None or any(map(asked.marker.evaluate, environments))
            if wanted and other not in seen:
                seen.add(other)
                waiting.append((other, frozenset(asked.extras)))
    return seen


def faults(lock: Mapping[str, Locked], shipped: set[str]) -> Iterator[str]:
    """Yield what of the installed packages no release may have, as sentences."""
    for name in sorted(shipped - lock.keys()):
        yield f"{name} is needed, but in no lock file: it would be fetched as it is that day"
    for name, each in lock.items():
        package = distribution(name)
        if package.version != each.version:
            yield (
                f"{name} {package.version} is installed, {each.version} is locked; run `make setup`"
            )
        words = licence(package)
        if not allowed(words):
            yield (
                f"{name} is under {words or 'a licence it does not tell'!r}; read it, "
                "see `docs/audit.py`"
            )


def bill(lock: Mapping[str, Locked], shipped: set[str]) -> dict[str, object]:
    """Return the bill of materials of what a user gets, in CycloneDX's words."""
    project = distribution(PROJECT)
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "component": {
                "type": "application",
                "name": PROJECT,
                "version": project.version,
                "licenses": [{"expression": licence(project)}],
            }
        },
        "components": [_component(lock[name]) for name in sorted(shipped)],
    }


def _component(each: Locked) -> dict[str, object]:
    package = distribution(each.name)
    words = licence(package)
    expression = package.metadata.get("License-Expression")
    return {
        "type": "library",
        "name": each.name,
        "version": each.version,
        "purl": f"pkg:pypi/{each.name}@{each.version}",
        "licenses": [{"expression": words} if expression else {"license": {"name": words}}],
        "properties": [{"name": "lock:sha256", "value": value} for value in each.hashes],
    }


def main() -> None:
    """Print the packages with their licences, write the bill of materials, say what is amiss."""
    lock = {
        name: each
        for path in LOCKS
        for name, each in locked((ROOT / path).read_text("utf-8")).items()
    }
    shipped = needed()
    for name in sorted(lock):
        use = "shipped" if name in shipped else "tools"
        print(f"{name:28} {lock[name].version:14} {use:8} {licence(distribution(name))}")
    wrong = list(faults(lock, shipped))
    if wrong:
        sys.exit("\n".join(wrong))
    SBOM.parent.mkdir(exist_ok=True)
    SBOM.write_text(json.dumps(bill(lock, shipped), indent=1) + "\n", "utf-8")
    print(
        f"{len(lock)} packages, {len(shipped)} of them shipped to users; bill of materials: "
        f"{SBOM.relative_to(ROOT)}"
    )


if __name__ == "__main__":
    main()
