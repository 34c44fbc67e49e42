"""Footprints of the same runs by the same choices, computed once in a test."""

import hashlib
import pickle

import pandas as pd
import pytest

from ft_emissions_pipeline import stages
from ft_emissions_pipeline.stages import Choices, Footprints


@pytest.fixture
def footprints_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Answer `stages.footprints` with what it gave for equal runs and choices, to the last byte.

    A plan, a restatement, one that was cut off and the next ask for the same runs over and over.
    """
    compute, made = stages.footprints, {}

    def footprints(runs: pd.DataFrame, choices: Choices) -> Footprints:
        given = hashlib.sha256(pickle.dumps((runs, choices))).digest()
        if given not in made:
            made[given] = pickle.dumps(compute(runs, choices))
        return pickle.loads(made[given])

    monkeypatch.setattr(stages, "footprints", footprints)
