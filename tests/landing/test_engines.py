"""Work on the workers of a Dask cluster gives what this process gives; their death changes none."""

import dataclasses
import os
import pickle
import signal
import time
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ft_emissions_pipeline import methodology, reference, stages
from ft_emissions_pipeline.landing import engines, index
from ft_emissions_pipeline.landing.days import runs_of, telemetry_of, usage_of
from ft_emissions_pipeline.normalize import accepted, stored_provenance
from ft_emissions_pipeline.readers import Settings
from ft_emissions_pipeline.tables import LANDING_INDEX, TABLES, empty, to_arrow

EXAMPLES = Path(__file__).resolve().parents[2] / "examples" / "landing"
NOW = Settings(now=pd.Timestamp("2026-06-01", tz="UTC"))
DAYS = pd.Timestamp("2025-01-01"), pd.Timestamp("2026-12-31")


@pytest.fixture(scope="module")
def workers():
    """Two workers in processes of their own, each of which may hold half a gigabyte."""
    distributed = pytest.importorskip("distributed")
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, memory_limit="500 MB", dashboard_address="127.0.0.1:0"
    ) as cluster:
        yield cluster.scheduler_address


def landed(engine):
    """Return index, runs, usage and telemetry of the examples."""
    factors = reference.load()
    found = index.scan(EXAMPLES, factors, NOW, empty(LANDING_INDEX), engine)
    return (
        found,
        runs_of(EXAMPLES, found, *DAYS, factors, NOW, engine),
        usage_of(EXAMPLES, found, *DAYS, NOW, engine),
        telemetry_of(EXAMPLES, found, *DAYS, NOW, engine),
    )


def made(engine, runs):
    """Return the tables of runs, as they are stored."""
    choices = stages.Choices(reference.load(), methodology.profile("default"))
    normalized, kinds, own = engines.over_chunks(stages.normalized, engine, choices, runs)
    kinds = stored_provenance.without_repeats(kinds)
    impacts_of = partial(stages.impacts, kinds=kinds)
    impacts = engines.over_chunks(impacts_of, engine, choices, normalized, own)
    names = (
        "normalized_runs", "kind_provenance", "field_provenance", "run_impacts", "run_spreads"
    )  # fmt: skip
    frames = (normalized, kinds, own, *impacts)
    return [to_arrow(f, TABLES[n]) for f, n in zip(frames, names, strict=True)]


@pytest.mark.slow
def test_logs_and_runs_come_out_of_workers_to_the_last_bit(workers, monkeypatch):
    monkeypatch.setattr(engines, "CHUNK_RUNS", 7)
    here = landed(engines.local)
    runs, _ = accepted(here[1])
    assert len(runs) > 3 * engines.CHUNK_RUNS
    with engines.opened(workers) as engine:
        for there, expected in zip(landed(engine), here, strict=True):
            pd.testing.assert_frame_equal(there, expected, check_exact=True)
        for there, expected in zip(made(engine, runs), made(engines.local, runs), strict=True):
            assert there.equals(expected)


def one_dies(item, folder):
    """Kill the worker at work on the fifth item, once."""
    mark = folder / "died"
    if item == 5 and not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(0.02)
    return item, os.getpid()


@pytest.mark.slow
def test_a_worker_killed_in_mid_run_changes_nothing(workers, tmp_path):
    with engines.opened(workers) as engine:
        done = list(engine(one_dies, range(20), tmp_path))
    assert [item for item, _ in done] == list(range(20))
    assert (tmp_path / "died").exists()


def read_whole(number, path):
    return number, np.fromfile(path).sum()


@pytest.mark.slow
def test_ten_times_what_a_worker_may_hold_passes_through(workers, tmp_path):
    """500 MB may be held; 100 files of 50 MB held at once would kill worker after worker."""
    path = tmp_path / "samples"
    np.ones(50_000_000 // 8).tofile(path)
    with engines.opened(workers) as engine:
        assert list(engine(read_whole, range(100), path)) == [(n, 6_250_000.0) for n in range(100)]


def test_no_more_items_are_made_than_are_under_way(workers):
    drawn = []

    def items():
        for number in range(50):
            drawn.append(number)
            yield number

    with engines.opened(workers) as engine:
        results = engine(abs, items())
        next(results)
        assert len(drawn) == 2 * engines.AHEAD


def test_runs_are_cut_into_chunks_each_with_its_own_rows(monkeypatch):
    monkeypatch.setattr(engines, "CHUNK_RUNS", 2)
    runs, rows = (pd.DataFrame({"run_id": list(ids)}) for ids in ("abcde", "eaacb"))
    seen = []

    def stage(runs, rows, choices):
        for each in (runs, rows):
            assert each.index.equals(pd.RangeIndex(len(each)))
        seen.append(("".join(runs["run_id"]), "".join(rows["run_id"]), choices))
        return runs, rows

    def elsewhere(function, items, *shared):
        return engines.local(function, items, *shared)

    made = engines.over_chunks(stage, elsewhere, "as chosen", runs, rows)
    assert seen == [("ab", "aab", "as chosen"), ("cd", "c", "as chosen"), ("e", "e", "as chosen")]
    pd.testing.assert_frame_equal(made[0], runs)
    assert made[1]["run_id"].tolist() == list("aabce")
    assert made[1].index.is_unique
    engines.over_chunks(stage, engines.local, "as chosen", runs, rows)
    engines.over_chunks(stage, elsewhere, "as chosen", runs[:0], rows[:0])
    assert seen[3:] == [("abcde", "eaacb", "as chosen"), ("", "", "as chosen")]


def test_an_address_where_nobody_answers_is_told(monkeypatch):
    distributed = pytest.importorskip("distributed")
    monkeypatch.setattr(
        distributed, "Client", lambda *_, **__: (_ for _ in ()).throw(OSError("timed out"))
    )
    with (
        pytest.raises(engines.NoCluster, match=r"tcp://nowhere:1.*`dask scheduler`"),
        engines.opened("tcp://nowhere:1"),
    ):
        pass


def test_without_the_extra_one_is_told_what_to_install(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "distributed", None)
    with pytest.raises(engines.NoCluster, match=r"install `ft-emissions-pipeline\[dask\]`"):
        engines.opened("tcp://somewhere:8786").__enter__()


def test_factor_tables_compare_by_content_and_travel_small():
    factors = reference.load()
    same = dataclasses.replace(
        factors, tables={name: table.copy() for name, table in factors.tables.items()}
    )
    assert same == factors
    assert hash(same) == hash(factors)
    gpus = factors.tables["gpus"]
    moved = {**factors.tables, "gpus": gpus.assign(tdp_w=gpus["tdp_w"] + 1)}
    assert dataclasses.replace(factors, tables=moved) != factors
    packed = pickle.dumps(factors)
    assert len(packed) < 1_000_000
    assert pickle.loads(packed) == factors
    assert pickle.loads(packed) is pickle.loads(pickle.dumps(same))
