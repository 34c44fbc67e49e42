"""What the README prints is what the examples give."""

import re
from pathlib import Path

import pytest
from teams import EXAMPLES
from typer.testing import CliRunner

from assets.in_process import materialize
from ft_emissions_pipeline import cli
from ft_emissions_pipeline.cli.run import cells, newest_served
from ft_emissions_pipeline.tables import INFERENCE_IMPACTS
from ft_emissions_pipeline.warehouse import store

README = (Path(__file__).resolve().parents[2] / "README.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def warehouse(made_once):
    def run(folder):
        assert materialize(EXAMPLES, folder).failures == []

    return made_once("examples", run)


def test_the_readme_prints_the_table_of_the_examples(warehouse):
    heads = ("contract-", "intent-", "support-", "ticket-")
    printed = [line.split() for line in README.splitlines() if line.strip().startswith(heads)]
    latest = newest_served(store.read(warehouse, INFERENCE_IMPACTS))
    told = map(cells, latest.to_dict("records"))
    assert printed == [" ".join(row).split() for row in told]


def test_the_readme_prints_lines_of_an_explanation(warehouse):
    command = ["explain", "disclosures/contract_summariser-1", "--warehouse", str(warehouse)]
    told = CliRunner().invoke(cli.app, command, env={"DAGSTER_HOME": ""}).stdout
    told = {line.strip() for line in told.splitlines()}
    excerpt = re.search(r"calculator:\n\n(.*?)\n\n##", README, re.DOTALL)[1]
    lines = [line.strip() for line in excerpt.splitlines() if line.strip() != "..."]
    assert len(lines) > 5
    assert set(lines) <= told
