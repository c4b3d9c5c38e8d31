"""A file of demonstrations, verified: every row replayed on its problem, and what only shows beside the others."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from ordebug_plugin.data.alpaca import AlpacaFile
from ordebug_plugin.errors import InputError
from ordebug_plugin.guarded import check_gurobi
from ordebug_plugin.parallel import Crew, call_each
from ordebug_plugin.problem import Benchmark, Problem
from ordebug_plugin.solver import DEFAULT_WORK_LIMIT
from ordebug_plugin.verify.demonstration import Demonstration
from ordebug_plugin.verify.length import Lengths, Ruler, summarize
from ordebug_plugin.verify.repetition import Contradictions, contradictions, repeats
from ordebug_plugin.verify.replay import replay_rows
from ordebug_plugin.verify.row import Row
from ordebug_plugin.workers import Lost


@dataclass(frozen=True)
class DatasetCheck:
    """What came of a file.

    Attributes:
        source: The file.
        file: As it was read.
        benchmark: The problems.
        rows: One per row, in their order; none is judged before `replay_all`.
        families: Family of each problem by its id and content hash, where the benchmark says.
        lengths: Of the training examples, where they were measured (`measure_all`).
    """

    source: Path
    file: AlpacaFile
    benchmark: Benchmark
    rows: tuple[Row, ...]
    families: Mapping[tuple[str, str], str]
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


def replay_all(
    matched: DatasetCheck,
    *,
    workers: Crew = 0,
    work_limit: float = DEFAULT_WORK_LIMIT,
    on_progress: Callable[[], None] | None = None,
) -> DatasetCheck:
    """Replays every row that has a problem.

    Args:
        matched: See `matching.match_rows`.
        workers: Who works; the result does not depend on it.
        work_limit: Gurobi work units per solve.
        on_progress: Called after each problem of `DatasetCheck.problems`.

    Raises:
        SolverError: Gurobi cannot start.
    """
    check_gurobi(work_limit=work_limit)
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
