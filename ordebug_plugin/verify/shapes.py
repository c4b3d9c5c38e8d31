"""What the elements of a conflict look like by their own numbers: signs, lengths, sizes, fixed bounds, round sides.

Nothing here compares a number with what it should be. A fault that is found from this needs no specification.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from ordebug_plugin.edits import Shape
from ordebug_plugin.interval import Interval
from ordebug_plugin.linear import Terms

_MOST_DIGITS = 6


def shape_features(shape: Shape, rows: Sequence[str], variables: Sequence[str]) -> tuple[tuple[str, ...], ...]:
    """What is seen of each row, then of each variable, of an IIS."""
    longest = max((len(shape.terms[name]) for name in rows), default=0)
    sides = [_side(shape.rows[name]) for name in rows]
    largest = max(map(abs, sides), default=0.0)
    size = f"conflict of {_few(len(rows) + len(variables))}"
    seen = [
        (
            *_row(shape.rows[name], shape.terms[name]),
            f"row is the longest {len(shape.terms[name]) == longest}",
            f"row has the largest side {abs(side) == largest}",
            f"row in a {size}",
        )
        for name, side in zip(rows, sides, strict=True)
    ]
    seen += [(*_variable(shape, name), f"variable in a {size}") for name in variables]
    return tuple(seen)


def _row(interval: Interval, terms: Terms) -> Iterable[str]:
    sense = "equal" if interval.lower == interval.upper else "least" if math.isinf(interval.upper) else "most"
    values = [value for _, value in terms]
    signs = "mixed" if min(values, default=0) < 0 < max(values, default=0) else "one sign"
    apart = math.log10(max(map(abs, values)) / min(map(abs, values))) if values else 0.0
    side = _side(interval)
    yield f"row {sense}"
    yield f"row {sense}, {signs}"
    yield f"row {sense}, {_few(len(terms))} terms"
    yield f"row all ones {set(map(abs, values)) == {1.0}}"
    yield f"row coefficients apart {min(4, round(2 * apart))}"
    yield f"row side {sense} {_size(side)}"
    yield f"row side zeros {_zeros(side)}"
    yield f"row side decimals {_decimals(side)}"


def _variable(shape: Shape, name: str) -> Iterable[str]:
    bounds = shape.variables[name]
    kind = "binary" if name in shape.binaries else "integer" if name in shape.integers else "continuous"
    lower = "free" if math.isinf(bounds.lower) else "negative" if bounds.lower < 0 else "zero"
    lower = "positive" if bounds.lower > 0 else lower
    yield f"variable {kind}"
    yield f"variable {kind} fixed {bounds.lower == bounds.upper}"
    yield f"variable {kind} lower {lower}"
    yield f"variable {kind} upper infinite {math.isinf(bounds.upper)}"
    for which, end in (("lower", bounds.lower), ("upper", bounds.upper)):
        if math.isfinite(end):
            yield f"variable {which} {_size(end)}"
            yield f"variable {which} zeros {_zeros(end)}"
            yield f"variable {which} decimals {_decimals(end)}"
    if 0 < bounds.lower <= bounds.upper < math.inf:
        yield f"variable leaves {round(4 * (1 - bounds.lower / bounds.upper))} quarters"


def _side(interval: Interval) -> float:
    return interval.lower if math.isinf(interval.upper) else interval.upper


def _few(count: int) -> int:
    """1, 2, 3, 4, 6, 8, 12, …: as exact as matters."""
    return count if count <= 4 else round(2 ** (round(2 * math.log2(count)) / 2))


def _size(value: float) -> str:
    sign = "-" if value < 0 else ""
    return "0" if value == 0 else f"{sign}{round(2 * math.log10(abs(value))) / 2:g}"


def _zeros(value: float) -> int:
    """How many zeros a whole number ends in; 0 for others."""
    digits = f"{abs(value):.0f}" if value == round(value) else "1"
    return len(digits) - len(digits.rstrip("0")) if value else 0


def _decimals(value: float) -> int:
    return min(_MOST_DIGITS, len(f"{value:.10g}".partition(".")[2]))
