"""The two repairers who demonstrate, and what they say.

The reasoning says only what its prompt shows. The hurried repairer takes the first row listed, as every answer of the
public ``heuristic.json`` does. The careful one takes what is odd where the prompt shows numbers, and where none is,
tries something. On the models of `production`, whose faults are gross, what is odd is at fault: alone, the careful one
would hit the culprit of nearly every problem, and almost all first conflicts hold an oddity.

The hurried one gives most answers, so that is what greedy decoding imitates. What the other one's are worth, which no
demonstration says, is left for reinforcement learning to find out; ``hurried=0`` shows what there is to find.
"""

from __future__ import annotations

import math
import random

from ordebug_plugin.actions import Action, ActionKind
from ordebug_plugin.env import Observation
from ordebug_plugin.experts.situation import Move
from ordebug_plugin.interval import Interval
from ordebug_plugin.prompt import Detail, Style, render_answer

# Share of answers by the hurried repairer, unless told otherwise.
HURRIED = 0.6
# What the careful one does to a row of which nothing is known, and was not tried on it yet.
ROW_ACTIONS = {
    ActionKind.DROP_CONSTRAINT: 58,
    ActionKind.RELAX_CONSTRAINT: 24,
    ActionKind.CHECK_SLACK: 10,
    ActionKind.UPDATE_RHS: 8,
}
# Share of repairs on a variable, where the IIS holds bounds and the prompt does not show them.
BOUND_SHARE = 0.15
# What the careful one finds odd: a minimum of hundreds, a maximum of tens; of a variable, a minimum or a tiny maximum.
ODD_MINIMUM = ODD_MAXIMUM = 100.0
ODD_UPPER_BOUND = 2.0
# Amounts are powers of ten: how much is needed cannot be read from names, only how much was not enough.
FIRST_AMOUNTS = (100.0, 1000.0)
LARGEST_AMOUNT = 1e5


def stumble(observation: Observation, rng: random.Random) -> str:
    """An answer that does not help: what an imperfect agent would have done the turn before."""
    names = _conflict_rows(observation) or list(observation.rows)
    bounds = observation.iis.bounds if observation.iis is not None else ()
    kind = rng.choice(("unknown", "silent", "small", "small", *(("bound",) * 2 if bounds else ())))
    if kind == "bound":
        return render_answer("A guess.", Action(ActionKind.UPDATE_BOUNDS, rng.choice(bounds), (0.0, math.inf)))
    if kind == "silent":
        return ""
    if kind == "unknown":
        unused = [f"r{number}" for number in range(10, 100) if f"r{number}" not in observation.rows]
        return render_answer("A guess.", Action(ActionKind.DROP_CONSTRAINT, rng.choice(unused)))
    return render_answer("A guess.", Action(ActionKind.RELAX_CONSTRAINT, rng.choice(names), (1.0,)))


def choose(observation: Observation, style: Style, rng: random.Random, hurried: float) -> Move:
    """Chooses the next action and says why, from what the prompt shows alone.

    Args:
        observation: An infeasible model, and its IIS with a row or a bound.
        style: What the prompt shows.
        rng: What decides.
        hurried: Probability that the hurried repairer answers.
    """
    iis = observation.iis
    rows = _conflict_rows(observation)
    bounds = list(iis.bounds) if iis is not None else []
    opening = _opening(observation, rows, bounds, style)
    if observation.history:
        follow = _follow_up(observation, opening, rng)
        if follow is not None:
            return follow
    if rng.random() < hurried:
        return (
            _drop(opening, "The first one goes", rows[0])
            if rows
            else _free(observation, opening, "The first one", bounds[0])
        )
    numbers = style.detail is not Detail.NAMES
    odd_bounds = [name for name in bounds if numbers and _is_odd_variable(observation, name)]
    odd_rows = [name for name in rows if numbers and _is_odd_row(observation, name)]
    if odd_bounds:
        return _free(observation, opening, "The odd bound", rng.choice(odd_bounds))
    if odd_rows:
        return _drop(opening, "The odd one goes", rng.choice(odd_rows))
    if bounds and (not rows or (not numbers and rng.random() < BOUND_SHARE)):
        return _free(observation, opening, "Some bound", rng.choice(bounds))
    kind = rng.choices(list(ROW_ACTIONS), weights=list(ROW_ACTIONS.values()))[0]
    return _on_row(kind, rng.choice(rows), opening, rng)


def _is_odd_row(observation: Observation, row: str) -> bool:
    sides = observation.edits.row(observation.shape, row)
    if sides.lower == sides.upper:
        return False
    return ODD_MINIMUM <= sides.lower < math.inf or 0 < sides.upper < ODD_MAXIMUM


def _is_odd_variable(observation: Observation, variable: str) -> bool:
    """A switch between 0 and 1 is not odd."""
    if variable in observation.shape.binaries | observation.shape.integers:
        return False
    bounds = observation.edits.variable(observation.shape, variable)
    return bounds.lower > 0 or 0 <= bounds.upper <= ODD_UPPER_BOUND


def _drop(opening: str, why: str, row: str) -> Move:
    return Move(f"{opening} {why}: {row}.", Action(ActionKind.DROP_CONSTRAINT, row))


def _free(observation: Observation, opening: str, which: str, variable: str) -> Move:
    lower = min(0.0, observation.edits.variable(observation.shape, variable).lower)
    return Move(
        f"{opening} {which} goes free: {variable}.", Action(ActionKind.UPDATE_BOUNDS, variable, (lower, math.inf))
    )


def _on_row(kind: ActionKind, row: str, opening: str, rng: random.Random) -> Move:
    if kind is ActionKind.CHECK_SLACK:
        return Move(f"{opening} First I look at how far off one is: {row}.", Action(kind, row))
    if kind is ActionKind.UPDATE_RHS:
        return Move(f"{opening} A side of 0.0 asks least of a minimum: {row}.", Action(kind, row, (0.0,)))
    if kind is ActionKind.RELAX_CONSTRAINT:
        amount = rng.choice(FIRST_AMOUNTS)
        think = f"{opening} I keep all rows and loosen one by {amount}: {row}."
        return Move(think, Action(kind, row, (amount,)))
    return _drop(opening, "Some row goes, I drop", row)


def _follow_up(observation: Observation, opening: str, rng: random.Random) -> Move | None:
    """What the last turn calls for: more of what was too little, or an amount that was just measured."""
    last = observation.history[-1]
    rows = _conflict_rows(observation)
    if last.refused:
        return None  # the opening names the rows that do exist; the choice among them is free again
    relaxed = _last_amount(observation)
    for row in rows:
        if last.action == Action(ActionKind.CHECK_SLACK, row):
            if not last.note.startswith("violated by "):
                return None
            amount = 10.0 ** max(1, math.ceil(math.log10(float(last.note.split()[2]))))
            think = f"{opening} It is {last.note.split(' at ')[0]}, so {amount} is enough: {row}."
            return Move(think, Action(ActionKind.RELAX_CONSTRAINT, row, (amount,)))
        if row in relaxed and relaxed[row] < LARGEST_AMOUNT:
            if rng.random() < 0.5:
                think = f"{opening} To loosen it by {relaxed[row]} was too little, so I drop it: {row}."
                return Move(think, Action(ActionKind.DROP_CONSTRAINT, row))
            amount = 100.0 * relaxed[row]
            think = f"{opening} To loosen it by {relaxed[row]} was too little, I take {amount}: {row}."
            return Move(think, Action(ActionKind.RELAX_CONSTRAINT, row, (amount,)))
    return None


def _last_amount(observation: Observation) -> dict[str, float]:
    """The last amount by which each row was relaxed, read from the history that the prompt shows."""
    amounts = {}
    for step in observation.history:
        action = step.action
        if action is not None and not step.refused and action.kind is ActionKind.RELAX_CONSTRAINT:
            amounts[action.target or ""] = action.numbers[0]
    return amounts


def _opening(observation: Observation, rows: list[str], bounds: list[str], style: Style) -> str:
    """Names the conflict as the prompt lists it: rows, then variables; with algebra their senses, and what is odd."""
    if style.detail is Detail.NAMES:
        return f"In conflict: {'; '.join(rows + bounds)}."
    # Senses, not numbers: a tiny model that copies numbers of many digits gets caught in repeating them.
    shape, edits = observation.shape, observation.edits
    listed = [_item(row, edits.row(shape, row), _is_odd_row(observation, row)) for row in rows]
    listed += [_item(name, edits.variable(shape, name), _is_odd_variable(observation, name)) for name in bounds]
    return f"In conflict: {'; '.join(listed)}."


def _item(name: str, sides: Interval, odd: bool) -> str:
    """The name once more after the remark, so that it follows the word by which it is looked up."""
    return f"{name} {sides.sense}, odd {name}" if odd else f"{name} {sides.sense}"


def _conflict_rows(observation: Observation) -> list[str]:
    return [] if observation.iis is None else list(observation.iis.rows)
