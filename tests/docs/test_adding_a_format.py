"""The worked example of docs/adding_a_format.md works as it stands there."""

import json
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pandas as pd
import pytest

from ft_emissions_pipeline import readers
from ft_emissions_pipeline.readers import Settings, basis_of, read_bytes

PAGE = (Path(__file__).parents[2] / "docs" / "adding_a_format.md").read_text(encoding="utf-8")
NOW = Settings(now=pd.Timestamp("2026-10-10", tz="UTC"))


@pytest.fixture
def registered(monkeypatch):
    """The code of the page, registered as a reader; returns it and its log from the page."""
    (code,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    module = ModuleType("acme_tuner")
    monkeypatch.setitem(sys.modules, "acme_tuner", module)
    exec(compile(code, "docs/adding_a_format.md", "exec"), module.__dict__)  # noqa: S102 (our own page)
    monkeypatch.setattr(readers, "READERS", (module, *readers.READERS))
    log = json.loads(re.search(r"(?ms)^    (\{.*?\})$", PAGE).group(1))
    return code, log


def test_the_example_is_shorter_than_sixty_lines(registered):
    code, _ = registered
    assert len([line for line in code.splitlines() if line.strip()]) < 60


def test_the_example_reads_its_log(registered):
    _, log = registered
    reading, source_format = read_bytes(json.dumps(log).encode(), "out/tuner_log.json", NOW)
    assert source_format == "acme_tuner"
    run = reading.runs.iloc[0]
    assert (run["run_id"], run["base_model"], run["gpu_model"]) == (
        "bot-7",
        "Llama 2 7B",
        "NVIDIA A100",
    )
    assert (run["reserved_s"], run["gpu_count"], run["gpu_energy_kwh"]) == (5400, 4, 3.2)
    assert run["started_at"] == pd.Timestamp("2026-03-01T10:00:00Z")
    assert basis_of("acme_tuner", "gpu_energy_kwh") == "measured"


def test_the_example_refuses_what_it_cannot_use(registered):
    _, log = registered
    logs = [log, {**log, "hours": "long"}, {**log, "started": "yesterday"}, {**log, "job": None}, 5]
    reading, _ = read_bytes(json.dumps(logs).encode(), "tuner_log.json", NOW)
    assert reading.records == 5
    assert len(reading.runs) == 1
    assert sorted(reading.quarantine["reason_code"]) == [
        "bad_timestamp", "missing_value", "not_a_number", "wrong_shape",
    ]  # fmt: skip


def installed(folder, name, code, value=None):
    """Put a module and its entry point into a folder, as pip would."""
    (folder / f"{name}.py").write_text(code)
    made = folder / f"{name}-1.0.dist-info"
    made.mkdir()
    (made / "METADATA").write_text(f"Metadata-Version: 2.4\nName: {name}\nVersion: 1.0\n")
    (made / "entry_points.txt").write_text(f"[{readers.GROUP}]\n{name} = {value or name}\n")


def test_a_package_of_others_brings_its_reader(registered, tmp_path):
    code, log = registered
    installed(tmp_path, "acme_tuner", code)
    installed(tmp_path, "half_a_reader", 'FORMAT = "half"\n')
    installed(tmp_path, "broken_reader", "import no_such_package\n")
    installed(tmp_path, "second_codecarbon", code.replace('"acme_tuner"', '"codecarbon"'))
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "tuner_log.json").write_text(json.dumps(log))
    script = (
        "from ft_emissions_pipeline import readers\n"
        "(path, uri), = readers.files_in(['logs'])\n"
        "print(readers.read_file(path, uri, readers.Settings())[2])\n"
        "print([r.FORMAT for r in readers.READERS if r not in readers.OURS])\n"
    )
    told = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True, text=True, check=True, cwd=tmp_path,
        env={"PYTHONPATH": f"{tmp_path}:{Path(__file__).parents[2]}"},
    )  # fmt: skip
    assert told.stdout.splitlines() == ["acme_tuner", "['acme_tuner']"]
    warnings = told.stderr.splitlines()
    assert [line.split(": ")[1] for line in warnings[:3]] == [
        "No module named 'no_such_package'",
        "it lacks LOG, TELLS, LACKS, CONTENT, BASIS, PROGRESS, recognises, read",
        "codecarbon is read already",
    ]
    assert len(warnings) == 3


@pytest.mark.usefixtures("registered")
def test_a_reader_of_others_that_stumbles_costs_no_file(monkeypatch, caplog):
    module = sys.modules["acme_tuner"]
    monkeypatch.setattr(module, "recognises", lambda *_: 1 / 0)
    row = b"date,model_name,inferences\n2026-01-05,bot,10\n"
    reading, source_format = read_bytes(row, "usage.csv", NOW)
    assert (source_format, len(reading.usage)) == ("usage", 1)
    assert "acme_tuner fails to look at usage.csv: division by zero" in caplog.text


def test_every_name_that_the_page_mentions_exists():
    root = Path(__file__).parents[2]
    for path in ("ft_emissions_pipeline/readers/formats", "tests/readers/conftest.py", "tests/data",
                 "docs/formats.md", "docs/data_dictionary.md",
                 "ft_emissions_pipeline/readers/shared/usage_days.py"):  # fmt: skip
        assert (root / path).exists(), path
        assert path.removeprefix("ft_emissions_pipeline/") in PAGE
