"""Read a Hugging Face model card for what it says of the training, beside the logs in its folder.

The front matter names base model and tags (`base_model`, `tags`, `library_name` of the hub's model
card metadata), the Trainer's own text lists hyperparameters. A card that states time, energy or
carbon is read by `model_card.py`.
"""

from __future__ import annotations

import re

from ft_emissions_pipeline.readers.documents import text_of
from ft_emissions_pipeline.readers.reading import Reading, RefusalError, Settings
from ft_emissions_pipeline.readers.shared.cards import configuration_of, front_matter
from ft_emissions_pipeline.readers.shared.training_settings import reading_of_settings
from ft_emissions_pipeline.tables.words import Basis, Content

FORMAT = "card_header"
LOG = "Hugging Face model card with `base_model` in its front matter"
TELLS = "base model, method, software and the Trainer's hyperparameters, for the runs of its folder"
LACKS = "time, tokens, hardware, usage: it is no run itself"
CONTENT: Content = "configuration"
PROGRESS = None
BASIS = {"*": Basis.DISCLOSED}


def recognises(name: str, head: bytes) -> bool:
    """Say whether the document is a card whose front matter names a base model."""
    return (
        name.endswith((".md", ".markdown"))
        and head.startswith(b"---")
        and re.search(rb"^base_model\s*:", head, re.MULTILINE) is not None
    )


def read(data: bytes, uri: str, settings: Settings) -> Reading:  # noqa: ARG001 (no dates in it)
    """Read the card of one model."""
    text = text_of(data)
    card = front_matter(text)
    if "base_model" not in card:
        msg = "the front matter names no base_model; name it, or remove the card"
        raise RefusalError(msg, "wrong_shape")
    return reading_of_settings(configuration_of(card, text), uri)
