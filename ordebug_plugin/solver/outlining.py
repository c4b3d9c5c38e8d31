"""Reads the outline of a model off Gurobi."""

from __future__ import annotations

from gurobipy import GRB

from ordebug_plugin.outline import Outline
from ordebug_plugin.solver.loaded import Loaded


def outline(loaded: Loaded) -> Outline:
    """What a model says beside its rows and bounds."""
    model = loaded.model
    model.update()
    counts = {
        "quadratic terms in the objective": model.NumQNZs,
        "quadratic constraints": model.NumQConstrs,
        "SOS constraints": model.NumSOS,
        "general constraints": model.NumGenConstrs,
        "piecewise-linear objective terms": model.NumPWLObjVars,
        "further objectives": max(0, model.NumObj - 1) if model.IsMultiObj else 0,
        "semi-continuous or semi-integer variables": sum(
            variable.VType in (GRB.SEMICONT, GRB.SEMIINT) for _, variable in loaded.named_variables()
        ),
    }
    costs = {name: variable.Obj for name, variable in loaded.named_variables() if variable.Obj}
    beyond = tuple(f"{count} {noun}" for noun, count in counts.items() if count)
    return Outline(costs, model.ObjCon, model.ModelSense == GRB.MAXIMIZE, beyond)
