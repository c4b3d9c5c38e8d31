"""Intervals and tests, each with its source.

Undefined is NaN, never 0 or 1. Resampling is by problem: samples of one problem are not independent.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

CONFIDENCE = 0.95
RESAMPLES = 2000
_SEED = 20240229  # of the bootstrap; fixed, so that a score recomputed is the same to the bit


@dataclass(frozen=True)
class Estimate:
    """A figure with its 95% interval; NaN where undefined.

    Attributes:
        value: The estimate.
        low: Lower end of the interval.
        high: Upper end of the interval.
        n: How many observations it rests on.
    """

    value: float
    low: float
    high: float
    n: int


UNDEFINED = Estimate(math.nan, math.nan, math.nan, 0)


def null_for_nan(value: Any) -> Any:
    """The same figures for JSON, which has no NaN: None where one is undefined."""
    if isinstance(value, dict):
        return {key: null_for_nan(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [null_for_nan(entry) for entry in value]
    return None if isinstance(value, float) and math.isnan(value) else value


def proportion(successes: int, n: int) -> Estimate:
    """Share of successes with the Wilson score interval (Wilson 1927, JASA 22)."""
    if n == 0:
        return UNDEFINED
    from scipy.stats import binomtest  # noqa: PLC0415  # takes a second to import, and most commands need no figures

    interval = binomtest(successes, n).proportion_ci(CONFIDENCE, method="wilson")
    return Estimate(successes / n, float(interval.low), float(interval.high), n)


def ratio(tops: Sequence[float], bottoms: Sequence[float], clusters: Sequence[Hashable]) -> Estimate:
    """sum(tops) / sum(bottoms) with a percentile bootstrap interval over clusters (Efron and Tibshirani 1993, ch. 13).

    A mean is the ratio with bottoms of 1. Entries whose top or bottom is NaN are left out.

    Args:
        tops: Numerators, one per episode.
        bottoms: Denominators, one per episode.
        clusters: The problem of each episode; whole problems are resampled.
    """
    kept = [
        (top, bottom, cluster)
        for top, bottom, cluster in zip(tops, bottoms, clusters, strict=True)
        if not (math.isnan(top) or math.isnan(bottom))
    ]
    total = sum(bottom for _, bottom, _ in kept)
    if total == 0:
        return UNDEFINED
    sums = _cluster_sums(kept)
    value = float(sums[:, 0].sum() / total)
    if len(sums) == 1:
        return Estimate(value, math.nan, math.nan, len(kept))
    drawn = sums[_resamples(len(sums))].sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        values = drawn[:, 0] / drawn[:, 1]
    low, high = _percentiles(values)
    return Estimate(value, low, high, len(kept))


def mean(values: Sequence[float], clusters: Sequence[Hashable]) -> Estimate:
    """Mean of the defined values, with a bootstrap interval clustered by problem."""
    return ratio(values, [1.0] * len(values), clusters)


def differing_pairs(counts: Iterable[int]) -> float:
    """Share of the unordered pairs of draws that differ, from 0 to 1; NaN of fewer than two draws.

    The unbiased estimate of the probability that two draws differ (Simpson 1949, Nature 163).

    Args:
        counts: How often each value was drawn.
    """
    listed = list(counts)
    n = sum(listed)
    return math.nan if n < 2 else 1.0 - sum(count * (count - 1) for count in listed) / (n * (n - 1))


def resampled(n: int, statistic: Callable[[np.ndarray], np.ndarray]) -> Estimate:
    """Any statistic of n observations with a percentile bootstrap interval over them.

    Resamples of which the statistic is undefined are left out; without at least two observations there is no interval.

    Args:
        n: Number of observations.
        statistic: Of an array of observation numbers, shape (draws, n), the value of each draw, shape (draws,).
    """
    if n == 0:
        return UNDEFINED
    with np.errstate(invalid="ignore", divide="ignore"):
        value = float(statistic(np.arange(n)[None, :])[0])
        drawn = statistic(_resamples(n))
    if math.isnan(value) or n == 1 or np.isnan(drawn).all():
        return Estimate(value, math.nan, math.nan, n)
    return Estimate(value, *_percentiles(drawn), n)


def paired_difference(first: dict[str, float], second: dict[str, float]) -> Estimate:
    """Mean of second − first over the problems where both are defined, with a paired bootstrap interval.

    Args:
        first: Problem to the value of the first run (its mean over samples).
        second: Problem to the value of the second run.
    """
    shared = [key for key in first if key in second and not math.isnan(first[key]) and not math.isnan(second[key])]
    return mean([second[key] - first[key] for key in shared], shared)


def mcnemar(first: dict[str, bool], second: dict[str, bool]) -> float:
    """Exact two-sided McNemar p-value over the shared problems (McNemar 1947, Psychometrika 12); 1 if they agree."""
    shared = first.keys() & second.keys()
    won = sum(second[key] and not first[key] for key in shared)
    lost = sum(first[key] and not second[key] for key in shared)
    if won + lost == 0:
        return 1.0
    from scipy.stats import binomtest  # noqa: PLC0415  # as above

    return float(binomtest(won, won + lost).pvalue)


def _cluster_sums(kept: list[tuple[float, float, Hashable]]) -> np.ndarray:
    sums: dict[Hashable, list[float]] = {}
    for top, bottom, cluster in kept:
        entry = sums.setdefault(cluster, [0.0, 0.0])
        entry[0] += top
        entry[1] += bottom
    return np.array(list(sums.values()))


def _resamples(n: int) -> np.ndarray:
    return np.random.default_rng(_SEED).integers(0, n, size=(RESAMPLES, n))


def _percentiles(values: np.ndarray) -> tuple[float, float]:
    tail = 100 * (1 - CONFIDENCE) / 2
    low, high = np.nanpercentile(values, [tail, 100 - tail])
    return float(low), float(high)
