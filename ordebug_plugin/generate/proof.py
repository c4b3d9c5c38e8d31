"""What the solver must say of an instance before it becomes a problem, and what is recorded of it.

Every problem: the original has an optimum, the broken model is infeasible, the fix restores the objective, and every
part of the fault is needed: with all others undone the model is still infeasible.

Problems that are to teach diagnosis are besides held to this: the conflict is not so short that a guess finds the
culprit, and dropping a row that is not at fault does not keep the optimum, nor does the cheapest repair. Whoever reads
neither algebra nor text cannot do well on them.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ordebug_plugin.edits import Edits, apply_all
from ordebug_plugin.generate.faults import Evidence
from ordebug_plugin.generate.instance import Instance
from ordebug_plugin.generate.model import LinearModel
from ordebug_plugin.problem import Problem, load_problem
from ordebug_plugin.scoring import optimality_preservation
from ordebug_plugin.solver import Judge
from ordebug_plugin.verdict import IIS, Status
from ordebug_plugin.verify.description import check_iis
from ordebug_plugin.verify.facts import Facts, dropped, find_facts
from ordebug_plugin.verify.fault import restores
from ordebug_plugin.verify.finding import Ruling
from ordebug_plugin.verify.row import OBJECTIVE_KEPT

# Fewer rows and bounds in conflict, and a guess is right too often.
SHORTEST_CONFLICT = 3


@dataclass(frozen=True)
class Proof:
    """What the solver found.

    Attributes:
        objective: Optimum of the original.
        iis: The first IIS of the broken model.
        culprits: Rows and variables that must be changed.
        facts: What is true of it without a label.
        cheapest_hits: Whether the cheapest repair changes a culprit.
    """

    objective: float
    iis: IIS
    culprits: int
    facts: Facts
    cheapest_hits: bool

    @property
    def elements(self) -> int:
        """Rows and bounds in the first IIS."""
        return len(self.iis.rows) + len(self.iis.bounds)

    @property
    def evidence(self) -> Evidence:
        """What decides of which kind the fault is."""
        drops = self.facts.single_drops
        return Evidence(self.elements, len(drops or ()), self.culprits, self.cheapest_hits)


@dataclass(frozen=True)
class Bench:
    """Where models are put before the solver.

    Attributes:
        judge: The solver.
        folder: A folder for files that are overwritten all the time.
    """

    judge: Judge
    folder: Path

    def load(self, name: str, model: LinearModel) -> Problem:
        """A model as the judge takes it."""
        path = self.folder / f"{name}.mps"
        path.write_text(model.to_mps(), encoding="utf-8")
        return load_problem(path)


def optimum(bench: Bench, model: LinearModel) -> float | None:
    """The optimum of an original; None where it has none."""
    verdict = bench.judge.solve(bench.load("original", model))
    return verdict.objective if verdict.status is Status.OPTIMAL else None


def is_infeasible(bench: Bench, model: LinearModel) -> bool:
    """Whether a model is infeasible: most faults leave it feasible, and this is the cheapest way to find out."""
    return bench.judge.solve(bench.load("drawn", model)).status is Status.INFEASIBLE


def prove(bench: Bench, instance: Instance, objective: float, *, plain: bool) -> Proof | None:
    """Asks the solver for every claim that the record will make; None where one does not hold.

    Args:
        bench: The solver.
        instance: What to prove.
        objective: The optimum of its original.
        plain: Whether the problem need not teach diagnosis.

    Raises:
        SolverError: Gurobi failed.
    """
    judge, problem = bench.judge, bench.load("broken", instance.broken)
    if judge.solve(problem).status is not Status.INFEASIBLE or not _undoes(judge, problem, instance, objective):
        return None
    iis = judge.iis(problem)
    if iis is None or not (plain or _is_long(iis, instance)) or not _holds(judge, problem, iis):
        return None
    relaxation = judge.relaxation(problem)
    facts = find_facts(judge, problem)
    if relaxation is None or facts.single_drops is None or facts.cheapest is None:
        return None
    decided = (Status.OPTIMAL, Status.INFEASIBLE, Status.UNBOUNDED)
    if any(judge.solve(problem, dropped([row])).status not in decided for row in iis.rows):
        return None  # within another work limit, the facts might be others
    cheapest = Edits(relaxation.rows, relaxation.variables)
    touched = {name for name, _ in (*relaxation.rows, *relaxation.variables)}
    if not plain:
        shortcuts = [dropped([row]) for row in facts.single_drops if row not in instance.undo.rows]
        shortcuts += [] if touched & set(instance.undo.elements) else [cheapest]
        if any(_keeps(judge.solve(problem, edits).objective, objective) for edits in shortcuts):
            return None
    culprits = instance.undo.elements
    return Proof(objective, iis, len(culprits), facts, bool(touched & set(culprits)))


def _undoes(judge: Judge, problem: Problem, instance: Instance, objective: float) -> bool:
    """Whether the fix restores the objective, and no part of it could be left out."""
    shape, fix = judge.shape(problem), instance.undo.fix
    edits = apply_all(shape, fix)
    if edits is None or not restores(shape, judge.solve(problem, edits).objective, objective):
        return False
    for left_out in fix if len(fix) > 1 else ():
        others = apply_all(shape, [action for action in fix if action is not left_out])
        if others is None or judge.solve(problem, others).status is not Status.INFEASIBLE:
            return False
    return True


def _holds(judge: Judge, problem: Problem, iis: IIS) -> bool:
    return (
        judge.is_irreducible(problem)
        and check_iis(judge, problem, judge.shape(problem), iis.rows, iis.bounds).ruling is Ruling.PROVEN
    )


def _is_long(iis: IIS, instance: Instance) -> bool:
    if len(iis.rows) + len(iis.bounds) < SHORTEST_CONFLICT:
        return False
    return len(iis.rows) > 1 or not set(iis.rows) & set(instance.undo.rows)


def _keeps(found: float | None, objective: float) -> bool:
    return found is not None and optimality_preservation(found, objective) >= OBJECTIVE_KEPT
