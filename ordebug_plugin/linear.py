"""Linear rows as text, ``3 x + 2 y <= 40``: written for prompts and actions, read from actions.

Names are arbitrary (``flow[a,b]``, ``6th``, ``6``), so nothing is a word here until the model's names are known: the
relation and the numbers at the end are split off from the right, and what is left is read by the names alone.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping

from ordebug_plugin.errors import ActionError

# The linear terms of a row: (variable, coefficient), in model order.
Terms = tuple[tuple[str, float], ...]

EXAMPLE = "3 x + 2 y <= 40"
# Gurobi takes a coefficient below 1e-13 as none; of what is far above 1e12, no answer can be trusted.
SMALLEST, LARGEST = 1e-9, 1e12
# Prompts show 12 digits: a coefficient that was copied from one is the coefficient that it shows.
SAME = 1e-9
# Of a sum of floats, what is left where it should be zero (relative).
_NOTHING = 1e-12
_SPACE = " \t\r\n"
_UNSIGNED = r"(?:\d++\.?\d*+|\.\d++)(?:[eE][+-]?\d++)?"  # possessive: see `actions`
_SIDE = rf"([+-]?{_UNSIGNED})"
_TAIL = re.compile(rf"(.*?)(?:(<=|>=|==|=|≤|≥)\s*{_SIDE}|\sin\s*\[\s*{_SIDE}\s*,\s*{_SIDE}\s*\])", re.ASCII | re.DOTALL)
_NUMBER = re.compile(_UNSIGNED, re.ASCII)
_OPERATOR = re.compile(r"\s*([+-])\s*", re.ASCII)
_TIMES = re.compile(r"\s*\*?\s*", re.ASCII)
_HOW = (
    f"write it as {EXAMPLE}: on the left variables of the model, each with its coefficient, on the right one number, "
    "between them <=, >= or = (or 'in [4, 40]' at the end for two sides)"
)


def exact(value: float) -> str:
    """A number in 12 digits where these read back to the same float, else in as many as it takes."""
    text = short(value)
    return text if float(text) == value else repr(float(value))


def short(value: float) -> str:
    """A number in at most 12 digits, for reading."""
    return f"{value:.12g}"


def relation(lower: float, upper: float) -> str:
    """``<=``, ``>=`` or ``=``; ``in`` where both sides ask for something, or neither does."""
    if lower == upper:
        return "="
    if math.isinf(lower) == math.isinf(upper):
        return "in"
    return "<=" if math.isinf(lower) else ">="


def render_sides(lower: float, upper: float, number: Callable[[float], str] = exact) -> str:
    """What two sides ask for: ``<= 40``, ``>= 4``, ``= 3`` or ``in [4, 40]``."""
    kind = relation(lower, upper)
    if kind == "in":
        return f"in [{number(lower)}, {number(upper)}]"
    return f"{kind} {number(lower if kind == '>=' else upper)}"


def render_sum(terms: Terms, number: Callable[[float], str] = exact, most: int | None = None) -> str:
    """A linear expression: ``3 x - y + 0.5 z``.

    Args:
        terms: What to write.
        number: How to write a coefficient.
        most: Only so many terms; the others are counted.
    """
    text = ""
    for name, coefficient in terms[:most]:
        sign = "-" if coefficient < 0 else "+"
        size = "" if abs(coefficient) == 1 else f"{number(abs(coefficient))} "
        text += f" {sign} {size}{name}" if text else f"{'-' if sign == '-' else ''}{size}{name}"
    rest = 0 if most is None else len(terms) - most
    return f"{text} + … ({rest} more terms)" if rest > 0 else text or "0"


def split_sides(text: str) -> tuple[str, float, float]:
    """Splits the relation and the numbers off the end of a row.

    Returns:
        What stands before them, as it is, and the lower and the upper side; ±inf for a side that is not there.

    Raises:
        ActionError: The text does not end in a relation and finite numbers, or the lower side is above the upper.
    """
    match = _TAIL.fullmatch(text)
    if match is None:
        raise ActionError(f"cannot read {_quote(text)} as a row: {_HOW}")
    numbers = [float(part) for part in match.groups()[2:] if part is not None]
    if not all(map(math.isfinite, numbers)):
        raise ActionError("the sides of a row must be finite numbers")
    if match[2] is None:
        lower, upper = numbers
        if lower > upper:
            raise ActionError(f"the lower side {lower:g} is above the upper side {upper:g}")
        return match[1], lower, upper
    (side,) = numbers
    return match[1], -math.inf if match[2] in {"<=", "≤"} else side, math.inf if match[2] in {">=", "≥"} else side


def read_sum(text: str, names: Mapping[str, object]) -> Terms:
    """Reads a linear expression by the names that there are: the longest that fits first, shorter ones if need be.

    Args:
        text: E.g. ``3 x - y + 0.5 z``; ``3*x`` and ``3x`` are read as well. Repeated variables are summed.
        names: The variables, in model order.

    Raises:
        ActionError: It is something else, a coefficient is out of range, or no variable is left.
    """
    text = text.strip(_SPACE)
    sums: dict[str, list[float]] = {}
    for name, coefficient in _read_terms(text, names):
        if abs(coefficient) > LARGEST:
            raise _out_of_range(name, coefficient)
        sums.setdefault(name, []).append(coefficient)
    totals = {name: math.fsum(parts) for name, parts in sums.items()}
    left = {name: total for name, total in totals.items() if abs(total) > _NOTHING * max(map(abs, sums[name]))}
    if not left:
        raise ActionError("no variable is left in the row: use DROP_CONSTRAINT to take its effect away")
    for name, total in left.items():
        if not SMALLEST <= abs(total) <= LARGEST:
            raise _out_of_range(name, total)
    return tuple((name, left[name]) for name in names if name in left)


def ratio(one: Terms, other: Terms) -> float | None:
    """The number by which `other` must be multiplied to be `one`; None where there is none. Order does not matter."""
    ours, theirs = ({name: value for name, value in terms if value != 0} for terms in (one, other))
    if ours.keys() != theirs.keys():
        return None
    largest = max(theirs, key=lambda name: abs(theirs[name]), default="")
    for factor in (1.0, ours[largest] / theirs[largest]) if theirs else (1.0,):
        if all(math.isclose(ours[name], factor * theirs[name], rel_tol=SAME) for name in ours):
            return factor
    return None


def _read_terms(text: str, names: Mapping[str, object]) -> list[tuple[str, float]]:
    """Depth first, without recursion: an answer may have thousands of terms. Every place is tried once."""
    lengths = sorted(set(map(len, names)), reverse=True)
    path: list[tuple[str, float]] = []
    tried = {0}
    choices = [_terms_at(text, 0, names, lengths)]
    while choices:
        term, end = next(choices[-1], (None, 0))
        if term is None:
            choices.pop()
            if path:
                path.pop()
            continue
        if end == len(text):
            return [*path, term]
        if end not in tried:
            tried.add(end)
            path.append(term)
            choices.append(_terms_at(text, end, names, lengths))
    rest = text[max(tried) :].strip(_SPACE)
    operator = _OPERATOR.match(rest)
    number = _NUMBER.match(rest, operator.end() if operator else 0)
    if number and (number.end() == len(rest) or _OPERATOR.match(rest, number.end())):
        raise ActionError(f"{_quote(rest)} has a number without a variable on the left: {_HOW}")
    raise ActionError(f"{_quote(rest or text)} is no variable of the model with its coefficient: {_HOW}")


def _terms_at(
    text: str, start: int, names: Mapping[str, object], lengths: list[int]
) -> Iterator[tuple[tuple[str, float], int]]:
    """Every term that can be read at a place, and where it ends. After the first one an operator must come."""
    sign, place = 1.0, start
    for signs in range(3 if start else 2):
        if signs:
            operator = _OPERATOR.match(text, place)
            if operator is None:
                return
            place = operator.end()
            sign = -sign if operator[1] == "-" else sign
        if start and not signs:
            continue
        for name in _names_at(text, place, names, lengths):
            yield (name, sign), place + len(name)
        number = _NUMBER.match(text, place)
        if number is not None:
            times = _TIMES.match(text, number.end())
            after = times.end() if times else number.end()
            for name in _names_at(text, after, names, lengths):
                yield (name, sign * float(number[0])), after + len(name)


def _names_at(text: str, place: int, names: Mapping[str, object], lengths: list[int]) -> Iterator[str]:
    for length in lengths:
        if text[place : place + length] in names and place + length <= len(text):
            yield text[place : place + length]


def _out_of_range(name: str, coefficient: float) -> ActionError:
    return ActionError(f"the coefficient {coefficient:g} of {name!r} must be from {SMALLEST:g} to {LARGEST:g} in size")


def _quote(text: str) -> str:
    return repr(text if len(text) <= 60 else text[:57] + "...")
