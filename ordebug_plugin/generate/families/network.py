"""Networks: goods flow from sources over hubs to markets and share what the links carry, at least cost."""

from __future__ import annotations

import math
import random
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ordebug_plugin.generate.family import Draft, Family, Size, number
from ordebug_plugin.generate.faults import all_but
from ordebug_plugin.generate.model import Column, Row, Sense
from ordebug_plugin.generate.sheet import Sheet, above, below, capital, total, weighed
from ordebug_plugin.generate.themes import Theme

# Goods, sources, hubs and markets, from and to. Each choice is as likely as the others.
_COUNTS = {
    Size.SMALL: (((1, 1), (2, 2), (2, 3), (2, 4)), ((2, 2), (1, 2), (2, 2), (2, 2))),
    Size.MEDIUM: (((2, 4), (2, 3), (3, 4), (4, 5)),),
    Size.LARGE: (((10, 12), (3, 4), (4, 4), (4, 4)),),
}

Link = tuple[str, str]


@dataclass(frozen=True)
class _Plan:
    """Flows that keep every rule.

    Attributes:
        tons: (good, link) to tons sent on it.
        arriving: (good, link) to tons that arrive of each ton sent.
        weights: Good to how much of a link's capacity a ton of it takes.
        asked: (good, market) to tons asked for.
    """

    goods: list[str]
    sources: list[str]
    hubs: list[str]
    markets: list[str]
    tons: Mapping[tuple[str, Link], float]
    arriving: Mapping[tuple[str, Link], float]
    weights: Mapping[str, float]
    asked: Mapping[tuple[str, str], int]

    @property
    def links(self) -> list[Link]:
        """Every link that carries something."""
        return list(dict.fromkeys(link for _, link in self.tons))

    def into(self, good: str, place: str) -> list[Link]:
        """The links on which the good comes to a place."""
        return [link for carried, link in self.tons if carried == good and link[1] == place]

    def out_of(self, good: str, place: str) -> list[Link]:
        """The links on which the good leaves a place."""
        return [link for carried, link in self.tons if carried == good and link[0] == place]


def draw(rng: random.Random, size: Size, theme: Theme) -> Draft:
    """Draws flows first, then supplies and capacities that just allow them."""
    plan = _draw_plan(rng, size, theme)
    sheet = Sheet(rng)
    shared = [link for link in plan.links if sum((good, link) in plan.tons for good in plan.goods) > 1]
    if size is Size.SMALL:
        shared = rng.sample(shared, min(len(shared), 4))
    for (good, link), tons in plan.tons.items():
        _add_flow(rng, sheet, (good, link), tons, limited=link not in shared or rng.random() < 0.4)
    for good in plan.goods:
        for place in (*plan.sources, *plan.hubs, *plan.markets):
            _add_place(rng, sheet, plan, good, place)
        _add_volume(rng, sheet, plan, good)
    for link in shared:
        _add_capacity(rng, sheet, plan, link)
    for hub in plan.hubs:
        _add_handling(rng, sheet, plan, hub)
    return sheet.draft(
        f"{capital(theme.firm)} sends goods through a network from sources over hubs to markets; on some links a part "
        "is lost. Each ton sent on a link has its cost, and the cost is to be as low as possible."
    )


def _flow(good: str, link: Link) -> str:
    return f"flow_{good}_{link[0]}_{link[1]}"


def _flows(good: str, links: Iterable[Link]) -> list[str]:
    return [_flow(good, link) for link in links]


def _draw_plan(rng: random.Random, size: Size, theme: Theme) -> _Plan:
    n_goods, *counts = (rng.randint(low, high) for low, high in rng.choice(_COUNTS[size]))
    places = rng.sample(theme.places, sum(counts))
    sources, hubs, markets = places[: counts[0]], places[counts[0] : -counts[2]], places[-counts[2] :]
    goods = rng.sample(theme.goods, n_goods)
    # Hubs pass goods on to later hubs only, so that a flow can be followed back from its market.
    feeders = {hub: [*rng.sample(sources, min(2, len(sources))), *hubs[:place][-1:]] for place, hub in enumerate(hubs)}
    feeders |= {market: [*rng.sample(hubs, 2), rng.choice(sources)] for market in markets}
    losses = {link: rng.choice((1.0, 1.0, 0.9, 0.95, 0.96, 0.98)) for link in _pairs(feeders)}
    tons: dict[tuple[str, Link], float] = {}
    asked: dict[tuple[str, str], int] = {}
    for good in goods:
        needed: dict[str, float] = {market: rng.randint(10, 60) for market in markets}
        asked |= {(good, market): int(amount) for market, amount in needed.items()}
        for place in (*markets, *reversed(hubs)):
            origins = rng.sample(feeders[place], min(2, len(feeders[place])))
            part = rng.uniform(0.3, 0.7)
            parts = (part, 1 - part) if len(origins) == 2 else (1.0,)
            for origin, share in zip(origins, parts, strict=True):
                if needed.get(place):
                    sent = needed[place] * share / losses[origin, place]
                    tons[good, (origin, place)] = sent
                    needed[origin] = needed.get(origin, 0) + sent
    arriving = {(good, link): losses[link] for good, link in tons}
    weights = {good: rng.choice((1.0, 1.2, 1.5, 2.0, 0.8)) for good in goods}
    return _Plan(goods, sources, hubs, markets, tons, arriving, weights, asked)


def _pairs(feeders: Mapping[str, list[str]]) -> list[Link]:
    return [(origin, target) for target, origins in feeders.items() for origin in origins]


def _add_flow(rng: random.Random, sheet: Sheet, flow: tuple[str, Link], tons: float, *, limited: bool) -> None:
    good, (origin, target) = flow
    most = above(tons, rng, 1.05, 1.5) if limited else math.inf
    limits = f", and at most {number(most)}" if limited else ""
    sheet.add_planned(
        Column(_flow(*flow), round(rng.uniform(1, 20), 1), 0, most, role="flow", index=(good, origin, target)),
        tons,
        f"Tons of {good} sent from {origin} to {target}; not negative{limits}.",
        f"How much {good} goes on the link from {origin} to {target}, in tons: none or more{limits}.",
    )


def _add_place(rng: random.Random, sheet: Sheet, plan: _Plan, good: str, place: str) -> None:
    inward, outward = plan.into(good, place), plan.out_of(good, place)
    coming = {_flow(good, link): plan.arriving[good, link] for link in inward}
    leaving = _flows(good, outward)
    if place in plan.sources:
        if leaving:
            supply = above(sum(plan.tons[good, link] for link in outward), rng, 1.0, 1.08)
            sheet.add(
                Row(f"supply_{good}_{place}", Sense.AT_MOST, tuple((name, 1) for name in leaving), supply, "supply"),
                f"{place} can supply at most {supply} tons of {good}: {total(leaving)}.",
                f"The {good} sent from {place}, {total(leaving)}, must be no more than {supply} tons.",
            )
    elif place in plan.hubs:
        if leaving:
            terms = (*coming.items(), *((name, -1) for name in leaving))
            sheet.add(
                Row(f"through_{good}_{place}", Sense.EQUAL, terms, 0, "through"),
                f"{place} passes on exactly the {good} that arrives: {total(leaving)}. Tons that arrive of each "
                f"ton sent: {weighed(coming)}.",
                f"In {place} the {good} that leaves, {total(leaving)}, must equal what arrives, of each ton sent "
                f"{weighed(coming)}.",
            )
    else:
        asked = plan.asked[good, place]
        sense, first, second = rng.choice(
            ((Sense.EQUAL, "exactly", "must equal"), (Sense.AT_LEAST, "at least", "must be no less than"))
        )
        sheet.add(
            Row(f"market_{good}_{place}", sense, tuple(coming.items()), asked, "market"),
            f"{place} gets {first} {asked} tons of {good}. Tons that arrive of each ton sent: {weighed(coming)}.",
            f"The {good} that arrives in {place} {second} {asked} tons; of each ton sent arrive {weighed(coming)}.",
        )


def _add_volume(rng: random.Random, sheet: Sheet, plan: _Plan, good: str) -> None:
    names = [_flow(good, link) for source in plan.sources for link in plan.out_of(good, source)]
    least = below(sum(plan.asked[good, market] for market in plan.markets), rng, 0.92, 0.99)
    sheet.add(
        Row(f"volume_{good}", Sense.AT_LEAST, tuple((name, 1) for name in names), least, "volume"),
        f"All sources together send at least {least} tons of {good}: {total(names)}.",
        f"By contract no less than {least} tons of {good} leave the sources: {total(names)}.",
    )


def _add_capacity(rng: random.Random, sheet: Sheet, plan: _Plan, link: Link) -> None:
    carried = {_flow(good, link): plan.weights[good] for good in plan.goods if (good, link) in plan.tons}
    used = sum(plan.weights[good] * plan.tons[good, link] for good in plan.goods if (good, link) in plan.tons)
    limit, way = above(used, rng, 1.0, 1.1), f"from {link[0]} to {link[1]}"
    sheet.add(
        Row(f"capacity_{link[0]}_{link[1]}", Sense.AT_MOST, tuple(carried.items()), limit, "capacity"),
        f"The link {way} has at most {limit} slots for all goods. Slots for a ton: {weighed(carried)}.",
        f"Slots on the link {way}, per ton {weighed(carried)}, must not exceed {limit}.",
    )


def _add_handling(rng: random.Random, sheet: Sheet, plan: _Plan, hub: str) -> None:
    flows = [(good, link) for good in plan.goods for link in plan.out_of(good, hub)]
    if len(flows) not in range(2, 25):
        return
    used = sum(plan.weights[good] * plan.tons[good, link] for good, link in flows)
    hours = {_flow(*flow): plan.weights[flow[0]] for flow in flows}
    limit = above(used, rng, 1.0, 1.08)
    sheet.add(
        Row(f"handling_{hub}", Sense.AT_MOST, tuple(hours.items()), limit, "handling"),
        f"{hub} can load at most {limit} slots. Slots for a ton: {weighed(hours)}.",
        f"What {hub} loads, in slots per ton {weighed(hours)}, must be no more than {limit} slots.",
    )


FAMILY = Family(
    "network",
    "flows through a network, several goods on shared links (LP)",
    draw,
    tuple(Size),
    faults=all_but("bigm", "period"),
)
