"""The naive loop: one Gurobi environment that reads, applies, optimizes and computes the IIS at every turn."""

from __future__ import annotations

from itertools import compress
from pathlib import Path

import gurobipy as gp
from gurobipy import GRB

from judge_bench.script import Script
from ordebug_plugin.actions import Action, ActionKind

# What a state is, whoever finds it: infeasible or not, the objective, the rows and the bounds of the IIS.
State = tuple[bool, float | None, frozenset[str], frozenset[str]]


GAP = 2.1e-4  # two answers may each be off by Gurobi's MIPGap


def agree(one: State, two: State) -> bool:
    """Whether two states have the same status and objective."""
    if one[0] != two[0] or one[1] is None or two[1] is None:
        return one[:2] == two[:2]
    return abs(one[1] - two[1]) <= GAP * max(1.0, abs(one[1]))


def naive_state(env: gp.Env, path: Path, actions: tuple[Action, ...], *, bulk: bool = False) -> State:
    """Reads the file, applies the repairs, optimizes, computes the IIS.

    Reads the IIS element by element, as Gurobi's own examples do, or in bulk, which few know of and is faster.
    """
    with gp.read(str(path), env) as model:
        for action in actions:
            naive_apply(model, action)
        model.optimize()
        if model.Status == GRB.INF_OR_UNBD:
            model.Params.DualReductions = 0
            model.optimize()
            model.Params.DualReductions = 1
        if model.Status != GRB.INFEASIBLE:
            optimal = model.Status == GRB.OPTIMAL
            return False, model.ObjVal if optimal else None, frozenset(), frozenset()
        model.computeIIS()
        if bulk:
            return True, None, *_bulk_iis(model)
        rows = frozenset(row.ConstrName for row in model.getConstrs() if row.IISConstr)
        bounds = frozenset(column.VarName for column in model.getVars() if column.IISLB or column.IISUB)
        return True, None, rows, bounds


def _bulk_iis(model: gp.Model) -> tuple[frozenset[str], frozenset[str]]:
    rows = compress(model.getAttr("ConstrName"), model.getAttr("IISConstr"))
    ends = zip(model.getAttr("IISLB"), model.getAttr("IISUB"), strict=True)
    return frozenset(rows), frozenset(compress(model.getAttr("VarName"), map(any, ends)))


def naive_apply(model: gp.Model, action: Action) -> None:
    row = model.getConstrByName(action.target) if action.target else None
    if row is None:
        return
    if action.kind is ActionKind.DROP_CONSTRAINT:
        model.remove(row)
    elif action.kind is ActionKind.UPDATE_RHS:
        row.RHS = action.numbers[0]
    elif row.Sense == GRB.EQUAL:
        model.addVar(lb=-action.numbers[0], ub=action.numbers[0], column=gp.Column(1.0, row))
    else:
        row.RHS += action.numbers[0] if row.Sense == GRB.LESS_EQUAL else -action.numbers[0]
    model.update()


def naive_episode(env: gp.Env, script: Script, *, bulk: bool = False) -> list[State]:
    turns = range(len(script.actions) + 1)
    return [naive_state(env, script.problem.path, script.actions[:turn], bulk=bulk) for turn in turns]
