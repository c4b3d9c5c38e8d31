"""Starts Gurobi."""

from __future__ import annotations

import gurobipy as gp

from ordebug_plugin.errors import SolverError


def start_environment(**parameters: float | str) -> gp.Env:
    """A Gurobi environment of one thread, silent unless its parameters say otherwise.

    Raises:
        SolverError: None can be started (licence).
    """
    try:
        return gp.Env(params={"OutputFlag": 0, "Threads": 1, **parameters})
    except gp.GurobiError as error:
        raise SolverError(
            f"Gurobi cannot start: {error}. Check the licence with `ordebug doctor`; without GRB_LICENSE_FILE the "
            "licence inside gurobipy's own wheel is used, which works offline."
        ) from error
