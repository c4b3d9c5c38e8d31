"""One agent on one problem: the episode, and the solver's audit of its repair."""

from __future__ import annotations

import time
from dataclasses import replace

from ordebug_plugin.actions import Action
from ordebug_plugin.agents import Agent
from ordebug_plugin.edits import NO_EDITS, Edits, Shape, apply_all
from ordebug_plugin.env import Observation, Outcome, RepairEnv
from ordebug_plugin.episode import Episode, Repair, Reply, Turn, name_outcome
from ordebug_plugin.errors import LicenseLimitError, OrdebugError, ServerError, SolverError
from ordebug_plugin.points import is_kept
from ordebug_plugin.problem import Problem
from ordebug_plugin.solver import Judge
from ordebug_plugin.verdict import Audit


class Rollout:
    """An episode under way: the environment, and the turns so far.

    `start` and `take` ask the solver, so they belong in the thread of the environment's judge; `give_up` does not.

    Args:
        env: The environment.
        sample: Number of the repetition.
        thorough: See `audit`.
    """

    def __init__(self, env: RepairEnv, sample: int = 0, *, thorough: bool = True) -> None:
        self._env = env
        self._sample = sample
        self._thorough = thorough
        self._start: Observation | None = None
        self._turns: list[Turn] = []

    def start(self) -> Observation | Episode:
        """Resets the environment.

        Returns:
            What the agent is to answer, or the episode where the solver failed.

        Raises:
            ProblemError: The problem cannot be used at all: unreadable, or not infeasible.
            LicenseLimitError: The model as loaded is larger than the licence allows.
        """
        try:
            self._start = self._env.reset()
        except LicenseLimitError:
            raise
        except SolverError as failure:
            return self.give_up(failure)
        return self._start

    def take(self, reply: Reply) -> Observation | Episode:
        """Lets the solver judge an answer.

        Returns:
            What the agent is to answer next, or the episode as it ended.
        """
        began = time.perf_counter()
        try:
            transition = self._env.step(reply.text)
            self._turns.append(Turn(reply, transition.step, time.perf_counter() - began))
            if transition.outcome is None:
                return transition.observation
            recovered = transition.outcome is Outcome.RECOVERED
            repair = audit(self._env, thorough=self._thorough) if recovered else None
        except SolverError as failure:
            return self.give_up(failure)
        return self._episode(name_outcome(transition.outcome, self._turns), repair, None)

    def turn(self, agent: Agent, observation: Observation) -> Observation | Episode:
        """Lets an agent take a turn; a failing server or solver ends the episode."""
        try:
            reply = agent.act(self._env, observation)
        except (ServerError, SolverError) as failure:
            return self.give_up(failure)
        return self.take(reply)

    def give_up(self, failure: OrdebugError) -> Episode:
        """The episode, lost to infrastructure."""
        return self._episode(None, None, failure)

    def _episode(self, outcome: Outcome | None, repair: Repair | None, failure: OrdebugError | None) -> Episode:
        blank = lost_episode(self._env.problem, self._sample, failure)
        if self._start is None:
            return blank
        shape = self._start.shape
        return replace(
            blank,
            n_rows=len(shape.rows),
            aliases=dict(shape.aliases),
            iis=self._start.iis,
            turns=tuple(self._turns),
            outcome=outcome,
            repair=repair,
        )


def lost_episode(problem: Problem, sample: int, failure: OrdebugError | None) -> Episode:
    """An episode of which nothing is known but what ended it."""
    return Episode(
        problem_id=problem.id,
        problem_hash=problem.content_hash,
        error_type=problem.error_type,
        difficulty=problem.difficulty,
        truth=problem.truth,
        extended=problem.extended,
        n_rows=0,
        aliases={},
        sample=sample,
        iis=None,
        turns=(),
        outcome=None,
        error=None if failure is None else f"{type(failure).__name__}: {failure}",
    )


def play(
    env: RepairEnv,
    agent: Agent,
    *,
    sample: int = 0,
    thorough: bool = True,
) -> Episode:
    """Resets an environment and runs its episode. A failing server or solver is recorded in it, not raised.

    Args:
        env: The environment.
        agent: The policy.
        sample: Number of the repetition.
        thorough: See `audit`.

    Raises:
        ProblemError: The problem cannot be used at all: unreadable, or not infeasible.
        LicenseLimitError: The model as loaded is larger than the licence allows.
    """
    rollout = Rollout(env, sample, thorough=thorough)
    state = rollout.start()
    while not isinstance(state, Episode):
        state = rollout.turn(agent, state)
    return state


def audit(env: RepairEnv, *, thorough: bool = True) -> Repair:
    """The solver's facts about a recovered model.

    A row that was brought back to what it was before the fault is enforced as it was, whether it can bind or not; one
    that was rewritten to anything but a multiple of that is lost.

    Args:
        env: An environment whose model is repaired.
        thorough: Find the cost of the cheapest repair also where preservation does not ask for it.

    Raises:
        SolverError: Gurobi failed.
    """
    return audit_edits(env.judge, env.problem, env.edits, thorough=thorough)


def audit_edits(
    judge: Judge, problem: Problem, edits: Edits, true: Edits | None = None, *, thorough: bool = True
) -> Repair:
    """The solver's facts about a model that some edits repair (see `audit`).

    Args:
        judge: The solver.
        problem: The broken model.
        edits: What was changed.
        true: The edits of the known fix; None for those of the problem's truth.
        thorough: See `audit`.

    Raises:
        SolverError: Gurobi failed.
    """
    facts = judge.audit(problem, edits)
    objective = judge.solve(problem, edits).objective
    has_op = objective is not None and problem.truth.objective is not None
    needed = judge.infeasibility(problem) if thorough or not has_op else None
    lost = not_kept(judge.shape(problem), edits, facts.lost_rows, problem.truth.fix if true is None else true)
    return Repair(
        objective=objective,
        needed=needed,
        audit=Audit(facts.granted, lost),
    )


def not_kept(shape: Shape, edits: Edits, lost: tuple[str, ...], fix: tuple[Action, ...] | Edits) -> tuple[str, ...]:
    """Of the rows that seem to be lost, those that the known fix does not leave so."""
    if edits.dropped().issuperset(lost):
        return lost
    true = fix if isinstance(fix, Edits) else apply_all(shape, fix) or NO_EDITS
    return tuple(row for row in lost if not is_kept(shape, edits, true, row))
