"""Read a million CodeCarbon rows and ten thousand trainer states; compare with only parsing them.

Each case runs in a process of its own, so that its peak of memory is its own. The floor is
`pandas.read_csv(engine="pyarrow")` of the same bytes, and `json.loads` of each state: neither knows
units, repairs, or what is wrong. Target: at most three times the floor, at most 1 GB for the rows.
"""

from __future__ import annotations

import argparse
import io
import json
import tempfile
from pathlib import Path

import pandas as pd

from benchmarks.timing import alone, table
from ft_emissions_pipeline.readers import Settings, files_in, read_file

NOW = Settings(now=pd.Timestamp("2026-10-10", tz="UTC"))
TRACKED = {
    "timestamp": "", "project_name": "support-bot", "run_id": "", "experiment_id": "",
    "duration": "", "emissions": "0.06", "emissions_rate": "0.00001", "cpu_power": "42.5",
    "gpu_power": "300.0", "ram_power": "10.0", "cpu_energy": "0.25", "gpu_energy": "",
    "ram_energy": "0.25", "energy_consumed": "", "water_consumed": "0.0", "country_name": "France",
    "country_iso_code": "FRA", "region": "ile-de-france", "cloud_provider": "", "cloud_region": "",
    "os": "Linux-5.15.0-1051-aws-x86_64-with-glibc2.31", "python_version": "3.11.9",
    "codecarbon_version": "3.2.1", "cpu_count": "64",
    "cpu_model": "Intel(R) Xeon(R) Platinum 8375C CPU @ 2.90GHz", "gpu_count": "4",
    "gpu_model": "4 x NVIDIA A100-SXM4-80GB", "longitude": "2.3387", "latitude": "48.8582",
    "ram_total_size": "503.5", "tracking_mode": "machine", "cpu_utilization_percent": "12.5",
    "gpu_utilization_percent": "80.1", "ram_utilization_percent": "10.5", "ram_used_gb": "50.2",
    "on_cloud": "N", "pue": "1.0", "wue": "0",
}  # fmt: skip


def write_rows(path: Path, rows: int) -> None:
    """Write an emissions.csv of different runs, in the shape of CodeCarbon 3.2."""
    with path.open("w", encoding="utf-8") as stream:
        stream.write(",".join(TRACKED) + "\n")
        for n in range(rows):
            row = {
                **TRACKED,
                "timestamp": f"2026-03-{1 + n % 28:02d}T12:{n % 60:02d}:{n * 7 % 60:02d}",
                "run_id": f"{n:08x}-aaaa-bbbb-cccc-1234567890ab",
                "duration": f"{3600 + n % 100}.{n % 1000:03d}",
                "gpu_energy": f"0.{500 + n % 400}",
                "energy_consumed": f"1.{n % 977:03d}",
            }
            stream.write(",".join(row.values()) + "\n")


def write_states(folder: Path, states: int) -> None:
    """Write trainer states of some 30 logged steps each."""
    for n in range(states):
        log = [
            {"loss": 2.0 / (step + 1), "grad_norm": 1.1, "learning_rate": 1e-5, "epoch": step / 30,
             "step": step}
            for step in range(30)
        ]  # fmt: skip
        end = {"epoch": 3.0, "step": 300, "total_flos": 2.5e15, "train_runtime": 1800.0 + n}
        state = {
            "epoch": 3.0, "global_step": 300, "max_steps": 300, "train_batch_size": 8,
            "num_input_tokens_seen": 48_000 + n, "total_flos": 2.5e15, "log_history": [*log, end],
        }  # fmt: skip
        run = folder / f"run-{n:05d}"
        run.mkdir()
        (run / "trainer_state.json").write_text(json.dumps(state, indent=2), encoding="utf-8")


def read_rows(path: Path) -> int:
    return len(read_file(path, path.name, NOW)[0].runs)


def parse_rows(path: Path) -> int:
    return len(pd.read_csv(io.BytesIO(path.read_bytes()), engine="pyarrow"))


def read_states(folder: Path) -> int:
    return sum(len(read_file(file, uri, NOW)[0].runs) for file, uri in files_in(folder))


def parse_states(folder: Path) -> int:
    return sum(bool(json.loads(path.read_bytes())) for path in folder.rglob("*.json"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--states", type=int, default=10_000)
    given = parser.parse_args()
    rows, states = given.rows, given.states
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_rows(folder / "emissions.csv", rows)
        (folder / "states").mkdir()
        write_states(folder / "states", states)
        cases = (
            ("CodeCarbon rows", folder / "emissions.csv", read_rows, parse_rows),
            ("trainer states", folder / "states", read_states, parse_states),
        )
        lines = [("", "s", "CPU s", "GB at most", "x parsing")]
        for what, path, reader, floor in cases:
            count, read, peak = alone(1, reader, path)
            parsed, least, floor_peak = alone(1, floor, path)
            assert count == parsed, f"{count} of {parsed} {what} were read"
            lines.append(
                (
                    f"{what} read, checked, typed",
                    f"{read.wall_s:.2f}",
                    f"{read.cpu_s:.2f}",
                    f"{peak / 1e3:.2f}",
                    f"{read.cpu_s / least.cpu_s:.1f}",
                )
            )
            parsing = (
                f"{least.wall_s:.2f}",
                f"{least.cpu_s:.2f}",
                f"{floor_peak / 1e3:.2f}",
                "1.0",
            )
            lines.append((f"{what} only parsed", *parsing))
        table(f"{rows:,} CodeCarbon rows, {states:,} trainer states", lines)


if __name__ == "__main__":
    main()
