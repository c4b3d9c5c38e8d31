"""What a family of models gives: a feasible model together with its specification, drawn at random."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from ordebug_plugin.generate.faults import FAULTS, Fault
from ordebug_plugin.generate.model import LinearModel
from ordebug_plugin.generate.themes import Theme


class Size(StrEnum):
    """How large a model is, by its rows."""

    SMALL = "small"  # 5 to 20
    MEDIUM = "medium"  # 21 to 120
    LARGE = "large"  # 121 to 1500


@dataclass(frozen=True)
class Draft:
    """A feasible model, and what is written about it.

    Attributes:
        model: The model, under names that say what its elements are.
        overview: One paragraph: who plans what, and that cost is to be as low as possible (or the like). No data.
        statements: Name of every row and every column to one sentence or more that state its true data: all
            coefficients, sides and bounds. Other elements are named as ``{name}`` and appear under their final names.
    """

    model: LinearModel
    overview: str
    statements: Mapping[str, str]


@dataclass(frozen=True)
class Family:
    """A kind of model as practitioners write it.

    Attributes:
        name: E.g. ``transportation``.
        summary: One line for ``--help`` and the documentation.
        draw: Draws a feasible model of a size, with an optimum, in the words of a theme.
        sizes: The sizes that it has.
        faults: The kinds of faults that are put into it.
        plain: Whether its faults show in a row alone, by its numbers, so that no specification is needed: models for
            tiny language models. Such problems are not held to what the others are (`proof`).
    """

    name: str
    summary: str
    draw: Callable[[random.Random, Size, Theme], Draft]
    sizes: tuple[Size, ...] = (Size.SMALL, Size.MEDIUM)
    faults: tuple[Fault, ...] = tuple(FAULTS.values())
    plain: bool = False


def number(value: float) -> str:
    """A number as a specification writes it: no more digits than it has."""
    return f"{value:.12g}"
