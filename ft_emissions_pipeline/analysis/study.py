"""What a team's own runs say about energy, as Wang et al. asked it of BERT.

Put here: what may count as evidence, how well energy is explained, runs compared at equal work.
Keep out: how findings are printed (`cli/study.py`, `report/`), and predicting energy
(`token_time/`).

Wang et al. 2023, "Energy and Carbon Considerations of Fine-Tuning BERT" (EMNLP Findings,
arXiv:2311.10267): with the hardware fixed, energy follows wall-clock time and the tokens seen with
padding, better than tokens per example; DistilBERT took about half of BERT's energy; two GPUs took
similar energy or less on long sequences; one pre-training of BERT equals 400 to 45,000
fine-tunings. Its meter coefficients are not reprinted here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ft_emissions_pipeline.normalize import stored_provenance
from ft_emissions_pipeline.normalize.energy import COMPONENTS
from ft_emissions_pipeline.normalize.meters import calibration
from ft_emissions_pipeline.reference import in_force
from ft_emissions_pipeline.tables import (
    FIELD_PROVENANCE,
    MODEL_EVENTS,
    NORMALIZED_RUNS,
    RUN_IMPACTS,
    VALIDATED_RUNS,
    Table,
)
from ft_emissions_pipeline.tables.words import Basis, EnergyRoute
from ft_emissions_pipeline.uncertainty import Floats
from ft_emissions_pipeline.warehouse import store

Scale = Literal["log", "plain"]

MINIMUM_RUNS = 8
"""Runs below which no share of explained energy is told: a line through few points fits
anything."""
DRAWS = 400
RUNS_RESAMPLED = 1000
"""Runs from which intervals are drawn, at random; all runs make the figures themselves.

Resampling all would cost time and memory by the number of runs; an interval from n of them narrows
by the root of n over all (Politis and Romano 1994, subsampling).
"""
SEED = 0
EQUAL_WORK = 0.10
"""Difference of padded tokens up to which two runs count as equal work; energy is compared per
token."""
ALL_HARDWARE = "all hardware"

ENERGIES = ("gpu_energy_kwh", "it_energy_kwh")
QUANTITIES = {
    "active_s": "time",
    "tokens_padded": "padded tokens",
    "tokens_unpadded": "unpadded tokens",
    "examples": "examples seen",
    "sequence_length": "sequence length",
}
"""What energy may be explained by -> its words."""

FINDINGS = (
    "finding", "subject", "energy", "quantity", "statistic", "runs", "value", "p05", "p95", "note",
)  # fmt: skip
_WORDS = ("finding", "subject", "energy", "quantity", "statistic", "note")
QUESTIONS = {
    "explained": "how well energy is explained",
    "distilled": "a distilled model's energy against its teacher's",
    "several_gpus": "several GPUs against one at equal work",
    "pre_training": "fine-tunings that equal the base model's pre-training",
    "meter": "meter against software",
}
"""Finding -> what it answers."""

_LOGGED = (Basis.MEASURED, Basis.DISCLOSED)
_IDENTITIES = ("gpu_id", "gpu_count", "model_id", "method")
_NUMBERS = ("active_s", "tokens_padded", "tokens_unpadded", "samples", "epochs", "sequence_length")
_FIELDS = (*_IDENTITIES, *_NUMBERS, *COMPONENTS, "it_energy_kwh")
_METERED = ("host", "meter_energy_kwh", "it_energy_kwh", *COMPONENTS)
READ = ("run_id", "energy_route", *_IDENTITIES, *_NUMBERS, "counted_energy_kwh", *ENERGIES)
"""Columns of `normalized_runs` that `evidence` reads."""


def evidence(
    normalized: pd.DataFrame, provenance: pd.DataFrame, kinds: pd.DataFrame | None = None
) -> pd.DataFrame:
    """Keep what was logged or measured, and nothing that was predicted from something else.

    Parameters
    ----------
    normalized : DataFrame
        Columns `READ` of table `normalized_runs`.
    provenance : DataFrame
        Columns run_id, field and basis of table `field_provenance`.
    kinds : DataFrame, optional
        Columns provenance_key, field and basis of table `kind_provenance`, where a warehouse's runs
        name their kind.

    Returns
    -------
    DataFrame
        run_id, what tells equal work (gpu_id, gpu_count, model_id, method), `QUANTITIES` and
        `ENERGIES`; missing where a field rests on a prediction or a default. A disclosed energy
        does not count, since nobody knows whether it is power times time; nor does a total of which
        a component was predicted, as CodeCarbon's memory (watts per GB times time).
    """
    basis = stored_provenance.bases(normalized, provenance, _FIELDS, kinds)
    kept = normalized[["run_id", *_IDENTITIES, *_NUMBERS, *ENERGIES]].copy()
    for name in (*_IDENTITIES, *_NUMBERS):
        kept[name] = kept[name].where(basis[name].isin(_LOGGED))
    kept["gpu_energy_kwh"] = kept["gpu_energy_kwh"].where(basis["gpu_energy_kwh"] == Basis.MEASURED)
    modelled = basis[list(COMPONENTS)].isin([Basis.PREDICTED, Basis.DEFAULT]).any(axis=1)
    logged = (
        normalized["energy_route"].isin([EnergyRoute.LOGGED_TOTAL, EnergyRoute.LOGGED_COMPONENTS])
        & ~modelled
    )
    metered = normalized["energy_route"] == EnergyRoute.METER
    whole = (basis["it_energy_kwh"] == Basis.MEASURED) & (metered | logged)
    # What the step to the plug adds to counted energy is power x time, no measurement.
    counted = normalized["counted_energy_kwh"].fillna(kept["it_energy_kwh"])
    kept["it_energy_kwh"] = counted.where(whole)
    kept["examples"] = kept["samples"] * kept["epochs"]
    kept["method"] = kept["method"].fillna("not told")
    return kept[["run_id", *_IDENTITIES, *QUANTITIES, *ENERGIES]]


def explained(runs: pd.DataFrame, scale: Scale = "log", seed: int = SEED) -> pd.DataFrame:
    """Tell how well each quantity explains energy: all runs together, and with the hardware fixed.

    Parameters
    ----------
    runs : DataFrame
        Of `evidence`.
    scale : {'log', 'plain'}
        Whether the least-squares line runs through logarithms or the plain values.
    seed : int
        Of the bootstrap.

    Returns
    -------
    DataFrame
        Columns `FINDINGS`: `r2` of the line and `rank_correlation` (Spearman), with the 5th and
        95th percentile over resampled runs; `note` says why there is no figure. Each quantity is
        judged on the runs that tell it.
    """
    rows: list[dict[str, Any]] = []
    for subject, group in _by_hardware(runs.dropna(subset=list(ENERGIES), how="all")):
        of = {name: group[name].to_numpy(dtype=float) for name in (*ENERGIES, *QUANTITIES)}
        for energy in ENERGIES:
            for quantity in QUANTITIES:
                known = (of[energy] > 0) & (of[quantity] > 0)
                if not known.any():
                    continue
                x, y = of[quantity][known], of[energy][known]
                told = {
                    "finding": "explained",
                    "subject": subject,
                    "energy": energy,
                    "quantity": quantity,
                    "runs": len(x),
                    "note": _too_few(x),
                }
                found = _fit(x, y, scale, seed) if not told["note"] else {"r2": (np.nan,) * 3}
                rows += [
                    {**told, "statistic": name, "value": value, "p05": low, "p95": high}
                    for name, (value, low, high) in found.items()
                ]
    return _findings(rows)


def _by_hardware(runs: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    groups = list(runs.groupby(["gpu_count", "gpu_id"]))
    if len(groups) != 1 or len(groups[0][1]) < len(runs):
        yield ALL_HARDWARE, runs
    for (count, gpu), group in groups:
        yield f"{count:g} x {gpu}", group


def _too_few(x: Floats) -> str:
    if len(x) < MINIMUM_RUNS:
        return f"too few runs: {len(x)} of at least {MINIMUM_RUNS}"
    return "the same in all runs" if np.ptp(x) == 0 else ""


def _fit(x: Floats, y: Floats, scale: Scale, seed: int) -> dict[str, tuple[float, float, float]]:
    some, narrower = _some(len(x), seed)
    of_all = _correlations(x, y, scale, np.ones((1, len(x))))
    drawn = _correlations(x[some], y[some], scale, _resampled(len(some), seed))
    line, rank = (
        _with_interval(np.clip(whole + narrower * (values - values[0]), -1.0, 1.0))
        for whole, values in zip(of_all, drawn, strict=True)
    )
    return {"r2": _squared(*line), "rank_correlation": rank}


def _some(count: int, seed: int) -> tuple[NDArray[np.int64], float]:
    """Return the runs to resample, and how much narrower an interval is than theirs."""
    few = min(count, RUNS_RESAMPLED)
    drawn = np.random.default_rng(seed).permutation(count)[:few]
    return np.sort(drawn), float(np.sqrt(few / count))


def _correlations(x: Floats, y: Floats, scale: Scale, weights: Floats) -> tuple[Floats, Floats]:
    """Return the correlations of values and of their ranks, by row of weights."""
    a, b = (np.log(x), np.log(y)) if scale == "log" else (x, y)
    line = _correlation(a - a.mean(), b - b.mean(), weights)
    middle = (len(x) + 1) / 2
    rank = _correlation(_ranks(x, weights) - middle, _ranks(y, weights) - middle, weights)
    return line, rank


def _squared(value: float, low: float, high: float) -> tuple[float, float, float]:
    """Square a correlation with its interval; squared draws would all lie above one near 0."""
    least = 0.0 if low <= 0 <= high else min(low**2, high**2)
    return value**2, least, max(low**2, high**2)


def _with_interval(values: Floats) -> tuple[float, float, float]:
    told = values[1:][~np.isnan(values[1:])]
    low, high = np.percentile(told, [5, 95]) if len(told) else (np.nan, np.nan)
    return float(values[0]), float(low), float(high)


@lru_cache(maxsize=8)
def _resampled(count: int, seed: int) -> Floats:
    """Return how often each run is in the data (first row) and in each resampling of them."""
    drawn = np.random.default_rng(seed).integers(0, count, (DRAWS, count))
    place = drawn + np.arange(DRAWS)[:, None] * count
    often = np.bincount(place.ravel(), minlength=DRAWS * count).reshape(DRAWS, count)
    return np.vstack([np.ones((1, count)), often])


def _correlation(a: Floats, b: Floats, weights: Floats) -> Floats:
    """Return Pearson's correlation by each row of weights; nan if a row leaves none to correlate.

    `a` and `b` are centred already, or nearly so, and the same for all rows or one row for each.
    """

    def mean(values: Floats) -> Floats:
        total = weights @ values if values.ndim == 1 else np.einsum("ij,ij->i", weights, values)
        return np.asarray(total / weights.shape[1])

    ma, mb = mean(a), mean(b)
    squares = mean(a * a), mean(b * b)
    va, vb = squares[0] - ma * ma, squares[1] - mb * mb
    spread = np.sqrt(np.maximum(va, 0) * np.maximum(vb, 0))
    enough = spread > 1e-12 * np.sqrt(squares[0] * squares[1])
    nothing = np.full(len(weights), np.nan)
    return np.asarray(np.divide(mean(a * b) - ma * mb, spread, out=nothing, where=enough))


def _ranks(values: Floats, weights: Floats) -> Floats:
    """Return the ranks of values that each count as often as their weight, ties shared."""
    _, place = np.unique(values, return_inverse=True)
    order = np.argsort(place, kind="stable")
    starts = np.flatnonzero(np.diff(place[order], prepend=-1))
    counts = np.add.reduceat(weights[:, order], starts, axis=1)
    middle = np.cumsum(counts, axis=1) - (counts - 1) / 2
    return np.asarray(middle[:, place])


def distillations(models: pd.DataFrame) -> list[tuple[str, str, str]]:
    """Return student, teacher and source of the base models that were distilled.

    Parameters
    ----------
    models : DataFrame
        Reference table `models`.
    """
    known = models.dropna(subset=["distilled_from"])
    return list(
        known[["model_id", "distilled_from", "distillation_source"]].itertuples(False, None)
    )


def distilled(runs: pd.DataFrame, models: pd.DataFrame, seed: int = SEED) -> pd.DataFrame:
    """Compare runs of distilled models with runs of their teachers, same hardware, equal work.

    Parameters
    ----------
    runs : DataFrame
        Of `evidence`.
    models : DataFrame
        Reference table `models`.
    seed : int
        Of the bootstrap.

    Returns
    -------
    DataFrame
        Columns `FINDINGS`: median `energy_ratio` per padded token and `time_ratio`, student over
        teacher.
    """
    rows: list[dict[str, Any]] = []
    tuned = set(runs["model_id"].dropna().unique())
    for student, teacher, source in distillations(models):
        if not {student, teacher} <= tuned:
            continue
        pairs = _at_equal_work(
            runs[runs["model_id"] == student],
            runs[runs["model_id"] == teacher],
            ["gpu_id", "gpu_count", "method"],
        )
        told = {"finding": "distilled", "subject": f"{student} / {teacher}", "note": source}
        rows += _ratios(pairs, told, seed)
    return _findings(rows)


def several_gpus(runs: pd.DataFrame, seed: int = SEED) -> pd.DataFrame:
    """Compare runs on several accelerators with runs on one, of the same base model at equal work.

    Parameters
    ----------
    runs : DataFrame
        Of `evidence`.
    seed : int
        Of the bootstrap.

    Returns
    -------
    DataFrame
        Columns `FINDINGS`: median `energy_ratio` per padded token and `time_ratio`, several over
        one, by count.
    """
    one = runs[runs["gpu_count"] == 1]
    rows: list[dict[str, Any]] = []
    for (count, gpu), several in runs[runs["gpu_count"] > 1].groupby(["gpu_count", "gpu_id"]):
        pairs = _at_equal_work(several, one, ["gpu_id", "model_id", "method"])
        told = {"finding": "several_gpus", "subject": f"{count:g} x {gpu} / 1 x {gpu}", "note": ""}
        rows += _ratios(pairs, told, seed)
    return _findings(rows)


def _at_equal_work(left: pd.DataFrame, right: pd.DataFrame, by: list[str]) -> pd.DataFrame:
    """Pair each left run with the right one of nearest padded tokens, within `EQUAL_WORK`."""

    def arranged(runs: pd.DataFrame) -> pd.DataFrame:
        known = runs[(runs["tokens_padded"] > 0) & (runs["gpu_energy_kwh"] > 0)].dropna(subset=by)
        each = {
            name: known[name] / known["tokens_padded"] for name in ("gpu_energy_kwh", "active_s")
        }
        logs = np.log(known["tokens_padded"])
        return known[by].assign(log_tokens=logs, **each).sort_values("log_tokens", kind="stable")

    one, other = arranged(left), arranged(right)
    if one.empty or other.empty:
        # Keys of Arrow's text without a row cannot be compared with each other.
        return one.reindex(columns=["energy_ratio", "time_ratio"]).astype("float64")
    pairs = pd.merge_asof(
        one,
        other,
        on="log_tokens",
        by=by,
        direction="nearest",
        tolerance=np.log1p(EQUAL_WORK),
        suffixes=("", "_right"),
    )
    return pairs.assign(
        energy_ratio=pairs["gpu_energy_kwh"] / pairs["gpu_energy_kwh_right"],
        time_ratio=pairs["active_s"] / pairs["active_s_right"],
    )


def _ratios(pairs: pd.DataFrame, told: dict[str, str], seed: int) -> list[dict[str, Any]]:
    """Return the median ratios; an interval only from as many pairs as a line needs runs."""
    rows = []
    for name in ("energy_ratio", "time_ratio"):
        ratios = pairs[name].dropna().to_numpy(dtype=float)
        if not len(ratios):
            continue
        low = high = np.nan
        notes = [told["note"]]
        if len(ratios) >= MINIMUM_RUNS:
            some, narrower = _some(len(ratios), seed)
            drawn = np.random.default_rng(seed).choice(ratios[some], (DRAWS, len(some)))
            apart = np.percentile(np.median(drawn, axis=1), [5, 95]) - np.median(ratios[some])
            low, high = np.median(ratios) + narrower * apart
        else:
            notes.append(f"no interval from {len(ratios)} of at least {MINIMUM_RUNS} pairs")
        measure = "gpu_energy_kwh" if name == "energy_ratio" else ""
        rows.append(
            {**told, "energy": measure, "quantity": "tokens_padded", "statistic": name,
             "runs": len(ratios), "value": float(np.median(ratios)), "p05": low, "p95": high,
             "note": "; ".join(filter(None, notes))}
        )  # fmt: skip
    return rows


def pre_training(run_impacts: pd.DataFrame, model_events: pd.DataFrame) -> pd.DataFrame:
    """Tell how many of a model's fine-tunings equal its base model's published pre-training.

    Parameters
    ----------
    run_impacts : DataFrame
        Columns model_name, total_kgco2e and pretraining_kgco2e, one row per run.
    model_events : DataFrame
        Columns model_name and base_model_kgco2e of the table of this name (`models.yaml`).

    Returns
    -------
    DataFrame
        Columns `FINDINGS`: the pre-training's carbon over the mean fine-tuning's, over the
        cheapest's (p95) and the dearest's (p05).
    """
    published = run_impacts.groupby("model_name")["pretraining_kgco2e"].last()
    stated = model_events.dropna(subset=["base_model_kgco2e"])
    declared = stated.groupby("model_name")["base_model_kgco2e"].last()
    costs = run_impacts[run_impacts["total_kgco2e"] > 0].groupby("model_name")["total_kgco2e"]
    rows = []
    for name, carbon in declared.combine_first(published).dropna().items():
        if name in costs.groups:
            mine = costs.get_group(name)
            rows.append(
                {"finding": "pre_training", "subject": str(name), "statistic": "fine_tunings",
                 "runs": len(mine), "value": carbon / mine.mean(), "p05": carbon / mine.max(),
                 "p95": carbon / mine.min(),
                 "note": ("base_model_kgco2e of models.yaml" if name in declared
                          else "pretraining_kgco2e of models.csv")
                         + "; bounds: dearest and cheapest run"}
            )  # fmt: skip
    return _findings(rows)


def meters(accepted: pd.DataFrame) -> pd.DataFrame:
    """Tell how much more each host's meter saw than software did, by `meters.calibration`."""
    found = calibration(accepted).rename(columns={"coefficient": "value", "host": "subject"})
    return _findings(
        found.assign(finding="meter", statistic="meter_over_software").to_dict("records")
    )


def studied(
    normalized: pd.DataFrame,
    provenance: pd.DataFrame,
    accepted: pd.DataFrame,
    run_impacts: pd.DataFrame,
    model_events: pd.DataFrame,
    models: pd.DataFrame,
    *,
    scale: Scale = "log",
    kinds: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Return all findings.

    Parameters
    ----------
    normalized, provenance, accepted, run_impacts, model_events : DataFrame
        Tables `normalized_runs`, `field_provenance`, `validated_runs`, `run_impacts`,
        `model_events`.
    models : DataFrame
        Reference table `models`.
    scale : {'log', 'plain'}
        As `explained` takes it.
    kinds : DataFrame, optional
        As `evidence` takes it.

    Returns
    -------
    DataFrame
        Columns `FINDINGS`; a question of `QUESTIONS` that nothing answers has one row that says
        why.
    """
    runs = evidence(normalized, provenance, kinds)
    found = pd.concat(
        frame
        for frame in (
            explained(runs, scale),
            distilled(runs, models),
            several_gpus(runs),
            pre_training(run_impacts, model_events),
            meters(accepted),
        )
    )
    missing = [
        {"finding": name, "runs": 0, "note": why}
        for name, why in _UNANSWERED.items()
        if name not in set(found["finding"])
    ]
    return _findings([*found.to_dict("records"), *missing])


TABLES = (NORMALIZED_RUNS, FIELD_PROVENANCE, VALIDATED_RUNS, RUN_IMPACTS, MODEL_EVENTS)
"""What `of_warehouse` reads, beside the reference table `models`."""

_UNANSWERED = {
    "explained": "not known: no run has a measured energy beside a logged time, tokens or examples",
    "distilled": "not known: no distilled model and its teacher were tuned on the same hardware at "
    "equal work",
    "several_gpus": "not known: no base model was tuned on one and on several GPUs at equal work",
    "pre_training": "not known: no base_model_kgco2e is disclosed in models.yaml, and models.csv "
    "has none for the base models",
    "meter": "not known: no run has both a meter's and software's energy",
}


def of_warehouse(
    warehouse: str | Path, scale: Scale = "log", versions: Mapping[str, int | None] | None = None
) -> pd.DataFrame:
    """Return `studied` of a warehouse's runs.

    Parameters
    ----------
    warehouse : str or Path
        Local folder, or URL of an object store.
    scale : {'log', 'plain'}
        As `explained` takes it.
    versions : mapping, optional
        Name of a table -> its version; the newest by default.
    """
    pinned = versions or {}

    def of(table: Table, *columns: str) -> pd.DataFrame:
        return store.read(warehouse, table, columns=columns, version=pinned.get(table.name))

    normalized = of(NORMALIZED_RUNS, *READ, "provenance_key")
    return studied(
        normalized,
        store.read(
            warehouse,
            FIELD_PROVENANCE,
            columns=("run_id", "field", "basis"),
            version=pinned.get(FIELD_PROVENANCE.name),
            where=("field", _FIELDS),
            ordered=False,
        ),
        of(VALIDATED_RUNS, *_METERED),
        of(RUN_IMPACTS, "model_name", "total_kgco2e", "pretraining_kgco2e"),
        of(MODEL_EVENTS, "model_name", "base_model_kgco2e"),
        in_force(warehouse, keep=False).tables["models"],
        scale=scale,
        kinds=stored_provenance.kinds_of(warehouse, normalized),
    )


def side_by_side(found: pd.DataFrame) -> pd.DataFrame:
    """Return how well each quantity explains energy: figures of the line beside those of the ranks.

    Parameters
    ----------
    found : DataFrame
        Of `studied`.

    Returns
    -------
    DataFrame
        subject, energy, quantity, runs, note, `r2` and `rank` with `_p05` and `_p95`; in the order
        of `found`.
    """
    told = found[(found["finding"] == "explained") & (found["quantity"] != "")]
    key = ["subject", "energy", "quantity"]
    bounds = {"value": "", "p05": "_p05", "p95": "_p95"}
    r2, rank = (
        told[told["statistic"] == statistic].rename(
            columns={n: name + b for n, b in bounds.items()}
        )
        for name, statistic in (("r2", "r2"), ("rank", "rank_correlation"))
    )
    return r2.merge(rank[[*key, "rank", "rank_p05", "rank_p95"]], on=key, how="left")


def compared(found: pd.DataFrame) -> pd.DataFrame:
    """Return the other findings that have a value."""
    return found[(found["finding"] != "explained") & found["value"].notna()]


def unanswered(found: pd.DataFrame) -> pd.DataFrame:
    """Return the questions that nothing answers, each with why."""
    return found[found["runs"] == 0]


def _findings(rows: list[dict[str, Any]]) -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=list(FINDINGS))
    numbers = dict.fromkeys(("value", "p05", "p95"), "float64")
    words = {name: frame[name].astype("object").fillna("").astype("str") for name in _WORDS}
    return frame.assign(**words).astype({**numbers, "runs": "int64"})
