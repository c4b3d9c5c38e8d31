"""The closed interval: what a row asks of its terms, and what a variable may be."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ordebug_plugin.linear import SAME, relation

# Gurobi treats any side or bound at or beyond this as infinite (reference manual, "Infinity").
INFINITY = 1e20
# What a side may lose where it is written to a file and read again: six digits are left in an .lp file of a number
# below 1e-4, and of a range twelve, of which the lower side is kept as a difference from the upper one.
_ROUNDING, _LAST_DIGITS = 1e-10, 1e-12


@dataclass(frozen=True)
class Interval:
    """The closed interval [lower, upper]; sides beyond ±1e20 are infinite."""

    lower: float
    upper: float

    def __post_init__(self) -> None:
        """Makes large sides infinite, so that equal models have equal intervals."""
        if self.lower <= -INFINITY:
            object.__setattr__(self, "lower", -math.inf)
        if self.upper >= INFINITY:
            object.__setattr__(self, "upper", math.inf)

    @property
    def is_free(self) -> bool:
        """Whether the interval holds every number: a row without effect."""
        return self.lower == -math.inf and self.upper == math.inf

    @property
    def is_range(self) -> bool:
        """Whether it has two ends that differ."""
        return -math.inf < self.lower < self.upper < math.inf

    @property
    def sense(self) -> str:
        """``<=``, ``>=`` or ``=``; ``in`` where both sides ask for something, or neither does."""
        return relation(self.lower, self.upper)

    def has_side_beside(self, old: Interval) -> bool:
        """Whether this interval ends on a side where the old one does not, as that of a turned row does."""
        return self.lower > -math.inf == old.lower or self.upper < math.inf == old.upper

    def violation(self, value: float) -> float:
        """Distance from `value` to the interval, 0 inside."""
        return max(0.0, self.lower - value, value - self.upper)

    def loosened_to(self, new: Interval) -> tuple[float, float]:
        """How far `new` reaches beyond this interval, below and above; 0 where it does not."""
        below = self.lower - new.lower if new.lower < self.lower else 0.0
        above = new.upper - self.upper if new.upper > self.upper else 0.0
        return below, above


FREE = Interval(-math.inf, math.inf)


def sides_apart(one: Interval, two: Interval) -> float:
    """How far the sides of two intervals are apart, both together; inf where one has a side that the other has not."""
    return _apart(one.lower, two.lower) + _apart(one.upper, two.upper)


def _apart(one: float, two: float) -> float:
    return 0.0 if one == two else abs(one - two)


def scaled(interval: Interval, factor: float, reference: Interval) -> Interval:
    """The interval of terms that were divided by a factor; sides that meet the reference but for rounding are its."""
    ends = sorted((interval.lower / factor, interval.upper / factor))
    if factor == 1:
        return interval
    sides = zip(ends, (reference.lower, reference.upper), strict=True)
    return Interval(*(old if math.isclose(new, old, rel_tol=SAME) else new for new, old in sides))


def same_sides(one: Interval, two: Interval) -> bool:
    """Whether two intervals agree in nine digits."""
    return snapped(one, two) == two


def snapped(interval: Interval, reference: Interval) -> Interval:
    """The interval, with the sides of the reference where they are the same but for rounding."""
    room = rounding(reference)
    sides = zip((interval.lower, interval.upper), (reference.lower, reference.upper), strict=True)
    return Interval(*(old if math.isclose(new, old, rel_tol=SAME, abs_tol=room) else new for new, old in sides))


def rounding(interval: Interval) -> float:
    """How far the sides of an interval may be off after they were written to a file and read again."""
    sizes = [abs(side) for side in (interval.lower, interval.upper) if math.isfinite(side)]
    return max(_ROUNDING, _LAST_DIGITS * max(sizes, default=0.0))
