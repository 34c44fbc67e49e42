"""Figures that trainers log under their own names, whatever they are logged to.

Put here: which name of a figure means which field of a run, for trackers (W&B, MLflow, TensorBoard)
and consoles. Keep out: the Trainer's own state, which also tells sessions apart
(`formats/hugging_face.py`).

Names as in transformers' `trainer.py` and `speed_metrics` (`train_runtime`, `total_flos`,
`num_input_tokens_seen`), which `rewrite_logs` puts behind `train/`; TRL's `num_tokens` sums the
attention mask; axolotl's `tokens/total` counts all elements of the input over all devices, padding
included (its `core/trainers/base.py`).
"""

from __future__ import annotations

from collections.abc import Mapping

from ft_emissions_pipeline.readers.shared.training_settings import positive

FIGURES = {
    "train_runtime": "active_s",
    "total_flos": "train_flop",
    "num_input_tokens_seen": "tokens_padded",
    "tokens/total": "tokens_padded",
    "num_tokens": "tokens_unpadded",
    "global_step": "steps",
    "epoch": "epochs",
    "train_samples": "samples",
}
"""Name of a figure -> field. Of two names of one field the last that is logged counts: it is the
more precise one."""


def bare(name: str) -> str:
    """Return a figure's name without the `train/` that integrations put before it."""
    return name.removeprefix("train/")


def figures_of(logged: Mapping[str, object]) -> tuple[dict[str, object], list[str]]:
    """Return the fields of a run that logged figures name, and what is open about them.

    Parameters
    ----------
    logged : mapping of str to object
        Last value of each figure.
    """
    named = {bare(name): value for name, value in logged.items()}
    fields: dict[str, object] = {}
    for name, field in FIGURES.items():
        value = positive(named.get(name))
        # 0 says "not tracked".
        if value is not None:
            fields[field] = value
    seconds = fields.get("active_s")
    if seconds is not None:
        fields["reserved_s"] = seconds
    open_points = []
    padded, unpadded = fields.get("tokens_padded"), fields.get("tokens_unpadded")
    if padded is not None and positive(named.get("tokens/total")) is None and unpadded is None:
        open_points.append("padding_not_stated")
    if isinstance(padded, float) and isinstance(unpadded, float) and padded <= unpadded:
        # Both count with the mask; then nothing is known of padding.
        del fields["tokens_padded"]
    if positive(named.get("tokens/total")) is not None:
        fields["software"] = "axolotl"
    elif unpadded is not None:
        fields["software"] = "trl"
    return fields, open_points
