"""What could be done about a conflict without a specification, and what the solver says of each."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from ordebug_plugin.actions import Action, ActionKind
from ordebug_plugin.experts.situation import Situation
from ordebug_plugin.interval import Interval
from ordebug_plugin.scoring import feasibility_preservation, minimality_ratio, optimality_preservation
from ordebug_plugin.verdict import Relaxation, Status

# Amounts are rounded up to so many digits: what is left over is no repair, and long numbers are no reasoning.
_DIGITS = 4
# What a side is multiplied by where somebody took the wrong unit, or counted twice.
_MISTAKES = (0.5, 0.1, 0.01, 0.001, 2.0, 10.0, 100.0, 1000.0)
# In longer conflicts not every row is tried.
_MOST_ROWS = 12


@dataclass(frozen=True)
class Option:
    """An action, and what comes of it.

    Attributes:
        action: The action.
        status: Status of the model after it.
        quality: Where it recovers: preservation, or minimality where the original objective is not known (`scoring`).
        keeps: Whether it keeps the objective, as far as that is known.
    """

    action: Action
    status: Status
    quality: float = 0.0
    keeps: bool = True

    @property
    def recovers(self) -> bool:
        """Whether the model is repaired."""
        return self.status.is_repaired


def rounded_up(amount: float) -> float:
    """At least the amount, in few digits."""
    if amount <= 0:
        return 0.0
    unit = 10.0 ** (math.floor(math.log10(amount)) - _DIGITS + 1)
    return float(f"{math.ceil(amount / unit - 1e-9) * unit:.12g}")


def relaxed(situation: Situation, row: str, needed: Interval) -> Action:
    """The relaxation that lets a row reach what it must."""
    below, above = situation.observation.edits.row(situation.observation.shape, row).loosened_to(needed)
    return Action(ActionKind.RELAX_CONSTRAINT, row, (rounded_up(max(below, above)),))


def cheapest(situation: Situation) -> Relaxation | None:
    """The cheapest repair of the model as it stands."""
    return situation.judge.relaxation(situation.problem, situation.observation.edits)


def drops(situation: Situation) -> list[Action]:
    """Each row of the conflict dropped."""
    return [Action(ActionKind.DROP_CONSTRAINT, row) for row in situation.rows[:_MOST_ROWS]]


def common_mistakes(situation: Situation) -> list[Action]:
    """Each row of the conflict with a looser side, as if the one it has were in the wrong unit, or counted twice."""
    shape, edits = situation.observation.shape, situation.observation.edits
    found = []
    for row in situation.rows[:_MOST_ROWS]:
        sides = edits.row(shape, row)
        if sides.sense == "in":
            continue
        side = sides.lower if sides.sense == ">=" else sides.upper
        for factor in _MISTAKES:
            value = float(f"{side * factor:.12g}")
            if sides.sense == "=" or (value < side if sides.sense == ">=" else value > side):
                found.append(Action(ActionKind.UPDATE_RHS, row, (value,)))
    return found


def opened_bounds(situation: Situation) -> list[Action]:
    """Each variable in conflict with its upper bound lifted, or its lower bound back at 0."""
    shape, edits = situation.observation.shape, situation.observation.edits
    found = []
    for name in situation.bounds:
        bounds = edits.variable(shape, name)
        if bounds.upper < math.inf and name not in shape.binaries:
            found.append(Action(ActionKind.UPDATE_BOUNDS, name, (bounds.lower, math.inf)))
        if bounds.lower > 0:
            found.append(Action(ActionKind.UPDATE_BOUNDS, name, (0.0, bounds.upper)))
    return found


def weigh(situation: Situation, actions: Iterable[Action]) -> list[Option]:
    """Asks the solver about each action; those that would be refused are left out."""
    found = []
    for action in dict.fromkeys(actions):
        verdict = situation.solve(action)
        if verdict is None:
            continue
        if not verdict.status.is_repaired:
            found.append(Option(action, verdict.status))
            continue
        known = situation.problem.truth.objective is not None
        keeps = situation.keeps(verdict) if known else True
        found.append(Option(action, verdict.status, _quality(situation, action, verdict.objective), keeps))
    return found


def _quality(situation: Situation, action: Action, objective: float | None) -> float:
    problem, edits = situation.problem, situation.after(action)
    if edits is None:
        return 0.0
    audit = situation.judge.audit(problem, edits)
    original = problem.truth.objective
    if original is None:
        needed = situation.judge.infeasibility(problem)
        return 0.0 if needed is None else minimality_ratio(needed, audit.granted)
    if objective is None:
        return 0.0
    rows = situation.observation.shape.rows
    return optimality_preservation(objective, original) * feasibility_preservation(
        audit.lost_rows, problem.truth.added_rows, len(rows)
    )


def best(situation: Situation, options: list[Option]) -> Option | None:
    """The option with the highest quality that keeps what is known to be kept.

    Among equals the one that undoes the fault, then one that touches a culprit. Where none recovers, which two faults
    at once can be the reason of, likewise.
    """
    truth = situation.problem.truth
    culprits = {*truth.rows, *truth.variables}
    if truth.has_culprit:  # to guess another number than what was meant would be a story, however well it works
        options = [one for one in options if one.action.kind is not ActionKind.UPDATE_RHS or one.action in truth.fix]
    good = [option for option in options if option.recovers and option.keeps and option.quality > 0]
    if good:
        most = max(option.quality for option in good)
        equal = [option for option in good if option.quality >= most - 1e-9]
        exact = [option for option in equal if option.action in truth.fix]
        hits = [option for option in equal if option.action.target in culprits]
        return situation.rng.choice(exact or hits or equal)
    if any(option.recovers for option in options):
        return None
    if not truth.has_culprit:
        return options[0] if options else None
    hits = [option for option in options if option.action.target in culprits and option.status is Status.INFEASIBLE]
    return situation.rng.choice(hits) if hits else None
