"""The chart engine that the report brings along is the one of the locked renderer."""

import gzip
from importlib.resources import files

from docs import charting
from ft_emissions_pipeline.report.payload import CHARTING


def test_the_committed_bundle_is_what_the_renderer_makes():
    committed = files("ft_emissions_pipeline.report").joinpath("templates", CHARTING).read_bytes()
    assert gzip.decompress(committed).decode() == charting.script(), "run `python -m docs.charting`"
