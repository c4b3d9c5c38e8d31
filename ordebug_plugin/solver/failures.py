"""What Gurobi raises, as errors of ours."""

from __future__ import annotations

from types import TracebackType

import gurobipy as gp
from gurobipy import GRB

from ordebug_plugin.errors import LicenseLimitError, MemoryLimitError, SolverError
from ordebug_plugin.problem import Problem
from ordebug_plugin.solver.loaded import SIZE_LIMITED
from ordebug_plugin.solver.search import OUT_OF_MEMORY


class gurobi_errors:  # noqa: N801  # read as a with-statement; a generator would take as long as a small question
    """Around questions about a problem: what Gurobi raises becomes a `SolverError` that names its file."""

    def __init__(self, problem: Problem) -> None:
        self._path = problem.path

    def __enter__(self) -> None:
        """Nothing is to be done."""

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        """Says it our way.

        Raises:
            SolverError: Gurobi failed, or we found that it did.
        """
        if isinstance(error, SolverError):
            raise type(error)(f"{self._path}: {error}") from error
        if not isinstance(error, gp.GurobiError):
            return
        if error.errno == SIZE_LIMITED:
            raise LicenseLimitError(
                f"{self._path}: the model is larger than this Gurobi licence allows (2000 rows, 2000 columns in the "
                "wheel's own). Set GRB_LICENSE_FILE to a full licence."
            ) from error
        if error.errno == GRB.Error.OUT_OF_MEMORY:
            raise MemoryLimitError(f"{self._path}: {OUT_OF_MEMORY}") from error
        raise SolverError(f"{self._path}: Gurobi failed: {error} (error {error.errno})") from error
