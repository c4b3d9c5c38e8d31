import math
from dataclasses import replace
from pathlib import Path

import gurobipy as gp
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ordebug_plugin.actions import parse_action
from ordebug_plugin.edits import NO_EDITS, Edits, apply_action, resolve
from ordebug_plugin.errors import ActionError, LicenseLimitError, ProblemError, SolverError
from ordebug_plugin.interval import Interval
from ordebug_plugin.problem import Problem
from ordebug_plugin.restoration import Restoration
from ordebug_plugin.solver import FORMATS, Judge
from ordebug_plugin.solver.conflict import is_irreducible
from ordebug_plugin.solver.environment import start_environment
from ordebug_plugin.solver.loaded import read
from ordebug_plugin.verdict import IIS, Status, Verdict
from tests.toys import CONFLICT, FEASIBLE, RANGES, UNBOUNDED_WITHOUT_HIGH, market_split, write_problem


def edits_of(judge: Judge, problem: Problem, *texts: str) -> Edits:
    edits = NO_EDITS
    for text in texts:
        shape = judge.shape(problem)
        edits = apply_action(shape, edits, resolve(shape, edits, parse_action(text)))
    return edits


def test_verdict_and_iis_of_a_conflict(judge: Judge, tmp_path: Path) -> None:
    problem = write_problem(tmp_path / "a.lp", CONFLICT)
    assert judge.solve(problem).status is Status.INFEASIBLE
    iis = judge.iis(problem)
    assert iis is not None
    assert (iis.rows, iis.bounds, iis.minimal) == (("low", "high"), (), True)


@pytest.mark.parametrize(
    ("action", "objective"),
    [
        ("RELAX_CONSTRAINT(high, 3)", 5.0),
        ("RELAX_CONSTRAINT(low, 4)", 1.0),
        ("UPDATE_RHS(low, 1)", 1.0),
        ("DROP_CONSTRAINT(low)", 0.0),
        ("DROP_CONSTRAINT(high)", 5.0),
    ],
)
def test_one_edit_repairs_and_undoing_it_breaks_again(
    judge: Judge, tmp_path: Path, action: str, objective: float
) -> None:
    problem = write_problem(tmp_path / "a.lp", CONFLICT)
    edits = edits_of(judge, problem, action)
    verdict = judge.solve(problem, edits)
    assert verdict.status is Status.OPTIMAL
    assert verdict.objective == pytest.approx(objective)
    fresh = write_problem(tmp_path / "b.lp", CONFLICT + "\\ another file, so that nothing is remembered\n")
    judge.solve(fresh, edits)
    assert judge.iis(fresh) == judge.iis(problem)


def test_a_relaxation_too_small_leaves_it_infeasible(judge: Judge, tmp_path: Path) -> None:
    problem = write_problem(tmp_path / "a.lp", CONFLICT)
    edits = edits_of(judge, problem, "RELAX_CONSTRAINT(high, 2.9)")
    assert judge.solve(problem, edits).status is Status.INFEASIBLE


def test_unbounded_after_a_repair_is_not_a_repair(judge: Judge, tmp_path: Path) -> None:
    problem = write_problem(tmp_path / "a.lp", UNBOUNDED_WITHOUT_HIGH)
    verdict = judge.solve(problem, edits_of(judge, problem, "DROP_CONSTRAINT(high)"))
    assert verdict.status is Status.UNBOUNDED
    assert not verdict.status.is_repaired


def test_infeasible_or_unbounded_is_resolved_both_ways(judge: Judge, tmp_path: Path) -> None:
    ray = "Maximize\n obj: x\nSubject To\n a: y >= 2\n b: y <= {b}\nEnd\n"
    infeasible = write_problem(tmp_path / "i.lp", ray.format(b=1))
    unbounded = write_problem(tmp_path / "u.lp", ray.format(b=3))
    # The premise: Gurobi itself leaves the first of them open.
    with gp.Env(params={"OutputFlag": 0}) as env, gp.read(str(infeasible.path), env) as model:
        model.optimize()
        assert model.Status == gp.GRB.INF_OR_UNBD
    assert judge.solve(infeasible).status is Status.INFEASIBLE
    assert judge.solve(unbounded).status is Status.UNBOUNDED


def test_equality_becomes_a_range_and_back(judge: Judge, tmp_path: Path) -> None:
    text = "Minimize\n obj: x\nSubject To\n eq: x = 4\n cap: x <= 3\nBounds\n x <= 100\nEnd\n"
    problem = write_problem(tmp_path / "a.lp", text)
    edits = edits_of(judge, problem, "RELAX_CONSTRAINT(eq, 2)")
    assert judge.solve(problem, edits).objective == pytest.approx(2.0)
    assert judge.iis(problem) is not None
    other_side = edits_of(judge, problem, "RELAX_CONSTRAINT(eq, 2)", "UPDATE_BOUNDS(x, 5, 100)", "DROP_CONSTRAINT(cap)")
    assert judge.solve(problem, other_side).objective == pytest.approx(5.0)
    beyond = edits_of(judge, problem, "RELAX_CONSTRAINT(eq, 2)", "UPDATE_BOUNDS(x, 6.5, 9)", "DROP_CONSTRAINT(cap)")
    assert judge.solve(problem, beyond).status is Status.INFEASIBLE


def test_mps_ranges_are_rows_with_two_sides(judge: Judge, tmp_path: Path) -> None:
    problem = write_problem(tmp_path / "a.mps", RANGES)
    shape = judge.shape(problem)
    assert {name: (row.lower, row.upper) for name, row in shape.rows.items()} == {
        "le": (2.0, 4.0),
        "ge": (3.0, 5.0),
        "eq": (3.0, 5.0),
        "need": (7.0, math.inf),
    }
    assert list(shape.variables) == ["x", "y"]
    assert judge.solve(problem).status is Status.INFEASIBLE
    iis = judge.iis(problem)
    assert iis is not None
    assert set(iis.bounds) <= {"x", "y"}
    relaxed = edits_of(judge, problem, "RELAX_CONSTRAINT(le, 3)", "RELAX_CONSTRAINT(ge, 2)")
    assert judge.solve(problem, relaxed).objective == pytest.approx(7 + 3)
    dropped = edits_of(judge, problem, "DROP_CONSTRAINT(le)", "DROP_CONSTRAINT(ge)", "UPDATE_RHS(eq, 4)")
    assert judge.solve(problem, dropped).objective == pytest.approx(7 + 4)
    assert judge.solve(problem).status is Status.INFEASIBLE


@pytest.mark.parametrize("edited", [False, True])
def test_a_large_model_is_restored_without_most_of_its_rows(judge: Judge, tmp_path: Path, edited: bool) -> None:
    """Above 200 rows an LP has a copy without an objective, and rows that are ranges or were edited are in it too."""
    rows = [f" low{n}: x{n} >= {n}" for n in range(210)]
    last = [" last: x209 + Rglast = 3", "Bounds", " Rglast <= 2", "End", ""]  # between 1 and 3
    text = "\n".join(["Minimize", " obj: x0 + x209", "Subject To", *rows, *last])
    problem = write_problem(tmp_path / "a.lp", text)
    assert judge.shape(problem).rows["last"] == Interval(1.0, 3.0)
    assert judge.solve(problem).status is Status.INFEASIBLE
    if edited:
        edits = edits_of(judge, problem, "UPDATE_RHS(low208, 4)", "RELAX_CONSTRAINT(last, 206)")
        assert judge.solve(problem, edits).status is Status.OPTIMAL
    lows = tuple(f"low{n}" for n in range(209))
    assert judge.can_hold(problem, Restoration(lows)) is Status.INFEASIBLE
    assert judge.can_hold(problem, Restoration((*lows, "low209"))) is Status.OPTIMAL
    assert judge.restored(problem, Restoration((*lows, "low209"))) == Verdict(Status.OPTIMAL, 1.0)
    assert judge.restored(problem, Restoration((*lows, "last"))) == Verdict(Status.OPTIMAL, 209.0)
    assert judge.solve(problem).status is Status.INFEASIBLE


def test_sos_constraints_of_an_iis_keep_apart_when_others_are_gone(tmp_path: Path) -> None:
    """Gurobi calls a SOS by its place, which is another one in a model that has fewer."""
    sets = " S1:: v: 1 w: 2\n S1:: x: 1 y: 2\n S1:: x: 1 y: 2\n"
    text = f"Minimize\n x\nSubject To\n a: x >= 1\n b: y >= 1\nBounds\n x <= 9\n y <= 9\nSOS\n{sets}End\n"
    with start_environment() as env:
        loaded = read(write_problem(tmp_path / "a.lp", text), env, work_limit=1.0)
        ours = [IIS(("a", "b"), (), others) for others in (("SOS 1", "SOS 2"), ("SOS 1",), ("SOS 2",), ("SOS 0",))]
        assert [is_irreducible(loaded, NO_EDITS, iis) for iis in ours] == [False, True, True, False]
        loaded.dispose()


@pytest.mark.parametrize("suffix", FORMATS)
def test_quadratic_rows_without_a_name_are_told_apart(judge: Judge, tmp_path: Path, suffix: str) -> None:
    rows = " a: x + y >= 4\n [ x^2 + y^2 ] <= 40\n [ x^2 + y^2 ] <= 4\n [ x^2 ] <= 4\n"
    problem = write_problem(tmp_path / "a.lp", f"Minimize\n x\nSubject To\n{rows}End\n")
    iis = judge.iis(problem)
    assert iis is not None
    assert (iis.rows, iis.others) == (("a",), ("qc1",))
    assert judge.is_irreducible(problem)
    written = judge.written(problem, edits_of(judge, problem, "RELAX_CONSTRAINT(a, 2)"), suffix)
    assert [f"qc{place}".encode() in written for place in range(4)] == [True, True, True, False]


def test_rows_that_share_a_name_get_stable_aliases(judge: Judge, tmp_path: Path) -> None:
    text = RANGES.replace(" need", " le").replace("RANGES\n RNG le 2\n RNG ge 2\n RNG eq -2\n", "")
    shape = judge.shape(write_problem(tmp_path / "a.mps", text))
    assert list(shape.rows) == ["le", "ge", "eq", "le#2"]
    assert shape.aliases == {"le#2": "le"}


def test_cheapest_repair(judge: Judge, tmp_path: Path) -> None:
    problem = write_problem(tmp_path / "a.lp", CONFLICT)
    relaxation = judge.relaxation(problem)
    assert relaxation is not None
    assert relaxation.cost == pytest.approx(3.0)
    assert {name for name, _ in relaxation.rows} <= {"low", "high"}


@pytest.mark.parametrize(
    ("actions", "granted", "lost"),
    [
        (["RELAX_CONSTRAINT(high, 3)"], 3.0, ()),
        (["RELAX_CONSTRAINT(high, 30)"], 30.0, ()),
        (["RELAX_CONSTRAINT(high, 1e12)"], 1e12, ("high",)),  # x has no upper bound, yet the row is gone
        (["RELAX_CONSTRAINT(high, 1e5)"], 1e5, ()),
        (["DROP_CONSTRAINT(high)"], 3.0, ("high",)),
        (["DROP_CONSTRAINT(low)"], 5.0, ("low",)),
        (["DROP_CONSTRAINT(high)", "DROP_CONSTRAINT(side)"], 3.0, ("high", "side")),
        (["RELAX_CONSTRAINT(low, 6)"], 6.0, ("low",)),  # x >= -1 can never bind: x >= 0 already
        (["UPDATE_RHS(high, 6)", "UPDATE_BOUNDS(y, -inf, 50)", "UPDATE_RHS(side, 90)"], 4.0 + 0.0, ()),
    ],
)
def test_audit_of_what_a_repair_gave_away(
    judge: Judge, tmp_path: Path, actions: list[str], granted: float, lost: tuple[str, ...]
) -> None:
    text = CONFLICT.replace("x + y\nSubject", "x - y\nSubject")  # y at its upper bound: its lower one gives nothing
    problem = write_problem(tmp_path / "a.lp", text)
    audit = judge.audit(problem, edits_of(judge, problem, *actions))
    assert audit.granted == pytest.approx(granted)
    assert audit.lost_rows == lost


NUMBERS = st.sampled_from(["0", "0.5", "2", "4", "7", "1e12"])
ACTIONS = st.one_of(
    st.builds("DROP_CONSTRAINT({})".format, st.sampled_from(["le", "ge", "eq", "need"])),
    st.builds("RELAX_CONSTRAINT({}, {})".format, st.sampled_from(["le", "ge", "eq", "need"]), NUMBERS),
    st.builds("UPDATE_RHS({}, {})".format, st.sampled_from(["le", "ge", "eq", "need"]), NUMBERS),
    st.builds("UPDATE_BOUNDS({}, -{}, {})".format, st.sampled_from(["x", "y"]), NUMBERS, NUMBERS),
    st.just("RESET()"),
)


@settings(max_examples=150)
@given(actions=st.lists(ACTIONS, max_size=8))
def test_the_answer_does_not_depend_on_what_was_asked_before(judge: Judge, ranges: Problem, actions: list[str]) -> None:
    """A judge with a long past against one that reads the file anew and sees only the final state."""
    edits = NO_EDITS
    shape = judge.shape(ranges)
    for text in actions:
        try:
            edits = apply_action(shape, edits, resolve(shape, edits, parse_action(text)))
        except ActionError:  # a dropped row
            continue
        judge.solve(ranges, edits)
    with Judge() as fresh:
        verdict = fresh.solve(ranges, edits)
        assert judge.solve(ranges, edits).status is verdict.status
        if verdict.objective is not None:
            assert judge.solve(ranges, edits).objective == pytest.approx(verdict.objective)
        if verdict.status is Status.INFEASIBLE:
            assert judge.iis(ranges, edits) == fresh.iis(ranges, edits)


@pytest.mark.parametrize("columns", [14, 16, 18])
def test_a_small_model_that_is_hard_to_refute(tmp_path: Path, columns: int) -> None:
    """The plain search gives up on it, and computeIIS within the plain limit has nothing to show."""
    problem = write_problem(tmp_path / "split.lp", market_split(columns))
    with Judge(work_limit=20) as judge:
        if judge.solve(problem).status is Status.INFEASIBLE:
            iis = judge.iis(problem)
            assert iis is not None
            assert iis.rows
    with Judge(work_limit=0.001) as judge:
        assert judge.solve(problem).status in (Status.LIMIT, Status.INFEASIBLE, Status.OPTIMAL, Status.FEASIBLE)


def test_a_work_limit_is_its_own_status(tmp_path: Path) -> None:
    problem = write_problem(tmp_path / "split.lp", market_split())
    with Judge(work_limit=0.01) as judge:
        assert judge.solve(problem).status is Status.LIMIT


def test_an_incumbent_proves_feasibility(tmp_path: Path) -> None:
    rows, columns, state = 20, 60, 7
    lines = ["Maximize", " obj: " + " + ".join(f"{5 + (7 * c) % 11} x{c}" for c in range(columns)), "Subject To"]
    for row in range(rows):
        terms = []
        for column in range(columns):
            state = state * 1103515245 + 12345 & 0x7FFFFFFF
            terms.append(f"{1 + state // 65536 % 50} x{column}")
        lines.append(f" r{row}: {' + '.join(terms)} <= 400")
    lines += ["Binary", " " + " ".join(f"x{column}" for column in range(columns)), "End"]
    problem = write_problem(tmp_path / "knapsack.lp", "\n".join(lines))
    with Judge(work_limit=0.05) as judge:
        verdict = judge.solve(problem)
    assert verdict.status is Status.FEASIBLE
    assert verdict.objective is None
    assert verdict.status.is_repaired


def test_truncated_file(judge: Judge, tmp_path: Path) -> None:
    problem = write_problem(tmp_path / "a.mps", RANGES[: RANGES.index("RHS eq")])
    with pytest.raises(ProblemError, match=r"a\.mps: Gurobi cannot read"):
        judge.solve(problem)


def test_vanished_file(tmp_path: Path) -> None:
    problem = write_problem(tmp_path / "a.lp", CONFLICT)
    problem.path.unlink()
    with Judge() as judge, pytest.raises(ProblemError, match=r"a\.lp: Gurobi cannot read"):
        judge.solve(problem)


def test_a_model_beyond_the_licence(judge: Judge, tmp_path: Path) -> None:
    rows = "\n".join(f" r{i}: x{i} >= {i}" for i in range(2100))
    problem = write_problem(tmp_path / "big.lp", f"Minimize\n obj: x0\nSubject To\n{rows}\n cap: x5 <= 1\nEnd\n")
    with pytest.raises(LicenseLimitError, match="GRB_LICENSE_FILE"):
        judge.solve(problem)


def test_a_name_that_is_not_utf_8(judge: Judge, tmp_path: Path) -> None:
    problem = write_problem(tmp_path / "a.mps", RANGES)
    problem.path.write_bytes(RANGES.replace(" need", " b\xfcro").encode("latin-1"))
    with pytest.raises(ProblemError, match=r"a\.mps: .*not UTF-8"):
        judge.solve(replace(problem, content_hash="latin"))


def test_a_cheapest_repair_that_cannot_be_computed_is_none(judge: Judge, tmp_path: Path) -> None:
    rows = "\n".join(f" r{i}: x{i} >= {i}" for i in range(1500))
    large = write_problem(tmp_path / "l.lp", f"Minimize\n obj: x0\nSubject To\n{rows}\n cap: x5 <= 1\nEnd\n")
    semi = "Minimize\n obj: x\nSubject To\n c: x >= 8\nBounds\n 2 <= x <= 5\nSemi-Continuous\n x\nEnd\n"
    for problem in (large, write_problem(tmp_path / "s.lp", semi)):
        assert judge.solve(problem).status is Status.INFEASIBLE
        assert judge.relaxation(problem) is None


def test_several_objectives_that_are_unbounded(judge: Judge, tmp_path: Path) -> None:
    text = "Maximize multi-objectives\n" + "".join(
        f" O{n}: Priority={n} Weight=1 AbsTol=0 RelTol=0\n  {name}\n" for n, name in ((2, "x"), (1, "y"))
    )
    text += "Subject To\n a: x >= 1\nEnd\n"
    assert judge.solve(write_problem(tmp_path / "m.lp", text)).status is Status.UNBOUNDED


def test_patience_is_an_infrastructure_failure(tmp_path: Path) -> None:
    problem = write_problem(tmp_path / "split.lp", market_split())
    with Judge(patience=0.05) as judge, pytest.raises(SolverError, match=r"split\.lp.*did not return in time"):
        judge.solve(problem)


def test_a_feasible_model_has_no_iis(judge: Judge, tmp_path: Path) -> None:
    assert judge.iis(write_problem(tmp_path / "a.lp", FEASIBLE)) is None


def test_a_binary_stays_within_0_and_1_in_the_cheapest_repair(judge: Judge, tmp_path: Path) -> None:
    """To let the binary be 2 would cost 1; no action can."""
    text = "Minimize\n obj: b\nSubject To\n least: 3 b >= 6\nBinaries\n b\nEnd\n"
    problem = write_problem(tmp_path / "a.lp", text)
    relaxation = judge.relaxation(problem)
    assert relaxation is not None
    assert relaxation.cost == pytest.approx(3.0)
    assert relaxation.variables == ()
    assert judge.infeasibility(problem) == pytest.approx(3.0)


def test_a_refused_licence_is_a_solver_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    licence = tmp_path / "gurobi.lic"
    licence.write_text("TOKENSERVER=127.0.0.1\nPORT=1\n")
    monkeypatch.setenv("GRB_LICENSE_FILE", str(licence))
    with pytest.raises(SolverError, match="ordebug doctor"):
        Judge()
