"""What a step of a fine-tuning has to do, as arrays, from a run or a row of the calibration.

Put here: a base model's dimensions, peaks of accelerators by number format, tokens of a step, and what
stays unknown about each. Keep out: how long it takes (`throughput.py`).
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
import pandas as pd

from ft_emissions_pipeline import reference as ref
from ft_emissions_pipeline import uncertainty
from ft_emissions_pipeline.token_time import flops
from ft_emissions_pipeline.token_time.flops import Floats

FLOP_PER_TFLOP = 1e12
GPUS_PER_NODE = 8.0
BERT_VOCABULARY = 30_522
"""Embeddings of an encoder are looked up, never multiplied, so their rows count no operations."""

EIGHT_BIT_SINCE = "2022-05"
"""Accelerators with matrix units of 8 bits came with Gaudi 2, Hopper and Ada in 2022."""

PEAK_FACTOR = {"tf32": 0.5, "fp8": 2.0, "nvfp4": 4.0}
"""Peak in a number format over that in 16 bits, by the makers' data sheets."""

FORMATS = ("16", "tf32", "fp32", "fp8", "nvfp4")
"""Number formats of the arithmetic; weights of 4 bits are unpacked to 16 before they are multiplied."""

FORMAT_OF = {
    "fp32": "fp32", "float32": "fp32", "tf32": "tf32", "fp8": "fp8", "nvfp4": "nvfp4",
}  # fmt: skip


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
    accumulation: Floats
    gpus: Floats
    nodes: Floats
    peak_16bit: Floats
    peak_32bit: Floats
    format: np.ndarray
    format_unknown: np.ndarray
    has_8bit: np.ndarray
    frozen: np.ndarray
    quantized: np.ndarray
    experts: np.ndarray
    encoder: np.ndarray
    other_vendor: np.ndarray
    pretraining: np.ndarray

    def __len__(self) -> int:
        return len(self.parameters)

    def rows(self, at: np.ndarray | slice) -> Workload:
        """Return some rows."""
        return Workload(**{f.name: getattr(self, f.name)[at] for f in fields(self)})


def workload(frame: pd.DataFrame, reference: ref.Reference) -> Workload:
    """Return what each run's steps have to do.

    Parameters
    ----------
    frame : DataFrame
        model_id, parameters, method, precision, gradient_checkpointing (share recomputed),
        sequence_length, micro_batch_size, gradient_accumulation, gpu_id, gpu_count: each may be
        missing but parameters, gpu_id and gpu_count. Optional: active_parameters, architecture,
        node_count, tokens_per_micro_step, stage, lora_rank, and date, the day as of which rows are
        looked up.
    reference : Reference
        Reference tables.
    """
    days = frame.get("date")
    model = ref.take(
        reference, "models", frame["model_id"],
        ["architecture", "parameters", "active_parameters", "layers", "hidden_size"], on=days,
    )  # fmt: skip
    gpu = ref.take(
        reference, "gpus", frame["gpu_id"],
        ["vendor", "release_date", "peak_16bit_tflops", "peak_32bit_tflops"], on=days,
    )  # fmt: skip
    optional = frame.reindex(
        columns=["active_parameters", "architecture", "node_count", "tokens_per_micro_step", "stage",
                 "lora_rank"]
    )  # fmt: skip
    parameters = frame["parameters"].astype("float64")
    share = (model["active_parameters"] / model["parameters"]).fillna(1.0)
    active = optional["active_parameters"].astype("float64").fillna(parameters * share)
    own_kind = optional["architecture"].astype("object")
    kind = own_kind.where(own_kind.notna(), model["architecture"].astype("object"))
    encoder = (kind == "dense_encoder").to_numpy()
    layers, hidden = _dimensions(model, active, reference)
    multiplied = _multiplied(active.to_numpy(), layers, hidden, encoder, model["layers"].notna())
    length = frame["sequence_length"].astype("float64")
    typical_length = ref.default(reference, "sequence_length", days)
    known_length = length.fillna(typical_length.value).to_numpy()
    tokens, tokens_log_sd = _tokens_of_micro_step(frame, optional, known_length, reference)
    method = frame["method"]
    attention = flops.attention_forward(layers, hidden, known_length)
    rank = optional["lora_rank"].astype("float64").fillna(0.0)
    frozen = method.isin(("lora", "qlora", "adapter")).to_numpy()
    adapters = np.where(frozen, flops.lora_parameters(rank, layers, hidden), 0.0)
    recomputed = frame["gradient_checkpointing"].astype("float64")
    typical = ref.default(reference, "checkpointing_share", days).value
    precision = frame["precision"].astype("object")
    named = precision.notna().to_numpy()
    number_format = precision.map(FORMAT_OF).astype("object")
    number_format = number_format.where(number_format.notna(), "16").to_numpy(dtype="U5")
    narrow, wide = gpu["peak_16bit_tflops"], gpu["peak_32bit_tflops"]
    gpus = np.maximum(frame["gpu_count"].to_numpy(dtype=float), 1.0)
    return Workload(
        flop_parameters=flops.flop_per_token(method, multiplied, adapter_parameters=adapters),
        flop_attention=flops.flop_per_token(method, 0.0, attention=attention),
        forward_parameters=flops.FORWARD_PER_PARAMETER * multiplied,
        forward_attention=attention,
        recomputed=recomputed.fillna(typical).to_numpy(),
        recomputed_unknown=recomputed.isna().to_numpy().astype(float),
        parameters=parameters.to_numpy(),
        layers=layers,
        length=known_length,
        tokens=tokens,
        tokens_log_sd=tokens_log_sd,
        accumulation=frame["gradient_accumulation"].astype("float64").fillna(4.0).to_numpy(),
        gpus=gpus,
        nodes=optional["node_count"]
        .astype("float64")
        .fillna(pd.Series(gpus / GPUS_PER_NODE, index=frame.index))
        .clip(lower=1.0)
        .to_numpy(),
        peak_16bit=narrow.fillna(wide).to_numpy(dtype=float) * FLOP_PER_TFLOP,
        peak_32bit=wide.fillna(narrow / 8).to_numpy(dtype=float) * FLOP_PER_TFLOP,
        format=number_format,
        format_unknown=~named,
        has_8bit=(gpu["release_date"].astype("str") >= EIGHT_BIT_SINCE).to_numpy(),
        frozen=frozen,
        quantized=(method == "qlora").to_numpy(dtype=bool),
        experts=(kind == "moe_decoder").to_numpy(),
        encoder=encoder,
        other_vendor=(gpu["vendor"] != "NVIDIA").to_numpy(),
        pretraining=(optional["stage"] == "pretrain").to_numpy(dtype=bool),
    )


def _dimensions(
    model: pd.DataFrame, active: pd.Series, reference: ref.Reference
) -> tuple[Floats, Floats]:
    """Return layers and width: the model's own, else those usual at its size."""
    known = reference.tables["models"].dropna(subset=["layers", "hidden_size", "parameters"])
    known = known[known["architecture"] == "dense_decoder"]
    size = np.log(known["parameters"].to_numpy(dtype=float))
    found = []
    for column in ("layers", "hidden_size"):
        slope, offset = np.polyfit(size, np.log(known[column].to_numpy(dtype=float)), 1)
        usual = np.exp(offset + slope * np.log(active.to_numpy(dtype=float)))
        own = model[column].to_numpy(dtype=float)
        found.append(np.where(np.isnan(own), usual, own))
    return found[0], found[1]


def _multiplied(
    active: Floats, layers: Floats, hidden: Floats, encoder: np.ndarray, known: pd.Series
) -> Floats:
    """Return the parameters that a token is multiplied by: an encoder only looks its embeddings up."""
    blocks = np.where(known, 12.0 * layers * hidden**2, active - BERT_VOCABULARY * hidden)
    return np.where(encoder, np.clip(blocks, 0.1 * active, active), active)


def _tokens_of_micro_step(
    frame: pd.DataFrame, optional: pd.DataFrame, length: Floats, reference: ref.Reference
) -> tuple[Floats, Floats]:
    """Return tokens of one device's forward pass, and how far they may be off.

    Told by the run, else sequence length x sequences; what of the two is unknown is taken as usual.
    """
    told = optional["tokens_per_micro_step"].astype("float64").to_numpy()
    batch = frame["micro_batch_size"].astype("float64").to_numpy()
    days = frame.get("date")
    usual = ref.default(reference, "micro_batch_size", days)
    usual_length = ref.default(reference, "sequence_length", days)
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


def of_calibration(reference: ref.Reference) -> pd.DataFrame:
    """Return the rows of the calibration with the columns that `workload` reads."""
    rows = reference.tables["calibration"]
    share = {"true": 1.0, "false": 0.0, "selective": flops.SELECTIVE_RECOMPUTED}
    return rows.assign(gradient_checkpointing=rows["gradient_checkpointing"].map(share))


def peak(work: Workload, number_format: np.ndarray) -> Floats:
    """Return an accelerator's peak in a number format, in FLOP/s."""
    factor = np.ones(len(work))
    for name, over in PEAK_FACTOR.items():
        # A part without units of 8 bits computes in 16.
        usable = work.has_8bit if over > 1 else np.ones(len(work), dtype=bool)
        factor = np.where((number_format == name) & usable, over, factor)
    return np.where(number_format == "fp32", work.peak_32bit, factor * work.peak_16bit)
