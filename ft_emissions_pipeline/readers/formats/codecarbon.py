"""Read CodeCarbon's emissions.csv, every column set from v1.0 to v3.2, matched by column name.

CodeCarbon multiplies energy by its `pue` from v2.2.3 on; that factor is taken out here, so that PUE
is applied once, later. Its `emissions` are kept for comparison only, and `water_consumed` is not
read: the pipeline computes both from energy with its own, traceable factors. A part of the energy
that is 0, negative or empty follows `readers/shared/energy_parts.py`.

Version 3.2.9 leaves the cells of empty columns out when it appends a row. Such a row is read where
the forms of its cells allow only one way to put them under the header, and refused otherwise.
"""

from __future__ import annotations

import csv
import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from ft_emissions_pipeline.equations import JOULES_PER_KWH
from ft_emissions_pipeline.readers import repairs
from ft_emissions_pipeline.readers.cells import (
    arrow_text,
    as_text,
    instants,
    numbers,
    stacked,
    text_series,
    trimmed,
)
from ft_emissions_pipeline.readers.reading import (
    RUN_COLUMNS,
    Reading,
    RefusalError,
    Refused,
    Settings,
    by_rules,
    quarantine_rows,
    typed,
)
from ft_emissions_pipeline.readers.shared import energy_parts
from ft_emissions_pipeline.readers.shared.glued_rows import unglued
from ft_emissions_pipeline.readers.shared.stacks import stacks
from ft_emissions_pipeline.readers.shared.tracked_gpus import tracked
from ft_emissions_pipeline.readers.sheets import Misfit, Sheet, header_of, sheets_of
from ft_emissions_pipeline.tables import RUNS
from ft_emissions_pipeline.tables import rows as row_rules
from ft_emissions_pipeline.tables.frames import parted
from ft_emissions_pipeline.tables.words import Basis, Content

FORMAT = "codecarbon"
LOG = "CodeCarbon `emissions.csv`, of every version"
TELLS = (
    "measured energy of GPU and CPU, modelled energy of memory; time, hardware, country; "
    "carbon as stated"
)
LACKS = "base model, tokens, usage"
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
    "gpu_utilization": Basis.MEASURED,
    "cpu_utilization": Basis.MEASURED,
    "gpu_energy_kwh": Basis.MEASURED,
    "cpu_energy_kwh": Basis.MEASURED,
    "it_energy_kwh": Basis.MEASURED,
    # CodeCarbon has no sensor for memory: watts per module or gigabyte.
    "ram_energy_kwh": Basis.PREDICTED,
}

_MARKS = {"timestamp", "duration", "emissions", "energy_consumed"}
_TEXTS = (
    "timestamp", "project_name", "run_id", "experiment_id", "country_name", "country_iso_code",
    "region", "cloud_provider", "cloud_region", "on_cloud", "gpu_model", "task_name", "os",
    "cpu_model", "cpu_count", "ram_total_size", "longitude", "latitude", "tracking_mode",
)  # fmt: skip
_ENERGIES = ("energy_consumed", "cpu_energy", "gpu_energy", "ram_energy")
_NUMBERS = (
    "duration", "emissions", *_ENERGIES, "gpu_count", "pue", "wue", "cpu_utilization_percent",
    "gpu_utilization_percent",
)  # fmt: skip
_MACHINE = (
    "cpu_model",
    "cpu_count",
    "ram_total_size",
    "gpu_model",
    "os",
    "longitude",
    "latitude",
    "tracking_mode",
)
_NO_KEY = {"", "none", "nan", "null"}
_BLANK = pa.scalar(" ", pa.large_string())

_NUMBER = r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?"
_WORDS = rf"(?!{_NUMBER}$).*"
_FORMS = {
    "timestamp": r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}.*",
    **dict.fromkeys(
        ("project_name", "run_id", "experiment_id", "country_name", "region", "cloud_region", "os",
         "cpu_model", "gpu_model"), _WORDS,
    ),
    "country_iso_code": "[A-Z]{2,3}",
    "cloud_provider": "(?:aws|azure|gcp)?",
    "python_version": r"3\.\d+.*",
    # The versions that write short rows.
    "codecarbon_version": r"3\.(?:2\.(?:9|\d\d)|[3-9]\.\d+).*",
    **dict.fromkeys(("cpu_count", "gpu_count"), r"\d+(?:\.0)?"),
    **dict.fromkeys(("longitude", "latitude"), rf"(?:{_NUMBER})?"),
    "tracking_mode": "machine|process",
    "on_cloud": "[YN]",
}  # fmt: skip
"""Column -> form of its cells; those of all others are numbers."""
_MAY_BE_LEFT_OUT = {
    "experiment_id", "region", "cloud_provider", "cloud_region", "gpu_count", "gpu_model",
    "longitude", "latitude",
}  # fmt: skip


def recognises(name: str, head: bytes) -> bool:
    """Say whether the header is that of a CodeCarbon file; the file's name does not matter."""
    return not name.endswith((".json", ".jsonl", ".parquet")) and set(header_of(head)[0]) >= _MARKS


def read(data: bytes, uri: str, settings: Settings) -> Reading:
    """Read emissions.csv, cumulative rows of one run taken together."""
    # Piece by piece, so that memory holds the runs of a large file but not all of its cells as
    # well.
    sheets = sheets_of(data, (*_TEXTS, *_NUMBERS))
    pieces = [piece for sheet in sheets for piece in _pieces(sheet, uri, settings)]
    del data
    good = stacked([piece.runs for piece in pieces])
    with_tasks = any(piece.tasks.any() for piece in pieces)
    whole = _summed_tasks(good) if with_tasks else _collapsed(good, good["run_id"])
    collapsed = energy_parts.without_unread(whole)
    quarantine = pd.concat([piece.quarantine for piece in pieces], ignore_index=True)
    return Reading(
        CONTENT,
        typed(collapsed, RUNS, RUN_COLUMNS),
        quarantine=quarantine,
        records=sum(piece.records for piece in pieces),
        merged=len(good) - len(collapsed),
    )


def read_together(contents: Sequence[bytes], settings: Settings) -> dict[int, Reading]:
    """Return by place what `read` says of files; without those that only `read` can read."""
    found = {}
    for stack in stacks(contents, (*_TEXTS, *_NUMBERS)):
        piece = _piece(stack.sheet, "", settings)
        good = pd.DataFrame(piece.runs, copy=False)
        owner = stack.owner(good["source_record"])
        # A row without a key of its own is called by the name of its file.
        keyless = good["run_id"].str.startswith("#").to_numpy()
        refused = stack.owner(piece.quarantine["source_record"])
        alone = {*owner[keyless | piece.tasks], *refused}
        key = as_text(pd.Index(owner)).array + " " + good["run_id"]
        whole = energy_parts.without_unread(_collapsed(good, key))
        owners = stack.owner(whole["source_record"])
        whole = whole.assign(source_record=stack.own_lines(whole["source_record"]))
        rows = np.bincount(owner)
        for file, runs in parted(typed(whole, RUNS, RUN_COLUMNS), owners):
            if file not in alone:
                records = int(rows[file])
                merged = records - len(runs)
                found[stack.files[file]] = Reading(CONTENT, runs, records=records, merged=merged)
    return found


@dataclass(frozen=True)
class _Piece:
    runs: dict[str, pd.Series]
    quarantine: pd.DataFrame
    records: int
    tasks: np.ndarray
    """Which of its rows are tasks of runs rather than runs."""


def _pieces(sheet: Sheet, uri: str, settings: Settings) -> Iterator[_Piece]:
    """Yield what a sheet holds, rows that a missing line end glued to others apart."""
    whole, further, lines = unglued(sheet)
    yield _piece(whole, uri, settings, lines)
    for n, each in enumerate(further, 2):
        piece = _piece(each, uri, settings, lines, f".{n}")
        yield replace(
            piece, runs={**piece.runs, "source_record": piece.runs["source_record"] + f".{n}"}
        )


def _piece(
    sheet: Sheet, uri: str, settings: Settings, glued: Sequence[int] = (), place: str = ""
) -> _Piece:
    if not sheet.header or not set(sheet.header) >= _MARKS:
        msg = (
            f"the header lacks {', '.join(sorted(_MARKS - set(sheet.header)))}; "
            "is the file cut off?"
        )
        raise RefusalError(msg, "missing_columns")
    sheet, realigned = _realigned(sheet)
    cells, padded = _cleaned(sheet)
    values, not_numbers = _numbers(cells)
    ended, bad_time = instants(cells["timestamp"], settings.timezone)
    refused = _problems(sheet, cells, values, not_numbers, bad_time)
    refused += [_misfit(misfit, len(sheet.header)) for misfit in sheet.misfits]
    records = len(cells) + len(sheet.misfits)
    if refused:
        kept = ~cells.index.isin([int(record) for record, *_ in refused])
        cells, values, ended, padded = cells[kept], values[kept], ended[kept], padded[kept]
    mended = {
        "short_row_realigned": cells.index.isin(realigned),
        "glued_rows_parted": cells.index.isin(glued),
    }
    runs = _runs(cells, values, ended, {"space_padding": padded, **mended}, uri)
    good, broken = by_rules(runs, lambda record: sheet.line(int(record)))
    refused += broken
    tasks = cells["task_name"].iloc[good.index].notna().to_numpy()
    found = [(record + place, code, reason, raw) for record, code, reason, raw in refused]
    return _Piece(dict(good.items()), quarantine_rows(found), records, tasks)


def _realigned(sheet: Sheet) -> tuple[Sheet, list[int]]:
    """Return the sheet with the short rows that fit its header in one way only, and their lines."""
    if len(set(sheet.header)) < len(sheet.header):
        return sheet, []
    found = {misfit.line: _only_way(misfit, sheet) for misfit in sheet.misfits}
    rows = {line: row for line, row in found.items() if row is not None}
    if not rows:
        return sheet, []
    added = pd.DataFrame.from_dict(rows, orient="index").reindex(columns=sheet.frame.columns)
    frame = pd.concat([sheet.frame, added.astype("str")]).sort_index()
    misfits = [misfit for misfit in sheet.misfits if misfit.line not in rows]
    return replace(sheet, frame=frame, misfits=misfits), list(rows)


def _only_way(misfit: Misfit, sheet: Sheet) -> dict[str, str] | None:
    """Return the cells of a short row by column, None unless every way to fit reads the same."""
    if not 0 <= len(sheet.header) - misfit.cells <= len(_MAY_BE_LEFT_OUT):
        return None
    try:
        cells = next(csv.reader([misfit.text], delimiter=sheet.delimiter))
    except csv.Error:
        return None
    ways = {
        tuple(way.get(name) or "" for name in sheet.frame)
        for way in _ways(cells, sheet.header)
        # A region of a cloud comes with its cloud.
        if bool(way.get("cloud_provider")) == bool(way.get("cloud_region"))
    }
    return dict(zip(sheet.frame, ways.pop(), strict=True)) if len(ways) == 1 else None


def _ways(cells: Sequence[str], columns: Sequence[str]) -> Iterator[dict[str, str]]:
    """Yield every way to put cells under columns in their order, some columns left out."""
    if not columns:
        yield from [] if cells else [{}]
        return
    column, *others = columns
    if cells and re.fullmatch(_FORMS.get(column, _NUMBER), cells[0]):
        yield from ({column: cells[0], **way} for way in _ways(cells[1:], others))
    if column in _MAY_BE_LEFT_OUT and len(cells) < len(columns):
        yield from _ways(cells, others)


def _cleaned(sheet: Sheet) -> tuple[pd.DataFrame, np.ndarray]:
    """Return every known column, padding stripped and blanks empty, and which rows were padded."""
    padded = np.zeros(len(sheet.frame), dtype=bool)
    columns = {}
    empty = pd.Series(np.nan, index=sheet.frame.index, dtype="str")
    for name in (*_TEXTS, *_NUMBERS):
        if name not in sheet.frame:
            columns[name] = empty
            continue
        columns[name], stripped = trimmed(sheet.frame[name])
        if stripped is not None:
            # A lone blank is how CodeCarbon writes an unknown region; it is no padding.
            padded |= stripped & columns[name].notna().to_numpy()
        if sheet.delimiter == ";" and name not in _TEXTS:
            # A spreadsheet that separates by semicolons does so because its decimals are commas.
            columns[name] = columns[name].str.replace(",", ".", regex=False)
    if "run_id" not in sheet.frame:
        # In v1 experiment_id was the run's id; later it is that of a set of runs.
        columns["run_id"] = columns["experiment_id"]
    return pd.DataFrame(columns, index=sheet.frame.index, copy=False), padded


def _numbers(cells: pd.DataFrame) -> tuple[pd.DataFrame, dict[str, np.ndarray]]:
    read = {name: numbers(cells[name]) for name in _NUMBERS}
    columns = {name: column for name, (column, _) in read.items()}
    # Copied, the columns would lie in one block, and one that is kept would keep them all in
    # memory.
    values = pd.DataFrame(columns, index=cells.index, copy=False)
    return values, {name: bad for name, (_, bad) in read.items()}


def _problems(
    sheet: Sheet,
    cells: pd.DataFrame,
    values: pd.DataFrame,
    not_numbers: dict[str, np.ndarray],
    bad_time: np.ndarray,
) -> list[Refused]:
    lines = cells.index.to_numpy()
    bare = cells[["duration", "emissions", "energy_consumed"]].isna().all(axis=1).to_numpy()
    shifted = bad_time & not_numbers["duration"]
    for position in np.flatnonzero(bare):
        shifted[position] = _filled(sheet.line(int(lines[position]))) > 1
    repeated = (cells["timestamp"] == "timestamp").to_numpy(dtype=bool)
    untimed = cells["timestamp"].isna().to_numpy()
    checks: list[row_rules.Check] = [
        ((bare & ~shifted) | repeated, "junk_row",
         lambda _: "holds no duration, energy or emissions: no record of a run"),
        (shifted, "shifted_row",
         lambda _: "time, energy or duration does not stand under its header; write the row again"),
        (bad_time, "bad_timestamp",
         lambda i: f"timestamp is {cells['timestamp'].iloc[i]!r}, "
                   "must be like 2024-07-06T17:01:00"),
        (untimed, "missing_value", lambda _: "timestamp is empty; without it the run has no day"),
        *(
            (bad, "not_a_number",
             lambda i, name=name: f"{name} is {cells[name].iloc[i]!r}, no finite number; "
                                  "correct it or empty the cell")
            for name, bad in not_numbers.items()
        ),
        (values["duration"].isna().to_numpy(), "missing_value",
         lambda _: "duration is empty; state it in seconds"),
        (~values["duration"].between(0, 1e10).to_numpy(), "out_of_range",
         lambda i: f"duration is {values['duration'].iloc[i]:g} s, must be above 0 and at most "
                   "3.2e8; correct it"),
    ]  # fmt: skip
    return sheet.refused(checks)


def _misfit(misfit: Misfit, width: int) -> Refused:
    if _filled(misfit.text) <= 1:
        reason = "holds no record of a run; remove the line"
        return (str(misfit.line), "junk_row", reason, misfit.text)
    if misfit.cells > width:
        reason = (
            f"has {misfit.cells} cells under a header of {width}: a line end is missing, or a cell "
            "holds the delimiter without quotes; write the row again"
        )
        return (str(misfit.line), "shifted_row", reason, misfit.text)
    reason = (
        f"has {misfit.cells} cells under a header of {width}, so cells stand under wrong headers "
        "(CodeCarbon 3.2.9 drops empty columns when it appends) in more than one way or none; "
        "write the row again"
    )
    return (str(misfit.line), "shifted_row", reason, misfit.text)


def _filled(line: str) -> int:
    return sum(bool(cell.strip()) for cell in re.split("[,;\t]", line))


def _runs(
    cells: pd.DataFrame,
    values: pd.DataFrame,
    ended: pd.Series,
    mended: dict[str, np.ndarray],
    uri: str,
) -> pd.DataFrame:
    lines = as_text(cells.index)
    key = cells["run_id"]
    keyless = key.isna() | key.str.lower().isin(_NO_KEY)
    if keyless.any():
        key = key.mask(keyless, f"{uri}#" + lines)
    gpu_model, gpu_count = counted_gpus(cells["gpu_model"])
    scale = values["pue"].where(values["pue"] > 0, 1.0)
    energy = {name: energy_parts.no_less_than_nothing(values[name] / scale) for name in _ENERGIES}
    watts = energy["gpu_energy"] * JOULES_PER_KWH / values["duration"]
    gpus, differ = tracked(values["gpu_count"], gpu_count, gpu_model, watts)
    # Beside an energy of 0, a count left empty says that CodeCarbon found no accelerator.
    without_gpu = (energy["gpu_energy"] == 0) & gpu_model.isna() & values["gpu_count"].isna()
    code, on_cloud = cells["country_iso_code"], cells["on_cloud"]
    iso3 = code.str.fullmatch("[A-Z]{3}", na=False)
    other_code = code.notna() & ~iso3
    country = cells["country_name"]
    place = (country.where(~other_code, code) if other_code.any() else country).mask(iso3)
    # A state or province beside its country: the grids of California and West Virginia differ
    # fivefold.
    within = cells["region"].where(cells["region"].str.strip().fillna("") != "")
    lasted = pd.Series(
        (values["duration"].to_numpy() * 1e6).round().astype("timedelta64[us]"), index=cells.index
    )
    utilisation = {
        name: values[f"{name}_percent"].where(values[f"{name}_percent"] > 0) / 100
        for name in ("gpu_utilization", "cpu_utilization")
    }
    columns = {
        "run_id": key,
        "model_name": cells["project_name"].mask(cells["project_name"] == "codecarbon"),
        "started_at": ended - lasted,
        "ended_at": ended,
        "reserved_s": values["duration"],
        "active_s": values["duration"],
        "gpu_model": gpu_model,
        "gpu_count": gpus.mask(without_gpu, 0.0),
        "cpu_model": cells["cpu_model"],
        "operating_system": cells["os"],
        "on_cloud": on_cloud.eq("Y").astype("boolean").where(on_cloud.isin(["Y", "N"])),
        "location": (within + ", " + country).fillna(place),
        "cloud_provider": cells["cloud_provider"],
        "cloud_region": cells["cloud_region"],
        "country_iso3": code.where(iso3),
        # 1.0 is CodeCarbon's default, which says "not set".
        "pue": values["pue"].where((values["pue"] != 1) & (values["pue"] != 0)),
        "wue_l_per_kwh": values["wue"].where(values["wue"] != 0),
        **utilisation,
        "gpu_energy_kwh": energy["gpu_energy"],
        "cpu_energy_kwh": energy["cpu_energy"],
        "ram_energy_kwh": energy["ram_energy"],
        "it_energy_kwh": energy["energy_consumed"],
        "disclosed_kgco2e": values["emissions"],
        "repairs": repairs.column(
            {
                **mended,
                "gpus_tracked_in_part": differ,
                "country_iso2": other_code,
                "pue_taken_out": (scale != 1).to_numpy(),
            },
            cells.index,
        ),
        "mark": _marks(cells, energy["energy_consumed"], gpus, differ),
        "source_record": lines,
    }
    frame = pd.DataFrame(columns, copy=False)
    frame.index = pd.RangeIndex(len(frame))
    return frame


def _marks(cells: pd.DataFrame, kwh: pd.Series, gpus: pd.Series, in_part: np.ndarray) -> pd.Series:
    """Return what shows that trackers share a machine: its hash, GPUs, the project's hash, energy.

    A machine that names no CPU is not described.
    """
    described = (arrow_text(cells[name].fillna("")) for name in _MACHINE)
    joined = pc.binary_join_element_wise(*described, pa.scalar("|", pa.large_string()))
    machine = _hashes(joined, cells.index)
    machine = machine.where(cells["cpu_model"].fillna("").ne(""))
    count = _as_words(gpus).mask(in_part, "part")
    project = _hashes(arrow_text(cells["project_name"].fillna("")), cells.index)
    parts = map(arrow_text, (machine, count, project, _as_words(kwh)))
    whole = pc.binary_join_element_wise(pa.scalar("tracked", pa.large_string()), *parts, _BLANK)
    return text_series(whole, cells.index)


def _hashes(texts: pa.Array, index: pd.Index) -> pd.Series:
    encoded = texts.dictionary_encode()
    distinct = [
        hashlib.sha256(text.encode()).hexdigest()[:8] for text in encoded.dictionary.to_pylist()
    ]
    return text_series(pa.array(distinct, pa.large_string()).take(encoded.indices), index)


def _as_words(values: pd.Series) -> pd.Series:
    whole = pa.array(values.fillna(0.0).to_numpy())
    return text_series(pc.cast(whole, pa.large_string()), values.index)


def counted_gpus(models: pd.Series) -> tuple[pd.Series, pd.Series]:
    """Return model and count of cells like "4 x NVIDIA A100"; a mix of models stays as it is."""
    encoded = arrow_text(models).dictionary_encode()
    distinct = pd.Series(encoded.dictionary.to_pylist(), dtype="str")
    parts = distinct.str.extract(r"^(\d{1,6})\s*[x×]\s+(.+)$")  # noqa: RUF001
    mixed = parts[1].str.contains(r"\d\s*x\s", na=False)
    counted = (parts[1].notna() & ~mixed).to_numpy()
    names = arrow_text(distinct.mask(counted, parts[1]))
    counts = pa.array(parts[0].where(counted).astype("float64"), from_pandas=True)
    found = text_series(names.take(encoded.indices), models.index)
    number = counts.take(encoded.indices).to_numpy(zero_copy_only=False)
    return found, pd.Series(number, index=models.index)


def _collapsed(runs: pd.DataFrame, key: pd.Series) -> pd.DataFrame:
    """Keep of each run, told by its key, the longest row: rows written by flush are cumulative."""
    longest, rows = _longest(runs, key)
    return longest.assign(
        repairs=repairs.with_words(longest["repairs"], "flushes_collapsed", rows > 1)
    )


def _longest(runs: pd.DataFrame, key: pd.Series) -> tuple[pd.DataFrame, np.ndarray]:
    """Return of each run the row with the longest duration, and how many rows it has."""
    coded = arrow_text(key).dictionary_encode()
    if len(coded.dictionary) == len(runs):
        return runs, np.ones(len(runs))
    order = np.argsort(-runs["active_s"].to_numpy(), kind="stable")
    ordered = coded.indices.to_numpy()[order]
    _, first, rows = np.unique(ordered, return_index=True, return_counts=True)
    place = np.argsort(order[first])
    return runs.iloc[order[first][place]].reset_index(drop=True), rows[place]


def _summed_tasks(runs: pd.DataFrame) -> pd.DataFrame:
    """Add up the tasks of each run: unlike flushes, task rows stand side by side."""
    energies = [name for name in runs if name.endswith("_energy_kwh")]
    added = ["reserved_s", "active_s", *energies, "disclosed_kgco2e"]
    whole = energy_parts.summed(runs, _longest(runs, runs["run_id"])[0], added)
    every = np.ones(len(whole), dtype=bool)
    return whole.assign(repairs=repairs.with_words(whole["repairs"], "tasks_summed", every))
