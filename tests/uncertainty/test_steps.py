"""Steps are worked out in order, and again only where what they rest on has moved."""

import pytest

from ft_emissions_pipeline.uncertainty import Worked

GIVEN = {"length": 3.0, "width": 2.0, "height": 5.0, "price": 7.0}


@pytest.fixture
def asked():
    return []


@pytest.fixture
def worked(asked):
    def noted(name, step):
        return lambda of: asked.append(name) or step(of)

    steps = {
        "width": lambda of: of["width"] * 10,
        "area": lambda of: of["length"] * of["width"],
        "volume": lambda of: of["area"] * of["height"],
        "cost": lambda of: of["area"] * of["price"],
    }
    return Worked({name: noted(name, step) for name, step in steps.items()}, GIVEN)


def test_each_step_reads_what_stands_before_it(worked):
    """3 x 20 = 60, times 5 and times 7; the second 2 is read as 20 from there on."""
    made = {name: worked.values[name] for name in ("width", "area", "volume", "cost")}
    assert made == {"width": 20.0, "area": 60.0, "volume": 300.0, "cost": 420.0}


@pytest.mark.parametrize(
    ("moved", "outputs", "steps", "found"),
    [
        ({"height": 6.0}, ["volume", "cost"], ["volume"], {"volume": 360.0}),
        ({"price": 8.0}, ["volume"], [], {}),
        ({"length": 4.0}, ["cost"], ["area", "cost"], {"cost": 560.0}),
        ({"width": 1.0}, ["volume"], ["width", "area", "volume"], {"volume": 150.0}),
        ({"length": 1.0, "width": 1.0}, ["area"], ["width", "area"], {"area": 10.0}),
    ],
)
def test_what_rests_on_nothing_that_moved_is_not_worked_out_again(
    worked, asked, moved, outputs, steps, found
):
    asked.clear()
    assert worked.again(moved, outputs) == found
    assert asked == steps
    assert worked.values["volume"] == 300.0


def test_a_step_in_the_place_of_a_given_value_hides_it_from_what_comes_after():
    """Where the step reads no more of the given value, moving that moves nothing."""
    worked = Worked({"a": lambda of: of["b"], "twice": lambda of: 2 * of["a"]}, {"a": 1, "b": 5})
    assert worked.values["twice"] == 10
    assert worked.again({"a": 3}, ["twice"]) == {}
    assert worked.again({"a": 3, "b": 4}, ["twice"]) == {"twice": 8}
