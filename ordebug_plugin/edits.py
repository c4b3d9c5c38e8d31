"""The algebra of repairs: what an action does to a model, without a solver.

Every row and every variable is an interval: a row ``lower <= a·x <= upper``, a variable ``lower <= x <= upper``. A
repair is the canonical set of intervals that differ from the file as loaded, so two ways to the same model are the
same `Edits`, can be compared and hashed, and undoing is taking an entry out. REWRITE_CONSTRAINT changes the ``a`` too:
what is only a multiple of the row in the file is scaled back to it, and then nothing but an interval.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

from ordebug_plugin.actions import Action, ActionKind
from ordebug_plugin.errors import ActionError
from ordebug_plugin.interval import FREE, INFINITY, Interval, scaled, sides_apart, snapped
from ordebug_plugin.linear import SAME, Terms, ratio
from ordebug_plugin.rewriting import read_rewriting

# Amounts below this are solver tolerance, not a repair (Gurobi's FeasibilityTol is 1e-6).
TOLERANCE = 1e-6
# A rewritten row with smaller coefficients than this (and than in the file) is scaled up: the solver's tolerance is
# absolute, and a row written small enough would ask for nothing.
_LARGE_ENOUGH = 1e-2


# Ten public demonstrations write an amount that DROP does not take: DROP_CONSTRAINT(c_key_lower, 0.0). The grammar
# must read that as a name, for a row may be called so; only the model can tell, and an exact match goes first.
_EXTRA_NUMBER = re.compile(r"[+-]?\d+(?:\.\d*)?(?:[eE][+-]?\d+)?", re.ASCII)


@dataclass(frozen=True)
class Shape:
    """The editable parts of a model as loaded.

    Attributes:
        rows: Row name to its interval, in model order. Names are unique; see `aliases`.
        variables: Variable name to its bounds, in model order.
        binaries: The binary variables: Gurobi keeps them within 0 and 1 whatever their bounds say.
        integers: The other variables that must be whole.
        aliases: For rows and variables that share a name in the file: the unique name given here to its name there.
        terms: Row name to its linear terms; may be read from the model only when they are asked for.
    """

    rows: Mapping[str, Interval]
    variables: Mapping[str, Interval]
    binaries: frozenset[str] = frozenset()
    integers: frozenset[str] = frozenset()
    aliases: Mapping[str, str] = field(default_factory=dict)
    terms: Mapping[str, Terms] = field(default_factory=dict, compare=False, repr=False)

    @property
    def is_empty(self) -> bool:
        """Whether there is neither a row nor a variable."""
        return not self.rows and not self.variables


@dataclass(frozen=True)
class Edits:
    """What differs from the model as loaded, canonical: sorted by name, nothing that equals the original.

    Attributes:
        rows: (row, its new interval); `FREE` for a dropped row.
        variables: (variable, its new bounds).
        rewrites: (row, its new terms), never a multiple of those in the file, nor of a row that was dropped. The
            interval of such a row, in `rows` where it is another one than in the file, is that of the new terms.
    """

    rows: tuple[tuple[str, Interval], ...] = ()
    variables: tuple[tuple[str, Interval], ...] = ()
    rewrites: tuple[tuple[str, Terms], ...] = ()

    @cached_property
    def _by_row(self) -> Mapping[str, Interval]:
        return dict(self.rows)

    @cached_property
    def _by_variable(self) -> Mapping[str, Interval]:
        return dict(self.variables)

    def row(self, shape: Shape, name: str) -> Interval:
        """The interval of a row after these edits."""
        old = shape.rows[name]
        return self._by_row.get(name, old) if self.rows else old

    def variable(self, shape: Shape, name: str) -> Interval:
        """The bounds of a variable after these edits."""
        old = shape.variables[name]
        return self._by_variable.get(name, old) if self.variables else old

    def terms(self, shape: Shape, name: str) -> Terms:
        """The linear terms of a row after these edits."""
        rewritten = dict(self.rewrites)
        return rewritten[name] if name in rewritten else shape.terms[name]

    @property
    def changed_rows(self) -> tuple[str, ...]:
        """The rows of which the interval or the terms differ from the file, sorted."""
        if not self.rewrites:
            return tuple(name for name, _ in self.rows)
        return tuple(sorted(dict(self.rows) | dict(self.rewrites)))

    @property
    def rewritten(self) -> frozenset[str]:
        """The rows that have other terms than in the file."""
        return frozenset(name for name, _ in self.rewrites)

    def is_other(self, shape: Shape, name: str) -> bool:
        """Whether a row was made another one: other terms, or a side where it had none."""
        return name in self.rewritten or self.row(shape, name).has_side_beside(shape.rows[name])

    def dropped(self) -> frozenset[str]:
        """The rows without any effect left on either side."""
        return frozenset(name for name, interval in self.rows if interval.is_free)


NO_EDITS = Edits()


def granted_sides(old: Interval, new: Interval, value: float) -> tuple[float, float]:
    """What an edit gave away below and above: its amount, or where a side is gone, the violation at `value`.

    Args:
        old: The interval before the edit.
        new: The interval after it.
        value: Activity of the row, or value of the variable, at the repaired optimum.
    """
    below, above = old.loosened_to(new)
    if math.isinf(below):
        below = max(0.0, old.lower - value)
    if math.isinf(above):
        above = max(0.0, value - old.upper)
    return below, above


def deviation(shape: Shape, edits: Edits, other: Edits) -> float:
    """Sum over all sides of how far two models are apart; inf where one has a side that the other has not."""
    rows = sorted({*edits.changed_rows, *other.changed_rows})
    variables = {name for name, _ in edits.variables + other.variables}
    pairs = [(edits.variable(shape, name), other.variable(shape, name)) for name in sorted(variables)]
    return sum(row_deviation(shape, edits, other, name) for name in rows) + sum(sides_apart(*pair) for pair in pairs)


def row_deviation(shape: Shape, edits: Edits, other: Edits, name: str) -> float:
    """How far the sides of a row are apart in two models; inf where its terms are no multiples of each other."""
    theirs, ours = other.row(shape, name), in_terms_of(shape, edits, other, name)
    return math.inf if ours is None else sides_apart(ours, theirs)


def in_terms_of(shape: Shape, edits: Edits, other: Edits, name: str) -> Interval | None:
    """What `edits` ask of a row, for the terms that it has under `other`; None where that cannot be said."""
    mine, theirs = edits.row(shape, name), other.row(shape, name)
    if mine.is_free or not {name} & (edits.rewritten | other.rewritten):
        return mine
    factor = ratio(edits.terms(shape, name), other.terms(shape, name))
    return None if factor is None else scaled(mine, factor, theirs)


def has_lost_side(shape: Shape, edits: Edits) -> bool:
    """Whether some row or variable lost a side that it has in the file, as every row did that was rewritten."""
    if edits.rewrites:
        return True
    pairs = [(shape.rows[name], new) for name, new in edits.rows]
    pairs += [(shape.variables[name], new) for name, new in edits.variables]
    return any(math.isinf(amount) for old, new in pairs for amount in old.loosened_to(new))


def widened(intervals: Mapping[str, Interval], values: Mapping[str, float]) -> tuple[tuple[str, Interval], ...]:
    """The intervals that must give way for `values` to be allowed, and what they must become."""
    return tuple(
        (name, Interval(min(interval.lower, values[name]), max(interval.upper, values[name])))
        for name, interval in intervals.items()
        if interval.violation(values[name]) > TOLERANCE
    )


def resolve(shape: Shape, edits: Edits, action: Action) -> Action:
    """The action with its target as the model has it.

    Raises:
        ActionError: The name is not in the model, or the row was dropped.
    """
    if action.target is None:
        return action
    if action.kind is ActionKind.UPDATE_BOUNDS:
        variable = action.target
        _check_known(shape.variables, variable, "variable")
        if variable in shape.binaries and not (action.numbers[0] >= 0 and action.numbers[1] <= 1):
            raise ActionError(f"variable {variable!r} is binary: its bounds stay within 0 and 1")
        return action
    if action.kind is ActionKind.REWRITE_CONSTRAINT:
        rewriting = read_rewriting(action, shape.rows, shape.variables)
        if rewriting is not None:
            action = replace(action, target=rewriting.row, expression=rewriting.expression)
    row = _without_extra_number(shape, action)
    _check_known(shape.rows, row, "constraint")
    if row in edits.dropped():
        raise ActionError(f"constraint {row!r} has no effect any more: use RESET() to bring it back")
    return action if row == action.target else replace(action, target=row)


def apply_action(shape: Shape, edits: Edits, action: Action) -> Edits:
    """The edits after one more action; actions that only look (GET_IIS, CHECK_SLACK, SUBMIT) change nothing.

    Args:
        shape: The model as loaded.
        edits: What was changed so far.
        action: A resolved action (`resolve`).

    Raises:
        ActionError: The row has no side to set, or is rewritten to what is no row.
    """
    name, edited = action.target or "", edits
    match action.kind:
        case ActionKind.RESET:
            edited = NO_EDITS
        case ActionKind.DROP_CONSTRAINT:
            edited = _with_row(shape, edits, name, FREE)
        case ActionKind.RELAX_CONSTRAINT:
            (amount,) = action.numbers
            old = edits.row(shape, name)
            edited = _with_row(shape, edits, name, Interval(old.lower - amount, old.upper + amount))
        case ActionKind.UPDATE_RHS:
            (value,) = action.numbers
            sides = edits.row(shape, name) if name in edits.rewritten else shape.rows[name]
            edited = _with_row(shape, edits, name, _moved(sides, value))
        case ActionKind.UPDATE_BOUNDS:
            edited = _with_variable(shape, edits, name, Interval(*action.numbers))
        case ActionKind.REWRITE_CONSTRAINT:
            edited = _rewritten(shape, edits, action)
    return edited


def apply_all(shape: Shape, actions: Iterable[Action]) -> Edits | None:
    """The edits after several actions; None where one of them does not fit the model (public labels are loose)."""
    edits = NO_EDITS
    for action in actions:
        try:
            edits = apply_action(shape, edits, resolve(shape, edits, action))
        except ActionError:
            return None
    return edits


def edits_between(shape: Shape, rows: Mapping[str, tuple[Terms, Interval]], bounds: Mapping[str, Interval]) -> Edits:
    """The edits that make another model of the one as loaded, by names; what that model adds is left out.

    A multiple of a row is the row itself, and numbers are the same that agree in nine digits.

    Args:
        shape: The model as loaded.
        rows: The rows of the other model; one that is missing was dropped.
        bounds: Its variables; one that is missing keeps its bounds.
    """
    edits = NO_EDITS
    for name, old in shape.rows.items():
        if name not in rows:
            edits = _with_row(shape, edits, name, FREE)
            continue
        terms, interval = rows[name]
        factor = ratio(terms, shape.terms[name])
        if factor is None:
            edits = _with_row(shape, edits, name, interval, terms)
        else:
            edits = _with_row(shape, edits, name, snapped(scaled(interval, factor, old), old))
    for name, old in shape.variables.items():
        edits = _with_variable(shape, edits, name, snapped(bounds.get(name, old), old))
    return edits


def effective(shape: Shape, name: str, bounds: Interval) -> Interval:
    """The bounds of a variable as far as they can be reached: a binary is within 0 and 1, an integer whole."""
    lower, upper = bounds.lower, bounds.upper
    if name in shape.binaries:
        lower, upper = max(lower, 0.0), min(upper, 1.0)
    if name in shape.binaries or name in shape.integers:
        lower = float(math.ceil(lower - SAME)) if math.isfinite(lower) else lower
        upper = float(math.floor(upper + SAME)) if math.isfinite(upper) else upper
    return Interval(lower, upper)


def _rewritten(shape: Shape, edits: Edits, action: Action) -> Edits:
    rewriting = read_rewriting(action, shape.rows, shape.variables)
    if rewriting is None:
        raise ValueError(f"{action} is not resolved")
    name, terms, interval = rewriting.row, rewriting.terms, Interval(rewriting.lower, rewriting.upper)
    if any(INFINITY <= abs(side) < math.inf for side in (rewriting.lower, rewriting.upper)):
        raise ActionError(f"a side of {INFINITY:g} or more is none: use DROP_CONSTRAINT to take the row's effect away")
    old = shape.terms[name]
    factor = ratio(terms, old)
    if factor is not None:
        return _with_row(shape, edits, name, scaled(interval, factor, shape.rows[name]), old)
    largest, usual = (max((abs(value) for _, value in some), default=1.0) for some in (terms, old))
    if largest < min(usual, _LARGE_ENOUGH):
        terms = tuple((variable, value * (usual / largest)) for variable, value in terms)
        interval = scaled(interval, largest / usual, interval)
    return _with_row(shape, edits, name, interval, terms)


def _moved(original: Interval, value: float) -> Interval:
    """Sets the side or sides that the row has in the file to one value."""
    if original.is_free:
        raise ActionError("this row has no side in the model as loaded, so there is none to set")
    lower = value if original.lower > -math.inf else -math.inf
    upper = value if original.upper < math.inf else math.inf
    return Interval(lower, upper)


def _check_known(names: Mapping[str, Interval], name: str, noun: str) -> None:
    if name in names:
        return
    shown = name if len(name) <= 60 else name[:57] + "..."
    raise ActionError(f"no {noun} named {shown!r} in the model: names are exact, without quotes")


def _without_extra_number(shape: Shape, action: Action) -> str:
    name = action.target or ""
    if action.kind is ActionKind.DROP_CONSTRAINT and name not in shape.rows:
        row, _, number = name.rpartition(",")
        if row.rstrip() in shape.rows and _EXTRA_NUMBER.fullmatch(number.strip()):
            return row.rstrip()
    return name


def _with_row(shape: Shape, edits: Edits, name: str, interval: Interval, terms: Terms | None = None) -> Edits:
    """Sets a row's interval, and its terms where they are given. A row without effect has no terms of its own."""
    rewrites = dict(edits.rewrites)
    if terms is not None:
        rewrites[name] = terms
    if name in rewrites and (interval.is_free or rewrites[name] == shape.terms[name]):
        del rewrites[name]
    rows = _replace(edits.rows, name, interval, shape.rows[name])
    return Edits(rows, edits.variables, tuple(sorted(rewrites.items())))


def _with_variable(shape: Shape, edits: Edits, name: str, interval: Interval) -> Edits:
    return replace(edits, variables=_replace(edits.variables, name, interval, shape.variables[name]))


def _replace(
    entries: tuple[tuple[str, Interval], ...], name: str, interval: Interval, original: Interval
) -> tuple[tuple[str, Interval], ...]:
    kept = {other: value for other, value in entries if other != name}
    if interval != original:
        kept[name] = interval
    return tuple(sorted(kept.items()))
