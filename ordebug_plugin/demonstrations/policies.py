"""Who demonstrates, and the episodes that they play.

An episode is kept only if it recovers, and if an expert played it, only if the objective is that of the model before
the fault, where that is known. It may begin with a wrong step, which is shown in later prompts but never learnt.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from enum import StrEnum

from ordebug_plugin.actions import Action, ActionKind
from ordebug_plugin.demonstrations.repairers import HURRIED, choose, stumble
from ordebug_plugin.env import Observation, Outcome, RepairEnv, Transition
from ordebug_plugin.experts import algebra, slack, specification
from ordebug_plugin.experts.looking_back import undo
from ordebug_plugin.experts.situation import Move, Situation, Voice, is_specified
from ordebug_plugin.experts.stumbles import stumble as wrong_step
from ordebug_plugin.prompt import Detail, Style, render_answer

# An episode that is longer is no example to follow.
MAX_TURNS = 8
# The mixed repairers had fewer turns before anything else was demonstrated.
MAX_TURNS_MIXED = 6
# Share of episodes that begin with a wrong step.
STUMBLES = 0.25
# Share of episodes in which the expert measures a row before anything else, though the prompt shows the rows.
_MEASURED = 0.1


class Policy(StrEnum):
    """Who demonstrates.

    EXPERT: reasons from what the prompt shows. MIXED: the hurried and the careful repairer (`repairers`).
    DROP_FIRST: drops the first row of the IIS, in the words of the public ``heuristic.json``.
    """

    EXPERT = "expert"
    MIXED = "mixed"
    DROP_FIRST = "drop-first"


@dataclass(frozen=True)
class Recipe:
    """What to demonstrate.

    Attributes:
        policy: Who demonstrates.
        voice: How an expert writes.
        style: What the prompts show.
        hurried: Share of answers by the hurried repairer, from 0 to 1.
    """

    policy: Policy = Policy.EXPERT
    voice: Voice = Voice.VARIED
    style: Style = field(default_factory=Style)
    hurried: float = HURRIED


@dataclass(frozen=True)
class Turn:
    """One turn of an episode.

    Attributes:
        observation: What the prompt shows.
        answer: The whole answer.
        action: The action in it; None where it has none.
        learn: Whether the answer may be learnt.
    """

    observation: Observation
    answer: str
    action: Action | None
    learn: bool


@dataclass(frozen=True)
class Played:
    """An episode.

    Attributes:
        turns: Its turns; empty where it is thrown away.
        reason: Why it is; None where it is not.
    """

    turns: tuple[Turn, ...]
    reason: str | None = None


def play(env: RepairEnv, recipe: Recipe, rng: random.Random) -> Played:
    """Plays one episode.

    Raises:
        ProblemError: The problem cannot be used.
        SolverError: Gurobi failed.
    """
    match recipe.policy:
        case Policy.EXPERT:
            return _play_expert(env, recipe, rng)
        case Policy.MIXED:
            return _play_mixed(env, recipe, rng)
    return _play_drop_first(env)


def max_turns(policy: Policy) -> int:
    """Turns that an episode may take."""
    return MAX_TURNS_MIXED if policy is Policy.MIXED else MAX_TURNS


def _play_expert(env: RepairEnv, recipe: Recipe, rng: random.Random) -> Played:
    observation, turns = env.reset(), list[Turn]()
    wrong: Action | None = None
    stumbles = rng.random() < STUMBLES
    while True:
        situation = Situation(env.judge, env.problem, observation, recipe.style, recipe.voice, rng, wrong)
        if stumbles and not turns:
            fallen = wrong_step(situation)
            if fallen is not None:
                answer, wrong = fallen
                transition = _step(env, observation, answer, turns, learn=False)
                wrong = None if transition.step.refused else wrong
                observation = transition.observation
                continue
        move = _expert_move(situation)
        if move is None:
            return Played((), "no repair keeps the objective")
        if wrong is not None and (move.action.kind is ActionKind.RESET or _repairs(move.action, wrong)):
            wrong = None
        transition = _step(env, observation, render_answer(move.think, move.action), turns, learn=True)
        if turns[-1].action is None or transition.step.refused:
            return Played((), "refused")
        if transition.outcome is Outcome.RECOVERED:
            kept = env.problem.truth.objective is None or situation.keeps(env.judge.solve(env.problem, env.edits))
            return Played(tuple(turns)) if kept else Played((), "another objective")
        if transition.outcome is not None:
            return Played((), "not recovered")
        observation = transition.observation


def _repairs(action: Action, wrong: Action) -> bool:
    """Whether an action puts right what a wrong step changed: nothing of that step is left to be taken back."""
    return action.is_repair and action.target == wrong.target


def _expert_move(situation: Situation) -> Move | None:
    iis = situation.observation.iis
    if iis is None or not (iis.rows or iis.bounds):
        return None
    back = undo(situation)
    if back is not None:
        return back
    if situation.style.detail is Detail.NAMES:
        return slack.act(situation)
    if _measures_first(situation):
        return slack.measure(situation, situation.rng.choice(situation.rows))
    if situation.style.detail is Detail.FULL and is_specified(situation):
        return specification.act(situation)
    return algebra.act(situation)


def _measures_first(situation: Situation) -> bool:
    if situation.voice is Voice.TERSE or situation.observation.turn > 0 or not situation.rows:
        return False
    return situation.rng.random() < _MEASURED


def _step(env: RepairEnv, shown: Observation, answer: str, turns: list[Turn], *, learn: bool) -> Transition:
    transition = env.step(answer)
    turns.append(Turn(shown, answer, transition.step.action, learn))
    return transition


def _play_mixed(env: RepairEnv, recipe: Recipe, rng: random.Random) -> Played:
    observation = env.reset()
    turns: list[Turn] = []
    if rng.random() < STUMBLES:
        transition = _step(env, observation, stumble(observation, rng), turns, learn=False)
        observation = transition.observation
        if transition.outcome is not None:
            return Played((), "not recovered")
    while observation.iis is not None and (observation.iis.rows or observation.iis.bounds):
        move = choose(observation, recipe.style, rng, recipe.hurried)
        answer = render_answer(move.think, move.action)
        transition = env.step(answer)
        # A repair that did not break the conflict it named is no example.
        worth = transition.observation.iis != observation.iis or not move.action.is_repair
        turns.append(Turn(observation, answer, move.action, worth))
        if transition.outcome is Outcome.RECOVERED:
            return Played(tuple(turns))
        if transition.outcome is not None:
            break
        observation = transition.observation
    return Played((), "not recovered")


def _play_drop_first(env: RepairEnv) -> Played:
    observation = env.reset()
    turns: list[Turn] = []
    while observation.iis is not None and observation.iis.rows:
        first = observation.iis.rows[0]
        think = (
            f"Step {observation.turn + 1}: The IIS contains {len(observation.iis.rows)} constraints.\n"
            f"Constraint '{first}' is identified as problematic.\n"
            "Dropping this constraint should resolve the conflict."
        )
        answer = render_answer(think, Action(ActionKind.DROP_CONSTRAINT, first))
        transition = _step(env, observation, answer, turns, learn=True)
        if transition.outcome is Outcome.RECOVERED:
            return Played(tuple(turns))
        if transition.outcome is not None:
            break
        observation = transition.observation
    return Played((), "not recovered")
