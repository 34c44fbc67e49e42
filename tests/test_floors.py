"""The imports of the code run one way: from each floor to its own and those below."""

import ast
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LIBRARY = "ft_emissions_pipeline"

FLOORS = (
    {"equations", "methodology", "uncertainty", "calendar_days", "tables", "reference"},
    {"readers", "warehouse", "token_time", "pipeline_footprint"},
    {"landing", "normalize", "impacts", "ledger"},
    {"stages", "quarantine"},
    {"restatement", "analysis"},
    {"api", "report", "export"},
    {"assets"},
    {"cli", "__main__"},
)
"""Declarations and arithmetic; ways in; the data's way; the way as a whole; what is asked of
finished figures; the friendly layer and the pages; the DAG; faces."""

ONE_WAY = ("landing", "normalize", "impacts", "ledger")
"""Of one floor, but each knows only those before it in the data's way."""


def sources():
    for folder in (LIBRARY, "assets"):
        yield from sorted((ROOT / folder).rglob("*.py"))


def module_of(path):
    parts = path.relative_to(ROOT).with_suffix("").parts
    return parts[:-1] if parts[-1] == "__init__" else parts


def is_module(parts):
    path = ROOT.joinpath(*parts)
    return path.is_dir() or path.with_suffix(".py").is_file()


def imported(path):
    """Yield the modules of the project that a file imports, wherever in it; not for types alone."""
    package = path.relative_to(ROOT).parts[:-1]
    tree = ast.parse(path.read_text("utf-8"))
    typing = {
        id(node)
        for block in ast.walk(tree)
        if isinstance(block, ast.If) and "TYPE_CHECKING" in ast.unparse(block.test)
        for node in ast.walk(block)
    }
    for node in ast.walk(tree):
        if id(node) in typing:
            continue
        if isinstance(node, ast.Import):
            yield from (tuple(alias.name.split(".")) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            stem = package[: len(package) - node.level + 1] if node.level else ()
            stem = (*stem, *(node.module.split(".") if node.module else ()))
            for alias in node.names:
                full = (*stem, alias.name)
                yield full if stem[:1] in ((LIBRARY,), ("assets",)) and is_module(full) else stem


def arrows():
    for path in sources():
        for target in imported(path):
            if target[:1] in ((LIBRARY,), ("assets",)) and target != (LIBRARY,):
                yield module_of(path), target


def room(parts):
    return parts[0] if parts[0] == "assets" else parts[1] if len(parts) > 1 else LIBRARY


def floor(name):
    return next(number for number, rooms in enumerate(FLOORS, start=1) if name in rooms)


def test_every_room_stands_on_a_floor_and_nothing_imports_back_up():
    up = sorted(
        f"{'.'.join(source)} -> {'.'.join(target)}"
        for source, target in set(arrows())
        if len(source) > 1 or source[0] == "assets"
        if floor(room(source)) < floor(room(target))
    )
    assert up == []


def test_the_datas_way_runs_one_way():
    back = sorted(
        f"{'.'.join(source)} -> {'.'.join(target)}"
        for source, target in set(arrows())
        if room(source) in ONE_WAY and room(target) in ONE_WAY
        if ONE_WAY.index(room(source)) < ONE_WAY.index(room(target))
    )
    assert back == []


def test_no_modules_import_each_other_in_a_circle():
    targets = {}
    for source, target in arrows():
        targets.setdefault(source, set()).add(target)
    done, open_ = set(), []

    def visit(module):
        if module in open_:
            circle = [*open_[open_.index(module) :], module]
            raise AssertionError(" -> ".join(".".join(each) for each in circle))
        if module in done:
            return
        open_.append(module)
        for target in sorted(targets.get(module, ())):
            visit(target)
        done.add(open_.pop())

    for module in sorted(targets):
        visit(module)


def test_at_most_nine_modules_lie_beside_the_packages(capsys):
    flat = sorted(path.name for path in (ROOT / LIBRARY).glob("*.py"))
    rooms = sorted(
        path.name for path in (ROOT / LIBRARY).iterdir() if (path / "__init__.py").exists()
    )
    with capsys.disabled():
        sys.stdout.write(
            f"\n{len(FLOORS)} floors, {len(rooms)} packages, {len(flat)} modules beside them\n"
        )
    assert len(FLOORS) <= 8
    assert len(flat) <= 9
