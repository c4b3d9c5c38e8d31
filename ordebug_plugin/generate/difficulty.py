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


def difficulty(proof: Proof, n_culprits: int) -> Difficulty:
    """One point each for a long conflict, a very long one, several culprits, and a cheapest repair beside the fault.

    Args:
        proof: Of the problem.
        n_culprits: Rows and variables that must be changed.

    Returns:
        Easy without a point, medium with one, hard with more.
    """
    elements = proof.evidence.elements
    points = (elements >= LONG) + (elements >= VERY_LONG) + (n_culprits > 1) + (not proof.cheapest_hits)
    return (Difficulty.EASY, Difficulty.MEDIUM, Difficulty.HARD)[min(points, 2)]
