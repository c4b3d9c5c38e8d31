"""What Gurobi raises, as errors of ours."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import gurobipy as gp
from gurobipy import GRB

from ordebug_plugin.errors import LicenseLimitError, MemoryLimitError, SolverError
from ordebug_plugin.problem import Problem
from ordebug_plugin.solver.loaded import SIZE_LIMITED
from ordebug_plugin.solver.search import OUT_OF_MEMORY


@contextmanager
def gurobi_errors(problem: Problem) -> Iterator[None]:
    """Around questions about a problem: what Gurobi raises becomes a `SolverError` that names its file."""
    try:
        yield
    except SolverError as error:
        raise type(error)(f"{problem.path}: {error}") from error
    except gp.GurobiError as error:
        if error.errno == SIZE_LIMITED:
            raise LicenseLimitError(
                f"{problem.path}: the model is larger than this Gurobi licence allows (2000 rows, 2000 columns in the "
                "wheel's own). Set GRB_LICENSE_FILE to a full licence."
            ) from error
        if error.errno == GRB.Error.OUT_OF_MEMORY:
            raise MemoryLimitError(f"{problem.path}: {OUT_OF_MEMORY}") from error
        raise SolverError(f"{problem.path}: Gurobi failed: {error} (error {error.errno})") from error
