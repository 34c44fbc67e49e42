"""What the report says of records: refusals, repairs, what was filled in, values that moved.

Put here: words and counts. Keep out: sums and series (`figures.py`), text and markup
(`formatting.py`, `templates/`).
"""

from __future__ import annotations

from typing import Any

import pandas as pd

from ft_emissions_pipeline.landing.join import notes_of
from ft_emissions_pipeline.ledger.unused import UNUSED
from ft_emissions_pipeline.normalize import IDENTITY_OF, RULES, UNCOMPUTABLE
from ft_emissions_pipeline.normalize.filling import IMPUTED
from ft_emissions_pipeline.readers import REASONS
from ft_emissions_pipeline.readers.repairs import REPAIRS, about, parted
from ft_emissions_pipeline.tables import BASES, RUN_FIELDS
from ft_emissions_pipeline.tables.words import Basis

_DESCRIBED = {(rule.field, rule.name): rule.description for rule in RULES}

_REMEDIES = {
    "gpu_id": "gpu_model, or instance_type",
    "server_id": "server_model, or instance_type",
    "country_iso3": "cloud_region, or country_iso3",
    "model_id": "base_model",
    "it_energy_kwh": "meter_energy_kwh, or gpu_energy_kwh, cpu_energy_kwh and ram_energy_kwh",
    "started_at": "started_at, or ended_at",
    "gpu_model": "gpu_model, or instance_type",
    "server_model": "server_model, or instance_type",
    "train_flop": "tokens_padded, with base_model",
    **dict.fromkeys(("gpu_energy_kwh", "cpu_energy_kwh", "ram_energy_kwh"), "meter_energy_kwh"),
}
"""Imputed field -> what to disclose instead, where that is not the field itself."""


def bases(basis_counts: pd.DataFrame) -> pd.DataFrame:
    """Return the matrix of fields and bases, what is imputed most often first.

    Returns
    -------
    DataFrame
        field, one column of runs per basis, imputed (predicted and default), rules: rule in words
        -> basis -> runs, the most common first.
    """
    counts = basis_counts.pivot_table(
        index="field", columns="basis", values="runs", aggfunc="sum", fill_value=0
    ).reindex(columns=list(BASES), fill_value=0)
    ordered = basis_counts.sort_values(["runs", "basis", "rule"], ascending=[False, True, True])
    rules: dict[str, dict[str, dict[str, int]]] = {}
    for row in ordered.itertuples(index=False):
        words = rule_in_words(row.field, row.rule, row.basis)
        by_basis = rules.setdefault(row.field, {}).setdefault(words, {})
        by_basis[row.basis] = by_basis.get(row.basis, 0) + int(row.runs)
    frame = counts.reset_index()
    frame["imputed"] = frame[list(IMPUTED)].sum(axis=1)
    frame["rules"] = frame["field"].map(rules)
    return frame.sort_values(["imputed", "field"], ascending=[False, True]).reset_index(drop=True)


def predicted_runs(basis_counts: pd.DataFrame) -> int:
    """Return in how many runs the token-time model told the time; there it decides the error."""
    of_time = basis_counts[(basis_counts["field"] == "active_s")]
    return int(of_time.loc[of_time["basis"] == Basis.PREDICTED, "runs"].sum())


def rule_in_words(field: str, rule: str, basis: str) -> str:
    """Return what a rule says; its name where this release no longer has it."""
    if rule == "as_logged":
        return "the log's own estimate" if basis in IMPUTED else "as logged"
    return _DESCRIBED.get((field, rule), rule.replace("_", " "))


def remedy(field: str) -> str:
    """Return which fields to disclose so that one need not be imputed; empty where none helps."""
    identity = IDENTITY_OF.get(field, field)
    if identity in _REMEDIES:
        return _REMEDIES[identity]
    return identity if identity in RUN_FIELDS else ""


def remedies(fields: pd.DataFrame) -> tuple[list[dict[str, Any]], list[str]]:
    """Return what to disclose so that less need be imputed.

    Parameters
    ----------
    fields : DataFrame
        What `bases` returns.

    Returns
    -------
    found : list of dict
        remedy, fields (that it replaces), runs (in which the most imputed of them is imputed); the
        one that helps most runs, and in these most fields, first.
    conventions : list of str
        Imputed fields that nothing replaces.
    """
    imputed = fields[fields["imputed"] > 0]
    by_remedy = imputed.groupby(imputed["field"].map(remedy), sort=True)
    found = [
        {"remedy": words, "fields": rows["field"].tolist(), "runs": int(rows["imputed"].max())}
        for words, rows in by_remedy
        if words
    ]
    found.sort(key=lambda each: (-each["runs"], -len(each["fields"]), each["remedy"]))
    return found, imputed.loc[imputed["field"].map(remedy) == "", "field"].tolist()


def reasons() -> dict[str, str]:
    """Return every reason code of table `quarantine` with its meaning, for page and documentation.

    Each stage declares the codes that it gives: reading (with the row rules), computing, sharing.
    """
    return dict(sorted({**REASONS, **UNCOMPUTABLE, **UNUSED}.items()))


def refusals(quarantine: pd.DataFrame, examples: int) -> list[dict[str, Any]]:
    """Return the reasons for which records were not used, the most common first.

    Returns
    -------
    list of dict
        code, explanation, records, files, examples (rows of table `quarantine`).
    """
    explained = reasons()
    found = [
        {
            "code": code,
            "explanation": explained.get(str(code), "a reason that this release no longer gives"),
            "records": len(rows),
            "files": rows["source_uri"].nunique(),
            "examples": rows.head(examples).to_dict("records"),
        }
        for code, rows in quarantine.groupby("reason_code")
    ]
    return sorted(found, key=lambda reason: (-reason["records"], reason["code"]))


def repairs(run_notes: pd.DataFrame, usage_notes: pd.DataFrame) -> list[dict[str, Any]]:
    """Return what was repaired or left open in reading, in how many runs and daily counts.

    Parameters
    ----------
    run_notes, usage_notes : DataFrame
        Column repairs of tables `normalized_runs` and `usage`.

    Returns
    -------
    list of dict
        word, meaning, runs, counts (rows of usage); the most frequent first.
    """
    counted = {
        name: _by_word(frame["repairs"].value_counts())
        for name, frame in (("runs", run_notes), ("counts", usage_notes))
    }
    table = pd.DataFrame(counted).fillna(0).astype("int64").rename_axis("word").reset_index()
    table["meaning"] = table["word"].map(REPAIRS).fillna("")
    table["records"] = table["runs"] + table["counts"]
    ordered = table.sort_values(["records", "word"], ascending=[False, True])
    found = ordered[["word", "meaning", "runs", "counts"]].to_dict("records")
    return [{str(name): value for name, value in each.items()} for each in found]


def _by_word(cells: pd.Series) -> pd.Series:
    """Return records by word, of cells by records: two conflicts of a run make one record."""
    counted: dict[str, int] = {}
    for cell, records in cells.items():
        for word in {about(word)[0] for word in parted(cell)}:
            counted[word] = counted.get(word, 0) + int(records)
    return pd.Series(counted, dtype="int64")


def not_joined(landed: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the records that may be of one run or one machine with others, and with which.

    Returns
    -------
    list of dict
        run_id, source_uri, source_record, word (of `REPAIRS`), meaning, candidates (run ids), more
        (how many are not named).
    """
    noted = landed[landed["join_note"].notna()].sort_values(["source_uri", "source_record"])
    return [
        {
            "run_id": row.run_id,
            "source_uri": row.source_uri,
            "source_record": row.source_record,
            "word": word,
            "meaning": REPAIRS[word],
            "candidates": named,
            "more": more,
        }
        for row in noted.itertuples(index=False)
        for word, named, more in notes_of(row.join_note)
    ]


def other_files(landed: pd.DataFrame) -> list[tuple[str, int]]:
    """Return the kinds of files that tell nothing of a run, and how many there are of each."""
    counted = landed.loc[landed["content"] == "other", "source_format"].value_counts().sort_index()
    return [(str(kind), int(n)) for kind, n in counted.items()]


def landed_records(landed: pd.DataFrame) -> dict[str, int]:
    """Return how many files landed, and what became of the records in them."""
    files = landed.drop_duplicates("source_uri")
    sums = files[["records", "merged", "quarantined"]].sum()
    return {"files": len(files), **{str(name): int(value) for name, value in sums.items()}}


def causes(restatements: pd.DataFrame) -> pd.DataFrame:
    """Return what moved by cause, the cause of most values first.

    Returns
    -------
    DataFrame
        cause, values, days, models, moved_kgco2e (what shared carbon moved by, in sum), detail (the
        most frequent cause_detail).
    """
    carbon = restatements["column"] == "allocated_kgco2e"
    by = restatements["new"].fillna(0.0) - restatements["old"].fillna(0.0)
    grouped = restatements.assign(by=by.where(carbon, 0.0)).groupby("cause", as_index=False)
    return grouped.agg(
        values=("new", "size"),
        days=("date", "nunique"),
        models=("model_name", "nunique"),
        moved_kgco2e=("by", "sum"),
        detail=("cause_detail", _most_frequent),
    ).sort_values(["values", "cause"], ascending=[False, True])


def _most_frequent(details: pd.Series) -> str | None:
    counted = details.value_counts()
    return str(counted[counted == counted.max()].index.min()) if len(counted) else None


def last_moves(restatements: pd.DataFrame, commits: pd.DataFrame) -> pd.DataFrame:
    """Return the moves that came last: those written on the newest day that moved anything.

    Parameters
    ----------
    restatements : DataFrame
        Table of this name.
    commits : DataFrame
        version and timestamp of table `inference_impacts`.

    Returns
    -------
    DataFrame
        The rows, with the instant of their writing in column written_at.
    """
    if restatements.empty:
        return restatements.assign(written_at=pd.NaT)
    written_at = restatements["new_table_version"].map(commits.set_index("version")["timestamp"])
    written = restatements.assign(written_at=pd.to_datetime(written_at, utc=True))
    day = written["written_at"].dt.floor("D")
    if day.isna().all():
        return written[written["new_table_version"] == written["new_table_version"].max()]
    return written[day == day.max()]


def latest_restatements(restatements: pd.DataFrame, limit: int) -> pd.DataFrame:
    """Return the latest moves, the newest first."""
    order = ["new_table_version", "date", "model_name", "model_version", "column"]
    versions = restatements["new_table_version"]
    recent = restatements[versions >= versions.nlargest(limit).min()]
    return recent.sort_values(order, ascending=[False, False, True, True, True]).head(limit)
