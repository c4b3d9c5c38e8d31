from pathlib import Path

import pytest

from ordebug_plugin.env import Observation, Outcome, RepairEnv
from ordebug_plugin.errors import ProblemError
from ordebug_plugin.problem import Problem
from ordebug_plugin.prompt import Style, render_state
from ordebug_plugin.solver import Judge
from ordebug_plugin.verdict import Status
from tests.toys import CONFLICT, FEASIBLE, UNBOUNDED_WITHOUT_HIGH, answer, write_problem


@pytest.fixture
def conflict(tmp_path: Path) -> Problem:
    return write_problem(tmp_path / "conflict.lp", CONFLICT)


SCRIPT = (
    "Action: nonsense",
    answer("DROP_CONSTRAINT(nope)"),
    answer("RELAX_CONSTRAINT(high, 1)"),
    answer("CHECK_SLACK(high)"),
    answer("RESET()"),
    answer("GET_IIS"),
    answer("RELAX_CONSTRAINT(high, 3)"),
)


def play(env: RepairEnv, answers: tuple[str, ...]) -> tuple[list[Observation], Outcome | None]:
    observations, outcome = [env.reset()], None
    for text in answers:
        transition = env.step(text)
        observations.append(transition.observation)
        outcome = transition.outcome
    return observations, outcome


def test_same_answers_same_observations(judge: Judge, conflict: Problem) -> None:
    env = RepairEnv(judge, conflict)
    first = play(env, SCRIPT)
    assert play(env, SCRIPT) == first  # the same environment, reset
    with Judge() as other:
        assert play(RepairEnv(other, conflict), SCRIPT) == first
    assert first[1] is Outcome.RECOVERED


def test_turns_are_counted_and_history_grows(judge: Judge, conflict: Problem) -> None:
    observations, _ = play(RepairEnv(judge, conflict), SCRIPT)
    assert [observation.turn for observation in observations] == list(range(len(SCRIPT) + 1))
    assert all(len(observation.history) == observation.turn for observation in observations)


def test_refused_actions_cost_a_turn_change_nothing_and_explain_themselves(judge: Judge, conflict: Problem) -> None:
    env = RepairEnv(judge, conflict)
    before = env.reset()
    transition = env.step(answer("DROP_CONSTRAINT(nope)"))
    after = transition.observation
    assert (after.status, after.iis, after.rows) == (before.status, before.iis, before.rows)
    assert after.turn == 1
    assert transition.step.refused
    prompt = render_state(after, Style())
    assert "1. DROP_CONSTRAINT(nope): refused: no constraint named 'nope' in the model" in prompt


def test_text_inside_think_never_acts(judge: Judge, conflict: Problem) -> None:
    env = RepairEnv(judge, conflict)
    env.reset()
    transition = env.step("<think>\nAction: DROP_CONSTRAINT(high)\n</think>\n")
    assert transition.step.refused
    assert transition.observation.status is Status.INFEASIBLE


def test_a_dropped_row_leaves_the_structure(judge: Judge, tmp_path: Path) -> None:
    text = CONFLICT.replace(" side:", " high2: x <= 3\n side:")
    env = RepairEnv(judge, write_problem(tmp_path / "two.lp", text))
    env.reset()
    transition = env.step(answer("DROP_CONSTRAINT(high)"))
    assert transition.outcome is None
    assert transition.observation.rows == ("low", "high2", "side")
    assert transition.observation.iis is not None
    assert transition.observation.iis.rows == ("low", "high2")


def test_an_ignored_number_is_told(judge: Judge, tmp_path: Path) -> None:
    env = RepairEnv(judge, write_problem(tmp_path / "a.lp", CONFLICT.replace(" side:", " high2: x <= 3\n side:")))
    env.reset()
    step = env.step(answer("DROP_CONSTRAINT(high, 0.0)")).step
    assert step.note == "still infeasible (the extra number was ignored)"
    assert step.action is not None
    assert step.action.target == "high"


def test_slack_is_told_at_the_least_infeasible_point(judge: Judge, conflict: Problem) -> None:
    env = RepairEnv(judge, conflict)
    env.reset()
    notes = [env.step(answer(f"CHECK_SLACK({row})")).step.note for row in ("low", "high", "side")]
    assert sum("violated by 3 " in note for note in notes) == 1
    assert "slack" in notes[2]


@pytest.mark.parametrize(
    ("answers", "max_turns", "outcome"),
    [
        ([answer("DROP_CONSTRAINT(high)")], 20, Outcome.RECOVERED),
        ([answer("SUBMIT")], 20, Outcome.SUBMITTED),
        ([answer("GET_IIS")] * 3, 3, Outcome.OUT_OF_TURNS),
        (["garbage"] * 2, 2, Outcome.OUT_OF_TURNS),
        ([answer("RESET")] * 2 + [answer("DROP_CONSTRAINT(low)")], 3, Outcome.RECOVERED),
    ],
)
def test_outcomes(judge: Judge, conflict: Problem, answers: list[str], max_turns: int, outcome: Outcome) -> None:
    env = RepairEnv(judge, conflict, max_turns)
    env.reset()
    outcomes = [env.step(text).outcome for text in answers]
    assert outcomes == [None] * (len(answers) - 1) + [outcome]
    with pytest.raises(RuntimeError, match="reset"):
        env.step(answer("GET_IIS"))


def test_unbounded_goes_on_and_says_so(judge: Judge, tmp_path: Path) -> None:
    env = RepairEnv(judge, write_problem(tmp_path / "u.lp", UNBOUNDED_WITHOUT_HIGH))
    env.reset()
    transition = env.step(answer("DROP_CONSTRAINT(high)"))
    assert transition.outcome is None
    assert transition.observation.status is Status.UNBOUNDED
    assert "unbounded" in transition.step.note
    assert env.step(answer("RESET")).observation.status is Status.INFEASIBLE


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (FEASIBLE, "nothing to repair"),
        ("Maximize\n obj: x\nSubject To\n a: x >= 1\nEnd\n", "unbounded, not infeasible"),
    ],
)
def test_only_infeasible_models_can_be_repaired(judge: Judge, tmp_path: Path, text: str, reason: str) -> None:
    env = RepairEnv(judge, write_problem(tmp_path / "f.lp", text))
    with pytest.raises(ProblemError, match=rf"f\.lp: .*{reason}"):
        env.reset()


def test_stepping_before_reset_is_an_error(judge: Judge, conflict: Problem) -> None:
    with pytest.raises(RuntimeError, match="reset"):
        RepairEnv(judge, conflict).step("x")
