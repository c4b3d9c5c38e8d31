"""A draft in the making: elements with what is written about them, and how lists read in a sentence."""

from __future__ import annotations

import math
import random
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from ordebug_plugin.generate.family import Draft, number
from ordebug_plugin.generate.model import Column, LinearModel, Row


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
    """A whole number a little above a value, so that a plan that uses the value stays within it."""
    return math.ceil(round(value * rng.uniform(least, most), 6))


def below(value: float, rng: random.Random, least: float, most: float) -> int:
    """A whole number a little below a value, so that a plan that reaches the value satisfies it."""
    return math.floor(round(value * rng.uniform(least, most), 6))
