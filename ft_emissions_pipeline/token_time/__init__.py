"""From tokens to time: how long a fine-tuning takes whose time nobody logged.

Put here: floating-point operations, the parameters of the model, the prediction with its spread.
Keep out: which runs need a prediction (`normalize`), and energy.

The model in force is the plain physical one: operations over what the accelerators reach, plus a
fixed start-up. Its parameters are rows of `reference_data/defaults.csv`; it is not fitted.
"""

from ft_emissions_pipeline.token_time.model import PARAMETERS, parameters, predict

__all__ = ["PARAMETERS", "parameters", "predict"]
