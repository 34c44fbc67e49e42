"""On what machines work is done: in this process, or on the workers of a Dask cluster.

Put here: how a function is applied to files, or to runs in chunks, where that happens, and how many
are under way. Keep out: the functions (`readers/`, `stages.py`).

An engine is called as `map` is: `engine(function, items, *shared)` yields `function(item, *shared)`
in the order of the items. What is shared reaches each worker once. Dask does anew what a worker had
when it died; so a function may run twice, and must do nothing but return.
"""

from __future__ import annotations

import hashlib
import pickle
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import chain
from typing import Any, TypeAlias

import pandas as pd

from ft_emissions_pipeline.readers import is_small
from ft_emissions_pipeline.readers.files import File
from ft_emissions_pipeline.tables.frames import joined

Engine: TypeAlias = Callable[..., Iterator[Any]]

ON_THIS_MACHINE = "local"
"""Stands for a cluster that is started beside this process, a worker for each core."""

AHEAD = 2
"""Items per worker that are sent out before their results are asked for."""


class NoCluster(ValueError):
    """Dask is not installed, or no scheduler answers; the message says what to do."""


def local(function: Callable[..., Any], items: Iterable[Any], *shared: Any) -> Iterator[Any]:
    """Apply a function to items in this process, one after the other."""
    return (function(item, *shared) for item in items)


def over_files(
    read: Callable[..., Sequence[Any]],
    engine: Engine,
    files: Sequence[tuple[File, str]],
    *shared: Any,
) -> Iterator[Any]:
    """Yield what a function returns of files, in their order; small ones are given to it together.

    Parameters
    ----------
    read : callable
        `read(files, *shared)` returns a result for each of some files.
    engine : Engine
        Where that happens.
    files : sequence of (path, uri)
        As `files_in` returns them.
    *shared : object
        What it takes besides.
    """
    small = [file for file in files if is_small(file[0])]
    few = {uri for _, uri in small}
    groups = [small[n : n + TOGETHER] for n in range(0, len(small), TOGETHER)]
    # The small ones first, as they lie between large ones, of which one is held at a time.
    groups += [[file] for file in files if file[1] not in few]
    uris = (uri for group in groups for _, uri in group)
    told = zip(uris, chain.from_iterable(engine(read, groups, *shared)), strict=True)
    held: dict[str, Any] = {}
    for _, uri in files:
        while uri not in held:
            held.update([next(told)])
        yield held.pop(uri)


@contextmanager
def cluster(scheduler: str) -> Iterator[str]:
    """Yield the address of a scheduler; of one that lasts as long, where `local` is asked for.

    Parameters
    ----------
    scheduler : str
        Address such as `tcp://10.0.0.1:8786`, `local`, or nothing for this process.
    """
    if scheduler != ON_THIS_MACHINE:
        yield scheduler
        return
    with _distributed().LocalCluster(threads_per_worker=1, dashboard_address="127.0.0.1:0") as made:
        yield made.scheduler_address


@contextmanager
def opened(scheduler: str = "") -> Iterator[Engine]:
    """Yield the engine of a scheduler; `scheduler` is as for `cluster`.

    Raises
    ------
    NoCluster
        If Dask is not installed, or no scheduler answers at the address.
    """
    if not scheduler:
        yield local
        return
    with cluster(scheduler) as address:
        try:
            client = _distributed().Client(address, set_as_default=False)
        except (OSError, ValueError) as error:
            msg = (
                f"no scheduler of Dask answers at {address} ({error}); start one with "
                "`dask scheduler`, or leave it out to work in this process"
            )
            raise NoCluster(msg) from error
        with client:
            yield partial(_on_workers, client)


TOGETHER = 512
"""Small files that are read at a time: what all pay once is little for each then."""

CHUNK_RUNS = 16_384
"""Runs that are sent to a worker at a time: some 0.3 GB there, provenance included."""


def over_chunks(
    stage: Callable[..., tuple[pd.DataFrame, ...]],
    engine: Engine,
    choices: object,
    runs: pd.DataFrame,
    *others: pd.DataFrame,
) -> tuple[pd.DataFrame, ...]:
    """Return the tables that a stage makes of runs, some runs at a time.

    Parameters
    ----------
    stage : callable
        `normalized` or `impacts` of `stages`; no run of theirs depends on another.
    engine : Engine
        Where that happens.
    choices : object
        With what is computed, of `stages`.
    runs, *others : DataFrame
        What the stage takes: a row per run, and further rows of these runs.
    """
    if engine is local:
        return stage(runs, *others, choices)
    position = pd.Index(runs["run_id"])
    owners = [position.get_indexer(other["run_id"]) // CHUNK_RUNS for other in others]
    chunks = (
        (runs[start : start + CHUNK_RUNS].reset_index(drop=True),
         *(other[owner == start // CHUNK_RUNS].reset_index(drop=True)
           for other, owner in zip(others, owners, strict=True)))
        for start in range(0, max(len(runs), 1), CHUNK_RUNS)
    )  # fmt: skip
    made = engine(partial(_of_chunk, stage), chunks, choices)
    return tuple(joined(parts) for parts in zip(*made, strict=True))


def _of_chunk(
    stage: Callable[..., tuple[pd.DataFrame, ...]],
    chunk: tuple[pd.DataFrame, ...],
    choices: object,
) -> tuple[pd.DataFrame, ...]:
    return stage(*chunk, choices)


def _distributed() -> Any:
    try:
        import dask
        import distributed
    except ImportError as error:
        msg = "a scheduler needs Dask: install `ft-emissions-pipeline[dask]`, here and on workers"
        raise NoCluster(msg) from error
    # Chunks are meant to travel.
    dask.config.set({"distributed.admin.large-graph-warning-threshold": "1 GB"})
    return distributed


def _on_workers(
    client: Any, function: Callable[..., Any], items: Iterable[Any], *shared: Any
) -> Iterator[Any]:
    # Results of a task, and no scattered data: these Dask makes again where their worker died.
    held = [_sent_once(client, each) for each in shared]
    under_way: deque[Any] = deque()
    for item in items:
        # As bytes, which Dask does not look into.
        task = client.submit(_applied, function, pickle.dumps(item, 5), *held, pure=False)
        under_way.append(task)
        if len(under_way) >= AHEAD * max(1, len(client.nthreads())):
            yield under_way.popleft().result()
    while under_way:
        yield under_way.popleft().result()


def _sent_once(client: Any, shared: Any) -> Any:
    packed = pickle.dumps(shared, 5)
    return client.submit(pickle.loads, packed, key=f"shared-{hashlib.sha256(packed).hexdigest()}")


def _applied(function: Callable[..., Any], packed: bytes, *shared: Any) -> Any:
    return function(pickle.loads(packed), *shared)
