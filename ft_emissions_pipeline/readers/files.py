"""Find the files in what a user points at: a file, a folder, a glob, a URL, or a list of them.

Put here: which files count and what each is called. Keep out: opening them.
"""

from __future__ import annotations

import glob
import hashlib
import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path, PurePosixPath

from ft_emissions_pipeline.readers.remote import RemoteFile, files_at, is_url, path_of
from ft_emissions_pipeline.readers.scrubbing import scrubbed


@dataclass(frozen=True)
class OutsideLink:
    """A link in a folder that leads out of it; it is a find, and not followed."""

    path: Path

    def __fspath__(self) -> str:
        """Return where the link lies."""
        return str(self.path)


Local = Path | OutsideLink
File = Local | RemoteFile
_UNFINISHED = (".part", "~")


def files_in(paths: str | Path | Iterable[str | Path]) -> list[tuple[File, str]]:
    """Return every file with its uri, sorted by uri, no file twice.

    Hidden files, `__pycache__` and unfinished files (`.part`, `~`) are skipped, unless one is named
    itself. A uri is the path relative to the folder given, or to the fixed start of a glob; of a
    single file it is the name. Files that would share a uri get as many parent folders as tell them
    apart, or a mark where their names look alike. Secrets in names (an email, a key) are replaced,
    for uris are stored and shown. A folder is a border: a link in it that leads out of it is
    returned as such, and nothing behind it; one that is named itself is followed.

    A text that starts like a URL (s3://, gs://, https://, ...) is read by way of fsspec.

    Raises
    ------
    FileNotFoundError
        If a path, glob or URL leads to nothing.
    remote.MissingPackageError
        If a package for a URL is missing; the message names it.
    """
    given = [paths] if isinstance(paths, (str, Path)) else list(paths)
    found: dict[str, tuple[File, str]] = {}
    for path in given:
        for file, uri in _expanded(path):
            found.setdefault(_identity(file), (file, uri))
    return sorted(_told_apart(list(found.values())), key=lambda pair: pair[1])


def _identity(file: File) -> str:
    if isinstance(file, RemoteFile):
        return file.url
    return os.path.abspath(file)  # noqa: PTH100 (resolve would follow links)


def _expanded(given: str | Path) -> Iterator[tuple[File, str]]:
    if isinstance(given, str) and is_url(given):
        for remote, relative in files_at(given):
            if not _skipped(Path(relative)) or relative == Path(path_of(given)).name:
                yield remote, _printable(relative)
        return
    path = Path(given)
    if path.is_dir():
        yield from _walked(path)
    elif path.exists() or path.is_symlink():
        yield path, _printable(path.name)
    else:
        yield from _globbed(path)


def _globbed(path: Path) -> Iterator[tuple[Local, str]]:
    fixed = Path(*_until_wildcard(path.parts))
    if fixed == path:
        msg = f"no file or folder at {path}; check the path, or put a glob in quotes"
        raise FileNotFoundError(msg)
    # Unlike the module glob, a path does not follow links for `**`.
    matches = sorted(fixed.glob(str(path.relative_to(fixed))))
    if not matches:
        msg = f"no file or folder at {path}; check the path, or put a glob in quotes"
        raise FileNotFoundError(msg)
    border = os.path.realpath(fixed)
    for match in matches:
        way = [part for part in (*reversed(match.parents), match) if fixed in part.parents]
        link = next((part for part in way if _leads_out(part, border)), None)
        under: Iterable[tuple[Local, str]] = [(OutsideLink(link) if link else match, "")]
        if link is None and match.is_dir():
            under = _walked(match)
        for file, _ in under:
            relative = Path(file).relative_to(fixed)
            if not _skipped(relative):
                yield file, _printable(relative.as_posix())


def _until_wildcard(parts: tuple[str, ...]) -> Iterator[str]:
    for part in parts:
        if glob.has_magic(part):
            return
        yield part


def _walked(folder: Path) -> Iterator[tuple[Local, str]]:
    """Walk a folder, links within it followed but no folder entered twice.

    A link that leads out, and a folder that cannot be listed, are finds themselves.
    """
    border = os.path.realpath(folder)
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
        paths = {name: Path(here, name) for name in (*folders, *files)}
        out = {name for name, path in paths.items() if _leads_out(path, border)}
        # Links last: what they lead to is found under its own name.
        inner = sorted((paths[n].is_symlink(), n) for n in folders if n not in out)
        folders[:] = [name for _, name in inner if not _hidden(name)]
        inside = Path(here).relative_to(folder).as_posix()
        for name in sorted({*files, *out}):
            if not _hidden(name):
                found = OutsideLink(paths[name]) if name in out else paths[name]
                yield found, _printable(name if inside == "." else f"{inside}/{name}")
    for unlistable in closed:
        yield unlistable, _printable(unlistable.relative_to(folder).as_posix())


def _leads_out(path: Path, border: str) -> bool:
    return path.is_symlink() and not Path(os.path.realpath(path)).is_relative_to(border)


def _skipped(path: Path) -> bool:
    return any(map(_hidden, path.parts))


def _hidden(name: str) -> bool:
    return name.startswith(".") or name == "__pycache__" or name.endswith(_UNFINISHED)


def _told_apart(files: list[tuple[File, str]]) -> list[tuple[File, str]]:
    counts = Counter(uri for _, uri in files)
    if max(counts.values(), default=1) == 1:
        return files
    names = Counter((uri, _named(file, uri)) for file, uri in files)
    longer = [
        (file, uri)
        if counts[uri] == 1
        # Their names differ in what is not shown alone.
        else (file, _marked(file, uri))
        if names[uri, _named(file, uri)] == 1
        else (file, _with_parent(file, uri))
        for file, uri in files
    ]
    return _told_apart(longer)


def _named(file: File, uri: str) -> str:
    """Return the part of a file's name that its printed name shows."""
    return _last_parts(file, len(PurePosixPath(uri).parts))


def _with_parent(file: File, uri: str) -> str:
    return _printable(_last_parts(file, len(PurePosixPath(uri).parts) + 1))


def _marked(file: File, uri: str) -> str:
    place = PurePosixPath(uri)
    digest = hashlib.sha256(os.fsencode(_named(file, uri))).hexdigest()[:8]
    return place.with_name(f"{digest}-{place.name}").as_posix()


def _last_parts(file: File, number: int) -> str:
    whole = str(file) if isinstance(file, RemoteFile) else _identity(file)
    parts = [part for part in PurePosixPath(whole).parts if part != "/"]
    return PurePosixPath(*parts[-number:]).as_posix()


# A run looks through the folder several times.
@lru_cache(maxsize=1 << 17)
def _printable(uri: str) -> str:
    """Return a name without secrets that UTF-8 can hold, whatever bytes the file system has."""
    text = uri.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    # A folder `host=node1` names a machine on purpose: telemetry and runs meet by it.
    parts = re.split("(^host=|/host=)", text)
    return "".join(part if part in ("host=", "/host=") else scrubbed(part) for part in parts)
