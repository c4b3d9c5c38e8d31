"""Do names give the culprit away? A classifier that sees names and places alone picks one element of each conflict.

It knows no coefficient, no side and no sentence. On a benchmark without leaks it is right as often as chance; where it
is right more often, so can be a language model that has learned nothing about optimization.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from ordebug_plugin.statistics import UNDEFINED, Estimate, mean

FOLDS = 5
# With fewer problems (kin counted once) there is too little to learn from, and to judge by.
LEAST = 20
# Weight of the square penalty: as if every name had been seen a little without telling anything.
_PENALTY = 1.0


@dataclass(frozen=True)
class Choice:
    """The elements of one conflict, of which some are at fault.

    Attributes:
        kin: Problems with the same value are never in two folds.
        names: Names of the rows of the IIS, or of the variables, in its order.
        places: Where each is in the model, from 0 (first) to 1 (last).
        culprits: Whether each is at fault; at least one is.
    """

    kin: str
    names: tuple[str, ...]
    places: tuple[float, ...]
    culprits: tuple[bool, ...]


@dataclass(frozen=True)
class Leak:
    """How often names and places alone name a culprit.

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


def _features(choice: Choice) -> list[list[str]]:
    """What is seen of each element."""
    shapes = [re.sub(r"[0-9]+", "0", name) for name in choice.names]
    count, last = Counter(shapes), len(shapes) - 1
    return [
        [
            *_tokens(name),
            f"shape {shape}",
            f"shape of its own {count[shape] == 1}",
            f"length {min(len(name), 20)}",
            f"first in the list {number == 0}",
            f"last in the list {number == last}",
            f"third of the list {3 * number // (last + 1)}",
            f"fifth of the model {int(5 * min(place, 0.999))}",
            f"last in the model {place == 1}",
        ]
        for number, (name, shape, place) in enumerate(zip(choice.names, shapes, choice.places, strict=True))
    ]


def _tokens(name: str) -> Iterator[str]:
    yield f"begins {name[:1]}"
    yield f"begins {name[:3]}"
    for run in re.findall(r"[^\W\d_]+|[0-9]+", name):
        if run.isdecimal():
            yield f"digits {len(run)}"
            yield f"number {min(int(run) // 10, 100)}"  # the tens
        else:
            yield f"word {run.lower()}"


def _learn(choices: Sequence[Choice]) -> dict[str, float]:
    """A conditional logit model: the culprit is chosen with probability ~ exp(sum of weights) (McFadden 1974)."""
    from scipy.optimize import minimize  # noqa: PLC0415  # takes a second to import
    from scipy.sparse import csr_array  # noqa: PLC0415

    rows = [set(features) for choice in choices for features in _features(choice)]
    numbers = {name: number for number, name in enumerate(sorted(set().union(*rows)))}
    columns = [numbers[name] for features in rows for name in sorted(features)]
    ends = np.cumsum([0, *map(len, rows)])
    design = csr_array((np.ones(len(columns)), columns, ends), shape=(len(rows), len(numbers)))
    sizes = [len(choice.names) for choice in choices]
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
    scores = [round(sum(weights.get(name, 0.0) for name in set(one)), 9) for one in _features(choice)]
    best = [culprit for score, culprit in zip(scores, choice.culprits, strict=True) if score == max(scores)]
    return sum(best) / len(best)
