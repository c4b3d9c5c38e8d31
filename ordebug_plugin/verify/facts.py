"""Facts about an infeasible model that no label is needed for: how hard is it to recover, and what would be enough."""

from __future__ import annotations

from dataclasses import dataclass

from ordebug_plugin.edits import NO_EDITS, Edits
from ordebug_plugin.interval import FREE
from ordebug_plugin.problem import Problem
from ordebug_plugin.solver import Judge
from ordebug_plugin.verdict import IIS, Status

# A model has as many disjoint conflicts as it has rows at most; more than this say nothing new.
MAX_DISJOINT = 20
# Each row of the IIS is dropped alone, one solve for each; longer conflicts are only counted.
MAX_TRIED = 200


@dataclass(frozen=True)
class Facts:
    """What the solver finds out about a broken model.

    Attributes:
        iis_rows: Rows of the first IIS; None where none was found within the work limit.
        iis_bounds: Variables of which a bound is in it.
        cheapest: Cost of the cheapest repair (L1 feasRelax); None where it could not be computed.
        single_drops: Rows that are each enough to drop; None where there were too many to try.
        disjoint: IISs without a common row, found greedily: the rows of one are dropped, and the next is looked for.
        disjoint_bounded: Whether the search ended at its bound or the work limit, and there may be more.
    """

    iis_rows: int | None
    iis_bounds: int | None
    cheapest: float | None
    single_drops: tuple[str, ...] | None
    disjoint: int
    disjoint_bounded: bool


def find_facts(judge: Judge, problem: Problem) -> Facts:
    """Measures one infeasible model.

    Raises:
        SolverError: Gurobi failed.
    """
    iis = judge.iis(problem)
    disjoint, bounded = count_disjoint(judge, problem)
    return Facts(
        iis_rows=None if iis is None else len(iis.rows),
        iis_bounds=None if iis is None else len(iis.bounds),
        cheapest=judge.infeasibility(problem),
        single_drops=_single_drops(judge, problem, iis),
        disjoint=disjoint,
        disjoint_bounded=bounded,
    )


def _single_drops(judge: Judge, problem: Problem, iis: IIS | None) -> tuple[str, ...] | None:
    """A row that is enough to drop is in every IIS, so those of the first are all there are to try."""
    if iis is None or len(iis.rows) > MAX_TRIED:
        return None
    return tuple(row for row in iis.rows if judge.solve(problem, dropped([row])).status.is_repaired)


def count_disjoint(judge: Judge, problem: Problem) -> tuple[int, bool]:
    """How many IISs without a common row were found, and whether there may be more."""
    gone: list[str] = []
    for found in range(MAX_DISJOINT):
        status = judge.solve(problem, dropped(gone)).status
        if status is not Status.INFEASIBLE:
            return found, status is Status.LIMIT
        iis = judge.iis(problem, dropped(gone))
        if iis is None:
            return found, True
        if not iis.rows:  # bounds alone: no row to drop, and every further search would find it again
            return found + 1, False
        gone += iis.rows
    return MAX_DISJOINT, True


def dropped(rows: list[str]) -> Edits:
    """The edits that drop some rows."""
    return Edits(rows=tuple((row, FREE) for row in sorted(rows))) if rows else NO_EDITS
