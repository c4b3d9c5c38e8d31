"""Small models are searched plainly, and their relaxation is kept and edited: neither may show in an answer."""

from pathlib import Path

import gurobipy as gp
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ordebug_plugin.actions import parse_action
from ordebug_plugin.edits import NO_EDITS, Edits, apply_action, resolve
from ordebug_plugin.errors import ActionError
from ordebug_plugin.interval import FREE, Interval
from ordebug_plugin.problem import Problem
from ordebug_plugin.solver import Judge
from ordebug_plugin.verdict import Status
from tests.test_solver import ACTIONS, edits_of
from tests.toys import write_problem

# Small MIPs with and without a whole optimum of their relaxation, and one that only integrality breaks.
MIP = """
Minimize
 obj: 3 x + 2 y + z
Subject To
 need: x + y + z >= 2.5
 cap: x + y <= {cap}
 odd: 2 x + 2 y = {odd}
Bounds
 x <= 4
 y <= 4
 z <= 0.25
General
 {whole}
End
"""


UNBOUNDED_WITHOUT_SPARE = """
Minimize
 x0 + x1 + x2 + x3 + x4
Subject To
 r0: - 0.5 x0 + 0.75 x1 + 2.75 x4 <= -7.666666666666667
 r1: 0.5 x1 + 0.5 x2 - 0.75 x4 <= 7.333333333333333
 r2: 0.75 x0 + 0.75 x1 + 0.75 x2 >= 4.666666666666667
 r3: - 0.5 x1 - 1.75 x3 - 1.75 x4 >= 8.333333333333334
 r4: - 1.75 x0 + 0.5 x2 - 0.5 x3 <= 10
 spare: x0 <= 1000
Bounds
 -infinity <= x3 <= 9
"""


@pytest.mark.parametrize("whole", ["", "General\n x0 x3\n", "General\n x0 x1 x2 x3 x4\n"])
def test_a_ray_to_a_dropped_row_has_no_end(judge: Judge, tmp_path: Path, whole: str) -> None:
    """Without presolve, Gurobi 13.0.3 goes to its infinite side, and calls that optimal: objective -inf."""
    problem = write_problem(tmp_path / "a.lp", UNBOUNDED_WITHOUT_SPARE + whole + "End\n")
    assert judge.solve(problem).status is Status.OPTIMAL
    verdict = judge.solve(problem, edits_of(judge, problem, "DROP_CONSTRAINT(spare)"))
    assert (verdict.status, verdict.objective) == (Status.UNBOUNDED, None)


@pytest.mark.parametrize("others", [" -2 <= x0 <= -2\n -6 <= x2 <= -6", " -2 <= x0 <= -2\n x2 free"])
def test_a_quadratic_objective_without_end_has_no_optimum(judge: Judge, tmp_path: Path, others: str) -> None:
    """Without presolve, Gurobi 13.0.3 calls points optimal that are somewhere at -1e15."""
    text = "Minimize\n obj: x0 + 9 x1 + 9 x2 + [ 4 x2 ^ 2 + 6 x0 ^ 2 ] / 2\nSubject To\n r1: 0 x0 >= -2\n"
    problem = write_problem(tmp_path / "a.lp", f"{text}Bounds\n -infinity <= x1 <= 2\n{others}\nEnd\n")
    assert judge.solve(problem).status is Status.UNBOUNDED


def test_a_point_that_violates_an_equation_is_no_optimum(judge: Judge, tmp_path: Path) -> None:
    """Without presolve and cuts, Gurobi 13.0.3 finds (8, 4, 4, 1) optimal, where r3 is 6.5."""
    text = """
Minimize
 x0 + x1 + x2 + x3
Subject To
 r0: 0.5 x1 + 1.25 x2 + 1.5 x3 <= 10
 r1: - 0.75 x0 + 2.75 x2 - 0.75 x3 = 4.333333333333333
 r2: - 1.75 x0 + 0.75 x1 - 1.75 x3 <= -7.666666666666667
 r3: 0.75 x1 + 0.75 x2 + 0.5 x3 = 6.666666666666667
 r4: 1.25 x1 - 0.5 x2 + 2.75 x3 <= 12
 spare: x0 <= 1000000
Bounds
 -infinity <= x3 <= 9
General
 x0 x1 x2 x3
End
"""
    problem = write_problem(tmp_path / "a.lp", text)
    assert judge.solve(problem, edits_of(judge, problem, "DROP_CONSTRAINT(spare)")).status is Status.INFEASIBLE


@pytest.mark.parametrize("cap", [1, 3])
@pytest.mark.parametrize("odd", [3, 4, 6])
@pytest.mark.parametrize("whole", ["x y", "x", "z"])
def test_small_mips_are_answered_as_by_gurobi_alone(
    judge: Judge, tmp_path: Path, cap: int, odd: int, whole: str
) -> None:
    """Solving without integrality first, and without presolve, must not show."""
    problem = write_problem(tmp_path / "mip.lp", MIP.format(cap=cap, odd=odd, whole=whole))
    drops = [f"DROP_CONSTRAINT({row})" for row in ("need", "cap", "odd")]
    bounds = [f"UPDATE_BOUNDS({name}, {low}, {high})" for name in "xyz" for low, high in ((0.5, 1.5), (1, 3), (-1, 0))]
    for action in ("RESET()", *drops, *bounds):
        edits = edits_of(judge, problem, action)
        verdict = judge.solve(problem, edits)
        with gp.Env(params={"OutputFlag": 0}) as env, gp.read(str(problem.path), env) as model:
            for row in edits.dropped():
                model.remove(model.getConstrByName(row))
            for name, interval in edits.variables:
                model.getVarByName(name).LB, model.getVarByName(name).UB = interval.lower, interval.upper
            model.optimize()
            assert (verdict.status is Status.OPTIMAL) == (model.Status == gp.GRB.OPTIMAL)
            assert (verdict.status is Status.INFEASIBLE) == (model.Status == gp.GRB.INFEASIBLE)
            if verdict.objective is not None:
                assert verdict.objective == pytest.approx(model.ObjVal)


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Problem:
    text = """
Minimize
 obj: x + y
Subject To
 le: x + y <= 4
 ge: x - y >= 3
 eq: x + 2 y = 9
 need: 2 x + y >= 7
Bounds
 y <= 5
General
 x
End
"""
    return write_problem(tmp_path_factory.mktemp("plain") / "plain.lp", text)


@pytest.mark.parametrize(
    "more",
    ["SOS\n s1: S1:: x:1 y:2", "General Constraints\n g: w = MAX ( x , y )", "Semi-Continuous\n z"],
)
def test_what_is_discrete_in_other_ways_is_not_relaxed(judge: Judge, tmp_path: Path, more: str) -> None:
    """An integer beside it must not bring the short cut without integrality into play."""
    text = MIP.format(cap=3, odd=4, whole="x").replace("End\n", "") + f"{more}\nEnd\n"
    problem = write_problem(tmp_path / "other.lp", text)
    with gp.Env(params={"OutputFlag": 0}) as env, gp.read(str(problem.path), env) as model:
        model.optimize()
        verdict = judge.solve(problem)
        assert (verdict.status is Status.OPTIMAL) == (model.Status == gp.GRB.OPTIMAL)
        if verdict.objective is not None:
            assert verdict.objective == pytest.approx(model.ObjVal)


def test_a_binary_stays_within_0_and_1_whatever_edits_say(judge: Judge, tmp_path: Path) -> None:
    problem = write_problem(tmp_path / "binary.lp", "Minimize\n x\nSubject To\n need: x >= 3\nBinary\n x\nEnd\n")
    wider = Edits(variables=(("x", Interval(0.0, 10.0)),))  # no action does this, a caller may
    assert judge.solve(problem, wider).status is Status.INFEASIBLE
    assert judge.solve(problem, Edits(rows=(("need", FREE),), variables=wider.variables)).status is Status.OPTIMAL


@settings(max_examples=100)
@given(actions=st.lists(ACTIONS, min_size=1, max_size=4), native=st.booleans())
def test_what_is_left_to_repair_is_what_gurobi_says_of_the_edited_model(
    judge: Judge, ranges: Problem, plain: Problem, actions: list[str], native: bool
) -> None:
    """The relaxation that is kept and edited, against one that Gurobi makes from the edited model."""
    problem = ranges if native else plain
    shape, edits = judge.shape(problem), NO_EDITS
    for text in actions:
        try:
            edits = apply_action(shape, edits, resolve(shape, edits, parse_action(text)))
        except ActionError:  # a dropped row
            continue
    judge.infeasibility(problem, edits)
    loaded = judge._load(problem)
    loaded.carry(edits)
    loaded.model.update()
    with loaded.model.copy() as model:
        model.feasRelaxS(0, False, True, True)
        model.optimize()
        expected = model.ObjVal
    relaxation = judge.relaxation(problem, edits)
    assert relaxation is not None
    assert relaxation.cost == judge.infeasibility(problem, edits) == pytest.approx(expected, abs=1e-6)
