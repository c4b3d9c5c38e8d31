"""The kinds of faults: the nine of OR-Debug-Bench, and what practitioners do besides.

The letters are those of the paper (arXiv 2601.21008), with the meaning that its public files give them as far as the
actions can undo it: a true repair exists for every fault. A kind is one slip, several, or one that also satisfies a
condition on what the solver says about the broken model.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from ordebug_plugin.generate import slips
from ordebug_plugin.generate.model import LinearModel, Row, Sense
from ordebug_plugin.generate.slips import Slip


@dataclass(frozen=True)
class Evidence:
    """What decides whether a broken model is of its kind.

    Attributes:
        elements: Rows and bounds in the first IIS.
        repairs: Rows of it that are each enough to drop.
        culprits: Rows and variables that differ from the original.
        cheapest_hits: Whether the cheapest repair changes a culprit.
    """

    elements: int
    repairs: int
    culprits: int
    cheapest_hits: bool


@dataclass(frozen=True)
class Fault:
    """A kind of fault.

    Attributes:
        name: A letter of the paper, or a word.
        summary: One line for ``--help`` and the documentation.
        break_: Makes another model of a feasible one; None where it cannot.
        holds: Whether the broken model is of this kind, given that it is infeasible.
        strict: Whether being of this kind says that no other repair keeps the optimum (`proof`).
    """

    name: str
    summary: str
    break_: Slip
    holds: Callable[[Evidence], bool] = lambda _: True
    strict: bool = False


SINGLE: Mapping[str, Slip] = {
    "A": slips.flip_sense,
    "B": slips.lower_upper_bound,
    "C": slips.change_coefficient,
    "D": slips.contradict,
    "H": slips.raise_lower_bound,
    "unit": slips.mistake_unit,
    "swap": slips.swap_indices,
    "duplicate": slips.count_twice,
    "bigm": slips.shrink_big_m,
    "period": slips.mistake_period,
}
# An IIS of so many elements hides which of them is at fault.
LONG_CONFLICT = 7


# Slips that mostly make a model infeasible by themselves: of two others, one alone seldom does.
_STRONG = ("B", "C", "D", "H", "duplicate", "unit")


def _has_several(evidence: Evidence) -> bool:
    return evidence.culprits > 1


def _any_slip(rng: random.Random, model: LinearModel) -> LinearModel | None:
    return SINGLE[rng.choice(sorted(SINGLE))](rng, model)


def _several(rng: random.Random, model: LinearModel) -> LinearModel | None:
    """Two or three slips of different kinds."""
    broken: LinearModel | None = model
    for name in rng.sample(_STRONG, rng.choice((2, 2, 3))):
        broken = None if broken is None else SINGLE[name](rng, broken)
    return broken


def _wrong_side(rng: random.Random, model: LinearModel) -> LinearModel | None:
    return rng.choice((slips.mistake_unit, slips.count_twice))(rng, model)


def _down_the_column(rng: random.Random, model: LinearModel) -> LinearModel | None:
    """One slip carried through two or three rows of a kind, as a block that was pasted."""
    kinds: dict[str, list[Row]] = {}
    for row in model.plain_rows:
        kinds.setdefault(row.role, []).append(row)
    groups = [rows for rows in kinds.values() if len(rows) > 1]
    if not groups:
        return None
    group = rng.choice(groups)
    count = min(len(group), rng.choice((2, 2, 3)))
    start = rng.randint(0, len(group) - count)
    factor, turn = rng.choice((10.0, 0.1, 2.0, 0.5)), rng.random() < 0.3
    broken = model
    for row in group[start : start + count]:
        if turn and row.sense is not Sense.EQUAL:
            sense = Sense.AT_LEAST if row.sense is Sense.AT_MOST else Sense.AT_MOST
            broken = broken.with_row(replace(row, sense=sense))
        elif row.rhs:
            broken = broken.with_row(replace(row, rhs=slips.like(row.rhs, row.rhs * factor)))
    return broken


_KINDS = (
    Fault("A", "a sense turned around", SINGLE["A"]),
    Fault("B", "an upper bound too low, or a count declared as yes or no", SINGLE["B"]),
    Fault("C", "a coefficient wrong or left out", SINGLE["C"]),
    Fault("D", "a row too many: it contradicts the sum of others, or is a stricter copy of one", SINGLE["D"]),
    Fault("E", "two or three independent faults", _several, _has_several),
    Fault(
        "F",
        "a root cause hidden in a long conflict, where the cheapest repair is elsewhere",
        _any_slip,
        lambda evidence: evidence.elements >= LONG_CONFLICT and not evidence.cheapest_hits,
        strict=True,
    ),
    Fault(
        "G",
        "one slip carried through several rows, each of which conflicts in its turn",
        _down_the_column,
        _has_several,
    ),
    Fault("H", "a lower bound too high", SINGLE["H"]),
    Fault(
        "I",
        "several rows are each enough to drop, and only the true repair keeps the optimum",
        _wrong_side,
        lambda evidence: evidence.repairs >= 3,
        strict=True,
    ),
    Fault("unit", "a side in the wrong unit (×10, ×100, ×1000, or divided)", SINGLE["unit"]),
    Fault("swap", "two indices swapped", SINGLE["swap"]),
    Fault("duplicate", "a demand counted twice", SINGLE["duplicate"]),
    Fault("bigm", "a big-M too small", SINGLE["bigm"]),
    Fault("period", "a variable of the wrong period", SINGLE["period"]),
)
FAULTS: Mapping[str, Fault] = {fault.name: fault for fault in _KINDS}


def all_but(*names: str) -> tuple[Fault, ...]:
    """The kinds that a family has: without those that its models leave no room for, or not in hundreds of draws."""
    return tuple(fault for fault in FAULTS.values() if fault.name not in names)
