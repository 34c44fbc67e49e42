"""The notebook runs as it stands there; run as a script, this writes its outputs anew."""

import ast
import contextlib
import io
import json
from pathlib import Path

import altair as alt
import vl_convert

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "from_logs_to_a_plot.ipynb"
NOTEBOOK = json.loads(PAGE.read_text("utf-8"))


def lines(text):
    return text.splitlines(keepends=True)


def shown(value):
    """Return what a notebook shows of the last value of a cell."""
    if isinstance(value, alt.TopLevelMixin):
        grammar = "_".join(alt.SCHEMA_VERSION.split(".")[:2])
        return {"image/svg+xml": lines(vl_convert.vegalite_to_svg(value.to_dict(), grammar))}
    data = {"text/plain": lines(repr(value))}
    if hasattr(value, "_repr_html_"):
        data["text/html"] = lines(value._repr_html_())
    return data


def outputs(source, names, count):
    """Run a cell as a notebook does, and return its outputs."""
    *before, last = ast.parse(source).body
    printed, value = io.StringIO(), None
    with contextlib.redirect_stdout(printed):
        if isinstance(last, ast.Expr):
            exec(compile(ast.Module(before, []), str(PAGE), "exec"), names)  # noqa: S102
            value = eval(compile(ast.Expression(last.value), str(PAGE), "eval"), names)
        else:
            exec(source, names)  # noqa: S102
    made = []
    if printed.getvalue():
        made = [{"name": "stdout", "output_type": "stream", "text": lines(printed.getvalue())}]
    if value is not None:
        made.append({"data": shown(value), "execution_count": count, "metadata": {},
                     "output_type": "execute_result"})  # fmt: skip
    return made


def executed():
    names, cells = {}, []
    code = 0
    for cell in NOTEBOOK["cells"]:
        made = dict(cell)
        if cell["cell_type"] == "code":
            code += 1
            found = outputs("".join(cell["source"]), names, code)
            made |= {"execution_count": code, "outputs": found}
        cells.append(made)
    return {**NOTEBOOK, "cells": cells}


def without_drawings(notebook):
    """Letters of a drawing are measured with fonts of the machine."""
    text = json.loads(json.dumps(notebook))
    for cell in text["cells"]:
        for output in cell.get("outputs", ()):
            if "image/svg+xml" in output.get("data", {}):
                output["data"]["image/svg+xml"] = "<svg" in output["data"]["image/svg+xml"][0]
    return text


def test_the_notebook_gives_what_it_shows(monkeypatch):
    monkeypatch.chdir(ROOT / "docs")
    assert without_drawings(executed()) == without_drawings(NOTEBOOK)


def test_it_goes_from_logs_to_table_to_plot():
    kinds = [
        kind
        for cell in NOTEBOOK["cells"]
        for output in cell.get("outputs", ())
        for kind in output.get("data", {"stream": ""})
    ]
    assert {"text/html", "image/svg+xml", "stream"} <= set(kinds)


if __name__ == "__main__":
    PAGE.write_text(json.dumps(executed(), indent=1, ensure_ascii=False) + "\n", "utf-8")
