"""A draft in the making: elements with what is written about them, and how lists read in a sentence."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace

from ordebug_plugin.generate.family import Draft, number
from ordebug_plugin.generate.model import Column, LinearModel, Row

# Share of the variables that have a rule of their own, and the smallest plan that leaves room for one.
_RULED = 0.15
_LEAST_RULED = 3
# Share of the limits of three digits and more that are round.
_ROUND = 0.3


@dataclass
class Sheet:
    """Collects rows and columns, each with one of several ways to say it.

    Attributes:
        rng: Chooses the wording.
    """

    rng: random.Random
    _rows: list[Row] = field(default_factory=list)
    _columns: list[Column] = field(default_factory=list)
    _statements: dict[str, str] = field(default_factory=dict)

    def add(self, element: Row | Column, *phrasings: str) -> None:
        """Takes an element, all its numbers as floats, and one of the phrasings as its statement."""
        if isinstance(element, Row):
            terms = tuple((name, float(value)) for name, value in element.terms)
            self._rows.append(replace(element, terms=terms, rhs=float(element.rhs)))
        else:
            cost, lower, upper = float(element.cost), float(element.lower), float(element.upper)
            self._columns.append(replace(element, cost=cost, lower=lower, upper=upper))
        self._statements[element.name] = self.rng.choice(phrasings)

    def add_planned(self, column: Column, planned: float, *phrasings: str) -> None:
        """Takes a variable; some have a rule of their own, which the plan keeps.

        A minimum, a maximum or a settled value is thus no sign of a fault.

        Args:
            column: The variable.
            planned: Its value in the plan that the model is drawn around.
            phrasings: Ways to say what holds without such a rule; one is taken, and the rule added.
        """
        column, rule = self._ruled(column, planned) if self.rng.random() < _RULED else (column, "")
        self.add(column, *(f"{phrasing}{rule}" for phrasing in phrasings))

    def _ruled(self, column: Column, planned: float) -> tuple[Column, str]:
        """The variable with a rule of its own, and the sentence that says so."""
        rng = self.rng
        least, most = column.lower, column.upper
        kind = rng.choice(("exactly", "range", "most", "least", "least"))
        if column.integer and most <= 1:
            least = most = round(planned)
        elif planned < _LEAST_RULED:
            return column, ""
        elif kind == "exactly" and planned == round(planned) and least <= planned <= most:
            least = most = planned
        else:
            if kind in ("least", "range"):
                least = max(least, below(planned, rng, 0.3 if kind == "least" else 0.85, 1.0))
            if kind in ("most", "range"):
                most = min(most, above(planned, rng, 1.0, 1.1))
        if least == most:
            rule = f"exactly {number(least)}"
        else:
            limits = [f"at least {number(least)}"] * (least > column.lower) + [f"at most {number(most)}"] * (
                most < column.upper
            )
            if not limits:
                return column, ""
            rule = " and ".join(limits)
        start = rng.choice(("In this case it is", "It has been agreed to be", "Here it is"))
        return replace(column, lower=least, upper=most), f" {start} {rule}."

    def draft(self, overview: str) -> Draft:
        """What was collected, in the order in which it came."""
        return Draft(LinearModel(tuple(self._rows), tuple(self._columns)), overview, self._statements)


def listed(parts: Iterable[str]) -> str:
    """Parts as a sentence lists them: ``a, b and c``."""
    *rest, last = parts
    return f"{', '.join(rest)} and {last}" if rest else last


def each(names: Iterable[str], coefficient: float = 1.0) -> tuple[tuple[str, float], ...]:
    """Terms of a row in which all of these variables have one coefficient."""
    return tuple((name, coefficient) for name in names)


def total(names: Iterable[str]) -> str:
    """A sum of variables: ``{a} + {b}``."""
    return " + ".join(f"{{{name}}}" for name in names)


def weighed(terms: Mapping[str, float]) -> str:
    """What each variable takes or gives, without signs: ``3 for {a}, 1 for {b} and 2 for {c}``."""
    return listed(f"{number(abs(value))} for {{{name}}}" for name, value in terms.items())


def counted(amount: int, unit: str) -> str:
    """An amount and its unit: ``1 hour``, ``5 hours``."""
    return f"{amount} {unit}" if amount == 1 else f"{amount} {unit}s"


def capital(text: str) -> str:
    """The text with its first letter large."""
    return text[0].upper() + text[1:]


def above(value: float, rng: random.Random, least: float, most: float) -> int:
    """A whole number a little above a value, so that a plan that uses the value stays within it; some are round."""
    return _round(math.ceil, round(value * rng.uniform(least, most), 6), rng)


def below(value: float, rng: random.Random, least: float, most: float) -> int:
    """A whole number a little below a value, so that a plan that reaches the value satisfies it; some are round."""
    return _round(math.floor, round(value * rng.uniform(least, most), 6), rng)


def _round(whole: Callable[[float], int], value: float, rng: random.Random) -> int:
    """Some limits are round numbers, to two digits, as people like them: so a round number is no sign of a fault."""
    digits = len(str(math.floor(abs(value))))
    step = 10 ** (digits - 2) if digits > 2 and rng.random() < _ROUND else 1  # two digits stay
    return step * whole(value / step)
