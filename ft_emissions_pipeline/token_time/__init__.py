"""From tokens to time to power: what a fine-tuning took whose time nobody logged.

Put here, in the order of the data's way: operations (`flops.py`), what a step has to do (`workload.py`), the
physical model (`throughput.py`, `power.py`), robust fits (`fit.py`), the rows and the prior
(`calibration.py`), the artefact and its predictions (`model.py`), what own runs change (`own_runs.py`), how
wrong it is (`evaluate.py`). Keep out: which runs need a prediction (`normalize`), and energy.

`prior.json` is the model that comes with the package; `ft-emissions token-time fit` writes it.
"""
