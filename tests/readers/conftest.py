"""Fixtures of the readers' tests: files written from text, and what must hold of every reading."""

import importlib.util
import json
from pathlib import Path

import pandas as pd
import pytest
from good_logs import (
    BEDROCK_JOB,
    BOAMPS_REPORT,
    DCGM_JSON,
    DCGM_TEXT,
    DISCLOSURE_MD,
    ECO2AI_CSV,
    LLAMA_FACTORY_LOG,
    METER_CSV,
    METRIC_STATISTICS,
    METRIC_STREAM,
    MLFLOW_CSV,
    MODEL_CARD,
    NVIDIA_SMI_CSV,
    NVIDIA_SMI_DMON,
    OPENAI_USAGE,
    RUNS_YAML,
    SACCT,
    SNOWFLAKE_CSV,
    SPEND_LOGS,
    TRAINER_STATE,
    USAGE_CSV,
    VLLM_METRICS,
    VLLM_RANGE,
    WANDB_ROWS,
)

from ft_emissions_pipeline.readers import REASONS, REPAIRS, Settings, read_bytes, read_file
from ft_emissions_pipeline.tables import RUN_FIELDS

collect_ignore = (
    []
    if all(map(importlib.util.find_spec, ("torch", "transformers", "accelerate")))
    else ["formats/test_hugging_face_live.py"]
)

NOW = pd.Timestamp("2026-10-10", tz="UTC")

CURRENT = [
    "timestamp",
    "project_name",
    "run_id",
    "experiment_id",
    "duration",
    "emissions",
    "emissions_rate",
    "cpu_power",
    "gpu_power",
    "ram_power",
    "cpu_energy",
    "gpu_energy",
    "ram_energy",
    "energy_consumed",
    "water_consumed",
    "country_name",
    "country_iso_code",
    "region",
    "cloud_provider",
    "cloud_region",
    "os",
    "python_version",
    "codecarbon_version",
    "cpu_count",
    "cpu_model",
    "gpu_count",
    "gpu_model",
    "longitude",
    "latitude",
    "ram_total_size",
    "tracking_mode",
    "cpu_utilization_percent",
    "gpu_utilization_percent",
    "ram_utilization_percent",
    "ram_used_gb",
    "on_cloud",
    "pue",
    "wue",
]
_WITHOUT = {
    38: set(),
    34: {
        "cpu_utilization_percent",
        "gpu_utilization_percent",
        "ram_utilization_percent",
        "ram_used_gb",
    },
}
_WITHOUT[32] = _WITHOUT[34] | {"water_consumed", "wue"}
_WITHOUT[31] = _WITHOUT[32] | {"experiment_id"}
_WITHOUT["30 with version"] = _WITHOUT[31] | {"pue"}
_WITHOUT["30 with experiment"] = (_WITHOUT[32] | {"pue", "codecarbon_version"}) - {"experiment_id"}
_WITHOUT[29] = _WITHOUT[31] | {"pue", "codecarbon_version"}
HEADERS = {
    width: [name for name in CURRENT if name not in gone] for width, gone in _WITHOUT.items()
}
HEADERS[12] = [
    "timestamp",
    "experiment_id",
    "project_name",
    "duration",
    "emissions",
    "energy_consumed",
    "country_name",
    "country_iso_code",
    "region",
    "on_cloud",
    "cloud_provider",
    "cloud_region",
]

TYPICAL = {
    "timestamp": "2026-03-01T12:00:00",
    "project_name": "support-bot",
    "run_id": "run-a",
    "experiment_id": "run-a",
    "duration": "3600",
    "emissions": "0.06",
    "cpu_energy": "0.25",
    "gpu_energy": "0.5",
    "ram_energy": "0.25",
    "energy_consumed": "1.0",
    "country_name": "France",
    "country_iso_code": "FRA",
    "on_cloud": "N",
    "gpu_count": "4",
    "gpu_model": "4 x NVIDIA A100-SXM4-80GB",
    "pue": "1.0",
    "wue": "0",
}


@pytest.fixture(scope="session")
def emissions_csv():
    """Text of an emissions.csv: one row per mapping, each over a typical one."""

    def write(*rows, width=38, extra=()):
        header = [*extra, *HEADERS[width]]
        lines = [",".join(header)]
        lines += [
            ",".join(str({**TYPICAL, **row}.get(name, "")) for name in header) for row in rows
        ]
        return "\n".join(lines) + "\n"

    return write


@pytest.fixture(scope="session")
def conserved():
    """Check what holds of every reading, and return it."""

    def check(reading):
        frames = (
            reading.runs,
            reading.usage,
            reading.telemetry,
            reading.events,
            reading.cloud_reports,
            reading.quarantine,
        )
        assert reading.merged >= 0
        lengths = len(reading.lengths) > 0  # one record, however many examples there are
        assert reading.records == reading.merged + sum(map(len, frames)) + lengths
        assert set(reading.quarantine["reason_code"]) <= set(REASONS)
        for frame in frames[:3]:
            words = " ".join(frame["repairs"].dropna()).split()
            assert {word.partition(":")[0] for word in words} <= set(REPAIRS)
        assert reading.quarantine["reason"].notna().all()
        assert set(reading.runs) <= {*RUN_FIELDS, "repairs", "mark", "source_record"}
        assert reading.runs["run_id"].notna().all()
        assert reading.quarantine["raw"].fillna("").str.len().le(500).all()
        return reading

    return check


@pytest.fixture
def read(tmp_path, conserved):
    """Write content to a file of the landing folder and read it."""

    def write_and_read(uri, content, timezone="UTC"):
        path = tmp_path / uri
        path.parent.mkdir(parents=True, exist_ok=True)
        if not isinstance(content, (str, bytes)):
            content = json.dumps(content)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        reading, _, _ = read_file(path, uri, Settings(timezone=timezone, now=NOW))
        return conserved(reading)

    return write_and_read


@pytest.fixture
def one_run(read):
    """Read a file that holds exactly one run, as a Series."""

    def read_one(uri, content, **settings):
        reading = read(uri, content, **settings)
        assert reading.quarantine.empty, reading.quarantine.to_dict("records")
        assert len(reading.runs) == 1
        return reading.runs.iloc[0]

    return read_one


@pytest.fixture
def refusal(read):
    """Read a file of which one record is refused, as (reason code, reason)."""

    def read_refused(uri, content, **settings):
        reading = read(uri, content, **settings)
        assert len(reading.quarantine) == 1, reading.quarantine.to_dict("records")
        return tuple(reading.quarantine[["reason_code", "reason"]].iloc[0])

    return read_refused


MANAGED_SERVICES = Path(__file__).parent.parent / "data" / "managed_services"


@pytest.fixture(scope="session")
def service_file():
    """Return the text of a file of a managed service, by its name without ending."""

    def text(name):
        return (MANAGED_SERVICES / f"{name}.json").read_text(encoding="utf-8")

    return text


SEEDS_OF_DATA = (
    "configurations/axolotl.yml",
    "configurations/llama_factory.yaml",
    "configurations/torchtune.yaml",
    "configurations/unsloth.yaml",
    "configurations/accelerate.yaml",
    "configurations/ds_z2.json",
    "configurations/config.json",
    "field_cases/hf_folder/adapter_config.json",
    "field_cases/hf_folder/README.md",
    "field_cases/cc_json/emissions.json",
    "field_cases/openai_usage_csv/activity.csv",
    "field_cases/mlflow_one/mlruns/0/0123456789abcdef0123456789abcdef/meta.yaml",
    "field_cases/mlflow_one/mlruns/0/0123456789abcdef0123456789abcdef/metrics/train_runtime",
    "run_folders/hub/wandb/run-20260302_095950-ab12cd34/files/wandb-metadata.json",
    "run_folders/hub/wandb/run-20260302_095950-ab12cd34/files/wandb-summary.json",
    "run_folders/hub/wandb/run-20260302_095950-ab12cd34/files/config.yaml",
    "run_folders/hub/runs/Mar02_10-00-00_node-a/events.out.tfevents.1772445605.node-a.4242.0",
    "run_folders/wandb_offline/offline-run-20260302_100000-elydvfhj/run-elydvfhj.wandb",
    "run_folders/mlflow_database/mlflow.db",
    "runs_tables/wandb_one_crashed.csv",
    "runs_tables/mlflow_search.csv",
    "consoles/unsloth_and_trainer.log",
    "consoles/codecarbon_two_trackers_over_midnight.out",
    "consoles/mlperf.out",
    "consoles/llama_factory.log",
    "trackers/two_gpus_carbontracker_output.log",
    "trackers/windows_within_windows.csv",
    "trackers/impacttracker/data.json",
    "trackers/kepler_idle_and_dynamic.json",
    "trackers/openai_fine_tune_of_the_first_api.json",
    "slurm/sacct.json",
    "usage_exports/langfuse.jsonl",
    "usage_exports/helicone.csv",
    "usage_exports/openrouter_days.json",
    "usage_exports/azure_monitor.json",
    "usage_exports/vertex_endpoint.json",
    "usage_exports/open_telemetry_spans.json",
    "usage_exports/open_telemetry_totals.jsonl",
    "usage_exports/tgi.json",
)
"""Good files of tests/data that stand for a format, or for another of its shapes."""


@pytest.fixture(scope="session")
def seeds(emissions_csv):
    """One good file per format: uri -> bytes; the ground for mutations."""
    return {
        "emissions.csv": emissions_csv({}, {"run_id": "run-b", "gpu_energy": "0"}).encode(),
        **{
            f"cloud_reports/{path.name}": path.read_bytes()
            for path in sorted((DATA / "cloud_reports").iterdir())
        },
        "run/trainer_state.json": json.dumps(TRAINER_STATE).encode(),
        "jobs/bedrock.json": json.dumps(
            [BEDROCK_JOB, {**BEDROCK_JOB, "status": "Failed"}]
        ).encode(),
        "emission.csv": ECO2AI_CSV.encode(),
        "run/trainer_log.jsonl": LLAMA_FACTORY_LOG.encode(),
        "boamps_report.json": json.dumps(BOAMPS_REPORT).encode(),
        "model/README.md": MODEL_CARD.encode(),
        "card.md": DISCLOSURE_MD.encode(),
        "disclosure.yaml": b"Base model: Llama 2\nGPU: A100\nTotal reserved time: 12 hours\n",
        "runs.yaml": RUNS_YAML.encode(),
        "lengths/histogram.csv": b"length,count\n128,900\n512,3\n",
        "lengths/batches.json": b"[[128, 130], [512]]",
        "models.yaml": b"models:\n  bot:\n    team: a\n    events:\n"
        b"      - {at: 2026-01-09, rolled_back_to: bot-05}\n",
        "openai/usage.json": json.dumps(OPENAI_USAGE).encode(),
        "bedrock/stream.json": "\n".join(json.dumps(line) for line in METRIC_STREAM).encode(),
        "bedrock/statistics.json": json.dumps(METRIC_STATISTICS).encode(),
        "litellm/spend.json": json.dumps(SPEND_LOGS).encode(),
        "litellm/spend.csv": pd.DataFrame(SPEND_LOGS).to_csv(index=False).encode(),
        "vllm/metrics.txt": VLLM_METRICS.encode(),
        "vllm/range.json": json.dumps(VLLM_RANGE).encode(),
        "sacct.txt": SACCT.encode(),
        "host=node1/nvidia-smi.csv": NVIDIA_SMI_CSV.encode(),
        "dmon.log": NVIDIA_SMI_DMON.encode(),
        "dcgm.prom": DCGM_TEXT.encode(),
        "dcgm.json": json.dumps(DCGM_JSON).encode(),
        "mlruns/0/abc/metrics/system/gpu_0_power_usage_watts": b"1772366400000 300 0\n"
        b"1772366420000 310 1\n",
        "metrics.csv": MLFLOW_CSV.encode(),
        "wandb/run-20260301_120000-k3j/events.jsonl": "\n".join(
            map(json.dumps, WANDB_ROWS)
        ).encode(),
        "meter.csv": METER_CSV.encode(),
        "gpu_log.csv": b"timestamp,gpu_index,power_w\n2026-03-01T12:00:00Z,0,300 W\n"
        b"2026-03-01T12:00:10Z,0,300 W\n",
        "usage.csv": USAGE_CSV.encode(),
        "usage.jsonl": b'{"date": "2026-03-02", "model": "bot", "requests": 5}\n' * 3,
        "snowflake.csv": SNOWFLAKE_CSV.encode(),
        **{
            f"jobs/{path.name}": path.read_bytes() for path in MANAGED_SERVICES.glob("*_job_*.json")
        },
        **{uri: (DATA / uri).read_bytes() for uri in SEEDS_OF_DATA},
    }


DATA = Path(__file__).parent.parent / "data"


@pytest.fixture(scope="session")
def landed_file():
    """Return the bytes of a file of tests/data, by its path there."""
    return lambda uri: (DATA / uri).read_bytes()


@pytest.fixture(scope="session")
def console():
    """Return the text of a console of tests/data, by its file's name."""
    return lambda name: (DATA / "consoles" / name).read_text(encoding="utf-8")


@pytest.fixture(scope="session")
def field_case():
    """Return the folder of a field case: small inputs after public files, by the case's name."""
    return lambda name: DATA / "field_cases" / name


LARGEST = 20_000
"""Bytes of a fixture up to which it is a seed: most of a large one is more of the same."""


@pytest.fixture(scope="session")
def known_seeds(seeds, made_once):
    """What a reader says of the seeds, and of every small file of tests/data that it knows.

    uri -> format and number of runs; asked once for all test processes.
    """

    def ask(folder):
        found = {}
        for path in sorted(DATA.rglob("*")):
            if path.is_file() and path.stat().st_size <= LARGEST:
                data = path.read_bytes()
                reading, known = read_bytes(data, path.name, Settings(now=NOW))
                if data.strip() and known and reading.content != "other":
                    found[path.relative_to(DATA).as_posix()] = data
        told = {}
        for uri, data in {**found, **seeds}.items():
            reading, source_format = read_bytes(data, uri, Settings(now=NOW))
            told[uri] = (source_format, len(reading.runs))
        (folder / "told.json").write_text(json.dumps(told))

    return json.loads((made_once("known-seeds", ask) / "told.json").read_text())


@pytest.fixture(scope="session")
def all_seeds(seeds, known_seeds):
    """The seeds, and every small file of tests/data that a reader knows: uri -> bytes."""
    return {uri: seeds.get(uri) or (DATA / uri).read_bytes() for uri in known_seeds}


@pytest.fixture(scope="session")
def seeds_of(all_seeds, known_seeds):
    """Return the seeds of one format: uri -> bytes."""

    def of(source_format):
        return {
            uri: all_seeds[uri] for uri, (own, _) in known_seeds.items() if own == source_format
        }

    return of


@pytest.fixture
def broken_folder(tmp_path, emissions_csv):
    """A landing folder of one good and twenty broken files; returns it and file -> reason code."""
    good = emissions_csv({})
    bad = {
        "other/emissions.csv": ("Zone,1,2,Total\nFR,1,2,3\n", "unrecognised"),
        "eval.csv": ("model,accuracy,epoch\nbot,0.9,3\n", "unrecognised"),
        "notes.md": ("# Notes\nMissing data point | Mechanism\n---|---\nGPU model | guess\n"
                     "PUE | mean\n", "unrecognised"),
        "config.yaml": ("base_model: llama\nepochs: 3\nmicro_batch_size: 2\n", "unrecognised"),
        "empty.csv": ("", "empty_file"),
        "blank.json": (" \n\n ", "empty_file"),
        "blob.dat": (b"\x89\r\n\x1a\n\x00\x00\x00\rIHDR", "binary_file"),
        "a/trainer_state.json": ('{"global_step": 3, "log_hist', "broken_json"),
        "b/trainer_state.json": ("[" * 100_000, "too_deep"),
        "c/train_results.json": (json.dumps([{"loss": 1.0, "step": 1}]), "wrong_shape"),
        "d/all_results.json": ('{"eval_loss": 0.3, "eval_runtime": 4.0}', "no_training"),
        "e/trainer_state.json": ('{"global_step": 1, "epoch": NaN}', "not_a_number"),
        "failed.json": (json.dumps({**BEDROCK_JOB, "status": "Failed"}), "failed_job"),
        "running.json": (json.dumps({**BEDROCK_JOB, "status": "InProgress"}), "not_finished"),
        "imported.json": (json.dumps({**BEDROCK_JOB, "customizationType": "IMPORTED"}),
                          "not_a_fine_tuning"),
        "bomb.yaml": ("runs: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]\n", "broken_yaml"),
        "runs.yaml": ("runs: [unclosed\n", "broken_yaml"),
        "negative/emissions.csv": (emissions_csv({"duration": "-5"}), "out_of_range"),
        "future/emissions.csv": (emissions_csv({"timestamp": "2199-01-01T00:00:00"}),
                                 "ended_in_future"),
        "usage.parquet": (b"PAR1 but nothing more PAR1", "broken_parquet"),
    }  # fmt: skip
    for uri, content in {"good/emissions.csv": good, **{k: v[0] for k, v in bad.items()}}.items():
        path = tmp_path / "landing" / uri
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return tmp_path / "landing", {uri: code for uri, (_, code) in bad.items()}


@pytest.fixture
def alone(tmp_path, monkeypatch):
    """Give a home of its own and no network: no tool finds a configuration or asks a service."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "home"))
    (tmp_path / "home").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path
