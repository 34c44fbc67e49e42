"""Find and open files at URLs (s3://, gs://, https://, memory://, ...), by way of fsspec.

fsspec and the package of a protocol (s3fs, gcsfs, aiohttp, ...) are optional: the group `remote`.
Put here: all that knows of URLs. Keep out: what files are called and what they hold.
"""

from __future__ import annotations

import glob
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import IO, Any
from urllib.parse import urlsplit

_URL = re.compile(r"^[A-Za-z][A-Za-z0-9+.-]+://")


class MissingPackageError(ImportError):
    """A URL that cannot be read for want of a package; the message names it."""


@dataclass(frozen=True)
class RemoteFile:
    """A file at a URL. Its representation shows no host and no query, which may be signed."""

    url: str

    def __str__(self) -> str:
        """Return the path of the file alone."""
        return path_of(self.url)

    __repr__ = __str__

    def open(self) -> IO[bytes]:
        """Open the file for reading bytes."""
        system, path = _system(self.url)
        stream: IO[bytes] = system.open(path, "rb")
        return stream


def is_url(path: object) -> bool:
    """Say whether a path is a URL rather than a place on this machine."""
    return isinstance(path, str) and bool(_URL.match(path))


def path_of(url: str) -> str:
    """Return the path in a URL: no user, host, query or fragment."""
    return urlsplit(url).path.lstrip("/")


def files_at(url: str) -> Iterator[tuple[RemoteFile, str]]:
    """Yield each file under a URL or matched by its glob, with the path below the fixed part.

    Raises
    ------
    FileNotFoundError
        If there is none.
    MissingPackageError
        If a package for the protocol is missing, with its name.
    """
    system, path = _system(url)
    if urlsplit(url).scheme in {"http", "https"}:
        # Servers list no folders, and a page of links is none.
        yield RemoteFile(url), PurePosixPath(path_of(url)).name
        return
    if glob.has_magic(path):
        start = path[: len(path) - len(re.split(r"[*?\[]", path, maxsplit=1)[1]) - 1]
        base, found = start.rsplit("/", 1)[0], system.glob(path)
        found = [name for name in found if system.isfile(name)]
    elif system.isdir(path):
        base, found = path.rstrip("/"), system.find(path)
    else:
        base, found = path.rsplit("/", 1)[0] if "/" in path else "", [path]
        found = found if system.exists(path) else []
    if not found:
        msg = f"no file at {path_of(url) or url}; check the URL and the rights to list it"
        raise FileNotFoundError(msg)
    for name in sorted(found):
        relative = name.removeprefix(base).lstrip("/") or PurePosixPath(name).name
        yield RemoteFile(system.unstrip_protocol(name)), relative


def _system(url: str) -> tuple[Any, str]:
    """Return the file system of a URL and the path in it."""
    scheme = urlsplit(url).scheme
    try:
        import fsspec
    except ImportError as error:
        msg = f"reading from {scheme}:// needs fsspec; pip install 'ft-emissions-pipeline[remote]'"
        raise MissingPackageError(msg) from error
    try:
        return fsspec.core.url_to_fs(url)  # type: ignore[no-any-return]
    except ImportError as error:
        msg = f"reading from {scheme}:// needs a further package: {error}"
        raise MissingPackageError(msg) from error
    except ValueError as error:
        msg = f"nothing is known that reads from {scheme}://; use s3://, gs://, az:// or https://"
        raise ValueError(msg) from error
