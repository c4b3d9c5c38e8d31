"""Transportation: from plants to customers, straight or through depots, at least cost."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ordebug_plugin.generate.family import Draft, Family, Size
from ordebug_plugin.generate.faults import all_but
from ordebug_plugin.generate.model import Column, Row, Sense
from ordebug_plugin.generate.sheet import Sheet, above, below, capital, total, weighed
from ordebug_plugin.generate.themes import Theme

# Goods, plants, depots and customers, from and to.
_COUNTS = {
    Size.SMALL: (((1, 1), (2, 3), (1, 1), (3, 5)), ((2, 2), (2, 2), (1, 1), (2, 3))),
    Size.MEDIUM: (((2, 5), (3, 4), (1, 2), (4, 6)),),
}


@dataclass(frozen=True)
class _Lane:
    """A good on its way from one place to another."""

    good: str
    origin: str
    target: str

    @property
    def name(self) -> str:
        """Name of its variable."""
        return f"ship_{self.good}_{self.origin}_{self.target}"


@dataclass(frozen=True)
class _Plan:
    """Tons on each lane that keep every rule."""

    goods: list[str]
    plants: list[str]
    depots: list[str]
    customers: list[str]
    tons: Mapping[_Lane, int]

    def lanes(self, good: str | None = None, origin: str | None = None, target: str | None = None) -> list[_Lane]:
        """Those lanes that are for this good, from here and to there, as far as these are given."""
        return [
            lane
            for lane in self.tons
            if good in (None, lane.good) and origin in (None, lane.origin) and target in (None, lane.target)
        ]

    def sum(self, lanes: Iterable[_Lane]) -> int:
        """Tons on these lanes."""
        return sum(self.tons[lane] for lane in lanes)


def draw(rng: random.Random, size: Size, theme: Theme) -> Draft:
    """Draws tons on lanes first, then supplies, fleets, depots and demands that just allow them."""
    plan = _draw_plan(rng, size, theme)
    sheet = Sheet(rng)
    for lane, tons in plan.tons.items():
        way, most = f"from {lane.origin} to {lane.target}", above(tons, rng, 1.1, 1.6)
        sheet.add_planned(
            Column(lane.name, round(rng.uniform(2, 30), 1), 0, most, role="ship", index=_index(lane)),
            tons,
            f"Tons of {lane.good} sent {way}: none or more, and the route carries at most {most}.",
            f"Shipment of {lane.good} {way}, in tons, between 0 and {most}.",
            f"How many tons of {lane.good} go {way}: no more than {most} and not negative.",
        )
    for plant in plan.plants:
        _add_plant(rng, sheet, plan, plant)
    for depot in plan.depots:
        _add_depot(rng, sheet, plan, depot)
    for customer in plan.customers:
        _add_customer(rng, sheet, plan, customer)
    for good in plan.goods:
        _add_volume(rng, sheet, plan, good)
    return sheet.draft(
        f"{capital(theme.firm)} ships goods from plants to customers, in part through depots. Each ton on a route has "
        "its cost; the cost of all shipments is to be as low as possible."
    )


def _index(lane: _Lane) -> tuple[str, str, str]:
    return lane.good, lane.origin, lane.target


def _names(lanes: Iterable[_Lane]) -> list[str]:
    return [lane.name for lane in lanes]


def _draw_plan(rng: random.Random, size: Size, theme: Theme) -> _Plan:
    n_goods, n_plants, n_depots, n_customers = (rng.randint(low, high) for low, high in rng.choice(_COUNTS[size]))
    places = rng.sample(theme.places, n_plants + n_depots + n_customers)
    plants, depots = places[:n_plants], places[n_plants : n_plants + n_depots]
    customers = places[n_plants + n_depots :]
    goods = rng.sample(theme.goods, n_goods)
    tons: dict[_Lane, int] = {}
    for good in goods:
        for depot in depots:
            # Every depot serves someone, so that no rule about it is empty.
            for customer in rng.sample(customers, max(2, n_customers // 2)):
                tons[_Lane(good, depot, customer)] = rng.randint(5, 30)
            sent = sum(amount for lane, amount in tons.items() if (lane.good, lane.origin) == (good, depot))
            feeders = rng.sample(plants, 2)
            first = round(sent * rng.uniform(0.3, 0.7))
            tons[_Lane(good, feeders[0], depot)], tons[_Lane(good, feeders[1], depot)] = first, sent - first
        for customer in customers:
            for plant in rng.sample(plants, 2):
                tons[_Lane(good, plant, customer)] = rng.randint(5, 40)
        for plant in plants:
            if not any((lane.good, lane.origin) == (good, plant) for lane in tons):
                tons[_Lane(good, plant, rng.choice(customers))] = rng.randint(5, 40)
    return _Plan(goods, plants, depots, customers, tons)


def _add_plant(rng: random.Random, sheet: Sheet, plan: _Plan, plant: str) -> None:
    for good in plan.goods:
        lanes = plan.lanes(good, plant)
        name, supply, names = f"supply_{good}_{plant}", above(plan.sum(lanes), rng, 1.0, 1.06), _names(lanes)
        sheet.add(
            Row(name, Sense.AT_MOST, tuple((each, 1) for each in names), supply, "supply"),
            f"{plant} has {supply} tons of {good}; all that leaves it, {total(names)}, is at most that.",
            f"No more than {supply} tons of {good} can leave {plant}: {total(names)}.",
            f"The {good} that {plant} sends out ({total(names)}) must not exceed {supply} tons.",
        )
    lanes = plan.lanes(origin=plant)
    hours = {lane.name: rng.randint(5, 40) / 10 for lane in lanes}
    needed = sum(hours[lane.name] * plan.tons[lane] for lane in lanes)
    limit = above(needed, rng, 1.0, 1.06)
    sheet.add(
        Row(f"fleet_{plant}", Sense.AT_MOST, tuple(hours.items()), limit, "fleet"),
        f"The trucks of {plant} drive at most {limit} hours. Hours for each ton: {weighed(hours)}.",
        f"Truck hours of {plant}, per ton {weighed(hours)}, must be no more than {limit} in total.",
    )
    if rng.random() < 0.8:
        least, names = below(plan.sum(lanes), rng, 0.92, 1.0), _names(lanes)
        sheet.add(
            Row(f"contract_{plant}", Sense.AT_LEAST, tuple((each, 1) for each in names), least, "contract"),
            f"By contract at least {least} tons leave {plant} in all: {total(names)}.",
            f"{plant} must send out no less than {least} tons: {total(names)}.",
        )


def _add_depot(rng: random.Random, sheet: Sheet, plan: _Plan, depot: str) -> None:
    for good in plan.goods:
        arriving, leaving = _names(plan.lanes(good, target=depot)), _names(plan.lanes(good, origin=depot))
        terms = {**dict.fromkeys(arriving, 1), **dict.fromkeys(leaving, -1)}
        sheet.add(
            Row(f"balance_{good}_{depot}", Sense.EQUAL, tuple(terms.items()), 0, "balance"),
            f"Exactly as much {good} leaves {depot} ({total(leaving)}) as arrives there ({total(arriving)}).",
            f"{depot} keeps no {good}: what arrives, {total(arriving)}, must equal what leaves, {total(leaving)}.",
        )
    lanes = plan.lanes(target=depot)
    limit, names = above(plan.sum(lanes), rng, 1.0, 1.1), _names(lanes)
    sheet.add(
        Row(f"handling_{depot}", Sense.AT_MOST, tuple((each, 1) for each in names), limit, "handling"),
        f"{depot} can take in at most {limit} tons: {total(names)}.",
        f"All that arrives in {depot}, {total(names)}, must be no more than {limit} tons.",
    )


def _add_customer(rng: random.Random, sheet: Sheet, plan: _Plan, customer: str) -> None:
    for good in plan.goods:
        lanes = plan.lanes(good, target=customer)
        name, names, asked = f"demand_{good}_{customer}", _names(lanes), plan.sum(lanes)
        terms = tuple((each, 1) for each in names)
        if rng.random() < 0.6:
            sheet.add(
                Row(name, Sense.EQUAL, terms, asked, "demand"),
                f"{customer} takes exactly {asked} tons of {good}: {total(names)}.",
                f"What {customer} gets of {good}, {total(names)}, must equal the {asked} tons it ordered.",
            )
        else:
            sheet.add(
                Row(name, Sense.AT_LEAST, terms, asked, "demand"),
                f"{customer} needs at least {asked} tons of {good}: {total(names)}.",
                f"No less than {asked} tons of {good} must reach {customer}: {total(names)}.",
            )


def _add_volume(rng: random.Random, sheet: Sheet, plan: _Plan, good: str) -> None:
    lanes = [lane for lane in plan.lanes(good) if lane.target in plan.customers]
    least, names = below(plan.sum(lanes), rng, 0.93, 0.99), _names(lanes)
    sheet.add(
        Row(f"volume_{good}", Sense.AT_LEAST, tuple((each, 1) for each in names), least, "volume"),
        f"All customers together get at least {least} tons of {good}: {total(names)}.",
        f"No less than {least} tons of {good} must reach customers in all: {total(names)}.",
    )


FAMILY = Family(
    "transportation", "plants to customers, straight or through depots (LP)", draw, faults=all_but("bigm", "period")
)
