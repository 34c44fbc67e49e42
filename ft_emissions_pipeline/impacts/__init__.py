"""The footprint of a run.

footprint.py    energy, carbon and water of each run, with interval and quality
inputs.py       the uncertain inputs: names, widths, what runs share
monte_carlo.py  the check by draws
"""

from ft_emissions_pipeline.impacts.footprint import footprint, impacts_and_spreads
from ft_emissions_pipeline.impacts.inputs import INPUTS, uncertain_inputs

__all__ = ["INPUTS", "footprint", "impacts_and_spreads", "uncertain_inputs"]
