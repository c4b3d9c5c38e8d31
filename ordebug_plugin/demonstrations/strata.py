"""How many demonstrations each problem gives, so that no kind of fault and no place in the list is the usual one."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Sequence

from ordebug_plugin.problem import Problem
from ordebug_plugin.solver import Judge

# No problem gives more than this many times its share: the same prompt again and again teaches little.
MOST = 2


def place(position: int, length: int) -> str:
    """Which third of a list a place is in: ``first``, ``middle`` or ``last``."""
    return ("first", "middle", "last")[int(3 * (position + 0.5) / length)]


def stratum(judge: Judge, problem: Problem) -> tuple[str | None, str | None]:
    """Kind of fault, and the third of its list where the first culprit stands in the first IIS.

    Raises:
        SolverError: Gurobi failed, or the model is not infeasible.
    """
    iis = judge.iis(problem)
    for names, culprits in ((iis.rows, problem.truth.rows), (iis.bounds, problem.truth.variables)) if iis else ():
        for position, name in enumerate(names):
            if name in culprits:
                return problem.error_type, place(position, len(names))
    return problem.error_type, None


def allot(strata: Sequence[Hashable], per_problem: int) -> list[int]:
    """How many demonstrations each problem gives: as even over the strata as `MOST` allows, and at least one each.

    Args:
        strata: The stratum of each problem.
        per_problem: The mean.
    """
    members: dict[Hashable, list[int]] = defaultdict(list)
    for index, key in enumerate(strata):
        members[key].append(index)
    shares = [1] * len(strata)
    left = len(strata) * (per_problem - 1)
    totals = {key: len(group) for key, group in members.items()}
    while left:
        open_ones = [key for key, group in members.items() if totals[key] < MOST * per_problem * len(group)]
        key = min(open_ones, key=lambda one: totals[one])  # of equals the first seen
        group = members[key]
        shares[group[totals[key] % len(group)]] += 1
        totals[key] += 1
        left -= 1
    return shares
