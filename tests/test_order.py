"""Every question alone, asked of a judge without a past, against the same questions in any order: the same bits.

`ORDEBUG_SEQUENCES=1000 pytest tests/test_order.py` draws as many models.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from ordebug_plugin.edits import NO_EDITS
from ordebug_plugin.errors import SolverError
from ordebug_plugin.problem import Problem
from ordebug_plugin.solver import FORMATS, Judge, conflict, search
from ordebug_plugin.verdict import Status
from tests import drawn
from tests.test_differential import after
from tests.toys import write_problem

MODELS = int(os.environ.get("ORDEBUG_SEQUENCES", "30"))
Question = Callable[[Judge], object]


def questions(rng: random.Random, problem: Problem, model: drawn.Model) -> list[Question]:
    """Nearly all that can be asked about the model as loaded and after each of three actions, and of restored ones."""
    state, edits, fixed, states = model, NO_EDITS, set[str](), [NO_EDITS]
    with Judge() as judge:
        for _ in range(3):
            text, state = drawn.draw_action(rng, model, state, fixed)
            edits = after(judge, problem, edits, text)
            states.append(edits)
    asked: list[Question] = []
    for _ in range(2):
        restoration, _restored = drawn.draw_restoration(rng, model)
        asked += [
            lambda judge, what=restoration: judge.restored(problem, what),
            lambda judge, what=restoration: judge.can_hold(problem, what),
        ]
    for edits in states:
        asked += [lambda judge, edits=edits, form=form: judge.written(problem, edits, form) for form in FORMATS]
    for kind in (Judge.solve, Judge.iis, Judge.is_irreducible, Judge.is_hairline, Judge.relaxation, Judge.audit):
        asked += [lambda judge, kind=kind, edits=edits: kind(judge, problem, edits) for edits in states]
    return asked


def answer(judge: Judge, question: Question) -> str:
    try:
        return repr(question(judge))
    except SolverError as error:  # nothing to audit
        return repr(error)


@pytest.mark.parametrize("plain_work", [search._PLAIN_WORK, 1e-5], ids=["plain", "tried again"])
def test_an_answer_does_not_depend_on_what_was_asked_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, plain_work: float
) -> None:
    """Nor where the limit of the plain search ends most of them, and Gurobi is asked again with all it has."""
    monkeypatch.setattr(search, "_PLAIN_WORK", plain_work)
    monkeypatch.setattr(conflict, "_IIS_WORK", min(conflict._IIS_WORK, 100 * plain_work))
    for number in range(MODELS):
        rng = random.Random(f"order {number}")
        model = drawn.draw(rng)
        while not model.is_discrete and rng.random() < 0.8:
            model = drawn.draw(rng)
        problem = write_problem(tmp_path / f"{number}.mps", drawn.mps(model))
        asked = questions(rng, problem, model)
        alone = []
        for question in asked:
            with Judge() as judge:
                alone.append(answer(judge, question))
        with Judge() as judge:
            for place in rng.sample(range(len(asked)), len(asked)):
                assert answer(judge, asked[place]) == alone[place], f"model {number}, question {place}"


def test_presolve_of_one_question_is_not_that_of_the_next(tmp_path: Path) -> None:
    """An IIS of a MIP is sought with presolve, with which Gurobi 13.0.3 calls this unbounded one optimal."""
    model = drawn.draw(random.Random("sequence 4525"))
    problem = write_problem(tmp_path / "a.mps", drawn.mps(model))
    with Judge() as judge:
        unbounded = after(judge, problem, NO_EDITS, "RELAX_CONSTRAINT(r1, 0.5)")
        infeasible = after(judge, problem, NO_EDITS, "UPDATE_BOUNDS(x3, 5, 5)")
        assert judge.iis(problem, infeasible) is not None
        assert judge.solve(problem, unbounded).status is Status.UNBOUNDED
        assert judge.solve(problem).status is Status.UNBOUNDED


def test_a_cheapest_repair_is_the_same_after_other_bounds_were_asked_for(tmp_path: Path) -> None:
    """feasRelax rounds the bounds of an integer, 0.2 <= x <= 0.8 to 1 <= x <= 0: edits and back, they were not."""
    columns = {"x": drawn.Column(0.2, 0.8, 1.0, "I"), "y": drawn.Column(0.0, 9.0, 1.0)}
    model = drawn.Model(columns, {"r": drawn.Line({"x": 1.0, "y": 1.0}, 0.0, drawn.INF)})
    problem = write_problem(tmp_path / "a.mps", drawn.mps(model))
    for first in (True, False):
        with Judge() as judge:
            other = after(judge, problem, NO_EDITS, "UPDATE_BOUNDS(x, 5, 5)")
            if first:
                assert judge.infeasibility(problem, other) == pytest.approx(0.0)
            assert judge.infeasibility(problem) == pytest.approx(0.2)


def test_ranges_are_the_same_in_whatever_order_they_came(tmp_path: Path) -> None:
    """Each has a column in Gurobi's model; in another order 3 of 1,000 drawn models had another IIS or optimum."""
    rows = {f"r{number}": drawn.Line({"x": 1.0, "y": number - 2.0}, 5.0, 5.0) for number in range(5)}
    columns = {"x": drawn.Column(0.0, 9.0, 1.0), "y": drawn.Column(0.0, 9.0, 1.0)}
    problem = write_problem(tmp_path / "a.mps", drawn.mps(drawn.Model(columns, rows)))
    with Judge() as judge, Judge() as other:
        edits = NO_EDITS
        for row in reversed(rows):
            edits = after(judge, problem, edits, f"RELAX_CONSTRAINT({row}, 2)")
            judge.solve(problem, edits)
        found, fresh = judge.arrays(problem, edits), other.arrays(problem, edits)
    assert (found.matrix != fresh.matrix).nnz == 0
    assert found.matrix.shape == (5, 7)
