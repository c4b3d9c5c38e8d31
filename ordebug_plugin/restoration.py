"""What undoes a fault beyond the reach of the actions: a sense, a coefficient, a variable's type.

The public files state their fixes in words (``Change c8 from <= back to >=``), and most of them are no action: only a
model that is changed like this can prove or disprove such a label. `truth.Truth.fix` holds what actions can do.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """What values a variable may take."""

    CONTINUOUS = "continuous"
    INTEGER = "integer"
    BINARY = "binary"


@dataclass(frozen=True)
class SenseChange:
    """A row whose sense was flipped, its side left alone: ``old`` is what it is said to be now."""

    row: str
    old: str
    new: str


@dataclass(frozen=True)
class CoefficientChange:
    """A coefficient: ``old`` is what it is said to be now."""

    row: str
    variable: str
    old: float
    new: float


@dataclass(frozen=True)
class KindChange:
    """A variable's type and bounds; what is None stays as it is."""

    variable: str
    kind: Kind | None = None
    lower: float | None = None
    upper: float | None = None


@dataclass(frozen=True)
class Restoration:
    """Changes that make another model of a broken one.

    Attributes:
        removed: Rows without which it is.
        senses: Rows that are turned around.
        coefficients: Coefficients that are set.
        kinds: Variables that become of another type.
        objective: Whether the objective stays; without it any point is as good as any other.
    """

    removed: tuple[str, ...] = ()
    senses: tuple[SenseChange, ...] = ()
    coefficients: tuple[CoefficientChange, ...] = ()
    kinds: tuple[KindChange, ...] = ()
    objective: bool = True


_NUMBER = r"([+-]?\d++(?:\.\d*+)?(?:[eE][+-]?\d+)?)"
_NAME = "(.{1,300})"  # Gurobi's have 255 characters at most; without a limit a long sentence takes hours
_SENSE = re.compile(rf"Change {_NAME} from (<=|>=|=) back to (<=|>=|=)")
_COEFFICIENT = re.compile(rf"Change coefficient of {_NAME} in {_NAME} from {_NUMBER} back to {_NUMBER}")
_KIND = re.compile(rf"Change {_NAME} back to (INTEGER|CONTINUOUS|BINARY)(?: with UB={_NUMBER})?(?:, remove .+)?")
_REMOVAL = re.compile(r"Remove (?:chain constraints: |contradicting constraint )?.+")


def read_restoration(sentence: str, added_rows: tuple[str, ...]) -> Restoration | None:
    """Reads a public ``ground_truth_fix``; None where it says something else than the published files do.

    Args:
        sentence: The fix in words.
        added_rows: The rows that it removes, as `truth.read_truth` reads them.
    """
    if match := _COEFFICIENT.fullmatch(sentence):
        change = CoefficientChange(match[2], match[1], float(match[3]), float(match[4]))
        return Restoration(coefficients=(change,))
    if match := _SENSE.fullmatch(sentence):
        return Restoration(senses=(SenseChange(match[1], match[2], match[3]),))
    if match := _KIND.fullmatch(sentence):
        upper = None if match[3] is None else float(match[3])
        return Restoration(removed=added_rows, kinds=(KindChange(match[1], Kind(match[2].lower()), upper=upper),))
    return Restoration(removed=added_rows) if _REMOVAL.fullmatch(sentence) and added_rows else None
