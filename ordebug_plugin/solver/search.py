"""How Gurobi is asked to optimize: small models without the machinery that only pays on large ones."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import gurobipy as gp
from gurobipy import GRB

# Rows and columns together. On models this small, presolve, cuts and heuristics take longer than the search that they
# would shorten: without them an LP takes a third of the time, a MIP half. They do not bear on the IIS, which was the
# same with and without on 2830 of 2830 models.
_SMALL = 200
_PLAIN = {"Presolve": 0, "Cuts": 0, "Heuristics": 0.0, "Symmetry": 0, "ZeroObjNodes": 0}
_USUAL = {"Presolve": -1, "Cuts": -1, "Heuristics": 0.05, "Symmetry": -1, "ZeroObjNodes": -1}
# Gurobi work units for the plain search, some hundred times what a benchmark model needs; a model that needs more is
# small but hard, and is solved again with everything Gurobi has.
_PLAIN_WORK = 0.02


def environment_parameters(work_limit: float) -> dict[str, float]:
    """Parameters with which models start: those of small ones, because most are."""
    return {**_PLAIN, "WorkLimit": min(work_limit, _PLAIN_WORK)}


@dataclass(frozen=True)
class Search:
    """How one model is searched. Parameters come from the environment: to set them takes as long as to solve.

    Attributes:
        model: The model.
        work_limit: Its WorkLimit.
        plain: Whether it is small, and searched plainly first.
    """

    model: gp.Model
    work_limit: float
    plain: bool

    @classmethod
    def of(cls, model: gp.Model, work_limit: float) -> Search:
        """Prepares a model of an environment with `environment_parameters`, or a copy of such a one."""
        search = cls(model, work_limit, plain=model.NumVars + model.NumConstrs <= _SMALL)
        if not search.plain:
            search._set(_USUAL, work_limit)
        return search

    def optimize(self) -> int:
        """Solves from scratch, so that what came before never shows in the answer; returns Gurobi's status."""
        self.model.reset()
        self.model.optimize()
        status: int = self.model.Status
        if self.plain and status == GRB.WORK_LIMIT:
            with self.unbridled():
                self.model.reset()
                self.model.optimize()
                status = self.model.Status
        return status

    @contextmanager
    def unbridled(self) -> Iterator[None]:
        """For a while, the parameters as Gurobi has them, and the whole WorkLimit."""
        if not self.plain:
            yield
            return
        self._set(_USUAL, self.work_limit)
        try:
            yield
        finally:
            self._set(_PLAIN, min(self.work_limit, _PLAIN_WORK))

    def _set(self, parameters: dict[str, float], work_limit: float) -> None:
        for name, value in parameters.items():
            self.model.setParam(name, value)
        self.model.Params.WorkLimit = work_limit
