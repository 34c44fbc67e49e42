"""Every word of `repairs` is declared once, with what it means, and every declared one is used."""

from pathlib import Path

import pandas as pd

import ft_emissions_pipeline
from ft_emissions_pipeline import api
from ft_emissions_pipeline.landing import days
from ft_emissions_pipeline.readers import REPAIRS, Settings, read_bytes
from ft_emissions_pipeline.reference import load

NOW = Settings(now=pd.Timestamp("2026-10-10", tz="UTC"))
PACKAGE = Path(ft_emissions_pipeline.__file__).parent
EXAMPLES = PACKAGE.parent / "examples" / "landing"


def words_of(frame):
    cells = frame["repairs"].dropna() if "repairs" in frame else []
    return {word.partition(":")[0] for cell in cells for word in cell.split()}


def test_what_readers_note_is_declared(all_seeds):
    found = set()
    readings = []
    for uri, data in all_seeds.items():
        reading, source_format = read_bytes(data, uri, NOW)
        readings.append((uri, source_format, reading))
        for frame in (reading.runs, reading.usage, reading.telemetry):
            found |= words_of(frame)
    runs, _ = days.measured_runs(readings, load())
    found |= words_of(runs) | words_of(api.read_runs(EXAMPLES)[0])
    assert len(found) > 10
    assert found <= set(REPAIRS)


def test_what_is_declared_is_noted_somewhere():
    sources = "\n".join(
        path.read_text("utf-8")
        for path in PACKAGE.rglob("*.py")
        if path.name not in {"repairs.py", "tables.py"}
    )
    assert [
        word for word in REPAIRS if f'"{word}' not in sources and f" {word}" not in sources
    ] == []
