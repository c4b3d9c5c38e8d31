"""Rewards a second for groups of 8 answers, beside the naive way, in one run.

The naive way is what a reward function does that knows nothing of its neighbours: for every answer a new Gurobi
environment, read the model, apply the action, optimize. It finds the status and the objective alone; ours also finds
the cheapest repair, what is left of it, what the repair gave away, and every component.

    python scripts/bench_reward.py --bench BENCH
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import sys
import time
from pathlib import Path

import gurobipy as gp
from gurobipy import GRB

from ordebug_plugin.actions import Action, ActionKind
from ordebug_plugin.grading import Grader, Task
from ordebug_plugin.problem import Problem, load_benchmark
from ordebug_plugin.prompt import render_answer
from ordebug_plugin.solver import Judge

GROUP = 8


def sample_group(rng: random.Random, judge: Judge, problem: Problem) -> list[Action]:
    """Eight answers as a policy that has learned the format gives them: rows of the IIS, a few amounts, repeats."""
    iis = judge.iis(problem)
    rows = iis.rows if iis and iis.rows else tuple(judge.shape(problem).rows)
    actions = []
    for _ in range(GROUP):
        row = rng.choice(rows)
        if rng.random() < 0.5:
            actions.append(Action(ActionKind.DROP_CONSTRAINT, row))
        else:
            actions.append(Action(ActionKind.RELAX_CONSTRAINT, row, (rng.choice((1.0, 5.0, 10.0, 100.0)),)))
    return actions


def naive(problem: Problem, action: Action) -> float:
    """Status and objective with an environment of its own, as one would write it in an afternoon."""
    with gp.Env(params={"OutputFlag": 0}) as env, gp.read(str(problem.path), env) as model:
        row = model.getConstrByName(action.target or "")
        if action.kind is ActionKind.DROP_CONSTRAINT:
            model.remove(row)
        elif row.Sense == GRB.LESS_EQUAL:
            row.RHS += action.numbers[0]
        elif row.Sense == GRB.GREATER_EQUAL:
            row.RHS -= action.numbers[0]
        model.optimize()
        return float(model.ObjVal) if model.Status == GRB.OPTIMAL else 0.0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bench", type=Path, required=True, help="benchmark folder, e.g. the public test_v2")
    parser.add_argument("--repeats", type=int, default=5, help="runs, alternating (default 5)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures to a file")
    options = parser.parse_args()
    problems = load_benchmark(options.bench).problems
    rng = random.Random(options.seed)
    with Judge() as judge:
        groups = [(problem, sample_group(rng, judge, problem)) for problem in problems]
    n = GROUP * len(groups)
    repeated = 1 - len({(problem.content_hash, str(a)) for problem, actions in groups for a in actions}) / n
    ours, theirs = [], []
    for _ in range(options.repeats):
        began = time.perf_counter()
        grader = Grader()  # a new one each time: nothing is remembered from the last run
        for problem, actions in groups:
            texts = [[render_answer("Why.", action)] for action in actions]
            grades = grader.grade_batch([Task(problem)] * GROUP, texts)
            if None in grades:
                print(f"{problem.path}: an answer could not be judged", file=sys.stderr)
                return 3
        ours.append(n / (time.perf_counter() - began))
        began = time.perf_counter()
        for problem, actions in groups:
            for action in actions:
                naive(problem, action)
        theirs.append(n / (time.perf_counter() - began))
    ratios = [a / b for a, b in zip(ours, theirs, strict=True)]
    record = {
        "problems": len(groups),
        "answers": n,
        "repeated_share": round(repeated, 3),
        "rewards_per_second": {"median": statistics.median(ours), "runs": ours},
        "naive_per_second": {"median": statistics.median(theirs), "runs": theirs},
        "ratio": {"median": statistics.median(ratios), "min": min(ratios), "max": max(ratios)},
    }
    print(f"{n} answers to {len(groups)} problems in groups of {GROUP}, {repeated:.0%} of them repeats")
    print(f"ours   {record['rewards_per_second']['median']:8.0f} rewards/s, every component")
    print(f"naive  {record['naive_per_second']['median']:8.0f} answers/s, status and objective alone")
    print(f"ratio  {statistics.median(ratios):.1f}, from {min(ratios):.1f} to {max(ratios):.1f}")
    if options.json is not None:
        options.json.write_text(json.dumps(record, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
