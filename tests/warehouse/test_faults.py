"""What disk, memory, network and clock do to a warehouse, as one sentence each."""

from __future__ import annotations

import errno
import os
import shutil
import sqlite3
import time

import deltalake
import pandas as pd
import pytest
from deltalake.exceptions import DeltaError

from ft_emissions_pipeline.tables import USAGE, conform, empty
from ft_emissions_pipeline.warehouse import faults, lock, opening, store
from ft_emissions_pipeline.warehouse.faults import MachineFault
from ft_emissions_pipeline.warehouse.lock import LOCK, locked, not_replaced

FULL, READ_ONLY = "the disk is full", "its file system is read-only"
RIGHTS, DEVICE = "this user has no right", "the device failed"
# As deltalake 1.6 words them on a file system of 300 kB, and for a user without rights.
DELTA = (
    "Failed to parse parquet: External: Generic LocalFileSystem error: {}",
    "Generic LocalFileSystem error\n  \x1b[31m↳\x1b[0m Unable to copy data to file\n   ↳ {}\n",
)


@pytest.mark.parametrize(
    ("error", "what"),
    [
        *((DeltaError(text.format(f"words (os error {code})")), what)
          for text in DELTA
          for code, what in ((28, FULL), (30, READ_ONLY), (13, RIGHTS), (5, DEVICE))),
        (OSError(errno.ENOSPC, "x"), FULL),
        (PermissionError(errno.EACCES, "x"), RIGHTS),
        (OSError(errno.EDQUOT, "x"), "the quota of the disk is used up"),
        (OSError(errno.ESTALE, "x"), "its drive is gone"),
        (OSError(errno.EMFILE, "x"), "this process may open no more files"),
        (sqlite3.OperationalError("database or disk is full"), FULL),
        (sqlite3.OperationalError("attempt to write a readonly database"), READ_ONLY),
        (sqlite3.OperationalError("disk I/O error"), DEVICE),
        (MemoryError(), "the machine has no memory left"),
        ("MemoryError: Unable to allocate 8 GiB for an array", "the machine has no memory left"),
        ("OSError: [Errno 28] No space left on device: 'a'", FULL),
    ],
    ids=str,
)  # fmt: skip
def test_a_fault_is_one_sentence_with_what_is_safe_and_what_to_do(error, what):
    told = str(faults.explained(error, "table usage in w"))
    assert told.startswith(f"table usage in w: {what}")
    assert faults.SAFE in told
    assert told.endswith("and run it again")
    assert "\n" not in told


@pytest.mark.parametrize("error", [KeyError("a"), ValueError("disk"), OSError("odd"), "x: 28"])
def test_what_the_machine_did_not_do_is_no_fault_of_it(error):
    assert faults.explained(error, "w") is None


def test_a_fault_is_said_once_and_stays_as_it_was_said():
    first = faults.explained(OSError(errno.ENOSPC, "x"), "table usage")
    assert faults.explained(first, "this command") is first
    text = f"{MachineFault.__module__}.MachineFault: {first}"
    assert str(faults.explained(text, "step runs")) == str(first)


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO, errno.EACCES, errno.EROFS])
@pytest.mark.parametrize("way", ["write", "append"])
def test_a_write_that_fails_changes_nothing(tmp_path, monkeypatch, code, way):
    store.write(tmp_path, USAGE, empty(USAGE))
    version = store.version(tmp_path, USAGE)

    def fail(*_: object, **__: object) -> None:
        raise DeltaError(DELTA[0].format(f"{os.strerror(code)} (os error {code})"))

    rows = pd.DataFrame(
        {"date": [pd.Timestamp("2026-01-05")], "model_name": "m", "inferences": 1.0}
    )
    rows = conform(rows.assign(source_format="usage", source_uri="u", source_record="1"), USAGE)
    with monkeypatch.context() as patch:
        patch.setattr(deltalake, "write_deltalake", fail)
        with pytest.raises(MachineFault, match=f"table usage in {tmp_path}: "):
            getattr(store, way)(tmp_path, USAGE, rows)
    assert store.version(tmp_path, USAGE) == version
    assert getattr(store, way)(tmp_path, USAGE, rows).changed


def test_a_warehouse_that_went_away_is_not_begun_anew(tmp_path):
    warehouse = tmp_path / "warehouse"
    with locked(warehouse, "a run"):
        store.write(warehouse, USAGE, empty(USAGE))
        shutil.rmtree(warehouse)
        with pytest.raises(MachineFault, match="went away or was replaced"):
            store.write(warehouse, USAGE, empty(USAGE))
        assert not warehouse.exists()
        warehouse.mkdir()
        (warehouse / LOCK).touch()
        with pytest.raises(MachineFault, match="went away or was replaced"):
            store.append(warehouse, USAGE, empty(USAGE))
    not_replaced(warehouse)


def test_a_clock_that_was_set_back_is_told_before_anything_is_written(tmp_path):
    with locked(tmp_path, "a run"):
        pass
    ahead = time.time() + 2 * lock.CLOCKS_DIFFER_S
    os.utime(tmp_path / LOCK, (ahead, ahead))
    with (
        pytest.raises(
            MachineFault, match=r"the clock says .* was last written at .* set the clock"
        ),
        locked(tmp_path, "a run"),
    ):
        pytest.fail("was let in")
    (tmp_path / LOCK).touch()
    with locked(tmp_path, "a run"):
        pass


def test_a_clock_that_differs_by_little_stops_nobody(tmp_path):
    (tmp_path / LOCK).touch()
    ahead = time.time() + 0.5 * lock.CLOCKS_DIFFER_S
    os.utime(tmp_path / LOCK, (ahead, ahead))
    with locked(tmp_path, "a run"):
        pass


def test_no_version_seems_older_than_the_one_before_it(tmp_path, monkeypatch):
    store.write(tmp_path, USAGE, empty(USAGE))

    class Back:
        @staticmethod
        def history():
            return [{"version": 1, "timestamp": 5}, {"version": 0, "timestamp": 9}]

    monkeypatch.setattr(opening, "to_read", lambda *_: Back)
    assert store.history(tmp_path, USAGE)["timestamp"].astype("int64").nunique() == 1


def test_a_file_system_without_locks_is_no_other_process(tmp_path, monkeypatch):
    import fcntl

    def none(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", none)
    with pytest.raises(MachineFault, match="keeps no locks"), locked(tmp_path, "a run"):
        pytest.fail("was let in")


def test_the_holder_is_named_while_it_holds(tmp_path):
    assert lock.holder(tmp_path) is None
    with locked(tmp_path, "a restatement"):
        assert lock.holder(tmp_path) == f"a restatement (process {os.getpid()})"
    assert lock.holder(tmp_path) is None
