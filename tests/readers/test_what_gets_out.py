"""Nothing secret, and nothing that a terminal obeys, gets out: one night over a folder full of it.

`run` makes the tables, the report and Dagster's own storage once; then every command says what it
can say of them. Whatever was said and stored is searched.
"""

import base64
import gzip
import itertools
import json
import re

import pytest
import terminal_orders
from planted_secrets import SEED, found_in, groups, in_each_text
from typer.testing import CliRunner

from ft_emissions_pipeline import api, cli
from ft_emissions_pipeline.cli import output
from ft_emissions_pipeline.export import FORMATS
from ft_emissions_pipeline.tables import QUARANTINE, TABLES
from ft_emissions_pipeline.warehouse import store

pytestmark = pytest.mark.slow


def once(function):
    """Return a function that answers as this one did when it was called first."""
    answers = []

    def answered(*arguments, **options):
        if not answers:
            answers.append(function(*arguments, **options))
        return answers[0]

    return answered


@pytest.fixture(scope="module")
def night(tmp_path_factory, all_seeds):
    """Folder of a night: landing, warehouse, home of Dagster; and what each command said."""
    folder = tmp_path_factory.mktemp("night")
    landing, warehouse = folder / "landing", folder / "warehouse"
    (folder / "home").mkdir()
    terminal_orders.laid_out(landing)
    secrets = itertools.cycle(list(groups(SEED)))
    for n, (uri, seed) in enumerate(all_seeds.items()):
        # Of each file one text, here the first, there the next; a secret in every path as well.
        made = list(in_each_text(seed, uri, set(), secrets))
        if made:
            path = landing / "ada.lovelace@example.org/sk-proj-abcdefghijklmnop1234" / uri
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(made[n % len(made)])
    where, estimates = ("--warehouse", str(warehouse)), ("estimate", str(landing), "--format")
    said = {}

    def say(*command):
        home = {"DAGSTER_HOME": str(folder / "home")}
        done = CliRunner().invoke(cli.app, command, env=home)
        assert done.exception is None or isinstance(done.exception, SystemExit), command
        assert done.stdout + done.stderr, command
        said[command] = (done.exit_code, done.stdout, done.stderr)
        return done

    # Most good files are of these days; a range is one run of Dagster.
    days = ("--from", "2026-03-01", "--to", "2026-03-04")
    done = say("run", "--landing", str(landing), *where, *days)
    assert done.exit_code == 0, done.stderr
    # One estimate, said in every form.
    with pytest.MonkeyPatch.context() as patch:
        for step in ("read_logs", "estimate"):
            patch.setattr(api, step, once(getattr(api, step)))
        told = {form: say(*estimates, form).stdout for form in output.Format}
    (first, *_) = json.loads(told["json"])
    for command in (
        ("explain", first["run_id"], *where), ("explain", "none-of-them", *where),
        *(("rollup", *where, "--format", form) for form in output.Format),
        ("advise", *where), ("what-if", *where, "--region", "France"),
        ("restate", "--dry-run", *where), ("as-reported", "--at", "2026-12-30", *where),
        ("doctor", "--landing", str(landing), *where), ("report", *where),
        ("compare", "--at", "2026-01-01", "--at", "2026-12-30", *where), ("reconcile", *where),
        ("plan", "--base-model", "Llama 2 7B", "--tokens", "1e6"), ("init", str(landing)),
        ("study", *where), ("reference", "list", *where), ("token-time", "evaluate"),
        *(("export", name, *where) for name in FORMATS),
    ):  # fmt: skip
        say(*command)
    return folder, said


def test_every_command_was_asked(night):
    asked = {command[0] for command in night[1]}
    groups = {group.name for group in cli.app.registered_groups}
    # `ui` serves Dagster's page until it is ended.
    asked.add("ui")
    assert asked == {command.name for command in cli.app.registered_commands} | groups


def test_no_command_says_a_secret_or_gives_an_order(night):
    for command, (_, *streams) in night[1].items():
        for said in streams:
            assert found_in(said) == [], command
            assert terminal_orders.given_in(said) == [], command
    # Secrets came as far as what is shown, and had to be taken out.
    everything = "".join(said for _, *streams in night[1].values() for said in streams)
    assert everything.count("[removed") > 100


def test_no_table_holds_a_secret(night):
    warehouse = night[0] / "warehouse"
    rows = {table: store.read(warehouse, table) for table in TABLES.values()}
    for table, frame in rows.items():
        assert found_in(frame.to_csv()) == [], table.name
    assert rows[QUARANTINE]["raw"].str.contains("[removed", regex=False).any()
    assert rows[QUARANTINE]["reason"].str.contains("[removed", regex=False).any()


def test_no_file_of_the_warehouse_and_of_dagster_holds_a_secret(night):
    for place in ("warehouse", "home"):
        files = [path for path in (night[0] / place).rglob("*") if path.is_file()]
        raw = b"\n".join(path.read_bytes() for path in files).decode("latin-1")
        names = "\n".join(path.relative_to(night[0]).as_posix() for path in files)
        assert found_in(raw + names) == [], place
    # Events and metadata lie there.
    assert "ASSET_MATERIALIZATION" in raw
    page = (night[0] / "warehouse/report/index.html").read_text("utf-8")
    packed = re.search(r'id="packed">([^<]*)<', page)[1]
    embedded = gzip.decompress(base64.b64decode(packed)).decode()
    assert "model_name" in embedded
    assert found_in(embedded) == []
