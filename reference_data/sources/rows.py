"""Rows that a source's script made, put over those of a table.

Put here: reading and writing the tables' files. Keep out: any one source's format.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from ft_emissions_pipeline.reference.declaration import TABLES

FOLDER = Path(__file__).parents[1]


def merged(table: str, rows: pd.DataFrame, folder: Path = FOLDER) -> pd.DataFrame:
    """Write rows over those of the same key, sorted by key; the others stay.

    Parameters
    ----------
    table : str
        Name of the table.
    rows : DataFrame
        Its columns; one that is not there stays empty.
    folder : Path
        Folder of the tables.

    Returns
    -------
    DataFrame
        The whole table as written, all text.
    """
    declared = TABLES[table]
    columns = [field.name for field in declared.columns]
    key = list(declared.key)
    fresh = rows.reindex(columns=columns).astype("object")
    fresh = fresh.where(fresh.notna(), "").map(_as_text)
    path = folder / f"{table}.csv"
    if path.is_file():
        held = pd.read_csv(path, dtype="str", keep_default_na=False, encoding="utf-8")
        held = held.reindex(columns=columns, fill_value="")
        taken = pd.MultiIndex.from_frame(fresh[key])
        fresh = pd.concat([held[~pd.MultiIndex.from_frame(held[key]).isin(taken)], fresh])
    whole = fresh.sort_values(key, kind="stable").reset_index(drop=True)
    whole.to_csv(path, index=False, lineterminator="\n", encoding="utf-8")
    return whole


def _as_text(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:.10g}" if isinstance(value, float) else str(value)


def of_year(rows: pd.DataFrame) -> pd.DataFrame:
    """Add the first and last day of each row's year."""
    year = rows["year"].astype("str")
    return rows.assign(valid_from=year + "-01-01", valid_to=year + "-12-31")
