"""One repair of one model file, and all that its owner should know about it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass

from ordebug_plugin.agents import Agent
from ordebug_plugin.edits import Edits
from ordebug_plugin.env import Outcome, RepairEnv
from ordebug_plugin.episode import Episode
from ordebug_plugin.errors import ServerError, SolverError
from ordebug_plugin.problem import Problem
from ordebug_plugin.repairs.advice import advise
from ordebug_plugin.repairs.alternatives import MAX_TRIED, Alternative, count, find_alternatives
from ordebug_plugin.repairs.conflict import Conflict, find_conflict
from ordebug_plugin.repairs.difference import Change, edited
from ordebug_plugin.rollout import play
from ordebug_plugin.scoring import Scores, score
from ordebug_plugin.solver import Judge
from ordebug_plugin.verdict import Status

# Given what is done and how often, a context with a function to call each time.
Bar = Callable[[str, int], AbstractContextManager[Callable[[str], None]]]


@contextmanager
def no_bar(what: str, total: int) -> Iterator[Callable[[str], None]]:
    """Shows nothing."""
    yield lambda state: None


@dataclass(frozen=True)
class Account:
    """A repair and what is around it.

    Attributes:
        problem: The model as loaded.
        episode: How it was repaired, or was not.
        scores: The measures of that.
        conflict: Why it was infeasible.
        edits: What differs from the file at the end, repaired or not.
        changes: The same, before and after.
        alternatives: Other repairs, the cheapest first.
        searched: Whether any were looked for.
        advice: What to check next.
    """

    problem: Problem
    episode: Episode
    scores: Scores
    conflict: Conflict
    edits: Edits
    changes: tuple[Change, ...]
    alternatives: tuple[Alternative, ...]
    searched: bool
    advice: tuple[str, ...]

    @property
    def status(self) -> Status | None:
        """What the solver says of the model at the end; None where no turn was taken."""
        return self.episode.turns[-1].step.status if self.episode.turns else None

    @property
    def repaired(self) -> bool:
        """Whether the model is feasible with a finite optimum."""
        return self.episode.outcome is Outcome.RECOVERED


def repair(  # noqa: PLR0913  # each is a step of the way, by keyword
    judge: Judge,
    problem: Problem,
    agent: Agent,
    *,
    max_turns: int,
    most_tried: int = MAX_TRIED,
    on_conflict: Callable[[Conflict], None] = lambda conflict: None,
    on_repaired: Callable[[Edits], None] = lambda edits: None,
    bar: Bar = no_bar,
) -> Account:
    """Lets an agent repair a model, and finds out what else could have been done.

    Args:
        judge: The solver.
        problem: The infeasible model.
        agent: The policy.
        max_turns: Turns until it is given up.
        most_tried: Elements of the conflict to try as alternatives; 0 for no alternatives at all.
        on_conflict: Told what the conflict is, before the repair begins.
        on_repaired: Given the repair before the search for alternatives, which may take long.
        bar: Shows how far the search for alternatives is.

    Raises:
        ProblemError: The model cannot be read, or is not infeasible.
        SolverError, ServerError: The solver or the server failed, and with it the repair.
    """
    env = RepairEnv(judge, problem, max_turns)
    start = env.reset()
    conflict = find_conflict(judge, problem, start)
    on_conflict(conflict)
    episode = play(env, agent)
    if episode.outcome is None:
        failed = ServerError if (episode.error or "").startswith(ServerError.__name__) else SolverError
        raise failed(f"the repair was given up after {len(episode.turns)} turns: {episode.error}")
    if episode.outcome is Outcome.RECOVERED:
        on_repaired(env.edits)
    alternatives: tuple[Alternative, ...] = ()
    if most_tried:
        with bar("alternatives", count(judge, problem, start.iis, most_tried)) as advance:
            alternatives = find_alternatives(judge, problem, start.iis, most_tried, lambda: advance(""))
    changes = edited(start.shape, env.edits)
    below = [name for name, bounds in env.edits.variables if start.shape.variables[name].lower >= 0 > bounds.lower]
    kept = changes if episode.outcome is Outcome.RECOVERED else ()
    return Account(
        problem=problem,
        episode=episode,
        scores=score(episode),
        conflict=conflict,
        edits=env.edits,
        changes=changes,
        alternatives=alternatives,
        searched=most_tried > 0,
        advice=advise(
            kept,
            conflict,
            alternatives,
            problem.specification,
            episode=episode,
            below=below if kept else (),
            by=agent.name,
        ),
    )
