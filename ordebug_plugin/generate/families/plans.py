"""Small production plans with gross faults, for tiny language models: no specification is needed to find them.

A plan makes products from scarce resources at least cost: capacity rows, demand rows, and for some an equality
between two products or a setup decision (a binary with its own row). Every plan is drawn around a point that
satisfies it. The faults are so gross that a row or a bound shows them by its own numbers.
"""

from __future__ import annotations

import math
import random
from dataclasses import replace

from ordebug_plugin.generate.family import Draft, Family, Size, number
from ordebug_plugin.generate.faults import Fault
from ordebug_plugin.generate.model import Column, LinearModel, Row, Sense
from ordebug_plugin.generate.sheet import capital
from ordebug_plugin.generate.slips import Slip
from ordebug_plugin.generate.themes import Theme

_SENSES = {Sense.AT_MOST: "at most", Sense.AT_LEAST: "at least", Sense.EQUAL: "exactly"}


def draw(rng: random.Random, size: Size, theme: Theme) -> Draft:  # there is one size
    """Draws a feasible plan with 5 to 13 rows."""
    products = [f"make_{j}" for j in range(rng.randint(3, 6))]
    amounts = {name: rng.randint(5, 60) for name in products}  # the point that satisfies every row
    columns = [Column(name, cost=float(rng.randint(2, 40)), role="make") for name in products]
    rows = []
    for k in range(rng.randint(2, 4)):
        users = rng.sample(products, rng.randint(2, min(4, len(products))))
        terms = tuple((name, float(rng.randint(1, 9))) for name in users)
        used = sum(value * amounts[name] for name, value in terms)
        rhs = _round(used * rng.uniform(1.05, 1.6))
        rows.append(Row(f"capacity_{k}", Sense.AT_MOST, terms, rhs, "capacity"))
    for k in range(rng.randint(2, 4)):
        group = rng.sample(products, rng.randint(1, 2))
        asked = sum(amounts[name] for name in group) * rng.uniform(0.5, 0.95)
        terms = tuple((name, 1.0) for name in group)
        rows.append(Row(f"demand_{k}", Sense.AT_LEAST, terms, _round(asked), "demand"))
    first, second = rng.sample(products, 2)
    if rng.random() < 0.5:  # a recipe: two products in a fixed proportion
        terms = ((first, float(amounts[second])), (second, -float(amounts[first])))
        rows.append(Row("recipe_0", Sense.EQUAL, terms, 0.0, "recipe"))
    for k, name in enumerate(rng.sample(products, rng.randint(0, 2))):
        # A setup decision; sized above the amount, so the plan stays feasible with it switched on.
        columns.append(Column(f"setup_{k}", float(rng.randint(20, 200)), upper=1.0, integer=True, role="setup"))
        terms = ((name, 1.0), (f"setup_{k}", -2.0 * amounts[name]))
        rows.append(Row(f"switch_{k}", Sense.AT_MOST, terms, 0.0, "switch", big_m=f"setup_{k}"))
    for k, column in enumerate(columns):
        if not column.integer and rng.random() < 0.6:
            columns[k] = replace(column, upper=_round(amounts[column.name] * rng.uniform(1.2, 3.0)))
    total = _round(0.7 * sum(amounts.values()))
    rows.append(Row("total_0", Sense.AT_LEAST, tuple((name, 1.0) for name in products), total, "total"))
    statements = {row.name: _row_statement(row) for row in rows}
    statements |= {column.name: _column_statement(column) for column in columns}
    overview = f"{capital(theme.firm)} plans its production at the least cost."
    return Draft(LinearModel(tuple(rows), tuple(columns)), overview, statements)


def _row_statement(row: Row) -> str:
    parts = " plus ".join(f"{number(value)} times {{{name}}}" for name, value in row.terms)
    return f"The {row.role} rule: {parts} is {_SENSES[row.sense]} {number(row.rhs)}."


def _column_statement(column: Column) -> str:
    if column.integer:
        return "Whether the machine is set up, yes or no."
    limit = "" if math.isinf(column.upper) else f", at most {number(column.upper)}"
    return f"Units of a product made, at least 0{limit}."


def _round(value: float) -> float:
    return max(1.0, float(round(value)))


def _pick_row(rng: random.Random, model: LinearModel, *roles: str) -> Row:
    return rng.choice([row for row in model.rows if row.role in roles])


def _unit_error(rng: random.Random, model: LinearModel) -> LinearModel:
    """A demand entered in the wrong unit."""
    row = _pick_row(rng, model, "demand", "total")
    return model.with_row(replace(row, rhs=row.rhs * rng.choice((10.0, 100.0, 1000.0))))


def _capacity_cut(rng: random.Random, model: LinearModel) -> LinearModel:
    """A capacity that lost a digit or two."""
    row = _pick_row(rng, model, "capacity")
    return model.with_row(replace(row, rhs=_round(row.rhs / rng.choice((10.0, 20.0, 100.0)))))


def _contradiction(rng: random.Random, model: LinearModel) -> LinearModel:
    """A new row that forbids what another one asks for."""
    row = _pick_row(rng, model, "demand", "total", "capacity")
    opposite, factor = {
        Sense.AT_LEAST: (Sense.AT_MOST, rng.uniform(0.2, 0.8)),
        Sense.AT_MOST: (Sense.AT_LEAST, rng.uniform(1.2, 3.0)),
    }[row.sense]
    extra = Row(f"extra_{len(model.rows)}", opposite, row.terms, _round(row.rhs * factor), row.role)
    return replace(model, rows=(*model.rows, extra))


def _bound_error(rng: random.Random, model: LinearModel) -> LinearModel:
    """A bound that is far too tight: a tiny upper one, or a huge lower one."""
    column = rng.choice([column for column in model.columns if not column.integer])
    if rng.random() < 0.5:
        broken = replace(column, upper=float(rng.randint(0, 2)))
    else:
        low = float(rng.randint(300, 2000))
        broken = replace(column, lower=low, upper=max(column.upper, low))
    return model.with_column(broken)


_SLIPS: tuple[Slip, ...] = (_bound_error, _capacity_cut, _contradiction, _unit_error)


def _two(rng: random.Random, model: LinearModel) -> LinearModel | None:
    first, second = rng.sample(_SLIPS, 2)
    broken = first(rng, model)
    return None if broken is None else second(rng, broken)


FAMILY = Family(
    "plans",
    "small plans whose gross faults show in the numbers of a row alone, for tiny language models",
    draw,
    sizes=(Size.SMALL,),
    faults=(
        Fault("bound", "a bound far too tight", _bound_error),
        Fault("capacity", "a capacity that lost a digit or two", _capacity_cut),
        Fault("contradiction", "a row that forbids what another one asks for", _contradiction),
        Fault("demand", "a demand ten times too large or more", _unit_error),
        Fault("double", "two of these", _two),
    ),
    plain=True,
)
