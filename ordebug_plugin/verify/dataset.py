"""A file of demonstrations, verified: every row replayed on its problem, and what only shows beside the others."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from ordebug_plugin.data.alpaca import AlpacaFile, read_alpaca
from ordebug_plugin.errors import InputError
from ordebug_plugin.problem import Benchmark, Problem, load_benchmark, load_records
from ordebug_plugin.solver import DEFAULT_WORK_LIMIT, Judge
from ordebug_plugin.verify.demonstration import Demonstration
from ordebug_plugin.verify.length import Lengths, Ruler, summarize
from ordebug_plugin.verify.parallel import call_each
from ordebug_plugin.verify.reading import UnreadableRowError, read_demonstration
from ordebug_plugin.verify.repetition import Contradictions, contradictions, repeats
from ordebug_plugin.verify.replay import replay_rows
from ordebug_plugin.verify.row import Row
from ordebug_plugin.workers import Lost

NO_PROBLEM = "its problem is not in the benchmark"
AMBIGUOUS = "its id is that of several problems of the benchmark, and it names no problem_hash"
ANONYMOUS = "its metadata name no problem_hash and no problem_id"


@dataclass(frozen=True)
class DatasetCheck:
    """What came of a file.

    Attributes:
        source: The file.
        file: As it was read.
        benchmark: The problems.
        rows: One per row, in their order; none is judged before `replay_all`.
        lengths: Of the training examples, where they were measured (`measure_all`).
    """

    source: Path
    file: AlpacaFile
    benchmark: Benchmark
    rows: tuple[Row, ...]
    lengths: Lengths | None = None

    @property
    def problems(self) -> tuple[Problem, ...]:
        """The problems that rows are about, each once, in the order of the benchmark."""
        used = {row.problem for row in self.rows}
        return tuple(dict.fromkeys(problem for problem in self.benchmark.problems if problem in used))

    @property
    def demonstrations(self) -> tuple[Demonstration, ...]:
        """The rows that are demonstrations."""
        return tuple(row.demonstration for row in self.rows if row.demonstration is not None)

    @property
    def judged(self) -> tuple[Row, ...]:
        """The rows that the judge was asked about."""
        return tuple(row for row in self.rows if row.replayed is not None)

    @property
    def unjudged(self) -> Mapping[str, int]:
        """The others, by reason, the most frequent first."""
        return dict(Counter(row.reason for row in self.rows if row.reason is not None).most_common())

    @property
    def kept(self) -> tuple[object, ...]:
        """The rows that are proven, and are not known to be cut in training, unchanged."""
        return tuple(self.file.rows[row.number - 1] for row in self.rows if row.kept)

    @property
    def contradictions(self) -> Contradictions:
        """Prompts with more than one answer."""
        return contradictions(self.demonstrations)

    @property
    def duplicates(self) -> int:
        """Rows that repeat an earlier one."""
        return len(repeats(self.demonstrations))

    @property
    def duplicates_unlabelled(self) -> int:
        """Rows that repeat an earlier one after the lines that leak the problem are gone."""
        return len(repeats(self.demonstrations, labels=False))


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
    return DatasetCheck(source, file, benchmark, tuple(rows))


def replay_all(
    matched: DatasetCheck,
    *,
    workers: int = 0,
    work_limit: float = DEFAULT_WORK_LIMIT,
    on_progress: Callable[[], None] | None = None,
) -> DatasetCheck:
    """Replays every row that has a problem.

    Args:
        matched: See `match_rows`.
        workers: Processes; 0 for none but this one. The result does not depend on it.
        work_limit: Gurobi work units per solve.
        on_progress: Called after each problem of `DatasetCheck.problems`.

    Raises:
        SolverError: Gurobi cannot start.
    """
    Judge(work_limit=work_limit).close()  # a licence that does not work is found out here, once
    groups: dict[Problem, list[Row]] = {problem: [] for problem in matched.problems}
    for row in matched.rows:
        if row.problem is not None:
            groups[row.problem].append(row)
    calls = [
        (
            work_limit,
            problem,
            [row.demonstration.turns for row in rows if row.demonstration],
        )
        for problem, rows in groups.items()
    ]
    results = call_each(
        replay_rows, calls, workers=workers, on_done=lambda _: on_progress() if on_progress is not None else None
    )
    rows = list(matched.rows)
    for group, result in zip(groups.values(), results, strict=True):
        found = [result.reason] * len(group) if isinstance(result, Lost) else result
        for row, replayed in zip(group, found, strict=True):
            done = replace(row, reason=replayed) if isinstance(replayed, str) else replace(row, replayed=replayed)
            rows[row.number - 1] = done
    return replace(matched, rows=tuple(rows))


def measure_all(check: DatasetCheck, ruler: Ruler, name: str, cutoff: int) -> DatasetCheck:
    """Adds how many tokens every row is trained on.

    Args:
        check: A file.
        ruler: What measures.
        name: Name of its tokenizer.
        cutoff: Tokens after which training cuts an example.

    Raises:
        InputError: The chat template refuses a row; names it.
    """
    rows = []
    for row in check.rows:
        if row.demonstration is None:
            rows.append(row)
            continue
        try:
            tokens = ruler.measure(row.demonstration)
        except InputError as error:
            raise InputError(f"{check.source}: {error}") from error
        rows.append(replace(row, tokens=tokens, fits=tokens <= cutoff))
    lengths = summarize(name, cutoff, (row.tokens for row in rows if row.tokens is not None))
    return replace(check, rows=tuple(rows), lengths=lengths)


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
