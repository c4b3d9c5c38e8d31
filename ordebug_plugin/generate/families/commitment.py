"""Unit commitment: which power units run in which period, and at what output."""

from __future__ import annotations

import random
from dataclasses import dataclass

from ordebug_plugin.generate.family import Draft, Family, Size
from ordebug_plugin.generate.model import Column, Row, Sense
from ordebug_plugin.generate.sheet import Sheet, above, below, capital, each, listed, total
from ordebug_plugin.generate.themes import Theme

# Units and periods, from and to. Two small shapes: an hour with three units, two hours with two.
_COUNTS = {
    Size.SMALL: (((2, 3), (1, 1)), ((2, 2), (2, 2))),
    Size.MEDIUM: (((2, 3), (3, 4)), ((4, 4), (3, 3))),
}


@dataclass(frozen=True)
class _Unit:
    """A power unit with its output in every period of a plan that keeps every rule; 0 where it is off."""

    place: str
    least: int
    most: int
    output: tuple[int, ...]

    @property
    def running(self) -> tuple[int, ...]:
        """The periods, from 1, in which it runs."""
        return tuple(period for period, output in enumerate(self.output, 1) if output)

    def on(self, period: int) -> str:
        """The variable that says whether it runs."""
        return f"on_{self.place}_{period}"

    def out(self, period: int) -> str:
        """The variable of its output."""
        return f"out_{self.place}_{period}"

    def start(self, period: int) -> str:
        """The variable that says whether it is started."""
        return f"start_{self.place}_{period}"


def draw(rng: random.Random, size: Size, theme: Theme) -> Draft:
    """Draws outputs first, then limits, demands and fuel that just allow them."""
    units_range, periods_range = rng.choice(_COUNTS[size])
    n_periods = rng.randint(*periods_range)
    periods = range(1, n_periods + 1)
    units = [_draw_unit(rng, place, n_periods) for place in rng.sample(theme.places, rng.randint(*units_range))]
    # Where one unit rests, another must not: a period without output asks for nothing.
    units[0] = _draw_unit(rng, units[0].place, n_periods, always=True)
    sheet = Sheet(rng)
    for unit in units:
        _add_columns(rng, sheet, unit, periods)
    for unit in units:
        for period in periods:
            _add_range(sheet, unit, period)
        for period in periods[1:]:
            _add_change(rng, sheet, unit, period)
        for period in periods[2:]:
            _add_minimum_up(sheet, unit, period)
        _add_fuel(rng, sheet, unit, periods)
    for period in periods:
        _add_demand(rng, sheet, units, period)
    return sheet.draft(
        f"{capital(theme.firm)} runs power units of its own and plans their output, hour by hour. Running, "
        "starting and every megawatt cost money; the cost is to be as low as possible."
    )


def _draw_unit(rng: random.Random, place: str, n_periods: int, *, always: bool = False) -> _Unit:
    most = 10 * rng.randint(8, 25)
    least = round(most * rng.uniform(0.3, 0.6))
    first = 1 if always else rng.randint(1, max(1, n_periods - 1))
    low, high = round(least * 0.7 + most * 0.3), round(most * 0.97)
    output = (0 if period < first else rng.randint(low, high) for period in range(1, n_periods + 1))
    return _Unit(place, least, most, tuple(output))


def _add_columns(rng: random.Random, sheet: Sheet, unit: _Unit, periods: range) -> None:
    running, output, starting = rng.randint(100, 400), rng.randint(80, 300) / 10, rng.randint(100, 500)
    for period in periods:
        sheet.add_planned(
            Column(unit.on(period), running, 0, 1, integer=True, role="on", index=(unit.place, period)),
            period in unit.running,
            f"Whether the unit in {unit.place} runs in hour {period}: 1 for yes, 0 for no.",
            f"Yes or no (1 or 0): {unit.place} is on in hour {period}.",
        )
        sheet.add_planned(
            Column(unit.out(period), output, 0, role="out", index=(unit.place, period)),
            unit.output[period - 1],
            f"Megawatts from {unit.place} in hour {period}; not negative.",
            f"Output of {unit.place} in hour {period} in megawatts, at least 0.",
        )
        if period > 1:
            sheet.add_planned(
                Column(unit.start(period), starting, 0, 1, integer=True, role="start", index=(unit.place, period)),
                period in unit.running and period - 1 not in unit.running,
                f"1 if {unit.place} is started at hour {period}, 0 if not.",
                f"Whether the unit in {unit.place} starts at hour {period}; yes is 1 and no is 0.",
            )


def _add_range(sheet: Sheet, unit: _Unit, period: int) -> None:
    out, on, key = unit.out(period), unit.on(period), f"{unit.place}_{period}"
    sheet.add(
        Row(f"most_{key}", Sense.AT_MOST, ((out, 1), (on, -unit.most)), 0, "most", big_m=on),
        f"{{{out}}} is at most {unit.most} megawatts where {{{on}}} is yes, and 0 where it is no.",
        f"In hour {period} {unit.place} gives no more than {unit.most} megawatts ({{{out}}}), and none unless it runs "
        f"({{{on}}}).",
    )
    sheet.add(
        Row(f"least_{key}", Sense.AT_LEAST, ((out, 1), (on, -unit.least)), 0, "least"),
        f"{{{out}}} is at least {unit.least} megawatts where {{{on}}} is yes.",
        f"If {unit.place} runs in hour {period} ({{{on}}}), it gives no less than {unit.least} megawatts ({{{out}}}).",
    )


def _add_change(rng: random.Random, sheet: Sheet, unit: _Unit, period: int) -> None:
    """Adds what holds two hours together: being started, and how far the output may rise and fall."""
    key, place = f"{unit.place}_{period}", unit.place
    now, before = unit.out(period), unit.out(period - 1)
    start, on, on_before = unit.start(period), unit.on(period), unit.on(period - 1)
    sheet.add(
        Row(f"started_{key}", Sense.AT_LEAST, ((start, 1), (on, -1), (on_before, 1)), 0, "started"),
        f"{place} is started ({{{start}}}) if it runs in hour {period} ({{{on}}}) and did not in the hour before "
        f"({{{on_before}}}): {{{start}}} is at least {{{on}}} minus {{{on_before}}}.",
        f"{{{start}}} plus {{{on_before}}} is no less than {{{on}}}.",
    )
    change = unit.output[period - 1] - unit.output[period - 2]
    rise, fall = max(change + rng.randint(0, 3), rng.randint(15, 30)), max(rng.randint(0, 3) - change, 20)
    if change >= 0:
        sheet.add(
            Row(f"rise_{key}", Sense.AT_MOST, ((now, 1), (before, -1)), rise, "rise"),
            f"From {{{before}}} to {{{now}}} the output rises by at most {rise} megawatts.",
            f"{{{now}}} is no more than {{{before}}} plus {rise} megawatts.",
        )
    else:
        sheet.add(
            Row(f"fall_{key}", Sense.AT_MOST, ((before, 1), (now, -1)), fall, "fall"),
            f"From {{{before}}} to {{{now}}} the output falls by at most {fall} megawatts.",
            f"{{{before}}} is no more than {{{now}}} plus {fall} megawatts.",
        )


def _add_minimum_up(sheet: Sheet, unit: _Unit, period: int) -> None:
    """Adds that a unit started in this hour or the one before runs now."""
    starts, on = [unit.start(period - 1), unit.start(period)], unit.on(period)
    sheet.add(
        Row(f"up_{unit.place}_{period}", Sense.AT_MOST, (*each(starts), (on, -1)), 0, "up"),
        f"{unit.place} stays on for two hours: {total(starts)} is at most {{{on}}}.",
        f"{total(starts)} is no more than {{{on}}}, as {unit.place} is not stopped an hour after its start.",
    )


def _add_fuel(rng: random.Random, sheet: Sheet, unit: _Unit, periods: range) -> None:
    """Adds how much fuel a unit has, and how much of it must be taken."""
    rate, idle = rng.randint(12, 39) / 10, rng.randint(5, 30)
    used = rate * sum(unit.output) + idle * len(unit.running)
    terms = (
        *each([unit.out(period) for period in periods], rate),
        *each([unit.on(period) for period in periods], idle),
    )
    burns = f"{rate:g} tons per megawatt ({total(map(unit.out, periods))}) and {idle} for each hour on " + (
        f"({total(map(unit.on, periods))})"
    )
    most, least = above(used, rng, 1.0, 1.04), below(used, rng, 0.85, 0.97)
    sheet.add(
        Row(f"fuel_{unit.place}", Sense.AT_MOST, terms, most, "fuel"),
        f"{unit.place} burns at most {most} tons of fuel: {burns}.",
        f"No more than {most} tons of fuel are to be had in {unit.place}. It takes {burns}.",
    )
    sheet.add(
        Row(f"contract_{unit.place}", Sense.AT_LEAST, terms, least, "contract"),
        f"By contract {unit.place} burns at least {least} tons of fuel: {burns}.",
        f"{unit.place} must take no less than {least} tons of fuel. It burns {burns}.",
    )


def _add_demand(rng: random.Random, sheet: Sheet, units: list[_Unit], period: int) -> None:
    """Adds the demand of an hour, and the reserve of the units that run."""
    outs = [unit.out(period) for unit in units]
    asked = sum(unit.output[period - 1] for unit in units)
    sheet.add(
        Row(f"demand_{period}", Sense.EQUAL, each(outs), asked, "demand"),
        f"In hour {period} the units give exactly {asked} megawatts: {total(outs)}.",
        f"{total(outs)} must equal the {asked} megawatts asked for in hour {period}.",
    )
    spare = sum(unit.most for unit in units if period in unit.running) - asked
    reserve = below(spare, rng, 0.7, 1.0)
    could = listed(f"{unit.most} where {{{unit.on(period)}}} is yes" for unit in units)
    sheet.add(
        Row(
            f"reserve_{period}",
            Sense.AT_LEAST,
            (*((unit.on(period), unit.most) for unit in units), *each(outs, -1.0)),
            reserve,
            "reserve",
        ),
        f"Reserve: units that run in hour {period} could give at least {reserve} megawatts more than {total(outs)}: "
        f"{could}.",
        f"Reserve in hour {period}: {could}, less {total(outs)}, is no less than {reserve} megawatts.",
    )


FAMILY = Family("commitment", "power units on or off, with ramps, reserve and fuel (MIP)", draw)
