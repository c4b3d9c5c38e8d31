"""Other repairs of the same model, each with what it costs and what the optimum would be."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from ordebug_plugin.actions import Action, ActionKind
from ordebug_plugin.agents.heuristic import RelaxMinimal
from ordebug_plugin.edits import Edits
from ordebug_plugin.env import Outcome, RepairEnv
from ordebug_plugin.problem import Problem
from ordebug_plugin.prompt import render_answer
from ordebug_plugin.rollout import audit_edits
from ordebug_plugin.scoring import minimality_ratio
from ordebug_plugin.solver import Judge
from ordebug_plugin.verdict import IIS

# Each element of the conflict is tried alone, one solve for each; longer conflicts are only listed.
MAX_TRIED = 50
# Where none is enough alone, so many are let go, each with the cheapest relaxation of what is left of the conflict.
_MAX_CONTINUED = 12
CHEAPEST = "the cheapest relaxation"


@dataclass(frozen=True)
class Alternative:
    """A repair that was tried.

    Attributes:
        what: In words.
        edits: What it changes.
        objective: The optimum after it; None where it is not proven.
        granted: What it gives away, in the units of the rows.
        minimality: Cost of the cheapest repair / granted, in (0, 1]; None where the former is not known.
        alone: The one row or variable that was let go, where that is all of it.
    """

    what: str
    edits: Edits
    objective: float | None
    granted: float
    minimality: float | None
    alone: str | None = None


def count(judge: Judge, problem: Problem, iis: IIS | None, most: int) -> int:
    """How many will be tried."""
    return 1 + len(_candidates(judge, problem, iis, most))


def find_alternatives(
    judge: Judge,
    problem: Problem,
    iis: IIS | None,
    most_tried: int = MAX_TRIED,
    on_tried: Callable[[], None] = lambda: None,
) -> tuple[Alternative, ...]:
    """The cheapest relaxation, and each row or variable of the conflict that is enough to let go, the cheapest first.

    What is enough is in every conflict of the model, so those of one IIS are all there are to try. Where there is
    none, what each of them leaves to do is done as cheaply as possible.

    Raises:
        SolverError: Gurobi failed.
    """
    most = len(judge.shape(problem).rows) + len(judge.shape(problem).variables)
    alone: list[Alternative] = []
    continued: list[Alternative] = []
    for action in _candidates(judge, problem, iis, most_tried):
        edits = _after(judge, problem, action, most=1)
        if edits is not None:
            alone.append(_weigh(judge, problem, words(action), edits, action.target))
        elif not alone and len(continued) < _MAX_CONTINUED:
            rest = _after(judge, problem, action, most=most)
            if rest is not None:
                what = f"{words(action)}, and relax what is left of the conflict"
                continued.append(_weigh(judge, problem, what, rest))
        on_tried()
    cheapest = _after(judge, problem, None, most=most)
    on_tried()
    first = [] if cheapest is None else [_weigh(judge, problem, CHEAPEST, cheapest)]
    return (*first, *sorted(alone or continued, key=lambda one: one.granted))


def words(action: Action) -> str:
    """What is let go."""
    noun = "free the bounds of" if action.kind is ActionKind.UPDATE_BOUNDS else "drop"
    return f"{noun} {action.target}"


def _candidates(judge: Judge, problem: Problem, iis: IIS | None, most: int) -> list[Action]:
    if iis is None:
        return []
    binaries = judge.shape(problem).binaries
    drops = [Action(ActionKind.DROP_CONSTRAINT, row) for row in iis.rows]
    free = [
        Action(ActionKind.UPDATE_BOUNDS, name, (-math.inf, math.inf)) for name in iis.bounds if name not in binaries
    ]
    return [*drops, *free][:most]


def _after(judge: Judge, problem: Problem, action: Action | None, *, most: int) -> Edits | None:
    """The edits of a first action, and of the cheapest relaxation after it; None where `most` do not repair."""
    env = RepairEnv(judge, problem, max_turns=max(1, most), blind=True)
    observation, outcome = env.reset(), None
    answer = None if action is None else render_answer(words(action), action)
    while outcome is None:
        transition = env.step(answer or RelaxMinimal().act(env, observation).text)
        observation, outcome, answer = transition.observation, transition.outcome, None
    return env.edits if outcome is Outcome.RECOVERED else None


def _weigh(judge: Judge, problem: Problem, what: str, edits: Edits, alone: str | None = None) -> Alternative:
    repair = audit_edits(judge, problem, edits)
    granted = repair.audit.granted
    ratio = math.nan if repair.needed is None else minimality_ratio(repair.needed, granted)
    return Alternative(what, edits, repair.objective, granted, None if math.isnan(ratio) else ratio, alone)
