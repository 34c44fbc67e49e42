"""What a step of a fine-tuning has to do, as arrays, from a run or a row of the training rates.

Put here: a base model's dimensions, peaks of accelerators by number format, tokens of a step, and
what stays unknown about each. Keep out: how long it takes (`throughput.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import lru_cache

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from ft_emissions_pipeline import uncertainty
from ft_emissions_pipeline.reference import Reference, default, take
from ft_emissions_pipeline.reference.names import coded
from ft_emissions_pipeline.tables.words import BUILT_ON, SOFTWARE, AttentionKernel, Method, Software
from ft_emissions_pipeline.token_time import flops
from ft_emissions_pipeline.uncertainty import Floats

FLOP_PER_TFLOP = 1e12
GPUS_PER_NODE = 8.0
BERT_VOCABULARY = 30_522
"""Embeddings of an encoder are looked up, never multiplied, so their rows count no operations."""

PEAK_FACTOR = {"tf32": 0.5, "nvfp4": 4.0}
"""Peak in a number format over that in 16 bits, by the makers' data sheets; in 8 bits each card has
its own."""

ATTAINED_BY_A100 = 0.87
"""Share of its printed peak at which an A100 multiplies large matrices (`matmul_16bit_tflops`)."""

FORMAT_OF = {"fp32": "fp32", "float32": "fp32", "tf32": "tf32", "fp8": "fp8", "nvfp4": "nvfp4"}
"""Precision as logged -> number format of the arithmetic, where that is not one of 16 bits; weights
of 4 bits are unpacked to 16 before they are multiplied."""

GENERATIONS = ("nvidia_16bit", "nvidia_int8", "nvidia_fp8", "nvidia_fp4", "amd", "intel", "other")
"""Of accelerators: NVIDIA's by the narrowest format that its matrix units know (Volta; Turing and
Ampere; Ada and Hopper; Blackwell), other makers' by the maker."""

STACKS = (*(name for name in SOFTWARE if name not in BUILT_ON), Software.UNSLOTH)
"""Software with a pace of its own. What is built on the Trainer has the Trainer's, but for
Unsloth's kernels."""

TUNED_SOFTWARE = (Software.NEMO_MEGATRON, Software.TORCHTITAN, Software.MAXTEXT)
"""Software made for pre-training, in which a step's recipe is tuned."""


def stack_of(software: str) -> str:
    """Return which of `STACKS` a software has the pace of."""
    return software if software in STACKS else Software.HF_TRAINER


@dataclass(frozen=True)
class Workload:
    """Arrays of one length; `*_log_sd` and `*_unknown` tell what is marginalised over."""

    flop_parameters: Floats
    flop_attention: Floats
    forward_parameters: Floats
    forward_attention: Floats
    recomputed: Floats
    recomputed_unknown: Floats
    parameters: Floats
    layers: Floats
    length: Floats
    tokens: Floats
    tokens_log_sd: Floats
    fused_kernels: Floats
    gpus: Floats
    nodes: Floats
    peak_16bit: Floats
    peak_32bit: Floats
    peak_8bit: Floats
    attained: Floats
    format: np.ndarray
    format_unknown: np.ndarray
    has_8bit: np.ndarray
    frozen: np.ndarray
    quantized: np.ndarray
    sparsity: Floats
    encoder: np.ndarray
    pretraining: np.ndarray
    tuned: np.ndarray
    generation: np.ndarray
    software: np.ndarray

    def __len__(self) -> int:
        return len(self.parameters)

    def rows(self, at: np.ndarray | slice) -> Workload:
        """Return some rows."""
        return Workload(**{f.name: getattr(self, f.name)[at] for f in fields(self)})


def workload(frame: pd.DataFrame, reference: Reference) -> Workload:
    """Return what each run's steps have to do.

    Parameters
    ----------
    frame : DataFrame
        model_id, parameters, method, precision, gradient_checkpointing (share recomputed),
        sequence_length, micro_batch_size, gpu_id, gpu_count: each may be missing but parameters,
        gpu_id and gpu_count. Optional: active_parameters, architecture, node_count,
        tokens_per_micro_step, stage, lora_rank, software, fused_kernels, attention_kernel, and
        date, the day as of which rows are looked up.
    reference : Reference
        Reference tables.
    """
    days = frame.get("date")
    on = [] if days is None else [days]
    nothing = pd.Series(np.nan, frame.index)
    optional = {
        name: frame.get(name, nothing.rename(name))
        for name in ("active_parameters", "architecture", "node_count", "tokens_per_micro_step",
                     "stage", "lora_rank", "software", "fused_kernels", "attention_kernel")
    }  # fmt: skip
    model = _each([frame["model_id"], optional["architecture"], *on], _of_model, reference)
    gpu = _each([frame["gpu_id"], *on], _of_gpu, reference)
    method = frame["method"].astype("category")
    parameters = _floats(frame["parameters"])
    own = _floats(optional["active_parameters"])
    active = np.where(np.isnan(own), parameters * model["active_share"], own)
    layers, hidden = _dimensions(model, active, reference)
    multiplied = _multiplied(active, layers, hidden, model)
    length = _floats(frame["sequence_length"])
    typical_length = default(reference, "sequence_length", days).value
    known_length = np.where(np.isnan(length), typical_length, length)
    tokens, tokens_log_sd = _tokens_of_micro_step(frame, optional, known_length, reference)
    eager = (optional["attention_kernel"] == AttentionKernel.EAGER).fillna(False)
    skips_ahead = ~model["encoder"] & ~eager.to_numpy(dtype=bool)
    attention = flops.attention_forward(layers, hidden, known_length, skips_ahead)
    rank = np.nan_to_num(_floats(optional["lora_rank"]))
    frozen = method.isin((Method.LORA, Method.QLORA, Method.ADAPTER)).to_numpy()
    adapters = np.where(frozen, flops.lora_parameters(rank, layers, hidden), 0.0)
    recomputed = _floats(frame["gradient_checkpointing"])
    typical = default(reference, "checkpointing_share", days).value
    fused = _floats(optional["fused_kernels"])
    by_unsloth = (optional["software"] == Software.UNSLOTH).fillna(False).to_numpy(dtype=bool)
    gpus = np.maximum(_floats(frame["gpu_count"]), 1.0)
    nodes = _floats(optional["node_count"])
    return Workload(
        flop_parameters=flops.flop_per_token(method, multiplied, adapter_parameters=adapters),
        flop_attention=flops.flop_per_token(method, 0.0, attention=attention),
        forward_parameters=flops.FORWARD_PER_PARAMETER * multiplied,
        forward_attention=attention,
        recomputed=np.where(np.isnan(recomputed), typical, recomputed),
        recomputed_unknown=np.isnan(recomputed).astype(float),
        parameters=parameters,
        layers=layers,
        length=known_length,
        tokens=tokens,
        tokens_log_sd=tokens_log_sd,
        # No trainer but Unsloth fuses unless it is told to.
        fused_kernels=np.where(np.isnan(fused), by_unsloth, fused),
        gpus=gpus,
        nodes=np.maximum(np.where(np.isnan(nodes), gpus / GPUS_PER_NODE, nodes), 1.0),
        **gpu,
        **_each([frame["precision"]], _of_precision, reference),
        frozen=frozen,
        quantized=(method == Method.QLORA).to_numpy(),
        sparsity=np.log(np.maximum(parameters / active, 1.0)),
        encoder=model["encoder"],
        **_each([optional["stage"], optional["software"], frame["method"]], _of_recipe, reference),
    )


_Answer = Callable[[pd.DataFrame, Reference], Mapping[str, ArrayLike]]


def _each(
    columns: Sequence[pd.Series], answer: _Answer, reference: Reference
) -> dict[str, np.ndarray]:
    """Return arrays by what text and days say, worked out once per distinct combination of them."""
    codes, kinds = coded(columns)
    types = tuple((str(column.name), column.dtype) for column in columns)
    # All that is missing is one and the same, that kinds are known again.
    known = tuple(tuple(np.nan if pd.isna(value) else value for value in kind) for kind in kinds)
    found = _answers(answer, reference, types, known)
    return {name: values[codes] for name, values in found.items()}


@lru_cache(maxsize=64)
def _answers(
    answer: _Answer,
    reference: Reference,
    types: tuple[tuple[str, object], ...],
    kinds: tuple[tuple[object, ...], ...],
) -> dict[str, np.ndarray]:
    rows = pd.DataFrame(kinds, columns=[name for name, _ in types]).astype(dict(types))
    return {name: np.asarray(values) for name, values in answer(rows, reference).items()}


def _of_model(rows: pd.DataFrame, reference: Reference) -> dict[str, ArrayLike]:
    """Return what a base model's row says; a run's own architecture goes before it."""
    model = take(
        reference, "models", rows["model_id"],
        ["architecture", "parameters", "active_parameters", "layers", "hidden_size"],
        on=rows.get("date"),
    )  # fmt: skip
    own = rows["architecture"].astype("object")
    kind = own.where(own.notna(), model["architecture"].astype("object"))
    return {
        "active_share": (model["active_parameters"] / model["parameters"]).fillna(1.0),
        "layers": model["layers"].astype("float64"),
        "hidden_size": model["hidden_size"].astype("float64"),
        "encoder": kind == "dense_encoder",
    }


def _of_gpu(rows: pd.DataFrame, reference: Reference) -> dict[str, ArrayLike]:
    gpu = take(
        reference, "gpus", rows["gpu_id"],
        ["vendor", "peak_16bit_tflops", "peak_32bit_tflops", "peak_int8_tops", "peak_fp8_tflops",
         "peak_fp4_tflops", "matmul_16bit_tflops"],
        on=rows.get("date"),
    )  # fmt: skip
    # Of an accelerator that no row has, its kind stands in the id.
    kind = take(
        reference, "hardware_classes", rows["gpu_id"], ["peak_16bit_tflops"], on=rows.get("date")
    )
    narrow, wide = gpu["peak_16bit_tflops"], gpu["peak_32bit_tflops"]
    narrow = narrow.fillna(kind["peak_16bit_tflops"].where(wide.isna()))
    attained = (gpu["matmul_16bit_tflops"] / narrow).fillna(
        _generation(gpu).map(_attained_by_generation(reference))
    )
    return {
        "peak_16bit": narrow.fillna(wide).astype("float64") * FLOP_PER_TFLOP,
        "peak_32bit": wide.fillna(narrow / 8).astype("float64") * FLOP_PER_TFLOP,
        # A part without units of 8 bits computes in 16.
        "peak_8bit": gpu["peak_fp8_tflops"].fillna(narrow).astype("float64") * FLOP_PER_TFLOP,
        "attained": np.log(attained.astype("float64").fillna(ATTAINED_BY_A100) / ATTAINED_BY_A100),
        "has_8bit": gpu["peak_fp8_tflops"].notna(),
        "generation": pd.Index(GENERATIONS).get_indexer(_generation(gpu)),
    }


def _generation(gpu: pd.DataFrame) -> pd.Series:
    by_maker = {"AMD": "amd", "Intel": "intel"}
    found = gpu["vendor"].astype("object").map(by_maker).fillna("other")
    widest_first = {
        "16bit": "vendor",
        "int8": "peak_int8_tops",
        "fp8": "peak_fp8_tflops",
        "fp4": "peak_fp4_tflops",
    }
    for name, column in widest_first.items():
        knows = (gpu["vendor"] == "NVIDIA") & gpu[column].notna()
        found = found.where(~knows, f"nvidia_{name}")
    return found


@lru_cache(maxsize=16)
def _attained_by_generation(reference: Reference) -> pd.Series:
    """Return the median share of the printed peak that matrix products of a generation attain."""
    cards = reference.tables["gpus"]
    share = cards["matmul_16bit_tflops"] / cards["peak_16bit_tflops"]
    return share.groupby(_generation(cards)).median()


def _of_precision(rows: pd.DataFrame, _: Reference) -> dict[str, ArrayLike]:
    number_format = rows["precision"].map(FORMAT_OF).astype("object").fillna("16")
    return {"format": number_format.to_numpy("U5"), "format_unknown": rows["precision"].isna()}


def _of_recipe(rows: pd.DataFrame, _: Reference) -> dict[str, ArrayLike]:
    software = rows["software"].astype("object")
    stack = software.map(stack_of, na_action="ignore")
    pretraining = (rows["stage"] == "pretrain") | (rows["method"] == Method.CONTINUED_PRETRAINING)
    return {
        "pretraining": pretraining,
        "tuned": pretraining | software.isin(TUNED_SOFTWARE),
        # The code of software that is not told is -1.
        "software": pd.Index(STACKS).get_indexer(stack),
    }


def _floats(column: pd.Series) -> Floats:
    return np.asarray(column.to_numpy(dtype="float64", na_value=np.nan))


def _dimensions(
    model: Mapping[str, Floats], active: Floats, reference: Reference
) -> tuple[Floats, Floats]:
    """Return layers and width: the model's own, else those usual at its size."""
    found = []
    for column in ("layers", "hidden_size"):
        slope, offset = _growth(reference, column)
        own = model[column].copy()
        open_ = np.isnan(own)
        own[open_] = np.exp(offset + slope * np.log(active[open_]))
        found.append(own)
    return found[0], found[1]


@lru_cache(maxsize=16)
def _growth(reference: Reference, column: str) -> Floats:
    """Return slope and offset of a dimension's logarithm over the size's."""
    known = reference.tables["models"].dropna(subset=["layers", "hidden_size", "parameters"])
    known = known[known["architecture"] == "dense_decoder"]
    size, dimension = (np.log(known[name].to_numpy(float)) for name in ("parameters", column))
    return np.polyfit(size, dimension, 1)


def _multiplied(
    active: Floats, layers: Floats, hidden: Floats, model: Mapping[str, np.ndarray]
) -> Floats:
    """Return the parameters a token is multiplied by: an encoder only looks up its embeddings."""
    unknown = np.isnan(model["layers"])
    blocks = np.where(unknown, active - BERT_VOCABULARY * hidden, 12.0 * layers * hidden**2)
    return np.where(model["encoder"], np.clip(blocks, 0.1 * active, active), active)


def _tokens_of_micro_step(
    frame: pd.DataFrame, optional: Mapping[str, pd.Series], length: Floats, reference: Reference
) -> tuple[Floats, Floats]:
    """Return tokens of one device's forward pass, and how far they may be off.

    Told by the run, else sequence length x sequences; what of the two is unknown is taken as usual.
    """
    told = _floats(optional["tokens_per_micro_step"])
    batch = _floats(frame["micro_batch_size"])
    days = frame.get("date")
    usual = default(reference, "micro_batch_size", days)
    usual_length = default(reference, "sequence_length", days)
    product = length * np.where(np.isnan(batch), usual.value, batch)
    spread = np.hypot(
        np.where(np.isnan(batch), uncertainty.log_sd_of_interval(usual.p05, usual.p95), 0.0),
        np.where(
            frame["sequence_length"].isna(),
            uncertainty.log_sd_of_interval(usual_length.p05, usual_length.p95),
            0.0,
        ),
    )
    known = ~np.isnan(told) & (told > 0)
    return np.where(known, told, product), np.where(known, 0.0, spread)


def of_training_rates(reference: Reference) -> pd.DataFrame:
    """Return the rows of the training rates with the columns that `workload` reads."""
    rows = reference.tables["calibration"]
    share = {"true": 1.0, "false": 0.0, "selective": flops.SELECTIVE_RECOMPUTED}
    told = {name: rows[name].map(share) for name in ("gradient_checkpointing", "fused_kernels")}
    return rows.assign(**told)


def peak(work: Workload, number_format: np.ndarray) -> Floats:
    """Return an accelerator's peak in a number format, in FLOP/s."""
    factor = np.ones(len(work))
    for name, over in PEAK_FACTOR.items():
        usable = work.has_8bit if over > 1 else np.ones(len(work), dtype=bool)
        factor = np.where((number_format == name) & usable, over, factor)
    apart = {"fp8": work.peak_8bit, "fp32": work.peak_32bit}
    at = [number_format == name for name in apart]
    return np.select(at, list(apart.values()), factor * work.peak_16bit)
