"""The expert who reads the algebra alone: why the rows contradict each other, what is the least to give, who gives it.

Without a specification nobody can tell for certain which row is wrong. What is chosen is what the solver finds best:
by preservation where the model before the fault is known, else by minimality.
"""

from __future__ import annotations

from ordebug_plugin.actions import Action, ActionKind
from ordebug_plugin.experts import terse
from ordebug_plugin.experts.argument import Argument, argue
from ordebug_plugin.experts.looking_back import looked_back
from ordebug_plugin.experts.options import (
    Option,
    best,
    cheapest,
    common_mistakes,
    drops,
    opened_bounds,
    relaxed,
    rounded_up,
    weigh,
)
from ordebug_plugin.experts.situation import Move, Situation, Voice
from ordebug_plugin.experts.words import ends, joined, number, pick, sides, text, times
from ordebug_plugin.verdict import Relaxation, Status

# Share of short answers.
_SHORT = 0.15
# More rows are not written out one by one.
_MANY = 5


def act(situation: Situation) -> Move | None:
    """The repair that the solver finds best; None where none keeps what should be kept."""
    argument = argue(situation)
    relaxation = cheapest(situation)
    options = weigh(situation, _candidates(situation, argument, relaxation))
    option = best(situation, options)
    if option is None:
        return None
    if situation.voice is Voice.TERSE:
        return Move(terse.written_out(situation, option.action.target or ""), option.action)
    return Move(_think(situation, argument, relaxation, option, options), option.action)


def _candidates(situation: Situation, argument: Argument | None, relaxation: Relaxation | None) -> list[Action]:
    found = []
    if relaxation is not None:
        shown = [(row, needed) for row, needed in relaxation.rows if row in situation.rows]
        found += [relaxed(situation, row, needed) for row, needed in shown]
    if argument is not None:
        found.append(Action(ActionKind.RELAX_CONSTRAINT, argument.chain.row, (rounded_up(argument.chain.gap),)))
    return [*found, *common_mistakes(situation), *opened_bounds(situation), *drops(situation)]


def _think(
    situation: Situation,
    argument: Argument | None,
    relaxation: Relaxation | None,
    option: Option,
    options: list[Option],
) -> str:
    rng = situation.rng
    back = looked_back(situation, option.action.target or "")
    why = _chosen(situation, argument, option)
    if rng.random() < _SHORT:
        return text(back, why, _closing(situation, option.action))
    contradiction = argument.words if argument is not None and rng.random() < 0.8 else _listed(situation)
    facts = _alternatives(situation, option, options) if rng.random() < 0.7 else ""
    least = _least(situation, relaxation, option) if rng.random() < 0.5 else ""
    middle = [least, facts]
    rng.shuffle(middle)
    return text(back, contradiction, *middle, why, _closing(situation, option.action))


def _listed(situation: Situation) -> str:
    """What the rows and bounds of the conflict ask for, one after the other."""
    rng, observation = situation.rng, situation.observation
    shape, edits = observation.shape, observation.edits
    if len(situation.rows) + len(situation.bounds) > _MANY:
        return pick(
            rng,
            f"Together {joined(situation.rows or situation.bounds)} leave no room.",
            f"{len(situation.rows)} rows are in conflict, and each of them is needed for it.",
            "It takes all of these to make the conflict, so one of them has to give.",
            "Every row listed takes part in the contradiction.",
        )
    rows = [f"{name} wants {sides(edits.row(shape, name))}" for name in situation.rows]
    bounds = [f"{name} is {sides(edits.variable(shape, name))}" for name in situation.bounds]
    parts = rows + bounds
    if rng.random() < 0.4:
        rng.shuffle(parts)
    return pick(
        rng,
        f"{joined(parts)}: that cannot be.",
        f"{joined(parts)}, which contradict each other." if len(parts) > 1 else f"{parts[0]}, which cannot be.",
        f"In conflict: {'; '.join(parts)}.",
        f"{joined(parts)}. No point satisfies all of it.",
    )


def _least(situation: Situation, relaxation: Relaxation | None, option: Option) -> str:
    """What the cheapest repair changes, which is a fact of the solver."""
    if relaxation is None or situation.observation.turn > 0:
        return ""
    rng = situation.rng
    touched = [name for name, _ in (*relaxation.rows, *relaxation.variables)]
    shown = {*situation.rows, *situation.bounds}
    if not touched or not set(touched) <= shown:
        return ""
    names = joined(touched)
    if option.action.target in touched:
        return pick(rng, f"The least change that does it is to {names}.", f"The smallest repair touches {names}.")
    return pick(
        rng,
        f"The smallest change would be to {names}, but the smallest is not always the right one.",
        f"To give way at {names} would be cheapest, which does not make it wrong.",
    )


def _alternatives(situation: Situation, option: Option, options: list[Option]) -> str:
    rng = situation.rng
    others = [
        other
        for other in options
        if other.action.kind is ActionKind.DROP_CONSTRAINT and other.action.target != option.action.target
    ]
    useless = [other.action.target or "" for other in others if other.status is Status.INFEASIBLE]
    enough = [other.action.target or "" for other in others if other.recovers]
    parts = []
    if useless:
        some = joined(rng.sample(useless, min(len(useless), rng.choice((1, 2)))), "or")
        parts.append(
            pick(
                rng,
                f"Dropping {some} would leave the model infeasible.",
                f"To drop {some} alone would not be enough.",
                f"Without {some} there would still be a conflict.",
            )
        )
    if enough and rng.random() < 0.7:
        some = rng.choice(enough)
        parts.append(
            pick(
                rng,
                f"To drop {some} would do as well, but would give up all that it asks for.",
                f"{some} alone could go too, at the price of a whole row.",
                f"Dropping {some} would also end the conflict.",
            )
        )
    return text(*parts)


def _chosen(situation: Situation, argument: Argument | None, option: Option) -> str:
    """Why this one."""
    rng, action, name = situation.rng, option.action, option.action.target or ""
    gap = argument is not None and argument.chain.row == name
    match action.kind:
        case ActionKind.RELAX_CONSTRAINT:
            return _loosened(situation, option)
        case ActionKind.UPDATE_RHS:
            return _mistaken(situation, option)
        case ActionKind.UPDATE_BOUNDS:
            sides_now = sides(situation.observation.edits.variable(situation.observation.shape, name))
            return pick(
                rng,
                f"{name} is held to {sides_now}, which the rows have no room for.",
                f"The rows can all stay if {name} is not held to {sides_now}.",
                f"I choose the bound of {name}, {sides_now}, to give way.",
            )
    return _dropped(situation, name, recovers=option.recovers, ruled_out=gap)


def _loosened(situation: Situation, option: Option) -> str:
    rng, name, amount = situation.rng, option.action.target or "", number(option.action.numbers[0])
    if not option.recovers:
        return pick(
            rng,
            f"{name} gives way by {amount} first; that is not all.",
            f"A first step is {amount} more room for {name}.",
        )
    return pick(
        rng,
        f"Loosening {name} by {amount} closes the gap and keeps every row.",
        f"I choose {name}, with {amount} more room.",
        f"If {name} gives way by {amount}, the rest can stand.",
        f"{amount} on {name} is enough.",
    )


def _dropped(situation: Situation, name: str, *, recovers: bool, ruled_out: bool) -> str:
    rng = situation.rng
    asks = sides(situation.observation.edits.row(situation.observation.shape, name))
    if not recovers:
        return pick(
            rng,
            f"{name} takes part in this conflict and goes first.",
            f"I begin with {name} ({asks}).",
            f"There is more than one conflict; this one ends with {name}.",
        )
    options = [
        f"Without {name} ({asks}) the others can all hold.",
        f"{name} alone is enough to let go, and the others stay as they are.",
        f"If {name} goes, nothing else has to change.",
        f"I choose {name}, which asks for {asks}.",
    ]
    if ruled_out:
        options += [
            f"What the others leave does not fit {name}.",
            f"The others can hold together, without {name}.",
        ]
    return pick(rng, *options)


def _mistaken(situation: Situation, option: Option) -> str:
    """A side that would fit, were it in another unit or counted once."""
    rng, name = situation.rng, option.action.target or ""
    interval = situation.observation.edits.row(situation.observation.shape, name)
    side, value = interval.upper if interval.sense == "<=" else interval.lower, option.action.numbers[0]
    word = times(side, value)
    guess = f"The side of {name}, {number(side)}, may be a slip" + (f": it is {word} {number(value)}" if word else "")
    if option.recovers:
        return pick(
            rng,
            f"{guess}. With {number(value)} it would fit in with the rest.",
            f"{guess}. I choose it.",
            f"{guess}. {number(value)} instead would end the conflict.",
        )
    return pick(
        rng,
        f"{guess}. {number(value)} would be a start.",
        f"{guess}, though {number(value)} alone does not end the conflict.",
    )


def _closing(situation: Situation, action: Action) -> str:
    rng, name = situation.rng, action.target or ""
    match action.kind:
        case ActionKind.UPDATE_RHS:
            value = number(action.numbers[0])
            return pick(rng, f"I set its side to {value}.", f"{name} becomes {value}.", f"So {value} instead.")
        case ActionKind.RELAX_CONSTRAINT:
            amount = number(action.numbers[0])
            return pick(rng, f"I relax {name} by {amount}.", f"So {name} is relaxed by {amount}.", "")
        case ActionKind.UPDATE_BOUNDS:
            low, high = ends(*action.numbers)
            return pick(
                rng,
                f"I give {name} {low} below and {high} above.",
                f"Its bounds become {low} and {high}.",
                f"{name} gets {low} and {high}.",
            )
    return pick(rng, f"I drop {name}.", f"So {name} goes.", f"{name} is dropped.", "It goes.")
