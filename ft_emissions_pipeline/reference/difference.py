"""What moved between two versions of the tables.

Put here: the comparison by factor id. Keep out: what a change means for results
(`restatement/differences.py`).
"""

from __future__ import annotations

import json

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
            for column in table.columns:
                was, now = (_text(f.loc[factor_id, column.name]) for f in (before, after))
                if was != now:
                    found.append((factor_id, "changed", column.name, was, now))
    return pd.DataFrame(found, columns=COLUMNS, dtype="str")


def _text(cell: object) -> str | None:
    if pd.isna(cell):
        return None
    if isinstance(cell, pd.Timestamp):
        return f"{cell:%Y-%m-%d}"
    return f"{cell:.12g}" if isinstance(cell, float) else str(cell)


def row_changes(
    old: pd.DataFrame, new: pd.DataFrame, old_rows: pd.DataFrame, new_rows: pd.DataFrame
) -> pd.DataFrame:
    """Return what differs between two sets of factor rows, cell by cell.

    Parameters
    ----------
    old, new : DataFrame
        `factor_id` and `row_hash` of each set.
    old_rows, new_rows : DataFrame
        Table `factor_rows`, at least of these rows.

    Returns
    -------
    DataFrame
        `factor_id`, `row_hash` (the old one), `change` (changed, added, removed), `column`, `old`,
        `new`: a row per cell that differs; of a row that came or went, or whose former content
        nobody kept, one without a column.
    """
    both = old.merge(new, on="factor_id", how="outer", suffixes=("_old", "_new"))
    before = {(r.factor_id, r.row_hash): r.content for r in old_rows.itertuples(index=False)}
    after = {(r.factor_id, r.row_hash): r.content for r in new_rows.itertuples(index=False)}
    found = []
    for row in both[both["row_hash_old"].ne(both["row_hash_new"])].itertuples(index=False):
        was = before.get((row.factor_id, row.row_hash_old))
        now = after.get((row.factor_id, row.row_hash_new))
        one = {"factor_id": row.factor_id, "row_hash": row.row_hash_old}
        if pd.isna(row.row_hash_old) or pd.isna(row.row_hash_new):
            change = "added" if pd.isna(row.row_hash_old) else "removed"
            found.append({**one, "change": change})
        elif was is None or now is None:
            found.append({**one, "change": "changed"})
        else:
            cells, others = json.loads(was), json.loads(now)
            found += [
                {**one, "change": "changed", "column": name, "old": cells.get(name),
                 "new": others.get(name)}
                for name in sorted({*cells, *others})
                if cells.get(name) != others.get(name)
            ]  # fmt: skip
    names = ["factor_id", "row_hash", "change", "column", "old", "new"]
    return pd.DataFrame(found, columns=names).astype(dict.fromkeys(names[:4], "str"))
