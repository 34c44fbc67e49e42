"""Fixtures of the readers' tests: files written from text, and what must hold of every reading."""

import importlib.util
import json
from pathlib import Path

import pandas as pd
import pytest

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


BEDROCK_JOB = {
    "jobArn": "arn:aws:bedrock:us-west-2:123456789012:model-customization-job/"
    "meta.llama2-13b-chat-v1/kbz1abcd2345",
    "jobName": "tickets",
    "outputModelName": "support-bot",
    "roleArn": "arn:aws:iam::123456789012:role/tuner",
    "status": "Completed",
    "creationTime": "2024-07-06T17:01:00+00:00",
    "endTime": "2024-07-06T20:01:00+00:00",
    "baseModelArn": "arn:aws:bedrock:us-west-2::foundation-model/meta.llama2-13b-chat-v1:0:4k",
    "hyperParameters": {"epochCount": "2", "batchSize": "1", "learningRate": "0.00001"},
    "customizationType": "FINE_TUNING",
    "statusDetails": {
        "trainingDetails": {
            "status": "Completed",
            "creationTime": "2024-07-06T17:31:00+00:00",
            "lastModifiedTime": "2024-07-06T19:31:00+00:00",
        }
    },
}

FINAL_LOG = {
    "epoch": 3.0, "step": 300, "total_flos": 2.5e15, "train_loss": 0.4, "train_runtime": 1800.0,
    "train_samples_per_second": 10.0, "train_steps_per_second": 0.17,
}  # fmt: skip
TRAINER_STATE = {
    "epoch": 3.0,
    "global_step": 300,
    "max_steps": 300,
    "train_batch_size": 8,
    "num_train_epochs": 3,
    "num_input_tokens_seen": 48123,
    "total_flos": 2.5e15,
    "log_history": [{"loss": 1.0, "epoch": 1.0, "step": 100}, FINAL_LOG],
}

DISCLOSURE_MD = """# A run
Component | Disclosed data |
---|---|
Base model | Llama 2 |
GPU | Nvidia A100 80GB |
Number of GPUs | 4 |
Total reserved time | 12 hours |
"""

ECO2AI_CSV = """id,project_name,epoch,start_time,duration(s),power_consumption(kWh),\
CO2_emissions(kg),CPU_name,GPU_name,OS,region/country
run-a,support-bot,"epoch: 1, loss: 0.9, ",2026-03-01 10:00:00,3600,0.5,0.2,\
"Xeon/2 device(s), TDP:150",A100 4 device(s),Linux,FR
run-a,support-bot,"epoch: 2, loss: 0.4, ",2026-03-01 11:00:00,3600,0.5,0.2,\
"Xeon/2 device(s), TDP:150",A100 4 device(s),Linux,FR
"""

LLAMA_FACTORY_LOG = """{"current_steps": 10, "total_steps": 20, "loss": 1.0, "epoch": 1.0, \
"elapsed_time": "0:10:00", "total_tokens": 1000}
{"current_steps": 20, "total_steps": 20, "loss": 0.5, "epoch": 2.0, \
"elapsed_time": "1 day, 0:20:00", "total_tokens": 2000}
"""

BOAMPS_REPORT = {
    "task": {
        "taskStage": "finetuning",
        "algorithms":
            [{"foundationModelName": "Llama 2", "parametersNumber": 13, "epochsNumber": 2}],
        "dataset": [{"dataUsage": "input", "dataType": "token", "dataQuantity": 1000}],
    },
    "measures":
        [{"measurementMethod": "codecarbon", "powerConsumption": 1.5, "measurementDuration": 3600}],
    "infrastructure":
        {"components": [{"componentName": "2 x V100", "componentType": "gpu", "nbComponent": 2}]},
    "environment": {"country": "france"},
}  # fmt: skip

MODEL_CARD = """---
model_name: support-bot
base_model: Llama 2
co2_eq_emissions:
  emissions: 1000
  training_type: fine-tuning
  geographical_location: France
  hardware_used: 4 x A100
---
# A model
"""

RUNS_YAML = """runs:
  run-a:
    logs: [emissions.csv]
    Server location: AWS US West (Oregon)
"""

OPENAI_USAGE = {
    "object": "page",
    "data": [
        {
            "object": "bucket", "start_time": start, "end_time": start + 86400,
            "results": [
                {"object": "organization.usage.completions.result", "num_model_requests": 5,
                 "model": model,
                 "project_id": "proj_1"}
                for model in ("support-bot", "ft:gpt-4o-mini-2024-07-18:acme-org:bot:9ABel2dg")
            ],
        }
        for start in (1772409600, 1772496000)
    ],
    "has_more": False,
}  # fmt: skip

METRIC_STREAM = [
    {
        "metric_stream_name": "s", "account_id": "123456789012", "region": "us-west-2",
        "namespace": "AWS/Bedrock", "metric_name": "Invocations",
        "dimensions": {"ModelId": "support-bot"}, "timestamp": 1772409600000 + 60000 * n,
        "value": {"count": 2.0, "sum": 2.0, "max": 1.0, "min": 1.0}, "unit": "None",
    }
    for n in range(3)
]  # fmt: skip

METRIC_STATISTICS = {
    "Label": "Invocations",
    "Dimensions": [{"Name": "ModelId", "Value": "support-bot"}],
    "Period": 3600,
    "Datapoints": [
        {"Timestamp": "2026-03-02T13:00:00+00:00", "Sum": 3.0, "Unit": "None"},
        {"Timestamp": "2026-03-02T23:30:00+00:00", "Sum": 2.0, "Unit": "None"},
    ],
}

SPEND_LOGS = [
    {
        "request_id": f"chatcmpl-{n}", "call_type": "acompletion", "spend": 0.0002,
        "total_tokens": 11, "startTime": f"2026-03-02T02:28:0{n}.123Z", "model": "support-bot",
        "cache_hit": "False", "status": "success",
    }
    for n in range(4)
]  # fmt: skip

VLLM_METRICS = """# 2026-03-02T00:00:00Z
# TYPE vllm:request_success_total counter
vllm:request_success_total{engine="0",finished_reason="stop",model_name="support-bot"} 1000.0
# 2026-03-02T18:00:00Z
vllm:request_success_total{engine="0",finished_reason="stop",model_name="support-bot"} 1100.0
# 2026-03-03T06:00:00Z
vllm:request_success_total{engine="0",finished_reason="stop",model_name="support-bot"} 100.0
"""

VLLM_RANGE = {
    "status": "success",
    "data": {
        "resultType": "matrix",
        "result": [
            {
                "metric": {"__name__": "vllm:request_success_total", "model_name": "support-bot",
                           "finished_reason": "stop", "instance": "gpu-node-7.internal:8000"},
                "values": [[1772409600, "10"], [1772413200, "15"], [1772416800, "2"]],
            }
        ],
    },
}  # fmt: skip
SACCT = (
    "JobID|JobName|State|Start|End|Elapsed|AllocTRES|NodeList|ConsumedEnergyRaw\n"
    "7|support-bot|COMPLETED|2026-03-01T12:00:00|2026-03-01T13:00:00|01:00:00|"
    "cpu=8,gres/gpu:a100=4|gpu[01-02]|0\n"
    "7.batch|batch|COMPLETED|2026-03-01T12:00:00|2026-03-01T13:00:00|01:00:00|cpu=8|gpu01|7200000\n"
    "8|support-bot|TIMEOUT|2026-03-01T12:00:00|2026-03-02T13:00:00|1-01:00:00|cpu=8,gres/gpu=4|gpu01|0\n"
)
NVIDIA_SMI_CSV = "timestamp, index, name, power.draw [W], utilization.gpu [%]\n" + "".join(
    f"2026/03/01 12:00:{n}0.123, {gpu}, NVIDIA A100, {70 + n}.07 W, {watts}\n"
    for n in range(3)
    for gpu, watts in enumerate(["87 %", "[N/A]"])
)
NVIDIA_SMI_DMON = (
    "#Date       Time        gpu    pwr  gtemp  mtemp     sm    mem\n"
    "#YYYYMMDD   HH:MM:SS    Idx      W      C      C      %      %\n"
    " 20260301   12:00:00      0    300     50      -     95     40\n"
    " 20260301   12:00:00      1      -     50      -      5      0\n"
    " 20260301   12:00:10      0    320     50      -     85     40\n"
    "#Date       Time        gpu    pwr  gtemp  mtemp     sm    mem\n"
    "#YYYYMMDD   HH:MM:SS    Idx      W      C      C      %      %\n"
    " 20260301   12:00:10      1      -     50      -     15      0\n"
)
"""The heading comes back every few lines; a card of an old driver tells no power."""
_DCGM_LABELS = 'gpu="0",UUID="GPU-ab",modelName="NVIDIA A100",Hostname="node1"'
DCGM_TEXT = "".join(
    f"DCGM_FI_DEV_POWER_USAGE{{{_DCGM_LABELS}}} 77.5 177236640{n}000\n"
    f"DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION{{{_DCGM_LABELS}}} {3600 * n} 177236640{n}000\n"
    for n in (0, 2, 4)
)
_DCGM_METRIC = {"__name__": "DCGM_FI_DEV_POWER_USAGE", "gpu": "0", "Hostname": "node1"}
DCGM_JSON = [{"metric": _DCGM_METRIC, "values": [[1772366400 + n, "77"] for n in range(3)]}] * 2
WANDB_ROWS = [
    {"_timestamp": 1772366400 + 15 * n, "system.gpu.0.powerWatts": 300.5,
     "gpu.1.energyJoules/l:n1": 500.0 * n}
    for n in range(3)
]  # fmt: skip
MLFLOW_CSV = "run_id,key,value,timestamp,step\n" + "".join(
    f"r,system/gpu_0_power_usage_watts,300.5,17723664{n}0000,{n}\n" for n in (0, 2, 4)
)
METER_CSV = "timestamp,power_w,energy_kwh\n" + "".join(
    f"2026-03-01T12:0{n}:00Z,360.5,{n}.01\n" for n in range(3)
)

USAGE_CSV = "date,model_name,inferences\n2026-03-02,support-bot,1000\n"


SNOWFLAKE_CSV = """START_TIME,END_TIME,MODEL_NAME,TOKEN_CREDITS,TOKENS
2024-07-06 09:00:00.000 -0700,2024-07-06 10:00:00.000 -0700,mistral-7b,1.5,3000000
2024-07-06 11:00:00.000 -0700,2024-07-06 12:00:00.000 -0700,llama3.1-8b,0.5,1000000
2024-07-07 11:00:00.000 -0700,2024-07-07 12:00:00.000 -0700,,0,0
"""

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
    "consoles/unsloth_and_trainer.log",
    "consoles/codecarbon_two_trackers_over_midnight.out",
    "consoles/mlperf.out",
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
def all_seeds(seeds):
    """The seeds, and every small file of tests/data that a reader knows: uri -> bytes."""
    found = {}
    for path in sorted(DATA.rglob("*")):
        if path.is_file() and path.stat().st_size <= LARGEST:
            data = path.read_bytes()
            reading, known = read_bytes(data, path.name, Settings(now=NOW))
            if data.strip() and known and reading.content != "other":
                found[path.relative_to(DATA).as_posix()] = data
    return {**found, **seeds}


@pytest.fixture(scope="session")
def seeds_of(all_seeds):
    """Return the seeds of one format: uri -> bytes."""
    formats = {uri: read_bytes(data, uri, Settings(now=NOW))[1] for uri, data in all_seeds.items()}

    def of(source_format):
        return {uri: all_seeds[uri] for uri, own in formats.items() if own == source_format}

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
