"""Production planning: what to make on which machines, from which materials, with overtime, at least cost."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass

from ordebug_plugin.generate.family import Draft, Family, Size
from ordebug_plugin.generate.faults import all_but
from ordebug_plugin.generate.model import Column, Row, Sense
from ordebug_plugin.generate.sheet import Sheet, above, below, capital, total, weighed
from ordebug_plugin.generate.themes import Theme

# Products, machines, materials and warehouses, from and to. No theme has more than 12 goods, products and materials.
_COUNTS = {
    Size.SMALL: ((2, 4), (1, 3), (1, 2), (1, 1)),
    Size.MEDIUM: ((7, 9), (5, 8), (3, 3), (6, 12)),
}


@dataclass(frozen=True)
class _Plan:
    """Units of each product that keep every rule."""

    units: Mapping[str, int]

    def per_unit(self, rng: random.Random, users: int, most: int) -> dict[str, int]:
        """What a unit of some products takes of something."""
        products = list(self.units)
        return {product: rng.randint(1, most) for product in rng.sample(products, min(len(products), users))}

    def used(self, needs: Mapping[str, int]) -> int:
        """What the plan takes."""
        return sum(need * self.units[product] for product, need in needs.items())


def draw(rng: random.Random, size: Size, theme: Theme) -> Draft:
    """Draws units first, then hours, materials, room and demands that just allow them."""
    n_products, n_machines, n_materials, n_warehouses = (rng.randint(low, high) for low, high in _COUNTS[size])
    things = rng.sample(theme.goods, n_products + n_materials)
    plan = _Plan({product: rng.randint(5, 60) for product in things[:n_products]})
    sheet = Sheet(rng)
    for product, units in plan.units.items():
        sheet.add_planned(
            Column(_make(product), rng.randint(2, 40), role="make", index=(product,)),
            units,
            f"Units of {product} made; not negative.",
            f"How much {product} is made, in units, none or more.",
        )
    machines = rng.sample(theme.machines, n_machines)
    overtime = sum(_add_machine(rng, sheet, plan, machine) for machine in machines)
    for material in things[n_products:]:
        _add_material(rng, sheet, plan, material)
    for place in rng.sample(theme.places, n_warehouses):
        _add_warehouse(rng, sheet, plan, place)
    if len(machines) > 1:
        _add_agreement(rng, sheet, [f"overtime_{machine}" for machine in machines], overtime)
    for product, units in plan.units.items():
        _add_demand(rng, sheet, product, units)
    return sheet.draft(
        f"{capital(theme.firm)} plans one week of production. Making, overtime, materials and rented room cost money; "
        "the cost is to be as low as possible."
    )


def _make(product: str) -> str:
    return f"make_{product}"


def _made(needs: Mapping[str, int]) -> dict[str, float]:
    return {_make(product): need for product, need in needs.items()}


def _add_machine(rng: random.Random, sheet: Sheet, plan: _Plan, machine: str) -> int:
    """Adds a machine; returns the overtime that the plan needs there."""
    needs = plan.per_unit(rng, rng.randint(2, 4), 9)
    used, hours = plan.used(needs), _made(needs)
    regular = below(used, rng, 0.8, 0.95)
    overtime, most = f"overtime_{machine}", above(used - regular, rng, 1.05, 2.0)
    sheet.add_planned(
        Column(overtime, rng.randint(5, 20), 0, most, role="overtime", index=(machine,)),
        used - regular,
        f"Hours of overtime on the {machine}: from 0 to {most}.",
        f"Overtime worked on the {machine}, in hours: not negative, and at most {most}.",
    )
    sheet.add(
        Row(f"hours_{machine}", Sense.AT_MOST, (*hours.items(), (overtime, -1)), regular, "hours"),
        f"The {machine} runs at most {regular} hours plus overtime ({{{overtime}}}). Hours it takes: {weighed(hours)}.",
        f"Hours on the {machine}, {weighed(hours)}, must be no more than the {regular} regular ones and overtime "
        f"({{{overtime}}}).",
    )
    if rng.random() < 0.5:
        least = below(used, rng, 0.85, 1.0)
        sheet.add(
            Row(f"load_{machine}", Sense.AT_LEAST, tuple(hours.items()), least, "load"),
            f"The crew of the {machine} is promised at least {least} hours of work: {weighed(hours)}.",
            f"No less than {least} hours are worked on the {machine}. Hours it takes: {weighed(hours)}.",
        )
    return used - regular


def _add_material(rng: random.Random, sheet: Sheet, plan: _Plan, material: str) -> None:
    needs = plan.per_unit(rng, rng.randint(2, 3), 6)
    used, takes = plan.used(needs), _made(needs)
    stock = below(used, rng, 0.1, 0.4)
    buy, supply = f"buy_{material}", above(used - stock, rng, 1.05, 1.5)
    sheet.add_planned(
        Column(buy, rng.randint(1, 9), 0, supply, role="buy", index=(material,)),
        used - stock,
        f"Amount of {material} bought: from 0 up to the {supply} that the supplier has.",
        f"How much {material} is bought; none or more, and at most {supply}.",
    )
    sheet.add(
        Row(f"stock_{material}", Sense.AT_MOST, (*takes.items(), (buy, -1)), stock, "stock"),
        f"No more {material} is used than the {stock} in stock plus what is bought ({{{buy}}}). Use: {weighed(takes)}.",
        f"At most what is bought of {material} ({{{buy}}}) and the {stock} in stock can be used: {weighed(takes)}.",
    )


def _add_warehouse(rng: random.Random, sheet: Sheet, plan: _Plan, place: str) -> None:
    needs = plan.per_unit(rng, rng.randint(2, 4), 5)
    used, pallets = plan.used(needs), _made(needs)
    own = below(used, rng, 0.6, 0.9)
    rent, most = f"rent_{place}", above(used - own, rng, 1.05, 1.8)
    sheet.add_planned(
        Column(rent, rng.randint(1, 6), 0, most, role="rent", index=(place,)),
        used - own,
        f"Pallets of room rented in {place}: from 0 to {most}.",
        f"Room rented in {place}, in pallets: not negative, and {most} at most.",
    )
    sheet.add(
        Row(f"space_{place}", Sense.AT_MOST, (*pallets.items(), (rent, -1)), own, "space"),
        f"The warehouse in {place} has {own} pallets of room and what is rented beside it ({{{rent}}}); at most that "
        f"is used. Pallets: {weighed(pallets)}.",
        f"What is stored in {place}, in pallets {weighed(pallets)}, must be no more than the {own} of its own and "
        f"those rented ({{{rent}}}).",
    )


def _add_agreement(rng: random.Random, sheet: Sheet, overtime: list[str], needed: int) -> None:
    most = above(needed, rng, 1.0, 1.2)
    sheet.add(
        Row("agreed", Sense.AT_MOST, tuple((name, 1) for name in overtime), most, "agreed"),
        f"Overtime on all machines together, {total(overtime)}, is at most {most} hours.",
        f"No more than {most} hours of overtime are agreed in all: {total(overtime)}.",
    )


def _add_demand(rng: random.Random, sheet: Sheet, product: str, units: int) -> None:
    make, asked = _make(product), max(1, below(units, rng, 0.7, 0.98))
    sheet.add(
        Row(f"demand_{product}", Sense.AT_LEAST, ((make, 1),), asked, "demand"),
        f"At least {asked} units of {product} ({{{make}}}) are sold.",
        f"Customers ordered {product}: no less than {asked} units must be made ({{{make}}}).",
    )
    if rng.random() < 0.3:
        most = above(units, rng, 1.0, 1.3)
        sheet.add(
            Row(f"market_{product}", Sense.AT_MOST, ((make, 1),), most, "market"),
            f"The market takes at most {most} units of {product} ({{{make}}}).",
            f"Of {product} no more than {most} units can be sold ({{{make}}}).",
        )


FAMILY = Family(
    "production",
    "products on machines, from materials, with overtime (LP)",
    draw,
    faults=all_but("bigm", "period"),
)
