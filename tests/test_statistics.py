import itertools
import math

import pytest
from scipy.stats import binomtest

from ordebug_plugin.statistics import differing_pairs, mcnemar, mean, paired_difference, proportion, ratio


def test_wilson_matches_the_textbook() -> None:
    # Newcombe 1998, Statistics in Medicine 17, table I, method 3.
    estimate = proportion(81, 263)
    assert (estimate.low, estimate.high) == (pytest.approx(0.2553, abs=5e-5), pytest.approx(0.3662, abs=5e-5))
    assert proportion(0, 20).low == 0.0
    assert proportion(0, 20).high == pytest.approx(0.1611, abs=5e-5)


def test_nothing_observed_is_undefined_not_zero() -> None:
    for estimate in (proportion(0, 0), mean([], []), mean([math.nan], ["a"]), ratio([1.0], [0.0], ["a"])):
        assert math.isnan(estimate.value)
        assert estimate.n == 0


def test_undefined_entries_are_left_out() -> None:
    estimate = mean([1.0, math.nan, 0.0], ["a", "b", "c"])
    assert (estimate.value, estimate.n) == (0.5, 2)


def test_micro_average_weighs_by_the_denominator() -> None:
    assert ratio([1.0, 0.0], [1.0, 9.0], ["a", "b"]).value == pytest.approx(0.1)


def test_clustering_widens_the_interval() -> None:
    values = [float(problem % 2) for problem in range(40) for _ in range(10)]
    by_problem = mean(values, [problem for problem in range(40) for _ in range(10)])
    as_if_independent = mean(values, range(400))
    assert by_problem.value == as_if_independent.value
    assert by_problem.high - by_problem.low > 2.5 * (as_if_independent.high - as_if_independent.low)


def test_bootstrap_agrees_with_the_normal_interval_and_repeats() -> None:
    values = [float(i % 10) for i in range(1000)]
    estimate = mean(values, range(1000))
    half = 1.96 * (8.25 / 1000) ** 0.5  # the variance of 0..9 is 8.25
    assert estimate.low == pytest.approx(4.5 - half, abs=0.02)
    assert estimate.high == pytest.approx(4.5 + half, abs=0.02)
    assert mean(values, range(1000)) == estimate


def test_one_problem_has_no_interval() -> None:
    estimate = mean([1.0, 0.0], ["a", "a"])
    assert estimate.value == 0.5
    assert math.isnan(estimate.low)


def test_mcnemar_is_the_exact_binomial_of_the_disagreements() -> None:
    first = {str(i): i < 10 for i in range(30)}
    second = {str(i): 8 <= i < 20 for i in range(30)}  # 10 won, 8 lost
    assert mcnemar(first, second) == pytest.approx(binomtest(10, 18).pvalue)
    assert mcnemar(first, first) == 1.0


def test_paired_differences_use_the_shared_problems() -> None:
    first = {"a": 0.0, "b": 0.5, "only": 1.0, "undefined": math.nan}
    second = {"a": 1.0, "b": 0.5, "other": 0.0, "undefined": 1.0}
    estimate = paired_difference(first, second)
    assert (estimate.value, estimate.n) == (0.5, 2)


def test_differing_pairs_are_those_among_all() -> None:
    drawn = "aaabbc"
    pairs = list(itertools.combinations(drawn, 2))
    counts = [drawn.count(letter) for letter in "abc"]
    assert differing_pairs(counts) == pytest.approx(sum(one != other for one, other in pairs) / len(pairs))
    assert math.isnan(differing_pairs([1]))
