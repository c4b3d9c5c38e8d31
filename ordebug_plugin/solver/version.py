"""Which Gurobi this is."""

from __future__ import annotations

import gurobipy as gp


def gurobi_version() -> str:
    """Version of the Gurobi library."""
    return ".".join(map(str, gp.gurobi.version()))
