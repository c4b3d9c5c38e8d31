"""The cheapest repair: Gurobi's feasRelax, kept as a model of its own and edited along with the one it relaxes.

Making a relaxation costs more than solving it. So the relaxation of the model as loaded is made once (and that of a
copy with rewritten rows once for the copy), and edits are written into its right-hand sides: those of the rows, and of
the rows into which feasRelax turned the bounds.

Gurobi takes a number for whole that is 1e-5 beside it (IntFeasTol), and a repair read off such a point falls short of
what the model needs. So a repair that is to be carried out is read off a point where whole variables are whole.
"""

from __future__ import annotations

from dataclasses import replace

import gurobipy as gp
from gurobipy import GRB

from ordebug_plugin.edits import Edits, widened
from ordebug_plugin.interval import INFINITY
from ordebug_plugin.points import activity
from ordebug_plugin.solver.loaded import SIZE_LIMITED, Elastic, Loaded
from ordebug_plugin.solver.search import Found, Search
from ordebug_plugin.verdict import Relaxation

# Too many extra columns for the licence; bounds of a semi-continuous variable.
_NO_RELAXATION = frozenset({SIZE_LIMITED, 10024})
_RANGE = "\0"  # no name holds it


def relaxation(loaded: Loaded, edits: Edits) -> Relaxation | None:
    """The cheapest repair of a model under edits; None where it cannot be computed (`Judge.relaxation`)."""
    found = _solve(loaded, edits, whole=True)
    if found is None or found.objective is None or found.values is None:
        return None
    shape, point = loaded.shape, loaded.values(found.values)
    reached = {row: activity(edits.terms(shape, row), point) for row in shape.rows}
    rows = widened({name: edits.row(shape, name) for name in shape.rows}, reached)
    bounds = widened({name: edits.variable(shape, name) for name in shape.variables}, point)
    return Relaxation(found.objective, rows, bounds, tuple(reached.items()))


def infeasibility(loaded: Loaded, edits: Edits) -> float | None:
    """What the cheapest repair costs; None where it cannot be computed."""
    found = _solve(loaded, edits)
    return None if found is None else found.objective


def _solve(loaded: Loaded, edits: Edits, *, whole: bool = False) -> Found | None:
    """Solves the relaxation of a model under edits; None where there is none, or its optimum is not proven.

    Args:
        loaded: The model.
        edits: What was changed.
        whole: Whether whole variables must be whole in the point, and not only within IntFeasTol.
    """
    try:
        elastic = _carrying(loaded, edits)
        try:
            found = elastic.search.optimize()
            if whole and found.status == GRB.OPTIMAL:
                found = _made_whole(loaded, elastic.search, found)
        finally:
            if elastic is not loaded.elastic:
                elastic.dispose()
    except gp.GurobiError as error:
        if error.errno in _NO_RELAXATION:
            return None
        raise
    return found if found.status == GRB.OPTIMAL else None


def _made_whole(loaded: Loaded, search: Search, found: Found) -> Found:
    """The same optimum at a point where whole variables are whole, the others as cheap as they can be beside them.

    The objective stays what was found, so that a cost is one number, whoever asks for it.
    """
    kinds = (*loaded.shape.binaries, *loaded.shape.integers)
    if found.values is None or not kinds:
        return found
    columns = search.model.getVars()
    places = sorted(loaded.places[name] for name in kinds)
    near = [float(round(found.values[place])) for place in places]
    if all(found.values[place] == value for place, value in zip(places, near, strict=True)):
        return found
    fixed = [columns[place] for place in places]
    bounds = {name: search.model.getAttr(name, fixed) for name in (GRB.Attr.LB, GRB.Attr.UB)}
    try:
        for name in bounds:
            search.model.setAttr(name, fixed, near)
        values = search.optimize().values
    finally:
        for name, old in bounds.items():
            search.model.setAttr(name, fixed, old)
    return found if values is None else replace(found, values=values)


def _carrying(loaded: Loaded, edits: Edits) -> Elastic:
    """The relaxation that is kept, with the edits; where it cannot take them, one for this time."""
    if loaded.elastic is None:
        loaded.carry(Edits(rewrites=edits.rewrites))
        loaded.elastic = _relax(loaded)
    if loaded.elastic.takes(loaded.shape, edits):
        loaded.elastic.carry(loaded.shape, edits)
        return loaded.elastic
    loaded.carry(edits)
    return _relax(loaded)


def _relax(loaded: Loaded) -> Elastic:
    model = loaded.search.copy()
    model.feasRelaxS(0, False, True, True)  # 0: the L1 norm; its L0 variant is unreliable
    model.update()
    variables = model.getVars()
    for name in loaded.shape.binaries:  # a repair cannot let a binary leave 0 and 1, feasRelax would
        variables[loaded.places[name]].LB, variables[loaded.places[name]].UB = 0.0, 1.0
    names = {place: name for name, place in loaded.places.items()}
    ends = zip(loaded.model.getAttr(GRB.Attr.LB), loaded.model.getAttr(GRB.Attr.UB), strict=True)
    # The bounds of a column that only writes a range have rows too; nothing edits them.
    sides = {
        (names.get(place, f"{_RANGE}{place}"), bool(upper)): bound
        for place, bounds in enumerate(ends)
        for upper, bound in enumerate(bounds)
        if abs(bound) < INFINITY
    }
    if loaded.shape.integers:
        # feasRelax rounds their bounds (0.2 <= x <= 0.8 asks for 1 <= x <= 0); what is edited later is not.
        model.setAttr(GRB.Attr.RHS, model.getConstrs()[len(loaded.shape.rows) :], [*sides.values()])
        model.update()
    native = frozenset(name for name, row in loaded.rows.items() if row.native)
    search = Search.of(model, loaded.search.work_limit)
    return Elastic(model, search, native, list(loaded.shape.rows), list(sides))
