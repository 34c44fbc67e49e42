"""Resolve a million names, ten thousand of them distinct; compare with a dictionary.

The baseline knows every name beforehand (`Series.map`); what the rest takes is reading names that
no table has as a whole. Target: at most 2 s for each kind, and 1 ms for the worst single name.
"""

from __future__ import annotations

import argparse
import itertools
from dataclasses import replace
from functools import partial

import numpy as np
import pandas as pd

from benchmarks.timing import best_of, table
from ft_emissions_pipeline.reference import Reference, gpu_names, load, model_names, resolve

DISTINCT = 10_000
_PARTS = {
    "gpus": (
        ("", "8x ", "NVIDIA ", "gpu:", "AMD Instinct "),
        ("A100", "H100", "RTX 4090", "MI300X", "V100", "L40S", "RTX A6000", "TPU v4",
         "Radeon RX 7900 XTX"),
        ("", "-SXM4-80GB", " PCIe", " Laptop GPU", ":4", " (UUID: GPU-1a2b)", " 40GB"),
    ),
    "models": (
        ("", "unsloth/", "TheBloke/", "/mnt/models/", "ft:"),
        ("Llama-3.1-8B", "Qwen2.5-7B", "gemma-2-9b", "Mixtral-8x7B-v0.1", "phi-2", "falcon-40b",
         "acme-9b"),
        ("", "-Instruct", "-bnb-4bit", "-GPTQ", "/checkpoint-500", ":latest", "-my-tune"),
    ),
    "instances": (
        ("", "ml.", "Standard_", "aws "),
        ("p4d.24xlarge", "g5.xlarge", "ND96isr_H100_v5", "a2-highgpu-8g", "p6-b300.48xlarge",
         "gpu_8x_h100_sxm5"),
        ("", ".1", "-x"),
    ),
}  # fmt: skip
WORST = (
    "H100 " * 2_000,
    "8x" * 5_000,
    "llama-" * 1_600,
    "🤖" * 1_000,
    "\x00\x1b[31m",
    "",
    "-" * 190,
)


def distinct_names(kind: str) -> list[str]:
    """Return distinct names: spellings of each kind, told apart by a running number."""
    heads, names, tails = _PARTS[kind]
    spelled = [head + name + tail for head in heads for name in names for tail in tails]
    return [
        spelled[n % len(spelled)] + (f" no{n}" if n >= len(spelled) else "")
        for n in range(DISTINCT)
    ]


def measure(reference: Reference, kind: str, rows: int) -> tuple[str, ...]:
    """Return a row: seconds, processor seconds, the baseline's, their ratio, the worst name."""
    known = distinct_names(kind)
    drawn = np.random.default_rng(1).integers(0, DISTINCT, rows)
    names = pd.Series(np.array(known, dtype="object")[drawn], dtype="str")
    answers = dict.fromkeys(known, "A100-SXM4-80GB")

    number = itertools.count()

    def fresh() -> None:
        # Another reference with the same rows, and empty memories: nothing is known before.
        for memory in (gpu_names.parse, model_names.reading):
            memory.cache_clear()
        resolve(replace(reference, version=f"{next(number)}"), kind, names)

    ours, floor = best_of(3, fresh), best_of(3, lambda: names.map(answers))
    singly = {
        name: resolve(reference, kind, pd.Series([name], dtype="str"))["id"].iloc[0]
        for name in known[:50]
    }
    found = resolve(reference, kind, names)["id"]
    pd.testing.assert_series_equal(
        found[names.isin(singly)], names[names.isin(singly)].map(singly), check_names=False
    )
    worst = max(
        best_of(5, partial(resolve, reference, kind, one)).wall_s
        for one in (pd.Series([name], dtype="str") for name in WORST)
    )
    return (
        f"{kind}, {rows:,} names", f"{ours.wall_s:.2f}", f"{ours.cpu_s:.2f}", f"{floor.wall_s:.2f}",
        f"{ours.wall_s / floor.wall_s:.0f}", f"{worst * 1000:.2f}",
    )  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    rows = parser.parse_args().rows
    reference = load()
    heading = ("resolve", "s", "cpu s", "dictionary s", "ratio", "worst name ms")
    table("names", [heading, *(measure(reference, kind, rows) for kind in _PARTS)])


if __name__ == "__main__":
    main()
