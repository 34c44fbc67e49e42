"""The pages of `docs/` that are made from the code, so that they cannot drift from it.

Put here: the data dictionary, the rules and profiles, the codes of quarantine, as Markdown. Keep
out: pages that people write. `python -m docs.pages` writes the pages; a
test compares them with what is committed.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from types import FunctionType
from typing import Any

from typer.main import get_command

from docs.exports import COMMANDS, command
from ft_emissions_pipeline import cli, equations, methodology
from ft_emissions_pipeline.export import FORMATS
from ft_emissions_pipeline.normalize import RULES
from ft_emissions_pipeline.readers import READERS, REPAIRS
from ft_emissions_pipeline.readers.shared.labels import COMMON_LABELS, COUNTED, LABELS
from ft_emissions_pipeline.reference import TABLES as FACTOR_TABLES
from ft_emissions_pipeline.reference.declaration import FactorTable
from ft_emissions_pipeline.report.notices import reasons
from ft_emissions_pipeline.tables import TABLES, Table, lineage
from ft_emissions_pipeline.tables.schema import limits

MADE_BY = "Made by `python -m docs.pages`; do not edit by hand."


def pages() -> dict[str, str]:
    """Return file name -> text of every page that is made from the code."""
    return {
        "data_dictionary.md": _page("Data dictionary", _dictionary()),
        "rules.md": _page("Rules for missing data, and profiles", _rules()),
        "formats.md": _page("Formats that are read", _formats()),
        "exports.md": _page("Handing figures on", _exports()),
        "quarantine.md": _page("Why a record is not used", _reasons()),
        "equations.md": _page("Equations", _equations()),
        "command_line.md": _page("The command line", _command_line()),
        "repairs.md": _page("What was repaired or left open in reading", _repairs()),
    }


def _page(title: str, lines: Iterator[str]) -> str:
    return "\n".join([f"# {title}", "", MADE_BY, "", *lines]).rstrip() + "\n"


def _dictionary() -> Iterator[str]:
    yield "Units stand in column names; instants and days are UTC; utilisation is a fraction 0..1."
    yield "Result tables come first, in the order of the data's way, then the factor tables."
    yield ""
    for table in TABLES.values():
        partitioned = f" Partitioned by `{table.partition}`." if table.partition else ""
        yield from _table(table.name, table, partitioned)
        yield from _made_of(table)
        if table.row_rules:
            yield "Refused when:"
            yield ""
            yield from (f"- {rule.description} (`{rule.code}`)" for rule in table.row_rules)
            yield ""
    yield "# Factor tables"
    yield ""
    yield "They lie as CSV files in `reference_data/`; those of your own are written by"
    yield (
        "`ft-emissions reference add-grid`. The columns from `source` on are the same in all of "
        "them."
    )
    yield ""
    for name, factors in FACTOR_TABLES.items():
        yield from _table(name, factors, " Of your own." if factors.yours else "")


def _table(name: str, table: Table | FactorTable, more: str) -> Iterator[str]:
    yield f"## {name}"
    yield ""
    yield f"One row is {table.row}. Key: {', '.join(f'`{n}`' for n in table.key)}.{more}"
    yield ""
    yield "| column | type | unit | may be empty | range | description |"
    yield "|---|---|---|---|---|---|"
    for c in table.columns:
        cells = (
            f"`{c.name}`", c.kind, c.unit, "no" if c.required else "yes", ", ".join(limits(c)),
            c.description,
        )  # fmt: skip
        yield f"| {' | '.join(cells)} |"
    yield ""


def _made_of(table: Table) -> Iterator[str]:
    taken_from = lineage.TAKES_OVER.get(table.name, ())
    made = lineage.COMPUTED.get(table.name, ())
    if not taken_from:
        return
    named = " and ".join(f"`{name}`" for name in taken_from)
    yield f"Columns of the same name come from {named}." + (" Computed are:" if made else "")
    yield ""
    for column in made:
        sources: dict[str, list[str]] = {}
        for source, name in dict.fromkeys(lineage.made_of(table.name, column)):
            sources.setdefault(source, []).append(name)
        of = "; ".join(f"{', '.join(names)} ({source})" for source, names in sources.items())
        yield f"- `{column}` of {of}"
    if made:
        yield ""


def _rules() -> Iterator[str]:
    yield (
        "A rule sees only runs in which its field is missing; of several, the first with an answer"
    )
    yield "wins. `field_provenance` names the rule behind every value."
    yield ""
    yield "A rule is asked only of runs that have what it rests on, logged or filled before."
    yield ""
    yield "| field | rule | basis | what it takes | rests on |"
    yield "|---|---|---|---|---|"
    for rule in RULES:
        words = [_one_of(needed) for needed in rule.needs]
        words += [f"profile choice `{rule.choice}`"] if rule.choice else []
        yield (
            f"| `{rule.field}` | `{rule.name}` | {rule.basis} | {rule.description} | "
            f"{', '.join(words)} |"
        )
    yield ""
    yield "## Profiles"
    yield ""
    yield f"Profiles: {', '.join(f'`{name}`' for name in methodology.PROFILES)}. In `default` every"
    yield (
        "switch below is off; `scope3-2024` turns all of them on to reproduce the published "
        "examples."
    )
    yield ""
    yield from (f"- `{name}`: {reason}" for name, reason in methodology.REASONS.items())


def _one_of(needed: str | tuple[str, ...]) -> str:
    return " or ".join(f"`{name}`" for name in ((needed,) if isinstance(needed, str) else needed))


def _formats() -> Iterator[str]:
    yield "A file is read by the first reader that recognises it, whatever its name and folder."
    yield ""
    yield "| log | `source_format` | what it tells | what must come from elsewhere |"
    yield "|---|---|---|---|"
    yield from (f"| {r.LOG} | `{r.FORMAT}` | {r.TELLS} | {r.LACKS} |" for r in READERS)
    yield ""
    things = ", ".join(f"{thing}s (`{field}`)" for thing, field in COUNTED.items())
    yield from _LABELS.format(things=things).splitlines()
    yield "| field | labels |"
    yield "|---|---|"
    known = LABELS | COMMON_LABELS
    for field in dict.fromkeys(field for field, _ in known.values()):
        yield f"| `{field}` | {', '.join(label for label in known if known[label][0] == field)} |"


_LABELS = """\
## Labels of a disclosure and of `runs.yaml`

Any column of `runs` is a label as well ([data dictionary](data_dictionary.md)). Capitals and
decoration do not matter. A unit may stand behind the value or in the label: `Training time: 12
hours`, `Training time (hours): 12`, `duration_h: 12`. Words of counting may stand beside {things}:
`num_gpus`, `# of steps`, `Total training tokens`. In a disclosure a label that means nothing
is named in the column `repairs` and by `estimate`; in `runs.yaml` it is refused, since that file is
written for this pipeline alone.

"""


def _exports() -> Iterator[str]:
    yield from _EXPORTS.splitlines()
    yield "| `FORMAT` | what it holds | versions | example |"
    yield "|---|---|---|---|"
    files = {"data-package": "datapackage.json"}
    for name, module in FORMATS.items():
        shown = f"[{name}](exports/{files.get(name, module.FILE)})" if name in COMMANDS else ""
        yield f"| `{name}` | {module.HOLDS} | {'one' if module.ONE else 'all'} | {shown} |"
    yield ""
    yield "The examples were written from `examples/landing` with"
    yield ""
    yield from ("```", *(command(name) for name in COMMANDS), "```", "")
    yield from _WHAT_TO_KNOW.splitlines()


_EXPORTS = """\
`ft-emissions export FORMAT [--model M] [--version V] [--from D --to D] [--entity E] [--out FILE]`
writes figures of the warehouse in a format of others; `fte.estimate(runs).export(FORMAT, out)`
those of an estimate. A format of one version takes the newest of the model. Days choose versions
by when they were made, and inferences by when they were served. With `SOURCE_DATE_EPOCH` set, the
same figures make the same bytes.

In every CSV that a command prints or exports, a text that a spreadsheet would run (one that begins
with `=`, `+`, `-` or `@`) has a `'` before it; drop that mark to read the text back. Only
`data-package` keeps texts as they are, since its descriptor tells their types.

Every export says methodology, release of the factors, date, whether the figure is provisional and
whether it was restated, the 5th and 95th percentile, and what is inside it. A format without a
place for these has them in its free text.

"""

_WHAT_TO_KNOW = """\
## What to know

- **Model card**: `emissions` is grams of operational and embodied carbon together; CodeCarbon's
  users write operational alone, so `source` says what is inside. Nothing is sent to the Hub.
- **Disclosure**: only what was logged or disclosed is in the first table, so that whoever reads
  it back gets the same run and the same footprint. Software counters see neither fans nor power
  supplies; in their place the energy at the plug is told.
- **GHG Protocol, ESRS**: a run counts in the year in which it ended. State `on_cloud: no` in
  `runs.yaml` for hardware of your own; runs of which nobody states who owned the hardware get no
  scope. Scope 2 holds what leaves the stacks alone, category 3 the rest of the life cycle. The
  share of your own hardware's making is informative: category 2 counts hardware in the year of
  purchase. Market-based cells are empty where a run has no contract's factor. The sheets hold
  fine-tuning alone, so each line is a contribution to a datapoint of your undertaking.
- **BoAmps** counts the energy of the computing hardware, before the PUE; without a meter
  `measurementMethod` says that it was estimated. With `--entity` the report is `internal`.
- **SCI for AI**: training is in no consumer's score, and what one inference carries is no SCI.
- **Scope3** and **DIA** count the version's own share, never that of its ancestors.
- **OpenMetrics** tells the newest day of each model: a scrape has no past.
"""


def _reasons() -> Iterator[str]:
    yield "| code | meaning |"
    yield "|---|---|"
    yield from (f"| `{code}` | {meaning} |" for code, meaning in reasons().items())


def _repairs() -> Iterator[str]:
    yield (
        "Column `repairs` of runs, usage and telemetry holds these words, "
        "and behind a colon what they"
    )
    yield "are about. The report counts them."
    yield ""
    yield "| word | meaning |"
    yield "|---|---|"
    yield from (f"| `{word}` | {meaning} |" for word, meaning in sorted(REPAIRS.items()))


_MATH = re.compile(r"^\.\. math::\s*(.+?)(?=\n\n|\Z)", re.MULTILINE | re.DOTALL)
_SECTION = re.compile(r"^(\w+)\n-+\n", re.MULTILINE)


def _equations() -> Iterator[str]:
    yield "Each stands beside its function in `ft_emissions_pipeline/equations.py`, which takes"
    yield "numbers, arrays and quantities alike; units in brackets are those of the pipeline."
    yield ""
    for name, function in vars(equations).items():
        if isinstance(function, FunctionType):
            yield from _equation(name, inspect.getdoc(function) or "")
    references = _sections(inspect.getdoc(equations) or "")["References"]
    yield "## Sources"
    yield ""
    for each in references.split(".. [")[1:]:
        mark, _, words = each.partition("] ")
        yield f"- **[{mark}]** {' '.join(words.split())}"


def _equation(name: str, text: str) -> Iterator[str]:
    sections = _sections(text)
    summary = sections[""]
    notes = "\n\n".join(sections.get(each, "") for each in ("", "Notes", "References"))
    math = _MATH.search(notes)
    yield f"## {summary.splitlines()[0].rstrip('.')}"
    yield ""
    if math:
        yield from ("$$", " ".join(math[1].split()), "$$", "")
    yield f"`{name}({', '.join(inspect.signature(getattr(equations, name)).parameters)})`"
    yield ""
    for each in ("Parameters", "Returns"):
        for field, words in re.findall(r"^(\S[^\n]*?) : [^\n]*\n((?:[ ]+[^\n]*\n?)+)",
                                       sections.get(each, ""), re.MULTILINE):  # fmt: skip
            of = "" if each == "Parameters" else "gives "
            yield f"- {of}`{field}`: {' '.join(words.split())}"
    yield ""
    rest = _MATH.sub("", notes).removeprefix(summary.splitlines()[0]).strip()
    # The marks of numpydoc, as a reader writes them.
    yield re.sub(r"\.\. (\[\w+\])", r"\1", rest).replace("]_", "]")
    yield ""


def _sections(text: str) -> dict[str, str]:
    """Return the parts of a numpydoc text by their heads; the summary has none."""
    first, *parts = _SECTION.split(text)
    return {
        "": first.strip(),
        **dict(zip(parts[::2], (p.strip() for p in parts[1::2]), strict=True)),
    }


def _command_line() -> Iterator[str]:
    root = get_command(cli.app)
    codes = (cli.__doc__ or "").partition("Exit codes: ")[2]
    yield "`ft-emissions --help` and `ft-emissions COMMAND --help` print the same."
    yield f"Exit codes: {' '.join(codes.split())}"
    yield ""
    yield "Options before the command:"
    yield ""
    yield from _parameters(root)
    yield from _commands(root, "ft-emissions")


def _commands(group: Any, prefix: str) -> Iterator[str]:
    for name, each in group.commands.items():
        if hasattr(each, "commands"):
            yield from _commands(each, f"{prefix} {name}")
            continue
        arguments = [_name(p) for p in each.params if p.param_type_name == "argument"]
        yield from ("", f"## {' '.join([prefix, name, *arguments])}", "")
        yield from (inspect.cleandoc(each.help or ""), "")
        yield from _parameters(each)


def _name(parameter: Any) -> str:
    if parameter.param_type_name == "argument":
        return str(parameter.metavar or parameter.name.upper())
    return ", ".join((*parameter.opts, *parameter.secondary_opts))


def _parameters(command: Any) -> Iterator[str]:
    yield "| option | meaning |"
    yield "|---|---|"
    for each in command.params:
        default = each.default if isinstance(each.default, str) else ""
        shown = f" Default: `{default}`." if default else ""
        yield f"| `{_name(each)}` | {each.help or ''}{shown} |"


def write(folder: Path) -> None:
    """Write the pages into a folder."""
    for name, text in pages().items():
        (folder / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    write(Path(__file__).resolve().parent.parent / "docs")
