"""What all tests share."""

import fcntl
import gc
import importlib.util
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import settings

# These need the dependency group `trainer`.
collect_ignore = (
    []
    if all(map(importlib.util.find_spec, ("torch", "transformers")))
    else ["benchmarks/test_gpu_campaign_live.py"]
)

# Machines differ in speed; a slow example is no wrong one. Speed is measured in benchmarks/.
# A change is judged by the same cases each time; new ones are looked for on contributors' machines.
settings.register_profile("project", deadline=None, derandomize="CI" in os.environ)
settings.load_profile("project")


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """Spare the garbage collector what is imported and collected, as all of it stays to the end."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()
        # Frames go with their last reference; only rings of objects wait for the collector.
        gc.set_threshold(50_000, 20, 20)


@pytest.fixture(scope="session")
def made_once(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Return a function that fills a folder once for all test processes: name, maker -> folder.

    No test may change what lies there; it copies what it changes.
    """
    base = tmp_path_factory.getbasetemp()
    # Each process of pytest-xdist has a folder of its own in the one of them all.
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base

    def made(name: str, make: Callable[[Path], None]) -> Path:
        folder, finished = shared / f"once-{name}", shared / f"once-{name}.finished"
        with (shared / f"once-{name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not finished.exists():
                shutil.rmtree(folder, ignore_errors=True)
                folder.mkdir()
                make(folder)
                finished.touch()
        return folder

    return made
