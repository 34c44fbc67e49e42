"""Join records of several files to runs: per field the best evidence wins.

A trainer's state knows time and tokens, CodeCarbon the energy, a disclosure the place; together
they are one run. Put here: which records belong together. Keep out: which of their values wins
(`best_evidence.py`), reading files, filling gaps (`normalize/`), and assigning runs to days.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fnmatch import translate
from typing import TypeAlias

import numpy as np
import pandas as pd

from ft_emissions_pipeline.landing import same_run
from ft_emissions_pipeline.landing.best_evidence import AGREES, ONE_MACHINE, joined
from ft_emissions_pipeline.readers import repairs
from ft_emissions_pipeline.readers.formats import run_mapping
from ft_emissions_pipeline.readers.shared.run_folders import home, parents
from ft_emissions_pipeline.tables.frames import places

MERGED_COLUMNS = ("source_uri", "source_record", "run_id")

_OVERLAP = 0.8
"""Share of the shorter of two records' times that must lie in the other for them to be of one
run."""
_SCHEDULERS = ("slurm",)
"""Formats whose run ids are made up of a job's number, and give way to a name that somebody
chose."""
PERHAPS = "perhaps_one_machine"
_FOLLOWS_FOLDER = dict.fromkeys(("hugging_face", "llama_factory", "model_card"), True)
"""Formats whose files are one run a folder."""
_IN_ITS_FOLDER = (
    "wandb_file",
    "wandb_run",
    "wandb_metrics",
    "mlflow_run",
    "mlflow_metrics",
    "mlflow_database",
)
"""Formats that lie in a trainer's folder for no other reason than that it made them."""
_OF_A_PROJECT = (
    "console",
    "wandb_file",
    "wandb_run",
    "mlflow_database",
    "mlflow_run",
    "codecarbon",
    "codecarbon_json",
    "eco2ai",
    "carbontracker",
    "zeus",
    "impact_tracker",
)
"""Formats of logs that also lie where a training was begun, above the folder of its trainer."""
_DIGITS = 1e-6
"""Relative difference of one figure in several logs, of which one may round it to 7 digits."""
_OF_SESSIONS = "tensorboard"
"""Format that has a folder for each session of a trainer, all of one run."""
AMBIGUOUS = "join_ambiguous"
"""Word of `repairs` before the runs that a record may belong to."""
Links: TypeAlias = pd.DataFrame
"""source_uri, source_record, run_id and join_note of records: what `linked` found."""


def join(
    records: pd.DataFrame,
    mapping: Iterable[tuple[str, str]] = (),
    links: Links | None = None,
    landed: Iterable[str] = (),
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Join records that belong to the same run.

    Parameters
    ----------
    records : pandas.DataFrame
        Records of all files: any of `tables.RUN_FIELDS` with run_id, repairs, source_format,
        source_uri, source_record. Their order does not matter.
    mapping : iterable of (run_id, pattern)
        From `runs.yaml`. A pattern matches a file's uri, a folder above it, uri#source_record or
        uri#run_id, with `*` and `?`. An exact pattern goes before one with wildcards; of several,
        the first in alphabetical order counts.
    links : DataFrame, optional
        What `linked` found among these records and others; by default it is asked here.
    landed : iterable of str
        Uris of all files, telemetry and usage among them: a log that is among them was found.

    Returns
    -------
    runs : pandas.DataFrame
        One row per run. Per field measured goes before disclosed before predicted, then the format
        that is registered first, then the first in order of source_uri and source_record. A run of
        several records has its `origins`: JSON of field -> [basis, uri#record]; its source is its
        first record.
    merged : pandas.DataFrame
        source_uri, source_record, run_id of every record that joined another one.
    """
    if len(records) == 1 and not mapping and links is None:  # there is nothing to join
        whole = records.assign(origins=pd.Series(np.nan, records.index, dtype="str"))
        return whole.reset_index(drop=True), records.loc[[], list(MERGED_COLUMNS)]
    # Where links are known, only records of one run need an order.
    every = _ordered(records) if links is None else records.reset_index(drop=True)
    every = every.assign(logged_id=every["run_id"])
    found = linked(every, mapping) if links is None else _looked_up(every, links)
    _, unmatched = _mapped(every, mapping)
    unmatched -= _landed(mapping, landed)
    every["run_id"] = found["run_id"]
    noted = found["join_note"].notna()
    every["repairs"] = repairs.with_words(every["repairs"], found["join_note"], noted)
    shared = every["run_id"].duplicated(keep=False)
    several = _ordered(every[shared])
    runs = every.assign(origins=pd.Series(np.nan, every.index, dtype="str"))
    if len(several):
        alone = runs[~shared]
        runs = pd.concat([alone, joined(several)]) if len(alone) else joined(several)
    if unmatched:
        lost = runs["run_id"].isin(unmatched) & (runs["source_format"] == run_mapping.FORMAT)
        runs["repairs"] = repairs.with_words(runs["repairs"], "logs_not_found", lost)
    runs = runs.drop(columns="logged_id")
    if not runs["run_id"].is_monotonic_increasing:
        runs = runs.sort_values("run_id", kind="stable")
    merged = several.loc[several["run_id"].duplicated(), list(MERGED_COLUMNS)]
    return runs.reset_index(drop=True), merged.reset_index(drop=True)


def linked(records: pd.DataFrame, mapping: Iterable[tuple[str, str]] = ()) -> Links:
    """Return to which run each record belongs.

    Records that a mapping gives to a run, or that name the same run id, are of one run. So are
    records of different formats that name the same job of a scheduler, those that trackers left in
    the folder of a trainer's run, and records that were on the same host at the same time; each
    only if there is one such candidate. If there are more, none is joined.

    Parameters
    ----------
    records, mapping
        As for `join`.

    Returns
    -------
    DataFrame
        source_uri, source_record, run_id and join_note, in the order of the records.
    """
    links = records[["source_uri", "source_record"]].copy()
    links["run_id"] = mapped_ids(records, mapping)
    links["join_note"] = pd.Series(np.nan, index=records.index, dtype="str")
    if len(links) == 1:  # there is no other record to which it could belong
        return links
    free = links["run_id"] == records["run_id"]
    if "mark" not in records:
        records = records.assign(mark=pd.Series(np.nan, index=records.index, dtype="str"))
    links["run_id"], of_several = same_run.histories(records, links["run_id"])
    _note(links, AMBIGUOUS, of_several)
    # Trackers of several ranks are one log of the run in whose folder they lie.
    apart = links["run_id"]
    once, perhaps = same_run.machines(records, apart, free)
    links["run_id"] = same_run.with_names(apart, once[0])
    _note(links, ONE_MACHINE, once[1])
    for find in (_of_one_job, _of_one_folder, _of_one_project, _at_one_time):
        names, doubtful = find(records, links["run_id"])
        links["run_id"] = same_run.with_names(links["run_id"], names)
        _note(links, AMBIGUOUS, {names.get(run_id, run_id): c for run_id, c in doubtful.items()})
    if not links["run_id"].equals(apart):
        _, perhaps = same_run.machines(records, links["run_id"], free)
    _note(links, PERHAPS, perhaps[1])
    return links


def _note(links: Links, word: str, about: Mapping[str, set[str]]) -> None:
    """Add a word about other runs to the notes of some runs, in place."""
    if not about:
        return
    words = {run_id: repairs.naming(word, others) for run_id, others in about.items()}
    noted = links["run_id"].map(words).astype("str")
    links["join_note"] = repairs.with_words(links["join_note"], noted, noted.notna())


def mapped_ids(records: pd.DataFrame, mapping: Iterable[tuple[str, str]]) -> pd.Series:
    """Return each record's run id once a mapping of `runs.yaml` has been followed."""
    return _mapped(records, mapping)[0]


def _looked_up(ordered: pd.DataFrame, links: Links) -> pd.DataFrame:
    known = links.dropna(subset=["source_record", "run_id"])
    at = places(_place(known), _place(ordered))
    found = known[["run_id", "join_note"]].reset_index(drop=True).reindex(at)
    found = found.set_axis(ordered.index)
    found["run_id"] = found["run_id"].fillna(ordered["run_id"])
    return found


def _place(records: pd.DataFrame) -> pd.Series:
    """Return where each record stands as one text; no file's name holds what stands between."""
    return records["source_uri"] + "\0" + records["source_record"]


def notes_of(cell: object) -> list[tuple[str, list[str], int]]:
    """Return the words of a note about other runs, with these and how many more there are."""
    found = [(word, *repairs.named(cell, word)) for word in (AMBIGUOUS, ONE_MACHINE, PERHAPS)]
    return [(word, names, more) for word, names, more in found if names]


Candidates = tuple[dict[str, str], dict[str, set[str]]]
"""Run id -> run id that it becomes, and run id -> the others to which it may belong."""


def _of_one_job(records: pd.DataFrame, run_ids: pd.Series) -> Candidates:
    if "job_id" not in records or records["job_id"].isna().all():
        return {}, {}
    named = records[records["job_id"].notna()]
    jobs: dict[str, set[str]] = {}
    for job_id, run_id in zip(named["job_id"], run_ids[named.index], strict=True):
        jobs.setdefault(job_id, set()).add(run_id)
    several = {job_id: ids for job_id, ids in jobs.items() if len(ids) > 1}
    formats = _formats(records, run_ids, {run_id for ids in several.values() for run_id in ids})
    names: dict[str, str] = {}
    doubtful: dict[str, set[str]] = {}
    for _, ids in sorted(several.items()):
        if sum(len(formats[run_id]) for run_id in ids) == len(
            set().union(*(formats[i] for i in ids))
        ):
            chosen = _chosen(ids, formats)
            names |= {run_id: chosen for run_id in ids if run_id != chosen}
        else:
            doubtful |= {run_id: ids - {run_id} for run_id in ids}
    return names, doubtful


def _of_one_folder(records: pd.DataFrame, run_ids: pd.Series) -> Candidates:
    """Give a trainer's run what trackers and consoles logged in its folder.

    A trainer's files are named after their folder. A log of another format belongs to the same run
    if its time fits, and no other log of that format does: a tracker runs on around the training,
    at most for as long again.
    """
    told = _timed(records, run_ids)
    by_hand = set(run_ids[records["source_format"] == run_mapping.FORMAT])
    trainers: dict[str, dict[str, float]] = {}
    others: dict[str, dict[str, dict[str, float]]] = {}
    for each in told:
        if each.is_trainer:
            lengths = trainers.setdefault(each.folder, {})
        else:
            lengths = others.setdefault(each.folder, {}).setdefault(each.source_format, {})
        lengths[each.run_id] = np.fmax(lengths.get(each.run_id, np.nan), each.seconds)
    names: dict[str, str] = {}
    doubtful: dict[str, set[str]] = {}
    for folder, of_trainer in sorted(trainers.items()):
        if len(of_trainer) != 1:
            continue
        ((run_id, whole),) = of_trainer.items()
        for name, lengths in sorted(others.get(folder, {}).items()):
            fitting = _fitting({k: v for k, v in lengths.items() if k != run_id}, whole, name)
            if len(fitting) > 1 and name != _OF_SESSIONS:
                if name in _IN_ITS_FOLDER:
                    doubtful |= {other: {run_id} for other in fitting}
                continue
            for other in fitting:
                if other not in by_hand:
                    names[other] = run_id
                elif run_id not in by_hand:
                    names[run_id] = other
    return names, doubtful


def _of_one_project(records: pd.DataFrame, run_ids: pd.Series) -> Candidates:
    """Give a trainer's run what was logged elsewhere in its project.

    Of a project whose folder holds one trainer's run it is what was logged in that folder, if its
    time fits. Anywhere else a log tells just the trainer's own time, to its last digit.
    """
    told = _timed(records, run_ids)
    below: dict[str, dict[str, _Timed]] = {}
    for each in told:
        for above in parents(each.folder) if each.is_trainer else ():
            known = below.setdefault(above, {}).setdefault(each.run_id, each)
            below[above][each.run_id] = each if np.isnan(known.seconds) else known
    settled = {each.run_id for each in told if each.is_trainer}
    logged = {(each.run_id, each.source_format) for each in told}
    settled |= set(run_ids[records["source_format"] == run_mapping.FORMAT])
    found: dict[tuple[str, str], dict[str, bool]] = {}
    for log in told:
        if log.run_id in settled or log.source_format not in _OF_A_PROJECT:
            continue
        folder = next((above for above in parents(log.folder) if above in below), "")
        near = list(below.get(folder, {}).values())
        same = [each for each in near if each.of_just_the_time(log)]
        alone = [
            each
            for each in near
            if len(near) == 1
            and log.folder == folder != each.folder
            and (each.run_id, log.source_format) not in logged
            and each.fits(log)
        ]
        for each in same if len(same) == 1 else alone:
            found.setdefault((each.run_id, log.source_format), {})[log.run_id] = bool(same)
    names: dict[str, str] = {}
    for (run_id, _), logs in found.items():
        sure = [log for log, same in logs.items() if same]
        names |= dict.fromkeys(sure or (logs if len(logs) == 1 else ()), run_id)
    return names, {}


@dataclass(frozen=True)
class _Timed:
    """How long a record of a run says it took."""

    run_id: str
    folder: str
    source_format: str
    is_trainer: bool
    seconds: float
    steps: float

    def of_just_the_time(self, log: _Timed) -> bool:
        """Say whether a log repeats this figure, which by chance no other run has."""
        broken = log.seconds % 1 > 0
        return broken and abs(log.seconds - self.seconds) < _DIGITS * self.seconds

    def fits(self, log: _Timed) -> bool:
        """Say whether a log around this run may be of it; without a time by its steps."""
        if np.isnan(self.seconds):
            return log.steps == self.steps
        return bool(_fitting({log.run_id: log.seconds}, self.seconds, log.source_format))


def _timed(records: pd.DataFrame, run_ids: pd.Series) -> list[_Timed]:
    """Return the records of runs but those of runs.yaml; none if there is no trainer among them."""
    if not set(records["source_format"].unique()) & set(_FOLLOWS_FOLDER):
        return []
    folders = records["source_uri"].map({uri: home(uri) for uri in records["source_uri"].unique()})
    own = records["logged_id"] if "logged_id" in records else records["run_id"]
    trained = own.eq(folders) & records["source_format"].map(_FOLLOWS_FOLDER).eq(True)
    if not trained.any():
        return []
    missing = pd.Series(np.nan, index=records.index)
    seconds = records.get("active_s", missing).fillna(records.get("reserved_s", missing))
    columns = (
        run_ids,
        folders,
        records["source_format"],
        trained,
        seconds,
        records.get("steps", missing),
    )
    rows = zip(*columns, strict=True)
    return [_Timed(*row) for row in rows if row[2] != run_mapping.FORMAT]


def _fitting(lengths: Mapping[str, float], whole: float, name: str) -> list[str]:
    """Return the runs whose time fits a trainer's; one of just its time goes before all others."""
    if name == _OF_SESSIONS:
        return list(lengths)
    fitting = [
        each
        for each, length in lengths.items()
        if not (length < 0.95 * whole or length > 2 * whole)
    ]
    exact = [each for each in fitting if abs(lengths[each] / whole - 1) < AGREES]
    return exact if len(exact) == 1 else fitting


def _at_one_time(records: pd.DataFrame, run_ids: pd.Series) -> Candidates:
    if not {"host", "started_at", "ended_at"} <= set(records) or records["host"].isna().all():
        return {}, {}
    groups = records[["host", "started_at", "ended_at"]].groupby(run_ids)
    spans = groups.agg(host=("host", "first"), low=("started_at", "min"), high=("ended_at", "max"))
    spans = spans.dropna()
    spans["host"] = spans["host"].str.split()
    formats = _formats(records, run_ids, set(spans.index))
    beside: dict[str, set[str]] = {}
    for _, on_host in spans.explode("host").groupby("host"):
        ordered = on_host.sort_values("low")
        lows, highs, ids = ordered["low"].to_numpy(), ordered["high"].to_numpy(), ordered.index
        for n in range(len(ids)):
            for m in range(n + 1, int(np.searchsorted(lows, highs[n]))):
                shorter = min(highs[n] - lows[n], highs[m] - lows[m])
                shared = min(highs[n], highs[m]) - lows[m]
                if shared >= _OVERLAP * shorter and not formats[ids[n]] & formats[ids[m]]:
                    beside.setdefault(ids[n], set()).add(ids[m])
                    beside.setdefault(ids[m], set()).add(ids[n])
    names: dict[str, str] = {}
    doubtful: dict[str, set[str]] = {}
    for run_id, others in beside.items():
        if max(len(others), *(len(beside[other]) for other in others)) > 1:
            doubtful[run_id] = others
            continue
        pair = {run_id, *others}
        chosen = _chosen(pair, formats)
        names |= {each: chosen for each in pair if each != chosen}
    return names, doubtful


def _formats(records: pd.DataFrame, run_ids: pd.Series, wanted: set[str]) -> dict[str, set[str]]:
    formats: dict[str, set[str]] = {run_id: set() for run_id in wanted}
    for run_id, source_format in zip(run_ids, records["source_format"], strict=True):
        if run_id in formats:
            formats[run_id].add(source_format)
    return formats


def _chosen(ids: set[str], formats: dict[str, set[str]]) -> str:
    """Return the id that a person gave in runs.yaml, else a log's own, else a scheduler's."""
    return min(
        ids,
        key=lambda run_id: (
            run_mapping.FORMAT not in formats[run_id],
            formats[run_id] <= set(_SCHEDULERS),
            run_id,
        ),
    )


def _ordered(records: pd.DataFrame) -> pd.DataFrame:
    """Sort by file and place; shorter places first, so that line 9 goes before line 10."""
    if len(records) < 2:
        return records.reset_index(drop=True)
    keys = records[["source_uri", "source_record", "source_format"]]
    keys = keys.assign(length=keys["source_record"].str.len()).reset_index(drop=True)
    order = keys.sort_values(["source_uri", "length", "source_record", "source_format"]).index
    return records.take(order).reset_index(drop=True)


def _mapped(
    records: pd.DataFrame, mapping: Iterable[tuple[str, str]]
) -> tuple[pd.Series, set[str]]:
    """Return each record's run id after mapping, and the mapped runs of which no log was found."""
    pairs = sorted(set(mapping), key=lambda pair: (_is_wild(pair[1]), pair[1], pair[0]))
    # A runs.yaml is about its runs already; a pattern like `*` must not draw it elsewhere.
    free = np.array(records["source_format"] != run_mapping.FORMAT)
    found: set[str] = set()
    if not pairs:
        return records["run_id"].copy(), found
    ids, uri = records["run_id"].astype("str"), records["source_uri"]
    of_file = uri.astype("str") + "#" if any("#" in pattern for _, pattern in pairs) else uri
    for run_id, pattern in pairs:
        hits = np.zeros(len(records), dtype=bool)
        marks = ("source_record", "run_id") if "#" in pattern else ()
        for key in [of_file + records[mark].astype("str") for mark in marks] or [uri]:
            hits |= _matches(key, pattern)
        hits &= records["source_format"].ne(run_mapping.FORMAT).to_numpy()
        if hits.any():
            found.add(run_id)
        hits &= free
        ids[hits] = run_id
        free &= ~hits
    return ids, {run_id for run_id, _ in pairs} - found


def _landed(mapping: Iterable[tuple[str, str]], uris: Iterable[str]) -> set[str]:
    """Return the mapped runs one of whose logs is a landed file, whatever it holds."""
    files = pd.Series(sorted(set(uris)), dtype="str")
    return {
        run_id
        for run_id, pattern in mapping
        if len(files) and _matches(files, pattern.partition("#")[0]).any()
    }


def _is_wild(pattern: str) -> bool:
    return any(sign in pattern for sign in "*?[")


def _matches(key: pd.Series, pattern: str) -> np.ndarray:
    exact = (key == pattern) | key.str.startswith(pattern.rstrip("/") + "/")
    if not _is_wild(pattern):
        return np.asarray(exact, dtype=bool)
    return np.asarray(exact | key.str.match(translate(pattern)), dtype=bool)
