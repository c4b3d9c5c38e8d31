"""Rewards a second for groups of 8 answers, beside the naive way, in one run.

The naive way is what a reward function does that knows nothing of its neighbours: for every answer a new Gurobi
environment, read the model, apply the action, optimize. It finds the status and the objective alone; ours also finds
what the repair gave away, what is left to repair, and every component. Ours gets batches of 16 groups, a step of
recipes/grpo.yaml, once in this process and once with one worker process per core; the naive way has one process.
Workers are started before the clock; every repeat gets copies of the models that were never seen before.

    python scripts/bench_reward.py --bench BENCH
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import gurobipy as gp
from gurobipy import GRB

from ordebug_plugin.actions import Action, ActionKind
from ordebug_plugin.errors import OrdebugError
from ordebug_plugin.grading import Task
from ordebug_plugin.problem import Problem, load_benchmark, load_problem
from ordebug_plugin.prompt import render_answer
from ordebug_plugin.reward_pool import RewardPool, default_workers
from ordebug_plugin.solver import Judge

GROUP = 8
Groups = list[tuple[Problem, list[Action]]]
GROUPS = 16  # in a batch, as in a step of recipes/grpo.yaml
REPAIRS = {ActionKind.DROP_CONSTRAINT: 60, ActionKind.RELAX_CONSTRAINT: 30, ActionKind.UPDATE_RHS: 10}  # weights
AMOUNTS = (100.0, 1000.0)
START = 5.0  # seconds given to the workers to start


def sample_group(rng: random.Random, judge: Judge, problem: Problem) -> list[Action]:
    """Eight repairs of rows of the IIS, more various than those of most policies: repeats are cheap for us."""
    iis = judge.iis(problem)
    rows = iis.rows if iis and iis.rows else tuple(judge.shape(problem).rows)
    return [sample_action(rng, rng.choice(rows)) for _ in range(GROUP)]


def sample_action(rng: random.Random, row: str) -> Action:
    kind = rng.choices(list(REPAIRS), weights=list(REPAIRS.values()))[0]
    numbers = {ActionKind.RELAX_CONSTRAINT: (rng.choice(AMOUNTS),), ActionKind.UPDATE_RHS: (0.0,)}
    return Action(kind, row, numbers.get(kind, ()))


def naive(problem: Problem, action: Action) -> float:
    """Status and objective with an environment of its own, as one would write it in an afternoon."""
    with gp.Env(params={"OutputFlag": 0}) as env, gp.read(str(problem.path), env) as model:
        row = model.getConstrByName(action.target or "")
        if action.kind is ActionKind.DROP_CONSTRAINT:
            model.remove(row)
        elif action.kind is ActionKind.UPDATE_RHS:
            row.RHS = action.numbers[0]
        elif action.kind is ActionKind.RELAX_CONSTRAINT and row.Sense == GRB.LESS_EQUAL:
            row.RHS += action.numbers[0]
        elif action.kind is ActionKind.RELAX_CONSTRAINT and row.Sense == GRB.GREATER_EQUAL:
            row.RHS -= action.numbers[0]
        model.optimize()
        return float(model.ObjVal) if model.Status == GRB.OPTIMAL else 0.0


def grade_all(pool: RewardPool, groups: Groups) -> bool:
    """Grades every group, in batches; returns whether all could be judged."""
    for start in range(0, len(groups), GROUPS):
        batch = [(problem, action) for problem, actions in groups[start : start + GROUPS] for action in actions]
        texts = [[render_answer("Why.", action)] for _, action in batch]
        if None in pool.components([Task(problem) for problem, _ in batch], texts):
            return False
    return True


def renewed(groups: Groups, scratch: Path) -> Groups:
    """The same groups, with copies of their models that differ in a comment: nothing is remembered about them."""
    copies: Groups = []
    for problem, actions in groups:
        number = sum(1 for _ in scratch.iterdir())
        path = scratch / f"{number}.mps"
        path.write_text(f"* copy {number}\n{problem.path.read_text()}")
        copies.append((replace(load_problem(path), truth=problem.truth), actions))
    return copies


def spread(values: list[float]) -> dict[str, float]:
    """Median and range."""
    return {"median": statistics.median(values), "min": min(values), "max": max(values)}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bench", type=Path, required=True, help="benchmark folder, e.g. the public test_v2")
    parser.add_argument("--repeats", type=int, default=5, help="runs, alternating (default 5)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures to a file")
    options = parser.parse_args()
    if options.repeats < 1:
        parser.error("--repeats must be at least 1")
    with tempfile.TemporaryDirectory() as scratch:
        try:
            return run(options, Path(scratch))
        except OrdebugError as error:
            print(f"error: {error}", file=sys.stderr)
            return error.exit_code


def run(options: argparse.Namespace, scratch: Path) -> int:
    """Measures and reports."""
    problems = load_benchmark(options.bench).problems
    rng = random.Random(options.seed)
    with Judge() as judge:
        groups = [(problem, sample_group(rng, judge, problem)) for problem in problems]
    n, cores = GROUP * len(groups), default_workers()
    repeated = 1 - len({(problem.content_hash, str(a)) for problem, actions in groups for a in actions}) / n
    one: list[float] = []
    ours: list[float] = []
    theirs: list[float] = []
    pools = {workers: RewardPool(workers=workers) for workers in (0, cores)}
    start = time.perf_counter()
    while time.perf_counter() - start < START:
        grade_all(pools[cores], renewed(groups, scratch))
    for _ in range(options.repeats):
        for rates, pool in ((one, pools[0]), (ours, pools[cores])):
            fresh = renewed(groups, scratch)
            began = time.perf_counter()
            if not grade_all(pool, fresh):
                print("an answer could not be judged", file=sys.stderr)
                return 3
            rates.append(n / (time.perf_counter() - began))
        began = time.perf_counter()
        for problem, actions in groups:
            for action in actions:
                naive(problem, action)
        theirs.append(n / (time.perf_counter() - began))
    ratios = {
        workers: [a / b for a, b in zip(rates, theirs, strict=True)] for workers, rates in ((0, one), (cores, ours))
    }
    record = {
        "problems": len(groups),
        "answers": n,
        "repeated_share": round(repeated, 3),
        "cores": cores,
        "rewards_per_second": {"median": statistics.median(ours), "runs": ours},
        "rewards_per_second_in_process": {"median": statistics.median(one), "runs": one},
        "naive_per_second": {"median": statistics.median(theirs), "runs": theirs},
        "ratio": {workers: spread(values) for workers, values in ratios.items()},
    }
    print(f"{n} answers to {len(groups)} problems in groups of {GROUP}, {repeated:.0%} of them repeats")
    print(f"naive             {statistics.median(theirs):8.0f} answers/s, status and objective alone")
    for workers, rates in ((0, one), (cores, ours)):
        figures = spread(ratios[workers])
        print(
            f"ours, {workers} worker(s) {statistics.median(rates):8.0f} rewards/s, every component: "
            f"{figures['median']:.1f} times as many, from {figures['min']:.1f} to {figures['max']:.1f}"
        )
    if options.json is not None:
        options.json.write_text(json.dumps(record, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
