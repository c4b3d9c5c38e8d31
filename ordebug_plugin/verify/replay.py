"""Demonstrations of one problem, replayed: what the judge says about each answer in the state that its prompt shows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from ordebug_plugin.actions import Action, ActionKind
from ordebug_plugin.env import Observation, RepairEnv
from ordebug_plugin.episode import Episode
from ordebug_plugin.errors import OrdebugError, SolverError
from ordebug_plugin.grading import Replay
from ordebug_plugin.problem import Problem
from ordebug_plugin.prompt import Detail, Style, render_answer, render_state
from ordebug_plugin.rollout import play
from ordebug_plugin.scoring import score
from ordebug_plugin.shown import Shown
from ordebug_plugin.solver import Judge
from ordebug_plugin.verify.parallel import judge_of

_STYLES = tuple(Style(history=False, detail=detail) for detail in Detail)


@dataclass(frozen=True)
class Replayed:
    """What came of one answer.

    Attributes:
        action: The action with its target as the model has it; None where the answer has none.
        refused: Why the action was not carried out; None where it was.
        recovered: Whether the model is repaired after it.
        hit: Whether it touches the culprit (`scoring.Scores`); None where that is not known.
        op: Optimality preservation (likewise); None where it is undefined.
        advances: Whether the model is less infeasible after it, by the cost of the cheapest repair; None where that
            cost is not known.
        true_prompt: Whether the prompt shows the very state in which the answer was replayed.
        kept: Bounds that the action names and leaves as they were.
    """

    action: Action | None
    refused: str | None
    recovered: bool
    hit: bool | None
    op: float | None
    advances: bool | None
    true_prompt: bool
    kept: tuple[float, ...]


def replay_rows(work_limit: float, problem: Problem, rows: Sequence[tuple[Shown, str]]) -> list[Replayed | str]:
    """What a worker does: replays the answers to prompts of one problem; why where one cannot be."""
    results: list[Replayed | str] = []
    for shown, output in rows:
        try:
            results.append(replay(judge_of(work_limit), problem, shown, output))
        except OrdebugError as error:
            results.append(str(error))
    return results


def replay(judge: Judge, problem: Problem, shown: Shown, output: str) -> Replayed | str:
    """Replays one answer after the actions that its prompt lists; public prompts list none.

    Returns:
        Why it cannot be replayed, where the prompt is at fault.

    Raises:
        ProblemError: The problem cannot be used.
        SolverError: Gurobi failed.
    """
    if shown.history is None:
        return "the previous actions in its prompt cannot be read"
    script = [render_answer("Shown.", action) if action else "" for action in shown.history]
    agent = Replay((*script, output))
    env = RepairEnv(judge, problem, len(script) + 1)
    episode = play(env, agent, thorough=False)
    if episode.outcome is None:
        raise SolverError(episode.error or "the episode was lost")
    before = agent.last
    if before is None or len(episode.turns) <= len(script):
        return "the previous actions in its prompt already end the episode"
    own = replace(episode, turns=episode.turns[len(script) :])
    scores = score(own)
    step = own.turns[0].step
    return Replayed(
        action=step.action,
        refused=step.note.removeprefix("refused: ") if step.refused else None,
        recovered=scores.recovered,
        hit=None if math.isnan(scores.hit) else scores.hit > 0,
        op=None if math.isnan(scores.op) else scores.op,
        advances=True if scores.recovered else _advances(env, before, own),
        true_prompt=any(render_state(before, style) == shown.state for style in _STYLES),
        kept=_kept(before, own),
    )


def _advances(env: RepairEnv, before: Observation, own: Episode) -> bool | None:
    """A first of two repairs does not recover, and yet the rest becomes cheaper."""
    step = own.turns[0].step
    if step.refused or step.action is None or not step.action.is_repair:
        return False
    costs = (env.judge.infeasibility(env.problem, edits) for edits in (before.edits, env.edits))
    then, now = costs
    if then is None or now is None:
        return None
    return now < then and not math.isclose(now, then, rel_tol=1e-6)


def _kept(before: Observation, own: Episode) -> tuple[float, ...]:
    step = own.turns[0].step
    if step.refused or step.action is None or step.action.kind is not ActionKind.UPDATE_BOUNDS:
        return ()
    bounds = before.edits.variable(before.shape, step.action.target or "")
    pairs = zip((bounds.lower, bounds.upper), step.action.numbers, strict=True)
    return tuple(new for old, new in pairs if old == new)
