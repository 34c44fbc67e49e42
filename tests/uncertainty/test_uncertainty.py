"""Spreads: inverse functions, exact cases by hand, footprints and sums against Monte Carlo."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import ft_emissions_pipeline as fte
from ft_emissions_pipeline import methodology, reference, uncertainty
from ft_emissions_pipeline.impacts import footprint
from ft_emissions_pipeline.impacts.monte_carlo import simulate
from ft_emissions_pipeline.ledger import rollups

pytestmark = pytest.mark.slow

values = st.floats(1e-6, 1e12)
log_sds = st.floats(0.0, 3.0)


skews = st.floats(-1.0, 1.0)


@given(values, log_sds, skews)
def test_an_interval_keeps_width_and_skew(value, log_sd, skew):
    low, high = uncertainty.interval(value, log_sd, skew)
    assert low <= value * (1 + 1e-12)
    assert high >= value * (1 - 1e-12)
    assert uncertainty.log_sd_of_interval(low, high) == pytest.approx(log_sd, rel=1e-9, abs=1e-12)
    if log_sd > 1e-6:
        assert uncertainty.skew_of_interval(value, low, high) == pytest.approx(skew, abs=1e-6)


def test_percentiles_are_those_of_the_normal_distribution():
    """Any table of it: 95 % lie below 1.645 standard deviations, 5 % below -1.645."""
    low, high = uncertainty.interval(np.e, 2.0)
    assert np.log([low, high]) == pytest.approx([1 - 3.29, 1 + 3.29], abs=0.0005)


@pytest.mark.parametrize(
    ("p05", "p95"), [(np.nan, 2.0), (2.0, np.nan), (0.0, 2.0), (0.0, 0.0), (3.0, 3.0)]
)
def test_an_interval_that_is_missing_or_closed_has_no_spread(p05, p95):
    assert uncertainty.log_sd_of_interval(p05, p95) == 0.0


def test_zero_stays_zero():
    assert uncertainty.interval(0.0, 0.7) == (0.0, 0.0)
    spread = uncertainty.propagate(
        lambda x: {"product": x["a"] * x["b"]},
        {"a": np.array([0.0, 2.0]), "b": np.array([5.0, 3.0])},
        {"a": np.array([0.5, 0.5]), "b": np.array([0.1, 0.1])},
    )["product"]
    low, high = spread.interval([0.0, 6.0])
    assert (low[0], high[0]) == (0.0, 0.0)
    assert 0 < low[1] < 6 < high[1]


@given(values, values, log_sds, log_sds, st.floats(-2.0, 2.0))
def test_propagation_is_exact_for_products_and_powers(a, b, sd_a, sd_b, power):
    """The variance of ln(a^k / b) is k^2 var(ln a) + var(ln b); the inputs give its median."""
    spread = uncertainty.propagate(
        lambda x: {"result": x["a"] ** power / x["b"]},
        {"a": np.array([a]), "b": np.array([b])},
        {"a": np.array([sd_a]), "b": np.array([sd_b])},
    )["result"]
    assert spread.log_sd == pytest.approx(np.hypot(power * sd_a, sd_b), rel=1e-9, abs=1e-9)
    assert spread.shift == pytest.approx(0.0, abs=1e-9)


@given(values, st.floats(0.05, 1.0), st.floats(1.0, 20.0), st.floats(1e-3, 1e3))
def test_a_product_of_one_lopsided_input_keeps_its_percentiles(value, below, above, constant):
    """Of 0.12 (0.05 to 0.35) times 8, 5 % lie below 0.4 and 95 % below 2.8."""
    low, high = value * below, value * above
    spread = uncertainty.propagate(
        lambda x: {"product": constant * x["a"], "quotient": constant / x["a"]},
        {"a": np.array([value])},
        {"a": np.array([uncertainty.log_sd_of_interval(low, high)])},
        {"a": np.array([uncertainty.skew_of_interval(value, low, high)])},
    )
    found = spread["product"].interval([constant * value])
    assert np.ravel(found) == pytest.approx([constant * low, constant * high], rel=1e-9)
    found = spread["quotient"].interval([constant / value])
    assert np.ravel(found) == pytest.approx([constant / high, constant / low], rel=1e-9)


COMBINED = {"sum": lambda x: sum(x.values()), "product": lambda x: np.prod([*x.values()], axis=0)}


@pytest.mark.parametrize("how", COMBINED)
@pytest.mark.parametrize("skew", [-0.6, -0.3, 0.3, 0.6])
@pytest.mark.parametrize("count", [2, 4])
def test_lopsided_inputs_together_agree_with_draws(how, skew, count):
    """Within 3 % of 200,000 draws where a side is up to twice the other, 8 % where four times."""
    names = [str(n) for n in range(count)]
    noise = np.random.default_rng(11).standard_normal((count, 200_000))
    drawn = np.exp(0.3 * (noise + skew * np.abs(noise)))
    wanted = np.percentile(COMBINED[how](dict(zip(names, drawn, strict=True))), [5, 95])
    spread = uncertainty.propagate(
        lambda x: {how: COMBINED[how](x)},
        *({name: np.array([each]) for name in names} for each in (1.0, 0.3, skew)),
    )[how]
    middle = COMBINED[how]({name: np.array([1.0]) for name in names})
    assert np.ravel(spread.interval(middle)) == pytest.approx(
        wanted, rel=0.03 if abs(skew) < 0.5 else 0.08
    )


def test_contributions_are_signed():
    spread = uncertainty.propagate(
        lambda x: {"rate": x["distance"] / x["time"]},
        {"distance": np.array([6.0]), "time": np.array([2.0])},
        {"distance": np.array([0.3]), "time": np.array([0.2])},
    )["rate"]
    assert spread.contributions["distance"] == pytest.approx(0.3, rel=1e-12)
    assert spread.contributions["time"] == pytest.approx(-0.2, rel=1e-12)


def test_an_input_shared_by_two_terms_of_a_sum_counts_with_its_full_weight():
    """a x 3 + a x 4 = 7 a scatters as a does; independent terms would scatter less."""
    spread = uncertainty.propagate(
        lambda x: {"sum": x["a"] * 3 + x["a"] * 4}, {"a": np.array([2.0])}, {"a": np.array([0.4])}
    )["sum"]
    assert spread.log_sd == pytest.approx(0.4, rel=1e-12)


def test_a_certain_input_contributes_nothing():
    spread = uncertainty.propagate(
        lambda x: {"sum": x["a"] + x["b"]},
        {"a": np.array([2.0]), "b": np.array([3.0])},
        {"a": np.array([0.4]), "b": np.array([0.0])},
    )["sum"]
    assert set(spread.contributions) == {"a"}


def test_the_value_never_lies_outside_its_interval():
    """The middle of a skewed sum lies above its value; with little spread it would pass it."""
    spread = uncertainty.Spread({"a": np.array([0.1])}, shift=np.array([0.5]), bend=np.array([0.0]))
    low, high = spread.interval([8.0])
    assert low == pytest.approx([8.0])
    assert high > 8.0


FULL = {
    "base_model": "Llama 2", "gpu_model": "A100 80GB", "gpu_count": 4.0,
    "server_model": "HPE Apollo 6500 Gen10 Plus", "server_count": 1.0,
    "location": "AWS US West (Oregon)", "reserved_s": 43200.0, "active_s": 40000.0,
    "cpu_utilization": 0.12, "gpu_utilization": 0.47, "pue": 1.2, "wue_l_per_kwh": 0.5,
    "grid_kgco2e_per_kwh": 0.3, "electricity_water_l_per_kwh": 3.0, "tokens_padded": 2e9,
    "started_at": "2024-07-06T17:01:00Z",
}  # fmt: skip
PLACES = ("AWS US West (Oregon)", "Germany", "France", "India")
GPUS = ("A100 80GB", "H100", "V100", "T4")
RUNS, DRAWS, ROLL_UPS, AT_ONCE = 1000, 4096, 1000, 100
TOTALS = {"total_kgco2e": "allocated_kgco2e", "total_water_l": "allocated_water_l"}


@pytest.fixture(scope="module")
def random_runs():
    """Disclosures from which a random quarter of the fields is missing: narrow and wide ones.

    Their hardware and places are drawn from a few, so that many of them share factors.
    """
    random = np.random.default_rng(20240706)
    disclosures = []
    for n in range(RUNS):
        fields = {
            **FULL,
            "location": str(random.choice(PLACES)),
            "gpu_model": str(random.choice(GPUS)),
            "gpu_count": float(random.integers(1, 9)),
        }
        kept = {name: value for name, value in fields.items() if random.random() < 0.75}
        if "tokens_padded" not in kept:
            kept["reserved_s"] = FULL["reserved_s"]
        if random.random() < 0.2:
            kept["it_energy_kwh"] = float(random.uniform(5.0, 50.0))
        disclosures.append({**kept, "run_id": f"run-{n:04}"})
    return fte.estimate(disclosures)


@pytest.fixture(scope="module")
def monte_carlo(random_runs):
    """The totals of every run at random draws of its inputs; a draw of a factor is one for all."""
    parts = []
    for first in range(0, RUNS, AT_ONCE):
        normalized = random_runs.normalized.iloc[first : first + AT_ONCE].reset_index(drop=True)
        drawn = simulate(
            normalized, random_runs.provenance, random_runs.reference,
            methodology.profile("default"), draws=DRAWS, seed=1,
        )  # fmt: skip
        parts.append({total: drawn[total] for total in TOTALS})
    return {total: np.concatenate([part[total] for part in parts]) for total in TOTALS}


@pytest.fixture(scope="module")
def rolled_up(random_runs, monte_carlo):
    """Random shares of 1 to 40 random runs, summed up in closed form; and their draws."""
    random = np.random.default_rng(2)
    picks = [random.choice(RUNS, random.integers(1, 41), replace=False) for _ in range(ROLL_UPS)]
    shares = [random.random(len(pick)) for pick in picks]
    run, share = np.concatenate(picks), np.concatenate(shares)
    of = random_runs.runs.iloc[run].reset_index(drop=True)
    ledger = pd.DataFrame(
        {
            "date": pd.Timestamp("2024-07-06"),
            "model_name": np.repeat([f"{n:04}" for n in range(ROLL_UPS)], [len(p) for p in picks]),
            "model_version": of["run_id"],
            "inferences": 1.0,
            "inferences_basis": "actual",
            "status": "final",
            "allocated_market_kgco2e": np.nan,
            **{amount: of[total] * share for total, amount in TOTALS.items()},
        }
    )
    _, found = footprint.impacts_and_spreads(
        random_runs.normalized, random_runs.provenance, random_runs.reference,
        methodology.profile("default"),
    )  # fmt: skip
    drawn = {
        total: np.array(
            [part @ monte_carlo[total][pick] for pick, part in zip(picks, shares, strict=True)]
        )
        for total in TOTALS
    }
    return rollups.roll_up(ledger, found.table(), ["model"], expected_log_sd=0.0), drawn


def off(closed_form, drawn, percentile):
    """Return by how much ends of intervals differ, less what the draws themselves scatter by.

    Two standard errors of a quantile, from the density of the log-normal with the draws' spread.
    """
    spread = np.log(drawn).std(axis=1)
    density = np.exp(-(uncertainty.Z_95**2) / 2) / np.sqrt(2 * np.pi)
    error = spread * np.sqrt(0.05 * 0.95 / DRAWS) / density
    found = np.abs(closed_form / np.percentile(drawn, percentile, axis=1) - 1)
    return np.maximum(found - 2 * error, 0.0)


@pytest.mark.parametrize("total", TOTALS)
@pytest.mark.parametrize("percentile", [5, 95])
def test_intervals_of_the_footprint_agree_with_monte_carlo(
    random_runs, monte_carlo, total, percentile
):
    """Within 5 % for 99 runs of 100, and within 15 % for every one.

    What remains are utilisations that cannot pass 1, and totals of which an uncertain part is a
    small one.
    """
    ours = random_runs.runs[f"{total}_p{percentile:02}"].to_numpy()
    found = off(ours, monte_carlo[total], percentile)
    assert np.mean(found < 0.05) >= 0.99
    assert found.max() < 0.15


@pytest.mark.parametrize("total", TOTALS)
@pytest.mark.parametrize("percentile", [5, 95])
def test_intervals_of_roll_ups_agree_with_monte_carlo(rolled_up, total, percentile):
    """Within 5 % for 99 of 100 sums of very unlike runs.

    None is more than 10 % too narrow. Four of 1,000, in which one guess weighs far more than all
    that is known, may be wider than the draws by up to 15 %.
    """
    frame, drawn = rolled_up
    ours = frame[f"{TOTALS[total]}_p{percentile:02}"].to_numpy()
    found = off(ours, drawn[total], percentile)
    assert np.mean(found < 0.05) >= 0.99
    drawn_ends = np.percentile(drawn[total], percentile, axis=1)
    too_wide = ours < drawn_ends if percentile < 50 else ours > drawn_ends
    assert found[~too_wide].max() < 0.10
    assert found.max() < 0.15
    assert np.mean(found < 0.10) >= 0.996


@pytest.mark.parametrize("total", TOTALS)
def test_nine_tenths_of_the_draws_lie_within_the_interval(random_runs, monte_carlo, total):
    low, high = (random_runs.runs[f"{total}_{end}"].to_numpy()[:, None] for end in ("p05", "p95"))
    inside = ((monte_carlo[total] >= low) & (monte_carlo[total] <= high)).mean()
    assert inside == pytest.approx(0.90, abs=0.01)


def test_a_utilisation_logged_or_usual_brings_the_error_of_the_linear_formula_along():
    run = {"gpu_model": "T4", "gpu_count": 1, "reserved_s": 3600.0, "country_iso3": "FRA",
           "ended_at": "2024-05-01T12:00:00Z"}  # fmt: skip
    found = fte.estimate(
        [{**run, "run_id": "logged", "gpu_utilization": 0.8}, {**run, "run_id": "open"}]
    )
    factors = reference.load()
    _, shares = footprint.impacts_and_spreads(
        found.normalized, found.provenance, factors, methodology.profile("default")
    )
    spreads = shares.table()
    of_model = spreads[spreads["input"] == "power_model"]
    assert of_model[["run_id", "factor_id"]].to_numpy().tolist() == [
        ["logged", "defaults/gsd_power_model"],
        ["open", "defaults/gsd_power_model"],
    ]
    assert (
        of_model["total_kgco2e_log_sd"]
        .between(
            0, np.log(reference.default(factors, "gsd_power_model").value), inclusive="neither"
        )
        .all()
    )


def test_draws_are_those_of_the_seed_whatever_runs_stand_beside(random_runs):
    """A run's draws follow from its variables' names: alone it has the same as among others."""
    few = random_runs.normalized.head(3)

    def drawn(normalized, seed):
        return simulate(
            normalized, random_runs.provenance, random_runs.reference,
            methodology.profile("default"), draws=64, seed=seed,
        )["total_kgco2e"]  # fmt: skip

    again = drawn(few.iloc[[2]].reset_index(drop=True), 7)
    np.testing.assert_array_equal(drawn(few, 7)[[2]], again)
    assert not np.array_equal(again, drawn(few.iloc[[2]].reset_index(drop=True), 8))


@settings(max_examples=30)
@given(st.lists(st.floats(0.01, 1.5), min_size=2, max_size=6))
def test_a_wider_input_never_narrows_the_output(sds):
    def spread(scale):
        inputs = {str(n): np.array([1.0 + n]) for n in range(len(sds))}
        widths = {str(n): np.array([sd * scale]) for n, sd in enumerate(sds)}
        return uncertainty.propagate(lambda x: {"sum": sum(x.values())}, inputs, widths)["sum"]

    assert spread(1.2).log_sd >= spread(1.0).log_sd
