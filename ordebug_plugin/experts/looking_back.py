"""What the turns before say: one sentence about the last of them, and whether something must be taken back."""

from __future__ import annotations

from ordebug_plugin.actions import Action, ActionKind
from ordebug_plugin.env import Step
from ordebug_plugin.experts.situation import Move, Situation, Voice, is_specified
from ordebug_plugin.experts.words import number, pick, text


def undo(situation: Situation) -> Move | None:
    """Takes everything back where an earlier turn changed what was right; None where the next repair can stand on it.

    Where the prompt says what is stated of the element, it can be set back by itself, unless it was dropped.
    """
    wrong = situation.wrong
    if wrong is None or wrong.target is None or wrong.target in {a.target for a in situation.problem.truth.fix}:
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
            f"The model is still infeasible, so {name} was not what kept it from a solution.",
            f"That did not end the conflict: what is left does not hang on {name}.",
            "Still infeasible: I gave something up and got nothing for it.",
            f"The conflict goes on, so the fault is not {name}.",
        ),
        pick(
            rng,
            "I take it back before I look elsewhere.",
            "First everything back as it was.",
            "RESET brings it back; then the real fault.",
            f"{name} must not be lost for nothing, so I undo it.",
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
            options = _after_repair(last.action, target)
    return pick(situation.rng, *options)


def _after_repair(action: Action | None, target: str) -> list[str]:
    if action is None:
        return [""]
    if action.target != target:
        return [
            f"After {action.target} one conflict is left.",
            f"{action.target} is done, but the model is still infeasible.",
            f"There is more than one fault: with {action.target} changed, a conflict remains.",
            "Another conflict is left.",
        ]
    if action.kind is ActionKind.RELAX_CONSTRAINT:
        amount = number(action.numbers[0])
        return [
            f"Loosening {target} by {amount} was too little.",
            f"{amount} more room for {target} did not do.",
            f"With {amount} of relaxation {target} is still in conflict.",
        ]
    return [f"What was done to {target} was not enough.", f"{target} is still wrong."]


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
