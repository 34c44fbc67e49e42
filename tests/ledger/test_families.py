"""Base models at the root of lineages, and ancestors that have a footprint; each figure by hand."""

import numpy as np
import pandas as pd
import pytest

from ft_emissions_pipeline.ledger import families

MODELS = pd.DataFrame(
    {
        "model_id": ["llama-2-7b", "llama-2-13b", "falcon-7b"],
        "name": ["Llama 2 7B", "Llama 2 13B", "Falcon 7B"],
        "family": ["Llama 2", "Llama 2", "Falcon"],
        "pretraining_source": ["its card", "its card", None],
    }
)


def rooted(*rows):
    """Return rooted versions, one a day, each of a model, a parent, a base model and its row."""
    versions = pd.DataFrame(
        [
            {"model_version": version, "model_name": model, "parent_version": parent,
             "inferences": 1000.0, "base_gco2e_per_inference": np.nan,
             "use_life_start": pd.Timestamp("2026-01-01", tz="UTC") + pd.Timedelta(days=day)}
            for day, (version, model, parent, _, _) in enumerate(rows)
        ]
    ).astype({"parent_version": "str"})  # fmt: skip
    runs = pd.DataFrame(
        [
            {"run_id": version, "base_model": base, "model_id": row,
             "pretraining_kgco2e": {"llama-2-7b": 31220.0, "llama-2-13b": 62440.0}.get(row)}
            for version, _, _, base, row in rows
        ]
    ).astype({"base_model": "str", "model_id": "str", "pretraining_kgco2e": "float64"})  # fmt: skip
    ordered = versions.sort_values(["model_name", "model_version"], ignore_index=True)
    return families.rooted(ordered, runs, runs, MODELS).set_index("model_version", drop=False)


def test_a_version_without_a_base_model_takes_that_of_what_it_was_tuned_from():
    found = rooted(
        ("v1", "bot", None, "meta-llama/Llama-2-7b-hf", "llama-2-7b"),
        ("v2", "bot", "v1", None, None),
        ("v3", "bot", "v2", "/scratch/out/checkpoint-200", None),
        ("own", "router", None, "acme/bot", None),  # a card that names another model of ours
        ("alone", "tagger", None, None, None),
        ("unheard", "other", None, "acme/zephyrus", None),
    )
    assert found["base_model"].dropna().to_dict() == {
        **dict.fromkeys(("v1", "v2", "v3", "own"), "Llama 2 7B"), "unheard": "acme/zephyrus",
    }  # fmt: skip
    assert found["parent_version"]["own"] == "bot"
    assert found["pretraining_source"].dropna().unique().tolist() == ["its card"]


def test_a_model_that_is_called_as_its_base_model_is_no_ancestor_of_itself():
    found = rooted(("v1", "zephyrus", None, "zephyrus", None),
                   ("v2", "zephyrus", None, "zephyrus", None))  # fmt: skip
    assert found["parent_version"].isna().all()
    assert found["base_model"].tolist() == ["zephyrus", "zephyrus"]


def test_of_a_familys_ancestors_those_with_a_footprint_are_covered():
    """By hand: 7B, 13B and v1 are known, the vanished version is not; 93.66 t over 4,000."""
    found = rooted(
        ("v1", "bot", None, "Llama 2 7B", "llama-2-7b"),
        ("v2", "bot", "v1", None, None),
        ("v3", "bot", "vanished", "Llama 2 7B", "llama-2-7b"),
        ("w1", "big", None, "Llama 2 13B", "llama-2-13b"),
        ("f1", "bird", None, "Falcon 7B", "falcon-7b"),
        ("n1", "tagger", None, None, None),
    )
    told = families.told(found, "family").set_index("family")
    assert told.loc["Llama 2", ["versions", "ancestors", "ancestors_covered"]].tolist() == [4, 4, 3]
    assert told["pretraining_kgco2e"]["Llama 2"] == 93_660
    assert told["pretraining_gco2e_per_inference"]["Llama 2"] == pytest.approx(23_415)
    assert told.loc["Falcon", ["ancestors", "ancestors_covered"]].tolist() == [1, 0]
    assert np.isnan(told["pretraining_kgco2e"]["Falcon"])
    nobody = told[told.index.isna()].iloc[0]
    assert (nobody["versions"], nobody["ancestors"]) == (1, 0)
    by_size = families.told(found, "base_model").set_index("base_model")
    assert by_size["pretraining_gco2e_per_inference"]["Llama 2 7B"] == pytest.approx(31_220 / 3)


def test_a_pre_training_that_models_yaml_discloses_covers_the_base_model():
    found = rooted(("f1", "bird", None, "Falcon 7B", "falcon-7b"))
    told = families.told(found.assign(base_gco2e_per_inference=0.5), "base_model").iloc[0]
    assert (told["ancestors_covered"], told["base_gco2e_per_inference"]) == (1, 0.5)
