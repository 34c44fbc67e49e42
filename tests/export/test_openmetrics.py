"""The exposition is read by Prometheus' own parser."""

from dataclasses import replace

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parsed

from ft_emissions_pipeline import export

NASTY = 'a "quoted"\\ name\nof two lines'


def samples(text):
    return {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for family in parsed(text)
        for sample in family.samples
    }


def test_today_of_each_model_and_no_past(figures):
    text = export.write("openmetrics", figures)
    assert text.endswith("# EOF\n")
    found = samples(text)
    carried = [key for key in found if key[0] == "ft_emissions_inference_co2e_grams"]
    assert len(carried) == 3 * figures.per_inference["model_name"].nunique()
    newest = figures.per_inference.query("model_name == 'support-bot'").iloc[-1]
    key = (("bound", "value"), ("model", "support-bot"), ("version", newest["model_version"]))
    grams = found[("ft_emissions_inference_co2e_grams", *key)]
    assert grams == pytest.approx(newest["gco2e_per_inference"])
    litres = found[("ft_emissions_inference_water_litres", *key)]
    assert litres == pytest.approx(newest["water_ml_per_inference"] / 1000)


def test_energy_is_in_joules_and_the_rest_is_told(disclosed):
    found = samples(export.write("openmetrics", disclosed))
    row = disclosed.newest()
    joules = next(v for k, v in found.items() if k[0] == "ft_emissions_fine_tuning_energy_joules")
    assert joules == pytest.approx(row["facility_energy_kwh"] * 3.6e6)
    info = next(dict(k[1:]) for k in found if k[0] == "ft_emissions_fine_tuning_info")
    assert info["methodology"] == "default"
    assert info["restated"] == "false"
    assert found[("ft_emissions_made_at_seconds",)] == disclosed.made_at.timestamp()


def test_a_name_of_any_kind_is_escaped(disclosed):
    hostile = replace(disclosed, versions=disclosed.versions.assign(model_name=NASTY))
    assert NASTY in {
        dict(key[1:]).get("model") for key in samples(export.write("openmetrics", hostile))
    }
