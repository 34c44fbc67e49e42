"""BoAmps reports: each test carries one oddity of the format or of those who write it."""

import pandas as pd
import pytest

REPORT = {
    "header": {"reportId": "2f46", "reportDatetime": "2025-02-26 16:57:00"},
    "task": {
        "taskStage": "finetuning",
        "taskFamily": "chatbot",
        "algorithms": [
            {"trainingType": "supervisedLearning", "foundationModelName": "llama2-13b",
             "parametersNumber": 13,
             "epochsNumber": 2, "optimizer": "lora", "quantization": "fp16"}
        ],
        "dataset": [
            {"dataUsage": "input", "dataType": "token", "dataQuantity": 1000000},
            {"dataUsage": "output", "dataType": "token", "dataQuantity": 828},
        ],
    },
    "measures": [
        {"measurementMethod": "codecarbon", "version": "2.5.0", "powerConsumption": 1.5,
         "measurementDuration": 3600.5,
         "averageUtilizationCpu": 0.1, "averageUtilizationGpu": 0.8,
         "measurementDateTime": "2024-09-30 09:09:40"}
    ],
    "infrastructure": {
        "infraType": "publicCloud", "cloudProvider": "ovh",
        "components": [
            {"componentName": "Intel(R) Xeon(R) Gold 6226R", "componentType": "cpu",
             "nbComponent": 30},
            {"componentName": "2 x Tesla V100S-PCIE-32GB", "componentType": "gpu",
             "nbComponent": 2},
            {"componentType": "ram", "nbComponent": 1, "memorySize": 86},
        ],
    },
    "environment": {"country": "france"},
}  # fmt: skip


def with_(**parts):
    """A report with some parts, or parts of parts, otherwise."""
    report = {**REPORT}
    for name, value in parts.items():
        report[name] = {**REPORT[name], **value} if isinstance(value, dict) else value
    return report


def measure(**more):
    return {**REPORT["measures"][0], **more}


def test_a_report_tells_energy_time_hardware_place_model_and_tokens(one_run):
    run = one_run("report.json", REPORT)
    assert run["run_id"] == "2f46"
    assert (run["it_energy_kwh"], run["active_s"]) == (1.5, 3600.5)
    assert run["ended_at"] == pd.Timestamp("2024-09-30T09:09:40Z")
    assert (run["gpu_utilization"], run["cpu_utilization"]) == (0.8, 0.1)
    assert (run["base_model"], run["model_parameters"], run["method"]) == (
        "llama2-13b",
        13e9,
        "lora",
    )
    assert (run["epochs"], run["precision"]) == (2, "fp16")
    assert (run["location"], run["cloud_provider"]) == ("france", "ovh")


def test_the_number_of_accelerators_stands_twice_and_counts_once(one_run):
    run = one_run("report.json", REPORT)
    assert (run["gpu_model"], run["gpu_count"]) == ("Tesla V100S-PCIE-32GB", 2)


def test_tokens_are_those_of_the_data_set_and_pass_every_epoch(one_run):
    run = one_run("report.json", REPORT)
    assert run["tokens_unpadded"] == 2e6
    assert "tokens_padded" not in run


def test_without_epochs_one_is_assumed_and_said(one_run):
    task = {"algorithms": [{"foundationModelName": "gpt2"}]}
    run = one_run("report.json", with_(task=task))
    assert run["tokens_unpadded"] == 1e6
    assert "one_epoch_assumed" in run["repairs"]


def test_codecarbons_energy_may_have_a_pue_in_it_that_no_field_names(one_run):
    assert one_run("report.json", REPORT)["repairs"] == "pue_may_be_included"


def test_measures_are_ways_to_see_one_task_and_never_added_up(one_run):
    run = one_run(
        "report.json", with_(measures=[measure(), measure(measurementMethod="carbontracker")])
    )
    assert run["it_energy_kwh"] == 1.5
    assert "several_measures_not_summed" in run["repairs"]


def test_a_meter_stands_beside_software(one_run):
    both = [measure(), measure(measurementMethod="wattmeter", powerConsumption=2)]
    run = one_run("report.json", with_(measures=both))
    assert (run["meter_energy_kwh"], run["it_energy_kwh"]) == (2, 1.5)


@pytest.mark.parametrize(
    ("unit", "kwh"), [("kWh", 1.5), ("MJoule", 1.5 / 3.6), ("kJoule", 1.5 / 3600)]
)
def test_early_reports_name_a_unit(one_run, unit, kwh):
    assert one_run("report.json", with_(measures=[measure(unit=unit)]))[
        "it_energy_kwh"
    ] == pytest.approx(kwh)


def test_a_count_of_operations_is_no_energy(refusal):
    assert refusal("report.json", with_(measures=[measure(unit="petaFLOPS")]))[0] == "bad_value"


def test_parameters_that_were_counted_one_by_one_are_noted(one_run):
    algorithms = [{"parametersNumber": 13e9, "epochsNumber": 1}]
    run = one_run("report.json", with_(task={"algorithms": algorithms}))
    assert run["model_parameters"] == 13e9
    assert "parameters_not_in_billions" in run["repairs"]


@pytest.mark.parametrize("stage", ["inference", "datacreation+preprocessing"])
def test_a_report_on_something_else_is_no_training(refusal, stage):
    assert refusal("report.json", with_(task={"taskStage": stage}))[0] == "no_training"


def test_stages_that_were_measured_together_are_noted(one_run):
    run = one_run("report.json", with_(task={"taskStage": "preprocessing+finetuning"}))
    assert "other_stages_included" in run["repairs"]


def test_codecarbon_writes_reports_without_a_task(one_run):
    """As codecarbon 3.2's `_build_infrastructure` and `_build_measure`; the user gives the task."""
    run = one_run("boamps_report_1.json", {k: v for k, v in REPORT.items() if k != "task"})
    assert "task_not_stated" in run["repairs"]
    assert run["it_energy_kwh"] == 1.5


def test_two_kinds_of_accelerators_are_not_made_one(one_run):
    parts = [{"componentName": "A100", "componentType": "gpu", "nbComponent": 2},
             {"componentName": "V100", "componentType": "gpu", "nbComponent": 1}]  # fmt: skip
    run = one_run("report.json", with_(infrastructure={"components": parts}))
    assert run["gpu_model"] == "2 x A100 + 1 x V100"
    assert pd.isna(run["gpu_count"])


def test_a_machine_of_cpus_has_no_accelerator(one_run):
    parts = [{"componentName": "EPYC", "componentType": "cpu", "nbComponent": 64}]
    assert one_run("report.json", with_(infrastructure={"components": parts}))["gpu_count"] == 0


def test_a_report_without_measures_is_refused(refusal):
    report = {
        "$schema": "https://raw.githubusercontent.com/Boavizta/BoAmps/main/model/report_schema.json",
        **with_(measures=[]),
    }
    assert refusal("report.json", report)[0] == "wrong_shape"
