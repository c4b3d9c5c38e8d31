"""How Gurobi is asked to optimize: small models without the machinery that only pays on large ones."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import gurobipy as gp
from gurobipy import GRB

from ordebug_plugin.errors import MemoryLimitError

# Rows and columns together. On models this small, presolve, cuts and heuristics take longer than the search that they
# would shorten. They do not bear on the IIS: a test holds ours against the public prompts.
_SMALL = 200
_PLAIN = {"Presolve": 0, "Cuts": 0, "Heuristics": 0.0, "Symmetry": 0, "ZeroObjNodes": 0}
_USUAL = {"Presolve": -1, "Cuts": -1, "Heuristics": 0.05, "Symmetry": -1, "ZeroObjNodes": -1}
# Gurobi work units for the plain search, some hundred times what a benchmark model needs; a model that needs more is
# small but hard, and is solved again with everything Gurobi has.
_PLAIN_WORK = 0.02
# What ends the plain search; anything else (its work limit, numerical trouble) is tried again. Gurobi's TimeLimit is
# our patience, which is over.
_ANSWERS = frozenset({GRB.OPTIMAL, GRB.INFEASIBLE, GRB.UNBOUNDED, GRB.INF_OR_UNBD, GRB.TIME_LIMIT})
# What a model has that is not an LP or MIP; what is discrete about it, it has only where IsMIP says so.
_DISCRETE = ("NumSOS", "NumGenConstrs", "IsMultiObj")
_CURVED = ("NumQConstrs", "NumQNZs", "NumPWLObjVars")
OVERDUE = "Gurobi did not return in time, although within its WorkLimit: the machine is overloaded"
OUT_OF_MEMORY = "Gurobi reached its memory limit (SoftMemLimit or MemLimit, else the machine's): raise it"
# By how much a point may violate rows and bounds, as the file has them; Gurobi's 1e-6 is of a scaled model. One that
# violates more is not taken from a plain search.
_VIOLATION = 1e-5
# Nor is one beyond this taken from it: it may lie on a ray without an end.
_FAR = 1e9
_WHOLE = 1e-9  # how near to a whole number; Gurobi itself is content with 1e-5


def environment_parameters(work_limit: float) -> dict[str, float]:
    """Parameters with which models start: those of small ones, because most are."""
    return {**_PLAIN, "WorkLimit": min(work_limit, _PLAIN_WORK)}


@dataclass(frozen=True)
class Found:
    """What a search ended with.

    Attributes:
        status: Gurobi's status.
        objective: Objective value of the point; None without one.
        values: The point, by place of the column; None without one.
    """

    status: int
    objective: float | None = None
    values: list[float] | None = None


@dataclass
class Search:
    """How one model is searched. Parameters come from the environment: to set one takes half as long as to solve.

    Attributes:
        model: The model.
        work_limit: Its WorkLimit.
        plain: Whether it is small, and searched plainly first.
        linear: Whether it is an LP: rows, bounds and costs, and nothing else.
        whole: Its binary and integer variables, where it is small and has no discrete part but them.
        kinds: The type of each of these.
        places: The place of each among the columns.
    """

    model: gp.Model
    work_limit: float
    plain: bool
    linear: bool = False
    whole: tuple[gp.Var, ...] = ()
    kinds: tuple[str, ...] = ()
    places: tuple[int, ...] = ()
    is_relaxed: bool = False  # whether these are continuous at the moment
    _presolve: int = 0  # what Presolve is, where the model is searched plainly
    _used: bool = False  # whether a reset would change anything

    @classmethod
    def of(cls, model: gp.Model, work_limit: float) -> Search:
        """Prepares a model of an environment with `environment_parameters`, or a copy of such a one."""
        get = model.getAttr  # twice as fast as attributes of the model
        # Beside a quadratic row and without presolve, Gurobi 13.0.3 calls a dropped one, a·x <= infinity, infeasible.
        plain = get(GRB.Attr.NumQConstrs) == 0 and len(model.getVars()) + len(model.getConstrs()) <= _SMALL
        discrete = bool(get(GRB.Attr.IsMIP))
        linear = not any(map(get, _CURVED)) and not (discrete and any(map(get, _DISCRETE)))
        more = _whole(model) if plain and linear and discrete else {}
        search = cls(model, work_limit, plain, linear and not discrete, **more)
        if not plain:
            search._set(_USUAL, work_limit)
        return search

    def optimize(self, *, doubtful: bool = True) -> Found:
        """Solves from scratch, so that what came before never shows in the answer.

        Args:
            doubtful: Whether a point may well be found. A small MIP that has none is sooner found out with presolve,
                and then computeIIS can go on from there; one that has is sooner solved without, and first without
                integrality.

        Raises:
            MemoryLimitError: SoftMemLimit was reached; what was asked before takes part of it, so this is no answer.
        """
        self.reset()
        if self.whole and not doubtful:
            self.relax(False)
            self.presolve(True)
            self.model.optimize()
            found = _found(self.model)
            # No other answer is taken from it: with presolve, Gurobi 13.0.3 calls some unbounded MIPs optimal.
            if found.status in (GRB.INFEASIBLE, GRB.TIME_LIMIT):
                return found
            self.model.reset()
        if self.whole:
            relaxation = self.optimize_relaxation()
            if self._answers(relaxation):
                return relaxation
            self.relax(False)
        self.model.optimize()
        found = _found(self.model)
        if self.plain and not (found.status in _ANSWERS and self._holds(found)):
            with self.unbridled():
                self.model.reset()
                self.model.optimize()
                found = _found(self.model)
        return found

    def reset(self) -> None:
        """Forgets what came before."""
        if self._used:
            self.model.reset()
        self._used = True

    def presolve(self, wanted: bool) -> None:
        """Sets presolve as Gurobi has it, or none, where this is a small MIP."""
        value = _USUAL["Presolve"] if wanted else _PLAIN["Presolve"]
        if self.whole and value != self._presolve:
            self.model.setParam("Presolve", value)
            self._presolve = int(value)

    def relax(self, wanted: bool) -> None:
        """Makes the whole variables of a small MIP continuous, or whole again. Either takes half as long as a solve."""
        if self.whole and wanted != self.is_relaxed:
            self.model.setAttr(GRB.Attr.VType, self.whole, [GRB.CONTINUOUS] * len(self.kinds) if wanted else self.kinds)
            self.is_relaxed = wanted

    def optimize_relaxation(self) -> Found:
        """Solves a small MIP without integrality, and leaves it so."""
        self.presolve(False)
        self.relax(True)
        self.model.optimize()
        return _found(self.model)

    def _answers(self, relaxation: Found) -> bool:
        """Whether what was found without integrality is the answer with it.

        A point that happens to be whole is optimal, and a model without a point has no whole one either.
        """
        if relaxation.status != GRB.OPTIMAL or relaxation.values is None or not self._holds(relaxation):
            return relaxation.status == GRB.INFEASIBLE
        whole = [relaxation.values[place] for place in self.places]
        return all(abs(value - round(value)) < _WHOLE for value in whole)

    def _holds(self, found: Found) -> bool:
        """Whether the optimum that was found, if any, is a point of the model.

        Without presolve, Gurobi 13.0.3 goes to the infinite side of a dropped row along a ray that has no end, or with
        a quadratic objective to 1e15, and calls that optimal; and without cuts too, of one MIP in ten thousand, a point
        that violates equations by 0.17.
        """
        values = found.values
        if found.status != GRB.OPTIMAL or values is None:
            return True
        if values and (max(values) > _FAR or min(values) < -_FAR):
            return False
        return all(self.model.getAttr(name) <= _VIOLATION for name in (GRB.Attr.ConstrVio, GRB.Attr.BoundVio))

    def copy(self) -> gp.Model:
        """A copy of the model as it stands, whole, with the parameters of the environment."""
        self.presolve(False)
        self.relax(False)
        self.model.update()
        return self.model.copy()

    @contextmanager
    def unbridled(self, work_limit: float = math.inf) -> Iterator[None]:
        """For a while, the parameters as Gurobi has them, and the whole WorkLimit, or as much of it as is said."""
        if not self.plain:
            yield
            return
        self._set(_USUAL, min(work_limit, self.work_limit))
        try:
            yield
        finally:
            self._set({**_PLAIN, "Presolve": self._presolve}, min(self.work_limit, _PLAIN_WORK))

    def _set(self, parameters: dict[str, float], work_limit: float) -> None:
        for name, value in parameters.items():
            self.model.setParam(name, value)
        self.model.Params.WorkLimit = work_limit


def drop_objective(model: gp.Model) -> None:
    """Leaves the question whether a point exists, and nothing that could be unbounded."""
    if model.IsMultiObj:
        model.NumObj = 0
    model.setObjective(0.0)


def _whole(model: gp.Model) -> dict[str, Any]:
    """The attributes of `Search` that say what is whole; none where something is discrete in another way."""
    kinds = model.getAttr(GRB.Attr.VType)
    if set(kinds) - {GRB.CONTINUOUS, GRB.BINARY, GRB.INTEGER}:
        return {}
    columns = model.getVars()
    places = tuple(place for place, kind in enumerate(kinds) if kind != GRB.CONTINUOUS)
    whole, own = tuple(columns[place] for place in places), tuple(kinds[place] for place in places)
    return {"whole": whole, "kinds": own, "places": places}


def _found(model: gp.Model) -> Found:
    status: int = model.getAttr(GRB.Attr.Status)  # faster than model.Status
    if status == GRB.MEM_LIMIT:
        raise MemoryLimitError(OUT_OF_MEMORY)
    if status != GRB.OPTIMAL and (status == GRB.INFEASIBLE or model.SolCount == 0):
        return Found(status)
    return Found(status, float(model.getAttr(GRB.Attr.ObjVal)), model.getAttr(GRB.Attr.X))
