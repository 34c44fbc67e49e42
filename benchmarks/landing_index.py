"""Index a folder of 5,000 files as trainings leave them; and once more, nothing changed.

The floor is reading and hashing the same files, with no look at what they hold. Goals: the first
time under 10 s, unchanged under 1 s.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import tempfile
from pathlib import Path

import pandas as pd

from benchmarks.timing import best_of, table
from ft_emissions_pipeline.landing import index
from ft_emissions_pipeline.readers import Settings
from ft_emissions_pipeline.reference import load
from ft_emissions_pipeline.tables import LANDING_INDEX, empty

NOW = Settings(now=pd.Timestamp("2026-10-10", tz="UTC"))
FIRST_S, UNCHANGED_S = 10.0, 1.0
"""Goals."""


def write(folder: Path, files: int) -> None:
    """Write folders of runs: states, tokenizers, weights, code, images, and files nobody knows."""
    written = 0
    run = 0
    words = {f"word-{n}": n for n in range(500)}
    while written < files:
        run += 1
        home = folder / f"run-{run:04d}"
        (home / "checkpoint-100").mkdir(parents=True)
        rows = [
            {"loss": 1 + run / 1000 + 1 / step, "grad_norm": 0.5, "learning_rate": 1e-5,
             "step": 10 * step, "epoch": step / 20}
            for step in range(1, 11)
        ]  # fmt: skip
        state = {"epoch": 1.0, "global_step": 100, "max_steps": 200, "log_history": rows}
        end = {
            "train_runtime": 600.0 + run,
            "train_loss": 1.3,
            "total_flos": 1e15,
            "step": 200,
            "epoch": 2.0,
        }
        contents: dict[str, bytes] = {
            "trainer_state.json": json.dumps({**state, "epoch": 2.0, "global_step": 200,
                                              "log_history": [*rows, end]}).encode(),
            "checkpoint-100/trainer_state.json": json.dumps(state).encode(),
            "checkpoint-100/optimizer.pt": b"PK\x03\x04" + bytes(5000),
            "tokenizer.json":
                json.dumps({"added_tokens": [], "model": {"type": "BPE", "vocab": words}}).encode(),
            "tokenizer_config.json": b'{"model_max_length": 4096}',
            "vocab.json": json.dumps(words).encode(),
            "train.py": b"import torch\n",
            "model.safetensors": b"\x08\0\0\0\0\0\0\0{}" + bytes(20_000),
            "training_args.bin": b"PK\x03\x04" + bytes(5000),
            "loss.png": b"\x89PNG\r\n\x1a\n" + bytes(3000),
            "README.md": b"---\nlicense: mit\n---\n# A model\n",
            "notes.csv": b"a,b\n1,2\n",
        }  # fmt: skip
        for name, content in contents.items():
            (home / name).write_bytes(content)
        written += len(contents)


def hashed(folder: Path) -> int:
    """Hash every file, as the floor."""
    paths = [path for path in folder.rglob("*") if path.is_file()]
    return len({hashlib.sha256(path.read_bytes()).hexdigest() for path in paths})


def main() -> None:
    """Print what indexing takes, the first time and unchanged."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=5000)
    files = parser.parse_args().files
    reference = load()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write(folder, files)
        known = index.scan(folder, reference, NOW, empty(LANDING_INDEX))
        floor = best_of(1, lambda: hashed(folder))
        first = best_of(1, lambda: index.scan(folder, reference, NOW, empty(LANDING_INDEX)))
        again = best_of(3, lambda: index.scan(folder, reference, NOW, known))
    rows = [
        (case, f"{took.wall_s:.2f}", f"{took.cpu_s:.2f}", f"{took.cpu_s / floor.cpu_s:.1f}", goal)
        for case, took, goal in (
            ("reading and hashing alone", floor, ""),
            ("the first time", first, f"{FIRST_S:g} s"),
            ("unchanged", again, f"{UNCHANGED_S:g} s"),
        )
    ]
    title = f"Index of {known['source_uri'].nunique()} files"
    table(title, [("case", "s", "CPU s", "times the floor", "goal"), *rows])


if __name__ == "__main__":
    main()
