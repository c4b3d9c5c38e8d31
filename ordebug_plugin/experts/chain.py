"""Why a conflict cannot hold, in small steps: what one row leaves room for, the next row asks beyond.

Interval arithmetic along the rows: from the bounds in conflict, each row narrows one variable, until some row cannot
be satisfied any more. That is how people argue, and it explains many small conflicts; where it does not within a few
steps (a conflict of fractions, or of whole numbers), there is no chain, and nothing is said.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ordebug_plugin.interval import Interval
from ordebug_plugin.linear import Terms

# Longer arguments help nobody.
LONGEST = 6
_ROUNDS = 12
_TOLERANCE = 1e-7


@dataclass(frozen=True)
class Link:
    """A row narrows a variable: with the others as narrow as they are, it must be at least, or at most, a value.

    Attributes:
        row: The row.
        variable: The variable.
        value: (side - what the others contribute) / coefficient.
        is_lower: Whether it must be at least that.
        side: What the row may be at most, or must be at least.
        coefficient: Of the variable in the row.
        others: What each other variable contributes: (variable, coefficient, value).
    """

    row: str
    variable: str
    value: float
    is_lower: bool
    side: float
    coefficient: float
    others: tuple[tuple[str, float, float], ...]


@dataclass(frozen=True)
class Chain:
    """A contradiction.

    Attributes:
        links: Steps, each from those before it.
        row: The row that cannot be satisfied.
        parts: What each variable of it contributes at least (or at most): (variable, coefficient, value).
        reach: Their sum: the least (or most) that the row can come to.
        side: What it may be at most (or must be at least).
        is_above: Whether `reach` is above `side`.
    """

    links: tuple[Link, ...]
    row: str
    parts: tuple[tuple[str, float, float], ...]
    reach: float
    side: float
    is_above: bool

    @property
    def gap(self) -> float:
        """By how much the row fails."""
        return abs(self.reach - self.side)


# An end of a variable: its name, and whether the lower one is meant.
_End = tuple[str, bool]


@dataclass
class _State:
    """How narrow each variable is, and the links that this rests on, in an order in which they can be told."""

    ends: dict[_End, float]
    support: dict[_End, tuple[Link, ...]]

    def parts(self, terms: Terms, *, least: bool) -> list[tuple[str, float, float]]:
        """(variable, coefficient, value) where the row comes to the least, or the most, that it can."""
        parts = []
        for name, coefficient in terms:
            lower = (coefficient > 0) == least
            parts.append((name, coefficient, self.ends.get((name, lower), -math.inf if lower else math.inf)))
        return parts

    def links(self, parts: Sequence[tuple[str, float, float]], *, least: bool) -> tuple[Link, ...]:
        """What parts rest on."""
        found: dict[Link, None] = {}
        for name, coefficient, _ in parts:
            found |= dict.fromkeys(self.support.get((name, (coefficient > 0) == least), ()))
        return tuple(found)


def find_chain(
    rows: Mapping[str, tuple[Terms, Interval]], bounds: Mapping[str, Interval], most: int = LONGEST
) -> Chain | None:
    """Finds a contradiction.

    Args:
        rows: The rows in conflict: terms, and sides.
        bounds: The bounds in conflict; every other variable counts as free.
        most: The most steps before the last.
    """
    state = _State({}, {})
    for name, interval in bounds.items():
        state.ends[name, True], state.ends[name, False] = interval.lower, interval.upper
    # Rows of one variable first: they read like bounds.
    order = sorted(rows, key=lambda name: len(rows[name][0]))
    for _ in range(_ROUNDS):
        narrowed = False
        for name in order:
            chain = _clash(state, name, *rows[name])
            if chain is not None:
                return chain if len(chain.links) <= most else None
            narrowed |= _narrow(state, name, *rows[name])
        if not narrowed:
            return None
    return None


def _clash(state: _State, row: str, terms: Terms, interval: Interval) -> Chain | None:
    for is_above, side in ((True, interval.upper), (False, interval.lower)):
        parts = state.parts(terms, least=is_above)
        reach = sum(coefficient * value for _, coefficient, value in parts)
        if math.isinf(side) or math.isinf(reach) or math.isnan(reach):
            continue
        room = _TOLERANCE * max(1.0, abs(side))
        if reach > side + room if is_above else reach < side - room:
            return Chain(state.links(parts, least=is_above), row, tuple(parts), reach, side, is_above)
    return None


def _narrow(state: _State, row: str, terms: Terms, interval: Interval) -> bool:
    """Narrows the variables of a row once; whether any was."""
    changed = False
    for is_above, side in ((True, interval.upper), (False, interval.lower)):
        if math.isinf(side):
            continue
        parts = state.parts(terms, least=is_above)
        for place, (name, coefficient, _) in enumerate(parts):
            others = [part for other, part in enumerate(parts) if other != place]
            value = (side - sum(c * v for _, c, v in others)) / coefficient
            is_lower = (coefficient < 0) == is_above
            old = state.ends.get((name, is_lower), -math.inf if is_lower else math.inf)
            if not math.isfinite(value) or not _is_narrower(value, old, is_lower=is_lower):
                continue
            below = state.links(others, least=is_above)
            state.ends[name, is_lower] = value
            state.support[name, is_lower] = (*below, Link(row, name, value, is_lower, side, coefficient, tuple(others)))
            changed = True
    return changed


def _is_narrower(value: float, old: float, *, is_lower: bool) -> bool:
    # Steps that hardly narrow anything come from circles, which never end.
    room = 0.0 if math.isinf(old) else 1e-3 * max(1.0, abs(old))
    return value > old + room if is_lower else value < old - room
