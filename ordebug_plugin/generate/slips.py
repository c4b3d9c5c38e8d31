"""What can go wrong with one element of a model: each slip makes another model of a feasible one.

A slip is what a person does who builds the model from its specification: reads a number in the wrong unit, turns a
sense around, takes the neighbour's index. Whether the result is infeasible, and which action undoes it, is not said
here: the solver finds the one out, and the difference of the two models is the other (`undo`).
"""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

from ordebug_plugin.generate.model import Column, LinearModel, Row, Sense

T = TypeVar("T")
# None where the model has nothing that the slip could happen to.
Slip = Callable[[random.Random, LinearModel], LinearModel | None]

_OPPOSITE = {Sense.AT_MOST: Sense.AT_LEAST, Sense.AT_LEAST: Sense.AT_MOST}


def flip_sense(rng: random.Random, model: LinearModel) -> LinearModel | None:
    """At most becomes at least, or the other way round."""
    row = _pick(rng, [row for row in model.plain_rows if row.sense in _OPPOSITE])
    return None if row is None else model.with_row(replace(row, sense=_OPPOSITE[row.sense]))


def lower_upper_bound(rng: random.Random, model: LinearModel) -> LinearModel | None:
    """A variable may be less than it should: its limit lost a digit, or a count was declared as a yes or no."""
    column = _pick(rng, [column for column in model.columns if column.upper > max(0.0, column.lower)])
    if column is None:
        return None
    if column.integer and column.upper <= 1:
        upper = 0.0
    elif column.integer and column.upper < math.inf and rng.random() < 0.5:
        upper = 1.0
    else:
        most = min(column.upper, _reach(rng, model, column))
        upper = like(column.upper if column.upper < math.inf else 0.0, most * rng.choice((0.1, 0.2, 0.3, 0.5, 0.8)))
    # At its lower bound it would be fixed, and below it in conflict with that alone.
    return model.with_column(replace(column, upper=upper)) if upper > column.lower or upper == 0 else None


def raise_lower_bound(rng: random.Random, model: LinearModel) -> LinearModel | None:
    """A variable must be more than it can: somebody's minimum was entered as a bound."""
    column = _pick(rng, [column for column in model.columns if column.upper > max(0.0, column.lower)])
    if column is None:
        return None
    if column.integer and column.upper <= 1:
        return model.with_column(replace(column, lower=1.0))
    if column.upper == math.inf:
        lower = like(0.0, _reach(rng, model, column) * rng.uniform(0.6, 1.6))
    else:
        lower = like(column.upper, column.upper * rng.uniform(0.3, 0.95))
    if column.integer:
        lower = float(math.ceil(lower))
    # At its upper bound it would be fixed, and above it in conflict with that alone.
    return model.with_column(replace(column, lower=lower)) if column.lower < lower < column.upper else None


def change_coefficient(rng: random.Random, model: LinearModel) -> LinearModel | None:
    """A coefficient is wrong: another unit, a lost sign, digits turned around; or it was left out."""
    row = _pick(rng, [row for row in model.plain_rows if len(row.terms) > 1])
    if row is None:
        return None
    place = rng.choice([place for place, (name, _) in enumerate(row.terms) if name != row.big_m])
    name, value = row.terms[place]
    if rng.random() < 0.25:
        return model.with_row(replace(row, terms=row.terms[:place] + row.terms[place + 1 :]))
    factor = rng.choice((10.0, 0.1, float(rng.randint(2, 5))))
    changed = rng.choice((like(value, value * factor), -value, _turned(value)))
    return model.with_row(_with_term(row, place, name, changed))


def contradict(rng: random.Random, model: LinearModel) -> LinearModel | None:
    """A row too many: a rule over the sum of several rows of one kind, or a stricter copy of one."""
    kinds: dict[tuple[str, Sense], list[Row]] = {}
    for row in model.plain_rows:
        if row.sense in _OPPOSITE and row.rhs > 0:
            kinds.setdefault((row.role, row.sense), []).append(row)
    group = _pick(rng, list(kinds.values()))
    if group is None:
        return None
    asks = group[0].sense is Sense.AT_LEAST
    if len(group) == 1 or rng.random() < 0.5:
        one = rng.choice(group)
        rhs = like(one.rhs, one.rhs * (rng.uniform(1.2, 2.5) if asks else rng.uniform(0.3, 0.85)))
        extra = replace(one, name=_next_name(model, one.role), rhs=rhs, big_m=None)
        return replace(model, rows=(*model.rows, extra))
    rows = rng.sample(group, min(len(group), rng.randint(2, 4)))
    total: dict[str, float] = {}
    for row in rows:
        for name, value in row.terms:
            total[name] = total.get(name, 0.0) + value
    side = sum(row.rhs for row in rows)
    rhs = like(rows[0].rhs, side * (rng.uniform(0.3, 0.9) if asks else rng.uniform(1.1, 2.5)))
    terms = tuple((name, value) for name, value in ((name, round(value, 6)) for name, value in total.items()) if value)
    extra = Row(_next_name(model, rows[0].role), _OPPOSITE[rows[0].sense], terms, rhs, rows[0].role)
    return replace(model, rows=(*model.rows, extra)) if terms else None


def mistake_unit(rng: random.Random, model: LinearModel) -> LinearModel | None:
    """The right-hand side is in the wrong unit: ten, a hundred or a thousand times too much, or too little."""
    row = _pick(rng, [row for row in model.plain_rows if row.rhs])
    if row is None:
        return None
    factor = rng.choice((10.0, 10.0, 100.0, 1000.0, 0.1, 0.1, 0.01))
    return model.with_row(replace(row, rhs=like(row.rhs, row.rhs * factor)))


def count_twice(rng: random.Random, model: LinearModel) -> LinearModel | None:
    """What is asked for was counted twice."""
    row = _pick(rng, [row for row in model.plain_rows if row.sense is not Sense.AT_MOST and row.rhs > 0])
    return None if row is None else model.with_row(replace(row, rhs=row.rhs * 2))


def swap_indices(rng: random.Random, model: LinearModel) -> LinearModel | None:
    """A row has another variable of the same kind in place of its own, or two of its coefficients in each other's."""
    row = _pick(rng, [row for row in model.plain_rows if len(row.terms) > 1])
    if row is None:
        return None
    if rng.random() < 0.4:
        one, two = rng.sample(range(len(row.terms)), 2)
        terms = list(row.terms)
        (first, a), (second, b) = terms[one], terms[two]
        terms[one], terms[two] = (first, b), (second, a)
        return model.with_row(replace(row, terms=tuple(terms)))
    return _take_other(rng, model, row, _differ_in_word)


def mistake_period(rng: random.Random, model: LinearModel) -> LinearModel | None:
    """A row has a variable of the period before or after in place of its own."""
    timed = {column.name for column in model.columns if any(isinstance(part, int) for part in column.index)}
    row = _pick(rng, [row for row in model.plain_rows if any(name in timed for name, _ in row.terms)])
    return None if row is None else _take_other(rng, model, row, _differ_in_period)


def shrink_big_m(rng: random.Random, model: LinearModel) -> LinearModel | None:
    """A big-M that is too small to switch its row off."""
    row = _pick(rng, [row for row in model.plain_rows if row.big_m is not None])
    if row is None:
        return None
    place = next(place for place, (name, _) in enumerate(row.terms) if name == row.big_m)
    name, value = row.terms[place]
    return model.with_row(_with_term(row, place, name, like(value, value * rng.choice((0.1, 0.2, 0.3, 0.5)))))


def _next_name(model: LinearModel, role: str) -> str:
    taken = set(model.names)
    return next(name for name in (f"{role}{count}" for count in itertools.count(1)) if name not in taken)


def _pick(rng: random.Random, items: list[T]) -> T | None:
    return rng.choice(items) if items else None


def like(old: float, value: float) -> float:
    """A number with as many decimals as the one in whose place it stands, and not 0: its digits must not tell."""
    decimals = len(f"{old:.10g}".partition(".")[2])
    rounded = round(value, decimals)
    return rounded or math.copysign(10.0**-decimals, value)


def _turned(value: float) -> float:
    """The digits before the point the other way round: 37 becomes 73."""
    whole = str(abs(int(value)))
    return math.copysign(float(whole[::-1]) or 1.0, value)


def _reach(rng: random.Random, model: LinearModel, column: Column) -> float:
    """What the variable could be as far as one of its rows goes, or its upper bound."""
    if column.upper < math.inf:
        return column.upper
    ends = [abs(row.rhs / value) for row in model.rows for name, value in row.terms if name == column.name and row.rhs]
    return rng.choice(ends) if ends else 10.0


def _with_term(row: Row, place: int, name: str, value: float) -> Row:
    return replace(row, terms=(*row.terms[:place], (name, value), *row.terms[place + 1 :]))


def _take_other(
    rng: random.Random, model: LinearModel, row: Row, differ: Callable[[Column, Column], bool]
) -> LinearModel | None:
    columns = {column.name: column for column in model.columns}
    taken = {name for name, _ in row.terms}
    choices = [
        (place, other.name)
        for place, (name, _) in enumerate(row.terms)
        if name != row.big_m
        for other in model.columns
        if other.name not in taken and other.role == columns[name].role and differ(columns[name], other)
    ]
    if not choices:
        return None
    place, name = rng.choice(choices)
    return model.with_row(_with_term(row, place, name, row.terms[place][1]))


def _differ_in_word(one: Column, other: Column) -> bool:
    """The same period, another thing."""
    pairs = list(zip(one.index, other.index, strict=True))
    return one.index != other.index and all(a == b for a, b in pairs if isinstance(a, int))


def _differ_in_period(one: Column, other: Column) -> bool:
    """The same thing, one period before or after."""
    pairs = list(zip(one.index, other.index, strict=True))
    apart = [abs(a - b) for a, b in pairs if isinstance(a, int) and isinstance(b, int) and a != b]
    return apart == [1] and all(a == b for a, b in pairs if isinstance(a, str))
