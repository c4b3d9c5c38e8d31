"""``ordebug bench import``: a benchmark of model files of one's own."""

from __future__ import annotations

import argparse
from pathlib import Path

from ordebug_plugin.commands.bench_make import chosen
from ordebug_plugin.commands.common import (
    DONE,
    FINDINGS,
    LOG,
    RESULTS,
    Subparsers,
    add_work_limit_option,
    add_workers_option,
    positive,
    print_json,
    progress,
    workers,
)
from ordebug_plugin.generate.faults import FAULTS
from ordebug_plugin.generate.importing import import_models, model_files


def add_parser(group: Subparsers) -> None:
    """Adds the command."""
    parser = group.add(
        "import",
        "make a benchmark of .mps and .lp files: infeasible ones as they are, feasible ones with faults put in",
        "ordebug bench import models/ broken.lp bench/own --faults A-I,unit --per-model 5",
    )
    parser.add_argument("sources", type=Path, nargs="+", metavar="FILE", help="model files, and folders of them")
    parser.add_argument("out", type=Path, metavar="OUT", help="folder to write; new or empty")
    parser.add_argument("--faults", metavar="LIST", help="as for `ordebug bench make` (default: all)")
    parser.add_argument(
        "--per-model", type=positive, default=1, metavar="N", help="broken models of each feasible one (default 1)"
    )
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="default 0")
    add_work_limit_option(parser)
    add_workers_option(parser)
    parser.add_argument("--json", action="store_true", help="print the report as JSON")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Imports model files.

    Returns:
        0 when every file gave what was wanted, 1 when some did not.

    Raises:
        InputError: There is no model file, none could be used, or the folder holds files.
        SolverError: Gurobi failed.
    """
    faults = chosen("--faults", options.faults, FAULTS, FAULTS)
    with progress("models", len(model_files(options.sources))) as advance:
        report = import_models(
            options.sources,
            options.out,
            faults=faults,
            per_model=options.per_model,
            seed=options.seed,
            work_limit=options.work_limit,
            workers=workers(options),
            on_progress=lambda path: advance(path.name),
        )
    if options.json:
        refused = [{"path": str(one.path), "reason": one.reason} for one in report.refused]
        counts = {"infeasible": report.infeasible, "broken": report.broken}
        warnings = [{"path": str(path), "message": message} for path, message in report.warnings]
        print_json({"path": str(report.path), **counts, "refused": refused, "warnings": warnings})
    else:
        RESULTS.print(
            f"{report.infeasible} infeasible files and {report.broken} broken models written to {report.path}; "
            f"{len(report.refused)} files gave less than wanted"
        )
    for path, message in report.warnings:
        LOG.print(f"  {path}: Gurobi says: {message}")
    for one in report.refused:
        LOG.print(f"  {one.path}: {one.reason}")
    return FINDINGS if report.refused else DONE
