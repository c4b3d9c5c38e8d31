"""Two models compared by names: what an edit can say of it, and what is another model beyond that."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from ordebug_plugin.edits import NO_EDITS, Edits, Shape, edits_between, effective
from ordebug_plugin.interval import Interval, same_sides
from ordebug_plugin.linear import SAME, Terms, render_sides, render_sum, short
from ordebug_plugin.outline import Outline
from ordebug_plugin.problem import Problem
from ordebug_plugin.solver import Judge


@dataclass(frozen=True)
class Change:
    """One element that is another in the second model.

    Attributes:
        what: ``row``, ``bounds``, ``type``, ``variable``, ``objective`` or ``other``.
        name: Of the element; of what is not linear, with the kind before it.
        before: What the first model says; None where it has no such element.
        after: What the second one says; None where it has none, or a row has no effect there any more.
        sides: The sides alone, before and after, where nothing else changed.
    """

    what: str
    name: str
    before: str | None
    after: str | None
    sides: tuple[str, str] | None = None


@dataclass(frozen=True)
class Content:
    """All that a model file says.

    Attributes:
        shape: Its rows and variables.
        outline: Its objective.
        others: What it holds beside these, in words (`Judge.others`).
    """

    shape: Shape
    outline: Outline
    others: Mapping[str, str]


@dataclass(frozen=True)
class Difference:
    """What must be done to the first model to get the second.

    Attributes:
        edits: The part that actions could do, to rows and bounds that the first model has.
        edited: These changes, in the order of the model.
        drifted: The other changes: rows and variables that came or went, types, the objective, what is not linear.
        shared_rows: Number of rows that both have.
    """

    edits: Edits = NO_EDITS
    edited: tuple[Change, ...] = ()
    drifted: tuple[Change, ...] = ()
    shared_rows: int = 0

    @property
    def changes(self) -> tuple[Change, ...]:
        """All of them."""
        return self.edited + self.drifted

    def drift_of(self, *what: str) -> tuple[Change, ...]:
        """The drifted changes of some kinds."""
        return tuple(change for change in self.drifted if change.what in what)


def content(judge: Judge, problem: Problem) -> Content:
    """Reads all that a model file says.

    Raises:
        ProblemError: Gurobi cannot read it.
    """
    return Content(judge.shape(problem), judge.outline(problem), judge.others(problem))


def compare(first: Content, second: Content) -> Difference:
    """What must be done to the first model to get the second, both by the names of their rows and variables."""
    old, new = first.shape, second.shape
    rows = {name: (new.terms[name], interval) for name, interval in new.rows.items() if name in old.rows}
    types, bounds = _types(old, new)
    edits = edits_between(old, rows, bounds)
    drifted = (
        *(Change("row", name, None, row_text(new, NO_EDITS, name)) for name in new.rows if name not in old.rows),
        *(Change("variable", name, None, kind(new, name)) for name in new.variables if name not in old.variables),
        *(Change("variable", name, kind(old, name), None) for name in old.variables if name not in new.variables),
        *types,
        *_objective(first.outline, second.outline),
        *_mapping(first.others, second.others),
    )
    return Difference(edits, edited(old, edits), drifted, len(rows))


def kept_rows(old: Shape, new: Shape) -> int:
    """How many rows of the first model are in the second, by name.

    Names alone say little, for many models have a row ``c1``: more than half of the terms must be the same, up to a
    common factor. Sides do not matter, nor does a row that was rewritten a little.
    """
    return sum(name in new.terms and _alike(terms, new.terms[name]) for name, terms in old.terms.items())


def _alike(one: Terms, other: Terms) -> bool:
    theirs = dict(other)
    factors = sorted(theirs[name] / value for name, value in one if value and theirs.get(name))
    # Factors that agree stand side by side; the longest run of them is the common part.
    longest = run = 0
    for place, factor in enumerate(factors):
        run = run + 1 if place and math.isclose(factor, factors[place - 1], rel_tol=SAME) else 1
        longest = max(longest, run)
    return 2 * longest > max(len(one), len(other)) or not (one or other)


def edited(shape: Shape, edits: Edits) -> tuple[Change, ...]:
    """What edits change, before and after, in the order of the model."""
    names, bounds, gone = set(edits.changed_rows), dict(edits.variables), edits.dropped()
    changes = []
    for name in shape.rows:
        if name not in names:
            continue
        after = None if name in gone else row_text(shape, edits, name)
        kept = after is not None and name not in edits.rewritten
        sides = (_sides(shape.rows[name]), _sides(edits.row(shape, name))) if kept else None
        changes.append(Change("row", name, row_text(shape, NO_EDITS, name), after, sides))
    for name in shape.variables:
        if name in bounds:
            sides = (_sides(shape.variables[name]), _sides(bounds[name]))
            changes.append(Change("bounds", name, kind(shape, name), bounds_text(shape, edits, name), sides))
    return tuple(changes)


def row_text(shape: Shape, edits: Edits, name: str, most: int | None = None) -> str:
    """A row under edits: ``3 x + 2 y <= 40``; of long ones only `most` terms, the others counted."""
    return f"{render_sum(edits.terms(shape, name), short, most)} {_sides(edits.row(shape, name))}"


def bounds_text(shape: Shape, edits: Edits, name: str) -> str:
    """What a variable may be: ``x in [0, 50]``, ``x integer >= 0``, ``x binary``."""
    bounds = edits.variable(shape, name)
    if name in shape.binaries and bounds == Interval(0.0, 1.0):
        return f"{name} binary"
    whole = "integer " if name in shape.binaries | shape.integers else ""
    return f"{name} {whole}{_sides(bounds)}"


def _sides(interval: Interval) -> str:
    return "free" if interval.is_free else render_sides(interval.lower, interval.upper, short)


def kind(shape: Shape, name: str) -> str:
    """A variable's bounds and type."""
    return bounds_text(shape, NO_EDITS, name)


def _types(old: Shape, new: Shape) -> tuple[list[Change], dict[str, Interval]]:
    """Variables of another type; and the bounds of those of the same type that have others.

    A whole variable within 0 and 1 is a binary, by whatever name.
    """
    types, bounds = [], {}
    for name in old.variables:
        if name not in new.variables:
            continue
        was, now = (name in shape.binaries | shape.integers for shape in (old, new))
        before, after = (effective(shape, name, shape.variables[name]) for shape in (old, new))
        if was != now or (name in old.binaries and (after.lower < 0 or after.upper > 1)):
            types.append(Change("type", name, kind(old, name), kind(new, name)))
        elif not same_sides(after, before):
            bounds[name] = after
    return types, bounds


def _objective(old: Outline, new: Outline) -> list[Change]:
    changes = []
    if old.maximize != new.maximize:
        before, after = ("maximize" if outline.maximize else "minimize" for outline in (old, new))
        changes.append(Change("objective", "direction", before, after))
    if not math.isclose(old.constant, new.constant, rel_tol=SAME):
        changes.append(Change("objective", "constant", short(old.constant), short(new.constant)))
    for name in {**old.costs, **new.costs}:
        was, now = old.costs.get(name, 0.0), new.costs.get(name, 0.0)
        if not math.isclose(was, now, rel_tol=SAME):
            changes.append(Change("objective", name, short(was), short(now)))
    return changes


def _mapping(old: Mapping[str, str], new: Mapping[str, str]) -> list[Change]:
    names = [name for name in {**old, **new} if old.get(name) != new.get(name)]
    # What is said of the objective belongs to it.
    return [
        Change("objective" if "objective" in name or "cost of" in name else "other", name, old.get(name), new.get(name))
        for name in names
    ]
