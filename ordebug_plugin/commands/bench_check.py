"""``ordebug bench check``: is a benchmark what its labels say?"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

from ordebug_plugin.commands.common import (
    DONE,
    FINDINGS,
    LOG,
    RESULTS,
    Subparsers,
    add_cross_check_option,
    add_work_limit_option,
    add_workers_option,
    positive,
    progress,
    workers,
)
from ordebug_plugin.crosscheck import Agreement, CrossCheck
from ordebug_plugin.files import write_text
from ordebug_plugin.problem import load_records
from ordebug_plugin.verify.bench_report import bench_record, label_table, proof_table, reasons
from ordebug_plugin.verify.benchmark import check_benchmark
from ordebug_plugin.verify.crosschecked import cross_check_benchmark, cross_check_lines, cross_check_record
from ordebug_plugin.verify.finding import Ruling
from ordebug_plugin.verify.proof import Proof


def add_parser(group: Subparsers) -> None:
    """Adds the command."""
    parser = group.add(
        "check",
        "prove every label of a benchmark again; exit 1 when one is wrong",
        "ordebug bench check bench/test --json check.json",
    )
    parser.add_argument("bench", type=Path, metavar="DIR", help="benchmark folder, or a single model file")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every label and fact of every problem")
    parser.add_argument("--limit", type=positive, metavar="N", help="only the first N problems")
    add_work_limit_option(parser)
    add_workers_option(parser)
    add_cross_check_option(parser, "every problem as loaded and with its known fix")
    parser.set_defaults(run=run_check)


def run_check(options: argparse.Namespace) -> int:
    """Checks a benchmark.

    Returns:
        0 when no label is wrong, 1 when one is, when the solver failed on a problem, or another contradicts it.

    Raises:
        InputError: The benchmark cannot be loaded, or the file not be written.
        SolverError: Gurobi cannot start.
    """
    n = len(load_records(options.bench)[: options.limit])
    wrong = 0
    with progress("problems", n) as advance:

        def on_progress(proof: Proof) -> None:
            nonlocal wrong
            wrong += proof.state is Ruling.WRONG
            advance(f"{wrong} wrong")

        check = check_benchmark(
            options.bench,
            limit=options.limit,
            workers=workers(options),
            work_limit=options.work_limit,
            on_progress=on_progress,
        )
    RESULTS.print(proof_table(check))
    RESULTS.print(label_table(check))
    for line in reasons(check):
        RESULTS.print(line)
    counts = ", ".join(f"{check.count(state)} {state}" for state in Ruling)
    RESULTS.print(f"of {len(check.proofs)} problems: {counts}; {len(check.wrong)} labels are provably wrong")
    for proof in check.proofs:
        if proof.failure is not None:
            LOG.print(f"{proof.problem_id} was not judged: {proof.failure}")
    checks = _cross_check(options, n) if options.cross_check else []
    for line in cross_check_lines(checks) if options.cross_check else []:
        RESULTS.print(line)
    if options.json is not None:
        more = {"cross_check": cross_check_record(checks)} if options.cross_check else {}
        record = {**bench_record(check), **more}
        write_text(options.json, json.dumps(record, indent=1, ensure_ascii=False, allow_nan=False) + "\n")
    failed = any(proof.failure is not None for proof in check.proofs)
    contradicted = any(one.agreement is Agreement.CONTRADICTION for one in checks)
    return FINDINGS if check.wrong or failed or contradicted else DONE


def _cross_check(options: argparse.Namespace, n: int) -> list[CrossCheck]:
    contradictions = 0
    with progress(options.cross_check, n) as advance:

        def on_progress(checks: Sequence[CrossCheck]) -> None:
            nonlocal contradictions
            contradictions += sum(check.agreement is Agreement.CONTRADICTION for check in checks)
            advance(f"{contradictions} contradictions")

        return cross_check_benchmark(
            options.bench,
            limit=options.limit,
            workers=workers(options),
            work_limit=options.work_limit,
            on_progress=on_progress,
        )
