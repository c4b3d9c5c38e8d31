"""Cash management: credit, deposits and transfers month by month, so that every bill is paid at least cost."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass

from ordebug_plugin.generate.family import Draft, Family, Size, number
from ordebug_plugin.generate.faults import all_but
from ordebug_plugin.generate.model import Column, Row, Sense
from ordebug_plugin.generate.sheet import Sheet, above, below, capital, each, listed, total
from ordebug_plugin.generate.themes import Theme

# Offices and months, from and to. Two small shapes: one office for longer, two for two months.
_COUNTS = {
    Size.SMALL: (((1, 1), (4, 5)), ((2, 2), (2, 2))),
    Size.MEDIUM: (((1, 1), (9, 12)), ((2, 2), (5, 8)), ((3, 3), (4, 6))),
}
_BORROW, _DEPOSIT, _MOVE, _CASH = "borrow", "deposit", "move", "cash"


@dataclass(frozen=True)
class _Office:
    """An office and the rates at its bank.

    Attributes:
        place: Where it is.
        interest: What is paid back a month later for 1 borrowed.
        growth: What comes back for 1 deposited.
        sends_to: The office to which it moves money; None where there is one office only.
    """

    place: str
    interest: float
    growth: float
    sends_to: str | None

    def name(self, flow: str, month: int) -> str:
        """The variable of a flow in a month."""
        return f"{flow}_{self.place}_{month}"


@dataclass(frozen=True)
class _Plan:
    """Amounts that keep every rule, in thousands, by variable.

    Attributes:
        offices: Who takes part.
        months: From 1.
        term: Months for which a deposit is made.
        amounts: Of every variable.
        bills: Of an office in a month; negative where more comes in than has to be paid.
    """

    offices: list[_Office]
    months: range
    term: int
    amounts: Mapping[str, float]
    bills: Mapping[tuple[str, int], int]


def draw(rng: random.Random, size: Size, theme: Theme) -> Draft:
    """Draws what is borrowed, deposited and moved first, then bills and limits that just allow it."""
    plan = _draw_plan(rng, size, theme)
    sheet = Sheet(rng)
    for office in plan.offices:
        for month in plan.months:
            _add_columns(rng, sheet, plan, office, month)
    for office in plan.offices:
        for month in plan.months:
            _add_balance(sheet, plan, office, month)
            _add_cover(rng, sheet, plan, office, month)
        _add_totals(rng, sheet, plan, office)
    if len(plan.offices) > 1:
        for month in plan.months:
            _add_line(rng, sheet, plan, month)
    return sheet.draft(
        f"{capital(theme.firm)} plans its cash month by month, in thousands. Credit, deposits, transfers and idle cash "
        "cost fees; the cost is to be as low as possible."
    )


def _draw_plan(rng: random.Random, size: Size, theme: Theme) -> _Plan:
    offices_range, months_range = rng.choice(_COUNTS[size])
    months = range(1, rng.randint(*months_range) + 1)
    places = rng.sample(theme.places, rng.randint(*offices_range))
    offices = [
        _Office(
            place,
            interest=rng.choice((1.01, 1.02, 1.03)),
            growth=rng.choice((1.01, 1.02)),
            sends_to=following if len(places) > 1 else None,
        )
        for place, following in zip(places, [*places[1:], places[0]], strict=True)
    ]
    term = rng.randint(1, min(2, len(months) - 1))
    amounts: dict[str, float] = {}
    for office in offices:
        for month in months:
            amounts[office.name(_BORROW, month)] = rng.randint(40, 160)
            amounts[office.name(_DEPOSIT, month)] = rng.randint(15, 60)
            if office.sends_to:
                amounts[office.name(_MOVE, month)] = rng.randint(10, 50)
    plan = _Plan(offices, months, term, amounts, {})
    bills = {}
    for month in months:
        for office in offices:
            available = sum(
                value * amounts[name] for name, value in _balance(plan, office, month).items() if name in amounts
            )
            bills[office.place, month] = round(available - rng.randint(15, 60))
            amounts[office.name(_CASH, month)] = available - bills[office.place, month]
    return _Plan(offices, months, term, amounts, bills)


def _balance(plan: _Plan, office: _Office, month: int) -> dict[str, float]:
    """The terms of an office's balance in a month: what comes in, less what goes out and what is left."""
    found: dict[str, float] = {}
    if month > 1:
        found[office.name(_CASH, month - 1)] = 1
        found[office.name(_BORROW, month - 1)] = -office.interest
    found[office.name(_BORROW, month)] = 1
    if month > plan.term:
        found[office.name(_DEPOSIT, month - plan.term)] = office.growth
    found[office.name(_DEPOSIT, month)] = -1
    for other in plan.offices:
        if other.sends_to == office.place:
            found[other.name(_MOVE, month)] = 1
    if office.sends_to:
        found[office.name(_MOVE, month)] = -1
    return {**found, office.name(_CASH, month): -1}


def _add_columns(rng: random.Random, sheet: Sheet, plan: _Plan, office: _Office, month: int) -> None:
    place, amounts, index = office.place, plan.amounts, (office.place, month)
    cash, borrow, deposit = (office.name(flow, month) for flow in (_CASH, _BORROW, _DEPOSIT))
    least = below(amounts[cash], rng, 0.8, 1.0)
    sheet.add_planned(
        Column(cash, rng.randint(1, 5), least, role=_CASH, index=index),
        amounts[cash],
        f"Cash of {place} at the end of month {month} in thousands, at least {least}.",
        f"What {place} has left in cash after month {month}; never less than {least} thousand.",
    )
    most = above(amounts[borrow], rng, 1.0, 1.2)
    sheet.add_planned(
        Column(borrow, rng.randint(6, 30), 0, most, role=_BORROW, index=index),
        amounts[borrow],
        f"Credit that {place} takes for month {month}: from 0 to {most} thousand.",
        f"Thousands borrowed by {place} in month {month}; not negative and no more than {most}.",
    )
    most = above(amounts[deposit], rng, 1.0, 1.3)
    sheet.add_planned(
        Column(deposit, rng.randint(1, 9), 0, most, role=_DEPOSIT, index=index),
        amounts[deposit],
        f"Thousands that {place} deposits in month {month}, at least 0 and at most {most}.",
        f"New deposit of {place} in month {month}: from 0 to {most} thousand.",
    )
    if office.sends_to:
        most = above(amounts[office.name(_MOVE, month)], rng, 1.0, 1.3)
        sheet.add_planned(
            Column(office.name(_MOVE, month), rng.randint(1, 9), 0, most, role=_MOVE, index=index),
            amounts[office.name(_MOVE, month)],
            f"Thousands moved from {place} to {office.sends_to} in month {month}: from 0 to {most}.",
            f"What {place} sends to {office.sends_to} in month {month}; not negative, and {most} thousand at most.",
        )


def _add_balance(sheet: Sheet, plan: _Plan, office: _Office, month: int) -> None:
    balance, bills = _balance(plan, office, month), plan.bills[office.place, month]
    comes = listed(_priced(name, value) for name, value in balance.items() if value > 0)
    goes = listed(_priced(name, value) for name, value in balance.items() if value < 0)
    kind = f"net bills of {bills}" if bills >= 0 else f"net bills of {bills} (receipts of {-bills})"
    sheet.add(
        Row(f"balance_{office.place}_{month}", Sense.EQUAL, tuple(balance.items()), bills, "balance"),
        f"{office.place} in month {month}: what comes in ({comes}) less what goes out or stays ({goes}) must equal the "
        f"{kind} thousand.",
        f"For {office.place}, month {month} has {kind} thousand, exactly what {comes} leave after {goes}.",
    )


def _priced(name: str, value: float) -> str:
    return f"{{{name}}}" if abs(value) == 1 else f"{{{name}}} times {number(abs(value))}"


def _add_cover(rng: random.Random, sheet: Sheet, plan: _Plan, office: _Office, month: int) -> None:
    """Adds that a part of the credit lies in cash or was just deposited."""
    cash, borrow, deposit = (office.name(flow, month) for flow in (_CASH, _BORROW, _DEPOSIT))
    held = plan.amounts[cash] + plan.amounts[deposit]
    share = below(100 * held / plan.amounts[borrow], rng, 0.88, 1.0) / 100
    sheet.add(
        Row(
            f"cover_{office.place}_{month}",
            Sense.AT_LEAST,
            ((cash, 1), (deposit, 1), (borrow, -share)),
            0,
            "cover",
        ),
        f"{{{cash}}} + {{{deposit}}} is at least {number(share)} times {{{borrow}}}.",
        f"The bank of {office.place} asks in month {month} that {{{cash}}} + {{{deposit}}} cover no less than "
        f"{number(share)} of each thousand of {{{borrow}}}.",
    )


def _add_totals(rng: random.Random, sheet: Sheet, plan: _Plan, office: _Office) -> None:
    """Adds limits over all months, and what must be there when they are over."""
    place, last, amounts = office.place, plan.months[-1], plan.amounts
    borrows = [office.name(_BORROW, month) for month in plan.months]
    most = above(sum(amounts[name] for name in borrows), rng, 1.0, 1.05)
    sheet.add(
        Row(f"credit_{place}", Sense.AT_MOST, each(borrows), most, "credit"),
        f"{place} borrows at most {most} thousand over all months: {total(borrows)}.",
        f"{total(borrows)} is no more than the {most} thousand of the frame contract.",
    )
    deposits = [office.name(_DEPOSIT, month) for month in plan.months]
    least = below(sum(amounts[name] for name in deposits), rng, 0.85, 1.0)
    sheet.add(
        Row(f"savings_{place}", Sense.AT_LEAST, each(deposits), least, "savings"),
        f"{place} deposits at least {least} thousand over all months: {total(deposits)}.",
        f"{total(deposits)} is no less than {least} thousand, as agreed with the bank.",
    )
    worth = {office.name(_CASH, last): 1.0, office.name(_BORROW, last): -office.interest}
    for month in plan.months[-plan.term :]:
        worth[office.name(_DEPOSIT, month)] = office.growth
    target = below(sum(value * amounts[name] for name, value in worth.items()), rng, 1.0, 1.0)
    owned = " + ".join(_priced(name, value) for name, value in worth.items() if value > 0)
    owed = _priced(office.name(_BORROW, last), office.interest)
    sheet.add(
        Row(f"end_{place}", Sense.AT_LEAST, tuple(worth.items()), target, "end"),
        f"At the end {place} is worth at least {target} thousand: {owned} less {owed}.",
        f"{owned} minus {owed} is no less than {target} thousand when the plan of {place} ends.",
    )


def _add_line(rng: random.Random, sheet: Sheet, plan: _Plan, month: int) -> None:
    """Adds the line of credit that the offices share."""
    borrows = [office.name(_BORROW, month) for office in plan.offices]
    most = above(sum(plan.amounts[name] for name in borrows), rng, 1.0, 1.1)
    sheet.add(
        Row(f"line_{month}", Sense.AT_MOST, each(borrows), most, "line"),
        f"In month {month} the offices share a line of credit of at most {most} thousand: {total(borrows)}.",
        f"{total(borrows)} is no more than {most} thousand, the line for month {month}.",
    )


FAMILY = Family("cashflow", "credit, deposits and transfers month by month (LP)", draw, faults=all_but("bigm"))
