"""How far a benchmark can be solved by policies that read neither algebra nor text, by names, and by numbers alone.

Where such a policy finds the culprit, or restores the objective, on most problems, a high score of a language model on
that benchmark says nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ordebug_plugin.agents import make_agent
from ordebug_plugin.edits import Shape
from ordebug_plugin.env import RepairEnv
from ordebug_plugin.errors import LicenseLimitError, ProblemError
from ordebug_plugin.guarded import check_gurobi
from ordebug_plugin.kinship import identify, kin
from ordebug_plugin.metrics import measure_scores
from ordebug_plugin.parallel import Crew, call_each, judge_of
from ordebug_plugin.problem import Problem, load_benchmark, load_records
from ordebug_plugin.rollout import play
from ordebug_plugin.scoring import Scores, score
from ordebug_plugin.solver import DEFAULT_WORK_LIMIT
from ordebug_plugin.statistics import Estimate, proportion
from ordebug_plugin.truth import Truth
from ordebug_plugin.verdict import IIS
from ordebug_plugin.verify.guessing import Choice, Leak, find_leak
from ordebug_plugin.verify.names import name_features, word_features
from ordebug_plugin.verify.row import OBJECTIVE_KEPT
from ordebug_plugin.verify.shapes import shape_features
from ordebug_plugin.workers import Lost

REFERENCE = "oracle"  # knows the answer: what can be had at all
POLICIES = ("drop-first", "drop-random", "relax-first", "relax-minimal", REFERENCE)
TURNS = 5
# A policy that gets more than this has solved most of the benchmark without reading it.
SATURATED = 0.5


@dataclass(frozen=True)
class Figures:
    """What one policy gets.

    Attributes:
        hit: Share of problems with a known culprit where its first repair touches it.
        at_once: Share recovered by the first action.
        kept: Share of problems with a known objective that end with OP >= .999.
        op: Mean optimality preservation.
        preservation: Mean preservation.
    """

    hit: Estimate
    at_once: Estimate
    kept: Estimate
    op: Estimate
    preservation: Estimate

    @property
    def reached(self) -> tuple[str, ...]:
        """The measures by which the policy solves most of the benchmark."""
        return tuple(name for name in ("hit", "kept") if getattr(self, name).value > SATURATED)


@dataclass(frozen=True)
class Saturation:
    """What came of one benchmark.

    Attributes:
        path: As given.
        name: Name of the folder or file.
        n: Problems played.
        policies: Policy to figures.
        rows: What the names of rows give away, where a row is at fault.
        variables: What those of variables give away, where the bounds of a variable are.
        words: What the words of statements give away, without a number, where all in the conflict have one.
        shapes: What rows and bounds give away by their own numbers, without what they should be.
        unjudged: (problem id, reason) of those that could not be judged by every policy.
    """

    path: Path
    name: str
    n: int
    policies: Mapping[str, Figures]
    rows: Leak
    variables: Leak
    words: Leak
    shapes: Leak
    unjudged: tuple[tuple[str, str], ...]

    @property
    def saturated_by(self) -> dict[str, tuple[str, ...]]:
        """The policies that solve most of it, and by which measure; the one that knows the answer does not count."""
        found = {name: figures.reached for name, figures in self.policies.items() if name != REFERENCE}
        return {name: reached for name, reached in found.items() if reached}


@dataclass(frozen=True)
class Played:
    """One problem, played by every policy.

    Attributes:
        scores: One per policy; empty where the problem cannot be used at all.
        rows: Its conflict as a choice among rows; None where it has no IIS.
        variables: Likewise among variables.
        words: Likewise among both, by the words of their statements; None where one has none.
        shapes: Likewise among both, by what they look like.
        failure: Why it could not be judged, or not by every policy.
    """

    scores: tuple[Scores, ...]
    rows: Choice | None = None
    variables: Choice | None = None
    words: Choice | None = None
    shapes: Choice | None = None
    failure: str | None = None


def measure_saturation(
    path: Path,
    *,
    limit: int | None = None,
    workers: Crew = 0,
    work_limit: float = DEFAULT_WORK_LIMIT,
    on_progress: Callable[[Played], None] | None = None,
) -> Saturation:
    """Plays every policy on every problem of a benchmark.

    Args:
        path: See `problem.load_benchmark`.
        limit: Only the first so many problems.
        workers: Who works; the result does not depend on it.
        work_limit: Gurobi work units per solve.
        on_progress: Called with what came of every problem.

    Raises:
        ProblemError: The benchmark cannot be loaded.
        SolverError: Gurobi cannot start.
    """
    benchmark, records = load_benchmark(path), load_records(path)
    check_gurobi(work_limit=work_limit)
    problems = benchmark.problems[:limit]
    groups = kin(identify(problems, records))
    calls = [(work_limit, problem, group) for problem, group in zip(problems, groups, strict=True)]
    played: list[Played] = []

    def report(result: Played | Lost) -> None:
        played.append(Played((), failure=result.reason) if isinstance(result, Lost) else result)
        if on_progress is not None:
            on_progress(played[-1])

    call_each(play_one, calls, workers=workers, on_done=report)
    return Saturation(
        path=path,
        name=benchmark.name,
        n=len(problems),
        policies={name: _figures(problems, played, number) for number, name in enumerate(POLICIES)},
        rows=find_leak([one.rows for one in played if one.rows is not None]),
        variables=find_leak([one.variables for one in played if one.variables is not None]),
        words=find_leak([one.words for one in played if one.words is not None]),
        shapes=find_leak([one.shapes for one in played if one.shapes is not None]),
        unjudged=tuple(
            (problem.id, one.failure) for problem, one in zip(problems, played, strict=True) if one.failure is not None
        ),
    )


def play_one(work_limit: float, problem: Problem, group: str) -> Played:
    """What a worker does: scores alone come back, for episodes on large models are large."""
    judge = judge_of(work_limit)
    try:
        episodes = [play(RepairEnv(judge, problem, TURNS), make_agent(policy), thorough=False) for policy in POLICIES]
    except (ProblemError, LicenseLimitError) as error:
        return Played((), failure=str(error))
    failure = next((episode.error for episode in episodes if episode.error is not None), None)
    iis, shape, truth = episodes[0].iis, judge.shape(problem), problem.truth
    return Played(
        scores=tuple(score(episode) for episode in episodes),
        rows=None if iis is None else _choice(group, iis.rows, tuple(shape.rows), truth.rows),
        variables=None if iis is None else _choice(group, iis.bounds, tuple(shape.variables), truth.variables),
        words=None if iis is None else _words(group, iis, problem),
        shapes=None if iis is None else _shapes(group, shape, iis, problem.truth),
        failure=failure,
    )


def _choice(group: str, names: tuple[str, ...], model: tuple[str, ...], culprits: tuple[str, ...]) -> Choice:
    places = {name: number / max(1, len(model) - 1) for number, name in enumerate(model)}
    seen = name_features(names, [places[name] for name in names])
    return Choice(group, seen, tuple(name in culprits for name in names))


def _words(group: str, iis: IIS, problem: Problem) -> Choice | None:
    stated = {} if problem.specification is None else problem.specification.statements
    names = (*iis.rows, *iis.bounds)
    if not all(name in stated for name in names):
        return None
    return Choice(group, word_features([stated[name] for name in names]), _culprits(iis, problem.truth))


def _shapes(group: str, shape: Shape, iis: IIS, truth: Truth) -> Choice:
    return Choice(group, shape_features(shape, iis.rows, iis.bounds), _culprits(iis, truth))


def _culprits(iis: IIS, truth: Truth) -> tuple[bool, ...]:
    return (*(name in truth.rows for name in iis.rows), *(name in truth.variables for name in iis.bounds))


def _figures(problems: Sequence[Problem], played: Sequence[Played], number: int) -> Figures:
    pairs = [
        (problem.content_hash, one.scores[number]) for problem, one in zip(problems, played, strict=True) if one.scores
    ]
    metrics = measure_scores(pairs, TURNS)
    op = [scores.op for _, scores in pairs if not math.isnan(scores.op)]
    return Figures(
        hit=metrics["hit"],
        at_once=metrics["rr@1"],
        kept=proportion(sum(value >= OBJECTIVE_KEPT for value in op), len(op)),
        op=metrics["op"],
        preservation=metrics["preservation"],
    )
