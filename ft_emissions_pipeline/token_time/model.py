"""The fitted model: what is stored of it on a day, and its predictions with their intervals.

Put here: the artefact (JSON and rows of table `token_time_model`), and time per token by it. Keep
out: the fits (`fit.py`, `training_rates.py`, `own_runs.py`), and which runs need a prediction
(`normalize`).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property, lru_cache

import numpy as np
import pandas as pd

from ft_emissions_pipeline.reference import prior_file
from ft_emissions_pipeline.token_time import power
from ft_emissions_pipeline.token_time.fit import added
from ft_emissions_pipeline.token_time.throughput import (
    COEFFICIENTS,
    NAMES,
    OFFSET_SD,
    Rate,
    offset_variance,
    rate,
)
from ft_emissions_pipeline.token_time.workload import STACKS, Workload, stack_of
from ft_emissions_pipeline.uncertainty import Z_95, Floats

EXTRAPOLATION_SD = 0.3
"""Standard deviation of the log of time that each factor of e beyond the calibrated range adds."""

KNOWN, STACK_UNSEEN = "known", "stack_unseen"
HARDWARE_UNKNOWN, TOKENS_UNKNOWN = "hardware_unknown", "tokens_unknown"
GROUPS = (KNOWN, STACK_UNSEEN, HARDWARE_UNKNOWN, TOKENS_UNKNOWN)
"""What is known of a run; each group has an interval of its own."""

WITHIN = "within_laboratory"
"""Part of a model's `spread`; the others are the spreads between laboratories, by group."""

RANGED = ("parameters", "length", "tokens", "gpus", "peak_16bit")
"""Parts of a workload whose range in the training rates says how far it reaches."""

CHUNK = 100_000
"""Rows predicted at once: bounds the memory of millions of runs."""


@dataclass(frozen=True)
class Model:
    """What turns tokens into time and power; plain numbers, so that the JSON is the model.

    `spread` are standard deviations of the log of time: within a laboratory, and between
    laboratories whose stack (software) was seen or not. `widths` are half-widths of the 90 %
    interval in units of the scale that they make, by group; `ranges` smallest and largest value
    seen; `offsets` what own runs add to the log of time; `training` says on what it rests.
    """

    coefficients: Mapping[str, float]
    coefficient_sd: Mapping[str, float]
    shares: Mapping[str, float]
    spread: Mapping[str, float]
    widths: Mapping[str, float]
    power: Mapping[str, float]
    ranges: Mapping[str, tuple[float, float]]
    training: Mapping[str, object]
    offsets: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    own_width: float | None = None
    stated_version: str = ""

    @cached_property
    def version(self) -> str:
        """Hash of every number of it, or the one that its rows were stamped with."""
        if self.stated_version:
            return self.stated_version
        return hashlib.sha256(json.dumps(_numbers(self), sort_keys=True).encode()).hexdigest()[:12]

    @property
    def theta(self) -> Floats:
        """Coefficients in the order of `throughput.NAMES`."""
        return np.array([self.coefficients[name] for name in NAMES])

    @property
    def theta_sd(self) -> Floats:
        """Their standard deviations."""
        return np.array([self.coefficient_sd[name] for name in NAMES])

    @property
    def stacks_seen(self) -> np.ndarray:
        """Say of each of `STACKS`, and of an untold stack, whether training rates had it."""
        sd = [self.coefficient_sd[f"software_{name}"] for name in STACKS]
        return np.append(np.array(sd) < OFFSET_SD, False)

    @property
    def stacks_taught(self) -> np.ndarray:
        """Say of each of `STACKS`, and of an untold stack, whether own runs had it."""
        told = {stack_of(name) for name in self.offsets.get("software", {})}
        return np.array([*(name in told for name in STACKS), False])


def _numbers(model: Model) -> dict[str, object]:
    return {name: value for name, value in asdict(model).items() if name != "stated_version"}


def to_json(model: Model) -> str:
    """Return the artefact, with what each coefficient means."""
    meanings = {name: c.meaning for name, c in COEFFICIENTS.items()}
    named = {"version": model.version, **_numbers(model), "meanings": meanings}
    return json.dumps(named, indent=2, ensure_ascii=False) + "\n"


def from_json(text: str) -> Model:
    """Return the model of an artefact.

    Raises
    ------
    ValueError
        If its numbers are not those of which it states the hash.
    """
    data = json.loads(text)
    stated = data.pop("version")
    data.pop("meanings")
    data["ranges"] = {name: tuple(pair) for name, pair in data["ranges"].items()}
    model = Model(**data)
    if model.version != stated:
        msg = (
            f"the model states version {stated}, but its numbers make {model.version}; fit it anew"
        )
        raise ValueError(msg)
    return model


@lru_cache(maxsize=1)
def packaged() -> Model:
    """Return the model that comes with the package, fitted on the training rates alone."""
    return from_json(prior_file().read_text(encoding="utf-8"))


@dataclass(frozen=True)
class Prediction:
    """Of each run: log seconds per token of one accelerator, its log standard deviation, and more.

    `scale` is that of the intervals before their widths; `busy` is the share of the time that
    computes; `beyond` names what lies outside the training rates.
    """

    log_s: Floats
    log_sd: Floats
    scale: Floats
    busy: Floats
    beyond: np.ndarray


def predict(
    model: Model,
    work: Workload,
    *,
    hardware_known: np.ndarray | bool = True,
    tokens_known: np.ndarray | bool = True,
    members: Mapping[str, pd.Series] | None = None,
) -> Prediction:
    """Return seconds per token, with 90 % intervals as log standard deviations.

    Parameters
    ----------
    model : Model
        The model in force.
    work : Workload
        What each run's steps have to do.
    hardware_known, tokens_known : array of bool
        What is not known widens the interval as it did in runs of which it was hidden.
    members : mapping of str to Series
        `gpu_id`, `family` and `software` of each run, for the offsets that own runs taught.

    Notes
    -----
    Conformal: p05 and p95 lie `width` x scale from the median on the log, where the scale is the
    root of the variances within and between laboratories plus what unknown inputs, effects and
    extrapolation add.
    """
    parts = [
        _predict(model, work.rows(slice(at, at + CHUNK))) for at in range(0, len(work), CHUNK)
    ] or [_predict(model, work)]
    log_s, variance, busy, beyond = (np.concatenate(part) for part in zip(*parts, strict=True))
    own_stack = model.stacks_taught[work.software]
    seen = model.stacks_seen[work.software] | own_stack
    width = np.where(seen, model.widths[KNOWN], model.widths[STACK_UNSEEN])
    between = np.where(seen, model.spread[KNOWN], model.spread[STACK_UNSEEN])
    if members is not None and model.offsets:
        log_s = log_s + added(model.offsets, members)
        if model.own_width is not None:
            # Of a stack that no own run had, the team's own pace says little.
            alike = own_stack | (work.software < 0) | (not model.stacks_taught.any())
            taught = members["gpu_id"].isin(list(model.offsets["gpu_id"])) & alike
            width = np.where(taught, model.own_width, width)
    extra = np.zeros(len(work))
    for group, known in ((HARDWARE_UNKNOWN, hardware_known), (TOKENS_UNKNOWN, tokens_known)):
        wider = max(model.widths[group] ** 2 - model.widths[KNOWN] ** 2, 0.0)
        extra = extra + np.where(known, 0.0, wider)
    scale = np.sqrt(model.spread[WITHIN] ** 2 + between**2 + variance)
    return Prediction(log_s, np.sqrt(width**2 + extra) * scale / Z_95, scale, busy, beyond)


def _predict(model: Model, work: Workload) -> tuple[Floats, Floats, Floats, np.ndarray]:
    found = rate(model.theta, work, dict(model.shares))
    variance, beyond = added_variance(found, model.theta_sd, model.ranges, work)
    return found.log_s, variance, found.busy, beyond


def added_variance(
    found: Rate, sd: Floats, ranges: Mapping[str, tuple[float, float]], work: Workload
) -> tuple[Floats, np.ndarray]:
    """Return the variance that gaps, effects and extrapolation add, and what is beyond (bits)."""
    far, beyond = distance(ranges, work)
    effects = found.busy**2 * offset_variance(sd, work)
    return found.variance + effects + (EXTRAPOLATION_SD * far) ** 2, beyond


def distance(
    ranges: Mapping[str, tuple[float, float]], work: Workload
) -> tuple[Floats, np.ndarray]:
    """Return how far each run lies beyond the calibrated ranges, on the log, and in what (bits)."""
    far, bits = np.zeros(len(work)), np.zeros(len(work), dtype=np.int64)
    for place, name in enumerate(RANGED):
        low, high = ranges[name]
        value = getattr(work, name)
        out = np.maximum(np.log(value / high), np.log(low / value))
        outside = out > 1e-9
        far = np.where(outside, far + out, far)
        bits = bits | (outside << place)
    return far, bits


def names_of(bits: int) -> list[str]:
    """Return the parts of a workload that `Prediction.beyond` marks."""
    return [name for place, name in enumerate(RANGED) if bits >> place & 1]


def ranges_of(work: Workload) -> dict[str, tuple[float, float]]:
    """Return the smallest and largest of each ranged part."""
    return {
        name: (float(getattr(work, name).min()), float(getattr(work, name).max()))
        for name in RANGED
    }


def power_share(model: Model, busy: Floats, idle_share: Floats) -> Floats:
    """Return mean power of an accelerator over TDP."""
    theta = np.array([model.power["log_full"], model.power["log_exponent"]])
    return power.share_of_tdp(theta, busy, idle_share)


SEPARATOR = ":"


def to_rows(model: Model) -> pd.DataFrame:
    """Return the model as rows parameter, value, p05, p95, unit."""
    rows = []

    def add(name: str, value: float, sd: float = 0.0, unit: str = "") -> None:
        rows.append((name, value, value - Z_95 * sd, value + Z_95 * sd, unit))

    for name, value in model.coefficients.items():
        add(f"coefficient{SEPARATOR}{name}", value, model.coefficient_sd[name], "log")
    for part in ("shares", "spread", "widths", "power"):
        for name, value in getattr(model, part).items():
            add(f"{part}{SEPARATOR}{name}", value)
    for name, (low, high) in model.ranges.items():
        rows.append((f"ranges{SEPARATOR}{name}", float(np.sqrt(low * high)), low, high, ""))
    for group, by_member in model.offsets.items():
        for member, value in by_member.items():
            add(f"offsets{SEPARATOR}{group}{SEPARATOR}{member}", value, unit="log")
    if model.own_width is not None:
        add("own_width", model.own_width)
    return pd.DataFrame(rows, columns=["parameter", "value", "p05", "p95", "unit"])


def from_rows(rows: pd.DataFrame, version: str) -> Model:
    """Return the model of such rows; what it was trained on is not among them, its version is."""
    values: dict[str, dict[str, float]] = {}
    ranges: dict[str, tuple[float, float]] = {}
    offsets: dict[str, dict[str, float]] = {}
    sd: dict[str, float] = {}
    for row in rows.to_dict("records"):
        part, _, name = str(row["parameter"]).partition(SEPARATOR)
        if part == "ranges":
            ranges[name] = (row["p05"], row["p95"])
        elif part == "offsets":
            group, _, member = name.partition(SEPARATOR)
            offsets.setdefault(group, {})[member] = row["value"]
        else:
            values.setdefault(part, {})[name] = row["value"]
            if part == "coefficient":
                sd[name] = (row["p95"] - row["value"]) / Z_95
    return Model(
        coefficients=values["coefficient"],
        coefficient_sd=sd,
        shares=values["shares"],
        spread=values["spread"],
        widths=values["widths"],
        power=values["power"],
        ranges=ranges,
        training={},
        offsets=offsets,
        own_width=values.get("own_width", {}).get(""),
        stated_version=version,
    )
