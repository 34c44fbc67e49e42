"""The examples of exports in `docs/exports/`: what the command writes of the examples' warehouse.

Put here: which command writes which example. Keep out: the page about them (`pages.py`).
`python -m docs.exports` writes them anew; a test compares them with what is committed.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from typer.testing import CliRunner

from ft_emissions_pipeline import cli, source_tree
from ft_emissions_pipeline.export import FORMATS

_ONE = ("--model", "contract-summariser")
_ENTITY = ("--entity", "Example GmbH")
COMMANDS: dict[str, tuple[str, ...]] = {
    "hugging-face": _ONE,
    "disclosure": _ONE,
    "ghg": _ENTITY,
    "esrs": _ENTITY,
    "boamps": _ONE + _ENTITY,
    "cyclonedx": _ONE,
    "csv": (*_ONE, "--from", "2026-01-12", "--to", "2026-01-13"),
    "openmetrics": (),
    "data-package": (),
    "spdx": _ONE + _ENTITY,
    "sci": ("--model", "intent-classifier"),
    "eu-ai-act": _ONE + _ENTITY,
    "scope3": _ONE,
    "dia": _ONE,
}
"""Format -> words of its example; Parquet is for machines."""

_INSTANT = "1770681600"
"""Seconds at which the examples are made: the day after the last of their logs."""
_REPEATED = ("datapackage.json",)
"""Of a folder; what the pipeline itself drew differs from run to run."""


def made(warehouse: Path, folder: Path) -> dict[str, str]:
    """Return file name -> text of every example.

    Parameters
    ----------
    warehouse : Path
        Warehouse of the examples.
    folder : Path
        Empty folder, to write into.
    """
    found = {}
    for name, words in COMMANDS.items():
        out = folder / FORMATS[name].FILE
        command = ["export", name, *words, "--out", str(out), "--warehouse", str(warehouse)]
        result = CliRunner().invoke(cli.app, command, env={"SOURCE_DATE_EPOCH": _INSTANT})
        if result.exit_code:
            raise RuntimeError(result.output)
        kept = [out / file for file in _REPEATED] if out.is_dir() else [out]
        found |= {path.name: path.read_text(encoding="utf-8") for path in kept}
    return found


def command(name: str) -> str:
    """Return the command that writes an example, as somebody types it."""
    words = (f'"{word}"' if " " in word else word for word in COMMANDS[name])
    return " ".join(["ft-emissions export", name, *words])


def write(folder: Path) -> None:
    """Write the examples into a folder."""
    from assets.in_process import materialize

    top = source_tree()
    assert top is not None, "the examples are made in the source tree"
    with tempfile.TemporaryDirectory() as place:
        run = materialize(top / "examples" / "landing", Path(place, "warehouse"))
        if run.failures:
            sys.exit("\n".join(run.failures))
        for name, text in made(Path(place, "warehouse"), Path(place, "made")).items():
            (folder / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    write(Path(__file__).resolve().parent / "exports")
