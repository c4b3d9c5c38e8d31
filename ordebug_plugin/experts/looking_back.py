"""What the turns before say: one sentence about the last of them, and whether something must be taken back."""

from __future__ import annotations

from ordebug_plugin.actions import Action, ActionKind
from ordebug_plugin.env import Step
from ordebug_plugin.experts.situation import Move, Situation, Voice, is_specified
from ordebug_plugin.experts.words import pick, text


def undo(situation: Situation) -> Move | None:
    """Takes everything back where an earlier turn changed what was right; None where the next repair can stand on it.

    Where the prompt says what is stated of the element, it can be set back by itself, unless it was dropped.
    """
    wrong = situation.wrong
    if wrong is None or wrong.target is None or situation.is_fault(wrong.target):
        return None
    listed = {element.name: element for element in situation.elements}
    if wrong.target in listed and is_specified(situation) and situation.exact_repair(listed[wrong.target]) is not None:
        return None
    rng, action = situation.rng, Action(ActionKind.RESET)
    name = wrong.target
    if situation.voice is Voice.TERSE:
        return Move(f"{name} did not help. All back.", action)
    think = text(
        f"I tried {wrong}.",
        pick(
            rng,
            "The model is still infeasible.",
            "That did not end the conflict.",
            f"It did not help: what I did to {name} leaves the model infeasible.",
            "The conflict goes on.",
        ),
        pick(
            rng,
            "I take it back before I look elsewhere.",
            "First everything back as it was.",
            "RESET brings it back; then I try something else.",
            f"I do not leave {name} changed for nothing, so I undo it.",
            "I start again from the model as loaded.",
        ),
    )
    return Move(think, action)


def looked_back(situation: Situation, target: str) -> str:
    """A sentence about the last turn, where it says something about the next, which is about `target`."""
    history = situation.observation.history
    if not history or situation.rng.random() < 0.1:
        return ""
    last = history[-1]
    if last.refused:
        return _refused(situation, last)
    match last.action and last.action.kind:
        case None | ActionKind.GET_IIS | ActionKind.SUBMIT:
            options = [""]
        case ActionKind.RESET:
            options = ["Everything is as loaded again.", "Back at the start.", "From the start again.", ""]
        case ActionKind.CHECK_SLACK:
            measured = "" if last.action is None else last.action.target
            options = [f"{measured}: {last.note}.", f"CHECK_SLACK says of {measured}: {last.note}."]
        case _:
            options = _after_repair(situation, last.action, target)
    return pick(situation.rng, *options)


def _after_repair(situation: Situation, action: Action | None, target: str) -> list[str]:
    if action is None or action.target is None:
        return [""]
    changed = action.target
    if action == situation.wrong:
        return [
            f"{changed} was changed, and the model is still infeasible.",
            f"What I did to {changed} did not help.",
            f"{action} did not make the model feasible.",
            "My last step did not help.",
        ]
    if changed == target:
        return [f"{changed} was changed, and it is still in conflict.", f"{changed} is in conflict as before."]
    left = [
        f"After {changed} a conflict is left.",
        f"{changed} is done, but the model is still infeasible.",
        "A conflict is left.",
    ]
    if situation.wrong is not None or _was_set_back(situation, changed):
        return left  # the change may have been the own mistake: nothing follows for what else was wrong
    return [*left, f"{changed} was not all: a conflict remains."] if is_specified(situation) else left


def _was_set_back(situation: Situation, changed: str) -> bool:
    """Whether an element was changed more than once since the model was as loaded."""
    changes = 0
    for step in situation.observation.history:
        if step.action is None or step.refused:
            continue
        if step.action.kind is ActionKind.RESET:
            changes = 0
        elif step.action.is_repair and step.action.target == changed:
            changes += 1
    return changes > 1


def _refused(situation: Situation, last: Step) -> str:
    rng = situation.rng
    if last.action is None or last.action.target is None:
        return pick(rng, "My last answer held no action.", "There was no action to carry out.", "")
    return pick(
        rng,
        f"There is no {last.action.target} in this model.",
        f"{last.action.target} was refused, the name does not exist.",
        "The last action named something that is not there.",
    )
