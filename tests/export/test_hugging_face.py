"""The front matter of a model card, written into cards as they are."""

from dataclasses import replace

import pytest
import yaml

from ft_emissions_pipeline import export
from ft_emissions_pipeline.export.formats import hugging_face
from ft_emissions_pipeline.readers import Settings
from ft_emissions_pipeline.readers.formats import model_card

KEYS = "co2_eq_emissions:\n  emissions: 12.5\nft_emissions:\n  status: final\n"
CARD = """---
license: apache-2.0   # as the base model
tags: [a, b]
co2_eq_emissions:
  emissions: 3.1   # of CodeCarbon
  source: CodeCarbon

# what follows is the task
pipeline_tag: text-generation
---
# A model

co2_eq_emissions: not this one
"""


def front_matter(card):
    return yaml.safe_load(card.split("---")[1])


def test_only_our_keys_of_a_card_change():
    changed = hugging_face.into(CARD, KEYS)
    old = "co2_eq_emissions:\n  emissions: 3.1   # of CodeCarbon\n  source: CodeCarbon\n"
    assert changed == CARD.replace(old, KEYS)
    assert hugging_face.into(changed, KEYS) == changed


@pytest.mark.parametrize(
    ("card", "kept"),
    [
        ("", ""),
        ("# A model\n", "# A model\n"),
        ("---\r\nlicense: mit\r\n---\r\n# A model\r\n", "# A model\r\n"),
        ("\ufeff---\nco2_eq_emissions: 3\nlicense: mit\n---\nText", "\nText"),
        ("---\nlicense: mit\n'co2_eq_emissions': {emissions: 1,\n  source: x}\n---\n", ""),
        (
            "---\nft_emissions: [1, 2]\nlicense: mit\n"
            "co2_eq_emissions:\n- emissions: 1\n- source: x\n---\n",
            "",
        ),
        ("---\nco2_eq_emissions: |\n  3 g\n  more\nlicense: mit\n---\n", ""),
    ],
    ids=["empty", "plain", "crlf", "bom_and_bare_number", "flow_quoted_key", "lists", "block_text"],
)
def test_a_card_of_any_shape_states_ours_and_keeps_the_rest(card, kept):
    changed = hugging_face.into(card, KEYS)
    found = front_matter(changed)
    assert found["co2_eq_emissions"] == {"emissions": 12.5}
    assert found["ft_emissions"] == {"status": "final"}
    assert found.get("license", "mit") == "mit"
    assert ("license" in found) == ("license" in card)
    assert changed.endswith(kept)
    assert changed.count("\r\n") in (0, changed.count("\n"))


@pytest.mark.parametrize(
    ("card", "said"),
    [
        ("---\nlicense: mit\n", "does not end"),
        ("---\n- a\n---\n", "is a list"),
        ("---\na: [\n---\n", "no YAML"),
        ("---\nco2_eq_emissions: &e {emissions: 1}\nother: *e\n---\n", "no YAML"),
    ],
)
def test_a_card_that_cannot_be_edited_is_refused(card, said):
    with pytest.raises(ValueError, match=said):
        hugging_face.into(card, KEYS)


def test_the_hub_and_our_reader_take_the_grams(disclosed):
    card = export.write("hugging-face", disclosed)
    stated = front_matter(card)["co2_eq_emissions"]
    row = disclosed.newest()
    # The Hub searches text for its first number, so that only a number is safe.
    assert isinstance(stated["emissions"], float)
    assert "e" not in card.split("emissions: ")[1].split("\n")[0]
    assert stated["emissions"] == pytest.approx(1000 * row["total_kgco2e"], rel=1e-3)
    for word in (
        "methodology default",
        row["reference_version"],
        "embodied",
        "interval",
        "provisional",
    ):
        assert word in stated["source"]
    run = model_card.read(card.encode(), "m/README.md", Settings()).runs.iloc[0]
    assert run["disclosed_kgco2e"] == pytest.approx(row["total_kgco2e"], rel=1e-3)
    assert (run["gpu_model"], run["gpu_count"]) == ("Nvidia A100 80GB", 4.0)


def test_a_corrected_value_says_so(corrected):
    assert "final, corrected" in export.write("hugging-face", corrected)


def test_a_run_on_cpus_names_them(disclosed):
    cells = {"gpu_count": 0.0, "gpu_model": "none", "cpu_count": 2.0, "cpu_model": "EPYC 7763"}
    on_cpus = replace(disclosed, versions=disclosed.versions.assign(**cells))
    stated = front_matter(export.write("hugging-face", on_cpus))["co2_eq_emissions"]
    assert stated["hardware_used"] == "2 x EPYC 7763"


def test_grams_are_never_written_with_an_exponent(disclosed):
    tiny = disclosed.versions.assign(total_kgco2e=1e-12)
    card = export.write("hugging-face", replace(disclosed, versions=tiny))
    assert "  emissions: 0.0001\n" in card


def test_it_is_written_into_a_card_that_lies_there(disclosed, tmp_path):
    path = tmp_path / "README.md"
    path.write_text(CARD)
    assert export.write("hugging-face", disclosed, path) == str(path)
    assert path.read_text().endswith("# A model\n\nco2_eq_emissions: not this one\n")
    assert front_matter(path.read_text())["license"] == "apache-2.0"


def test_one_card_is_of_one_model(figures):
    with pytest.raises(ValueError, match="name a model: contract-summariser, intent-classifier"):
        export.write("hugging-face", figures)
