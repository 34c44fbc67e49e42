"""What the installed Hugging Face Trainer writes: collected where torch and transformers are.

They are the dependency group `trainer`; `conftest.py` leaves this file out without them.
"""

import json

import pytest

from ft_emissions_pipeline.readers import Settings, read_file


def fine_tune(folder, resume=None):
    """Fine-tune three steps an epoch on ten sequences of twelve tokens; return parameters."""
    import torch
    from transformers import BertConfig, BertForSequenceClassification, Trainer, TrainingArguments

    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=64, hidden_size=16, num_hidden_layers=1, num_attention_heads=2,
        intermediate_size=16, max_position_embeddings=16,
    )  # fmt: skip
    data = [
        {"input_ids": torch.randint(1, 64, (12,)),
         "attention_mask": torch.ones(12, dtype=torch.long), "labels": n % 2}
        for n in range(10)
    ]  # fmt: skip
    model = BertForSequenceClassification(config)
    arguments = TrainingArguments(
        output_dir=str(folder), per_device_train_batch_size=4, num_train_epochs=4, logging_steps=2,
        save_steps=4,
        report_to=[], use_cpu=True, include_num_input_tokens_seen=True, disable_tqdm=True,
    )  # fmt: skip
    trainer = Trainer(model=model, args=arguments, train_dataset=data)
    result = trainer.train(resume_from_checkpoint=resume)
    trainer.save_state()
    trainer.save_metrics("train", result.metrics)
    return model.num_parameters(exclude_embeddings=True), result.metrics["train_runtime"]


@pytest.mark.filterwarnings("ignore")  # those of the tool are not ours
def test_a_fine_tuning_on_the_cpu_writes_files_that_are_read(alone, conserved):
    def run_of(uri):
        reading, _, source_format = read_file(alone / uri, uri, Settings())
        assert source_format == "hugging_face"
        assert conserved(reading).quarantine.empty, reading.quarantine.to_dict("records")
        return reading.runs.iloc[0]

    parameters, seconds = fine_tune(alone / "out")
    run = run_of("out/trainer_state.json")
    assert run["run_id"] == "out"
    assert (run["steps"], run["epochs"], run["micro_batch_size"]) == (12, 4, 4)
    assert run["tokens_padded"] == 10 * 12 * 4
    # What the route from operations to tokens rests on: 6 x parameters without embeddings x tokens.
    assert run["train_flop"] == 6 * parameters * 10 * 12 * 4
    assert run["active_s"] == pytest.approx(seconds)
    assert run_of("out/train_results.json")["active_s"] == pytest.approx(seconds)
    earlier = run_of("out/checkpoint-8/trainer_state.json")
    assert (earlier["run_id"], earlier["steps"]) == ("out", 8)
    assert "before_last_step" in earlier["repairs"]

    _, rest = fine_tune(alone / "again", resume=str(alone / "out" / "checkpoint-8"))
    resumed = run_of("again/trainer_state.json")
    before = json.loads((alone / "out/checkpoint-8/trainer_state.json").read_text())
    clock = before["log_history"][-1]["train_runtime"]
    assert resumed["active_s"] == pytest.approx(clock + rest)
    assert resumed["tokens_padded"] == 10 * 12 * 4
