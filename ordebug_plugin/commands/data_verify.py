"""``ordebug data verify``: what do demonstrations prove?"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from ordebug_plugin.commands.common import (
    DONE,
    FINDINGS,
    LOG,
    RESULTS,
    Subparsers,
    add_work_limit_option,
    add_workers_option,
    progress,
    workers,
)
from ordebug_plugin.data.alpaca import ROWS_KEY
from ordebug_plugin.errors import InputError
from ordebug_plugin.files import write_text
from ordebug_plugin.verify.data_report import data_record, data_tables
from ordebug_plugin.verify.dataset import DatasetCheck, match_rows, replay_all


def add_parser(group: Subparsers) -> None:
    """Adds the command."""
    parser = group.add(
        "verify",
        "replay every demonstration through the judge; exit 1 unless each is well-formed and recovers",
        "ordebug data verify data/sft_train.json --bench bench/train --keep data/sft_proven.json",
    )
    parser.add_argument(
        "source", type=Path, metavar="IN.json", help='a list of Alpaca rows, or {"data": […]}, or .jsonl'
    )
    parser.add_argument("--bench", type=Path, required=True, metavar="DIR", help="the problems that the rows are about")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every figure, and what came of every row")
    parser.add_argument(
        "--keep", type=Path, metavar="OUT.json", help="write the rows that are well-formed and recover, unchanged"
    )
    add_work_limit_option(parser)
    add_workers_option(parser)
    parser.set_defaults(run=run_verify)


def run_verify(options: argparse.Namespace) -> int:
    """Verifies a file.

    Returns:
        0 when every row is proven, 1 when one is not.

    Raises:
        InputError: The file or the benchmark cannot be used, or an output not be written.
        SolverError: Gurobi cannot start.
    """
    if options.keep is not None and options.keep.suffix != ".json":
        raise InputError(f"{options.keep}: name the rows to keep *.json")
    outputs = {path.resolve() for path in (options.keep, options.json) if path is not None}
    if options.source.resolve() in outputs:
        raise InputError(f"{options.source}: would be overwritten: choose another name for the output")
    matched = match_rows(options.source, options.bench)
    with progress("problems", len(matched.problems)) as advance:
        check = replay_all(
            matched,
            workers=workers(options),
            work_limit=options.work_limit,
            on_progress=lambda: advance(""),
        )
    for table in data_tables(check):
        RESULTS.print(table)
    for reason, count in check.unjudged.items():
        LOG.print(f"{count} rows not judged: {reason}")
    if options.json is not None:
        write_text(options.json, json.dumps(data_record(check), indent=1, ensure_ascii=False, allow_nan=False) + "\n")
    if options.keep is not None:
        _keep(check, options.keep)
    return DONE if len(check.proven) == len(check.rows) else FINDINGS


def _keep(check: DatasetCheck, target: Path) -> None:
    """Writes the proven rows, in a document where the source is one."""
    if not check.proven:
        raise InputError(f"{target} not written: not one row of {check.source} is proven")
    rows = list(check.proven)
    document = {"metadata": dict(check.file.metadata), ROWS_KEY: rows} if check.file.metadata else rows
    write_text(target, json.dumps(document, indent=1, ensure_ascii=False) + "\n")
    LOG.print(f"{len(rows)} of {len(check.rows)} rows are proven, and written to {target}")
