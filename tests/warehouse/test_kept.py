"""What was kept of tables is what they would give anew, and is taken while they stand."""

from __future__ import annotations

import errno
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ft_emissions_pipeline.tables import RUN_FACTORS, conform
from ft_emissions_pipeline.warehouse import kept, store
from ft_emissions_pipeline.warehouse.faults import MachineFault
from ft_emissions_pipeline.warehouse.lock import locked

FRAME = pd.DataFrame(
    {
        "run_id": pd.array(["a", None, "c"], dtype="str"),
        "steps": ["=1+1\n", "", "ö"],
        "value": [0.1, np.nan, 1e-300],
        "count": [1, 2, 3],
        "nothing": np.full(3, np.nan),
    }
)


def write(warehouse: Path, key: str) -> None:
    row = {"date": pd.Timestamp("2026-01-05"), "run_id": "r", "model_name": "m"}
    chosen = {"methodology": "default", "reference_version": "x", "factors_key": key}
    store.write(warehouse, RUN_FACTORS, conform(pd.DataFrame([row | chosen]), RUN_FACTORS))


@pytest.fixture
def asked(tmp_path):
    """Ask for a frame in a warehouse of one table; say whether it was made, and hold it equal."""
    write(tmp_path, "a")

    def ask(warehouse: Path | str = tmp_path, frame: pd.DataFrame = FRAME, **choices: str) -> bool:
        made = []
        rests_on = {**kept.of_tables(warehouse, RUN_FACTORS), **choices}
        found = kept.frame(
            warehouse, "told", rests_on, lambda: made.append(True) or frame.set_index("value")
            .reset_index()[list(frame)]
        )  # fmt: skip
        pd.testing.assert_frame_equal(found, frame)
        return bool(made)

    return ask


def test_it_is_made_once_while_all_that_it_rests_on_stands(asked, tmp_path):
    with locked(tmp_path, "a test"):
        assert asked()
        assert not asked()
        assert asked(profile="default")
        assert not asked(profile="default")
        write(tmp_path, "a")
        assert not asked(profile="default")
        write(tmp_path, "b")
        assert asked(profile="default")
    assert not asked(profile="default")
    assert [each.name for each in (tmp_path / kept.FOLDER).iterdir()] == ["told.parquet"]


def test_a_table_that_begins_anew_is_another(asked, tmp_path):
    with locked(tmp_path, "a test"):
        assert asked()
        before = store.version(tmp_path, RUN_FACTORS)
        shutil.rmtree(tmp_path / RUN_FACTORS.name)
        write(tmp_path, "b")
        assert store.version(tmp_path, RUN_FACTORS) == before
        assert asked()


def test_other_sources_make_it_anew(asked, tmp_path, monkeypatch):
    with locked(tmp_path, "a test"):
        asked()
        monkeypatch.setattr(kept, "sources", lambda: "of another release")
        assert asked()


def test_only_who_holds_the_warehouse_keeps_and_an_object_store_keeps_nothing(asked, tmp_path):
    assert asked()
    assert asked()
    assert asked(tmp_path.as_uri())
    assert not (tmp_path / kept.FOLDER).exists()


def test_a_damaged_file_counts_for_none(asked, tmp_path):
    path = tmp_path / kept.FOLDER / "told.parquet"
    with locked(tmp_path, "a test"):
        asked()
        content = path.read_bytes()
        turned = bytearray(content)
        turned[content.index("ö".encode())] ^= 1
        for broken in (content[: len(content) // 2], b"", bytes(turned)):
            path.write_bytes(broken)
            assert asked()
            assert path.read_bytes() == content
        shutil.rmtree(path.parent)
        assert asked()


def test_the_sources_are_those_of_the_package():
    assert kept.sources() == kept.sources()
    assert len(kept.sources()) == 64


def test_a_disk_without_room_is_a_sentence_and_leaves_no_draft(asked, tmp_path, monkeypatch):
    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(kept.parquet, "write_table", full)
    with locked(tmp_path, "a test"):
        with pytest.raises(MachineFault, match="the warehouse"):
            asked()
        assert list((tmp_path / kept.FOLDER).iterdir()) == []
