"""Prose that tells of a training is named, with its line; it is not read, nor an all-clear."""

import pytest

from ft_emissions_pipeline.readers.prose import line_that_tells


@pytest.mark.parametrize(
    "sentence",
    [
        "This model was fine-tuned on 4 NVIDIA A100 GPUs for about 12 hours.",
        "Training took about 11 minutes on an RTX 5060 Ti.",
        "The training took about 35 minutes on T4 GPU.",
        "Model was [trained](https://example.org/a.ipynb) for 3,5 hours on Tesla V100",
        "- Trained with 8xH100 in 2.5h",
        "Fine-tuning took 90 min on an M2 Max",
        "It was finetuned on a TPU v3-8 for 3 days",
    ],
)
def test_a_sentence_that_tells_of_a_training_is_named_by_its_line(sentence):
    assert line_that_tells("bot/readme.md", f"# Bot\n\n{sentence}\n") == 3


@pytest.mark.parametrize(
    "sentence",
    [
        "Training takes approximately 4 hours on a single A100.",
        "It was fine-tuned on 80% of this corpus.",
        "The model was trained on 64 A100.",
        "The data were collected over 12 days with two GPUs.",
        "It was trained for 3 epochs in 2 hours",
        "T5 was fine-tuned for 3 days.",
    ],
)
def test_other_sentences_are_not(sentence):
    assert line_that_tells("bot/readme.md", sentence) is None


def test_other_files_are_no_notes():
    assert line_that_tells("train.py", "# trained on an A100 for 3 hours") is None


def test_a_note_costs_a_row_that_says_what_to_do(refusal):
    code, reason = refusal("bot/README.md", "# Bot\n\nTrained on 4 A100 GPUs for 12 hours.\n")
    assert code == "told_in_prose"
    assert "line 3" in reason
    assert "runs.yaml" in reason


def test_a_table_beside_a_sentence_is_read(read):
    table = "| Component | Value |\n|---|---|\n| GPU | A100 |\n| Duration | 3 h |\n"
    runs = read("bot/notes.md", f"Trained on an A100 for 3 hours.\n\n{table}").runs
    assert len(runs) == 1
