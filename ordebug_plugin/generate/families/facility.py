"""Facility location: which depots to open, how they are supplied, and which customers each of them serves."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass

from ordebug_plugin.generate.family import Draft, Family, Size
from ordebug_plugin.generate.faults import all_but
from ordebug_plugin.generate.model import Column, Row, Sense
from ordebug_plugin.generate.sheet import Sheet, above, below, capital, each, listed, total
from ordebug_plugin.generate.themes import Theme

# Plants, depots and customers, from and to.
_COUNTS = {
    Size.SMALL: ((2, 2), (2, 3), (3, 4)),
    Size.MEDIUM: ((2, 3), (5, 7), (9, 16)),
}


@dataclass(frozen=True)
class _Plan:
    """Tons that keep every rule, on the lanes that are used.

    Attributes:
        good: What is sent.
        plants: Each may supply each depot.
        depots: Where a depot may be.
        opened: The depots that are open.
        customers: Who is served.
        lanes: From which depot to which customer a truck may go.
        shipped: Tons on a lane from a depot to a customer.
        supplied: Tons on a line from a plant to a depot.
    """

    good: str
    plants: list[str]
    depots: list[str]
    opened: list[str]
    customers: list[str]
    lanes: list[tuple[str, str]]
    shipped: Mapping[tuple[str, str], int]
    supplied: Mapping[tuple[str, str], int]

    def through(self, depot: str) -> int:
        """Tons that go through a depot."""
        return sum(self.shipped.get((depot, customer), 0) for customer in self.customers)

    def received(self, customer: str) -> int:
        """Tons that a customer receives."""
        return sum(self.shipped.get((depot, customer), 0) for depot in self.depots)

    def usual(self) -> float:
        """Tons through an open depot on average."""
        return sum(self.shipped.values()) / len(self.opened)


def draw(rng: random.Random, size: Size, theme: Theme) -> Draft:
    """Draws open depots and flows first, then capacities, contracts and demands that just allow them."""
    plan = _draw_plan(rng, size, theme)
    opening = {depot: rng.randint(120, 600) for depot in plan.depots}
    sheet = Sheet(rng)
    for depot in plan.depots:
        sheet.add_planned(
            Column(f"open_{depot}", opening[depot], 0, 1, integer=True, role="open", index=(depot,)),
            depot in plan.opened,
            f"Whether the depot in {depot} is opened: 1 for yes, 0 for no.",
            f"Yes or no (1 or 0): {depot} gets a depot.",
        )
    _add_flows(rng, sheet, plan)
    for plant in plan.plants:
        _add_plant(rng, sheet, plan, plant)
    for depot in plan.depots:
        _add_depot(rng, sheet, plan, depot)
    for customer in plan.customers:
        sources = [f"ship_{depot}_{customer}" for depot, other in plan.lanes if other == customer]
        asked = plan.received(customer)
        sheet.add(
            Row(f"demand_{customer}", Sense.AT_LEAST, each(sources), asked, "demand"),
            f"{customer} receives at least {asked} tons ({total(sources)}).",
            f"No less than {asked} tons reach {customer}, by way of {total(sources)}.",
        )
    if len(plan.opened) < len(plan.depots):
        _add_choice(rng, sheet, plan, opening)
    return sheet.draft(
        f"{capital(theme.firm)} decides which depots to open for {plan.good}, how its plants supply them and which "
        "shops they serve. Opening and every ton on the road cost money; the cost is to be as low as possible."
    )


def _draw_plan(rng: random.Random, size: Size, theme: Theme) -> _Plan:
    n_plants, n_depots, n_customers = (rng.randint(low, high) for low, high in _COUNTS[size])
    depots, plants = rng.sample(theme.places, n_depots), rng.sample(theme.machines, n_plants)
    customers = [f"shop{place}" for place in range(1, n_customers + 1)]
    opened = depots[: max(2, n_depots - rng.randint(1, 2))]
    lanes = {(depot, rng.choice(customers)) for depot in depots}
    shipped, supplied = {}, {}
    for place, customer in enumerate(customers):
        # In turn, so that no open depot is idle.
        first = opened[place % len(opened)]
        second = rng.choice([depot for depot in opened if depot != first])
        for depot in (first, second)[: rng.randint(1, 2)]:
            shipped[depot, customer] = rng.randint(8, 60)
        lanes |= {(depot, customer) for depot in rng.sample(depots, 2)}
    for place, depot in enumerate(opened):
        sent = sum(shipped.get((depot, customer), 0) for customer in customers)
        first = plants[place % n_plants]
        second = rng.choice([plant for plant in plants if plant != first])
        part = round(sent * rng.uniform(0.5, 0.9))
        supplied[first, depot], supplied[second, depot] = part, sent - part
    lanes |= set(shipped)
    ordered = [(depot, customer) for depot in depots for customer in customers if (depot, customer) in lanes]
    return _Plan(rng.choice(theme.goods), plants, depots, opened, customers, ordered, shipped, supplied)


def _add_flows(rng: random.Random, sheet: Sheet, plan: _Plan) -> None:
    for plant in plan.plants:
        for depot in plan.depots:
            amount = plan.supplied.get((plant, depot), 0)
            most = above(amount, rng, 1.02, 1.25) if amount else above(plan.usual(), rng, 0.2, 0.5)
            sheet.add_planned(
                Column(
                    f"supply_{plant}_{depot}", rng.randint(10, 60) / 10, 0, most, role="supply", index=(plant, depot)
                ),
                amount,
                f"Tons of {plan.good} sent from the {plant} plant to the depot in {depot}: from 0 to {most}.",
                f"Tons that the {plant} plant sends to {depot}; not negative, and the line carries {most} at most.",
            )
    for depot, customer in plan.lanes:
        amount = plan.shipped.get((depot, customer), 0)
        most = above(amount, rng, 1.02, 1.25) if amount else above(plan.received(customer), rng, 0.2, 0.5)
        sheet.add_planned(
            Column(f"ship_{depot}_{customer}", rng.randint(10, 90) / 10, 0, most, role="ship", index=(depot, customer)),
            amount,
            f"Tons delivered from {depot} to {customer}: from 0 to {most}.",
            f"What {depot} delivers to {customer} in tons, at least 0 and no more than the {most} that fit the trucks.",
        )


def _add_plant(rng: random.Random, sheet: Sheet, plan: _Plan, plant: str) -> None:
    out = [f"supply_{plant}_{depot}" for depot in plan.depots]
    made = sum(plan.supplied.get((plant, depot), 0) for depot in plan.depots)
    most, least = above(made, rng, 1.0, 1.02), below(made, rng, 0.9, 0.99)
    sheet.add(
        Row(f"most_{plant}", Sense.AT_MOST, each(out), most, "most"),
        f"The {plant} plant sends out at most {most} tons in all ({total(out)}).",
        f"No more than {most} tons come from the {plant} plant: {total(out)}.",
    )
    sheet.add(
        Row(f"least_{plant}", Sense.AT_LEAST, each(out), least, "least"),
        f"By contract the {plant} plant sends out at least {least} tons in all ({total(out)}).",
        f"{total(out)} is no less than {least} tons, or the {plant} plant stands still.",
    )


def _add_depot(rng: random.Random, sheet: Sheet, plan: _Plan, depot: str) -> None:
    arriving = [f"supply_{plant}_{depot}" for plant in plan.plants]
    leaving = [f"ship_{depot}_{customer}" for other, customer in plan.lanes if other == depot]
    opens = f"open_{depot}"
    tons = plan.through(depot) or plan.usual() * rng.uniform(0.5, 0.8)
    capacity, worth = above(tons, rng, 1.0, 1.08), below(tons, rng, 0.85, 0.98)
    sheet.add(
        Row(f"balance_{depot}", Sense.EQUAL, (*each(arriving), *each(leaving, -1)), 0, "balance"),
        f"What comes into {depot} ({total(arriving)}) must equal what goes out ({total(leaving)}).",
        f"Nothing is stored in {depot}: arrivals {total(arriving)} are exactly the deliveries {total(leaving)}.",
    )
    sheet.add(
        Row(f"capacity_{depot}", Sense.AT_MOST, (*each(leaving), (opens, -capacity)), 0, "capacity", big_m=opens),
        f"Deliveries from {depot} ({total(leaving)}) are at most {capacity} tons if it is open ({{{opens}}}) and 0 if "
        "not.",
        f"{depot} handles no more than {capacity} tons, and nothing unless {{{opens}}} is yes: {total(leaving)}.",
    )
    sheet.add(
        Row(f"worth_{depot}", Sense.AT_LEAST, (*each(leaving), (opens, -worth)), 0, "worth"),
        f"If {depot} is open ({{{opens}}}), at least {worth} tons go through it: {total(leaving)}.",
        f"An open depot in {depot} ({{{opens}}}) must deliver no less than {worth} tons ({total(leaving)}).",
    )


def _add_choice(rng: random.Random, sheet: Sheet, plan: _Plan, opening: Mapping[str, int]) -> None:
    """Adds how many depots may be open, and what that may cost."""
    opens, n_open = [f"open_{depot}" for depot in plan.depots], len(plan.opened)
    sheet.add(
        Row("staff", Sense.AT_MOST, each(opens), n_open, "staff"),
        f"There is staff for at most {n_open} depots: {total(opens)}.",
        f"{total(opens)} is no more than {n_open}: there are no people for more.",
    )
    money = above(sum(opening[depot] for depot in plan.opened), rng, 1.0, 1.1)
    priced = listed(f"{opening[depot]} for {depot} ({{open_{depot}}})" for depot in plan.depots)
    sheet.add(
        Row(
            "budget", Sense.AT_MOST, tuple((f"open_{depot}", cost) for depot, cost in opening.items()), money, "budget"
        ),
        f"Opening costs no more than {money} in all: {priced}.",
        f"The budget for opening depots is at most {money}; prices: {priced}.",
    )


FAMILY = Family(
    "facility", "depots to open, supplied by plants, serving customers (MIP)", draw, faults=all_but("period")
)
