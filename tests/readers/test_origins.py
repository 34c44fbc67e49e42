"""Origins come back as they were written, and a single record has those of its format."""

import json

import pandas as pd

from ft_emissions_pipeline import api
from ft_emissions_pipeline.readers import origins


def test_a_cell_holds_field_basis_and_record():
    """The form is public: table `runs` is read by others."""
    known = {"pue": origins.Origin("disclosed", "Ablage/Läufe.yaml#1")}
    cell = origins.to_json(known)
    assert json.loads(cell) == {"pue": ["disclosed", "Ablage/Läufe.yaml#1"]}
    assert "ä" in cell
    assert origins.from_json(cell) == known


def test_a_run_of_one_record_has_the_origins_of_its_format(tmp_path):
    file = tmp_path / "run.yaml"
    file.write_text("run_id: a\nreserved_s: 3600\ngpu_model: A100\n", encoding="utf-8")
    (run,) = api.read_runs(file)[0].to_dict("records")
    assert pd.isna(run["origins"])
    found = origins.of_run(run)
    assert {name: found[name] for name in ("reserved_s", "gpu_model")} == dict.fromkeys(
        ("reserved_s", "gpu_model"), ("disclosed", f"{run['source_uri']}#{run['source_record']}")
    )
    assert "run_id" not in found
    assert "pue" not in found
