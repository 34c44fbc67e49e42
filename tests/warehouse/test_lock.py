"""Who writes holds the warehouse: each way in waits for the holder, and says who it is."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from teams import small_landing

from assets import in_process, resources
from ft_emissions_pipeline import methodology, reference, restatement, stages
from ft_emissions_pipeline.warehouse.lock import StoreBusy, locked


@pytest.fixture
def warehouse(tmp_path: Path) -> Iterator[Path]:
    """A warehouse that another thread holds; to the system's lock that is like another process."""
    held, over = threading.Event(), threading.Event()

    def hold() -> None:
        with locked(tmp_path / "warehouse", "another run"):
            held.set()
            over.wait(60)

    holder = threading.Thread(target=hold)
    holder.start()
    assert held.wait(60)
    yield tmp_path / "warehouse"
    over.set()
    holder.join()


def test_a_second_writer_is_not_let_in(warehouse):
    busy = pytest.raises(StoreBusy, match="is being written by another run")
    with busy, locked(warehouse, "a run"):
        pytest.fail("was let in")


def test_who_waits_is_let_in_once_the_holder_is_gone(tmp_path):
    held = threading.Event()

    def hold() -> None:
        with locked(tmp_path, "another run"):
            held.set()
            time.sleep(0.2)

    holder = threading.Thread(target=hold)
    holder.start()
    assert held.wait(60)
    with locked(tmp_path, "a run", wait_s=60):
        holder.join(60)
        assert not holder.is_alive()


def test_a_restatement_waits_for_a_run(warehouse):
    choices = stages.Choices(reference.load(), methodology.profile("default"))
    with pytest.raises(StoreBusy, match="is being written by another run"):
        restatement.apply(warehouse, choices)
    assert [path.name for path in warehouse.iterdir()] == [".writer"]


def test_a_run_of_the_command_waits_for_another(warehouse, tmp_path, monkeypatch):
    monkeypatch.setattr(in_process, "WAIT_S", 0.0)
    landing = small_landing(tmp_path / "landing")
    with pytest.raises(StoreBusy, match="is being written by another run"):
        in_process.materialize(landing, warehouse)
    assert [path.name for path in warehouse.iterdir()] == [".writer"]


def test_a_run_of_dagster_waits_and_who_only_looks_does_not(warehouse, monkeypatch):
    monkeypatch.setattr(resources, "WAIT_S", 0.0)
    pipeline = resources.Pipeline(landing="landing", warehouse=str(warehouse))
    with pipeline.yield_for_execution(SimpleNamespace(run=None)) as looking:
        assert looking is pipeline
    running = pipeline.yield_for_execution(SimpleNamespace(run=SimpleNamespace(run_id="1")))
    with pytest.raises(StoreBusy, match="is being written by another run"), running:
        pytest.fail("was let in")


def test_who_holds_it_may_ask_again_and_who_waits_long_enough_is_let_in(tmp_path):
    with locked(tmp_path, "a run"), locked(tmp_path, "a part of it"):
        pass
    with locked(tmp_path, "another run"):
        pass
