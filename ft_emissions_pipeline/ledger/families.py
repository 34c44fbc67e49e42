"""Families: base models, and what was tuned from them.

Put here: the base model at the root of each version's lineage, and of how many ancestors a
footprint is known. Keep out: chains of versions (`lineage.py`) and sums (`rollups.py`).

An ancestor is a base model, or a version or model that a log names as parent. It is covered where a
run of it is known, or its pre-training is published. A base model may have other users, so its
pre-training is in no total: beside one inference stands what it would carry of it at most, were
these versions the only ones made of it.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from ft_emissions_pipeline.equations import GRAMS_PER_KG, per_inference
from ft_emissions_pipeline.ledger import lineage
from ft_emissions_pipeline.ledger.days import instants
from ft_emissions_pipeline.tables.frames import among, places

KEYS = ("base_model", "family")
OF_RUNS = ("run_id", "base_model", "pretraining_kgco2e")
OF_VERSIONS = (
    "model_version", "model_name", "parent_version", "use_life_start", "inferences",
    "base_gco2e_per_inference",
)  # fmt: skip
TOLD = (
    "versions", "ancestors", "ancestors_covered", "pretraining_kgco2e",
    "pretraining_gco2e_per_inference", "base_gco2e_per_inference",
)  # fmt: skip
"""What `told` says of a family beside the key."""


def rooted(
    versions: pd.DataFrame,
    run_impacts: pd.DataFrame,
    normalized_runs: pd.DataFrame,
    models: pd.DataFrame,
) -> pd.DataFrame:
    """Find the base model of each version, its own or that of what it was tuned from.

    Parameters
    ----------
    versions : DataFrame
        Columns `OF_VERSIONS` of table `model_versions`, all rows.
    run_impacts, normalized_runs : DataFrame
        Columns `OF_RUNS`, and run_id and model_id, of the tables of these names.
    models : DataFrame
        Factor table of this name.

    Returns
    -------
    DataFrame
        The versions with base_model (as the factor table calls it, or as logged), family,
        pretraining_kgco2e and pretraining_source; their parent_version also names a model of ours
        that a run names as its base model.
    """
    told = pd.concat(
        [
            runs[names]
            .reset_index(drop=True)
            .reindex(places(runs["run_id"], versions["model_version"]))
            .reset_index(drop=True)
            for runs, names in ((run_impacts, list(OF_RUNS[1:])), (normalized_runs, ["model_id"]))
        ],
        axis=1,
    )
    table = models.drop_duplicates("model_id", keep="last", ignore_index=True)
    versions = versions.reset_index(drop=True)
    ours = pd.Series(versions["model_name"].unique())
    logged = told["base_model"].where(told["model_id"].isna())
    base = logged.where(among(logged, ours), logged.str.replace(".*/", "", regex=True))
    is_ours = among(base, ours) & (base != versions["model_name"])
    versions["parent_version"] = versions["parent_version"].fillna(base.where(is_ours))
    child, parent, _, _ = lineage.parents(versions)
    rows = np.arange(len(versions))
    named = told["model_id"].notna() | (logged.notna() & ~is_ours & ~pd.Series(rows).isin(child))
    root = np.where(named, rows, -1)
    open_pairs = root[child] < 0
    child, parent = child[open_pairs], parent[open_pairs]
    # A parent is older than its child, so it has its root before the child asks for it.
    for at in np.argsort(instants(versions["use_life_start"])[child], kind="stable"):
        if root[child[at]] < 0:
            root[child[at]] = root[parent[at]]
    root = np.where((root < 0) & logged.notna() & ~is_ours, rows, root)
    identity = told["model_id"]
    at = places(table["model_id"], identity)
    name, family, source = (
        table[column].reindex(at).reset_index(drop=True).astype("str")
        for column in ("name", "family", "pretraining_source")
    )
    found = pd.DataFrame(
        {
            "base_model": name.fillna(identity).fillna(logged),
            "family": family,
            "pretraining_kgco2e": told["pretraining_kgco2e"],
            "pretraining_source": source,
        }
    ).reindex(root)
    found["family"] = found["family"].fillna(found["base_model"])
    return versions.assign(**{name: found[name].array for name in found})


def told(rooted_versions: pd.DataFrame, key: str) -> pd.DataFrame:
    """Tell of each family how many of its ancestors are covered, and its pre-training.

    Parameters
    ----------
    rooted_versions : DataFrame
        What `rooted` returns.
    key : str
        Of `KEYS`.

    Returns
    -------
    DataFrame
        By key: `TOLD`. Pre-training is that of all its base models, and empty where one of them has
        published none; per inference it is over the known inferences of all versions.
    """
    frame = rooted_versions
    by_version = frame.groupby(key, dropna=False)
    of_base = [frame[name].groupby(frame["base_model"]).transform("max")
               for name in ("pretraining_kgco2e", "base_gco2e_per_inference")]  # fmt: skip
    bases = frame.assign(
        ancestor=frame["base_model"], pretraining_kgco2e=of_base[0],
        covered=of_base[0].notna() | of_base[1].notna(),
    ).dropna(subset=["ancestor"])  # fmt: skip
    names = frame["parent_version"].dropna().str.split(lineage.BETWEEN, regex=True).explode()
    known = pd.Series(pd.concat([frame["model_version"], frame["model_name"]]).unique())
    parents = frame.loc[names.index].assign(ancestor=names, covered=places(known, names) >= 0)
    bases, parents = (each.drop_duplicates([key, "ancestor"]) for each in (bases, parents))
    every = pd.concat([bases, parents]).groupby(key, dropna=False)
    pretraining = bases.groupby(key)["pretraining_kgco2e"].agg(lambda each: each.sum(skipna=False))
    found = pd.DataFrame({"versions": by_version.size()})
    found["ancestors"] = every.size().reindex(found.index, fill_value=0)
    found["ancestors_covered"] = every["covered"].sum().reindex(found.index, fill_value=0)
    found["pretraining_kgco2e"] = pretraining.reindex(found.index)
    served = by_version["inferences"].sum()
    found["pretraining_gco2e_per_inference"] = per_inference(
        found["pretraining_kgco2e"] * GRAMS_PER_KG, served.where(served > 0)
    )
    lived = frame[[key, "use_life_start", "base_gco2e_per_inference"]]
    newest = lived.sort_values("use_life_start").groupby(key, dropna=False)
    found["base_gco2e_per_inference"] = newest["base_gco2e_per_inference"].last()
    return found.rename_axis(key).reset_index()
