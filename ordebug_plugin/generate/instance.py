"""One problem before the solver saw it: a feasible model, the same with a fault, and what it should say.

Everything is under its final names here. Names, order and numbering are drawn at random, for the rows that a fault
added like for the others, so that nothing but the mathematics and the specification tells where the fault is.
"""

from __future__ import annotations

import hashlib
import random
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from ordebug_plugin.generate.family import Draft
from ordebug_plugin.generate.model import LinearModel
from ordebug_plugin.generate.undo import Undo, undo
from ordebug_plugin.specification import Specification


class Names(StrEnum):
    """How elements are called."""

    NEUTRAL = "neutral"  # r17, v4
    READABLE = "readable"  # hours_17, make_rye


@dataclass(frozen=True)
class Instance:
    """A problem, unproven.

    Attributes:
        original: The model before the fault.
        broken: The model after it.
        undo: How they differ.
        specification: What the original says; nothing about rows that the fault added.
    """

    original: LinearModel
    broken: LinearModel
    undo: Undo
    specification: Specification


def make_instance(rng: random.Random, draft: Draft, broken: LinearModel, names: Names) -> Instance:
    """Gives a broken draft its names and its order."""
    called = _neutral(rng, broken) if names is Names.NEUTRAL else _readable(rng, broken)
    order = {name: place for place, name in enumerate(rng.sample(sorted(called), len(called)))}
    original, broken = _shown(draft.model, called, order), _shown(broken, called, order)
    written = {called[name]: _under(called, text) for name, text in draft.statements.items()}
    statements = {name: written[name] for name in original.names}
    return Instance(original, broken, undo(original, broken), Specification(draft.overview, statements))


def structure_hash(model: LinearModel) -> str:
    """SHA-256 of a model as a family drew it: the same under whatever names and order it is written."""
    names = {name: f"e{place}" for place, name in enumerate(model.names)}
    return hashlib.sha256(model.renamed(names).to_mps().encode()).hexdigest()


def _shown(model: LinearModel, names: Mapping[str, str], order: Mapping[str, int]) -> LinearModel:
    rows = tuple(sorted(model.rows, key=lambda row: order[row.name]))
    columns = tuple(sorted(model.columns, key=lambda column: order[column.name]))
    return replace(model, rows=rows, columns=columns).renamed(names)


def _neutral(rng: random.Random, model: LinearModel) -> dict[str, str]:
    """Numbers are unique over rows and variables, and equally long: a copied number is never ambiguous."""
    count = len(model.rows) + len(model.columns)
    least = 10
    while 9 * least < count:
        least *= 10
    numbers = iter(rng.sample(range(least, 10 * least), count))
    names = {row.name: f"r{next(numbers)}" for row in model.rows}
    return names | {column.name: f"v{next(numbers)}" for column in model.columns}


def _readable(rng: random.Random, model: LinearModel) -> dict[str, str]:
    """Rows of a role are numbered at random, a row that was added among them; variables keep their names."""
    numbers = iter(rng.sample(range(1, 2 * len(model.rows) + 1), len(model.rows)))
    names = {row.name: f"{row.role}_{next(numbers)}" for row in model.rows}
    return names | {column.name: column.name for column in model.columns}


def _under(names: Mapping[str, str], text: str) -> str:
    return re.sub(r"\{(\w+)\}", lambda match: names[match[1]], text)
