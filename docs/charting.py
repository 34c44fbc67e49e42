"""Vega, Vega-Lite and Vega-Embed as the one script that the report brings along.

Put here: how that script is bundled. Keep out: the page (`ft_emissions_pipeline/report/`).
`python -m docs.charting` bundles it anew; a test compares it with what is committed. Bundling takes
more than a second, which each process with a report would pay.
"""

from __future__ import annotations

import gzip
from importlib.resources import files
from pathlib import Path

import vl_convert

from ft_emissions_pipeline.report.payload import CHARTING


def script() -> str:
    """Return the script as the locked renderer bundles it."""
    return str(vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed"))


def main() -> None:
    """Write the script beside the page's other templates."""
    path = files("ft_emissions_pipeline.report").joinpath("templates", CHARTING)
    Path(str(path)).write_bytes(gzip.compress(script().encode(), 9, mtime=0))


if __name__ == "__main__":
    main()
