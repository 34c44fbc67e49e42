"""How old the rows are, and how their values were checked.

Put here: what maintainers ask of tables that are right. Keep out: what makes a table wrong
(`loading.py`).
"""

from __future__ import annotations

import pandas as pd

from ft_emissions_pipeline.reference.declaration import SHIPPED, TABLES, VERIFICATIONS, Reference


def verified(reference: Reference) -> pd.DataFrame:
    """Count rows by table and by how their values were checked.

    Returns
    -------
    DataFrame
        A row per table, a column per kind of verification.
    """
    counts = {name: reference.tables[name]["verification"].value_counts() for name in SHIPPED}
    return pd.DataFrame(counts).T.reindex(columns=list(VERIFICATIONS)).fillna(0).astype(int)


def aged(reference: Reference, year: int) -> pd.DataFrame:
    """Return rows whose source is older than their table's cadence.

    Of rows that follow each other in time only the newest can be too old; the others are its past.

    Parameters
    ----------
    reference : Reference
        Loaded tables.
    year : int
        Year in which one asks.

    Returns
    -------
    DataFrame
        `factor_id`, `source_year` and `cadence_years`, the oldest of a table first.
    """
    found = []
    for name in SHIPPED:
        table, rows = TABLES[name], reference.tables[name]
        if table.cadence_years is None:
            continue
        what = [column for column in table.key if column != "year"]
        newest = rows.sort_values("source_year", kind="stable")
        newest = newest.drop_duplicates(what, keep="last") if what else newest.tail(1)
        old = newest[newest["source_year"] < year - table.cadence_years]
        found.append(old[["factor_id", "source_year"]].assign(cadence_years=table.cadence_years))
    return pd.concat(found, ignore_index=True)
