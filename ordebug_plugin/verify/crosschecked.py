"""A benchmark, or a recorded run, asked of HiGHS as well: every model as loaded and with its known fix, every state."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ordebug_plugin.crosscheck import Agreement, CrossCheck, counted, cross_check
from ordebug_plugin.edits import NO_EDITS, Edits, apply_all
from ordebug_plugin.errors import OrdebugError
from ordebug_plugin.highs import highs_name
from ordebug_plugin.parallel import Crew, call_each, judge_of
from ordebug_plugin.problem import Problem, load_benchmark
from ordebug_plugin.verdict import Verdict
from ordebug_plugin.workers import Lost

AS_LOADED, FIXED = "as loaded", "with the known fix"
_SHOWN = 20


def cross_check_benchmark(
    path: Path,
    *,
    limit: int | None = None,
    workers: Crew = 0,
    work_limit: float,
    on_progress: Callable[[Sequence[CrossCheck]], None] | None = None,
) -> list[CrossCheck]:
    """Asks HiGHS about the problems of a benchmark folder, or a single model file.

    Args:
        path: See `problem.load_benchmark`.
        limit: Only the first so many problems.
        workers: Who works.
        work_limit: Gurobi work units per solve.
        on_progress: Called with what was found of every problem.

    Raises:
        ProblemError: The benchmark cannot be loaded.
    """
    problems = load_benchmark(path).problems[:limit]
    states = [(problem, None) for problem in problems]
    return _cross_check(states, workers=workers, work_limit=work_limit, on_progress=on_progress)


def cross_check_states(
    states: Sequence[tuple[Problem, Edits]],
    *,
    workers: Crew = 0,
    work_limit: float,
    on_progress: Callable[[Sequence[CrossCheck]], None] | None = None,
) -> list[CrossCheck]:
    """Asks HiGHS about models under edits; arguments as of `cross_check_benchmark`."""
    return _cross_check(states, workers=workers, work_limit=work_limit, on_progress=on_progress)


def _cross_check(
    states: Sequence[tuple[Problem, Edits | None]],
    *,
    workers: Crew,
    work_limit: float,
    on_progress: Callable[[Sequence[CrossCheck]], None] | None,
) -> list[CrossCheck]:
    found: list[CrossCheck] = []
    done = 0

    def report(result: list[CrossCheck] | Lost) -> None:
        nonlocal done
        problem, _ = states[done]
        done += 1
        checks = [_not_checked(problem, result.reason)] if isinstance(result, Lost) else result
        found.extend(checks)
        if on_progress is not None:
            on_progress(checks)

    call_each(check_one, [(work_limit, *state) for state in states], workers=workers, on_done=report)
    return found


def check_one(work_limit: float, problem: Problem, edits: Edits | None) -> list[CrossCheck]:
    """What a worker does.

    Args:
        work_limit: Of the judge.
        problem: The model.
        edits: What was changed; None for the model as loaded, and with the known fix where there is one.
    """
    judge = judge_of(work_limit)
    try:
        if edits is not None:
            return [cross_check(judge, problem, edits, state=_state(edits))]
        checks = [cross_check(judge, problem, state=AS_LOADED)]
        fixed = apply_all(judge.shape(problem), problem.truth.fix) if problem.truth.fix else None
        if fixed is not None:
            checks.append(cross_check(judge, problem, fixed, state=FIXED))
    except OrdebugError as error:
        return [_not_checked(problem, str(error))]
    return checks


def _state(edits: Edits) -> str:
    if edits == NO_EDITS:
        return AS_LOADED
    names = [*edits.changed_rows, *(name for name, _ in edits.variables)]
    return f"with {len(names)} rows or variables changed: {', '.join(names)}"


def _not_checked(problem: Problem, reason: str) -> CrossCheck:
    return CrossCheck(problem.id, AS_LOADED, None, None, Agreement.NOT_CHECKED, reason)


def cross_check_lines(checks: Sequence[CrossCheck]) -> list[str]:
    """What was found, in words: the counts, and everything that is not the same."""
    counts = ", ".join(f"{n} {name}" for name, n in counted(checks).items() if n)
    lines = [f"cross-check with {highs_name()}: of {len(checks)} verdicts {counts}"]
    odd = sorted((check for check in checks if check.agreement is not Agreement.SAME), key=_gravity)
    for check in odd[:_SHOWN]:
        said = f"; HiGHS: {_words(check.highs)}" if check.highs is not None else ""
        said += f"; Gurobi: {_words(check.gurobi)}" if check.gurobi is not None else ""
        lines.append(f"{check.problem_id} {check.state}: {check.agreement}{said} ({check.reason})")
    if len(odd) > _SHOWN:
        lines.append(f"… and {len(odd) - _SHOWN} more (--json has them all)")
    return lines


def _gravity(check: CrossCheck) -> int:
    """Contradictions first, what was not checked last."""
    order = (Agreement.CONTRADICTION, Agreement.HIGHS_ALONE, Agreement.TOLERANCE, Agreement.UNDECIDED)
    return order.index(check.agreement) if check.agreement in order else len(order)


def _words(verdict: Verdict) -> str:
    return verdict.status.value + ("" if verdict.objective is None else f" {verdict.objective:.9g}")


def cross_check_record(checks: Sequence[CrossCheck]) -> dict[str, Any]:
    """The same for machines."""
    return {"solver": highs_name(), "counts": counted(checks), "verdicts": [asdict(check) for check in checks]}
