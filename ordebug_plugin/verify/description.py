"""The labels that describe an instance: the recorded IIS, its type, its size."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ordebug_plugin.edits import Shape
from ordebug_plugin.problem import Problem
from ordebug_plugin.restoration import Kind, KindChange, Restoration
from ordebug_plugin.solver import Judge
from ordebug_plugin.verdict import Status
from ordebug_plugin.verify.claims import Claims
from ordebug_plugin.verify.facts import Facts
from ordebug_plugin.verify.fault import LP_TOLERANCE
from ordebug_plugin.verify.finding import Check, Finding, missing_names, proven, unchecked, wrong

# Work units for a conflict that needs whole numbers. A search over unbounded ones may be slow beyond what a unit says.
_WHOLE_NUMBERS_WORK = 0.2


def check_descriptions(judge: Judge, problem: Problem, shape: Shape, claims: Claims) -> Iterator[Finding]:
    """Checks the labels that describe the instance, those that there are.

    Raises:
        SolverError: Gurobi failed.
    """
    if claims.iis_rows is not None:
        yield check_iis(judge, problem, shape, claims.iis_rows, claims.iis_bounds)
    if claims.problem_type is not None:
        actual = "mip" if shape.binaries or shape.integers else "lp"
        right = claims.problem_type.lower() == actual
        yield _described(Check.PROBLEM_TYPE, right, f"the record says {claims.problem_type}, the model is {actual}")
    if claims.target_type is not None and problem.truth.has_culprit:
        actual = "variable" if problem.truth.variables else "constraint"
        reason = f"the record says {claims.target_type}, {claims.target_name} is a {actual}"
        yield _described(Check.TARGET_TYPE, claims.target_type == actual, reason)
    sizes = (claims.n_rows or len(shape.rows), claims.n_variables or len(shape.variables))
    if claims.n_rows is not None or claims.n_variables is not None:
        actual_sizes = (len(shape.rows), len(shape.variables))
        reason = f"the record says {sizes[0]} × {sizes[1]}, the model is {actual_sizes[0]} × {actual_sizes[1]}"
        yield _described(Check.SIZE, sizes == actual_sizes, reason)


def check_facts(found: Facts, claimed: Facts | None) -> Iterator[Finding]:
    """Checks what a record says that the solver found out, where it says so."""
    if claimed is None:
        return
    yield _compared(Check.CHEAPEST, found.cheapest, claimed.cheapest, _same_cost(found.cheapest, claimed.cheapest))
    drops = found.single_drops, claimed.single_drops
    yield _compared(Check.SINGLE_DROPS, *drops, drops[0] == drops[1])
    if found.disjoint != claimed.disjoint and (found.disjoint_bounded or claimed.disjoint_bounded):
        reason = f"the record says {claimed.disjoint}, {found.disjoint} were found; a search ended at its limit"
        yield unchecked(Check.DISJOINT, reason)
    else:
        yield _compared(Check.DISJOINT, found.disjoint, claimed.disjoint, found.disjoint == claimed.disjoint)


def _compared(check: Check, now: object, then: object, right: bool) -> Finding:
    return _described(check, right, f"the record says {then}, it is {now}")


def _same_cost(one: float | None, other: float | None) -> bool:
    if one is None or other is None:
        return one is other
    return abs(one - other) <= LP_TOLERANCE * max(1.0, abs(other))


def _described(check: Check, right: bool, reason: str) -> Finding:
    return proven(check) if right else wrong(check, reason)


def check_iis(judge: Judge, problem: Problem, shape: Shape, rows: Sequence[str], bounds: Sequence[str]) -> Finding:
    """Whether the recorded rows and bounds contradict each other without the rest of the model.

    Integrality stays, and with it the 0 and 1 of binaries: Gurobi counts neither among the bounds of an IIS. Most
    conflicts need no integrality, and without it the question always has an answer; with it, over variables without
    bounds, a search need not end.

    Raises:
        SolverError: Gurobi failed.
    """
    missing = missing_names(shape, rows, bounds)
    if missing:
        return wrong(Check.IIS, f"not in the model: {missing}")
    others = tuple(row for row in shape.rows if row not in set(rows))
    free = [name for name in shape.variables if name not in set(bounds) and name not in shape.binaries]
    kinds = tuple(KindChange(name, None, float("-inf"), float("inf")) for name in free)
    continuous = tuple(KindChange(name, Kind.CONTINUOUS) for name in shape.integers | shape.binaries)
    status = judge.can_hold(problem, Restoration(others, kinds=(*continuous, *kinds)))
    if continuous and status is not Status.INFEASIBLE:
        status = judge.can_hold(problem, Restoration(others, kinds=kinds), _WHOLE_NUMBERS_WORK)
    if status is Status.INFEASIBLE:
        return proven(Check.IIS)
    if status is Status.LIMIT:
        return unchecked(Check.IIS, "not decided within the work limit")
    return wrong(Check.IIS, "the recorded rows and bounds do not contradict each other")
