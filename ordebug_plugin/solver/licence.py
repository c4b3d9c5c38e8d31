"""Which Gurobi this is, and under which licence."""

from __future__ import annotations

import os
from dataclasses import dataclass

import gurobipy as gp

from ordebug_plugin.errors import SolverError
from ordebug_plugin.solver.environment import start_environment
from ordebug_plugin.solver.loaded import SIZE_LIMITED


@dataclass(frozen=True)
class Licence:
    """The Gurobi licence in use: where it comes from, and whether it solves models beyond 2000 rows or columns."""

    source: str
    limited: bool


def gurobi_version() -> str:
    """Version of the Gurobi library."""
    return ".".join(map(str, gp.gurobi.version()))


def probe_licence() -> Licence:
    """Solves a model of 2001 columns to see which licence is in use.

    Raises:
        SolverError: No Gurobi environment can be started.
    """
    source = os.environ.get("GRB_LICENSE_FILE", "a default place, else gurobipy's wheel")
    with start_environment() as env, gp.Model(env=env) as model:
        model.addVars(2001)
        try:
            model.optimize()
        except gp.GurobiError as error:
            if error.errno != SIZE_LIMITED:
                raise SolverError(f"Gurobi failed: {error}") from error
            return Licence(source, limited=True)
    return Licence(source, limited=False)
