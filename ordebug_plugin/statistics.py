"""Intervals and tests, each with its source.

Undefined is NaN, never 0 or 1. Resampling is by problem: samples of one problem are not independent.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

CONFIDENCE = 0.95
RESAMPLES = 2000
_SEED = 20240229  # of everything drawn here; fixed, so that a score recomputed is the same to the bit
_ENUMERATED, _FLIPS, _CHUNK = 12, 10_000, 500
_ROUNDING = 1e-12
_Z = 1.959963984540054  # the normal's quantile at 97.5%


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
    """Share of successes among independent trials, with the Wilson score interval (Wilson 1927, JASA 22)."""
    return UNDEFINED if n == 0 else Estimate(successes / n, *_wilson(successes / n, n), n)


def share(successes: Sequence[float], trials: Sequence[float], clusters: Sequence[Hashable]) -> Estimate:
    """Share of successes among trials that come in clusters, with the Wilson interval at the effective sample size.

    The effective size is the trials over the design effect, the variance of the share between clusters over that of
    independent trials (Rao and Scott 1992, Biometrics 48): K samples of a problem that always end alike count once. It
    is at most the number of trials, and the number of clusters where all trials end alike. With one trial a cluster
    this is `proportion`.

    Args:
        successes: Per episode; entries that are NaN are left out.
        trials: Per episode.
        clusters: The problem of each episode.
    """
    kept = [
        (top, bottom, cluster)
        for top, bottom, cluster in zip(successes, trials, clusters, strict=True)
        if not (math.isnan(top) or math.isnan(bottom))
    ]
    n = round(sum(bottom for _, bottom, _ in kept))
    if n == 0:
        return UNDEFINED
    sums = _cluster_sums(kept)
    value = float(sums[:, 0].sum() / n)
    if (sums[:, 1] <= 1).all():
        return proportion(round(sums[:, 0].sum()), n)
    between = float(((sums[:, 0] - value * sums[:, 1]) ** 2).sum()) / n**2
    if value in (0.0, 1.0):
        effective = float(len(sums))
    elif between == 0.0:
        effective = float(n)  # every cluster has the same share: trials differ within them alone
    else:
        effective = min(float(n), value * (1.0 - value) / between)
    return Estimate(value, *_wilson(value, effective), n)


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


def resampled(clusters: Sequence[Hashable], statistic: Callable[[np.ndarray], np.ndarray]) -> Estimate:
    """Any statistic of observations with a percentile bootstrap interval over their clusters.

    Resamples of which the statistic is undefined are left out; without at least two clusters there is no interval.

    Args:
        clusters: The cluster of each observation; whole clusters are resampled.
        statistic: Of an array of observation numbers, shape (draws, any), the value of each draw, shape (draws,).
    """
    n = len(clusters)
    if n == 0:
        return UNDEFINED
    members: dict[Hashable, list[int]] = {}
    for place, cluster in enumerate(clusters):
        members.setdefault(cluster, []).append(place)
    listed = list(members.values())
    by_length: dict[int, list[list[int]]] = {}
    for row in _resamples(len(listed)):
        places = [place for number in row for place in listed[number]]
        by_length.setdefault(len(places), []).append(places)
    with np.errstate(invalid="ignore", divide="ignore"):
        value = float(statistic(np.arange(n)[None, :])[0])
        drawn = np.concatenate([statistic(np.array(places)) for places in by_length.values()])
    if math.isnan(value) or len(listed) == 1 or np.isnan(drawn).all():
        return Estimate(value, math.nan, math.nan, n)
    return Estimate(value, *_percentiles(drawn), n)


def paired_differences(first: Mapping[str, float], second: Mapping[str, float]) -> dict[str, float]:
    """Second − first, for each problem where both are defined; what is nothing but rounding is 0.

    Args:
        first: Problem to the value of the first run (its mean over samples).
        second: Problem to the value of the second run.
    """
    differences = {key: second[key] - first[key] for key in first if key in second}
    return {
        key: 0.0 if abs(value) <= _ROUNDING * max(1.0, abs(first[key])) else value
        for key, value in differences.items()
        if not math.isnan(value)
    }


def paired_difference(first: Mapping[str, float], second: Mapping[str, float]) -> Estimate:
    """Mean of `paired_differences`, with a bootstrap interval over problems."""
    differences = paired_differences(first, second)
    return mean(list(differences.values()), list(differences))


def sign_flip(differences: Iterable[float]) -> float:
    """Two-sided p-value of the paired randomization test of a mean of 0 (Fisher 1935, The Design of Experiments, § 21).

    The share of all ways to swap the two runs, problem by problem, that make the mean at least as far from 0; all ways
    where they are at most 4096, else 10,000 drawn ones, the observed one counted in (Phipson and Smyth 2010). NaN
    without a difference.

    Args:
        differences: One per problem. Those of 0 decide nothing.
    """
    listed = list(differences)
    moved = np.array([value for value in listed if value != 0.0])
    if not listed:
        return math.nan
    if len(moved) == 0:
        return 1.0
    observed = abs(moved.sum()) * (1.0 - _ROUNDING)
    if len(moved) <= _ENUMERATED:
        signs = 1.0 - 2.0 * (np.arange(2 ** len(moved))[:, None] >> np.arange(len(moved)) & 1)
        return float((np.abs(signs @ moved) >= observed).mean())
    rng = np.random.default_rng(_SEED)
    as_far = 0
    for _ in range(_FLIPS // _CHUNK):
        signs = 1.0 - 2.0 * rng.integers(0, 2, size=(_CHUNK, len(moved)))
        as_far += int((np.abs(signs @ moved) >= observed).sum())
    return (as_far + 1) / (_FLIPS + 1)


def mcnemar(first: dict[str, bool], second: dict[str, bool]) -> float:
    """Exact two-sided McNemar p-value over the shared problems (McNemar 1947, Psychometrika 12); 1 if they agree."""
    shared = first.keys() & second.keys()
    won = sum(second[key] and not first[key] for key in shared)
    lost = sum(first[key] and not second[key] for key in shared)
    if won + lost == 0:
        return 1.0
    from scipy.stats import binomtest  # noqa: PLC0415  # as above

    return float(binomtest(won, won + lost).pvalue)


def _wilson(share: float, n: float) -> tuple[float, float]:
    centre = share + _Z**2 / (2.0 * n)
    half = _Z * math.sqrt(share * (1.0 - share) / n + _Z**2 / (4.0 * n**2))
    scale = 1.0 + _Z**2 / n
    low, high = (centre - half) / scale, (centre + half) / scale
    return (0.0 if share == 0.0 else max(0.0, low)), (1.0 if share == 1.0 else min(1.0, high))


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
