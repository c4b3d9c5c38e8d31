"""How often a classifier picks a culprit that sees of each element of a conflict what we let it see.

Where it sees names and places alone (`names`) it should be right as often as chance; where it is right more often, so
can be a language model that has learned nothing about optimization. Where it sees what rows and bounds look like
(`shapes`) it says how far one gets without what a model should say.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ordebug_plugin.statistics import UNDEFINED, Estimate, mean

FOLDS = 5
# With fewer problems (kin counted once) there is too little to learn from, and to judge by.
LEAST = 20
# Weight of the square penalty: as if every word had been seen a little without telling anything.
_PENALTY = 1.0


@dataclass(frozen=True)
class Choice:
    """The elements of one conflict, of which some are at fault.

    Attributes:
        kin: Problems with the same value are never in two folds.
        features: What is seen of each element, in words.
        culprits: Whether each is at fault.
    """

    kin: str
    features: tuple[tuple[str, ...], ...]
    culprits: tuple[bool, ...]


@dataclass(frozen=True)
class Leak:
    """How often what is seen names a culprit.

    Attributes:
        n: Conflicts with a known culprit and something else beside it.
        chance: Share of culprits among the elements, averaged over problems.
        accuracy: Share of problems where the picked element is a culprit.
        excess: Accuracy − chance, paired; undefined where there are too few problems.
    """

    n: int
    chance: Estimate
    accuracy: Estimate
    excess: Estimate

    @property
    def above_chance(self) -> bool | None:
        """Whether the interval of the excess lies above 0; None where there were too few problems."""
        return None if self.excess.n == 0 else self.excess.low > 0


def find_leak(choices: Sequence[Choice]) -> Leak:
    """Cross-validates the classifier over problems.

    Args:
        choices: Those where every element, or none, is a culprit are left out: there is nothing to choose.
    """
    choices = [choice for choice in choices if any(choice.culprits) and not all(choice.culprits)]
    kin = sorted({choice.kin for choice in choices}, key=lambda name: hashlib.sha256(name.encode()).digest())
    clusters = [choice.kin for choice in choices]
    shares = [sum(choice.culprits) / len(choice.culprits) for choice in choices]
    if len(kin) < LEAST:
        return Leak(len(choices), mean(shares, clusters), UNDEFINED, UNDEFINED)
    fold = {name: number % FOLDS for number, name in enumerate(kin)}
    right = [0.0] * len(choices)
    for number in range(FOLDS):
        weights = _learn([choice for choice in choices if fold[choice.kin] != number])
        for place, choice in enumerate(choices):
            if fold[choice.kin] == number:
                right[place] = _credit(weights, choice)
    excess = [one - share for one, share in zip(right, shares, strict=True)]
    return Leak(len(choices), mean(shares, clusters), mean(right, clusters), mean(excess, clusters))


def _learn(choices: Sequence[Choice]) -> dict[str, float]:
    """A conditional logit model: the culprit is chosen with probability ~ exp(sum of weights) (McFadden 1974)."""
    from scipy.optimize import minimize  # noqa: PLC0415  # takes a second to import
    from scipy.sparse import csr_array  # noqa: PLC0415

    rows = [set(features) for choice in choices for features in choice.features]
    numbers = {name: number for number, name in enumerate(sorted(set().union(*rows)))}
    columns = [numbers[name] for features in rows for name in sorted(features)]
    ends = np.cumsum([0, *map(len, rows)])
    design = csr_array((np.ones(len(columns)), columns, ends), shape=(len(rows), len(numbers)))
    sizes = [len(choice.features) for choice in choices]
    starts = np.cumsum([0, *sizes[:-1]])
    culprits = np.array([culprit for choice in choices for culprit in choice.culprits])

    def loss(weights: np.ndarray) -> tuple[float, np.ndarray]:
        scores = design @ weights
        scores = np.exp(scores - np.repeat(np.maximum.reduceat(scores, starts), sizes))
        hits = np.where(culprits, np.maximum(scores, 1e-300), 0.0)
        total, hit = np.add.reduceat(scores, starts), np.add.reduceat(hits, starts)
        gradient = design.T @ (scores / np.repeat(total, sizes) - hits / np.repeat(hit, sizes))
        value = np.log(total / hit).sum() + _PENALTY / 2 * (weights @ weights)
        return float(value), gradient + _PENALTY * weights

    found = minimize(loss, np.zeros(len(numbers)), jac=True, method="L-BFGS-B")
    return dict(zip(numbers, found.x.tolist(), strict=True))


def _credit(weights: dict[str, float], choice: Choice) -> float:
    """1 where the element with the highest score is a culprit; among equals the share that is."""
    scores = [round(sum(weights.get(name, 0.0) for name in set(one)), 9) for one in choice.features]
    best = [culprit for score, culprit in zip(scores, choice.culprits, strict=True) if score == max(scores)]
    return sum(best) / len(best)
