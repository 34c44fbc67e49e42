"""Expected tokens with padding: against every order of small sets, and what holds of all sets."""

import math
from itertools import permutations
from statistics import fmean, pstdev, pvariance

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import ft_emissions_pipeline as fte
from ft_emissions_pipeline.token_time.padding import shuffling_deviation

LENGTHS = st.lists(st.integers(0, 50), min_size=1, max_size=40)
SMALL = settings(max_examples=60, deadline=None)


def padded(lengths, size):
    """Tokens of batches in the order given, by hand."""
    batches = [lengths[n : n + size] for n in range(0, len(lengths), size)]
    return sum(len(batch) * max(batch) for batch in batches)


@SMALL
@given(lengths=st.lists(st.integers(0, 50), min_size=1, max_size=6), size=st.integers(1, 7))
def test_the_expectation_is_the_mean_over_every_order(lengths, size):
    mean = fmean(padded(order, size) for order in permutations(lengths))
    assert fte.expected_padded_tokens(lengths, size) == pytest.approx(mean, rel=1e-12)


@SMALL
@given(lengths=st.lists(st.integers(0, 50), min_size=1, max_size=6), size=st.integers(2, 7))
@example(lengths=[1, 2, 3], size=2)
@example(lengths=[0, 9, 9, 40, 50], size=4)
def test_the_deviation_is_that_of_batches_which_err_apart(lengths, size):
    """Over every order each batch has its variance, the short last one too; no sum is too low."""
    orders = list(permutations(lengths))
    variances = [
        pvariance([padded(order[first : first + size], size) for order in orders])
        for first in range(0, len(lengths), size)
    ]
    found = shuffling_deviation(lengths, size)
    assert found == pytest.approx(math.sqrt(sum(variances)), rel=1e-6, abs=1e-5)
    assert found >= pstdev([padded(order, size) for order in orders]) * (1 - 1e-6) - 1e-5


@SMALL
@given(lengths=LENGTHS, size=st.integers(1, 45))
def test_given_batches_are_counted_exactly(lengths, size):
    places = [list(range(len(lengths)))[n : n + size] for n in range(0, len(lengths), size)]
    assert fte.expected_padded_tokens(lengths, size, batches=places) == padded(lengths, size)


@SMALL
@given(lengths=LENGTHS, size=st.integers(1, 45))
def test_padding_adds_and_never_takes(lengths, size):
    tokens = fte.expected_padded_tokens(lengths, size)
    assert tokens >= sum(lengths) * (1 - 1e-12)
    assert tokens <= len(lengths) * max(lengths) * (1 + 1e-12)


@SMALL
@given(lengths=LENGTHS)
def test_batches_of_one_need_no_padding(lengths):
    assert fte.expected_padded_tokens(lengths, 1) == pytest.approx(sum(lengths), rel=1e-12)


@SMALL
@given(lengths=LENGTHS, size=st.integers(1, 12), times=st.integers(1, 5))
def test_merging_batches_never_saves_tokens(lengths, size, times):
    less = fte.expected_padded_tokens(lengths, size)
    assert fte.expected_padded_tokens(lengths, size * times) >= less * (1 - 1e-12)


def test_a_larger_batch_may_save_tokens_where_it_leaves_fewer_over():
    """Of 1000 short and 1000 long ones, a batch without a long one gets rare soon: two batches of
    1000 are padded in full, like one of 1999, but the one left over then is short half the time."""
    lengths = {1: 1000, 2: 1000}
    assert fte.expected_padded_tokens(lengths, 1000) == pytest.approx(4000)
    assert fte.expected_padded_tokens(lengths, 1999) == pytest.approx(1999 * 2 + 1.5)


@SMALL
@given(lengths=LENGTHS, size=st.integers(1, 45))
def test_a_histogram_tells_as_much_as_the_lengths(lengths, size):
    histogram = {length: lengths.count(length) for length in lengths}
    whole = fte.expected_padded_tokens(lengths, size)
    assert fte.expected_padded_tokens(histogram, size) == pytest.approx(whole, rel=1e-12)


def test_long_sequences_are_cut_and_batches_rounded_up():
    """5, 9 and 30 cut to 20; of one batch all become 24, the next multiple of 8."""
    assert fte.expected_padded_tokens([5, 9, 30], 3, max_length=20, pad_to_multiple_of=8) == 3 * 24
    assert (
        fte.expected_padded_tokens([5, 9, 30], 1, max_length=20, pad_to_multiple_of=8)
        == 8 + 16 + 24
    )


def test_a_million_examples_need_no_orders():
    """Half of 10, half of 20 tokens: a batch of 8 has no long one in about 1 of 256."""
    tokens = fte.expected_padded_tokens({10: 500_000, 20: 500_000}, 8)
    assert tokens == pytest.approx(1e6 * (20 - 10 / 256), rel=1e-4)


def test_no_examples_have_no_tokens():
    assert fte.expected_padded_tokens([], 4) == 0
    assert fte.expected_padded_tokens({7: 0}, 4) == 0


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"batch_size": 0}, "batch_size is 0"),
        ({"max_length": 0}, "max_length is 0"),
        ({"pad_to_multiple_of": 1.5}, "pad_to_multiple_of is 1.5"),
        ({"lengths": [1.5]}, "lengths must be whole numbers"),
        ({"lengths": [-1]}, "lengths must be whole numbers"),
        ({"lengths": {3: -1}}, "counts must be whole numbers"),
        ({"lengths": {3: 2}, "batches": [[0]]}, "lengths is a histogram"),
        ({"batches": [[0, 3]]}, "does not fit"),
        ({"batches": [[0, 1, 2]]}, "does not fit"),
    ],
)
def test_what_is_no_size_or_length_is_refused(wrong, words):
    given_ = {"lengths": [1, 2, 3], "batch_size": 2, **wrong}
    with pytest.raises(ValueError, match=words):
        fte.expected_padded_tokens(**given_)
