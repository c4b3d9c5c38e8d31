"""What a model file says beside its rows and bounds: the objective, and whatever is not linear."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Outline:
    """The rest of a model.

    Attributes:
        costs: Variable to its coefficient in the objective, where it is not 0.
        constant: What is added to the objective.
        maximize: Whether the objective is to be as large as possible.
        beyond: What no linear model has, in words: ``2 quadratic constraints``, …
    """

    costs: Mapping[str, float]
    constant: float
    maximize: bool
    beyond: tuple[str, ...]
