"""Explanations, followed with a pocket calculator: what is printed must add up as printed."""

import ast
import operator
import re

import pytest
from ledger_rows import branched_merged_and_rolled_back, counts, impacts
from typer.testing import CliRunner

import ft_emissions_pipeline as fte
from ft_emissions_pipeline import cli, ledger, methodology
from ft_emissions_pipeline.analysis.explain import ancestry, explain
from ft_emissions_pipeline.tables import (
    FIELD_PROVENANCE,
    MODEL_VERSIONS,
    NORMALIZED_RUNS,
    RUN_IMPACTS,
)
from ft_emissions_pipeline.warehouse import store

pytestmark = pytest.mark.slow

HOUR = {"reserved_s": 3600}
USE = {"expected_inferences_per_day": 700, "expected_use_life_days": 3}
CASES = {
    "disclosed": {"gpu_model": "A100 80GB", "gpu_count": 4, "active_s": 40_000,
                  "reserved_s": 43_200,
                  "location": "AWS US West (Oregon)", "gpu_utilization": 0.47, **USE},
    "bloom": {"gpu_model": "A100 80GB", "gpu_count": 384, "server_count": 48, "country_iso3": "FRA",
              "reserved_s": 118 * 86_400, "active_s": 1_082_990 / 384 * 3600, "pue": 1.1,
              "development_multiplier": 2.45},
    "service": {"managed_service": "AWS Bedrock", "base_model": "Llama 2", "tokens_padded": 48_123,
                **USE},
    "overrun": {"active_s": 3630, "reserved_s": 3600, "location": "Germany"},
    "no gpu": {**HOUR, "gpu_count": 0},
    "meter": {**HOUR, "meter_energy_kwh": 5.2, "development_multiplier": 1.4},
    "total": {**HOUR, "it_energy_kwh": 7.1},
    "nothing used": {**HOUR, "it_energy_kwh": 0},
    "components": {**HOUR, "gpu_energy_kwh": 4.3, "cpu_energy_kwh": 2.2, "ram_energy_kwh": 1.1},
}  # fmt: skip
TEXTS = [(profile, name) for profile in methodology.PROFILES for name in CASES]
each_text = pytest.mark.parametrize(("profile", "name"), TEXTS)


@pytest.fixture(scope="module")
def estimates():
    disclosures = [{**fields, "run_id": name} for name, fields in CASES.items()]
    return {name: fte.estimate(disclosures, profile=name) for name in methodology.PROFILES}


@pytest.fixture(scope="module")
def texts(estimates):
    return {(profile, name): estimates[profile].explain(name) for profile, name in TEXTS}


@pytest.mark.parametrize("profile", methodology.PROFILES)
def test_runs_are_explained_together_as_they_are_alone(profile, estimates, texts):
    of = estimates[profile]
    together = explain(of.normalized, of.provenance, of.runs, of.reference)
    assert together == {name: texts[profile, name] for name in CASES}


def calculated(text):
    """Work a printed sum out by the rules that every pocket calculator knows."""
    signs = {
        ast.Add: operator.add,
        ast.Sub: operator.sub,
        ast.Mult: operator.mul,
        ast.Div: operator.truediv,
    }

    def work(node):
        if isinstance(node, ast.BinOp):
            return signs[type(node.op)](work(node.left), work(node.right))
        return float(ast.literal_eval(node))

    return work(ast.parse(text.replace(" x ", " * "), mode="eval").body)


def steps(text):
    """Yield (name, formula, printed sum, printed result, unit, result carried on) of each step."""
    lines = text.split("\nSteps\n")[1].split("\n\n")[0].split("\n")
    for n, line in enumerate(lines):
        if re.match(r"^  \w", line):
            name, formula = line.strip().split(" = ")
            _, printed, result = lines[n + 1].split(" = ")
            number, unit = result.split()
            carried = number
            if n + 2 < len(lines) and "carried on rounded" in lines[n + 2]:
                carried = lines[n + 2].rsplit(": ", 1)[1].split()[0]
            yield name, formula, printed.strip(), float(number), unit, float(carried)


@each_text
def test_every_step_adds_up_from_the_printed_numbers(texts, profile, name):
    found = list(steps(texts[profile, name]))
    assert len(found) >= 11
    for step, _, printed, result, *_ in found:
        assert calculated(printed) == pytest.approx(result, rel=1e-5), step


@each_text
def test_every_step_starts_from_values_that_were_printed_before(texts, profile, name):
    """A later step takes what an earlier one carried on; only the published profile rounds."""
    known = {}
    for step, formula, printed, result, _, carried in steps(texts[profile, name]):
        terms = zip(
            re.findall(r"\w+", formula), re.findall(r"[\w.]+(?:e[+-]\d+)?", printed), strict=True
        )
        for term, number in terms:
            if term in known:
                assert float(number) == pytest.approx(known[term], rel=1e-6), (step, term)
        if profile != "scope3-2024":
            assert carried == result
        known[step] = carried


@each_text
def test_last_values_are_those_of_the_table(texts, estimates, profile, name):
    run = estimates[profile].runs.set_index("run_id").loc[name]
    printed = {step: carried for step, _, _, _, _, carried in steps(texts[profile, name])}
    results = [column for column in run.index if column in printed]
    assert {"total_kgco2e", "total_water_l", "it_energy_kwh", "facility_energy_kwh"} <= set(results)
    for column in results:
        assert printed[column] == pytest.approx(run[column], rel=1e-6)


@each_text
def test_every_factor_that_is_printed_says_where_it_comes_from(texts, profile, name):
    text = texts[profile, name]
    origins = text.split("\nWhere the values come from\n")[1]
    stated = set(re.findall(r"^  (\w+) = ", origins, re.MULTILINE))
    made = {step for step, *_ in steps(text)}
    # Other names for a stated value: of the profile's own rows, or for the time it refers to.
    stands_for = {
        "flat_gpu_power_w": "defaults/scope3_gpu_power_w",
        "logged_it_energy_kwh": "it_energy_kwh = ",
        "generated_kwh": "it_energy_kwh = ",
        "water_reserved_h": "reserved_s = ",
    }
    for step, formula, *_ in steps(text):
        for factor in re.findall(r"[a-z]\w+", formula):
            if factor in stands_for:
                assert stands_for[factor] in origins, (step, factor)
            else:
                assert factor in stated | made, (step, factor)
    for line in re.findall(r"^    \w+/.*$", origins, re.MULTILINE):
        factor_id, source = line.split(": ", 1)
        assert len(source.split()) > 2, factor_id


@each_text
def test_units_of_the_steps_are_those_of_the_columns(texts, profile, name):
    suffixes = {"kWh": "_kwh", "kgCO2e": "_kgco2e", "L": "_l", "W": "_w", "h": ("_h", "hours"),
                "kgCO2e/h": "_kgco2e_per_h", "L/h": "_l_per_h"}  # fmt: skip
    for step, *_, unit, _ in steps(texts[profile, name]):
        # Energy per hour of an accelerator is the one rate that is printed in kWh.
        suffix = "_kwh_per_gpu_hour" if step == "facility_kwh_per_gpu_hour" else suffixes[unit]
        assert step.endswith(suffix), step


@pytest.mark.parametrize("name", ["disclosed", "service"])
def test_the_share_of_one_inference_adds_up(texts, estimates, name):
    text = texts["default", name]
    shared = estimates["default"].per_inference.set_index("run_id").loc[name]
    lines = re.findall(r"^  (\w+_per_inference) = (.*) = (\S+) (\w+)$", text, re.MULTILINE)
    assert [line[0] for line in lines] == ["gco2e_per_inference", "water_ml_per_inference"]
    for quantity, printed, result, _ in lines:
        assert calculated(printed) == pytest.approx(float(result), rel=1e-5)
        assert float(result) == pytest.approx(shared[quantity], rel=1e-6)


def test_without_expected_inferences_the_share_is_said_to_be_unknown(texts):
    assert "Per inference: unknown until" in texts["default", "total"]


@each_text
def test_the_interval_is_that_of_the_table(texts, estimates, profile, name):
    run = estimates[profile].runs.set_index("run_id").loc[name]
    for total in ("total_kgco2e", "total_water_l"):
        printed = re.search(
            rf"^  {total} = (\S+) \((\S+) to (\S+)\)", texts[profile, name], re.MULTILINE
        )
        ours = [run[total], run[f"{total}_p05"], run[f"{total}_p95"]]
        assert [float(number) for number in printed.groups()] == pytest.approx(ours, rel=1e-6)


def test_every_quirk_of_the_profile_is_explained_and_none_by_default(texts):
    for quirk in methodology.switches(methodology.PROFILES["scope3-2024"]):
        assert f"Quirk {quirk} of the profile: " in texts["scope3-2024", "bloom"]
    assert "Quirk" not in texts["default", "bloom"]


def test_rules_of_one_name_keep_their_own_words(texts):
    """Active time has no start-up in it; the reservation has."""
    text = texts["default", "service"]
    of = {
        field: re.search(rf"^  {field} = .*\n    (.*)$", text, re.MULTILINE).group(1)
        for field in ("active_s", "reserved_s")
    }
    assert "start-up" not in of["active_s"]
    assert "start-up" in of["reserved_s"]


def test_modelled_energy_loses_what_power_supplies_lose_and_a_flat_power_nothing(texts):
    of_power = next(text for text in texts.values() if "power x active time" in text)
    assert " / 1000 / supply_efficiency x development_multiplier" in of_power
    assert "host_overheads/data_centre" in of_power
    assert "supply_efficiency" not in texts["scope3-2024", "bloom"]


def test_a_flat_power_is_not_called_a_power_model(texts):
    assert "GPU hours x a flat power" in texts["scope3-2024", "bloom"]
    assert "power x active time" not in texts["scope3-2024", "bloom"]


def test_an_unknown_run_is_refused_with_runs_that_there_are(estimates):
    with pytest.raises(KeyError, match="no run or model 'blom' among 9 runs; nearest: bloom"):
        estimates["default"].explain("blom")


def test_the_beginning_of_an_id_names_a_run_where_it_is_unique(estimates):
    whole = estimates["default"].explain("bloom")
    assert estimates["default"].explain("blo") == whole
    ids = estimates["default"].runs["run_id"]
    first = min(id_[0] for id_ in ids if sum(each.startswith(id_[0]) for each in ids) > 1)
    alike = [each for each in ids if each.startswith(first)]
    with pytest.raises(KeyError, match=f"begins {len(alike)} runs: {', '.join(alike)}"):
        estimates["default"].explain(first)
    with pytest.raises(KeyError, match="no run or model ''"):
        estimates["default"].explain("")


def test_the_calculator_knows_brackets_and_precedence():
    assert calculated("2 x (3 + 4) - 10 / 5") == 12.0
    assert calculated("1.5e-05 x 2") == pytest.approx(3e-5)


def ancestry_of(version):
    runs, versions = branched_merged_and_rolled_back()
    return ancestry(versions, runs, version).split("\n")


def test_a_merged_version_is_followed_back_to_its_base_model():
    """By hand: run-0 served 2,000 of 10,000 inferences and hands 80 % of 12.8 kg on, to run-2."""
    assert ancestry_of("run-3") == [
        "The version, and those that it was fine-tuned from, the nearest first",
        "  run-3 of model left: tuned on 2026-01-04 from run-1 and run-2; 12.8 kgCO2e of its own",
        "  run-1 of model left: tuned on 2026-01-02 from run-0; 12.8 kgCO2e of its own",
        "  run-2 of model m: tuned on 2026-01-03 from run-0; 12.8 kgCO2e of its own, "
        "10.24 kgCO2e inherited; served again after a break",
        "  run-0 of model m: tuned on 2026-01-01; 12.8 kgCO2e of its own, 10.24 kgCO2e handed on",
        "  base model bert-base: no pre-training in the factor tables",
    ]


def test_a_branched_version_names_its_children_and_a_disclosed_pre_training():
    assert ancestry_of("run-0")[2:] == [
        "  base model bert-base: no pre-training in the factor tables",
        "    1 gCO2e per inference of its pre-training, in no total",
        "  fine-tuned further into run-1, run-2",
    ]


def test_a_version_that_was_rolled_back_says_so():
    assert ancestry_of("run-4")[1].endswith("; 12.8 kgCO2e of its own; rolled back")


def test_of_a_long_chain_the_nearest_are_shown_and_the_others_summed():
    """By hand: 30 versions, of which 10 are shown: 20 x 12.8 kg = 256 kg."""
    runs = impacts(*({"parent_version": f"run-{n - 1}" if n else None} for n in range(30)))
    versions = ledger.model_versions(runs, counts(), runs["date"].max())
    lines = ancestry(versions, runs, "run-29").split("\n")
    assert len(lines) == 13
    assert lines[10].startswith("  run-20 of")
    assert lines[11] == "  and 20 earlier, 256 kgCO2e of their own together"


def test_a_parent_that_no_run_made_is_named_as_logged():
    runs = impacts({"parent_version": "hub/model"})
    versions = ledger.model_versions(runs, counts(), runs["date"].max())
    text = ancestry(versions, runs, "run-0")
    assert "tuned on 2026-01-01 from hub/model, of which no run is known; 12.8" in text


def test_a_published_pre_training_stands_beside_its_base_model():
    runs = impacts({"base_model": "Llama 2 7B", "pretraining_kgco2e": 31220.0})
    versions = ledger.model_versions(runs, counts(), runs["date"].max())
    told = ancestry(versions, runs, "run-0").split("\n")[2]
    assert told == "  base model Llama 2 7B: 31220 kgCO2e of pre-training published, in no total"


def test_of_a_run_that_made_no_version_yet_there_is_no_ancestry():
    assert ancestry_of("run-99") == [""]


def test_the_command_shows_the_ancestry_below_the_steps(tmp_path):
    disclosed = [
        {**CASES["meter"], "run_id": "a", "model_name": "m", "ended_at": "2026-01-01T00:00:00Z"},
        {**CASES["meter"], "run_id": "b", "model_name": "m", "ended_at": "2026-01-02T00:00:00Z",
         "parent_version": "a"},
    ]  # fmt: skip
    found = fte.estimate(disclosed)
    versions = ledger.model_versions(found.runs, counts(), found.runs["date"].max())
    for table, frame in (
        (NORMALIZED_RUNS, found.normalized), (FIELD_PROVENANCE, found.provenance),
        (RUN_IMPACTS, found.runs), (MODEL_VERSIONS, versions),
    ):  # fmt: skip
        store.write(tmp_path, table, frame)
    shown = CliRunner().invoke(cli.app, ["explain", "b", "--warehouse", str(tmp_path)])
    assert shown.exit_code == 0, shown.output
    steps_part, _, chain = shown.output.partition("\n\nThe version, and those that it was")
    assert steps_part.startswith("Run b of model m")
    assert "  b of model m: tuned on 2026-01-02 from a; " in chain
