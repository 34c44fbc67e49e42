"""No secret that stands anywhere in a log gets through a reader.

Every text of every format's good files is replaced by secrets, and extended by them, one text after
the other: by some kinds here, the next ones there; with `SECRETS=all` in the environment by every
kind everywhere (28,000 files, ten minutes). What is made and printed of such files is searched in
`test_what_gets_out.py`.
"""

import itertools
import os

import pandas as pd
import pytest
from planted_secrets import SEED, found_in, groups, in_each_text

from ft_emissions_pipeline.readers import READERS, Settings, read_bytes

pytestmark = pytest.mark.slow

NOW = Settings(now=pd.Timestamp("2026-10-10", tz="UTC"))

FORMATS = [reader.FORMAT for reader in READERS]

OF_NUMBERS = {
    "adapter_config", "axolotl_config", "card_header", "carbontracker", "console", "langfuse",
    "launch_config", "mlflow_database", "model_config", "openrouter", "tensorboard",
    "torchtune_config", "training_args", "unsloth_config", "wandb_file", "wandb_run",
}  # fmt: skip
"""Formats full of texts of which the reader takes one or two, and passes the others over."""

ODD_IS_UNKNOWN = {"hugging_face", "litellm", "dcgm"}
"""Formats of which an odd field says nothing, so that most of what is planted goes no further."""


def said_by(reading):
    frames = (reading.runs, reading.usage, reading.quarantine, getattr(reading, "telemetry", None))
    return "".join(frame.to_csv() for frame in frames if frame is not None) + str(reading.mapping)


def secrets_of(source_format):
    """Return what to plant, the same whatever ran before: one round, or one for each text."""
    texts = list(groups(SEED))
    if os.environ.get("SECRETS") == "all":
        return [itertools.repeat(text) for text in texts]
    first = FORMATS.index(source_format) % len(texts)
    return [itertools.cycle(texts[first:] + texts[:first])]


@pytest.mark.parametrize("source_format", FORMATS)
def test_no_text_of_any_format_lets_a_secret_through(seeds_of, source_format):
    leaks, tried, removed = [], 0, 0
    for rounds in secrets_of(source_format):
        places = set()
        for uri, seed in seeds_of(source_format).items():
            for data in in_each_text(seed, uri, places, rounds):
                reading, _ = read_bytes(data, uri, NOW)
                said = said_by(reading)
                leaks += [(uri, kind, data) for kind in found_in(said)]
                tried += 1
                removed += "[removed" in said
    assert not leaks, [(uri, kind) for uri, kind, _ in leaks]
    # Much of what was tried came so far that it had to be taken out.
    enough = 0 if source_format in ODD_IS_UNKNOWN else tried / 5
    assert removed > enough or source_format in OF_NUMBERS
