"""A copy of a model with changes that no action can make: what the original was, if a label tells the truth."""

from __future__ import annotations

from gurobipy import GRB

from ordebug_plugin.edits import NO_EDITS
from ordebug_plugin.restoration import Kind, Restoration
from ordebug_plugin.solver.loaded import Loaded
from ordebug_plugin.solver.search import Search, drop_objective

_SENSES = {"<=": GRB.LESS_EQUAL, ">=": GRB.GREATER_EQUAL, "=": GRB.EQUAL}
_KINDS = {Kind.CONTINUOUS: GRB.CONTINUOUS, Kind.INTEGER: GRB.INTEGER, Kind.BINARY: GRB.BINARY}


def restore(loaded: Loaded, restoration: Restoration, work_limit: float) -> Search:
    """A model that is searched and not edited, since it may lack rows of the one as loaded; its holder disposes of it.

    Raises:
        KeyError: The restoration names something that is not in the model.
    """
    loaded.carry(NO_EDITS)
    model = loaded.search.copy()
    constrs, variables = model.getConstrs(), model.getVars()
    row = {name: constrs[place] for name, place in loaded.rows.names.items()}
    column = {name: variables[place] for name, place in loaded.places.items()}
    for sense in restoration.senses:
        row[sense.row].Sense = _SENSES[sense.new]
    for coefficient in restoration.coefficients:
        model.chgCoeff(row[coefficient.row], column[coefficient.variable], coefficient.new)
    for kind in restoration.kinds:
        variable = column[kind.variable]
        if kind.kind is not None:
            variable.VType = _KINDS[kind.kind]
        if kind.lower is not None:
            variable.LB = max(kind.lower, -GRB.INFINITY)
        if kind.upper is not None:
            variable.UB = min(kind.upper, GRB.INFINITY)
    for name in restoration.removed:
        model.remove(row[name])
    if not restoration.objective:
        drop_objective(model)
    model.update()
    return Search.of(model, work_limit)
