"""The examples of exports are what the command writes of the examples' warehouse."""

from pathlib import Path

import pytest

from docs import exports
from ft_emissions_pipeline.export import FORMATS

COMMITTED = Path(__file__).resolve().parents[2] / "docs" / "exports"


@pytest.fixture(scope="module")
def made(warehouse, tmp_path_factory):
    return exports.made(warehouse, tmp_path_factory.mktemp("made"))


def test_every_format_has_an_example():
    assert set(exports.COMMANDS) == set(FORMATS) - {"parquet"}


@pytest.mark.parametrize("name", sorted(path.name for path in COMMITTED.iterdir()))
def test_an_example_is_what_the_command_writes(made, name):
    committed = (COMMITTED / name).read_text(encoding="utf-8")
    assert committed == made[name], "run `python -m docs.exports` and commit what it changes"


def test_no_example_is_missing(made):
    assert set(made) == {path.name for path in COMMITTED.iterdir()}
