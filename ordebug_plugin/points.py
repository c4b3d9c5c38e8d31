"""Models at a point: row activities, and what edits gave away there. Arithmetic on shapes, without a solver."""

from __future__ import annotations

import math
from collections.abc import Mapping

from ordebug_plugin.edits import TOLERANCE, Edits, Shape, granted_sides, in_terms_of, row_deviation
from ordebug_plugin.interval import Interval
from ordebug_plugin.linear import Terms
from ordebug_plugin.verdict import Audit

# A side that moved by this many times its own size has no effect any more. Unit errors, the grossest faults there
# are, move one by 1000 times.
NO_EFFECT = 1e6


def activity(terms: Terms, point: Mapping[str, float]) -> float:
    """a·x of a row at a point."""
    return float(sum(value * point[name] for name, value in terms))


def audit(shape: Shape, edits: Edits, point: Mapping[str, float]) -> Audit:
    """What edits gave away.

    A row that was rewritten gave away what the row as loaded is violated by, and is lost: another row enforces
    something else, unless it is known to be the right one (`is_kept`).

    Args:
        shape: The model as loaded.
        edits: What was changed.
        point: An optimum of the model under these edits.
    """
    granted = 0.0
    for name in edits.changed_rows:
        old, reached = shape.rows[name], activity(shape.terms[name], point)
        is_rewritten = name in edits.rewritten
        granted += old.violation(reached) if is_rewritten else max(granted_sides(old, edits.row(shape, name), reached))
    for name, new in edits.variables:
        # A row gives way on one side only; the two bounds of a variable are elements of their own.
        granted += sum(granted_sides(shape.variables[name], new, point[name]))
    return Audit(float(granted), lost_rows(shape, edits))


def lost_rows(shape: Shape, edits: Edits) -> tuple[str, ...]:
    """The changed rows that cannot bind any more, or ask for something else than in the file."""
    return tuple(
        name
        for name in edits.changed_rows
        if name in edits.rewritten
        or _cannot_bind(shape, edits, shape.terms[name], shape.rows[name], edits.row(shape, name))
    )


def is_kept(shape: Shape, edits: Edits, true: Edits, name: str) -> bool:
    """Whether a row that seems to be lost is what the known fix leaves; made another row, it is judged beside that.

    Args:
        shape: The model as loaded.
        edits: What was changed.
        true: The edits of the known fix.
        name: The row.
    """
    if name in edits.dropped():
        return False
    if row_deviation(shape, edits, true, name) == 0:
        return True
    sides = in_terms_of(shape, edits, true, name)
    if sides is None or not edits.is_other(shape, name):
        return False
    return not _cannot_bind(shape, edits, true.terms(shape, name), true.row(shape, name), sides)


def _cannot_bind(shape: Shape, edits: Edits, terms: Terms, old: Interval, new: Interval) -> bool:
    """Whether the row was dropped or relaxed to no effect: no point within the variable bounds can violate it.

    Variables without bounds let any row bind somewhere, so a side that moved by `NO_EFFECT` its own size is gone too.
    """
    interval = _without_distant_sides(old, new)
    if interval.is_free:
        return True
    low = high = 0.0
    for variable, coefficient in terms:
        bounds = edits.variable(shape, variable)
        ends = (coefficient * bounds.lower, coefficient * bounds.upper)
        low, high = low + min(ends), high + max(ends)
    return low >= interval.lower - TOLERANCE and high <= interval.upper + TOLERANCE


def _without_distant_sides(old: Interval, new: Interval) -> Interval:
    """The sides that the row had, where they are not gone; one that it got is no substitute."""
    below, above = old.loosened_to(new)
    lower = -math.inf if math.isinf(old.lower) or below > NO_EFFECT * max(1.0, abs(old.lower)) else new.lower
    upper = math.inf if math.isinf(old.upper) or above > NO_EFFECT * max(1.0, abs(old.upper)) else new.upper
    return Interval(lower, upper)
