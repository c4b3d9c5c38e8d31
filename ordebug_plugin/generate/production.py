"""Small production plans, and the faults that make them infeasible.

A plan makes products from scarce resources at least cost: capacity rows, demand rows, and for some an equality
between two products or a setup decision (a binary with its own row). Every plan is drawn around a point that
satisfies it. Rows are called by their role here; `benchmark` gives them neutral names.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from ordebug_plugin.actions import Action, ActionKind
from ordebug_plugin.generate.model import Column, LinearModel, Row, Sense


@dataclass(frozen=True)
class Fault:
    """A broken model and how to undo it.

    Attributes:
        model: The model after the fault.
        rows: The culprit rows.
        variables: The culprit variables.
        added_rows: Those of `rows` that were not there before.
        fix: The action that undoes it.
    """

    model: LinearModel
    rows: tuple[str, ...]
    variables: tuple[str, ...]
    added_rows: tuple[str, ...]
    fix: Action


def draw_plan(rng: random.Random) -> LinearModel:
    """Draws a feasible plan with 5 to 13 rows."""
    products = [f"make_{j}" for j in range(rng.randint(3, 6))]
    amounts = {name: rng.randint(5, 60) for name in products}  # the point that satisfies every row
    columns = [Column(name, cost=float(rng.randint(2, 40))) for name in products]
    rows = []
    for k in range(rng.randint(2, 4)):
        users = rng.sample(products, rng.randint(2, min(4, len(products))))
        terms = tuple((name, float(rng.randint(1, 9))) for name in users)
        used = sum(value * amounts[name] for name, value in terms)
        rows.append(Row(f"capacity_{k}", Sense.AT_MOST, terms, _round(used * rng.uniform(1.05, 1.6))))
    for k in range(rng.randint(2, 4)):
        group = rng.sample(products, rng.randint(1, 2))
        asked = sum(amounts[name] for name in group) * rng.uniform(0.5, 0.95)
        rows.append(Row(f"demand_{k}", Sense.AT_LEAST, tuple((name, 1.0) for name in group), _round(asked)))
    first, second = rng.sample(products, 2)
    if rng.random() < 0.5:  # a recipe: two products in a fixed proportion
        terms = ((first, float(amounts[second])), (second, -float(amounts[first])))
        rows.append(Row("recipe_0", Sense.EQUAL, terms, 0.0))
    for k, name in enumerate(rng.sample(products, rng.randint(0, 2))):
        # A setup decision; sized above the amount, so the plan stays feasible with it switched on.
        columns.append(Column(f"setup_{k}", cost=float(rng.randint(20, 200)), upper=1.0, integer=True))
        rows.append(Row(f"switch_{k}", Sense.AT_MOST, ((name, 1.0), (f"setup_{k}", -2.0 * amounts[name])), 0.0))
    for k, column in enumerate(columns):
        if not column.integer and rng.random() < 0.6:
            columns[k] = replace(column, upper=_round(amounts[column.name] * rng.uniform(1.2, 3.0)))
    need = Row("total_0", Sense.AT_LEAST, tuple((name, 1.0) for name in products), _round(0.7 * sum(amounts.values())))
    return LinearModel((*rows, need), tuple(columns))


def _round(value: float) -> float:
    return max(1.0, float(round(value)))


def _pick_row(rng: random.Random, model: LinearModel, *roles: str) -> Row:
    return rng.choice([row for row in model.rows if row.name.startswith(roles)])


def _unit_error(rng: random.Random, model: LinearModel) -> Fault:
    """A demand entered in the wrong unit."""
    row = _pick_row(rng, model, "demand", "total")
    broken = replace(row, rhs=row.rhs * rng.choice((10.0, 100.0, 1000.0)))
    return Fault(model.with_row(broken), (row.name,), (), (), Action(ActionKind.UPDATE_RHS, row.name, (row.rhs,)))


def _capacity_cut(rng: random.Random, model: LinearModel) -> Fault:
    """A capacity that lost a digit or two."""
    row = _pick_row(rng, model, "capacity")
    broken = replace(row, rhs=_round(row.rhs / rng.choice((10.0, 20.0, 100.0))))
    return Fault(model.with_row(broken), (row.name,), (), (), Action(ActionKind.UPDATE_RHS, row.name, (row.rhs,)))


def _contradiction(rng: random.Random, model: LinearModel) -> Fault:
    """A new row that forbids what another one asks for."""
    row = _pick_row(rng, model, "demand", "total", "capacity")
    opposite, factor = {
        Sense.AT_LEAST: (Sense.AT_MOST, rng.uniform(0.2, 0.8)),
        Sense.AT_MOST: (Sense.AT_LEAST, rng.uniform(1.2, 3.0)),
    }[row.sense]
    name = f"extra_{len(model.rows)}"
    extra = Row(name, opposite, row.terms, _round(row.rhs * factor))
    broken = replace(model, rows=(*model.rows, extra))
    return Fault(broken, (name,), (), (name,), Action(ActionKind.DROP_CONSTRAINT, name))


def _bound_error(rng: random.Random, model: LinearModel) -> Fault:
    """A bound that is far too tight: a tiny upper one, or a huge lower one."""
    column = rng.choice([column for column in model.columns if not column.integer])
    if rng.random() < 0.5:
        broken = replace(column, upper=float(rng.randint(0, 2)))
    else:
        low = float(rng.randint(300, 2000))
        broken = replace(column, lower=low, upper=max(column.upper, low))
    fix = Action(ActionKind.UPDATE_BOUNDS, column.name, (column.lower, column.upper))
    return Fault(model.with_column(broken), (), (column.name,), (), fix)


FAULTS: Mapping[str, Callable[[random.Random, LinearModel], Fault]] = {
    "unit": _unit_error,
    "capacity": _capacity_cut,
    "contradiction": _contradiction,
    "bound": _bound_error,
}
