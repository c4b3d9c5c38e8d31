"""Makes files of demonstrations: prompts as the evaluator renders them, answers that the solver confirmed.

Every episode is played in `RepairEnv` (`policies`) and gives one Alpaca row, of one of its turns, and where wanted one
conversation, of all of them.
"""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ordebug_plugin.demonstrations.policies import Policy, Recipe, Turn, max_turns, play
from ordebug_plugin.demonstrations.rows import alpaca_row, chat_row, labels
from ordebug_plugin.demonstrations.strata import allot, place, stratum
from ordebug_plugin.env import RepairEnv
from ordebug_plugin.errors import InputError, ProblemError, SolverError
from ordebug_plugin.files import check_writable, write_text
from ordebug_plugin.guarded import check_gurobi
from ordebug_plugin.parallel import Crew, call_each, judge_of
from ordebug_plugin.problem import Benchmark, Problem
from ordebug_plugin.solver import DEFAULT_WORK_LIMIT
from ordebug_plugin.workers import Lost

# Share of episodes of which the earliest answer worth learning is taken, not just any.
EARLIEST = 0.7
# Episodes tried for each one that is wanted: some problem may resist.
_TRIES = 4


@dataclass(frozen=True)
class DemonstrationReport:
    """What was written.

    Attributes:
        path: The Alpaca file.
        chat: The file of conversations, or None.
        rows: Demonstrations in it.
        problems: Problems they come from.
        later_turns: Rows whose prompt lists previous actions.
        discarded: Episodes thrown away, by the reason.
        without: Problems that gave no demonstration, per kind of fault.
        actions: Rows per action kind.
        error_types: Rows per kind of fault.
        places: Rows per third of the list of the IIS in which the target stands, of rows and bounds that are in it.
    """

    path: Path
    chat: Path | None
    rows: int
    problems: int
    later_turns: int
    discarded: Mapping[str, int]
    without: Mapping[str, int]
    actions: Mapping[str, int]
    error_types: Mapping[str, int]
    places: Mapping[str, int]


@dataclass(frozen=True)
class _Shown:
    """An episode as data, and what is counted of it."""

    row: dict[str, object]
    chat: dict[str, object]
    kind: str
    place: str | None
    later: bool


@dataclass(frozen=True)
class _Result:
    """What one problem gave."""

    shown: tuple[_Shown, ...]
    discarded: Mapping[str, int]
    error: ProblemError | SolverError | None = None


def make_demonstrations(  # noqa: PLR0913  # all but three by keyword
    benchmark: Benchmark,
    out: Path,
    recipe: Recipe,
    *,
    seed: int,
    per_problem: int,
    records: Sequence[Mapping[str, object]] = (),
    chat: Path | None = None,
    workers: Crew = 0,
    on_progress: Callable[[int], None] | None = None,
) -> DemonstrationReport:
    """Writes an Alpaca file of demonstrations; the same seed gives the same bytes, whatever the number of workers.

    Args:
        benchmark: Infeasible problems.
        out: The file to write, ``{"metadata": …, "data": [{instruction, input, output, metadata}, …]}``.
        recipe: Who demonstrates, and what the prompts show.
        seed: Problem i depends on (seed, i), and on how many rows it is to give.
        per_problem: Rows wanted per problem, of experts in the mean: kinds of faults and places in the list of the IIS
            are evened out. A problem that resists gives fewer.
        records: What the index says about each problem (`problem.load_records`).
        chat: JSONL file for the whole episodes, one conversation for each row, in the same order.
        workers: Who works.
        on_progress: Called with the number of problems done, after each.

    Raises:
        InputError: An argument makes no sense, a file cannot be written, or no problem gave a demonstration.
        ProblemError: A model is not infeasible.
        SolverError: Gurobi failed, or a worker was lost.
    """
    if per_problem < 1:
        raise InputError(f"the number of demonstrations per problem must be at least 1, not {per_problem}")
    if not 0 <= recipe.hurried <= 1:
        raise InputError(f"the share of hurried answers must be from 0 to 1, not {recipe.hurried:g}")
    if recipe.policy is Policy.DROP_FIRST and per_problem > 1:
        raise InputError("drop-first says the same of a problem every time: 1 demonstration per problem is all")
    for path in (out, chat):
        if path is not None:
            check_writable(path)
    check_gurobi()
    problems = benchmark.problems
    shares = [per_problem] * len(problems)
    if recipe.policy is Policy.EXPERT and per_problem > 1:
        strata = call_each(_stratum, [(problem,) for problem in problems], workers=workers)
        shares = allot(_checked(strata), per_problem)
    about = list(records) or [{}] * len(problems)
    calls = [
        (problem, record, recipe, f"{seed}/{index}", share)
        for index, (problem, record, share) in enumerate(zip(problems, about, shares, strict=True))
    ]
    done: list[_Result] = []

    def keep(result: _Result | Lost) -> None:
        done.extend(_checked([result]))
        if on_progress is not None:
            on_progress(len(done))

    call_each(demonstrate, calls, workers=workers, on_done=keep)
    shown = [one for result in done for one in result.shown]
    discarded: Counter[str] = Counter()
    for result in done:
        discarded.update(result.discarded)
    if not shown:
        reasons = ", ".join(f"{reason}: {count}" for reason, count in discarded.most_common())
        raise InputError(f"no problem of {benchmark.name} gave a demonstration ({reasons or 'no episode was played'})")
    resisted = [problem for problem, result in zip(problems, done, strict=True) if not result.shown]
    solved = len(problems) - len(resisted)
    metadata = {"dataset": benchmark.name, "agent": _agent(recipe), "seed": seed, "total_problems": solved}
    text = json.dumps({"metadata": metadata, "data": [one.row for one in shown]}, indent=1, ensure_ascii=False)
    write_text(out, text + "\n")
    if chat is not None:
        write_text(chat, "".join(json.dumps(one.chat, ensure_ascii=False) + "\n" for one in shown))
    return DemonstrationReport(
        path=out,
        chat=chat,
        rows=len(shown),
        problems=solved,
        later_turns=sum(one.later for one in shown),
        discarded=dict(discarded.most_common()),
        without=dict(sorted(Counter(str(problem.error_type) for problem in resisted).items())),
        actions=dict(Counter(one.kind for one in shown).most_common()),
        error_types=dict(sorted(Counter(str(_label(one, "error_type")) for one in shown).items())),
        places=dict(sorted(Counter(one.place for one in shown if one.place is not None).items())),
    )


def demonstrate(problem: Problem, record: Mapping[str, object], recipe: Recipe, seed: str, share: int) -> _Result:
    """What a worker does: demonstrations of one problem."""
    rng, discarded = random.Random(seed), Counter[str]()
    about = labels(problem, record, recipe.policy)
    shown: list[_Shown] = []
    try:
        env = RepairEnv(judge_of(DEFAULT_WORK_LIMIT), problem, max_turns(recipe.policy))
        for _ in range(1 if recipe.policy is Policy.DROP_FIRST else _TRIES * share):
            played = play(env, recipe, rng)
            if played.reason is not None:
                discarded[played.reason] += 1
            learnable = [turn for turn in played.turns if turn.learn]
            if learnable:
                chosen = _choose(learnable, recipe.policy, rng)
                row = alpaca_row(chosen, recipe.style, about)
                chat = chat_row(played.turns, recipe.style, about)
                shown.append(_Shown(row, chat, _kind(chosen), _place(chosen), chosen.observation.turn > 0))
            if len(shown) == share:
                break
    except (ProblemError, SolverError) as error:
        return _Result((), {}, error)
    return _Result(tuple(shown), discarded)


def _choose(learnable: Sequence[Turn], policy: Policy, rng: random.Random) -> Turn:
    """One turn of each episode, mostly the first: long episodes would crowd out first turns."""
    if policy is Policy.DROP_FIRST:  # the public files have the last
        return learnable[-1]
    return learnable[0] if rng.random() < EARLIEST else rng.choice(learnable)


def _stratum(problem: Problem) -> tuple[str | None, str | None] | _Result:
    try:
        return stratum(judge_of(DEFAULT_WORK_LIMIT), problem)
    except (ProblemError, SolverError) as error:
        return _Result((), {}, error)


def _checked(results: Sequence[object]) -> list:  # type: ignore[type-arg]
    for result in results:
        if isinstance(result, Lost):
            raise SolverError(f"a problem could not be demonstrated: {result.reason}")
        if isinstance(result, _Result) and result.error is not None:
            raise result.error
    return list(results)


def _agent(recipe: Recipe) -> str:
    return {Policy.EXPERT: f"expert-{recipe.voice}", Policy.MIXED: "solver-verified"}.get(recipe.policy, recipe.policy)


def _kind(turn: Turn) -> str:
    return "none" if turn.action is None else str(turn.action.kind)


def _place(turn: Turn) -> str | None:
    iis = turn.observation.iis
    if iis is None or turn.action is None:
        return None
    for names in (iis.rows, iis.bounds):
        if turn.action.target in names:
            return place(names.index(turn.action.target), len(names))
    return None


def _label(shown: _Shown, name: str) -> object:
    metadata = shown.row["metadata"]
    return metadata[name] if isinstance(metadata, dict) else None
