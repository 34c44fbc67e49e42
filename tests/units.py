"""Quantities with units for tests: what SI would let pass has a dimension of its own.

Carbon is no mass, tokens, inferences and floating-point operations are no plain numbers; so
kgCO2e + kg of hardware, or grams per token + grams per inference, fails.
"""

import pint

ureg = pint.UnitRegistry()
ureg.define("co2e_gram = [co2e] = gCO2e")
ureg.define("token = [token]")
ureg.define("inference = [inference]")
ureg.define("floating_point_operation = [operation] = FLOP")
ureg.define("parameter = [parameter]")

Quantity = ureg.Quantity


def has_unit(quantity, unit):
    """Say whether a result has the dimension of a unit; a bare number has that of none."""
    return Quantity(quantity).dimensionality == ureg.Unit(unit).dimensionality


def magnitude(quantity, unit):
    """Return a result's number in a unit; an incompatible result raises."""
    return Quantity(quantity).to(unit).magnitude
