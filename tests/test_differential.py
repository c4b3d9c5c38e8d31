"""Random action sequences on drawn models: the judge against a fresh solve of every state by code of its own.

Between the actions it is asked what else it can be asked, each of which may make, edit or keep a copy of the model:
restorations, cheapest repairs, files.

`ORDEBUG_SEQUENCES=10000 pytest tests/test_differential.py -s` runs as many as one likes, and prints what it met.
"""

from __future__ import annotations

import os
import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import gurobipy as gp
import pytest

from ordebug_plugin.actions import EXTENDED_ACTIONS, parse_action
from ordebug_plugin.edits import NO_EDITS, Edits, apply_action, resolve
from ordebug_plugin.problem import Problem
from ordebug_plugin.solver import FORMATS, Judge
from ordebug_plugin.verdict import IIS, Status, Verdict
from tests import drawn
from tests.toys import write_problem

SEQUENCES = int(os.environ.get("ORDEBUG_SEQUENCES", "300"))
GAP = 1e-4  # Gurobi's MIPGap, within which the judge calls a MIP optimal
# With presolve, Gurobi 13.0.3 calls some unbounded MIPs optimal, and without it not.
_CONTRADICTION = "Gurobi contradicts itself"


@pytest.fixture(scope="module")
def env() -> Iterator[gp.Env]:
    with gp.Env(params={"OutputFlag": 0, "Threads": 1}) as env:
        yield env


def after(judge: Judge, problem: Problem, edits: Edits, text: str) -> Edits:
    shape = judge.shape(problem)
    return apply_action(shape, edits, resolve(shape, edits, parse_action(text, EXTENDED_ACTIONS)))


def same_objective(ours: float | None, theirs: float | None, state: drawn.Model) -> bool:
    if ours is None or theirs is None:
        return ours is theirs
    tolerance = GAP if state.is_discrete or state.is_curved else 1e-6
    return abs(ours - theirs) <= tolerance * max(1.0, abs(theirs)) + 1e-6


def check_iis(env: gp.Env, state: drawn.Model, iis: IIS, *, irreducible: bool) -> None:
    """It is infeasible by itself, and without any one of its elements it is not, unless the judge does not say so."""
    rows, bounds = frozenset(iis.rows) | frozenset(iis.others), frozenset(iis.bounds)
    assert rows <= set(state.rows) | {"ball"}
    if not irreducible:
        return
    assert not drawn.is_feasible(env, state, rows, bounds)
    for row in rows:
        assert drawn.is_feasible(env, state, rows - {row}, bounds), row
    for name in bounds:
        assert drawn.is_feasible(env, state, rows, bounds - {name}), name


def touches(env: gp.Env, state: drawn.Model) -> bool:
    """Whether the rows and a ball share no more than a point: feasible to one tolerance, infeasible to another."""
    if not state.ball:
        return False
    sizes = [drawn.is_feasible(env, replace(state, radius=state.radius * (1 + by))) for by in (-1e-4, 1e-4)]
    return sizes == [False, True]


def doubt(env: gp.Env, verdict: Verdict, state: drawn.Model, what: object) -> str | None:
    """Holds a verdict against a fresh solve; returns why the two may differ, where they do."""
    found = []
    for presolve, reason in ((-1, None), (0, _CONTRADICTION)):
        found.append(drawn.fresh(env, state, presolve))
        status, objective = found[-1]
        if str(verdict.status) == status and same_objective(verdict.objective, objective, state):
            return reason
    assert touches(env, state), f"{what}: {verdict}, fresh {found}"
    return "a ball that touches"


def answers(judge: Judge, problem: Problem, edits: Edits) -> list[object]:
    """Everything that may not depend on what was asked before."""
    verdict = judge.solve(problem, edits)
    if verdict.status is Status.INFEASIBLE:
        return [verdict, judge.iis(problem, edits)]
    return [verdict, judge.audit(problem, edits)] if verdict.status.is_repaired else [verdict]


def restoration_holds(rng: random.Random, env: gp.Env, judge: Judge, problem: Problem, model: drawn.Model) -> str:
    """Asks for a restored model, which starts from the model as loaded, whatever edits it carries."""
    restoration, restored = drawn.draw_restoration(rng, model)
    if rng.random() < 0.5:
        feasible = drawn.is_feasible(env, restored)
        found = str(judge.can_hold(problem, restoration))
        assert found == ("OPTIMAL" if feasible else "INFEASIBLE") or touches(env, restored), (restoration, found)
        return "can_hold"
    return doubt(env, judge.restored(problem, restoration), restored, restoration) or "restored"


def repair_costs(env: gp.Env, judge: Judge, problem: Problem, edits: Edits, state: drawn.Model) -> str:
    """Asks what the cheapest repair costs."""
    if state.is_curved:
        return "no repair asked for"
    cost = judge.infeasibility(problem, edits)
    assert same_objective(cost, drawn.cheapest_repair(env, state), state), (cost, edits)
    return "cheapest repair"


def file_holds(
    rng: random.Random, env: gp.Env, judge: Judge, problem: Problem, edits: Edits, state: drawn.Model
) -> str:
    """Asks for the file of the state, and reads it."""
    path = problem.path.with_name(f"written{rng.choice(FORMATS)}")
    path.write_bytes(judge.written(problem, edits, path.suffix))
    expected = drawn.fresh(env, state)
    found = []
    for presolve in (-1, 0):
        with gp.read(str(path), env) as model:
            model.Params.Presolve = presolve
            found.append(drawn.optimize(model))
        status, objective = found[-1]
        if status == expected[0] and same_objective(objective, expected[1], state):
            return f"written as {path.suffix}" if presolve else _CONTRADICTION
    assert touches(env, state), (edits, found, expected)
    return f"written as {path.suffix}"


def ask_more(
    rng: random.Random, env: gp.Env, judge: Judge, problem: Problem, edits: Edits, models: tuple[drawn.Model, ...]
) -> Counter[str]:
    """Asks the judge something else, or several things, about the model as loaded and the state."""
    model, state = models
    questions = [
        lambda: restoration_holds(rng, env, judge, problem, model),
        lambda: repair_costs(env, judge, problem, edits, state),
        lambda: file_holds(rng, env, judge, problem, edits, state),
    ]
    return Counter(question() for question in questions if rng.random() < 0.4)


def play(
    rng: random.Random, env: gp.Env, judge: Judge, folder: Path, number: int, more: random.Random | None = None
) -> Counter[str]:
    """One sequence; every state is held against a fresh solve, the last also against a judge without a past.

    Args:
        rng: Draws model and actions.
        env: Solves the states anew.
        judge: Is asked.
        folder: Of the model file.
        number: Its name.
        more: Draws what else is asked before and after a state is solved, rewritten rows that are dropped, fractions.
    """
    model = drawn.draw(rng)
    if more and more.random() < 0.4:
        model = drawn.fractional(more, model)
    problem = write_problem(folder / f"{number}.mps", drawn.mps(model))
    state, edits, fixed, met = model, NO_EDITS, set[str](), Counter[str]()
    for step in range(rng.randint(1, 6) + 1):
        if step:
            text, state = drawn.draw_action(rng, model, state, fixed)
            edits = after(judge, problem, edits, text)
        if more and fixed & set(state.rows) and more.random() < 0.3:
            row = more.choice(sorted(fixed & set(state.rows)))
            state = replace(state, rows={name: line for name, line in state.rows.items() if name != row})
            edits = after(judge, problem, edits, f"DROP_CONSTRAINT({row})")
        if more:
            met += ask_more(more, env, judge, problem, edits, (model, state))
        verdict = judge.solve(problem, edits)
        reason = doubt(env, verdict, state, f"{problem.path} {edits}")
        if reason is not None:
            met[reason] += 1
            return met
        met["states"] += 1
        met[str(verdict.status)] += 1
        met["discrete" if model.is_discrete else "curved" if model.is_curved else "LP"] += 1
        met["over 200 rows"] += len(model.rows) > 200
        if verdict.status is Status.INFEASIBLE:
            iis = judge.iis(problem, edits)
            met["no IIS"] += iis is None
            if iis is not None:
                irreducible = judge.is_irreducible(problem, edits)
                met["IIS proven irreducible"] += irreducible
                met["IIS flagged"] += not irreducible
                met["IIS flagged by us alone"] += iis.minimal and not irreducible
                check_iis(env, state, iis, irreducible=irreducible)
        if more:
            met += ask_more(more, env, judge, problem, edits, (model, state))
    with Judge() as without_past:
        assert answers(without_past, problem, edits) == answers(judge, problem, edits), f"{problem.path} {edits}"
    return met


def test_every_state_is_answered_as_by_a_fresh_solve(env: gp.Env, tmp_path: Path) -> None:
    met = Counter[str]()
    with Judge(models_kept=20) as judge:
        for number in range(SEQUENCES):
            more = random.Random(f"questions {number}")
            met += play(random.Random(f"sequence {number}"), env, judge, tmp_path, number, more)
    print(f"\n{SEQUENCES} sequences: {dict(met)}")
    assert {"OPTIMAL", "INFEASIBLE", "UNBOUNDED", "LP", "discrete", "curved", "over 200 rows"} <= set(met)
    assert {"restored", "can_hold", "cheapest repair", "written as .lp", "written as .mps"} <= set(met)
    assert met["no IIS"] == 0


@pytest.mark.parametrize(
    "number",
    [
        9870,  # an empty row, dropped beside a quadratic one: without presolve, Gurobi calls 0 <= infinity infeasible
        5752,  # likewise, of a row with terms
        4525,  # an unbounded MIP that Gurobi with presolve calls optimal
        3215,  # Gurobi's IIS is not infeasible by itself
        11528,  # likewise
    ],
)
def test_what_went_wrong_once(env: gp.Env, tmp_path: Path, number: int) -> None:
    with Judge() as judge:
        play(random.Random(f"sequence {number}"), env, judge, tmp_path, number)


def test_an_empty_row_is_dropped_after_it_was_a_range(env: gp.Env, tmp_path: Path) -> None:
    """To Gurobi it still has the slack column of the range, until its next update."""
    empty = {"e0": drawn.Line({}, 1.0, 1.0), "e1": drawn.Line({}, -1.0, 3.0)}
    model = drawn.draw(random.Random(1242))
    assert model.ball
    problem = write_problem(tmp_path / "a.mps", drawn.mps(replace(model, rows=model.rows | empty)))
    expected, edits = drawn.fresh(env, model), NO_EDITS
    with Judge() as judge:
        for text in ("RELAX_CONSTRAINT(e0, 2)", "DROP_CONSTRAINT(e0)", "DROP_CONSTRAINT(e1)"):
            edits = after(judge, problem, edits, text)
            verdict = judge.solve(problem, edits)
            assert str(verdict.status) == expected[0] == "OPTIMAL", text
            assert same_objective(verdict.objective, expected[1], model)


def renamed(model: drawn.Model, names: dict[str, str]) -> drawn.Model:
    columns = {names[name]: column for name, column in model.columns.items()}
    rows = {
        names[row]: replace(line, terms={names[name]: weight for name, weight in line.terms.items()})
        for row, line in model.rows.items()
    }
    squares = {names[name]: weight for name, weight in model.squares.items()}
    return replace(model, columns=columns, rows=rows, ball=tuple(names[name] for name in model.ball), squares=squares)


def shuffled(rng: random.Random, model: drawn.Model) -> drawn.Model:
    rows, columns = list(model.rows.items()), list(model.columns.items())
    rng.shuffle(rows)
    rng.shuffle(columns)
    return replace(model, rows=dict(rows), columns=dict(columns))


def scaled(rng: random.Random, model: drawn.Model) -> tuple[drawn.Model, dict[str, float]]:
    """Each row times a power of two, some negative."""
    factors = {name: rng.choice([-4.0, -1.0, 0.25, 2.0, 8.0]) for name in model.rows}
    rows = {}
    for name, line in model.rows.items():
        ends = sorted((line.lower * factors[name], line.upper * factors[name]))
        rows[name] = drawn.Line({column: weight * factors[name] for column, weight in line.terms.items()}, *ends)
    return replace(model, rows=rows), factors


@pytest.mark.parametrize("number", range(60))
def test_the_same_model_in_other_words_gets_the_same_verdicts(env: gp.Env, tmp_path: Path, number: int) -> None:
    """Renamed, permuted, rows multiplied: the same status and objective, and an IIS that is one."""
    rng = random.Random(f"metamorphic {number}")
    model = drawn.draw(rng)
    names = {name: f"{name} [{place}]" for place, name in enumerate((*model.columns, *model.rows))}
    # MPS has no names with spaces
    names = {name: new.replace(" ", "_") for name, new in names.items()}
    other, factors = scaled(rng, model)
    variants = {"loaded": model, "renamed": renamed(model, names), "permuted": shuffled(rng, model), "scaled": other}
    row = rng.choice(list(model.rows))
    amount = rng.choice([0.0, 1.0, 6.0])
    with Judge() as judge:
        found = {}
        for kind, variant in variants.items():
            problem = write_problem(tmp_path / f"{kind}.mps", drawn.mps(variant))
            name = names[row] if kind == "renamed" else row
            size = amount * abs(factors[row]) if kind == "scaled" else amount
            edits = after(judge, problem, NO_EDITS, f"RELAX_CONSTRAINT({name}, {size})")
            verdict, iis = judge.solve(problem, edits), None
            line = variant.rows[name]
            rows = variant.rows | {name: replace(line, lower=line.lower - size, upper=line.upper + size)}
            if verdict.status is Status.INFEASIBLE:
                iis = judge.iis(problem, edits)
                assert iis is not None
                irreducible = judge.is_irreducible(problem, edits)
                check_iis(env, replace(variant, rows=rows), iis, irreducible=irreducible)
            found[kind] = verdict, iis
    verdict, iis = found["loaded"]
    for kind, (other_verdict, _) in found.items():
        assert other_verdict.status is verdict.status, kind
        assert same_objective(other_verdict.objective, verdict.objective, model), kind
    new_iis = found["renamed"][1]
    if iis is not None and new_iis is not None:  # to Gurobi, a name says nothing
        assert new_iis.rows == tuple(names[name] for name in iis.rows)
        assert new_iis.bounds == tuple(names[name] for name in iis.bounds)
