"""Geometric standard deviations and their propagation through the equations.

    intervals.py     percentiles, widths and skews of one quantity
    steps.py         figures that follow from others step by step, found again where something moved
    propagation.py   how the inputs' spreads make an output scatter
    sums.py          sums of quantities that err together

Put here: intervals of log-normal quantities and how they travel through a function. Keep out: how
uncertain an input is, which the factor rows and the rules of `normalize` say.

Every uncertain input is taken as two-piece log-normal around its value (its median): p05 lies one
factor below it, p95 the same or another above. `log_sd` is the mean of the logarithm's standard
deviations on the two sides, `skew` what sets them apart: they are `log_sd` (1 - skew) below and
`log_sd` (1 + skew) above. A value of 0 has no spread.
"""

from ft_emissions_pipeline.uncertainty.intervals import (
    MOST_LEANING,
    Z_95,
    Floats,
    interval,
    log_sd_of_interval,
    skew_of_interval,
    widened,
)
from ft_emissions_pipeline.uncertainty.propagation import Spread, propagate, propagate_steps
from ft_emissions_pipeline.uncertainty.steps import Step, Values, Worked
from ft_emissions_pipeline.uncertainty.sums import (
    Members,
    Moves,
    interval_of_sums,
    kinds,
    members,
    moves_of_sums,
    parts_of_sums,
)

__all__ = [
    "MOST_LEANING", "Z_95", "Floats", "Members", "Moves", "Spread", "Step", "Values",
    "Worked", "interval", "interval_of_sums", "kinds", "log_sd_of_interval", "members",
    "moves_of_sums", "parts_of_sums", "propagate", "propagate_steps", "skew_of_interval", "widened",
]  # fmt: skip
