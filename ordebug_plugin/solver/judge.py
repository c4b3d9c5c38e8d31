"""The judge: one Gurobi environment, and answers to questions about models under edits.

It reads each model once, applies the difference between the edits asked for and those in place, and remembers its
answers per edit set, so a state reached twice is solved once. Every solve starts from a reset: the answer never
depends on what was asked before.

Limits are WorkLimit, never TimeLimit: the same question has the same answer on a slow machine.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from types import TracebackType
from typing import TYPE_CHECKING, TypeVar

from gurobipy import GRB

from ordebug_plugin import points
from ordebug_plugin.edits import NO_EDITS, Edits, Shape
from ordebug_plugin.errors import SolverError
from ordebug_plugin.linear import Terms
from ordebug_plugin.outline import Outline
from ordebug_plugin.problem import Problem
from ordebug_plugin.restoration import Restoration
from ordebug_plugin.solver.conflict import find_iis, goes_on_from_proof, is_hairline, is_irreducible, is_refuted
from ordebug_plugin.solver.elastic import infeasibility, relaxation
from ordebug_plugin.solver.environment import start_environment
from ordebug_plugin.solver.failures import gurobi_errors
from ordebug_plugin.solver.ledger import Call
from ordebug_plugin.solver.loaded import Loaded, read
from ordebug_plugin.solver.others import others
from ordebug_plugin.solver.outlining import outline
from ordebug_plugin.solver.restore import restore
from ordebug_plugin.solver.search import (
    OVERDUE,
    Found,
    Search,
    drop_objective,
    environment_parameters,
)
from ordebug_plugin.solver.version import gurobi_version
from ordebug_plugin.solver.writing import written
from ordebug_plugin.store import MISSING, open_store
from ordebug_plugin.verdict import IIS, Audit, Relaxation, Status, Verdict

if TYPE_CHECKING:
    from ordebug_plugin.arrays import Arrays

# Gurobi work units; roughly seconds on a fast core. Benchmark models need under 0.01.
DEFAULT_WORK_LIMIT = 60.0
# Seconds for a single Gurobi call. Not a limit of the question but of our patience: passing it is an infrastructure
# failure, never a verdict, because it would depend on the machine.
DEFAULT_PATIENCE = 600.0
_STATES_KEPT = 2048  # per model
_UNBOUNDED = frozenset({GRB.INF_OR_UNBD, GRB.UNBOUNDED})

T = TypeVar("T")


class Judge:
    """Answers questions about a problem under edits. Not thread-safe: one judge per thread.

    Args:
        work_limit: WorkLimit of every single Gurobi call, in work units.
        patience: Seconds of every single Gurobi call, after which it counts as failed.
        models_kept: How many models stay in memory, the most recently used ones.
        ledger: Keep a list of all questions (`calls`).
        stored: Use the store of answers where ORDEBUG_STORE names one (`store`).

    Raises:
        InputError: What is set for licences or the store makes no sense.
        SolverError: No Gurobi environment can be started (licence).
    """

    def __init__(
        self,
        *,
        work_limit: float = DEFAULT_WORK_LIMIT,
        patience: float = DEFAULT_PATIENCE,
        models_kept: int = 256,
        ledger: bool = False,
        stored: bool = True,
    ) -> None:
        self._work_limit = work_limit
        self._patience = patience
        self._env = start_environment(**self.parameters)
        self._models: OrderedDict[str, Loaded] = OrderedDict()
        self._models_kept = models_kept
        self._calls: list[Call] | None = [] if ledger else None
        self._store = open_store(gurobi_version()) if stored else None

    def __enter__(self) -> Judge:
        """Returns the judge itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Closes the judge."""
        self.close()

    @property
    def calls(self) -> tuple[Call, ...]:
        """What Gurobi was asked so far, where a ledger is kept."""
        return tuple(self._calls or ())

    @property
    def parameters(self) -> dict[str, float]:
        """The Gurobi parameters that every model starts with."""
        return {"TimeLimit": self._patience, **environment_parameters(self._work_limit)}

    def close(self) -> None:
        """Frees every model and the Gurobi environment."""
        for loaded in self._models.values():
            loaded.retire()
        self._models.clear()
        self._env.dispose()
        if self._store is not None:
            self._store.close()

    def shape(self, problem: Problem) -> Shape:
        """The rows and variables of the model as loaded.

        Raises:
            ProblemError: Gurobi cannot read the file.
        """
        return self._load(problem).shape

    def terms(self, problem: Problem, rows: Iterable[str], edits: Edits = NO_EDITS) -> dict[str, Terms]:
        """The linear terms of some rows under edits.

        Raises:
            ProblemError: Gurobi cannot read the file.
        """
        shape = self.shape(problem)
        return {row: edits.terms(shape, row) for row in rows}

    def outline(self, problem: Problem) -> Outline:
        """The objective of the model as loaded, and what is not linear in it.

        Raises:
            ProblemError: Gurobi cannot read the file.
        """
        return outline(self._load(problem))

    def arrays(self, problem: Problem, edits: Edits = NO_EDITS) -> Arrays:
        """The model under edits as arrays, for other solvers; of any size, whatever the licence.

        Raises:
            ProblemError: Gurobi cannot read the file.
        """
        from ordebug_plugin.solver.arraying import arrays  # noqa: PLC0415  # scipy.sparse takes half a second to import

        with gurobi_errors(problem):
            return arrays(self._load(problem).rewritten(edits.rewrites), edits)

    def others(self, problem: Problem) -> Mapping[str, str]:
        """What the model holds beside rows, bounds and linear costs: each such part, to what it says.

        Raises:
            ProblemError: Gurobi cannot read the file.
        """
        return others(self._load(problem))

    def written(self, problem: Problem, edits: Edits, suffix: str) -> bytes:
        """The file of the model under edits, read back and found to be that model; dropped rows are left out.

        Args:
            problem: The model.
            edits: What was changed.
            suffix: One of `writing.FORMATS`.

        Raises:
            InputError: The format cannot hold this model.
            SolverError: Gurobi failed.
        """
        with gurobi_errors(problem):
            return written(self._load(problem).rewritten(edits.rewrites), edits, suffix, self._env)

    def solve(self, problem: Problem, edits: Edits = NO_EDITS) -> Verdict:
        """Status and objective of the model under edits.

        Raises:
            LicenseLimitError: The model is too large for the licence.
            SolverError: Gurobi failed.
        """
        return self._remember(problem, edits, "solve", _solve)

    def iis(self, problem: Problem, edits: Edits = NO_EDITS) -> IIS | None:
        """An IIS of the infeasible model under edits; None where the WorkLimit ends before one is found.

        Also where there is none: the model is feasible, or infeasible by no more than the solver's tolerances.

        Raises:
            SolverError: Gurobi failed.
        """
        return self._remember(problem, edits, "iis", _iis)

    def is_irreducible(self, problem: Problem, edits: Edits = NO_EDITS) -> bool:
        """Whether the IIS of the model under edits is proven to be one: infeasible by itself, and irreducible.

        False where there is none. Gurobi's word for it (`IIS.minimal`) is not always right beside integer variables,
        and is checked there, which takes longer than to find the IIS.

        Raises:
            SolverError: Gurobi failed.
        """
        iis = self.iis(problem, edits)
        if iis is None:
            return False
        return self._remember(problem, edits, "irreducible", lambda loaded, _: is_irreducible(loaded, edits, iis))

    def is_hairline(self, problem: Problem, edits: Edits = NO_EDITS) -> bool:
        """Whether a model that Gurobi calls feasible is so within its tolerances alone: infeasible with 1e-9.

        Gurobi accepts a point that violates rows and bounds by 1e-6, and whole numbers by 1e-5. What no point violates
        by less than 1e-9 cannot be told from feasible at all.

        Raises:
            SolverError: Gurobi failed.
        """
        return self._remember(problem, edits, "hairline", is_hairline)

    def relaxation(self, problem: Problem, edits: Edits = NO_EDITS) -> Relaxation | None:
        """The cheapest repair of the model under edits; None where it cannot be computed.

        That is: the WorkLimit ends before it is proven; feasRelax, which adds columns, passes the licence limit where
        the model did not; or the model has semi-continuous variables, which feasRelax cannot relax.

        Raises:
            SolverError: Gurobi failed.
        """
        return self._remember(problem, edits, "relaxation", relaxation)

    def infeasibility(self, problem: Problem, edits: Edits = NO_EDITS) -> float | None:
        """What the cheapest repair costs, as `relaxation` would say, but sooner."""
        return self._remember(problem, edits, "infeasibility", infeasibility)

    def audit(self, problem: Problem, edits: Edits) -> Audit:
        """What the edits gave away, for edits whose model is feasible.

        Raises:
            SolverError: Gurobi failed, or the model under these edits has no solution.
        """
        return self._remember(problem, edits, "audit", _audit)

    def restored(self, problem: Problem, restoration: Restoration) -> Verdict:
        """Status and objective of the model as loaded with changes that no action can make.

        Raises:
            KeyError: The restoration names something that is not in the model.
            SolverError: Gurobi failed.
        """
        return self._restored(problem, restoration, self._work_limit)

    def can_hold(self, problem: Problem, restoration: Restoration, work_limit: float | None = None) -> Status:
        """Whether the model with such changes has a point at all: OPTIMAL, INFEASIBLE or LIMIT.

        To find the best point of a model that lost its tightest rows can take far longer than to find one.

        Args:
            problem: The model.
            restoration: The changes.
            work_limit: A lower WorkLimit than the judge's own.

        Raises:
            KeyError: The restoration names something that is not in the model.
            SolverError: Gurobi failed.
        """
        limit = self._work_limit if work_limit is None else min(work_limit, self._work_limit)
        return self._restored(problem, replace(restoration, objective=False), limit).status

    def _restored(self, problem: Problem, restoration: Restoration, work_limit: float) -> Verdict:
        loaded = self._load(problem)
        with gurobi_errors(problem):
            search = restore(loaded, restoration, work_limit)
            try:
                return _resolved(search, search.optimize())
            finally:
                search.model.dispose()

    def _remember(self, problem: Problem, edits: Edits, name: str, ask: Callable[[Loaded, Edits], T]) -> T:
        loaded = self._load(problem)
        answers = loaded.answers.get(edits)
        if answers is None:
            if len(loaded.answers) >= _STATES_KEPT:
                loaded.answers.clear()
            answers = loaded.answers[edits] = {}
        elif name in answers:
            return answers[name]  # type: ignore[return-value]  # each name is asked with one function
        if self._store is not None:
            known = self._store.get(problem.content_hash, edits, self._work_limit, name)
            if known is not MISSING:
                answers[name] = known
                return known  # type: ignore[return-value]
        began = time.perf_counter()
        answered = False
        try:
            with gurobi_errors(problem):
                answer = ask(loaded.rewritten(edits.rewrites), edits)
            answered = True
        finally:
            if not answered:  # the model may carry half of the edits: read it anew next time
                with gurobi_errors(problem):
                    self._models.pop(problem.content_hash).retire()
        answers[name] = answer
        if self._store is not None:
            self._store.put(problem.content_hash, edits, self._work_limit, name, answer)
        if self._calls is not None:
            self._calls.append(Call(name, problem.content_hash, edits, answer, time.perf_counter() - began))
        return answer

    def _load(self, problem: Problem) -> Loaded:
        loaded = self._models.get(problem.content_hash)
        if loaded is not None:
            self._models.move_to_end(problem.content_hash)
            return loaded
        loaded = self._models[problem.content_hash] = read(problem, self._env, self._work_limit)
        if len(self._models) > self._models_kept:
            _, oldest = self._models.popitem(last=False)
            oldest.retire()
        return loaded


def _solve(loaded: Loaded, edits: Edits) -> Verdict:
    loaded.point = loaded.proof = None
    if is_refuted(loaded, edits):
        return Verdict(Status.INFEASIBLE)
    loaded.carry(edits)
    found = loaded.search.optimize(doubtful=edits != NO_EDITS)  # what we are given to repair is infeasible
    loaded.proof = edits if found.status == GRB.INFEASIBLE else None
    if found.values is not None and found.status not in _UNBOUNDED:
        loaded.point = edits, found.values
    return _resolved(loaded.search, found)


def _resolved(search: Search, found: Found) -> Verdict:
    return _resolve_unbounded(search) if found.status in _UNBOUNDED else _verdict(found)


def _resolve_unbounded(search: Search) -> Verdict:
    """Decides between infeasible and unbounded by solving without an objective.

    Gurobi's UNBOUNDED only says that an improving ray exists, not that a point does (reference manual, status
    codes). Without an objective nothing is unbounded, and presolve, where it is used, keeps its strength,
    which DualReductions=0 would give up.
    """
    with search.copy() as feasibility:
        drop_objective(feasibility)
        verdict = _verdict(Search.of(feasibility, search.work_limit).optimize())
    return Verdict(Status.UNBOUNDED) if verdict.status.is_repaired else verdict


def _verdict(found: Found) -> Verdict:
    if found.status == GRB.OPTIMAL:
        return Verdict(Status.OPTIMAL, found.objective)
    if found.status == GRB.INFEASIBLE:
        return Verdict(Status.INFEASIBLE)
    if found.status in (GRB.WORK_LIMIT, GRB.SUBOPTIMAL, GRB.NUMERIC):
        return Verdict(Status.LIMIT if found.values is None else Status.FEASIBLE)
    if found.status == GRB.TIME_LIMIT:
        raise SolverError(OVERDUE)
    raise SolverError(f"Gurobi ended with the unexpected status {found.status}")


def _iis(loaded: Loaded, edits: Edits) -> IIS | None:
    if goes_on_from_proof(loaded, edits) and loaded.proof != edits:
        _solve(loaded, edits)
    return find_iis(loaded, edits)


def _audit(loaded: Loaded, edits: Edits) -> Audit:
    if loaded.point is None or loaded.point[0] != edits:
        _solve(loaded, edits)
    if loaded.point is None:
        raise SolverError("the model under these edits has no solution to audit")
    return points.audit(loaded.shape, edits, loaded.values(loaded.point[1]))
