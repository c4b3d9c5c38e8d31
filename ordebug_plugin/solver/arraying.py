"""Reads a model under edits off Gurobi as arrays. Gurobi reads and holds models of any size without a licence."""

from __future__ import annotations

import math

import numpy as np
from gurobipy import GRB
from scipy.sparse import csr_matrix

from ordebug_plugin.arrays import Arrays, Floats
from ordebug_plugin.edits import Edits
from ordebug_plugin.interval import INFINITY
from ordebug_plugin.solver.loaded import Loaded
from ordebug_plugin.solver.outlining import outline

_KINDS = {GRB.CONTINUOUS: 0, GRB.BINARY: 1, GRB.INTEGER: 1, GRB.SEMICONT: 2, GRB.SEMIINT: 3}
_HERE = "semi-continuous"  # these are no obstacle


def arrays(loaded: Loaded, edits: Edits) -> Arrays:
    """The model under edits; rows and columns in the order of the file."""
    loaded.carry(edits)
    model = loaded.model
    model.update()
    get = model.getAttr
    sides = _infinite(np.array(get(GRB.Attr.RHS), dtype=float))
    senses = np.array(get(GRB.Attr.Sense), dtype="U1")
    kinds = get(GRB.Attr.VType)
    binary = np.array([kind == GRB.BINARY for kind in kinds], dtype=bool)
    lower, upper = (_infinite(np.array(get(name), dtype=float)) for name in (GRB.Attr.LB, GRB.Attr.UB))
    return Arrays(
        costs=np.array(get(GRB.Attr.Obj), dtype=float),
        constant=float(model.ObjCon),
        maximize=model.ModelSense == GRB.MAXIMIZE,
        matrix=csr_matrix(model.getA()),
        row_lower=np.where(senses == GRB.LESS_EQUAL, -math.inf, sides),
        row_upper=np.where(senses == GRB.GREATER_EQUAL, math.inf, sides),
        lower=np.where(binary, np.maximum(lower, 0.0), lower),
        upper=np.where(binary, np.minimum(upper, 1.0), upper),
        kinds=np.array([_KINDS[kind] for kind in kinds], dtype=np.int8),
        beyond=tuple(noun for noun in outline(loaded).beyond if _HERE not in noun),
    )


def _infinite(sides: Floats) -> Floats:
    """What Gurobi takes for infinite, as infinity."""
    return np.where(np.abs(sides) >= INFINITY, np.copysign(math.inf, sides), sides)
