"""``ordebug judge``: score a repaired model file, whoever repaired it."""

from __future__ import annotations

import argparse
from pathlib import Path

from ordebug_plugin.commands.common import (
    DONE,
    FINDINGS,
    RESULTS,
    Subparsers,
    add_work_limit_option,
    print_json,
    print_warnings,
)
from ordebug_plugin.guarded import make_judge
from ordebug_plugin.problem import load_benchmark, load_problem
from ordebug_plugin.repairs.appraisal import appraise, with_known_truth
from ordebug_plugin.repairs.report import appraisal_lines, appraisal_record


def add_parser(commands: Subparsers) -> None:
    """Adds the command."""
    parser = commands.add(
        "judge",
        "score anybody's repair: a repaired or rewritten model file beside the broken one, compared by names",
        "ordebug judge broken.lp repaired.lp --original original.lp",
    )
    parser.add_argument("broken", type=Path, metavar="BROKEN", help="the infeasible model file")
    parser.add_argument("repaired", type=Path, metavar="REPAIRED", help="what was made of it")
    known = parser.add_mutually_exclusive_group()
    known.add_argument("--original", type=Path, metavar="FILE", help="the model before the fault")
    known.add_argument(
        "--truth", type=Path, metavar="BENCH", help="a benchmark that has BROKEN, found by content, with its labels"
    )
    parser.add_argument("--json", action="store_true", help="print the scores as JSON")
    add_work_limit_option(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Scores a repair.

    Returns:
        0 when the model is repaired, 1 when it is not, or is another model altogether.

    Raises:
        InputError: A file cannot be used, or BROKEN is not infeasible.
        SolverError: Gurobi failed.
    """
    broken, repaired = load_problem(options.broken), load_problem(options.repaired)
    if options.truth is not None:
        broken = with_known_truth(broken, load_benchmark(options.truth))
    original = None if options.original is None else load_problem(options.original)
    with make_judge(work_limit=options.work_limit) as judge:
        for problem in (broken, repaired, *(() if original is None else (original,))):
            judge.shape(problem)  # a file that cannot be read is told with its messages
            print_warnings(problem.path)
        appraisal = appraise(judge, broken, repaired, original)
    if options.json:
        print_json(appraisal_record(appraisal))
    else:
        for line in appraisal_lines(appraisal):
            RESULTS.print(line)
    return DONE if appraisal.repaired else FINDINGS
