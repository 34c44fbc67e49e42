"""From tokens to time to power: what a fine-tuning took whose time nobody logged.

Put here, in the order of the data's way: operations (`flops.py`), what a step has to do
(`workload.py`), the physical model (`throughput.py`, `power.py`), robust fits (`fit.py`), the rows
and the prior (`training_rates.py`), the artefact and its predictions (`model.py`), what own runs
change (`own_runs.py`), the model of each day (`daily.py`), how wrong it is (`evaluate.py`). Keep
out: which runs need a prediction (`normalize`), and energy.

`reference_data/token_time_prior.json` is the model that comes with the package;
`ft-emissions token-time fit` writes it.
"""

from ft_emissions_pipeline.token_time.daily import (
    MODEL_ID,
    days_resting_on,
    fits,
    models_by_day,
    parameters,
    prior_of,
)
from ft_emissions_pipeline.token_time.model import Model, packaged, predict, to_json

__all__ = [
    "MODEL_ID", "Model", "days_resting_on", "fits", "models_by_day", "packaged", "parameters",
    "predict", "prior_of", "to_json",
]  # fmt: skip
