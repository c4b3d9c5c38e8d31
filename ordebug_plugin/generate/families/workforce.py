"""Workforce: how many people work which shifts so that enough are there at every hour, at least cost."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from ordebug_plugin.generate.family import Draft, Family, Size, number
from ordebug_plugin.generate.faults import all_but
from ordebug_plugin.generate.model import Column, Row, Sense
from ordebug_plugin.generate.sheet import Sheet, above, below, capital, total, weighed
from ordebug_plugin.generate.themes import Theme

_HOURS = {"full": 8, "part": 4}  # of a shift
_DAYS = {"full": 5, "part": 3}  # worked in a row, where seven are planned
_STARTS = {"full": (6, 7, 10, 12, 14), "part": (8, 9, 11, 13)}
_MOST_TERMS = 40
# Rows: with columns and bounds they must leave room for feasRelax within the 2000 of the licence in the wheel.
_MOST_NEEDS = 1400


@dataclass(frozen=True)
class _Counts:
    """How much there is to plan; pairs are from and to."""

    teams: tuple[int, int]
    weeks: tuple[int, int]
    n_days: int
    full: tuple[int, int]
    part: tuple[int, int]


# Each choice is as likely as the others.
_COUNTS = {
    Size.SMALL: (_Counts((1, 1), (1, 1), 7, (1, 1), (1, 1)), _Counts((1, 1), (1, 1), 1, (3, 5), (2, 4))),
    Size.MEDIUM: (
        _Counts((1, 1), (1, 1), 7, (2, 2), (1, 2)),
        _Counts((2, 3), (1, 1), 7, (1, 1), (1, 1)),
        _Counts((3, 4), (1, 1), 1, (3, 5), (2, 4)),
    ),
    Size.LARGE: (_Counts((3, 4), (2, 6), 7, (3, 3), (2, 2)),),
}


@dataclass(frozen=True)
class _Pattern:
    """When somebody works in the first week.

    Attributes:
        kind: ``full`` or ``part``.
        day: First day at work, from 1.
        place: Which of the shifts of its kind, from 0.
    """

    team: str
    kind: str
    day: int
    place: int


@dataclass(frozen=True)
class _Plan:
    """A roster that keeps every rule.

    Attributes:
        turns: For each week, pattern to the one that its people work in that week.
        starts: Kind to the hours at which its shifts begin.
        effect: Team to how much of a full-timer a part-timer is worth.
        people: Pattern to how many work it.
    """

    teams: list[str]
    turns: Sequence[Mapping[_Pattern, _Pattern]]
    n_days: int
    starts: Mapping[str, list[int]]
    effect: Mapping[str, float]
    people: Mapping[_Pattern, int]

    def name(self, pattern: _Pattern) -> str:
        """Name of its variable."""
        day = f"d{pattern.day}_" if self.n_days > 1 else ""
        return f"{pattern.kind}_{pattern.team}_{day}h{self.starts[pattern.kind][pattern.place]}"

    def of(self, team: str, kind: str | None = None) -> list[_Pattern]:
        """The patterns of a team."""
        return [pattern for pattern in self.people if pattern.team == team and kind in (None, pattern.kind)]

    def works(self, pattern: _Pattern, week: int, day: int, hour: int) -> bool:
        """Whether somebody on the pattern is there in a week (from 0), on a day (from 1), in the hour that begins."""
        turn = self.turns[week][pattern]
        start, since = self.starts[turn.kind][turn.place], (day - turn.day) % self.n_days
        return since < _DAYS[pattern.kind] and start <= hour < start + _HOURS[pattern.kind]

    def hours(self, patterns: Iterable[_Pattern]) -> dict[str, int]:
        """Variable to hours of a person in a week."""
        return {
            self.name(pattern): _HOURS[pattern.kind] * min(self.n_days, _DAYS[pattern.kind]) for pattern in patterns
        }


def _blocks(all_starts: Mapping[str, list[int]]) -> list[tuple[int, int]]:
    """Parts of a day, from and to, no two with the same shifts at work."""
    shifts = [(kind, start, start + _HOURS[kind]) for kind, starts in all_starts.items() for start in starts]
    times = sorted({time for _, start, end in shifts for time in (start, end)})
    found: dict[tuple[tuple[str, int, int], ...], tuple[int, int]] = {}
    for begin, end in itertools.pairwise(times):
        found.setdefault(tuple(shift for shift in shifts if shift[1] <= begin < shift[2]), (begin, end))
    return [block for at_work, block in found.items() if at_work]


def draw(rng: random.Random, size: Size, theme: Theme) -> Draft:
    """Draws a roster first, then needs, budgets and limits that just allow it."""
    plan = _draw_plan(rng, size, theme)
    sheet = Sheet(rng)
    for pattern in plan.people:
        _add_pattern(rng, sheet, plan, pattern, whole=size is not Size.LARGE)
    for team in plan.teams:
        for week in range(len(plan.turns)):
            for day in range(1, plan.n_days + 1):
                for block in _blocks(plan.starts):
                    _add_need(rng, sheet, plan, (team, week, day), block)
        _add_limits(rng, sheet, plan, team)
    hours = plan.hours(plan.people)
    if len(plan.teams) > 1 and len(hours) <= _MOST_TERMS:
        used = sum(hours[plan.name(pattern)] * people for pattern, people in plan.people.items())
        limit = above(used, rng, 1.0, 1.03)
        sheet.add(
            Row("hours_all", Sense.AT_MOST, tuple(hours.items()), limit, "hours_all"),
            f"All teams together work at most {limit} hours. Hours of each person: {weighed(hours)}.",
            f"The hours of all teams, per person {weighed(hours)}, must be no more than {limit}.",
        )
    turn = ""
    if len(plan.turns) > 1:
        turn = " From week to week people take turns with days and shifts; each need says who is there."
    whole = "" if size is not Size.LARGE else " People are counted as full-time equivalents, so parts are allowed."
    return sheet.draft(
        f"{capital(theme.firm)} plans who works when, full-time and part-time.{turn}{whole} People cost money, and the "
        "cost is to be as low as possible."
    )


def _draw_plan(rng: random.Random, size: Size, theme: Theme) -> _Plan:
    counts = rng.choice(_COUNTS[size])
    n_teams, n_weeks, n_full, n_part = (
        rng.randint(*pair) for pair in (counts.teams, counts.weeks, counts.full, counts.part)
    )
    teams = rng.sample(theme.machines, n_teams)
    first = rng.randint(5, 8)
    if counts.n_days == 1 or n_full == 1:
        later = first + rng.randint(1, 4)
        starts = {"full": list(range(first, first + n_full)), "part": list(range(later, later + n_part))}
    else:
        starts = {kind: sorted(rng.sample(_STARTS[kind], n)) for kind, n in (("full", n_full), ("part", n_part))}
    n_weeks = min(n_weeks, _MOST_NEEDS // (n_teams * counts.n_days * len(_blocks(starts))))
    people = {
        _Pattern(team, kind, day, place): rng.randint(2, 12)
        for team in teams
        for kind, hours in starts.items()
        for day in range(1, counts.n_days + 1)
        for place in range(len(hours))
    }
    # Whole people whose work counts in parts make a search of seconds; part-timers by the hour do not.
    effects = (0.7, 0.75, 0.8, 0.9) if rng.random() < 0.5 else (1.0,)
    effect = {team: rng.choice(effects) for team in teams}
    turns = [{pattern: pattern for pattern in people}, *(_draw_turn(rng, list(people)) for _ in range(n_weeks - 1))]
    return _Plan(teams, turns, counts.n_days, starts, effect, people)


def _draw_turn(rng: random.Random, patterns: list[_Pattern]) -> dict[_Pattern, _Pattern]:
    """Each pattern to another one of its team and kind."""
    turn: dict[_Pattern, _Pattern] = {}
    for team, kind in dict.fromkeys((pattern.team, pattern.kind) for pattern in patterns):
        group = [pattern for pattern in patterns if (pattern.team, pattern.kind) == (team, kind)]
        turn |= zip(group, rng.sample(group, len(group)), strict=True)
    return turn


def _add_pattern(rng: random.Random, sheet: Sheet, plan: _Plan, pattern: _Pattern, *, whole: bool) -> None:
    people = plan.people[pattern]
    whole = whole and (pattern.kind == "full" or plan.effect[pattern.team] == 1)
    start, most = plan.starts[pattern.kind][pattern.place], above(people, rng, 1.05, 1.5)
    pay = rng.uniform(22, 30) * _HOURS[pattern.kind] * min(plan.n_days, _DAYS[pattern.kind])
    first = " of week 1" if len(plan.turns) > 1 else ""
    days = f"{_DAYS[pattern.kind]} days in a row from day {pattern.day}{first} on, " if plan.n_days > 1 else ""
    when = f"{days}from {start} to {start + _HOURS[pattern.kind]} o'clock"
    index = (pattern.team, pattern.day, start) if plan.n_days > 1 else (pattern.team, start)
    unit = "whole number" if whole else "parts allowed"
    sheet.add_planned(
        Column(plan.name(pattern), round(pay), 0, most, whole, role=pattern.kind, index=index),
        people,
        f"{capital(pattern.kind)}-timers at the {pattern.team} who work {when}: from 0 to {most}, {unit}.",
        f"How many {pattern.kind}-timers work at the {pattern.team} {when}; {unit}, not negative, at most {most}.",
    )


def _add_need(
    rng: random.Random, sheet: Sheet, plan: _Plan, when: tuple[str, int, int], block: tuple[int, int]
) -> None:
    team, week, day = when
    present = [pattern for pattern in plan.of(team) if plan.works(pattern, week, day, block[0])]
    if len(present) < 2:
        return
    worth = {plan.name(pattern): 1.0 if pattern.kind == "full" else plan.effect[team] for pattern in present}
    there = sum(worth[plan.name(pattern)] * plan.people[pattern] for pattern in present)
    need = below(there, rng, 0.96, 1.0)
    name, text = f"need_{team}", f"from {block[0]} to {block[1]} o'clock"
    if plan.n_days > 1:
        name, text = f"{name}_d{day}", f"on day {day} {text}"
    if len(plan.turns) > 1:
        name, text = f"{name}_w{week + 1}", f"in week {week + 1} {text}"
    fully = [name for name, value in worth.items() if value == 1]
    partly = [name for name, value in worth.items() if value != 1]
    who = f"who is there: {total(fully)}" if fully else "who is there"
    if partly:
        who += f", and part-timers who count {number(plan.effect[team])} each: {total(partly)}"
    sheet.add(
        Row(f"{name}_h{block[0]}", Sense.AT_LEAST, tuple(worth.items()), need, "need"),
        f"At least {need} people are needed at the {team} {text}; {who}.",
        f"The {team} must have no fewer than {need} people {text}; {who}.",
    )


def _add_limits(rng: random.Random, sheet: Sheet, plan: _Plan, team: str) -> None:
    everyone = plan.of(team)
    hours, names = plan.hours(everyone), [plan.name(pattern) for pattern in everyone]
    limit = above(sum(hours[plan.name(each)] * plan.people[each] for each in everyone), rng, 1.0, 1.03)
    sheet.add(
        Row(f"hours_{team}", Sense.AT_MOST, tuple(hours.items()), limit, "hours"),
        f"The {team} has a budget of at most {limit} hours a week. Hours of each person: {weighed(hours)}.",
        f"Hours at the {team}, per person {weighed(hours)}, must be no more than {limit} a week.",
    )
    full, part = plan.of(team, "full"), plan.of(team, "part")
    n_full, n_part = (sum(plan.people[each] for each in group) for group in (full, part))
    ratio = above(100 * n_part / n_full, rng, 1.0, 1.1) / 100
    full_names, part_names = [plan.name(each) for each in full], [plan.name(each) for each in part]
    terms = (*((name, 1) for name in part_names), *((name, -ratio) for name in full_names))
    sheet.add(
        Row(f"share_{team}", Sense.AT_MOST, terms, 0, "share"),
        f"At the {team} there are at most {number(ratio)} part-timers ({total(part_names)}) for each full-timer "
        f"({total(full_names)}).",
        f"Part-timers at the {team}, {total(part_names)}, must be no more than {number(ratio)} times the full-timers, "
        f"{total(full_names)}.",
    )
    least = below(n_full + n_part, rng, 0.8, 0.88)
    sheet.add(
        Row(f"staff_{team}", Sense.AT_LEAST, tuple((name, 1) for name in names), least, "staff"),
        f"The {team} keeps at least {least} people in all: {total(names)}.",
        f"By agreement no fewer than {least} people work at the {team}: {total(names)}.",
    )
    for place, start in enumerate(plan.starts["full"]):
        group = [pattern for pattern in full if pattern.place == place]
        if len(group) < 2 or len(plan.starts["full"]) < 2:
            continue
        most, group_names = (
            above(sum(plan.people[each] for each in group), rng, 1.0, 1.08),
            [plan.name(p) for p in group],
        )
        sheet.add(
            Row(f"begin_{team}_h{start}", Sense.AT_MOST, tuple((name, 1) for name in group_names), most, "begin"),
            f"At most {most} full-timers of the {team} can have the shift from {start} on: {total(group_names)}.",
            f"The lockers of the {team} for the shift from {start} on are for no more than {most} full-timers: "
            f"{total(group_names)}.",
        )


FAMILY = Family(
    "workforce",
    "people on shifts, enough of them at every hour (LP, MIP)",
    draw,
    tuple(Size),
    faults=all_but("I", "bigm", "duplicate"),
)
