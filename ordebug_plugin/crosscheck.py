"""The judge's verdict beside that of HiGHS on the same model under the same edits, and why they differ."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum

from ordebug_plugin import highs
from ordebug_plugin.arrays import Arrays
from ordebug_plugin.edits import NO_EDITS, Edits
from ordebug_plugin.errors import LicenseLimitError, SolverError
from ordebug_plugin.problem import Problem
from ordebug_plugin.solver import Judge
from ordebug_plugin.verdict import Status, Verdict

# Relative; both stop at a gap of 1e-4 where something is whole, and on opposite sides of the optimum at worst.
_LP_GAP, _MIP_GAP = 1e-6, 2.1e-4
# What is violated by less is violated by rounding alone.
_ROUNDING = 1e-9


class Agreement(StrEnum):
    """How two verdicts stand to each other.

    SAME. TOLERANCE: they differ, and the model is on the edge of what either calls feasible. UNDECIDED: one of them
    met its limit. HIGHS_ALONE: the model is beyond the Gurobi licence. NOT_CHECKED: it is not linear, or HiGHS failed.
    CONTRADICTION: they differ, and nothing explains it.
    """

    SAME = "same"
    TOLERANCE = "tolerance"
    UNDECIDED = "undecided"
    HIGHS_ALONE = "HiGHS alone"
    NOT_CHECKED = "not checked"
    CONTRADICTION = "contradiction"


@dataclass(frozen=True)
class CrossCheck:
    """One model under edits, asked twice.

    Attributes:
        problem_id: Of the model.
        state: What was done to it, in words.
        gurobi: The judge's verdict; None where the licence does not allow one.
        highs: That of HiGHS; None where it was not asked.
        agreement: How they stand to each other.
        reason: Why they differ, or one is missing; empty where they are the same.
    """

    problem_id: str
    state: str
    gurobi: Verdict | None
    highs: Verdict | None
    agreement: Agreement
    reason: str = ""


def cross_check(
    judge: Judge, problem: Problem, edits: Edits = NO_EDITS, *, state: str, seconds: float = highs.DEFAULT_SECONDS
) -> CrossCheck:
    """Asks both solvers.

    Args:
        judge: The one.
        problem: The model; HiGHS gets it as Gurobi has read it.
        edits: What was changed.
        state: The same in words.
        seconds: Wall time for one solve of HiGHS.

    Raises:
        ProblemError: Gurobi cannot read the file.
        SolverError: Gurobi failed for another reason than the licence.
    """
    arrays = judge.arrays(problem, edits)
    gurobi: Verdict | None
    try:
        gurobi = judge.solve(problem, edits)
    except LicenseLimitError:
        gurobi = None
    other: highs.Answer | None = None
    agreement, reason = Agreement.NOT_CHECKED, f"HiGHS in scipy knows no {', '.join(arrays.beyond)}"
    if not arrays.beyond:
        try:
            other = highs.solve(arrays, seconds)
        except SolverError as error:
            reason = str(error)
    if other is not None:
        agreement, reason = _compared(arrays, gurobi, other, lambda: judge.is_hairline(problem, edits))
    return CrossCheck(problem.id, state, gurobi, None if other is None else other.verdict, agreement, reason)


def _compared(
    arrays: Arrays, gurobi: Verdict | None, other: highs.Answer, is_hairline: Callable[[], bool]
) -> tuple[Agreement, str]:
    if gurobi is None:
        return Agreement.HIGHS_ALONE, "the model is larger than this Gurobi licence allows"
    theirs = other.verdict
    if limit := _limit(gurobi.status, theirs.status):
        return Agreement.UNDECIDED, limit
    if gurobi.status is theirs.status:
        return _same_objective(gurobi, theirs, arrays)
    if theirs.status is Status.INFEASIBLE and is_hairline():
        return Agreement.TOLERANCE, "Gurobi's point exists within its tolerance of 1e-6 alone; that of HiGHS is 1e-7"
    violation = 0.0
    if gurobi.status is Status.INFEASIBLE and other.point is not None:
        violation = arrays.violation(other.point)
    if violation > _ROUNDING:
        return Agreement.TOLERANCE, f"the point of HiGHS violates the model by {violation:.1e}"
    return Agreement.CONTRADICTION, f"Gurobi says {gurobi.status}, HiGHS {theirs.status}"


def _limit(gurobi: Status, theirs: Status) -> str:
    """Whose limit leaves the question open; empty where none does: an incumbent denies infeasibility all the same."""
    met = [name for name, one in (("Gurobi", gurobi), ("HiGHS", theirs)) if one in (Status.LIMIT, Status.FEASIBLE)]
    is_open = Status.LIMIT in (gurobi, theirs) or Status.INFEASIBLE not in (gurobi, theirs)
    return f"{' and '.join(met)} met a limit" if met and is_open else ""


def _same_objective(gurobi: Verdict, theirs: Verdict, arrays: Arrays) -> tuple[Agreement, str]:
    if gurobi.objective is None or theirs.objective is None:
        return Agreement.SAME, ""
    apart = abs(gurobi.objective - theirs.objective) / max(1.0, abs(gurobi.objective), abs(theirs.objective))
    if apart <= (_MIP_GAP if arrays.is_discrete else _LP_GAP):
        return Agreement.SAME, ""
    return Agreement.CONTRADICTION, f"the optimum is {gurobi.objective:.9g} by Gurobi, {theirs.objective:.9g} by HiGHS"


def counted(checks: Iterable[CrossCheck]) -> dict[str, int]:
    """How often each agreement was found, all of them by name."""
    found = Counter(check.agreement for check in checks)
    return {agreement.value: found[agreement] for agreement in Agreement}
