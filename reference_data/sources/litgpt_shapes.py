"""Parameters of base models, counted from the layers and widths that LitGPT's `config.py` tells.

By hand: `python -m reference_data.sources.litgpt_shapes config.py COMMIT`. A row of `models.csv`
that nobody read takes this source where the count agrees with it within a percent; its value stays.
Others are named on standard error. Put here: what a transformer of a shape has. Keep out: models
whose shape LitGPT does not know.
"""

from __future__ import annotations

import runpy
import sys
from typing import Any

from reference_data.sources.tables import read, text, write

PAGE = "https://github.com/Lightning-AI/litgpt/blob/{}/litgpt/config.py"
AGREE = 0.01
# fmt: off
NAMES = {
    "codellama-7b": "CodeLlama-7b-hf", "codellama-13b": "CodeLlama-13b-hf",
    "codellama-34b": "CodeLlama-34b-hf", "falcon-7b": "falcon-7b", "llama-3.2-1b": "Llama-3.2-1B",
    "llama-3.2-3b": "Llama-3.2-3B", "phi-2": "phi-2", "phi-3.5-mini": "Phi-3.5-mini-instruct",
    "phi-4": "phi-4", "phi-4-mini": "Phi-4-mini-instruct", "olmo-1b": "OLMo-1B-hf",
    "olmo-7b": "OLMo-7B-hf", "tinyllama-1.1b": "tiny-llama-1.1b",
    "r1-distill-llama-8b": "R1-Distill-Llama-8B", "r1-distill-llama-70b": "R1-Distill-Llama-70B",
    **{f"pythia-{size}": f"pythia-{size}"
       for size in ("70m", "160m", "410m", "1b", "1.4b", "2.8b", "6.9b", "12b")},
    **{f"qwen2.5-{size}".lower(): f"Qwen2.5-{size}" for size in ("1.5B", "7B", "14B")},
    **{f"qwen2.5-coder-{size}".lower(): f"Qwen2.5-Coder-{size}" for size in ("7B", "14B", "32B")},
    **{f"smollm2-{size}".lower(): f"SmolLM2-{size}" for size in ("135M", "360M", "1.7B")},
}
"""Ids of models.csv and LitGPT's names."""
# fmt: on


def parameters(shape: Any, *, tied: bool) -> int:
    """Return the parameters of a shape; `tied`: input and output share their embeddings."""
    width, queries = shape.n_embd, shape.n_head * shape.head_size
    keys_and_values = 2 * shape.n_query_groups * shape.head_size
    attention = width * (queries + keys_and_values) + queries * width
    matrices = 2 if shape.mlp_class_name == "GptNeoxMLP" else 3
    feed_forward = matrices * width * shape.intermediate_size
    biases = queries + keys_and_values if shape.bias or shape.attn_bias else 0
    if shape.bias:
        biases += (matrices - 1) * shape.intermediate_size + 2 * width
    norms = width * (2 if shape.norm_class_name == "LayerNorm" else 1)
    embeddings = shape.padded_vocab_size * width * (1 if tied else 2)
    return embeddings + norms + shape.n_layer * (attention + feed_forward + biases + 2 * norms)


def main(path: str, commit: str) -> None:
    """Take what the file tells of rows that nobody read."""
    litgpt = runpy.run_path(path)
    shapes = {each["name"]: litgpt["Config"](**each) for each in litgpt["configs"]}
    rows = read("models")
    for row in rows:
        shape = shapes.get(NAMES.get(row["model_id"], ""))
        if shape is None or row["verification"] != "unverified":
            continue
        counts = {tied: parameters(shape, tied=tied) for tied in (True, False)}
        held = float(row["parameters"])
        tied = min(counts, key=lambda each: abs(counts[each] - held))
        if abs(counts[tied] / held - 1) > AGREE:
            sys.stderr.write(f"{row['model_id']}: {text(counts[tied])}, the row says {held:.4g}\n")
            continue
        row |= {
            "source": f"LitGPT config.py (commit {commit[:7]}): layers and widths, of which the "
                      f"parameters are counted",
            "source_url": PAGE.format(commit), "source_year": "2026", "licence": "Apache-2.0",
            "verification": "derived",
            "notes": "; ".join(filter(None, (
                f"its shape has {counts[tied]} parameters, embeddings "
                f"{'shared' if tied else 'of input and output'}",
                row["notes"],
            ))),
        }  # fmt: skip
    write("models", rows)


if __name__ == "__main__":
    main(*sys.argv[1:3])
