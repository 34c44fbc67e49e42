"""Each equation: published values, values worked by hand, units, kinds of input, linearity."""

import inspect
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
import pint
import pytest
from units import Quantity, has_unit, magnitude, ureg

from ft_emissions_pipeline import equations


@dataclass(frozen=True)
class Case:
    """An equation with every argument, and the result worked out by hand from just these.

    The factors differ from each other and none is 1, so that a factor left out, applied twice or
    taken for another one changes the result.
    """

    equation: str
    arguments: dict[str, tuple[float, str]]
    result: float
    unit: str
    inverse: tuple[str, ...] = field(default=())

    def __call__(self, arguments):
        names = inspect.signature(getattr(equations, self.equation)).parameters
        keywords = [n for n, p in names.items() if p.kind is p.KEYWORD_ONLY]
        positional = [value for name, value in arguments.items() if name not in keywords]
        return getattr(equations, self.equation)(
            *positional, **{name: arguments[name] for name in keywords}
        )

    def numbers(self):
        return {name: number for name, (number, _) in self.arguments.items()}

    def quantities(self):
        return {name: Quantity(number, unit) for name, (number, unit) in self.arguments.items()}


CASES = (
    # 100 + 20 + 3 x (250 - 30) x 0.5 + 7 x (400 - 50 + 60) x 0.4 = 120 + 330 + 1148
    Case(
        "power",
        {
            "idle_power": (100.0, "W"),
            "memory_power": (20.0, "W"),
            "gpu_fan_power": (60.0, "W"),
            "cpu_count": (3.0, ""),
            "cpu_max_power": (250.0, "W"),
            "cpu_idle_power": (30.0, "W"),
            "cpu_utilization": (0.5, ""),
            "gpu_count": (7.0, ""),
            "gpu_max_power": (400.0, "W"),
            "gpu_idle_power": (50.0, "W"),
            "gpu_utilization": (0.4, ""),
        },
        1598.0,
        "W",
    ),
    # 2 x 600 + 4 x 27 + 16 x 46
    Case(
        "idle_power",
        {
            "host_power": (600.0, "W"),
            "server_count": (2.0, ""),
            "cpu_count": (4.0, ""),
            "cpu_idle_power": (27.0, "W"),
            "gpu_count": (16.0, ""),
            "gpu_idle_power": (46.0, "W"),
        },
        2044.0,
        "W",
    ),
    # 2000 x 3 + 500 x (5 - 3)
    Case(
        "it_energy",
        {
            "power": (2000.0, "W"),
            "active_time": (3.0, "hour"),
            "idle_power": (500.0, "W"),
            "reserved_time": (5.0, "hour"),
        },
        7000.0,
        "watt_hour",
    ),
    # 3 x (50 x 5 + (400 - 50) x 0.4 x 2) = 3 x (250 + 280)
    Case(
        "device_energy",
        {
            "count": (3.0, ""),
            "idle_power": (50.0, "W"),
            "max_power": (400.0, "W"),
            "utilization": (0.4, ""),
            "active_time": (2.0, "hour"),
            "reserved_time": (5.0, "hour"),
        },
        1590.0,
        "watt_hour",
    ),
    # (0.07 + 0.03) / 0.8
    Case(
        "plug_energy",
        {
            "counted_energy": (0.07, "kilowatt_hour"),
            "other_energy": (0.03, "kilowatt_hour"),
            "supply_efficiency": (0.8, ""),
        },
        0.125,
        "kilowatt_hour",
        inverse=("supply_efficiency",),
    ),
    Case(
        "gpu_hours_energy",
        {"power_per_gpu": (0.428, "kW"), "gpu_hours": (50.0, "hour")},
        21.4,
        "kilowatt_hour",
    ),
    Case(
        "facility_energy",
        {"it_energy": (12.0, "kilowatt_hour"), "pue": (1.25, "")},
        15.0,
        "kilowatt_hour",
    ),
    Case(
        "operational_carbon",
        {
            "facility_energy": (15.0, "kilowatt_hour"),
            "grid_carbon_intensity": (0.4, "kgCO2e / kilowatt_hour"),
        },
        6.0,
        "kgCO2e",
    ),
    # 0.5 x 1.2 + 0.01
    Case(
        "training_memory",
        {
            "parameters": (7e9, ""),
            "bytes_per_parameter": (16.0, "byte"),
            "headroom": (1.3, ""),
        },
        145.6e9,
        "byte",
    ),
    Case(
        "life_cycle_intensity",
        {
            "direct_intensity": (0.5, "kgCO2e / kilowatt_hour"),
            "fuel_factor": (1.2, ""),
            "stackless": (0.01, "kgCO2e / kilowatt_hour"),
        },
        0.61,
        "kgCO2e / kilowatt_hour",
    ),
    Case(
        "direct_intensity",
        {
            "life_cycle_intensity": (0.61, "kgCO2e / kilowatt_hour"),
            "fuel_factor": (1.2, ""),
            "stackless": (0.01, "kgCO2e / kilowatt_hour"),
        },
        0.5,
        "kgCO2e / kilowatt_hour",
        inverse=("fuel_factor",),
    ),
    Case(
        "onsite_water",
        {"it_energy": (12.0, "kilowatt_hour"), "wue": (1.8, "litre / kilowatt_hour")},
        21.6,
        "litre",
    ),
    Case(
        "electricity_water",
        {
            "energy": (15.0, "kilowatt_hour"),
            "electricity_water_intensity": (3.2, "litre / kilowatt_hour"),
        },
        48.0,
        "litre",
    ),
    # (4 x 300 + 2 x 2500) / (20000 x 0.8) = 6200 / 16000
    Case(
        "embodied_per_hour",
        {
            "gpu_count": (4.0, ""),
            "gpu_embodied": (300.0, "kgCO2e"),
            "server_count": (2.0, ""),
            "server_embodied": (2500.0, "kgCO2e"),
            "use_life": (20000.0, "hour"),
            "share_reserved": (0.8, ""),
        },
        0.3875,
        "kgCO2e / hour",
        inverse=("use_life", "share_reserved"),
    ),
    Case(
        "embodied",
        {"embodied_per_hour": (0.25, "litre / hour"), "reserved_time": (12.0, "hour")},
        3.0,
        "litre",
    ),
    Case(
        "per_inference",
        {"total": (6.0, "kgCO2e"), "inferences": (1500.0, "inference")},
        0.004,
        "kgCO2e / inference",
        inverse=("inferences",),
    ),
    Case(
        "training_flop",
        {
            "flop_per_token_and_parameter": (6.0, "FLOP / token / parameter"),
            "parameters": (7e9, "parameter"),
            "tokens": (2e6, "token"),
        },
        8.4e16,
        "FLOP",
    ),
)
each_case = pytest.mark.parametrize("case", CASES, ids=[case.equation for case in CASES])
each_argument = pytest.mark.parametrize(
    ("case", "name"),
    [pytest.param(c, name, id=f"{c.equation}({name})") for c in CASES for name in c.arguments],
)


def test_every_equation_has_a_case():
    functions = {name for name, _ in inspect.getmembers(equations, inspect.isfunction)}
    assert functions - {"total"} == {case.equation for case in CASES}


@each_case
def test_result_is_that_of_the_hand_calculation(case):
    assert case(case.numbers()) == pytest.approx(case.result, rel=1e-12)


# Half a unit of the last printed digit, as the pages print it. Revision 6379647 of the pages.
PUBLISHED = (
    ("training page, energy per GPU hour", "facility_energy", (0.428, 1.1), 0.471, 5e-4),
    ("A100 page, power of a p4d instance over 8", "gpu_hours_energy", (3.43 / 8, 1), 0.428, 1e-3),
    ("training page, usage emissions", "operational_carbon", (0.471 * 2_653_326, 0.057), 71_234,
     0.5),
    ("training page, datacenter water in kL", "onsite_water", (0.428 * 2_653.326, 1.8), 2_044, 0.5),
    ("training page, electricity water in kL", "electricity_water", (0.428 * 2_653.326, 3.67),
     4_168, 0.5),
    ("training page, embodied emissions", "embodied", (7.27, 289 * 24), 50_425, 0.5),
    ("training page, manufacturing water in kL", "embodied", (4.75e-3, 2832), 13.5, 0.05),
    ("training page, total", "total", (50_425, 71_234), 121_659, 0),
    ("fine-tuning page, grams per inference", "per_inference", (12_800, 1000), 12.8, 0.05),
    ("fine-tuning page, millilitres per inference", "per_inference", (18_300, 1000), 18.3, 0.05),
)  # fmt: skip


@pytest.mark.parametrize(
    ("equation", "arguments", "printed", "half_digit"),
    [pytest.param(*row, id=page) for page, *row in PUBLISHED],
)
def test_published_value_comes_out(equation, arguments, printed, half_digit):
    assert getattr(equations, equation)(*arguments) == pytest.approx(printed, abs=half_digit, rel=0)


@pytest.mark.parametrize(
    ("gpu", "server", "printed"),
    [
        pytest.param(318, 2500, 7.27, id="training page, embodied kgCO2e per hour"),
        pytest.param(412, 0, 4.75, id="training page, embodied litres per hour"),
    ],
)
def test_published_embodied_share_of_bloom_comes_out(gpu, server, printed):
    per_hour = equations.embodied_per_hour(
        gpu_count=384, gpu_embodied=gpu, server_count=48, server_embodied=server,
        use_life=4 * 8760, share_reserved=0.95,
    )  # fmt: skip
    assert per_hour == pytest.approx(printed, abs=0.005)


@each_argument
def test_result_is_linear_in(case, name):
    """Linear in each factor, or in its reciprocal where it divides: a factor twice is neither."""
    values = {
        t: case(
            {**case.numbers(), name: case.numbers()[name] * (1 / t if name in case.inverse else t)}
        )
        for t in (1.0, 2.0, 3.0)
    }
    rounding = 1e-12 * max(abs(value) for value in values.values())
    assert values[3.0] - values[2.0] == pytest.approx(
        values[2.0] - values[1.0], rel=1e-12, abs=rounding
    )
    assert values[2.0] != pytest.approx(values[1.0], rel=1e-14, abs=0)


@each_case
def test_quantities_give_a_quantity_of_the_right_dimension(case):
    result = case(case.quantities())
    assert has_unit(result, case.unit)
    assert magnitude(result, case.unit) == pytest.approx(case.result, rel=1e-12)


@each_argument
def test_a_wrong_unit_raises_or_shows_in_the_result(case, name):
    wrong = {**case.quantities()}
    wrong[name] = wrong[name] * ureg.kelvin
    try:
        result = case(wrong)
    except pint.DimensionalityError:
        return
    assert not has_unit(result, case.unit)


def test_carbon_and_mass_do_not_add_up():
    with pytest.raises(pint.DimensionalityError, match="Cannot convert"):
        equations.total(Quantity(1.0, "kgCO2e"), Quantity(1.0, "kg"))


def test_a_footprint_per_token_is_none_per_inference():
    per_token = equations.per_inference(Quantity(6.0, "kgCO2e"), Quantity(1500.0, "token"))
    assert not has_unit(per_token, "kgCO2e / inference")


@pytest.mark.parametrize("unit", ["W", "kW"])
def test_any_coherent_unit_works(unit):
    arguments = {name: value.to(unit) if value.check("[power]") else value
                 for name, value in CASES[0].quantities().items()}  # fmt: skip
    assert magnitude(CASES[0](arguments), "W") == pytest.approx(1598.0, rel=1e-12)


@each_case
def test_arrays_are_taken_element_by_element(case):
    scales = np.array([1.0, 2.0, 5.0])
    result = case({name: number * scales for name, number in case.numbers().items()})
    expected = [case({n: x * s for n, x in case.numbers().items()}) for s in scales]
    assert isinstance(result, np.ndarray)
    assert result == pytest.approx(np.array(expected), rel=1e-12)


@each_case
def test_a_series_keeps_its_index(case):
    index = pd.Index(["run-b", "run-a"], name="run_id")
    result = case({n: pd.Series([x, 2 * x], index=index) for n, x in case.numbers().items()})
    expected = [case.result, case({n: 2 * x for n, x in case.numbers().items()})]
    pd.testing.assert_series_equal(
        result, pd.Series(expected, index=index), check_names=False, rtol=1e-12
    )


@each_case
def test_a_matrix_of_runs_by_draws_mixes_with_single_values(case):
    """Every second argument varies by run and draw, the others by run alone."""
    runs, draws = np.array([[1.0], [2.0]]), np.array([1.0, 3.0, 7.0])
    numbers = case.numbers()
    mixed = {n: x * (runs * draws if i % 2 else runs) for i, (n, x) in enumerate(numbers.items())}
    result = case(mixed)
    assert result.shape == (2, 3)
    for i, run in enumerate(runs[:, 0]):
        for j, draw in enumerate(draws):
            one = {
                n: x * (run * draw if k % 2 else run) for k, (n, x) in enumerate(numbers.items())
            }
            assert result[i, j] == pytest.approx(case(one), rel=1e-12)


def test_total_of_one_part_is_the_part():
    assert equations.total(4.0) == 4.0


def test_no_argument_is_changed_in_place():
    parts = [np.array([1.0, 2.0]), np.array([3.0, 4.0])]
    equations.total(*parts)
    assert parts[0].tolist() == [1.0, 2.0]


@pytest.mark.parametrize("busy", ["cpu_utilization", "gpu_utilization"])
def test_power_without_load_lacks_just_that_device(busy):
    case = CASES[0]
    part = {"cpu_utilization": 330.0, "gpu_utilization": 1148.0}[busy]  # see the hand calculation
    assert case({**case.numbers(), busy: 0.0}) == pytest.approx(1598.0 - part, rel=1e-12)


def test_a_reservation_without_work_draws_idle_power_throughout():
    assert equations.it_energy(2000.0, 0.0, idle_power=500.0, reserved_time=5.0) == 2500.0
