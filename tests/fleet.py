"""Tables of a small fleet as the report reads them, and the page as a reader of HTML has it."""

from html.parser import HTMLParser

import numpy as np
import pandas as pd

from ft_emissions_pipeline.analysis.disclosed import COMPARED
from ft_emissions_pipeline.ledger.scatter import scatter
from ft_emissions_pipeline.report import ReportData
from ft_emissions_pipeline.report.data import BASIS_COUNTS, RUN_NOTES
from ft_emissions_pipeline.tables import (
    INFERENCE_IMPACTS,
    LANDING_INDEX,
    MODEL_VERSIONS,
    PIPELINE_FOOTPRINT,
    QUARANTINE,
    RESTATEMENTS,
    RUN_IMPACTS,
    RUN_SPREADS,
    conform,
)
from ft_emissions_pipeline.uncertainty import Z_95

# Half to twice the value: what a p05..p95 looks like.
LOW, HIGH = 0.5, 2.0


def run_impacts(*runs):
    """Take (run_id, model, day, operational kg, embodied kg); water is ten times the carbon."""
    rows = [
        {
            "date": day,
            "run_id": run_id,
            "model_name": model,
            "ended_at": f"{day}T12:00:00Z",
            "expected_use_life_days": 1.0,
            "expected_use_life_basis": "default",
            "it_energy_kwh": 2.0,
            "facility_energy_kwh": 2.5,
            "operational_kgco2e": operational,
            "embodied_kgco2e": embodied,
            "total_kgco2e": operational + embodied,
            "total_kgco2e_p05": (operational + embodied) * LOW,
            "total_kgco2e_p95": (operational + embodied) * HIGH,
            "onsite_water_l": operational,
            "electricity_water_l": operational * 9,
            "embodied_water_l": embodied * 10,
            "operational_direct_kgco2e": operational * 0.9,
            "electricity_water_without_reservoirs_l": operational,
            "total_water_l": (operational + embodied) * 10,
            "total_water_l_p05": (operational + embodied) * 10 * LOW,
            "total_water_l_p95": (operational + embodied) * 10 * HIGH,
            "quality_tier": "C",
            "share_imputed": 0.42,
            "methodology": "default",
            "reference_version": "a1b2c3",
        }
        for run_id, model, day, operational, embodied in runs
    ]
    return conform(pd.DataFrame(rows), RUN_IMPACTS)


def spreads(runs):
    """Let all runs err together, by what takes each from half to twice its value."""
    log_sd = np.log(HIGH) / Z_95
    rows = runs[["date", "run_id"]].assign(
        input="pue",
        factor_id="defaults/one",
        total_kgco2e_log_sd=log_sd,
        total_water_l_log_sd=log_sd,
    )
    return conform(rows, RUN_SPREADS)


def scattered(runs):
    return scatter(spreads(runs))


def versions(runs, **changes):
    frame = runs.assign(
        model_version=runs["run_id"],
        use_life_start=runs["ended_at"],
        use_life_end=runs["ended_at"] + pd.Timedelta(days=2),
        use_life_rule="superseded",
        status="closed",
        inferences=400.0,
        inferences_basis="actual",
    ).assign(**changes)
    return conform(frame[[c for c in MODEL_VERSIONS.names if c in frame]], MODEL_VERSIONS)


def inference_impacts(*days):
    """Take (day, model, version, inferences or None, kg, basis, status); water is tenfold."""
    rows = []
    for day, model, version, inferences, kg, basis, status in days:
        row = {
            "date": day,
            "model_name": model,
            "model_version": version,
            "inferences": inferences,
            "inferences_basis": basis,
            "allocated_kgco2e": kg,
            "allocated_water_l": kg * 10,
            "status": status,
            "methodology": "default",
            "reference_version": "a1b2c3",
        }
        if inferences:
            for name, value in (("gco2e", kg * 1e3), ("water_ml", kg * 1e4)):
                row[f"{name}_per_inference"] = value / inferences
                row[f"{name}_per_inference_p05"] = value / inferences * LOW
                row[f"{name}_per_inference_p95"] = value / inferences * HIGH
        rows.append(row)
    return conform(pd.DataFrame(rows), INFERENCE_IMPACTS)


RUNS = run_impacts(
    ("run-a", "router", "2026-01-05", 0.5, 0.1),
    ("run-b", "summariser", "2026-01-06", 0.2, 0.1),
)

# router: 0.3 kg over 100 inferences is 3 g, 0.3 kg over 300 is 1 g; over both days 0.6 kg over 400,
# 1.5 g. The mean of the two ratios would be 2 g. Water: 30, 10 and 15 mL.
# summariser: 0.2 kg over 100 expected inferences is 2 g; on the next day nobody knows how many.
DAYS = inference_impacts(
    ("2026-01-05", "router", "run-a", 100.0, 0.3, "actual", "final"),
    ("2026-01-06", "router", "run-a", 300.0, 0.3, "actual", "final"),
    ("2026-01-06", "summariser", "run-b", 100.0, 0.2, "expected", "provisional"),
    ("2026-01-07", "summariser", "run-b", None, 0.1, "none", "provisional"),
)

NOTES = pd.DataFrame(
    [
        (
            "run-a",
            "tasks_summed queueing_included",
            "codecarbon",
            "logs/emissions.csv",
            "1",
            "meter",
        ),
        ("run-b", None, "disclosure", "summariser.md", "1", "power_model"),
    ],
    columns=list(RUN_NOTES),
)

ADVICE = pd.DataFrame(
    {
        "run_id": ["run-a", "run-b"],
        "model_name": ["router", "summariser"],
        "field": ["reserved_s active_s", None],
        "carbon_narrowed": [0.31, None],
        "water_narrowed": [0.004, None],
    }
)

BASES = pd.DataFrame(
    [
        ("cpu_count", "default", "cpu_count_of_server", 2),
        ("country_iso3", "default", "country_default", 1),
        ("country_iso3", "disclosed", "country_of_region", 1),
        ("hardware_use_life_h", "default", "hardware_use_life", 2),
        ("it_energy_kwh", "measured", "as_logged", 1),
        ("it_energy_kwh", "predicted", "energy_of_power", 1),
        ("model_name", "disclosed", "as_logged", 2),
        ("server_id", "default", "server_common_in_year", 2),
    ],
    columns=list(BASIS_COUNTS),
)

REFUSED = conform(
    pd.DataFrame(
        {
            "source_uri": ["a.json", "b.csv", "b.csv"],
            "source_record": [None, "2", "3"],
            "reason_code": ["no_time_no_tokens", "out_of_range", "out_of_range"],
            "reason": ["run x: neither a time nor tokens", "duration is -12 s", "pue is 0.3"],
        }
    ),
    QUARANTINE,
)

MOVED = conform(
    pd.DataFrame(
        {
            "date": ["2026-01-05", "2026-01-06"],
            "model_name": "router",
            "model_version": "run-a",
            "column": ["gco2e_per_inference", "inferences"],
            "old": [2.5, 200.0],
            "new": [3.0, 300.0],
            "cause": ["factor changed", "usage true-up"],
            "cause_detail": [
                "reference_version a0 -> a1b2c3",
                "inferences_basis expected -> actual",
            ],
            "old_table_version": [1, 2],
            "new_table_version": [2, 3],
        }
    ),
    RESTATEMENTS,
)

LANDED = conform(
    pd.DataFrame(
        {
            "source_uri": ["sacct.txt", "logs/emissions.csv"],
            "content_hash": "0",
            "content": "runs",
            "source_record": ["2", "1"],
            "run_id": ["run-a", "run-b"],
            "join_note": ["join_ambiguous:run-b,run%20c+3", None],
            "records": 1,
            "merged": 0,
            "quarantined": 0,
        }
    ),
    LANDING_INDEX,
)

# 0.5 kg operational of 1 kWh: theirs is 0.4, ours 1.25 x 0.4 = 0.5 a kWh; with 0.1 embodied 0.6.
STATED = pd.DataFrame(
    [("run-a", 0.4, 1.0, None, "logged_total", 1.25, 0.4, 1.0, "logs/emissions.csv")],
    columns=list(COMPARED),
).astype({"counted_energy_kwh": "float64"})

COUNTED = pd.DataFrame({"repairs": ["split_at_midnight", None, "split_at_midnight"]}, dtype="str")

OWN = conform(
    pd.DataFrame(
        {
            "pipeline_run_id": ["p1", "p2"],
            "started_at": ["2026-01-07T01:00:00Z", "2026-01-08T01:00:00Z"],
            "duration_s": [20.0, 30.0],
            "energy_kwh": [0.001, 0.002],
            "carbon_kgco2e": [0.0004, 0.0005],
            "country_iso3": "USA",
        }
    ),
    PIPELINE_FOOTPRINT,
)

FULL = ReportData(
    run_impacts=RUNS,
    spreads=scattered(RUNS),
    model_versions=versions(RUNS),
    inference_impacts=DAYS,
    quarantine=REFUSED,
    restatements=MOVED,
    pipeline_footprint=OWN,
    run_notes=NOTES,
    disclosed=STATED,
    usage_notes=COUNTED,
    landed=LANDED,
    basis_counts=BASES,
    advice=ADVICE,
    versions={"run_impacts": 3, "quarantine": None},
)


class Page(HTMLParser):
    """What a page holds: tags with attributes, its text but no script, the cells of each row."""

    def __init__(self, html):
        super().__init__()
        self.tags, self.texts, self.rows, self._cell, self._code = [], [], [], None, False
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self._code = tag in {"script", "style"}
        if tag not in {"a", "code", "strong"}:
            self.handle_data(" ")
        if tag == "tr":
            self.rows.append([])
        if tag in {"td", "th"}:
            self._cell = []

    def handle_endtag(self, tag):
        self._code = False
        if tag in {"td", "th"}:
            self.rows[-1].append(" ".join("".join(self._cell).split()))
            self._cell = None

    def handle_data(self, data):
        if self._code:
            return
        self.texts.append(data)
        if self._cell is not None:
            self._cell.append(data)

    @property
    def text(self):
        return " ".join("".join(self.texts).split())

    def row(self, start, cells):
        """Return the only row of so many cells whose first one starts so."""
        (found,) = [row for row in self.rows if len(row) == cells and row[0].startswith(start)]
        return found

    def ids(self):
        return [attrs["id"] for _, attrs in self.tags if "id" in attrs]
