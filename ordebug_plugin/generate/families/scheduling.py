"""Scheduling: the order of jobs on one machine, with release dates, deadlines and setup times."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations, pairwise

from ordebug_plugin.generate.family import Draft, Family, Size
from ordebug_plugin.generate.faults import all_but
from ordebug_plugin.generate.model import Column, Row, Sense
from ordebug_plugin.generate.sheet import Sheet, capital, counted
from ordebug_plugin.generate.themes import Theme

_JOBS = {Size.SMALL: (3, 4), Size.MEDIUM: (5, 7)}


@dataclass(frozen=True)
class _Plan:
    """A sequence that keeps every rule, in hours.

    Attributes:
        jobs: In the order of the sequence.
        lengths: How long each takes.
        setup: Time between two jobs that follow each other in this order.
        starts: When each begins.
    """

    jobs: list[str]
    lengths: Mapping[str, int]
    setup: Mapping[tuple[str, str], int]
    starts: Mapping[str, int]

    def end(self, job: str) -> int:
        """When a job ends."""
        return self.starts[job] + self.lengths[job]

    def horizon(self) -> int:
        """When everything is done."""
        return self.end(self.jobs[-1])


def draw(rng: random.Random, size: Size, theme: Theme) -> Draft:
    """Draws a sequence first, then dates that just allow it."""
    plan = _draw_plan(rng, rng.sample(theme.goods, rng.randint(*_JOBS[size])))
    n_jobs, big_m = len(plan.jobs), 50 * math.ceil((plan.horizon() + 25) / 50)
    # The order of some pairs is known beforehand; with four jobs of two, to stay small.
    known = set(rng.sample(sorted(plan.setup), 2 if n_jobs == 4 else n_jobs // 3))
    sheet = Sheet(rng)
    order = rng.sample(plan.jobs, n_jobs)  # the file does not show the sequence
    for job in order:
        _add_columns(rng, sheet, plan, job)
    latest = plan.horizon() + rng.randint(0, 2)
    sheet.add(
        Column("makespan", rng.randint(20, 60), 0, latest, role="makespan"),
        f"Hour at which everything is done, from 0 to {latest}.",
        f"The end of the whole plan in hours; not negative and no later than {latest}, when the shift ends.",
    )
    for job in order:
        _add_length(sheet, plan, job)
    for pair in rng.sample(sorted(plan.setup), len(plan.setup)):
        if pair in known:
            _add_after(sheet, plan, pair)
        elif rng.random() < 0.5:
            _add_either(sheet, pair, (plan.setup[pair], rng.randint(1, 5)), big_m, forth=True)
        else:
            _add_either(sheet, (pair[1], pair[0]), (rng.randint(1, 5), plan.setup[pair]), big_m, forth=False)
    near = [*pairwise(plan.jobs), *zip(plan.jobs, plan.jobs[2:], strict=False)]
    for pair in rng.sample(near, n_jobs // 3):
        _add_wait(rng, sheet, plan, pair)
    return sheet.draft(
        f"{capital(theme.firm)} plans the jobs on its {rng.choice(theme.machines)}, one after the other. Late ends and "
        "a long plan cost money; the cost is to be as low as possible."
    )


def _draw_plan(rng: random.Random, jobs: list[str]) -> _Plan:
    lengths = {job: rng.randint(3, 15) for job in jobs}
    setup = {pair: rng.randint(1, 5) for pair in combinations(jobs, 2)}
    starts = {jobs[0]: rng.randint(1, 6)}
    for job, following in pairwise(jobs):
        starts[following] = starts[job] + lengths[job] + setup[job, following] + rng.choice((0, 0, 0, 1))
    return _Plan(jobs, lengths, setup, starts)


def _add_columns(rng: random.Random, sheet: Sheet, plan: _Plan, job: str) -> None:
    """Adds start and end: a release date for some jobs, a deadline for the others; with both one job told too much."""
    place = plan.jobs.index(job)
    release = max(0, plan.starts[job] - rng.randint(0, 2)) if place == 0 or place % 2 else 0
    sheet.add_planned(
        Column(f"start_{job}", 0, release, role="start", index=(job,)),
        plan.starts[job],
        f"Hour at which the {job} job begins, at least {release}, when its material is there.",
        f"Start of the {job} job in hours; its material is there at hour {release} and it cannot start before.",
    )
    deadline = math.inf if release else plan.end(job) + rng.randint(0, 3)
    due = f", by its deadline {deadline} at the latest" if math.isfinite(deadline) else ""
    sheet.add_planned(
        Column(f"end_{job}", rng.randint(2, 30), 0, deadline, role="end", index=(job,)),
        plan.end(job),
        f"Hour at which the {job} job ends; not negative{due}.",
        f"End of the {job} job in hours, at least 0{due}.",
    )


def _add_length(sheet: Sheet, plan: _Plan, job: str) -> None:
    start, end, hours = f"start_{job}", f"end_{job}", plan.lengths[job]
    sheet.add(
        Row(f"length_{job}", Sense.EQUAL, ((end, 1), (start, -1)), hours, "length"),
        f"The {job} job takes exactly {hours} hours from {{{start}}} to {{{end}}}.",
        f"{{{end}}} must equal {{{start}}} plus {hours} hours.",
    )
    sheet.add(
        Row(f"done_{job}", Sense.AT_LEAST, (("makespan", 1), (end, -1)), 0, "done"),
        f"Everything is done ({{makespan}}) at the earliest when the {job} job ends ({{{end}}}).",
        f"{{makespan}} is at least {{{end}}}.",
    )


def _add_after(sheet: Sheet, plan: _Plan, pair: tuple[str, str]) -> None:
    first, second = pair
    start, end, setup = f"start_{second}", f"end_{first}", counted(plan.setup[pair], "hour")
    sheet.add(
        Row(f"after_{first}_{second}", Sense.AT_LEAST, ((start, 1), (end, -1)), plan.setup[pair], "after"),
        f"The {second} job starts ({{{start}}}) at least {setup} after the {first} job ends ({{{end}}}).",
        f"From {{{end}}} to {{{start}}} no less than {setup} pass: the {first} job comes first.",
    )


def _add_wait(rng: random.Random, sheet: Sheet, plan: _Plan, pair: tuple[str, str]) -> None:
    first, second = pair
    start, end, wait = f"start_{second}", f"end_{first}", plan.starts[second] - plan.end(first) + rng.randint(0, 2)
    hours = counted(wait, "hour")
    sheet.add(
        Row(f"wait_{first}_{second}", Sense.AT_MOST, ((start, 1), (end, -1)), wait, "wait"),
        f"The {second} job starts ({{{start}}}) at most {hours} after the {first} job ends ({{{end}}}).",
        f"{{{start}}} is no more than {hours} later than {{{end}}}.",
    )


def _add_either(sheet: Sheet, pair: tuple[str, str], setups: tuple[int, int], big_m: int, *, forth: bool) -> None:
    """Adds the rows by which one job of a pair comes first (in the plan: `forth`) or the other, each with its setup."""
    (first, second), (there, back) = pair, setups
    choice, off = f"first_{first}_{second}", there - big_m
    sheet.add_planned(
        Column(choice, 0, 0, 1, integer=True, role="first", index=pair),
        forth,
        f"1 if the {first} job comes before the {second} job, 0 if after.",
        f"Yes or no (1 or 0): of the two, the {first} job is done before the {second} job.",
    )
    start, end, setup = f"start_{second}", f"end_{first}", counted(there, "hour")
    sheet.add(
        Row(
            f"forth_{first}_{second}",
            Sense.AT_LEAST,
            ((start, 1), (end, -1), (choice, -big_m)),
            off,
            "order",
            big_m=choice,
        ),
        f"If {{{choice}}} is yes, {{{start}}} is at least {setup} after {{{end}}}; if no, the rule is switched off by "
        f"{big_m} hours, so {{{start}}} less {{{end}}} less {big_m} times {{{choice}}} is at least {off}.",
        f"{{{start}}} minus {{{end}}} minus {big_m} {{{choice}}} is no less than {off}: a setup of {setup} where the "
        f"{first} job goes first, and no rule where it does not.",
    )
    start, end, setup = f"start_{first}", f"end_{second}", counted(back, "hour")
    sheet.add(
        Row(
            f"back_{first}_{second}",
            Sense.AT_LEAST,
            ((start, 1), (end, -1), (choice, big_m)),
            back,
            "order",
            big_m=choice,
        ),
        f"{{{start}}} is at least {setup} after {{{end}}}; the rule is switched off by {big_m} hours where "
        f"{{{choice}}} is yes.",
        f"{{{start}}} minus {{{end}}} plus {big_m} {{{choice}}} is no less than {back}: the setup when the {second} "
        "job goes first.",
    )


FAMILY = Family("scheduling", "jobs on a machine, either-or by big-M, deadlines (MIP)", draw, faults=all_but("period"))
