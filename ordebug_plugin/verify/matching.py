"""Which problem of a benchmark each row of a file is about."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from ordebug_plugin.data.alpaca import read_alpaca
from ordebug_plugin.errors import InputError
from ordebug_plugin.guarded import make_judge
from ordebug_plugin.parallel import Crew, call_each
from ordebug_plugin.problem import Benchmark, Problem, load_benchmark, load_records
from ordebug_plugin.solver import DEFAULT_WORK_LIMIT
from ordebug_plugin.verify.dataset import DatasetCheck
from ordebug_plugin.verify.demonstration import Demonstration
from ordebug_plugin.verify.reading import UnreadableRowError, read_demonstration
from ordebug_plugin.verify.replay import first_states
from ordebug_plugin.verify.row import Row
from ordebug_plugin.workers import Lost

NO_PROBLEM = "its problem is not in the benchmark"
AMBIGUOUS = "its id is that of several problems of the benchmark, and it names no problem_hash"
ANONYMOUS = "its metadata name no problem_hash and no problem_id"
UNSEEN = f"{ANONYMOUS}, and its first prompt is that of no problem of the benchmark"
SHARED = f"{ANONYMOUS}, and its first prompt is that of several problems of the benchmark"


def match_rows(source: Path, bench: Path) -> DatasetCheck:
    """Reads Alpaca rows or conversations and finds the problem of each: by content hash, where it names none by id.

    Args:
        source: See `alpaca.read_alpaca`.
        bench: See `problem.load_benchmark`.

    Raises:
        InputError: The file or the benchmark cannot be read, or no row is a demonstration.
    """
    benchmark, file = load_benchmark(bench), read_alpaca(source)
    find = _finder(benchmark)
    families = _families(benchmark, bench)
    rows = []
    for number, data in enumerate(file.rows, 1):
        try:
            demonstration = read_demonstration(data, number)
        except UnreadableRowError as error:
            rows.append(Row(number, None, reason=f"no demonstration: {error}"))
            continue
        found = find(demonstration)
        problem, reason = (None, found) if isinstance(found, str) else (found, None)
        family = None if problem is None else families.get((problem.id, problem.content_hash))
        rows.append(Row(number, demonstration, problem, reason=reason, family=family))
    if all(row.demonstration is None for row in rows):
        raise InputError(f"{source}: not one of {len(rows)} rows can be read; row 1: {rows[0].reason}")
    return DatasetCheck(source, file, benchmark, tuple(rows), families)


def match_prompts(matched: DatasetCheck, *, workers: Crew = 0, work_limit: float = DEFAULT_WORK_LIMIT) -> DatasetCheck:
    """Finds the problem of rows that name none: by their first prompt, which must be that of one problem alone.

    Args:
        matched: See `match_rows`.
        workers: Who works; the result does not depend on it.
        work_limit: Gurobi work units per solve.

    Raises:
        SolverError: Gurobi cannot start.
    """
    if all(row.reason != ANONYMOUS for row in matched.rows):
        return matched
    make_judge(work_limit=work_limit).close()
    problems = matched.benchmark.problems
    shown = call_each(first_states, [(work_limit, problem) for problem in problems], workers=workers)
    by_state: dict[str, list[Problem]] = defaultdict(list)
    for problem, states in zip(problems, shown, strict=True):
        for state in () if isinstance(states, Lost) else states:
            by_state[state].append(problem)
    return replace(matched, rows=tuple(_seen(row, by_state, matched.families) for row in matched.rows))


def _seen(row: Row, by_state: Mapping[str, list[Problem]], families: Mapping[tuple[str, str], str]) -> Row:
    if row.demonstration is None or row.reason != ANONYMOUS:
        return row
    found = by_state.get(row.demonstration.turns[0].shown.state, [])
    if len({problem.content_hash for problem in found}) != 1:
        return replace(row, reason=SHARED if found else UNSEEN)
    problem = found[0]
    return replace(row, problem=problem, reason=None, family=families.get((problem.id, problem.content_hash)))


def _families(benchmark: Benchmark, bench: Path) -> Mapping[tuple[str, str], str]:
    """Family of each problem by its id and content, where the benchmark says."""
    pairs = zip(benchmark.problems, load_records(bench), strict=True)
    named = {(problem.id, problem.content_hash): record.get("family") for problem, record in pairs}
    return {key: family for key, family in named.items() if isinstance(family, str)}


def _finder(benchmark: Benchmark) -> Callable[[Demonstration], Problem | str]:
    """What finds the problem of a row, or says why there is none."""
    by_hash: dict[str, list[Problem]] = defaultdict(list)
    by_id: dict[str, list[Problem]] = defaultdict(list)
    for problem in benchmark.problems:
        by_hash[problem.content_hash].append(problem)
        by_id[problem.id].append(problem)

    def find(row: Demonstration) -> Problem | str:
        if row.problem_hash is not None:  # an id may be that of another model elsewhere
            same = by_hash[row.problem_hash]
            return next((problem for problem in same if problem.id == row.problem_id), same[0]) if same else NO_PROBLEM
        if row.problem_id is None:
            return ANONYMOUS
        named = by_id[row.problem_id]
        if len({problem.content_hash for problem in named}) > 1:
            return AMBIGUOUS
        return named[0] if named else NO_PROBLEM

    return find
