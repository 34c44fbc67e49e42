"""Disclosures: the methodology's own tables must come out exactly; then what people write."""

import datetime as dt
from pathlib import Path

import pandas as pd
import pytest

import ft_emissions_pipeline as fte
from ft_emissions_pipeline.readers.formats import disclosure
from ft_emissions_pipeline.readers.formats.disclosure import from_mapping
from ft_emissions_pipeline.readers.shared.labels import parsed

DATA = Path(__file__).parents[2] / "data"


def test_the_methodology_document_discloses_two_runs(read):
    reading = read("fine_tuning.md", (DATA / "methodology_disclosures.md").read_text())
    assert reading.quarantine.empty
    first, second = (row.dropna().to_dict() for _, row in reading.runs.iterrows())
    assert first == {
        "run_id": "fine_tuning-1",
        "base_model": "Llama 2",
        "gpu_model": "Nvidia A100 80GB",
        "server_model": "HPE Apollo 6500 Gen10 Plus",
        "gpu_count": 4,
        "server_count": 1,
        "location": "AWS US West (Oregon)",
        "reserved_s": 43200,
        "cpu_utilization": 0.12,
        "gpu_utilization": 0.47,
        "source_record": "1",
    }
    assert second == {
        "run_id": "fine_tuning-2",
        "base_model": "Llama 2",
        "managed_service": "AWS Bedrock",
        "location": "US West (Oregon)",
        "started_at": pd.Timestamp("2024-07-06T17:01Z"),
        "tokens_padded": 48123,
        "source_record": "2",
    }


@pytest.mark.parametrize(
    "table",
    [
        "| Component | Disclosed data |\n|---|---|\n| GPU | A100 |\n"
        "| Total reserved time | 12 hours |",
        "Component | Disclosed data\n---|---\nGPU | A100\nTotal reserved time | 12 hours",
        "|**Component**|**Value**|\n|:--|--:|\n|**GPU**|`A100`|\n|_Total reserved time_|12 hours|",
        "\ufeff| Field | Data |\r\n| - | - |\r\n| gpu_model | A100 |\r\n| reserved_s | 43200 |\r\n",
    ],
)
def test_tables_are_read_however_they_are_drawn(one_run, table):
    run = one_run("card.md", table)
    assert run["gpu_model"] == "A100"
    assert run["reserved_s"] == 43200


def test_a_table_in_fenced_code_is_an_example(refusal):
    table = "```\nComponent | Value\n---|---\nGPU | A100\nTotal reserved time | 12 hours\n```\n"
    assert refusal("card.md", table)[0] == "unrecognised"


@pytest.mark.parametrize(
    ("uri", "content"),
    [
        ("d.yaml", "Base model: Llama 2\nGPU: A100\nTotal reserved time: 12 hours\n"),
        ("d.yaml", "- Base model: Llama 2\n  GPU: A100\n  reserved_s: 43200\n"),
        ("d.yaml",
         "disclosures:\n  - base_model: Llama 2\n    gpu_model: A100\n    reserved_s: 43200\n"),
        ("d.yaml", "runs:\n- base_model: Llama 2\n  gpu_model: A100\n  reserved_s: 12 h\n"),
        ("d.json", {"Base model": "Llama 2", "GPU": "A100", "Total reserved time": "12:00:00"}),
        ("d.json",
         {"disclosures": [{"base_model": "Llama 2", "gpu_model": "A100", "reserved_s": 43200}]}),
        ("d.csv", "Base model,GPU,Total reserved time\nLlama 2,A100,12 hours\n"),
        ("d.csv", "base_model;gpu_model;reserved_s\nLlama 2;A100;43200\n"),
    ],
)  # fmt: skip
def test_yaml_json_and_csv_say_the_same(one_run, uri, content):
    run = one_run(f"team/{uri}", content)
    assert run["run_id"] == "team/d-1"
    assert (run["base_model"], run["gpu_model"], run["reserved_s"]) == ("Llama 2", "A100", 43200)


@pytest.mark.parametrize(
    ("label", "value", "field", "expected"),
    [
        ("Total reserved time", "12 hours", "reserved_s", 43200),
        ("Total reserved time", "118 days", "reserved_s", 118 * 86400),
        ("Total reserved time", "3h 20m", "reserved_s", 12000),
        ("Total reserved time", "3 hours and 20 minutes", "reserved_s", 12000),
        ("Total reserved time", "45 min", "reserved_s", 2700),
        ("Total reserved time", "1,5 h".replace(",", "."), "reserved_s", 5400),
        ("Total fine-tuning time", "90 s", "active_s", 90),
        ("total finetuning time", "2 weeks", "active_s", 14 * 86400),
        ("Average CPU utilization", "12%", "cpu_utilization", 0.12),
        ("Average CPU utilisation", 0.12, "cpu_utilization", 0.12),
        ("Tokens", "48,123", "tokens_padded", 48123),
        ("Tokens", "1.2M", "tokens_padded", 1.2e6),
        ("Tokens", "2 billion", "tokens_padded", 2e9),
        ("Tokens", "48 123", "tokens_padded", 48123),
        ("Parameters", "7B", "model_parameters", 7e9),
        ("Start time", "July 6, 2024 17:01", "started_at", pd.Timestamp("2024-07-06T17:01Z")),
        ("Start time", "6 Jul 2024 5:01 PM", "started_at", pd.Timestamp("2024-07-06T17:01Z")),
        ("Start time", "2024-07-06T17:01:00+02:00", "started_at",
         pd.Timestamp("2024-07-06T15:01Z")),
        ("Start time", "July 6, 2024 17:01 UTC", "started_at", pd.Timestamp("2024-07-06T17:01Z")),
        ("Start time", dt.date(2024, 7, 6), "started_at", pd.Timestamp("2024-07-06T00:00Z")),
        ("Published", "2024-07-06", "published_at", pd.Timestamp("2024-07-06T00:00Z")),
        ("PUE", "1.2", "pue", 1.2),
        ("WUE", "0.18 L/kWh", "wue_l_per_kwh", 0.18),
        ("Grid carbon intensity", "475 gCO2e/kWh", "grid_kgco2e_per_kwh", 0.475),
        ("Metered energy", "1.5 MWh", "meter_energy_kwh", 1500),
        ("Expected use life", "2 weeks", "expected_use_life_days", 14),
        ("expected_use_life_days", 30, "expected_use_life_days", 30),
        ("Expected inferences per day", "1,000", "expected_inferences_per_day", 1000),
        ("Fine-tuning method", "LoRA", "method", "lora"),
        ("method", "continued pre-training", "method", "continued_pretraining"),
        ("method", "QLoRA (4-bit)", "method", "qlora"),
        ("method", "SFT + LoRA", "method", "lora"),
        ("method", "full-parameter fine-tuning", "method", "full"),
        ("method", "supervised fine-tuning", "method", "full"),
        ("Total reserved time", "~10 hours", "reserved_s", 36_000),
        ("Total reserved time", "approx. 3 h", "reserved_s", 10_800),
        ("Total reserved time", "1,5 h", "reserved_s", 5400),
        ("Total reserved time", "1h30", "reserved_s", 5400),
        ("Total reserved time", "1-02:03:04", "reserved_s", 93_784),  # Slurm
        ("Total reserved time", "2 days, 3:04:05", "reserved_s", 183_845),  # Python
        ("Total reserved time", "PT3H20M", "reserved_s", 12_000),  # ISO 8601
        ("Total reserved time", "P1DT2H", "reserved_s", 93_600),
        ("Tokens", "12 million tokens", "tokens_padded", 12e6),
        ("Tokens", "12,5M", "tokens_padded", 12.5e6),
        ("Tokens", "≈ 1.2M tokens", "tokens_padded", 1.2e6),
        ("Parameters", "7 billion parameters", "model_parameters", 7e9),
        ("Number of GPUs", "8 GPUs", "gpu_count", 8),
        ("Epochs", "3 epochs", "epochs", 3),
        ("GPUs", "A100", "gpu_model", "A100"),
        ("PUE", "1.2 (assumed)", "pue", 1.2),
        ("Average GPU utilization", "0,85", "gpu_utilization", 0.85),
        ("Hours used", "3,5", "reserved_s", 12_600),
        ("Start time", "March 2026", "started_at", pd.Timestamp("2026-03-15", tz="UTC")),
        ("Start time", "2026-03", "started_at", pd.Timestamp("2026-03-15", tz="UTC")),
        ("Start time", "03/14/2026", "started_at", pd.Timestamp("2026-03-14", tz="UTC")),
        ("Start time", "14/03/2026 08:30", "started_at", pd.Timestamp("2026-03-14T08:30Z")),
        ("Start time", "06.07.2024 17:01", "started_at", pd.Timestamp("2024-07-06T17:01Z")),
        ("gradient_checkpointing", "yes", "gradient_checkpointing", True),
        ("Server", 6500, "server_model", "6500"),
    ],
)  # fmt: skip
def test_values_are_read_as_people_write_them(label, value, field, expected):
    assert from_mapping({label: value}, "disclosure")[field] == (
        pytest.approx(expected, rel=1e-12) if isinstance(expected, float) else expected
    )


@pytest.mark.parametrize(
    ("label", "value", "advice"),
    [
        ("Total reserved time", "12", "unit"),
        ("Total reserved time", 12.0, "unit"),
        ("Total reserved time", "a while", "12 hours"),
        ("Average CPU utilization", "12", "12%"),
        ("Tokens", "48,12", "48,123"),
        ("Tokens", "nan", "48,123"),
        ("Tokens", "12 GB", "unit"),
        ("Start time", "07/06/2024", "July 6, 2024"),
        ("Start time", "July 36, 2024", "July 6, 2024"),
        ("GPU", True, "quotes"),
        ("Number of GPUs", True, "number"),
        ("method", "magic", "lora"),
        ("Metered energy", "12", "kWh"),
        ("Gpu modle", "A100", "gpu model"),
        ("reserved_hours", 12, "reserved_s"),
    ],
)
def test_what_cannot_be_understood_is_refused_with_advice(label, value, advice):
    with pytest.raises(ValueError, match=r"page 3: ") as error:
        from_mapping({label: value}, "page 3")
    assert advice in str(error.value)


def test_a_gpu_cell_may_carry_the_count():
    fields = from_mapping({"GPU": "4x Nvidia A100 80GB"}, "d")
    assert fields == {"gpu_model": "Nvidia A100 80GB", "gpu_count": 4.0}


def test_gpu_hours_are_shared_among_the_gpus():
    fields = from_mapping({"GPU hours": "1,082,990", "Number of GPUs": 384}, "d")
    assert fields["reserved_s"] == pytest.approx(1_082_990 * 3600 / 384)


@pytest.mark.parametrize(
    ("stated", "count", "hours"),
    [
        ({"GPU hours": "480"}, 1, 480),
        # A month has 720 hours: 256 GPUs, as 128 would take 1440.
        ({"Time (GPU hours)": "184,320"}, 256, 720),
        ({"GPU hours": 480, "Start": "2024-05-01T00:00Z", "End": "2024-05-03T12:00Z"}, 8, 60),
    ],
)
def test_gpu_hours_without_a_number_of_gpus_take_the_fewest_that_fit(stated, count, hours):
    fields = from_mapping(stated, "d")
    assert (fields["gpu_count"], fields["reserved_s"]) == (count, hours * 3600)
    assert fields["repairs"] == "gpu_count_by_hours"


RUNS_TABLE = """
| Model | Base model | Hardware | Training time (hours) | Region |
|---|---|---|---|---|
| bot-a | Llama 2 7B | 8x A100 | 12 | us-east-1 |
| bot-b | Llama 2 13B | 4x H100 | about a day | us-east-1 |
| bot-c | Llama 2 13B | 4x H100 | 24 | us-east-1 |
"""


def test_a_markdown_table_may_have_a_run_in_each_row(read):
    reading = read("runs.md", RUNS_TABLE)
    runs = reading.runs.set_index("model_name")
    assert runs["active_s"].to_dict() == {"bot-a": 12 * 3600, "bot-c": 24 * 3600}
    assert runs["gpu_count"].to_dict() == {"bot-a": 8, "bot-c": 4}
    assert reading.quarantine["reason_code"].tolist() == ["bad_value"]


def test_a_markdown_table_may_have_a_run_in_each_column(read):
    table = (
        "|  | bot-a | bot-b |\n|---|---|---|\n| Base model | Llama 2 7B | Llama 2 13B |\n"
        "| GPU | A100 | H100 |\n| Number of GPUs | 4 | 8 |\n| Training time (hours) | 3.5 | 10 |\n"
    )
    runs = read("runs.md", table).runs.set_index("model_name")
    assert runs["active_s"].to_dict() == {"bot-a": 3.5 * 3600, "bot-b": 10 * 3600}
    assert runs["gpu_count"].to_dict() == {"bot-a": 4, "bot-b": 8}
    assert runs["base_model"].tolist() == ["Llama 2 7B", "Llama 2 13B"]


LLAMA_2 = """
|  | Time (GPU hours) | Power Consumption (W) | Carbon Emitted (tCO2eq) |
|---|---|---|---|
| Llama 2 7B | 184320 | 400 | 31.22 |
| Llama 2 70B | 1720320 | 400 | 291.42 |
| Total | 3311616 | | 539.00 |
"""
"""As in the model card of Llama 2 (Meta, 2023), one row left out."""

LLAMA_3_1 = """
<table>
  <tr>
   <td>
   </td>
   <td><strong>Training Time (GPU hours)</strong>
   </td>
   <td><strong>Training Power Consumption (W)</strong>
   </td>
   <td><strong>Training Location-Based Greenhouse Gas Emissions</strong>
<p>
<strong>(tons CO2eq)</strong>
   </td>
   <td><strong>Training Market-Based Greenhouse Gas Emissions</strong>
<p>
<strong>(tons CO2eq)</strong>
   </td>
  </tr>
  <tr>
   <td>Llama 3.1 8B
   </td>
   <td>1.46M
   </td>
   <td>700
   </td>
   <td>420
   </td>
   <td>0
   </td>
  </tr>
  <tr>
   <td>Total
   </td>
   <td>39.3M
   <td>
   <ul>

   </ul>
   </td>
   <td>11,390
   </td>
   <td>0
   </td>
  </tr>
</table>
"""
"""As in the model card of Llama 3.1 (Meta, 2024), two rows left out; a cell is not closed."""


@pytest.mark.parametrize(
    ("card", "model", "gpu_hours", "watts", "tonnes"),
    [(LLAMA_2, "Llama 2 7B", 184_320, 400, 31.22), (LLAMA_3_1, "Llama 3.1 8B", 1.46e6, 700, 420)],
)
def test_a_table_of_gpu_hours_and_power_names_no_hardware(
    read, card, model, gpu_hours, watts, tonnes
):
    reading = read("README.md", card)
    run = reading.runs.set_index("model_name").loc[model]
    assert run["gpu_count"] * run["reserved_s"] / 3600 == pytest.approx(gpu_hours)
    assert run["gpu_max_w"] == watts
    assert run["disclosed_kgco2e"] == pytest.approx(tonnes * 1000)
    assert reading.quarantine["reason_code"].tolist() == ["sum_of_runs"]


OLMO = (
    "| | GPU Type | Power Consumption From GPUs | Carbon Intensity (kg CO₂e/KWh) | "
    "Carbon Emissions (tCO₂eq) |\n|---|---|---|---|---|\n"
    "| OLMo 7B | A100-40GB ([MosaicML](https://www.mosaicml.com)) | 104 MWh | 0.656 | 75.05* |\n"
)
"""As in the model card of OLMo (Allen Institute for AI, 2024): one row of two, with a footnote."""


def test_a_table_of_energy_with_links_brackets_and_footnotes(read):
    (run,) = read("README.md", OLMO).runs.to_dict("records")
    assert (run["model_name"], run["gpu_model"]) == ("OLMo 7B", "A100-40GB")
    assert run["gpu_energy_kwh"] == pytest.approx(104_000)
    assert run["grid_kgco2e_per_kwh"] == pytest.approx(0.656)
    assert run["disclosed_kgco2e"] == pytest.approx(75_050)


@pytest.mark.parametrize(
    ("text", "model"),
    [
        ("A100 (80GB)", "A100 (80GB)"), ("4x A100-40GB (MosaicML)", "A100-40GB"),
        ("Foo 9000 (Bar)", "Foo 9000 (Bar)"),
    ],
)  # fmt: skip
def test_brackets_behind_a_card_count_where_they_say_something_of_it(text, model):
    assert from_mapping({"GPU": text}, "d")["gpu_model"] == model


def test_a_power_is_of_one_accelerator_only_beside_gpu_hours(one_run):
    run = one_run("d.yaml", "GPU: A100\nTraining time: 2 h\nPower consumption: 2.4 kW\n")
    assert "gpu_max_w" not in run
    assert run["repairs"] == "label_not_understood:Power%20consumption"
    run = one_run("d.yaml", "GPU: A100\nTraining time: 2 h\nGPU TDP: 0.25 kW\n")
    assert run["gpu_max_w"] == 250


@pytest.mark.parametrize(
    "table",
    ["| | Minimum | Advised |\n|---|---|---|\n| GPU | T4 | A100 |\n| Memory | 16 | 80 |\n",
     "| | Ours | Theirs |\n|---|---|---|\n| Score | 3 | 4 |\n| Training time (h) | 3 | 4 |"],
)  # fmt: skip
def test_a_markdown_table_of_requirements_or_scores_is_none_of_runs(read, table):
    assert read("notes.md", table).quarantine["reason_code"].tolist() == ["unrecognised"]


@pytest.mark.parametrize(
    "header",
    ["| Model | Params | Score |", "| GPU | Batch size | Time (s) |", "| Model | GPU | Fee |"],
)
def test_a_markdown_table_of_something_else_is_no_table_of_runs(read, header):
    rows = "|---|---|---|\n| a | 7 | 8 |\n"
    assert read("scores.md", f"{header}\n{rows}").runs.empty


def test_gpu_hours_in_runs_yaml_need_their_number_as_a_log_may_tell_another(refusal):
    code, reason = refusal("runs.yaml", "runs:\n  a:\n    GPU hours: 480\n    logs: [a.csv]\n")
    assert code == "gpu_count_needed"
    assert "Number of GPUs" in reason


def test_the_number_of_gpus_that_nobody_told_hardly_moves_the_energy_of_gpu_hours():
    """Eight cards for an hour and one for eight are eight GPU hours on one server."""
    stated = {"GPU": "A100-SXM4-80GB", "GPU hours": 80}
    alone = fte.estimate(stated).total
    told = fte.estimate({**stated, "Number of GPUs": 8}).total
    assert alone["total_kgco2e"] == pytest.approx(told["total_kgco2e"], rel=0.02)


@pytest.mark.parametrize("nothing", [None, "", "n/a", "not disclosed", float("nan")])
def test_what_is_not_disclosed_is_missing(nothing):
    assert from_mapping({"PUE": nothing, "GPU": "A100"}, "d") == {"gpu_model": "A100"}


def test_norway_stays_a_country_in_yaml(one_run):
    assert one_run("d.yaml", "Region: NO\nGPU: A100\n")["location"] == "NO"


def test_an_unknown_label_is_noted_and_costs_nothing(one_run):
    run = one_run("d.yaml", "GPU: A100\nTotal reserved time: 1 h\nLucky number: 7\n")
    assert run["repairs"] == "label_not_understood:Lucky%20number"


def test_a_secret_in_a_label_is_dropped_before_the_label_is_named(one_run):
    text = "GPU: A100\nTotal reserved time: 1 h\npwd=q7VbT2xLm9Kd4RsP: 7\n"
    assert "q7VbT2" not in one_run("d.yaml", text)["repairs"]


@pytest.mark.parametrize(
    ("label", "value", "field", "expected"),
    [
        ("duration", "10 h", "reserved_s", 36_000),
        ("duration_h", 10, "reserved_s", 36_000),
        ("Duration [min]", 10, "reserved_s", 600),
        ("Hours used", 3, "reserved_s", 10_800),
        ("Training time (hours)", 1.5, "active_s", 5_400),
        ("Training time (hours)", "90 min", "active_s", 5_400),
        ("Training time in hours", "1.5", "active_s", 5_400),
        ("train_runtime_s", 20, "active_s", 20),
        ("Tokens (M)", 1.5, "tokens_padded", 1.5e6),
        ("Energy consumed (MWh)", 0.5, "it_energy_kwh", 500),
        ("GPU utilization (%)", 45, "gpu_utilization", 0.45),
        ("Carbon intensity (g/kWh)", 475, "grid_kgco2e_per_kwh", 0.475),
        ("n_gpus", 4, "gpu_count", 4),
        ("date", "2026-03-01", "started_at", pd.Timestamp("2026-03-01", tz="UTC")),
        ("day", "2026-03-01", "started_at", pd.Timestamp("2026-03-01", tz="UTC")),
        ("Hardware Type", "A100 PCIe 40GB", "gpu_model", "A100 PCIe 40GB"),
        ("Compute Region", "us-east-1", "location", "us-east-1"),
        ("Carbon Emitted (kg)", 12, "disclosed_kgco2e", 12),
        ("emissions", "300 gCO2eq", "disclosed_kgco2e", 0.3),
        ("CO2 emissions", "3 tonnes of CO2e", "disclosed_kgco2e", 3000),
        ("nodes", 2, "server_count", 2),
        ("num_nodes", 2, "server_count", 2),
        ("# of GPUs", 8, "gpu_count", 8),
        ("ngpus", 8, "gpu_count", 8),
        ("devices", 8, "gpu_count", 8),
        ("trained_tokens", 48123, "tokens_padded", 48123),
        ("Total number of training tokens", "1B", "tokens_padded", 1e9),
        ("num_train_epochs", 3, "epochs", 3),
        ("per_device_train_batch_size", 4, "micro_batch_size", 4),
        ("max_seq_length", 2048, "sequence_length", 2048),
        ("lora_r", 16, "lora_rank", 16),
        ("trainingTimeHours", 2, "active_s", 7200),
        ("wall-time", "2 h", "reserved_s", 7200),
        ("model_size", "7B", "model_parameters", 7e9),
        ("model_name_or_path", "llama", "base_model", "llama"),
        ("gpu_energy_kwh", 3, "gpu_energy_kwh", 3),
        ("Requests per day", "1k", "expected_inferences_per_day", 1000),
        ("lifetime", "1 month", "expected_use_life_days", 365.25 / 12),
    ],
)
def test_a_label_as_people_write_it(label, value, field, expected):
    (found,) = from_mapping({label: value}, "d").items()
    assert found[0] == field
    assert found[1] == (pytest.approx(expected) if isinstance(expected, float) else expected)


def test_a_common_label_gives_way_to_one_of_the_methodology(one_run):
    run = one_run("d.yaml", "GPU: A100\nDate: 2026-03-01\nduration: 1 h\nStart: 2026-03-02 05:00\n"
                  "Total reserved time: 2 h\n")  # fmt: skip
    assert run["started_at"] == pd.Timestamp("2026-03-02 05:00", tz="UTC")
    assert run["reserved_s"] == 7200
    assert run["repairs"] == "label_not_understood:Date,duration"


@pytest.mark.parametrize("line", ["dataset size: 12 GB", "technique: magic", "devices: auto"])
def test_a_common_label_with_a_value_of_another_kind_costs_nothing(one_run, line):
    run = one_run("d.yaml", f"GPU: A100\nTotal reserved time: 1 h\n{line}\n")
    label = line.split(":")[0].replace(" ", "%20")
    assert run["repairs"] == f"label_not_understood:{label}"


def test_a_date_whose_order_nobody_knows_is_asked_for(refusal):
    text = "GPU: A100\nTotal reserved time: 1 h\ndate: 03/02/2026\n"
    code, reason = refusal("d.yaml", text)
    assert code == "bad_value"
    assert "July 6, 2024" in reason


@pytest.mark.parametrize("label", ["state", "rank", "tokens per epoch", "max_steps", "of"])
def test_a_word_with_several_meanings_is_not_guessed(label):
    assert parsed({label: "3"}, "UTC") == ({}, [label])


def test_one_node_is_a_machine_and_several_are_a_number():
    assert parsed({"node": "gpu01"}, "UTC")[0].keys() == {"host"}
    assert parsed({"nodes": 2}, "UTC") == ({"server_count": 2.0}, [])


def test_gpu_hours_take_the_number_beside_the_name_of_the_gpu():
    fields = from_mapping({"GPU hours": "80 GPU hours", "hardware": "A100 80GB x8"}, "d")
    assert fields["reserved_s"] == pytest.approx(36_000)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("team.csv", "date,model,base_model,hardware,num_gpus,hours\n"
                     "2026-03-01,bot,llama-3-8b,A100,8,3.5\n"),
        ("team.csv", "Date;Model;Hardware;GPUs;Hours\n01.03.2026;bot;A100;8;3,5\n"),
        ("card.json", {"hardware": "8x A100", "hours_used": 3.5, "date": "2026-03-01",
                       "model": "bot"}),
        ("card.json", {"gpuType": "A100", "gpuCount": 8, "wallTimeHours": 3.5, "day": "2026-03-01",
                       "modelName": "bot"}),
        ("card.md", "| Parameter | Value |\n|---|---|\n| Hardware | 8x A100 |\n"
                    "| Hours used | ~3.5 |\n| Date | March 1, 2026 |\n| Model | bot |\n"),
    ],
)  # fmt: skip
def test_common_words_for_hardware_and_time_make_a_disclosure(one_run, name, content):
    run = one_run(name, content)
    assert (run["model_name"], run["gpu_model"], run["gpu_count"]) == ("bot", "A100", 8)
    assert run["reserved_s"] == 12_600
    assert run["started_at"] == pd.Timestamp("2026-03-01", tz="UTC")


def test_a_duration_without_unit_asks_for_it():
    with pytest.raises(ValueError, match="give the unit, like 12 hours"):
        from_mapping({"duration": 10}, "d")


def test_common_labels_alone_make_no_disclosure():
    assert not disclosure.recognises("d.csv", b"date,duration\n2026-03-01,1 h\n")


def test_a_value_nobody_understands_costs_its_record_only(read):
    text = "- GPU: A100\n  Total reserved time: soon\n- GPU: H100\n  Total reserved time: 1 h\n"
    reading = read("d.yaml", text)
    assert reading.runs["run_id"].tolist() == ["d-2"]
    assert reading.quarantine["reason_code"].tolist() == ["bad_value"]
    assert "soon" in reading.quarantine["raw"].iloc[0]


def test_a_label_that_stands_twice_is_refused(read):
    table = "Component | Value\n---|---\nGPU | A100\nGPU | H100\nTotal reserved time | 1 h\n"
    assert read("card.md", table).quarantine["reason_code"].tolist() == ["duplicated_label"]
    synonyms = "GPU: A100\nAccelerator: H100\nTotal reserved time: 1 h\n"
    assert read("d.yaml", synonyms).quarantine["reason_code"].tolist() == ["duplicated_label"]
    twice = "GPU: A100\nGPU: H100\nTotal reserved time: 1 h\n"
    assert read("e.yaml", twice).quarantine["reason_code"].tolist() == ["duplicated_key"]


@pytest.mark.parametrize(
    ("row", "code"),
    [
        ("active_s: 7200\nreserved_s: 3600", "active_above_reserved"),
        ("tokens_padded: 5\ntokens_unpadded: 6", "unpadded_above_padded"),
        ("started_at: 2024-07-06\nended_at: 2024-07-05\nGPU: A100", "end_before_start"),
        ("pue: 0.9\nGPU: A100", "out_of_range"),
        ("started_at: 1999-07-06\nGPU: A100", "out_of_range"),
        ("ended_at: 2026-10-12\nGPU: A100", "ended_in_future"),
    ],
)
def test_what_breaks_the_rules_of_the_table_is_refused(refusal, row, code):
    assert refusal("d.yaml", row + "\n")[0] == code


@pytest.mark.parametrize(
    ("uri", "content"),
    [
        ("l.jsonl", '{"request_id": "1", "model": "m", "start": "2026-03-02", "duration": 1.5, '
                    '"total_tokens": 10}'),
        ("l.json", '[{"id": "x", "model": "m", "usage": {"prompt_tokens": 1}, "total_tokens": 10, '
                   '"duration": 1.5}]'),
        ("l.csv", "model,start,end,total_tokens,latency\n"
                  "m,2026-03-02T10:00:00Z,2026-03-02T10:00:01Z,10,2\n"),
    ],
)  # fmt: skip
def test_a_record_of_a_call_to_a_model_is_no_disclosure(refusal, uri, content):
    assert refusal(uri, content)[0] == "unrecognised"
