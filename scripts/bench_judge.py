"""The judge beside the naive gurobipy loop, in one run: episodes, rewards, repeats, sizes, workers, time in Gurobi.

The naive loop has one Gurobi environment and, at the start and after every turn, reads the file, applies the repairs
so far, optimizes, and computes the IIS where the model is infeasible. Ours plays the same answers through the
environment (`RepairEnv`): it parses text, resolves names, undoes and remembers. Both must come to the same states;
where they do not, that is counted and the script ends with 1. Objectives may differ by twice Gurobi's MIPGap. Measured
in turn, several times; medians of the ratios of wall time, and of CPU time of the process, which other programs on the
machine disturb less.

    python scripts/bench_judge.py --bench BENCH --json judge.json

Parts (--only NAME takes some of them):
  episodes  problems of the benchmark, one after the other, up to 5 repairs each; every state is new to our judge
  turns     the same, and as models play them: half the repairs come after a GET_IIS, a tenth after a name that is none
  repeats   the same again: questions that were answered before (status, objective, IIS), and rewards of known answers
  rewards   groups of 8 answers to a prompt, as in bench_reward.py. The naive loop finds status, objective and IIS
            before and after the answer; ours finds every component of the reward. Beside it "one look": the naive loop
            without the state before the answer
  growth    LPs of 10 to 1900 rows, drawn by seed
  workers   two processes beside one, as the commands have them, every state new: 8 rounds of the benchmark
  memory    resident memory of a process for every model kept, after an episode on each
  gurobi    share of our judge's time that is spent inside Gurobi, where every state is new
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import random
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gurobipy as gp
from bench_reward import sample_group
from gurobipy import GRB

from ordebug_plugin import parallel, reward_pool
from ordebug_plugin.actions import Action, ActionKind
from ordebug_plugin.edits import NO_EDITS, Edits, apply_action
from ordebug_plugin.env import RepairEnv
from ordebug_plugin.errors import ActionError, OrdebugError
from ordebug_plugin.grading import Task
from ordebug_plugin.parallel import judge_of
from ordebug_plugin.problem import Problem, load_benchmark, load_problem
from ordebug_plugin.prompt import render_answer
from ordebug_plugin.reward_pool import RewardPool
from ordebug_plugin.solver import DEFAULT_WORK_LIMIT, Judge, loaded
from ordebug_plugin.verdict import IIS, Status

PARTS = ("episodes", "turns", "repeats", "rewards", "growth", "workers", "memory", "gurobi")
TURNS = 5
SIZES = (10, 30, 100, 200, 500, 1000, 1900)
REPAIRS = {ActionKind.DROP_CONSTRAINT: 5, ActionKind.RELAX_CONSTRAINT: 4, ActionKind.UPDATE_RHS: 1}  # weights
AMOUNTS = (1.0, 100.0, 1000.0)
KEEP_ALL = 100_000  # models
ROUNDS = 8  # of the benchmark, for workers: as long a run as is worth two


@dataclass(frozen=True)
class Script:
    """A problem, and repairs of it in order; each but the last leaves it infeasible."""

    problem: Problem
    actions: tuple[Action, ...]


@dataclass(frozen=True)
class Pair:
    """Seconds of the same work done by both: wall and CPU."""

    ours: tuple[float, float]
    naive: tuple[float, float]


# What a state is, whoever finds it: infeasible or not, the objective, the rows of the IIS.
State = tuple[bool, float | None, frozenset[str]]


GAP = 2.1e-4  # two answers may each be off by Gurobi's MIPGap


def agree(one: State, two: State) -> bool:
    """Whether two states have the same status and objective."""
    if one[0] != two[0] or one[1] is None or two[1] is None:
        return one[:2] == two[:2]
    return abs(one[1] - two[1]) <= GAP * max(1.0, abs(one[1]))


# --- the naive loop -------------------------------------------------------------------------------------------------


def naive_state(env: gp.Env, path: Path, actions: tuple[Action, ...]) -> State:
    """Reads the file, applies the repairs, optimizes, computes the IIS."""
    with gp.read(str(path), env) as model:
        for action in actions:
            naive_apply(model, action)
        model.optimize()
        if model.Status == GRB.INF_OR_UNBD:
            model.Params.DualReductions = 0
            model.optimize()
            model.Params.DualReductions = 1
        if model.Status != GRB.INFEASIBLE:
            optimal = model.Status == GRB.OPTIMAL
            return False, model.ObjVal if optimal else None, frozenset()
        model.computeIIS()
        rows = frozenset(row.ConstrName for row in model.getConstrs() if row.IISConstr)
        return True, None, rows


def naive_apply(model: gp.Model, action: Action) -> None:
    row = model.getConstrByName(action.target) if action.target else None
    if row is None:
        return
    if action.kind is ActionKind.DROP_CONSTRAINT:
        model.remove(row)
    elif action.kind is ActionKind.UPDATE_RHS:
        row.RHS = action.numbers[0]
    elif row.Sense == GRB.EQUAL:
        model.addVar(lb=-action.numbers[0], ub=action.numbers[0], column=gp.Column(1.0, row))
    else:
        row.RHS += action.numbers[0] if row.Sense == GRB.LESS_EQUAL else -action.numbers[0]
    model.update()


def naive_episode(env: gp.Env, script: Script) -> list[State]:
    return [naive_state(env, script.problem.path, script.actions[:turn]) for turn in range(len(script.actions) + 1)]


# --- ours -----------------------------------------------------------------------------------------------------------


def our_episode(judge: Judge, script: Script) -> list[State]:
    """The same turns in the environment."""
    env = RepairEnv(judge, script.problem, len(script.actions) + 1)
    observation = env.reset()
    states = [our_state(observation.status, None, observation.iis)]
    for action in script.actions:
        step = env.step(render_answer("Why.", action)).step
        states.append(our_state(step.status, step.objective, step.iis))
    return states


def our_state(status: Status, objective: float | None, iis: IIS | None) -> State:
    return status is Status.INFEASIBLE, objective, frozenset(iis.rows) if iis else frozenset()


def edits_of(judge: Judge, script: Script) -> list[Edits]:
    """The edits after each turn, from none."""
    shape, edits = judge.shape(script.problem), [NO_EDITS]
    for action in script.actions:
        edits.append(apply_action(shape, edits[-1], action))
    return edits


# --- what is played -------------------------------------------------------------------------------------------------


def draw_action(rng: random.Random, rows: tuple[str, ...]) -> Action:
    kind = rng.choices(list(REPAIRS), weights=list(REPAIRS.values()))[0]
    numbers = {ActionKind.RELAX_CONSTRAINT: (rng.choice(AMOUNTS),), ActionKind.UPDATE_RHS: (0.0,)}
    return Action(kind, rng.choice(rows), numbers.get(kind, ()))


def draw_script(rng: random.Random, judge: Judge, problem: Problem) -> Script:
    """Repairs of rows of the present IIS until the model is repaired; each row once, so that the naive way is right."""
    shape, edits = judge.shape(problem), NO_EDITS
    actions: list[Action] = []
    for _ in range(TURNS):
        iis = judge.iis(problem, edits)
        touched = {action.target for action in actions}
        rows = tuple(row for row in (iis.rows if iis else ()) if row not in touched)
        if not rows or judge.solve(problem, edits).status is not Status.INFEASIBLE:
            break
        action = draw_action(rng, rows)
        try:
            edits = apply_action(shape, edits, action)
        except ActionError:
            break
        actions.append(action)
    return Script(problem, tuple(actions))


def sum_of(terms: dict[int, int]) -> str:
    return " + ".join(f"{weight} x{column}" for column, weight in terms.items())


def drawn_lp(rng: random.Random, rows: int) -> str:
    """An LP that had a point until up to three rows were added, each against the sum of up to four others."""
    columns = rows
    point = [rng.uniform(0.0, 10.0) for _ in range(columns)]
    text = ["Minimize", " obj: " + " + ".join(f"{rng.randint(1, 20)} x{c}" for c in range(columns)), "Subject To"]
    faults = 3 if rows >= 30 else 1
    sums: list[dict[int, int]] = [{} for _ in range(faults)]
    sides = [20.0 + rng.uniform(0, 10) for _ in range(faults)]
    for row in range(rows - faults):
        terms = {column: rng.randint(1, 9) for column in rng.sample(range(columns), min(columns, rng.randint(2, 8)))}
        value = sum(weight * point[column] for column, weight in terms.items())
        fault = row % faults if row < faults * rng.randint(1, 4) else None  # the fault wants more than these rows allow
        at_least = fault is None and rng.random() < 0.5
        side = value - rng.uniform(0, 5) if at_least else value + rng.uniform(0, 5)
        text.append(f" r{row}: {sum_of(terms)} {'>=' if at_least else '<='} {side:.4f}")
        if fault is not None:
            sides[fault] += side
            for column, weight in terms.items():
                sums[fault][column] = sums[fault].get(column, 0) + weight
    text += [f" f{fault}: {sum_of(sums[fault])} >= {sides[fault]:.4f}" for fault in range(faults)]
    text += ["Bounds", *(f" x{column} <= 40" for column in range(columns)), "End"]
    return "\n".join(text) + "\n"


# --- measuring ------------------------------------------------------------------------------------------------------


@contextmanager
def timed(into: list[tuple[float, float]]) -> Iterator[None]:
    wall, cpu = time.perf_counter(), time.process_time()
    yield
    into.append((time.perf_counter() - wall, time.process_time() - cpu))


def alternate(repeats: int, ours: Callable[[], object], naive: Callable[[], object]) -> list[Pair]:
    """Both in turn; each returns something that closes, or nothing, which is not timed."""
    mine: list[tuple[float, float]] = []
    theirs: list[tuple[float, float]] = []
    for _ in range(repeats):
        with timed(mine):
            ours()
        with timed(theirs):
            naive()
    return [Pair(*pair) for pair in zip(mine, theirs, strict=True)]


def summary(pairs: list[Pair], n: int, unit: str) -> dict[str, Any]:
    """Rates and ratios: medians, and the range of the ratio."""
    wall = [pair.naive[0] / pair.ours[0] for pair in pairs]
    cpu = [pair.naive[1] / pair.ours[1] for pair in pairs]
    return {
        unit: n,
        f"ours_{unit}_per_s": n / statistics.median(pair.ours[0] for pair in pairs),
        f"naive_{unit}_per_s": n / statistics.median(pair.naive[0] for pair in pairs),
        "ratio_wall": statistics.median(wall),
        "ratio_cpu": statistics.median(cpu),
        "ratio_cpu_range": [min(cpu), max(cpu)],
        "ours_cpu_us": 1e6 * statistics.median(pair.ours[1] for pair in pairs) / n,
        "naive_cpu_us": 1e6 * statistics.median(pair.naive[1] for pair in pairs) / n,
    }


def show(title: str, figures: dict[str, Any]) -> None:
    low, high = figures["ratio_cpu_range"]
    print(
        f"{title:28} ours {figures['ours_cpu_us']:9.1f} µs   naive {figures['naive_cpu_us']:9.1f} µs   "
        f"ratio CPU {figures['ratio_cpu']:7.2f} ({low:.2f} to {high:.2f})   wall {figures['ratio_wall']:7.2f}",
        flush=True,
    )


@dataclass
class Run:
    """What all parts share."""

    env: gp.Env
    scripts: list[Script]
    scratch: Path
    rng: random.Random
    repeats: int
    disagreements: int = 0

    def episodes(self) -> dict[str, Any]:
        """Every state is new to our judge."""
        return self._compare(self.scripts, "episodes")

    def turns(self) -> dict[str, Any]:
        """Answers that change nothing cost the naive loop as much as others."""
        scripts = []
        for script in self.scripts:
            actions: list[Action] = []
            for action in script.actions:
                if self.rng.random() < 0.5:
                    actions.append(Action(ActionKind.GET_IIS))
                if self.rng.random() < 0.1:
                    actions.append(Action(ActionKind.DROP_CONSTRAINT, "no such row"))
                actions.append(action)
            scripts.append(Script(script.problem, tuple(actions)))
        return self._compare(scripts, "episodes, other turns too")

    def _compare(self, scripts: list[Script], title: str) -> dict[str, Any]:
        found: dict[str, list[list[State]]] = {}
        judges = iter([Judge(models_kept=KEEP_ALL) for _ in range(self.repeats)])

        def ours() -> None:
            with next(judges) as judge:
                found["ours"] = [our_episode(judge, script) for script in scripts]

        def naive() -> None:
            found["naive"] = [naive_episode(self.env, script) for script in scripts]

        pairs = alternate(self.repeats, ours, naive)
        states = [pair for both in zip(found["ours"], found["naive"], strict=True) for pair in zip(*both, strict=True)]
        different = sum(not agree(mine, theirs) for mine, theirs in states)
        self.disagreements += different
        figures = summary(pairs, len(scripts), "episodes")
        figures["steps"] = sum(len(script.actions) for script in scripts)
        figures["ours_steps_per_s"] = figures["ours_episodes_per_s"] * figures["steps"] / len(scripts)
        figures["states"], figures["other_status_or_objective"] = len(states), different
        figures["other_iis"] = sum(mine[2] != theirs[2] for mine, theirs in states)
        show(title, figures)
        return figures

    def repeated(self) -> dict[str, Any]:
        """What was answered before."""
        with Judge(models_kept=KEEP_ALL) as judge:
            asked = [(script.problem, edits) for script in self.scripts for edits in edits_of(judge, script)]
            actions = [script.actions[:turn] for script in self.scripts for turn in range(len(script.actions) + 1)]

            def ours() -> None:
                for problem, edits in asked:
                    if judge.solve(problem, edits).status is Status.INFEASIBLE:
                        judge.iis(problem, edits)

            def naive() -> None:
                for (problem, _), some in zip(asked, actions, strict=True):
                    naive_state(self.env, problem.path, some)

            ours()
            figures = {"questions": summary(alternate(self.repeats, ours, naive), len(asked), "states")}
            show("repeats: questions", figures["questions"])
            episodes = alternate(
                self.repeats,
                lambda: [our_episode(judge, script) for script in self.scripts],
                lambda: [naive_episode(self.env, script) for script in self.scripts],
            )
            figures["episodes"] = summary(episodes, len(self.scripts), "episodes")
            show("repeats: episodes", figures["episodes"])
        return figures

    def rewards(self) -> dict[str, Any]:
        """Groups of answers."""
        groups = self._groups()
        n, figures = sum(len(group) for group in groups), {}
        for title, looks in (("rewards", 2), ("rewards, one look", 1)):

            def ours() -> None:
                reward_pool._grader.cache_clear()  # and with it all that is known of these models
                grade(RewardPool(workers=0), groups)

            def naive(looks: int = looks) -> None:
                for group in groups:
                    for script in group:
                        for turn in range(2 - looks, 2):
                            naive_state(self.env, script.problem.path, script.actions[:turn])

            figures[title] = summary(alternate(self.repeats, ours, naive), n, "rewards")
            show(title, figures[title])
        pool = RewardPool(workers=0)
        grade(pool, groups[::2])
        grade(pool, groups[1::2])

        def again() -> None:  # the pool answers for its last batch without looking: two batches in turn
            grade(pool, groups[::2])
            grade(pool, groups[1::2])

        figures["repeats"] = summary(alternate(self.repeats, again, naive), n, "rewards")
        show("repeats: rewards", figures["repeats"])
        distinct = {(script.problem.content_hash, script.actions) for group in groups for script in group}
        figures["repeated_share"] = 1 - len(distinct) / n
        return figures

    def _groups(self) -> list[list[Script]]:
        with Judge(models_kept=1) as judge:
            return [
                [Script(script.problem, (action,)) for action in sample_group(self.rng, judge, script.problem)]
                for script in self.scripts
            ]

    def growth(self) -> dict[str, Any]:
        """LPs of several sizes."""
        figures = {}
        for rows in SIZES:
            with Judge(models_kept=1) as judge:
                scripts = []
                for number in range(max(2, min(20, 2000 // rows))):
                    path = self.scratch / f"lp{rows}-{number}.lp"
                    path.write_text(drawn_lp(self.rng, rows))
                    scripts.append(draw_script(self.rng, judge, load_problem(path)))
            figures[str(rows)] = self._compare(scripts, f"growth: {rows} rows")
        return figures

    def workers(self) -> dict[str, Any]:
        """Two processes beside one, as the commands have them (`parallel.call_each`)."""
        ones, twos = [], []
        for _ in range(self.repeats):
            ones.append(spread(self.scripts * ROUNDS, 1))
            twos.append(spread(self.scripts * ROUNDS, 2))
        n = ROUNDS * len(self.scripts)
        cpu = [one.busiest / two.busiest for one, two in zip(ones, twos, strict=True)]
        figures = {
            "episodes": n,
            "episodes_per_s": {
                "1": n / statistics.median(one.wall for one in ones),
                "2": n / statistics.median(two.wall for two in twos),
            },
            "ratio_wall": statistics.median(one.wall / two.wall for one, two in zip(ones, twos, strict=True)),
            "ratio_cpu": statistics.median(cpu),
            "ratio_cpu_range": [min(cpu), max(cpu)],
            "cpu_us_per_episode": {
                "1": 1e6 * statistics.median(one.total for one in ones) / n,
                "2": 1e6 * statistics.median(two.total for two in twos) / n,
            },
            "share_of_the_busier": statistics.median(two.busiest / two.total for two in twos),
        }
        print(
            f"{'workers: 2 beside 1':28} wall {figures['ratio_wall']:.2f}   CPU time of one beside the busier of two "
            f"{figures['ratio_cpu']:.2f} ({min(cpu):.2f} to {max(cpu):.2f}): it did "
            f"{figures['share_of_the_busier']:.1%} of the work, and an episode took "
            f"{figures['cpu_us_per_episode']['2']:.0f} µs beside {figures['cpu_us_per_episode']['1']:.0f}",
            flush=True,
        )
        return figures

    def memory(self) -> dict[str, Any]:
        """What a model costs that is kept, with its answers."""
        context = multiprocessing.get_context("spawn")
        results = context.Queue()
        process = context.Process(target=keep_all, args=(self.scripts, results))
        process.start()
        before, after = results.get()
        process.join()
        figures = {"models": len(self.scripts), "before_mib": before / 1024, "after_mib": after / 1024}
        figures["kib_per_model"] = (after - before) / len(self.scripts)
        print(
            f"{'memory':28} {figures['kib_per_model']:.1f} KiB for each of {len(self.scripts)} models kept, beside "
            f"{figures['before_mib']:.0f} MiB of the process",
            flush=True,
        )
        return figures

    def gurobi(self) -> dict[str, Any]:
        """Where our time goes."""
        shares = [gurobi_share(self.scripts) for _ in range(self.repeats)]
        print(f"{'share inside Gurobi':28} {statistics.median(shares):.1%} ({min(shares):.1%} to {max(shares):.1%})")
        return {"share": statistics.median(shares), "range": [min(shares), max(shares)]}


def grade(pool: RewardPool, groups: list[list[Script]]) -> None:
    flat = [script for group in groups for script in group]
    texts = [[render_answer("Why.", script.actions[0])] for script in flat]
    if None in pool.components([Task(script.problem) for script in flat], texts):
        raise OrdebugError("an answer could not be judged")


# --- workers, and time inside Gurobi --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Spread:
    """What some workers took, from the first episode to the last: seconds of wall time, and of CPU time."""

    wall: float
    busiest: float
    total: float


def work(problem: Problem, actions: tuple[Action, ...]) -> tuple[int, tuple[float, float], tuple[float, float]]:
    """What a worker does: who it is, and its clocks (wall, CPU) before and after an episode."""
    before = time.time(), time.process_time()
    our_episode(judge_of(DEFAULT_WORK_LIMIT), Script(problem, actions))
    return os.getpid(), before, (time.time(), time.process_time())


def spread(scripts: list[Script], n: int) -> Spread:
    """Plays by some workers. Their start does not count; what they do between two episodes does."""
    import bench_judge  # noqa: PLC0415  # workers know this file by its name, not as what is run

    spans = parallel.call_each(bench_judge.work, [(one.problem, one.actions) for one in scripts], workers=n)
    spent: dict[int, float] = {}
    for worker in {pid for pid, _, _ in spans}:
        own = [(before, after) for pid, before, after in spans if pid == worker]
        spent[worker] = max(after[1] for _, after in own) - min(before[1] for before, _ in own)
    wall = max(after[0] for _, _, after in spans) - min(before[0] for _, before, _ in spans)
    return Spread(wall, max(spent.values()), sum(spent.values()))


def keep_all(scripts: list[Script], results: Any) -> None:
    """Peak memory (KiB) of a process before, and after an episode on every model, all of them kept."""
    with Judge(models_kept=KEEP_ALL) as judge:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        for script in scripts:
            our_episode(judge, script)
            judge.infeasibility(script.problem)
        results.put((before, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss))


class Clocked:
    """A Gurobi model of which every call and attribute is timed; changes of rows and variables are not."""

    seconds = 0.0

    def __init__(self, model: gp.Model) -> None:
        object.__setattr__(self, "_model", model)

    def __getattr__(self, name: str) -> Any:  # noqa: D105
        began = time.perf_counter()
        value = getattr(self._model, name)
        Clocked.seconds += time.perf_counter() - began
        if not callable(value):
            return value

        def call(*arguments: Any) -> Any:
            began = time.perf_counter()
            try:
                result = value(*arguments)
            finally:
                Clocked.seconds += time.perf_counter() - began
            return Clocked(result) if isinstance(result, gp.Model) else result

        return call

    def __setattr__(self, name: str, value: Any) -> None:  # noqa: D105
        setattr(self._model, name, value)

    def __enter__(self) -> Clocked:  # noqa: D105
        return self

    def __exit__(self, *_: object) -> None:  # noqa: D105
        self._model.dispose()


class ClockedModule:
    """gurobipy, with models that are timed."""

    def __getattr__(self, name: str) -> Any:  # noqa: D105
        return getattr(gp, name)

    def read(self, path: str, env: gp.Env) -> Clocked:
        """Reads a model."""
        began = time.perf_counter()
        model = gp.read(path, env)
        Clocked.seconds += time.perf_counter() - began
        return Clocked(model)


def gurobi_share(scripts: list[Script]) -> float:
    """Share of the judge's time inside Gurobi: the questions of the scripts alone, each new to it."""
    with Judge(models_kept=1) as planner:
        asked = [(script.problem, edits_of(planner, script)) for script in scripts]
    Clocked.seconds = 0.0
    loaded.gp = ClockedModule()  # type: ignore[attr-defined,assignment]
    try:
        with Judge(models_kept=KEEP_ALL) as judge:
            began = time.perf_counter()
            for problem, states in asked:
                for edits in states:
                    if judge.solve(problem, edits).status is Status.INFEASIBLE:
                        judge.iis(problem, edits)
            return Clocked.seconds / (time.perf_counter() - began)
    finally:
        loaded.gp = gp  # type: ignore[attr-defined]


# --------------------------------------------------------------------------------------------------------------------


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bench", type=Path, required=True, help="benchmark folder, e.g. the public v1")
    parser.add_argument("--quick", action="store_true", help="60 problems of the benchmark, 3 repeats")
    parser.add_argument("--repeats", type=int, help="runs of each, alternating (default 5)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS, metavar="PART")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures to a file")
    options = parser.parse_args()
    repeats = options.repeats if options.repeats is not None else 3 if options.quick else 5
    if repeats < 1:
        parser.error("--repeats must be at least 1")
    with tempfile.TemporaryDirectory() as scratch:
        try:
            return run(options, repeats, Path(scratch))
        except OrdebugError as error:
            print(f"error: {error}", file=sys.stderr)
            return error.exit_code


def run(options: argparse.Namespace, repeats: int, scratch: Path) -> int:
    """Measures and reports."""
    problems = load_benchmark(options.bench).problems
    if options.quick:
        problems = problems[:: max(1, len(problems) // 60)]
    rng = random.Random(options.seed)
    with Judge(models_kept=1) as judge:
        scripts = [draw_script(rng, judge, problem) for problem in problems]
    scripts = [script for script in scripts if script.actions]
    print(f"{len(scripts)} episodes of {options.bench.name}, {sum(len(s.actions) for s in scripts)} repairs")
    record: dict[str, Any] = {"bench": options.bench.name, "repeats": repeats, "seed": options.seed}
    with gp.Env(params={"OutputFlag": 0}) as env:
        measured = Run(env, scripts, scratch, rng, repeats)
        parts = zip(
            PARTS,
            (
                measured.episodes,
                measured.turns,
                measured.repeated,
                measured.rewards,
                measured.growth,
                measured.workers,
                measured.memory,
                measured.gurobi,
            ),
            strict=True,
        )
        for name, measure in parts:
            if name in options.only:
                record[name] = measure()
    if options.json is not None:
        options.json.write_text(json.dumps(record, indent=1) + "\n")
    if measured.disagreements:
        print(f"{measured.disagreements} states differ in status or objective", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
