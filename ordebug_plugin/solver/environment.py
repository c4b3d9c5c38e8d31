"""Starts Gurobi."""

from __future__ import annotations

import gurobipy as gp

from ordebug_plugin.errors import SolverError
from ordebug_plugin.solver.configuration import configuration

# What whoever met a refused licence is told to do; the doctor says something else in its place.
ADVICE = "Check the licence with `ordebug doctor`"


def start_environment(**parameters: float | str) -> gp.Env:
    """A Gurobi environment of one thread, silent unless its parameters say otherwise.

    Raises:
        InputError: What is set for licences makes no sense (`configuration`).
        SolverError: None can be started (licence). No secret is in the message.
    """
    set_by_user = configuration()
    try:
        return gp.Env(params={**set_by_user.parameters, "OutputFlag": 0, "Threads": 1, **parameters})
    except gp.GurobiError as error:
        said = set_by_user.without_secrets(str(error))
    # Not `from error`: its text may hold a secret, and a traceback would show it.
    raise SolverError(
        f"Gurobi cannot start with {set_by_user.kind}: {said}. {ADVICE}; where none is "
        "set, the licence inside gurobipy's own wheel is used, which works offline up to 2000 rows and 2000 columns."
    )
