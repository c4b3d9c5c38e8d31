"""Solver-verified demonstrations: prompts as the evaluator renders them, answers that the solver confirmed.

A demonstrated episode is played in `RepairEnv`. It may begin with a stumble (a name that is not there, an answer
without an action, a relaxation that is too small), which is shown in later prompts but never as an answer to learn.
An answer becomes a row only when its episode recovers, and when, if it is a repair, it broke the conflict it named.
"""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from ordebug_plugin.env import Outcome, RepairEnv
from ordebug_plugin.errors import InputError
from ordebug_plugin.files import write_text
from ordebug_plugin.generate.repairers import HURRIED, Move, choose, stumble
from ordebug_plugin.problem import Benchmark, Problem
from ordebug_plugin.prompt import INSTRUCTION, Style, render_answer, render_state
from ordebug_plugin.solver import Judge

# An episode that is longer is no example to follow.
MAX_TURNS = 6
# Share of episodes that begin with a stumble.
STUMBLES = 0.25
# Share of episodes of which the earliest answer worth learning is taken, not just any.
EARLIEST = 0.7


@dataclass(frozen=True)
class DemonstrationReport:
    """What was written.

    Attributes:
        path: The Alpaca file.
        rows: Demonstrations in it.
        problems: Problems they come from.
        later_turns: Rows whose prompt lists previous actions.
        discarded: Episodes thrown away because they did not recover.
        actions: Rows per action kind.
    """

    path: Path
    rows: int
    problems: int
    later_turns: int
    discarded: int
    actions: Mapping[str, int]


@dataclass(frozen=True)
class _Shown:
    """One turn of an episode: the prompt, the answer to it, and whether the answer may be learnt."""

    state: str
    move: Move
    turn: int
    worth_learning: bool


def make_demonstrations(  # noqa: PLR0913  # all but two by keyword
    benchmark: Benchmark,
    out: Path,
    *,
    seed: int,
    per_problem: int,
    style: Style = Style(),  # noqa: B008  # frozen
    hurried: float = HURRIED,
    on_progress: Callable[[int], None] | None = None,
) -> DemonstrationReport:
    """Writes an Alpaca file with `per_problem` demonstrations for each problem; the same seed gives the same bytes.

    Args:
        benchmark: Infeasible problems.
        out: The file to write, ``{"metadata": …, "data": [{instruction, input, output, metadata}, …]}``.
        seed: Problem i depends on (seed, i) alone.
        per_problem: Rows wanted per problem; a problem that resists gives fewer.
        style: What the prompts show; where they show more than names, the reasoning weighs the algebra.
        hurried: Share of answers by the hurried repairer (`repairers`), from 0 to 1.
        on_progress: Called with the number of problems done, after each.

    Raises:
        InputError: `per_problem` is below 1, `hurried` is no share, or no problem gave a demonstration.
        ProblemError: A model is not infeasible.
        SolverError: Gurobi failed.
    """
    if per_problem < 1:
        raise InputError(f"the number of demonstrations per problem must be at least 1, not {per_problem}")
    if not 0 <= hurried <= 1:
        raise InputError(f"the share of hurried answers must be from 0 to 1, not {hurried:g}")
    data: list[dict[str, object]] = []
    kinds: Counter[str] = Counter()
    later = discarded = solved = 0
    with Judge() as judge:
        for index, problem in enumerate(benchmark.problems):
            rng = random.Random(f"{seed}/{index}")
            env = RepairEnv(judge, problem, MAX_TURNS)
            shown: list[_Shown] = []
            # Tries are bounded: some problem may resist every random repair.
            for _ in range(4 * per_problem):
                episode = _play(env, style, rng, hurried)
                discarded += not episode
                learnable = [turn for turn in episode if turn.worth_learning]
                if learnable:  # one turn of each, mostly the first: long episodes would crowd out first turns
                    shown.append(learnable[0] if rng.random() < EARLIEST else rng.choice(learnable))
                if len(shown) == per_problem:
                    break
            data += [_row(problem, turn) for turn in shown]
            kinds.update(str(turn.move.action.kind) for turn in shown)
            later += sum(turn.turn > 0 for turn in shown)
            solved += bool(shown)
            if on_progress is not None:
                on_progress(index + 1)
    if not data:
        raise InputError(f"no problem of {benchmark.name} gave a demonstration: no random repair recovers one")
    metadata = {"dataset": benchmark.name, "agent": "solver-verified", "seed": seed, "total_problems": solved}
    text = json.dumps({"metadata": metadata, "data": data}, indent=1, ensure_ascii=False)
    write_text(out, text + "\n")
    return DemonstrationReport(out, len(data), solved, later, discarded, dict(kinds.most_common()))


def _row(problem: Problem, shown: _Shown) -> dict[str, object]:
    metadata: dict[str, object] = {
        "problem_id": problem.id,
        "problem_hash": problem.content_hash,
        "error_type": problem.error_type,
        "difficulty": problem.difficulty,
        "turn": shown.turn + 1,
    }
    if problem.extended:
        metadata["action_set"] = "extended"
    return {
        "instruction": INSTRUCTION,
        "input": shown.state,
        "output": render_answer(shown.move.think, shown.move.action),
        "metadata": metadata,
    }


def _play(env: RepairEnv, style: Style, rng: random.Random, hurried: float) -> list[_Shown]:
    """Plays one episode; returns its turns, or nothing where it did not recover."""
    observation = env.reset()
    shown: list[_Shown] = []
    if rng.random() < STUMBLES:
        transition = env.step(stumble(observation, rng))
        observation = transition.observation
        if transition.outcome is not None:
            return []
    while observation.iis is not None and (observation.iis.rows or observation.iis.bounds):
        move = choose(observation, style, rng, hurried)
        transition = env.step(render_answer(move.think, move.action))
        broke_it = transition.observation.iis != observation.iis
        worth = broke_it or not move.action.is_repair
        shown.append(_Shown(render_state(observation, style), move, observation.turn, worth))
        if transition.outcome is Outcome.RECOVERED:
            return shown
        if transition.outcome is not None:
            break
        observation = transition.observation
    return []
