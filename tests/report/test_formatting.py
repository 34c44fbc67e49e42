"""How numbers and anchors are written."""

import pytest

from ft_emissions_pipeline.report import formatting


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (12.8, "12.8"),
        (0, "0"),
        (121659.0, "122,000"),
        (0.00047149, "0.000471"),
        (0.000047149, "4.71×10⁻⁵"),  # noqa: RUF001
        (2.5e12, "2.50×10¹²"),  # noqa: RUF001
        (9.996, "10.0"),
        (999.6, "1,000"),
        (float("nan"), "unknown"),
        (None, "unknown"),
    ],
)
def test_numbers_have_three_significant_digits(value, text):
    assert formatting.significant(value) == text


@pytest.mark.parametrize(
    ("run_id", "anchor"), [("abc-1", "run-abc-1"), ("a b/c#d", "run-a%20b%2Fc%23d")]
)
def test_anchors_have_no_spaces(run_id, anchor):
    assert formatting.anchor(run_id) == anchor
