"""Solver-verified demonstrations: prompts as the evaluator renders them, answers that the solver confirmed.

A demonstrated episode is played in `RepairEnv`. It may begin with a stumble (a name that is not there, an answer
without an action, a relaxation that is too small), which is shown in later prompts but never as an answer to learn.
An answer becomes a row only when its episode recovers, and when, if it is a repair, it broke the conflict it named.

The reasoning says only what its prompt shows, and two repairers give it. The hurried one takes the first row listed, as
every answer of the public ``heuristic.json`` does. The careful one looks for a number that is odd where the prompt
shows numbers, and where none is, tries something. Odd is not guilty: an oddity is a rule of thumb, and sometimes wrong.
A model that imitates both is hurried when it answers greedily; what the careful one is worth, reinforcement learning
must find out.
"""

from __future__ import annotations

import json
import math
import random
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from ordebug_plugin.actions import Action, ActionKind
from ordebug_plugin.env import Observation, Outcome, RepairEnv
from ordebug_plugin.errors import InputError
from ordebug_plugin.files import write_text
from ordebug_plugin.problem import Benchmark, Problem
from ordebug_plugin.prompt import INSTRUCTION, Style, render_answer, render_sides, render_state
from ordebug_plugin.solver import Judge

# An episode that is longer is no example to follow.
MAX_TURNS = 6
# Share of episodes that begin with a stumble.
STUMBLES = 0.25
# Share of episodes of which the earliest answer worth learning is taken, not just any.
EARLIEST = 0.7
# Share of answers by the hurried repairer: more than half, so that it is what greedy decoding imitates.
HURRIED = 0.6
# What the careful one does to a row of which nothing is known, and was not tried on it yet.
ROW_ACTIONS = {
    ActionKind.DROP_CONSTRAINT: 58,
    ActionKind.RELAX_CONSTRAINT: 24,
    ActionKind.CHECK_SLACK: 10,
    ActionKind.UPDATE_RHS: 8,
}
# Share of repairs on a variable, where the IIS holds bounds and the prompt does not show them.
BOUND_SHARE = 0.15
# What the careful one finds odd: a minimum of hundreds, a maximum of tens; of a variable, a minimum or a tiny maximum.
ODD_MINIMUM = ODD_MAXIMUM = 100.0
ODD_UPPER_BOUND = 2.0
# Amounts are powers of ten: how much is needed cannot be read from names, only how much was not enough.
FIRST_AMOUNTS = (100.0, 1000.0)
LARGEST_AMOUNT = 1e5


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
class _Move:
    """One answer: the reasoning and the action it leads to."""

    think: str
    action: Action


@dataclass(frozen=True)
class _Shown:
    """One turn of an episode: the prompt, the answer to it, and whether the answer may be learnt."""

    state: str
    move: _Move
    turn: int
    worth_learning: bool


def make_demonstrations(  # noqa: PLR0913  # all but two by keyword
    benchmark: Benchmark,
    out: Path,
    *,
    seed: int,
    per_problem: int,
    style: Style = Style(),  # noqa: B008  # frozen
    on_progress: Callable[[int], None] | None = None,
) -> DemonstrationReport:
    """Writes an Alpaca file with `per_problem` demonstrations for each problem; the same seed gives the same bytes.

    Args:
        benchmark: Infeasible problems.
        out: The file to write, ``{"metadata": …, "data": [{instruction, input, output, metadata}, …]}``.
        seed: Problem i depends on (seed, i) alone.
        per_problem: Rows wanted per problem; a problem that resists gives fewer.
        style: What the prompts show; with `algebra` the reasoning weighs it.
        on_progress: Called with the number of problems done, after each.

    Raises:
        InputError: `per_problem` is below 1, or no problem gave a demonstration.
        ProblemError: A model is not infeasible.
        SolverError: Gurobi failed.
    """
    if per_problem < 1:
        raise InputError(f"the number of demonstrations per problem must be at least 1, not {per_problem}")
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
                episode = _play(env, style, rng)
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
    return {
        "instruction": INSTRUCTION,
        "input": shown.state,
        "output": render_answer(shown.move.think, shown.move.action),
        "metadata": {
            "problem_id": problem.id,
            "problem_hash": problem.content_hash,
            "error_type": problem.error_type,
            "difficulty": problem.difficulty,
            "turn": shown.turn + 1,
        },
    }


def _play(env: RepairEnv, style: Style, rng: random.Random) -> list[_Shown]:
    """Plays one episode; returns its turns, or nothing where it did not recover."""
    observation = env.reset()
    shown: list[_Shown] = []
    if rng.random() < STUMBLES:
        transition = env.step(_stumble(observation, rng))
        observation = transition.observation
        if transition.outcome is not None:
            return []
    while observation.iis is not None and (observation.iis.rows or observation.iis.bounds):
        move = _choose(observation, style, rng)
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


def _stumble(observation: Observation, rng: random.Random) -> str:
    """An answer that does not help: what an imperfect agent would have done the turn before."""
    names = _conflict_rows(observation) or list(observation.rows)
    kind = rng.choice(("unknown", "silent", "small", "small"))
    if kind == "silent":
        return ""
    if kind == "unknown":
        unused = [f"r{number}" for number in range(10, 100) if f"r{number}" not in observation.rows]
        return render_answer("A guess.", Action(ActionKind.DROP_CONSTRAINT, rng.choice(unused)))
    return render_answer("A guess.", Action(ActionKind.RELAX_CONSTRAINT, rng.choice(names), (1.0,)))


def _choose(observation: Observation, style: Style, rng: random.Random) -> _Move:
    """Chooses the next action and says why, from what the prompt shows alone."""
    iis = observation.iis
    rows = _conflict_rows(observation)
    bounds = list(iis.bounds) if iis is not None else []
    opening = _opening(observation, rows, bounds, style)
    if observation.history:
        follow = _follow_up(observation, opening, rng)
        if follow is not None:
            return follow
    if rng.random() < HURRIED:
        return _drop(opening, "The first one goes", rows[0]) if rows else _free(opening, "The first one", bounds[0])
    odd_bounds = [name for name in bounds if style.algebra and _is_odd_variable(observation, name)]
    odd_rows = [name for name in rows if style.algebra and _is_odd_row(observation, name)]
    if odd_bounds:
        return _free(opening, "The odd bound", rng.choice(odd_bounds))
    if odd_rows:
        return _drop(opening, "The odd one goes", rng.choice(odd_rows))
    if bounds and (not rows or (not style.algebra and rng.random() < BOUND_SHARE)):
        return _free(opening, "Some bound", rng.choice(bounds))
    kind = rng.choices(list(ROW_ACTIONS), weights=list(ROW_ACTIONS.values()))[0]
    return _on_row(kind, rng.choice(rows), opening, rng)


def _is_odd_row(observation: Observation, row: str) -> bool:
    sides = observation.edits.row(observation.shape, row)
    if sides.lower == sides.upper:
        return False
    return ODD_MINIMUM <= sides.lower < math.inf or 0 < sides.upper < ODD_MAXIMUM


def _is_odd_variable(observation: Observation, variable: str) -> bool:
    """A switch between 0 and 1 is not odd."""
    if variable in observation.shape.binaries | observation.shape.integers:
        return False
    bounds = observation.edits.variable(observation.shape, variable)
    return bounds.lower > 0 or bounds.upper <= ODD_UPPER_BOUND


def _drop(opening: str, why: str, row: str) -> _Move:
    return _Move(f"{opening} {why}: {row}.", Action(ActionKind.DROP_CONSTRAINT, row))


def _free(opening: str, which: str, variable: str) -> _Move:
    return _Move(
        f"{opening} {which} goes free: {variable}.", Action(ActionKind.UPDATE_BOUNDS, variable, (0.0, math.inf))
    )


def _on_row(kind: ActionKind, row: str, opening: str, rng: random.Random) -> _Move:
    if kind is ActionKind.CHECK_SLACK:
        return _Move(f"{opening} First I look at how far off one is: {row}.", Action(kind, row))
    if kind is ActionKind.UPDATE_RHS:
        return _Move(f"{opening} A side of 0.0 asks least of a minimum: {row}.", Action(kind, row, (0.0,)))
    if kind is ActionKind.RELAX_CONSTRAINT:
        amount = rng.choice(FIRST_AMOUNTS)
        think = f"{opening} I keep all rows and loosen one by {amount}: {row}."
        return _Move(think, Action(kind, row, (amount,)))
    return _drop(opening, "Some row goes, I drop", row)


def _follow_up(observation: Observation, opening: str, rng: random.Random) -> _Move | None:
    """What the last turn calls for: more of what was too little, or an amount that was just measured."""
    last = observation.history[-1]
    rows = _conflict_rows(observation)
    if last.refused:
        return None  # the opening names the rows that do exist; the choice among them is free again
    relaxed = _last_amount(observation)
    for row in rows:
        if last.action == Action(ActionKind.CHECK_SLACK, row):
            if not last.note.startswith("violated by "):
                return None
            amount = 10.0 ** max(1, math.ceil(math.log10(float(last.note.split()[2]))))
            think = f"{opening} It is {last.note.split(' at ')[0]}, so {amount} is enough: {row}."
            return _Move(think, Action(ActionKind.RELAX_CONSTRAINT, row, (amount,)))
        if row in relaxed and relaxed[row] < LARGEST_AMOUNT:
            if rng.random() < 0.5:
                think = f"{opening} To loosen it by {relaxed[row]} was too little, so I drop it: {row}."
                return _Move(think, Action(ActionKind.DROP_CONSTRAINT, row))
            amount = 100.0 * relaxed[row]
            think = f"{opening} To loosen it by {relaxed[row]} was too little, I take {amount}: {row}."
            return _Move(think, Action(ActionKind.RELAX_CONSTRAINT, row, (amount,)))
    return None


def _last_amount(observation: Observation) -> dict[str, float]:
    """The last amount by which each row was relaxed, read from the history that the prompt shows."""
    amounts = {}
    for step in observation.history:
        action = step.action
        if action is not None and not step.refused and action.kind is ActionKind.RELAX_CONSTRAINT:
            amounts[action.target or ""] = action.numbers[0]
    return amounts


def _opening(observation: Observation, rows: list[str], bounds: list[str], style: Style) -> str:
    """Names the conflict as the prompt lists it: rows, then variables; with algebra their senses, and what is odd."""
    if not style.algebra:
        return f"In conflict: {'; '.join(rows + bounds)}."
    # Senses, not numbers: a tiny model that copies numbers of many digits gets caught in repeating them.
    listed = [
        f"{row} {_sense(observation, row)}{_remark(row) if _is_odd_row(observation, row) else ''}" for row in rows
    ]
    listed += [f"{name}{_remark(name) if _is_odd_variable(observation, name) else ''}" for name in bounds]
    return f"In conflict: {'; '.join(listed)}."


def _sense(observation: Observation, row: str) -> str:
    return render_sides(observation.edits.row(observation.shape, row)).split()[0]


def _remark(name: str) -> str:
    """The name once more, so that it follows the word by which it is looked up."""
    return f", odd {name}"


def _conflict_rows(observation: Observation) -> list[str]:
    return [] if observation.iis is None else list(observation.iis.rows)
