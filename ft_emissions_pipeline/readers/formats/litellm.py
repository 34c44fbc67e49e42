"""Read the spend logs of a LiteLLM proxy: a request a row, as JSON, JSON lines or CSV.

Counted are requests that were served by the model: those of status `failure` are left out, and so
are answers from LiteLLM's cache, calls that ran no model (fetching, listing, batches) and the
proxy's own health checks; the day says so in `repairs`. Rows without a status (older versions log
successes only) count. The model is the one that served, without the provider before it, not the
public name of its group. Times are UTC, as the proxy writes them. Keys, users and contents are not
read.
"""

from __future__ import annotations

import json

import numpy as np
import pandas as pd

from ft_emissions_pipeline.readers import repairs
from ft_emissions_pipeline.readers.cells import instants, numbers, trimmed
from ft_emissions_pipeline.readers.documents import Item, json_items
from ft_emissions_pipeline.readers.reading import (
    Reading,
    RefusalError,
    Refused,
    Settings,
    as_usage,
    quarantine_rows,
    refused_rows,
)
from ft_emissions_pipeline.readers.scrubbing import shown
from ft_emissions_pipeline.readers.shared.inferences import OTHER_CALLS, are_inferences, repeated
from ft_emissions_pipeline.readers.shared.requests import CACHED, MISFIT
from ft_emissions_pipeline.readers.shared.usage_days import FAILED
from ft_emissions_pipeline.readers.sheets import header_of, sheet_of
from ft_emissions_pipeline.tables import rows as row_rules
from ft_emissions_pipeline.tables.words import Basis, Content

FORMAT = "litellm"
LOG = "LiteLLM spend logs as JSON, JSON lines or CSV"
TELLS = "counted requests per model and day, without failed and cached ones"
LACKS = "everything about the fine-tuning"
CONTENT: Content = "usage"
PROGRESS = None
BASIS = {"*": Basis.MEASURED}

_NEEDED = ("request_id", "startTime", "model")
_COLUMNS = (
    *_NEEDED,
    "custom_llm_provider",
    "status",
    "cache_hit",
    "call_type",
    "spend",
    "total_tokens",
)
_CALLERS = ("api_key", "user", "team_id", "request_tags", "metadata")
_HEALTH_CHECK = "litellm-internal-health-check"
"""By which the proxy marks its own calls (LITTELM_INTERNAL_HEALTH_SERVICE_ACCOUNT_NAME of its
constants.py)."""


def recognises(name: str, head: bytes) -> bool:
    """Say whether the file has the columns of spend logs."""
    if name.endswith((".json", ".jsonl", ".ndjson")):
        return all(f'"{key}"'.encode() in head for key in (*_NEEDED, "spend"))
    if name.endswith((".csv", ".tsv")):
        return {*_NEEDED, "spend"} <= set(header_of(head)[0])
    return False


def read(data: bytes, uri: str, settings: Settings) -> Reading:  # noqa: ARG001 (times are UTC)
    """Read spend logs; a request without model or time is refused."""
    frame, refused = _json(data) if data.lstrip()[:1] in {b"{", b"["} else _csv(data)
    records = frame.index.astype("str")
    cells = {
        name: trimmed(frame[name])[0]
        if name in frame
        else pd.Series(np.nan, index=frame.index, dtype="str")
        for name in _COLUMNS
    }
    started, bad_time = instants(cells["startTime"], "UTC")
    model = _without_provider(cells["model"], cells["custom_llm_provider"])
    checks: list[row_rules.Check] = [
        (bad_time, "bad_timestamp",
         lambda i: f"startTime is {shown(cells['startTime'].iloc[i])}; "
                   "export it as 2024-07-06T17:01:00Z"),
        (started.isna().to_numpy(), "missing_value",
         lambda _: "startTime is empty; export the rows again"),
        ((model.isna() & ~_failed(cells["status"])).to_numpy(), "missing_value",
         lambda _: "model is empty; export the rows again"),
    ]  # fmt: skip
    bad = refused_rows(len(frame), checks, lambda i: records[i], lambda i: _raw(cells, i))
    rows = pd.DataFrame(
        {
            "model_name": model,
            "at": started,
            "request_id": cells["request_id"],
            "failed": _failed(cells["status"]),
            "cached": cells["cache_hit"].str.lower() == "true",
            "other": ~are_inferences(cells["call_type"], numbers(cells["total_tokens"])[0])
            | (frame[_HEALTH_CHECK] == "yes"),
            "source_record": records,
        }
    )
    good = rows[~rows["source_record"].isin({record for record, *_ in bad}).to_numpy()]
    # A request that was refused before a model was chosen belongs to no model's day.
    days = _days(good.dropna(subset=["model_name"]))
    every = [*refused, *bad]
    return Reading(
        CONTENT,
        usage=days,
        quarantine=quarantine_rows(every),
        records=len(good) + len(every),
        merged=len(good) - len(days),
    )


def _failed(status: pd.Series) -> pd.Series:
    return status.str.lower().isin(["failure", "failed", "error"])


def _without_provider(model: pd.Series, provider: pd.Series) -> pd.Series:
    """Return models as they are named elsewhere: the proxy may put the provider before the name."""
    prefix = provider.fillna("") + "/"
    prefixed = model.notna() & (prefix != "/")
    names = model.copy()
    at = prefixed.to_numpy()
    names[at] = [
        name.removeprefix(before) for name, before in zip(model[at], prefix[at], strict=True)
    ]
    return names


def _days(rows: pd.DataFrame) -> pd.DataFrame:
    # A request that stands twice was exported twice; one without an id is its own.
    rows = rows[~repeated(rows["request_id"], rows["at"])]
    served = ~rows["failed"] & ~rows["cached"] & ~rows["other"]
    date = rows["at"].dt.floor("D").dt.tz_localize(None)
    days = (
        rows.assign(date=date, inferences=served.astype("float64"))
        .groupby(["date", "model_name"], sort=True)
        .agg(
            inferences=("inferences", "sum"),
            failed=("failed", "any"),
            cached=("cached", "any"),
            other=("other", "any"),
            covers_from=("at", "min"),
            covers_to=("at", "max"),
            source_record=("source_record", "first"),
        )
        .reset_index()
    )
    flags = {CACHED: days["cached"], FAILED: days["failed"], OTHER_CALLS: days["other"]}
    days["repairs"] = repairs.column(flags, days.index)
    return as_usage(days).assign(
        series="",
        covers_from=days["covers_from"],
        covers_to=days["covers_to"] + pd.Timedelta(microseconds=1),
    )


def _csv(data: bytes) -> tuple[pd.DataFrame, list[Refused]]:
    sheet = sheet_of(data, (*_COLUMNS, *_CALLERS))
    lacking = [name for name in _NEEDED if name not in sheet.frame]
    if lacking:
        msg = f"lacks column(s) {', '.join(lacking)}; export the spend logs with all columns"
        raise RefusalError(msg, "missing_columns")
    misfits = sheet.refused_misfits(MISFIT)
    callers = [sheet.frame[name] for name in _CALLERS if name in sheet.frame]
    checks = [any(_HEALTH_CHECK in str(cell) for cell in row) for row in zip(*callers, strict=True)]
    frame = sheet.frame.drop(columns=[cells.name for cells in callers])
    frame[_HEALTH_CHECK] = _marks(checks or [False] * len(frame), frame.index)
    return frame, [(*told[:3], _safe(told[3])) for told in misfits]


def _json(data: bytes) -> tuple[pd.DataFrame, list[Refused]]:
    items, single = json_items(data)
    if single and isinstance(items[0].value, dict) and isinstance(items[0].value.get("data"), list):
        items = [Item(str(n), row) for n, row in enumerate(items[0].value["data"], 1)]
    refused: list[Refused] = []
    good: list[Item] = []
    for item in items:
        if item.problem:
            refused.append((item.record, item.code, item.problem, _safe(item.raw)))
        elif not isinstance(item.value, dict) or not set(_NEEDED) <= set(item.value):
            msg = f"not a row with {', '.join(_NEEDED)}; export the spend logs as they are"
            refused.append((item.record, "wrong_shape", msg, _safe(item.raw or repr(item.value))))
        else:
            good.append(item)
    rows = [item.value for item in good if isinstance(item.value, dict)]
    index = pd.Index([item.record for item in good], dtype="str")
    columns = {
        name: pd.Series([_text(row.get(name)) for row in rows], index=index, dtype="str")
        for name in _COLUMNS
    }
    checks = [any(_HEALTH_CHECK in str(row.get(name)) for name in _CALLERS) for row in rows]
    return pd.DataFrame({**columns, _HEALTH_CHECK: _marks(checks, index)}, index=index), refused


def _marks(checks: list[bool], index: pd.Index) -> pd.Series:
    return pd.Series(["yes" if each else "no" for each in checks], index=index, dtype="str")


def _text(value: object) -> str | None:
    return None if value is None else str(value)


def _safe(text: str) -> str:
    """Return the start of an unreadable row, which surely holds no user, key or prompt."""
    return text[:40]


def _raw(cells: dict[str, pd.Series], position: int) -> str:
    shown = {name: column.iloc[position] for name, column in cells.items()}
    return json.dumps({k: v for k, v in shown.items() if isinstance(v, str)}, ensure_ascii=False)
