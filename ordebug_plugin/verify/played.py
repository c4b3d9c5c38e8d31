"""One answer of a replayed conversation: what came of it, and whether its prompt shows what the environment says."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from ordebug_plugin.actions import Action, ActionKind
from ordebug_plugin.edits import Edits
from ordebug_plugin.env import Observation, RepairEnv, Step
from ordebug_plugin.prompt import Detail, Style, render_state
from ordebug_plugin.verify.demonstration import Turn

# Every way in which a state may have been written, less what was done before.
STYLES = tuple(Style(history=False, detail=detail) for detail in Detail)


@dataclass(frozen=True)
class Played:
    """What came of one answer.

    Attributes:
        action: The action with its target as the model has it; None where the answer has none.
        refused: Why the action was not carried out; None where it was.
        recovered: Whether the model is repaired after it.
        advances: Whether the model is less infeasible after it, by the cost of the cheapest repair; None where that
            cost is not known.
        useful: Whether it recovers or advances, looks at what was not shown, or takes back what was done; None
            where `advances` is.
        takes_back: Whether it takes back some of what was done, and does nothing else.
        true_prompt: Whether the prompt shows the very state in which the answer was replayed, and the turns before it
            as they came out; None where it shows no state.
        kept: Bounds that the action names and leaves as they were.
    """

    action: Action | None
    refused: str | None
    recovered: bool
    advances: bool | None
    useful: bool | None
    takes_back: bool
    true_prompt: bool | None
    kept: tuple[float, ...]


@dataclass(frozen=True)
class Course:
    """A conversation as it was played, turn by turn.

    Attributes:
        env: The environment at its end.
        turns: The prompts and answers.
        steps: What the environment made of each answer.
        states: What was seen before each.
        recovered: Whether the episode ended well.
    """

    env: RepairEnv
    turns: Sequence[Turn]
    steps: Sequence[Step]
    states: Sequence[Observation]
    recovered: bool


def played(course: Course, place: int) -> Played:
    """What came of one answer, by its place from 0.

    Raises:
        SolverError: Gurobi failed.
    """
    step, before = course.steps[place], course.states[place]
    recovered = course.recovered and place == len(course.turns) - 1
    advances = True if recovered else _advances(course, place)
    takes_back = _takes_back(before.edits, _after(course, place))
    informs = takes_back or _informs(course.turns[place], step, before)
    return Played(
        action=step.action,
        refused=step.note.removeprefix("refused: ") if step.refused else None,
        recovered=recovered,
        advances=advances,
        useful=advances if advances is not False else informs,
        takes_back=takes_back,
        true_prompt=_true_prompt(course, place),
        kept=_kept(step, before),
    )


def states_until(last: Observation | None) -> list[Observation]:
    """What was seen until an observation, in order."""
    states: list[Observation] = []
    while last is not None:
        states.append(last)
        last = last.previous
    return states[::-1]


def _advances(course: Course, place: int) -> bool | None:
    """A first of two repairs does not recover, and yet the rest becomes cheaper."""
    step, before, env = course.steps[place], course.states[place], course.env
    if step.refused or step.action is None or not step.action.is_repair:
        return False
    then, now = (env.judge.infeasibility(env.problem, edits) for edits in (before.edits, _after(course, place)))
    if then is None or now is None:
        return None
    return now < then and not math.isclose(now, then, rel_tol=1e-6)


def _after(course: Course, place: int) -> Edits:
    """What differs from the model as loaded after an answer."""
    return course.env.edits if place == len(course.states) - 1 else course.states[place + 1].edits


def _takes_back(before: Edits, after: Edits) -> bool:
    """Whether some edits are gone, and the others are what they were: by RESET, or by writing the old value again."""
    then, now = ({*edits.rows, *edits.variables, *edits.rewrites} for edits in (before, after))
    return now < then


def _informs(turn: Turn, step: Step, before: Observation) -> bool:
    """Whether an answer looks at what was not shown yet."""
    if step.refused or step.action is None:
        return False
    if step.action.kind is ActionKind.CHECK_SLACK:
        earlier = zip(states_until(before), before.history, strict=False)
        return before.edits not in [state.edits for state, past in earlier if past.action == step.action]
    return step.action.kind is ActionKind.GET_IIS and turn.shown.iis_rows is None


def _true_prompt(course: Course, place: int) -> bool | None:
    """Whether a prompt is what the environment says.

    What the first prompt lists as done before was replayed, so only the lines after it can be held against anything.
    """
    turn, first, before = course.turns[place], course.turns[0], course.states[place]
    if not turn.shown.state:
        return None
    if all(render_state(before, style) != turn.shown.state for style in STYLES):
        return False
    if place == 0 or not turn.past:
        return True
    bare = STYLES[0]
    past = render_state(before, replace(bare, history=True)).removeprefix(render_state(before, bare))
    return turn.past == ("\n".join([first.past, *past.split("\n")[-place:]]) if first.past else past)


def _kept(step: Step, before: Observation) -> tuple[float, ...]:
    if step.refused or step.action is None or step.action.kind is not ActionKind.UPDATE_BOUNDS:
        return ()
    bounds = before.edits.variable(before.shape, step.action.target or "")
    pairs = zip((bounds.lower, bounds.upper), step.action.numbers, strict=True)
    return tuple(new for old, new in pairs if old == new)
