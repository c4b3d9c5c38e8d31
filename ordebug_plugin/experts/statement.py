"""One element of the conflict beside its statement, in words."""

from __future__ import annotations

from collections.abc import Sequence

from ordebug_plugin.experts.situation import Element, Situation
from ordebug_plugin.experts.words import joined, number, pick, sides, text, times

# More elements are not gone through one by one, nor listed.
MANY = 7


def agreement(situation: Situation, element: Element) -> str:
    """Says that an element is as stated."""
    asks = sides(element.now)
    if not element.is_row:
        return pick(
            situation.rng,
            f"{element.name} may be {asks}, as stated.",
            f"The bounds of {element.name} are those stated: {asks}.",
            f"{element.name} is kept to {asks}; so the specification has it.",
            f"{element.name}: {asks}, correct.",
        )
    return pick(
        situation.rng,
        f"{element.name} asks for {asks}, as stated.",
        f"{element.name} is right: {asks}.",
        f"{element.name} wants {asks}, and so does its statement.",
        f"{element.name} reads as it should, {asks}.",
        f"{element.name} agrees with its statement.",
        f"{element.name}: {asks}, correct.",
    )


def agreements(situation: Situation, elements: list[Element], but: Sequence[Element] = ()) -> str:
    """Says that several elements are as stated; `but` are all that are not, where nothing was said of them yet."""
    if not elements:
        return ""
    names = joined([element.name for element in elements])
    if len(elements) > MANY or (len(elements) > 3 and situation.rng.random() < 0.25):
        if but:
            differing = joined([element.name for element in but])
            return pick(
                situation.rng,
                f"All of the conflict but {differing} is right.",
                f"Except for {differing}, every element of the conflict says what it should.",
                f"I find no difference but in {differing}.",
            )
        return pick(
            situation.rng,
            "The rest of the conflict is as stated.",
            "Everything else in the conflict is as stated.",
            "All the others say what they should.",
            "The other elements of the conflict read as their statements do.",
            "I find no other difference.",
        )
    if len(elements) == 1:
        return agreement(situation, elements[0])
    return pick(
        situation.rng,
        f"{names} read as their statements do.",
        f"The numbers of {names} are those of the specification.",
        f"There is nothing wrong with {names}.",
        f"{names} say what they should.",
        f"I find {names} as stated.",
        f"{names} are as stated.",
    )


def difference(situation: Situation, element: Element) -> str:
    """Says how an element departs from its statement."""
    rng, name, now, stated = situation.rng, element.name, element.now, element.stated
    if stated is None:
        return pick(
            rng,
            f"Nothing in the specification asks for {name}.",
            f"{name} ({sides(now)}) has no statement.",
            f"No statement mentions {name}, which wants {sides(now)}.",
            f"The specification does not know {name}.",
            f"{name} is a row that nobody asked for.",
        )
    parts = [_coefficient(situation, name, *change) for change in element.coefficients]
    if now != stated:
        parts.insert(0, _sides(situation, element, now_words=sides(now), stated_words=sides(stated)))
    return text(*parts)


def _sides(situation: Situation, element: Element, now_words: str, stated_words: str) -> str:
    rng, name = situation.rng, element.name
    verb = "asks for" if element.is_row else "is kept to"
    said = pick(
        rng,
        f"{name} {verb} {now_words}, but the specification says {stated_words}.",
        f"{name} {verb} {now_words} where {stated_words} is stated.",
        f"Stated for {name} is {stated_words}; the model has {now_words}.",
        f"{name} should be {stated_words}, not {now_words}.",
        f"{name} differs: {now_words} in the model, {stated_words} in its statement.",
        f"By its statement {name} is {stated_words}. The model says {now_words}.",
    )
    remark = _remark(element) if rng.random() < 0.6 else ""
    return text(said, remark)


def _remark(element: Element) -> str:
    """What kind of mistake it looks like, where it looks like one."""
    now, stated = element.now, element.stated
    if stated is None or not element.is_row:
        return ""
    if now.sense != stated.sense:
        return "The sense is turned around." if {now.sense, stated.sense} == {"<=", ">="} else "The sense is another."
    old, new = (now.upper, stated.upper) if now.sense == "<=" else (now.lower, stated.lower)
    word = times(old, new)
    return "" if word is None else f"That is {word} what was meant."


def _coefficient(situation: Situation, row: str, variable: str, now: float, stated: float) -> str:
    rng = situation.rng
    if stated == 0:
        return pick(
            rng,
            f"{row} counts {variable}, of which its statement says nothing.",
            f"{variable} does not belong in {row}: the statement does not mention it.",
        )
    if now == 0:
        return pick(
            rng,
            f"{row} leaves {variable} out, which belongs in it with the coefficient {number(stated)}.",
            f"{variable} is missing from {row}; by the statement it has the coefficient {number(stated)} there.",
        )
    return pick(
        rng,
        f"In {row} the coefficient of {variable} is {number(now)}, by the statement it is {number(stated)}.",
        f"{row} has {number(now)} for {variable} where {number(stated)} is stated.",
        f"{variable} has {number(now)} in {row} instead of {number(stated)}.",
    )
