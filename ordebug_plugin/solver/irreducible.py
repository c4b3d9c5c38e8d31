"""Whether an IIS is one, where Gurobi's word for it (IISMinimal) is not enough: elements are taken out one at a time.

Of Gurobi 13.0.3, on models with integer or binary variables, a few in ten thousand are not infeasible by themselves: a
row on a single binary (5 x <= 4) was used and is not listed. Some others hold more than they need: the bounds of an
integer, or a second row, although one row has no whole solution anyway (2 x = 29). Of LPs none was ever found wrong.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import replace
from typing import Any

import gurobipy as gp
from gurobipy import GRB

from ordebug_plugin.edits import Edits, effective
from ordebug_plugin.interval import FREE, Interval
from ordebug_plugin.solver.loaded import Loaded
from ordebug_plugin.solver.others import parts
from ordebug_plugin.verdict import IIS

# Work units for one point, which exists where the element is needed and is mostly found at once.
_CHECK_WORK = 0.02
_BINARY = Interval(0.0, 1.0)


def for_whole(loaded: Loaded, edits: Edits, iis: IIS) -> IIS | None:
    """The same conflict as an IIS of the MIP, where that is certain; None where it is not.

    The elements are rows and bounds; both bounds of one variable are elements only where no number is between them,
    which is left to Gurobi. All but one of them, whichever it is, are linearly independent: their Farkas multipliers
    are all positive, and with a second dependency one of them could be made 0 (Carathéodory), which leaves a smaller
    IIS. So, whichever is left out, some direction leads deeper into each of the other rows, where these have one side,
    and leaves the variables of the bounds where they are. It is rational, for floats are, and a multiple of it whole.
    From a point where these variables are whole and within their bounds, both of them, it leads to a whole point of
    all the others.

    What has two sides may lack whole points although no other element is near: an equation (2 x = 29), a range
    (5 <= 4 x <= 7), bounds without a whole number between them. These are left to Gurobi.

    Binaries stay within 0 and 1, and no element says so: where there are any, this holds of a single row only.

    Args:
        loaded: The model.
        edits: What was changed.
        iis: An irreducible IIS of its relaxation under these edits.
    """
    shape = loaded.shape
    if not shape.binaries:
        bounds = (effective(shape, name, edits.variable(shape, name)) for name in iis.bounds)
        sides = (edits.row(shape, name) for name in iis.rows)
        certain = all(b.lower <= b.upper for b in bounds) and all(math.inf in (-s.lower, s.upper) for s in sides)
        return iis if certain else None
    if len(iis.rows) != 1 or any(name not in shape.binaries for name in iis.bounds):
        return None
    own = all(edits.variable(shape, name) == _BINARY for name in iis.bounds)
    return replace(iis, bounds=()) if own else None


def is_doubtful(loaded: Loaded) -> bool:
    """Whether Gurobi's word on this model is to be checked."""
    return not loaded.search.linear


def needs_all(loaded: Loaded, pure: Loaded, edits: Edits, iis: IIS) -> bool:
    """Whether it is infeasible by itself, and no element can be left out; False also where that is not decided.

    Args:
        loaded: The model.
        pure: A copy of it without an objective, which is edited.
        edits: What was changed.
        iis: An IIS of the model under these edits.
    """
    pure.carry(_only(loaded, edits, iis.rows, iis.bounds))
    bare = pure.duplicate()
    try:
        _remove(bare.model, [part for name, part in parts(bare.model).items() if name not in iis.others])
        _solves(bare.model)
        if bare.model.Status not in (GRB.INFEASIBLE, GRB.INF_OR_UNBD):  # it has no objective to be unbounded in
            return False
        # In this order: what leaves out rows leaves the last one out.
        return _needs_others(bare.model) and _needs_linear(loaded, bare, edits, iis)
    finally:
        bare.dispose()


def _needs_linear(loaded: Loaded, pure: Loaded, edits: Edits, iis: IIS) -> bool:
    rows, bounds = set(iis.rows), set(iis.bounds)
    return all(_has_point(pure, _only(loaded, edits, rows - {row}, bounds)) for row in iis.rows) and all(
        _has_point(pure, _only(loaded, edits, rows, bounds - {bound})) for bound in iis.bounds
    )


def _needs_others(bare: gp.Model) -> bool:
    # By place: of those that are left, SOSs and parts without a name are called otherwise than in the whole model.
    for place in range(len(parts(bare))):
        with bare.copy() as model:
            _remove(model, [[*parts(model).values()][place]])
            if not _solves(model):
                return False
    return True


def _only(loaded: Loaded, edits: Edits, rows: Collection[str], bounds: Collection[str]) -> Edits:
    """Edits under which nothing is left of rows and bounds but these."""
    shape = loaded.shape
    return Edits(
        tuple((name, edits.row(shape, name) if name in rows else FREE) for name in shape.rows),
        tuple((name, edits.variable(shape, name) if name in bounds else FREE) for name in shape.variables),
        edits.rewrites,
    )


def _remove(model: gp.Model, some: list[Any]) -> None:
    model.remove(some)
    model.update()


def _has_point(pure: Loaded, edits: Edits) -> bool:
    pure.carry(edits)
    pure.model.reset()
    return _solves(pure.model)


def _solves(model: gp.Model) -> bool:
    model.Params.WorkLimit = _CHECK_WORK
    model.optimize()
    return bool(model.SolCount)
