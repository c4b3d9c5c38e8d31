"""The expert with a specification: holds every element of the conflict against its statement, and repairs exactly.

Alternatives are weighed with what the solver says of them (whether they make the model feasible, whether they keep
the optimum), but without its numbers: who reads the prompt alone cannot compute an optimum, and must not learn to
make one up.
"""

from __future__ import annotations

from ordebug_plugin.actions import Action, ActionKind
from ordebug_plugin.experts import terse
from ordebug_plugin.experts.argument import argue
from ordebug_plugin.experts.looking_back import looked_back
from ordebug_plugin.experts.situation import Element, Move, Situation, Voice
from ordebug_plugin.experts.statement import MANY, agreement, agreements, difference
from ordebug_plugin.experts.words import ends, joined, number, pick, sides, text
from ordebug_plugin.verdict import Status

# Share of short answers and of long ones; the others are in between.
_SHORT, _LONG = 0.2, 0.3


def act(situation: Situation) -> Move | None:
    """Repairs an element that says something else than its statement; None where none does."""
    faults = [element for element in situation.elements if element.differs]
    repairs = [(element, situation.exact_repair(element)) for element in faults]
    known = [(element, action) for element, action in repairs if action is not None]
    if not known:
        return None
    # What an earlier turn spoiled is put right first: once the model is feasible, it is too late.
    own = [pair for pair in known if situation.wrong is not None and pair[0].name == situation.wrong.target]
    if situation.voice is Voice.TERSE:
        fault, action = next(iter(own or known))
        return Move(terse.compared(situation, fault), action)
    fault, action = situation.rng.choice(own or known)
    return Move(_think(situation, fault, action), action)


def _think(situation: Situation, fault: Element, action: Action) -> str:
    rng = situation.rng
    length = rng.random()
    back = looked_back(situation, fault.name)
    if length < _SHORT:
        return text(back, difference(situation, fault), _closing(situation, fault, action))
    others = [element for element in situation.elements if not element.differs]
    differing = [fault, *(element for element in situation.elements if element.differs and element is not fault)]
    weighed = _alternatives(situation, fault, others) if length > 1 - _LONG or rng.random() < 0.5 else ""
    if rng.random() < 0.3:  # what is wrong first
        return text(
            back,
            *(difference(situation, element) for element in differing),
            agreements(situation, others),
            weighed,
            _closing(situation, fault, action),
        )
    gone_through = _gone_through(situation, fault)
    verdict = _verdict(situation, fault, differing[1:]) if rng.random() < 0.7 else ""
    return text(back, _opening(situation), gone_through, verdict, weighed, _closing(situation, fault, action))


def _opening(situation: Situation) -> str:
    rng, names = situation.rng, [element.name for element in situation.elements]
    if rng.random() < 0.3:
        argument = argue(situation)
        if argument is not None:
            return text(
                argument.words,
                pick(
                    rng, "At least one of these is not what was asked for.", "Something here is not as specified.", ""
                ),
            )
    rows, bounds = len(situation.rows), len(situation.bounds)
    count = f"{rows} row{'s' * (rows != 1)}" + (
        f" and the bounds of {bounds} variable{'s' * (bounds != 1)}" if bounds else ""
    )
    if len(names) > MANY:
        return pick(
            rng,
            f"The conflict takes {count}.",
            f"There are {count} in conflict; I read them against the specification.",
            "A long conflict, so the statements decide.",
            "Each of these has a statement to be held against, or none.",
            "",
        )
    return pick(
        rng,
        f"{joined(names)} cannot all hold.",
        f"The conflict is between {joined(names)}.",
        f"I compare {joined(names)} with what the specification says.",
        f"The solver cannot satisfy {joined(names)} together, so at least one of them is wrong.",
        f"The conflict takes {count}; the specification tells which of them is wrong.",
        "The specification can be satisfied, so some element of the conflict does not say what it should.",
        "Which of these is not what was asked for?",
        "Row by row against the specification.",
        "",
    )


def _gone_through(situation: Situation, fault: Element) -> str:
    """Every element of the conflict in some order, or all that are right in one sentence."""
    rng, elements = situation.rng, list(situation.elements)
    if len(elements) > MANY or rng.random() < 0.25:
        others = [element for element in elements if not element.differs]
        differing = [element for element in elements if element.differs]
        wrong = text(*(difference(situation, element) for element in differing))
        if rng.random() < 0.6:
            return text(agreements(situation, others, but=differing), wrong)
        return text(wrong, agreements(situation, others))
    order = rng.random()
    if order < 0.25:
        rng.shuffle(elements)
    elif order < 0.5:  # what is wrong last
        elements.sort(key=lambda element: (element.differs, element is fault))
    elif order < 0.6:  # no further than needed
        elements = elements[: elements.index(fault) + 1]
    return text(*(difference(situation, e) if e.differs else agreement(situation, e) for e in elements))


def _verdict(situation: Situation, fault: Element, further: list[Element]) -> str:
    """What is repaired now; `further` are the other elements of the conflict that differ."""
    name = fault.name
    if not situation.is_fault(name):
        return pick(
            situation.rng,
            f"{name} differs by what I did, which goes back first.",
            f"I changed {name} myself, so that is taken back.",
        )
    if further:
        rest = joined([element.name for element in further])
        return pick(
            situation.rng,
            f"{name} is one of those that differ, beside {rest}.",
            f"Not only {name} departs from the specification, {rest} too; I begin with {name}.",
            f"There is something to repair in {joined([name, *(element.name for element in further)])}.",
        )
    return pick(
        situation.rng,
        f"So {name} is at fault.",
        f"The fault is in {name}.",
        f"It is {name} that departs from the specification.",
        f"That makes {name} the culprit.",
        f"{name} is the one to repair.",
        f"Hence the mistake is {name}.",
    )


def _alternatives(situation: Situation, fault: Element, others: list[Element]) -> str:
    """What else would do, and what it would cost: facts of the solver and of the specification."""
    rng, parts = situation.rng, []
    rows = [element for element in others if element.is_row]
    for other in rng.sample(rows, min(len(rows), rng.choice((1, 1, 2)))):
        verdict = situation.solve(Action(ActionKind.DROP_CONSTRAINT, other.name))
        if verdict is None or verdict.status is Status.LIMIT:
            continue
        if verdict.status is Status.INFEASIBLE:
            parts.append(
                pick(
                    rng,
                    f"Dropping {other.name} would not help: the model would still be infeasible.",
                    f"To drop {other.name} instead would leave the model infeasible.",
                    f"Without {other.name} another conflict would remain.",
                )
            )
            continue
        cost = (
            ""
            if situation.keeps(verdict)
            else pick(rng, ", and the optimum would be another", "; the optimum would change, too")
        )
        parts.append(
            pick(
                rng,
                f"Dropping {other.name} would make the model feasible too, but it is asked for{cost}.",
                f"Without {other.name} the model would be feasible, yet it wants {sides(other.now)}, as stated{cost}.",
                f"To drop {other.name} would give up what the specification wants, {sides(other.now)}{cost}.",
            )
        )
    if fault.stated is not None and rng.random() < 0.5:
        parts.append(
            pick(
                rng,
                f"Dropping {fault.name} would give up what its statement does want.",
                f"{fault.name} should be corrected, not dropped: it is asked for.",
                f"Loosening {fault.name} only until the model is feasible would leave a number that nobody stated.",
                f"{fault.name} is needed, only not like this.",
            )
        )
    return text(*parts)


def _closing(situation: Situation, fault: Element, action: Action) -> str:
    rng, name = situation.rng, fault.name
    match action.kind:
        case ActionKind.UPDATE_RHS:
            value = number(action.numbers[0])
            return pick(
                rng,
                f"I set the side of {name} to {value}.",
                f"Its side becomes {value}.",
                f"The exact repair is {value} for {name}.",
                f"Back to {value}.",
                f"With {value} it says what was asked for.",
                f"{name} gets {value}, nothing else changes.",
            )
        case ActionKind.UPDATE_BOUNDS:
            low, high = ends(*action.numbers)
            return pick(
                rng,
                f"I set the bounds of {name} to {low} and {high}.",
                f"Its bounds become {low} and {high}.",
                f"{name} goes back to {low} below and {high} above.",
                f"The exact bounds of {name} are {low} and {high}.",
            )
        case ActionKind.DROP_CONSTRAINT:
            return pick(
                rng,
                f"I drop {name}.",
                f"{name} goes.",
                f"Dropping {name} loses nothing that is wanted.",
                "It costs nothing to drop it.",
                f"No statement needs {name}.",
            )
    return pick(
        rng,
        f"I write {name} anew as it is stated.",
        f"{name} has to be rewritten.",
        f"The whole row {name} is written as its statement has it.",
        "A new side cannot repair this, so I rewrite the row.",
    )
