"""HiGHS, as it comes with scipy: another solver's word on a linear model, of any size and without a licence."""

from __future__ import annotations

from dataclasses import dataclass, replace
from importlib.metadata import version

import numpy as np

from ordebug_plugin.arrays import Arrays, Floats
from ordebug_plugin.errors import SolverError
from ordebug_plugin.verdict import Status, Verdict

DEFAULT_SECONDS = 60.0
# How `milp` says what it ended with; 4 is everything else, e.g. "unbounded or infeasible".
_OPTIMAL, _LIMIT, _INFEASIBLE, _UNBOUNDED = 0, 1, 2, 3


@dataclass(frozen=True)
class Answer:
    """What HiGHS says.

    Attributes:
        verdict: In the judge's words; LIMIT where it decided nothing in its time.
        point: Where it is feasible, a point; None else.
    """

    verdict: Verdict
    point: Floats | None = None


def highs_name() -> str:
    """Whose HiGHS it is."""
    return f"HiGHS of scipy {version('scipy')}"


def solve(arrays: Arrays, seconds: float = DEFAULT_SECONDS) -> Answer:
    """Asks HiGHS, with its own tolerances: rows and bounds 1e-7, whole numbers 1e-6, a gap of 1e-4.

    Args:
        arrays: A linear model (`Arrays.beyond` is empty).
        seconds: Wall time for one solve; HiGHS has no limit of work.

    Raises:
        SolverError: It failed.
    """
    found, answer = _optimize(arrays, seconds)
    if found in (_OPTIMAL, _LIMIT, _INFEASIBLE):
        return answer
    # Unbounded promises a direction, not a point, as with Gurobi: without an objective it is one or the other.
    again, bare = _optimize(replace(arrays, costs=np.zeros_like(arrays.costs)), seconds)
    if again == _OPTIMAL:
        return Answer(Verdict(Status.UNBOUNDED), bare.point)
    if again in (_LIMIT, _INFEASIBLE):
        return Answer(Verdict(Status.LIMIT)) if again == _LIMIT else bare
    raise SolverError("HiGHS ended without an answer")


def _optimize(arrays: Arrays, seconds: float) -> tuple[int, Answer]:
    from scipy.optimize import Bounds, LinearConstraint, milp  # noqa: PLC0415  # takes a second to import

    if not arrays.costs.size:  # milp wants a variable
        feasible = bool((arrays.row_lower <= 0).all() and (arrays.row_upper >= 0).all())
        verdict = Verdict(Status.OPTIMAL, arrays.constant) if feasible else Verdict(Status.INFEASIBLE)
        return _OPTIMAL, Answer(verdict, np.zeros(0) if feasible else None)
    if (arrays.lower > arrays.upper).any() or (arrays.row_lower > arrays.row_upper).any():
        return _INFEASIBLE, Answer(Verdict(Status.INFEASIBLE))  # milp refuses to ask
    sign = -1.0 if arrays.maximize else 1.0
    rows = LinearConstraint(arrays.matrix, arrays.row_lower, arrays.row_upper) if arrays.matrix.shape[0] else None
    result = milp(
        sign * arrays.costs,
        integrality=arrays.kinds,
        bounds=Bounds(arrays.lower, arrays.upper),
        constraints=rows,
        options={"time_limit": seconds, "presolve": True},
    )
    point = None if result.x is None else np.asarray(result.x)
    if result.status == _OPTIMAL:
        return _OPTIMAL, Answer(Verdict(Status.OPTIMAL, sign * float(result.fun) + arrays.constant), point)
    if result.status == _INFEASIBLE:
        return _INFEASIBLE, Answer(Verdict(Status.INFEASIBLE))
    if result.status == _LIMIT:
        return _LIMIT, Answer(Verdict(Status.LIMIT if point is None else Status.FEASIBLE), point)
    return int(result.status), Answer(Verdict(Status.LIMIT))
