"""Names in logs that no reference table knows: a word beside each, wherever its figure goes.

Put here: which names are unknown, and the word in the provenance of the logged name. Keep out:
what a run gets in their place, which the rules decide (`hardware.py`, `machine.py`, `place.py`,
`duration.py`).
"""

from __future__ import annotations

import re
from dataclasses import replace

import pandas as pd

from ft_emissions_pipeline.normalize.filling import Context, unknown_names
from ft_emissions_pipeline.normalize.place import region_id
from ft_emissions_pipeline.normalize.provenance import AS_LOGGED, Piece, Provenance
from ft_emissions_pipeline.reference import places, resolve

_TABLES = {
    "gpu_model": "gpus",
    "server_model": "servers",
    "instance_type": "instances",
    "base_model": "models",
    "managed_service": "managed_services",
    "cloud_region": "cloud_regions",
    "location": "cloud_regions",
}
"""Field with a name -> the table that should know it."""

_SAID = re.compile(r"(?P<name>(?:" + "|".join(_TABLES) + r") '.*' is not known in .*)$")


def with_unknown_names(frame: pd.DataFrame, context: Context, provenance: Provenance) -> Provenance:
    """Return the provenance with a word beside each logged name that no table knows.

    Parameters
    ----------
    frame, provenance
        As `filling.apply` returns them.
    context : Context
        Holds the reference tables.
    """
    pieces = [
        _with_word(piece, frame, context, provenance)
        if piece.rule == AS_LOGGED and piece.field in _TABLES
        else piece
        for piece in provenance.pieces
    ]
    return replace(provenance, pieces=pieces)


def _with_word(piece: Piece, frame: pd.DataFrame, context: Context, of: Provenance) -> Piece:
    one_of_kind = frame.take(of.first)
    names = one_of_kind[piece.field]
    unknown = names.notna() & _unknown(one_of_kind, piece.field, context)
    note = unknown_names(names.where(unknown), _TABLES[piece.field], context)
    word = pd.Series(note.array.take(of.kind[piece.rows]), dtype="str")
    logged = pd.Series(piece.source, dtype="str")
    return replace(piece, source=(logged + "; " + word).fillna(logged))


def _unknown(frame: pd.DataFrame, name: str, context: Context) -> pd.Series:
    if name == "cloud_region":
        return region_id(frame, context).isna()
    found = resolve(context.reference, _TABLES[name], frame[name])
    unknown = found["id"].isna()
    if name == "location":
        return unknown & places(context.reference, frame[name])["named_by"].isna()
    if "candidates" in found:
        unknown &= found["candidates"].isna()
    return unknown


def unknown_of(provenance: pd.DataFrame) -> pd.Series:
    """Return the sentence about each logged name that no table knows, missing in all other rows.

    Parameters
    ----------
    provenance : DataFrame
        Table `field_provenance`.
    """
    logged = provenance["source"].astype("str").where(provenance["rule"] == AS_LOGGED)
    return logged.str.extract(_SAID.pattern)["name"]


def unknown_in(rule: str, source: object) -> str | None:
    """Return the sentence of one row of provenance that `unknown_of` returns of many."""
    found = isinstance(source, str) and rule == AS_LOGGED and _SAID.search(source)
    return found["name"] if found else None
