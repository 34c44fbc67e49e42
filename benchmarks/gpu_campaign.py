"""Measured fine-tunings of random models on synthetic tokens, as rows of a calibration table.

    python -m benchmarks.gpu_campaign --out measured.csv         # on a machine with an NVIDIA GPU
    python -m benchmarks.gpu_campaign --smallest --device cpu    # seconds, without energy
    python -m benchmarks.gpu_campaign --analyse measured.csv

Weights and texts do not change what a step costs, so nothing is downloaded. torch and transformers
(dependency group `trainer`) are imported only where a case is run. Energy is the difference of the
GPU's own counter (NVML), of the whole card, so nothing else may run on it.
"""

from __future__ import annotations

import argparse
import csv
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from ft_emissions_pipeline import reference
from ft_emissions_pipeline.analysis import study
from ft_emissions_pipeline.equations import JOULES_PER_KWH
from ft_emissions_pipeline.reference.declaration import TABLES
from ft_emissions_pipeline.reference.names import resolve

CONDITIONS = (
    "padding", "seed", "steps", "tokens_unpadded", "trained_parameters", "gpu_utilization",
    "peak_memory_gb", "device",
    "gpu_name", "driver_version", "torch_version", "transformers_version",
)  # fmt: skip
COLUMNS = (*(field.name for field in TABLES["calibration"].columns), *CONDITIONS)
"""Columns of `reference_data/calibration.csv`, then the conditions of the measurement."""

LENGTHS = (128, 512, 2048)
BATCH_SIZES = (1, 8, 32)
PADDINGS = ("fixed", "longest")
SECONDS = (15.0, 30.0, 60.0)
"""Shortest times of a case; several at one shape show whether energy is linear in tokens."""
WARM_UP_STEPS = 3
LORA_RANK = 16
SAMPLE_S = 0.2
MILLIJOULES_PER_KWH = 3.6e9
LEAST_LINES = 3
"""Measurements at one shape from which on a line through them says anything."""

BYTES_PER_PARAMETER = {"full": 16.0, "lora": 2.0}
"""Full: weights, gradients and Adam's two moments in fp32; LoRA: frozen weights in bf16."""
ROOM = 0.6
"""Share of the memory that these may take; activations need the rest."""


@dataclass(frozen=True)
class Shape:
    """Dimensions of a transformer; feed-forward and KV heads as in its public configuration."""

    model_id: str
    kind: str
    layers: int
    width: int
    heads: int
    feed_forward: int
    vocabulary: int
    positions: int
    key_value_heads: int = 0
    tied: bool = True

    @property
    def parameters(self) -> int:
        """Parameters, embeddings and BERT's pooler included, without a task's head."""
        w, f, blocks = self.width, self.feed_forward, self.layers
        if self.kind == "llama":
            narrow = w // self.heads * self.key_value_heads
            block = 2 * w * w + 2 * w * narrow + 3 * w * f + 2 * w
            return self.vocabulary * w * (1 if self.tied else 2) + blocks * block + w
        block = 4 * (w * w + w) + 2 * w * f + f + w + 4 * w
        embedded = (self.vocabulary + self.positions) * w
        types_and_pooler = {"bert": 2 * w, "roberta": w}.get(self.kind)
        rest = 0 if types_and_pooler is None else types_and_pooler + w * w + w
        return embedded + 2 * w + blocks * block + rest


class _Rest(NamedTuple):
    kind: str
    vocabulary: int
    positions: int
    feed_forward: int
    key_value_heads: int = 0
    tied: bool = True


# What the table of base models does not hold, from the models' public configurations.
_REST = {
    "distilbert-base": _Rest("distilbert", 30522, 512, 3072),
    "bert-base": _Rest("bert", 30522, 512, 3072),
    "roberta-large": _Rest("roberta", 50265, 514, 4096),
    "gpt2": _Rest("gpt2", 50257, 1024, 3072),
    "gpt2-medium": _Rest("gpt2", 50257, 1024, 4096),
    "gpt2-large": _Rest("gpt2", 50257, 1024, 5120),
    "gpt2-xl": _Rest("gpt2", 50257, 1024, 6400),
    "llama-3.2-1b": _Rest("llama", 128256, 131072, 8192, 8),
    "llama-3.2-3b": _Rest("llama", 128256, 131072, 8192, 8),
    "llama-3.1-8b": _Rest("llama", 128256, 131072, 14336, 8, tied=False),
}


def shapes(factors: reference.Reference) -> dict[str, Shape]:
    """Return shapes by model: layers, width, heads of the base-model table, the rest from above."""
    table = factors.tables["models"].drop_duplicates("model_id").set_index("model_id")
    return {
        name: Shape(
            name, rest.kind, int(row["layers"]), int(row["hidden_size"]), int(row["heads"]),
            rest.feed_forward, rest.vocabulary, rest.positions, rest.key_value_heads, rest.tied,
        )
        for name, rest in _REST.items()
        for row in [table.loc[name]]
    }  # fmt: skip


@dataclass(frozen=True)
class Case:
    """One fine-tuning: it takes at least `steps` steps and `seconds`, the warm-up not counted."""

    model_id: str
    method: str
    precision: str
    sequence_length: int
    batch_size: int
    padding: str
    seconds: float
    steps: int = 20
    seed: int = 0


SMALLEST = Case("distilbert-base", "full", "fp32", 32, 2, "longest", 0.0, steps=2)


def plan(known: dict[str, Shape], memory_gb: float) -> list[Case]:
    """Return the cases that fit a GPU, the small models first.

    Times above the shortest are taken once per model, method and length, at the middle batch size
    without the scatter of padding: they are for the line through tokens and energy.
    """
    cases = []
    for shape, method, length, size, padding, seconds in product(
        sorted(known.values(), key=lambda s: s.parameters), BYTES_PER_PARAMETER, LENGTHS,
        BATCH_SIZES, PADDINGS, SECONDS,
    ):  # fmt: skip
        fits = shape.parameters * BYTES_PER_PARAMETER[method] <= ROOM * memory_gb * 1e9
        once = seconds == SECONDS[0] or (size == BATCH_SIZES[1] and padding == "fixed")
        if fits and once and length <= shape.positions:
            cases.append(Case(shape.model_id, method, "bf16", length, size, padding, seconds))
    return cases


class Batch(NamedTuple):
    """Lengths of a batch's examples, and the width to which they are padded."""

    lengths: np.ndarray
    width: int


def batches(case: Case) -> Iterator[Batch]:
    """Yield batches without end: lengths evenly spread from an eighth of the limit to the limit."""
    draw = np.random.default_rng(case.seed)
    while True:
        lengths = draw.integers(
            max(1, case.sequence_length // 8), case.sequence_length + 1, case.batch_size
        )
        yield Batch(
            lengths, case.sequence_length if case.padding == "fixed" else int(lengths.max())
        )


@dataclass(frozen=True)
class Measured:
    """What was counted while a case ran; energy and utilisation are nan without NVML."""

    steps: int
    tokens: int
    tokens_unpadded: int
    wall_time_s: float
    trained_parameters: int
    gpu_energy_kwh: float = float("nan")
    gpu_utilization: float = float("nan")
    peak_memory_gb: float = float("nan")


def row(
    case: Case, shape: Shape, done: Measured, machine: dict[str, str], factors: reference.Reference
) -> dict[str, Any]:
    """Return a case and its measurement as a row of `COLUMNS`; what is not known is empty."""
    name = machine.get("gpu_name", "")
    gpu_id = resolve(factors, "gpus", pd.Series([name], dtype="str"))["id"].iloc[0] if name else ""
    table = factors.tables["models"].drop_duplicates("model_id").set_index("model_id")
    now = datetime.now(UTC)
    power = done.gpu_energy_kwh * JOULES_PER_KWH / done.wall_time_s
    values: dict[str, Any] = {
        "row_id": f"campaign-{now:%Y%m%d%H%M%S%f}",
        "source_key": "gpu-campaign",
        "laboratory": "ft_emissions_pipeline",
        "software": "plain_loop",
        "stage": "finetune",
        "base_model": table.at[case.model_id, "name"],
        "model_id": case.model_id,
        "architecture": table.at[case.model_id, "architecture"],
        "parameters": shape.parameters,
        "active_parameters": shape.parameters,
        "method": case.method,
        "precision": case.precision,
        "gradient_checkpointing": "false",
        "sequence_length": case.sequence_length,
        "micro_batch_size": case.batch_size,
        "gradient_accumulation": 1,
        "global_batch_size": case.batch_size,
        "gpu_id": gpu_id if isinstance(gpu_id, str) else "",
        "gpu_count": 1 if name else "",
        "node_count": 1,
        "tokens_per_s_per_gpu": done.tokens / done.wall_time_s if name else "",
        "wall_time_s": done.wall_time_s,
        "tokens": done.tokens,
        "tokens_assumed": "false",
        "samples": done.steps * case.batch_size,
        "mean_gpu_power_w": power,
        "gpu_energy_kwh": done.gpu_energy_kwh,
        "source": "ft_emissions_pipeline, benchmarks/gpu_campaign.py",
        "source_year": now.year,
        "licence": "CC BY 4.0 (this project)",
        "verification": "derived",
        "notes": "randomly initialised weights, synthetic tokens; "
        "warm-up left out of time and energy",
        "padding": case.padding,
        "seed": case.seed,
        "steps": done.steps,
        "tokens_unpadded": done.tokens_unpadded,
        "trained_parameters": done.trained_parameters,
        "gpu_utilization": done.gpu_utilization,
        "peak_memory_gb": done.peak_memory_gb,
        **machine,
    }
    return {name: "" if values.get(name) != values.get(name) else values.get(name, "")
            for name in COLUMNS}  # fmt: skip


def measure(case: Case, shape: Shape, device: str) -> Measured:
    """Run a case and count what it took."""
    import torch

    torch.manual_seed(case.seed)
    model = _model(case, shape).to(device)
    trained = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=1e-5)
    arithmetic = (
        torch.autocast(device, torch.bfloat16) if case.precision == "bf16" else nullcontext()
    )

    def step(batch: Batch) -> None:
        ids = torch.randint(5, shape.vocabulary, (len(batch.lengths), batch.width))
        mask = torch.arange(batch.width)[None, :] < torch.as_tensor(batch.lengths)[:, None]
        if shape.kind in ("gpt2", "llama"):
            labels = ids.masked_fill(~mask, -100)
        else:
            labels = torch.zeros(len(ids), dtype=torch.long)
        inputs = {"input_ids": ids, "attention_mask": mask.long(), "labels": labels}
        with arithmetic:
            loss = model(**{name: tensor.to(device) for name, tensor in inputs.items()}).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()

    def finished() -> float:
        if device == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter()

    drawn = batches(case)
    for _ in range(WARM_UP_STEPS if device == "cuda" else 1):
        step(next(drawn))
    steps = padded = unpadded = 0
    with _watched(device) as watch:
        started = now = finished()
        while steps < case.steps or now - started < case.seconds:
            batch = next(drawn)
            step(batch)
            steps += 1
            padded += len(batch.lengths) * batch.width
            unpadded += int(batch.lengths.sum())
            now = finished()
    memory = torch.cuda.max_memory_allocated() / 1e9 if device == "cuda" else float("nan")
    return Measured(
        steps, padded, unpadded, now - started, sum(p.numel() for p in trained),
        watch.get("energy_kwh", float("nan")), watch.get("utilization", float("nan")), memory,
    )  # fmt: skip


def _model(case: Case, shape: Shape) -> Any:
    import torch
    import transformers as hf

    w, f = shape.width, shape.feed_forward
    common = {
        "vocab_size": shape.vocabulary, "hidden_size": w, "num_hidden_layers": shape.layers,
        "num_attention_heads": shape.heads, "intermediate_size": f,
        "max_position_embeddings": shape.positions,
    }  # fmt: skip
    configurations = {
        "bert": lambda: hf.BertConfig(**common),
        "roberta": lambda: hf.RobertaConfig(**common, type_vocab_size=1),
        "distilbert": lambda: hf.DistilBertConfig(
            vocab_size=shape.vocabulary, dim=w, n_layers=shape.layers, n_heads=shape.heads,
            hidden_dim=f,
            max_position_embeddings=shape.positions,
        ),
        "gpt2": lambda: hf.GPT2Config(
            vocab_size=shape.vocabulary, n_embd=w, n_layer=shape.layers, n_head=shape.heads,
            n_inner=f,
            n_positions=shape.positions,
        ),
        "llama": lambda: hf.LlamaConfig(
            **common, num_key_value_heads=shape.key_value_heads, head_dim=w // shape.heads,
            tie_word_embeddings=shape.tied,
        ),
    }  # fmt: skip
    configuration = configurations[shape.kind]()
    decoder = shape.kind in ("gpt2", "llama")
    of = hf.AutoModelForCausalLM if decoder else hf.AutoModelForSequenceClassification
    model = of.from_config(configuration)
    if case.method == "lora":
        model.to(torch.bfloat16 if case.precision == "bf16" else torch.float32)
        _add_lora(model)
    model.train()
    return model


def _add_lora(model: Any) -> None:
    """Freeze a model, and put a low-rank adapter on each projection to queries and values."""
    import torch
    from torch import nn

    class Adapted(nn.Module):
        def __init__(self, base: Any) -> None:
            super().__init__()
            self.base = base
            # GPT-2 keeps its weights transposed.
            narrow, wide = getattr(base, "in_features", None), getattr(base, "out_features", None)
            if narrow is None:
                narrow, wide = base.weight.shape
            self.down = nn.Linear(narrow, LORA_RANK, bias=False)
            self.up = nn.Linear(LORA_RANK, wide, bias=False)
            nn.init.zeros_(self.up.weight)

        def forward(self, x: Any) -> Any:
            frozen = self.base(x)
            return frozen + self.up(self.down(x.to(torch.float32))).to(frozen.dtype)

    for parameter in model.parameters():
        parameter.requires_grad = False
    adapted = ("query", "value", "q_lin", "v_lin", "c_attn", "q_proj", "v_proj")
    for parent in list(model.modules()):
        for name, child in list(parent.named_children()):
            if name in adapted:
                setattr(parent, name, Adapted(child))


@contextmanager
def _watched(device: str) -> Iterator[dict[str, float]]:
    """Read the GPU's energy counter before and after, and its utilisation meanwhile."""
    found: dict[str, float] = {}
    if device != "cuda":
        yield found
        return
    import pynvml
    import torch

    handle = _nvml_handle()
    over, samples = threading.Event(), []

    def sample() -> None:
        while not over.wait(SAMPLE_S):
            samples.append(pynvml.nvmlDeviceGetUtilizationRates(handle).gpu / 100)

    torch.cuda.reset_peak_memory_stats()
    torch.cuda.synchronize()
    sampler = threading.Thread(target=sample, daemon=True)
    sampler.start()
    before = pynvml.nvmlDeviceGetTotalEnergyConsumption(handle)
    try:
        yield found
        after = pynvml.nvmlDeviceGetTotalEnergyConsumption(handle)
    finally:
        over.set()
        sampler.join()
    found["energy_kwh"] = (after - before) / MILLIJOULES_PER_KWH
    if samples:
        found["utilization"] = float(np.mean(samples))


def _nvml_handle() -> Any:
    """Return the card that torch computes on, whatever CUDA_VISIBLE_DEVICES renumbers."""
    import pynvml
    import torch

    pynvml.nvmlInit()
    return pynvml.nvmlDeviceGetHandleByUUID(f"GPU-{torch.cuda.get_device_properties(0).uuid}")


def machine(device: str) -> dict[str, str]:
    """Return the conditions that all cases share."""
    import torch
    import transformers

    found = {
        "device": device,
        "torch_version": torch.__version__,
        "transformers_version": transformers.__version__,
    }
    if device != "cuda":
        return found
    import pynvml

    handle = _nvml_handle()
    return {
        **found,
        "gpu_name": pynvml.nvmlDeviceGetName(handle),
        "driver_version": pynvml.nvmlSystemGetDriverVersion(),
        "power_limit_w": f"{pynvml.nvmlDeviceGetPowerManagementLimit(handle) / 1e3:g}",
    }


_SHAPE = ["gpu_id", "model_id", "method", "precision", "sequence_length", "micro_batch_size",
          "padding"]  # fmt: skip


def linearity(measured: pd.DataFrame) -> pd.DataFrame:
    """Tell how straight energy runs over padded tokens, at one shape and one length.

    Parameters
    ----------
    measured : DataFrame
        Rows of `COLUMNS`.

    Returns
    -------
    DataFrame
        One row per GPU, model, method, precision, length, batch size and padding with at least
        `LEAST_LINES` measurements: their number, `joule_per_token` and `joule_at_zero` of the
        least-squares line, its `r2`, and `furthest`, the largest distance from it as a share of the
        energy there.
    """
    known = measured[(measured["gpu_energy_kwh"] > 0) & (measured["tokens"] > 0)]
    rows = []
    for key, group in known.groupby(_SHAPE):
        if len(group) < LEAST_LINES or group["tokens"].nunique() < LEAST_LINES:
            continue
        tokens, joule = (
            group["tokens"].to_numpy(float),
            group["gpu_energy_kwh"].to_numpy() * JOULES_PER_KWH,
        )
        slope, start = np.polyfit(tokens, joule, 1)
        furthest = np.max(np.abs(joule - start - slope * tokens) / joule)
        r2 = np.corrcoef(tokens, joule)[0, 1] ** 2
        rows.append((*key, len(group), slope, start, r2, furthest))
    told = ["measurements", "joule_per_token", "joule_at_zero", "r2", "furthest"]
    return pd.DataFrame(rows, columns=[*_SHAPE, *told])


def savings(measured: pd.DataFrame) -> pd.DataFrame:
    """Tell what distilled models took over their teachers per padded token, all else the same.

    Parameters
    ----------
    measured : DataFrame
        Rows of `COLUMNS`.

    Returns
    -------
    DataFrame
        student, teacher, conditions compared, and the median, lowest and highest `energy_ratio`.
    """
    by = [name for name in _SHAPE if name != "model_id"]
    known = measured[(measured["gpu_energy_kwh"] > 0) & (measured["tokens"] > 0)]
    sums = known.groupby(["model_id", *by])[["gpu_energy_kwh", "tokens"]].sum()
    each = (sums["gpu_energy_kwh"] / sums["tokens"]).reset_index(name="energy")
    rows = []
    for student, teacher, _ in study.distillations(reference.load().tables["models"]):
        pairs = each[each["model_id"] == student].merge(
            each[each["model_id"] == teacher], on=by, suffixes=("", "_teacher")
        )
        ratio = pairs["energy"] / pairs["energy_teacher"]
        if len(ratio):
            rows.append((student, teacher, len(ratio), ratio.median(), ratio.min(), ratio.max()))
    return pd.DataFrame(
        rows, columns=["student", "teacher", "conditions", "energy_ratio", "lowest", "highest"]
    )


def run(cases: Sequence[Case], out: Path, device: str) -> None:
    """Run cases and add a row for each to a CSV; name and leave out those that exceed memory."""
    import torch

    factors = reference.load()
    known, conditions = shapes(factors), machine(device)
    fresh = not out.exists()
    with out.open("a", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        if fresh:
            writer.writeheader()
        for number, case in enumerate(cases, start=1):
            print(f"{number}/{len(cases)} {case}", file=sys.stderr)
            try:
                done = measure(case, known[case.model_id], device)
            except torch.cuda.OutOfMemoryError:
                print("  does not fit in memory: left out", file=sys.stderr)
                continue
            finally:
                if device == "cuda":
                    torch.cuda.empty_cache()
            writer.writerow(row(case, known[case.model_id], done, conditions, factors))
            file.flush()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=Path("measured.csv"))
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument(
        "--smallest", action="store_true", help="one small case instead of the plan"
    )
    parser.add_argument("--models", nargs="*", help="only these models of the plan")
    parser.add_argument("--analyse", type=Path, help="read such a CSV instead of measuring")
    options = parser.parse_args()
    if options.analyse:
        measured = pd.read_csv(options.analyse)
        print(linearity(measured).to_string(index=False))
        print(savings(measured).to_string(index=False))
        return
    if options.smallest:
        run([SMALLEST], options.out, options.device)
        return
    if options.device == "cpu":
        parser.error("the plan needs a GPU; --smallest runs on a CPU")
    import torch

    memory_gb = torch.cuda.get_device_properties(0).total_memory / 1e9
    cases = plan(shapes(reference.load()), memory_gb)
    chosen = [case for case in cases if not options.models or case.model_id in options.models]
    run(chosen, options.out, options.device)


if __name__ == "__main__":
    main()
