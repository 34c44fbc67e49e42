"""Find the files in what a user points at: a file, a folder, a glob, or a list of them.

Put here: which files count and what each is called. Keep out: opening them.
"""

from __future__ import annotations

import glob
import os
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath

_UNFINISHED = (".part", "~")


def files_in(paths: str | Path | Iterable[str | Path]) -> list[tuple[Path, str]]:
    """Return every file with its uri, sorted by uri, no file twice.

    Hidden files, `__pycache__` and unfinished files (`.part`, `~`) are skipped, unless one is named
    itself. A uri is the path relative to the folder given, or to the fixed start of a glob; of a
    single file it is the name. Files that would share a uri get as many parent folders as tell them apart.

    Raises
    ------
    FileNotFoundError
        If a path or glob leads to nothing.
    """
    given = [paths] if isinstance(paths, (str, Path)) else list(paths)
    found: dict[str, tuple[Path, str]] = {}
    for path in given:
        for file, uri in _expanded(Path(path)):
            found.setdefault(os.path.abspath(file), (file, uri))  # noqa: PTH100 (resolve would follow links)
    return sorted(_told_apart(list(found.values())), key=lambda pair: pair[1])


def _expanded(path: Path) -> Iterator[tuple[Path, str]]:
    if path.is_dir():
        yield from _walked(path)
    elif path.exists() or path.is_symlink():
        yield path, _printable(path.name)
    else:
        yield from _globbed(path)


def _globbed(path: Path) -> Iterator[tuple[Path, str]]:
    fixed = Path(*_until_wildcard(path.parts))
    matches = [Path(match) for match in glob.glob(str(path), recursive=True)]  # noqa: PTH207 (absolute globs)
    if not matches:
        msg = f"no file or folder at {path}; check the path, or put a glob in quotes"
        raise FileNotFoundError(msg)
    for match in sorted(matches):
        under = list(_walked(match)) if match.is_dir() else [(match, "")]
        for file, _ in under:
            relative = file.relative_to(fixed)
            if not _skipped(relative):
                yield file, _printable(relative.as_posix())


def _until_wildcard(parts: tuple[str, ...]) -> Iterator[str]:
    for part in parts:
        if glob.has_magic(part):
            return
        yield part


def _walked(folder: Path) -> Iterator[tuple[Path, str]]:
    """Walk a folder, links followed but no folder entered twice; one that cannot be listed is itself a find."""
    seen: set[str] = set()
    closed: list[Path] = []
    for here, folders, files in os.walk(
        folder, followlinks=True, onerror=lambda error: closed.append(Path(error.filename))
    ):
        real = os.path.realpath(here)
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        folders[:] = sorted(name for name in folders if not _skipped(Path(name)))
        for name in sorted(files):
            if not _skipped(Path(name)):
                file = Path(here, name)
                yield file, _printable(file.relative_to(folder).as_posix())
    for unlistable in closed:
        yield unlistable, _printable(unlistable.relative_to(folder).as_posix())


def _skipped(path: Path) -> bool:
    return any(
        part.startswith(".") or part == "__pycache__" or part.endswith(_UNFINISHED)
        for part in path.parts
    )


def _told_apart(files: list[tuple[Path, str]]) -> list[tuple[Path, str]]:
    counts = Counter(uri for _, uri in files)
    if max(counts.values(), default=1) == 1:
        return files
    longer = [(file, uri if counts[uri] == 1 else _with_parent(file, uri)) for file, uri in files]
    return files if longer == files else _told_apart(longer)


def _with_parent(file: Path, uri: str) -> str:
    parts = Path(os.path.abspath(file)).parts[1:]  # noqa: PTH100
    return PurePosixPath(*parts[-len(PurePosixPath(uri).parts) - 1 :]).as_posix()


def _printable(uri: str) -> str:
    """Return a name that can be stored as UTF-8, whatever bytes the file system has."""
    return uri.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
