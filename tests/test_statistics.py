import itertools
import math
import random

import pytest
from scipy.stats import binomtest

from ordebug_plugin.statistics import (
    differing_pairs,
    mcnemar,
    mean,
    paired_difference,
    paired_differences,
    proportion,
    ratio,
    share,
    sign_flip,
)


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


def test_wilson_is_that_of_scipy() -> None:
    for successes, n in ((0, 7), (7, 7), (3, 7), (812, 900)):
        expected = binomtest(successes, n).proportion_ci(0.95, method="wilson")
        estimate = proportion(successes, n)
        assert (estimate.low, estimate.high) == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_samples_that_always_end_alike_count_once() -> None:
    outcomes = [1.0, 0.0, 1.0, 1.0, 0.0, 1.0, 1.0]
    once = share(outcomes, [1.0] * 7, range(7))
    assert once == proportion(5, 7)
    again = share(outcomes * 8, [1.0] * 56, [*range(7)] * 8)
    assert again.n == 56
    assert (again.value, again.low, again.high) == pytest.approx((once.value, once.low, once.high))
    sure = share([1.0] * 56, [1.0] * 56, [*range(7)] * 8)
    assert (sure.low, sure.high) == (proportion(7, 7).low, 1.0)


def test_samples_that_differ_within_problems_count_each() -> None:
    halves = share([1.0, 0.0] * 20, [1.0] * 40, [number // 2 for number in range(40)])
    assert halves == proportion(20, 40)


def test_a_share_of_answers_is_clustered_by_problem() -> None:
    """Coverage: where each problem has a share of its own, the interval holds their mean 95 times of a hundred."""
    rng = random.Random(5)
    held = 0
    for _ in range(400):
        own = [rng.betavariate(1.0, 1.0) for _ in range(60)]
        wins = [float(sum(rng.random() < p for _ in range(8))) for p in own]
        estimate = share(wins, [8.0] * 60, range(60))
        held += estimate.low <= 0.5 <= estimate.high
    assert 0.92 <= held / 400 <= 0.98


def test_sign_flip_enumerates_all_swaps() -> None:
    differences = [0.5, -0.1, 0.3, 0.3, 0.0]
    flips = [
        sum(s * d for s, d in zip(signs, differences, strict=True)) for signs in itertools.product((1, -1), repeat=5)
    ]
    assert sign_flip(differences) == pytest.approx(sum(abs(total) >= 1.0 - 1e-9 for total in flips) / 32)
    assert math.isnan(sign_flip([]))
    assert sign_flip([0.0, 0.0]) == 1.0


def test_sign_flip_of_yes_and_no_is_mcnemar() -> None:
    for won, lost in ((3, 1), (8, 2), (30, 12), (40, 35)):
        exact = binomtest(won, won + lost).pvalue
        assert sign_flip([1.0] * won + [-1.0] * lost + [0.0] * 9) == pytest.approx(exact, abs=0.02)


@pytest.mark.parametrize("n", [3, 4, 5, 8, 20])
def test_equal_runs_are_told_apart_one_time_in_twenty_at_most(n: int) -> None:
    rng = random.Random(n)
    p = [sign_flip([rng.gauss(0.0, 1.0) ** 3 for _ in range(n)]) for _ in range(300)]
    assert sum(one < 0.05 for one in p) / 300 <= 0.08


def test_what_is_only_rounding_is_no_difference() -> None:
    first, second = {"a": 0.1 + 0.2, "b": 1.0}, {"a": 0.3, "b": 1.0}
    assert first["a"] != second["a"]
    assert paired_differences(first, second) == {"a": 0.0, "b": 0.0}


def test_differing_pairs_are_those_among_all() -> None:
    drawn = "aaabbc"
    pairs = list(itertools.combinations(drawn, 2))
    counts = [drawn.count(letter) for letter in "abc"]
    assert differing_pairs(counts) == pytest.approx(sum(one != other for one, other in pairs) / len(pairs))
    assert math.isnan(differing_pairs([1]))
