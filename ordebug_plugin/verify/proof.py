"""One problem, its labels held against the solver: each proven, provably wrong, or not to be checked.

A label is wrong only where the solver contradicts it. Where a record says nothing, says it in words that are not
understood, or the solver does not come to an end, the label is unchecked, and the reason says which.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ordebug_plugin.errors import ProblemError, SolverError
from ordebug_plugin.problem import Problem
from ordebug_plugin.solver import Judge
from ordebug_plugin.verdict import Status, Verdict
from ordebug_plugin.verify.claims import Claims
from ordebug_plugin.verify.description import check_descriptions, check_facts
from ordebug_plugin.verify.facts import Facts, find_facts
from ordebug_plugin.verify.fault import check_culprit, check_fix
from ordebug_plugin.verify.finding import Check, Finding, Ruling, proven, unchecked, wrong

# Labels without which an instance is not proven; the others describe it.
ESSENTIAL = (Check.READABLE, Check.INFEASIBLE, Check.CULPRIT, Check.FIX, Check.OBJECTIVE)


@dataclass(frozen=True)
class Proof:
    """One problem, checked.

    Attributes:
        problem_id: Id within the benchmark.
        content_hash: Hash of the model.
        error_type: Fault type as labelled.
        findings: What came of each check that applies.
        facts: What the solver found out; None where the model is not infeasible, or could not be judged.
        failure: Why the solver could not judge it: an infrastructure failure, which proves nothing.
    """

    problem_id: str
    content_hash: str
    error_type: str | None
    findings: tuple[Finding, ...]
    facts: Facts | None
    failure: str | None = None

    def ruling(self, *checks: Check) -> Ruling:
        """Over some checks, or all: wrong where one is, else unchecked where one is or is missing."""
        rulings = [finding.ruling for finding in self.findings if not checks or finding.check in checks]
        if Ruling.WRONG in rulings:
            return Ruling.WRONG
        missing = len(rulings) < len(checks)
        return Ruling.UNCHECKED if Ruling.UNCHECKED in rulings or missing else Ruling.PROVEN

    @property
    def state(self) -> Ruling:
        """Whether the instance is what its essential labels say."""
        return self.ruling(*ESSENTIAL)


def prove(judge: Judge, problem: Problem, claims: Claims) -> Proof:
    """Checks one problem; a solver that fails leaves it unchecked, with the reason."""
    findings: list[Finding] = []
    facts = failure = None
    try:
        findings += _check_labels(judge, problem, claims)
        if judge.solve(problem).status is Status.INFEASIBLE:
            facts = find_facts(judge, problem)
            findings += check_facts(facts, claims.facts)
    except ProblemError as error:
        findings.append(wrong(Check.READABLE, str(error)))
    except SolverError as error:
        failure = str(error)
    return Proof(problem.id, problem.content_hash, problem.error_type, tuple(findings), facts, failure)


def _check_labels(judge: Judge, problem: Problem, claims: Claims) -> Iterator[Finding]:
    verdict, shape = judge.solve(problem), judge.shape(problem)
    yield proven(Check.READABLE)
    yield _infeasible(verdict, claims)
    yield check_culprit(judge, problem, shape, claims)
    yield from check_fix(judge, problem, shape, claims)
    yield from check_descriptions(judge, problem, shape, claims)


def _infeasible(verdict: Verdict, claims: Claims) -> Finding:
    if verdict.status is Status.LIMIT:
        return unchecked(Check.INFEASIBLE, "not decided within the work limit: raise --work-limit")
    if verdict.status is not Status.INFEASIBLE:
        return wrong(Check.INFEASIBLE, f"the model is {verdict.status}")
    if claims.status not in (None, str(Status.INFEASIBLE)):
        return wrong(Check.INFEASIBLE, f"the record says {claims.status}, the model is INFEASIBLE")
    return proven(Check.INFEASIBLE)
