"""Under which licence Gurobi runs."""

from __future__ import annotations

from dataclasses import dataclass

import gurobipy as gp

from ordebug_plugin.errors import SolverError
from ordebug_plugin.solver.configuration import configuration
from ordebug_plugin.solver.environment import start_environment
from ordebug_plugin.solver.loaded import SIZE_LIMITED


@dataclass(frozen=True)
class Licence:
    """The Gurobi licence in use: its kind in words, and whether it solves models beyond 2000 rows or columns."""

    kind: str
    limited: bool


def probe_licence() -> Licence:
    """Solves a model of 2001 columns to see which licence is in use.

    Raises:
        InputError: What is set for licences makes no sense.
        SolverError: No Gurobi environment can be started.
    """
    kind = configuration().kind
    with start_environment() as env, gp.Model(env=env) as model:
        model.addVars(2001)
        try:
            model.optimize()
        except gp.GurobiError as error:
            if error.errno != SIZE_LIMITED:
                raise SolverError(f"Gurobi failed: {configuration().without_secrets(str(error))}") from error
            return Licence(kind, limited=True)
    return Licence(kind, limited=False)
