"""Pictures of the report for the README and the documentation, in `docs/pictures/`.

Put here: what is shown of the page, and how large. Keep out: the browser (`browser.py`).
`python -m docs.pictures WAREHOUSE` takes them anew of the report of the examples' warehouse.
"""

from __future__ import annotations

import sys
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
        size = paths[-1].stat().st_size
        if size > LARGEST_BYTES:
            msg = f"{paths[-1]} has {size:,} bytes, more than {LARGEST_BYTES:,}; show less of it"
            raise ValueError(msg)
    return paths


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    with browser(PROGRAMS[0]) as started:
        take(started, Path(sys.argv[1]) / "report" / "index.html", FOLDER)
