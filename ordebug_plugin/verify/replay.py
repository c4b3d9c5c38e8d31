"""Demonstrations of one problem, replayed: what the judge says about each answer in the state that its prompt shows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from ordebug_plugin.env import RepairEnv
from ordebug_plugin.errors import OrdebugError, SolverError
from ordebug_plugin.grading import Replay
from ordebug_plugin.parallel import judge_of
from ordebug_plugin.problem import Problem
from ordebug_plugin.prompt import render_answer, render_state
from ordebug_plugin.rollout import play
from ordebug_plugin.scoring import score
from ordebug_plugin.solver import Judge
from ordebug_plugin.verify.demonstration import Turn
from ordebug_plugin.verify.played import STYLES, Course, Played, played, states_until


@dataclass(frozen=True)
class Replayed:
    """What came of one conversation.

    Attributes:
        answers: One per turn.
        recovered: Whether the model is repaired at its end.
        hit: Whether its first repair touches the culprit (`scoring.Scores`), of the answers that are learned and do
            more than take back what was done; None where none of these is a repair, or the culprit is not known.
        op: Optimality preservation (likewise); None where it is undefined.
        iis_size: Rows and bounds in the IIS of the model as loaded; None where none was found.
        n_rows: Rows of the model.
        n_variables: Its variables.
    """

    answers: tuple[Played, ...]
    recovered: bool
    hit: bool | None
    op: float | None
    iis_size: int | None
    n_rows: int
    n_variables: int


def replay_rows(work_limit: float, problem: Problem, rows: Sequence[Sequence[Turn]]) -> list[Replayed | str]:
    """What a worker does: replays conversations about one problem; why where one cannot be."""
    results: list[Replayed | str] = []
    for turns in rows:
        try:
            results.append(replay(judge_of(work_limit), problem, turns))
        except OrdebugError as error:
            results.append(str(error))
    return results


def first_states(work_limit: float, problem: Problem) -> frozenset[str]:
    """What a worker does: the states that a first prompt of a problem may show; none where it cannot be used."""
    try:
        observation = RepairEnv(judge_of(work_limit), problem).reset()
    except OrdebugError:
        return frozenset()
    return frozenset(render_state(observation, style) for style in STYLES)


def replay(judge: Judge, problem: Problem, turns: Sequence[Turn]) -> Replayed | str:
    """Replays the answers of a conversation after the actions that its first prompt lists; public prompts list none.

    Returns:
        Why it cannot be replayed, where the conversation is at fault.

    Raises:
        ProblemError: The problem cannot be used.
        SolverError: Gurobi failed.
    """
    history = turns[0].shown.history
    if history is None:
        return "the previous actions in its prompt cannot be read"
    script = [render_answer("Shown.", action) if action else "" for action in history]
    agent = Replay((*script, *(turn.output for turn in turns)))
    env = RepairEnv(judge, problem, len(script) + len(turns))
    episode = play(env, agent, thorough=False)
    if episode.outcome is None:
        raise SolverError(episode.error or "the episode was lost")
    own = replace(episode, turns=episode.turns[len(script) :])
    if not own.turns:
        return "the previous actions in its prompt already end the episode"
    if len(own.turns) < len(turns):
        return f"its turn {len(own.turns)} of {len(turns)} already ends the episode ({episode.outcome})"
    scores = score(own)
    states = states_until(agent.last)[len(script) :]
    course = Course(env, turns, [turn.step for turn in own.turns], states, scores.recovered)
    answers = tuple(played(course, place) for place in range(len(turns)))
    pairs = zip(own.turns, turns, answers, strict=True)
    meant = tuple(turn for turn, shown, answer in pairs if shown.learned and not answer.takes_back)
    repairs = any(turn.step.action is not None and turn.step.action.is_repair for turn in meant)
    hit = score(replace(own, turns=meant)).hit if repairs else math.nan
    return Replayed(
        answers=answers,
        recovered=scores.recovered,
        hit=None if math.isnan(hit) else hit > 0,
        op=None if math.isnan(scores.op) else scores.op,
        iis_size=None if episode.iis is None else len(episode.iis.rows) + len(episode.iis.bounds),
        n_rows=episode.n_rows,
        n_variables=len(states[0].shape.variables),
    )
