"""The cheapest repair: Gurobi's feasRelax, kept as a model of its own and edited along with the one it relaxes.

Making a relaxation costs more than solving it. So the relaxation of the model as loaded is made once, and edits are
written into its right-hand sides: those of the rows, and of the rows into which feasRelax turned the bounds.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import gurobipy as gp
from gurobipy import GRB

from ordebug_plugin.edits import INFINITY, NO_EDITS, Edits, widened
from ordebug_plugin.points import activity
from ordebug_plugin.solver.loaded import SIZE_LIMITED, Elastic, Loaded, Row
from ordebug_plugin.solver.search import Search
from ordebug_plugin.verdict import Relaxation

# Too many extra columns for the licence; bounds of a semi-continuous variable.
_NO_RELAXATION = frozenset({SIZE_LIMITED, 10024})


def relaxation(loaded: Loaded, edits: Edits) -> Relaxation | None:
    """The cheapest repair of a model under edits; None where it cannot be computed (`Judge.relaxation`)."""
    with _solved(loaded, edits) as model:
        if model is None:
            return None
        shape, point = loaded.shape, loaded.values(model)
        reached = {row: activity(loaded.terms(row), point) for row in shape.rows}
        rows = widened({name: edits.row(shape, name) for name in shape.rows}, reached)
        bounds = widened({name: edits.variable(shape, name) for name in shape.variables}, point)
        return Relaxation(float(model.ObjVal), rows, bounds, tuple(reached.items()))


def infeasibility(loaded: Loaded, edits: Edits) -> float | None:
    """What the cheapest repair costs; None where it cannot be computed."""
    with _solved(loaded, edits) as model:
        return None if model is None else float(model.ObjVal)


@contextmanager
def _solved(loaded: Loaded, edits: Edits) -> Iterator[gp.Model | None]:
    """The solved relaxation of a model under edits; None where there is none."""
    try:
        elastic = _carrying(loaded, edits)
        status = elastic.search.optimize()
    except gp.GurobiError as error:
        if error.errno not in _NO_RELAXATION:
            raise
        yield None
        return
    try:
        yield elastic.model if status == GRB.OPTIMAL else None
    finally:
        if elastic is not loaded.elastic:
            elastic.dispose()


def _carrying(loaded: Loaded, edits: Edits) -> Elastic:
    """The relaxation that is kept, with the edits; where it cannot take them, one for this time."""
    if loaded.elastic is None:
        loaded.carry(NO_EDITS)
        loaded.elastic = _relax(loaded)
    if loaded.elastic.takes(edits):
        loaded.elastic.carry(loaded.shape, edits)
        return loaded.elastic
    loaded.carry(edits)
    return _relax(loaded)


def _relax(loaded: Loaded) -> Elastic:
    model = loaded.model.copy()
    rows = loaded.model.NumConstrs
    model.feasRelaxS(0, False, True, True)  # 0: the L1 norm; its L0 variant is unreliable
    model.update()
    constrs = model.getConstrs()
    lower: dict[str, gp.Constr] = {}
    upper: dict[str, gp.Constr] = {}
    # After the model's own rows come those of the bounds: column by column, the lower one first, where there are any.
    bounds = zip(loaded.model.getAttr(GRB.Attr.LB), loaded.model.getAttr(GRB.Attr.UB), strict=True)
    sides = [
        (side, place)
        for place, ends in enumerate(bounds)
        for side, end in zip((lower, upper), ends, strict=True)
        if abs(end) < INFINITY
    ]
    names = {place: name for name, place in loaded.places.items()}
    for (side, place), constr in zip(sides, constrs[rows:], strict=True):
        if place in names:  # else the column only writes a range
            side[names[place]] = constr
    own = {
        name: Row(constrs[row.constr.index], None, native=row.slack is not None) for name, row in loaded.rows.items()
    }
    return Elastic(model, Search.of(model, loaded.search.work_limit), own, lower, upper)
