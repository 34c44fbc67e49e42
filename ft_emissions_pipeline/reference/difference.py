"""What moved between two versions of the tables.

Put here: the comparison by factor id. Keep out: what a change means for results (`restate.py`).
"""

from __future__ import annotations

import pandas as pd

from ft_emissions_pipeline.reference.declaration import TABLES, Reference

COLUMNS = ["factor_id", "change", "column", "old", "new"]


def difference(old: Reference, new: Reference) -> pd.DataFrame:
    """Return each cell that differs.

    Returns
    -------
    DataFrame
        factor_id, change (added, removed, changed), column, old, new (as text; empty cells are
        missing). A row that came or went takes one line, without a column.
    """
    found: list[tuple[str, str, str | None, str | None, str | None]] = []
    for name, table in TABLES.items():
        before, after = (r.tables[name].set_index("factor_id") for r in (old, new))
        found += [(i, "removed", None, None, None) for i in before.index.difference(after.index)]
        found += [(i, "added", None, None, None) for i in after.index.difference(before.index)]
        both = before.index.intersection(after.index)
        hashes = before.loc[both, "row_hash"] != after.loc[both, "row_hash"]
        for factor_id in both[hashes.to_numpy()]:
            for field in table.fields:
                was, now = (_text(f.loc[factor_id, field.name]) for f in (before, after))
                if was != now:
                    found.append((factor_id, "changed", field.name, was, now))
    return pd.DataFrame(found, columns=COLUMNS, dtype="str")


def _text(cell: object) -> str | None:
    if pd.isna(cell):
        return None
    if isinstance(cell, pd.Timestamp):
        return f"{cell:%Y-%m-%d}"
    return f"{cell:.12g}" if isinstance(cell, float) else str(cell)
