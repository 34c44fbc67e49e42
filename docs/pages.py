"""The pages of `docs/` that are made from the code, so that they cannot drift from it.

Put here: the data dictionary, the rules and profiles, the codes of quarantine, as Markdown. Keep
out: pages that people write. `python -m docs.pages` writes the pages; a
test compares them with what is committed.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ft_emissions_pipeline import methodology
from ft_emissions_pipeline.ledger.unused import UNUSED
from ft_emissions_pipeline.normalize import RULES, UNCOMPUTABLE
from ft_emissions_pipeline.readers import READERS, REASONS, REPAIRS
from ft_emissions_pipeline.tables import TABLES, Column, Table, rows

MADE_BY = "Made by `python -m docs.pages`; do not edit by hand."


def pages() -> dict[str, str]:
    """Return file name -> text of every page that is made from the code."""
    return {
        "data_dictionary.md": _page("Data dictionary", _dictionary()),
        "rules.md": _page("Rules for missing data, and profiles", _rules()),
        "formats.md": _page("Formats that are read", _formats()),
        "quarantine.md": _page("Why a record is not used", _reasons()),
        "repairs.md": _page("What was repaired or left open in reading", _repairs()),
    }


def _page(title: str, lines: Iterator[str]) -> str:
    return "\n".join([f"# {title}", "", MADE_BY, "", *lines]).rstrip() + "\n"


def _dictionary() -> Iterator[str]:
    yield "Units stand in column names; instants and days are UTC; utilisation is a fraction 0..1."
    yield ""
    for table in TABLES.values():
        yield from _table(table)


def _table(table: Table) -> Iterator[str]:
    yield f"## {table.name}"
    yield ""
    partitioned = f" Partitioned by `{table.partition}`." if table.partition else ""
    yield f"One row is {table.row}. Key: {', '.join(f'`{n}`' for n in table.key)}.{partitioned}"
    yield ""
    yield "| column | type | unit | may be empty | range | description |"
    yield "|---|---|---|---|---|---|"
    for c in table.columns:
        may_be_empty = "no" if c.required else "yes"
        yield f"| `{c.name}` | {c.kind} | {c.unit} | {may_be_empty} | {_range(c)} | {c.description} |"
    yield ""
    if table.row_rules:
        yield "Refused when:"
        yield ""
        yield from (f"- {rule.description} (`{rule.code}`)" for rule in table.row_rules)
        yield ""


def _range(column: Column) -> str:
    if column.allowed:
        return ", ".join(column.allowed)
    low = "> 0" if column.above_zero else ""
    if not low and column.minimum is not None:
        low = f">= {column.minimum:g}"
    high = "" if column.maximum is None else f"<= {column.maximum:g}"
    return ", ".join(part for part in (low, high) if part)


def _rules() -> Iterator[str]:
    yield "A rule sees only runs in which its field is missing; of several, the first with an answer"
    yield "wins. `field_provenance` names the rule behind every value."
    yield ""
    yield "| field | rule | basis | what it takes |"
    yield "|---|---|---|---|"
    for rule in RULES:
        yield f"| `{rule.field}` | `{rule.name}` | {rule.basis} | {rule.description} |"
    yield ""
    yield "## Profiles"
    yield ""
    yield f"Profiles: {', '.join(f'`{name}`' for name in methodology.PROFILES)}. In `default` every"
    yield "switch below is off; `scope3-2024` turns all of them on to reproduce the published examples."
    yield ""
    yield from (f"- `{name}`: {reason}" for name, reason in methodology.REASONS.items())


def _formats() -> Iterator[str]:
    yield "A file is read by the first reader that recognises it, whatever its name and folder."
    yield ""
    yield "| log | `source_format` | what it tells | what must come from elsewhere |"
    yield "|---|---|---|---|"
    yield from (f"| {r.LOG} | `{r.FORMAT}` | {r.TELLS} | {r.LACKS} |" for r in READERS)


def _reasons() -> Iterator[str]:
    yield "| code | meaning |"
    yield "|---|---|"
    codes = {**REASONS, **rows.CODES, **UNCOMPUTABLE, **UNUSED}
    yield from (f"| `{code}` | {meaning} |" for code, meaning in sorted(codes.items()))


def _repairs() -> Iterator[str]:
    yield "Column `repairs` of runs, usage and telemetry holds these words, and behind a colon what they"
    yield "are about. The report counts them."
    yield ""
    yield "| word | meaning |"
    yield "|---|---|"
    yield from (f"| `{word}` | {meaning} |" for word, meaning in sorted(REPAIRS.items()))


def write(folder: Path) -> None:
    """Write the pages into a folder."""
    for name, text in pages().items():
        (folder / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    write(Path(__file__).resolve().parent.parent / "docs")
