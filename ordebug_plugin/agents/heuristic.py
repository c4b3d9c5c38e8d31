"""Policies without a model: the baselines that every trained model has to beat.

All of them answer in the answer format, through the same parser as a language model. Where a policy finds nothing to
do (drop-first on an IIS of bounds alone), it submits.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass

from ordebug_plugin.actions import Action, ActionKind
from ordebug_plugin.edits import apply_action
from ordebug_plugin.env import Observation, RepairEnv
from ordebug_plugin.episode import Reply
from ordebug_plugin.prompt import Style, render_answer, render_state
from ordebug_plugin.verdict import IIS, Relaxation

SUBMIT = Action(ActionKind.SUBMIT)
# Added to the amounts of the cheapest repair, relative and absolute: at exactly the needed amount the repaired model
# has a single point left, and feasibility hangs on the last bit.
_MARGIN = 1e-7
# Amounts to give way by where the cheapest repair is 0 by the solver's tolerances and the model is infeasible all the
# same, the least that is enough; and how many elements of the conflict are tried, one solve for each.
_HAIRS = (2e-6, 1e-5, 1e-4, 1e-3)
_MOST_TRIED = 50


@dataclass(frozen=True)
class DropFirst:
    """Drops the first IIS row in model order."""

    name: str = "drop-first"

    def act(self, env: RepairEnv, observation: Observation) -> Reply:
        """Answers one observation."""
        rows = _iis(observation).rows
        if not rows:
            return _reply(observation, "The IIS has no row to drop.", SUBMIT)
        return _reply(
            observation, f"The first row of the IIS is {rows[0]}.", Action(ActionKind.DROP_CONSTRAINT, rows[0])
        )


@dataclass(frozen=True)
class DropRandom:
    """Drops a random IIS row."""

    seed: int = 0
    name: str = "drop-random"

    def act(self, env: RepairEnv, observation: Observation) -> Reply:
        """Answers one observation; the choice depends on seed, model content and turn alone."""
        rows = _iis(observation).rows
        if not rows:
            return _reply(observation, "The IIS has no row to drop.", SUBMIT)
        row = _rng(self.seed, env, observation).choice(rows)
        return _reply(observation, f"A random row of the IIS is {row}.", Action(ActionKind.DROP_CONSTRAINT, row))


@dataclass(frozen=True)
class RelaxFirst:
    """Relaxes the first IIS row in model order by a fixed amount."""

    amount: float = 1.0
    name: str = "relax-first"

    def act(self, env: RepairEnv, observation: Observation) -> Reply:
        """Answers one observation."""
        rows = _iis(observation).rows
        if not rows:
            return _reply(observation, "The IIS has no row to relax.", SUBMIT)
        action = Action(ActionKind.RELAX_CONSTRAINT, rows[0], (self.amount,))
        return _reply(observation, f"The first row of the IIS is {rows[0]}.", action)


@dataclass(frozen=True)
class RandomElement:
    """Edits a random element of the IIS: a row is dropped or relaxed, a variable loses its bounds."""

    seed: int = 0
    name: str = "random"

    def act(self, env: RepairEnv, observation: Observation) -> Reply:
        """Answers one observation; the choice depends on seed, model content and turn alone."""
        iis = _iis(observation)
        rng = _rng(self.seed, env, observation)
        choices = [("row", name) for name in iis.rows] + [("variable", name) for name in iis.bounds]
        if not choices:
            return _reply(observation, "There is no IIS to choose from.", SUBMIT)
        noun, name = rng.choice(choices)
        if noun == "variable":
            action = Action(ActionKind.UPDATE_BOUNDS, name, (-math.inf, math.inf))
        elif rng.random() < 0.5:
            action = Action(ActionKind.DROP_CONSTRAINT, name)
        else:
            action = Action(ActionKind.RELAX_CONSTRAINT, name, (rng.choice((1.0, 5.0, 10.0)),))
        return _reply(observation, f"A random element of the IIS is {name}.", action)


@dataclass(frozen=True)
class RelaxMinimal:
    """Carries out the cheapest repair (Gurobi's feasRelax, L1), one element a turn, the largest amount first.

    Where nothing has to give way by more than the solver's tolerances and the model is infeasible all the same, it
    takes the least hair by which one element of the IIS alone makes it feasible.
    """

    name: str = "relax-minimal"

    def act(self, env: RepairEnv, observation: Observation) -> Reply:
        """Answers one observation."""
        relaxation = env.judge.relaxation(env.problem, env.edits)
        if relaxation is None:
            return _reply(observation, "The cheapest repair is not known within the work limit.", SUBMIT)
        action = _largest(env, relaxation)
        if action is not None:
            return _reply(observation, f"The cheapest repair changes {action.target}.", action)
        action = _enough(env)
        if action is None:
            return _reply(observation, "What is left is within the tolerances, and nothing alone resolves it.", SUBMIT)
        return _reply(observation, f"What is left is within the tolerances; {action.target} resolves it.", action)


@dataclass(frozen=True)
class Oracle:
    """Undoes the recorded culprit, then whatever is left by the cheapest repair.

    Where the true repair is not in the action set (a flipped sense, a wrong coefficient), it drops the culprit.
    """

    name: str = "oracle"

    def act(self, env: RepairEnv, observation: Observation) -> Reply:
        """Answers one observation."""
        fix = env.problem.truth.fix
        if observation.turn < len(fix):
            action = fix[observation.turn]
            return _reply(observation, f"The fault is known to be at {action.target}.", action)
        return RelaxMinimal().act(env, observation)


def _largest(env: RepairEnv, relaxation: Relaxation) -> Action | None:
    """The action for the element that must give way most; None where nothing must."""
    shape = env.judge.shape(env.problem)
    steps: list[tuple[float, Action]] = []
    for name, interval in relaxation.rows:
        amount = max(env.edits.row(shape, name).loosened_to(interval))
        steps.append((amount, Action(ActionKind.RELAX_CONSTRAINT, name, (_with_margin(amount),))))
    for name, interval in relaxation.variables:
        below, above = env.edits.variable(shape, name).loosened_to(interval)
        bounds = (
            interval.lower - (_with_margin(below) - below),
            interval.upper + (_with_margin(above) - above),
        )
        steps.append((max(below, above), Action(ActionKind.UPDATE_BOUNDS, name, bounds)))
    return max(steps, key=lambda step: step[0])[1] if steps else None


def _enough(env: RepairEnv) -> Action | None:
    """One element of the IIS that gives way by a hair, where the solver finds that to be enough: rows go first."""
    judge, problem, shape = env.judge, env.problem, env.judge.shape(env.problem)
    iis = judge.iis(problem, env.edits)
    if iis is None:
        return None
    for hair in _HAIRS:
        steps = [Action(ActionKind.RELAX_CONSTRAINT, name, (hair,)) for name in iis.rows[:_MOST_TRIED]]
        for name in iis.bounds[:_MOST_TRIED]:
            lower, upper = env.edits.variable(shape, name).lower, env.edits.variable(shape, name).upper
            if name not in shape.binaries:
                ends = ((lower, upper + hair), (lower - hair, upper))
                steps += [Action(ActionKind.UPDATE_BOUNDS, name, end) for end in ends]
        for action in steps:
            if judge.solve(problem, apply_action(shape, env.edits, action)).status.is_repaired:
                return action
    return None


def _with_margin(amount: float) -> float:
    return amount * (1 + _MARGIN) + _MARGIN if amount > 0 else 0.0


def _rng(seed: int, env: RepairEnv, observation: Observation) -> random.Random:
    return random.Random(f"{seed}/{env.problem.content_hash}/{observation.turn}")


def _iis(observation: Observation) -> IIS:
    """The IIS, empty where there is none (an unbounded model, or the work limit)."""
    return observation.iis or IIS((), ())


def _reply(observation: Observation, think: str, action: Action) -> Reply:
    return Reply(render_answer(think, action), prompt=render_state(observation, Style()))
