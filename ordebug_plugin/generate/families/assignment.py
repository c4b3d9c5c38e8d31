"""Assignment: which places are visited and by whom, within skills, hours and what can be carried."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass

from ordebug_plugin.generate.family import Draft, Family, Size
from ordebug_plugin.generate.faults import all_but
from ordebug_plugin.generate.model import Column, Row, Sense
from ordebug_plugin.generate.sheet import Sheet, capital, each, listed, total
from ordebug_plugin.generate.themes import Theme

# People, and places to visit, from and to.
_COUNTS = {
    Size.SMALL: ((2, 3), (4, 6)),
    Size.MEDIUM: ((5, 6), (10, 11)),
}


@dataclass(frozen=True)
class _Plan:
    """Visits that keep every rule.

    Attributes:
        people: Who may be sent.
        places: What may be visited.
        who: The one who goes to a place; places without a visit are left out.
        skilled: The two who could go to a place.
        hours: Hours that a person needs for a place.
    """

    people: list[str]
    places: list[str]
    who: Mapping[str, str]
    skilled: Mapping[str, list[str]]
    hours: Mapping[tuple[str, str], int]


def draw(rng: random.Random, size: Size, theme: Theme) -> Draft:
    """Draws who visits what first, then hours, revenue and weights that just allow it."""
    plan = _draw_plan(rng, size, theme)
    sheet = Sheet(rng)
    for place in plan.places:
        _add_columns(rng, sheet, plan, place)
    for place in plan.places:
        able, visit = [f"send_{person}_{place}" for person in plan.skilled[place]], f"visit_{place}"
        sheet.add(
            Row(f"cover_{place}", Sense.EQUAL, (*each(able), (visit, -1)), 0, "cover"),
            f"If {place} is visited ({{{visit}}}), exactly one of those with the skills goes there ({total(able)}), "
            "else nobody.",
            f"The number of people sent to {place} ({total(able)}) must equal {{{visit}}}.",
        )
    for person in plan.people:
        _add_person(rng, sheet, plan, person)
    _add_knapsack(rng, sheet, plan)
    return sheet.draft(
        f"{capital(theme.firm)} decides which places its people visit this week, and who goes where. Every trip costs "
        "money; the cost is to be as low as possible."
    )


def _draw_plan(rng: random.Random, size: Size, theme: Theme) -> _Plan:
    n_people, n_places = (rng.randint(low, high) for low, high in _COUNTS[size])
    people, places = rng.sample(theme.people, n_people), rng.sample(theme.places, n_places)
    visited = places[rng.randint(1, max(1, n_places // 5)) :]
    who = {place: people[turn % n_people] for turn, place in enumerate(visited)}
    skilled = {}
    for place in places:
        first = who.get(place, rng.choice(people))
        second = rng.choice([person for person in people if person != first])
        skilled[place] = sorted({first, second}, key=people.index)
    hours = {(person, place): rng.randint(2, 12) for place in places for person in skilled[place]}
    return _Plan(people, places, who, skilled, hours)


def _add_columns(rng: random.Random, sheet: Sheet, plan: _Plan, place: str) -> None:
    sheet.add_planned(
        Column(f"visit_{place}", rng.randint(5, 40), 0, 1, integer=True, role="visit", index=(place,)),
        place in plan.who,
        f"Whether {place} is visited: 1 for yes, 0 for no.",
        f"Yes or no (1 or 0): somebody goes to {place}.",
    )
    for person in plan.skilled[place]:
        sheet.add_planned(
            Column(
                f"send_{person}_{place}", rng.randint(20, 120), 0, 1, integer=True, role="send", index=(person, place)
            ),
            plan.who.get(place) == person,
            f"1 if {person} is sent to {place}, 0 if not.",
            f"Whether {person} makes the visit to {place}; yes is 1 and no is 0.",
        )


def _add_person(rng: random.Random, sheet: Sheet, plan: _Plan, person: str) -> None:
    """Adds a person's hours, from and to, and number of visits."""
    able = [place for place in plan.places if person in plan.skilled[place]]
    mine = [place for place in able if plan.who.get(place) == person]
    used = sum(plan.hours[person, place] for place in mine)
    work = tuple((f"send_{person}_{place}", plan.hours[person, place]) for place in able)
    spent = listed(f"{hours} for {place} ({{{send}}})" for place, (send, hours) in zip(able, work, strict=True))
    most, least = used + rng.randint(0, 2), max(1, used - rng.randint(0, 3))
    sheet.add(
        Row(f"hours_{person}", Sense.AT_MOST, work, most, "hours"),
        f"{person} works at most {most} hours; a visit takes {spent}.",
        f"No more than {most} hours are asked of {person}. Hours by visit: {spent}.",
    )
    sheet.add(
        Row(f"wage_{person}", Sense.AT_LEAST, work, least, "wage"),
        f"{person} is given at least {least} hours of work; a visit takes {spent}.",
        f"The contract of {person} asks for no less than {least} hours. Hours by visit: {spent}.",
    )
    if len(able) > len(mine):
        sends = [send for send, _ in work]
        sheet.add(
            Row(f"trips_{person}", Sense.AT_MOST, each(sends), len(mine), "trips"),
            f"The number of visits by {person} is at most {len(mine)}: {total(sends)}.",
            f"{total(sends)} is no more than {len(mine)}: so many trips {person} accepts.",
        )


def _add_knapsack(rng: random.Random, sheet: Sheet, plan: _Plan) -> None:
    """Adds a revenue to reach with samples of limited weight; what is not visited would bring less for more."""
    revenue = {place: rng.randint(10, 40) if place in plan.who else rng.randint(4, 20) for place in plan.places}
    weight = {place: rng.randint(3, 20) if place in plan.who else rng.randint(10, 30) for place in plan.places}
    asked = sum(revenue[place] for place in plan.who) - rng.randint(0, 3)
    carried = sum(weight[place] for place in plan.who) + rng.randint(0, 3)
    earned = listed(f"{amount} in {place} ({{visit_{place}}})" for place, amount in revenue.items())
    loaded = listed(f"{amount} for {place} ({{visit_{place}}})" for place, amount in weight.items())
    sheet.add(
        Row(
            "revenue",
            Sense.AT_LEAST,
            tuple((f"visit_{key}", value) for key, value in revenue.items()),
            asked,
            "revenue",
        ),
        f"The visits bring in at least {asked} thousand: {earned}.",
        f"Revenue is no less than {asked} thousand. A visit brings {earned}.",
    )
    sheet.add(
        Row("load", Sense.AT_MOST, tuple((f"visit_{key}", value) for key, value in weight.items()), carried, "load"),
        f"The samples to be taken along weigh at most {carried} kilograms in all: {loaded}.",
        f"No more than {carried} kilograms of samples can be had; a visit needs {loaded}.",
    )


FAMILY = Family(
    "assignment",
    "people to places within skills and hours, with a knapsack (MIP)",
    draw,
    faults=all_but("bigm", "period"),
)
