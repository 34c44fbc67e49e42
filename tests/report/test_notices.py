"""Every reason code that the code can give has one meaning, on page and in documentation."""

from __future__ import annotations

import ast
import html
import re
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

import ft_emissions_pipeline
from ft_emissions_pipeline import tables
from ft_emissions_pipeline.ledger.unused import UNUSED
from ft_emissions_pipeline.normalize import UNCOMPUTABLE
from ft_emissions_pipeline.readers import REASONS, REPAIRS
from ft_emissions_pipeline.report import data, page
from ft_emissions_pipeline.report.notices import reasons

LIBRARY = Path(ft_emissions_pipeline.__file__).parent
QUARANTINE_PAGE = LIBRARY.parent / "docs" / "quarantine.md"
STAGES = ("readers", "landing", "normalize", "ledger", "tables")
CODE = re.compile(r"[a-z]+(_[a-z]+)*")


def constants(node: ast.AST | None) -> Iterator[str]:
    """Yield the texts that an expression may be: one, or either side of a condition."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    elif isinstance(node, ast.IfExp):
        yield from (*constants(node.body), *constants(node.orelse))


def given(node: ast.AST) -> Iterator[str]:
    """Yield the codes that an expression gives, in each of the ways that stages use."""
    if isinstance(node, ast.Call):
        name = getattr(node.func, "id", getattr(node.func, "attr", ""))
        place = {"RefusalError": 1, "unreadable": 0, "RowRule": 0}.get(name)
        if place is not None and len(node.args) > place:
            yield from constants(node.args[place])
        for keyword in node.keywords:
            if keyword.arg == "code":
                yield from constants(keyword.value)
    # A check (rows, code, reason) and a refused record (record, code, reason, raw).
    if isinstance(node, ast.Tuple) and len(node.elts) in {3, 4}:
        first, code, reason = node.elts[:3]
        if not isinstance(first, ast.Constant) and not (
            isinstance(reason, ast.Constant) and CODE.fullmatch(str(reason.value))
        ):
            yield from (text for text in constants(code) if CODE.fullmatch(text))
    # Checks by code: {code: (rows, reason)}.
    if isinstance(node, ast.Dict):
        for key, value in zip(node.keys, node.values, strict=True):
            if isinstance(value, ast.Tuple) and isinstance(value.elts[-1], ast.Lambda):
                yield from constants(key)
    # A pair (rows, code); other pairs end in a word of column `repairs`.
    if isinstance(node, ast.Return) and isinstance(node.value, ast.Tuple):
        yield from (
            text
            for text in constants(node.value.elts[-1])
            if CODE.fullmatch(text) and text not in REPAIRS
        )


def codes_in_the_code() -> dict[str, str]:
    """Return code -> a file that gives it."""
    found = {}
    for stage in STAGES:
        for path in sorted((LIBRARY / stage).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                found |= dict.fromkeys(given(node), str(path.relative_to(LIBRARY)))
    return found


def test_every_code_that_is_given_has_a_meaning():
    found = codes_in_the_code()
    assert {code: where for code, where in found.items() if code not in reasons()} == {}


def test_every_meaning_is_of_a_code_that_is_given():
    told_elsewhere = set(UNCOMPUTABLE)  # `accepted` takes its only code from the table itself
    assert set(reasons()) - told_elsewhere <= set(codes_in_the_code())


def test_a_code_is_declared_once():
    declared = [*REASONS, *UNCOMPUTABLE, *UNUSED]
    assert sorted(declared) == sorted(set(declared)) == list(reasons())


@pytest.fixture(scope="module")
def report() -> str:
    quarantine = pd.DataFrame(
        {"source_uri": "a.csv", "source_record": "1", "reason_code": list(reasons()), "reason": "x"}
    )
    everything = data.ReportData(quarantine=tables.conform(quarantine, tables.QUARANTINE))
    return html.unescape(page.page(everything))


@pytest.mark.parametrize("code", reasons())
def test_page_and_documentation_say_the_same_of_a_code(code, report):
    meaning = reasons()[code]
    assert f"<code>{code}</code>" in report
    assert meaning in report
    assert f"| `{code}` | {meaning} |" in QUARANTINE_PAGE.read_text(encoding="utf-8")
