"""Model cards: each test carries one oddity of how cards state their carbon."""

import pandas as pd
import pytest


def card(emissions, more=""):
    return (
        f"---\nlicense: apache-2.0\n{more}co2_eq_emissions:{emissions}\n---\n# A model\n\n"
        "co2 words\n"
    )


FULL = """
  emissions: 149200
  source: CodeCarbon
  training_type: fine-tuning
  geographical_location: East US2
  hardware_used: 8 A100 GPUs"""


def test_a_mapping_tells_carbon_in_grams_hardware_and_place(one_run):
    run = one_run("bot/README.md", card(FULL, "base_model: meta-llama/Llama-2-7b-hf\n"))
    assert run["run_id"] == "bot"
    assert run["disclosed_kgco2e"] == pytest.approx(149.2)
    assert (run["gpu_model"], run["gpu_count"], run["location"]) == ("A100", 8, "East US2")
    assert run["base_model"] == "meta-llama/Llama-2-7b-hf"
    assert pd.isna(run["method"])
    assert pd.isna(run["repairs"])


def test_a_bare_number_is_grams(one_run):
    assert one_run("a/README.md", card(" 2500"))["disclosed_kgco2e"] == 2.5


@pytest.mark.parametrize("value", ["0.0086", "0.5"])
def test_a_number_that_looks_like_kilograms_is_flagged_and_not_rescaled(one_run, value):
    run = one_run("a/README.md", card(f" {value}"))
    assert run["disclosed_kgco2e"] == float(value) / 1000
    assert run["repairs"] == "emissions_like_kg"


@pytest.mark.parametrize(
    ("value", "kilograms"),
    [("0.05 kg", 0.05), ("12 g", 0.012), ("1.2e3 gCO2eq", 1.2), ("0.05 kg CO2eq", 0.05),
     ("24.7 tonnes", 24700),
     ("3 kg of CO2", 3), ("3 kgCO₂e", 3), ("4tCO2", 4000)],
)  # fmt: skip
def test_a_unit_that_is_stated_counts_and_is_noted(one_run, value, kilograms):
    run = one_run("a/README.md", card(f' "{value}"'))
    assert run["disclosed_kgco2e"] == pytest.approx(kilograms)
    assert run["repairs"] == "emissions_unit_stated"


@pytest.mark.parametrize("value", ["unknown", "0,05 kg", "5 trees", "-3", "2-5 kg"])
def test_what_is_no_amount_is_refused(refusal, value):
    code, reason = refusal("a/README.md", card(f' "{value}"'))
    assert code == "bad_value"
    assert "grams" in reason


def test_the_broken_list_is_put_together(one_run):
    run = one_run(
        "a/README.md",
        card("\n- emissions: 1200\n- source: codecarbon\n- hardware_used: 4 x V100\n"),
    )
    assert run["disclosed_kgco2e"] == 1.2
    assert (run["gpu_model"], run["gpu_count"]) == ("V100", 4)
    assert run["repairs"] == "emissions_list_joined"


def test_a_list_of_two_emissions_is_refused(refusal):
    assert refusal("a/README.md", card("\n- emissions: 1\n- emissions: 2"))[0] == "duplicated_label"


def test_the_card_of_a_sentence_model_tells_hours_and_energy(one_run):
    """As sentence-transformers and SetFit write it, of CodeCarbon's own figures."""
    stated = (
        "\n  emissions: 45.3\n  energy_consumed: 0.12\n  source: codecarbon\n  on_cloud: false\n"
        "  hours_used: 0.5\n  hardware_used: 1 x NVIDIA GeForce RTX 3090"
    )
    run = one_run("a/README.md", card(stated))
    assert run["active_s"] == 1800
    assert run["it_energy_kwh"] == 0.12
    assert (run["gpu_model"], run["gpu_count"]) == ("NVIDIA GeForce RTX 3090", 1)
    assert run["repairs"] == "pue_may_be_included"


@pytest.mark.parametrize(
    ("words", "model", "count"),
    [("Tesla T4", "Tesla T4", None), ("1080 Ti", "1080 Ti", None),
     ("16 A100 80GB", "A100 80GB", 16),
     ("8xTPU v3-8", "TPU v3-8", 8), ("2 RTX 3090 GPUs", "RTX 3090", 2),
     ("4 x A100 + 2 x V100", "4 x A100 + 2 x V100", None),
     ("Intel Xeon Gold 6226R", None, 0)],
)  # fmt: skip
def test_hardware_is_read_as_people_write_it(one_run, words, model, count):
    run = one_run("a/README.md", card(f"\n  emissions: 10\n  hardware_used: {words}"))
    assert (run["gpu_model"] if pd.notna(run["gpu_model"]) else None) == model
    assert (run["gpu_count"] if pd.notna(run["gpu_count"]) else None) == count


def test_a_model_made_from_nothing_is_no_fine_tuning(refusal):
    stated = "\n  emissions: 24700000\n  training_type: pre-training"
    assert refusal("a/README.md", card(stated))[0] == "not_a_fine_tuning"


def test_the_method_is_taken_where_the_type_of_training_names_one(one_run):
    assert (
        one_run("a/README.md", card("\n  emissions: 10\n  training_type: LoRA"))["method"] == "lora"
    )


def test_several_base_models_are_noted(one_run):
    run = one_run("a/README.md", card(" 10", "base_model:\n- gpt2\n- gpt2-xl\n"))
    assert run["base_model"] == "gpt2"
    assert run["repairs"] == "several_base_models"


def test_cards_of_other_names_are_runs_of_their_own(one_run):
    run = one_run("cards/bot.md", card(" 10", "model-index:\n- name: support-bot\n"))
    assert (run["run_id"], run["model_name"]) == ("cards/bot", "support-bot")


def test_a_card_without_carbon_or_base_model_is_left_quietly(read):
    reading = read(
        "a/README.md", "---\nlicense: mit\npipeline_tag: text-generation\n---\n# A model\n"
    )
    assert reading.content == "other"
    assert reading.quarantine.empty


def test_front_matter_that_does_not_end_is_refused(refusal):
    assert refusal("a/README.md", "---\nco2_eq_emissions: 10\n# A model\n")[0] == "broken_yaml"


def test_a_disclosure_table_goes_before_the_carbon(one_run):
    table = "Component | Disclosed data\n---|---\nGPU | A100\nTotal reserved time | 12 hours\n"
    run = one_run("a/README.md", card(" 10") + table)
    assert run["reserved_s"] == 43200
