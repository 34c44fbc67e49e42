"""Disclosures of which each lacks something, and what their estimates say of it."""

import numpy as np

import ft_emissions_pipeline as fte

HOUR = {"reserved_s": 3600}

# name -> disclosure. Together they must hit every rule; single tests below look at single cases.
CASES = {
    "least": HOUR,
    "gpu by name": {**HOUR, "gpu_model": "A100-SXM4-80GB"},
    "gpu by vague name": {**HOUR, "gpu_model": "A100", "server_model": "DGX A100"},
    "power alone": {**HOUR, "gpu_max_w": 400, "published_at": "2023-06-30T00:00:00Z"},
    "no gpu": {**HOUR, "gpu_count": 0, "location": "Germany"},
    "no gpu, 2022": {**HOUR, "gpu_count": 0, "published_at": "2022-06-30T00:00:00Z"},
    "server alone": {**HOUR, "server_model": "HPE Apollo 6500 Gen10 Plus"},
    "two servers": {**HOUR, "server_model": "HPE Apollo 6500 Gen10 Plus", "server_count": 2},
    "many gpus": {**HOUR, "gpu_model": "H100 SXM", "gpu_count": 20},
    "instance": {**HOUR, "instance_type": "p4d.24xlarge", "cloud_region": "eu-west-1"},
    "instance named after its card": {**HOUR, "instance_type": "acme-8xl40s"},
    "instance named after a family of cards": {**HOUR, "instance_type": "acme-8xa100"},
    "slice of a TPU": {**HOUR, "gpu_model": "v3-8"},
    "slices of a card": {**HOUR, "gpu_model": "A100-SXM4-80GB MIG 1g.10gb", "gpu_count": 2},
    "part of a server": {**HOUR, "instance_type": "g5.xlarge", "location": "AWS US West (Oregon)"},
    "service": {"managed_service": "AWS Bedrock", "base_model": "Llama 2", "tokens_padded": 48123},
    "service, two servers": {
        "managed_service": "Fireworks AI", "base_model": "Llama 2 7B", "tokens_padded": 48123,
        "server_count": 2,
    },
    "service, part of a server": {
        "managed_service": "AWS Bedrock", "gpu_count": 2, "gpu_model": "A100-SXM4-40GB",
        "tokens_padded": 48123,
    },
    "unknown service": {"managed_service": "Tunesmith", "tokens_padded": 48123},
    "unknown model": {"base_model": "Lama-2-7b", "tokens_padded": 1e9},
    "model by name": {"base_model": "Llama-2-13b", "tokens_unpadded": 1e9, "method": "qlora"},
    "samples": {"base_model": "Llama 2 7B", "samples": 1000, "sequence_length": 512, "epochs": 3},
    "samples alone": {"base_model": "Llama 2 7B", "samples": 1000, "epochs": 1},
    "trainer": {"base_model": "Llama 2 7B", "train_flop": 1e18},
    "steps": {"base_model": "Llama 2 7B", "steps": 100, "micro_batch_size": 4,
              "gradient_accumulation": 2,
              "world_size": 8, "sequence_length": 512},
    "devices that took batches": {**HOUR, "gpu_model": "A100-SXM4-80GB", "world_size": 4},
    "shuffled lengths": {"base_model": "Llama 2 7B", "token_lengths": {100: 9, 300: 1},
                         "micro_batch_size": 4},
    "given batches": {"base_model": "Llama 2 7B", "token_lengths": [[100, 300], [100]],
                      "epochs": 3},
    "active": {"active_s": 3000, "gpu_model": "T4"},
    "time and tokens": {**HOUR, "base_model": "Llama 2 7B", "tokens_padded": 1e7, "gpu_count": 1},
    "dates": {"started_at": "2024-03-01T10:00:00Z", "ended_at": "2024-03-01T12:00:00Z"},
    "end": {**HOUR, "ended_at": "2024-03-01T12:00:00Z"},
    "2022": {**HOUR, "published_at": "2022-06-30T00:00:00Z"},
    "2024": {**HOUR, "published_at": "2024-06-30T00:00:00Z"},
    "google": {**HOUR, "cloud_provider": "gcp", "cloud_region": "us-west1",
               "ended_at": "2022-03-01T12:00:00Z"},
    "azure": {**HOUR, "cloud_provider": "azure", "cloud_region": "westeurope",
              "ended_at": "2022-03-01T12:00:00Z"},
    "provider": {**HOUR, "cloud_provider": "aws", "location": "Germany"},
    "state": {**HOUR, "location": "Oregon, USA"},
    "nowhere": {**HOUR, "country_iso3": "ZZZ"},
    "meter": {**HOUR, "meter_energy_kwh": 5, "it_energy_kwh": 7},
    "total": {**HOUR, "it_energy_kwh": 7},
    "gpus measured": {**HOUR, "gpu_energy_kwh": 4},
    "components": {**HOUR, "gpu_energy_kwh": 4, "cpu_energy_kwh": 2, "ram_energy_kwh": 1},
    # Names that nothing stands for.
    "odd gpu": {**HOUR, "gpu_model": "A1000 80GB"},
    "odd gpu in a server": {**HOUR, "gpu_model": "A1000 80GB", "server_model": "DGX-1"},
    "odd gpu at a service": {**HOUR, "gpu_model": "A1000 80GB", "managed_service": "AWS Bedrock"},
    "odd server": {**HOUR, "server_model": "DGX A1000"},
    "odd region": {**HOUR, "cloud_region": "us-west-9"},
    "odd place": {**HOUR, "location": "Netherland"},
    "place like no other": {**HOUR, "location": "Xq"},
    "odd model": {**HOUR, "base_model": "Lama-2", "managed_service": "AWS Bedrock"},
    "odd service": {**HOUR, "managed_service": "Bedrok"},
    "energy alone": {"it_energy_kwh": 5, "gpu_model": "T4", "gpu_count": 1},
    "packed": {"base_model": "Llama 2 7B", "tokens_unpadded": 1e8, "packing": True},
    "odd instance": {**HOUR, "instance_type": "zz9.plural-alpha"},
    "windows laptop": {**HOUR, "cpu_model": "11th Gen Intel(R) Core(TM) i7-1165G7 @ 2.80GHz",
                       "operating_system": "Windows-11-10.0.22631-SP0"},
    "desktop PC without a card": {**HOUR, "gpu_count": 0, "operating_system": "Windows-10",
                                  "cpu_model": "AMD Ryzen 7 5800X 8-Core Processor"},
    "server without a card": {**HOUR, "gpu_count": 0, "operating_system": "Linux-5.15",
                              "cpu_model": "Intel(R) Xeon(R) Gold 6240R CPU @ 2.40GHz"},
    "desktop": {**HOUR, "gpu_model": "RTX 4090", "server_model": "under my desk"},
    # Tokens of an unknown model, beside what seems to be a time or leaves no peak.
    "tokens, end": {"tokens_padded": 1e6, "ended_at": "2024-03-01T00:00:00Z"},
    "tokens, start": {"tokens_padded": 1e6, "started_at": "2024-03-01T00:00:00Z"},
    "tokens, no time": {"tokens_padded": 1e6, "started_at": "2024-03-01T00:00:00Z",
                        "ended_at": "2024-03-01T00:00:00Z"},
    "tokens, not active": {"tokens_padded": 1e6, "active_s": 0},
    # gpus.csv knows no 32-bit peak of the one and no 16-bit peak of the other.
    "tokens, fp32": {"tokens_padded": 1e6, "precision": "fp32", "gpu_model": "H100-NVL-94GB"},
    "tokens, fp16": {"tokens_padded": 1e6, "precision": "fp16", "gpu_model": "K80"},
    # One disclosure with the accelerator's id, with another name of it, and without.
    "gpu by id": {"tokens_padded": 1e9, "base_model": "Llama 2 7B", "gpu_model": "A100-SXM4-80GB"},
    "gpu by alias": {"tokens_padded": 1e9, "base_model": "Llama 2 7B",
                     "gpu_model": "NVIDIA A100-SXM4-80GB"},
    "gpu guessed": {"tokens_padded": 1e9, "base_model": "Llama 2 7B"},
    "size disclosed": {"base_model": "Llama 2", "model_parameters": 13e9, "tokens_padded": 1e6},
    "experts": {"base_model": "mixtral-8x7b", "tokens_padded": 1e6},
    "grid of the year": {**HOUR, "country_iso3": "USA", "ended_at": "2024-03-01T00:00:00Z"},
    "grid of another year": {**HOUR, "country_iso3": "USA", "ended_at": "2026-03-01T00:00:00Z"},
}  # fmt: skip


def case_estimate(profile, reference=None):
    disclosures = [{**fields, "run_id": name} for name, fields in CASES.items()]
    return fte.estimate(disclosures, profile=profile, reference=reference)


def log_sd_of(row):
    return np.log(row["p95"] / row["p05"]) / (2 * 1.6448536)
