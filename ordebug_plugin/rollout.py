"""One agent on one problem: the episode, and the solver's audit of its repair."""

from __future__ import annotations

import time
from collections.abc import Callable

from ordebug_plugin.actions import Action
from ordebug_plugin.agents import Agent
from ordebug_plugin.edits import NO_EDITS, Edits, Shape, apply_all
from ordebug_plugin.env import Observation, Outcome, RepairEnv
from ordebug_plugin.episode import Episode, Repair, Turn
from ordebug_plugin.errors import LicenseLimitError, OrdebugError, ServerError, SolverError, StoppedError
from ordebug_plugin.points import is_kept
from ordebug_plugin.problem import Problem
from ordebug_plugin.solver import Judge
from ordebug_plugin.verdict import Audit


def play(
    env: RepairEnv,
    agent: Agent,
    *,
    sample: int = 0,
    thorough: bool = True,
    stopped: Callable[[], bool] = lambda: False,
) -> Episode:
    """Resets an environment and runs its episode. A failing server or solver is recorded in it, not raised.

    Args:
        env: The environment.
        agent: The policy.
        sample: Number of the repetition.
        thorough: See `audit`.
        stopped: Asked before every turn; once it says yes, the episode is given up.

    Raises:
        ProblemError: The problem cannot be used at all: unreadable, or not infeasible.
        LicenseLimitError: The model as loaded is larger than the licence allows.
        StoppedError: `stopped` said so.
    """
    turns: list[Turn] = []
    try:
        start = env.reset()
    except LicenseLimitError:
        raise
    except SolverError as failure:
        return _episode(env, sample, None, (), failure)
    observation, outcome = start, None
    try:
        while outcome is None:
            if stopped():
                raise StoppedError("stopped before the episode's end")
            reply = agent.act(env, observation)
            began = time.perf_counter()
            transition = env.step(reply.text)
            turns.append(Turn(reply, transition.step, time.perf_counter() - began))
            observation, outcome = transition.observation, transition.outcome
        repair = audit(env, thorough=thorough) if outcome is Outcome.RECOVERED else None
    except (ServerError, SolverError) as failure:
        return _episode(env, sample, start, tuple(turns), failure)
    return _episode(env, sample, start, tuple(turns), outcome=outcome, repair=repair)


def _episode(  # noqa: PLR0913  # what ended it, by keyword
    env: RepairEnv,
    sample: int,
    start: Observation | None,
    turns: tuple[Turn, ...],
    failure: OrdebugError | None = None,
    *,
    outcome: Outcome | None = None,
    repair: Repair | None = None,
) -> Episode:
    """An episode as it ended; `start` is None where the solver failed before there was one."""
    problem = env.problem
    shape = None if start is None else env.judge.shape(problem)
    return Episode(
        problem_id=problem.id,
        problem_hash=problem.content_hash,
        error_type=problem.error_type,
        difficulty=problem.difficulty,
        truth=problem.truth,
        extended=problem.extended,
        n_rows=0 if shape is None else len(shape.rows),
        aliases={} if shape is None else dict(shape.aliases),
        sample=sample,
        iis=None if start is None else start.iis,
        turns=turns,
        outcome=outcome,
        repair=repair,
        error=None if failure is None else f"{type(failure).__name__}: {failure}",
    )


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
    relaxation = judge.relaxation(problem) if thorough or not has_op else None
    lost = not_kept(judge.shape(problem), edits, facts.lost_rows, problem.truth.fix if true is None else true)
    return Repair(
        objective=objective,
        needed=None if relaxation is None else relaxation.cost,
        audit=Audit(facts.granted, lost),
    )


def not_kept(shape: Shape, edits: Edits, lost: tuple[str, ...], fix: tuple[Action, ...] | Edits) -> tuple[str, ...]:
    """Of the rows that seem to be lost, those that the known fix does not leave so."""
    if edits.dropped().issuperset(lost):
        return lost
    true = fix if isinstance(fix, Edits) else apply_all(shape, fix) or NO_EDITS
    return tuple(row for row in lost if not is_kept(shape, edits, true, row))
