"""Inventory: what to make in which week, what to keep, at least cost; some goods need a set-up (LP and MIP)."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping
from dataclasses import dataclass

from ordebug_plugin.generate.family import Draft, Family, Size, number
from ordebug_plugin.generate.model import Column, Row, Sense
from ordebug_plugin.generate.sheet import Sheet, above, below, capital, total, weighed
from ordebug_plugin.generate.themes import Theme

# Lines, goods, weeks, and goods that need a set-up, from and to. Each choice is as likely as the others.
_COUNTS = {
    Size.SMALL: (
        ((1, 1), (1, 1), (3, 5), (1, 1)),
        ((1, 1), (2, 2), (3, 4), (0, 0)),
        ((1, 1), (1, 1), (4, 7), (0, 0)),
    ),
    Size.MEDIUM: (
        ((1, 2), (2, 4), (5, 7), (0, 0)),
        ((2, 3), (5, 8), (6, 8), (0, 0)),
        ((1, 2), (2, 4), (5, 7), (1, 2)),
    ),
    Size.LARGE: (((4, 5), (9, 12), (13, 17), (0, 0)),),
}


@dataclass(frozen=True)
class _Plan:
    """A plan that keeps every rule.

    Attributes:
        lines: Machine to the goods made on it; a good is made on one.
        n_weeks: Weeks, from 1 on; the stock of week 0 is there before.
        with_setup: Goods that are made only in weeks with a set-up.
        sold: (good, week) to units sold.
        made: (good, week) to units made.
        kept: (good, week) to units in stock at its end.
        hours: Good to hours for a unit.
        setup_hours: Good to hours for a set-up.
    """

    lines: Mapping[str, list[str]]
    n_weeks: int
    with_setup: list[str]
    sold: Mapping[tuple[str, int], int]
    made: Mapping[tuple[str, int], int]
    kept: Mapping[tuple[str, int], int]
    hours: Mapping[str, float]
    setup_hours: Mapping[str, int]

    @property
    def weeks(self) -> range:
        """The weeks planned."""
        return range(1, self.n_weeks + 1)

    @property
    def goods(self) -> list[str]:
        """What is made and kept."""
        return [good for goods in self.lines.values() for good in goods]

    def hours_used(self, line: str, week: int) -> float:
        """Hours that making and set-ups take on a line in a week."""
        goods = [good for good in self.lines[line] if self.made[good, week]]
        return sum(self.hours[good] * self.made[good, week] + self.setup_hours.get(good, 0) for good in goods)


def draw(rng: random.Random, size: Size, theme: Theme) -> Draft:
    """Draws what is made and kept first, then sales, hours and storage that just allow it."""
    plan = _draw_plan(rng, size, theme)
    sheet = Sheet(rng)
    for good in plan.goods:
        _add_good(rng, sheet, plan, good)
    for line in plan.lines:
        _add_line(rng, sheet, plan, line)
    for week in plan.weeks:
        if len(plan.goods) > 1:
            _add_storage(rng, sheet, plan, week)
        if len(plan.with_setup) > 1:
            _add_crew(sheet, plan, week)
    setups = " Some goods are made only in weeks with a set-up." if plan.with_setup else ""
    return sheet.draft(
        f"{capital(theme.firm)} plans {plan.n_weeks} weeks of production and stock.{setups} Making, keeping, overtime "
        f"{'and set-ups ' if plan.with_setup else ''}cost money; the cost is to be as low as possible."
    )


def _draw_plan(rng: random.Random, size: Size, theme: Theme) -> _Plan:
    n_lines, n_goods, n_weeks, n_setups = (rng.randint(low, high) for low, high in rng.choice(_COUNTS[size]))
    goods = rng.sample(theme.goods, n_goods)
    lines = {line: goods[place::n_lines] for place, line in enumerate(rng.sample(theme.machines, n_lines))}
    with_setup = goods[: min(n_setups, n_goods)]
    sold, made, kept = {}, {}, {}
    for good in goods:
        kept[good, 0] = rng.randint(5, 30)
        for week in range(1, n_weeks + 1):
            stock = kept[good, week - 1]
            idle = good in with_setup and week % 2 == 0 and stock >= 5
            # What is kept after a week with a set-up serves the week without one.
            kept[good, week] = rng.randint(0, stock // 3) if idle else rng.randint(10 if good in with_setup else 0, 30)
            made[good, week] = 0 if idle else rng.randint(max(0, kept[good, week] - stock) + 8, 70)
            sold[good, week] = stock + made[good, week] - kept[good, week]
    hours = {good: rng.randint(5, 40) / 10 for good in goods}
    setup_hours = {good: rng.randint(4, 20) for good in with_setup}
    return _Plan(lines, n_weeks, with_setup, sold, made, kept, hours, setup_hours)


def _add_good(rng: random.Random, sheet: Sheet, plan: _Plan, good: str) -> None:
    cost, keeping, opening = rng.uniform(4, 30), rng.uniform(0.2, 3), plan.kept[good, 0]
    sheet.add(
        Column(f"stock_{good}_0", 0, opening, opening, role="stock", index=(good, 0)),
        f"Units of {good} in stock before week 1: exactly {opening}.",
        f"The stock of {good} at the start, which is {opening} units, no more and no less.",
    )
    for week in plan.weeks:
        _add_columns(rng, sheet, plan, (good, week), (cost, keeping))
    names, least = [f"make_{good}_{week}" for week in plan.weeks], sum(plan.sold[good, week] for week in plan.weeks)
    least = below(least - opening, rng, 0.9, 0.99)
    sheet.add(
        Row(f"promised_{good}", Sense.AT_LEAST, tuple((name, 1) for name in names), least, "promised"),
        f"At least {least} units of {good} are made in all weeks together: {total(names)}.",
        f"The plant has promised to make no less than {least} units of {good} in all: {total(names)}.",
    )
    most = max(plan.made[good, week] for week in plan.weeks)
    big_m = 5 * math.ceil(most * rng.uniform(1.1, 1.4) / 5)
    for week in plan.weeks:
        before, made, after = f"stock_{good}_{week - 1}", f"make_{good}_{week}", f"stock_{good}_{week}"
        sold, terms = plan.sold[good, week], ((before, 1), (made, 1), (after, -1))
        sheet.add(
            Row(f"balance_{good}_{week}", Sense.EQUAL, terms, sold, "balance"),
            f"In week {week} the stock of {good} before ({{{before}}}) plus what is made ({{{made}}}) must equal the "
            f"{sold} units sold plus the stock after ({{{after}}}).",
            f"Exactly {sold} units of {good} are sold in week {week}: those in stock before ({{{before}}}) and those "
            f"made ({{{made}}}), less those in stock after ({{{after}}}).",
        )
        if good in plan.with_setup:
            setup = f"setup_{good}_{week}"
            sheet.add(
                Row(f"only_{good}_{week}", Sense.AT_MOST, ((made, 1), (setup, -big_m)), 0, "only", big_m=setup),
                f"In week {week} {good} is made ({{{made}}}) only with a set-up ({{{setup}}}), and then at most "
                f"{big_m} units.",
                f"A set-up ({{{setup}}}) allows no more than {big_m} units of {good} in week {week} ({{{made}}}); "
                "without one none are made.",
            )


def _add_columns(
    rng: random.Random, sheet: Sheet, plan: _Plan, index: tuple[str, int], costs: tuple[float, float]
) -> None:
    good, week = index
    cost, keeping = round(costs[0] * rng.uniform(0.8, 1.2), 1), round(costs[1] * rng.uniform(0.8, 1.2), 2)
    made, kept = plan.made[good, week], plan.kept[good, week]
    # A set-up, where there is one, limits what is made.
    most = math.inf if good in plan.with_setup or rng.random() < 0.5 else above(made, rng, 1.05, 1.4)
    limits = f", and at most {number(most)}" if most < math.inf else ""
    sheet.add_planned(
        Column(f"make_{good}_{week}", cost, 0, most, role="make", index=index),
        made,
        f"Units of {good} made in week {week}; not negative{limits}.",
        f"How much {good} is made in week {week}, in units: none or more{limits}.",
    )
    least = below(kept, rng, 0.8, 1.0) if week == plan.n_weeks else 0
    # A single good has the store to itself: a bound, and no row.
    most = above(max(kept, 4), rng, 1.0, 1.2) if len(plan.goods) == 1 or rng.random() < 0.35 else math.inf
    limits = f"at least {number(least)}" if least else "not negative"
    limits += f" and at most {number(most)}" if most < math.inf else ""
    sheet.add_planned(
        Column(f"stock_{good}_{week}", keeping, least, most, role="stock", index=index),
        kept,
        f"Units of {good} in stock at the end of week {week}, {limits}.",
        f"How much {good} is kept after week {week}, in units: {limits}.",
    )
    if good in plan.with_setup:
        sheet.add_planned(
            Column(f"setup_{good}_{week}", rng.randint(40, 160), 0, 1, True, role="setup", index=index),
            made > 0,
            f"Whether there is a set-up for {good} in week {week}: yes (1) or no (0).",
            f"1 where the line is set up for {good} in week {week}, else 0.",
        )


def _add_line(rng: random.Random, sheet: Sheet, plan: _Plan, line: str) -> None:
    needed = sum(_add_hours(rng, sheet, plan, (line, week)) for week in plan.weeks)
    names, limit = [f"overtime_{line}_{week}" for week in plan.weeks], above(needed, rng, 1.0, 1.1)
    sheet.add(
        Row(f"agreed_{line}", Sense.AT_MOST, tuple((name, 1) for name in names), limit, "agreed"),
        f"Overtime on the {line} in all weeks together, {total(names)}, is at most {limit} hours.",
        f"No more than {limit} hours of overtime are agreed for the {line}: {total(names)}.",
    )


def _add_hours(rng: random.Random, sheet: Sheet, plan: _Plan, index: tuple[str, int]) -> float:
    """Adds the rule of a line in a week; returns the overtime that the plan needs there."""
    line, week = index
    used = plan.hours_used(line, week)
    overtime = f"overtime_{line}_{week}"
    # A line has about the same hours in a week in which the plan does not need it.
    shift = used or sum(plan.hours_used(line, other) for other in plan.weeks) / plan.n_weeks
    regular = below(shift, rng, 0.82, 0.92)
    extra = max(0.0, used - regular)
    most = above(extra or shift / 10, rng, 1.0, 1.1)
    sheet.add_planned(
        Column(overtime, round(rng.uniform(5, 20), 1), 0, most, role="overtime", index=index),
        extra,
        f"Hours of overtime on the {line} in week {week}, from 0 to {most}.",
        f"Overtime worked on the {line} in week {week}: not negative, and no more than {most} hours.",
    )
    hours = {f"make_{good}_{week}": plan.hours[good] for good in plan.lines[line]}
    hours |= {f"setup_{good}_{week}": plan.setup_hours[good] for good in plan.lines[line] if good in plan.with_setup}
    terms = (*hours.items(), (overtime, -1))
    sheet.add(
        Row(f"hours_{line}_{week}", Sense.AT_MOST, terms, regular, "hours"),
        f"The {line} works at most {regular} hours in week {week}, and its overtime ({{{overtime}}}). Hours it takes: "
        f"{weighed(hours)}.",
        f"Hours on the {line} in week {week}, {weighed(hours)}, must be no more than {regular} plus overtime "
        f"({{{overtime}}}).",
    )
    return extra


def _add_storage(rng: random.Random, sheet: Sheet, plan: _Plan, week: int) -> None:
    space = {good: rng.randint(2, 9) for good in plan.goods}
    room = above(sum(space[good] * max(plan.kept[good, week], 2) for good in plan.goods), rng, 1.0, 1.1)
    terms = {f"stock_{good}_{week}": space[good] for good in plan.goods}
    sheet.add(
        Row(f"room_{week}", Sense.AT_MOST, tuple(terms.items()), room, "room"),
        f"The store has {room} square metres after week {week}; at most that is used. A unit takes {weighed(terms)}.",
        f"What is kept after week {week} must fit into no more than {room} square metres: {weighed(terms)}.",
    )


def _add_crew(sheet: Sheet, plan: _Plan, week: int) -> None:
    names = [f"setup_{good}_{week}" for good in plan.with_setup]
    most = max(1, sum(plan.made[good, week] > 0 for good in plan.with_setup))
    times = "1 set-up" if most == 1 else f"{most} set-ups"
    sheet.add(
        Row(f"crew_{week}", Sense.AT_MOST, tuple((name, 1) for name in names), most, "crew"),
        f"The crew can do at most {times} in week {week}: {total(names)}.",
        f"In week {week} there are no more than {times}: {total(names)}.",
    )


FAMILY = Family("inventory", "weeks of production and stock, some with set-ups (LP, MIP)", draw, tuple(Size))
