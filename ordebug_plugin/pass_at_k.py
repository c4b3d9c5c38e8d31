"""Pass@k: the chance that at least one of k samples succeeds, estimated from n ≥ k of them.

The naive 1 − (1 − c/n)^k is biased: it says too little of a small n. The unbiased estimator is 1 − C(n−c, k) / C(n, k)
(Chen et al. 2021, "Evaluating large language models trained on code", arXiv 2107.03374, section 2.1): among all choices
of k of the n samples, the share that holds a success.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from ordebug_plugin.statistics import Estimate, mean

# The published analyses go from one sample to 256.
KS = (1, 2, 4, 8, 16, 32, 64, 128, 256)


@dataclass(frozen=True)
class Count:
    """The samples of one problem.

    Attributes:
        n: Samples of which it is known whether they succeeded.
        c: How many did.
    """

    n: int
    c: int


def pass_at_k(count: Count, k: int) -> float:
    """The unbiased estimate for one problem; NaN where there are fewer than k samples.

    Computed in whole numbers and rounded once, so it is exact for any n: the binomial coefficients of n = 256 alone
    are beyond what a float can hold to the last digit.

    Raises:
        ValueError: k is below 1.
    """
    if k < 1:
        raise ValueError(f"pass@k needs k of at least 1, not {k}")
    if count.n < k:
        return math.nan
    choices = math.comb(count.n, k)
    return (choices - math.comb(count.n - count.c, k)) / choices


def mean_pass_at_k(counts: Mapping[str, Count], k: int) -> Estimate:
    """The mean over problems, with a bootstrap interval over problems.

    Args:
        counts: By problem (its content hash).
        k: Samples that are allowed.

    Returns:
        The estimate; its `n` is the number of problems with at least k samples, which are those that count.
    """
    return mean([pass_at_k(count, k) for count in counts.values()], list(counts))
