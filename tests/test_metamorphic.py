"""What may not matter to the judge: names, order, the scale of a row, a row that follows from another, where zero lies.

`ORDEBUG_METAMORPHIC=2000 pytest -s tests/test_metamorphic.py` draws so many models for each change.
"""

from __future__ import annotations

import math
import os
import random
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import gurobipy as gp
import pytest

from ordebug_plugin.edits import Edits
from ordebug_plugin.generate.foreign import read_linear_model
from ordebug_plugin.interval import Interval
from ordebug_plugin.problem import Problem, load_benchmark
from ordebug_plugin.solver import Judge
from ordebug_plugin.verdict import Status
from tests import drawn
from tests.drawn import INF, Line, Model
from tests.test_differential import GAP, check_iis, touches
from tests.toys import write_problem

MODELS = int(os.environ.get("ORDEBUG_METAMORPHIC", "60"))


@dataclass(frozen=True)
class Changed:
    """A model after a change that should not matter.

    Attributes:
        model: It.
        names: Old row to new, of all old rows.
        columns: Likewise of the variables.
        shift: By how much the objective moves.
        scaled: Whether what a relaxation costs may differ.
    """

    model: Model
    names: dict[str, str]
    columns: dict[str, str]
    shift: float = 0.0
    scaled: bool = False


Change = Callable[[random.Random, Model], Changed]


def same(model: Model) -> tuple[dict[str, str], dict[str, str]]:
    return {name: name for name in model.rows}, {name: name for name in model.columns}


@pytest.fixture(scope="module")
def env() -> Iterator[gp.Env]:
    with gp.Env(params={"OutputFlag": 0, "Threads": 1}) as env:
        yield env


def rename(rng: random.Random, model: Model) -> Changed:
    tags = [f"n{number}" for number in range(len(model.rows) + len(model.columns))]
    rng.shuffle(tags)
    rows = {name: f"r_{tags.pop()}" for name in model.rows}
    columns = {name: f"c[{tags.pop()},é]" for name in model.columns}
    lines = {
        rows[name]: replace(line, terms={columns[one]: weight for one, weight in line.terms.items()})
        for name, line in model.rows.items()
    }
    made = replace(
        model,
        rows=lines,
        columns={columns[name]: column for name, column in model.columns.items()},
        ball=tuple(columns[name] for name in model.ball),
        squares={columns[name]: weight for name, weight in model.squares.items()},
    )
    return Changed(made, rows, columns)


def permute(rng: random.Random, model: Model) -> Changed:
    rows, columns = list(model.rows), list(model.columns)
    rng.shuffle(rows)
    rng.shuffle(columns)
    made = replace(
        model, rows={name: model.rows[name] for name in rows}, columns={name: model.columns[name] for name in columns}
    )
    return Changed(made, *same(model))


def scale(rng: random.Random, model: Model) -> Changed:
    """By powers of two, which no float loses; negative ones turn the row around."""
    name = rng.choice(list(model.rows))
    line, factor = model.rows[name], rng.choice([-4.0, -1.0, -0.5, 0.25, 2.0, 8.0])
    sides = sorted((factor * line.lower, factor * line.upper))
    terms = {one: factor * weight for one, weight in line.terms.items()}
    return Changed(replace(model, rows=model.rows | {name: Line(terms, *sides)}), *same(model), scaled=True)


def add_redundant(rng: random.Random, model: Model) -> Changed:
    """A row that asks for less than another does."""
    line = model.rows[rng.choice(list(model.rows))]
    slack = float(rng.randint(1, 5))
    rows = model.rows | {"redundant": replace(line, lower=line.lower - slack, upper=line.upper + slack)}
    return Changed(replace(model, rows=rows), *same(model), scaled=True)


def shift(rng: random.Random, model: Model) -> Changed:
    """A variable measured from another zero: x = y - by, where nothing is curved and no binary is meant."""
    able = [name for name, column in model.columns.items() if column.kind != "B"]
    if model.is_curved or not able:
        return Changed(model, *same(model))
    name, by = rng.choice(able), float(rng.choice([-8, -1, 2, 16]))
    column = model.columns[name]
    rows = {
        row: replace(line, lower=line.lower + by * line.terms[name], upper=line.upper + by * line.terms[name])
        if name in line.terms
        else line
        for row, line in model.rows.items()
    }
    moved = replace(column, lower=column.lower + by, upper=column.upper + by)
    made = replace(model, rows=rows, columns=model.columns | {name: moved})
    return Changed(made, *same(model), shift=by * column.cost)


CHANGES: list[Change] = [rename, permute, scale, add_redundant, shift]


def close(one: float | None, other: float | None, tolerance: float) -> bool:
    if one is None or other is None:
        return one is other
    return abs(one - other) <= tolerance * max(1.0, abs(other)) + 1e-6


def without(judge: Judge, problem: Problem, rows: list[str]) -> Edits:
    shape = judge.shape(problem)
    free = Interval(-math.inf, math.inf)
    return Edits(rows=tuple(sorted((row, free) for row in rows if not shape.rows[row].is_free)))


def remaining(model: Model, dropped: list[str]) -> Model:
    return replace(model, rows={name: line for name, line in model.rows.items() if name not in dropped})


def check(env: gp.Env, judge: Judge, folder: Path, model: Model, changed: Changed, tag: str) -> str:
    """The judge's word on both, and on both without the rows of the first one's IIS."""
    first = write_problem(folder / f"{tag}.mps", drawn.mps(model))
    second = write_problem(folder / f"{tag}-changed.mps", drawn.mps(changed.model))
    tolerance = 2 * GAP if model.is_discrete or model.is_curved else 1e-6
    one, other = judge.solve(first), judge.solve(second)
    assert one.status == other.status, (tag, one, other)
    moved = None if one.objective is None else one.objective + changed.shift
    assert close(moved, other.objective, tolerance), (tag, one, other)
    if one.status is not Status.INFEASIBLE:
        return str(one.status)
    iis, theirs = judge.iis(first), judge.iis(second)
    assert iis is not None
    assert theirs is not None
    if not model.is_curved:
        # Which IIS is found may differ, but one of the first model is one of the other, whose names it has then.
        translated = replace(
            iis,
            rows=tuple(changed.names[name] for name in iis.rows),
            bounds=tuple(changed.columns[name] for name in iis.bounds),
        )
        check_iis(env, changed.model, translated, irreducible=judge.is_irreducible(first))
        check_iis(env, changed.model, theirs, irreducible=judge.is_irreducible(second))
        if not changed.scaled:  # what a relaxation costs is in the units of the rows
            assert close(judge.infeasibility(first), judge.infeasibility(second), tolerance), tag
    rows = [name for name in iis.rows if name in model.rows]
    left, right = without(judge, first, rows), without(judge, second, [changed.names[name] for name in rows])
    if changed.scaled and "redundant" in changed.model.rows:
        return "INFEASIBLE"  # the weaker row may now be the conflict
    one, other = judge.solve(first, left), judge.solve(second, right)
    if model.is_curved and one.status != other.status:
        # Gurobi 13.0.3 calls some unbounded models with a quadratic row optimal in one order of rows, not in another.
        states = [remaining(model, rows), remaining(changed.model, [changed.names[name] for name in rows])]
        assert [drawn.fresh(env, state)[0] for state in states] == [one.status, other.status], (tag, one, other)
        return "Gurobi contradicts itself"
    assert one.status == other.status, (tag, one, other)
    moved = None if one.objective is None else one.objective + changed.shift
    assert close(moved, other.objective, tolerance), (tag, one, other)
    if one.status.is_repaired:
        lost = {changed.names[name] for name in judge.audit(first, left).lost_rows}
        assert lost == set(judge.audit(second, right).lost_rows), tag
    return "INFEASIBLE"


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_drawn_models(change: Change, env: gp.Env, judge: Judge, tmp_path: Path) -> None:
    met: Counter[str] = Counter()
    for number in range(MODELS):
        rng = random.Random(f"{change.__name__} {number}")
        model = drawn.draw(rng)
        if not touches(env, model):
            met[check(env, judge, tmp_path, model, change(rng, model), f"{change.__name__}-{number}")] += 1
    print(change.__name__, dict(met))
    assert met["INFEASIBLE"] > MODELS // 5
    assert met["OPTIMAL"] > MODELS // 10


@pytest.mark.public
@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_public_problems(change: Change, env: gp.Env, judge: Judge, tmp_path: Path, public_data: Path) -> None:
    problems = load_benchmark(public_data / "or_debug_bench" / "v1").problems
    step = max(1, len(problems) // max(1, MODELS // 2))
    for number, problem in enumerate(problems[::step]):
        read = read_linear_model(judge, problem)
        columns = {
            one.name: drawn.Column(one.lower, one.upper, one.cost, "I" if one.integer else "C") for one in read.columns
        }
        rows = {
            name: Line(dict(judge.shape(problem).terms[name]), interval.lower, interval.upper)
            for name, interval in judge.shape(problem).rows.items()
            if interval.lower > -INF or interval.upper < INF
        }
        model = Model(columns, rows)
        check(env, judge, tmp_path, model, change(random.Random(number), model), f"{change.__name__}-{number}")
