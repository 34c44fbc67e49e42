"""Read Slurm's accounting: `sacct -P`, a row per job and per step of it.

Steps (`.batch`, `.extern`, `.0`) repeat their job and are merged into it. A job that did not
complete is refused, unless it ran out of time or was cancelled after it ran: then it used what it
used. Waiting in the queue is not part of the run, which begins at `Start`. `ConsumedEnergy` is what
the cluster's plug-in counts, whole nodes or processors only; sacct does not say which. 0 means that
none is set up.

Bars part the cells, or what `--delimiter` names: commas, of which those within `AllocTRES` and a
list of nodes part none, tabs or semicolons. A file without header (`-n`) is refused. The same is
read of `sacct --json` (`jobs` with `time`, `tres`, `steps`, in seconds and joules, by Slurm's
`data_parser`), of `scontrol show job` (`JobId=… JobState=…`) and of `seff` (`Job ID:`,
`Job Wall-clock time:`). Columns aligned for the eye are cut off at their width, and refused.
`SLURM_TIME_FORMAT` may write a time as `2026/03/02-10:00:00` or in Unix seconds; `AllocGRES` is the
older name of what `AllocTRES` lists.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable

import numpy as np
import pandas as pd

from ft_emissions_pipeline.equations import JOULES_PER_KWH
from ft_emissions_pipeline.readers import repairs
from ft_emissions_pipeline.readers.cells import instants, numbers
from ft_emissions_pipeline.readers.documents import json_items, text_of
from ft_emissions_pipeline.readers.reading import (
    Reading,
    RefusalError,
    Refused,
    Settings,
    by_rules,
    reading_of_frame,
    refused_rows,
)
from ft_emissions_pipeline.readers.scrubbing import hashed_host
from ft_emissions_pipeline.readers.shared.parts import objects, part
from ft_emissions_pipeline.tables import rows as row_rules
from ft_emissions_pipeline.tables.words import Basis, Content

FORMAT = "slurm"
LOG = (
    "Slurm `sacct -P` (or `-p`, commas, tabs) with JobID, State, Start, End, Elapsed, AllocTRES, "
    "NodeList; `sacct --json`, `scontrol show job`, `seff`"
)
TELLS = (
    "measured time by the scheduler's clock; GPUs and nodes that were allocated; job id; "
    "energy of unknown extent"
)
LACKS = "place, tokens, usage; what its energy covers (the plug-in of the cluster)"
CONTENT: Content = "runs"
PROGRESS = None
BASIS = {
    "*": Basis.MEASURED,
    # A job's name is its script's as often as its model's.
    "model_name": Basis.PREDICTED,
    # One type of GPU per job: as named by the cluster's administrator.
    "gpu_model": Basis.DISCLOSED,
    # Counted, but nobody says of what: `energy_plugin_unknown` gives it a spread of its own.
    "it_energy_kwh": Basis.DISCLOSED,
}

_MARKS = {"jobid", "state"}
_TIMES = {"elapsed", "elapsedraw"}
_KEPT = (
    "jobid", "jobidraw", "jobname", "state", "start", "end", "elapsed", "elapsedraw", "alloctres",
    "allocgres", "nnodes", "nodelist", "consumedenergy", "consumedenergyraw", "tresusageinave",
)  # fmt: skip
_SHOWN = ("jobid", "jobidraw", "state", "start", "end", "elapsed", "elapsedraw", "alloctres")
"""What quarantine may keep of a row; users, accounts and nodes are nobody's business."""
_ALIGNED = re.compile(r"\A\s*JobID[ \t]+\w+[^|\n]*\n[ \t]*-{3,}[ \t]+-{3,}")
_HEADLESS = re.compile(
    r"\A\s*\d+(?:[_.+]\w+)*[|,;\t](?:[^\n]*[|,;\t])?"
    r"(?:COMPLETED|FAILED|TIMEOUT|CANCELLED|RUNNING|OUT_OF_MEMORY|NODE_FAIL|PREEMPTED)\b"
)
_WITHIN = re.compile(r"\[[^\]\n]*\]|=[\w.:/()-]*,(?=[\w/:.-]+=)")
"""Commas in a list of nodes, and between resources."""
_SCONTROL = re.compile(r"\bJobId=\d+[^\n]*\bJobName=")
_SEFF = re.compile(r"^Job ID: \d+\n(?:.*\n){1,12}?Job Wall-clock time:", re.MULTILINE)
_FORMS = (_ALIGNED, _HEADLESS, _SCONTROL, _SEFF)
_RAN = ("COMPLETED", "TIMEOUT", "CANCELLED")
_GOING_ON = ("RUNNING", "PENDING", "SUSPENDED", "CONFIGURING", "COMPLETING", "REQUEUED", "RESIZING")
_NO_NAME = {"wrap", "bash", "sh", "sbatch", "interactive", "zsh", "python", "python3"}
_IDLE_GPU_W = 40.0
"""No data-centre GPU rests on less; an energy below it cannot be of the GPUs, too."""
_NODES = 4096
"""Most nodes that one list names; a range beyond is a slip or made to hurt."""
_ELAPSED = r"^(?:(\d{1,6})-)?(?:(\d{1,4}):)?(\d{1,2}):(\d{2})(?:\.\d+)?$"


def recognises(name: str, head: bytes) -> bool:
    """Say whether Slurm's sacct, or a command like it, wrote the content."""
    if name.endswith((".jsonl", ".ndjson", ".md", ".markdown", ".yaml", ".yml")):
        return False
    if name.endswith(".json"):
        return (
            b'"jobs"' in head
            and b'"job_id"' in head
            and (b'"tres"' in head or b'"slurm"' in head.lower())
        )
    text = head.decode("utf-8", errors="replace")
    columns = set(_header(text)[0])
    sacct = columns >= _MARKS and bool(columns & _TIMES)
    return sacct or any(form.search(text) for form in _FORMS)


def read(data: bytes, uri: str, settings: Settings) -> Reading:  # noqa: ARG001 (jobs name themselves)
    """Read the jobs of a file."""
    rows, refused = _rows(_as_sacct(data))
    jobs, merged = _jobs(rows)
    seconds, no_seconds = _elapsed(jobs)
    started, bad_start = _instants(jobs["start"], settings.timezone)
    ended, bad_end = _instants(jobs["end"], settings.timezone)
    state = _state(jobs)
    ran = state.isin(_RAN).to_numpy() & ~((state != "COMPLETED") & ~(seconds > 0)).to_numpy()
    going_on = state.isin(_GOING_ON).to_numpy()
    checks: list[row_rules.Check] = [
        (jobs["jobid"].isna().to_numpy(), "missing_value", lambda _: "JobID is empty; query it"),
        (going_on, "not_finished",
         lambda i: f"State is {state.iloc[i]}; run sacct again when the job is over"),
        (~ran, "failed_job",
         lambda i: f"State is {state.iloc[i] or 'missing'}: no model came of it; disclose its "
                   "energy by hand if it counts"),
        (no_seconds, "not_a_number",
         lambda i: f"Elapsed is {jobs['elapsed'].iloc[i]!r}, ElapsedRaw "
         f"{jobs['elapsedraw'].iloc[i]!r}; must be like 1-02:03:04, or seconds"),
        (~(seconds > 0).to_numpy(), "out_of_range", lambda _: "Elapsed is 0: the job did not run"),
        (bad_start | bad_end, "bad_timestamp",
         lambda i: f"Start is {jobs['start'].iloc[i]!r}, End {jobs['end'].iloc[i]!r}; "
                   "must be like 2026-03-01T12:00:00; unset SLURM_TIME_FORMAT"),
    ]  # fmt: skip
    records = jobs["record"].to_numpy()
    refused += refused_rows(len(jobs), checks, lambda i: records[i], lambda i: _raw(jobs.iloc[i]))
    runs = _runs(jobs, seconds, started, ended)
    runs = runs[~runs["source_record"].isin([record for record, *_ in refused])]
    shown = jobs.set_index("record")
    good, broken = by_rules(runs, lambda record: _raw(shown.loc[record]))
    refused += broken
    latest = good.sort_values("ended_at", kind="stable").drop_duplicates("run_id", keep="last")
    return reading_of_frame(
        latest.sort_index().reset_index(drop=True),
        refused,
        records=merged + len(refused) + len(good),
        merged=merged + len(good) - len(latest),
    )


def _as_sacct(data: bytes) -> str:
    """Return what Slurm's other commands say as the lines of `sacct -P`."""
    text = text_of(data)
    if text.lstrip()[:1] == "{":
        return _lines(_of_json(job) for job in _listed(data))
    if _ALIGNED.search(text):
        msg = (
            "its columns are aligned for the eye and cut off at their width; "
            "write them with sacct -P"
        )
        raise RefusalError(msg, "wrong_shape")
    if _HEADLESS.search(text):
        msg = "its first line names no columns; write it without -n (--noheader)"
        raise RefusalError(msg, "missing_columns")
    if _SCONTROL.search(text):
        return _lines(_of_scontrol(block) for block in re.split(r"(?=\bJobId=\d)", text)[1:])
    if _SEFF.search(text):
        return _lines(_of_seff(block) for block in re.split(r"(?m)^(?=Job ID:)", text)[1:])
    return text


def _lines(jobs: Iterable[dict[str, object]]) -> str:
    rows = [[re.sub(r"[|\n]", " ", str(job.get(name) or "")) for name in _KEPT] for job in jobs]
    return "\n".join("|".join(row) for row in [list(_KEPT), *rows])


def _listed(data: bytes) -> list[object]:
    items, single = json_items(data)
    document = items[0].value if single else None
    jobs = document.get("jobs") if isinstance(document, dict) else None
    if not isinstance(jobs, list):
        msg = "holds no list of jobs; save the answer of sacct --json as it came"
        raise RefusalError(msg, "wrong_shape")
    return jobs


def _of_json(job: object) -> dict[str, object]:
    given = job if isinstance(job, dict) else {}
    time, tres, state = (part(given, name) for name in ("time", "tres", "state"))
    current = state.get("current") or given.get("job_state")
    energies = [
        _number(part(step, "statistics", "energy").get("consumed"))
        for step in objects(given, "steps")
    ]
    names = [
        (
            "/".join(str(each[key]) for key in ("type", "name") if each.get(key)),
            _number(each.get("count")),
        )
        for each in objects(tres, "allocated")
    ]
    return {
        "jobid": _number(given.get("job_id")),
        "jobname": given.get("name"),
        "state": current[0] if isinstance(current, list) and current else current,
        "start": _number(time.get("start")),
        "end": _number(time.get("end")),
        "elapsedraw": _number(time.get("elapsed")),
        "alloctres": ",".join(f"{name}={count}" for name, count in names if count is not None),
        "nnodes": _number(given.get("allocation_nodes")),
        "nodelist": given.get("nodes"),
        "consumedenergyraw": max((each for each in energies if each), default=None),
    }


def _number(value: object) -> int | None:
    """Return a count; newer versions wrap it: `{"set": true, "infinite": false, "number": 4}`."""
    inner = value.get("number") if isinstance(value, dict) and value.get("set") else value
    whole = isinstance(inner, int) and not isinstance(inner, bool) and 0 <= inner < 1 << 62
    return inner if whole and isinstance(inner, int) else None


def _of_scontrol(block: str) -> dict[str, object]:
    said = dict(re.findall(r"(?:^|\s)(\w[\w:/]*)=(\S*)", block))
    return {
        "jobid": said.get("JobId"),
        "jobname": said.get("JobName"),
        "state": said.get("JobState"),
        "start": said.get("StartTime"),
        "end": said.get("EndTime"),
        "elapsed": said.get("RunTime"),
        "alloctres": said.get("AllocTRES") or said.get("TRES"),
        "nnodes": said.get("NumNodes"),
        "nodelist": said.get("NodeList"),
    }


def _of_seff(block: str) -> dict[str, object]:
    said = dict(re.findall(r"(?m)^([\w -]+): (.+)$", block))
    return {
        "jobid": said.get("Job ID"),
        "state": str(said.get("State", "")).partition(" ")[0],
        "elapsed": said.get("Job Wall-clock time"),
        "nnodes": said.get("Nodes"),
    }


def _header(text: str) -> tuple[list[str], str]:
    """Return the names of the columns, and what parts them."""
    first = next((line for line in text.split("\n", 50) if line.strip()), "")
    mark = next((mark for mark in "|\t;" if mark in first), ",")
    return ([name.strip().casefold() for name in first.split(mark)] if mark in first else []), mark


def _rows(text: str) -> tuple[pd.DataFrame, list[Refused]]:
    """Return the rows' known columns; sacct quotes none of its cells."""
    header, mark = _header(text)
    if not (set(header) >= _MARKS and set(header) & _TIMES):
        msg = "the first line lacks JobID, State or Elapsed; query them with sacct -P --format"
        raise RefusalError(msg, "missing_columns")
    lines = [(n, line) for n, line in enumerate(text.split("\n"), 1) if line.strip()][1:]
    # With -p a bar also ends the line; a job's name may hold one, which shifts the rest.
    split = [(n, _cells(line, mark)) for n, line in lines]
    good = [(n, cells) for n, cells in split if len(cells) == len(header)]
    reason = (
        f"has another number of cells than the header's {len(header)}; is a bar in a name, "
        "or are commas in AllocTRES? Write it with sacct -P"
    )
    refused: list[Refused] = [
        (str(n), "shifted_row", reason, "") for n, cells in split if len(cells) != len(header)
    ]
    places = {name: header.index(name) for name in _KEPT if name in header}
    frame = pd.DataFrame(
        {name: [cells[place] for _, cells in good] for name, place in places.items()}, dtype="str"
    )
    frame = frame.reindex(columns=list(_KEPT)).astype("str")
    for name in frame:
        cells = frame[name].str.strip()
        frame[name] = cells.mask(cells == "").astype("str")
    older = "gres/" + frame["allocgres"].str.replace(r"\([^)]*\)", "", regex=True)
    # `gpu:a100:4` and `gpu:4` are what AllocTRES writes as gres/gpu:a100=4 and gres/gpu=4.
    older = older.str.replace(r",", ",gres/", regex=False).str.replace(
        r":(\d+)(?=,|$)", r"=\1", regex=True
    )
    frame["alloctres"] = frame["alloctres"].fillna(older).astype("str")
    record = pd.Series([str(n) for n, _ in good], dtype="str")
    return frame.assign(record=record), refused


def _cells(line: str, mark: str) -> list[str]:
    if mark != ",":
        return line.split(mark)
    within = _WITHIN.sub(lambda found: found.group().replace(",", "\x1f"), line)
    return [cell.replace("\x1f", ",").strip('"') for cell in within.split(",")]


def _jobs(rows: pd.DataFrame) -> tuple[pd.DataFrame, int]:
    """Return a row per job with its steps' energy and utilisation, and how many were merged."""
    whole = rows["jobid"].fillna("line " + rows["record"])
    base, step = whole.str.extract(r"^([^.]*)")[0], whole.str.contains(".", regex=False)
    # A requeued job stands there once per attempt; each attempt's steps follow it.
    attempt = (~step).groupby(base).cumsum()
    key = base + "@" + attempt.astype("str")
    energy = _energy(rows)
    rows = rows.assign(base=base, joules=energy.groupby(key).transform("max"), key=key)
    used = rows.groupby("key")["tresusageinave"].transform("first")
    rows["tresusageinave"] = used.astype("str")
    # Some queries leave the job's own row out (--allocations does the opposite).
    jobs = rows.assign(step=step).sort_values("step", kind="stable").drop_duplicates("key")
    jobs = jobs.sort_index().reset_index(drop=True)
    jobs["jobid"] = jobs["base"].mask(jobs["jobid"].isna())
    jobs["jobidraw"] = jobs["jobidraw"].str.extract(r"^([^.]*)")[0]
    return jobs, len(rows) - len(jobs)


_PREFIXES = {"K": 1e3, "M": 1e6, "G": 1e9, "T": 1e12}


def _energy(rows: pd.DataFrame) -> pd.Series:
    """Return joules, missing where Slurm measured none: 0, or the largest number it can write."""
    raw, _ = numbers(rows["consumedenergyraw"])
    parts = rows["consumedenergy"].str.extract(r"^([\d.]{1,20})([KMGT]?)$")
    scaled = pd.to_numeric(parts[0], errors="coerce") * parts[1].map(_PREFIXES).fillna(1.0)
    joules = raw.fillna(scaled)
    return joules.where((joules > 0) & (joules < 1e15))


def _elapsed(jobs: pd.DataFrame) -> tuple[pd.Series, np.ndarray]:
    raw, _ = numbers(jobs["elapsedraw"])
    parts = jobs["elapsed"].str.extract(_ELAPSED).astype("float64").fillna(0.0)
    known = jobs["elapsed"].str.contains(_ELAPSED.replace("(\\d", "(?:\\d"), na=False)
    said = ((parts[0] * 24 + parts[1]) * 60 + parts[2]) * 60 + parts[3]
    seconds = raw.fillna(said.where(known))
    return seconds, seconds.isna().to_numpy()


def _instants(cells: pd.Series, timezone: str) -> tuple[pd.Series, np.ndarray]:
    known = cells.mask(cells.isin(["Unknown", "None", "N/A"]))
    # What strftime may be asked for by SLURM_TIME_FORMAT: days with slashes, a dash before the
    # time.
    iso = known.str.replace(r"^(\d{4})[/-](\d{2})[/-](\d{2})[T -]", r"\1-\2-\3T", regex=True)
    unix = pd.to_numeric(iso.where(iso.str.fullmatch(r"\d{9,10}", na=False)), errors="coerce")
    read = pd.to_datetime(unix, unit="s", utc=True).astype("datetime64[us, UTC]")
    found, bad = instants(iso.mask(unix.notna()), timezone)
    return found.fillna(read), bad


def _state(jobs: pd.DataFrame) -> pd.Series:
    """Return the state's word: `CANCELLED by 5012` names who did it."""
    return jobs["state"].str.extract(r"^(\S+)")[0].fillna("")


def _runs(
    jobs: pd.DataFrame, seconds: pd.Series, started: pd.Series, ended: pd.Series
) -> pd.DataFrame:
    job_id = jobs["jobidraw"].fillna(jobs["jobid"])
    gpus, model, mixed = _gpus(jobs["alloctres"])
    nodes, _ = numbers(jobs["nnodes"])
    energy = jobs["joules"] / JOULES_PER_KWH
    without_gpus = jobs["joules"] / seconds < _IDLE_GPU_W * gpus
    used = jobs["tresusageinave"].str.extract(r"(?:^|,)gres/gpuutil=(\d{1,3})(?:,|$)")[0]
    percent = used.astype("float64")
    state = _state(jobs)
    notes = {
        "ended_early": state.isin(["TIMEOUT", "CANCELLED"]),
        "mixed_gpus": mixed,
        "consumed_energy_without_gpus": without_gpus,
        "energy_plugin_unknown": energy.notna() & ~without_gpus,
    }
    named = jobs["jobname"].where(~jobs["jobname"].str.casefold().isin(_NO_NAME))
    hosts = {text: _hosts(text) for text in jobs["nodelist"].dropna().unique()}
    return pd.DataFrame(
        {
            "run_id": "slurm-" + job_id,
            "job_id": job_id,
            "host": jobs["nodelist"].map(hosts).astype("str"),
            "model_name": named,
            "started_at": started,
            "ended_at": ended,
            "reserved_s": seconds,
            "gpu_model": model,
            "gpu_count": gpus,
            "server_count": nodes.where(nodes > 0),
            # Of several GPUs the figure is a sum or a mean, by version; of one it is plain.
            "gpu_utilization": (percent / 100).where((gpus == 1) & (percent <= 100)),
            "it_energy_kwh": energy.mask(without_gpus),
            "repairs": repairs.column(notes, jobs.index),
            "source_record": jobs["record"],
        }
    )


def _gpus(tres: pd.Series) -> tuple[pd.Series, pd.Series, pd.Series]:
    """Return count and model of `gres/gpu=4,gres/gpu:a100=4`, and whether models are mixed.

    The total stands beside the types and must not be added to them.
    """
    distinct = pd.Series(tres.dropna().unique(), dtype="str")
    typed_parts = distinct.str.findall(r"gres/gpu:([\w.-]{1,60})=(\d{1,7})(?:,|$)")
    total = distinct.str.extract(r"gres/gpu=(\d{1,7})(?:,|$)")[0].astype("float64")
    summed = typed_parts.map(lambda parts: float(sum(int(n) for _, n in parts)))
    # Where trackable resources are listed and no GPU among them, the job had none.
    count = total.fillna(summed)
    names = typed_parts.map(lambda parts: sorted({name for name, n in parts if int(n)}))
    one = names.map(lambda found: found[0] if len(found) == 1 else None)
    several = names.map(len) > 1
    for each in (count, one, several):
        each.index = pd.Index(distinct)
    return (
        tres.map(count).astype("float64"),
        tres.map(one).astype("str"),
        tres.map(several).eq(True),
    )


def _hosts(nodelist: str) -> str | None:
    """Return the hashes of `gpu[01-03,07],login1`, in order of their names."""
    names = [
        name
        for pattern in re.findall(r"(?:[^,\[\]]|\[[^\]]*\])+", nodelist)
        for name in _expanded(pattern.strip())
    ]
    known = [name for name in names if name and "none assigned" not in name.casefold()]
    return " ".join(hashed_host(name) for name in known[:_NODES]) or None


def _expanded(pattern: str) -> list[str]:
    pieces = re.split(r"\[([^\]]*)\]", pattern)
    options = [[piece] if n % 2 == 0 else _numbers_of(piece) for n, piece in enumerate(pieces)]
    return ["".join(chosen) for chosen in itertools.islice(itertools.product(*options), _NODES)]


def _numbers_of(ranges: str) -> list[str]:
    found: list[str] = []
    for span in ranges.split(","):
        low, dash, high = span.strip().partition("-")
        if dash and low.isdecimal() and high.isdecimal():
            numbers_ = range(int(low), min(int(high), int(low) + _NODES) + 1)
            found += [str(number).zfill(len(low)) for number in numbers_]
        else:
            found.append(span.strip())
    return found


def _raw(job: pd.Series) -> str:
    return "|".join(str(job[name]) for name in _SHOWN if pd.notna(job[name]))
