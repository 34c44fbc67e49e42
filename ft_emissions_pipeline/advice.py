"""How good a figure is, and which missing field would narrow its interval most.

Put here: tiers of fields and results, how much of a total rests on imputed fields, and what to
disclose next. Keep out: how a gap is filled (`normalize/`) and how wide that leaves a total
(`impacts.py`); both are asked anew for each answer, so that an advice is what disclosing does.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
import pandas as pd

from ft_emissions_pipeline import api, methodology, telemetry, uncertainty
from ft_emissions_pipeline import reference as ref
from ft_emissions_pipeline.impacts import INPUTS, footprint
from ft_emissions_pipeline.normalize import IMPUTED
from ft_emissions_pipeline.normalize.energy import flat_gpu_power_w
from ft_emissions_pipeline.readers import basis_of
from ft_emissions_pipeline.tables import RUN_FIELDS

TIER_OF_BASIS = {"measured": "A", "disclosed": "B", "predicted": "C", "default": "D"}
"""Tier of a field by what its value rests on."""

NAMED_BY = {"gpu_id": "gpu_model", "server_id": "server_model", "model_id": "base_model"}
"""Identity in the reference tables -> the field by which a log discloses it."""

TIMES = ("reserved_s", "active_s")
"""Where both are missing they are disclosed together: given one, the rules would tell the other by a
usual ratio, and no longer as it is now."""

MOVED = 1e-3
"""Share of the total by which a statement of what is taken for true anyway may move it."""

Key = Literal["run_id", "model_name"]
KEYS: tuple[Key, ...] = ("run_id", "model_name")

METRICS = ("total_kgco2e", "total_water_l")
BOUNDS = tuple(f"{metric}_{bound}" for metric in METRICS for bound in ("p05", "p95"))

_MARK = "\x1f"
"""Stands between a run's id and the field that is tried on it; no id holds a control character."""


def advise(
    runs: pd.DataFrame | api.Disclosure | Sequence[api.Disclosure],
    *,
    only: str | None = None,
    by: Key = "run_id",
    profile: str = "default",
    reference: ref.Reference | None = None,
    calibrate: bool = False,
) -> pd.DataFrame:
    """Say what to disclose next, for each run or each model.

    Parameters
    ----------
    runs : DataFrame, mapping, or sequence of mappings
        As `estimate` takes them.
    only : str, optional
        A run's id or a model's name; all runs by default.
    by : str
        `run_id`, or `model_name` for the total over each model's runs.
    profile, reference, calibrate
        As `estimate` takes them.

    Returns
    -------
    DataFrame
        What `of_accepted` returns.

    Raises
    ------
    UnknownRun
        If `only` names neither a run nor a model.
    ValueError
        As `estimate` raises it.
    """
    factors = reference or ref.load()
    valid, _ = api.accepted(runs, factors)
    coefficients = telemetry.calibration(valid) if calibrate else None
    chosen = methodology.profile(profile)
    return of_accepted(api.selected(valid, only), factors, chosen, coefficients, by=by)


def of_accepted(
    valid: pd.DataFrame,
    reference: ref.Reference,
    profile: methodology.Profile,
    calibration: pd.DataFrame | None = None,
    *,
    by: Key = "run_id",
) -> pd.DataFrame:
    """Try every missing field of every run: disclose the value that stands in for it, and look.

    Parameters
    ----------
    valid : DataFrame
        Rows of table `validated_runs`.
    reference : Reference
        Reference tables.
    profile : Profile
        Choices of the methodology.
    calibration : DataFrame, optional
        Coefficients of `telemetry.calibration`, where they are applied.
    by : str
        `run_id` or `model_name`.

    Returns
    -------
    DataFrame
        One row per run or model and field whose disclosure narrows the interval of the carbon or the
        water, the best for the carbon first; one row with an empty field where none does.
        Columns: run_id (by run), model_name; quality_tier, share_imputed and share_of_total_imputed
        of the run or model; field to disclose (two, separated by a space, for the times), value that
        stands in for it now, tier of that value, runs in which it is missing, decides (other inputs
        of the footprint that become more certain with it);
        p05 and p95 of carbon [kgCO2e] and water [L] now, and with the prefix `then_` once the
        field is disclosed; carbon_narrowed and water_narrowed, the share of the interval's width
        that goes.

    Notes
    -----
    A field is missing where its value was predicted or a default, or where the name that was logged
    stands for several variants. Each is tried alone: the run gets the present value of that field
    as if a disclosure had stated it, and goes through every rule again. What depends on the
    field follows by the rules themselves: a disclosed accelerator takes its peak rate, power and
    making along, and the time that was predicted on it. What is assumed is that the disclosure
    would confirm the present value; another value moves the total, and its interval with it.
    Where even that moves the carbon by more than `MOVED`, because other rules then answer, the field is
    left out: its disclosure changes the figure before it narrows an interval.
    A disclosed number keeps the spread of disclosed numbers. Conventions, such as the use life of
    hardware, are no field of a run and stay as they are.
    Over the runs of a model bounds add up: runs of one model have their gaps in common. Its tier is
    its worst run's, and its shares are means weighted by carbon.
    """
    normalized, provenance, impacts = api.footprints(valid, reference, profile, calibration)
    tried = _with_one_field_disclosed(valid, normalized, provenance)
    found = _outcomes(tried, provenance, reference, profile, calibration)
    now = impacts.set_index("run_id")
    before = found["of_run"].map(now["total_kgco2e"]).astype(float)
    found = found[(found["total_kgco2e"] - before).abs() <= MOVED * before]
    share = share_of_total_imputed(normalized, provenance, profile, reference)
    now["share_of_total_imputed"] = share.to_numpy()
    return _ranked(_grouped(now, found, by), by)


def share_of_total_imputed(
    normalized: pd.DataFrame,
    provenance: pd.DataFrame,
    profile: methodology.Profile,
    reference: ref.Reference,
) -> pd.Series:
    r"""Return which share of each run's carbon rests on imputed inputs, however certain they are.

    Parameters
    ----------
    normalized, provenance : DataFrame
        Tables `normalized_runs` and `field_provenance`.
    profile : Profile
        Choices of the methodology.
    reference : Reference
        Reference tables.

    Returns
    -------
    Series
        0..1, in the order of `normalized`.

    Notes
    -----
    An input counts by how strongly the total answers to it, its elasticity:

    .. math:: s = \frac{\sum_{i\,imputed} |e_i|}{\sum_i |e_i|}, \quad
              e_i = \frac{\partial \ln C}{\partial \ln x_i}

    In a product each factor counts alike, and in a sum each part by its size. Of carbon that is
    logged energy x development multiplier x PUE x grid alone, an imputed PUE makes a quarter. `share_imputed` of
    `run_impacts` weighs the same inputs by their spread instead.
    """
    values = {name: normalized[name].to_numpy(dtype=float) for name in INPUTS}
    flat = flat_gpu_power_w(reference)
    modelled = (normalized["energy_route"] == "power_model").to_numpy()

    def total(inputs: Mapping[str, Any]) -> dict[str, Any]:
        parts = footprint(inputs, profile, flat_gpu_power_w=flat, modelled=modelled)
        return {"total_kgco2e": parts["total_kgco2e"]}

    step = dict.fromkeys(INPUTS, np.full(len(normalized), 1e-3))
    weight = uncertainty.propagate(total, values, step)["total_kgco2e"].contributions
    imputed = provenance[provenance["basis"].isin(IMPUTED)]
    by_field = imputed.groupby("field")["run_id"].agg(set)
    guessed = everything = np.zeros(len(normalized))
    for name, part in weight.items():
        rests = normalized["run_id"].isin(by_field.get(name, set())).to_numpy()
        everything = everything + np.abs(part)
        guessed = guessed + np.where(rests, np.abs(part), 0.0)
    share = np.divide(guessed, everything, out=np.zeros(len(normalized)), where=everything > 0)
    return pd.Series(share, index=normalized.index)


def best(advised: pd.DataFrame) -> pd.DataFrame:
    """Return the first row of each run or model: what narrows its carbon most."""
    key = "run_id" if "run_id" in advised else "model_name"
    return advised.drop_duplicates(key).reset_index(drop=True)


def _with_one_field_disclosed(
    valid: pd.DataFrame, normalized: pd.DataFrame, provenance: pd.DataFrame
) -> pd.DataFrame:
    """Return a copy of a run for each of its missing fields, that field disclosed.

    Beside the columns of `validated_runs`: of_run, field, value and tier now.
    """
    missing = provenance[
        provenance["basis"].isin(IMPUTED)
        | provenance["rule"].astype("str").str.endswith("_name_ambiguous")
    ]
    missing = missing.assign(disclose=missing["field"].replace(NAMED_BY))
    missing = missing[missing["disclose"].isin(RUN_FIELDS)]
    # An identity stands before the name that was made after it.
    missing = missing.sort_values(
        "field", key=lambda field: ~field.isin(list(NAMED_BY)), kind="stable"
    ).drop_duplicates(["run_id", "disclose"])
    missing = _times_together(missing)
    position = pd.Index(valid["run_id"])
    origins = _origins(valid)
    copies = []
    for (disclose, source), rows in missing.groupby(["disclose", "field"]):
        at = position.get_indexer(rows["run_id"])
        copy = valid.iloc[at].reset_index(drop=True)
        names = disclose.split()
        for name, present in zip(names, source.split(), strict=True):
            copy[name] = normalized[present].iloc[at].to_numpy()
        stated = {name: ["disclosed", "advise"] for name in names}
        copy["origins"] = [json.dumps({**origins[place], **stated}) for place in at]
        copies.append(
            copy.assign(
                of_run=copy["run_id"],
                run_id=copy["run_id"] + _MARK + disclose,
                field=disclose,
                value=rows["value"].to_numpy(),
                tier=rows["basis"].map(TIER_OF_BASIS).to_numpy(),
            )
        )
    if copies:
        return pd.concat(copies, ignore_index=True)
    return valid.head(0).assign(
        **{name: valid["run_id"].head(0) for name in ("of_run", "field", "value", "tier")}
    )


def _times_together(missing: pd.DataFrame) -> pd.DataFrame:
    times = missing[missing["disclose"].isin(TIMES)].sort_values("disclose", ascending=False)
    of_run = times.groupby("run_id")
    both = of_run.first().assign(
        disclose=of_run["disclose"].agg(" ".join),
        field=of_run["field"].agg(" ".join),
        value=of_run["value"].agg(" ".join),
    )
    return pd.concat([missing.drop(times.index), both.reset_index()], ignore_index=True)


def _origins(valid: pd.DataFrame) -> list[dict[str, list[str]]]:
    """Return what each logged field of each run rests on, for single records too."""
    fields = [name for name in RUN_FIELDS if name != "run_id"]
    logged = valid[fields].notna().to_numpy()
    return [
        json.loads(row.origins)
        if isinstance(row.origins, str)
        else {
            name: [basis_of(row.source_format, name), f"{row.source_uri}#{row.source_record}"]
            for name, there in zip(fields, present, strict=True)
            if there
        }
        for row, present in zip(valid.itertuples(index=False), logged, strict=True)
    ]


def _outcomes(
    tried: pd.DataFrame,
    provenance: pd.DataFrame,
    reference: ref.Reference,
    profile: methodology.Profile,
    calibration: pd.DataFrame | None,
) -> pd.DataFrame:
    """Return the bounds of each copy, and which inputs of the footprint it made more certain."""
    kept = ["of_run", "field", "value", "tier"]
    _, then, impacts = api.footprints(tried.drop(columns=kept), reference, profile, calibration)
    found = tried[["run_id", *kept]].merge(impacts[["run_id", *BOUNDS, *METRICS]], on="run_id")
    then = then[then["field"].isin(INPUTS)]
    then = then.assign(of_run=then["run_id"].str.rsplit(_MARK, n=1).str[0])
    both = then.merge(
        provenance, left_on=["of_run", "field"], right_on=["run_id", "field"], suffixes=("", "_now")
    )
    narrower = (
        uncertainty.log_sd_of_interval(both["p05"], both["p95"])
        < uncertainty.log_sd_of_interval(both["p05_now"], both["p95_now"]) - 1e-9
    )
    follows = np.array(
        [
            field not in copy.rsplit(_MARK, 1)[1].split()
            for copy, field in zip(both["run_id"], both["field"], strict=True)
        ],
        dtype=bool,
    )
    decides = both[narrower & follows].groupby("run_id")["field"].agg(" ".join)
    named = [decides.get(copy, "") for copy in found["run_id"]]
    return found.assign(decides=named).drop(columns="run_id")


def _grouped(now: pd.DataFrame, found: pd.DataFrame, by: str) -> pd.DataFrame:
    """Add runs up to the groups asked for, with the bounds that each field would leave."""
    key = now["model_name"] if by == "model_name" else pd.Series(now.index, index=now.index)
    weight = now["total_kgco2e"].where(now["total_kgco2e"] > 0, np.finfo(float).tiny)
    shares = ["share_imputed", "share_of_total_imputed"]
    group = pd.DataFrame(
        {
            "model_name": now["model_name"].groupby(key).first(),
            "quality_tier": now["quality_tier"].groupby(key).max(),
            **{
                name: (now[name] * weight).groupby(key).sum() / weight.groupby(key).sum()
                for name in shares
            },
            **{name: now[name].groupby(key).sum() for name in BOUNDS},
        }
    )
    change = found.assign(key=found["of_run"].map(key))
    for name in BOUNDS:
        change[name] = change[name].astype(float) - change["of_run"].map(now[name]).astype(float)
    fields = change.groupby(["key", "field"], as_index=False).agg(
        value=("value", _common),
        tier=("tier", "max"),
        runs=("of_run", "size"),
        decides=("decides", lambda names: " ".join(dict.fromkeys(" ".join(names).split()))),
        **{name: (name, "sum") for name in BOUNDS},
    )
    rows = fields.merge(group, left_on="key", right_index=True, suffixes=("_change", ""))
    for metric, narrowed in zip(METRICS, ("carbon_narrowed", "water_narrowed"), strict=True):
        low, high = f"{metric}_p05", f"{metric}_p95"
        for name in (low, high):
            rows[f"then_{name}"] = rows[name] + rows[f"{name}_change"]
        width, left = rows[high] - rows[low], rows[f"then_{high}"] - rows[f"then_{low}"]
        rows[narrowed] = (1 - left / width.where(width > 0)).fillna(0.0)
    rows = rows[(rows["carbon_narrowed"] > 1e-9) | (rows["water_narrowed"] > 1e-9)]
    settled = group[~group.index.isin(rows["key"])]
    return pd.concat([rows, settled.rename_axis("key").reset_index()], ignore_index=True)


def _common(values: pd.Series) -> str:
    distinct = values.unique()
    return str(distinct[0]) if len(distinct) == 1 else f"{len(distinct)} values"


def _ranked(rows: pd.DataFrame, by: str) -> pd.DataFrame:
    then = [f"then_{name}" for name in BOUNDS]
    order = ["model_name", "quality_tier", "share_imputed", "share_of_total_imputed", "field", "value",
             "tier", "runs", "decides", *BOUNDS, *then, "carbon_narrowed", "water_narrowed"]  # fmt: skip
    if by == "run_id":
        rows = rows.assign(run_id=rows["key"])
        order.insert(0, "run_id")
    ranked = rows.sort_values(
        ["key", "carbon_narrowed", "water_narrowed", "field"],
        ascending=[True, False, False, True],
        na_position="last",
    )
    return ranked.reindex(columns=order).reset_index(drop=True)
