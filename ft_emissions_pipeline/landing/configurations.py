"""Which configuration completes which runs: a training's settings lie beside its logs.

Put here: the tie by folder, and the filling of what a run's logs leave open. Keep out: the formats
(`readers/`), and what a run's own logs say of each other (`join.py`).

A configuration is of the runs in the folder that it names as its output. Without it, it is of those
of its own folder; if there is none, of those in the folders below, as a project's settings are; and
if there is none either, of the one run in whose folder it lies further down, as an adapter saved at
the end does. Per field the nearest one wins, then the format that is registered first; it never
replaces what a log of the run says. What contradicts is noted as `conflict`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from pathlib import PurePosixPath

import pandas as pd

from ft_emissions_pipeline.landing.best_evidence import TURNS, differs
from ft_emissions_pipeline.readers import Reading, basis_of, origins, repairs
from ft_emissions_pipeline.readers.reading import unreadable
from ft_emissions_pipeline.readers.shared.run_folders import home, parents
from ft_emissions_pipeline.readers.shared.training_settings import names_folder
from ft_emissions_pipeline.tables import RUN_FIELDS
from ft_emissions_pipeline.tables.words import REFINES

TIES = ("source_uri", "source_record", "run_id", "distance")
_NOT_TAKEN = ("run_id", "steps")
"""Steps that were planned are not those that were made; they size a run up before it starts."""

_PLANNED = ("epochs", "sequence_length")
"""What a configuration plans; a run that stopped early or cut its texts shorter contradicts
nothing."""


def ties(records: pd.DataFrame, configurations: pd.DataFrame) -> pd.DataFrame:
    """Return which configuration completes which run.

    Parameters
    ----------
    records : DataFrame
        `source_uri` and `run_id` of every record of a log; those of `runs.yaml` lie with no run.
    configurations : DataFrame
        `source_uri`, `source_record` and `mark` of every configuration.

    Returns
    -------
    DataFrame
        Columns `TIES`, the nearest configuration of a run first; distance counts folders.
    """
    if configurations.empty:
        return pd.DataFrame(columns=list(TIES))
    beside: dict[str, set[str]] = defaultdict(set)
    for uri, ids in records.groupby("source_uri")["run_id"]:
        beside[home(str(uri))].update(ids)
    below: dict[str, dict[str, int]] = defaultdict(dict)
    for folder, ids in beside.items():
        for distance, above in enumerate(parents(folder)):
            for run_id in ids if distance == 0 or above not in beside else ():
                below[above][run_id] = min(distance, below[above].get(run_id, distance))
    rows = [
        (uri, record, run_id, distance)
        for uri, record, mark in configurations[["source_uri", "source_record", "mark"]].itertuples(
            index=False
        )
        for run_id, distance in (
            _named(mark, uri, beside) or below.get(home(uri)) or _around(home(uri), beside)
        ).items()
    ]
    frame = pd.DataFrame(rows, columns=list(TIES))
    return frame.sort_values(["run_id", "distance", "source_uri"], kind="stable")


def _named(mark: object, uri: str, beside: Mapping[str, set[str]]) -> dict[str, int]:
    """Return the runs of the folder that a configuration names as its output, if it is just one."""
    found = [each for each in beside if each != "root" and names_folder(mark, each)]
    return dict.fromkeys(beside[found[0]], len(parents(home(uri)))) if len(found) == 1 else {}


def _around(folder: str, beside: Mapping[str, set[str]]) -> dict[str, int]:
    """Return the one run in whose folder a configuration lies further down."""
    steps, above = next(
        ((n, each) for n, each in enumerate(parents(folder)) if each in beside), (0, "")
    )
    runs = beside.get(above, set())
    return dict.fromkeys(runs, steps) if len(runs) == 1 else {}


def completed(
    runs: pd.DataFrame, configurations: pd.DataFrame, found: pd.DataFrame
) -> pd.DataFrame:
    """Return the runs with what configurations say of them where no log does.

    Parameters
    ----------
    runs : DataFrame
        Table `runs`, days left out.
    configurations : DataFrame
        Records of configurations: any of `tables.RUN_FIELDS`, and their source.
    found : DataFrame
        What `ties` found.
    """
    found = found[found["run_id"].isin(runs["run_id"])]
    if found.empty or configurations.empty:
        return runs
    place = ["source_uri", "source_record"]
    said = configurations.set_index(place)
    turn = said["source_format"].map(TURNS)
    order = found.assign(turn=pd.MultiIndex.from_frame(found[place]).map(turn.to_dict()))
    order = order.dropna(subset=["turn"])
    order = order.sort_values(["run_id", "distance", "turn", "source_uri"], kind="stable")
    at = {run_id: position for position, run_id in enumerate(runs["run_id"])}
    filled = runs.copy()
    names = [name for name in RUN_FIELDS if name in said and name not in _NOT_TAKEN]
    for run_id, tied in order.groupby("run_id", sort=False):
        row = filled.index[at[run_id]]
        keys = list(tied[place].itertuples(index=False, name=None))
        _complete(filled, row, said.loc[keys], names)
    return filled


def _complete(runs: pd.DataFrame, row: object, said: pd.DataFrame, names: list[str]) -> None:
    """Complete one run in place, from configurations in the order of their say."""
    known_origins = origins.of_run(runs.loc[row])
    words = set(repairs.parted(runs.at[row, "repairs"]))
    taken = False
    for name in names:
        for (uri, record), value, source_format in zip(
            said.index, said[name], said["source_format"], strict=True
        ):
            if pd.isna(value):
                continue
            known = runs.at[row, name]
            if pd.isna(known) or known in REFINES.get(name, {}).get(str(value), ()):
                runs.at[row, name] = value
                place = origins.place(uri, record)
                known_origins[name] = origins.Origin(basis_of(source_format, name), place)
                taken = True
            elif name not in _PLANNED and _contradicts(name, value, known):
                words.add(f"conflict:{name}")
    runs.at[row, "repairs"] = repairs.joined(sorted(words)) or None
    if taken:
        runs.at[row, "origins"] = origins.to_json(known_origins)


def _contradicts(name: str, value: object, known: object) -> bool:
    if name in REFINES:
        return value != known and value not in REFINES[name].get(str(known), ())
    if name == "base_model":
        # `meta-llama/Llama-2-7b-hf`, and the same in a folder of its own, are one model.
        value, known = (PurePosixPath(str(each)).name for each in (value, known))
    return bool(differs(pd.Series([value], name=name), pd.Series([known]))[0])


def of_no_run() -> Reading:
    """Return the reading of a configuration that completes no run: one record, in quarantine."""
    reason = (
        "no run lies in the folder of this configuration, below it or around it; put it beside the "
        "logs of its run, or remove it"
    )
    return unreadable("configuration_of_no_run", reason)


def dated(index: pd.DataFrame) -> pd.DataFrame:
    """Return the index with a row of each configuration for each day of the runs that it completes.

    Parameters
    ----------
    index : DataFrame
        Table `landing_index`, its runs dated. Configurations that complete none count as not used.
    """
    ours = index["content"] == "configuration"
    if not ours.any():
        return index
    files = index[ours].drop_duplicates("source_uri").drop(columns="date")
    days = tied(index).merge(index[["run_id", "date"]].dropna(), on="run_id")
    rows = files.merge(days[["source_uri", "date"]].drop_duplicates(), on="source_uri", how="left")
    rows["quarantined"] = rows["date"].isna().astype("int64")
    rows["merged"] = rows["date"].notna().astype("int64")
    return pd.concat([index[~ours], rows], ignore_index=True)


def tied(index: pd.DataFrame) -> pd.DataFrame:
    """Return which configuration completes which run, by table `landing_index`."""
    ours = index[index["content"] == "configuration"].drop_duplicates("source_uri")
    named = index["run_id"].notna() & (index["content"] != "mapping")
    return ties(index.loc[named, ["source_uri", "run_id"]], ours)


def base_models(runs: pd.DataFrame, index: pd.DataFrame, found: pd.DataFrame) -> pd.Series:
    """Return the base model of each run as its logs name it, else its nearest configuration."""
    named = index[index["content"] == "configuration"].drop_duplicates("source_uri")
    models = found.merge(
        named[["source_uri", "source_record", "source_format", "base_model"]],
        on=["source_uri", "source_record"],
    ).dropna(subset=["base_model"])
    models = models.assign(turn=models["source_format"].map(TURNS))
    models = models.sort_values(["run_id", "distance", "turn", "source_uri"], kind="stable")
    nearest = models.drop_duplicates("run_id").set_index("run_id")["base_model"]
    return runs["base_model"].fillna(runs["run_id"].map(nearest).astype("str"))
