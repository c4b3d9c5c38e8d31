"""The judge beside the naive gurobipy loop, in one run: episodes, rewards, repeats, sizes, workers, time in Gurobi.

The naive loop has one Gurobi environment and, at the start and after every turn, reads the file, applies the repairs
so far, optimizes, and computes the IIS, rows and bounds, where the model is infeasible. Ours plays the same answers
through the environment (`RepairEnv`): it parses text, resolves names, undoes and remembers. Both must come to the same
states; where they do not, that is counted and the script ends with 1. Objectives may differ by twice Gurobi's MIPGap.
Measured in turn, several times; medians of the ratios of wall time, and of CPU time of the process, which other
programs on the machine disturb less.

    python scripts/bench_judge.py --bench BENCH --json judge.json

Parts (--only NAME takes some of them):
  episodes  problems of the benchmark, one after the other, up to 5 repairs each; every state is new to our judge.
            Repairs of kinds and sizes as often as gpt-5.2-chat chose them in the public data; and dropping the first
            row of the IIS, as its heuristic does
            Beside each, the naive loop of an author who knows Gurobi well: one thread, attributes read in bulk
  turns     the former with turns that change nothing: half the repairs come after a GET_IIS, a tenth after a name that
            is none
  repeats   the same again: questions that were answered before (status, objective, IIS), and rewards of known answers
  rewards   groups of 8 answers to a prompt, as in bench_reward.py. The naive loop finds status, objective and IIS
            before and after the answer; ours finds every component of the reward. Beside it "one look": the naive loop
            without the state before the answer; and "2 workers": ours with two processes, as trainings have it on two
            cores
  growth    LPs of 10 to 1900 rows, drawn by seed
  workers   two processes beside one, as the commands have them, every state new: 40 rounds of the benchmark
  store     the heuristic's episodes by new judges: without a store, with an empty one, with one that knows them
  memory    resident memory of a process for every model kept, after an episode on each
  gurobi    share of our judge's time that is spent inside Gurobi, where every state is new
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import random
import sys
import tempfile
from pathlib import Path
from typing import Any

import gurobipy as gp
from judge_bench.parts import Run
from judge_bench.script import draw_script

from ordebug_plugin.errors import OrdebugError
from ordebug_plugin.problem import load_benchmark
from ordebug_plugin.solver import Judge
from ordebug_plugin.workers import GARBAGE

PARTS = ("episodes", "turns", "repeats", "rewards", "growth", "workers", "store", "memory", "gurobi")


def main() -> int:
    os.environ.pop("ORDEBUG_STORE", None)  # answers of another run would be measured
    gc.set_threshold(*GARBAGE)  # as in the processes that judge, and for the naive loop too
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bench", type=Path, required=True, help="benchmark folder, e.g. the public v1")
    parser.add_argument("--quick", action="store_true", help="some 60 problems of the benchmark, 3 repeats")
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
                measured.store,
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
