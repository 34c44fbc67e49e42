"""Secrets kind by kind, what only looks like one, and scrubbing twice changes nothing."""

import random
import unicodedata
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from planted_secrets import planted

from ft_emissions_pipeline.readers.scrubbing import (
    raw_text,
    scrubbed,
    scrubbed_cells,
    scrubbed_names,
    scrubbed_places,
)
from ft_emissions_pipeline.reference import load

ROOT = Path(__file__).resolve().parents[2]
KINDS = list(planted(random.Random(0)))


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_is_taken_out_wherever_it_stands(kind):
    for seed in range(8):
        text, secret = planted(random.Random(seed))[kind]
        for around in (
            "{}",
            "note {} end",
            '"{}"',
            "a,{},b",
            "={}",
            "\x1b[31m{}\x1b[0m",
            "\u202e{}",
        ):
            clean = scrubbed(around.format(text))
            assert secret not in clean, (seed, around)
            assert scrubbed(clean) == clean
            cells = scrubbed_cells(pd.Series([around.format(text), None], dtype="str"))
            assert cells.iloc[0] == clean


@pytest.mark.parametrize(
    "number", ["+49 30 901820", "+4930901820", "+1 (415) 5552671", "0049 30 901820",
               "0044-20-79460958", "06 12 34 56 78", "06.12.34.56.78", "(030) 901820",
               "030/901820", "0301 901820"]
)  # fmt: skip
def test_a_telephone_number_is_taken_out_however_people_write_it(number):
    assert scrubbed(f"call {number}").startswith("call [removed ")
    cells = pd.Series([number] * 300, dtype="str")
    assert scrubbed_cells(cells).str.startswith("[removed ").all()


def test_quotes_that_a_csv_file_doubles_are_quotes():
    assert "ada" not in scrubbed('"{""hostname"": ""ada-laptop"", ""user"": ""ada""}"')
    assert scrubbed('{"password": "", "gpus": "8"}') == '{"password": "", "gpus": "8"}'


def test_what_lies_below_a_home_stays():
    assert scrubbed("/home/ada/runs/llama-8b/log.csv").endswith("]/runs/llama-8b/log.csv")
    assert scrubbed("C:\\Users\\ada\\runs\\log.csv").endswith("]\\runs\\log.csv")


HUB_IDS = [
    line
    for line in (ROOT / "tests/data/names/hub_ids.txt").read_text().splitlines()
    if not line.startswith("#")
]


def test_models_of_the_hub_keep_their_names():
    assert len(HUB_IDS) >= 300
    spoilt = [name for name in HUB_IDS if scrubbed(name) != name]
    assert spoilt == []
    local = [f"output/{name.replace('/', '--')}/checkpoint-500" for name in HUB_IDS]
    assert [name for name in local if scrubbed(name) != name] == []


def test_every_name_and_id_of_the_reference_tables_stays():
    tables = load().tables
    texts = {
        text
        for frame in tables.values()
        for name in frame.columns
        if name in {"alias", "id", "name"} or name.endswith("_id")
        for text in frame[name].dropna().astype("str")
    }
    assert len(texts) > 5000
    assert [text for text in texts if scrubbed(text) != text] == []


@pytest.mark.parametrize(
    "text",
    [
        "ftjob-abc123DEF456ghi789JKL012", "0b8e0f6c-4b53-4a33-9d4e-5f2d8f6e1a77",
        "ft-0b8e0f6c-4b53-4a33-9d4e-5f2d8f6e1a77",
        "9f86d081884c7d659a2feaa0c55ad015", "huggingface-pytorch-training-2024-07-06-17-01-00-123",
        "2024-07-06T17:01:00+02:00",
        "run_20240718123456", "1721300000123456789", "NVIDIA A100-SXM4-80GB",
        "8 x NVIDIA H100 80GB HBM3", "CUDA 12.4.1", "535.104.05",
        "tokens: 48123", "total_tokens=1234567", "max_token: 512", "12:34:56", "0.4123456789012345",
        "00000000:3B:00.0", "us-east-1", "layers 512 256 1024 4096", "lr 1e-4, 256-512-1024",
        "eu.amazon.nova-lite-v1:0", "3, 14, 15, 92, 65, 35, 89, 79",
        "models--meta-llama--Llama-2-7b-hf/snapshots/01c7f73d771dfac7d292323805ebc428287df4f9/config.json",
        "https://huggingface.co/meta-llama/Llama-2-7b", "Basic training", "key: value",
        "nccl.cu.so", "checkpoint.step.pt", "12 0 7 0 99 0 0",
    ],
)  # fmt: skip
def test_what_only_looks_like_a_secret_stays(text):
    assert scrubbed(text) == text


WORDS = ["token=", "password: ", "\n", " ", "\x1b", "\u202e", "'", '"', "/home/", "[removed 1a2b]",
         "[removed ", "]", "@", ".com", "::", "+49",
         "4111", "1111", "https://", "?", "sk-", "Bearer ", "ada", "key", "=", ":", "0" * 20,
         "A1b2C3d4", "projects/", "/locations/",
         "host=", "-----BEGIN KEY-----", "\\", "--token ", "ft:", "null"]  # fmt: skip


@settings(max_examples=600)
@given(st.lists(st.one_of(st.sampled_from(WORDS), st.text(max_size=6)), max_size=12).map("".join))
@example("token=5\nabc")
@example("123\n456 7890")
def test_scrubbing_twice_changes_nothing(text):
    clean = scrubbed(text)
    assert scrubbed(clean) == clean
    assert not [c for c in clean if unicodedata.category(c) in {"Cc", "Zl", "Zp"}]


@pytest.mark.parametrize("hidden", ["\u200b", "\u00ad", "\u2060", "\ufeff", "\U000e0041"])
def test_what_takes_no_room_hides_no_secret(hidden):
    assert "abcdefgh" not in scrubbed(f"hf_abcdefgh{hidden}abcdefghijklmnopqrstuvw")


def test_a_secret_cut_off_at_the_end_of_what_is_looked_at_is_not_shown():
    pem = "-----BEGIN KEY-----" + "A" * 3960 + "-----END KEY-----"
    assert "sk-ab" not in raw_text(f"{pem} sk-abcdefghijklmnopqrstuvwxyz0123456789")


@pytest.mark.parametrize(
    "name", ["=cmd|'/c calc'!A1{", '<script>alert(1)</script>', 'a "quoted" name', "$(reboot)",
             "`id`", "x" * 201]
)  # fmt: skip
def test_what_is_written_in_no_letters_of_a_name_is_no_name(name):
    clean = scrubbed_names(pd.Series([name, "Llama 2", None], dtype="str"))
    assert clean.iloc[0].startswith("[removed ")
    assert clean.iloc[1] == "Llama 2"
    assert scrubbed_names(clean).equals(clean)


def test_names_in_any_script_and_with_any_usual_sign_stay():
    names = [*HUB_IDS, "Intel(R) Core(TM) i7-9750H CPU @ 2.60GHz", "NVIDIA® A100™", "Île-de-France",
             "ایران", "한국", "เอริเทรีย",
             "8 \N{MULTIPLICATION SIGN} H100", "@cf/meta/llama-2",
             "Côte d\N{RIGHT SINGLE QUOTATION MARK}Ivoire", "ft:gpt-4o:[removed 1a2b]:bot:1",
             "C:\\models\\llama", "50% V100"]  # fmt: skip
    cells = pd.Series(names, dtype="str")
    assert scrubbed_names(cells).tolist() == names


def test_a_place_in_a_file_is_no_address():
    places = pd.Series(["1.1.1.1", "12", "10.1.2.3/ada@example.org"], dtype="str")
    clean = scrubbed_places(places)
    assert clean.tolist()[:2] == ["1.1.1.1", "12"]
    assert "ada" not in clean.iloc[2]


@pytest.mark.parametrize("count", [3, 3000])
def test_few_cells_and_many_are_cleaned_alike(count):
    """Of an identity nothing is taken out, though its digits may look like a number to call."""
    token = "token=hf_abcdefghijklmnopqrstuvwxyz012345"
    told = ["41111111-1111-4111-8111-111111111111", token, None]
    cells = pd.Series(told * (count // 3), dtype="str")
    clean = scrubbed_cells(cells)
    assert clean.iloc[::3].eq(told[0]).all()
    assert clean.iloc[1::3].str.contains("[removed", regex=False).all()
    assert clean.iloc[2::3].isna().all()
