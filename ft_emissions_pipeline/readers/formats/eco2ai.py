"""Read eco2AI's emission.csv: a row per tracked run, or a row per epoch of a training.

Read in eco2AI 0.3.13 (sb-ai-lab/Eco2AI, eco2ai/emission_track.py at 0157f5a): `new_epoch` sets
clock and energy back to zero after its row, so the rows of epochs that share an id stand side by
side and are added up, unlike CodeCarbon's. Between `start` and `stop` one row is written over again
and again. Energy is multiplied by a `pue` (1 by default) that the file does not name.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from ft_emissions_pipeline.readers import repairs
from ft_emissions_pipeline.readers.cells import instants, numbers
from ft_emissions_pipeline.readers.reading import (
    Reading,
    Refused,
    Settings,
    by_rules,
    reading_of_frame,
)
from ft_emissions_pipeline.readers.shared import energy_parts
from ft_emissions_pipeline.readers.sheets import Sheet, header_of, sheet_of
from ft_emissions_pipeline.tables import rows as row_rules
from ft_emissions_pipeline.tables.words import Basis, Content

FORMAT = "eco2ai"
LOG = "eco2AI `emission.csv`"
TELLS = (
    "energy of GPU, CPU and memory in one, or apart where asked for; time, hardware, country; "
    "carbon as stated"
)
LACKS = "base model, tokens, usage; the PUE that may be in the energy"
CONTENT: Content = "runs"
PROGRESS = "active_s"
BASIS = {
    "*": Basis.DISCLOSED,
    "started_at": Basis.MEASURED,
    "ended_at": Basis.MEASURED,
    "active_s": Basis.MEASURED,
    # The tracker sees its own process, not the reservation around it.
    "reserved_s": Basis.PREDICTED,
    "gpu_model": Basis.MEASURED,
    "gpu_count": Basis.MEASURED,
    "it_energy_kwh": Basis.MEASURED,
    "gpu_energy_kwh": Basis.MEASURED,
    # Of a share of the processor's design power, and watts per gigabyte.
    "cpu_energy_kwh": Basis.PREDICTED,
    "ram_energy_kwh": Basis.PREDICTED,
}

_ENERGY = ("power_consumption(kWh)", "power_consumption(kWTh)")
"""Later versions and earlier ones."""
_MARKS = {"project_name", "start_time", "duration(s)", "CO2_emissions(kg)"}
_TEXTS = ("id", "project_name", "epoch", "start_time", "GPU_name", "region/country")
_NUMBERS = (
    "duration(s)", "CO2_emissions(kg)", *_ENERGY,
    "CPU_consumption(kWh)", "GPU_consumption(kWh)", "RAM_consumption(kWh)",
)  # fmt: skip
_UNNAMED = {"default project name"}
_ADDED = (
    "reserved_s", "active_s", "it_energy_kwh", "gpu_energy_kwh", "cpu_energy_kwh", "ram_energy_kwh",
    "disclosed_kgco2e",
)  # fmt: skip


def recognises(name: str, head: bytes) -> bool:
    """Say whether the header is that of an eco2AI file; the file's name does not matter."""
    return not name.endswith((".json", ".jsonl", ".parquet")) and set(header_of(head)[0]) >= _MARKS


def read(data: bytes, uri: str, settings: Settings) -> Reading:
    """Read emission.csv, the epochs of a training added up."""
    sheet = sheet_of(data, (*_TEXTS, *_NUMBERS))
    cells = _cleaned(sheet)
    read_numbers = {name: numbers(cells[name]) for name in _NUMBERS}
    values = pd.DataFrame({name: column for name, (column, _) in read_numbers.items()})
    started, bad_time = instants(cells["start_time"], settings.timezone)
    refused = _problems(
        sheet, cells, values, {n: bad for n, (_, bad) in read_numbers.items()}, bad_time
    )
    kept = np.ones(len(cells), dtype=bool)
    kept[cells.index.get_indexer([int(record) for record, *_ in refused])] = False
    refused += sheet.refused_misfits(
        "has {cells} cells under a header of {columns}; write the row again"
    )
    runs = _runs(cells[kept], values[kept], started[kept], uri)
    good, broken = by_rules(runs, lambda record: sheet.line(int(record)))
    whole = energy_parts.without_unread(_whole_runs(good))
    records = len(cells) + len(sheet.misfits)
    return reading_of_frame(whole, [*refused, *broken], records, merged=len(good) - len(whole))


def _cleaned(sheet: Sheet) -> pd.DataFrame:
    columns = {}
    for name in (*_TEXTS, *_NUMBERS):
        if name in sheet.frame:
            cells = sheet.frame[name].str.strip()
            # Columns that a newer version added hold N/A in older rows.
            columns[name] = cells.mask(cells.isin(["", "N/A"]))
        else:
            columns[name] = pd.Series(np.nan, index=sheet.frame.index, dtype="str")
    return pd.DataFrame(columns, index=sheet.frame.index)


def _problems(
    sheet: Sheet,
    cells: pd.DataFrame,
    values: pd.DataFrame,
    not_numbers: dict[str, np.ndarray],
    bad_time: np.ndarray,
) -> list[Refused]:
    energy = values[list(_ENERGY)].isna().all(axis=1)
    duration = values["duration(s)"]
    checks: list[row_rules.Check] = [
        (cells.isna().all(axis=1).to_numpy(), "junk_row",
         lambda _: "holds no record of a run; remove the line"),
        (bad_time, "bad_timestamp",
         lambda i: f"start_time is {cells['start_time'].iloc[i]!r}, "
                   "must be like 2024-07-06 17:01:00"),
        (cells["start_time"].isna().to_numpy(), "missing_value",
         lambda _: "start_time is empty; without it the run has no day"),
        *(
            (bad, "not_a_number",
             lambda i, name=name: f"{name} is {cells[name].iloc[i]!r}, no finite number; "
                                  "correct it or empty the cell")
            for name, bad in not_numbers.items()
        ),
        ((duration.isna() | energy).to_numpy(), "missing_value",
         lambda _: "duration(s) or power_consumption(kWh) is empty; "
                   "the row tells nothing without them"),
        (~duration.between(0, 1e10).to_numpy(), "out_of_range",
         lambda i: f"duration(s) is {duration.iloc[i]:g}, must be above 0 and at most 3.2e8; "
                   "correct it"),
    ]  # fmt: skip
    return sheet.refused(checks)


def _runs(cells: pd.DataFrame, values: pd.DataFrame, started: pd.Series, uri: str) -> pd.DataFrame:
    lines = pd.Series(cells.index.astype("str"), index=cells.index, dtype="str")
    duration = values["duration(s)"]
    lasted = pd.Series(
        (duration.to_numpy() * 1e6).round().astype("timedelta64[us]"), index=cells.index
    )
    gpu = cells["GPU_name"].str.extract(r"^(.*?)\s*(\d{1,6}) device\(s\)", expand=True)
    count = gpu[1].astype("float64")
    place = cells["region/country"].str.extract(r"^([^/]*)/?(.*)$", expand=True)
    of_state = (place[0] == "US") & (place[1] != "") & place[1].notna()
    energy = values[_ENERGY[0]].fillna(values[_ENERGY[1]])
    return pd.DataFrame(
        {
            "run_id": cells["id"].fillna(uri + "#" + lines),
            "epoch": cells["epoch"].fillna(""),
            "model_name": cells["project_name"].mask(
                cells["project_name"].str.casefold().isin(_UNNAMED)
            ),
            "started_at": started,
            "ended_at": started + lasted,
            "reserved_s": duration,
            "active_s": duration,
            # Without an accelerator a placeholder stands for its name.
            "gpu_model": gpu[0].where((count > 0) & (gpu[0] != "")),
            "gpu_count": count,
            # "CH/Ticino", "US/Texas": states have factors of their own, other regions have none.
            "location": place[0].mask(of_state, place[1] + ", USA").astype("str"),
            "gpu_energy_kwh": energy_parts.no_less_than_nothing(values["GPU_consumption(kWh)"]),
            "cpu_energy_kwh": energy_parts.no_less_than_nothing(values["CPU_consumption(kWh)"]),
            "ram_energy_kwh": energy_parts.no_less_than_nothing(values["RAM_consumption(kWh)"]),
            "it_energy_kwh": energy_parts.no_less_than_nothing(energy),
            "disclosed_kgco2e": values["CO2_emissions(kg)"],
            "repairs": pd.Series("pue_may_be_included", index=cells.index, dtype="str"),
            "source_record": lines,
        }
    ).reset_index(drop=True)


def _whole_runs(rows: pd.DataFrame) -> pd.DataFrame:
    """Return a row per id: copies of a row once, epochs added up."""
    longest = rows.sort_values("active_s", ascending=False, kind="stable")
    parts = longest.drop_duplicates(["run_id", "epoch", "started_at"]).sort_index()
    whole = energy_parts.summed(parts, parts.drop_duplicates("run_id"), _ADDED)
    epochs = whole["run_id"].map(parts["run_id"].value_counts())
    words = repairs.with_words(whole["repairs"], "epochs_summed", epochs > 1)
    return whole.assign(repairs=words).drop(columns="epoch")
