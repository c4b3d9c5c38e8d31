"""Production planning: what to make on which machines, from which materials, with overtime, at least cost."""

from __future__ import annotations

import random

from ordebug_plugin.generate.family import Draft, Family, Size, number
from ordebug_plugin.generate.model import Column, LinearModel, Row, Sense
from ordebug_plugin.generate.sheet import capital
from ordebug_plugin.generate.themes import Theme

# Products, machines, materials and warehouses, from and to. No theme has more than 12 goods, products and materials.
_COUNTS = {
    Size.SMALL: ((2, 4), (1, 3), (1, 2), (1, 1)),
    Size.MEDIUM: ((7, 9), (5, 8), (3, 3), (6, 12)),
}


def draw(rng: random.Random, size: Size, theme: Theme) -> Draft:
    """Draws a plan around amounts that satisfy every row."""
    n_products, n_machines, n_materials, n_warehouses = (rng.randint(low, high) for low, high in _COUNTS[size])
    things = rng.sample(theme.goods, n_products + n_materials)
    products, materials = things[:n_products], things[n_products:]
    machines = rng.sample(theme.machines, n_machines)
    amounts = {product: rng.randint(5, 60) for product in products}
    columns = [
        Column(f"make_{product}", float(rng.randint(2, 40)), role="make", index=(product,)) for product in products
    ]
    statements = {
        column.name: f"Units of {product} made; not negative."
        for column, product in zip(columns, products, strict=True)
    }
    rows = []
    for machine in machines:
        users = rng.sample(products, min(n_products, rng.randint(2, 4)))
        hours = {product: rng.randint(1, 9) for product in users}
        used = sum(hours[product] * amounts[product] for product in users)
        overtime, row = f"overtime_{machine}", f"hours_{machine}"
        regular, extra = round(used * rng.uniform(0.8, 0.95)), round(used * rng.uniform(0.25, 0.5))
        columns.append(
            Column(overtime, float(rng.randint(5, 20)), 0.0, float(extra), role="overtime", index=(machine,))
        )
        terms = tuple((f"make_{product}", float(hours[product])) for product in users)
        rows.append(Row(row, Sense.AT_MOST, (*terms, (overtime, -1.0)), float(regular), "hours"))
        listed = ", ".join(f"{hours[product]} for a unit of {product} ({{make_{product}}})" for product in users)
        statements[row] = (
            f"The {machine} runs at most {regular} hours plus overtime ({{{overtime}}}). Hours it takes: {listed}."
        )
        statements[overtime] = f"Hours of overtime on the {machine}: from 0 to {extra}."
    for material in materials:
        users = rng.sample(products, min(n_products, rng.randint(2, 3)))
        needs = {product: rng.randint(1, 6) for product in users}
        used = sum(needs[product] * amounts[product] for product in users)
        buy, row = f"buy_{material}", f"stock_{material}"
        stock, supply = round(used * rng.uniform(0.1, 0.4)), round(used * rng.uniform(0.9, 1.3))
        columns.append(Column(buy, float(rng.randint(1, 9)), 0.0, float(supply), role="buy", index=(material,)))
        terms = tuple((f"make_{product}", float(needs[product])) for product in users)
        rows.append(Row(row, Sense.AT_MOST, (*terms, (buy, -1.0)), float(stock), "stock"))
        listed = ", ".join(f"{needs[product]} per unit of {product} ({{make_{product}}})" for product in users)
        statements[row] = (
            f"No more {material} is used than the {stock} in stock plus what is bought ({{{buy}}}). Use: {listed}."
        )
        statements[buy] = f"Amount of {material} bought; the supplier has {supply}, and none is returned."
    for place in rng.sample(theme.places, n_warehouses):
        kept = rng.sample(products, min(n_products, rng.randint(2, 4)))
        space = {product: rng.randint(1, 5) for product in kept}
        rent, row = f"rent_{place}", f"space_{place}"
        used = sum(space[product] * amounts[product] for product in kept)
        own, most = round(used * rng.uniform(0.6, 0.9)), round(used * rng.uniform(0.3, 0.6))
        columns.append(Column(rent, float(rng.randint(1, 6)), 0.0, float(most), role="rent", index=(place,)))
        terms = tuple((f"make_{product}", float(space[product])) for product in kept)
        rows.append(Row(row, Sense.AT_MOST, (*terms, (rent, -1.0)), float(own), "space"))
        listed = ", ".join(f"{space[product]} for a unit of {product} ({{make_{product}}})" for product in kept)
        statements[row] = (
            f"The warehouse in {place} has {own} pallets of room and what is rented beside it ({{{rent}}}); no more "
            f"can be stored. Pallets: {listed}."
        )
        statements[rent] = f"Pallets of room rented in {place}: at most {most}."
    for product in products:
        row, asked = f"demand_{product}", max(1, round(amounts[product] * rng.uniform(0.6, 0.95)))
        rows.append(Row(row, Sense.AT_LEAST, ((f"make_{product}", 1.0),), float(asked), "demand"))
        statements[row] = f"At least {number(asked)} units of {product} ({{make_{product}}}) are sold."
    overview = (
        f"{capital(theme.firm)} plans one week of production. Making, overtime and materials cost "
        "money; the cost is to be as low as possible."
    )
    return Draft(LinearModel(tuple(rows), tuple(columns)), overview, statements)


FAMILY = Family("production", "products on machines, from materials, with overtime (LP)", draw)
