"""What is played: problems with repairs in order, and LPs drawn by seed."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from ordebug_plugin.actions import Action, ActionKind
from ordebug_plugin.edits import NO_EDITS, Edits, apply_action
from ordebug_plugin.errors import ActionError
from ordebug_plugin.problem import Problem
from ordebug_plugin.solver import Judge
from ordebug_plugin.verdict import Status

TURNS = 5
# How often gpt-5.2-chat took each repair of a row in the public data (sft/gpt52chat.json), and by how much it relaxed.
REPAIRS = {ActionKind.RELAX_CONSTRAINT: 477, ActionKind.DROP_CONSTRAINT: 280, ActionKind.UPDATE_RHS: 2}
AMOUNTS = {1.0: 270, 5.0: 198, 2.0: 5, 10.0: 3, 3.0: 1}


@dataclass(frozen=True)
class Script:
    """A problem, and repairs of it in order; each but the last leaves it infeasible."""

    problem: Problem
    actions: tuple[Action, ...]


def edits_of(judge: Judge, script: Script) -> list[Edits]:
    """The edits after each turn, from none."""
    shape, edits = judge.shape(script.problem), [NO_EDITS]
    for action in script.actions:
        edits.append(apply_action(shape, edits[-1], action))
    return edits


def draw_action(rng: random.Random, rows: tuple[str, ...]) -> Action:
    """As the public model repairs."""
    kind = rng.choices(list(REPAIRS), weights=list(REPAIRS.values()))[0]
    amount = rng.choices(list(AMOUNTS), weights=list(AMOUNTS.values()))[0]
    numbers = {ActionKind.RELAX_CONSTRAINT: (amount,), ActionKind.UPDATE_RHS: (0.0,)}
    return Action(kind, rng.choice(rows), numbers.get(kind, ()))


def drop_first(_: random.Random, rows: tuple[str, ...]) -> Action:
    """As the public heuristic repairs."""
    return Action(ActionKind.DROP_CONSTRAINT, rows[0])


Habit = Callable[[random.Random, tuple[str, ...]], Action]


def draw_script(rng: random.Random, judge: Judge, problem: Problem, habit: Habit = draw_action) -> Script:
    """Repairs of rows of the present IIS until the model is repaired."""
    shape, edits = judge.shape(problem), NO_EDITS
    actions: list[Action] = []
    for _ in range(TURNS):
        iis = judge.iis(problem, edits)
        rows = iis.rows if iis else ()
        if not rows or judge.solve(problem, edits).status is not Status.INFEASIBLE:
            break
        action = habit(rng, rows)
        if action.kind is ActionKind.UPDATE_RHS and action.target in {other.target for other in actions}:
            break  # the naive way would not know the row as it came
        try:
            edits = apply_action(shape, edits, action)
        except ActionError:
            break
        actions.append(action)
    return Script(problem, tuple(actions))


def sum_of(terms: dict[int, int]) -> str:
    return " + ".join(f"{weight} x{column}" for column, weight in terms.items())


def drawn_lp(rng: random.Random, rows: int) -> str:
    """An LP that had a point until up to three rows were added, each against the sum of up to four others."""
    columns = rows
    point = [rng.uniform(0.0, 10.0) for _ in range(columns)]
    text = ["Minimize", " obj: " + " + ".join(f"{rng.randint(1, 20)} x{c}" for c in range(columns)), "Subject To"]
    faults = 3 if rows >= 30 else 1
    sums: list[dict[int, int]] = [{} for _ in range(faults)]
    sides = [20.0 + rng.uniform(0, 10) for _ in range(faults)]
    for row in range(rows - faults):
        terms = {column: rng.randint(1, 9) for column in rng.sample(range(columns), min(columns, rng.randint(2, 8)))}
        value = sum(weight * point[column] for column, weight in terms.items())
        fault = row % faults if row < faults * rng.randint(1, 4) else None  # the fault wants more than these rows allow
        at_least = fault is None and rng.random() < 0.5
        side = value - rng.uniform(0, 5) if at_least else value + rng.uniform(0, 5)
        text.append(f" r{row}: {sum_of(terms)} {'>=' if at_least else '<='} {side:.4f}")
        if fault is not None:
            sides[fault] += side
            for column, weight in terms.items():
                sums[fault][column] = sums[fault].get(column, 0) + weight
    text += [f" f{fault}: {sum_of(sums[fault])} >= {sides[fault]:.4f}" for fault in range(faults)]
    text += ["Bounds", *(f" x{column} <= 40" for column in range(columns)), "End"]
    return "\n".join(text) + "\n"
