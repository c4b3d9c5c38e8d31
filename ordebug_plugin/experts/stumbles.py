"""Wrong first steps that leave the model infeasible: what an imperfect agent does, shown so that recovery is learnt.

Their answers are never to be learnt themselves.
"""

from __future__ import annotations

import math

from ordebug_plugin.actions import THINK_CLOSE, THINK_OPEN, Action, ActionKind
from ordebug_plugin.experts.situation import Situation
from ordebug_plugin.prompt import render_answer
from ordebug_plugin.verdict import Status

# Reasoning that comes to no action.
_UNDECIDED = (
    "I do not see yet which of these is wrong.",
    "This could be any of them.",
    "Something is in the way here.",
)
# How much of what would be needed, roughly, a relaxation that is too small gives.
_TOO_LITTLE = (0.01, 0.05, 0.1, 0.3)


def stumble(situation: Situation) -> tuple[str, Action | None] | None:
    """A wrong answer, and the action in it where it has one; None where nothing fits that helps nothing."""
    kinds = ["silent", "unknown", "small", "small", "drop", "drop", "drop", "side"]
    situation.rng.shuffle(kinds)
    for kind in kinds:
        if kind == "silent":
            return f"{THINK_OPEN}\n{situation.rng.choice(_UNDECIDED)}\n{THINK_CLOSE}", None
        action = _action(situation, kind)
        if action is not None:
            return render_answer(f"I try {action.target}.", action), action
    return None


def _action(situation: Situation, kind: str) -> Action | None:
    rng, rows = situation.rng, list(situation.rows)
    shape, edits = situation.observation.shape, situation.observation.edits
    if not rows:
        return None
    row = rng.choice(rows)
    interval = edits.row(shape, row)
    side = next((end for end in (interval.upper, interval.lower) if math.isfinite(end) and end), 1.0)
    amount = float(f"{abs(side) * rng.choice(_TOO_LITTLE):.2g}")
    match kind:
        case "unknown":
            unknown = f"{row}{rng.choice('0123456789')}"
            return None if unknown in shape.rows else Action(ActionKind.DROP_CONSTRAINT, unknown)
        case "drop":
            culprits = {action.target for action in situation.problem.truth.fix}
            innocent = [name for name in rows if name not in culprits]
            rng.shuffle(innocent)
            found = (_failing(situation, Action(ActionKind.DROP_CONSTRAINT, name)) for name in innocent[:4])
            return next((action for action in found if action is not None), None)
        case "side":
            moved = side - amount if interval.sense == ">=" else side + amount
            return _failing(situation, Action(ActionKind.UPDATE_RHS, row, (float(f"{moved:.4g}"),)))
    return _failing(situation, Action(ActionKind.RELAX_CONSTRAINT, row, (amount,)))


def _failing(situation: Situation, action: Action) -> Action | None:
    verdict, edits = situation.solve(action), situation.after(action)
    if verdict is None or edits == situation.observation.edits:
        return None
    return action if verdict.status is Status.INFEASIBLE else None
