"""The labels of a fault: the culprit, the fix that undoes it, and the objective that the fix restores."""

from __future__ import annotations

from collections.abc import Iterator

from ordebug_plugin.actions import Action
from ordebug_plugin.edits import NO_EDITS, Edits, Shape, apply_all, resolve
from ordebug_plugin.problem import Problem
from ordebug_plugin.restoration import Kind, KindChange, Restoration
from ordebug_plugin.solver import Judge
from ordebug_plugin.truth import Truth
from ordebug_plugin.verdict import Status, Verdict
from ordebug_plugin.verify.claims import Claims
from ordebug_plugin.verify.finding import Check, Finding, listed, missing_names, proven, unchecked, wrong

# Relative distance of two optima of the same linear model, and of two that Gurobi proves to its MIPGap of 1e-4 each.
LP_TOLERANCE = 1e-6
MIP_TOLERANCE = 2e-4


def check_culprit(judge: Judge, problem: Problem, shape: Shape, claims: Claims) -> Finding:
    """Whether the culprit is in the model, and whether the fault can be there at all.

    Raises:
        SolverError: Gurobi failed.
    """
    truth = problem.truth
    if not truth.has_culprit:
        return unchecked(Check.CULPRIT, "no culprit recorded")
    missing = missing_names(shape, (*truth.rows, *truth.added_rows), truth.variables)
    if missing:
        return wrong(Check.CULPRIT, f"not in the model: {missing}")
    fits = not isinstance(_apply(shape, truth.fix), str)  # else the fix is wrong, and says nothing of the culprit
    targets = {resolve(shape, NO_EDITS, action).target for action in truth.fix} if fits else set()
    if claims.exact and targets and not targets & {*truth.rows, *truth.variables}:
        return wrong(Check.CULPRIT, f"the fix touches {listed(targets)}, never the culprit")
    status = judge.can_hold(problem, _without(truth))
    if status is Status.INFEASIBLE:
        reason = "the model stays infeasible without the culprit, so the fault is not there alone"
        return wrong(Check.CULPRIT, reason)
    if status is Status.LIMIT:
        return unchecked(Check.CULPRIT, "not decided within the work limit without the culprit")
    return proven(Check.CULPRIT)


def _without(truth: Truth) -> Restoration:
    """The model with its culprit taken out of it: whatever undoes the fault leaves less room than this."""
    free = tuple(KindChange(name, Kind.CONTINUOUS, float("-inf"), float("inf")) for name in truth.variables)
    return Restoration(removed=tuple(dict.fromkeys((*truth.rows, *truth.added_rows))), kinds=free)


def check_fix(judge: Judge, problem: Problem, shape: Shape, claims: Claims) -> Iterator[Finding]:
    """Whether the recorded fix recovers, and whether it restores the recorded objective.

    Raises:
        SolverError: Gurobi failed.
    """
    verdict = _repaired(judge, problem, shape, claims)
    if isinstance(verdict, Finding):
        yield verdict
        yield unchecked(Check.OBJECTIVE, "no fix to restore it")
    elif verdict.status is Status.LIMIT:
        yield unchecked(Check.FIX, "not decided within the work limit after the fix")
        yield unchecked(Check.OBJECTIVE, "not decided within the work limit after the fix")
    elif not verdict.status.is_repaired:
        yield wrong(Check.FIX, f"after the recorded fix the model is {verdict.status}")
        yield unchecked(Check.OBJECTIVE, "the fix does not recover")
    else:
        yield proven(Check.FIX)
        yield _objective(judge, problem, shape, claims, verdict)


def _repaired(judge: Judge, problem: Problem, shape: Shape, claims: Claims) -> Verdict | Finding:
    """The verdict after the recorded fix, or why there is none."""
    if claims.exact:
        if not problem.truth.fix:
            return unchecked(Check.FIX, "no fix recorded")
        edits = _apply(shape, problem.truth.fix)
        return wrong(Check.FIX, edits) if isinstance(edits, str) else judge.solve(problem, edits)
    restoration = claims.restoration
    if restoration is None:
        return unchecked(Check.FIX, _not_understood(claims.fix_text))
    objection = _objection(judge, problem, shape, restoration)
    return wrong(Check.FIX, objection) if objection else judge.restored(problem, restoration)


def _not_understood(text: str) -> str:
    return f"the fix is in words that are not understood: {text!r}" if text else "no fix recorded"


def _apply(shape: Shape, fix: tuple[Action, ...]) -> Edits | str:
    """The edits of a fix, or which action of it does not fit the model."""
    fitting = NO_EDITS
    for place, action in enumerate(fix, 1):
        edits = apply_all(shape, fix[:place])
        if edits is None:
            return f"{action} cannot be executed on this model"
        fitting = edits
    return fitting


def _objection(judge: Judge, problem: Problem, shape: Shape, restoration: Restoration) -> str:
    """Where the words contradict the model that they speak of; empty where they do not."""
    rows = [*restoration.removed, *(change.row for change in restoration.senses)]
    rows += [change.row for change in restoration.coefficients]
    variables = [change.variable for change in restoration.kinds]
    variables += [change.variable for change in restoration.coefficients]
    missing = missing_names(shape, rows, variables)
    if missing:
        return f"the fix names what is not in the model: {missing}"
    for flipped in restoration.senses:
        sense = shape.rows[flipped.row].sense
        if sense != flipped.old:
            return f"the fix says that {flipped.row} is {flipped.old}, it is {sense}"
    for set_back in restoration.coefficients:
        row, variable = set_back.row, set_back.variable
        value = dict(judge.terms(problem, [row])[row]).get(variable, 0.0)
        if not _close(value, set_back.old, LP_TOLERANCE):
            return f"the fix says that {variable} has {set_back.old:g} in {row}, it has {value:g}"
    return ""


def _objective(judge: Judge, problem: Problem, shape: Shape, claims: Claims, verdict: Verdict) -> Finding:
    recorded, found = problem.truth.objective, verdict.objective
    if recorded is None:
        return unchecked(Check.OBJECTIVE, "no original objective recorded")
    if found is None:
        return unchecked(Check.OBJECTIVE, "the optimum after the fix is not proven")
    restoration = Restoration() if claims.exact or claims.restoration is None else claims.restoration
    if _close(found, recorded, _tolerance(shape, restoration)):
        return proven(Check.OBJECTIVE)
    reason = f"the fix gives {found:.9g}, recorded is {recorded:.9g}"
    made_whole = [change for change in restoration.kinds if change.kind is Kind.INTEGER]
    if made_whole:  # the published generator calls every variable integer that it made binary
        kinds = tuple(KindChange(change.variable, Kind.CONTINUOUS, upper=change.upper) for change in made_whole)
        other = judge.restored(problem, Restoration(restoration.removed, kinds=kinds)).objective
        if other is not None and _close(other, recorded, LP_TOLERANCE):
            reason += f"; so it was: {listed(change.variable for change in kinds)} continuous, not INTEGER"
    return wrong(Check.OBJECTIVE, reason)


def restores(shape: Shape, found: float | None, recorded: float) -> bool:
    """Whether an optimum after a fix is the recorded one, as far as Gurobi proves optima."""
    return found is not None and _close(found, recorded, _tolerance(shape, Restoration()))


def _tolerance(shape: Shape, restoration: Restoration) -> float:
    discrete = shape.binaries | shape.integers or restoration.kinds
    return MIP_TOLERANCE if discrete else LP_TOLERANCE


def _close(one: float, other: float, tolerance: float) -> bool:
    return abs(one - other) <= tolerance * max(1.0, abs(other))
