"""Column `origins` of a run: on which basis each field stands, and in which record.

Put here: the JSON of the column, written and read nowhere else. Keep out: which of several records
gives a field (`landing/`), and what a basis means for its interval (`normalize/`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NamedTuple, TypeVar

import pandas as pd

from ft_emissions_pipeline.readers import basis_of
from ft_emissions_pipeline.tables import RUN_FIELDS

Text = TypeVar("Text", str, pd.Series)


class Origin(NamedTuple):
    """Where a field of a run comes from: its basis and its record."""

    basis: str
    record: str


Origins = dict[str, Origin]
"""Field of a run -> where it comes from."""


def place(source_uri: Text, source_record: Text) -> Text:
    """Return how a record is named, or a column of them."""
    return source_uri + "#" + source_record


def to_json(origins: Mapping[str, Origin]) -> str:
    """Return origins as the column holds them."""
    return json.dumps(origins, ensure_ascii=False)


def from_json(cell: str) -> Origins:
    """Return the origins that a cell of the column holds."""
    return {field: Origin(*pair) for field, pair in json.loads(cell).items()}


def of_run(run: Mapping[str, Any] | pd.Series) -> Origins:
    """Return the origins of a row of table `runs`; a single record has those of its format."""
    if isinstance(run["origins"], str):
        return from_json(run["origins"])
    record = place(run["source_uri"], run["source_record"])
    return {
        field: Origin(basis_of(run["source_format"], field), record)
        for field in RUN_FIELDS
        if field != "run_id" and pd.notna(run[field])
    }
