"""models.yaml: what happened to models, and choices for them."""

import pandas as pd
import pytest

MODELS = """
models:
  bot:
    team: support
    hand_on: unused
    base_model_kgco2e: 539000
    events:
      - {at: 2026-01-09T08:00:00Z, rolled_back_to: bot-05}
      - {at: 2026-02-01, renamed_to: assistant}
      - {at: 2026-03-01, retired: everything}
  router:
    events: {at: 2026-03-01, retired: r-1}
"""


def test_events_and_choices_are_rows_with_their_places(read):
    reading = read("team/models.yaml", MODELS)
    assert reading.content == "events"
    assert reading.records == 5
    rows = reading.events.set_index("source_record")
    assert rows["event"].tolist() == ["declared", "rolled_back", "renamed", "retired", "retired"]
    assert rows["at"]["bot/events/1"] == pd.Timestamp("2026-01-09T08:00:00Z")
    assert rows["at"]["bot/events/2"] == pd.Timestamp("2026-02-01T00:00:00Z")
    assert rows["new_name"]["bot/events/2"] == "assistant"
    assert rows["model_version"].dropna().to_dict() == {
        "bot/events/1": "bot-05",
        "router/events/1": "r-1",
    }
    assert rows.loc["bot", ["team", "hand_on", "base_model_kgco2e"]].tolist() == [
        "support",
        "unused",
        539000,
    ]


def test_a_label_of_a_version_is_a_row(read):
    reading = read("models.yaml", "models: {bot: {aliases: {v3: bot-03, 4: bot-04}}}\n")
    rows = reading.events.set_index("source_record")
    assert rows["event"].tolist() == ["labelled", "labelled"]
    assert rows["new_name"].to_dict() == {"bot/aliases/v3": "v3", "bot/aliases/4": "4"}
    assert rows["model_version"].tolist() == ["bot-03", "bot-04"]
    assert reading.records == 2


@pytest.mark.parametrize(
    ("entry", "code"),
    [
        ("{events: [{at: 2026-01-01}]}", "wrong_shape"),
        ("{events: [{retired: everything}]}", "event_without_instant"),
        ("{events: [{at: 2026-01-01, renamed_to: ''}]}", "event_without_object"),
        ("{events: [{at: someday, retired: everything}]}", "bad_timestamp"),
        ("{events: [{at: 2026-01-01, retired: a, renamed_to: b}]}", "wrong_shape"),
        ("{hand_on: everything}", "not_allowed"),
        ("{method: yearly}", "not_allowed"),
        ("{metod: monthly}", "bad_value"),
        ("{base_model_kgco2e: much}", "not_a_number"),
        ("{base_model_inferences: 0}", "out_of_range"),
        ("{aliases: [v3]}", "wrong_shape"),
        ("{aliases: {v3: [bot-03, bot-04]}}", "wrong_shape"),
        ("{aliases: {v3: }}", "wrong_shape"),
        ("[retired]", "wrong_shape"),
    ],
)
def test_a_slip_costs_its_own_record_only(read, entry, code):
    reading = read("models.yaml", f"models:\n  bot: {entry}\n  router: {{team: a}}\n")
    assert reading.events["model_name"].tolist() == ["router"]
    assert reading.quarantine["reason_code"].tolist() == [code]


def test_a_file_of_another_shape_is_refused(refusal):
    assert refusal("models.yaml", "models: [a, b]\n")[0] == "wrong_shape"
