"""Answers to components of a reward: one trajectory at a time; `reward_pool` takes batches of them."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, replace

from ordebug_plugin.actions import EXTENDED_ACTIONS, PUBLIC_ACTIONS, parse_answer
from ordebug_plugin.edits import NO_EDITS, Edits, apply_all, deviation, has_lost_side
from ordebug_plugin.env import Observation, Outcome, RepairEnv
from ordebug_plugin.episode import Episode, Reply
from ordebug_plugin.errors import SolverError
from ordebug_plugin.problem import Problem
from ordebug_plugin.prompt import render_answer
from ordebug_plugin.reward import Components, Evidence, components
from ordebug_plugin.rollout import play
from ordebug_plugin.solver import Judge

# Answers far beyond any answer format are cut before they are parsed; the action of an answer stands at its end.
MAX_ANSWER = 200_000
REWARD_WORK_LIMIT = 10.0
REWARD_PATIENCE = 120.0
_GRADES_KEPT = 8192


@dataclass(frozen=True)
class Task:
    """What an answer answers.

    Attributes:
        problem: The infeasible model.
        history: Answers given before it, which lead to the state that the prompt shows.
    """

    problem: Problem
    history: tuple[str, ...] = ()

    def __hash__(self) -> int:
        """Hashes what differs between most tasks; hashing all of them, truth included, takes longer than a lookup."""
        return hash((self.problem.content_hash, self.history))


@dataclass(frozen=True)
class Grade:
    """A graded trajectory."""

    episode: Episode
    components: Components


class Replay:
    """An agent that gives recorded answers.

    Attributes:
        last: What it saw before its latest answer; None before the first.
    """

    name = "replay"

    def __init__(self, answers: Sequence[str]) -> None:
        self._answers = tuple(answers)
        self.last: Observation | None = None

    def act(self, env: RepairEnv, observation: Observation) -> Reply:
        """Gives the answer of this turn."""
        self.last = observation
        return Reply(self._answers[observation.turn])


class Grader:
    """Grades answers with one judge per thread, and remembers its grades: groups repeat themselves.

    Args:
        work_limit: Gurobi work units per call.
        patience: Seconds per Gurobi call, after which the answer counts as not judged.
        make_judge: Makes a judge of a work limit and a patience.
    """

    def __init__(
        self,
        work_limit: float = REWARD_WORK_LIMIT,
        patience: float = REWARD_PATIENCE,
        make_judge: Callable[..., Judge] = Judge,
    ) -> None:
        self._work_limit, self._patience, self._make_judge = work_limit, patience, make_judge
        self._local = threading.local()
        self._lock = threading.Lock()
        self._grades: dict[Hashable, Grade] = {}
        self._ends: dict[Hashable, tuple[Edits, int]] = {}

    def grade(self, task: Task, answers: Sequence[str]) -> Grade:
        """Grades a whole trajectory: the answers after ``task.history``, as one episode that ends with them.

        What was graded before is not played again, whatever the reasoning was: the text in an episode is that of the
        first answers with these actions.

        Raises:
            ProblemError: The model cannot be used.
            SolverError: Gurobi failed.
        """
        answers = tuple(answer[-MAX_ANSWER:] for answer in answers)
        actions = EXTENDED_ACTIONS if task.problem.extended else PUBLIC_ACTIONS
        parsed = [parse_answer(answer, actions) for answer in answers]
        key = (task, tuple((answer.action, answer.well_formed) for answer in parsed))
        with self._lock:
            known = self._grades.get(key)
        if known is None:
            known = self._grade(task, answers)
            with self._lock:
                if len(self._grades) >= _GRADES_KEPT:
                    self._grades.clear()
                self._grades[key] = known
        return known

    def _grade(self, task: Task, answers: tuple[str, ...]) -> Grade:
        script = (*task.history, *answers)
        env = RepairEnv(self.judge(), task.problem, max(1, len(script)), blind=True)
        episode = play(env, Replay(script), thorough=False)
        if episode.outcome is None:
            raise SolverError(episode.error or "the episode was lost")
        own = replace(episode, turns=episode.turns[len(task.history) :]) if task.history else episode
        if not task.problem.truth.has_culprit:  # then the diagnosis looks at the conflict instead
            own = replace(own, iis=env.judge.iis(task.problem))
        recovered = episode.outcome is Outcome.RECOVERED
        return Grade(own, components(own, _evidence(env, self._true_end(env), recovered=recovered)))

    def _true_end(self, env: RepairEnv) -> tuple[Edits, int] | None:
        """Where the known fix ends, and after how many turns: some recover before their last action."""
        problem = env.problem
        if not problem.truth.fix:
            return None
        key = Task(problem)
        if key not in self._ends and len(problem.truth.fix) == 1:
            self._ends[key] = apply_all(env.judge.shape(problem), problem.truth.fix) or NO_EDITS, 1
        if key not in self._ends:
            other = RepairEnv(env.judge, problem, len(problem.truth.fix), blind=True)
            script = [render_answer("The fault is known.", action) for action in problem.truth.fix]
            episode = play(other, Replay(script), thorough=False)
            if episode.outcome is None:
                raise SolverError(episode.error or "the known fix could not be replayed")
            self._ends[key] = (other.edits, len(episode.turns))
        return self._ends[key]

    def judge(self) -> Judge:
        """The judge of this thread, made when first asked for."""
        if not hasattr(self._local, "judge"):
            self._local.judge = self._make_judge(work_limit=self._work_limit, patience=self._patience)
        return self._local.judge  # type: ignore[no-any-return]  # threading.local is untyped


def _evidence(env: RepairEnv, true_end: tuple[Edits, int] | None, *, recovered: bool) -> Evidence:
    """What the cheapest repair is, how much of it is still to be done, and how far the model is from the true one."""
    shape = env.judge.shape(env.problem)
    if true_end is None:
        apart, turns_needed = math.inf if has_lost_side(shape, env.edits) else 0.0, 1
    else:
        apart, turns_needed = deviation(shape, env.edits, true_end[0]), true_end[1]
    unknown = Evidence(None, None, frozenset(), apart, turns_needed)
    if recovered and (apart == 0 or math.isinf(apart)) and env.problem.truth.has_culprit:
        return unknown  # the cheapest repair would bear on nothing
    needed = env.judge.infeasibility(env.problem)
    remaining = 0.0 if recovered else env.judge.infeasibility(env.problem, env.edits)
    cheapest = None if env.problem.truth.has_culprit else env.judge.relaxation(env.problem)
    elements: set[tuple[str, str]] = set()
    if cheapest is not None:
        elements = {("row", name) for name, _ in cheapest.rows} | {("variable", name) for name, _ in cheapest.variables}
    return Evidence(needed, remaining, frozenset(elements), apart, turns_needed)
