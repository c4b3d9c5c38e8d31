"""One agent on one problem: the episode, and the solver's audit of its repair."""

from __future__ import annotations

import time

from ordebug_plugin.agents import Agent
from ordebug_plugin.env import Outcome, RepairEnv
from ordebug_plugin.episode import Episode, Repair, Turn
from ordebug_plugin.errors import LicenseLimitError, ProblemError, ServerError, SolverError
from ordebug_plugin.problem import Problem
from ordebug_plugin.solver import Judge
from ordebug_plugin.verdict import IIS


def roll_out(judge: Judge, agent: Agent, problem: Problem, *, max_turns: int, sample: int = 0) -> Episode:
    """Runs one episode to its end. A failing server or solver is recorded in the episode, not raised.

    Raises:
        ProblemError: The problem cannot be used at all: unreadable, or not infeasible.
        LicenseLimitError: The model is larger than the licence allows.
    """
    env = RepairEnv(judge, problem, max_turns)
    turns: list[Turn] = []
    iis: IIS | None = None
    outcome: Outcome | None = None
    repair: Repair | None = None
    error: str | None = None
    try:
        observation = env.reset()
        iis = observation.iis
        while outcome is None:
            reply = agent.act(env, observation)
            started = time.perf_counter()
            transition = env.step(reply.text)
            turns.append(Turn(reply, transition.step, time.perf_counter() - started))
            observation, outcome = transition.observation, transition.outcome
        if outcome is Outcome.RECOVERED:
            repair = audit(env)
    except (ProblemError, LicenseLimitError):
        raise
    except (ServerError, SolverError) as failure:
        outcome, error = None, f"{type(failure).__name__}: {failure}"
    return Episode(
        problem_id=problem.id,
        problem_hash=problem.content_hash,
        error_type=problem.error_type,
        difficulty=problem.difficulty,
        truth=problem.truth,
        n_rows=len(judge.shape(problem).rows),
        sample=sample,
        iis=iis,
        turns=tuple(turns),
        outcome=outcome,
        error=error,
        repair=repair,
    )


def audit(env: RepairEnv) -> Repair:
    """The solver's facts about a recovered model.

    Raises:
        SolverError: Gurobi failed.
    """
    judge, problem = env.judge, env.problem
    try:
        relaxation = judge.relaxation(problem)
    except LicenseLimitError:  # feasRelax needs extra columns; minimality is then undefined, the repair still counts
        relaxation = None
    return Repair(
        objective=judge.solve(problem, env.edits).objective,
        needed=None if relaxation is None else relaxation.cost,
        audit=judge.audit(problem, env.edits),
    )
