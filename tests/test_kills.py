"""The server from which processes that are killed are started."""

import sys

import pytest
from kills import PRELOAD, processes

pytestmark = pytest.mark.slow


def exit_with_how_many_are_missing() -> None:
    sys.exit(len(set(PRELOAD) - set(sys.modules)))


def test_a_process_finds_imported_what_it_would_import():
    process = processes().Process(target=exit_with_how_many_are_missing)
    process.start()
    process.join()
    assert process.exitcode == 0
