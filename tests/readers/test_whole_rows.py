"""One whole row of every format: each value worked out by hand, and nothing besides."""

import pandas as pd
import pytest

from ft_emissions_pipeline.readers import READERS, Settings, read_bytes
from ft_emissions_pipeline.readers.scrubbing import hashed_host, scrubbed

NOW = Settings(now=pd.Timestamp("2026-10-10", tz="UTC"))
OFFLINE = "run_folders/wandb_offline/offline-run-20260302_100000-elydvfhj/run-elydvfhj.wandb"
TABLES = ("runs", "usage", "telemetry", "events", "lengths", "cloud_reports")


def at(text):
    """An instant of UTC."""
    return pd.Timestamp(f"{text}Z")


ROWS = {
    ("codecarbon", "emissions.csv", "runs"): {
        "run_id": "run-a", "model_name": "support-bot", "source_record": "2",
        # An hour, counted back from its end.
        "started_at": at("2026-03-01T11:00"), "ended_at": at("2026-03-01T12:00"),
        "reserved_s": 3600, "active_s": 3600, "gpu_model": "NVIDIA A100-SXM4-80GB", "gpu_count": 4,
        "country_iso3": "FRA", "gpu_energy_kwh": 0.5, "cpu_energy_kwh": 0.25,
        "ram_energy_kwh": 0.25, "it_energy_kwh": 1.0, "on_cloud": False, "disclosed_kgco2e": 0.06,
    },
    ("eco2ai", "emission.csv", "runs"): {
        "run_id": "run-a", "model_name": "support-bot", "source_record": "2", "location": "FR",
        # Two rows of an hour each.
        "started_at": at("2026-03-01T10:00"), "ended_at": at("2026-03-01T12:00"),
        "reserved_s": 7200, "active_s": 7200,
        "gpu_model": "A100", "gpu_count": 4, "it_energy_kwh": 1.0, "disclosed_kgco2e": 0.4,
        "repairs": "pue_may_be_included epochs_summed",
    },
    ("hugging_face", "run/trainer_state.json", "runs"): {
        "run_id": "run", "source_record": "1", "reserved_s": 1800, "active_s": 1800,
        "tokens_padded": 48123, "steps": 300, "epochs": 3, "micro_batch_size": 8,
        "train_flop": 2.5e15, "software": "hf_trainer",
        "repairs": "padding_not_stated",
    },
    ("llama_factory", "run/trainer_log.jsonl", "runs"): {
        # A day and twenty minutes.
        "run_id": "run", "source_record": "1", "reserved_s": 87600, "active_s": 87600,
        "tokens_padded": 2000,
        "steps": 20, "epochs": 2, "software": "llama_factory", "repairs": "padding_not_stated",
    },
    ("boamps", "boamps_report.json", "runs"): {
        "run_id": "boamps_report.json#1", "source_record": "1", "base_model": "Llama 2",
        "model_parameters": 13e9, "active_s": 3600, "it_energy_kwh": 1.5, "gpu_model": "V100",
        "gpu_count": 2, "location": "france",
        # 1000 tokens in the data set, which passes twice.
        "tokens_unpadded": 2000, "epochs": 2, "repairs": "pue_may_be_included",
    },
    ("bedrock", "jobs/bedrock.json", "runs"): {
        "run_id": "kbz1abcd2345", "source_record": "1", "model_name": "support-bot",
        "base_model": "meta.llama2-13b-chat-v1",
        # The training phase, not the job.
        "started_at": at("2024-07-06T17:31"), "ended_at": at("2024-07-06T19:31"),
        "reserved_s": 7200, "managed_service": "AWS Bedrock", "cloud_provider": "aws",
        "cloud_region": "us-west-2", "epochs": 2, "micro_batch_size": 1,
    },
    ("openai", "jobs/openai_job_of_three_epochs.json", "runs"): {
        "run_id": "ftjob-AbC123xyz",
        "model_name": "ft:gpt-4o-mini-2024-07-18:[removed f13f]:support-bot:9abCdEf1",
        "base_model": "gpt-4o-mini-2024-07-18",
        # 1721764800 is 19927 days of 86400 s, and 72000 s: 2024-07-23 at 20:00.
        "started_at": at("2024-07-23T20:00"),
        "ended_at": at("2024-07-23T21:00"),
        "reserved_s": 3600,
        "managed_service": "OpenAI",
        "tokens_unpadded": 5768,
        "epochs": 3,
        "repairs": "queueing_included",
        "source_record": "1",
    },
    ("sagemaker", "jobs/sagemaker_job_of_one_whole_server.json", "runs"): {
        "run_id": "support-bot-2024-07-06-17-01-00-123",
        # The SDK sends hyperparameters as JSON within strings.
        "base_model": "meta-llama/Llama-2-7b-hf",
        "started_at": at("2024-07-06T17:11"),
        "ended_at": at("2024-07-06T19:11"),
        "reserved_s": 7200,
        "instance_type": "p4d.24xlarge",
        "cloud_provider": "aws",
        "cloud_region": "eu-west-1",
        "epochs": 3,
        "micro_batch_size": 2,
        "gradient_accumulation": 4,
        "source_record": "1",
    },
    ("vertex", "jobs/google_job_with_integers_as_strings.json", "runs"): {
        "run_id": "4444555566667777888",
        "model_name": "support-bot",
        "base_model": "gemini-2.0-flash-001",
        "method": "adapter",
        "started_at": at("2025-03-01T10:30:00.123456"),
        "ended_at": at("2025-03-01T11:15:00.123456"),
        "reserved_s": 2700,
        "managed_service": "Google Vertex AI",
        "cloud_provider": "gcp",
        "cloud_region": "europe-west4",
        "tokens_unpadded": 150_000,
        "epochs": 3,
        "samples": 500,
        "repairs": "epochs_may_be_missing",
        "source_record": "1",
    },
    ("together", "jobs/together_job_with_end_in_its_events.json", "runs"): {
        "run_id": "ft-1a2b3c4d-5e6f",
        "model_name": "Meta-Llama-3.1-8B-Instruct-Reference-support-bot-1a2b3c4d",
        "base_model": "meta-llama/Meta-Llama-3.1-8B-Instruct-Reference",
        "method": "lora",
        "started_at": at("2025-01-10T09:30"),
        "ended_at": at("2025-01-10T10:40"),
        "reserved_s": 4200,
        "active_s": 3000,
        "managed_service": "Together AI",
        "tokens_padded": 1_200_000,
        "epochs": 3,
        "samples": 1000,
        "lora_rank": 8,
        "model_parameters": 8_030_261_248,
        "source_record": "1",
    },
    ("fireworks", "jobs/fireworks_job_with_nodes_region_and_signed_urls.json", "runs"): {
        "run_id": "sftj-a1b2",
        "model_name": "support-bot",
        "base_model": "accounts/fireworks/models/llama-v3p1-8b-instruct",
        "method": "lora",
        "started_at": at("2025-04-02T12:00:00.5"),
        "ended_at": at("2025-04-02T13:30:00.5"),
        "reserved_s": 5400,
        "server_count": 2,
        "managed_service": "Fireworks AI",
        # The state, not the country of that name.
        "location": "US-GA",
        "country_iso3": "USA",
        "tokens_unpadded": 4_000_000,
        "epochs": 2,
        "sequence_length": 8192,
        "gradient_accumulation": 2,
        "lora_rank": 8,
        "repairs": "queueing_included",
        "source_record": "1",
    },
    ("mistral", "jobs/mistral_job_with_events_of_its_status.json", "runs"): {
        "run_id": "b18d8d81-fd7b-4764-a31e-475cb1f36591",
        "model_name":
            f"{scrubbed('ft:open-mistral-7b:daf5e488:x').removesuffix(':x')}:20240531:b18d8d81",
        "base_model": "open-mistral-7b",
        # RUNNING at 1717172000, SUCCESS 2000 s later; events stand in reverse.
        "started_at": at("2024-05-31T16:13:20"),
        "ended_at": at("2024-05-31T16:46:40"),
        "reserved_s": 2000,
        "managed_service": "Mistral AI",
        "tokens_padded": 1_310_720,
        "epochs": 4.2922,
        "sequence_length": 32768,
        "source_record": "1",
    },
    ("snowflake", "snowflake.csv", "runs"): {
        "run_id": "snowflake.csv#2", "source_record": "2", "base_model": "mistral-7b",
        "managed_service": "Snowflake Cortex",
        # 10:00 in a zone seven hours behind.
        "ended_at": at("2024-07-06T17:00"), "tokens_unpadded": 3_000_000,
        "repairs": "jobs_of_an_hour_together",
    },
    ("slurm", "sacct.txt", "runs"): {
        "run_id": "slurm-7", "job_id": "7", "source_record": "2", "model_name": "support-bot",
        "host": f"{hashed_host('gpu01')} {hashed_host('gpu02')}",
        "started_at": at("2026-03-01T12:00"), "ended_at": at("2026-03-01T13:00"),
        "reserved_s": 3600,
        # 7.2 MJ, which stand in the step: 2 kW over the hour.
        "gpu_model": "a100", "gpu_count": 4, "it_energy_kwh": 2.0,
        "repairs": "energy_plugin_unknown",
    },
    ("disclosure", "card.md", "runs"): {
        "run_id": "card-1", "source_record": "1", "base_model": "Llama 2",
        "gpu_model": "Nvidia A100 80GB", "gpu_count": 4,
        "reserved_s": 43200,
    },
    ("run_mapping", "runs.yaml", "runs"): {
        "run_id": "run-a", "source_record": "run-a", "location": "AWS US West (Oregon)",
    },
    ("model_card", "model/README.md", "runs"): {
        "run_id": "model", "source_record": "1", "model_name": "support-bot",
        "base_model": "Llama 2",
        # 1000 g.
        "gpu_model": "A100", "gpu_count": 4, "location": "France", "disclosed_kgco2e": 1.0,
    },
    ("mlflow_metrics", "metrics.csv", "runs"): {
        # 1772366400 s are 20513 days and 12 hours: 59 days into 2026.
        "run_id": "r", "source_record": "2", "started_at": at("2026-03-01T12:00"),
        "ended_at": at("2026-03-01T12:00:40"),
        "reserved_s": 40,
    },
    ("mlflow_metrics", "metrics.csv", "telemetry"): {
        "run_id": "r", "source_record": "2", "kind": "gpu", "device": "0",
        "energy_from": "power", "started_at": at("2026-03-01T12:00"),
        "ended_at": at("2026-03-01T12:00:40"), "energy_kwh": 300.5 * 40 / 3.6e6,
    },
    ("wandb_file", OFFLINE, "runs"): {
        "run_id": "elydvfhj", "source_record": "1", "job_id": "4712", "host": hashed_host("node-a"),
        "base_model": "meta-llama/Llama-3.2-1B", "software": "hf_trainer",
        "started_at": at("2026-03-02T10:00"), "ended_at": at("2026-03-02T10:10"),
        "reserved_s": 540.5, "active_s": 540.5, "gpu_model": "NVIDIA A100-SXM4-40GB",
        "gpu_count": 2, "tokens_padded": 5000, "steps": 50, "epochs": 1, "sequence_length": 2048,
        "micro_batch_size": 4, "gradient_accumulation": 2, "packing": True, "precision": "bf16",
        "repairs": "padding_not_stated",
    },
    ("wandb_file", OFFLINE, "telemetry"): {
        "run_id": "elydvfhj", "source_record": "0", "kind": "gpu", "device": "0",
        "host": hashed_host("node-a"), "energy_from": "power", "started_at": at("2026-03-02T10:00"),
        "ended_at": at("2026-03-02T10:01:40"), "utilization": 0.8, "energy_kwh": 300 * 100 / 3.6e6,
    },
    ("mlflow_database", "run_folders/mlflow_database/mlflow.db", "runs"): {
        "run_id": "6d05af59356b4b1b86bdc93971aade63", "source_record": "1",
        "base_model": "meta-llama/Llama-3.2-1B", "software": "hf_trainer",
        "started_at": at("2026-03-02T10:00"), "ended_at": at("2026-03-02T10:10"),
        "reserved_s": 590.5, "active_s": 590.5, "tokens_padded": 3000, "epochs": 1,
        "micro_batch_size": 4, "gradient_accumulation": 2, "precision": "bf16",
        "repairs": "padding_not_stated",
    },
    ("mlflow_database", "run_folders/mlflow_database/mlflow.db", "telemetry"): {
        "run_id": "6d05af59356b4b1b86bdc93971aade63", "source_record": "1", "kind": "gpu",
        "device": "0", "energy_from": "power", "started_at": at("2026-03-02T10:00"),
        "ended_at": at("2026-03-02T10:01"), "energy_kwh": 300 * 60 / 3.6e6,
    },
    ("wandb_metrics", "wandb/run-20260301_120000-k3j/events.jsonl", "runs"): {
        "run_id": "k3j", "source_record": "1", "host": hashed_host("n1"),
        "started_at": at("2026-03-01T12:00"), "ended_at": at("2026-03-01T12:00:30"),
        "reserved_s": 30,
    },
    ("wandb_metrics", "wandb/run-20260301_120000-k3j/events.jsonl", "telemetry"): {
        "run_id": "k3j", "source_record": "1", "kind": "gpu", "device": "0",
        "energy_from": "power", "started_at": at("2026-03-01T12:00"),
        "ended_at": at("2026-03-01T12:00:30"), "energy_kwh": 300.5 * 30 / 3.6e6,
    },
    ("dcgm", "dcgm.prom", "telemetry"): {
        "source_record": "1", "kind": "gpu", "device": "0", "host": hashed_host("node1"),
        "gpu_model": "NVIDIA A100",
        # The counter runs from 0 to 14,400 mJ.
        "energy_from": "counter", "started_at": at("2026-03-01T12:00"),
        "ended_at": at("2026-03-01T12:00:04"), "energy_kwh": 14.4 / 3.6e6,
    },
    ("nvidia_smi", "host=node1/nvidia-smi.csv", "telemetry"): {
        "source_record": "2", "kind": "gpu", "device": "0", "host": hashed_host("node1"),
        "gpu_model": "NVIDIA A100",
        "energy_from": "power", "started_at": at("2026-03-01T12:00:00.123"),
        "ended_at": at("2026-03-01T12:00:20.123"), "utilization": 0.87,
        # 70.07, 71.07 and 72.07 W, ten seconds apart.
        "energy_kwh": (70.57 + 71.57) * 10 / 3.6e6,
    },
    ("gpu_log", "gpu_log.csv", "telemetry"): {
        "source_record": "2", "kind": "gpu", "device": "0",
        # 300 W over ten seconds.
        "energy_from": "power", "started_at": at("2026-03-01T12:00"),
        "ended_at": at("2026-03-01T12:00:10"), "energy_kwh": 3000 / 3.6e6,
    },
    ("meter", "meter.csv", "telemetry"): {
        "source_record": "2", "kind": "meter", "device": "meter",
        "energy_from": "counter", "started_at": at("2026-03-01T12:00"),
        "ended_at": at("2026-03-01T12:01"), "energy_kwh": 1.0,
    },
    ("openai_usage", "openai/usage.json", "usage"): {
        "date": pd.Timestamp("2026-03-02"), "source_record": "1.1.1", "model_name": "support-bot",
        "inferences": 5, "covers_from": at("2026-03-02T00:00"), "covers_to": at("2026-03-03T00:00"),
    },
    ("bedrock_usage", "bedrock/statistics.json", "usage"): {
        # Three, and half of the two that are counted from half past 23 for an hour.
        "date": pd.Timestamp("2026-03-02"), "source_record": "1.1", "model_name": "support-bot",
        "inferences": 4, "covers_from": at("2026-03-02T13:00"), "covers_to": at("2026-03-03T00:00"),
        "repairs": "split_at_midnight",
        "hours": " ".join({13: "3", 23: "1"}.get(hour, "0") for hour in range(24)),
    },
    ("litellm", "litellm/spend.json", "usage"): {
        "date": pd.Timestamp("2026-03-02"), "source_record": "1", "model_name": "support-bot",
        "inferences": 4,
        # Up to the microsecond behind the last request.
        "covers_from": at("2026-03-02T02:28:00.123"), "covers_to": at("2026-03-02T02:28:03.123001"),
    },
    ("vllm", "vllm/metrics.txt", "usage"): {
        # 100 by 18:00, and after a restart 100 by 6:00, of which half before midnight.
        "date": pd.Timestamp("2026-03-02"), "source_record": "5", "model_name": "support-bot",
        "inferences": 150,
        "covers_from": at("2026-03-02T00:00"), "covers_to": at("2026-03-03T00:00"),
        "repairs": "counter_restarted split_at_midnight",
    },
    ("usage", "usage.csv", "usage"): {
        "date": pd.Timestamp("2026-03-02"), "source_record": "2", "model_name": "support-bot",
        "inferences": 1000,
    },
    ("model_events", "models.yaml", "events"): {
        "source_record": "bot", "model_name": "bot", "event": "declared", "team": "a",
    },
    ("codecarbon_json", "field_cases/cc_json/emissions.json", "runs"): {
        "run_id": "00000000-0000-4000-8000-000000000001", "source_record": "1",
        "model_name": "demo",
        "started_at": at("2026-03-02T11:00"), "ended_at": at("2026-03-02T12:00"),
        "reserved_s": 3600, "active_s": 3600,
        "gpu_model": "NVIDIA GeForce GTX 1080", "gpu_count": 1, "location": "ile-de-france, France",
        "country_iso3": "FRA", "cpu_utilization": 0.4,
        "cpu_model": "Intel(R) Core(TM) i7", "operating_system": "Linux", "on_cloud": False,
        "gpu_energy_kwh": 0.3, "cpu_energy_kwh": 0.05, "ram_energy_kwh": 0.02,
        "it_energy_kwh": 0.37, "disclosed_kgco2e": 0.1,
    },
    ("carbontracker", "trackers/two_gpus_carbontracker_output.log", "runs"): {
        "run_id": "trackers/two_gpus", "source_record": "1", "ended_at": at("2026-03-02T10:10:02"),
        # The prediction for three epochs: 1800 s, 30 g.
        "reserved_s": 1800, "active_s": 1800, "epochs": 3, "it_energy_kwh": 0.5247,
        "disclosed_kgco2e": 0.03,
        "repairs": "pue_may_be_included prediction_of_tracker",
    },
    ("zeus", "trackers/windows_within_windows.csv", "runs"): {
        "run_id": "trackers/windows_within_windows", "source_record": "3",
        # Ten minutes and five.
        "started_at": at("2026-03-02T10:00"), "ended_at": at("2026-03-02T10:15"), "reserved_s": 900,
        "active_s": 900,
        "gpu_count": 2, "gpu_energy_kwh": 540e3 / 3.6e6, "repairs": "windows_summed",
    },
    ("impact_tracker", "trackers/impacttracker/data.json", "runs"): {
        "run_id": "trackers/impacttracker", "source_record": "1",
        "started_at": at("2026-03-02T10:00"), "ended_at": at("2026-03-02T10:10"), "reserved_s": 600,
        "active_s": 600, "gpu_utilization": 0.8,
        # 300 W and 60 W over ten minutes.
        "gpu_energy_kwh": 0.05, "cpu_energy_kwh": 0.01,
    },
    ("wandb_run", "run_folders/hub/wandb/run-20260302_095950-ab12cd34/files/wandb-metadata.json",
     "runs"): {
        "run_id": "ab12cd34", "source_record": "1", "job_id": "4711", "host": hashed_host("node-a"),
        "started_at": at("2026-03-02T09:59:50"), "gpu_model": "NVIDIA A100-SXM4-80GB",
        "gpu_count": 2,
        "base_model": "meta-llama/Llama-2-7b-hf", "micro_batch_size": 4, "precision": "bf16",
    },
    ("tensorboard",
     "run_folders/hub/runs/Mar02_10-00-00_node-a/events.out.tfevents.1772445605.node-a.4242.0",
     "runs"): {
        "run_id": "run_folders/hub/runs/Mar02_10-00-00_node-a", "source_record": "1",
        "host": hashed_host("node-a"),
        # The last figures were logged ten minutes after the training began.
        "started_at": at("2026-03-02T10:00"), "ended_at": at("2026-03-02T10:10"), "reserved_s": 600,
        "active_s": 600, "tokens_padded": 400_000, "steps": 100, "epochs": 1,
        "train_flop": pytest.approx(1e16, rel=1e-6), "base_model": "meta-llama/Llama-2-7b-hf",
        "model_parameters": 6_738_415_616, "micro_batch_size": 4, "gradient_accumulation": 2,
        "gradient_checkpointing": True, "precision": "bf16", "software": "hf_trainer",
        "repairs": "padding_not_stated",
    },
    ("mlflow_run", "field_cases/mlflow_one/mlruns/0/0123456789abcdef0123456789abcdef/meta.yaml",
     "runs"): {
        "run_id": "0123456789abcdef0123456789abcdef", "source_record": "1",
        "started_at": at("2026-03-02T10:00"), "ended_at": at("2026-03-02T10:10"), "reserved_s": 600,
    },
    ("openai_fine_tunes", "trackers/openai_fine_tune_of_the_first_api.json", "runs"): {
        "run_id": "ft-AF1WoRqd3aJAHsqc9NY7iL8F", "source_record": "1",
        "model_name": "curie:ft-acmeco-2021-03-03-21-44-20",
        "base_model": "curie", "managed_service": "OpenAI", "epochs": 4,
        # 1614807356 is 18689 days and 77756 s: 2021-03-03 at 21:35:56; 508 s later it succeeded.
        "started_at": at("2021-03-03T21:35:56"), "ended_at": at("2021-03-03T21:44:24"),
        "reserved_s": 508,
    },
    ("runs_table", "runs_tables/wandb_one_crashed.csv", "runs"): {
        "run_id": "bot-a", "source_record": "2", "base_model": "meta-llama/Llama-2-7b-hf",
        "started_at": at("2026-03-02T10:00"), "reserved_s": 3500.5, "active_s": 3500.5,
        "gpu_model": "NVIDIA A100-SXM4-80GB", "gpu_count": 8, "steps": 300, "epochs": 3,
        "micro_batch_size": 4, "gradient_accumulation": 8, "software": "hf_trainer",
    },
    ("console", "consoles/unsloth_and_trainer.log", "runs"): {
        "run_id": "consoles/unsloth_and_trainer", "source_record": "1", "reserved_s": 600,
        "active_s": 600, "tokens_padded": 200_000, "steps": 125, "epochs": 1, "samples": 1000,
        "micro_batch_size": 2, "gradient_accumulation": 4, "software": "axolotl",
    },
    ("joule_counters", "trackers/kepler_idle_and_dynamic.json", "telemetry"): {
        "source_record": "1.1", "kind": "gpu", "device": "0", "host": hashed_host("node-a"),
        # 150 kJ dynamic and 30 kJ idle.
        "energy_from": "counter", "started_at": at("2026-03-02T10:00"),
        "ended_at": at("2026-03-02T10:10"), "energy_kwh": 0.05,
    },
    ("adapter_config", "field_cases/hf_folder/adapter_config.json", "runs"): {
        "run_id": "field_cases/hf_folder", "source_record": "1",
        "base_model": "meta-llama/Llama-2-7b-hf", "method": "lora",
        "lora_rank": 8,
    },
    ("card_header", "field_cases/hf_folder/README.md", "runs"): {
        "run_id": "field_cases/hf_folder", "source_record": "1",
        "base_model": "meta-llama/Llama-2-7b-hf", "method": "lora",
    },
    ("training_args", "configurations/llama_factory.yaml", "runs"): {
        "run_id": "configurations", "source_record": "1", "base_model": "Qwen/Qwen2.5-7B",
        "method": "full", "micro_batch_size": 4, "gradient_accumulation": 1, "epochs": 3,
        "sequence_length": 12000, "precision": "bf16",
        "software": "llama_factory",
    },
    ("axolotl_config", "configurations/axolotl.yml", "runs"): {
        "run_id": "configurations", "source_record": "1",
        "base_model": "NousResearch/Llama-2-7b-hf", "method": "qlora", "lora_rank": 32,
        "micro_batch_size": 1, "gradient_accumulation": 4, "epochs": 6, "sequence_length": 2048,
        "packing": True, "gradient_checkpointing": True, "software": "axolotl",
    },
    ("torchtune_config", "configurations/torchtune.yaml", "runs"): {
        "run_id": "configurations", "source_record": "1", "base_model": "Llama-2-7b-hf",
        "method": "lora", "lora_rank": 8, "micro_batch_size": 2, "gradient_accumulation": 64,
        "epochs": 1, "sequence_length": 4096, "packing": True, "precision": "bf16",
        "gradient_checkpointing": True, "software": "torchtune",
    },
    ("unsloth_config", "configurations/unsloth.yaml", "runs"): {
        "run_id": "configurations", "source_record": "1", "base_model": "unsloth/Qwen2.5-0.5B",
        "method": "qlora", "lora_rank": 64, "micro_batch_size": 2, "gradient_accumulation": 4,
        "epochs": 1, "sequence_length": 2048, "packing": False, "gradient_checkpointing": True,
        "software": "unsloth",
    },
    ("launch_config", "configurations/accelerate.yaml", "runs"): {
        "run_id": "configurations", "source_record": "1", "precision": "fp16", "world_size": 8,
    },
    ("model_config", "configurations/config.json", "runs"): {
        "run_id": "configurations", "source_record": "1",
        "base_model": "mistralai/Mixtral-8x7B-v0.1",
        "model_parameters": 46_702_792_704, "active_parameters": 12_879_925_248,
    },
    ("openai_usage_csv", "field_cases/openai_usage_csv/activity.csv", "usage"): {
        "date": pd.Timestamp("2026-03-02"), "source_record": "2", "inferences": 120,
        "model_name": scrubbed("ft:gpt-4o-mini-2024-07-18:org::x"),
        "covers_from": at("2026-03-02T00:00"), "covers_to": at("2026-03-03T00:00"),
    },
    ("openrouter", "usage_exports/openrouter_days.json", "usage"): {
        "date": pd.Timestamp("2026-03-02"), "source_record": "1.1",
        "model_name": "acme/support-bot-2026", "inferences": 5,
        "covers_from": at("2026-03-02T00:00"), "covers_to": at("2026-03-03T00:00"),
    },
    ("langfuse", "usage_exports/langfuse.jsonl", "usage"): {
        # Two in the hour from ten, none in that of the failure.
        "date": pd.Timestamp("2026-03-02"), "source_record": "2", "model_name": "support-bot",
        "inferences": 2,
        "covers_from": at("2026-03-02T10:00:00.1"), "covers_to": at("2026-03-02T11:00:00.000001"),
        "hours": " ".join("2" if hour == 10 else "0" for hour in range(24)),
        "repairs": "failed_requests_left_out",
    },
    ("helicone", "usage_exports/helicone.csv", "usage"): {
        "date": pd.Timestamp("2026-03-02"), "source_record": "2", "model_name": "support-bot-01",
        "inferences": 1,
        "covers_from": at("2026-03-02T10:00"), "covers_to": at("2026-03-02T10:40:00.000001"),
        "hours": " ".join("1" if hour == 10 else "0" for hour in range(24)),
        "repairs": "cached_answers_left_out failed_requests_left_out",
    },
    ("open_telemetry", "usage_exports/open_telemetry_spans.json", "usage"): {
        "date": pd.Timestamp("2026-03-02"), "source_record": "1.2", "model_name": "support-bot",
        "inferences": 1,
        "covers_from": at("2026-03-02T10:00:02.5"), "covers_to": at("2026-03-02T10:00:03.500001"),
        "hours": " ".join("1" if hour == 10 else "0" for hour in range(24)),
        "repairs": "failed_requests_left_out",
    },
    ("cloud_metrics", "usage_exports/azure_monitor.json", "usage"): {
        "date": pd.Timestamp("2026-03-02"), "source_record": "1.1.1.1", "model_name": "support-bot",
        "inferences": 5, "covers_from": at("2026-03-02T00:00"), "covers_to": at("2026-03-02T01:00"),
        "hours": " ".join("5" if hour == 0 else "0" for hour in range(24)),
    },
    ("aws_carbon", "cloud_reports/aws_carbon_two_methods.csv", "cloud_reports"): {
        # Metric tons: 0.03 t is 30 kg.
        "month_start": pd.Timestamp("2026-01-01"), "provider": "aws", "account": "444455556666",
        "region": "us-west-2", "service": "AmazonEC2", "carbon_model": "v3.0.0",
        "scope_1_kgco2e": 0.5, "scope_2_location_kgco2e": 19.5, "scope_2_market_kgco2e": 1.5,
        "scope_3_location_kgco2e": 10, "scope_3_market_kgco2e": 10, "total_location_kgco2e": 30,
        "total_market_kgco2e": 12, "source_record": "2",
    },
    ("aws_carbon_api", "cloud_reports/aws_water_withdrawals.json", "cloud_reports"): {
        # A quarter of a cubic metre.
        "month_start": pd.Timestamp("2026-01-01"), "provider": "aws", "region": "us-west-2",
        "carbon_model": "v1.0.0", "water_withdrawal_l": 250, "source_record": "1.1",
    },
    ("google_carbon", "cloud_reports/google_carbon_dotted.csv", "cloud_reports"): {
        "month_start": pd.Timestamp("2026-01-01"), "provider": "gcp", "account": "tuning",
        "region": "us-central1", "service": "Compute Engine", "carbon_model": "12",
        "scope_1_kgco2e": 0.5, "scope_2_location_kgco2e": 12.5, "scope_2_market_kgco2e": 3.25,
        "scope_3_location_kgco2e": 4, "scope_3_market_kgco2e": 4, "total_location_kgco2e": 17,
        "total_market_kgco2e": 7.75, "source_record": "2",
    },
    ("azure_carbon", "cloud_reports/azure_months_of_locations.json", "cloud_reports"): {
        "month_start": pd.Timestamp("2026-01-01"), "provider": "azure", "region": "westeurope",
        "total_market_kgco2e": 14.5, "source_record": "1.1",
    },
    ("token_lengths", "lengths/histogram.csv", "lengths"): {"length": 128, "count": 900,
                                                            "batch": -1},
}  # fmt: skip
"""Format, seed, table -> first row that the reader makes; what lacks here is missing there."""


@pytest.mark.parametrize(("source_format", "uri", "table"), ROWS)
def test_a_whole_row_is_as_worked_out_by_hand(all_seeds, source_format, uri, table):
    reading, read_as = read_bytes(all_seeds[uri], uri, NOW)
    row = getattr(reading, table).iloc[0]
    # Hashes, of labels and of a log's history: what they tell apart is tested where that is done.
    held = {
        name: row[name]
        for name in row.index
        if pd.notna(row[name]) and name not in {"series", "mark"}
    }
    assert read_as == source_format
    expected = ROWS[source_format, uri, table]
    assert held == {
        name: pytest.approx(value, rel=1e-12)
        if isinstance(value, (int, float)) and not isinstance(value, bool)
        else value
        for name, value in expected.items()
    }


def test_every_format_has_a_whole_row_in_every_table_that_it_fills(all_seeds):
    filled = set()
    for uri, data in all_seeds.items():
        reading, source_format = read_bytes(data, uri, NOW)
        filled |= {(source_format, table) for table in TABLES if len(getattr(reading, table))}
    assert filled == {(source_format, table) for source_format, _, table in ROWS}
    assert {source_format for source_format, _ in filled} == {each.FORMAT for each in READERS}
