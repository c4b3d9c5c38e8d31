"""The expert who sees names alone: measures rows with CHECK_SLACK first, and acts on what was found."""

from __future__ import annotations

from ordebug_plugin.actions import Action, ActionKind
from ordebug_plugin.experts.looking_back import looked_back
from ordebug_plugin.experts.options import Option, best, opened_bounds, rounded_up, weigh
from ordebug_plugin.experts.situation import Move, Situation, Voice
from ordebug_plugin.experts.words import ends, joined, number, pick, text
from ordebug_plugin.prompt import Detail

# More rows than these are not measured one after the other.
_MOST_CHECKS = 5
_VIOLATED = "violated by "


def act(situation: Situation) -> Move | None:
    """Measures, or repairs what was measured; None where neither leads on."""
    found = measured(situation)
    violated = {row: note for row, note in found.items() if note.startswith(_VIOLATED) and row in situation.rows}
    if violated:
        return _repair(situation, violated, found)
    unseen = [row for row in situation.rows if row not in found]
    if unseen and len(found) < _MOST_CHECKS:
        return measure(situation, situation.rng.choice(unseen))
    if unseen or not situation.bounds:
        return None
    option = best(situation, weigh(situation, opened_bounds(situation)))
    return None if option is None else _open(situation, option, found)


def measured(situation: Situation) -> dict[str, str]:
    """Notes of CHECK_SLACK on the model as it stands."""
    notes: dict[str, str] = {}
    for step in situation.observation.history:
        if step.action is None or step.refused:
            continue
        if step.action.kind is ActionKind.CHECK_SLACK:
            notes[step.action.target or ""] = step.note
        elif step.action.is_repair or step.action.kind is ActionKind.RESET:
            notes.clear()
    return notes


def measure(situation: Situation, row: str) -> Move:
    """Looks at one row."""
    rng, action = situation.rng, Action(ActionKind.CHECK_SLACK, row)
    if situation.voice is Voice.TERSE:
        return Move(f"How far off is {row}?", action)
    names = [*situation.rows, *situation.bounds]
    opening = pick(
        rng,
        f"In conflict are {joined(names)}." if len(names) > 1 else f"Only {names[0]} is in conflict.",
        _unclear(situation),
        "Before I change anything I measure.",
        f"There are {len(situation.rows)} rows in conflict."
        if len(situation.rows) > 1
        else "A single row in conflict.",
        "",
    )
    seen = measured(situation)
    if seen:
        opening = text(_seen(situation, seen), pick(rng, "On to the next.", ""))
    closing = pick(
        rng,
        f"I look at how far {row} is off.",
        f"First {row}: how does it stand at the least infeasible point?",
        f"I check the slack of {row}.",
        f"{row} may be the one; its slack will tell.",
        f"CHECK_SLACK tells whether {row} has to give.",
    )
    return Move(text(looked_back(situation, row) if not seen else "", opening, closing), action)


def _unclear(situation: Situation) -> str:
    """What the prompt does not tell, which depends on what it shows."""
    if situation.style.detail is Detail.NAMES:
        return "Names alone do not tell which row is off."
    return "The list of the conflict does not tell how far each row is off."


def _seen(situation: Situation, notes: dict[str, str]) -> str:
    fine = [row for row, note in notes.items() if not note.startswith(_VIOLATED)]
    if not fine:
        return ""
    return pick(
        situation.rng,
        f"{joined(fine)} can be satisfied.",
        f"Nothing is violated at {joined(fine)}.",
        f"{joined(fine)} stand{'s' * (len(fine) == 1)} at the least infeasible point.",
    )


def _repair(situation: Situation, violated: dict[str, str], notes: dict[str, str]) -> Move | None:
    amounts = {row: float(note.removeprefix(_VIOLATED).split()[0]) for row, note in violated.items()}
    actions = [Action(ActionKind.RELAX_CONSTRAINT, row, (rounded_up(amount),)) for row, amount in amounts.items()]
    actions += [Action(ActionKind.DROP_CONSTRAINT, row) for row in amounts]
    option = best(situation, weigh(situation, actions))
    if option is None:
        return None
    row = option.action.target or ""
    if situation.voice is Voice.TERSE:
        return Move(f"{row} {violated[row]}. {row} gives way.", option.action)
    rng = situation.rng
    said = pick(
        rng,
        f"{row} is {violated[row]}.",
        f"Of the rows measured, {row} is {violated[row]}.",
        f"{row}: {violated[row]}.",
    )
    if option.action.kind is ActionKind.RELAX_CONSTRAINT:
        amount = number(option.action.numbers[0])
        decided = pick(
            rng,
            f"With {amount} more room for {row} the rest can stand.",
            f"I loosen {row} by {amount}, which keeps every row.",
            f"{amount} is what {row} has to give.",
        )
    else:
        decided = pick(
            rng,
            f"The others can be satisfied without {row}, so I drop it.",
            f"{row} is what the others have no room for; it goes.",
            f"I drop {row}.",
        )
    return Move(text(_seen(situation, notes) if rng.random() < 0.5 else "", said, decided), option.action)


def _open(situation: Situation, option: Option, notes: dict[str, str]) -> Move:
    rng, name = situation.rng, option.action.target or ""
    if situation.voice is Voice.TERSE:
        return Move(f"No row is violated. {name} gives way.", option.action)
    low, high = ends(*option.action.numbers)
    think = text(
        _seen(situation, notes),
        pick(rng, "So a bound must be in the way.", "What is left is a bound.", "Then it is a bound that must give."),
        pick(
            rng,
            f"I give {name} {low} below and {high} above.",
            f"{name} gets {low} and {high}.",
            f"I set the bounds of {name} to {low} and {high}.",
        ),
    )
    return Move(think, option.action)
