"""Project scheduling: when activities start and end, with lags, windows, milestones and days bought at a cost."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass

from ordebug_plugin.generate.family import Draft, Family, Size
from ordebug_plugin.generate.faults import all_but
from ordebug_plugin.generate.model import Column, Row, Sense
from ordebug_plugin.generate.sheet import Sheet, capital, counted, listed, total
from ordebug_plugin.generate.themes import Theme

# Activities, and lag rows for each of them, from and to. Three columns an activity: 66 are the most for 200 columns.
_COUNTS = {
    Size.SMALL: ((3, 4), (1, 1)),
    Size.MEDIUM: ((10, 18), (1, 2)),
    Size.LARGE: ((36, 58), (2, 14)),
}


@dataclass(frozen=True)
class _Plan:
    """A schedule that keeps every rule; activities in the order of their starts.

    Attributes:
        activities: What is done where.
        days: How long each takes without days bought.
        bought: Days by which each is shortened.
        starts: Day on which each begins.
    """

    activities: list[tuple[str, str]]
    days: Mapping[tuple[str, str], int]
    bought: Mapping[tuple[str, str], int]
    starts: Mapping[tuple[str, str], int]

    def end(self, activity: tuple[str, str]) -> int:
        """Day on which an activity ends."""
        return self.starts[activity] + self.days[activity] - self.bought[activity]

    def before(self, activity: tuple[str, str]) -> list[tuple[str, str]]:
        """Activities that have ended when this one starts, the latest first."""
        ended = [other for other in self.activities if self.end(other) <= self.starts[activity] and other != activity]
        return sorted(ended, key=self.end, reverse=True)


def draw(rng: random.Random, size: Size, theme: Theme) -> Draft:
    """Draws a schedule first, then lags, windows and due days that just allow it."""
    plan, n_lags = _draw_plan(rng, size, theme), rng.randint(*_COUNTS[size][1])
    sheet = Sheet(rng)
    followed: set[tuple[str, str]] = set()
    for activity in plan.activities:
        _add_activity(rng, sheet, plan, activity)
        followed |= _add_lags(rng, sheet, plan, activity, n_lags)
    lasts = [activity for activity in plan.activities if activity not in followed]
    for activity in lasts:
        _add_due_day(rng, sheet, plan, activity)
    _add_windows(rng, sheet, plan)
    groups = [plan.activities[place : place + 8] for place in range(0, len(plan.activities), 8)]
    for group_number, group in enumerate(groups, 1):
        _add_crew(rng, sheet, plan, group, group_number)
    return sheet.draft(
        f"{capital(theme.firm)} plans the work on a project. Every day that an activity ends later costs rent, days "
        "bought with extra crews cost money, and so do late days; the cost is to be as low as possible."
    )


def _draw_plan(rng: random.Random, size: Size, theme: Theme) -> _Plan:
    n_activities = rng.randint(*_COUNTS[size][0])
    pairs = [(machine, place) for machine in theme.machines for place in theme.places]
    activities = rng.sample(pairs, n_activities)
    days = {activity: rng.randint(3, 15) for activity in activities}
    bought = {activity: rng.randint(0, days[activity] // 3) for activity in activities}
    starts: dict[tuple[str, str], int] = {}
    # Each starts after one of the last few: a project is some chains side by side.
    for place, activity in enumerate(activities):
        after = rng.choice(activities[max(0, place - 3) : place] or [activity])
        base = 0 if after == activity else starts[after] + days[after] - bought[after]
        starts[activity] = base + rng.randint(1, 4)
    return _Plan(sorted(activities, key=lambda activity: starts[activity]), days, bought, starts)


def _key(activity: tuple[str, str]) -> str:
    return f"{activity[0]}_{activity[1]}"


def _said(activity: tuple[str, str]) -> str:
    return f"the {activity[0]} work in {activity[1]}"


def _add_activity(rng: random.Random, sheet: Sheet, plan: _Plan, activity: tuple[str, str]) -> None:
    """Adds start, end and bought days, and the row that holds them together."""
    key, said, days = _key(activity), _said(activity), plan.days[activity]
    start, end, buy = f"start_{key}", f"end_{key}", f"buy_{key}"
    before = plan.before(activity)
    permit = 0 if before else plan.starts[activity]
    most = plan.bought[activity] + rng.randint(0, 1) or 1
    sheet.add_planned(
        Column(start, 0, permit, role="start", index=activity),
        plan.starts[activity],
        f"Day on which {said} starts, at least {permit}.",
        f"Start of {said}, in days from today; not before day {permit}.",
    )
    sheet.add_planned(
        Column(end, rng.randint(1, 12), 0, role="end", index=activity),
        plan.end(activity),
        f"Day on which {said} ends; not negative.",
        f"End of {said}, in days from today, at least 0.",
    )
    sheet.add_planned(
        Column(buy, rng.randint(15, 80), 0, most, role="buy", index=activity),
        plan.bought[activity],
        f"Days by which {said} is shortened with extra crews: from 0 to {most}.",
        f"Days bought for {said}; not negative and no more than {most}.",
    )
    sheet.add(
        Row(f"length_{key}", Sense.EQUAL, ((end, 1), (start, -1), (buy, 1)), days, "length"),
        f"{capital(said)} takes exactly {days} days from {{{start}}} to {{{end}}}, less the days bought ({{{buy}}}).",
        f"{{{end}}} minus {{{start}}} plus the days bought, {{{buy}}}, must equal {days}.",
    )


def _add_lags(
    rng: random.Random, sheet: Sheet, plan: _Plan, activity: tuple[str, str], n_lags: int
) -> set[tuple[str, str]]:
    """Adds waits after earlier activities, one of them sometimes exact; returns these activities."""
    earlier = plan.before(activity)[:n_lags]
    start = f"start_{_key(activity)}"
    for place, other in enumerate(earlier):
        end, gap = f"end_{_key(other)}", plan.starts[activity] - plan.end(other)
        name, pair = f"{_key(other)}_{_key(activity)}", ((start, 1), (end, -1))
        if place == 0 and rng.random() < 0.2:
            sheet.add(
                Row(f"milestone_{name}", Sense.EQUAL, pair, gap, "milestone"),
                f"A milestone: {{{start}}} is exactly {counted(gap, 'day')} after {{{end}}}.",
                f"{capital(_said(activity))} must start ({{{start}}}) exactly {counted(gap, 'day')} after "
                f"{_said(other)} ends ({{{end}}}).",
            )
            continue
        lag = max(0, gap - rng.choice((0, 0, 1)))
        sheet.add(
            Row(f"lag_{name}", Sense.AT_LEAST, pair, lag, "lag"),
            f"{{{start}}} is at least {counted(lag, 'day')} after {{{end}}}.",
            f"{capital(_said(activity))} waits for {_said(other)}: no less than {counted(lag, 'day')} lie between "
            f"{{{end}}} and {{{start}}}.",
        )
    return set(earlier)


def _add_windows(rng: random.Random, sheet: Sheet, plan: _Plan) -> None:
    """Adds rows that hold activities together over two or more others."""
    ancestors = {activity: _ancestors(plan, activity) for activity in plan.activities}
    for activity in plan.activities:
        later = [other for other in plan.activities if activity in ancestors[other]]
        if not later or rng.random() < 0.15:
            continue
        other = rng.choice(later[:4])
        start, end = f"start_{_key(activity)}", f"end_{_key(other)}"
        most = plan.end(other) - plan.starts[activity] + rng.randint(0, 1)
        sheet.add(
            Row(
                f"window_{_key(activity)}_{_key(other)}",
                Sense.AT_MOST,
                ((end, 1), (start, -1)),
                most,
                "window",
            ),
            f"From {{{start}}} to {{{end}}} at most {most} days pass.",
            f"{capital(_said(other))} ends ({{{end}}}) no more than {most} days after {_said(activity)} starts "
            f"({{{start}}}).",
        )


def _ancestors(plan: _Plan, activity: tuple[str, str]) -> set[tuple[str, str]]:
    """Activities that lie two or more steps before this one."""
    first = plan.before(activity)[:1]
    found: set[tuple[str, str]] = set()
    while first and (first := plan.before(first[0])[:1]):
        found.add(first[0])
    return found


def _add_due_day(rng: random.Random, sheet: Sheet, plan: _Plan, activity: tuple[str, str]) -> None:
    """Adds a due day that may be missed by a few days at a cost."""
    key, said = _key(activity), _said(activity)
    end, late = f"end_{key}", f"late_{key}"
    most = rng.randint(1, 3)
    due = plan.end(activity) - rng.randint(most - 1, most)
    sheet.add(
        Column(late, rng.randint(20, 90), 0, most, role="late", index=activity),
        f"Days by which {said} is late: from 0 to {most}.",
        f"Late days of {said}; at least 0, and the customer accepts {most} at most.",
    )
    sheet.add(
        Row(f"due_{key}", Sense.AT_MOST, ((end, 1), (late, -1)), due, "due"),
        f"{capital(said)} ends ({{{end}}}) no later than day {due} plus the late days {{{late}}}.",
        f"{{{end}}} minus {{{late}}} is at most {due}, the day that was promised.",
    )


def _add_crew(rng: random.Random, sheet: Sheet, plan: _Plan, group: list[tuple[str, str]], group_number: int) -> None:
    """Adds the hours of extra crews, which limit the days bought for a group of activities."""
    hours = {activity: rng.randint(4, 20) for activity in group}
    most = sum(hours[activity] * plan.bought[activity] for activity in group) + rng.randint(2, 8)
    takes = listed(f"{hours[activity]} for {{buy_{_key(activity)}}}" for activity in group)
    buys = [f"buy_{_key(activity)}" for activity in group]
    sheet.add(
        Row(
            f"crew_{group_number}",
            Sense.AT_MOST,
            tuple((f"buy_{_key(activity)}", hours[activity]) for activity in group),
            most,
            "crew",
        ),
        f"Extra crew {group_number} works at most {most} hours; a day bought takes {takes}.",
        f"{total(buys)}: these days come from extra crew {group_number}, which has no more than {most} hours. A day "
        f"takes {takes}.",
    )


FAMILY = Family(
    "projects",
    "activities with lags, windows, milestones and days bought (LP)",
    draw,
    (Size.SMALL, Size.MEDIUM, Size.LARGE),
    faults=all_but("bigm", "period"),
)
