"""``ordebug bench …``: benchmarks."""

from __future__ import annotations

import argparse
from pathlib import Path

from ordebug_plugin.commands import bench_check
from ordebug_plugin.commands.common import DONE, RESULTS, Subparsers, positive, print_json, progress
from ordebug_plugin.generate.benchmark import make_benchmark, structure_hashes


def add_parser(commands: Subparsers) -> None:
    """Adds the commands."""
    group = Subparsers(commands.add("bench", "make and check benchmarks", "ordebug bench make --help"))
    parser = group.add(
        "make",
        "make infeasible models with a known fault, each proven by the solver",
        "ordebug bench make bench/test --n 200 --seed 1 --exclude bench/train",
    )
    parser.add_argument("out", type=Path, metavar="OUT", help="folder to write; new or empty")
    parser.add_argument("--n", type=positive, default=200, help="number of problems (default 200)")
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="default 0")
    parser.add_argument(
        "--exclude",
        type=Path,
        action="append",
        default=[],
        metavar="BENCH",
        help="a benchmark made here whose problems must not appear again; may be repeated",
    )
    parser.add_argument("--json", action="store_true", help="print the report as JSON")
    parser.set_defaults(run=run_make)
    bench_check.add_parser(group)


def run_make(options: argparse.Namespace) -> int:
    """Makes a benchmark.

    Raises:
        InputError: The folder holds files, or an excluded benchmark cannot be read.
        SolverError: Gurobi failed.
    """
    exclude: frozenset[str] = frozenset().union(*(structure_hashes(path) for path in options.exclude))
    with progress("problems", options.n) as advance:
        report = make_benchmark(
            options.out, n=options.n, seed=options.seed, exclude=exclude, on_progress=lambda _: advance("")
        )
    if options.json:
        record = {"path": str(report.path), "n": report.n, "redrawn": report.redrawn, "by_type": dict(report.by_type)}
        print_json(record)
    else:
        types = ", ".join(f"{count} of type {name}" for name, count in sorted(report.by_type.items()))
        RESULTS.print(f"{report.n} problems written to {report.path}: {types}")
    return DONE
