"""What a maintainer looks at after a fit names every laboratory, with a plot that can be drawn."""

import base64

from ft_emissions_pipeline.token_time import diagnostics
from ft_emissions_pipeline.token_time.model import packaged


def test_the_page_of_a_model_plots_the_error_of_each_laboratory():
    model = packaged()
    page = diagnostics.markdown(model)
    picture = page.split("base64,")[1].split(")")[0]
    svg = base64.b64decode(picture).decode()
    laboratories = set(model.training["held_out_median_error_percent_by_laboratory"])
    assert len(laboratories) >= 5
    assert all(f">{name}<" in svg for name in laboratories)
