"""A model file of somebody else as plain data, so that faults can be put into it."""

from __future__ import annotations

import math
import re

from ordebug_plugin.edits import Interval
from ordebug_plugin.errors import ProblemError
from ordebug_plugin.generate.model import Column, LinearModel, Row, Sense
from ordebug_plugin.linear import Terms
from ordebug_plugin.problem import Problem
from ordebug_plugin.solver import Judge

_WORDS_AND_NUMBERS = re.compile(r"\d+|[^\W\d_]+")
# A free row asks for nothing; Gurobi takes this side for infinite, and so does every reader of MPS.
_NO_SIDE = 1e30


def read_linear_model(judge: Judge, problem: Problem) -> LinearModel:
    """Reads a model; a maximisation becomes the minimisation of the negative.

    Raises:
        ProblemError: The file cannot be read, the model is not linear, or a name cannot be written in a free MPS file.
        SolverError: Gurobi failed.
    """
    shape, outline = judge.shape(problem), judge.outline(problem)
    if outline.beyond:
        raise ProblemError(
            f"{problem.path}: only linear models can be broken, this one has {', '.join(outline.beyond)}"
        )
    for name in (*shape.rows, *shape.variables):
        if not name or any(character.isspace() for character in name) or name.startswith(("$", "*")):
            raise ProblemError(f"{problem.path}: the name {name!r} cannot be written to an MPS file: rename it")
    both = set(shape.rows) & set(shape.variables)
    if both:
        raise ProblemError(f"{problem.path}: a row and a variable are both called {min(both)!r}: rename one")
    sign = -1.0 if outline.maximize else 1.0
    columns = []
    for name, bounds in shape.variables.items():
        binary = name in shape.binaries
        low, high = (max(bounds.lower, 0.0), min(bounds.upper, 1.0)) if binary else (bounds.lower, bounds.upper)
        role, index = _parts(name)
        cost = sign * outline.costs.get(name, 0.0)
        columns.append(Column(name, cost, low, high, binary or name in shape.integers, role, index))
    rows = tuple(_row(name, interval, shape.terms[name]) for name, interval in shape.rows.items())
    return LinearModel(rows, tuple(columns), sign * outline.constant)


def _row(name: str, interval: Interval, terms: Terms) -> Row:
    role = _parts(name)[0]
    if interval.lower == interval.upper:
        return Row(name, Sense.EQUAL, terms, interval.upper, role)
    if math.isinf(interval.lower):
        return Row(name, Sense.AT_MOST, terms, min(interval.upper, _NO_SIDE), role)
    if math.isinf(interval.upper):
        return Row(name, Sense.AT_LEAST, terms, interval.lower, role)
    return Row(name, Sense.AT_MOST, terms, interval.upper, role, span=interval.upper - interval.lower)


def _parts(name: str) -> tuple[str, tuple[str | int, ...]]:
    """``ship[Lyon,3]`` is a ship of Lyon and 3: the first word is the role, the rest the index."""
    parts = _WORDS_AND_NUMBERS.findall(name)
    if not parts:
        return name, ()
    role = parts[0] if not parts[0].isdecimal() else ""
    rest = parts[1:] if role else parts
    # A word where another name has a number is no index that could be mistaken for it.
    return f"{role}/{''.join('n' if part.isdecimal() else 'w' for part in rest)}" if rest else role, tuple(
        int(part) if part.isdecimal() else part for part in rest
    )
