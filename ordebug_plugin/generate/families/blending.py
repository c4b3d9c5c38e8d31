"""Blending: which ingredients go into which product, within its quality, at least cost."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping
from dataclasses import dataclass

from ordebug_plugin.generate.family import Draft, Family, Size, number
from ordebug_plugin.generate.faults import all_but
from ordebug_plugin.generate.model import Column, Row, Sense
from ordebug_plugin.generate.sheet import Sheet, above, below, capital, total, weighed
from ordebug_plugin.generate.themes import Theme

# Products, ingredients and qualities, from and to.
_COUNTS = {
    Size.SMALL: (((1, 1), (5, 6), (2, 4)), ((2, 2), (4, 4), (2, 2)), ((2, 2), (4, 5), (1, 1))),
    Size.MEDIUM: (((4, 5), (6, 7), (2, 3)),),
}
# What a ton of an ingredient holds, in kilograms; a blend holds the average.
_QUALITIES = ("carbon", "ash", "moisture", "sulphur", "fibre", "fat", "salt", "silica")


@dataclass(frozen=True)
class _Plan:
    """Recipes that keep every rule: tons of each ingredient in each product.

    Attributes:
        products: What is made.
        ingredients: What it is made of.
        tons: (ingredient, product) to tons used.
        yields: Ingredient to tons of product that a ton of it gives.
        contents: (ingredient, quality) to kilograms per ton.
    """

    products: list[str]
    ingredients: list[str]
    qualities: list[str]
    tons: Mapping[tuple[str, str], int]
    yields: Mapping[str, float]
    contents: Mapping[tuple[str, str], int]

    def recipe(self, product: str) -> dict[str, int]:
        """Ingredient to tons in this product."""
        return {ingredient: tons for (ingredient, made), tons in self.tons.items() if made == product}

    def users(self, ingredient: str) -> dict[str, int]:
        """Product to tons of this ingredient in it."""
        return {product: tons for (used, product), tons in self.tons.items() if used == ingredient}

    def made(self, product: str) -> float:
        """Tons of the product."""
        return sum(self.yields[ingredient] * tons for ingredient, tons in self.recipe(product).items())


def draw(rng: random.Random, size: Size, theme: Theme) -> Draft:
    """Draws recipes first, then qualities, stocks and orders that just allow them."""
    plan = _draw_plan(rng, size, theme)
    sheet = Sheet(rng)
    prices = {ingredient: rng.uniform(5, 60) for ingredient in plan.ingredients}
    for (ingredient, product), tons in plan.tons.items():
        cost, most = round(prices[ingredient] + rng.uniform(0, 4), 1), above(tons, rng, 1.1, 1.8)
        sheet.add_planned(
            Column(_use(ingredient, product), cost, 0, most, role="use", index=(ingredient, product)),
            tons,
            f"Tons of {ingredient} used for {product}; the feeder takes from 0 to {most}.",
            f"How much {ingredient} goes into {product}, in tons: not negative, and at most {most}.",
        )
    for product in plan.products:
        _add_product(rng, sheet, plan, product)
    for ingredient in plan.ingredients:
        _add_ingredient(rng, sheet, plan, ingredient)
    for machine in rng.sample(theme.machines, 1 if size is Size.SMALL else 2):
        _add_machine(rng, sheet, plan, machine)
    _add_volume(rng, sheet, plan)
    return sheet.draft(
        f"{capital(theme.firm)} blends products from ingredients. Each product has limits on what a ton of it holds; "
        "ingredients and processing cost money, and the cost is to be as low as possible."
    )


def _use(ingredient: str, product: str) -> str:
    return f"use_{ingredient}_{product}"


def _draw_plan(rng: random.Random, size: Size, theme: Theme) -> _Plan:
    n_products, n_ingredients, n_qualities = (rng.randint(low, high) for low, high in rng.choice(_COUNTS[size]))
    things = rng.sample(theme.goods, n_products + n_ingredients)
    products, ingredients = things[:n_products], things[n_products:]
    qualities = rng.sample(_QUALITIES, n_qualities)
    tons: dict[tuple[str, str], int] = {}
    for product in products:
        parts = ingredients if n_products == 1 else rng.sample(ingredients, rng.randint(4, min(6, n_ingredients)))
        tons |= {(ingredient, product): rng.randint(4, 40) for ingredient in parts}
    used = {ingredient for ingredient, _ in tons}
    for ingredient in ingredients:
        if ingredient not in used:
            tons[ingredient, rng.choice(products)] = rng.randint(4, 40)
    yields = {ingredient: rng.choice((1.0, 0.9, 0.95, 0.92, 0.98)) for ingredient in ingredients}
    contents = {(ingredient, quality): rng.randint(2, 90) for ingredient in ingredients for quality in qualities}
    return _Plan(products, ingredients, qualities, tons, yields, contents)


def _add_product(rng: random.Random, sheet: Sheet, plan: _Plan, product: str) -> None:
    recipe, amount, make = plan.recipe(product), plan.made(product), f"make_{product}"
    asked = below(amount, rng, 0.95, 1.0)
    sheet.add_planned(
        Column(make, round(rng.uniform(1, 9), 1), role="make", index=(product,)),
        amount,
        f"Tons of {product} made; not negative.",
        f"How much {product} is made, in tons, none or more.",
    )
    gives = {_use(ingredient, product): plan.yields[ingredient] for ingredient in recipe}
    sheet.add(
        Row(f"batch_{product}", Sense.EQUAL, (*gives.items(), (make, -1)), 0, "batch"),
        f"The {product} made ({{{make}}}) is exactly what its ingredients give. Tons from each ton: {weighed(gives)}.",
        f"What the ingredients give must equal the {product} made, {{{make}}}; a ton gives {weighed(gives)}.",
    )
    sheet.add(
        Row(f"order_{product}", Sense.AT_LEAST, ((make, 1),), asked, "order"),
        f"At least {asked} tons of {product} ({{{make}}}) are ordered.",
        f"Of {product} no less than {asked} tons must be made ({{{make}}}).",
    )
    for quality in plan.qualities:
        content = {_use(ingredient, product): plan.contents[ingredient, quality] for ingredient in recipe}
        held = sum(content[_use(ingredient, product)] * tons for ingredient, tons in recipe.items()) / amount
        sides = rng.choice(((Sense.AT_LEAST,), (Sense.AT_MOST,), (Sense.AT_LEAST, Sense.AT_MOST)))
        for sense in sides:
            _add_quality(rng, sheet, (product, quality, sense), content, held)
    favourite = rng.choice(list(recipe))
    share = math.ceil(recipe[favourite] / amount * rng.uniform(100, 106)) / 100
    use = _use(favourite, product)
    sheet.add(
        Row(f"share_{favourite}_{product}", Sense.AT_MOST, ((use, 1), (make, -share)), 0, "share"),
        f"The {favourite} in {product} ({{{use}}}) is at most {number(share)} times the {product} made ({{{make}}}).",
        f"For each ton of {product} ({{{make}}}) no more than {number(share)} tons of {favourite} ({{{use}}}) go in.",
    )


def _add_quality(
    rng: random.Random, sheet: Sheet, rule: tuple[str, str, Sense], content: Mapping[str, int], held: float
) -> None:
    product, quality, sense = rule
    make, kind = f"make_{product}", "min" if sense is Sense.AT_LEAST else "max"
    if sense is Sense.AT_LEAST:
        side, words, other = math.floor(held * rng.uniform(9.6, 10)) / 10, "at least", "no less than"
    else:
        side, words, other = math.ceil(held * rng.uniform(10, 10.4)) / 10, "at most", "no more than"
    sheet.add(
        Row(f"{kind}_{quality}_{product}", sense, (*content.items(), (make, -side)), 0, f"{kind}_quality"),
        f"A ton of {product} ({{{make}}}) holds {words} {number(side)} kg of {quality}. "
        f"A ton of each ingredient brings {weighed(content)}.",
        f"The {quality} brought in, per ton {weighed(content)}, must be {other} {number(side)} kg for each ton of "
        f"{product} made ({{{make}}}).",
    )


def _add_ingredient(rng: random.Random, sheet: Sheet, plan: _Plan, ingredient: str) -> None:
    users = plan.users(ingredient)
    used, names = sum(users.values()), [_use(ingredient, product) for product in users]
    terms, stock, least = tuple((name, 1) for name in names), above(used, rng, 1.0, 1.05), below(used, rng, 0.92, 1.0)
    if len(users) > 1:
        sheet.add(
            Row(f"stock_{ingredient}", Sense.AT_MOST, terms, stock, "stock"),
            f"There are {stock} tons of {ingredient}, and at most that is used: {total(names)}.",
            f"The {ingredient} used, {total(names)}, must not exceed {stock} tons.",
        )
    if len(users) > 1 and len(plan.products) > 2 and rng.random() < 0.5:
        sheet.add(
            Row(f"clear_{ingredient}", Sense.AT_LEAST, terms, least, "clear"),
            f"{capital(ingredient)} does not keep: at least {least} tons of it must be used, {total(names)}.",
            f"No less than {least} tons of {ingredient} are to be used up: {total(names)}.",
        )


def _add_volume(rng: random.Random, sheet: Sheet, plan: _Plan) -> None:
    # Yields are at most 1, so what is used weighs as much as what is made, or more.
    single = len(plan.products) == 1
    names = [_use(*pair) for pair in plan.tons] if single else [f"make_{product}" for product in plan.products]
    least = below(sum(plan.made(product) for product in plan.products), rng, 0.88, 0.94)
    what = "used" if single else "made"
    sheet.add(
        Row("volume", Sense.AT_LEAST, tuple((name, 1) for name in names), least, "volume"),
        f"At least {least} tons are {what} in all: {total(names)}.",
        f"The plant does not run on less: no less than {least} tons must be {what} in all, {total(names)}.",
    )


def _add_machine(rng: random.Random, sheet: Sheet, plan: _Plan, machine: str) -> None:
    if len(plan.products) == 1:
        tons = {_use(*pair): float(amount) for pair, amount in plan.tons.items()}
    else:
        tons = {f"make_{product}": plan.made(product) for product in plan.products}
    minutes = {name: rng.randint(2, 30) for name in tons}
    limit = above(sum(minutes[name] * amount for name, amount in tons.items()), rng, 1.0, 1.05)
    sheet.add(
        Row(f"time_{machine}", Sense.AT_MOST, tuple(minutes.items()), limit, "time"),
        f"The {machine} runs at most {limit} minutes. Minutes for each ton: {weighed(minutes)}.",
        f"Minutes on the {machine}, per ton {weighed(minutes)}, must be no more than {limit} in all.",
    )


FAMILY = Family(
    "blending", "ingredients into products within limits of quality (LP)", draw, faults=all_but("bigm", "period")
)
