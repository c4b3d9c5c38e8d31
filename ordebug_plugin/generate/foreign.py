"""A model file of somebody else as plain data, so that faults can be put into it."""

from __future__ import annotations

import itertools
import math
import random
import re
from collections.abc import Set
from dataclasses import replace

from ordebug_plugin.errors import ProblemError
from ordebug_plugin.generate.model import Column, LinearModel, Row, Sense
from ordebug_plugin.interval import Interval
from ordebug_plugin.linear import Terms
from ordebug_plugin.problem import Problem
from ordebug_plugin.solver import Judge

_WORDS_AND_NUMBERS = re.compile(r"\d+|[^\W\d_]+")
_LAST_NUMBER = re.compile(r"(.*?)(\d+)(\D*)")
# A free row asks for nothing; Gurobi takes this side for infinite, and so does every reader of MPS.
_NO_SIDE = 1e30
# How many times the other coefficients of its row a big-M is at least.
_FAR_ABOVE = 10


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
    rows = tuple(_row(name, interval, shape.terms[name], shape.binaries) for name, interval in shape.rows.items())
    return LinearModel(rows, tuple(columns), sign * outline.constant)


def _row(name: str, interval: Interval, terms: Terms, binaries: Set[str]) -> Row:
    role = _parts(name)[0]
    if interval.lower == interval.upper:
        return Row(name, Sense.EQUAL, terms, interval.upper, role)
    switch = _big_m(terms, binaries)
    if math.isinf(interval.lower):
        return Row(name, Sense.AT_MOST, terms, min(interval.upper, _NO_SIDE), role, switch)
    if math.isinf(interval.upper):
        return Row(name, Sense.AT_LEAST, terms, interval.lower, role, switch)
    return Row(name, Sense.AT_MOST, terms, interval.upper, role, span=interval.upper - interval.lower)


def _big_m(terms: Terms, binaries: Set[str]) -> str | None:
    """The binary that switches a row: the only one in it, with a coefficient far above all others."""
    sizes = {name: abs(value) for name, value in terms}
    switches = [name for name in sizes if name in binaries]
    if len(switches) != 1 or len(sizes) < 2:
        return None
    others = max(size for name, size in sizes.items() if name != switches[0])
    return switches[0] if sizes[switches[0]] >= _FAR_ABOVE * others else None


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


def place_added(rng: random.Random, model: LinearModel, broken: LinearModel) -> tuple[LinearModel, LinearModel] | None:
    """Puts rows that a fault added among their siblings, under a number in their run, so that neither tells.

    With ``c1`` to ``c9``, a row added as ``c4`` makes ``c5`` of the old ``c4``, and so on up to the first free number.

    Args:
        rng: Chooses the numbers.
        model: The model before the fault.
        broken: The model after it; rows that were added stand last.

    Returns:
        Both, with rows renamed alike; None where an added row has no numbered sibling.
    """
    for extra in broken.rows[len(model.rows) :]:
        runs: dict[tuple[str, str], dict[int, str]] = {}
        for row in broken.rows:
            match = _LAST_NUMBER.fullmatch(row.name)
            if match and row.role == extra.role and row.name != extra.name and str(int(match[2])) == match[2]:
                runs.setdefault((match[1], match[3]), {})[int(match[2])] = row.name
        if not runs:
            return None
        (before, after), run = rng.choice(sorted(runs.items()))
        number = rng.choice(sorted(run))
        end = next(free for free in itertools.count(number) if free not in run)
        following = run[number]
        moved = {run[old]: f"{before}{old + 1}{after}" for old in range(number, end)}
        moved[extra.name] = f"{before}{number}{after}"
        if set(moved.values()) & (set(broken.names) - set(moved)):
            return None  # a variable has the name that a row would get
        rows = [row for row in broken.rows if row.name != extra.name]
        rows.insert(next(place for place, row in enumerate(rows) if row.name == following), extra)
        names = {name: moved.get(name, name) for name in (*broken.names, *model.names)}
        broken, model = replace(broken, rows=tuple(rows)).renamed(names), model.renamed(names)
    return model, broken
