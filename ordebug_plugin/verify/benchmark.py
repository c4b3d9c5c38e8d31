"""A whole benchmark, checked: every problem on its own, and what only shows beside the others."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ordebug_plugin.guarded import check_gurobi
from ordebug_plugin.parallel import Crew, call_each, judge_of
from ordebug_plugin.problem import Problem, load_benchmark, load_records
from ordebug_plugin.solver import DEFAULT_WORK_LIMIT
from ordebug_plugin.verify.claims import Claims, read_claims
from ordebug_plugin.verify.finding import Check, Finding, Ruling, listed, proven, wrong
from ordebug_plugin.verify.proof import Proof, prove
from ordebug_plugin.workers import Lost


@dataclass(frozen=True)
class BenchmarkCheck:
    """What came of a benchmark.

    Attributes:
        name: Name of the folder or file.
        proofs: One per problem, in their order.
    """

    name: str
    proofs: tuple[Proof, ...]

    def count(self, state: Ruling, error_type: str | None = None) -> int:
        """Problems in a state, of one fault type or of all."""
        return sum(proof.state is state for proof in self.of_type(error_type))

    def of_type(self, error_type: str | None) -> tuple[Proof, ...]:
        """The problems of a fault type; all for None."""
        return tuple(proof for proof in self.proofs if error_type in (None, type_of(proof)))

    @property
    def types(self) -> tuple[str, ...]:
        """Fault types, sorted."""
        return tuple(sorted({type_of(proof) for proof in self.proofs}))

    @property
    def wrong(self) -> tuple[tuple[Proof, Finding], ...]:
        """Every label that is provably wrong."""
        return tuple(
            (proof, finding) for proof in self.proofs for finding in proof.findings if finding.ruling is Ruling.WRONG
        )


def type_of(proof: Proof) -> str:
    """The fault type of a problem, for tables."""
    return proof.error_type or "unlabelled"


def check_benchmark(
    path: Path,
    *,
    limit: int | None = None,
    workers: Crew = 0,
    work_limit: float = DEFAULT_WORK_LIMIT,
    on_progress: Callable[[Proof], None] | None = None,
) -> BenchmarkCheck:
    """Checks a benchmark folder, or a single model file.

    Args:
        path: See `problem.load_benchmark`.
        limit: Only the first so many problems; ids and duplicates are compared among these.
        workers: Who works; the result does not depend on it.
        work_limit: Gurobi work units per solve.
        on_progress: Called with every problem's proof.

    Raises:
        ProblemError: The benchmark cannot be loaded.
        SolverError: Gurobi cannot start.
    """
    benchmark, records = load_benchmark(path), load_records(path)
    check_gurobi(work_limit=work_limit)
    problems = benchmark.problems[:limit]
    claims = [read_claims(record, problem.truth) for record, problem in zip(records, problems, strict=False)]
    calls = [(work_limit, problem, claim) for problem, claim in zip(problems, claims, strict=True)]

    def report(result: Proof | Lost) -> None:
        if on_progress is not None and isinstance(result, Proof):
            on_progress(result)

    results = call_each(prove_one, calls, workers=workers, on_done=report)
    proofs = [
        _lost(problem, result) if isinstance(result, Lost) else result
        for problem, result in zip(problems, results, strict=True)
    ]
    return BenchmarkCheck(benchmark.name, tuple(_compared(proofs)))


def prove_one(work_limit: float, problem: Problem, claims: Claims) -> Proof:
    """What a worker does."""
    return prove(judge_of(work_limit), problem, claims)


def _lost(problem: Problem, lost: Lost) -> Proof:
    return Proof(problem.id, problem.content_hash, problem.error_type, (), None, failure=lost.reason)


def _compared(proofs: Sequence[Proof]) -> list[Proof]:
    """Adds to every proof whether its id and its model are its own."""
    by_id, by_content = _groups(proofs, "problem_id"), _groups(proofs, "content_hash")
    compared = []
    for place, proof in enumerate(proofs):
        same_id = len(by_id[proof.problem_id])
        own_id = proven(Check.ID) if same_id == 1 else wrong(Check.ID, f"{same_id} problems have this id")
        twins = [other for other in by_content[proof.content_hash] if other != place]
        names = listed(proofs[other].problem_id for other in twins)
        own_model = wrong(Check.DUPLICATE, f"the same model as {names}") if twins else proven(Check.DUPLICATE)
        compared.append(replace(proof, findings=(own_id, own_model, *proof.findings)))
    return compared


def _groups(proofs: Sequence[Proof], attribute: str) -> Mapping[str, list[int]]:
    groups: dict[str, list[int]] = defaultdict(list)
    for place, proof in enumerate(proofs):
        groups[getattr(proof, attribute)].append(place)
    return groups
