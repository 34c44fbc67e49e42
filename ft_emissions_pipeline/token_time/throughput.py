r"""How long an accelerator takes for a token: the physical model, and what follows from unknowns.

Put here: time of a step from its work, by coefficients. Keep out: where the coefficients come from
(`fit.py`), and the work itself (`workload.py`).

Time of one forward and backward pass over m tokens on one accelerator:

.. math:: t = \left(t_c^k + t_l^k\right)^{1/k} + t_m, \qquad t_c = \frac{m F}{P e}

with F operations per token, P the peak in the run's number format, e the share of it reached,
:math:`t_l` layers x latency per layer (short steps wait for the host to launch them), and
:math:`t_m` what each pass costs whatever its tokens: weights read, 4-bit weights unpacked, and for
full fine-tuning gradients added up and exchanged, and the optimiser's update.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ft_emissions_pipeline.token_time.workload import GENERATIONS, STACKS, Workload, peak
from ft_emissions_pipeline.uncertainty import Floats

TYPICAL_PARAMETERS = 7e9
TYPICAL_SHARE_OF_PEAK = 0.5
TUNED_FORMATS = ("fp8", "nvfp4")

OFFSET_SD = 0.2
"""How far generations of accelerators, and software, are believed to lie apart, makers twice as
far: offsets are shrunk by it."""


class Coefficient(NamedTuple):
    """What is believed of a coefficient before any row is seen, and what it means."""

    prior: float
    prior_sd: float
    meaning: str


COEFFICIENTS: dict[str, Coefficient] = {
    "share_of_peak": Coefficient(np.log(0.5), 0.3,
                                 "log share of the 16-bit peak reached by an A100 in long steps of "
                                 "a 7B model"),
    "fp8": Coefficient(-0.35, 0.3, "log share of the peak in 8 bits over that in 16"),
    "tf32": Coefficient(0.0, 0.3, "same, TF32"),
    "fp32": Coefficient(0.5, 0.4, "same, FP32 outside matrix units"),
    "nvfp4": Coefficient(-0.6, 0.4, "same, 4 bits"),
    "experts": Coefficient(-0.2, 0.2,
                           "mixture of experts, per log of all over active parameters: routing, "
                           "small matrices"),
    "size": Coefficient(0.0, 0.05, "per log of parameters over 7e9: wider matrices"),
    "tuned": Coefficient(0.2, 0.2,
                         "tuned recipes: pre-training, arithmetic of 8 or 4 bits, "
                         "software of pre-training"),
    "encoder": Coefficient(0.0, 0.2, "encoders"),
    "fused_kernels": Coefficient(np.log(1.2), 0.1,
                                 "norms, rotations and losses as fused kernels; Liger Kernel says "
                                 "20 % more tokens per second (arXiv:2410.10989)"),
    "several_gpus": Coefficient(-0.05, 0.1, "more than one accelerator"),
    "nodes": Coefficient(-0.05, 0.05, "per doubling of servers"),
    "attention": Coefficient(0.0, 0.5,
                             "log time of an operation of attention over one of the rest"),
    "latency": Coefficient(np.log(1.5e-3), 1.0, "log seconds per layer and pass"),
    "latency_frozen": Coefficient(0.3, 0.3, "with adapters, which add kernels to each layer"),
    "latency_quantized": Coefficient(0.7, 0.4, "with 4-bit weights"),
    "latency_several_gpus": Coefficient(0.2, 0.3, "with more than one accelerator, which add an "
                                                  "exchange to each layer"),
    "weights": Coefficient(np.log(250.0), 1.0,
                           "log tokens whose operations take as long as reading the weights"),
    "unpacking": Coefficient(np.log(1000.0), 1.0, "same for unpacking 4-bit weights"),
    "optimizer": Coefficient(np.log(1500.0), 1.0, "same for gradients and all weights' update"),
    "sharpness": Coefficient(np.log(2.0), 0.3,
                             "log (k - 1): how sharp the larger of compute and latency wins"),
    **{f"generation_{name}": Coefficient(
        0.0, OFFSET_SD if name.startswith("nvidia") else 2 * OFFSET_SD,
        f"accelerators of generation {name}") for name in GENERATIONS},
    **{f"software_{name}": Coefficient(0.0, OFFSET_SD, f"runs by {name}") for name in STACKS},
}  # fmt: skip
"""Coefficients by name; priors are judgement, wide enough to be moved by a few sources."""

NAMES = tuple(COEFFICIENTS)
FORMATS_APART = ("fp8", "tf32", "fp32", "nvfp4")
_GENERATION, _SOFTWARE = (
    slice(NAMES.index(f"{kind}_{names[0]}"), NAMES.index(f"{kind}_{names[-1]}") + 1)
    for kind, names in (("generation", GENERATIONS), ("software", STACKS))
)
PRIOR = np.array([c.prior for c in COEFFICIENTS.values()])
PRIOR_SD = np.array([c.prior_sd for c in COEFFICIENTS.values()])


class _Pass(NamedTuple):
    """What a pass takes, whatever its tokens; for many sets of coefficients as rows.

    `flop` of a token at `flop_per_s`, `latency` and `memory` in seconds, and `k`, how sharp the
    larger of compute and latency wins.
    """

    flop: Floats
    flop_per_s: Floats
    latency: Floats
    memory: Floats
    k: Floats

    def of(self, at: NDArray[np.intp]) -> _Pass:
        """Return that of some runs."""
        flop, flop_per_s, latency, memory = (each[..., at] for each in self[:-1])
        return _Pass(flop, flop_per_s, latency, memory, self.k)

    def seconds(self, tokens: Floats) -> tuple[Floats, Floats]:
        """Return seconds of computing so many tokens, and of the pass in all."""
        compute = tokens * self.flop / self.flop_per_s
        larger, smaller = np.maximum(compute, self.latency), np.minimum(compute, self.latency)
        whole = larger * (1.0 + (smaller / larger) ** self.k) ** (1.0 / self.k) + self.memory
        return compute, whole


def _pass(theta: Floats, work: Workload, number_format: NDArray[np.str_]) -> _Pass:
    """Return what of a pass does not hang on its tokens."""
    c = dict(zip(NAMES, np.moveaxis(theta, -1, 0)[..., None], strict=True))
    log_share = work.attained + _offsets(theta, work)
    for name, at in (
        *_raises_share(work).items(),
        ("tuned", work.tuned | np.isin(number_format, TUNED_FORMATS)),
        *((name, number_format == name) for name in FORMATS_APART),
    ):
        log_share = log_share + c[name] * at
    flop = work.flop_parameters + work.recomputed * work.forward_parameters
    attention = work.flop_attention + work.recomputed * work.forward_attention
    flop = flop + np.exp(c["attention"]) * attention
    latency = work.layers * np.exp(
        c["latency"]
        + c["latency_frozen"] * work.frozen
        + c["latency_quantized"] * work.quantized
        + c["latency_several_gpus"] * (work.gpus > 1)
    )
    token_s = 6.0 * work.parameters / (work.peak_16bit * TYPICAL_SHARE_OF_PEAK)
    updates = np.exp(c["optimizer"]) / np.minimum(work.gpus, 8.0)
    read = np.exp(c["weights"]) + np.exp(c["unpacking"]) * work.quantized
    # Of a mixture's experts a pass with few tokens reads some only; an update changes all.
    read = read * np.where(work.sparsity > 0, 0.1, 1.0)
    memory = token_s * (read + np.where(work.frozen, 0.0, updates))
    flop_per_s = peak(work, number_format) * np.exp(log_share)
    return _Pass(flop, flop_per_s, latency, memory, 1.0 + np.exp(c["sharpness"]))


def _raises_share(work: Workload) -> dict[str, np.ndarray | float]:
    """Return by how much a coefficient raises the log share, in whatever number format."""
    return {
        "share_of_peak": 1.0,
        "size": np.log(work.parameters / TYPICAL_PARAMETERS),
        "nodes": np.log2(work.nodes),
        "experts": work.sparsity,
        "encoder": work.encoder,
        "fused_kernels": work.fused_kernels,
        "several_gpus": work.gpus > 1,
    }


def slopes_of_share(of_share: Floats, work: Workload) -> dict[str, Floats]:
    """Return how the log of time moves with each coefficient of the log share, whatever the format.

    Parameters
    ----------
    of_share : array
        How it moves with `share_of_peak`.
    work : Workload
        What each step has to do.
    """
    of_software = ((name, work.software == at) for at, name in enumerate(STACKS))
    of_generation = ((name, work.generation == at) for at, name in enumerate(GENERATIONS))
    raised = {
        **_raises_share(work),
        **{f"generation_{name}": at for name, at in of_generation},
        **{f"software_{name}": at for name, at in of_software},
    }
    return {name: of_share * by for name, by in raised.items()}


def _offsets(values: Floats, work: Workload) -> Floats:
    """Return the sum of each run's offsets by generation and software; untold software has 0."""
    software = np.concatenate([values[..., _SOFTWARE], np.zeros_like(values[..., :1])], axis=-1)
    return np.asarray(values[..., _GENERATION][..., work.generation] + software[..., work.software])


def offset_variance(sd: Floats, work: Workload) -> Floats:
    """Return what is unknown of effects that few laboratories tell, as variance of the log share.

    Parameters
    ----------
    sd : array
        Standard deviations of the coefficients.
    work : Workload
        What each step has to do.
    """
    c = dict(zip(NAMES, sd**2, strict=True))
    found = _offsets(sd**2, work) + c["experts"] * work.sparsity**2
    for name in FORMATS_APART:
        found = found + c[name] * (work.format == name)
    return np.asarray(found)


@dataclass(frozen=True)
class Rate:
    """Logarithm of seconds per token of one accelerator: mean, variance by unknowns, and busy.

    `busy` is the share of the time in which the accelerator computes.
    """

    log_s: Floats
    variance: Floats
    busy: Floats


def rate(theta: Floats, work: Workload, shares: dict[str, float]) -> Rate:
    """Return seconds per token, with what a log does not say marginalised over what is common.

    Parameters
    ----------
    theta : array
        Coefficients in the order of `NAMES`, or several sets of them as rows.
    work : Workload
        What each step has to do.
    shares : dict
        `share_32bit_below_1b` and `share_8bit`: how common number formats are that no log names.

    Notes
    -----
    Tokens of a step: three-point Gauss-Hermite quadrature over their logarithm. Number format:
    mixture of two. Recomputation: half of it, and the variance of the two cases.
    """
    mean, variance, busy = _over_tokens(theta, work, work.format)
    wide = work.parameters < TYPICAL_PARAMETERS / 7.0
    for name, at, share in (
        ("fp32", work.format_unknown & wide, shares["share_32bit_below_1b"]),
        ("fp8", work.format_unknown & ~wide & work.has_8bit, shares["share_8bit"]),
    ):
        if not at.any():
            continue
        other, within, other_busy = _over_tokens(
            theta, work.rows(at), np.full(int(at.sum()), name, dtype="U5")
        )
        apart = other - mean[..., at]
        spread = (1 - share) * variance[..., at] + share * within
        variance[..., at] = spread + share * (1 - share) * apart**2
        mean[..., at] += share * apart
        busy[..., at] = (1 - share) * busy[..., at] + share * other_busy
    case = np.log1p(work.forward_parameters / work.flop_parameters) / 2.0
    return Rate(mean, variance + work.recomputed_unknown * (busy * case) ** 2, busy)


def _over_tokens(
    theta: Floats, work: Workload, number_format: NDArray[np.str_]
) -> tuple[Floats, Floats, Floats]:
    each = _pass(theta, work, number_format)
    compute, whole = each.seconds(work.tokens)
    mean, busy = np.log(whole / work.tokens), compute / whole
    variance = np.zeros_like(mean)
    vague = np.flatnonzero(work.tokens_log_sd > 0)
    if len(vague):
        some, usual, log_sd = each.of(vague), work.tokens[vague], work.tokens_log_sd[vague]
        points = [mean[..., vague]]
        for sign in (1.0, -1.0):
            tokens = usual * np.exp(sign * np.sqrt(3.0) * log_sd)
            points.append(np.log(some.seconds(tokens)[1] / tokens))
        middle = (4.0 * points[0] + points[1] + points[2]) / 6.0
        mean[..., vague] = middle
        weights = (2 / 3, 1 / 6, 1 / 6)
        apart = (w * (p - middle) ** 2 for w, p in zip(weights, points, strict=True))
        variance[..., vague] = sum(apart)
    return mean, variance, np.minimum(busy, 1.0)
