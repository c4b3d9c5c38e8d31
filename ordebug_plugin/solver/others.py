"""What a model holds beside its rows, bounds and linear costs, written so that two models can be compared by it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeVar

import gurobipy as gp
from gurobipy import GRB

from ordebug_plugin.linear import short
from ordebug_plugin.solver.loaded import Loaded

T = TypeVar("T")

_TYPES = {GRB.SEMICONT: "semi-continuous", GRB.SEMIINT: "semi-integer"}
_RELATIONS = {GRB.LESS_EQUAL: "<=", GRB.GREATER_EQUAL: ">=", GRB.EQUAL: "="}
# Gurobi has a getter of its own for each of its twenty kinds of general constraints.
_GETTERS = {name.lower(): name for name in dir(gp.Model) if name.startswith("getGenConstr")}
_KINDS = {getattr(GRB, name): name.removeprefix("GENCONSTR_") for name in dir(GRB) if name.startswith("GENCONSTR_")}


def others(loaded: Loaded) -> dict[str, str]:
    """Each quadratic row, special variable, SOS and general constraint: what it is called, to what it says.

    Numbers are in twelve digits, so that what was written to a file and read again is the same.
    """
    model = loaded.model
    model.update()
    found = {
        f"type of {name}": _TYPES[variable.VType]
        for name, variable in loaded.named_variables()
        if variable.VType in _TYPES
    }
    if model.NumQNZs:  # IsQP is False beside quadratic constraints
        found["quadratic objective"] = _text(model.getObjective())
    for place, row in enumerate(model.getQConstrs()):
        expression = model.getQCRow(row)
        text = f"{_sum(expression.getLinExpr())}; {_products(expression)}; {_RELATIONS[row.QCSense]} {short(row.QCRHS)}"
        _put(found, f"quadratic constraint {_called(row, place)}", text)
    for ordered in model.getSOSs():
        kind, variables, weights = model.getSOS(ordered)
        pairs = sorted(zip(weights, variables, strict=True), key=lambda pair: (pair[0], pair[1].VarName))
        members = ", ".join(f"{variable.VarName}: {short(weight)}" for weight, variable in pairs)
        _put(found, f"SOS constraint {ordered.index}", f"S{kind} {members}")
    for item in model.getGenConstrs():
        _put(found, f"general constraint {item.GenConstrName}", _general(model, item))
    for name, variable in loaded.named_variables() if model.NumPWLObjVars else ():
        if pieces := model.getPWLObj(variable):
            found[f"piecewise-linear cost of {name}"] = _text(pieces)
    if model.IsMultiObj:
        for place in range(model.NumObj):
            found[f"objective {place}"] = _text(model.getObjective(place))
    return found


def parts(model: gp.Model) -> dict[str, Any]:
    """Each quadratic row, SOS and general constraint of a model, in this order, by what it is called in an IIS."""
    found: dict[str, Any] = {}
    for place, row in enumerate(model.getQConstrs()):
        _put(found, _called(row, place), row)
    for ordered in model.getSOSs():
        _put(found, f"SOS {ordered.index}", ordered)
    for item in model.getGenConstrs():
        _put(found, item.GenConstrName, item)
    return found


def _called(row: gp.QConstr, place: int) -> str:
    return row.QCName or f"qc{place}"  # as Gurobi writes a quadratic row without a name


def _put(found: dict[str, T], name: str, what: T) -> None:
    """Keeps the second of a name apart from the first."""
    number, free = 2, name
    while free in found:
        free, number = f"{name}#{number}", number + 1
    found[free] = what


def _general(model: gp.Model, item: gp.GenConstr) -> str:
    kind = _KINDS[item.GenConstrType]
    return f"{kind} {_text(getattr(model, _GETTERS[f'getgenconstr{kind.lower()}'])(item))}"


def _sum(expression: gp.LinExpr) -> str:
    totals: dict[str, float] = {}
    for place in range(expression.size()):
        name = expression.getVar(place).VarName
        totals[name] = totals.get(name, 0.0) + expression.getCoeff(place)
    terms = [f"{short(value)} {name}" for name, value in sorted(totals.items()) if value]
    return " + ".join([*terms, *([short(expression.getConstant())] if expression.getConstant() else [])])


def _products(expression: gp.QuadExpr) -> str:
    totals: dict[tuple[str, str], float] = {}
    for place in range(expression.size()):
        one, two = sorted((expression.getVar1(place).VarName, expression.getVar2(place).VarName))
        totals[one, two] = totals.get((one, two), 0.0) + expression.getCoeff(place)
    return " + ".join(f"{short(value)} {one} * {two}" for (one, two), value in sorted(totals.items()) if value)


def _text(part: Any) -> str:
    """Whatever a getter of Gurobi returns: variables, numbers, expressions, and lists of them."""
    if isinstance(part, gp.Var):
        return str(part.VarName)
    if isinstance(part, gp.QuadExpr):
        return _products(part)  # its linear part is in the costs
    if isinstance(part, gp.LinExpr):
        return _sum(part)
    if isinstance(part, str) or part is None:
        return str(part)
    if isinstance(part, Iterable):
        return f"[{', '.join(map(_text, part))}]"
    return short(float(part))
