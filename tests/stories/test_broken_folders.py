"""Folders of broken files go the whole way to the page; each file is accounted for."""

import os
import random
import re
from pathlib import Path

import pytest
from fleet import Page
from mutations import mutated
from typer.testing import CliRunner

from ft_emissions_pipeline import cli
from ft_emissions_pipeline.landing.index import outcomes
from ft_emissions_pipeline.report import notices
from ft_emissions_pipeline.tables import LANDING_INDEX, QUARANTINE
from ft_emissions_pipeline.warehouse import store

pytestmark = pytest.mark.slow

FILES = int(os.environ.get("BROKEN_FILES", "100"))
"""Files to try; ten thousand are asked for by `BROKEN_FILES=10000`."""

IN_A_FOLDER = 2000
TOGETHER = 40
"""Folders within a folder of logs, so that some broken files lie beside those they belong to."""

LARGEST = 20_000
DATA = Path(__file__).parent.parent / "data"


def write_broken(landing: Path, first: int) -> set[str]:
    """Break files of `tests/data`, the same in every run; return their paths."""
    rng = random.Random(first)
    fixtures = [each for each in sorted(DATA.rglob("*")) if each.is_file()]
    seeds = [
        each
        for each in fixtures
        if 0 < each.stat().st_size <= LARGEST and not each.name.startswith(".")
    ]
    written = set()
    for n in range(min(FILES - first, IN_A_FOLDER)):
        seed = rng.choice(seeds)
        path = landing / f"{n % TOGETHER:02d}" / seed.relative_to(DATA)
        if path.exists():
            path = landing / f"{n:03d}" / seed.name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(mutated(seed.read_bytes(), rng))
        written.add(path.relative_to(landing).as_posix())
    return written


@pytest.mark.parametrize("first", range(0, FILES, IN_A_FOLDER))
def test_a_folder_of_broken_files_is_reported_and_each_is_accounted_for(tmp_path, first):
    landing, warehouse = tmp_path / "landing", tmp_path / "warehouse"
    written = write_broken(landing, first)
    arguments = ["run", "--landing", str(landing), "--warehouse", str(warehouse)]
    # Without Dagster's home the run leaves no trace outside the folders of the test.
    result = CliRunner().invoke(cli.app, arguments, env={"DAGSTER_HOME": ""})
    assert result.exit_code == 0, (result.exception, result.stderr)

    index, quarantine = store.read(warehouse, LANDING_INDEX), store.read(warehouse, QUARANTINE)
    assert set(index["source_uri"]) == written
    counts = outcomes(index, quarantine[quarantine["content_hash"].isna()])
    assert (counts[["records", "used", "merged", "quarantined"]] >= 0).all(axis=None)
    # A file that is neither used nor of a known kind is told of.
    idle = set(counts.loc[counts[["used", "merged"]].sum(axis=1) == 0, "source_uri"])
    other = set(index.loc[index["content"] == "other", "source_uri"])
    assert idle - other <= set(quarantine["source_uri"]) <= written
    assert quarantine["reason"].str.len().min() > 0
    assert set(quarantine["reason_code"]) <= set(notices.reasons()) - {"reader_failed"}

    records, used, merged, refused = counts.select_dtypes("number").sum()
    told = f"{records} read from {len(written)} files, {used} used, {merged} merged, {refused} in"
    assert told in result.stdout
    page = Page((warehouse / "report" / "index.html").read_text("utf-8"))
    cells = [cell for row in page.rows for cell in row]
    assert not [cell for cell in cells if re.match(r"(nan|inf)\b", cell)]
