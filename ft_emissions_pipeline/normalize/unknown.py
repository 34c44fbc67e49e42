"""Names in logs that no reference table knows: a word beside each, wherever its figure goes.

Put here: which names are unknown, and the word in the provenance of the logged name. Keep out:
what a run gets in their place, which the rules decide (`hardware.py`, `machine.py`, `place.py`,
`duration.py`).
"""

from __future__ import annotations

import pandas as pd

from ft_emissions_pipeline.normalize.filling import Context, unknown_names
from ft_emissions_pipeline.normalize.place import region_id
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

_SAID = r"(?P<name>(?:" + "|".join(_TABLES) + r") '.*' is not known in .*)$"


def with_unknown_names(
    provenance: pd.DataFrame, frame: pd.DataFrame, context: Context
) -> pd.DataFrame:
    """Return the provenance with a word beside each logged name that no table knows.

    Parameters
    ----------
    provenance, frame : DataFrame
        As `filling.apply` returns them.
    context : Context
        Holds the reference tables.
    """
    notes = [_notes(frame, name, context) for name in _TABLES]
    told = pd.concat(notes, ignore_index=True)
    if told.empty:
        return provenance
    logged = provenance[["run_id", "field"]].where(provenance["rule"] == "as_logged")
    # Where no logged name is told of, the column is empty, and text only by its type.
    added = logged.merge(told, on=["run_id", "field"], how="left")["note"].astype("str").array
    source = provenance["source"].astype("str")
    return provenance.assign(source=(source + "; " + added).fillna(source))


def _notes(frame: pd.DataFrame, name: str, context: Context) -> pd.DataFrame:
    named = frame.loc[frame[name].notna()]
    note = unknown_names(named[name].where(_unknown(named, name, context)), _TABLES[name], context)
    said = pd.DataFrame({"run_id": named["run_id"], "field": name, "note": note})
    return said.dropna(subset="note")


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
    logged = provenance["source"].astype("str").where(provenance["rule"] == "as_logged")
    return logged.str.extract(_SAID)["name"]
