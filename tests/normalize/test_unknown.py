"""A name that no table knows leaves a word, whether a figure rests on it or not."""

import pytest
from typer.testing import CliRunner

import ft_emissions_pipeline as fte
from ft_emissions_pipeline import cli
from ft_emissions_pipeline.normalize import unknown_of

RUN = {"run_id": "a", "reserved_s": 10800, "ended_at": "2026-03-02T00:00:00Z"}


@pytest.mark.parametrize(
    ("field", "unknown", "known", "besides"),
    [
        ("gpu_model", "Zorgon 9000", "NVIDIA A100-SXM4-80GB", {}),
        ("gpu_model", "GeForce RTX 9090 Laptop GPU", "GeForce RTX 4090 Laptop GPU", {}),
        ("server_model", "Foo 3000", "DGX H100", {"gpu_model": "H100"}),
        ("instance_type", "zz9.plural", "p5.48xlarge", {"cloud_provider": "aws"}),
        ("base_model", "my-own-thing", "meta-llama/Llama-2-7b-hf", {}),
        ("managed_service", "Tune-O-Matic", "AWS Bedrock", {}),
        ("cloud_region", "eu-mars-1", "eu-west-1",
         {"country_iso3": "IRL", "cloud_provider": "aws"}),
        ("location", "Atlantis", "Oregon", {"country_iso3": "USA"}),
    ],
)  # fmt: skip
def test_a_name_that_no_table_knows_leaves_a_word(field, unknown, known, besides):
    found = fte.estimate({**RUN, **besides, field: unknown})
    (sentence,) = unknown_of(found.provenance).dropna()
    assert sentence.startswith(f"{field} '{unknown}' is not known in reference_data/")
    assert sentence in found.explain("a")
    assert unknown_of(fte.estimate({**RUN, **besides, field: known}).provenance).isna().all()


def test_the_summary_tells_each_unknown_name_once(tmp_path):
    (tmp_path / "runs.yaml").write_text(
        "".join(
            f"- run_id: r{n}\n  gpu_model: Zorgon 9000\n  reserved_s: 10800\n"
            f"  ended_at: 2026-03-02T00:00:00Z\n"
            for n in range(3)
        )
    )
    told = CliRunner().invoke(cli.app, ["estimate", str(tmp_path)], env={"DAGSTER_HOME": ""}).stderr
    (line,) = [line for line in told.splitlines() if "Zorgon" in line]
    assert line.startswith("guessed: gpu_model 'Zorgon 9000' is not known")
    assert line.endswith("(3 run(s))")


def test_a_name_that_nobody_logged_leaves_no_word():
    """Of a run without an accelerator `gpu_model` is filled with a word that no table has."""
    found = fte.estimate({"model_name": "m", "gpu_count": 0, "reserved_s": 3600})
    assert found.runs["total_kgco2e"].gt(0).all()
    assert not found.provenance["source"].str.contains("is not known in", na=False).any()
