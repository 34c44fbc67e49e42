"""The command line: what it prints, its exit codes, and that it says why it refuses."""

import csv
import io
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import fsspec
import pandas as pd
import pytest
from typer.testing import CliRunner, Result

from ft_emissions_pipeline import cli, stages
from ft_emissions_pipeline.report import formatting
from ft_emissions_pipeline.tables import (
    INFERENCE_IMPACTS,
    MODEL_VERSIONS,
    NORMALIZED_RUNS,
    QUARANTINE,
    RUN_IMPACTS,
)
from ft_emissions_pipeline.warehouse import store

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples" / "landing"
DISCLOSURE = EXAMPLES / "disclosures" / "intent_classifier.yaml"
BROKEN = 20


def invoke(*arguments: object) -> Result:
    # Without Dagster's home the run leaves no trace outside the folders of the test.
    return CliRunner().invoke(cli.app, [str(each) for each in arguments], env={"DAGSTER_HOME": ""})


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Result]:
    """One good run among broken files, through `ft-emissions run`."""
    folder = tmp_path_factory.mktemp("cli")
    landing, warehouse = folder / "landing", folder / "warehouse"
    landing.mkdir()
    lines = (EXAMPLES / "support-bot" / "emissions.csv").read_text().splitlines()
    (landing / "emissions.csv").write_text("\n".join([*lines[:2], ""]))
    broken = sorted((EXAMPLES / "broken").iterdir())
    for number in range(BROKEN):
        source = broken[number % len(broken)]
        shutil.copy(source, landing / f"broken_{number:02d}{source.suffix}")
    return landing, warehouse, invoke("run", "--landing", landing, "--warehouse", warehouse)


# estimate


def test_estimate_prints_a_table_with_intervals():
    result = invoke("estimate", DISCLOSURE)
    assert result.exit_code == 0, result.stderr
    assert "intent_classifier" in result.stdout
    assert " to " in result.stdout
    assert "ft-emissions explain" in result.stdout


def test_a_run_named_in_brackets_is_shown(tmp_path):
    # A secret in the name of a folder is replaced so.
    folder = tmp_path / "ada@example.org"
    folder.mkdir()
    state = {"global_step": 3, "max_steps": 3, "num_input_tokens_seen": 48123, "log_history": []}
    (folder / "trainer_state.json").write_text(json.dumps(state))
    result = invoke("estimate", tmp_path)
    assert result.exit_code == 0, result.stderr
    assert "[removed " in result.stdout


def test_json_and_csv_hold_the_same_numbers():
    as_json = json.loads(invoke("estimate", DISCLOSURE, "--format", "json").stdout)
    printed = invoke("estimate", DISCLOSURE, "--format", "csv").stdout
    as_csv = list(csv.DictReader(io.StringIO(printed)))
    assert len(as_json) == len(as_csv) == 1
    for name in ("total_kgco2e", "total_water_l", "it_energy_kwh", "gco2e_per_inference"):
        # JSON keeps twelve decimals of every number.
        assert as_json[0][name] == pytest.approx(float(as_csv[0][name]), abs=1e-12)
    assert as_json[0]["run_id"] == as_csv[0]["run_id"]


def test_estimate_says_which_files_it_could_not_use_and_goes_on():
    result = invoke("estimate", DISCLOSURE, EXAMPLES / "broken")
    assert result.exit_code == 0
    assert result.stderr.count("not used:") == 3
    assert "intent_classifier" in result.stdout


def test_nothing_but_broken_files_is_refused():
    result = invoke("estimate", EXAMPLES / "broken")
    assert result.exit_code == 1
    assert "broken_json" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "reason"),
    [
        (("estimate", "no_such_file.csv"), 2, "no_such_file.csv"),
        (("estimate", DISCLOSURE, "--profile", "mine"), 1, "scope3-2024"),
        (("estimate", DISCLOSURE, "--format", "xml"), 2, "xml"),
        (("run", "--landing", "no_such_folder"), 2, "no_such_folder is no folder"),
        (("run", "--landing", EXAMPLES, "--from", "2026-01-05"), 2, "--from and --to go together"),
        (
            ("run", "--landing", EXAMPLES, "--from", "2026-01-06", "--to", "2026-01-05"),
            2,
            "lies after",
        ),
        (
            ("run", "--landing", EXAMPLES, "--date", "2026-01-05", "--to", "2026-01-05"),
            2,
            "either --date",
        ),
        (("explain", "mine", "--warehouse", "no_such_folder"), 2, "no_such_folder is no folder"),
        (("report", "--warehouse", "no_such_folder"), 2, "no_such_folder is no folder"),
        (("no_such_command",), 2, "no_such_command"),
    ],
)
def test_what_is_wrong_is_said_with_its_exit_code(arguments, code, reason):
    result = invoke(*arguments)
    assert result.exit_code == code
    assert reason in result.stderr


# explain


def test_explain_follows_a_run_from_its_file():
    known = json.loads(invoke("estimate", DISCLOSURE, "--format", "json").stdout)[0]["run_id"]
    result = invoke("explain", known, "--file", DISCLOSURE)
    assert result.exit_code == 0, result.stderr
    for word in ("kWh", "kgCO2e", "Source"):
        assert word.casefold() in result.stdout.casefold()


def test_explain_of_the_warehouse_tells_what_explain_of_the_file_tells(ran):
    landing, warehouse, _ = ran
    run_id = store.read(warehouse, RUN_IMPACTS)["run_id"].item()
    stored = invoke("explain", run_id, "--warehouse", warehouse)
    assert stored.exit_code == 0, stored.stderr
    # The path to the log differs: below the landing folder there, as given here; so does the order
    # in which fields are listed, by name there and by rule here.
    read = invoke("explain", run_id, "--file", landing / "emissions.csv").stdout
    expected = read.replace(str(landing / "emissions.csv"), "emissions.csv")
    steps, _, ancestry = stored.stdout.partition("\n\nThe version, and those that it was")
    assert sorted(steps.splitlines()) == sorted(expected.splitlines())
    assert "tuned on" in ancestry


def test_explain_of_an_unknown_run_names_known_ones(ran):
    _, warehouse, _ = ran
    result = invoke("explain", "mine", "--warehouse", warehouse)
    assert result.exit_code == 2
    assert store.read(warehouse, RUN_IMPACTS)["run_id"].item() in result.stderr


# run


def test_one_good_run_among_broken_files_is_reported(ran):
    _, warehouse, result = ran
    assert result.exit_code == 0, result.stderr
    assert len(store.read(warehouse, QUARANTINE)) == BROKEN
    assert store.read(warehouse, INFERENCE_IMPACTS)["gco2e_per_inference"].isna().all()
    # One line for each reason, with how many more have it.
    told = [line for line in result.stderr.splitlines() if line.startswith("not used: broken_")]
    alike = [re.search(r"\(and (\d+) more\)", line) for line in told]
    assert sum(1 + int(more[1] if more else 0) for more in alike) == BROKEN
    assert f"21 read from 21 files, 1 used, 0 merged, {BROKEN} in quarantine" in result.stdout
    assert "Days run: 2026-01-05 to 2026-01-05" in result.stdout
    assert "inference_impacts" not in result.stderr
    assert "  ledger\n" in result.stderr
    page = warehouse / "report" / "index.html"
    assert f"Report: {page}" in result.stdout
    assert "<html" in page.read_text()


def test_a_second_run_finds_nothing_to_do(ran):
    landing, warehouse, _ = ran
    before = store.version(warehouse, INFERENCE_IMPACTS)
    result = invoke("run", "--landing", landing, "--warehouse", warehouse)
    assert result.exit_code == 0
    assert "Days run: none" in result.stdout
    assert store.version(warehouse, INFERENCE_IMPACTS) == before


def test_report_is_written_anew_and_its_place_printed(ran, tmp_path):
    warehouse = shutil.copytree(ran[1], tmp_path / "warehouse")
    page = warehouse / "report" / "index.html"
    page.unlink()
    result = invoke("report", "--warehouse", warehouse)
    assert result.exit_code == 0
    assert Path(result.stdout.strip()) == page
    assert page.exists()


def test_rows_that_break_a_check_stop_the_run_until_they_are_mended(ran, tmp_path, monkeypatch):
    right, landing = stages.impacts_and_spreads, ran[0]

    def negative(*arguments: object) -> tuple[pd.DataFrame, pd.DataFrame]:
        found, spreads = right(*arguments)
        return found.assign(operational_kgco2e=-1.0), spreads

    with monkeypatch.context() as patch:
        patch.setattr(stages, "impacts_and_spreads", negative)
        result = invoke("run", "--landing", landing, "--warehouse", tmp_path)
    assert result.exit_code == 1
    assert "failed: run_impacts: " in result.stderr
    assert "operational_kgco2e: 1 row(s), expected" in result.stderr
    # What lies downstream was not written, so nothing wrong is reported.
    assert store.version(tmp_path, MODEL_VERSIONS) is None
    assert store.version(tmp_path, INFERENCE_IMPACTS) is None
    assert not (tmp_path / "report").exists()
    mended = invoke("run", "--landing", landing, "--warehouse", tmp_path)
    assert mended.exit_code == 0, mended.stderr
    assert "Days run: 2026-01-05 to 2026-01-05" in mended.stdout
    for table in (RUN_IMPACTS, INFERENCE_IMPACTS):
        pd.testing.assert_frame_equal(store.read(tmp_path, table), store.read(ran[1], table))


# Help


def heavy_modules_of(*arguments: object) -> tuple[str, set[str]]:
    """Return what a command prints in a process of its own, and what it imported."""
    code = (
        f"import sys; sys.argv = {['ft-emissions', *map(str, arguments)]}\n"
        "from ft_emissions_pipeline import cli\n"
        "try:\n    cli.main()\n"
        "finally:\n    print('heavy:', *{'pandas', 'dagster', 'great_expectations'} & "
        "set(sys.modules))"
    )
    told = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
        env=os.environ | {"COLUMNS": "100"},
    )
    return told.stdout, set(told.stdout.partition("heavy:")[2].split())


def test_help_is_quick_as_it_imports_neither_pandas_nor_dagster():
    printed, heavy = heavy_modules_of("--help")
    assert heavy == set()
    for command in ("estimate", "run", "explain", "report"):
        assert command in printed


def test_a_run_that_has_nothing_to_do_is_quick_as_it_imports_no_dagster(ran):
    landing, warehouse, _ = ran
    printed, heavy = heavy_modules_of("run", "--landing", landing, "--warehouse", warehouse)
    assert "Days run: none" in printed
    assert heavy == {"pandas"}


def test_exit_codes_are_documented():
    assert "0 done, 1 the data were refused" in cli.__doc__
    assert "2 wrong usage" in cli.__doc__


# logs at URLs


@pytest.fixture(params=["memory", "file"])
def at_url(request, tmp_path):
    """URL of a folder with one run, in the memory of this process or on this machine."""
    lines = (EXAMPLES / "support-bot" / "emissions.csv").read_text().splitlines()
    data = "\n".join([*lines[:2], ""]).encode()
    if request.param == "file":
        (tmp_path / "logs" / "a").mkdir(parents=True)
        (tmp_path / "logs" / "a" / "emissions.csv").write_bytes(data)
        yield (tmp_path / "logs").as_uri()
        return
    system = fsspec.filesystem("memory")
    system.pipe_file("/cli-logs/a/emissions.csv", data)
    yield "memory://cli-logs"
    system.rm("/cli-logs", recursive=True)


def test_estimate_and_run_read_a_url_as_they_read_a_folder(at_url, tmp_path):
    estimated = json.loads(invoke("estimate", at_url, "--format", "json").stdout)
    warehouse = tmp_path / "tables"
    result = invoke("run", "--landing", at_url, "--warehouse", warehouse)
    assert result.exit_code == 0, result.stderr
    assert "1 read from 1 files, 1 used" in result.stdout
    impacts_of_run = store.read(warehouse, RUN_IMPACTS)
    assert impacts_of_run["run_id"].tolist() == [estimated[0]["run_id"]]
    assert impacts_of_run["total_kgco2e"].item() == pytest.approx(estimated[0]["total_kgco2e"])
    again = invoke("run", "--landing", at_url, "--warehouse", warehouse)
    assert "Days run: none" in again.stdout


@pytest.mark.parametrize("arguments", [("estimate",), ("run", "--landing")], ids=" ".join)
@pytest.mark.parametrize(
    ("url", "code", "advice"),
    [
        ("s3://bucket/logs", 2, "s3fs"),
        ("gopher://host/logs", 1, "use s3://"),
        ("memory://nowhere", 2, "no file at"),
    ],
)
def test_a_url_that_cannot_be_read_is_refused_with_advice(arguments, url, code, advice, tmp_path):
    more = ("--warehouse", tmp_path / "tables") if arguments[0] == "run" else ()
    result = invoke(*arguments, url, *more)
    assert result.exit_code == code
    assert advice in result.stderr
    assert not (tmp_path / "tables").exists()


# several logs of one run


def test_logs_that_may_be_of_several_runs_are_named_with_the_candidates(tmp_path):
    landing = tmp_path / "landing"
    landing.mkdir()
    for name, hours in (("a", "09:00Z/12:00Z"), ("b", "13:00Z/19:00Z")):
        start, end = hours.split("/")
        (landing / f"{name}.yaml").write_text(
            f"Run id: {name}\nHost: node7\nGPU: A100\nBase model: Llama 2 7B\n"
            f"Start time: 2026-02-05T{start}\nEnd time: 2026-02-05T{end}\n"
        )
    (landing / "sacct.txt").write_text(
        "JobID|JobName|State|Start|End|ElapsedRaw|NNodes|NodeList|AllocTRES\n"
        "71|tune|COMPLETED|2026-02-05T08:00:00|2026-02-05T20:00:00|43200|1|node7|gres/gpu=4\n"
    )
    told = "not joined: sacct.txt#2: run slurm-71 may be one with a, b; say which"
    assert told in invoke("estimate", landing).stderr
    warehouse = tmp_path / "tables"
    result = invoke("run", "--landing", landing, "--warehouse", warehouse)
    assert told in result.stderr
    assert "not joined: a.yaml#1: run a may be one with slurm-71; say which" in result.stderr
    assert "may be of one run or one machine" in (warehouse / "report" / "index.html").read_text(
        "utf-8"
    )
    (landing / "runs.yaml").write_text("runs:\n  a: {logs: [sacct.txt, a.yaml]}\n")
    again = invoke("run", "--landing", landing, "--warehouse", warehouse)
    assert "Days run: 2026-02-05" in again.stdout
    assert "not joined" not in again.stderr


def test_a_changed_file_of_lengths_runs_the_days_of_its_runs_anew(tmp_path):
    landing, warehouse = tmp_path / "landing", tmp_path / "tables"
    landing.mkdir()
    (landing / "lengths.csv").write_text("length\n100\n300\n")
    runs = "\n".join(
        f"  r{day}: {{model: m{day}, base_model: Llama 2 7B, GPU: A100, end time: "
        f"2026-03-0{day}T12:00Z, {more}}}"
        for day, more in ((1, "tokens: 9000"),
                          (5, "token_lengths: lengths.csv, per-device batch size: 2"))
    )  # fmt: skip
    (landing / "runs.yaml").write_text(f"runs:\n{runs}\n")
    assert invoke("run", "--landing", landing, "--warehouse", warehouse).exit_code == 0

    def tokens():
        rows = store.read(warehouse, NORMALIZED_RUNS)
        return dict(zip(rows["run_id"], rows["tokens_padded"], strict=True))

    assert tokens() == {"r1": 9000, "r5": 600}
    (landing / "lengths.csv").write_text("length\n100\n500\n")
    again = invoke("run", "--landing", landing, "--warehouse", warehouse)
    assert "Days run: 2026-03-05 to" in again.stdout
    assert tokens() == {"r1": 9000, "r5": 1000}


# advise, what-if


def test_the_report_and_the_command_advise_the_same(ran):
    _, warehouse, _ = ran
    rows = json.loads(invoke("advise", "--warehouse", warehouse, "--format", "json").stdout)
    page = (warehouse / "report" / "index.html").read_text("utf-8")
    advised = f"carbon {formatting.percent(rows[0]['carbon_narrowed'])} narrower"
    assert page.count(f"<code>{rows[0]['field']}</code><br>") == 2  # of the run, and of its model
    assert page.count(advised) == 2


def test_a_stored_run_can_be_moved(ran):
    _, warehouse, _ = ran
    arguments = ("what-if", "--warehouse", warehouse, "--region", "Sweden", "--format", "json")
    total = next(
        row for row in json.loads(invoke(*arguments).stdout) if row["quantity"] == "total_kgco2e"
    )
    stored = store.read(warehouse, RUN_IMPACTS)["total_kgco2e"].iloc[0]
    assert total["now"] == pytest.approx(stored, rel=1e-9)
    assert total["difference_p95"] < 0
