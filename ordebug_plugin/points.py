"""Models at a point: row activities, and what edits gave away there. Arithmetic on shapes, without a solver."""

from __future__ import annotations

import math
from collections.abc import Mapping

from ordebug_plugin.edits import TOLERANCE, Edits, Interval, Shape, Terms, granted_sides
from ordebug_plugin.verdict import Audit

# A side that moved by this many times its own size has no effect any more. Unit errors, the grossest faults there
# are, move one by 1000 times.
NO_EFFECT = 1e6


def activity(terms: Terms, point: Mapping[str, float]) -> float:
    """a·x of a row at a point."""
    return float(sum(value * point[name] for name, value in terms))


def audit(shape: Shape, edits: Edits, terms: Mapping[str, Terms], point: Mapping[str, float]) -> Audit:
    """What edits gave away.

    Args:
        shape: The model as loaded.
        edits: What was changed.
        terms: The terms of the changed rows.
        point: An optimum of the model under these edits.
    """
    reached = {name: activity(terms[name], point) for name, _ in edits.rows}
    granted = sum(max(granted_sides(shape.rows[name], new, reached[name])) for name, new in edits.rows)
    for name, new in edits.variables:
        # A row gives way on one side only; the two bounds of a variable are elements of their own.
        granted += sum(granted_sides(shape.variables[name], new, point[name]))
    lost = tuple(name for name, _ in edits.rows if _cannot_bind(shape, edits, terms[name], name))
    return Audit(float(granted), lost)


def _cannot_bind(shape: Shape, edits: Edits, terms: Terms, name: str) -> bool:
    """Whether the row was dropped or relaxed to no effect: no point within the variable bounds can violate it.

    Variables without bounds let any row bind somewhere, so a side that moved by `NO_EFFECT` its own size is gone too.
    """
    interval = _without_distant_sides(shape.rows[name], edits.row(shape, name))
    if interval.is_free:
        return True
    low = high = 0.0
    for variable, coefficient in terms:
        bounds = edits.variable(shape, variable)
        ends = (coefficient * bounds.lower, coefficient * bounds.upper)
        low, high = low + min(ends), high + max(ends)
    return low >= interval.lower - TOLERANCE and high <= interval.upper + TOLERANCE


def _without_distant_sides(old: Interval, new: Interval) -> Interval:
    below, above = old.loosened_to(new)
    lower = -math.inf if below > NO_EFFECT * max(1.0, abs(old.lower)) else new.lower
    upper = math.inf if above > NO_EFFECT * max(1.0, abs(old.upper)) else new.upper
    return Interval(lower, upper)
