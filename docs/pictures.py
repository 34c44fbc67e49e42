"""Pictures of the report and of Dagster's pages for the documentation, in `docs/pictures/`.

Put here: what is shown of a page, and how large. Keep out: the browser (`browser.py`).
`python -m docs.pictures WAREHOUSE` takes them anew of the report of the examples' warehouse, and
`python -m docs.pictures http://127.0.0.1:3000` of Dagster's pages, which `ft-emissions ui` serves.
"""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from pathlib import Path

from docs.browser import PROGRAMS, Browser, browser

FOLDER = Path(__file__).parent / "pictures"
LARGEST_BYTES = 200_000
_READY = "document.documentElement.dataset.ready === 'yes'"


@dataclass(frozen=True)
class Picture:
    """Width and height in pixels, colour scheme, and what is done before it is taken."""

    width: int
    height: int
    scheme: str = "light"
    before: str = "0"


_AT_THE_CHARTS = "document.getElementById('charts').scrollIntoView()"
_DERIVATION = "document.querySelector('[data-listing=models] [data-how]').click()"
PICTURES = {
    "report": Picture(1280, 900),
    "report_charts": Picture(1280, 860, before=_AT_THE_CHARTS),
    "report_derivation": Picture(1000, 640, before=_DERIVATION),
    "report_phone_dark": Picture(390, 844, "dark"),
}
"""Name of the file -> what it shows."""

PAGES = {
    "dagster_lineage": "assets/inference_impacts?view=lineage&lineageScope=neighbors",
    "dagster_day": "assets/run_impacts?view=partitions&partition=2026-01-12",
    "dagster_check": "assets/inference_impacts?view=checks",
}
"""Name of the file -> page of Dagster over the examples' warehouse."""

_SHOWN = {"dagster_lineage": "daily_report", "dagster_day": "total_water_l",
          "dagster_check": "Passed"}  # fmt: skip
"""What stands on a page once it has its data."""


def take(shown: Browser, page: Path, folder: Path) -> list[Path]:
    """Take all pictures of a page."""
    paths = []
    for name, picture in PICTURES.items():
        shown.sized(picture.width, picture.height)
        shown.as_if(scheme=picture.scheme)
        shown.open(page)
        shown.until(_READY)
        shown.run(picture.before)
        paths.append(folder / f"{name}.png")
        shown.picture(paths[-1])
        _refuse_large(paths[-1])
    return paths


def take_of_dagster(shown: Browser, address: str, folder: Path) -> None:
    """Take the pictures of Dagster's pages, each once it stands still."""
    shown.sized(1280, 860)
    for name, page in PAGES.items():
        shown.open(f"{address.rstrip('/')}/{page}")
        shown.until(f"document.body.innerText.includes({_SHOWN[name]!r})")
        path, before = folder / f"{name}.png", b""
        while not path.exists() or path.read_bytes() != before:
            before = path.read_bytes() if path.exists() else b""
            time.sleep(1)
            shown.picture(path)
        _refuse_large(path)


def _refuse_large(path: Path) -> None:
    size = path.stat().st_size
    if size > LARGEST_BYTES:
        msg = f"{path} has {size:,} bytes, more than {LARGEST_BYTES:,}; show less of it"
        raise ValueError(msg)


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    with browser(PROGRAMS[0]) as started:
        if sys.argv[1].startswith("http"):
            take_of_dagster(started, sys.argv[1], FOLDER)
        else:
            take(started, Path(sys.argv[1]) / "report" / "index.html", FOLDER)
