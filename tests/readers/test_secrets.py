"""No secret that stands anywhere in a log gets into what the pipeline says or stores.

Every text of every format's good files is replaced by secrets, and extended by them, one text after
the other. What is read of them is searched, and so is all that a small pipeline makes of them:
runs, usage, quarantine, normalized runs, their provenance, the tables on disk, the report,
explanations, and whatever the command line prints. Names of files are outputs too
(`source_uri`): a secret in one is replaced as in any text, and the file found by look-up.
"""

import csv
import io
import itertools
import json
import re

import pandas as pd
import pytest
from planted_secrets import found_in as leaked
from planted_secrets import groups
from typer.testing import CliRunner

from ft_emissions_pipeline import api, cli, methodology, normalize, report, token_time
from ft_emissions_pipeline.impacts import footprint
from ft_emissions_pipeline.landing import days
from ft_emissions_pipeline.landing import index as landing
from ft_emissions_pipeline.readers import READERS, Settings, read_bytes
from ft_emissions_pipeline.reference import load
from ft_emissions_pipeline.tables import (
    FIELD_PROVENANCE,
    LANDING_INDEX,
    NORMALIZED_RUNS,
    QUARANTINE,
    RUN_IMPACTS,
    RUN_SPREADS,
    RUNS,
    TELEMETRY,
    USAGE,
    empty,
)
from ft_emissions_pipeline.warehouse import store

pytestmark = pytest.mark.slow

NOW = Settings(now=pd.Timestamp("2026-10-10", tz="UTC"))

SEED = 7
GROUPS = itertools.cycle(list(groups(SEED)))
"""A place after the other gets eight kinds, the next one the next eight."""
HOST = "gpu-node-7.corp.example"
HOSTS = ("instance", "hostname", "Hostname", "host", "node", "api_base", "pod")
"""Keys under which logs name machines; a machine's name is known by nothing else."""


OF_NUMBERS = {
    "adapter_config", "axolotl_config", "card_header", "carbontracker", "console", "langfuse",
    "launch_config", "model_config", "openrouter", "tensorboard", "torchtune_config",
    "training_args", "unsloth_config", "wandb_run",
}  # fmt: skip
"""Formats full of texts of which the reader takes one or two, and passes the others over."""

ODD_IS_UNKNOWN = {"hugging_face", "litellm", "dcgm"}
"""Formats of which an odd field says nothing, so that most of what is planted goes no further."""


def planted(data, uri):
    """Yield the file once for each of its texts, that text replaced or extended by the secrets."""
    if b"\0" in data:
        # Lengths stand before the texts of a binary file; one that is replaced breaks it.
        return
    text = data.decode()
    if uri.endswith((".json", ".jsonl", ".ndjson")):
        yield from _in_json(text)
    elif uri.endswith(".csv"):
        yield from _in_csv(text)
    else:
        yield from _in_words(text)


def _in_json(text):
    try:
        documents, lines = [json.loads(text)], False
    except ValueError:
        documents, lines = [json.loads(line) for line in text.splitlines() if line.strip()], True
    for number, document in enumerate(documents):
        # Of many lines the first tells how all are read.
        if number > 0:
            break
        # A log of numbers alone gets its secrets in their places.
        for holder, key in list(_values(document, str)) or list(_values(document, (int, float))):
            before = holder[key]
            spoilt = [next(GROUPS), f"{before} {next(GROUPS)}"]
            for value in [*spoilt, HOST] if key in HOSTS else spoilt:
                holder[key] = value
                written = [json.dumps(d) for d in documents]
                yield ("\n".join(written) if lines else written[0]).encode()
            holder[key] = before


def _values(value, kind):
    keys = (
        value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    )
    for key in keys:
        if isinstance(value[key], kind):
            yield value, key
        yield from _values(value[key], kind)


def _in_csv(text):
    rows = list(csv.reader(io.StringIO(text)))
    for column in range(len(rows[0])):
        before = rows[1][column]
        for value in (next(GROUPS), f"{before} {next(GROUPS)}"):
            rows[1][column] = value
            out = io.StringIO()
            csv.writer(out).writerows(rows)
            yield out.getvalue().encode()
        rows[1][column] = before


def _in_words(text):
    for word in re.finditer(
        r"(?m)(?<=[:|=\"] )[^|\"\n]+|(?<==\")[^\"]+|(?<=\|)[^| \"\n-][^|\"\n]*", text
    ):
        for secrets in (next(GROUPS), f"{word.group().strip()} {next(GROUPS)}"):
            # A line of words ends with the line.
            value = " ".join(secrets.split())
            yield (text[: word.start()] + value + text[word.end() :]).encode()
    for host in re.finditer(r"(?:instance|host|Hostname)=\"([^\"]+)", text):
        yield (text[: host.start(1)] + HOST + text[host.end(1) :]).encode()


def found_in(said):
    return leaked(said, SEED) + [HOST] * (HOST in said)


def said_by(reading):
    frames = (reading.runs, reading.usage, reading.quarantine, getattr(reading, "telemetry", None))
    return "".join(frame.to_csv() for frame in frames if frame is not None) + str(reading.mapping)


def test_many_texts_are_planted(all_seeds):
    tried = sum(1 for uri, seed in all_seeds.items() for _ in planted(seed, uri))
    assert tried > 15 * len(all_seeds)


@pytest.mark.parametrize("source_format", [reader.FORMAT for reader in READERS])
def test_no_text_of_any_format_lets_a_secret_through(seeds_of, source_format):
    leaks, tried, removed = [], 0, 0
    for uri, seed in seeds_of(source_format).items():
        for data in planted(seed, uri):
            reading, _ = read_bytes(data, uri, NOW)
            said = said_by(reading)
            leaks += [(uri, kind, data) for kind in found_in(said)]
            tried += 1
            removed += "[removed" in said
    assert not leaks, [(uri, kind) for uri, kind, _ in leaks]
    # Much of what was tried came so far that it had to be taken out.
    enough = 0 if source_format in ODD_IS_UNKNOWN else tried / 5
    assert removed > enough or source_format in OF_NUMBERS


@pytest.fixture
def warehouse(tmp_path, all_seeds):
    """Tables and report of a landing folder full of secrets."""
    folder = tmp_path / "landing" / "ada.lovelace@example.org"
    for uri, seed in all_seeds.items():
        for n, data in enumerate([seed, *planted(seed, uri)]):
            if n % 5 == 0 or n < 3:
                path = folder / f"{n}-sk-proj-abcdefghijklmnop1234" / uri
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(data)
    folder = tmp_path / "landing"
    factors, chosen = load(), methodology.profile("default")
    index = landing.scan(folder, factors, NOW, empty(LANDING_INDEX))
    first, last = pd.Timestamp("2018-01-01"), pd.Timestamp("2026-12-31")
    runs = days.runs_of(folder, index, first, last, factors, NOW)
    usage = days.usage_of(folder, index, first, last, NOW)
    telemetry = days.telemetry_of(folder, index, first, last, NOW)
    valid, refused = normalize.accepted(runs)
    model = token_time.parameters(factors, pd.DatetimeIndex(valid["date"].unique()).as_unit("us"))
    normalized, provenance = normalize.normalize(valid, factors, chosen, model)
    impact, spreads = footprint.impacts_and_spreads(normalized, provenance, factors, chosen)
    unread = days.refused_of(folder, index, empty(QUARANTINE), NOW)
    tables = {
        LANDING_INDEX: index, RUNS: runs, USAGE: usage, TELEMETRY: telemetry,
        NORMALIZED_RUNS: normalized, FIELD_PROVENANCE: provenance, RUN_IMPACTS: impact,
        RUN_SPREADS: spreads, QUARANTINE: pd.concat([unread, refused], ignore_index=True),
    }  # fmt: skip
    for table, frame in tables.items():
        assert len(frame), table.name
        store.write(tmp_path / "warehouse", table, frame)
    return tmp_path / "warehouse", list(tables)


def test_no_table_and_no_report_holds_a_secret(warehouse):
    folder, tables = warehouse
    for table in tables:
        said = store.read(folder, table).to_csv()
        assert found_in(said) == [], table.name
    page = report.write(folder).read_text()
    assert found_in(page) == []
    # What lies on disk besides the columns: logs of the tables, statistics, names of files.
    raw = b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())
    assert found_in(raw.decode("latin-1")) == []
    assert not [path for path in folder.rglob("*") if found_in(str(path.relative_to(folder)))]


@pytest.fixture
def planted_folder(tmp_path, all_seeds):
    """A folder with some of each format's planted files, and a secret in every path."""
    folder = tmp_path / "logs"
    for uri, seed in all_seeds.items():
        for n, data in enumerate(itertools.islice(planted(seed, uri), 1, None, 40)):
            path = folder / f"{n}-sk-proj-abcdefghijklmnop1234" / uri
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
    return folder


def test_nothing_that_the_command_line_prints_holds_a_secret(planted_folder):
    for form in ("table", "json", "csv"):
        arguments = ["estimate", str(planted_folder), "--format", form]
        result = CliRunner().invoke(cli.app, arguments, env={"DAGSTER_HOME": ""})
        assert result.exit_code == 0
        # What is used goes to the one, what is not to the other; a table cuts long names.
        assert "[remo" in result.stdout
        assert "not used" in result.stderr
        assert found_in(result.stdout + result.stderr) == [], form
    unknown = ["explain", "none-of-them", "--file", str(planted_folder)]
    refused = CliRunner().invoke(cli.app, unknown, env={"DAGSTER_HOME": ""})
    assert refused.exit_code != 0
    assert found_in(refused.output) == []


def test_no_explanation_holds_a_secret(planted_folder):
    runs, quarantine = api.read_runs([str(planted_folder)])
    found = api.estimate(runs)
    texts = [found.explain(run_id) for run_id in found.runs["run_id"]]
    assert len(texts) > 30
    assert any("[removed" in text for text in texts)
    assert found_in("".join([*texts, quarantine.to_csv()])) == []
