"""REWRITE_CONSTRAINT, from the answer to the reward: rows that are given other terms."""

import json
import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ordebug_plugin.actions import ActionKind, parse_action
from ordebug_plugin.cli import main
from ordebug_plugin.data.convert import RowError, convert_row
from ordebug_plugin.data.grpo import write_prompts
from ordebug_plugin.edits import NO_EDITS, Edits, Shape, apply_action, apply_all, deviation, has_lost_side, resolve
from ordebug_plugin.env import Outcome, RepairEnv
from ordebug_plugin.episode import Episode
from ordebug_plugin.errors import ActionError, ProblemError
from ordebug_plugin.evaluate.records import dump_episode, load_episodes
from ordebug_plugin.exploits import EXPLOITS, EXTENDED_EXPLOITS, check_problem
from ordebug_plugin.fields import Fields
from ordebug_plugin.grading import Grader, Replay, Task
from ordebug_plugin.interval import FREE, Interval
from ordebug_plugin.problem import Problem, load_benchmark, load_problem
from ordebug_plugin.prompt import EXTENDED_SYSTEM_PROMPT, SYSTEM_PROMPT, Detail, Style, render_messages, render_state
from ordebug_plugin.reward import PRESETS
from ordebug_plugin.rollout import play
from ordebug_plugin.scoring import score
from ordebug_plugin.shown import read_state
from ordebug_plugin.solver import Judge
from ordebug_plugin.tasks import dump_task, load_task
from ordebug_plugin.truth import Truth, dump_truth, load_truth
from ordebug_plugin.verdict import Status
from ordebug_plugin.verify.benchmark import check_benchmark
from ordebug_plugin.verify.finding import Ruling
from tests.conftest import demonstration
from tests.toys import CONFLICT, answer, write_problem

SHAPE = Shape(
    rows={
        "le": Interval(-math.inf, 40.0),
        "ge": Interval(2.0, math.inf),
        "eq": Interval(3.0, 3.0),
        "range": Interval(1.0, 6.0),
        "flow[a,b]": Interval(-math.inf, 4.0),
        "req, 1": Interval(-math.inf, 4.0),
        "req": Interval(-math.inf, 4.0),
    },
    variables=dict.fromkeys(["x", "y", "6", "p, q", "x[1,2]"], Interval(0.0, 10.0)),
    terms={
        "le": (("x", 3.0), ("y", 2.0)),
        "ge": (("y", 1.0), ("x", -1.0)),
        "eq": (("x", 1.0),),
        "range": (("x", 1.0), ("y", 1.0)),
        "flow[a,b]": (("x", 1 / 3), ("y", 0.7)),
        "req, 1": (("x", 1.0),),
        "req": (("x", 1.0),),
    },
)


def after(*texts: str) -> Edits:
    edits = NO_EDITS
    for text in texts:
        edits = apply_action(SHAPE, edits, resolve(SHAPE, edits, parse_action(text)))
    return edits


class TestReadingIt:
    @pytest.mark.parametrize(
        ("written", "resolved"),
        [
            ("(le, y*2.0 + 3x<=4e1)", None),
            ("(le, 2*y + 3x<=4e1)", "(le, 3 x + 2 y <= 40)"),
            ("(le,x - y = 0)", "(le, x - y = 0)"),
            ("(le, x >= 4)", "(le, x >= 4)"),
            ("(le, x ≤ 4)", "(le, x <= 4)"),
            ("(le, x == 4)", "(le, x = 4)"),
            ("(le , x in [4,4])", "(le, x = 4)"),
            ("(le, x + y in [4, 40.5])", "(le, x + y in [4, 40.5])"),
            ("(le,x + y in [4, 40.5])", "(le, x + y in [4, 40.5])"),
            ("(le, 3 6 <= -2)", "(le, 3 6 <= -2)"),
            ("(flow[a,b], x[1,2] - p, q >= 0.1)", "(flow[a,b], - p, q + x[1,2] >= 0.1)"),
            ("(flow[a,b],x[1,2] <= 1)", "(flow[a,b], x[1,2] <= 1)"),
            ("(req, 1, x <= 1)", "(req, 1, x <= 1)"),
            ("(req, x <= 1)", "(req, x <= 1)"),
            ("(req, p, q <= 1)", "(req, p, q <= 1)"),
            ("(req, 1, 2 p, q <= 1)", "(req, 1, 2 p, q <= 1)"),
        ],
    )
    def test_names_are_found_whatever_commas_they_hold(self, written: str, resolved: str | None) -> None:
        action = parse_action(f"REWRITE_CONSTRAINT{written}")
        if resolved is None:
            with pytest.raises(ActionError, match="is no variable"):
                resolve(SHAPE, NO_EDITS, action)
            return
        found = resolve(SHAPE, NO_EDITS, action)
        expected = resolved.replace("(flow[a,b], - p", "(flow[a,b], -p")
        assert str(found) == f"REWRITE_CONSTRAINT{expected}"
        assert found.target in SHAPE.rows
        assert resolve(SHAPE, NO_EDITS, parse_action(str(found))) == found
        assert resolve(SHAPE, NO_EDITS, found) == found

    @pytest.mark.parametrize(
        ("text", "reason"),
        [
            ("(nope, x <= 4)", "no constraint named 'nope'"),
            ("(le, q <= 4)", "'q' is no variable of the model"),
            ("(le, x + 4 <= 40)", "without a variable"),
            ("(le, 0 <= 40)", "without a variable"),
            ("(le, x - x <= 40)", "no variable is left"),
            ("(le, x <= 1e20)", "use DROP_CONSTRAINT"),
            ("(le, x in [-1e30, 4])", "use DROP_CONSTRAINT"),
        ],
    )
    def test_refusals_say_why(self, text: str, reason: str) -> None:
        with pytest.raises(ActionError, match=reason):
            after(f"REWRITE_CONSTRAINT{text}")

    def test_numbers_lose_nothing(self) -> None:
        third = resolve(SHAPE, NO_EDITS, parse_action(f"REWRITE_CONSTRAINT(le, {1 / 3!r} x + y <= {0.1 + 0.2!r})"))
        assert third.expression == "0.3333333333333333 x + y <= 0.30000000000000004"
        edits = apply_action(SHAPE, NO_EDITS, third)
        assert edits.terms(SHAPE, "le") == (("x", 1 / 3), ("y", 1.0))
        assert edits.row(SHAPE, "le").upper == 0.1 + 0.2


class TestEdits:
    @pytest.mark.parametrize(
        ("rewrite", "same"),
        [
            ("REWRITE_CONSTRAINT(le, 2 y + 3 x <= 40)", "RESET()"),
            ("REWRITE_CONSTRAINT(le, 6 x + 4 y <= 80)", "RESET()"),
            ("REWRITE_CONSTRAINT(le, -3 x - 2 y >= -40)", "RESET()"),
            ("REWRITE_CONSTRAINT(le, 3 x + 2 y <= 50)", "UPDATE_RHS(le, 50)"),
            ("REWRITE_CONSTRAINT(ge, 2 x - 2 y <= -14)", "UPDATE_RHS(ge, 7)"),
            ("REWRITE_CONSTRAINT(eq, 1000 x = 4000)", "UPDATE_RHS(eq, 4)"),
            ("REWRITE_CONSTRAINT(range, -x - y in [-7, 0])", "RELAX_CONSTRAINT(range, 1)"),
            ("REWRITE_CONSTRAINT(flow[a,b], 0.333333333333 x + 0.7 y <= 5)", "UPDATE_RHS(flow[a,b], 5)"),
            ("REWRITE_CONSTRAINT(flow[a,b], 0.999999999999 x + 2.1 y <= 12)", "RESET()"),
            ("REWRITE_CONSTRAINT(eq, 1e-9 x <= 1e19)", "DROP_CONSTRAINT(eq)"),
        ],
    )
    def test_a_multiple_of_the_row_is_the_row(self, rewrite: str, same: str) -> None:
        assert after(rewrite) == after(same)

    def test_a_flipped_sense_is_an_interval(self) -> None:
        assert after("REWRITE_CONSTRAINT(le, 3 x + 2 y >= 40)") == Edits(rows=(("le", Interval(40.0, math.inf)),))

    def test_other_terms_are_kept_in_the_order_of_the_model(self) -> None:
        edits = after("REWRITE_CONSTRAINT(le, 2 6 + y - 3 x = 7)")
        assert edits.rewrites == (("le", (("x", -3.0), ("y", 1.0), ("6", 2.0))),)
        assert edits.row(SHAPE, "le") == Interval(7.0, 7.0)
        assert edits.changed_rows == ("le",)
        same_sides = after("REWRITE_CONSTRAINT(le, x <= 40)")
        assert same_sides.rows == ()
        assert same_sides.changed_rows == ("le",)

    def test_what_follows_a_rewrite_works_on_the_new_row(self) -> None:
        rewrite = "REWRITE_CONSTRAINT(le, x + y in [1, 4])"
        assert after(rewrite, "RELAX_CONSTRAINT(le, 1)") == after("REWRITE_CONSTRAINT(le, x + y in [0, 5])")
        assert after(rewrite, "UPDATE_RHS(le, 2)") == after("REWRITE_CONSTRAINT(le, x + y = 2)")
        assert after(rewrite, "DROP_CONSTRAINT(le)") == after("DROP_CONSTRAINT(le)")
        assert after(rewrite, "RELAX_CONSTRAINT(le, 1e30)") == after("DROP_CONSTRAINT(le)")
        assert after(rewrite, "UPDATE_BOUNDS(x, 1, 2)", "RESET()") == NO_EDITS
        assert after(rewrite, "REWRITE_CONSTRAINT(le, x <= 1)") == after("REWRITE_CONSTRAINT(le, x <= 1)")
        assert after(rewrite, "REWRITE_CONSTRAINT(le, 3 x + 2 y <= 40)") == NO_EDITS
        assert after(rewrite, "UPDATE_BOUNDS(x, 1, 2)").rewrites == after(rewrite).rewrites
        with pytest.raises(ActionError, match="RESET"):
            after("DROP_CONSTRAINT(le)", rewrite)

    def test_a_row_cannot_be_written_below_the_tolerance(self) -> None:
        """1e-9 (x - y) <= -2e-9 would be satisfied, to Gurobi's tolerance of 1e-6, by any x and y."""
        edits = after("REWRITE_CONSTRAINT(le, 1e-9 x - 1e-9 y <= -2e-9)")
        assert dict(edits.terms(SHAPE, "le")) == pytest.approx({"x": 3.0, "y": -3.0})
        assert edits.row(SHAPE, "le").upper == pytest.approx(-6.0)

    def test_deviation_compares_rows_whatever_their_scale(self) -> None:
        true = after("REWRITE_CONSTRAINT(le, x + 2 y <= 4)")
        assert deviation(SHAPE, after("REWRITE_CONSTRAINT(le, 3 x + 6 y <= 12)"), true) == 0
        assert deviation(SHAPE, after("REWRITE_CONSTRAINT(le, -3 x - 6 y >= -15)"), true) == pytest.approx(1.0)
        assert deviation(SHAPE, after("REWRITE_CONSTRAINT(le, 2 x + 4 y = 8)"), true) == math.inf
        for other in ("REWRITE_CONSTRAINT(le, x + 2.1 y <= 4)", "UPDATE_RHS(le, 4)", "DROP_CONSTRAINT(le)", "RESET()"):
            assert deviation(SHAPE, after(other), true) == math.inf
            assert deviation(SHAPE, true, after(other)) == math.inf
        assert has_lost_side(SHAPE, true)


# Two rows that ask for something, a range as Gurobi writes it, an equality, whole numbers, bounds on all.
ROWS: Mapping[str, tuple[Mapping[str, float], Interval]] = {
    "cap": ({"x": 1.0, "y": 1.0}, Interval(-math.inf, 4.0)),
    "need": ({"x": 2.0, "y": 1.0, "z": 1.0}, Interval(9.0, math.inf)),
    "band": ({"y": 1.0, "z": -1.0}, Interval(1.0, 3.0)),
    "tie": ({"x": 1.0, "z": 2.0}, Interval(3.0, 3.0)),
}
BOUNDS = {"x": Interval(0.0, 5.0), "y": Interval(0.0, 5.0), "z": Interval(-1.0, 6.0)}


def to_mps(
    rows: Mapping[str, tuple[Mapping[str, float], Interval]], bounds: Mapping[str, Interval], *, whole: bool
) -> str:
    """A model written with none of our own code; its objective has one optimum for any rows."""
    lines = ["NAME M", "ROWS", " N obj"]
    sides, ranges = [], []
    for name, (_, interval) in rows.items():
        letter = "E" if interval.lower == interval.upper else "L" if interval.upper < math.inf else "G"
        letter = "N" if interval.is_free else letter
        lines.append(f" {letter} {name}")
        side = interval.lower if letter == "G" else interval.upper
        if letter != "N":
            sides.append(f" RHS {name} {side!r}")
        if letter == "L" and interval.lower > -math.inf:
            ranges.append(f" RNG {name} {interval.upper - interval.lower!r}")
    lines += ["COLUMNS", " M 'MARKER' 'INTORG'"] if whole else ["COLUMNS"]
    for cost, variable in enumerate(bounds, 1):
        lines.append(f" {variable} obj {cost}")
        lines += [f" {variable} {name} {terms[variable]!r}" for name, (terms, _) in rows.items() if variable in terms]
    lines += [" M 'MARKER' 'INTEND'"] if whole else []
    lines += ["RHS", *sides, "RANGES", *ranges, "BOUNDS"]
    for variable, interval in bounds.items():
        lines += [f" LO BND {variable} {interval.lower!r}", f" UP BND {variable} {interval.upper!r}"]
    return "\n".join([*lines, "ENDATA", ""])


NUMBERS = st.sampled_from(["0", "0.5", "2", "4", "7"])
COEFFICIENTS = st.sampled_from(["1", "-1", "2", "-3", "0.5"])
SIDES = st.sampled_from(["<= 4", ">= 3", "= 2.5", "in [-1, 2]", ">= 40"])
ROW_NAMES = st.sampled_from(sorted(ROWS))
ACTIONS = st.one_of(
    st.builds("DROP_CONSTRAINT({})".format, ROW_NAMES),
    st.builds("RELAX_CONSTRAINT({}, {})".format, ROW_NAMES, NUMBERS),
    st.builds("UPDATE_RHS({}, {})".format, ROW_NAMES, NUMBERS),
    st.builds("UPDATE_BOUNDS({}, -{}, {})".format, st.sampled_from(["x", "y", "z"]), NUMBERS, NUMBERS),
    st.builds("REWRITE_CONSTRAINT({}, {} x + {} y {})".format, ROW_NAMES, COEFFICIENTS, COEFFICIENTS, SIDES),
    st.builds("REWRITE_CONSTRAINT({}, {} z {})".format, ROW_NAMES, COEFFICIENTS, SIDES),
    st.builds("REWRITE_CONSTRAINT({}, {} x + y + {} z {})".format, ROW_NAMES, COEFFICIENTS, COEFFICIENTS, SIDES),
    st.just("REWRITE_CONSTRAINT(need, 4 x + 2 y + 2 z >= 12)"),
    st.just("RESET()"),
)


@pytest.fixture(scope="module", params=[False, True], ids=["lp", "mip"])
def mixed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Problem:
    folder = tmp_path_factory.mktemp("mixed")
    return write_problem(folder / "mixed.mps", to_mps(ROWS, BOUNDS, whole=request.param))


class TestSolver:
    @settings(max_examples=120)
    @given(actions=st.lists(ACTIONS, max_size=7))
    def test_a_long_past_leaves_no_trace_and_the_model_is_the_one_it_says(
        self, judge: Judge, mixed: Problem, tmp_path_factory: pytest.TempPathFactory, actions: list[str]
    ) -> None:
        """Against a judge that sees only the end, and against the edited model written to a file of its own."""
        shape, edits = judge.shape(mixed), NO_EDITS
        for text in actions:
            try:
                edits = apply_action(shape, edits, resolve(shape, edits, parse_action(text)))
            except ActionError:  # a dropped row
                continue
            judge.solve(mixed, edits)
            judge.infeasibility(mixed, edits)
        verdict, whole = judge.solve(mixed, edits), bool(shape.integers)
        with Judge() as fresh:
            assert fresh.solve(mixed, edits) == verdict
            assert fresh.infeasibility(mixed, edits) == judge.infeasibility(mixed, edits)
            if verdict.status is Status.INFEASIBLE:
                assert fresh.iis(mixed, edits) == judge.iis(mixed, edits)
                assert fresh.relaxation(mixed, edits) == judge.relaxation(mixed, edits)
            else:
                assert fresh.audit(mixed, edits) == judge.audit(mixed, edits)
            assert fresh.solve(mixed) == judge.solve(mixed)
            assert fresh.iis(mixed) == judge.iis(mixed)
            rows = {name: (dict(edits.terms(shape, name)), edits.row(shape, name)) for name in ROWS}
            bounds = {name: edits.variable(shape, name) for name in BOUNDS}
            path = tmp_path_factory.mktemp("edited") / "edited.mps"
            edited = write_problem(path, to_mps(rows, bounds, whole=whole))
            expected = fresh.solve(edited)
            assert verdict.status is expected.status
            assert verdict.objective == (None if expected.objective is None else pytest.approx(expected.objective))
            cost = fresh.infeasibility(edited)
            if cost is not None:
                assert judge.infeasibility(mixed, edits) == pytest.approx(cost, abs=1e-6)

    def test_terms_are_those_of_the_file_after_any_edits_and_after_the_model_is_gone(
        self, mixed: Problem, tmp_path: Path
    ) -> None:
        with Judge(models_kept=1) as judge:
            shape = judge.shape(mixed)
            edits = apply_all(shape, [parse_action("REWRITE_CONSTRAINT(cap, 2 z <= 1)")])
            assert edits is not None
            judge.solve(mixed, edits)
            assert judge.terms(mixed, ["cap", "tie"], edits) == {"cap": (("z", 2.0),), "tie": shape.terms["tie"]}
            judge.solve(write_problem(tmp_path / "other.lp", CONFLICT))  # the first model has to go
            assert {name: dict(terms) for name, terms in shape.terms.items()} == {
                name: dict(terms) for name, (terms, _) in ROWS.items()
            }
        assert len(shape.terms) == len(ROWS)
        assert "terms" not in repr(shape)
        assert shape == replace(shape, terms={})

    def test_what_a_rewritten_row_gave_away(self, judge: Judge, tmp_path: Path) -> None:
        """`high` becomes x - y <= 2: the optimum is x = 5, y = 3, and the row as loaded is violated by 3."""
        problem = write_problem(tmp_path / "a.lp", CONFLICT)
        shape = judge.shape(problem)
        for text, granted in (("x - y <= 2", 3.0), ("2 x - 2 y <= 4", 3.0), ("x + y <= 5", 3.0)):
            edits = apply_all(shape, [parse_action(f"REWRITE_CONSTRAINT(high, {text})")])
            assert edits is not None
            audit = judge.audit(problem, edits)
            assert audit.granted == pytest.approx(granted)
            assert audit.lost_rows == ("high",)


# The fault made a 20 of a 0.5. z* = 2·1 + 3·2.75, with w = 1.
COEFFICIENT = """
Minimize
 obj: 2 x + 3 y
Subject To
 mix: x + 2 y - 20 w >= 6
 cap: x + y <= 4
 least: x >= 1
 pair: y - w >= 0.5
 rest: x + 3 y <= 30
Bounds
 x <= 10
 y <= 10
 1 <= w <= 10
End
"""
HONEST = "REWRITE_CONSTRAINT(mix, x + 2 y - 0.5 w >= 6)"
# The fault flipped `need`: x + y >= 5 before, z* = 6.2 + 2·1.6.
SENSE = """
Minimize
 obj: x + 2 y
Subject To
 need: x + y <= 5
 goal: 2 x + y >= 14
 share: x - 2 y <= 3
 room: x + y <= 40
Bounds
 x <= 30
 y <= 30
End
"""


@pytest.fixture(scope="module")
def coefficient(tmp_path_factory: pytest.TempPathFactory) -> Problem:
    truth = Truth(rows=("mix",), objective=10.25, fix=(parse_action(HONEST),))
    path = tmp_path_factory.mktemp("coefficient") / "coefficient.lp"
    return replace(write_problem(path, COEFFICIENT, truth), extended=True)


@pytest.fixture(scope="module")
def sense(tmp_path_factory: pytest.TempPathFactory) -> Problem:
    truth = Truth(rows=("need",), objective=9.4, fix=(parse_action("REWRITE_CONSTRAINT(need, x + y >= 5)"),))
    path = tmp_path_factory.mktemp("sense") / "sense.lp"
    return replace(write_problem(path, SENSE, truth), extended=True)


def run(judge: Judge, problem: Problem, *actions: str) -> Episode:
    return play(RepairEnv(judge, problem, len(actions)), Replay([answer(action) for action in actions]))


class TestScores:
    @pytest.mark.parametrize(
        "text",
        ["x + 2 y - 0.5 w >= 6", "2 x + 4 y - w >= 12", "-x - 2 y + 0.5 w <= -6", "1e-6 x + 2e-6 y - 5e-7 w >= 6e-6"],
    )
    def test_undoing_the_fault_scores_full_at_any_scale(self, judge: Judge, coefficient: Problem, text: str) -> None:
        scores = score(run(judge, coefficient, f"REWRITE_CONSTRAINT(mix, {text})"))
        assert (scores.hit, scores.fp, scores.da_f1) == (1.0, 1.0, 1.0)
        assert scores.preservation == pytest.approx(1.0)
        components = Grader().grade(Task(coefficient), [answer(f"REWRITE_CONSTRAINT(mix, {text})")]).components
        assert components.repair == pytest.approx(1.0)

    def test_other_terms_lose_the_row_and_the_fidelity(self, judge: Judge, coefficient: Problem) -> None:
        scores = score(run(judge, coefficient, "REWRITE_CONSTRAINT(mix, x + 2 y - 0.49 w >= 6)"))
        assert (scores.hit, scores.fp) == (1.0, 1 - 1 / 5)
        assert scores.op > 0.99
        innocent = score(run(judge, coefficient, HONEST.replace("mix", "rest").replace(">= 6", "<= 60"), HONEST))
        assert (innocent.hit, innocent.fp, innocent.op) == (0.0, 1 - 1 / 5, pytest.approx(1.0))

    def test_the_right_terms_are_judged_by_their_sides(self, judge: Judge, coefficient: Problem) -> None:
        loose = score(run(judge, coefficient, "REWRITE_CONSTRAINT(mix, 2 x + 4 y - w >= 11)"))
        assert loose.fp == 1.0
        assert loose.op < 1.0
        gone = score(run(judge, coefficient, "REWRITE_CONSTRAINT(mix, 2 x + 4 y - w >= -1e12)"))
        assert gone.fp == 1 - 1 / 5
        dropped = score(run(judge, coefficient, HONEST, "DROP_CONSTRAINT(mix)"))
        assert dropped.recovered_at == 1  # the episode was over

    def test_without_a_known_fix_a_rewritten_row_is_lost(self, judge: Judge, coefficient: Problem) -> None:
        unknown = replace(coefficient, truth=Truth())
        scores = score(run(judge, unknown, HONEST))
        assert scores.fp == 1 - 1 / 5
        assert 0 < scores.minimality <= 1

    def test_a_flipped_sense_is_undone_at_any_scale(self, judge: Judge, sense: Problem) -> None:
        for text in ("x + y >= 5", "-2 x - 2 y <= -10"):
            assert score(run(judge, sense, f"REWRITE_CONSTRAINT(need, {text})")).preservation == pytest.approx(1.0)

    def test_a_row_that_is_turned_does_not_enforce_what_it_did(self, judge: Judge, sense: Problem) -> None:
        assert score(run(judge, sense, "REWRITE_CONSTRAINT(need, x + y >= 4.5)")).fp == 1.0  # but for its side
        assert score(run(judge, sense, "REWRITE_CONSTRAINT(need, x + y >= -1e9)")).fp == 1 - 1 / 4
        assert score(run(judge, sense, "REWRITE_CONSTRAINT(goal, 2 x + y <= 14)")).fp == 1 - 1 / 4
        assert score(run(judge, sense, "REWRITE_CONSTRAINT(need, x + y in [1, 15])")).fp == 1.0


class TestExploits:
    @pytest.mark.parametrize("name", ["coefficient", "sense"])
    def test_none_pays_where_the_fix_is_a_rewrite(
        self, judge: Judge, name: str, request: pytest.FixtureRequest
    ) -> None:
        problem: Problem = request.getfixturevalue(name)
        findings = list(check_problem(Grader(), judge, problem, PRESETS))
        assert {finding.exploit for finding in findings} >= {*EXPLOITS, *EXTENDED_EXPLOITS} - {"free-bounds"}
        assert all(finding.honest == pytest.approx(1.0, abs=1e-9) for finding in findings)
        assert not [finding for finding in findings if finding.pays or finding.coincides]
        assert all(finding.reward < finding.honest - 0.01 for finding in findings)

    @pytest.mark.parametrize("fix", ["UPDATE_RHS(low, 1)", "DROP_CONSTRAINT(low)"])
    def test_none_pays_where_it_is_not(self, judge: Judge, tmp_path: Path, fix: str) -> None:
        objective = 1.0 if "UPDATE" in fix else 0.0
        truth = Truth(rows=("low",), objective=objective, fix=(parse_action(fix),))
        problem = replace(write_problem(tmp_path / "a.lp", CONFLICT, truth), extended=True)
        findings = list(check_problem(Grader(), judge, problem, PRESETS))
        assert {finding.exploit for finding in findings} >= {"rewrite-first-iis-row", "rewrite-one-more-row"}
        assert not [finding for finding in findings if finding.pays]
        assert not [finding for finding in findings if finding.coincides and finding.exploit in EXTENDED_EXPLOITS]

    def test_they_are_tried_on_extended_problems_alone(self, judge: Judge, tmp_path: Path) -> None:
        findings = check_problem(Grader(), judge, write_problem(tmp_path / "a.lp", CONFLICT), PRESETS)
        assert not {finding.exploit for finding in findings} & set(EXTENDED_EXPLOITS)


class TestEnvironment:
    def test_on_a_public_problem_it_is_an_ordinary_refused_turn(self, judge: Judge, coefficient: Problem) -> None:
        env = RepairEnv(judge, replace(coefficient, extended=False))
        before = env.reset()
        transition = env.step(answer(HONEST))
        assert transition.step.refused
        assert "REWRITE_CONSTRAINT is not among the actions of this benchmark" in transition.step.note
        assert transition.observation.iis == before.iis
        assert env.edits == NO_EDITS
        assert transition.outcome is None

    def test_prompts_show_the_row_as_it_stands(self, judge: Judge, coefficient: Problem) -> None:
        env = RepairEnv(judge, coefficient)
        assert "x + 2 y - 20 w >= 6 (mix)" in render_state(env.reset(), Style(detail=Detail.ALGEBRA))
        written = "REWRITE_CONSTRAINT(mix, 2*y + x - 0.333333333333333 w>= 600)"
        transition = env.step(answer(written))
        state = render_state(transition.observation, Style(detail=Detail.ALGEBRA))
        assert "x + 2 y - 0.333333333333 w >= 600 (mix)" in state
        shown = "REWRITE_CONSTRAINT(mix, x + 2 y - 0.333333333333333 w >= 600)"
        assert f"1. {shown}: still infeasible\n" in state + "\n"
        assert read_state(state).history == (transition.step.action,)
        assert env.step(answer("CHECK_SLACK(mix)")).step.note.startswith("violated by")
        assert env.step(answer("RESET()")).observation.iis == env.reset().iis

    def test_the_system_prompt_names_the_actions_that_there_are(self, judge: Judge, coefficient: Problem) -> None:
        def system(problem: Problem, style: Style) -> str:
            return render_messages(RepairEnv(judge, problem).reset(), style)[0].content

        assert system(coefficient, Style()) == EXTENDED_SYSTEM_PROMPT
        assert system(coefficient, Style(system="mine")) == "mine"
        assert system(replace(coefficient, extended=False), Style()) == SYSTEM_PROMPT

    def test_the_recorded_fix_is_what_the_oracle_does(self, judge: Judge, sense: Problem) -> None:
        from ordebug_plugin.agents.heuristic import Oracle  # noqa: PLC0415

        episode = play(RepairEnv(judge, sense), Oracle())
        assert episode.outcome is Outcome.RECOVERED
        assert [turn.step.action for turn in episode.turns] == list(sense.truth.fix)


class TestRecords:
    def test_an_episode_a_truth_and_a_task_survive_the_disk(
        self, judge: Judge, coefficient: Problem, tmp_path: Path
    ) -> None:
        episode = run(judge, coefficient, "REWRITE_CONSTRAINT(mix, x in [4,5])", "UPDATE_BOUNDS(x, -inf, 3)", HONEST)
        path = tmp_path / "episodes.jsonl"
        path.write_text(dump_episode(episode) + "\n", encoding="utf-8")
        (loaded,) = load_episodes(path)
        assert [turn.step for turn in loaded.turns] == [turn.step for turn in episode.turns]
        assert score(loaded) == score(episode)
        assert load_truth(Fields(json.loads(json.dumps(dump_truth(coefficient.truth))))) == coefficient.truth
        assert load_task(dump_task(Task(coefficient))).problem == coefficient
        assert not load_task(dump_task(Task(replace(coefficient, extended=False)))).problem.extended

    def test_prompts_for_grpo_have_the_extended_prompt(self, coefficient: Problem, tmp_path: Path) -> None:
        write_prompts([coefficient], tmp_path / "p.jsonl", style=Style(), inline=True)
        row = json.loads((tmp_path / "p.jsonl").read_text())
        assert row["messages"][0]["content"] == EXTENDED_SYSTEM_PROMPT
        assert load_task(row["task"]).problem.extended

    def test_rows_of_training_data_are_converted_by_their_action_set(self) -> None:
        row = demonstration(1, "REWRITE_CONSTRAINT(r, x <= 4)")
        with pytest.raises(RowError, match="not among the actions of this benchmark"):
            convert_row(row, system=SYSTEM_PROMPT, keep_labels=False)
        extended = row | {"metadata": {"action_set": "extended"}}
        assert convert_row(extended, system=SYSTEM_PROMPT, keep_labels=False).system == EXTENDED_SYSTEM_PROMPT
        assert convert_row(extended, system="mine", keep_labels=False).system == "mine"
        assert convert_row(extended, system=None, keep_labels=False).system is None
        assert convert_row(extended | {"system": SYSTEM_PROMPT}, system=None, keep_labels=False).system == SYSTEM_PROMPT
        assert convert_row(demonstration(1), system=SYSTEM_PROMPT, keep_labels=False).system == SYSTEM_PROMPT


def write_benchmark(folder: Path, problem: Problem, **fields: object) -> Path:
    """A benchmark of one problem, as ours are written."""
    (folder / problem.path.name).write_bytes(problem.path.read_bytes())
    record = {
        "problem_id": "a",
        "model_file": problem.path.name,
        "action_set": "extended",
        "culprit": {"rows": list(problem.truth.rows)},
        "fix": [str(action) for action in problem.truth.fix],
        "original_objective": problem.truth.objective,
    }
    (folder / "dataset.json").write_text(json.dumps({"problems": [record | fields]}))
    return folder


class TestBenchmarks:
    @pytest.mark.parametrize("name", ["coefficient", "sense"])
    def test_a_fix_by_rewriting_is_proven(self, name: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
        problem: Problem = request.getfixturevalue(name)
        bench = write_benchmark(tmp_path, problem)
        assert load_benchmark(bench).problems[0].extended
        assert check_benchmark(bench).count(Ruling.PROVEN) == 1
        assert main(["reward", "check", "--bench", str(bench)]) == 0
        assert problem.truth.objective is not None
        off = write_benchmark(tmp_path, problem, original_objective=problem.truth.objective + 1e-4)
        assert check_benchmark(off).count(Ruling.WRONG) == 1
        wrong = write_benchmark(tmp_path, problem, fix=[f"REWRITE_CONSTRAINT({problem.truth.rows[0]}, x >= 40)"])
        assert check_benchmark(wrong).count(Ruling.WRONG) == 1

    def test_the_action_set_is_public_unless_the_record_says_otherwise(self, sense: Problem, tmp_path: Path) -> None:
        with pytest.raises(ProblemError, match=r"problems\[0\].*action_set must be 'public' or 'extended', not 'all'"):
            load_benchmark(write_benchmark(tmp_path, sense, action_set="all"))
        with pytest.raises(ProblemError, match="the fix is not among the public actions"):
            load_benchmark(write_benchmark(tmp_path, sense, action_set="public"))
        plain = load_benchmark(write_benchmark(tmp_path, sense, action_set="public", fix=["DROP_CONSTRAINT(need)"]))
        assert not plain.problems[0].extended
        assert not load_problem(sense.path).extended
        assert load_problem(sense.path, extended=True).extended


def test_a_dropped_row_is_free_of_its_rewrite() -> None:
    edits = after("REWRITE_CONSTRAINT(le, x <= 4)", "DROP_CONSTRAINT(le)")
    assert edits == Edits(rows=(("le", FREE),))
    assert ActionKind.REWRITE_CONSTRAINT in {parse_action("REWRITE_CONSTRAINT(le, x <= 4)").kind}
