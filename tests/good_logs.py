"""Small good logs as their tools write them; what few lines cannot show lies in `tests/data/`."""

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
