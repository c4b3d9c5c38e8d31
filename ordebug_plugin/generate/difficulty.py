"""How hard a problem is, from what the solver proved of it."""

from __future__ import annotations

from enum import StrEnum

from ordebug_plugin.generate.proof import Proof

# Rows and bounds in the first IIS from which a conflict counts as long, and as very long.
LONG, VERY_LONG = 5, 10


class Difficulty(StrEnum):
    """The label in the record."""

    EASY = "easy"
    MEDIUM = "medium"
    HARD = "hard"


def difficulty(proof: Proof) -> Difficulty:
    """One point each for a long conflict, a very long one, several culprits, and a cheapest repair beside the fault.

    Easy without a point, medium with one, hard with more.
    """
    points = (proof.elements >= LONG) + (proof.elements >= VERY_LONG) + (proof.culprits > 1) + (not proof.cheapest_hits)
    return (Difficulty.EASY, Difficulty.MEDIUM, Difficulty.HARD)[min(points, 2)]
